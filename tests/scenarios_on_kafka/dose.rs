//! How much of a scenario is done: a little in every run of the tests, all of it in `./dev prove scenario N`.

use super::cluster::variable;

/// Whether the heavy doses were asked for.
pub(crate) fn long() -> bool {
    variable("BESPOKE_TEST_LONG").is_some()
}

/// One number or the other.
pub(crate) fn dose<T>(short: T, all: T) -> T {
    if long() { all } else { short }
}

/// Says why a scenario, or a part of it, is not run here.
pub(crate) fn skipped(what: &str, reason: &str) {
    eprintln!("{what}: skipped, {reason}");
}

//! Fuzzing of everything that reads foreign bytes, on the stable toolchain: `./dev prove fuzz --seconds N`.
//!
//! Each target runs in a child process, so that an abort (a stack that overflows, memory that runs out) is
//! seen, named, and its input saved. A failure is a panic, an abort, more than 250 ms or 64 MiB for one input
//! of at most 64 KiB, or a law that does not hold. A failing input is made smaller and written to
//! `tests/fuzz/corpus/TARGET/`. In plain `cargo test` only seeds and corpus are run, once each.
//!
//! It is not coverage-guided: what keeps an input is that the target's answer to it was new.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::print_stdout, clippy::disallowed_methods)]

#[path = "fuzz/campaign.rs"]
mod campaign;
#[path = "fuzz/child.rs"]
mod child;
#[path = "fuzz/corpus.rs"]
mod corpus;
#[path = "fuzz/dice.rs"]
mod dice;
#[path = "fuzz/minimise.rs"]
mod minimise;
#[path = "fuzz/mutate.rs"]
mod mutate;
#[path = "fuzz/target.rs"]
mod target;
#[path = "fuzz/targets/mod.rs"]
mod targets;

use std::alloc::System;
use std::process::ExitCode;

use cap::Cap;

/// Counts what is allocated, and refuses what goes beyond the limit of one input.
#[global_allocator]
static MEMORY: Cap<System> = Cap::new(System, usize::MAX);

fn main() -> ExitCode {
    if let Ok(orders) = std::env::var(child::ORDERS) {
        return child::run(&orders);
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let filters: Vec<&str> =
        arguments.iter().map(String::as_str).filter(|word| !word.starts_with('-')).collect();
    let exact = arguments.iter().any(|word| word == "--exact");
    let chosen = targets::ALL.iter().filter(|target| {
        let name = format!("fuzz::{}", target.name);
        filters.is_empty()
            || filters.iter().any(|filter| if exact { name == **filter } else { name.contains(filter) })
    });
    let chosen: Vec<&'static target::Target> = chosen.collect();
    if arguments.iter().any(|word| word == "--list") {
        chosen.iter().for_each(|target| println!("fuzz::{}: test", target.name));
        return ExitCode::SUCCESS;
    }
    match std::env::var("BESPOKE_FUZZ_SECONDS") {
        Ok(seconds) => campaign::search(&seconds),
        Err(_) => campaign::replay(&chosen),
    }
}

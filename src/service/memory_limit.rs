//! What the configuration lets the process keep in memory, against what its container may use: a process that cannot
//! live within its limit says so at its start, and is not killed by the kernel under its first load.

use std::fs;

use crate::config::Config;
use crate::runtime::fault::{Exit, ExitCode};
use crate::store::profile_cache::DECODED_PROFILE_BYTES;

/// Where Linux says how many bytes the processes of a container may use, or `max`: control groups, version 2.
const LIMIT_FILE: &str = "/sys/fs/cgroup/memory.max";
const MIB: usize = 1 << 20;
/// What a process has at least besides: its code, the threads and the buffers of its clients.
const PROCESS_BYTES: usize = 64 * MIB;

/// Compares them.
///
/// # Errors
/// With both sums and the keys that make the one, when it is more than the limit.
pub(super) fn check(config: &Config) -> Result<(), Exit> {
    // Where there is no such file, nobody limits the process.
    compare(config, fs::read_to_string(LIMIT_FILE).as_deref().unwrap_or("max"))
}

fn compare(config: &Config, limit: &str) -> Result<(), Exit> {
    let needed = needed_bytes(config);
    let limit = limit.trim().parse::<usize>().ok().filter(|limit| *limit < needed);
    let Some(limit) = limit else { return Ok(()) };
    Err(Exit {
        code: ExitCode::Misconfigured,
        text: format!(
            "state.block_cache, state.write_buffer, state.profile_cache, for each of {} threads commit.bytes_max and \
             the profiles that commit.records_max records change, and the process itself take {} MiB of memory, but \
             {LIMIT_FILE} allows {} MiB: raise the limit or lower these",
            config.threads,
            needed.div_ceil(MIB),
            limit / MIB
        ),
    })
}

fn needed_bytes(config: &Config) -> usize {
    let Config { state, commit, threads, .. } = config;
    // Those that an open transaction has changed are decoded until the commit.
    let changed = commit.records_max.saturating_mul(DECODED_PROFILE_BYTES);
    [
        state.block_cache_bytes,
        state.write_buffer_bytes,
        state.profile_cache_bytes,
        commit.bytes_max.saturating_add(changed).saturating_mul(*threads),
    ]
    .into_iter()
    .fold(PROCESS_BYTES, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::overlay::Flags;
    use crate::shop::CONFIG;

    fn checked(limit: &str) -> Result<(), Exit> {
        let mut flags = Flags::new();
        for (key, value) in [
            ("state.block_cache", "8MiB"),
            ("state.write_buffer", "16MiB"),
            ("state.profile_cache", "32MiB"),
            ("commit.bytes_max", "4MiB"),
            ("commit.records_max", "20000"),
            ("threads", "3"),
        ] {
            flags.set("--set", key, value);
        }
        compare(&Config::load(CONFIG, "shop.yaml", [], &flags).unwrap(), limit)
    }

    #[test]
    fn a_limit_below_what_the_configuration_lets_it_keep_stops_the_start() {
        // 8 + 16 + 32 + 3 x 4 + 64 MiB, and 3 x 20,000 profiles.
        let needed = 132 * MIB + 90_000_000;
        assert_eq!(checked(&format!("{needed}\n")), Ok(()));
        let refused = checked(&(needed - 1).to_string()).unwrap_err();
        assert_eq!(refused.code, ExitCode::Misconfigured);
        assert!(refused.text.contains("for each of 3 threads"), "{}", refused.text);
        assert!(refused.text.contains("take 218 MiB") && refused.text.contains("allows 217 MiB"));
    }

    #[test]
    fn without_a_limit_nothing_is_refused() {
        assert_eq!(checked("max\n"), Ok(()));
    }
}

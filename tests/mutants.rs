//! The simulator is tested itself: each deliberate defect of src/mutant.rs must make some of its runs fail.
//!
//! `BESPOKE_TEST_SEEDS` says how many seeds each mutant is given, `BESPOKE_TEST_MUTANT` which is tried alone.
//! This builds with the feature `mutants` only: `./dev prove mutants`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::disallowed_methods)]
#![allow(dead_code, reason = "the simulator has parts that only its own tests use")]

#[path = "kafka/fold.rs"]
mod fold;
#[path = "kafka/intake.rs"]
mod intake;
#[path = "kafka/outputs.rs"]
mod outputs;

#[path = "simulation/mod.rs"]
mod simulation;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use bespoke::mutant::{Mutant, arm};
use simulation::run::run;

#[test]
fn every_mutant_is_found() {
    simulation::quiet_panics();
    let seeds: u64 = std::env::var("BESPOKE_TEST_SEEDS").map_or(3_000, |text| text.parse().unwrap());
    let only = std::env::var("BESPOKE_TEST_MUTANT").ok();
    let wanted = |mutant: &&Mutant| only.as_deref().is_none_or(|name| mutant.name() == name);
    let mutants: Vec<Mutant> = Mutant::ALL.iter().filter(wanted).copied().collect();
    assert!(!mutants.is_empty(), "there is no mutant of that name");
    let (next, escaped) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match hunt(*mutant, seeds) {
                        Some((seed, text)) => eprintln!("{}: seed {seed}: {text}", mutant.name()),
                        None => {
                            eprintln!("{}: ESCAPED {seeds} seeds", mutant.name());
                            escaped.lock().unwrap().push(mutant.name());
                        }
                    }
                }
            });
        }
    });
    let escaped = escaped.into_inner().unwrap();
    eprintln!("prove mutants: {} of {} found by the simulator", mutants.len() - escaped.len(), mutants.len());
    assert!(escaped.is_empty(), "not found: {escaped:?}");
}

/// The first seed that finds a mutant, and what it says.
fn hunt(mutant: Mutant, seeds: u64) -> Option<(u64, String)> {
    arm(Some(mutant));
    let found = (1..=seeds).find_map(|seed| Some((seed, run(seed, None).violation?)));
    arm(None);
    found
}

//! Scenario 10: bytes of a closed store are changed, cut off, zeroed or taken away, and the application starts
//! again on what is left, by its own path: stores on disk, a restore from the changelog, and the runner that
//! puts a damaged store aside. Whatever was damaged, the state is what the changelog says and what comes out
//! is what an independent fold says; it neither hangs nor starts over again and again.
//!
//! The broker is a log in memory, so that a thousand of these take minutes: BESPOKE_TEST_LONG=1. The seed of
//! a run is printed; BESPOKE_TEST_SEED repeats it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "kafka/fold.rs"]
mod fold;
#[allow(dead_code, reason = "the tests of the pipeline use the rest")]
#[path = "kafka/outputs.rs"]
mod outputs;

#[path = "store_damage/mutation.rs"]
mod mutation;
#[path = "store_damage/world.rs"]
mod world;

use std::collections::BTreeMap;

use mutation::Chance;
use world::{Outcome, World};

const MUTATIONS: u64 = 32;
const MUTATIONS_LONG: u64 = 500;

/// The product's own stores: batches go to no log, closing a store writes a table.
#[test]
fn scenario_10_a_damaged_store_is_right_or_rebuilt() {
    damage("scenario 10", &World::create("store", false), &["SST", "MANIFEST", "CURRENT", "OPTIONS"]);
}

/// Stores with a log, which the product does not use. A manifest that was cut where a record ends is left out
/// here: it names older tables, beside which the newest log leaves a gap that RocksDB does not see.
#[test]
fn scenario_10_a_damaged_store_with_a_log_is_right_or_rebuilt() {
    damage("scenario 10, with a log", &World::create("log", true), &["SST", "WAL", "CURRENT", "OPTIONS"]);
}

fn damage(name: &str, world: &World, kinds: &[&'static str]) {
    let number = |name: &str| variable(name).map(|text| text.parse::<u64>().expect("a number"));
    let seed = number("BESPOKE_TEST_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    let mutations = match variable("BESPOKE_TEST_LONG") {
        Some(_) => number("BESPOKE_TEST_MUTATIONS").unwrap_or(MUTATIONS_LONG),
        None => MUTATIONS,
    };
    let mut tally: BTreeMap<(&'static str, Outcome), u64> = BTreeMap::new();
    for number in 0..mutations {
        let mut chance = Chance::new(seed.wrapping_mul(1_000_003).wrapping_add(number));
        let kind = kinds[(number % kinds.len() as u64) as usize];
        let (mutation, outcome) = world.try_one(kind, &mut chance);
        match outcome {
            Ok(outcome) => *tally.entry((kind, outcome)).or_default() += 1,
            Err(wrong) => panic!("{name}: BESPOKE_TEST_SEED={seed}, mutation {number}, {mutation}: {wrong}"),
        }
    }
    let lines: Vec<String> =
        tally.iter().map(|((kind, outcome), count)| format!("{kind} {outcome:?}: {count}")).collect();
    eprintln!("{name}: BESPOKE_TEST_SEED={seed}, {mutations} mutations, 0 wrong; {}", lines.join(", "));
    let noticed = tally.iter().filter(|((_, outcome), _)| *outcome != Outcome::Harmless);
    assert!(noticed.count() > 0, "some damage must be noticed, or none was done");
}

/// A variable of the environment.
#[allow(clippy::disallowed_methods, reason = "the environment says how much is to be done")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

//! The scenarios of a release, each with its number: faults and bad input on a real Kafka, and what must be
//! true afterwards. `./dev prove scenario list` says where each number is proved; many have their place in
//! other tests and are not repeated here.
//!
//! As part of all tests each takes seconds. BESPOKE_TEST_LONG=1, which `./dev prove scenario N` sets, gives
//! the whole dose.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[allow(dead_code, reason = "the tests of the pipeline use the rest")]
#[path = "kafka/app.rs"]
mod app;
#[allow(dead_code, reason = "the tests of the pipeline use the rest")]
#[path = "kafka/cluster.rs"]
mod cluster;
#[path = "kafka/fold.rs"]
mod fold;
#[path = "kafka/intake.rs"]
mod intake;
#[path = "kafka/load.rs"]
mod load;
#[allow(dead_code, reason = "the tests of the pipeline use the rest")]
#[path = "kafka/outputs.rs"]
mod outputs;

#[path = "scenarios_on_kafka/admin.rs"]
mod admin;
#[path = "scenarios_on_kafka/brokers.rs"]
mod brokers;
#[path = "scenarios_on_kafka/dose.rs"]
mod dose;
#[path = "scenarios_on_kafka/moody.rs"]
mod moody;
#[path = "scenarios_on_kafka/process.rs"]
mod process;
#[path = "scenarios_on_kafka/proxy.rs"]
mod proxy;

#[path = "scenarios_on_kafka/changelog.rs"]
mod changelog;
#[path = "scenarios_on_kafka/ends.rs"]
mod ends;
#[path = "scenarios_on_kafka/errors_of_the_disk.rs"]
mod errors_of_the_disk;
#[path = "scenarios_on_kafka/network.rs"]
mod network;
#[path = "scenarios_on_kafka/outages.rs"]
mod outages;
#[path = "scenarios_on_kafka/registries.rs"]
mod registries;
#[path = "scenarios_on_kafka/slow.rs"]
mod slow;
#[path = "scenarios_on_kafka/space.rs"]
mod space;
#[path = "scenarios_on_kafka/trimmed.rs"]
mod trimmed;
#[path = "scenarios_on_kafka/twins.rs"]
mod twins;
#[path = "scenarios_on_kafka/zombies.rs"]
mod zombies;

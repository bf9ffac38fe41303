//! The pipeline on a real Kafka: the real binary is fed, killed, joined, left, robbed of its state and of its
//! broker, and every record that comes out is compared with what an independent fold of the input says.
//!
//! BOOTSTRAP names the broker; `./dev test` starts one. Without it the tests say that they are skipped, and
//! fail where CI is set.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "kafka/app.rs"]
mod app;
#[path = "kafka/cluster.rs"]
mod cluster;
#[path = "kafka/counted.rs"]
mod counted;
#[path = "kafka/fold.rs"]
mod fold;
#[path = "kafka/intake.rs"]
mod intake;
#[path = "kafka/load.rs"]
mod load;
#[path = "kafka/outputs.rs"]
mod outputs;

#[path = "kafka/crashes.rs"]
mod crashes;
#[path = "kafka/dead_letters.rs"]
mod dead_letters;
#[path = "kafka/leaving.rs"]
mod leaving;
#[path = "kafka/members.rs"]
mod members;
#[path = "kafka/plain.rs"]
mod plain;
#[path = "kafka/poison.rs"]
mod poison;
#[path = "kafka/rebalances.rs"]
mod rebalances;
#[path = "kafka/registry.rs"]
mod registry;
#[path = "kafka/state.rs"]
mod state;

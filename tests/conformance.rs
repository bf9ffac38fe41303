//! The simulated cluster of tests/simulation against Apache Kafka: the same scripts run on both, and both must
//! give the answers that each script states. Where no broker is, the simulated half runs alone.
//!
//! Scripts of single requests (`lab`) check the coordinators and the log, in the versions of the protocol that
//! librdkafka speaks. Scripts of whole members (`stage`) check the simulated client with the product's own
//! clients: who gets which partitions when, and how a changelog is read. What goes wrong on the way, lost and
//! late requests, is not checked here: tests/late.rs does that on the real broker.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::disallowed_methods)]
#![allow(dead_code, reason = "the simulator and the cluster have parts that only other tests use")]

#[path = "kafka/cluster.rs"]
mod cluster;
#[path = "kafka/fold.rs"]
mod fold;
#[path = "kafka/intake.rs"]
mod intake;
#[path = "kafka/outputs.rs"]
mod outputs;
#[path = "simulation/mod.rs"]
mod simulation;

#[path = "conformance/contents.rs"]
mod contents;
#[path = "conformance/lab.rs"]
mod lab;
#[path = "conformance/members.rs"]
mod members;
#[path = "conformance/offsets.rs"]
mod offsets;
#[path = "conformance/real.rs"]
mod real;
#[path = "conformance/seats.rs"]
mod seats;
#[path = "conformance/simulated.rs"]
mod simulated;
#[path = "conformance/stage.rs"]
mod stage;
#[path = "conformance/transactions.rs"]
mod transactions;
#[path = "conformance/wire.rs"]
mod wire;

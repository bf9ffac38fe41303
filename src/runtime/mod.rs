//! Floor 3, the Kafka task runtime: workers, tasks, transactions, restores.

mod assignment;
mod batch;
pub mod broker;
pub mod dead_letter;
pub mod embedded;
pub mod fault;
pub mod instruments;
pub mod intake;
pub mod kafka;
pub mod plan;
mod recount;
pub mod redrive;
pub mod restore;
pub mod runner;
pub mod status;
pub mod stores;
pub mod stretch;
pub mod task;
pub mod topics;
pub mod transaction;
pub mod worker;

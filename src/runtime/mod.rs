//! Floor 3, the Kafka task runtime: workers, tasks, transactions, restores.

pub mod broker;
pub mod fault;
pub mod instruments;
pub mod kafka;

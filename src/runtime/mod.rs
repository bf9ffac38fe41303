//! Floor 3, the Kafka task runtime: workers, tasks, transactions, restores.

pub mod instruments;

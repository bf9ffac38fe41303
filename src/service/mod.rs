//! Floor 4, the process around the workers: HTTP, logs, metrics, the end. The only asynchronous code.

pub mod http;
pub mod logs;
pub mod metrics;
pub mod registry_server;

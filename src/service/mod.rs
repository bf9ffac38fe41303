//! Floor 4, the process around the workers: HTTP, logs, metrics, the end. The only asynchronous code.

pub mod build;
pub mod dead_letters;
pub mod http;
pub mod logs;
mod memory_limit;
pub mod metrics;
pub mod process;
pub mod registry_server;
pub mod replay;
pub mod shutdown;
pub mod topics;
pub mod watchdog;

/// The monotonic time since the process started, read by the service and an argument everywhere else.
pub type Clock = std::sync::Arc<dyn Fn() -> std::time::Duration + Send + Sync>;

//! Floor 1, bytes to domain and back. Total: any bytes give a value or a reason, never a panic, and never
//! more memory than a small multiple of the input.

#[cfg(test)]
mod arbitrary;
pub mod command;
pub mod digest;
pub mod event_schema;
pub mod output;
pub mod partition;
pub mod registry;
pub mod reject;
pub mod row;
pub mod wire;

//! Bespoke: behavioural event streams in, live user profiles and content decisions out, exactly once, on
//! Apache Kafka.

pub mod codec;
pub mod config;
pub mod domain;
pub mod runtime;
pub mod service;
pub mod shop;
pub mod store;

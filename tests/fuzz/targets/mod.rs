//! All targets: everything that reads bytes which somebody else may have written.

mod commands;
mod conditions;
mod config;
mod definitions;
mod events;
mod http;
mod outputs;
mod react;
mod registry;
mod restore;
mod rows;
mod samples;
mod wire_avro;
mod wire_json;

use crate::target::Target;

/// Every target.
pub(crate) const ALL: &[Target] = &[
    wire_json::TARGET,
    wire_avro::TARGET,
    rows::TARGET,
    commands::TARGET,
    restore::TARGET,
    react::TARGET,
    outputs::TARGET,
    config::TARGET,
    definitions::TARGET,
    conditions::TARGET,
    registry::TARGET,
    http::TARGET,
];

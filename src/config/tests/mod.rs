//! Tests of the configuration as a whole: what is right, what is wrong, and what stands above what.

mod example;
mod layers;
mod refusals;
mod schemas;

use super::Config;
use super::finding::ConfigErrors;
use super::load::tests::load_with;
use super::overlay::Flags;

/// Loads a file without environment and flags.
fn load(text: &str) -> Result<Config, ConfigErrors> {
    load_with(text, &[], &Flags::new())
}

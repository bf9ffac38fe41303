//! `bespoke config show`: the configuration in force, with the origin of each value. Secrets are left out.

use clap::{Args, Subcommand};

use super::ConfigSource;
use super::load::print;
use crate::config::overlay::Flags;
use crate::runtime::fault::Exit;

/// Arguments of `bespoke config`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bespoke config show --config shop.yaml --effective
  bespoke config show --set threads=4")]
pub(super) struct ConfigArguments {
    #[command(subcommand)]
    command: ConfigCommand,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print the configuration.
    Show {
        #[command(flatten)]
        source: ConfigSource,
        /// Every value in force, defaults included, with its origin. The only way there is, and the default.
        #[arg(long)]
        effective: bool,
    },
}

/// Prints the configuration in force.
pub(super) fn run(arguments: ConfigArguments) -> Result<i32, Exit> {
    let ConfigCommand::Show { source, .. } = arguments.command;
    print(source.load(Flags::new())?.effective());
    Ok(0)
}

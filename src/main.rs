//! The binary: the command line, and nothing else.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    bespoke::cli::run(bespoke::cli::Arguments::parse())
}

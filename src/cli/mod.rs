//! The command line: one file per command. Results go to standard output, everything else to standard error.

mod config_command;
pub mod demo;
mod dlq;
mod explain;
mod lint;
mod load;
mod plan;
mod registry;
mod replay;
mod run;
mod schema;
mod site_shares;
mod stored;
mod test;
mod topics;
mod view;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::runtime::fault::Exit;
use crate::service::logs::Color;

const AFTER_HELP: &str = "\
Examples:
  bespoke demo --embedded
  bespoke lint --config shop.yaml
  bespoke topics apply --config shop.yaml
  bespoke run --config shop.yaml

Exit codes: 0 done, 1 failed at run time, 2 wrong usage, 3 a check found something, 69 Kafka or the registry
cannot be reached, 70 a worker hung, 71 another process took this one's place, 72 state and offsets disagree,
74 an error of an unknown class, 75 the drain took too long, 78 wrong configuration or topics, 130 and 143 ended by a signal after a clean drain.";

/// Behavioural event streams in, live user profiles and content decisions out, exactly once, on Apache Kafka.
#[derive(Debug, Parser)]
#[command(name = "bespoke", version = version(), after_help = AFTER_HELP)]
pub struct Arguments {
    /// When to colour what goes to a terminal.
    #[arg(long, global = true, value_enum)]
    color: Option<ColorChoice>,
    /// Say more: once for debug, twice for trace. RUST_LOG says it in detail.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Say only what is wrong.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ColorChoice {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the pipeline.
    Run(run::RunArguments),
    /// Watch one person of a made-up shop, kill the processor, and see that nothing is lost or doubled.
    Demo(demo::DemoArguments),
    /// Show or make the topics and schemas that the pipeline needs.
    Topics(topics::TopicsArguments),
    /// Work out how large an installation has to be for a load, from what the work was measured to cost.
    Plan(plan::PlanArguments),
    /// Check a configuration without running it.
    Lint(lint::LintArguments),
    /// Show the configuration in force.
    Config(config_command::ConfigArguments),
    /// Play scenarios against a configuration: events in, expected profiles and decisions out.
    Test(test::TestArguments),
    /// Check the schemas of events, and what a change of them breaks.
    Schema(schema::SchemaArguments),
    /// See why records were refused, and send them through intake again once the reason is mended.
    Dlq(dlq::DlqArguments),
    /// Explain a person: the profile, and the last decisions with their reasons.
    Explain(explain::ExplainArguments),
    /// Replay the command log, or the sources, under a second application id.
    Replay(replay::ReplayArguments),
    /// Work out what all persons together are drawn to, and tell the pipeline, for lifts.
    SiteShares(site_shares::SiteSharesArguments),
    /// Serve a small schema registry on this machine, for the demo and for tests.
    Registry(registry::RegistryArguments),
}

/// Where a command's configuration comes from.
#[derive(Debug, Args)]
struct ConfigSource {
    /// The configuration file.
    #[arg(long, short, default_value = "bespoke.yaml")]
    config: PathBuf,
    /// Set one key, as in --set kafka.bootstrap=localhost:9092. Stands above the environment and the file.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
}

/// How a command prints its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
    /// One JSON document a line.
    Ndjson,
}

/// Runs one command. Answers the process's exit code.
pub fn run(arguments: Arguments) -> ExitCode {
    let level = match (arguments.quiet, arguments.verbose) {
        (true, _) => Some("error"),
        (false, 0) => None,
        (false, 1) => Some("debug"),
        (false, _) => Some("trace"),
    };
    let console = load::Console { color: arguments.color.map(Color::from), level };
    let result = match arguments.command {
        Command::Run(arguments) => run::run(&console, arguments),
        Command::Demo(arguments) => demo::run(&console, arguments),
        Command::Topics(arguments) => topics::run(arguments),
        Command::Plan(arguments) => plan::run(arguments),
        Command::Lint(arguments) => lint::run(arguments),
        Command::Config(arguments) => config_command::run(arguments),
        Command::Schema(arguments) => schema::run(arguments),
        Command::Dlq(arguments) => dlq::run(arguments),
        Command::Explain(arguments) => explain::run(arguments),
        Command::Replay(arguments) => replay::run(&console, arguments),
        Command::Test(arguments) => test::run(arguments),
        Command::SiteShares(arguments) => site_shares::run(arguments),
        Command::Registry(arguments) => registry::run(&console, arguments),
    };
    match result {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(Exit { code, text }) => {
            load::complain(&text);
            ExitCode::from(code as u8)
        }
    }
}

impl From<ColorChoice> for Color {
    fn from(choice: ColorChoice) -> Color {
        match choice {
            ColorChoice::Auto => Color::Auto,
            ColorChoice::Always => Color::Always,
            ColorChoice::Never => Color::Never,
        }
    }
}

fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

//! `bespoke schema`: what the schemas of events promise to senders, without Kafka and without a network.

mod history;

use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::json;

use self::history::History;
use super::load::print;
use super::{ConfigSource, Format};
use crate::codec::event_schema::{SchemaText, narrowings};
use crate::config::overlay::Flags;
use crate::config::{Config, event_schemas};
use crate::runtime::fault::{Exit, ExitCode};

/// Arguments of `bespoke schema`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bespoke schema check --config shop.yaml
  bespoke schema check --config shop.yaml --against origin/main")]
pub(super) struct SchemaArguments {
    #[command(subcommand)]
    command: SchemaCommand,
}

#[derive(Debug, Subcommand)]
enum SchemaCommand {
    /// Check that the schemas hold together, that their examples fit, and with --against what a change of
    /// them breaks, and for whom. Exits with 3 if anything is found.
    Check(CheckArguments),
}

#[derive(Debug, Args)]
struct CheckArguments {
    #[command(flatten)]
    source: ConfigSource,
    /// A commit, branch or tag of the Git repository in which the schemas lie: what it holds is released, and
    /// a released version may only accept more.
    #[arg(long, value_name = "REF")]
    against: Option<String>,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "text")]
    output: Format,
}

/// One thing that is wrong.
struct Finding {
    event: String,
    version: u32,
    /// Where in the schema, as a JSON Pointer.
    pointer: String,
    message: String,
}

/// Checks, and prints what was found.
pub(super) fn run(arguments: SchemaArguments) -> Result<i32, Exit> {
    let SchemaCommand::Check(arguments) = arguments.command;
    let config = arguments.source.load(Flags::new())?;
    let Some(directory) = &config.schemas_directory else {
        let file = arguments.source.config.display();
        let text = format!("{file}: no schemas; name their directory with schemas.directory");
        return Err(Exit { code: ExitCode::Misconfigured, text });
    };
    let mut findings = broken_examples(&config);
    if let Some(reference) = &arguments.against {
        findings.extend(broken_promises(directory, reference)?);
    }
    show(&config, directory, &findings, arguments.output);
    Ok(if findings.is_empty() { 0 } else { 3 })
}

fn broken_examples(config: &Config) -> Vec<Finding> {
    let all = config.schemas.all().flat_map(|(event, version)| {
        version.broken_examples().map(move |(index, violation)| Finding {
            event: event.to_string(),
            version: version.number(),
            pointer: format!("/examples/{index}{}", violation.pointer),
            message: violation.message,
        })
    });
    all.collect()
}

/// What was released at `reference` and no longer holds.
fn broken_promises(directory: &Path, reference: &str) -> Result<Vec<Finding>, Exit> {
    let failed = |text: String| Exit { code: ExitCode::Failed, text };
    let released = History::open(directory, reference).and_then(|history| history.texts()).map_err(failed)?;
    let present = event_schemas::texts(directory).map_err(failed)?;
    let mut findings = Vec::new();
    for old in &released {
        let finding = |pointer: String, message: String| Finding {
            event: old.event.to_string(),
            version: old.version,
            pointer,
            message: format!(
                "{message}: whoever sends version {} as {reference} allows it is refused from now on; put the \
                 change into a new version with x-upcast",
                old.version
            ),
        };
        let is_same = |new: &&SchemaText| new.event == old.event && new.version == old.version;
        let Some(new) = present.iter().find(is_same) else {
            findings.push(finding(String::new(), "the version is gone".into()));
            continue;
        };
        // What was released may be broken; then nothing was promised.
        let documents = serde_json::from_str(&old.text).ok().zip(serde_json::from_str(&new.text).ok());
        let narrowed = documents.map(|(old, new)| narrowings(&old, &new)).unwrap_or_default();
        findings.extend(narrowed.into_iter().map(|narrowing| finding(narrowing.pointer, narrowing.message)));
    }
    Ok(findings)
}

fn show(config: &Config, directory: &Path, findings: &[Finding], format: Format) {
    let rows = findings.iter().map(|Finding { event, version, pointer, message }| {
        json!({ "event": event, "version": version, "pointer": pointer, "message": message })
    });
    match format {
        Format::Text => {
            for Finding { event, version, pointer, message } in findings {
                let place = if pointer.is_empty() { String::new() } else { format!(" at {pointer}") };
                print(format!("{}/{event}/{version}.json{place}: {message}", directory.display()));
            }
            print(format!("{} schemas, {} findings", config.schemas.all().count(), findings.len()));
        }
        Format::Json => print(json!(rows.collect::<Vec<_>>()).to_string()),
        Format::Ndjson => rows.for_each(|row| print(row.to_string())),
    }
}

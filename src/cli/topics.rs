//! `bespoke topics`: what the pipeline needs in Kafka and in the registry.

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::load::print;
use super::{ConfigSource, Format};
use crate::config::overlay::Flags;
use crate::runtime::fault::Exit;
use crate::runtime::kafka::KafkaAdmin;
use crate::service::process::connect_registry;
use crate::service::topics::{Planned, TopicPlan, apply, compare, exit, register_schemas};

/// Arguments of `bespoke topics`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bespoke topics plan --config shop.yaml
  bespoke topics apply --config shop.yaml")]
pub(super) struct TopicsArguments {
    #[command(subcommand)]
    command: TopicsCommand,
}

#[derive(Debug, Subcommand)]
enum TopicsCommand {
    /// Show what is missing or differs. Exits with 3 if anything does.
    Plan(PlanArguments),
    /// Create what is missing, change settings that differ, and register the schemas of the outputs.
    Apply(PlanArguments),
}

#[derive(Debug, Args)]
struct PlanArguments {
    #[command(flatten)]
    source: ConfigSource,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "text")]
    output: Format,
}

/// Plans or applies.
pub(super) fn run(arguments: TopicsArguments) -> Result<i32, Exit> {
    let (arguments, change) = match arguments.command {
        TopicsCommand::Plan(arguments) => (arguments, false),
        TopicsCommand::Apply(arguments) => (arguments, true),
    };
    let config = arguments.source.load(Flags::new())?;
    let admin = KafkaAdmin::connect(&config.kafka, Duration::from_secs(30)).map_err(exit)?;
    let planned = compare(&config, &admin).map_err(exit)?;
    show(&planned, arguments.output);
    if !change {
        let differs = planned.iter().any(|planned| planned.plan != TopicPlan::Keep);
        return Ok(if differs { 3 } else { 0 });
    }
    apply(&planned, &admin).map_err(exit)?;
    let ids = register_schemas(&config, &connect_registry(&config)?)?;
    if arguments.output == Format::Text {
        print(format!(
            "schemas: profile update {}, content decision {}, segment change {}",
            ids.profile_update, ids.decision, ids.segment_change
        ));
    }
    Ok(0)
}

fn show(planned: &[Planned], format: Format) {
    let rows = planned.iter().map(|Planned { wish, plan }| {
        let (action, found) = match plan {
            TopicPlan::Keep => ("keep", json!(null)),
            TopicPlan::Create => ("create", json!(null)),
            TopicPlan::Set(differing) => ("set", json!(differing)),
            TopicPlan::Repartition(found) => ("refuse", json!({ "partitions": found })),
        };
        json!({
            "topic": wish.name, "action": action, "differs": found,
            "partitions": wish.partitions, "replication": wish.replication, "settings": wish.settings,
        })
    });
    match format {
        Format::Text => planned.iter().for_each(|planned| print(planned.to_string())),
        Format::Json => print(json!(rows.collect::<Vec<_>>()).to_string()),
        Format::Ndjson => rows.for_each(|row| print(row.to_string())),
    }
}

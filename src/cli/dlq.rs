//! `bespoke dlq`: the dead letters of an application. They are listed by reason, shown one by one, and sent
//! through intake again.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Write, stdout};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::load::print;
use super::{ConfigSource, Format, view};
use crate::codec::reject::RejectCode;
use crate::config::overlay::Flags;
use crate::domain::time::Timestamp;
use crate::runtime::broker::Record;
use crate::runtime::dead_letter::Letter;
use crate::runtime::fault::{Exit, ExitCode};
use crate::service::dead_letters::DeadLetters;
use crate::service::topics::exit;

/// Arguments of `bespoke dlq`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  bespoke dlq ls --config shop.yaml
  bespoke dlq show 2@1041 --config shop.yaml
  bespoke dlq retry --code schema_mismatch --config shop.yaml")]
pub(super) struct DlqArguments {
    #[command(subcommand)]
    command: DlqCommand,
}

#[derive(Debug, Subcommand)]
enum DlqCommand {
    /// List the open dead letters by reason.
    Ls(ListArguments),
    /// Show one dead letter: the reason, and the record as it was.
    Show(ShowArguments),
    /// Send records back to the topics that they came from, each exactly once. What is still wrong with them
    /// makes new dead letters.
    Retry(RetryArguments),
}

#[derive(Debug, Args)]
struct ListArguments {
    #[command(flatten)]
    source: ConfigSource,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "text")]
    output: Format,
}

#[derive(Debug, Args)]
struct ShowArguments {
    /// The letter's place in the dead-letter topic, as PARTITION@OFFSET.
    #[arg(value_parser = place)]
    letter: (i32, i64),
    #[command(flatten)]
    source: ConfigSource,
    /// Write the record's value alone, byte for byte.
    #[arg(long)]
    raw: bool,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "text")]
    output: Format,
}

#[derive(Debug, Args)]
struct RetryArguments {
    #[command(flatten)]
    source: ConfigSource,
    /// Only letters of this code; may be given several times. The others stay open.
    #[arg(long = "code", value_name = "CODE", value_parser = code)]
    codes: Vec<String>,
    /// How to print.
    #[arg(long, short, value_enum, default_value = "text")]
    output: Format,
}

/// Letters of one reason.
#[derive(Default)]
struct Group {
    count: u64,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    example: String,
}

/// Source, code, path, and what is demanded.
type Reason = (String, String, String, Option<String>);

/// Lists, shows or sends back.
pub(super) fn run(arguments: DlqArguments) -> Result<i32, Exit> {
    match arguments.command {
        DlqCommand::Ls(arguments) => list(&arguments),
        DlqCommand::Show(arguments) => show(&arguments),
        DlqCommand::Retry(arguments) => retry(arguments),
    }
}

fn list(arguments: &ListArguments) -> Result<i32, Exit> {
    let config = arguments.source.load(Flags::new())?;
    let letters = DeadLetters::connect(&config).map_err(exit)?;
    let mut groups: BTreeMap<Reason, Group> = BTreeMap::new();
    let take = |record: Record| {
        let (reason, at) = reason(&record);
        let group = groups.entry(reason).or_default();
        group.count += 1;
        group.first = group.first.into_iter().chain(at).min();
        group.last = group.last.into_iter().chain(at).max();
        group.example = format!("{}@{}", record.partition.number, record.offset);
    };
    letters.for_each(take).map_err(exit)?;
    let mut groups: Vec<(Reason, Group)> = groups.into_iter().collect();
    // The most frequent first; the rest of the order is that of the reasons.
    groups.sort_by_key(|(_, group)| std::cmp::Reverse(group.count));
    let rows = groups.iter().map(|((topic, code, path, rule), group)| {
        json!({
            "topic": topic, "code": code, "path": path, "rule": rule, "count": group.count,
            "first": group.first.map(|at| view::instant(at.ms())),
            "last": group.last.map(|at| view::instant(at.ms())),
            "example": group.example,
        })
    });
    match arguments.output {
        Format::Text => groups.iter().for_each(|(reason, group)| print(line(reason, group))),
        Format::Json => print(json!(rows.collect::<Vec<_>>()).to_string()),
        Format::Ndjson => rows.for_each(|row| print(row.to_string())),
    }
    if arguments.output == Format::Text {
        let count: u64 = groups.iter().map(|(_, group)| group.count).sum();
        print(format!("{count} open dead letters of {} reasons", groups.len()));
    }
    Ok(0)
}

fn reason(record: &Record) -> (Reason, Option<Timestamp>) {
    match Letter::read(record) {
        Ok(letter) => {
            let rule = letter.rule.map(|(event, version, keyword)| format!("{event}/{version} {keyword}"));
            ((letter.partition.topic.to_string(), letter.code, letter.path, rule), letter.timestamp)
        }
        Err(why) => ((String::new(), "no_dead_letter".into(), String::new(), Some(why)), None),
    }
}

fn line((topic, code, path, rule): &Reason, group: &Group) -> String {
    let rule = rule.as_ref().map_or(String::new(), |rule| format!("  {rule}"));
    let span = match (group.first, group.last) {
        (Some(first), Some(last)) => {
            format!("  from {} to {}", view::instant(first.ms()), view::instant(last.ms()))
        }
        _ => String::new(),
    };
    format!("{:>8}  {code} at {path} in {topic}{rule}{span}  such as {}", group.count, group.example)
}

fn show(arguments: &ShowArguments) -> Result<i32, Exit> {
    let config = arguments.source.load(Flags::new())?;
    let (partition, offset) = arguments.letter;
    let mut found = None;
    let take = |record: Record| {
        if (record.partition.number, record.offset) == (partition, offset) {
            found = Some(record);
        }
    };
    DeadLetters::connect(&config).and_then(|letters| letters.for_each(take)).map_err(exit)?;
    let failed = |text: String| Exit { code: ExitCode::Failed, text };
    let Some(record) = found else {
        return Err(failed(format!("no open dead letter at {partition}@{offset}; see `bespoke dlq ls`")));
    };
    if arguments.raw {
        let value = record.value.unwrap_or_default();
        stdout().write_all(&value).map_err(|error| failed(format!("writing: {error}")))?;
        return Ok(0);
    }
    let letter = Letter::read(&record).map_err(failed)?;
    match arguments.output {
        Format::Text => print(text(&letter)),
        Format::Json | Format::Ndjson => print(document(&letter).to_string()),
    }
    Ok(0)
}

fn document(letter: &Letter) -> Value {
    let headers =
        letter.headers.iter().map(|header| json!({ "name": header.name, "value": bytes(&header.value) }));
    let rule = letter.rule.as_ref();
    json!({
        "topic": &*letter.partition.topic, "partition": letter.partition.number, "offset": letter.offset,
        "timestamp": letter.timestamp.map(|at| view::instant(at.ms())),
        "code": letter.code, "path": letter.path, "message": letter.message,
        "schema": rule.map(|rule| &rule.0), "version": rule.map(|rule| &rule.1), "rule": rule.map(|rule| &rule.2),
        "key": bytes(&letter.key), "value": bytes(&letter.value), "headers": headers.collect::<Vec<_>>(),
    })
}

fn text(letter: &Letter) -> String {
    let mut lines = vec![
        format!("{} at {}: {}", letter.code, letter.path, letter.message),
        format!("from {}, offset {}", letter.partition, letter.offset),
    ];
    lines.extend(letter.timestamp.map(|at| format!("of {}", view::instant(at.ms()))));
    let rule = letter.rule.as_ref();
    lines.extend(rule.map(|(event, version, rule)| format!("schema {event}/{version}.json, `{rule}`")));
    lines.push(format!("key {}", shown(&letter.key)));
    lines.extend(
        letter.headers.iter().map(|header| format!("header {} {}", header.name, shown(&header.value))),
    );
    lines.push(shown(&letter.value));
    lines.join("\n")
}

/// Text as text, anything else in hexadecimal.
fn bytes(value: &Option<Vec<u8>>) -> Value {
    match value {
        Some(value) => match std::str::from_utf8(value) {
            Ok(text) => json!(text),
            Err(_) => json!({ "hex": value.iter().map(|byte| format!("{byte:02x}")).collect::<String>() }),
        },
        None => Value::Null,
    }
}

/// For a terminal: control characters are escaped, for they could be commands to it.
fn shown(value: &Option<Vec<u8>>) -> String {
    match bytes(value) {
        Value::String(text) if !text.chars().any(|character| character.is_control() && character != '\n') => {
            text
        }
        other => other.to_string(),
    }
}

fn retry(arguments: RetryArguments) -> Result<i32, Exit> {
    let config = arguments.source.load(Flags::new())?;
    let letters = DeadLetters::connect(&config).map_err(exit)?;
    let done = letters.redrive(BTreeSet::from_iter(arguments.codes)).map_err(exit)?;
    match arguments.output {
        Format::Text => {
            print(format!("{} records sent back, {} dead letters left open", done.sent, done.kept));
        }
        Format::Json | Format::Ndjson => print(json!({ "sent": done.sent, "kept": done.kept }).to_string()),
    }
    Ok(0)
}

fn place(text: &str) -> Result<(i32, i64), String> {
    let parts = text
        .split_once('@')
        .and_then(|(partition, offset)| Some((partition.parse().ok()?, offset.parse().ok()?)));
    parts.ok_or_else(|| "write PARTITION@OFFSET, such as 2@1041".to_owned())
}

fn code(text: &str) -> Result<String, String> {
    if RejectCode::ALL.iter().any(|code| code.as_str() == text) {
        return Ok(text.to_owned());
    }
    let known: Vec<&str> = RejectCode::ALL.iter().map(|code| code.as_str()).collect();
    Err(format!("no such code; known are {}", known.join(", ")))
}

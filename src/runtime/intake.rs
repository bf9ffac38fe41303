//! Intake: one source partition's records become commands, each in the partition of the person it is about.
//! Stateless. Content, definitions and site shares go to every partition, so that they are ordered with the events.

use std::sync::Arc;

use crate::codec::command;
use crate::codec::partition::partition_of;
use crate::codec::registry::{Lookup, Registry};
use crate::codec::reject::{Reject, RejectCode};
use crate::codec::wire::{Source, confluent_frame, decode_content, decode_site_shares};
use crate::config::definitions;
use crate::domain::command::Command;
use crate::domain::event::Event;

use super::broker::{Output, Record};
use super::instruments::fields::ExpectedFields;
use super::status::ChangeKind;
use crate::mutant::{Mutant, is_armed};

/// What a source topic carries.
#[derive(Clone)]
pub enum Intake {
    /// Events in JSON, and what is expected of them.
    Json(Source, Arc<ExpectedFields>),
    /// Events in Avro, with schemas from the registry.
    Avro(Source, Registry, Arc<ExpectedFields>),
    /// Content.
    Contents,
    /// Definitions.
    Definitions,
    /// What all persons together are drawn to.
    SiteShares,
}

/// What became of a record.
#[derive(Debug, PartialEq)]
pub enum Taken {
    /// It is on its way.
    Sent,
    /// It is a change that is on its way to everybody; of definitions with their fingerprint.
    Broadcast(Option<u64>),
    /// It tells nothing.
    Silent,
    /// Its schema is not there yet: hand it in again later.
    Waiting,
    /// It cannot be used.
    Rejected(Reject),
}

impl Intake {
    /// What its records change of what the pipeline knows; none where they are events.
    pub fn changes(&self) -> Option<ChangeKind> {
        match self {
            Intake::Json(..) | Intake::Avro(..) => None,
            Intake::Contents => Some(ChangeKind::Content),
            Intake::Definitions => Some(ChangeKind::Definitions),
            Intake::SiteShares => Some(ChangeKind::SiteShares),
        }
    }

    /// Turns one record into outputs for the command topic of `partitions` partitions.
    pub fn take(
        &self,
        record: &Record,
        commands: &Arc<str>,
        partitions: i32,
        outputs: &mut Vec<Output>,
    ) -> Taken {
        let (decoded, expected) = match self {
            Intake::Json(source, expected) => {
                (source.read_json(record.value.as_deref(), record.timestamp).map(Decoded::of), expected)
            }
            Intake::Avro(source, registry, expected) => (avro(source, registry, record), expected),
            Intake::Contents => {
                let change = decode_content(record.key.as_deref(), record.value.as_deref());
                return broadcast(change.map(|change| (change, None)), commands, partitions, outputs);
            }
            Intake::Definitions => {
                let change = definitions_change(record);
                let change = change.map(|(change, fingerprint)| (change, Some(fingerprint)));
                return broadcast(change, commands, partitions, outputs);
            }
            Intake::SiteShares => {
                let change = decode_site_shares(record.key.as_deref(), record.value.as_deref());
                return broadcast(change.map(|change| (change, None)), commands, partitions, outputs);
            }
        };
        match decoded {
            Ok(Decoded::Event(event)) => {
                expected.look_at(&event);
                outputs.push(to_person(event, commands, partitions));
                Taken::Sent
            }
            Ok(Decoded::Nothing) => Taken::Silent,
            Ok(Decoded::Waiting) => Taken::Waiting,
            Err(reject) => Taken::Rejected(reject),
        }
    }
}

/// What a record holds.
// It is taken apart at once, and never kept.
#[allow(clippy::large_enum_variant)]
enum Decoded {
    Event(Event),
    Nothing,
    /// Its schema is not there yet.
    Waiting,
}

impl Decoded {
    fn of(event: Option<Event>) -> Decoded {
        event.map_or(Decoded::Nothing, Decoded::Event)
    }
}

fn avro(source: &Source, registry: &Registry, record: &Record) -> Result<Decoded, Reject> {
    let value = match &record.value {
        Some(value) => value.as_slice(),
        None if source.table.is_some() => return Ok(Decoded::Nothing),
        None => &[],
    };
    let (schema_id, datum) = confluent_frame(value)?;
    match registry.schema(schema_id) {
        Lookup::Ready(schema) => source.read_avro(&schema, datum, record.timestamp).map(Decoded::of),
        Lookup::Pending => Ok(Decoded::Waiting),
        Lookup::Missing => Err(Reject::new(
            RejectCode::UnknownSchema,
            "$",
            format!("the registry has no schema with the id {schema_id}"),
        )),
        Lookup::Unusable(reason) => Err(Reject::new(RejectCode::MalformedAvro, "$", reason)),
    }
}

/// New definitions and their fingerprint.
fn definitions_change(record: &Record) -> Result<(Command, u64), Reject> {
    let refuse = |message: String| Reject::new(RejectCode::InvalidDefinitions, "$", message);
    let value = record.value.as_deref().ok_or_else(|| refuse("the record has no value".into()))?;
    let text = std::str::from_utf8(value).map_err(|_| refuse("not UTF-8".into()))?;
    let rules =
        definitions::parse_definitions(text, "definitions").map_err(|errors| refuse(errors.to_string()))?;
    Ok((Command::DefinitionsChanged { text: text.into() }, rules.fingerprint))
}

fn to_person(event: Event, commands: &Arc<str>, partitions: i32) -> Output {
    let key = event.person.as_bytes().to_vec();
    Output {
        topic: Arc::clone(commands),
        partition: Some(match is_armed(Mutant::SpreadByMessage) {
            true => partition_of(event.message_id.as_bytes(), partitions),
            false => partition_of(&key, partitions),
        }),
        key: Some(key),
        value: Some(command::encode(&Command::Event(event))),
        headers: Vec::new(),
        timestamp: None,
    }
}

fn broadcast(
    change: Result<(Command, Option<u64>), Reject>,
    commands: &Arc<str>,
    partitions: i32,
    outputs: &mut Vec<Output>,
) -> Taken {
    match change {
        Ok((change, fingerprint)) => {
            let value = command::encode(&change);
            let partitions = if is_armed(Mutant::BroadcastToOne) { 1 } else { partitions };
            outputs.extend((0..partitions).map(|number| Output {
                topic: Arc::clone(commands),
                partition: Some(number),
                key: None,
                value: Some(value.clone()),
                headers: Vec::new(),
                timestamp: None,
            }));
            Taken::Broadcast(fingerprint)
        }
        Err(reject) => Taken::Rejected(reject),
    }
}

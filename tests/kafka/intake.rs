//! The first hop, folded: what the source topics hold becomes what the command topic and the dead letters
//! must hold.
//!
//! The order between source partitions is nobody's promise, so per person the commands are compared as a
//! multiset, and within each source partition as a sequence.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use bespoke::codec::command;
use bespoke::codec::partition::partition_of;
use bespoke::codec::reject::{Reject, RejectCode};
use bespoke::codec::wire::{Source, confluent_frame, decode_content, decode_site_shares};
use bespoke::config::definitions::parse_definitions;
use bespoke::domain::command::Command;
use bespoke::domain::event::Event;
use bespoke::runtime::broker::Record;

/// How the records of one topic are to be read.
pub(crate) enum Reading {
    Json(Source),
    /// With all schemas that the registry knows.
    Avro(Source, HashMap<u32, apache_avro::Schema>),
    Content,
    #[allow(dead_code, reason = "the simulation uses it")]
    Definitions,
    #[allow(dead_code, reason = "the simulation uses it")]
    SiteShares,
}

/// A topic as it was read back, and how its records are to be read.
pub(crate) struct Topic {
    pub(crate) records: Vec<Record>,
    pub(crate) reading: Reading,
}

type Place = (String, i32, i64);
/// Each person's commands, in their order.
type Sequences = BTreeMap<Vec<u8>, Vec<Vec<u8>>>;

/// What the first hop must have written.
#[derive(Default)]
struct Expected<'a> {
    /// By source partition.
    sequences: BTreeMap<(String, i32), Sequences>,
    /// What every partition gets, by source partition.
    broadcasts: BTreeMap<(String, i32), Vec<Vec<u8>>>,
    rejected: BTreeMap<Place, (&'a Record, Reject)>,
}

/// How much was compared.
pub(crate) struct Compared {
    commands: usize,
    dead_letters: usize,
}

impl fmt::Display for Compared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} commands, {} dead letters", self.commands, self.dead_letters)
    }
}

/// Compares the command topic and the dead letters with their sources; the error is the first difference.
pub(crate) fn compare(
    sources: &[Topic],
    commands: &[Record],
    dead_letters: &[Record],
    partitions: i32,
) -> Result<Compared, String> {
    let mut expected = Expected::default();
    for topic in sources {
        topic.records.iter().for_each(|record| expected.read(record, &topic.reading));
    }
    expected.compare_commands(commands, partitions)?;
    expected.compare_dead_letters(dead_letters)?;
    Ok(Compared { commands: commands.len(), dead_letters: dead_letters.len() })
}

impl<'a> Expected<'a> {
    fn read(&mut self, record: &'a Record, reading: &Reading) {
        let from = (record.partition.topic.to_string(), record.partition.number);
        match decode(record, reading) {
            Ok(Command::Event(event)) => {
                let person = event.person.as_bytes().to_vec();
                let bytes = command::encode(&Command::Event(event));
                self.sequences.entry(from).or_default().entry(person).or_default().push(bytes);
            }
            Ok(change) => self.broadcasts.entry(from).or_default().push(command::encode(&change)),
            Err(reject) => {
                self.rejected.insert((from.0, from.1, record.offset), (record, reject));
            }
        }
    }

    fn compare_commands(&self, commands: &[Record], partitions: i32) -> Result<(), String> {
        let mut found: BTreeMap<&[u8], Vec<&[u8]>> = BTreeMap::new();
        let mut changes: BTreeMap<i32, Vec<&[u8]>> = (0..partitions).map(|at| (at, Vec::new())).collect();
        for record in commands {
            let value = record.value.as_deref().unwrap_or_default();
            let number = record.partition.number;
            match record.key.as_deref() {
                Some(key) if partition_of(key, partitions) != number => {
                    return Err(format!("{} offset {}: wrong partition", record.partition, record.offset));
                }
                Some(key) => found.entry(key).or_default().push(value),
                None => changes.entry(number).or_default().push(value),
            }
        }
        self.compare_events(&found)?;
        for (number, found) in &changes {
            let expected: Vec<&Vec<u8>> = self.broadcasts.values().flatten().collect();
            compare_multisets(&format!("changes in partition {number}"), &expected, found)?;
            for (from, sequence) in &self.broadcasts {
                is_subsequence(&format!("changes from {from:?} in partition {number}"), sequence, found)?;
            }
        }
        Ok(())
    }

    fn compare_events(&self, found: &BTreeMap<&[u8], Vec<&[u8]>>) -> Result<(), String> {
        let mut expected: BTreeMap<&[u8], Vec<&Vec<u8>>> = BTreeMap::new();
        for (person, commands) in self.sequences.values().flatten() {
            expected.entry(person).or_default().extend(commands);
        }
        if let Some(person) = found.keys().find(|person| !expected.contains_key(*person)) {
            return Err(format!("{}: has commands from nowhere", String::from_utf8_lossy(person)));
        }
        let none = Vec::new();
        for (person, expected) in expected {
            let found = found.get(person).unwrap_or(&none);
            let name = String::from_utf8_lossy(person);
            compare_multisets(&name, &expected, found)?;
            for (from, persons) in &self.sequences {
                if let Some(sequence) = persons.get(person) {
                    is_subsequence(&format!("{name}, from {from:?}"), sequence, found)?;
                }
            }
        }
        Ok(())
    }

    fn compare_dead_letters(&self, found: &[Record]) -> Result<(), String> {
        let mut missing: BTreeMap<&Place, &(&Record, Reject)> = self.rejected.iter().collect();
        for letter in found {
            let place = place_of(letter)?;
            let Some((record, reject)) = missing.remove(&place) else {
                return Err(format!("the dead letter of {place:?} stands there twice or without cause"));
            };
            let headers = &letter.headers[..record.headers.len().min(letter.headers.len())];
            let code = header(letter, "bespoke.error.code");
            let expected = Some(reject.code.as_str());
            if (letter.key != record.key) || (letter.value != record.value) || headers != record.headers {
                return Err(format!("the dead letter of {place:?} is not what came in"));
            }
            if code.as_deref() != expected {
                return Err(format!("the dead letter of {place:?} says {code:?}, expected {expected:?}"));
            }
        }
        match missing.into_iter().next() {
            None => Ok(()),
            Some((place, (_, reject))) => Err(format!("{place:?} became no dead letter: {reject}")),
        }
    }
}

fn decode(record: &Record, reading: &Reading) -> Result<Command, Reject> {
    let value = record.value.as_deref().unwrap_or_default();
    match reading {
        Reading::Json(source) => source.decode_json(value, record.timestamp).map(Command::Event),
        Reading::Avro(source, schemas) => avro(source, schemas, value, record).map(Command::Event),
        Reading::Content => decode_content(record.key.as_deref(), record.value.as_deref()),
        Reading::Definitions => definitions(value),
        Reading::SiteShares => decode_site_shares(record.key.as_deref(), record.value.as_deref()),
    }
}

fn definitions(value: &[u8]) -> Result<Command, Reject> {
    let text = String::from_utf8_lossy(value).into_owned();
    match parse_definitions(&text, "definitions") {
        Ok(_) => Ok(Command::DefinitionsChanged { text: text.into() }),
        Err(errors) => Err(Reject::new(RejectCode::InvalidDefinitions, "$", errors.to_string())),
    }
}

fn avro(
    source: &Source,
    schemas: &HashMap<u32, apache_avro::Schema>,
    value: &[u8],
    record: &Record,
) -> Result<Event, Reject> {
    let (id, datum) = confluent_frame(value)?;
    let schema = schemas.get(&id).ok_or_else(|| Reject::new(RejectCode::UnknownSchema, "$", "unknown"))?;
    source.decode_avro(schema, datum, record.timestamp)
}

fn compare_multisets(name: &str, expected: &[&Vec<u8>], found: &[&[u8]]) -> Result<(), String> {
    let mut expected: Vec<&[u8]> = expected.iter().map(|value| value.as_slice()).collect();
    let mut found = found.to_vec();
    expected.sort_unstable();
    found.sort_unstable();
    if expected == found {
        return Ok(());
    }
    let lost = expected.iter().filter(|value| found.binary_search(value).is_err()).count();
    let strange = found.iter().filter(|value| expected.binary_search(value).is_err()).count();
    let (expected, found) = (expected.len(), found.len());
    Err(format!("{name}: {found} commands, expected {expected}; {lost} lost, {strange} unheard of"))
}

fn is_subsequence(name: &str, sequence: &[Vec<u8>], found: &[&[u8]]) -> Result<(), String> {
    let mut rest = found.iter();
    match sequence.iter().position(|value| !rest.any(|other| other == value)) {
        None => Ok(()),
        Some(at) => Err(format!("{name}: command {at} is out of order")),
    }
}

fn place_of(letter: &Record) -> Result<Place, String> {
    let number = |name: &str| header(letter, name).and_then(|text| text.parse::<i64>().ok());
    let topic = header(letter, "__streams.errors.topic");
    match (topic, number("__streams.errors.partition"), number("__streams.errors.offset")) {
        (Some(topic), Some(partition), Some(offset)) => Ok((topic, partition as i32, offset)),
        _ => Err(format!("the dead letter at offset {} does not say where it is from", letter.offset)),
    }
}

fn header(record: &Record, name: &str) -> Option<String> {
    let found = record.headers.iter().rfind(|header| header.name == name)?;
    Some(String::from_utf8_lossy(found.value.as_deref()?).into_owned())
}

//! Compares what stands in the output topics with what must stand there, record by record.
//!
//! A difference is one line: whose, which record, and the first field that differs.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use bespoke::codec::output::reading::{decode_decision, decode_profile_update, decode_segment_change};
use bespoke::codec::partition::partition_of;
use bespoke::runtime::broker::Record;
use serde_json::Value;

use super::fold::Everybody;

/// All records of the output topics.
pub(crate) struct Outputs {
    pub(crate) decisions: Vec<Record>,
    pub(crate) segment_changes: Vec<Record>,
    pub(crate) profile_updates: Vec<Record>,
}

/// How much was compared, for the lines that tests print.
pub(crate) struct Compared {
    persons: usize,
    decisions: usize,
    segment_changes: usize,
    profile_updates: usize,
}

type Decode = fn(&[u8]) -> Value;
type ByPerson<'a> = BTreeMap<String, Vec<&'a Record>>;

/// Compares everything; the error is the first difference.
pub(crate) fn compare(expected: &Everybody, outputs: &Outputs, partitions: i32) -> Result<Compared, String> {
    let decisions = by_person(&outputs.decisions, partitions)?;
    let segment_changes = by_person(&outputs.segment_changes, partitions)?;
    let profile_updates = by_person(&outputs.profile_updates, partitions)?;
    for found in [&decisions, &segment_changes, &profile_updates] {
        if let Some(person) = found.keys().find(|person| !expected.contains_key(*person)) {
            return Err(format!("{person}: has outputs, and the fold knows nobody of that name"));
        }
    }
    let all = || expected.values();
    let expected_decisions = all().flat_map(|one| &one.decisions);
    no_id_too_often(&outputs.decisions, expected_decisions, "decision_id", decision)?;
    let expected_changes = all().flat_map(|one| &one.segment_changes);
    no_id_too_often(&outputs.segment_changes, expected_changes, "transition_id", segment_change)?;
    for (person, expected) in expected {
        let found = of(&decisions, person);
        sequence(person, "decision", &expected.decisions, found, decision)?;
        let found = of(&segment_changes, person);
        sequence(person, "segment change", &expected.segment_changes, found, segment_change)?;
        let updates = of(&profile_updates, person);
        versions_rise(person, updates)?;
        let last: Vec<&Record> = updates.last().copied().into_iter().collect();
        let is_one = |record: &&Record| expected.profile.iter().any(|one| record.value.as_ref() == Some(one));
        if !last.first().is_some_and(is_one) {
            let profile: Vec<Vec<u8>> = expected.profile.last().cloned().into_iter().collect();
            sequence(person, "last profile", &profile, &last, profile_update)?;
        }
    }
    Ok(Compared {
        persons: expected.len(),
        decisions: outputs.decisions.len(),
        segment_changes: outputs.segment_changes.len(),
        profile_updates: outputs.profile_updates.len(),
    })
}

impl fmt::Display for Compared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Compared { persons, decisions, segment_changes, profile_updates } = self;
        write!(
            formatter,
            "{persons} persons, {decisions} decisions, {segment_changes} segment changes, {profile_updates} \
             profile updates"
        )
    }
}

/// Each person's values, in their order.
pub(crate) fn values(records: &[Record]) -> BTreeMap<Vec<u8>, Vec<Vec<u8>>> {
    let mut values: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
    for record in records {
        let person = record.key.clone().unwrap_or_default();
        values.entry(person).or_default().push(record.value.clone().unwrap_or_default());
    }
    values
}

fn by_person(records: &[Record], partitions: i32) -> Result<ByPerson<'_>, String> {
    let mut found = ByPerson::new();
    for record in records {
        let key = record.key.as_deref().unwrap_or_default();
        let person = String::from_utf8_lossy(key).into_owned();
        if record.partition.number != partition_of(key, partitions) {
            return Err(format!("{person}: {} is not where Java clients would put it", place(record)));
        }
        found.entry(person).or_default().push(record);
    }
    Ok(found)
}

fn of<'f, 'r>(found: &'f ByPerson<'r>, person: &str) -> &'f [&'r Record] {
    found.get(person).map_or(&[], Vec::as_slice)
}

/// An id stands there once. Where a sender repeats a request after the horizon of de-duplication, which passes
/// at once for a backlog that is read unevenly, the fold answers it again under the same id.
fn no_id_too_often<'e>(
    records: &[Record],
    expected: impl Iterator<Item = &'e Vec<u8>>,
    field: &str,
    decode: Decode,
) -> Result<(), String> {
    let id_of = |value: Value| value[field].as_str().unwrap_or_default().to_owned();
    let mut left: HashMap<String, usize> = HashMap::new();
    for value in expected {
        *left.entry(id_of(expected_value(value, decode))).or_default() += 1;
    }
    for record in records {
        let id = id_of(value_of(record, decode));
        match left.get_mut(&id) {
            Some(left) if *left > 0 => *left -= 1,
            _ => return Err(format!("{}: {field} {id} stands there too often", place(record))),
        }
    }
    Ok(())
}

fn sequence(
    person: &str,
    what: &str,
    expected: &[Vec<u8>],
    found: &[&Record],
    decode: Decode,
) -> Result<(), String> {
    for (number, expected) in expected.iter().enumerate() {
        let Some(record) = found.get(number) else {
            let missing = expected_value(expected, decode);
            return Err(format!("{person}: {what} {number} is missing: {missing}"));
        };
        let value = record.value.as_deref().unwrap_or_default();
        if value != expected.as_slice() {
            let difference =
                first_difference("", &expected_value(expected, decode), &value_of(record, decode));
            let difference = difference.unwrap_or_else(|| "the bytes".into());
            return Err(format!("{person}: {what} {number} at {}: {difference}", place(record)));
        }
    }
    match found.get(expected.len()) {
        None => Ok(()),
        Some(record) => {
            Err(format!("{person}: one {what} too many at {}: {}", place(record), value_of(record, decode)))
        }
    }
}

fn versions_rise(person: &str, updates: &[&Record]) -> Result<(), String> {
    let mut before = 0;
    for record in updates {
        let version = value_of(record, profile_update)["version"].as_i64().unwrap_or_default();
        if version <= before {
            let place = place(record);
            return Err(format!("{person}: profile version {version} at {place} follows {before}"));
        }
        before = version;
    }
    Ok(())
}

fn first_difference(path: &str, expected: &Value, found: &Value) -> Option<String> {
    match (expected, found) {
        (Value::Object(one), Value::Object(other)) => one.iter().find_map(|(name, value)| {
            first_difference(&format!("{path}.{name}"), value, other.get(name).unwrap_or(&Value::Null))
        }),
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            let pairs = one.iter().zip(other).enumerate();
            pairs
                .filter_map(|(at, (one, other))| first_difference(&format!("{path}[{at}]"), one, other))
                .next()
        }
        _ if expected == found => None,
        _ => Some(format!("{path} is {found}, expected {expected}")),
    }
}

fn place(record: &Record) -> String {
    format!("{} offset {}", record.partition, record.offset)
}

fn value_of(record: &Record, decode: Decode) -> Value {
    decode(record.value.as_deref().unwrap_or_default())
}

fn expected_value(bytes: &[u8], decode: Decode) -> Value {
    decode(bytes)
}

fn decision(bytes: &[u8]) -> Value {
    serde_json::to_value(decode_decision(bytes).unwrap()).unwrap()
}

fn segment_change(bytes: &[u8]) -> Value {
    serde_json::to_value(decode_segment_change(bytes).unwrap()).unwrap()
}

fn profile_update(bytes: &[u8]) -> Value {
    serde_json::to_value(decode_profile_update(bytes).unwrap()).unwrap()
}

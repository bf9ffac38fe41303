//! Dead letters: records that cannot be used, with their own bytes and headers, and the reason. Written here,
//! and read back here.

use std::sync::Arc;

use super::broker::{Header, Output, Partition, Record};
use crate::codec::reject::Reject;
use crate::codec::wire;
use crate::domain::time::Timestamp;
use crate::mutant::{Mutant, is_armed};

// The names that Kafka Streams gives them (KIP-1034).
const EXCEPTION: &str = "__streams.errors.exception";
const MESSAGE: &str = "__streams.errors.message";
const TOPIC: &str = "__streams.errors.topic";
const PARTITION: &str = "__streams.errors.partition";
const OFFSET: &str = "__streams.errors.offset";
// Our own.
const CODE: &str = "bespoke.error.code";
const PATH: &str = "bespoke.error.path";
const SCHEMA_ID: &str = "bespoke.error.schema_id";
const SCHEMA: &str = "bespoke.error.schema";
const SCHEMA_VERSION: &str = "bespoke.error.schema_version";
const RULE: &str = "bespoke.error.rule";
/// The letter has a time of its own, that of the transaction; this is the record's, in milliseconds since the
/// epoch.
const TIMESTAMP: &str = "bespoke.record.timestamp";

/// All headers that are added to the record's own.
const ADDED: [&str; 12] = [
    EXCEPTION,
    MESSAGE,
    TOPIC,
    PARTITION,
    OFFSET,
    CODE,
    PATH,
    SCHEMA_ID,
    SCHEMA,
    SCHEMA_VERSION,
    RULE,
    TIMESTAMP,
];

/// A dead letter that was read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Where the record stood.
    pub partition: Partition,
    /// Its offset there.
    pub offset: i64,
    /// Its time; none where Kafka had none for it.
    pub timestamp: Option<Timestamp>,
    /// Which reason of the closed list.
    pub code: String,
    /// Where in the record, as a JSON path.
    pub path: String,
    /// What is wrong, for people.
    pub message: String,
    /// The event, the version of its schema and the keyword that it does not fit, where that is the reason.
    pub rule: Option<(String, String, String)>,
    /// The key of the record.
    pub key: Option<Vec<u8>>,
    /// The value of the record.
    pub value: Option<Vec<u8>>,
    /// The record's own headers.
    pub headers: Vec<Header>,
}

/// A dead letter for a record: its own bytes and headers, and the reason.
pub fn dead_letter(topic: &Arc<str>, record: &Record, reject: &Reject) -> Output {
    let mut headers = record.headers.clone();
    headers.push(Header::text(EXCEPTION, reject.code.as_str()));
    headers.push(Header::text(MESSAGE, &*reject.message));
    headers.push(Header::text(TOPIC, &*record.partition.topic));
    headers.push(Header::text(PARTITION, record.partition.number.to_string()));
    headers.push(Header::text(OFFSET, record.offset.to_string()));
    headers.push(Header::text(CODE, reject.code.as_str()));
    headers.push(Header::text(PATH, &*reject.path));
    let schema = record.value.as_deref().and_then(|value| wire::confluent_frame(value).ok());
    if let Some((schema_id, _)) = schema {
        headers.push(Header::text(SCHEMA_ID, schema_id.to_string()));
    }
    if let Some(rule) = &reject.rule {
        headers.push(Header::text(SCHEMA, &*rule.event));
        headers.push(Header::text(SCHEMA_VERSION, rule.version.to_string()));
        headers.push(Header::text(RULE, &*rule.keyword));
    }
    headers.push(Header::text(TIMESTAMP, record.timestamp.ms().to_string()));
    let (key, mut value) = (record.key.clone(), record.value.clone());
    if is_armed(Mutant::TrimDeadLetters)
        && let Some(value) = &mut value
    {
        value.pop();
    }
    Output { topic: Arc::clone(topic), partition: None, key, value, headers, timestamp: None }
}

impl Letter {
    /// Reads a record of the dead-letter topic.
    ///
    /// # Errors
    /// The header that is missing or cannot be read.
    pub fn read(record: &Record) -> Result<Letter, String> {
        let text = |name: &str| {
            // A record that has been a dead letter before may have such headers of its own: ours are the last.
            let header = record.headers.iter().rfind(|header| header.name == name)?;
            Some(String::from_utf8_lossy(header.value.as_deref()?).into_owned())
        };
        let need = |name: &str| text(name).ok_or_else(|| format!("no header {name}"));
        let number = |name: &str| {
            need(name)?.parse::<i64>().map_err(|_| format!("the header {name} is no whole number"))
        };
        let partition = i32::try_from(number(PARTITION)?).map_err(|_| format!("the header {PARTITION}"))?;
        let at = text(TIMESTAMP).and_then(|text| text.parse().ok()).map(Timestamp::from_ms);
        let rule = text(SCHEMA).zip(text(SCHEMA_VERSION)).zip(text(RULE));
        Ok(Letter {
            partition: Partition::new(need(TOPIC)?, partition),
            offset: number(OFFSET)?,
            timestamp: at.filter(|at| at.is_plausible()),
            code: need(CODE)?,
            path: need(PATH)?,
            message: need(MESSAGE)?,
            rule: rule.map(|((event, version), keyword)| (event, version, keyword)),
            key: record.key.clone(),
            value: record.value.clone(),
            headers: own(&record.headers),
        })
    }
}

/// The headers without those that were added last.
fn own(headers: &[Header]) -> Vec<Header> {
    let is_added = |(at, header): &(usize, &Header)| {
        let is_last = !headers.iter().skip(at + 1).any(|later| later.name == header.name);
        ADDED.contains(&&*header.name) && is_last
    };
    headers.iter().enumerate().filter(|header| !is_added(header)).map(|(_, header)| header.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::reject::{RejectCode, SchemaRule};

    fn record(headers: Vec<Header>) -> Record {
        Record {
            partition: Partition::new("events", 3),
            offset: 41,
            timestamp: Timestamp::from_ms(1_767_607_200_000),
            key: Some(vec![0, 255]),
            value: Some(vec![7]),
            headers,
        }
    }

    fn written(record: &Record, reject: &Reject) -> Record {
        let Output { key, value, headers, .. } = dead_letter(&Arc::from("letters"), record, reject);
        Record { partition: Partition::new("letters", 0), offset: 0, key, value, headers, ..record.clone() }
    }

    #[test]
    fn a_letter_gives_back_the_record_and_the_reason() {
        let rule = SchemaRule { event: "product_viewed".into(), version: 2, keyword: "maximum".into() };
        let reject = Reject::new(RejectCode::SchemaMismatch, "$.price", "too much").with_rule(rule);
        let record = record(vec![Header::text("trace", "1"), Header { name: "empty".into(), value: None }]);
        let letter = Letter::read(&written(&record, &reject)).unwrap();
        assert_eq!((&letter.partition, letter.offset), (&record.partition, record.offset));
        assert_eq!(letter.timestamp, Some(record.timestamp));
        assert_eq!(
            (&letter.key, &letter.value, &letter.headers),
            (&record.key, &record.value, &record.headers)
        );
        assert_eq!(
            (&*letter.code, &*letter.path, &*letter.message),
            ("schema_mismatch", "$.price", "too much")
        );
        assert_eq!(letter.rule, Some(("product_viewed".into(), "2".into(), "maximum".into())));
    }

    #[test]
    fn a_record_that_was_a_letter_elsewhere_keeps_the_headers_of_then() {
        let reject = Reject::new(RejectCode::Empty, "$", "empty");
        let once = written(&record(Vec::new()), &reject);
        let again = Letter::read(&written(&once, &reject)).unwrap();
        assert_eq!((again.headers, &*again.partition.topic), (once.headers, "letters"));
    }

    #[test]
    fn what_is_no_letter_says_what_is_missing() {
        assert_eq!(Letter::read(&record(Vec::new())).unwrap_err(), "no header __streams.errors.partition");
    }
}

//! What became of a change that somebody sent: of definitions, of content or of site shares. The status topic keeps the
//! latest of each, so that whoever deploys a change can wait for the answer there, as Kafka Connect's clients do on its
//! status topic. A refused change leaves in force what stood before.

use std::sync::Arc;

use serde::Serialize;

use super::broker::{Output, Record};
use crate::codec::reject::Reject;

/// What kind of change it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChangeKind {
    /// One piece of content.
    Content,
    /// All definitions.
    Definitions,
    /// The shares of one interest.
    SiteShares,
}

/// The value of a record of the status topic, in JSON. Its key is that of the changed thing: `definitions`,
/// `content/ID` or `site_shares/INTEREST`.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
struct Status<'a> {
    kind: ChangeKind,
    state: State,
    /// Why it was refused, from the closed list of dead letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// Where in the record, as a JSON path.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    /// What is wrong, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    /// Which definitions these are, as decisions and segment changes name them.
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<String>,
    /// Where the change stands.
    topic: &'a str,
    partition: i32,
    offset: i64,
    /// The time of its record, in milliseconds since 1970.
    timestamp_ms: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum State {
    /// It is on its way to all partitions, and in force from its place in each.
    Accepted,
    /// It changes nothing.
    Refused,
}

/// The record that says what became of a change. `result` has the fingerprint of definitions that were accepted.
pub fn status(
    topic: &Arc<str>,
    kind: ChangeKind,
    record: &Record,
    result: Result<Option<u64>, &Reject>,
) -> Output {
    let refused = result.as_ref().err();
    let status = Status {
        kind,
        state: if refused.is_some() { State::Refused } else { State::Accepted },
        code: refused.map(|reject| reject.code.as_str()),
        path: refused.map(|reject| &*reject.path),
        message: refused.map(|reject| &*reject.message),
        fingerprint: result.ok().flatten().map(|fingerprint| format!("{fingerprint:016x}")),
        topic: &record.partition.topic,
        partition: record.partition.number,
        offset: record.offset,
        timestamp_ms: record.timestamp.ms(),
    };
    // What is gone for good needs no status for good.
    let withdrawn = refused.is_none() && record.value.is_none();
    let value = (!withdrawn).then(|| serde_json::to_vec(&status).unwrap_or_default());
    let (key, headers) = (Some(key(kind, record)), Vec::new());
    Output { topic: Arc::clone(topic), partition: None, key, value, headers, timestamp: None }
}

fn key(kind: ChangeKind, record: &Record) -> Vec<u8> {
    let of = |kind: &[u8]| [kind, record.key.as_deref().unwrap_or_default()].concat();
    match kind {
        ChangeKind::Definitions => b"definitions".to_vec(),
        ChangeKind::Content => of(b"content/"),
        ChangeKind::SiteShares => of(b"site_shares/"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::codec::reject::RejectCode;
    use crate::domain::time::Timestamp;
    use crate::runtime::broker::Partition;

    fn told(kind: ChangeKind, value: Option<&str>, result: Result<Option<u64>, &Reject>) -> (String, Value) {
        let record = Record {
            partition: Partition::new("changes", 1),
            offset: 7,
            timestamp: Timestamp::from_ms(1_767_607_200_000),
            key: Some(b"k".to_vec()),
            value: value.map(|value| value.as_bytes().to_vec()),
            headers: Vec::new(),
        };
        let output = status(&Arc::from("status"), kind, &record, result);
        let value = output.value.map_or(Value::Null, |value| serde_json::from_slice(&value).unwrap());
        (String::from_utf8(output.key.unwrap()).unwrap(), value)
    }

    #[test]
    fn a_status_says_what_became_of_the_change_and_where_it_stands() {
        let accepted = json!({
            "kind": "definitions", "state": "ACCEPTED", "fingerprint": "000000000000002a",
            "topic": "changes", "partition": 1, "offset": 7, "timestamp_ms": 1_767_607_200_000_i64,
        });
        assert_eq!(told(ChangeKind::Definitions, Some("x"), Ok(Some(42))), ("definitions".into(), accepted));
        let reject = Reject::new(RejectCode::InvalidField, "$.rank", "no number");
        let refused = json!({
            "kind": "content", "state": "REFUSED", "code": "invalid_field", "path": "$.rank",
            "message": "no number", "topic": "changes", "partition": 1, "offset": 7,
            "timestamp_ms": 1_767_607_200_000_i64,
        });
        assert_eq!(told(ChangeKind::Content, Some("x"), Err(&reject)), ("content/k".into(), refused));
    }

    #[test]
    fn what_is_withdrawn_has_no_status_and_what_cannot_be_withdrawn_has_one() {
        assert_eq!(told(ChangeKind::SiteShares, None, Ok(None)), ("site_shares/k".into(), Value::Null));
        let reject = Reject::new(RejectCode::Empty, "$", "no value");
        assert_eq!(told(ChangeKind::Definitions, None, Err(&reject)).1["state"], "REFUSED");
    }
}

//! Dead letters: records that cannot be used, with their own bytes and headers, and the reason.

use std::sync::Arc;

use super::broker::{Header, Output, Record};
use crate::codec::reject::Reject;
use crate::codec::wire;
use crate::mutant::{Mutant, is_armed};

/// A dead letter for a record: its own bytes and headers, and the reason.
pub fn dead_letter(topic: &Arc<str>, record: &Record, reject: &Reject) -> Output {
    let mut headers = record.headers.clone();
    // The names that Kafka Streams gives them (KIP-1034), then our own.
    headers.push(Header::text("__streams.errors.exception", reject.code.as_str()));
    headers.push(Header::text("__streams.errors.message", &*reject.message));
    headers.push(Header::text("__streams.errors.topic", &*record.partition.topic));
    headers.push(Header::text("__streams.errors.partition", record.partition.number.to_string()));
    headers.push(Header::text("__streams.errors.offset", record.offset.to_string()));
    headers.push(Header::text("bespoke.error.code", reject.code.as_str()));
    headers.push(Header::text("bespoke.error.path", &*reject.path));
    let schema = record.value.as_deref().and_then(|value| wire::confluent_frame(value).ok());
    if let Some((schema_id, _)) = schema {
        headers.push(Header::text("bespoke.error.schema_id", schema_id.to_string()));
    }
    let (key, mut value) = (record.key.clone(), record.value.clone());
    if is_armed(Mutant::TrimDeadLetters)
        && let Some(value) = &mut value
    {
        value.pop();
    }
    Output { topic: Arc::clone(topic), partition: None, key, value, headers }
}

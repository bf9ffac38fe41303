//! What is refused, with which code and at which path: one line for each thing that can be wrong.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{RECORD_TIME, source};
use crate::codec::reject::{Reject, RejectCode};
use crate::codec::wire::Source;
use crate::domain::time::Timestamp;

fn reject(source: &Source, value: &str) -> Reject {
    source.decode_json(value.as_bytes(), RECORD_TIME).expect_err(value)
}

#[test]
fn each_thing_that_is_wrong_has_its_code_and_its_path() {
    use RejectCode::*;
    for (value, code, path) in [
        ("", Empty, "$"),
        (r#"{"event":"a","userId":"u1""#, MalformedJson, "$"),
        (r#"{"event":"a","userId":"u1","userId":"u2"}"#, MalformedJson, "$"),
        (r#"{"event":"a","userId":"u1"}x"#, MalformedJson, "$"),
        ("[1]", InvalidField, "$"),
        ("\"secret\"", InvalidField, "$"),
        (r#"{"userId":"u1"}"#, MissingField, "$.event"),
        (r#"{"type":"track","userId":"u1"}"#, MissingField, "$.event"),
        (r#"{"event":" ","userId":"u1"}"#, InvalidField, "$.event"),
        (r#"{"event":7,"userId":"u1"}"#, InvalidField, "$.event"),
        (r#"{"name":"secret\u0000","userId":"u1"}"#, InvalidField, "$.name"),
        (r#"{"event":"a"}"#, MissingField, "$.userId"),
        (r#"{"event":"a","userId":null}"#, MissingField, "$.userId"),
        (r#"{"event":"a","userId":"null","anonymousId":"a1"}"#, BlockedId, "$.userId"),
        (r#"{"event":"a","client_id":"0000"}"#, BlockedId, "$.client_id"),
        (r#"{"event":"a","user_id":"secret\n"}"#, InvalidField, "$.user_id"),
        (r#"{"event":"a","userId":{}}"#, InvalidField, "$.userId"),
        (r#"{"event":"a","userId":"u1","messageId":""}"#, InvalidField, "$.messageId"),
        (r#"{"event":"a","userId":"u1","messageId":[]}"#, InvalidField, "$.messageId"),
        (r#"{"event":"a","userId":"u1","timestamp":"secret"}"#, InvalidField, "$.timestamp"),
        (r#"{"event":"a","userId":"u1","timestamp":"2300-01-01T00:00:00Z"}"#, ImplausibleTime, "$.timestamp"),
        (r#"{"event":"a","userId":"u1","sentAt":-1}"#, ImplausibleTime, "$.sentAt"),
        (
            r#"{"event":"a","userId":"u1","timestamp":0,"sentAt":"2199-01-01T00:00:00Z","receivedAt":1}"#,
            ImplausibleTime,
            "$.sentAt",
        ),
        (r#"{"event":"a","userId":"u1","properties":"secret"}"#, InvalidField, "$.properties"),
        (r#"{"event":"a","userId":"u1","context":[1]}"#, InvalidField, "$.context"),
        (r#"{"type":"identify","userId":"u1","traits":7}"#, InvalidField, "$.traits"),
        (r#"{"event":"a","userId":"u1","properties":{"products":7}}"#, InvalidField, "$.properties.products"),
        (r#"{"event":"a","userId":"u1","items":[true]}"#, InvalidField, "$.items[0]"),
        (r#"{"event":"a","userId":"u1","items":[{"price":1}]}"#, MissingField, "$.items[0].item_id"),
        (
            r#"{"event":"a","userId":"u1","params":{"items":["a",{"sku":"b","price":"secret"}]}}"#,
            InvalidField,
            "$.params.items[1].price",
        ),
        (
            r#"{"event":"a","userId":"u1","ecommerce":{"items":[{"id":""}]}}"#,
            InvalidField,
            "$.ecommerce.items[0].id",
        ),
        (r#"{"event":"a","userId":"u1","productId":"p","price":-1}"#, InvalidField, "$.price"),
        (r#"{"event":"a","userId":"u1","productId":"p","price":1e14}"#, InvalidField, "$.price"),
        (r#"{"event":"a","userId":"u1","productId":"p","quantity":1.5}"#, InvalidField, "$.quantity"),
        (r#"{"event":"a","userId":"u1","productId":"p","quantity":-1}"#, InvalidField, "$.quantity"),
        (r#"{"event":"purchase","userId":"u1","revenue":"secret"}"#, InvalidField, "$.revenue"),
        (r#"{"event":"a","userId":"u1","currency":"€","value":1}"#, InvalidField, "$.currency"),
        (r#"{"event":"decision_request","userId":"u1","slot":"s"}"#, MissingField, "$.properties.requestId"),
        (r#"{"event":"decision_request","userId":"u1","requestId":"r"}"#, MissingField, "$.properties.slot"),
        (
            r#"{"event":"decision_request","userId":"u1","requestId":"r","slot":"s","exclude":[{}]}"#,
            InvalidField,
            "$.exclude[0]",
        ),
    ] {
        let reject = reject(&source(), value);
        assert_eq!((reject.code, &*reject.path), (code, path), "{value}");
        assert!(!reject.message.contains("secret"), "{reject}");
    }
}

#[test]
fn events_that_the_application_does_not_know_are_refused_by_their_canonical_name() {
    let known = BTreeSet::from(["product_added".into(), "page_viewed".into()]);
    let source = Source { known_events: Some(Arc::new(known)), ..source() };
    for value in [r#"{"event":"Add to Cart","userId":"u1"}"#, r#"{"type":"page","userId":"u1"}"#] {
        assert!(source.decode_json(value.as_bytes(), RECORD_TIME).is_ok(), "{value}");
    }
    for (value, path) in [
        (r#"{"name":"secret","userId":"u1"}"#, "$.name"),
        (r#"{"type":"screen","userId":"u1"}"#, "$.type"),
        (r#"{"type":"alias","userId":"u1"}"#, "$.type"),
    ] {
        let reject = reject(&source, value);
        assert_eq!((reject.code, &*reject.path), (RejectCode::UnknownEvent, path));
        assert!(!reject.message.contains("secret"), "{reject}");
    }
}

#[test]
fn limits_hold_exactly() {
    let ids = |count: usize| {
        format!(r#"{{"event":"a","userId":"u1","items":[{}"p"]}}"#, r#""p","#.repeat(count - 1))
    };
    assert_eq!(source().decode_json(ids(200).as_bytes(), RECORD_TIME).unwrap().items.len(), 200);
    assert_eq!(reject(&source(), &ids(201)).code, RejectCode::InvalidField);
    let message =
        |length: usize| format!(r#"{{"event":"a","userId":"u1","messageId":"{}"}}"#, "é".repeat(length));
    assert!(source().decode_json(message(100).as_bytes(), RECORD_TIME).is_ok());
    assert_eq!(reject(&source(), &message(101)).code, RejectCode::InvalidField);
    let value = r#"{"event":"a","userId":"u1"}"#;
    let exact = Source { record_bytes_max: value.len(), ..source() };
    assert!(exact.decode_json(value.as_bytes(), RECORD_TIME).is_ok());
    assert_eq!(reject(&exact, &format!("{value} ")).code, RejectCode::TooLarge);
}

#[test]
fn a_kafka_record_without_a_time_needs_received_at() {
    let without =
        source().decode_json(br#"{"event":"a","userId":"u1"}"#, Timestamp::from_ms(-1)).unwrap_err();
    assert_eq!((without.code, &*without.path), (RejectCode::ImplausibleTime, "$.receivedAt"));
    let with = br#"{"event":"a","userId":"u1","receivedAt":1767607200}"#;
    assert!(source().decode_json(with, Timestamp::from_ms(-1)).is_ok());
}

//! Whatever the bytes are, the decoder ends with an event or a reject.

use proptest::prelude::*;

use super::{RECORD_TIME, source};
use crate::codec::reject::RejectCode;
use crate::codec::wire::decode_content;

const RECORD: &str = r#"{"type":"track","event":"Order Completed","messageId":"m1","userId":"u1",
    "timestamp":"2026-01-05T09:00:00.000Z","sentAt":1767607200000,"receivedAt":"2026-01-05T10:00:02Z",
    "context":{"page":{"path":"/checkout"}},"properties":{"order_id":"o1","revenue":"129.70","currency":"eur",
    "products":[{"product_id":"p1","category":"shoes","price":59.9,"quantity":2}],"cart":{"tags":["a","é"]}}}"#;

/// Any JSON of a few levels, with the keys that the decoder looks for.
fn tree() -> impl Strategy<Value = serde_json::Value> {
    let keys = "type|event|name|userId|messageId|timestamp|sentAt|properties|params|ecommerce|context|page|path|items|\
                productId|price|quantity|value|currency|traits|requestId|slot|exclude|[a-zA-Zé. ]{0,6}";
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<f64>().prop_map(serde_json::Value::from),
        "page|identify|track|decision_request|u1|EUR|1.50|1767607200".prop_map(serde_json::Value::from),
        ".{0,12}".prop_map(serde_json::Value::from),
    ];
    leaf.prop_recursive(5, 40, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(serde_json::Value::from),
            prop::collection::hash_map(keys, inner, 0..8)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

/// The text of a tree with the members of each object from the last to the first.
fn backwards(tree: &serde_json::Value) -> String {
    match tree {
        serde_json::Value::Array(list) => {
            format!("[{}]", list.iter().map(backwards).collect::<Vec<_>>().join(","))
        }
        serde_json::Value::Object(object) => {
            let members = object.iter().rev();
            let members =
                members.map(|(key, value)| format!("{}:{}", serde_json::json!(key), backwards(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}

proptest! {
    #[test]
    fn any_bytes(value in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(source().decode_json(&value, RECORD_TIME).is_err());
        let _ = decode_content(Some(&value), Some(&value));
    }

    #[test]
    fn any_tree(tree in tree()) {
        let bytes = tree.to_string();
        let _ = decode_content(None, Some(bytes.as_bytes()));
        let backwards = backwards(&tree);
        let from_tree = source().decode_value(tree, RECORD_TIME);
        prop_assert_eq!(&source().decode_json(bytes.as_bytes(), RECORD_TIME), &from_tree);
        // The order of members says nothing, but it is in the bytes from which an id is derived.
        if let (Ok(mut event), Ok(from_tree)) = (source().decode_json(backwards.as_bytes(), RECORD_TIME), from_tree) {
            event.message_id.clone_from(&from_tree.message_id);
            prop_assert_eq!(event, from_tree);
        }
    }

    #[test]
    fn a_valid_record_with_changed_bytes(changes in prop::collection::vec((any::<usize>(), any::<u8>()), 1..4)) {
        let mut value = RECORD.as_bytes().to_vec();
        for (at, byte) in changes {
            let length = value.len();
            value[at % length] = byte;
        }
        let first = source().decode_json(&value, RECORD_TIME);
        prop_assert_eq!(source().decode_json(&value, RECORD_TIME), first);
    }

    #[test]
    fn a_valid_record_that_is_cut(end in 0..RECORD.len()) {
        let reject = source().decode_json(&RECORD.as_bytes()[..end], RECORD_TIME).unwrap_err();
        prop_assert!(matches!(reject.code, RejectCode::MalformedJson | RejectCode::Empty));
    }
}

#[test]
fn a_million_brackets() {
    for open in ["[", "{\"a\":", "[{\"a\":"] {
        let reject = source().decode_json(open.repeat(200_000).as_bytes(), RECORD_TIME).unwrap_err();
        assert_eq!(reject.code, RejectCode::TooDeep);
    }
    let reject = source().decode_json("[".repeat(1_000_000).as_bytes(), RECORD_TIME).unwrap_err();
    assert_eq!(reject.code, RejectCode::TooDeep);
}

#[test]
fn a_record_of_a_mebibyte_is_read_and_its_text_cut() {
    let long = "é".repeat(512 * 1024);
    let value = format!(r#"{{"event":"login","userId":"u1","note":"{long}"}}"#);
    let event = source().decode_json(value.as_bytes(), RECORD_TIME).unwrap();
    assert_eq!(event.properties.text("note").unwrap().len(), 1024);
    let many = format!(r#"{{"event":"login","userId":"u1","n":[{}0]}}"#, "0,".repeat(512 * 1024));
    assert_eq!(source().decode_json(many.as_bytes(), RECORD_TIME).unwrap_err().code, RejectCode::TooLarge);
}

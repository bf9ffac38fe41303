//! What a schema demands of a record, whichever shape it has, and that its canonical form loses nothing.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{RECORD_TIME, source};
use crate::codec::event_schema::{EventSchemas, SchemaText};
use crate::codec::reject::{Reject, RejectCode};
use crate::codec::wire::tree::{Tree, arena};
use crate::codec::wire::{Source, canonical};
use crate::domain::event::Event;

/// Prices are called `cost` in version 1 and `price` in version 2, which demands a currency too.
fn versioned() -> Source {
    let item = |price: &str| json!({"type": "object", "required": ["item_id"], "properties": {price: {"maximum": 100}}});
    let first = json!({"type": "object", "properties": {"properties": {"properties":
        {"items": {"items": item("cost")}}}}});
    let second = json!({
        "type": "object",
        "properties": {"properties": {"required": ["items", "currency"], "properties":
            {"items": {"items": item("price")}, "currency": {"enum": ["EUR", "USD"]}}}},
        "x-upcast": [
            {"rename": "/properties/items/*/cost", "to": "price"},
            {"default": "/properties/currency", "value": "EUR"},
        ],
    });
    let text = |version, schema: Value| SchemaText {
        event: "product_viewed".into(),
        version,
        text: schema.to_string(),
    };
    let schemas = EventSchemas::compile(&[text(1, first), text(2, second)]).unwrap();
    Source { schemas: Arc::new(schemas), ..source() }
}

fn decode(record: Value) -> Result<Event, Reject> {
    versioned().decode_json(record.to_string().as_bytes(), RECORD_TIME)
}

/// Code, path, rule and version.
fn rejected(record: Value) -> (RejectCode, String, String, u32) {
    let reject = decode(record).unwrap_err();
    let rule = reject.rule.expect("a schema demands it");
    assert_eq!(rule.event, "product_viewed");
    (reject.code, reject.path.into(), rule.keyword.into(), rule.version)
}

#[test]
fn one_schema_serves_every_shape_and_names_the_senders_own_path() {
    let mismatch = |path: &str, rule: &str| (RejectCode::SchemaMismatch, path.to_owned(), rule.to_owned(), 2);
    for (record, path) in [
        (
            json!({"type": "track", "event": "Product Viewed", "userId": "u1",
                "properties": {"product_id": "p", "price": 101, "currency": "EUR"}}),
            "$.properties.price",
        ),
        (
            json!({"name": "view_item", "user_id": "u1",
                "params": {"currency": "EUR", "items": [{"item_id": "o"}, {"item_id": "p", "price": 101}]}}),
            "$.params.items[1].price",
        ),
        (
            json!({"event": "view_item", "user_id": "u1",
                "ecommerce": {"currency": "EUR", "items": [{"item_id": "p", "price": 101}]}}),
            "$.ecommerce.items[0].price",
        ),
        (
            json!({"event": "productViewed", "userId": "u1", "sku": "p", "price": 101, "currency": "EUR"}),
            "$.price",
        ),
    ] {
        assert_eq!(rejected(record), mismatch(path, "maximum"));
    }
    let bare = json!({"event": "view_item", "userId": "u1", "productId": "p"});
    assert_eq!(rejected(bare), mismatch("$.properties.currency", "required"));
    let francs = json!({"event": "view_item", "userId": "u1", "productId": "p", "currency": "CHF"});
    assert_eq!(rejected(francs), mismatch("$.currency", "enum"));
    let nothing = json!({"event": "view_item", "userId": "u1", "currency": "EUR", "items": null});
    assert_eq!(rejected(nothing), mismatch("$.properties.items", "required"));
}

#[test]
fn an_old_version_is_brought_up_and_an_unknown_one_is_refused() {
    let record = |schema: Value| {
        json!({"event": "view_item", "userId": "u1", "messageId": "m", "schema": schema,
        "products": [{"sku": "p", "cost": 12.5, "brand": "Acme"}], "colour": "red"})
    };
    let event = decode(record(json!({"name": "Product Viewed", "version": 1}))).unwrap();
    let now = json!({"event": "view_item", "userId": "u1", "messageId": "m",
        "products": [{"sku": "p", "price": 12.5, "brand": "Acme"}], "colour": "red", "currency": "EUR"});
    assert_eq!(event, decode(now).unwrap());
    assert_eq!((event.items[0].price_hundredths, event.items.len()), (Some(1250), 1));

    let mut dear = record(json!({"version": "1"}));
    dear["products"][0]["cost"] = json!(101);
    let path = "$.products[0].cost".to_owned();
    assert_eq!(rejected(dear), (RejectCode::SchemaMismatch, path, "maximum".into(), 1));

    let unknown = (RejectCode::UnknownSchemaVersion, "$.schema.version".into(), "schema".into(), 3);
    assert_eq!(rejected(record(json!({"version": 3}))), unknown);
    for (schema, code, path) in [
        (json!({"name": "page_viewed", "version": 1}), RejectCode::InvalidField, "$.schema.name"),
        (json!({"name": "view_item"}), RejectCode::MissingField, "$.schema.version"),
        (json!({"version": 1.5}), RejectCode::InvalidField, "$.schema.version"),
        (json!({"version": "one"}), RejectCode::InvalidField, "$.schema.version"),
    ] {
        let reject = decode(record(schema)).unwrap_err();
        assert_eq!((reject.code, &*reject.path), (code, path));
    }
}

#[test]
fn other_events_and_other_schemas_are_nobodys_business() {
    let event = decode(json!({"event": "page_viewed", "userId": "u1", "schema": {"version": 9}})).unwrap();
    assert!(event.properties.is_empty(), "{event:?}");
    let snowplow =
        json!({"event": "page_viewed", "userId": "u1", "schema": "iglu:com.acme/page/jsonschema/1-0-0"});
    assert!(decode(snowplow).unwrap().properties.get("schema").is_some());
}

#[test]
fn what_an_upcast_makes_of_an_event_is_checked_too() {
    let record = json!({"event": "view_item", "userId": "u1", "schema": {"version": 1}, "productId": "p",
        "currency": "CHF"});
    let (code, path, rule, version) = rejected(record);
    assert_eq!((code, &*path, &*rule, version), (RejectCode::SchemaMismatch, "$.currency", "enum", 2));
}

const NAMES: [&str; 29] = [
    "item_id",
    "productId",
    "sku",
    "category",
    "item_category",
    "brand",
    "price",
    "quantity",
    "value",
    "revenue",
    "currency",
    "order_id",
    "transactionId",
    "page_location",
    "path",
    "referrer",
    "colour",
    "Colour",
    "type",
    "name",
    "event_name",
    "schema",
    "requestId",
    "slot",
    "client_id",
    "timestamp",
    "sentAt",
    "user_id",
    "a.b",
];

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        Just(json!("2026-01-05T10:00:00Z")),
        Just(json!("EUR")),
        Just(json!("u1")),
        Just(json!(7)),
        Just(json!(1.25)),
        Just(json!("9.90")),
        Just(json!(true)),
        Just(json!(["a", null, "b"])),
        Just(json!([])),
        Just(json!({"isGift": 1, "is_gift": 2, "x": null})),
    ]
}

fn object() -> impl Strategy<Value = Value> {
    let members = proptest::collection::btree_map(proptest::sample::select(NAMES.to_vec()), scalar(), 0..6);
    members.prop_map(|members| json!(members))
}

/// An object that may have a list of products, or what is none.
fn object_with_items() -> impl Strategy<Value = Value> {
    let items = prop_oneof![
        proptest::collection::vec(object(), 0..3).prop_map(|list| json!(list)),
        Just(json!(["p1", {"id": 2, "price": 3, "name": "x"}, null, 7])),
        Just(json!("p1")),
    ];
    let items = proptest::option::of((proptest::sample::select(vec!["items", "products"]), items));
    (object(), items).prop_map(|(mut object, items)| {
        if let Some((name, items)) = items {
            object[name] = items;
        }
        object
    })
}

fn record() -> impl Strategy<Value = Value> {
    let kinds = prop_oneof![
        Just(json!({"event": "Order Completed"})),
        Just(json!({"event": "view_item", "type": "track"})),
        Just(json!({"type": "identify"})),
        Just(json!({"type": "page", "name": "Home"})),
        Just(json!({"event": "decision_request"})),
    ];
    let names = proptest::sample::select(vec!["properties", "params", "ecommerce", "traits", "context"]);
    let parts = proptest::collection::vec((names, object_with_items()), 0..3);
    (kinds, object_with_items(), parts).prop_map(|(kind, mut record, parts)| {
        for (name, part) in parts {
            record[name] = part;
        }
        for (name, value) in kind.as_object().unwrap() {
            record[name] = value.clone();
        }
        record["userId"] = json!("u1");
        record["message_id"] = json!("m1");
        record
    })
}

proptest! {
    #[test]
    fn the_canonical_form_is_read_as_the_same_event(record in record()) {
        let source = source();
        let read = source.decode_value(record.clone(), RECORD_TIME);
        let arena = arena();
        let Ok(document) = canonical::document(&source, &Tree::of(&record, &arena)) else {
            prop_assert!(read.is_err());
            return Ok(());
        };
        let again = canonical::source(&source).decode_value(document.clone(), RECORD_TIME);
        match (read, again) {
            (Ok(read), Ok(again)) => prop_assert_eq!(read, again, "{}", document),
            (Err(read), Err(again)) => prop_assert_eq!(read.code, again.code, "{}", document),
            (read, again) => prop_assert!(false, "{:?} became {:?} through {}", read, again, document),
        }
        let twice = canonical::document(&canonical::source(&source), &Tree::of(&document, &arena));
        prop_assert_eq!(twice.unwrap(), document, "it is its own canonical form");
    }
}

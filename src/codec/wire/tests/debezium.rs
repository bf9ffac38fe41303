//! Changes of a table, and the events that they become.

use std::sync::Arc;

use apache_avro::Schema;
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use serde_json::{Value, json};

use super::{AT, RECORD_TIME, event, properties, source, text};
use crate::codec::reject::{Reject, RejectCode};
use crate::codec::wire::{Aliases, ByColumn, Clock, Source, Table};
use crate::domain::event::{Event, Money};
use crate::domain::scalar::Scalar;

fn orders() -> Source {
    let mut aliases = Aliases::standard();
    let columns =
        [("id", "order_id"), ("customer", "user_id"), ("placed_at", "timestamp"), ("event", "fair")];
    aliases.add_columns(&columns.map(|(column, field)| (column.into(), field.into())));
    let events = vec![("draft".into(), None), ("7".into(), Some("order_cancelled".into()))];
    let table = Table {
        event: "order_completed".into(),
        deleted: Some("order_cancelled".into()),
        by_column: Some(ByColumn { column: "status".into(), events }),
        columns: Vec::new(),
    };
    Source { clock: Clock::Trust, aliases: Arc::new(aliases), table: Some(Arc::new(table)), ..source() }
}

fn read(change: &Value) -> Result<Option<Event>, Reject> {
    orders().read_json(Some(change.to_string().as_bytes()), RECORD_TIME)
}

fn row(status: Value) -> Value {
    json!({"id": 7, "customer": "u1", "total": 12.5, "currency": "EUR", "status": status, "type": "page",
        "event": "spring", "note": null, "placed_at": "2026-01-05T10:00:00Z"})
}

#[test]
fn a_row_is_an_event_and_its_other_columns_are_properties() {
    let change =
        json!({"op": "c", "ts_ms": 1, "source": {"lsn": 1, "ts_ms": 2}, "after": row(json!("paid"))});
    let found = read(&change).unwrap().unwrap();
    let said = properties([("fair", text("spring")), ("status", text("paid")), ("type", text("page"))]);
    let expected = Event {
        order_id: Some("7".into()),
        value: Some(Money { hundredths: 1250, currency: "EUR".into() }),
        properties: said,
        ..event(&found.message_id, "order_completed")
    };
    assert_eq!(found, expected);
    assert_eq!(found.timestamp, AT);
}

#[test]
fn the_products_of_an_order_stand_in_a_column_of_json() {
    let with = |items: Value| {
        let mut row = row(json!("paid"));
        row["items"] = items;
        read(&json!({"op": "c", "source": {"lsn": 1}, "after": row}))
    };
    let list = json!([{"sku": "p\"1", "category": "maps", "price": 2.5, "quantity": 3}, {"id": "p2"}]);
    let found = with(json!(list.to_string())).unwrap().unwrap();
    assert_eq!(found.items, with(list).unwrap().unwrap().items);
    assert_eq!(found.items.len(), 2);
    assert_eq!(found.items[0].item_id, "p\"1");
    let refused = |text: &str| with(json!(text)).unwrap_err();
    assert_eq!(refused("[{").code, RejectCode::MalformedJson);
    assert_eq!(refused("[{").path, "$.after.items");
    assert_eq!(refused(r#"[{"sku": "p1", "price": "cheap"}]"#).path, "$.after.items[0].price");
    assert_eq!(refused("p1").path, "$.after.items");
}

#[test]
fn a_later_change_happened_when_it_was_made() {
    let at = AT.plus_ms(5_000).ms();
    let change =
        |source: Value| json!({"op": "u", "ts_ms": at + 1, "source": source, "after": row(json!(7))});
    let found = read(&change(json!({"lsn": 2, "ts_ms": at}))).unwrap().unwrap();
    assert_eq!((&*found.name, found.timestamp), ("order_cancelled", AT.plus_ms(5_000)));
    assert_eq!(found.properties.get("status"), Some(&Scalar::Integer(7)));
    assert_eq!(read(&change(json!({}))).unwrap().unwrap().timestamp, AT.plus_ms(5_001));
}

#[test]
fn a_row_that_does_not_say_when_happened_when_it_was_made() {
    let mut row = row(json!("paid"));
    (row["placed_at"], row["client_id"], row["event_id"]) = (Value::Null, json!(9), json!(8));
    let change = |lsn: i64| json!({"op": "c", "source": {"lsn": lsn, "ts_ms": AT.ms() + 7}, "after": row});
    let [one, other] = [1, 2].map(|lsn| read(&change(lsn)).unwrap().unwrap());
    assert_eq!((one.timestamp, &*one.person.to_string()), (AT.plus_ms(7), "user:u1"));
    assert_ne!(one.message_id, other.message_id, "a table's event_id is no message's");
    assert_eq!(one.properties.get("client_id"), Some(&Scalar::Integer(9)));
}

#[test]
fn a_deleted_row_tells_what_is_declared() {
    let found = read(&json!({"op": "d", "ts_ms": AT.ms(), "before": row(json!("paid"))})).unwrap().unwrap();
    assert_eq!(&*found.name, "order_cancelled");
}

#[test]
fn a_change_that_is_told_again_has_the_same_id_and_another_has_not() {
    let id = |lsn: i64, ts_ms: i64, wrapped: bool| {
        let place = json!({"version": format!("3.{ts_ms}"), "lsn": lsn});
        let change = json!({"op": "u", "ts_ms": ts_ms, "source": place, "after": row(json!("paid"))});
        let change = if wrapped { json!({"schema": {}, "payload": change}) } else { change };
        read(&change).unwrap().unwrap().message_id
    };
    let at = AT.ms();
    assert_eq!(id(1, at, false), id(1, at + 9, false));
    assert_eq!(id(1, at, true), id(1, at + 9, false), "with a schema and without");
    assert_ne!(id(1, at, false), id(2, at, false));
}

#[test]
fn what_tells_nothing_is_passed_over() {
    assert_eq!(orders().read_json(None, RECORD_TIME), Ok(None));
    for change in [
        json!({"op": "c", "ts_ms": 1, "after": row(json!("draft"))}),
        json!({"op": "d", "ts_ms": 1, "before": row(json!("draft"))}),
        json!({"op": "t", "ts_ms": 1}),
        json!({"op": "m", "ts_ms": 1}),
    ] {
        assert_eq!(read(&change), Ok(None), "{change}");
    }
    let empty = source().read_json(None, RECORD_TIME).unwrap_err();
    assert_eq!(empty.code, RejectCode::Empty, "what is no table has no tombstones");
}

#[test]
fn what_is_wrong_is_named_where_it_stands() {
    let mut blocked = row(json!("paid"));
    blocked["customer"] = json!("null");
    let mut dear = row(json!("paid"));
    dear["total"] = json!(-1);
    for (change, code, path) in [
        (json!([]), RejectCode::MissingField, "$.op"),
        (json!({"payload": {}}), RejectCode::MissingField, "$.payload.op"),
        (json!({"op": "x"}), RejectCode::InvalidField, "$.op"),
        (
            json!({"op": "u", "source": {"ts_ms": "soon"}, "after": row(json!("paid"))}),
            RejectCode::InvalidField,
            "$.source.ts_ms",
        ),
        (json!({"op": "c", "after": null}), RejectCode::MissingField, "$.after"),
        (json!({"op": "c", "after": 7}), RejectCode::InvalidField, "$.after"),
        (json!({"op": "c", "after": blocked}), RejectCode::BlockedId, "$.after.customer"),
        (json!({"payload": {"op": "c", "after": dear}}), RejectCode::InvalidField, "$.payload.after.total"),
        (json!({"op": "c", "after": {"id": 7}}), RejectCode::MissingField, "$.after.userId"),
    ] {
        let reject = read(&change).unwrap_err();
        assert_eq!((reject.code, &*reject.path), (code, path), "{change}");
    }
}

/// As Debezium writes a PostgreSQL table with Confluent's Avro converter.
const CHANGE: &str = r#"{"type":"record","name":"Envelope","namespace":"depot.public.orders","fields":[
    {"name":"before","default":null,"type":["null",{"type":"record","name":"Value","fields":[
        {"name":"id","type":"int"},{"name":"customer","type":"string"},
        {"name":"total","type":{"type":"bytes","scale":2,"precision":12,"logicalType":"decimal",
            "connect.version":1,"connect.parameters":{"scale":"2"},"connect.name":"org.apache.kafka.connect.data.Decimal"}},
        {"name":"currency","type":"string"},{"name":"status","type":["null","string"],"default":null},
        {"name":"placed_at","type":{"type":"long","connect.version":1,"connect.name":"io.debezium.time.MicroTimestamp"}}]}]},
    {"name":"after","type":["null","Value"],"default":null},
    {"name":"source","type":{"type":"record","name":"Source","fields":[{"name":"lsn","type":"long"},{"name":"ts_ms","type":"long"}]}},
    {"name":"op","type":"string"},{"name":"ts_ms","type":["null","long"],"default":null}]}"#;

#[test]
fn a_change_in_avro_is_the_event_that_it_is_in_json() {
    let schema = Schema::parse_str(CHANGE).unwrap();
    let row = Avro::Record(vec![
        ("id".into(), Avro::Int(7)),
        ("customer".into(), Avro::String("u1".into())),
        ("total".into(), Avro::Decimal(1_250_i32.to_be_bytes().into())),
        ("currency".into(), Avro::String("EUR".into())),
        ("status".into(), Avro::Union(1, Box::new(Avro::String("paid".into())))),
        ("placed_at".into(), Avro::Long(AT.ms() * 1_000)),
    ]);
    let place = Avro::Record(vec![("lsn".into(), Avro::Long(1)), ("ts_ms".into(), Avro::Long(2))]);
    let change = Avro::Record(vec![
        ("before".into(), Avro::Union(0, Box::new(Avro::Null))),
        ("after".into(), Avro::Union(1, Box::new(row))),
        ("source".into(), place),
        ("op".into(), Avro::String("c".into())),
        ("ts_ms".into(), Avro::Union(1, Box::new(Avro::Long(3)))),
    ]);
    let datum = GenericDatumWriter::builder(&schema).build().unwrap().write_value_to_vec(change).unwrap();
    let found = orders().read_avro(&schema, &datum, RECORD_TIME).unwrap().unwrap();
    let expected = Event {
        order_id: Some("7".into()),
        value: Some(Money { hundredths: 1250, currency: "EUR".into() }),
        properties: properties([("status", text("paid"))]),
        ..event(&found.message_id, "order_completed")
    };
    assert_eq!(found, expected);
}

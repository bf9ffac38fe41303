//! Every shape that must work as it is, and the exact event that it becomes.

use super::{AT, RECORD_TIME, event, item, properties, source, text};
use crate::codec::wire::{Clock, Ids, Source};
use crate::domain::event::{DecisionRequest, Event, Item, Money};
use crate::domain::person::Person;
use crate::domain::scalar::Scalar;
use crate::domain::time::Timestamp;

fn decode(value: &str) -> Event {
    source().decode_json(value.as_bytes(), RECORD_TIME).unwrap()
}

#[test]
fn a_segment_track_call_with_products_and_a_wrong_device_clock() {
    let decoded = decode(
        r#"{"type":"track","event":"Order Completed","messageId":"m1","userId":"u1","anonymousId":"a1",
        "timestamp":"2026-01-05T09:00:00.000Z","originalTimestamp":"2026-01-05T09:00:00Z",
        "sentAt":"2026-01-05T09:00:02Z","receivedAt":"2026-01-05T10:00:02Z","version":2,"integrations":{"All":true},
        "context":{"page":{"path":"/checkout","referrer":"https://example.com/"},"locale":"en-GB"},
        "properties":{"order_id":"o1","revenue":"129.70","currency":"eur","coupon":"TEN","products":[
          {"product_id":"p1","sku":"s1","category":"shoes","brand":"Acme","price":59.9,"quantity":2},
          {"productId":2,"price":"9.90"},null,"p3"]}}"#,
    );
    let expected = Event {
        original_timestamp: AT.plus_ms(-3_600_000),
        received_at: AT.plus_ms(2000),
        items: vec![
            Item { brand: Some("Acme".into()), ..item("p1", Some("shoes"), Some(5990), 2) },
            item("2", None, Some(990), 1),
            item("p3", None, None, 1),
        ],
        order_id: Some("o1".into()),
        value: Some(Money { hundredths: 12_970, currency: "EUR".into() }),
        page: Some("/checkout".into()),
        properties: properties([("coupon", text("TEN"))]),
        ..event("m1", "order_completed")
    };
    assert_eq!(decoded, expected);
}

#[test]
fn segment_page_and_screen_calls() {
    let page = decode(
        r#"{"type":"page","name":"Home","messageId":"m1","userId":"u1","timestamp":"2026-01-05T10:00:00Z",
        "properties":{"path":"/home","title":"Home"}}"#,
    );
    let said = properties([("path", text("/home")), ("title", text("Home"))]);
    let expected = Event { page: Some("/home".into()), properties: said, ..event("m1", "page_viewed") };
    assert_eq!(page, expected);
    let screen = decode(
        r#"{"type":"screen","name":"Cart","messageId":"m2","userId":"u1","timestamp":1767607200,"properties":[]}"#,
    );
    assert_eq!(screen, event("m2", "screen_viewed"));
}

#[test]
fn a_segment_identify_call() {
    let decoded = decode(
        r#"{"type":"identify","messageId":"m1","userId":"u1","timestamp":"2026-01-05T10:00:00Z","channel":"server",
        "traits":{"plan":"gold","address":{"postalCode":"1010"},"age":42}}"#,
    );
    let traits = properties([
        ("address.postal_code", text("1010")),
        ("age", Scalar::Integer(42)),
        ("plan", text("gold")),
    ]);
    assert_eq!(decoded, Event { traits, ..event("m1", "identify") });
}

#[test]
fn a_ga4_event_in_either_spelling() {
    let expected = Event {
        person: Person::bare("anonymous:12.34"),
        items: vec![item("p1", Some("shoes"), Some(5990), 2)],
        value: Some(Money { hundredths: 11_980, currency: "EUR".into() }),
        page: Some("/c/shoes".into()),
        properties: properties([("page_location", text("https://shop.example/c/shoes?x=1#top"))]),
        ..event("m1", "product_added")
    };
    let snake = decode(
        r#"{"name":"add_to_cart","event_id":"m1","client_id":"12.34","timestamp_micros":"1767607200000000",
        "params":{"page_location":"https://shop.example/c/shoes?x=1#top","value":119.8,"currency":"EUR",
        "items":[{"item_id":"p1","item_name":"Boot","item_category":"shoes","price":59.9,"quantity":2}]},
        "non_personalized_ads":false}"#,
    );
    assert_eq!(snake, expected);
    let camel = decode(
        r#"{"name":"addToCart","eventId":"m1","clientId":"12.34","timestampMicros":1767607200000000,
        "params":{"pageLocation":"https://shop.example/c/shoes?x=1#top","value":"119.80","currency":"EUR",
        "items":[{"itemId":"p1","itemName":"Boot","itemCategory":"shoes","price":"59.90","quantity":2.0}]}}"#,
    );
    assert_eq!(camel, expected);
}

#[test]
fn a_purchase_in_the_data_layers_form() {
    let decoded = decode(
        r#"{"event":"purchase","userId":"u1","messageId":"m1","timestamp":1767607200000,"gtm.uniqueEventId":7,
        "ecommerce":{"transaction_id":"o1","value":10,"tax":1.5,"currency":"USD","items":[{"item_name":"Boot"}]}}"#,
    );
    let expected = Event {
        items: vec![item("Boot", None, None, 1)],
        order_id: Some("o1".into()),
        value: Some(Money { hundredths: 1000, currency: "USD".into() }),
        properties: properties([("gtm.unique_event_id", Scalar::Integer(7)), ("tax", Scalar::Float(1.5))]),
        ..event("m1", "order_completed")
    };
    assert_eq!(decoded, expected);
}

#[test]
fn the_plain_call() {
    let value = r#"{"event":"add_to_cart","productId":"12345","timestamp":"2026-01-05T10:00:00Z","userId":"u1","isGift":true,
        "name":"Boot"}"#;
    let decoded = decode(value);
    let expected = Event {
        items: vec![item("12345", None, None, 1)],
        properties: properties([("is_gift", Scalar::Bool(true)), ("name", text("Boot"))]),
        ..event(&decoded.message_id, "product_added")
    };
    assert_eq!(decoded, expected);
    assert_eq!(decoded.message_id.len(), 34);
    assert_eq!(decode(value).message_id, decoded.message_id);
    assert_ne!(decode(&value.replace("Boot", "Shoe")).message_id, decoded.message_id);
}

#[test]
fn a_derived_message_id_never_changes_between_builds() {
    let decoded = decode(r#"{"event":"login","userId":"u1"}"#);
    assert_eq!(&*decoded.message_id, "x-2e1a7711228a628df9326b292366ec33");
    assert_eq!(decoded.timestamp, RECORD_TIME);
}

#[test]
fn the_example_call_of_2024() {
    let decoded = decode(
        r#"{"event":"add_to_cart","productId":"12345","timestamp":"2024-04-27T14:00:00Z","userId":"u1"}"#,
    );
    assert_eq!(decoded.timestamp, Timestamp::from_ms(1_714_226_400_000));
    assert_eq!(decoded.items, [item("12345", None, None, 1)]);
}

fn reference() -> Source {
    Source { clock: Clock::Trust, ids: Ids::UserOnly, ..source() }
}

#[test]
fn a_record_of_the_reference_workload() {
    let value = br#"{"messageId":"m-0000001234","type":"track","event":"product_viewed","userId":"u-000417",
        "timestamp":"2026-01-05T10:00:00.123Z","sentAt":"2026-01-05T10:00:00.223Z",
        "context":{"page":{"path":"/c/shoes/p/10423","referrer":"https://www.example.com/"},"locale":"en-GB","userAgent":"x"},
        "properties":{"productId":"p-10423","category":"shoes","price":59.90,"currency":"EUR","quantity":1}}"#;
    let expected = Event {
        person: Person::bare("u-000417"),
        timestamp: AT.plus_ms(123),
        original_timestamp: AT.plus_ms(123),
        items: vec![item("p-10423", Some("shoes"), Some(5990), 1)],
        page: Some("/c/shoes/p/10423".into()),
        properties: properties([("currency", text("EUR"))]),
        ..event("m-0000001234", "product_viewed")
    };
    assert_eq!(expected.money(), Money { hundredths: 5990, currency: "EUR".into() });
    assert_eq!(reference().decode_json(value, RECORD_TIME).unwrap(), expected);
}

#[test]
fn a_decision_request_of_the_reference_workload() {
    let value = br#"{"messageId":"m1","type":"track","event":"decision_request","userId":"u1",
        "timestamp":"2026-01-05T10:00:00Z","properties":{"requestId":"r1","slot":"home_hero","exclude":["c1","c2"]}}"#;
    let expected = Event {
        person: Person::bare("u1"),
        request: Some(DecisionRequest {
            request_id: "r1".into(),
            slot: "home_hero".into(),
            exclude: vec!["c1".into(), "c2".into()],
        }),
        ..event("m1", "decision_request")
    };
    assert_eq!(reference().decode_json(value, RECORD_TIME).unwrap(), expected);
}

#[test]
fn a_value_that_is_no_money_is_a_property_where_nothing_says_money() {
    let decoded = decode(
        r#"{"event":"Filter Applied","messageId":"m1","userId":"u1","timestamp":1767607200,"filter":"colour","value":"blue"}"#,
    );
    let said = properties([("filter", text("colour")), ("value", text("blue"))]);
    assert_eq!(decoded, Event { properties: said, ..event("m1", "filter_applied") });
    let worth =
        decode(r#"{"event":"Lead Won","messageId":"m1","userId":"u1","timestamp":1767607200,"value":"7"}"#);
    let value = Some(Money { hundredths: 700, currency: "XXX".into() });
    assert_eq!(worth, Event { value, ..event("m1", "lead_won") });
}

#[test]
fn a_tree_from_elsewhere_is_read_as_json_is() {
    let tree =
        serde_json::json!({"userId": "u1", "event": "login", "timestamp": 1_767_607_200, "messageId": "m1"});
    assert_eq!(source().decode_value(tree.clone(), RECORD_TIME).unwrap(), event("m1", "login"));
    assert_eq!(decode(&tree.to_string()), event("m1", "login"));
}

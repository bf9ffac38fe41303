//! JSON of sources and of the content topic. The first byte chooses how the source is read.

use std::sync::Arc;

use bespoke::codec::wire::{Aliases, Clock, Ids, Source, decode_content, decode_site_shares};
use bespoke::domain::time::Timestamp;

use super::events::judged;
use super::samples::AT;
use crate::dice::Dice;
use crate::target::{Run, Target};

pub(crate) const TARGET: Target =
    Target { name: "wire_json", seeds, words: WORDS, generate: Some(generate), open };

const SEEDS: [&str; 8] = [
    r#"{"type":"track","event":"Product Viewed","messageId":"m1","userId":"u1","anonymousId":"a1","timestamp":"2026-01-05T10:00:00Z","sentAt":"2026-01-05T10:00:01Z","receivedAt":"2026-01-05T10:00:02Z","context":{"page":{"path":"/c/shoes"}},"properties":{"product_id":"p1","category":"Shoes","price":59.9,"currency":"EUR","quantity":2}}"#,
    r#"{"event":"purchase","event_id":"m2","user_id":"u1","timestamp":1767607200000,"ecommerce":{"transaction_id":"o1","value":"119.80","currency":"eur","items":[{"item_id":"p1","item_category":"shoes","price":"59.90","quantity":2}]}}"#,
    r#"{"type":"identify","userId":"u1","traits":{"plan":"gold","newsletter":true,"labels":["a","b"],"address":{"city":"Ulm"}}}"#,
    r#"{"type":"page","anonymousId":"a1","properties":{"path":"/","title":"Home"}}"#,
    r#"{"event":"decision_request","userId":"u1","properties":{"requestId":"r1","slot":"home_hero","exclude":["c1","c2"]}}"#,
    r#"{"event":"Order Completed","userId":7,"properties":{"orderId":"o1","revenue":25,"products":[{"sku":"p1"},{"product_id":"p2","quantity":1.0}]}}"#,
    r#"{"contentId":"c1","slots":["home_hero"],"weights":{"shoes":1.5},"baseWeight":0.5,"itemId":"p1","startsAt":"2026-01-01T00:00:00Z"}"#,
    r#"{"event":"x","userId":"u1","a":{"b":{"c":1e308}},"big":18446744073709551615,"tags":[1,"a",null]}"#,
];

const WORDS: &[&str] = &[
    "[",
    "{\"a\":",
    "{",
    "}",
    "]",
    "\"",
    "\\ud800",
    "\\u0000",
    "1e400",
    "-1e400",
    "1e-400",
    "NaN",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "0.0000000000000000001",
    "null",
    "true",
    "\"event\":",
    "\"type\":\"track\"",
    "\"userId\":\"u1\"",
    "\"anonymousId\":\"a\"",
    "\"timestamp\":",
    "\"sentAt\":",
    "\"receivedAt\":",
    "\"9999-12-31T23:59:59Z\"",
    "\"1969-12-31T23:59:59Z\"",
    "\"2016-12-31T23:59:60Z\"",
    "\"-262143-01-01T00:00:00Z\"",
    "\"properties\":{",
    "\"items\":[",
    "\"price\":",
    "\"quantity\":4294967296",
    "\"value\":",
    "\"currency\":\"EUR\"",
    "\u{feff}",
    "\u{202e}",
    "\u{0}",
    "é",
];

fn seeds() -> Vec<Vec<u8>> {
    let modes = (0..SEEDS.len()).map(|number| (number * 37) as u8);
    modes.zip(SEEDS).map(|(mode, text)| [&[mode], text.as_bytes()].concat()).collect()
}

/// An event whose fields have the right names and any values.
fn generate(dice: &mut Dice) -> Vec<u8> {
    const FIELDS: [&str; 20] = [
        "event",
        "type",
        "userId",
        "anonymousId",
        "messageId",
        "timestamp",
        "originalTimestamp",
        "sentAt",
        "receivedAt",
        "context",
        "properties",
        "traits",
        "ecommerce",
        "items",
        "products",
        "value",
        "currency",
        "price",
        "quantity",
        "order_id",
    ];
    let mut text = vec![dice.bits() as u8, b'{'];
    text.extend_from_slice(br#""event":"order_completed","userId":"u1""#);
    for _ in 0..dice.below(12) {
        text.extend_from_slice(format!(",\"{}\":", dice.of(&FIELDS)).as_bytes());
        value(dice, &mut text, 0);
    }
    text.push(b'}');
    text
}

fn value(dice: &mut Dice, text: &mut Vec<u8>, depth: usize) {
    match dice.below(if depth > 3 { 5 } else { 7 }) {
        0 => text.extend_from_slice(dice.number().to_string().as_bytes()),
        1 => text.extend_from_slice(format!("{:e}", dice.double()).as_bytes()),
        2 => text.extend_from_slice(format!("\"{}\"", dice.number()).as_bytes()),
        3 => text.extend_from_slice(
            dice.of(&["\"EUR\"", "\"\"", "\"u1\"", "true", "\"59.90\"", "\"é\""]).as_bytes(),
        ),
        4 => text.extend_from_slice(b"null"),
        5 => {
            text.push(b'[');
            for number in 0..dice.below(4) {
                if number > 0 {
                    text.push(b',');
                }
                value(dice, text, depth + 1);
            }
            text.push(b']');
        }
        _ => {
            text.push(b'{');
            for (number, name) in ["price", "quantity", "item_id", "a"].iter().take(dice.below(5)).enumerate()
            {
                text.extend_from_slice(
                    format!("{}\"{name}\":", if number > 0 { "," } else { "" }).as_bytes(),
                );
                value(dice, text, depth + 1);
            }
            text.push(b'}');
        }
    }
}

/// How a source is read, by a byte.
pub(crate) fn source(mode: u8) -> Source {
    let mut aliases = Aliases::standard();
    if mode & 1 == 1 {
        aliases.add_event("a", "order_completed");
        aliases.add_field("a", "timestamp");
        aliases.add_field("u", "user_id");
    }
    Source {
        topic: "clickstream".into(),
        clock: [Clock::Automatic, Clock::Correct, Clock::Trust][usize::from(mode >> 1) % 3],
        ids: if mode & 8 == 8 { Ids::UserOnly } else { Ids::ByKind },
        aliases: Arc::new(aliases),
        known_events: None,
        table: None,
        schemas: Arc::default(),
        record_bytes_max: 1 << 20,
    }
}

fn open() -> Run {
    let sources: Vec<Source> = (0..16).map(source).collect();
    Box::new(move |input| {
        let Some((mode, value)) = input.split_first() else { return Ok(0) };
        let source = &sources[usize::from(mode & 15)];
        let times = [AT, 0, -1, i64::MIN, i64::MAX, 7_258_118_399_999];
        let time = Timestamp::from_ms(times[usize::from(mode >> 4) % times.len()]);
        let content = decode_content(Some(b"c1"), Some(value)).is_ok();
        let site_shares = decode_site_shares(Some(b"category"), Some(value)).is_ok();
        let decode = || source.decode_json(value, time);
        let knowledge = 2 * u64::from(site_shares) + u64::from(content);
        Ok(judged(decode(), decode())?.wrapping_add(knowledge))
    })
}

//! Avro: the schema that the registry gives and the framed record. An input is the length of the schema in two
//! bytes, the schema, and the record.

use apache_avro::Schema;
use bespoke::codec::registry::admission::admit;
use bespoke::codec::wire::confluent_frame;
use bespoke::domain::time::Timestamp;
use compact_str::CompactString;

use super::events::judged;
use super::samples::AT;
use super::wire_json::source;
use crate::dice::Dice;
use crate::mutate::varint;
use crate::target::{Run, Target, kind};

pub(crate) const TARGET: Target =
    Target { name: "wire_avro", seeds, words: WORDS, generate: Some(generate), open };

const WORDS: &[&str] = &[
    "{\"type\":\"array\",\"items\":",
    "{\"type\":\"map\",\"values\":",
    "\"null\"",
    "\"long\"",
    "\"bytes\"",
    "\"double\"",
    "[\"null\",",
    "]",
    "}",
    "\"logicalType\":\"decimal\",\"precision\":9,\"scale\":2",
    "\"logicalType\":\"timestamp-micros\"",
    "\"logicalType\":\"date\"",
    "\"logicalType\":\"big-decimal\"",
    "\"logicalType\":\"uuid\"",
    "\"logicalType\":\"duration\"",
    "{\"type\":\"fixed\",\"name\":\"F\",\"size\":2147483648}",
    "\"aliases\":[\"a\"]",
    "\"default\":null",
];

fn pair(schema: &str, datum: &[u8]) -> Vec<u8> {
    let length = (schema.len() as u16).to_be_bytes();
    [&length, schema.as_bytes(), &[0, 0, 0, 0, 7], datum].concat()
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend(varint(text.len() as i64));
    bytes.extend_from_slice(text.as_bytes());
}

const TYPES: [&str; 22] = [
    r#""null""#,
    r#""boolean""#,
    r#""int""#,
    r#""long""#,
    r#""float""#,
    r#""double""#,
    r#""string""#,
    r#""bytes""#,
    r#"["null","string"]"#,
    r#"["null","long"]"#,
    r#"{"type":"array","items":"string"}"#,
    r#"{"type":"array","items":"null"}"#,
    r#"{"type":"map","values":"double"}"#,
    r#"{"type":"long","logicalType":"timestamp-millis"}"#,
    r#"{"type":"long","logicalType":"timestamp-micros"}"#,
    r#"{"type":"long","logicalType":"timestamp-nanos"}"#,
    r#"{"type":"int","logicalType":"date"}"#,
    r#"{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}"#,
    r#"{"type":"string","logicalType":"uuid"}"#,
    r#"{"type":"array","items":{"type":"array","items":"int"}}"#,
    r#"{"type":"bytes","logicalType":"big-decimal"}"#,
    r#"{"type":"array","items":["null","string","long"]}"#,
];

/// A schema of the fields that events have, each of some type, with a datum that fits it.
fn generate(dice: &mut Dice) -> Vec<u8> {
    const FIELDS: [&str; 12] = [
        "timestamp",
        "sent_at",
        "received_at",
        "items",
        "price",
        "quantity",
        "value",
        "currency",
        "properties",
        "traits",
        "order_id",
        "message_id",
    ];
    let mut fields = vec![
        r#"{"name":"event","type":"string"}"#.to_owned(),
        r#"{"name":"userId","type":"string"}"#.to_owned(),
    ];
    let mut datum = Vec::new();
    text(&mut datum, dice.text(&["order_completed", "product_viewed", "identify", "x"]));
    text(&mut datum, "u1");
    for name in FIELDS.iter().skip(dice.below(12)).take(dice.below(6)) {
        let number = dice.below(TYPES.len());
        fields.push(format!(r#"{{"name":"{name}","type":{}}}"#, TYPES[number]));
        value(dice, number, &mut datum);
    }
    let schema = format!(r#"{{"type":"record","name":"E","fields":[{}]}}"#, fields.join(","));
    pair(&schema, &datum)
}

fn value(dice: &mut Dice, kind: usize, datum: &mut Vec<u8>) {
    match kind {
        0 => {}
        1 => datum.push(dice.below(3) as u8),
        4 => datum.extend((dice.double() as f32).to_le_bytes()),
        5 => datum.extend(dice.double().to_le_bytes()),
        6 | 7 | 17 | 18 | 20 => {
            text(datum, dice.text(&["", "EUR", "59.90", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"]))
        }
        8 => {
            datum.push(2);
            text(datum, "a");
        }
        9 => {
            datum.push(2);
            datum.extend(varint(dice.number()));
        }
        10 => {
            datum.extend(varint(1));
            text(datum, "a");
            datum.push(0);
        }
        // Counts that no bytes follow.
        11 => datum.extend([varint(dice.number()), varint(0)].concat()),
        12 => {
            datum.extend(varint(1));
            text(datum, "a");
            datum.extend(dice.double().to_le_bytes());
            datum.push(0);
        }
        19 | 21 => datum.extend([varint(-1), varint(dice.number()), varint(dice.number())].concat()),
        _ => datum.extend(varint(dice.number())),
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let mut dice = Dice::new(1);
    let mut seeds: Vec<Vec<u8>> = (0..24).map(|_| generate(&mut dice)).collect();
    let nested = r#"{"type":"record","name":"E","fields":[{"name":"event","type":{"type":"enum","name":"K","symbols":["page_view","purchase"]}},{"name":"userId","type":["null","string"]},{"name":"items","type":{"type":"array","items":{"type":"record","name":"L","fields":[{"name":"item_id","type":"string"},{"name":"price","type":"float"}]}}},{"name":"gift","type":["null","L"]},{"name":"id","type":{"type":"fixed","name":"F","size":4}}]}"#;
    let mut datum = vec![2, 2];
    text(&mut datum, "u1");
    datum.push(2);
    text(&mut datum, "p1");
    datum.extend(59.9_f32.to_le_bytes());
    datum.extend([0, 0, b'a', b'b', b'c', b'd']);
    seeds.push(pair(nested, &datum));
    seeds
}

fn open() -> Run {
    let source = source(0);
    // Most inputs share their schema with the one before.
    let mut last: (Vec<u8>, Result<Schema, CompactString>) = (Vec::new(), Err("no schema".into()));
    Box::new(move |input| {
        let Some((length, rest)) = input.split_first_chunk::<2>() else { return Ok(0) };
        let (schema, record) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
        if last.0 != schema {
            let admitted = std::str::from_utf8(schema).map_or(Err("not UTF-8".into()), admit);
            last = (schema.to_vec(), admitted);
        }
        let schema = match &last.1 {
            Ok(schema) => schema,
            Err(reason) => return Ok(kind(reason)),
        };
        let decode = || {
            let (_, datum) = confluent_frame(record)?;
            source.decode_avro(schema, datum, Timestamp::from_ms(AT))
        };
        judged(decode(), decode())
    })
}

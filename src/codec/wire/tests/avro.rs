//! Avro: the same events as JSON gives, agreement with the library's own reader, and hostile bytes.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;
use proptest::prelude::*;
use serde_json::json;

use super::{RECORD_TIME, event, item, properties, source, text};
use crate::codec::reject::RejectCode;
use crate::codec::wire::{avro, confluent_frame};
use crate::domain::event::{Event, Money};

const EVENT: &str = r#"{"type":"record","name":"Event","namespace":"shop","fields":[
    {"name":"messageId","type":"string"},{"name":"event","type":{"type":"enum","name":"Kind","symbols":["page_view","purchase"]}},
    {"name":"userId","type":["null","string"]},
    {"name":"timestamp","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"currency","type":"string"},
    {"name":"value","type":{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}},
    {"name":"items","type":{"type":"array","items":{"type":"record","name":"Line","fields":[
        {"name":"item_id","type":"string"},{"name":"price","type":"float"},{"name":"quantity","type":"int"}]}}},
    {"name":"gift","type":["null","Line"]},
    {"name":"tags","type":{"type":"map","values":"string"}}]}"#;

const LIST: &str = r#"{"type":"record","name":"List","fields":[{"name":"next","type":["null","List"]}]}"#;

fn schema(text: &str) -> Schema {
    Schema::parse_str(text).unwrap()
}

fn written(schema: &Schema, value: Avro) -> Vec<u8> {
    GenericDatumWriter::builder(schema).build().unwrap().write_value_to_vec(value).unwrap()
}

fn line(id: &str) -> Avro {
    Avro::Record(vec![
        ("item_id".into(), Avro::String(id.into())),
        ("price".into(), Avro::Float(59.9)),
        ("quantity".into(), Avro::Int(2)),
    ])
}

fn purchase() -> Vec<u8> {
    let value = Avro::Record(vec![
        ("messageId".into(), Avro::String("m1".into())),
        ("event".into(), Avro::Enum(1, "purchase".into())),
        ("userId".into(), Avro::Union(1, Box::new(Avro::String("u1".into())))),
        ("timestamp".into(), Avro::TimestampMillis(1_767_607_200_000)),
        ("currency".into(), Avro::String("EUR".into())),
        ("value".into(), Avro::Decimal(11_980_i32.to_be_bytes().into())),
        ("items".into(), Avro::Array(vec![line("p1")])),
        ("gift".into(), Avro::Union(1, Box::new(line("p2")))),
        ("tags".into(), Avro::Map([("size".to_owned(), Avro::String("m".into()))].into())),
    ]);
    written(&schema(EVENT), value)
}

#[test]
fn an_avro_record_becomes_the_event_that_its_json_would() {
    let decoded = source().decode_avro(&schema(EVENT), &purchase(), RECORD_TIME).unwrap();
    let expected = Event {
        items: vec![item("p1", None, Some(5990), 2)],
        value: Some(Money { hundredths: 11_980, currency: "EUR".into() }),
        properties: properties([
            ("gift.item_id", text("p2")),
            ("gift.price", crate::domain::scalar::Scalar::Float(59.9)),
            ("gift.quantity", crate::domain::scalar::Scalar::Integer(2)),
            ("tags.size", text("m")),
        ]),
        ..event("m1", "order_completed")
    };
    assert_eq!(decoded, expected);
}

#[test]
fn a_datum_that_is_cut_or_longer_is_refused() {
    let (schema, datum) = (schema(EVENT), purchase());
    for end in 0..datum.len() {
        let reject = source().decode_avro(&schema, &datum[..end], RECORD_TIME).unwrap_err();
        assert_eq!(reject.code, RejectCode::MalformedAvro, "cut at {end}: {reject}");
    }
    let longer = [datum.as_slice(), &[0]].concat();
    assert_eq!(
        source().decode_avro(&schema, &longer, RECORD_TIME).unwrap_err().code,
        RejectCode::MalformedAvro
    );
}

#[test]
fn every_type_has_its_json() {
    for (text, datum, expected) in [
        (r#""null""#, vec![], json!(null)),
        (r#""boolean""#, vec![1], json!(true)),
        (r#""int""#, vec![3], json!(-2)),
        (r#""long""#, vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1], json!(i64::MIN)),
        (r#""double""#, 59.9_f64.to_le_bytes().to_vec(), json!(59.9)),
        (r#""bytes""#, vec![2, b'a'], json!("a")),
        (r#""bytes""#, vec![2, 0xff], json!(null)),
        (r#"{"type":"int","logicalType":"date"}"#, vec![2], json!("1970-01-02")),
        (
            r#"{"type":"long","logicalType":"timestamp-micros"}"#,
            vec![2],
            json!("1970-01-01T00:00:00.000001Z"),
        ),
        (r#"{"type":"long","logicalType":"time-micros"}"#, vec![2], json!(1)),
        (
            r#"{"type":"bytes","logicalType":"decimal","precision":5,"scale":2}"#,
            vec![4, 0xff, 0x7f],
            json!("-1.29"),
        ),
        (r#"{"type":"bytes","logicalType":"decimal","precision":5,"scale":2}"#, vec![2, 5], json!("0.05")),
        (r#"{"type":"bytes","logicalType":"decimal","precision":5}"#, vec![0], json!("0")),
        (
            r#"{"type":"fixed","size":16,"name":"u","logicalType":"uuid"}"#,
            vec![0x11; 16],
            json!("11111111-1111-1111-1111-111111111111"),
        ),
        (r#"{"type":"array","items":"int"}"#, vec![3, 4, 2, 4, 2, 6, 0], json!([1, 2, 3])),
        (r#"["null","string"]"#, vec![2, 2, b'a'], json!("a")),
    ] {
        assert_eq!(avro::read(&schema(text), &datum), Ok(expected), "{text}");
    }
}

#[test]
fn hostile_data_and_schemas_end_in_a_reject() {
    let code = |text: &str, datum: &[u8]| avro::read(&schema(text), datum).unwrap_err().code;
    assert_eq!(code(LIST, &[2].repeat(1_000_000)), RejectCode::TooDeep);
    assert_eq!(
        code(r#"{"type":"record","name":"R","fields":[{"name":"r","type":"R"}]}"#, &[]),
        RejectCode::TooDeep
    );
    let most = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
    assert_eq!(code(r#"{"type":"array","items":"null"}"#, &most), RejectCode::TooLarge);
    assert_eq!(code(r#"{"type":"array","items":"long"}"#, &most), RejectCode::MalformedAvro);
    assert_eq!(code(r#""string""#, &most), RejectCode::MalformedAvro);
    assert_eq!(code(r#""long""#, &[0xff; 10]), RejectCode::MalformedAvro);
    assert_eq!(code(r#""int""#, &most), RejectCode::MalformedAvro);
    assert_eq!(code(r#""boolean""#, &[2]), RejectCode::MalformedAvro);
    assert_eq!(code(r#"["null","int"]"#, &[4]), RejectCode::MalformedAvro);
    assert_eq!(
        code(r#"{"type":"map","values":"null"}"#, &[4, 2, b'a', 2, b'a', 0]),
        RejectCode::MalformedAvro
    );
    let nested = r#"{"type":"record","name":"R","fields":[{"name":"price","type":"double"}]}"#;
    let reject = avro::read(&schema(nested), &f64::NAN.to_le_bytes()).unwrap_err();
    assert_eq!((reject.code, &*reject.path), (RejectCode::InvalidField, "$.price"));
}

#[test]
fn a_confluent_frame_is_a_zero_byte_and_four_bytes_of_id() {
    assert_eq!(confluent_frame(&[0, 0, 0, 1, 2, 9, 8]), Ok((258, &[9_u8, 8] as &[u8])));
    assert_eq!(confluent_frame(&[0, 0, 0, 0, 1]), Ok((1, &[0_u8; 0] as &[u8])));
    assert_eq!(confluent_frame(&[]).unwrap_err().code, RejectCode::Empty);
    for value in [&[0_u8, 0, 0, 1] as &[u8], &[1, 0, 0, 0, 1, 2], b"{\"a\":1}"] {
        assert_eq!(confluent_frame(value).unwrap_err().code, RejectCode::MalformedAvro);
    }
}

proptest! {
    #[test]
    fn any_bytes_give_an_event_or_a_reason(datum in prop::collection::vec(any::<u8>(), 0..300)) {
        for text in [EVENT, LIST] {
            let _ = source().decode_avro(&schema(text), &datum, RECORD_TIME);
        }
    }

    #[test]
    fn changed_bytes_never_panic_and_what_is_read_the_library_reads_too(at in any::<usize>(), byte in any::<u8>()) {
        let (schema, mut datum) = (schema(EVENT), purchase());
        let length = datum.len();
        datum[at % length] = byte;
        let _ = source().decode_avro(&schema, &datum, RECORD_TIME);
        if avro::read(&schema, &datum).is_ok() {
            let reader = GenericDatumReader::builder(&schema).build().unwrap();
            let mut rest = datum.as_slice();
            prop_assert!(reader.read_value(&mut rest).is_ok());
            prop_assert!(rest.is_empty());
        }
    }

    #[test]
    fn well_formed_data_are_read_as_the_library_reads_them(
        number in any::<i64>(), words in prop::collection::vec(".*", 0..5), half in any::<i32>(), some in any::<bool>(),
    ) {
        let schema = schema(r#"{"type":"record","name":"R","fields":[{"name":"a","type":"long"},
            {"name":"b","type":{"type":"array","items":"string"}},{"name":"c","type":["null","double"]},
            {"name":"d","type":{"type":"map","values":"int"}}]}"#);
        let double = f64::from(half) / 2.0;
        let union = if some { Avro::Union(1, Box::new(Avro::Double(double))) } else { Avro::Union(0, Box::new(Avro::Null)) };
        let datum = written(&schema, Avro::Record(vec![
            ("a".into(), Avro::Long(number)),
            ("b".into(), Avro::Array(words.iter().cloned().map(Avro::String).collect())),
            ("c".into(), union),
            ("d".into(), Avro::Map(words.iter().map(|word| (word.clone(), Avro::Int(half))).collect())),
        ]));
        let map = words.iter().map(|word| (word.clone(), json!(half))).collect::<serde_json::Map<_, _>>();
        let expected = json!({"a": number, "b": words, "c": if some { json!(double) } else { json!(null) }, "d": map});
        prop_assert_eq!(avro::read(&schema, &datum), Ok(expected));
    }
}

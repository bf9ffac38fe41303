//! Records of the catalogue topic.

use crate::codec::reject::RejectCode;
use crate::codec::wire::decode_content;
use crate::domain::catalogue::Content;
use crate::domain::command::Command;
use crate::domain::time::Timestamp;

fn content(value: &str) -> Content {
    match decode_content(Some(b"k1"), Some(value.as_bytes())).unwrap() {
        Command::ContentChanged(content) => content,
        other => panic!("{other:?}"),
    }
}

#[test]
fn content_in_full_and_in_the_other_spelling() {
    let expected = Content {
        content_id: "c1".into(),
        slots: vec!["home_hero".into()],
        weights: vec![("Shoes".into(), 0.5), ("bags".into(), 1.0)],
        base_weight: 2.0,
        item_id: Some("p1".into()),
        starts_at: Some(Timestamp::from_ms(1_767_607_200_000)),
        ends_at: Some(Timestamp::from_ms(1_767_607_260_000)),
    };
    let camel = content(
        r#"{"contentId":"c1","slots":["home_hero"],"weights":{"bags":1,"Shoes":0.5},"baseWeight":2,"itemId":"p1",
        "startsAt":"2026-01-05T10:00:00Z","endsAt":"2026-01-05T10:01:00Z","title":"ignored"}"#,
    );
    assert_eq!(camel, expected);
    let snake = content(
        r#"{"content_id":"c1","slot_types":["home_hero"],"categories":["Shoes","bags"],"weights":{"Shoes":0.5},
        "weight":2.0,"product_id":"p1","starts_at":1767607200,"ends_at":1767607260000}"#,
    );
    assert_eq!(snake, expected);
}

#[test]
fn the_key_stands_for_a_missing_id() {
    assert_eq!(content("{}"), Content { content_id: "k1".into(), ..Content::default() });
}

#[test]
fn a_record_without_a_value_withdraws_the_content_of_its_key() {
    let withdrawn = Command::ContentWithdrawn { content_id: "c1".into() };
    assert_eq!(decode_content(Some(b"c1"), None), Ok(withdrawn));
    assert_eq!(decode_content(None, None).unwrap_err().code, RejectCode::MissingField);
    assert_eq!(decode_content(Some(b""), None).unwrap_err().code, RejectCode::MissingField);
    assert_eq!(decode_content(Some(b"\xff"), None).unwrap_err().code, RejectCode::InvalidField);
}

#[test]
fn impossible_content_is_refused() {
    let many =
        format!(r#"{{"weights":{{{}"x":1}}}}"#, (0..64).map(|n| format!("\"c{n}\":1,")).collect::<String>());
    for (value, code, path) in [
        ("", RejectCode::Empty, "$"),
        ("[]", RejectCode::InvalidField, "$"),
        (r#"{"contentId":""}"#, RejectCode::InvalidField, "$.contentId"),
        (r#"{"weights":{"secret":-1}}"#, RejectCode::InvalidField, "$.weights.secret"),
        (r#"{"weights":{"":1}}"#, RejectCode::InvalidField, "$.weights"),
        (r#"{"weights":{"a":"1"}}"#, RejectCode::InvalidField, "$.weights.a"),
        (&many, RejectCode::InvalidField, "$.weights"),
        (r#"{"baseWeight":1e7}"#, RejectCode::InvalidField, "$.baseWeight"),
        (r#"{"slots":"home"}"#, RejectCode::InvalidField, "$.slots"),
        (r#"{"startsAt":"2026-01-05"}"#, RejectCode::InvalidField, "$.startsAt"),
        (r#"{"startsAt":2,"endsAt":1}"#, RejectCode::InvalidField, "$.endsAt"),
    ] {
        let reject = decode_content(Some(b"k1"), Some(value.as_bytes())).unwrap_err();
        assert_eq!((reject.code, &*reject.path), (code, path), "{value}");
        assert!(!reject.message.contains("secret"), "{reject}");
    }
}

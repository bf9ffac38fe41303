//! Records of the topic of site shares.

use crate::codec::reject::RejectCode;
use crate::codec::wire::{decode_site_shares, encode_site_shares};
use crate::domain::command::Command;
use crate::domain::site::SiteShares;
use crate::domain::time::Timestamp;

fn shares() -> SiteShares {
    SiteShares {
        interest: "category".into(),
        as_of: Timestamp::from_ms(1_767_607_200_000),
        persons: 1_234,
        shares: vec![("shoes".into(), 0.31), ("tents".into(), 0.05)],
    }
}

#[test]
fn shares_are_read_as_they_were_told_in_the_order_of_values() {
    let value = r#"{"asOf": "2026-01-05T10:00:00Z", "persons": 1234, "by": "a later version",
                    "shares": {"tents": 0.05, "shoes": 0.31}}"#;
    let read = decode_site_shares(Some(b"category"), Some(value.as_bytes())).unwrap();
    assert_eq!(read, Command::SiteSharesChanged(shares()));
    let (key, value) = encode_site_shares(&shares());
    assert_eq!(decode_site_shares(Some(&key), Some(&value)), Ok(read));
}

#[test]
fn without_a_value_an_interest_is_withdrawn() {
    let withdrawn = Command::SiteSharesWithdrawn { interest: "category".into() };
    assert_eq!(decode_site_shares(Some(b"category"), None), Ok(withdrawn));
    assert_eq!(decode_site_shares(None, None).unwrap_err().code, RejectCode::MissingField);
    assert_eq!(decode_site_shares(Some(b""), None).unwrap_err().code, RejectCode::MissingField);
    assert_eq!(decode_site_shares(Some(b"\xff"), None).unwrap_err().code, RejectCode::InvalidField);
}

#[test]
fn what_is_wrong_is_said_with_its_path() {
    let of = |shares: &str| format!(r#"{{"asOf": 1767607200000, "persons": 1, "shares": {shares}}}"#);
    let many: Vec<String> = (0..1_001).map(|number| format!(r#""v{number}": 0.1"#)).collect();
    let cases = [
        ("[]".to_owned(), RejectCode::InvalidField, "$"),
        ("{".to_owned(), RejectCode::MalformedJson, "$"),
        (" ".repeat(1_048_577), RejectCode::TooLarge, "$"),
        (r#"{"persons": 1, "shares": {}}"#.to_owned(), RejectCode::MissingField, "$.asOf"),
        (r#"{"asOf": 0, "persons": -1, "shares": {}}"#.to_owned(), RejectCode::InvalidField, "$.persons"),
        (r#"{"asOf": 0, "persons": 1.5, "shares": {}}"#.to_owned(), RejectCode::InvalidField, "$.persons"),
        (r#"{"asOf": "2300-01-01T00:00:00Z"}"#.to_owned(), RejectCode::ImplausibleTime, "$.asOf"),
        (of("7"), RejectCode::InvalidField, "$.shares"),
        (of(&format!("{{{}}}", many.join(","))), RejectCode::InvalidField, "$.shares"),
        (of(r#"{"a": 0}"#), RejectCode::InvalidField, "$.shares.a"),
        (of(r#"{"a": 1.01}"#), RejectCode::InvalidField, "$.shares.a"),
        (of(r#"{"a": 9e-10}"#), RejectCode::InvalidField, "$.shares.a"),
        (of(r#"{"a": "0.1"}"#), RejectCode::InvalidField, "$.shares.a"),
        (of(r#"{"": 0.1}"#), RejectCode::InvalidField, "$.shares"),
    ];
    for (value, code, path) in cases {
        let reject = decode_site_shares(Some(b"k"), Some(value.as_bytes())).unwrap_err();
        assert_eq!((reject.code, &*reject.path), (code, path), "{value:.60}");
    }
}

//! Records that cannot be used, as real senders produce them: each with the reason that its dead letter must
//! name.

use serde_json::{Value, json};

use super::random::Random;
use crate::codec::reject::RejectCode;

/// One way in which a record is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    CutShort,
    NotUtf8,
    Empty,
    NestedTooDeep,
    NoPerson,
    NoEvent,
    PersonOfNobody,
    YearOutOfRange,
    TimeInWords,
    PropertiesInWords,
    PriceInWords,
    RequestWithoutSlot,
}

const ALL: [Damage; 12] = [
    Damage::CutShort,
    Damage::NotUtf8,
    Damage::Empty,
    Damage::NestedTooDeep,
    Damage::NoPerson,
    Damage::NoEvent,
    Damage::PersonOfNobody,
    Damage::YearOutOfRange,
    Damage::TimeInWords,
    Damage::PropertiesInWords,
    Damage::PriceInWords,
    Damage::RequestWithoutSlot,
];

/// The value of a record that is broken in one of the ways, as somebody might have sent it at this instant
/// (in ISO 8601) instead of a good one.
pub(crate) fn broken(at: &str, random: &mut Random) -> (Vec<u8>, RejectCode) {
    let damage = random.pick(&ALL).copied().unwrap_or(Damage::Empty);
    let nobody = random.pick(&["null", "0000", "anonymous"]).copied().unwrap_or("null");
    let value = match damage {
        Damage::CutShort => br#"{"event":"add_to_cart","productId":"p012","userId":"u1","times"#.to_vec(),
        Damage::NotUtf8 => b"{\"event\":\"search\",\"userId\":\"u1\",\"query\":\"\xff\xfe\"}".to_vec(),
        Damage::Empty => Vec::new(),
        Damage::NestedTooDeep => nested(100),
        Damage::NoPerson => bytes(&json!({"event": "add_to_cart", "productId": "p012", "timestamp": at})),
        Damage::NoEvent => bytes(&json!({"userId": "u1", "productId": "p012", "timestamp": at})),
        Damage::PersonOfNobody => bytes(&json!({"event": "page_view", "userId": nobody, "timestamp": at})),
        Damage::YearOutOfRange => {
            bytes(&json!({"event": "page_view", "userId": "u1", "timestamp": "2999-12-31T00:00:00Z"}))
        }
        Damage::TimeInWords => {
            bytes(&json!({"event": "page_view", "userId": "u1", "timestamp": "yesterday"}))
        }
        Damage::PropertiesInWords => bytes(&json!({
            "type": "track", "event": "Product Viewed", "userId": "u1", "originalTimestamp": at, "properties": "none",
        })),
        Damage::PriceInWords => bytes(&json!({
            "event": "add_to_cart", "userId": "u1", "productId": "p012", "price": "cheap", "timestamp": at,
        })),
        Damage::RequestWithoutSlot => bytes(&json!({
            "name": "decision_request", "user_id": "u1", "timestamp": at, "params": {"requestId": "r1"},
        })),
    };
    (value, damage.code())
}

impl Damage {
    fn code(self) -> RejectCode {
        match self {
            Damage::CutShort | Damage::NotUtf8 => RejectCode::MalformedJson,
            Damage::Empty => RejectCode::Empty,
            Damage::NestedTooDeep => RejectCode::TooDeep,
            Damage::NoPerson | Damage::NoEvent | Damage::RequestWithoutSlot => RejectCode::MissingField,
            Damage::PersonOfNobody => RejectCode::BlockedId,
            Damage::YearOutOfRange => RejectCode::ImplausibleTime,
            Damage::TimeInWords | Damage::PropertiesInWords | Damage::PriceInWords => {
                RejectCode::InvalidField
            }
        }
    }
}

fn nested(levels: usize) -> Vec<u8> {
    format!(r#"{{"event":"page_view","userId":"u1","deep":{}{}}}"#, "[".repeat(levels), "]".repeat(levels))
        .into()
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

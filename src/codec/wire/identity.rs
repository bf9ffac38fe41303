//! Whose event it is. An id that many people share would join strangers into one profile, so the well-known
//! ones of that sort are refused, and never replaced by another id in silence.

use std::borrow::Cow;

use super::Ids;
use super::field::Field;
use super::fields::Fields;
use super::found::Found;
use crate::codec::reject::{Reject, RejectCode};
use crate::domain::person::{IdKind, Person};

/// Ids that stand for nobody, in lower case. Texts of zeros and hyphens alone, and blank ones, are too.
const BLOCKED: &[&str] = &[
    "null",
    "undefined",
    "none",
    "nil",
    "nan",
    "n/a",
    "anonymous",
    "unknown",
    "guest",
    "true",
    "false",
    "-1",
    "(not set)",
    "[object object]",
];

/// The person of an event: the user's id where there is one, else the device's, if the source has those.
///
/// # Errors
/// `MissingField`, `InvalidField` or `BlockedId`.
pub(super) fn person(envelope: &mut Fields, ids: Ids) -> Result<Person, Reject> {
    let user = envelope.take(Field::UserId);
    let anonymous = envelope.take(Field::AnonymousId);
    match (ids, user, anonymous) {
        (Ids::UserOnly, Some(user), _) => Ok(Person::bare(&somebody(user)?)),
        (Ids::UserOnly, None, _) => {
            Err(missing("no userId; this source's events are kept by userId alone, so send it"))
        }
        (Ids::ByKind, Some(user), _) => Ok(Person::of_kind(IdKind::User, &somebody(user)?)),
        (Ids::ByKind, None, Some(device)) => Ok(Person::of_kind(IdKind::Anonymous, &somebody(device)?)),
        (Ids::ByKind, None, None) => Err(missing("neither userId nor anonymousId; send one of them")),
    }
}

fn somebody(found: Found<'_>) -> Result<Cow<'_, str>, Reject> {
    let id = found.to_text()?.unwrap_or_default();
    if is_blocked(&id) {
        let message = "an id that stands for nobody; leave the field out, or send the person's own id";
        return Err(Reject::new(RejectCode::BlockedId, &found.path(), message));
    }
    Ok(id)
}

fn is_blocked(id: &str) -> bool {
    let id = id.trim();
    id.bytes().all(|byte| byte == b'0' || byte == b'-')
        || BLOCKED.iter().any(|word| id.eq_ignore_ascii_case(word))
}

fn missing(message: &str) -> Reject {
    Reject::new(RejectCode::MissingField, "$.userId", message)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::codec::wire::aliases::{Aliases, Scope};
    use crate::codec::wire::tree::{Tree, arena};

    fn person_of(object: Value, ids: Ids) -> Result<String, RejectCode> {
        let (arena, aliases) = (arena(), Aliases::standard());
        let tree = Tree::of(&object, &arena);
        let mut envelope = Fields::of(Found::whole(&tree), &aliases, Scope::Envelope).unwrap();
        person(&mut envelope, ids).map(|person| person.to_string()).map_err(|reject| reject.code)
    }

    #[test]
    fn the_user_comes_before_the_device() {
        let of = |object| person_of(object, Ids::ByKind).unwrap();
        assert_eq!(of(json!({"userId": "u1", "anonymousId": "a1"})), "user:u1");
        assert_eq!(of(json!({"user_id": 42, "anonymousId": "null"})), "user:42");
        assert_eq!(of(json!({"userId": null, "client_id": "1.2"})), "anonymous:1.2");
        assert_eq!(of(json!({"userPseudoId": " A\u{e9} "})), "anonymous: A\u{e9} ");
    }

    #[test]
    fn a_source_of_users_alone_has_bare_keys() {
        assert_eq!(person_of(json!({"userId": "u1"}), Ids::UserOnly), Ok("u1".to_owned()));
        assert_eq!(person_of(json!({"anonymousId": "a"}), Ids::UserOnly), Err(RejectCode::MissingField));
    }

    #[test]
    fn ids_that_stand_for_nobody_are_blocked() {
        for id in [
            "",
            " ",
            "null",
            "NULL",
            "undefined",
            "None",
            "nil",
            "Anonymous",
            "unknown",
            "guest",
            "true",
            "False",
            "0",
            "0000",
            "-1",
            "-",
            " null ",
            "[object Object]",
            "00000000-0000-0000-0000-000000000000",
            "N/A",
        ] {
            let object = json!({"userId": id, "anonymousId": "a1"});
            assert_eq!(person_of(object, Ids::ByKind), Err(RejectCode::BlockedId), "{id:?}");
        }
        assert_eq!(person_of(json!({"userId": 0}), Ids::ByKind), Err(RejectCode::BlockedId));
        assert_eq!(person_of(json!({"anonymousId": -1}), Ids::ByKind), Err(RejectCode::BlockedId));
        for id in ["01", "nullable", "10", "guest-7"] {
            assert_eq!(person_of(json!({"userId": id}), Ids::ByKind), Ok(format!("user:{id}")));
        }
    }

    #[test]
    fn what_cannot_be_an_id_is_invalid() {
        for id in [json!(1.5), json!(true), json!({}), json!(["a"]), json!("a\u{0}b"), json!("a".repeat(257))]
        {
            assert_eq!(person_of(json!({"userId": id}), Ids::ByKind), Err(RejectCode::InvalidField));
        }
        assert!(person_of(json!({"userId": "a".repeat(256)}), Ids::ByKind).is_ok());
    }
}

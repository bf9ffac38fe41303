//! The check of an event's record against the schema of its event, in the version that the sender states.

use serde_json::Value;

use super::Source;
use super::canonical;
use super::field::Field;
use super::found::Found;
use super::tree::Tree;
use crate::codec::event_schema::{SchemaVersion, Versions, Violation};
use crate::codec::reject::{Reject, RejectCode, SchemaRule};

/// Checks a record. Answers none where it fits as it stands, and the event in canonical form, brought up to
/// the newest version, where the stated one is older and something had to be changed. A record that states
/// no version is held to the newest.
///
/// # Errors
/// `SchemaMismatch`, `UnknownSchemaVersion`, and `InvalidField` for a statement that cannot be read.
pub(super) fn check(
    source: &Source,
    tree: &Tree<'_>,
    event: &str,
    versions: &Versions,
    stated: Option<Found<'_>>,
) -> Result<Option<Value>, Reject> {
    let version = match stated {
        Some(stated) => stated_version(source, event, versions, stated)?,
        None => versions.latest(),
    };
    let mut document = canonical::document(source, tree)?;
    if let Some(violation) = version.violation(&document) {
        let path = canonical::paths(source, tree).of(&violation.pointer);
        return Err(mismatch(event, version, &path, violation, ""));
    }
    if !versions.upcast(&mut document, version.number()) {
        return Ok(None);
    }
    match versions.latest().violation(&document) {
        Some(violation) => {
            let path = canonical::paths(source, tree).of(&violation.pointer);
            Err(mismatch(event, versions.latest(), &path, violation, ", once brought up to it"))
        }
        None => Ok(Some(document)),
    }
}

fn stated_version<'v>(
    source: &Source,
    event: &str,
    versions: &'v Versions,
    stated: Found<'_>,
) -> Result<&'v SchemaVersion, Reject> {
    if let Some(name) = stated.member("name") {
        let is_same = name.value().text().is_some_and(|name| source.aliases.canonical_event(name) == event);
        if !is_same {
            return Err(name.invalid("not the name of this event; send that, or leave it out"));
        }
    }
    let Some(version) = stated.member("version") else {
        let path = format!("{}.version", stated.path());
        return Err(Reject::new(RejectCode::MissingField, &path, "no version; send it, or leave schema out"));
    };
    let number = match version.value() {
        Tree::Number(number) => number.as_u64(),
        Tree::Text(text) => text.parse().ok(),
        _ => None,
    };
    let Some(number) = number else {
        return Err(version.invalid("not a version; send a whole number"));
    };
    u32::try_from(number).ok().and_then(|number| versions.version(number)).ok_or_else(|| {
        let known = versions.numbers();
        let message = format!("version {number} of this event's schema is not known; known are {known}");
        Reject::new(RejectCode::UnknownSchemaVersion, &version.path(), message).with_rule(SchemaRule {
            event: event.into(),
            version: number.try_into().unwrap_or(u32::MAX),
            keyword: Field::Schema.name().into(),
        })
    })
}

fn mismatch(event: &str, version: &SchemaVersion, path: &str, violation: Violation, when: &str) -> Reject {
    let message = format!("{} {event}, version {}{when}", violation.message, version.number());
    Reject::new(RejectCode::SchemaMismatch, path, message).with_rule(SchemaRule {
        event: event.into(),
        version: version.number(),
        keyword: violation.rule,
    })
}

//! What users demand of their events: for each event that has any, JSON Schemas (draft 2020-12) in numbered
//! versions. A schema speaks of the event in canonical form, so one serves every shape in which senders
//! write it. Where the files lie, and what a record in canonical form is, is not known here.

mod upcast;
mod version;
mod widening;

use std::collections::BTreeMap;
use std::fmt;

use compact_str::CompactString;

pub use version::{SchemaVersion, Violation};
pub use widening::{Narrowing, narrowings};

/// The largest schema, in bytes.
pub const SCHEMA_BYTES_MAX: usize = 1 << 20;

/// The schemas of all events.
#[derive(Debug, Default)]
pub struct EventSchemas {
    by_event: BTreeMap<CompactString, Versions>,
}

/// The versions of one event's schema; at least one.
#[derive(Debug)]
pub struct Versions {
    by_number: BTreeMap<u32, SchemaVersion>,
}

/// A schema as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaText {
    /// The canonical name of the event.
    pub event: CompactString,
    /// The number of the version, from 1.
    pub version: u32,
    /// The JSON.
    pub text: String,
}

/// What is wrong with a schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaError {
    /// The canonical name of the event.
    pub event: CompactString,
    /// The number of the version.
    pub version: u32,
    /// Where, as ` at line 3, column 7` or ` at /properties/price`; empty for the whole.
    pub place: String,
    /// What, and what to do.
    pub message: String,
}

impl EventSchemas {
    /// Compiles schemas. Each version must accept all that the one before it accepted, or say with
    /// `x-upcast` how an event of that one becomes one of its own.
    ///
    /// # Errors
    /// All that is wrong, in the order of events and versions.
    pub fn compile(texts: &[SchemaText]) -> Result<EventSchemas, Vec<SchemaError>> {
        let mut schemas = EventSchemas::default();
        let mut errors = Vec::new();
        for text in texts {
            match SchemaVersion::compile(text) {
                Ok(version) => {
                    let versions = schemas.by_event.entry(text.event.clone());
                    let versions = versions.or_insert_with(|| Versions { by_number: BTreeMap::new() });
                    versions.by_number.insert(text.version, version);
                }
                Err(error) => errors.push(error),
            }
        }
        for (event, versions) in &schemas.by_event {
            errors.extend(versions.broken_steps(event));
        }
        errors.sort_by(|one, other| (&one.event, one.version).cmp(&(&other.event, other.version)));
        if errors.is_empty() { Ok(schemas) } else { Err(errors) }
    }

    /// Whether no event has a schema.
    pub fn is_empty(&self) -> bool {
        self.by_event.is_empty()
    }

    /// The versions of an event's schema; none where it has none.
    pub fn versions(&self, event: &str) -> Option<&Versions> {
        self.by_event.get(event)
    }

    /// Every version of every event, in order.
    pub fn all(&self) -> impl Iterator<Item = (&CompactString, &SchemaVersion)> {
        self.by_event
            .iter()
            .flat_map(|(event, versions)| versions.by_number.values().map(move |version| (event, version)))
    }
}

impl Versions {
    /// The version of this number; none where it is not known.
    pub fn version(&self, number: u32) -> Option<&SchemaVersion> {
        self.by_number.get(&number)
    }

    /// The newest version.
    ///
    /// # Panics
    /// Never: there is at least one.
    pub fn latest(&self) -> &SchemaVersion {
        self.by_number.values().next_back().expect("an event stands here with its first version")
    }

    /// The known numbers, for messages: `1, 2`.
    pub fn numbers(&self) -> String {
        let numbers: Vec<String> = self.by_number.keys().map(u32::to_string).collect();
        numbers.join(", ")
    }

    /// Brings an event in canonical form from the version of this number to the newest. Answers whether
    /// anything was changed.
    pub fn upcast(&self, document: &mut serde_json::Value, from: u32) -> bool {
        let later = self.by_number.range(from.saturating_add(1)..);
        later.fold(false, |is_changed, (_, version)| version.upcast(document) | is_changed)
    }

    fn broken_steps(&self, event: &CompactString) -> impl Iterator<Item = SchemaError> {
        let steps = self.by_number.values().zip(self.by_number.values().skip(1));
        steps.filter(|(_, newer)| !newer.has_upcast()).flat_map(move |(older, newer)| {
            narrowings(older.document(), newer.document()).into_iter().map(move |narrowing| SchemaError {
                event: event.clone(),
                version: newer.number(),
                place: format!(" at {}", narrowing.pointer),
                message: format!(
                    "{}, so events of version {} may not fit; allow them, or say with x-upcast how they are \
                     brought up",
                    narrowing.message,
                    older.number()
                ),
            })
        })
    }
}

impl fmt::Display for SchemaError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SchemaError { event, version, place, message } = self;
        write!(formatter, "{event}/{version}.json{place}: {message}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn text(version: u32, schema: Value) -> SchemaText {
        SchemaText { event: "order_completed".into(), version, text: schema.to_string() }
    }

    fn errors(texts: &[SchemaText]) -> Vec<String> {
        EventSchemas::compile(texts).unwrap_err().iter().map(SchemaError::to_string).collect()
    }

    fn properties(properties: Value, required: Value) -> Value {
        json!({"type": "object", "properties": {"properties":
            {"type": "object", "properties": properties, "required": required}}})
    }

    #[test]
    fn an_event_is_brought_up_through_every_version() {
        let mut second = properties(json!({"total": {"type": "number"}}), json!(["total"]));
        second["x-upcast"] = json!([{"rename": "/properties/sum", "to": "total"}]);
        let mut third = properties(
            json!({"total": {"type": "number"}, "channel": {"enum": ["web", "till"]}}),
            json!(["total", "channel"]),
        );
        third["x-upcast"] = json!([{"default": "/properties/channel", "value": "web"}]);
        let first = properties(json!({"sum": {"type": "number"}}), json!(["sum"]));
        let schemas = EventSchemas::compile(&[text(1, first), text(2, second), text(3, third)]).unwrap();
        let versions = schemas.versions("order_completed").unwrap();

        let mut document = json!({"event": "order_completed", "properties": {"sum": 7}});
        assert_eq!(versions.version(1).unwrap().violation(&document), None);
        assert!(versions.latest().violation(&document).is_some());
        assert!(versions.upcast(&mut document, 1));
        assert_eq!(document["properties"], json!({"total": 7, "channel": "web"}));
        assert_eq!(versions.latest().violation(&document), None);
        assert!(!versions.upcast(&mut document, 3), "nothing comes after the newest");
        assert_eq!((versions.numbers().as_str(), versions.latest().number()), ("1, 2, 3", 3));
        assert!(versions.version(4).is_none() && schemas.versions("page_viewed").is_none());
    }

    #[test]
    fn a_version_that_would_break_the_one_before_it_says_where() {
        let first = properties(json!({"total": {"type": "number"}}), json!([]));
        let second = properties(json!({"total": {"type": "integer"}}), json!(["total"]));
        assert_eq!(
            errors(&[text(1, first), text(2, second)]),
            [
                "order_completed/2.json at /properties/properties/properties/total/type: number is no longer \
                 allowed, so events of version 1 may not fit; allow them, or say with x-upcast how they are \
                 brought up",
                "order_completed/2.json at /properties/properties/required: `total` is now required, so events \
                 of version 1 may not fit; allow them, or say with x-upcast how they are brought up",
            ]
        );
    }

    #[test]
    fn every_broken_schema_is_named() {
        let broken = SchemaText { text: "{\n \"type\": }".into(), ..text(1, json!({})) };
        let wrong = text(2, json!({"type": "objekt"}));
        let found = errors(&[wrong, broken]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("order_completed/1.json at line 2, column "), "{found:?}");
        assert!(found[1].starts_with("order_completed/2.json at /type: "), "{found:?}");
    }
}

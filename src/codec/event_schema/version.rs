//! One version of one event's schema, compiled.

use compact_str::CompactString;
use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::Value;

use super::upcast::Upcast;
use super::{SCHEMA_BYTES_MAX, SchemaError, SchemaText};

/// The longest demand that is repeated in a message, in bytes.
const DEMAND_BYTES_MAX: usize = 120;
/// How much memory a pattern may take once compiled, in bytes.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// One version of one event's schema.
#[derive(Debug)]
pub struct SchemaVersion {
    number: u32,
    document: Value,
    validator: Validator,
    upcast: Option<Upcast>,
}

/// The first demand of a schema that an event does not meet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Where in the event, as a JSON Pointer (RFC 6901); for what is missing, where it should stand.
    pub pointer: String,
    /// The keyword of the schema, such as `maximum`.
    pub rule: CompactString,
    /// What was demanded, for people. Never contains text of the event.
    pub message: String,
}

impl SchemaVersion {
    /// Compiles a schema. Patterns are matched in linear time, so look-around and references back are
    /// refused; so is a `$ref` to anywhere outside the file.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn compile(text: &SchemaText) -> Result<SchemaVersion, SchemaError> {
        let error = |place: String, message: String| SchemaError {
            event: text.event.clone(),
            version: text.version,
            place,
            message,
        };
        if text.text.len() > SCHEMA_BYTES_MAX {
            let message = format!("{} bytes; a schema has at most {SCHEMA_BYTES_MAX}", text.text.len());
            return Err(error(String::new(), message));
        }
        let document: Value = serde_json::from_str(&text.text).map_err(|why| {
            error(format!(" at line {}, column {}", why.line(), why.column()), format!("not JSON: {why}"))
        })?;
        let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES_MAX);
        let options = jsonschema::options().with_draft(Draft::Draft202012).with_pattern_options(patterns);
        let validator = options.build(&document).map_err(|why| {
            let pointer = why.instance_path().as_str();
            let place = if pointer.is_empty() { String::new() } else { format!(" at {pointer}") };
            error(place, format!("not a JSON Schema of draft 2020-12: {why}"))
        })?;
        let upcast = document.get("x-upcast").map(Upcast::read).transpose();
        let upcast = upcast.map_err(|why| error(format!(" at /x-upcast{}", why.pointer), why.message))?;
        Ok(SchemaVersion { number: text.version, document, validator, upcast })
    }

    /// Its number.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The schema itself.
    pub fn document(&self) -> &Value {
        &self.document
    }

    /// What is wrong with an event in canonical form; none where it fits. Of several violations it is the
    /// one that comes first by its place in the event, then by that of the demand in the schema.
    pub fn violation(&self, event: &Value) -> Option<Violation> {
        if self.validator.is_valid(event) {
            return None;
        }
        let place = |error: &ValidationError<'_>| {
            (error.instance_path().as_str().to_owned(), error.schema_path().as_str().to_owned())
        };
        let first = self.validator.iter_errors(event).min_by_key(place)?;
        Some(self.explain(&first))
    }

    /// The examples in the schema that do not fit it, each by its place in the list.
    pub fn broken_examples(&self) -> impl Iterator<Item = (usize, Violation)> {
        let examples = self.document.get("examples").and_then(Value::as_array).into_iter().flatten();
        examples.enumerate().filter_map(|(index, example)| Some((index, self.violation(example)?)))
    }

    /// Whether it says how an event of the version before it becomes one of its own.
    pub(super) fn has_upcast(&self) -> bool {
        self.upcast.is_some()
    }

    pub(super) fn upcast(&self, event: &mut Value) -> bool {
        self.upcast.as_ref().is_some_and(|upcast| {
            upcast.apply(event);
            true
        })
    }

    /// The library's own words are not passed on: they quote the event.
    fn explain(&self, error: &ValidationError<'_>) -> Violation {
        let pointer = error.instance_path().as_str();
        let rule = CompactString::from(error.kind().keyword());
        if let ValidationErrorKind::Required { property: Value::String(name) } = error.kind() {
            let message = format!("the schema requires `{name}`; send it");
            let step = name.replace('~', "~0").replace('/', "~1");
            return Violation { pointer: format!("{pointer}/{step}"), rule, message };
        }
        let demand = self.document.pointer(error.schema_path().as_str()).map(Value::to_string);
        let demand = demand.filter(|demand| demand.len() <= DEMAND_BYTES_MAX);
        let message = match demand {
            Some(demand) => format!("does not fit `{rule}: {demand}` of the schema"),
            None => format!("does not fit `{rule}` at {} of the schema", error.schema_path()),
        };
        Violation { pointer: pointer.to_owned(), rule, message }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn version(schema: Value) -> Result<SchemaVersion, SchemaError> {
        SchemaVersion::compile(&SchemaText { event: "e".into(), version: 1, text: schema.to_string() })
    }

    #[test]
    fn a_violation_names_place_rule_and_demand_and_quotes_nothing() {
        let schema = version(json!({
            "properties": {"a/b": {"maximum": 10}, "name": {"pattern": "^[a-z]+$"}, "list": {"items": {"type":
                ["string", "null"]}}, "kind": {"enum": (0..100).collect::<Vec<_>>()}},
            "required": ["a/b"], "additionalProperties": false
        }));
        let schema = schema.unwrap();
        for (event, pointer, rule, message) in [
            (json!({}), "/a~1b", "required", "the schema requires `a/b`; send it"),
            (json!({"a/b": 11}), "/a~1b", "maximum", "does not fit `maximum: 10` of the schema"),
            (
                json!({"a/b": 1, "name": "SECRET"}),
                "/name",
                "pattern",
                "does not fit `pattern: \"^[a-z]+$\"` of the schema",
            ),
            (
                json!({"a/b": 1, "list": ["x", 1]}),
                "/list/1",
                "type",
                "does not fit `type: [\"string\",\"null\"]` of the schema",
            ),
            (
                json!({"a/b": 1, "kind": "SECRET"}),
                "/kind",
                "enum",
                "does not fit `enum` at /properties/kind/enum of the schema",
            ),
            (
                json!({"a/b": 1, "SECRET": 1}),
                "",
                "additionalProperties",
                "does not fit `additionalProperties: false` of the schema",
            ),
        ] {
            let expected = Violation { pointer: pointer.into(), rule: rule.into(), message: message.into() };
            assert_eq!(schema.violation(&event), Some(expected), "{event}");
        }
        assert_eq!(schema.violation(&json!({"a/b": 10, "name": "a"})), None);
    }

    #[test]
    fn of_several_violations_it_is_the_same_one_every_time() {
        let schema =
            version(json!({"properties": {"b": {"type": "string"}, "a": {"type": "string"}}})).unwrap();
        let found = schema.violation(&json!({"b": 1, "a": 1})).unwrap();
        assert_eq!(found.pointer, "/a");
    }

    #[test]
    fn what_could_stall_or_reach_out_is_refused() {
        for schema in [
            json!({"pattern": "(?=a)b"}),
            json!({"pattern": "(a)\\1"}),
            json!({"pattern": "(((a{1000}){1000}){1000})"}),
            json!({"$ref": "https://example.com/other.json"}),
            json!({"$ref": "#/$defs/none"}),
            json!({"$ref": "other.json"}),
            json!({"x-upcast": {}}),
        ] {
            assert!(version(schema.clone()).is_err(), "{schema}");
        }
        let text = format!("{{\"title\": \"{}\"}}", "x".repeat(SCHEMA_BYTES_MAX));
        let error = SchemaVersion::compile(&SchemaText { event: "e".into(), version: 1, text }).unwrap_err();
        assert!(error.message.contains("bytes"), "{error}");
    }

    #[test]
    fn a_schema_that_refers_to_itself_is_bounded_by_the_event() {
        let schema = version(json!({"properties": {"next": {"$ref": "#"}}, "required": ["id"]})).unwrap();
        let found = schema.violation(&json!({"id": 1, "next": {"id": 2, "next": {}}})).unwrap();
        assert_eq!(found.pointer, "/next/next/id");
    }

    #[test]
    fn examples_are_held_to_the_schema() {
        let schema = version(json!({"type": "object", "examples": [{}, 1]})).unwrap();
        let broken: Vec<usize> = schema.broken_examples().map(|(index, _)| index).collect();
        assert_eq!(broken, [1]);
    }
}

//! Whether a schema accepts all that another accepted. It is decided keyword by keyword and on the safe side:
//! a keyword whose change it cannot judge counts as narrower. One change that is strictly narrower passes, as
//! it does everywhere in practice: a new optional property, though an event could have used its name before.

use serde_json::{Map, Value};

/// A place where a newer schema refuses what the older one accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Narrowing {
    /// The place in the newer schema, as a JSON Pointer.
    pub pointer: String,
    /// What was narrowed, for people.
    pub message: String,
}

/// Keywords that say something about values and demand nothing.
const ANNOTATIONS: &[&str] =
    &["$comment", "$schema", "$id", "title", "description", "default", "deprecated", "examples", "format"];
/// Limits below, which may fall.
const MINIMA: &[&str] = &["minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"];
/// Limits above, which may rise.
const MAXIMA: &[&str] = &["maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"];
/// Keywords that hold one schema for many values.
const SCHEMAS: &[&str] = &["additionalProperties", "items", "propertyNames", "unevaluatedProperties"];
/// Keywords that keep others from what they would demand; without them, more is demanded.
const SHIELDS: &[&str] = &["prefixItems", "minContains"];

/// The places where `newer` refuses what `older` accepted, in the order of the keywords.
pub fn narrowings(older: &Value, newer: &Value) -> Vec<Narrowing> {
    let mut comparison = Comparison { found: Vec::new() };
    comparison.schemas("", older, newer);
    comparison.found
}

struct Comparison {
    found: Vec<Narrowing>,
}

impl Comparison {
    fn schemas(&mut self, pointer: &str, older: &Value, newer: &Value) {
        match (older, newer) {
            (Value::Bool(false), _) | (_, Value::Bool(true)) => {}
            (_, Value::Bool(false)) => self.narrows(pointer, "nothing is allowed here any more".into()),
            (Value::Object(older), Value::Object(newer)) => self.objects(pointer, older, newer),
            (_, newer) => self.objects(pointer, &Map::new(), newer.as_object().unwrap_or(&Map::new())),
        }
    }

    fn objects(&mut self, pointer: &str, older: &Map<String, Value>, newer: &Map<String, Value>) {
        // What a reference means can change where it does not stand.
        let definitions = (older.get("$defs"), newer.get("$defs"));
        if definitions.0 != definitions.1 && definitions.0.is_some() {
            self.narrows(&format!("{pointer}/$defs"), "definitions that references may mean changed".into());
        }
        for keyword in SHIELDS.iter().filter(|keyword| older.contains_key(**keyword)) {
            if !newer.contains_key(*keyword) {
                self.narrows(&format!("{pointer}/{keyword}"), format!("`{keyword}` is gone"));
            }
        }
        for (keyword, demand) in newer {
            let before = older.get(keyword);
            if before != Some(demand) {
                self.keyword(&format!("{pointer}/{}", escaped(keyword)), keyword, before, demand);
            }
        }
        self.others(pointer, older, newer);
    }

    fn keyword(&mut self, pointer: &str, keyword: &str, before: Option<&Value>, demand: &Value) {
        match keyword {
            _ if ANNOTATIONS.contains(&keyword) || keyword.starts_with("x-") || keyword == "$defs" => {}
            "type" => self.types(pointer, before, demand),
            "enum" => self.options(pointer, before, demand),
            "required" => self.required(pointer, before, demand),
            _ if MINIMA.contains(&keyword) => self.limit(pointer, before, demand, |old, new| new <= old),
            _ if MAXIMA.contains(&keyword) => self.limit(pointer, before, demand, |old, new| new >= old),
            _ if SCHEMAS.contains(&keyword) => {
                self.schemas(pointer, before.unwrap_or(&Value::Bool(true)), demand);
            }
            "properties" => {
                for (name, schema) in demand.as_object().into_iter().flatten() {
                    if let Some(before) = before.and_then(|before| before.get(name)) {
                        self.schemas(&format!("{pointer}/{}", escaped(name)), before, schema);
                    }
                }
            }
            _ => self.narrows(pointer, format!("`{keyword}` was added or changed")),
        }
    }

    fn types(&mut self, pointer: &str, before: Option<&Value>, demand: &Value) {
        let Some(before) = before else {
            return self.narrows(pointer, "a type is now demanded".into());
        };
        let allowed = names(demand);
        let is_allowed =
            |name: &str| allowed.contains(&name) || name == "integer" && allowed.contains(&"number");
        for name in names(before).into_iter().filter(|name| !is_allowed(name)) {
            self.narrows(pointer, format!("{name} is no longer allowed"));
        }
    }

    fn options(&mut self, pointer: &str, before: Option<&Value>, demand: &Value) {
        let Some(before) = before.and_then(Value::as_array) else {
            return self.narrows(pointer, "the values are now listed".into());
        };
        let allowed = demand.as_array().map(Vec::as_slice).unwrap_or_default();
        for value in before.iter().filter(|value| !allowed.contains(value)) {
            self.narrows(pointer, format!("{value} is no longer allowed"));
        }
    }

    fn required(&mut self, pointer: &str, before: Option<&Value>, demand: &Value) {
        let before = before.map(names).unwrap_or_default();
        for name in names(demand).into_iter().filter(|name| !before.contains(name)) {
            self.narrows(pointer, format!("`{name}` is now required"));
        }
    }

    fn limit(
        &mut self,
        pointer: &str,
        before: Option<&Value>,
        demand: &Value,
        is_wider: impl Fn(f64, f64) -> bool,
    ) {
        let pair = before.and_then(Value::as_f64).zip(demand.as_f64());
        if !pair.is_some_and(|(old, new)| is_wider(old, new)) {
            let before = before.map_or("none".to_owned(), Value::to_string);
            self.narrows(pointer, format!("the limit was {before} and is {demand}"));
        }
    }

    /// What holds for properties that are not named: it held for those that are named now, and holds for those
    /// that were.
    fn others(&mut self, pointer: &str, older: &Map<String, Value>, newer: &Map<String, Value>) {
        let named =
            |schema: &Map<String, Value>| schema.get("properties").and_then(Value::as_object).cloned();
        let (before, now) = (named(older).unwrap_or_default(), named(newer).unwrap_or_default());
        let place = |name: &str| format!("{pointer}/properties/{}", escaped(name));
        if let Some(additional) = older.get("additionalProperties").filter(|schema| schema.is_object()) {
            for (name, schema) in now.iter().filter(|(name, _)| !before.contains_key(*name)) {
                self.schemas(&place(name), additional, schema);
            }
        }
        let closed = newer.get("additionalProperties").filter(|schema| **schema != Value::Bool(true));
        if let Some(additional) = closed {
            for (name, schema) in before.iter().filter(|(name, _)| !now.contains_key(*name)) {
                match additional {
                    Value::Bool(_) => self.narrows(&place(name), "it is no longer allowed".into()),
                    _ => self.schemas(&place(name), schema, additional),
                }
            }
        }
    }

    fn narrows(&mut self, pointer: &str, message: String) {
        self.found.push(Narrowing { pointer: pointer.to_owned(), message });
    }
}

/// The texts of a list, or the one text that stands in its place.
fn names(value: &Value) -> Vec<&str> {
    match value {
        Value::String(name) => vec![name],
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(older: Value, newer: Value) -> Vec<String> {
        let say = |narrowing: Narrowing| format!("{}: {}", narrowing.pointer, narrowing.message);
        narrowings(&older, &newer).into_iter().map(say).collect()
    }

    #[test]
    fn what_accepts_more_passes() {
        for (older, newer) in [
            (json!({}), json!(true)),
            (json!(false), json!({"type": "string"})),
            (json!({"type": "integer"}), json!({"type": "number"})),
            (json!({"type": "integer"}), json!({"type": ["string", "number"]})),
            (json!({"type": "integer"}), json!({"title": "t", "x-upcast": []})),
            (json!({"minimum": 1, "maxLength": 5}), json!({"minimum": 0, "maxLength": 6})),
            (json!({"enum": [1, 2]}), json!({"enum": [2, 3, 1]})),
            (json!({"required": ["a", "b"]}), json!({"required": ["b"]})),
            (json!({"properties": {}}), json!({"properties": {"a": {"type": "string"}}})),
            (json!({"properties": {"a": {}}}), json!({"properties": {}})),
            (json!({"additionalProperties": false}), json!({"additionalProperties": {"type": "string"}})),
            (json!({"items": {"type": "integer"}}), json!({"items": {}})),
            (json!({"pattern": "a", "allOf": [{}]}), json!({"pattern": "a", "allOf": [{}]})),
            (json!({}), json!({"$defs": {"a": {}}})),
        ] {
            assert_eq!(found(older.clone(), newer.clone()), [""; 0], "{older} {newer}");
        }
    }

    #[test]
    fn what_accepts_less_is_named_with_its_place() {
        for (older, newer, expected) in [
            (json!({}), json!(false), ": nothing is allowed here any more"),
            (json!(true), json!({"type": "string"}), "/type: a type is now demanded"),
            (json!({"type": "number"}), json!({"type": "integer"}), "/type: number is no longer allowed"),
            (json!({"minimum": 0}), json!({"minimum": 1}), "/minimum: the limit was 0 and is 1"),
            (json!({}), json!({"maxItems": 9}), "/maxItems: the limit was none and is 9"),
            (json!({"enum": [1, 2]}), json!({"enum": [2]}), "/enum: 1 is no longer allowed"),
            (json!({}), json!({"enum": [2]}), "/enum: the values are now listed"),
            (json!({}), json!({"required": ["a"]}), "/required: `a` is now required"),
            (json!({}), json!({"pattern": "a"}), "/pattern: `pattern` was added or changed"),
            (json!({"not": {}}), json!({"not": true}), "/not: `not` was added or changed"),
            (
                json!({"properties": {"a/b": {"items": {}}}}),
                json!({"properties": {"a/b": {"items": {"type": "null"}}}}),
                "/properties/a~1b/items/type: a type is now demanded",
            ),
            (
                json!({"properties": {"a": {}}, "additionalProperties": false}),
                json!({"properties": {}, "additionalProperties": false}),
                "/properties/a: it is no longer allowed",
            ),
            (
                json!({}),
                json!({"additionalProperties": false}),
                "/additionalProperties: nothing is allowed here any more",
            ),
            (json!({"$defs": {"a": {}}}), json!({}), "/$defs: definitions that references may mean changed"),
            (
                json!({"prefixItems": [{}], "items": false}),
                json!({"items": false}),
                "/prefixItems: `prefixItems` is gone",
            ),
            (
                json!({"properties": {"a": {}}, "additionalProperties": {"type": "string"}}),
                json!({"additionalProperties": {"type": "string"}}),
                "/properties/a/type: a type is now demanded",
            ),
            (
                json!({"additionalProperties": {"maximum": 9}}),
                json!({"properties": {"a": {"maximum": 8}}, "additionalProperties": {"maximum": 9}}),
                "/properties/a/maximum: the limit was 9 and is 8",
            ),
            (
                json!({}),
                json!({"patternProperties": {"^a": {"type": "string"}}}),
                "/patternProperties: `patternProperties` was added or changed",
            ),
        ] {
            assert_eq!(found(older.clone(), newer.clone()), [expected], "{older} {newer}");
        }
    }

    /// The judgement against the validator itself: an event that the older schema accepts and the newer
    /// refuses must have been foreseen.
    #[test]
    fn no_event_falls_through() {
        use proptest::prelude::*;
        let value = || {
            prop_oneof![
                Just(json!(null)),
                (-3..3_i32).prop_map(|n| json!(n)),
                Just(json!(0.5)),
                "[ab]{0,3}".prop_map(|s| json!(s)),
                proptest::collection::vec(-2..2_i32, 0..3).prop_map(|list| json!(list)),
            ]
        };
        let schema = || {
            let kinds = prop_oneof![
                Just(json!({})),
                Just(json!({"type": "integer"})),
                Just(json!({"type": ["number", "null"]})),
                (-2..2_i32).prop_map(|n| json!({"minimum": n})),
                (0..3_u32).prop_map(|n| json!({"maxLength": n, "minItems": n})),
                proptest::collection::vec(-2..2_i32, 1..4).prop_map(|list| json!({"enum": list})),
                Just(json!({"items": {"maximum": 0}})),
                Just(json!(false)),
                Just(json!(true)),
            ];
            let others = prop_oneof![
                Just(json!(true)),
                Just(json!(false)),
                Just(json!({"type": "integer"})),
                Just(json!({"maximum": 0})),
            ];
            (kinds, any::<bool>(), any::<bool>(), others).prop_map(|(kind, named, required, others)| {
                let mut schema = json!({"type": "object", "additionalProperties": others});
                if named {
                    schema["properties"] = json!({"a": kind});
                }
                if required {
                    schema["required"] = json!(["a"]);
                }
                schema
            })
        };
        let refused = std::cell::Cell::new(0);
        let config = ProptestConfig::with_cases(4_000);
        proptest!(config, |(older in schema(), newer in schema(), a in value(), b in any::<bool>())| {
            let mut event = json!({"a": a});
            if b {
                event["b"] = json!(1);
            }
            let accepts = |schema: &Value| jsonschema::draft202012::is_valid(schema, &event);
            // A property that is new where anything was allowed is the one change that passes all the same.
            let is_new = older.get("properties").is_none() && newer.get("properties").is_some();
            let is_practice = is_new && older["additionalProperties"] == json!(true);
            if accepts(&older) && !accepts(&newer) && !is_practice {
                refused.set(refused.get() + 1);
                prop_assert!(!narrowings(&older, &newer).is_empty());
            }
        });
        assert!(refused.get() > 100, "{} events were accepted before and are not now", refused.get());
    }
}

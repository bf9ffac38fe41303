//! Which Avro schemas are safe to decode foreign bytes with.
//!
//! A decoder follows its schema, so a hostile schema is as dangerous as hostile bytes, and needs few of them:
//! a record that contains itself decodes without end, and thirty records that each contain the next one twice
//! make a billion fields out of no bytes at all. Both are valid Avro. So recursion is refused, and the schema
//! with every name written out must stay small. This is not a check of what the fields mean.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::Name;
use compact_str::CompactString;

/// The longest text of a schema, in bytes.
pub const SCHEMA_BYTES_MAX: usize = 1 << 20;
/// The most types a schema may have once every name is written out.
const NODES_MAX: u64 = 100_000;
/// The deepest nesting once every name is written out.
const DEPTH_MAX: u64 = 64;
/// The parser's messages can repeat half the schema.
const REASON_CHARACTERS_MAX: usize = 300;

/// Parses a schema.
///
/// # Errors
/// With the reason why it is not safe to use.
pub fn admit(text: &str) -> Result<Schema, CompactString> {
    if text.len() > SCHEMA_BYTES_MAX {
        return Err("it is longer than 1 MiB".into());
    }
    let schema = Schema::parse_str(text).map_err(|error| {
        let reason: String = error.to_string().chars().take(REASON_CHARACTERS_MAX).collect();
        format!("it is not a valid Avro schema: {reason}")
    })?;
    Extent::of(&schema, &mut HashMap::new())?;
    Ok(schema)
}

/// How large a schema is with every name written out.
#[derive(Clone, Copy)]
struct Extent {
    nodes: u64,
    depth: u64,
}

impl Extent {
    const LEAF: Extent = Extent { nodes: 1, depth: 1 };

    /// Measures without writing anything out: each named type is measured once. A name that is being measured
    /// has no extent yet, and meeting it again is recursion.
    fn of(schema: &Schema, names: &mut HashMap<Name, Option<Extent>>) -> Result<Extent, CompactString> {
        match schema {
            Schema::Ref { name } => match names.get(name) {
                Some(Some(extent)) => Ok(*extent),
                Some(None) => Err(format!("it is recursive: `{name}` contains itself").into()),
                None => Err(format!("it uses `{name}`, which it does not define").into()),
            },
            Schema::Array(array) => Extent::around([&*array.items], names),
            Schema::Map(map) => Extent::around([&*map.types], names),
            Schema::Union(union) => Extent::around(union.variants(), names),
            Schema::Record(record) => {
                names.insert(record.name.clone(), None);
                let extent = Extent::around(record.fields.iter().map(|field| &field.schema), names)?;
                names.insert(record.name.clone(), Some(extent));
                Ok(extent)
            }
            other => {
                if let Some(name) = other.name() {
                    names.insert(name.clone(), Some(Extent::LEAF));
                }
                Ok(Extent::LEAF)
            }
        }
    }

    fn around<'a>(
        parts: impl IntoIterator<Item = &'a Schema>,
        names: &mut HashMap<Name, Option<Extent>>,
    ) -> Result<Extent, CompactString> {
        let mut whole = Extent::LEAF;
        for part in parts {
            let part = Extent::of(part, names)?;
            whole.nodes = whole.nodes.saturating_add(part.nodes);
            whole.depth = whole.depth.max(part.depth.saturating_add(1));
        }
        if whole.nodes > NODES_MAX {
            return Err(format!("written out it has more than {NODES_MAX} types").into());
        }
        if whole.depth > DEPTH_MAX {
            return Err(format!("written out it is nested deeper than {DEPTH_MAX} levels").into());
        }
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(text: &str) -> String {
        admit(text).expect_err("a hostile schema is refused").into()
    }

    /// A record whose fields define types, each holding the one before as often as told.
    fn chain(length: usize, times: usize) -> String {
        let fields: Vec<String> = (0..length)
            .map(|step| {
                let inner: Vec<String> = (0..times)
                    .filter(|_| step > 0)
                    .map(|field| format!(r#"{{"name":"f{field}","type":"T{}"}}"#, step - 1))
                    .collect();
                let inner = inner.join(",");
                format!(
                    r#"{{"name":"t{step}","type":{{"type":"record","name":"T{step}","fields":[{inner}]}}}}"#
                )
            })
            .collect();
        format!(r#"{{"type":"record","name":"Whole","fields":[{}]}}"#, fields.join(","))
    }

    #[test]
    fn ordinary_schemas_pass() {
        assert!(admit(r#""string""#).is_ok());
        assert!(admit(&chain(10, 1)).is_ok(), "a name may be used again");
        let wide = (0..2_000).map(|field| format!(r#"{{"name":"f{field}","type":["null","long"]}}"#));
        let wide = wide.collect::<Vec<_>>().join(",");
        assert!(admit(&format!(r#"{{"type":"record","name":"Wide","fields":[{wide}]}}"#)).is_ok());
    }

    #[test]
    fn hostile_schemas_are_refused_with_the_reason() {
        let endless = r#"{"type":"record","name":"A","fields":[{"name":"a","type":"A"}]}"#;
        assert!(reason(endless).contains("recursive: `A`"), "{}", reason(endless));
        let list = r#"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}"#;
        assert!(reason(list).contains("recursive"));
        assert!(reason(&chain(30, 2)).contains("more than 100000 types"), "{}", reason(&chain(30, 2)));
        assert!(reason(&chain(100, 1)).contains("deeper than 64"), "{}", reason(&chain(100, 1)));
        assert!(reason(&"[".repeat(500_000)).contains("not a valid Avro schema"));
        let nested = format!("{}\"int\"{}", r#"{"type":"array","items":"#.repeat(100), "}".repeat(100));
        assert!(reason(&nested).contains("deeper than 64"), "{}", reason(&nested));
        assert!(reason(&"x".repeat(SCHEMA_BYTES_MAX + 1)).contains("longer than 1 MiB"));
        assert!(reason("{}").chars().count() < 400);
        assert!(reason(r#""unknown.Type""#).contains("unknown.Type"));
    }
}

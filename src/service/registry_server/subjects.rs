//! Subjects, versions, ids and compatibility: what the registry knows, without HTTP.
//!
//! A schema has one id across all subjects. Two texts are the same schema when they differ in white space,
//! the order of attributes or the way names are written, and not when they differ in defaults, documentation
//! or logical types: the parsing canonical form drops those, and a new default would never reach a reader.

use std::collections::{BTreeMap, HashMap};

use apache_avro::Schema;
use apache_avro::schema::{Name, UnionSchema};
use apache_avro::schema_compatibility::{Compatibility, SchemaCompatibility};

use crate::codec::registry::admission::admit;

/// The one level of this registry: a new schema reads what every earlier one of its subject has written.
pub(super) const COMPATIBILITY: &str = "BACKWARD_TRANSITIVE";

const SCHEMAS_MAX: usize = 10_000;
/// Of all schemas' text.
const TEXT_BYTES_MAX: usize = 64 << 20;
/// Incompatible types are described by the library with both schemas in full.
const REASON_CHARACTERS_MAX: usize = 400;

/// The registry's content. Ids and versions count from 1.
#[derive(Default)]
pub(super) struct Subjects {
    schemas: Vec<Stored>,
    ids: HashMap<String, u32>,
    subjects: BTreeMap<String, Vec<u32>>,
    text_bytes: usize,
}

struct Stored {
    text: String,
    /// With every name written out, which is how compatibility is checked.
    expanded: Schema,
}

/// One version of a subject.
pub(super) struct Version<'a> {
    pub(super) version: usize,
    pub(super) id: u32,
    pub(super) text: &'a str,
}

/// Why a request cannot be answered with yes, in the registry's words.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("Subject '{0}' not found.")]
    UnknownSubject(String),
    #[error("Version {0} not found.")]
    UnknownVersion(String),
    #[error("Schema not found")]
    UnknownSchema,
    #[error("The schema is not usable: {0}")]
    InvalidSchema(String),
    #[error("The version '{0}' is not valid; give a number from 1 to 2147483647, or latest")]
    InvalidVersion(String),
    #[error(
        "Schema being registered is incompatible with version {version} of subject '{subject}': {reason}"
    )]
    Incompatible { subject: String, version: usize, reason: String },
    #[error("This registry is full: it holds at most 10,000 schemas with 64 MiB of text")]
    Full,
}

/// A schema that has been read and not been registered.
struct Candidate {
    identity: String,
    expanded: Schema,
}

impl Subjects {
    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.subjects.keys()
    }

    pub(super) fn text(&self, id: u32) -> Result<&str, Refusal> {
        self.stored(id).map(|stored| stored.text.as_str()).ok_or(Refusal::UnknownSchema)
    }

    pub(super) fn versions(&self, subject: &str) -> Result<Vec<usize>, Refusal> {
        Ok((1..=self.ids_of(subject)?.len()).collect())
    }

    /// Every subject with the schema and the version it has there.
    pub(super) fn places(&self, id: u32) -> Result<Vec<(&str, usize)>, Refusal> {
        self.stored(id).ok_or(Refusal::UnknownSchema)?;
        let version = |ids: &[u32]| ids.iter().position(|known| *known == id).map(|at| at + 1);
        Ok(self
            .subjects
            .iter()
            .filter_map(|(subject, ids)| Some((subject.as_str(), version(ids)?)))
            .collect())
    }

    /// A version by its number, or `latest`, for which clients also write `-1`.
    pub(super) fn version(&self, subject: &str, wanted: &str) -> Result<Version<'_>, Refusal> {
        let ids = self.ids_of(subject)?;
        let number = match wanted {
            "latest" | "-1" => ids.len(),
            number => match number.parse::<i32>().ok().and_then(|number| usize::try_from(number).ok()) {
                Some(number) if number > 0 => number,
                _ => return Err(Refusal::InvalidVersion(wanted.to_owned())),
            },
        };
        let id = ids.get(number - 1).ok_or_else(|| Refusal::UnknownVersion(wanted.to_owned()))?;
        Ok(Version { version: number, id: *id, text: self.text(*id)? })
    }

    /// The version under which exactly this schema stands in the subject.
    pub(super) fn lookup(&self, subject: &str, text: &str) -> Result<Version<'_>, Refusal> {
        let ids = self.ids_of(subject)?;
        let id = self.ids.get(&Candidate::read(text)?.identity).ok_or(Refusal::UnknownSchema)?;
        let at = ids.iter().position(|known| known == id).ok_or(Refusal::UnknownSchema)?;
        Ok(Version { version: at + 1, id: *id, text: self.text(*id)? })
    }

    /// Registers the schema, or finds it registered, and gives its id.
    pub(super) fn register(&mut self, subject: &str, text: &str) -> Result<u32, Refusal> {
        let candidate = Candidate::read(text)?;
        let known = self.ids.get(&candidate.identity).copied();
        let ids = self.subjects.get(subject).map(Vec::as_slice).unwrap_or_default();
        if let Some(known) = known.filter(|known| ids.contains(known)) {
            return Ok(known);
        }
        self.compatible(subject, &candidate, ids, 1)?;
        let id = match known {
            Some(known) => known,
            None => self.store(candidate, text)?,
        };
        self.subjects.entry(subject.to_owned()).or_default().push(id);
        Ok(id)
    }

    /// Whether the schema could be registered as far as one version, or all, is concerned.
    pub(super) fn check(&self, subject: &str, wanted: Option<&str>, text: &str) -> Result<(), Refusal> {
        let candidate = Candidate::read(text)?;
        match wanted {
            Some(wanted) => {
                let version = self.version(subject, wanted)?;
                self.compatible(subject, &candidate, &[version.id], version.version)
            }
            None => {
                let ids = self.subjects.get(subject).map(Vec::as_slice).unwrap_or_default();
                self.compatible(subject, &candidate, ids, 1)
            }
        }
    }

    fn compatible(
        &self,
        subject: &str,
        reader: &Candidate,
        ids: &[u32],
        first: usize,
    ) -> Result<(), Refusal> {
        for (version, id) in (first..).zip(ids) {
            let Some(writer) = self.stored(*id) else { continue };
            let reason = match SchemaCompatibility::can_read(&writer.expanded, &reader.expanded) {
                Ok(Compatibility::Full) => continue,
                Ok(Compatibility::Partial) => {
                    "it reads only some of the values written with that version".to_owned()
                }
                Err(error) => error_text(&error).chars().take(REASON_CHARACTERS_MAX).collect(),
            };
            return Err(Refusal::Incompatible { subject: subject.to_owned(), version, reason });
        }
        Ok(())
    }

    fn store(&mut self, candidate: Candidate, text: &str) -> Result<u32, Refusal> {
        let text_bytes = self.text_bytes + text.len();
        if self.schemas.len() >= SCHEMAS_MAX || text_bytes > TEXT_BYTES_MAX {
            return Err(Refusal::Full);
        }
        self.text_bytes = text_bytes;
        self.schemas.push(Stored { text: text.to_owned(), expanded: candidate.expanded });
        let id = u32::try_from(self.schemas.len()).expect("the number of schemas is limited");
        self.ids.insert(candidate.identity, id);
        Ok(id)
    }

    fn ids_of(&self, subject: &str) -> Result<&[u32], Refusal> {
        let ids = self.subjects.get(subject).ok_or_else(|| Refusal::UnknownSubject(subject.to_owned()))?;
        Ok(ids)
    }

    fn stored(&self, id: u32) -> Option<&Stored> {
        let index = usize::try_from(id).ok()?.checked_sub(1)?;
        self.schemas.get(index)
    }
}

impl Candidate {
    fn read(text: &str) -> Result<Candidate, Refusal> {
        let schema = admit(text).map_err(|reason| Refusal::InvalidSchema(reason.into()))?;
        let identity =
            serde_json::to_string(&schema).map_err(|error| Refusal::InvalidSchema(error.to_string()))?;
        Ok(Candidate { identity, expanded: expand(&schema, &mut HashMap::new()) })
    }
}

impl Refusal {
    /// The HTTP status.
    pub(super) fn status(&self) -> u16 {
        match self {
            Refusal::UnknownSubject(_) | Refusal::UnknownVersion(_) | Refusal::UnknownSchema => 404,
            Refusal::InvalidSchema(_) | Refusal::InvalidVersion(_) | Refusal::Full => 422,
            Refusal::Incompatible { .. } => 409,
        }
    }

    /// The registry's own code, as clients know it.
    pub(super) fn code(&self) -> u32 {
        match self {
            Refusal::UnknownSubject(_) => 40_401,
            Refusal::UnknownVersion(_) => 40_402,
            Refusal::UnknownSchema => 40_403,
            Refusal::InvalidSchema(_) | Refusal::Full => 42_201,
            Refusal::InvalidVersion(_) => 42_202,
            Refusal::Incompatible { .. } => 409,
        }
    }
}

/// Writes every name out, since the compatibility check compares a name with its definition only where both
/// stand at the same place. Admission has bounded how large the result can get.
fn expand(schema: &Schema, names: &mut HashMap<Name, Schema>) -> Schema {
    let expanded = match schema {
        Schema::Ref { name } => return names.get(name).unwrap_or(schema).clone(),
        Schema::Array(array) => {
            let mut array = array.clone();
            *array.items = expand(&array.items, names);
            Schema::Array(array)
        }
        Schema::Map(map) => {
            let mut map = map.clone();
            *map.types = expand(&map.types, names);
            Schema::Map(map)
        }
        Schema::Union(union) => {
            let variants = union.variants().iter().map(|variant| expand(variant, names)).collect();
            UnionSchema::new(variants).map_or_else(|_| schema.clone(), Schema::Union)
        }
        Schema::Record(record) => {
            let mut record = record.clone();
            for field in &mut record.fields {
                field.schema = expand(&field.schema, names);
            }
            Schema::Record(record)
        }
        other => other.clone(),
    };
    if let Some(name) = expanded.name() {
        names.insert(name.clone(), expanded.clone());
    }
    expanded
}

/// The outermost error names the field, the innermost the reason.
fn error_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(fields: &str) -> String {
        format!(r#"{{"type":"record","name":"shop.Event","fields":[{fields}]}}"#)
    }

    const ID: &str = r#"{"name":"id","type":"string"}"#;
    const PRICE: &str = r#"{"name":"price","type":["null","double"],"default":null}"#;

    #[test]
    fn one_schema_has_one_id_however_it_is_written() {
        let mut subjects = Subjects::default();
        let id = subjects.register("a", &record(ID)).unwrap();
        let respelled =
            format!(r#" {{ "namespace":"shop", "name":"Event", "fields":[{ID}], "type":"record" }} "#);
        assert_eq!(subjects.register("a", &respelled), Ok(id));
        assert_eq!(subjects.register("b", &respelled), Ok(id));
        assert_eq!(subjects.versions("a"), Ok(vec![1]));
        assert_eq!(subjects.places(id), Ok(vec![("a", 1), ("b", 1)]));
        let documented = r#"{"name":"id","type":"string","doc":"Of the event."}"#;
        assert_ne!(subjects.register("a", &record(documented)), Ok(id), "documentation is part of a schema");
    }

    #[test]
    fn a_new_version_reads_all_earlier_ones_or_is_refused() {
        let mut subjects = Subjects::default();
        subjects.register("a", &record(&format!("{ID},{PRICE}"))).unwrap();
        subjects.register("a", &record(ID)).unwrap();
        // It reads version 2 through its default, and not version 1, where the field had another type.
        let text = record(&format!(r#"{ID},{{"name":"price","type":"string","default":""}}"#));
        assert_eq!(subjects.check("a", Some("2"), &text), Ok(()));
        let refusal = subjects.register("a", &text).unwrap_err();
        assert!(matches!(&refusal, Refusal::Incompatible { version: 1, .. }), "{refusal}");
        assert!(refusal.to_string().contains("price"), "{refusal}");
        let mandatory = record(&format!(r#"{ID},{{"name":"shop","type":"string"}}"#));
        assert_eq!(subjects.register("a", &mandatory).unwrap_err().status(), 409);
        assert_eq!(subjects.versions("a"), Ok(vec![1, 2]));
    }

    #[test]
    fn fewer_symbols_or_branches_read_only_some_values_and_are_refused() {
        let mut subjects = Subjects::default();
        let kind = |symbols: &str| {
            record(&format!(
                r#"{{"name":"kind","type":{{"type":"enum","name":"Kind","symbols":[{symbols}]}}}}"#
            ))
        };
        subjects.register("enum", &kind(r#""A","B""#)).unwrap();
        assert_eq!(subjects.register("enum", &kind(r#""A""#)).unwrap_err().code(), 409);
        assert!(subjects.register("enum", &kind(r#""A","B","C""#)).is_ok());
        subjects.register("union", r#"["null","string","long"]"#).unwrap();
        assert_eq!(subjects.register("union", r#"["null","string"]"#).unwrap_err().code(), 409);
    }

    #[test]
    fn it_does_not_matter_where_a_named_type_is_defined() {
        let mut subjects = Subjects::default();
        let money = r#"{"type":"record","name":"Money","fields":[{"name":"cents","type":"long"}]}"#;
        let field = |name: &str, kind: &str| format!(r#"{{"name":"{name}","type":{kind}}}"#);
        let early = record(&format!("{},{}", field("a", money), field("b", r#""shop.Money""#)));
        let late = record(&format!("{},{}", field("b", money), field("a", r#""shop.Money""#)));
        subjects.register("a", &early).unwrap();
        assert!(subjects.register("a", &late).is_ok());
    }

    #[test]
    fn versions_are_found_by_number_and_as_latest() {
        let mut subjects = Subjects::default();
        let first = subjects.register("a", &record(ID)).unwrap();
        let second = subjects.register("a", &record(&format!("{ID},{PRICE}"))).unwrap();
        let id = |wanted: &str| subjects.version("a", wanted).map(|version| version.id);
        assert_eq!(
            (id("1"), id("2"), id("latest"), id("-1")),
            (Ok(first), Ok(second), Ok(second), Ok(second))
        );
        assert_eq!(id("3"), Err(Refusal::UnknownVersion("3".to_owned())));
        assert_eq!(id("0"), Err(Refusal::InvalidVersion("0".to_owned())));
        assert_eq!(subjects.lookup("a", &record(ID)).map(|version| version.version), Ok(1));
        assert_eq!(
            subjects.lookup("a", &record(PRICE)).map(|version| version.id),
            Err(Refusal::UnknownSchema)
        );
        assert_eq!(subjects.versions("b").unwrap_err().code(), 40_401);
        assert_eq!(subjects.text(0).unwrap_err().code(), 40_403);
        assert_eq!(subjects.register("a", "{}").unwrap_err().code(), 42_201);
    }
}

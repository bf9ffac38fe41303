//! Why a record cannot be used. It becomes a dead letter: the record's own bytes with this as headers.

use std::fmt;

use compact_str::CompactString;

/// The closed list of reasons. Each is a label on metrics and a header on dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RejectCode {
    /// The value is empty.
    Empty,
    /// The value is longer than `record_bytes_max`.
    TooLarge,
    /// Not well-formed JSON, or not UTF-8.
    MalformedJson,
    /// Nested deeper than 64 levels.
    TooDeep,
    /// Not a Confluent frame, or the bytes do not fit the schema that the frame names.
    MalformedAvro,
    /// The registry knows no schema with the id in the frame.
    UnknownSchema,
    /// A field that must be there is missing.
    MissingField,
    /// A field has the wrong type or an impossible value.
    InvalidField,
    /// The person's id is one that stands for nobody, such as `null`, `0000` or `anonymous`.
    BlockedId,
    /// The event's name is not one that this application knows.
    UnknownEvent,
    /// An instant before 1970 or after 2199.
    ImplausibleTime,
    /// The definitions do not pass the checks of `bespoke lint`.
    InvalidDefinitions,
    /// The command log holds bytes that this version cannot read.
    UnreadableCommand,
    /// The event does not fit the schema that is demanded of events of its name.
    SchemaMismatch,
    /// The event states a version of its schema that this application does not know.
    UnknownSchemaVersion,
}

/// Why one record cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reject {
    /// Which reason of the closed list.
    pub code: RejectCode,
    /// Where in the value, as a JSON path such as `$.properties.price`; `$` for the whole.
    pub path: CompactString,
    /// What is wrong and what was expected, for people. Never contains text of the payload.
    pub message: CompactString,
    /// Which demand of which schema is not met; none where no schema demands it.
    pub rule: Option<Box<SchemaRule>>,
}

/// A demand of an event's schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaRule {
    /// The event whose schema it is.
    pub event: CompactString,
    /// The version of the schema.
    pub version: u32,
    /// The keyword, such as `maximum`.
    pub keyword: CompactString,
}

impl RejectCode {
    /// All codes, for metrics that start at zero.
    pub const ALL: [RejectCode; 15] = [
        RejectCode::Empty,
        RejectCode::TooLarge,
        RejectCode::MalformedJson,
        RejectCode::TooDeep,
        RejectCode::MalformedAvro,
        RejectCode::UnknownSchema,
        RejectCode::MissingField,
        RejectCode::InvalidField,
        RejectCode::BlockedId,
        RejectCode::UnknownEvent,
        RejectCode::ImplausibleTime,
        RejectCode::InvalidDefinitions,
        RejectCode::UnreadableCommand,
        RejectCode::SchemaMismatch,
        RejectCode::UnknownSchemaVersion,
    ];

    /// The code as it stands in headers and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            RejectCode::Empty => "empty",
            RejectCode::TooLarge => "too_large",
            RejectCode::MalformedJson => "malformed_json",
            RejectCode::TooDeep => "too_deep",
            RejectCode::MalformedAvro => "malformed_avro",
            RejectCode::UnknownSchema => "unknown_schema",
            RejectCode::MissingField => "missing_field",
            RejectCode::InvalidField => "invalid_field",
            RejectCode::BlockedId => "blocked_id",
            RejectCode::UnknownEvent => "unknown_event",
            RejectCode::ImplausibleTime => "implausible_time",
            RejectCode::InvalidDefinitions => "invalid_definitions",
            RejectCode::UnreadableCommand => "unreadable_command",
            RejectCode::SchemaMismatch => "schema_mismatch",
            RejectCode::UnknownSchemaVersion => "unknown_schema_version",
        }
    }
}

impl Reject {
    /// A reject of this code at this JSON path.
    pub fn new(code: RejectCode, path: &str, message: impl Into<CompactString>) -> Reject {
        Reject { code, path: path.into(), message: message.into(), rule: None }
    }

    /// The same, with the demand that is not met.
    pub fn with_rule(self, rule: SchemaRule) -> Reject {
        Reject { rule: Some(Box::new(rule)), ..self }
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} at {}: {}", self.code.as_str(), self.path, self.message)
    }
}

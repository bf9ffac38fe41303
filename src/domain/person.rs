//! Who an event belongs to. Every row and every record is found through this key, and only through it.

use std::fmt;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// The key of a person: the kind of id and the id, as `user:42` or `anonymous:8f3a`; or the bare id, for an
/// application that declares that its sources carry only one kind. Its bytes are the key of Kafka records.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Person(CompactString);

/// The kinds of id that a person may be known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdKind {
    /// An id that the business gave to a person who logged in.
    User,
    /// An id that a device or a browser gave to somebody unknown.
    Anonymous,
}

impl Person {
    /// The person with this id of this kind.
    pub fn of_kind(kind: IdKind, id: &str) -> Person {
        let kind = match kind {
            IdKind::User => "user",
            IdKind::Anonymous => "anonymous",
        };
        Person(format!("{kind}:{id}").into())
    }

    /// The person with this id, where every id is of one kind; also a person read back from its key.
    pub fn bare(id: &str) -> Person {
        Person(id.into())
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Display for Person {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

//! What a partition of the command topic carries: everything that can change a profile, in one order.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

use super::catalogue::Content;
use super::event::Event;
use super::site::SiteShares;

/// One entry of the command log.
// Nearly every command is an event: a box would cost each of them an allocation.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// A person did something, or somebody asks for a decision about that person.
    Event(Event),
    /// A piece of content was added or changed. Sent to every partition.
    ContentChanged(Content),
    /// A piece of content was withdrawn. Sent to every partition.
    ContentWithdrawn {
        /// Its id.
        content_id: CompactString,
    },
    /// The definitions of attributes, segments, rules and slots were replaced. Sent to every partition.
    DefinitionsChanged {
        /// The new definitions as YAML, already checked by whoever sent the command.
        text: CompactString,
    },
    /// What all persons together are drawn to was worked out anew. Sent to every partition.
    SiteSharesChanged(SiteShares),
    /// That of an interest is not to be compared with any more. Sent to every partition.
    SiteSharesWithdrawn {
        /// The interest's name.
        interest: CompactString,
    },
}

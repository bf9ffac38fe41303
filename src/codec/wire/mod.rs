//! The intake's decoder: the bytes of a source's record to an event or to the reason why not. It knows the
//! shapes that senders use (Segment's calls, GA4's and the data layer's events, a plain call with everything
//! at the top) and brings them to one form; everything after it sees only that form.
//!
//! Total: any bytes give an event or a reject, without panic, and with memory bounded by the record's size
//! and the limits in `json` and `avro`. Pure: the same bytes with the same record time give the same event,
//! on every replay. It does not know what events do.

mod aliases;
mod avro;
mod canonical;
mod clock;
mod content;
mod debezium;
mod event;
mod field;
mod fields;
mod found;
mod identity;
mod items;
mod json;
mod money;
mod properties;
mod quick;
mod referrer;
mod schema;
mod site;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeSet;
use std::sync::Arc;

use apache_avro::Schema;
use compact_str::CompactString;
use serde_json::Value;
use xxhash_rust::xxh3::xxh3_128;

use self::tree::{Tree, arena};
use super::event_schema::EventSchemas;
use super::reject::{Reject, RejectCode};
use crate::domain::event::Event;
use crate::domain::time::Timestamp;

pub use aliases::Aliases;
pub use avro::confluent_frame;
pub use content::decode_content;
pub use debezium::{ByColumn, Table};
pub use site::{SHARES_MAX, decode_site_shares, encode_site_shares};

/// How the records of one source topic are read.
#[derive(Clone, Debug)]
pub struct Source {
    /// The topic, which the event names as its source.
    pub topic: CompactString,
    /// Whether devices' clocks are corrected.
    pub clock: Clock,
    /// Which ids make the person's key.
    pub ids: Ids,
    /// What senders call things.
    pub aliases: Arc<Aliases>,
    /// The canonical names of the events that are accepted; none accepts every name.
    pub known_events: Option<Arc<BTreeSet<CompactString>>>,
    /// What is demanded of the events that have a schema.
    pub schemas: Arc<EventSchemas>,
    /// What its records tell, where they are the changes of a database's table.
    pub table: Option<Arc<Table>>,
    /// The longest value that is read, in bytes.
    pub record_bytes_max: usize,
}

/// Whether the time of an event is corrected by what is known of the device's clock: the time of receipt,
/// less the time from the event to the sending by the device's own clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Corrected where the record says `sentAt`. Without `receivedAt` the Kafka record's time is taken.
    Correct,
    /// Taken as it stands.
    Trust,
    /// Corrected where the record says both `sentAt` and `receivedAt`, else taken as it stands.
    Automatic,
}

/// Which ids make the person's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// The user's id, else the device's, each marked with its kind.
    ByKind,
    /// The user's id alone and bare; a record without one is refused.
    UserOnly,
}

impl Source {
    /// The event that a record in JSON holds; none where the record tells nothing, as the tombstone does that
    /// follows the deletion of a row.
    ///
    /// # Errors
    /// As `decode_json`.
    pub fn read_json(&self, value: Option<&[u8]>, record_time: Timestamp) -> Result<Option<Event>, Reject> {
        let Some(table) = &self.table else {
            return self.decode_json(value.unwrap_or_default(), record_time).map(Some);
        };
        let Some(value) = value else { return Ok(None) };
        self.check_size(value)?;
        let arena = arena();
        let tree = json::parse(value, &arena)?;
        debezium::event(self, table, &tree, &arena, record_time, derived_id)
    }

    /// The event that an Avro datum holds; none where it tells nothing.
    ///
    /// # Errors
    /// As `decode_avro`.
    pub fn read_avro(
        &self,
        schema: &Schema,
        datum: &[u8],
        record_time: Timestamp,
    ) -> Result<Option<Event>, Reject> {
        let Some(table) = &self.table else {
            return self.decode_avro(schema, datum, record_time).map(Some);
        };
        self.check_size(datum)?;
        let (tree, arena) = (avro::read(schema, datum)?, arena());
        debezium::event(self, table, &Tree::of(&tree, &arena), &arena, record_time, derived_id)
    }

    /// The event that a JSON value holds. A record without a message id gets one that is derived from the
    /// value's bytes (`x-` and their XXH3 of 128 bits in hexadecimal), so that every replay gives the same;
    /// two records of the same bytes then count as one event.
    ///
    /// # Errors
    /// Every code but those of Avro, the registry, definitions and the command log.
    pub fn decode_json(&self, value: &[u8], record_time: Timestamp) -> Result<Event, Reject> {
        self.check_size(value)?;
        let arena = arena();
        let tree = json::parse(value, &arena)?;
        event::assemble(self, &tree, record_time, || derived_id(value))
    }

    /// The event that a JSON tree holds, for senders of other formats. A record without a message id gets
    /// one that is derived from the tree written as JSON with sorted keys.
    ///
    /// # Errors
    /// As `decode_json`, less those of parsing.
    pub fn decode_value(&self, tree: Value, record_time: Timestamp) -> Result<Event, Reject> {
        json::check_depth(&tree)?;
        let (derived, arena) = (derived_id(tree.to_string().as_bytes()), arena());
        event::assemble(self, &Tree::of(&tree, &arena), record_time, || derived)
    }

    /// The event that an Avro datum holds (the bytes after the Confluent frame), read with the schema that
    /// wrote it. Message ids are derived from the datum's bytes where the record has none.
    ///
    /// # Errors
    /// As `decode_json`, with `MalformedAvro` in the place of `MalformedJson`.
    pub fn decode_avro(
        &self,
        schema: &Schema,
        datum: &[u8],
        record_time: Timestamp,
    ) -> Result<Event, Reject> {
        self.check_size(datum)?;
        let (tree, arena) = (avro::read(schema, datum)?, arena());
        event::assemble(self, &Tree::of(&tree, &arena), record_time, || derived_id(datum))
    }

    fn check_size(&self, value: &[u8]) -> Result<(), Reject> {
        let (length, limit) = (value.len(), self.record_bytes_max);
        if length > limit {
            let message = format!("{length} bytes, and record_bytes_max is {limit}; send less or raise it");
            return Err(Reject::new(RejectCode::TooLarge, "$", message));
        }
        Ok(())
    }
}

fn derived_id(bytes: &[u8]) -> CompactString {
    format!("x-{:032x}", xxh3_128(bytes)).into()
}

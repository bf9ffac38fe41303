//! What leaves for other teams' consumers: profile updates, content decisions and segment changes, as
//! Confluent frames (a zero byte, the schema's id in four bytes, big-endian, the Avro datum).
//!
//! Equal values give equal bytes: the schemas have lists and no maps, and nothing is asked but the value
//! itself. Dead letters are no business of this module, since they keep the bytes they came with; nor is the
//! registration of schemas, whose ids come in from outside.

pub mod attribute;
pub mod content_decision;
mod datum;
pub mod membership;
pub mod profile_update;
pub mod reading;
pub mod segment_change;

use std::borrow::Cow;
use std::sync::LazyLock;

use apache_avro::Schema;
use serde::Serialize;

use crate::domain::decision::{Decision, SegmentChange};
use crate::domain::person::Person;
use crate::domain::profile::Profile;
use crate::domain::rulebook::RuleBook;
use crate::domain::site::Site;

use content_decision::ContentDecision;
use profile_update::ProfileUpdate;
use segment_change::SegmentChangeRecord;

/// The schema of profile updates.
pub const PROFILE_UPDATE_SCHEMA: &str = include_str!("../../../schemas/profile-update.avsc");
/// The schema of content decisions.
pub const CONTENT_DECISION_SCHEMA: &str = include_str!("../../../schemas/content-decision.avsc");
/// The schema of segment changes.
pub const SEGMENT_CHANGE_SCHEMA: &str = include_str!("../../../schemas/segment-change.avsc");

static PROFILE_UPDATE: LazyLock<Schema> = LazyLock::new(|| parsed(PROFILE_UPDATE_SCHEMA));
static CONTENT_DECISION: LazyLock<Schema> = LazyLock::new(|| parsed(CONTENT_DECISION_SCHEMA));
static SEGMENT_CHANGE: LazyLock<Schema> = LazyLock::new(|| parsed(SEGMENT_CHANGE_SCHEMA));

/// The first byte of a Confluent frame.
const MAGIC: u8 = 0;
/// Room for a common record; a larger one makes the buffer grow.
const RECORD_BYTES: usize = 1024;

/// The ids by which the registry knows the schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchemaIds {
    /// The id of [`PROFILE_UPDATE_SCHEMA`].
    pub profile_update: u32,
    /// The id of [`CONTENT_DECISION_SCHEMA`].
    pub decision: u32,
    /// The id of [`SEGMENT_CHANGE_SCHEMA`].
    pub segment_change: u32,
}

/// Writes the values of the public topics.
pub struct OutputCodec {
    ids: SchemaIds,
}

impl OutputCodec {
    /// A codec that names the schemas by these ids.
    pub fn new(ids: SchemaIds) -> OutputCodec {
        OutputCodec { ids }
    }

    /// What is known about a person, with the names that the definitions in force give to it.
    pub fn profile_update(
        &self,
        person: &Person,
        profile: &Profile,
        rules: &RuleBook,
        site: &Site,
    ) -> Vec<u8> {
        frame(self.ids.profile_update, &ProfileUpdate::of(person, profile, rules, site))
    }

    /// Which content to show.
    pub fn decision(&self, decision: &Decision) -> Vec<u8> {
        frame(self.ids.decision, &ContentDecision::of(decision))
    }

    /// Who entered or left a segment.
    pub fn segment_change(&self, change: &SegmentChange) -> Vec<u8> {
        frame(self.ids.segment_change, &SegmentChangeRecord::of(change))
    }
}

fn frame<T: Serialize>(schema_id: u32, record: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(RECORD_BYTES);
    bytes.push(MAGIC);
    bytes.extend_from_slice(&schema_id.to_be_bytes());
    datum::write(record, &mut bytes).expect("the record's type has the fields and types of its schema");
    bytes
}

fn parsed(text: &str) -> Schema {
    Schema::parse_str(text).expect("the schemas in schemas/ are well formed")
}

/// Avro knows no unsigned numbers. A count beyond the range of a `long` cannot be reached by counting.
fn long(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The fingerprint of definitions as it stands in records.
fn fingerprint(definitions: u64) -> Cow<'static, str> {
    Cow::from(format!("{definitions:016x}"))
}

#[cfg(test)]
mod tests {
    use apache_avro::writer::datum::GenericDatumWriter;
    use proptest::prelude::*;

    use super::*;
    use crate::codec::arbitrary;

    /// What Avro's own library writes.
    fn library<T: Serialize>(schema: &Schema, record: &T) -> Vec<u8> {
        let mut bytes = Vec::new();
        let writer = GenericDatumWriter::builder(schema).build().unwrap();
        writer.write_ser(&mut bytes, record).unwrap();
        bytes
    }

    fn codec() -> OutputCodec {
        OutputCodec::new(SchemaIds { profile_update: 1, decision: 0x0102_0304, segment_change: u32::MAX })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn every_profile_can_be_written_and_read(
            person in arbitrary::person(),
            profile in arbitrary::profile(),
        ) {
            let (rules, site) = (arbitrary::rules(), arbitrary::site());
            let bytes = codec().profile_update(&person, &profile, &rules, &site);
            prop_assert_eq!(&bytes[..5], &[0, 0, 0, 0, 1]);
            let record = ProfileUpdate::of(&person, &profile, &rules, &site);
            prop_assert_eq!(&bytes[5..], library(&PROFILE_UPDATE, &record));
            prop_assert_eq!(reading::decode_profile_update(&bytes).unwrap(), record);
        }

        #[test]
        fn every_decision_can_be_written_and_read(decision in arbitrary::emissions::decision()) {
            let bytes = codec().decision(&decision);
            prop_assert_eq!(&bytes[..5], &[0, 1, 2, 3, 4]);
            let record = ContentDecision::of(&decision);
            prop_assert_eq!(&bytes[5..], library(&CONTENT_DECISION, &record));
            prop_assert_eq!(reading::decode_decision(&bytes).unwrap(), record);
        }

        #[test]
        fn every_segment_change_can_be_written_and_read(change in arbitrary::emissions::segment_change()) {
            let bytes = codec().segment_change(&change);
            prop_assert_eq!(&bytes[..5], &[0, 255, 255, 255, 255]);
            let record = SegmentChangeRecord::of(&change);
            prop_assert_eq!(&bytes[5..], library(&SEGMENT_CHANGE, &record));
            prop_assert_eq!(reading::decode_segment_change(&bytes).unwrap(), record);
        }
    }
}

//! Our own outputs read back, for commands that explain them and for tests.
//!
//! A value is read with the schemas of this version, whatever id its frame carries: there is one version of
//! each so far. Consumers in other languages read through their registry and do not need this.

use apache_avro::Schema;
use apache_avro::reader::datum::GenericDatumReader;
use serde::de::DeserializeOwned;

use super::content_decision::ContentDecision;
use super::profile_update::ProfileUpdate;
use super::segment_change::SegmentChangeRecord;
use super::{CONTENT_DECISION, MAGIC, PROFILE_UPDATE, SEGMENT_CHANGE};
use crate::codec::reject::{Reject, RejectCode};

/// Reads a value of the topic of profile updates. The error is `empty` or `malformed_avro`.
pub fn decode_profile_update(bytes: &[u8]) -> Result<ProfileUpdate<'static>, Reject> {
    decode(&PROFILE_UPDATE, "profile update", bytes)
}

/// Reads a value of the topic of content decisions. The error is `empty` or `malformed_avro`.
pub fn decode_decision(bytes: &[u8]) -> Result<ContentDecision<'static>, Reject> {
    decode(&CONTENT_DECISION, "content decision", bytes)
}

/// Reads a value of the topic of segment changes. The error is `empty` or `malformed_avro`.
pub fn decode_segment_change(bytes: &[u8]) -> Result<SegmentChangeRecord<'static>, Reject> {
    decode(&SEGMENT_CHANGE, "segment change", bytes)
}

/// The most memory that Avro's library may take for one list or text, in bytes; its own limit is 512 MiB.
const ALLOCATION_BYTES_MAX: usize = 16 << 20;

fn decode<T: DeserializeOwned>(schema: &Schema, what: &str, bytes: &[u8]) -> Result<T, Reject> {
    // Once for the process: the first who sets it decides.
    apache_avro::util::max_allocation_bytes(ALLOCATION_BYTES_MAX);
    let mut datum = datum(bytes)?;
    let reader = GenericDatumReader::builder(schema).build();
    let reader = reader.expect("the schema defines every name that it refers to");
    // Avro's own message may quote the payload, which messages for people never do.
    let record = reader
        .read_deser(&mut datum)
        .map_err(|_| malformed(format!("the bytes do not fit the schema of a {what}")))?;
    if datum.is_empty() {
        Ok(record)
    } else {
        Err(malformed(format!("{} bytes follow after the {what}", datum.len())))
    }
}

fn datum(bytes: &[u8]) -> Result<&[u8], Reject> {
    match bytes {
        [] => Err(Reject::new(RejectCode::Empty, "$", "the value is empty")),
        [MAGIC, _, _, _, _, datum @ ..] => Ok(datum),
        [MAGIC, ..] => Err(malformed("the frame ends before its schema id does".to_owned())),
        [first, ..] => {
            Err(malformed(format!("the value starts with {first} instead of 0, so it is no Confluent frame")))
        }
    }
}

fn malformed(message: String) -> Reject {
    Reject::new(RejectCode::MalformedAvro, "$", message)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::codec::arbitrary;
    use crate::codec::output::{OutputCodec, SchemaIds};

    #[test]
    fn what_is_no_frame_is_refused_with_the_reason() {
        let code = |bytes: &[u8]| decode_segment_change(bytes).unwrap_err().to_string();
        assert_eq!(code(b""), "empty at $: the value is empty");
        assert_eq!(code(&[0, 0, 0]), "malformed_avro at $: the frame ends before its schema id does");
        assert!(code(b"{}").contains("starts with 123 instead of 0"));
        assert!(code(&[0, 0, 0, 0, 1]).contains("do not fit the schema of a segment change"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_bytes_give_a_record_or_a_reason(datum in proptest::collection::vec(any::<u8>(), 0..200)) {
            let frame = [&[0, 0, 0, 0, 1], &datum[..]].concat();
            for bytes in [&frame[..], &datum[..]] {
                let _ = decode_profile_update(bytes);
                let _ = decode_decision(bytes);
                let _ = decode_segment_change(bytes);
            }
        }

        #[test]
        fn a_value_cut_short_or_continued_is_refused(
            decision in arbitrary::emissions::decision(),
            cut in any::<prop::sample::Index>(),
        ) {
            let codec = OutputCodec::new(SchemaIds { profile_update: 1, decision: 2, segment_change: 3 });
            let mut bytes = codec.decision(&decision);
            prop_assert!(decode_decision(&bytes[..cut.index(bytes.len())]).is_err());
            bytes.push(0);
            let reason = decode_decision(&bytes).unwrap_err();
            prop_assert!(reason.message.contains("1 bytes follow"), "{}", reason);
        }
    }
}

//! Rows of the state. The first byte chooses the kind. A row that can be read is written the same way for
//! ever, and a profile that can be read can be used: settled, decided on, and shown.

use bespoke::codec::digest::Digest;
use bespoke::codec::output::{OutputCodec, SchemaIds};
use bespoke::codec::row::{self, Meta, RowError};
use bespoke::domain::catalogue::Catalogue;
use bespoke::domain::person::Person;
use bespoke::domain::profile::Profile;
use bespoke::domain::react::{Knowledge, due, react, settle};
use bespoke::domain::time::Timestamp;

use super::samples::{self, AT, SHOP};
use crate::target::{Run, Target, Verdict, kind, law};

pub(crate) const TARGET: Target = Target { name: "rows", seeds, words: &[], generate: None, open };

/// A profile as format 1 writes it: what one version wrote, every later one reads.
const FORMAT_1: &str = "01ac0280a8a9d702ab020180bab7030001036d2d3101ffffffffffffffffff0180a8a9d70205036167650105066c6162656c730402016101620a6e6577736c6574746572000104706c616e0304676f6c6405726174696f02000000000000e03f01070401c601040108010573686f6573000000000000f83fc801030180eef1d3020280eef1d30280a8a9d70201010105736b752d31010201034555529d1f0180d4d4ab010180d4d4ab0101010105736b752d3203\
09028098ffcd010a018098dca9030b00010c80dca9f001";

/// The profile of format 1.
pub(crate) fn format_1() -> Vec<u8> {
    let digits = FORMAT_1.as_bytes().chunks(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn seeds() -> Vec<Vec<u8>> {
    let digest = Some(Digest { rows: 2, sum: 3 });
    let meta = Meta { input_next: 300, stream_time: Timestamp::from_ms(AT), digest };
    let of = |kind: u8, row: Vec<u8>| [&[kind], &row[..]].concat();
    vec![
        of(0, row::encode_profile(&samples::profile())),
        of(0, row::encode_profile(&Profile::default())),
        of(0, format_1()),
        of(1, row::encode_content(&samples::content())),
        of(2, row::encode_meta(&meta)),
        of(3, row::encode_definitions(Some(Timestamp::from_ms(AT)), "segments: {}\n")),
        of(4, row::encode_site(&samples::site_shares())),
        of(5, row::profile_key(&Person::bare("user:1"))),
    ]
}

fn open() -> Run {
    assert!(row::decode_profile(&format_1()).is_ok(), "a row of format 1 is read for ever");
    let codec = OutputCodec::new(SchemaIds { profile_update: 1, decision: 2, segment_change: 3 });
    Box::new(move |input| {
        let Some((choice, bytes)) = input.split_first() else { return Ok(0) };
        match choice % 6 {
            0 => profile(&codec, bytes),
            1 => stable(row::decode_content(bytes), row::encode_content, row::decode_content),
            2 => stable(row::decode_meta(bytes), row::encode_meta, row::decode_meta),
            3 => match row::decode_definitions(bytes) {
                Ok((since, text)) => {
                    law(row::encode_definitions(since, &text) == bytes, "definitions change").map(|()| 1)
                }
                Err(error) => Ok(kind(&error.to_string())),
            },
            4 => stable(row::decode_site(bytes), row::encode_site, row::decode_site),
            _ => match row::person_of_key(bytes) {
                Some(person) => law(row::profile_key(&person) == bytes, "a key changes").map(|()| 2),
                None => Ok(3),
            },
        }
    })
}

/// What is read and written is read and written alike again.
fn stable<T>(
    read: Result<T, RowError>,
    write: impl Fn(&T) -> Vec<u8>,
    again: impl Fn(&[u8]) -> Result<T, RowError>,
) -> Verdict {
    match read {
        Err(error) => Ok(kind(&error.to_string())),
        Ok(row) => {
            let written = write(&row);
            let same = again(&written).is_ok_and(|row| write(&row) == written);
            law(same, "a row that was read is not read again").map(|()| 4)
        }
    }
}

fn profile(codec: &OutputCodec, bytes: &[u8]) -> Verdict {
    let read = row::decode_profile(bytes);
    let Ok(mut profile) = read else { return stable(read, row::encode_profile, row::decode_profile) };
    stable(Ok(profile.clone()), row::encode_profile, row::decode_profile)?;
    let (catalogue, person, mut emissions) = (Catalogue::default(), Person::bare("user:1"), Vec::new());
    let knowledge = Knowledge { rules: &SHOP.rules, catalogue: &catalogue, site: &samples::site() };
    let now = Timestamp::from_ms(AT + 365 * 86_400_000);
    settle(knowledge, &person, &mut profile, now, &mut emissions);
    let late = due(&SHOP.rules, &profile).is_some_and(|due| due <= now);
    law(!late, "something stays due after it was settled")?;
    for name in samples::NAMES {
        let event = samples::event(name, name, now.ms());
        react(knowledge, &person, &mut profile, now, &event, &mut emissions);
    }
    codec.profile_update(&person, &profile, &SHOP.rules, &samples::site());
    let written = row::encode_profile(&profile);
    law(row::decode_profile(&written).is_ok(), "a profile that was used is not read again")?;
    Ok(5 + emissions.len() as u64)
}

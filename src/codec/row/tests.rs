//! What rows look like, and that they come back.

use std::fmt::Write;

use proptest::prelude::*;

use super::*;
use crate::codec::arbitrary;
use crate::domain::affinity::Affinity;

/// Rows as each version writes them. A row on somebody's disk looks like this: what changes the layout needs
/// a new format, and reads these for ever.
const FORMAT_1_PROFILE: &str = "\
    01ac0280a8a9d702ab020180bab7030001036d2d3101ffffffffffffffffff0180a8a9d7020503616765010506\
    6c6162656c730402016101620a6e6577736c6574746572000104706c616e0304676f6c6405726174696f020000\
    00000000e03f01070401c601040108010573686f6573000000000000f83fc801030180eef1d3020280eef1d302\
    80a8a9d70205010105736b752d31010201034555529d1f0180d4d4ab010180d4d4ab0101010105736b752d3203\
    09028098ffcd010a018098dca9030b00010c80dca9f001";
const FORMAT_2_PROFILE: &str = "\
    023dac0280a8a9d702ab0280eef1d302036d2d3101ffffffffffffffff0005036167650205066c6162656c7305\
    02016101620a6e6577736c65747465720104706c616e0404676f6c6405726174696f03000000000000e03f0107\
    0000000401c601040108000000010573686f6573000000000000f83f000780bab7030280bab70300050105736b\
    752d31010201034555529d1f80d4d4ab0180d4d4ab010101000000000000000105736b752d3203090000000280\
    90aa89010a00000001ffefb2520b00000000010c00000080ccff66";
const FORMAT_1_CONTENT: &str =
    "010862616e6e65722d310104686f6d65010573686f6573000000000000f03f000000000000d03f0105736b752d31010200";

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits = hexadecimal.as_bytes().chunks(2);
    digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[test]
fn the_layouts_stay() {
    let profile = encode_profile(&arbitrary::sample_profile());
    assert_eq!(hexadecimal(&profile), FORMAT_2_PROFILE);
    assert_eq!(decode_profile(&profile), Ok(arbitrary::sample_profile()));
    assert_eq!(hexadecimal(&encode_content(&arbitrary::sample_content())), FORMAT_1_CONTENT);
    let digest = Some(Digest { rows: 300, sum: u64::MAX });
    let meta = Meta { input_next: 300, stream_time: Timestamp::from_ms(1_700_000_000_000), digest };
    let row = "02d80480a0abfef96201ac02ffffffffffffffffff01";
    assert_eq!(hexadecimal(&encode_meta(&meta)), row);
    assert_eq!(hexadecimal(&encode_restoring(&digest)), "0101ac02ffffffffffffffffff01");
    assert_eq!(encode_definitions(None, "slots: []"), b"\x01slots: []");
    let since = Some(Timestamp::from_ms(0x0102));
    assert_eq!(encode_definitions(since, "a: 1"), b"\x02\x02\x01\0\0\0\0\0\0a: 1");
}

#[test]
fn a_profile_of_format_1_is_read_with_its_affinities_in_order() {
    let mut profile = arbitrary::sample_profile();
    assert_eq!(decode_profile(&bytes(FORMAT_1_PROFILE)), Ok(profile.clone()));
    let affinities = &mut profile.interests[0].1;
    affinities.push(Affinity::new("boots", 7));
    let row = encode(FORMAT, &profile, Vec::new());
    profile.interests[0].1.reverse();
    assert_eq!(decode_profile(&row), Ok(profile));
}

#[test]
fn a_position_of_format_1_has_an_unknown_digest() {
    let row = [0x01, 0xd8, 0x04, 0x80, 0xa0, 0xab, 0xfe, 0xf9, 0x62];
    let stream_time = Timestamp::from_ms(1_700_000_000_000);
    let meta = Meta { input_next: 300, stream_time, digest: None };
    assert_eq!(decode_meta(&row), Ok(meta));
    assert_eq!(hexadecimal(&encode_meta(&meta)), "02d80480a0abfef96200", "it is written as format 2");
    assert!(decode_meta(&[&row[..], &[0]].concat()).is_err(), "format 1 ends here");
}

#[test]
fn site_shares_come_back_as_they_were() {
    let shares = arbitrary::site_shares();
    assert_eq!(decode_site(&encode_site(&shares)), Ok(shares));
}

#[test]
fn keys_tell_what_they_are_of() {
    let person = Person::bare("user:42");
    assert_eq!(profile_key(&person), b"puser:42");
    assert_eq!(content_key("banner-1"), b"cbanner-1");
    assert_eq!(site_key("category"), b"scategory");
    for key in [META_KEY, DEFINITIONS_KEY, RESTORING_KEY, &content_key("p"), b"", b"p\xff"] {
        assert_eq!(person_of_key(key), None);
    }
}

#[test]
fn what_cannot_be_read_is_refused_with_the_reason() {
    assert_eq!(decode_profile(&[9, 0]), Err(RowError::Newer { found: 9, known: 8 }));
    assert_eq!(decode_content(&[2, 0]), Err(RowError::Newer { found: 2, known: 1 }));
    assert_eq!(decode_meta(&[3, 0]), Err(RowError::Newer { found: 3, known: 2 }));
    assert_eq!(decode_meta(&[]).unwrap_err().to_string(), "the row is damaged: it is empty");
    assert_eq!(decode_meta(&[0]).unwrap_err().to_string(), "the row is damaged: there is no format 0");
    let follows = decode_meta(&[1, 0, 0, 0]).unwrap_err();
    assert_eq!(follows.to_string(), "the row is damaged: 1 bytes follow after it");
    assert!(matches!(decode_definitions(&[1, 0xff]), Err(RowError::Damaged { .. })));
}

#[test]
fn a_length_beyond_the_row_takes_no_memory() {
    // Ten bytes that say that 2^64 - 1 traits follow; the zeros before them are the profile's numbers.
    for zeros in [vec![FORMAT, 0, 0, 0, 0, 0, 0, 0], vec![PROFILE_FORMAT, 0, 0, 0, 0, 0]] {
        let mut value = zeros;
        value.extend([0xff; 9]);
        value.push(1);
        assert!(matches!(decode_profile(&value), Err(RowError::Damaged { .. })));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_profile_comes_back_as_it_was(profile in arbitrary::profile()) {
        let mut value = encode_profile(&profile);
        prop_assert_eq!(decode_profile(&value), Ok(profile));
        value.push(0);
        prop_assert!(decode_profile(&value).is_err());
    }

    #[test]
    fn content_comes_back_as_it_was(content in arbitrary::content()) {
        prop_assert_eq!(decode_content(&encode_content(&content)), Ok(content));
    }

    #[test]
    fn positions_and_definitions_come_back(
        input_next: i64, ms: i64, text: String, digest: Option<(u64, u64)>
    ) {
        let digest = digest.map(|(rows, sum)| Digest { rows, sum });
        let meta = Meta { input_next, stream_time: Timestamp::from_ms(ms), digest };
        prop_assert_eq!(decode_restoring(&encode_restoring(&digest)), Ok(digest));
        let read = decode_meta(&encode_meta(&meta)).ok();
        let possible = input_next >= 0 && meta.stream_time.is_plausible();
        prop_assert_eq!(read, possible.then_some(meta));
        let meta = Meta { input_next: input_next & i64::MAX, stream_time: Timestamp::LATEST, digest };
        prop_assert_eq!(decode_meta(&encode_meta(&meta)), Ok(meta));
        for since in [None, Some(meta.stream_time)] {
            let row = encode_definitions(since, &text);
            prop_assert_eq!(decode_definitions(&row), Ok((since, text.as_str().into())));
        }
    }

    #[test]
    fn persons_come_back_from_their_keys(person in arbitrary::person()) {
        prop_assert_eq!(person_of_key(&profile_key(&person)), Some(person));
    }

    #[test]
    fn any_bytes_give_a_row_or_a_reason(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let [first, second] = [FORMAT, PROFILE_FORMAT].map(|format| [&[format], &bytes[..]].concat());
        for value in [&first[..], &second[..], &bytes[..]] {
            let _ = (decode_profile(value), decode_content(value), decode_site(value), decode_meta(value));
            let _ = (decode_definitions(value), decode_restoring(value));
        }
    }
}

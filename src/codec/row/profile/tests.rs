//! Rows as they were always written.

use thin_vec::thin_vec;

use super::*;
use crate::codec::arbitrary;
use crate::codec::row::{decode_profile, encode_profile};
use crate::domain::frequencies::Frequencies;
use crate::domain::points::Points;
use crate::domain::profile::PageView;
use crate::domain::purchase::Refund;
use crate::domain::rulebook::NameId;
use crate::domain::scroll::Scroll;
use crate::domain::session_values::{Held, SessionValues};
use crate::domain::visit::{PreviousVisit, Visit};

/// What format 3 adds to the sample that format 2 has; read for ever, as all golden rows.
const FORMAT_3_ADDS: &str = "\
    01070000000280eef1d3020404626f6f7480bab7030210010800000001036861740600010900000000000000090080ba\
    b703034555524e0201ffffffffffffffff0103455552c8010180bab703022f61067365617263680280bab703022f6106\
    73656172636880bab703022f620001050000000280bab70300";

#[test]
fn rows_of_format_3_end_and_rows_of_format_5_begin_as_they_always_did() {
    let hour = |hour: i64| Timestamp::from_ms(hour * 3_600_000);
    let plain = arbitrary::sample_profile();
    let mut profile = plain.clone();
    let points = [(1, Scalar::Text("boot".into())), (99, Scalar::Integer(8))];
    let points = points.map(|(at, value)| Point { at: hour(at), value });
    profile.points = thin_vec![(NameId(7), Points::of_points(points.into()))];
    let counter = Counter { total: 3, ..Counter::default() };
    profile.frequencies =
        thin_vec![(NameId(8), Frequencies::of_counters(thin_vec![("hat".into(), counter)]))];
    let euros = |hundredths| Money { hundredths, currency: "EUR".into() };
    let order = Order {
        id: 9,
        status: OrderStatus::Placed,
        counted: true,
        late: false,
        at: hour(100),
        told_at: hour(99),
        trusted: false,
        money: euros(39),
        units: 2,
        refunds: thin_vec![Refund { id: u64::MAX, trusted: true, money: euros(100) }],
    };
    profile.orders.ledger = thin_vec![order];
    let page = |path: &str, medium: Option<&str>| PageView {
        at: hour(99),
        path: path.into(),
        medium: medium.map(Into::into),
    };
    profile.session.current.entry = Some(Box::new(page("/a", Some("search"))));
    profile.session.current.pages = thin_vec![page("/a", Some("search")), page("/b", None)];
    profile.fires = thin_vec![(NameId(5), thin_vec![hour(99), hour(100)])];
    let (row, plain) = (encode_profile(&profile), encode_profile(&plain));
    let (format, body) = row.split_first().unwrap();
    assert_eq!((*format, plain.first()), (WITH_AGGREGATES, Some(&PLAIN)));
    let added = body.strip_prefix(plain.get(1..).unwrap()).unwrap();
    let added: String = added.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(added, FORMAT_3_ADDS);
    assert_eq!(decode_profile(&row), Ok(profile.clone()));
    let by_definitions = Profile { definitions: 0x0403_0201, ..profile };
    let marked = encode_profile(&by_definitions);
    assert_eq!(marked, [&[5, 1, 2, 3, 4], body].concat());
    assert_eq!(decode_profile(&marked), Ok(by_definitions));
    assert!(decode_profile(marked.get(..3).unwrap()).is_err());
}

/// What format 6 adds to the sample that format 5 has.
const FORMAT_6_ADDS: &str = "\
    0000000000000180aea60a80f4ee06030180f4ee06022f63000180f4ee06022f63000301000000000302000000010180\
    f4ee0602100300000002010368617406000180e8dd0d";

#[test]
fn rows_of_format_6_end_with_the_previous_visit() {
    let hour = |hour: i64| Timestamp::from_ms(hour * 3_600_000);
    let page = PageView { at: hour(98), path: "/c".into(), medium: None };
    let visit = Visit {
        started_at: hour(97),
        last_at: hour(98),
        events: 3,
        entry: Some(Box::new(page.clone())),
        pages: thin_vec![page],
        scrolls: Scrolls::default(),
    };
    let points = Points::of_points(thin_vec![Point { at: hour(98), value: Scalar::Integer(8) }]);
    let counter = Counter { total: 3, ..Counter::default() };
    let frequencies = Frequencies::of_counters(thin_vec![("hat".into(), counter)]);
    let held = [Held::Sum(-2), Held::Points(points), Held::Frequencies(frequencies)];
    let values = SessionValues::of_list((1..).map(NameId).zip(held).collect());
    let mut profile = Profile { definitions: 0x0403_0201, ..arbitrary::sample_profile() };
    let before = encode_profile(&profile);
    profile.session.previous = Some(Box::new(PreviousVisit { visit, values }));
    profile.session.forgotten_until = Some(hour(96));
    let row = encode_profile(&profile);
    assert_eq!(row.first(), Some(&WITH_PREVIOUS));
    let added = row.strip_prefix(&[&[WITH_PREVIOUS], before.get(1..).unwrap()].concat()[..]).unwrap();
    let added: String = added.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(added, FORMAT_6_ADDS);
    assert_eq!(decode_profile(&row), Ok(profile));
}

/// A whole row of format 7: two contributions to boots that differ, and what is known to be one to shoes.
const FORMAT_7: &str = "\
    07010203043dac0280a8a9d702ab0280eef1d302036d2d3101ffffffffffffffff0005036167650205066c6162656c73\
    0502016101620a6e6577736c65747465720104706c616e0404676f6c6405726174696f03000000000000e03f01070000\
    000401c6010401080000000205626f6f74730000000000000040020e00000000000004400573686f6573000000000000\
    f83f000d80bab7030280bab70300050105736b752d31010201034555529d1f80d4d4ab0180d4d4ab0101010000000000\
    00000105736b752d320309000000028090aa89010a00000001ffefb2520b00000000010c00000080ccff660000000000\
    000000";

#[test]
fn rows_of_format_7_have_the_squares_of_what_affinities_rest_on() {
    let mut profile = Profile { definitions: 0x0403_0201, ..arbitrary::sample_profile() };
    let affinity = Affinity { score: 2.0, squares: 2.5, evidence: 3, ..Affinity::new("boots", 99) };
    profile.interests.iter_mut().for_each(|(_, affinities)| affinities.insert(0, affinity.clone()));
    let row = encode_profile(&profile);
    assert_eq!(row.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), FORMAT_7);
    assert_eq!(decode_profile(&row), Ok(profile));
}

/// A whole row of format 8: a scroll of a page, another of it, one of no page that is known; and full message ids.
const FORMAT_8: &str = "\
    0801020304bdac0280a8a9d702ab0280eef1d302036d2d3101ffffffffffffffff0005036167650205066c6162656c73\
    0502016101620a6e6577736c65747465720104706c616e0404676f6c6405726174696f03000000000000e03f01070000\
    000401c601040108000000010573686f6573000000000000f83f000d80bab7030280bab70300050105736b752d310102\
    01034555529d1f80d4d4ab0180d4d4ab010101000000000000000105736b752d320309000000028090aa89010a000000\
    01ffefb2520b00000000010c00000080ccff6600000000000380bab7034b01022f61c090b003e480e7a8030100000000";

#[test]
fn rows_of_format_8_have_scrolls_and_say_whether_message_ids_are_full() {
    let mut profile = Profile { definitions: 0x0403_0201, ids_full: true, ..arbitrary::sample_profile() };
    let scroll = |minute: i64, path: Option<&str>, percent| {
        let at = Timestamp::from_ms(99 * 3_600_000 + minute * 60_000);
        Scroll { at, path: path.map(Into::into), percent }
    };
    profile.session.current.scrolls = Scrolls::of_list(thin_vec![
        scroll(0, Some("/a"), 75),
        scroll(1, Some("/a"), 100),
        scroll(2, None, 1)
    ]);
    let row = encode_profile(&profile);
    assert_eq!(row.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), FORMAT_8);
    assert_eq!(decode_profile(&row), Ok(profile.clone()));
    profile.session.current.scrolls = Scrolls::default();
    assert_eq!(decode_profile(&encode_profile(&profile)), Ok(profile));
    // The flag is one of this format alone.
    let mut older = row;
    older.splice(..1, [WITH_SQUARES]);
    assert!(decode_profile(&older).is_err());
}

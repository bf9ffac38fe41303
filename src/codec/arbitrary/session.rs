//! Arbitrary sessions.

use compact_str::CompactString;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::{frequencies, instant, points, text};
use crate::domain::profile::{PageView, Session};
use crate::domain::rulebook::NameId;
use crate::domain::scroll::{Scroll, Scrolls};
use crate::domain::session_values::{Held, SessionValues};
use crate::domain::visit::{PreviousVisit, Visit};

fn page() -> impl Strategy<Value = PageView> {
    let medium = option::of("[a-z]{1,8}").prop_map(|medium| medium.map(CompactString::from));
    (instant(), text(), medium).prop_map(|(at, path, medium)| PageView { at, path, medium })
}

pub(super) fn session() -> impl Strategy<Value = Session> {
    let held = prop_oneof![
        (any::<u32>().prop_map(NameId), any::<i64>().prop_map(Held::Sum)),
        points().prop_map(|(id, points)| (id, Held::Points(points))),
        frequencies().prop_map(|(id, frequencies)| (id, Held::Frequencies(frequencies))),
    ];
    let values = vec(held, 0..4).prop_map(|held| SessionValues::of_list(held.into()));
    let previous = (visit(), values).prop_map(|(visit, values)| Box::new(PreviousVisit { visit, values }));
    let held = (visit(), option::of(previous), option::of(instant()));
    (any::<u64>(), any::<bool>(), held).prop_map(|(count, open, (current, previous, forgotten_until))| {
        Session { count, open, current, previous, forgotten_until }
    })
}

fn scrolls() -> impl Strategy<Value = Scrolls> {
    let path = option::of("/[ab]?").prop_map(|path| path.map(CompactString::from));
    let scroll = (instant(), path, 1..=100_u8).prop_map(|(at, path, percent)| Scroll { at, path, percent });
    vec(scroll, 0..4).prop_map(Scrolls::of_list)
}

fn visit() -> impl Strategy<Value = Visit> {
    let pages = (option::of(page()), vec(page(), 0..4), scrolls());
    (instant(), instant(), any::<u64>(), pages).prop_map(
        |(started_at, last_at, events, (entry, mut pages, scrolls))| {
            pages.sort();
            let (entry, pages) = (entry.map(Box::new), pages.into());
            Visit { started_at, last_at, events, entry, pages, scrolls }
        },
    )
}

//! The layout of a person's row, formats 2 to 8. It is written once per person and commit, sent to the changelog,
//! hashed and stored, so its size is a good part of what an event costs: against format 1, the derived encoding
//! of the same fields, the state of the reference workload takes a quarter less on disk.
//!
//! | part | bytes |
//! | --- | --- |
//! | a whole number | seven bits a byte, the lowest first; signed ones zigzag |
//! | an instant | milliseconds before `as_of`, signed; those of message ids before the one that follows |
//! | a hash, an id of a name, a score | eight, four and eight bytes, little-endian |
//! | a text | its length and its bytes |
//! | a list | its length and its elements |
//!
//! Whatever is a flag or says whether something is there stands in one byte at the front. Format 3 adds, at the
//! end, the points and the frequencies of attributes, the single orders, the pages of the session and when
//! limited rules fired; a profile that has none of them is written in format 2. Formats 4 and 5 are these with
//! four bytes in front that say by which definitions the profile was changed last. Format 6 is format 5 with, at
//! the end, the previous visit and when the latest ended that is not held, for those who have one of these. Format 7
//! is format 6 with the squares of affinities that rest on more than one contribution, which the formats before it do
//! not know: there all contributions count as one. Format 8 is format 7 with, at the end of each visit's pages, how far
//! they were scrolled, and the flag of a person of whom as many message ids are remembered as may be.

mod parts;
mod reading;
mod visits;

use crate::domain::affinity::Affinity;
use crate::domain::event::Money;
use crate::domain::frequencies::Frequencies;
use crate::domain::points::{Point, Points};
use crate::domain::profile::{Cause, Orders, Profile, SegmentState, SegmentStatus};
use crate::domain::purchase::{Order, OrderStatus};
use crate::domain::scalar::Scalar;
use crate::domain::scroll::Scrolls;
use crate::domain::seen::SeenId;
use crate::domain::time::Timestamp;
use crate::domain::window::Counter;

pub(super) use reading::read;

/// The bits of the first byte.
const FIRST_AT: u8 = 1;
const LAST_AT: u8 = 1 << 1;
const ORDERS_FIRST_AT: u8 = 1 << 2;
const ORDERS_LAST_AT: u8 = 1 << 3;
const SESSION_OPEN: u8 = 1 << 4;
const CAUSE_EVENT: u8 = 1 << 5;
const CAUSE_TIME: u8 = 1 << 6;
const IDS_FULL: u8 = 1 << 7;

/// What a segment's state begins with.
const OUT: u8 = 0;
const PENDING: u8 = 1;
const IN: u8 = 2;

/// An order's status, in the two lowest bits of a byte, and the flags above them.
const ORDER_EXPECTED: u8 = 0;
const ORDER_PLACED: u8 = 1;
const ORDER_CANCELLED: u8 = 2;
const ORDER_TRUSTED: u8 = 1 << 2;
const ORDER_COUNTED: u8 = 1 << 3;
const ORDER_LATE: u8 = 1 << 4;

/// What begins what an attribute of the session holds of the previous visit.
const SUM: u8 = 0;
const POINTS: u8 = 1;
const FREQUENCIES: u8 = 2;

/// The flag, beside the percent of a scroll, of one on the page of the one before it.
const SAME_PAGE: u8 = 1 << 7;

/// What a trait's value begins with.
const FALSE: u8 = 0;
const TRUE: u8 = 1;
const INTEGER: u8 = 2;
const FLOAT: u8 = 3;
const TEXT: u8 = 4;
const TEXTS: u8 = 5;

/// The format of a row without points and frequencies.
pub(super) const PLAIN: u8 = 2;
/// The format of a row with them.
pub(super) const WITH_AGGREGATES: u8 = 3;
/// What a row's format is higher by that says by which definitions it was made.
pub(super) const BY_DEFINITIONS: u8 = 2;
/// The format of a row with visits before the current one, which always says by which definitions it was made.
pub(super) const WITH_PREVIOUS: u8 = 6;
/// The format of a row with affinities of more than one contribution, which has all that format 6 has.
pub(super) const WITH_SQUARES: u8 = 7;
/// The format of a row with scrolls or with the flag of full message ids, which has all that format 7 has.
pub(super) const WITH_SCROLLS: u8 = 8;

/// Adds the format and the row of a profile to the bytes.
pub(super) fn write(profile: &Profile, bytes: &mut Vec<u8>) {
    let Profile { points, frequencies, orders, session, .. } = profile;
    let mut visits = session.previous.iter().map(|previous| &previous.visit).chain([&session.current]);
    let with_scrolls = profile.ids_full || visits.any(|visit| visit.scrolls != Scrolls::default());
    let mut affinities = profile.interests.iter().flat_map(|(_, affinities)| affinities);
    let with_squares = with_scrolls || affinities.any(has_squares);
    let with_previous = with_squares || session.previous.is_some() || session.forgotten_until.is_some();
    let plain = points.is_empty()
        && frequencies.is_empty()
        && orders.ledger.is_empty()
        && session.current.entry.is_none()
        && session.current.pages.is_empty()
        && profile.fires.is_empty();
    let layout = if plain { PLAIN } else { WITH_AGGREGATES };
    if profile.definitions == 0 && !with_previous {
        bytes.push(layout);
    } else {
        bytes.push(match () {
            () if with_scrolls => WITH_SCROLLS,
            () if with_squares => WITH_SQUARES,
            () if with_previous => WITH_PREVIOUS,
            () => layout + BY_DEFINITIONS,
        });
        bytes.extend_from_slice(&profile.definitions.to_le_bytes());
    }
    let mut writer = Writer { bytes, as_of: profile.as_of, with_squares, with_scrolls };
    writer.profile(profile);
    if !plain || with_previous {
        writer.aggregates(profile);
    }
    if with_previous {
        writer.list(session.previous.as_slice(), |writer, previous| writer.previous(previous));
        writer.list(session.forgotten_until.as_slice(), |writer, until| writer.time(*until));
    }
}

struct Writer<'b> {
    bytes: &'b mut Vec<u8>,
    as_of: Timestamp,
    with_squares: bool,
    with_scrolls: bool,
}

impl Writer<'_> {
    fn profile(&mut self, profile: &Profile) {
        self.byte(flags(profile));
        self.unsigned(profile.version);
        self.signed(profile.as_of.ms());
        self.unsigned(profile.events_applied);
        self.times(&[profile.first_at, profile.last_at]);
        if let Cause::Event(message_id) = &profile.cause {
            self.text(message_id);
        }
        self.seen(&profile.seen);
        self.length(profile.traits.len());
        for (name, value) in profile.traits.iter() {
            self.text(name);
            self.scalar(value);
        }
        self.list(profile.counters.as_slice(), Self::counter);
        self.list(&profile.interests, |writer, (id, affinities)| {
            writer.name(*id);
            writer.list(affinities, Self::affinity);
        });
        self.unsigned(profile.session.count);
        self.visit(&profile.session.current);
        self.list(&profile.recent, |writer, item| writer.text(item));
        self.orders(&profile.orders);
        self.list(&profile.segments, Self::segment);
        self.list(&profile.rules_fired, |writer, (id, at)| {
            writer.name(*id);
            writer.time(*at);
        });
    }

    fn aggregates(&mut self, profile: &Profile) {
        self.list(&profile.points, |writer, (id, points)| {
            writer.name(*id);
            writer.points(points);
        });
        self.list(&profile.frequencies, |writer, (id, frequencies)| {
            writer.name(*id);
            writer.frequencies(frequencies);
        });
        self.list(&profile.orders.ledger, Self::order);
        self.pages(&profile.session.current);
        self.list(&profile.fires, |writer, (id, fires)| {
            writer.name(*id);
            writer.list(fires, |writer, at| writer.time(*at));
        });
    }

    fn seen(&mut self, seen: &[SeenId]) {
        self.length(seen.len());
        let mut after = self.as_of;
        // From the last one backwards each is a little before the one that follows.
        for SeenId { hash, at } in seen.iter().rev() {
            self.hash(*hash);
            self.signed(after.ms().wrapping_sub(at.ms()));
            after = *at;
        }
    }

    fn counter(&mut self, counter: &Counter) {
        self.name(counter.id);
        self.amounts(counter);
    }

    fn amounts(&mut self, counter: &Counter) {
        self.signed(counter.total);
        let buckets = &counter.buckets;
        self.length(buckets.len());
        if let Some(first) = buckets.first() {
            self.signed(first);
            self.bytes.extend_from_slice(buckets.packed());
        }
    }

    fn point(&mut self, point: &Point) {
        self.time(point.at);
        self.scalar(&point.value);
    }

    fn affinity(&mut self, affinity: &Affinity) {
        let squares = affinity.squares.to_le_bytes();
        self.text(&affinity.value);
        self.bytes.extend_from_slice(&affinity.score.to_le_bytes());
        self.signed(self.as_of.hour().wrapping_sub(affinity.hour()));
        let (evidence, tagged) = (u64::from(affinity.evidence), u64::from(affinity.tagged_at.is_some()));
        if self.with_squares {
            let has_squares = has_squares(affinity);
            self.unsigned(evidence << 2 | u64::from(has_squares) << 1 | tagged);
            self.bytes.extend_from_slice(if has_squares { &squares } else { &[] });
        } else {
            self.unsigned(evidence << 1 | tagged);
        }
        self.times(&[affinity.tagged_at]);
    }

    fn points(&mut self, points: &Points) {
        self.list(points.as_slice(), Self::point);
    }

    fn frequencies(&mut self, frequencies: &Frequencies) {
        self.list(frequencies.as_slice(), |writer, (value, counter)| {
            writer.text(value);
            writer.amounts(counter);
        });
    }

    fn orders(&mut self, orders: &Orders) {
        self.unsigned(orders.count);
        self.unsigned(orders.units);
        self.list(&orders.revenue, |writer, revenue| {
            writer.text(&revenue.currency);
            writer.signed(revenue.hundredths);
        });
        self.times(&[orders.first_at, orders.last_at]);
        self.list(&orders.seen, |writer, hash| writer.hash(*hash));
        self.list(&orders.items, |writer, item| writer.text(item));
    }

    fn order(&mut self, order: &Order) {
        self.hash(order.id);
        self.byte(order_flags(order));
        self.time(order.at);
        self.time(order.told_at);
        self.money(&order.money);
        self.unsigned(order.units);
        self.list(&order.refunds, |writer, refund| {
            writer.hash(refund.id);
            writer.byte(u8::from(refund.trusted));
            writer.money(&refund.money);
        });
    }

    fn money(&mut self, money: &Money) {
        self.text(&money.currency);
        self.signed(money.hundredths);
    }

    fn segment(&mut self, segment: &SegmentState) {
        self.name(segment.id);
        let (kind, at) = match segment.status {
            SegmentStatus::Out => (OUT, None),
            SegmentStatus::Pending { due_at } => (PENDING, Some(due_at)),
            SegmentStatus::In { entered_at } => (IN, Some(entered_at)),
        };
        self.byte(kind);
        self.times(&[at]);
    }

    fn scalar(&mut self, scalar: &Scalar) {
        match scalar {
            Scalar::Bool(value) => self.byte(if *value { TRUE } else { FALSE }),
            Scalar::Integer(value) => {
                self.byte(INTEGER);
                self.signed(*value);
            }
            Scalar::Float(value) => {
                self.byte(FLOAT);
                self.bytes.extend_from_slice(&value.to_le_bytes());
            }
            Scalar::Text(value) => {
                self.byte(TEXT);
                self.text(value);
            }
            Scalar::Texts(values) => {
                self.byte(TEXTS);
                self.list(values, |writer, value| writer.text(value));
            }
        }
    }
}

/// Whether an affinity's squares are not those of its score, which the row holds anyway.
fn has_squares(affinity: &Affinity) -> bool {
    affinity.squares.to_bits() != Affinity::squares_of_one(affinity.score).to_bits()
}

fn order_flags(order: &Order) -> u8 {
    let status = match order.status {
        OrderStatus::Expected => ORDER_EXPECTED,
        OrderStatus::Placed => ORDER_PLACED,
        OrderStatus::Cancelled => ORDER_CANCELLED,
    };
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    status
        | flag(order.trusted, ORDER_TRUSTED)
        | flag(order.counted, ORDER_COUNTED)
        | flag(order.late, ORDER_LATE)
}

fn flags(profile: &Profile) -> u8 {
    let cause = match profile.cause {
        Cause::None => 0,
        Cause::Event(_) => CAUSE_EVENT,
        Cause::Time => CAUSE_TIME,
    };
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    cause
        | flag(profile.first_at.is_some(), FIRST_AT)
        | flag(profile.last_at.is_some(), LAST_AT)
        | flag(profile.orders.first_at.is_some(), ORDERS_FIRST_AT)
        | flag(profile.orders.last_at.is_some(), ORDERS_LAST_AT)
        | flag(profile.session.open, SESSION_OPEN)
        | flag(profile.ids_full, IDS_FULL)
}

#[cfg(test)]
mod tests;

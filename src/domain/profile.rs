//! What is known about one person. It is one row of the state, changed only by `react`.

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use thin_vec::ThinVec;

use super::affinity::Affinity;
use super::counters::Counters;
use super::frequencies::Frequencies;
use super::growth::make_room;
use super::limit::TRAITS_MAX;
use super::points::{Point, Points};
use super::purchase::Order;
use super::rulebook::NameId;
use super::scalar::{Properties, Scalar};
use super::seen::SeenId;
use super::time::Timestamp;
use super::visit::{PreviousVisit, Visit};

/// The profile of one person. Its lists take one word each, as long as they are empty: a process holds hundreds of
/// thousands of profiles, and most of a profile's two dozen lists are empty or short.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Rises by one with every change, whether by an event or by time.
    pub version: u64,
    /// The stream time of the last change.
    pub as_of: Timestamp,
    /// How many events were applied; decision requests and duplicates are none.
    pub events_applied: u64,
    /// The time of the earliest event applied.
    pub first_at: Option<Timestamp>,
    /// The time of the latest event applied.
    pub last_at: Option<Timestamp>,
    /// What caused the last change.
    pub cause: Cause,
    /// The low half of the fingerprint of the definitions by which it was made; 0 where that is not known.
    #[serde(skip)]
    pub definitions: u32,
    /// The message ids seen lately.
    pub seen: ThinVec<SeenId>,
    /// Whether, at the last change, they were as many as may be.
    #[serde(skip)]
    pub ids_full: bool,
    /// What `identify` calls said, and what rules have set. At most 64 traits.
    pub traits: Properties,
    /// The numbers of those attributes that add up.
    pub counters: Counters,
    /// The points of those attributes that keep points, sorted by number, none without any.
    #[serde(skip)]
    pub points: ThinVec<(NameId, Points)>,
    /// The counts of those attributes that count values, sorted by number, none without any.
    #[serde(skip)]
    pub frequencies: ThinVec<(NameId, Frequencies)>,
    /// The affinities of each interest, sorted by value, each value once.
    pub interests: ThinVec<(NameId, ThinVec<Affinity>)>,
    /// The sessions.
    pub session: Session,
    /// The last distinct items, newest arrival first.
    pub recent: ThinVec<CompactString>,
    /// The orders.
    pub orders: Orders,
    /// The segments that the person is in, or waits to be in.
    pub segments: ThinVec<SegmentState>,
    /// When each rule with a rest last fired.
    pub rules_fired: ThinVec<(NameId, Timestamp)>,
    /// When each rule that may fire so often only has fired lately.
    #[serde(skip)]
    pub fires: ThinVec<(NameId, ThinVec<Timestamp>)>,
}

/// What changed a profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// Nothing yet.
    #[default]
    None,
    /// An event, by its message id.
    Event(CompactString),
    /// The passing of time: something was due.
    Time,
}

/// A view of a page.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageView {
    /// When.
    pub at: Timestamp,
    /// The page's path, of a long one the beginning.
    pub path: CompactString,
    /// How the person came to it, where that is known: `search`, `direct`, the medium of a campaign.
    pub medium: Option<CompactString>,
}

/// The sessions, of which the last two are held.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "WrittenSession", into = "WrittenSession")]
pub struct Session {
    /// How many there have been, the current one included. What is heard of late may raise or lower it.
    pub count: u64,
    /// Whether the current one goes on.
    pub open: bool,
    /// The current or the last one.
    pub current: Visit,
    /// The one before it, as long as an event may still belong to it.
    pub previous: Option<Box<PreviousVisit>>,
    /// When the latest of those ended that are not held, as long as an event may still belong to that.
    pub forgotten_until: Option<Timestamp>,
}

/// The sessions as format 1 of rows had them.
#[derive(Serialize, Deserialize)]
struct WrittenSession {
    count: u64,
    started_at: Timestamp,
    last_at: Timestamp,
    events: u64,
    open: bool,
}

impl From<WrittenSession> for Session {
    fn from(written: WrittenSession) -> Session {
        let WrittenSession { count, started_at, last_at, events, open } = written;
        let current = Visit { started_at, last_at, events, ..Visit::default() };
        Session { count, open, current, previous: None, forgotten_until: None }
    }
}

impl From<Session> for WrittenSession {
    fn from(session: Session) -> WrittenSession {
        let Session { count, open, current, .. } = session;
        let Visit { started_at, last_at, events, .. } = current;
        WrittenSession { count, started_at, last_at, events, open }
    }
}

/// What the person bought.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Orders {
    /// How many orders. A cancellation lowers this, a refund the revenue alone.
    pub count: u64,
    /// How many units in them.
    pub units: u64,
    /// Their revenue net of refunds by currency, sorted by currency. At most 16 currencies.
    pub revenue: ThinVec<Revenue>,
    /// The time of the earliest order.
    pub first_at: Option<Timestamp>,
    /// The time of the latest order.
    pub last_at: Option<Timestamp>,
    /// The hashes of the ids of orders and refunds that a version told of which kept nothing else of them: each
    /// counts once.
    pub seen: ThinVec<u64>,
    /// The last 256 orders, those told of first in front.
    #[serde(skip)]
    pub ledger: ThinVec<Order>,
    /// The last 200 distinct items bought, newest first.
    pub items: ThinVec<CompactString>,
}

/// Revenue in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revenue {
    /// The currency's ISO 4217 code.
    pub currency: CompactString,
    /// The amount in hundredths of the currency's unit.
    pub hundredths: i64,
}

/// Where a person stands with one segment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentState {
    /// Which segment.
    pub id: NameId,
    /// In it, or on the way.
    pub status: SegmentStatus,
}

/// Whether a person is in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SegmentStatus {
    /// Not in it.
    Out,
    /// Not in it yet: it will be entered at `due_at` unless something happens before.
    Pending {
        /// When it will be entered.
        due_at: Timestamp,
    },
    /// In it.
    In {
        /// Since when.
        entered_at: Timestamp,
    },
}

impl Profile {
    /// How deep [`Profile::touch`] can look.
    pub(crate) const DEPTHS: usize = 3;

    /// Looks at what most events read, which brings it near to the processor, and answers a number that depends on all
    /// of it: at the profile itself, at its lists, or at the lists in those. Done for several profiles depth by depth,
    /// no look has to wait for another one.
    pub(crate) fn touch(&self, depth: usize) -> usize {
        let (interests, counters) = (self.interests.iter(), self.counters.as_slice());
        match depth {
            0 => {
                let lists = [
                    self.seen.as_ptr().addr(),
                    counters.as_ptr().addr(),
                    self.interests.as_ptr().addr(),
                    self.recent.as_ptr().addr(),
                    self.segments.as_ptr().addr(),
                    self.orders.ledger.as_ptr().addr(),
                ];
                lists.iter().fold(0, |sum, list| sum ^ list)
            }
            1 => {
                let inner = interests.map(|(_, affinities)| affinities.as_ptr().addr());
                let inner = inner.chain(counters.iter().map(|counter| counter.id.0 as usize));
                let lists =
                    [self.seen.len(), self.recent.len(), self.segments.len(), self.orders.ledger.len()];
                inner.chain(lists).fold(0, |sum, part| sum ^ part)
            }
            _ => {
                let inner = interests.map(|(_, affinities)| affinities.len());
                inner
                    .chain(counters.iter().map(|counter| counter.buckets.touch()))
                    .fold(0, |sum, part| sum ^ part)
            }
        }
    }

    /// Learns a trait, as long as there are not too many. Returns whether it has.
    pub(crate) fn learn(&mut self, name: &str, value: &Scalar) -> bool {
        let has_room = self.traits.get(name).is_some() || self.traits.len() < TRAITS_MAX;
        if has_room {
            self.traits.set(name, value.clone());
        }
        has_room
    }

    /// The number of an attribute; 0 where nothing was counted yet.
    pub fn number(&self, id: NameId) -> i64 {
        self.counters.get(id).map_or(0, |counter| counter.total)
    }

    /// The points of an attribute, sorted by time and then by value.
    pub fn points(&self, id: NameId) -> &[Point] {
        self.kept_points(id).map_or(&[], Points::as_slice)
    }

    pub(crate) fn kept_points(&self, id: NameId) -> Option<&Points> {
        self.points.iter().find(|(other, _)| *other == id).map(|(_, points)| points)
    }

    /// The counts of an attribute, if it ever counted anything.
    pub fn frequencies(&self, id: NameId) -> Option<&Frequencies> {
        self.frequencies.iter().find(|(other, _)| *other == id).map(|(_, frequencies)| frequencies)
    }

    /// The affinities of an interest.
    pub fn affinities(&self, id: NameId) -> &[Affinity] {
        self.interests.iter().find(|(other, _)| *other == id).map_or(&[], |(_, affinities)| affinities)
    }

    /// Whether the person is in a segment.
    pub fn is_in(&self, id: NameId) -> bool {
        self.segment(id).is_some_and(|state| matches!(state.status, SegmentStatus::In { .. }))
    }

    /// Where the person stands with a segment, if it ever was touched.
    pub fn segment(&self, id: NameId) -> Option<&SegmentState> {
        self.segments.iter().find(|state| state.id == id)
    }

    /// Changes the points of an attribute. Answers what `change` does.
    pub(crate) fn change_points(&mut self, id: NameId, change: impl FnOnce(&mut Points) -> bool) -> bool {
        change_of_name(&mut self.points, id, change)
    }

    /// Changes the counts of an attribute. Answers what `change` does.
    pub(crate) fn change_frequencies(
        &mut self,
        id: NameId,
        change: impl FnOnce(&mut Frequencies) -> bool,
    ) -> bool {
        change_of_name(&mut self.frequencies, id, change)
    }

    pub(crate) fn affinities_mut(&mut self, id: NameId) -> &mut ThinVec<Affinity> {
        of_name(&mut self.interests, id)
    }

    pub(crate) fn fires_mut(&mut self, id: NameId) -> &mut ThinVec<Timestamp> {
        of_name(&mut self.fires, id)
    }

    pub(crate) fn segment_mut(&mut self, id: NameId) -> &mut SegmentState {
        let at = match self.segments.iter().position(|state| state.id == id) {
            Some(at) => at,
            None => {
                make_room(&mut self.segments);
                self.segments.push(SegmentState { id, status: SegmentStatus::Out });
                self.segments.len() - 1
            }
        };
        self.segments.get_mut(at).expect("the segment was found or has just been added")
    }
}

/// The list of a name; an empty one where there was no such name.
fn of_name<T>(held: &mut ThinVec<(NameId, ThinVec<T>)>, id: NameId) -> &mut ThinVec<T> {
    let at = match held.iter().position(|(other, _)| *other == id) {
        Some(at) => at,
        None => {
            make_room(held);
            held.push((id, ThinVec::new()));
            held.len() - 1
        }
    };
    &mut held.get_mut(at).expect("the name was found or has just been added").1
}

/// Changes what is held under a name. What is sorted and holds nothing that is empty is the same however it
/// came about.
fn change_of_name<T: Default + PartialEq>(
    held: &mut ThinVec<(NameId, T)>,
    id: NameId,
    change: impl FnOnce(&mut T) -> bool,
) -> bool {
    let at = held.binary_search_by_key(&id, |(other, _)| *other).unwrap_or_else(|at| {
        make_room(held);
        held.insert(at, (id, T::default()));
        at
    });
    let Some((_, one)) = held.get_mut(at) else { return false };
    let changed = change(one);
    if *one == T::default() {
        held.remove(at);
    }
    changed
}

impl Orders {
    /// The revenue in a currency, in its unit; 0 where there is none.
    pub fn revenue_in(&self, currency: &str) -> f64 {
        let revenue = self.revenue.iter().find(|revenue| &*revenue.currency == currency);
        revenue.map_or(0, |revenue| revenue.hundredths) as f64 / 100.0
    }

    /// Adds an amount, or takes one off when it is negative.
    pub(crate) fn add_revenue(&mut self, currency: &str, hundredths: i64) {
        match self.revenue.binary_search_by(|revenue| (*revenue.currency).cmp(currency)) {
            Ok(at) => {
                if let Some(revenue) = self.revenue.get_mut(at) {
                    revenue.hundredths = revenue.hundredths.saturating_add(hundredths);
                }
            }
            Err(at) if self.revenue.len() < 16 => {
                make_room(&mut self.revenue);
                self.revenue.insert(at, Revenue { currency: currency.into(), hundredths });
            }
            Err(_) => {}
        }
    }
}

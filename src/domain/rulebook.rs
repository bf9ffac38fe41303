//! What an application declares: attributes, interests, segments, rules and slots, checked and compiled.
//! The configuration floor makes it from text; nothing in here can be wrong any more.

use compact_str::CompactString;

pub use super::derived::{AffinityPart, OrdersPart, Part, Scale};
use super::expression::Expression;
use super::freshness::Freshness;
use super::funnel::Funnel;
pub use super::intake::{IntakeRule, SessionRule};
use super::lifecycle::Lifecycle;
use super::scalar::Scalar;
use super::time::Timestamp;
pub use super::window::Window;

/// The stable number of a declared name: what rows store instead of the name.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct NameId(pub u32);

impl NameId {
    /// The number of a name: the low half of its XXH3 hash. Definitions with two names of one number are
    /// refused when they are read, which with a few hundred names happens once in 100,000 applications.
    pub fn of(name: &str) -> NameId {
        NameId(xxhash_rust::xxh3::xxh3_64(name.as_bytes()) as u32)
    }
}

/// All definitions in force.
#[derive(Clone, Debug, Default)]
pub struct RuleBook {
    /// What tells these definitions from others: see [`RuleBook::fingerprint_of`].
    pub fingerprint: u64,
    /// Since when they are in force, in stream time: nothing that is due by them is due before.
    pub since: Timestamp,
    /// Which events count at all, and how far back.
    pub intake: IntakeRule,
    /// How events form sessions.
    pub session: SessionRule,
    /// Whose word on orders counts.
    pub orders: OrdersRule,
    /// Which items are remembered.
    pub recent: RecentRule,
    /// Aggregates over windows, sessions and the lifetime.
    pub attributes: Vec<AttributeRule>,
    /// Decayed affinities.
    pub interests: Vec<InterestRule>,
    /// Segments, in the order in which they are evaluated; a condition may name segments before its own.
    pub segments: Vec<SegmentRule>,
    /// What is done because of a change, in the order in which it is done.
    pub rules: Vec<Rule>,
    /// Where content is shown.
    pub slots: Vec<SlotRule>,
}

/// Who is believed about orders.
#[derive(Clone, Debug, Default)]
pub struct OrdersRule {
    /// The source topics whose word replaces that of others, such as that of the shop's back end.
    pub trusted: Vec<CompactString>,
}

/// The last distinct items.
#[derive(Clone, Debug, Default)]
pub struct RecentRule {
    /// The canonical names of the events whose items are remembered.
    pub events: Vec<CompactString>,
    /// How many items are remembered, at most 200.
    pub items_max: usize,
}

/// Something that is known about a person in one value: a number, a text or a list of texts, made of the events
/// that count by an aggregation, over a window, a session or the lifetime.
#[derive(Clone, Debug)]
pub struct AttributeRule {
    /// The number under which rows hold it. What is no sum has another one when its aggregation, its field or
    /// its bucket is declared anew, and starts afresh.
    pub id: NameId,
    /// The number under which rows hold how many values a sum or a mean is of.
    pub evidence: NameId,
    /// Its name, as rules and outputs call it.
    pub name: CompactString,
    /// The canonical names of the events that count; none means every event but decision requests.
    pub events: Vec<CompactString>,
    /// A condition on the event; events for which it is not true do not count.
    pub filter: Option<Expression>,
    /// What is made of them.
    pub aggregation: Aggregation,
    /// The window; none for the lifetime, and for a session.
    pub window: Option<Window>,
    /// Whether it starts afresh with every session and holds only what belongs to the current one.
    pub of_session: bool,
    /// How long what it says is believed; for ever where it is not said.
    pub freshness: Option<Freshness>,
    /// What it may be used for, as consents call it; nothing where that is not said.
    pub purposes: Vec<&'static str>,
    /// What it is made of, where it holds nothing itself: what a `Coalesce` chooses from, the best first, the affinity
    /// of an `Affinity`, and the number of a `Score`.
    pub parts: Vec<Part>,
}

/// What an attribute makes of events.
#[derive(Clone, Debug, PartialEq)]
pub enum Aggregation {
    /// How many there are.
    Count,
    /// The units of their items.
    Units,
    /// What they are worth, in hundredths of the currency's unit.
    Value,
    /// The sum of a field, in millionths.
    Sum(Field),
    /// The mean of a field.
    Mean(Field),
    /// The smallest value of a field.
    Min(Field),
    /// The largest value of a field.
    Max(Field),
    /// The value of a field that was the first in event time; among equals the smallest.
    First(Field),
    /// The value of a field that was the last in event time; among equals the largest.
    Last(Field),
    /// The distinct values of a field, the one that occurred last first; at most so many, 1 to 64.
    List(Field, usize),
    /// About how many distinct values a field had.
    Distinct(Field),
    /// The value of a field that occurred most often; among equals the first by name.
    MostFrequent(Field),
    /// The values of a field that occurred most often, the most frequent first; at most so many, 1 to 64.
    Top(Field, usize),
    /// How long ago the first or the last event was.
    Since(Elapsed),
    /// How many numbers of a sequence are missing up to its largest: whole numbers in a field, from 1 on, each
    /// of which one event has.
    Gaps(Field),
    /// Where a customer stands, from new to lapsed.
    Lifecycle(Lifecycle),
    /// How many steps of a way were taken.
    Funnel(Funnel),
    /// The first of its parts that says something, as SQL's function of that name has it.
    Coalesce,
    /// The whole points of the affinity to one value of an interest.
    Affinity,
    /// Where the number that its part says stands on a scale, as in an analysis of recency, frequency and
    /// monetary value.
    Score(Scale),
}

/// How the time since an event is told: in whole steps, up to a limit at which it stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Elapsed {
    /// Since the first event, else since the last.
    pub from_first: bool,
    /// The length of a step in milliseconds, at least a minute.
    pub step_ms: i64,
    /// The most steps, 1 to 2,400.
    pub steps_max: i64,
    /// Whether each step is itself a change, at its due time; else it shows with the next change.
    pub timed: bool,
}

/// Where an event carries what an attribute aggregates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// A property, by its dotted path.
    Property(CompactString),
    /// The id, category or brand of each item.
    Item(Facet),
    /// The price of each item, in the currency's unit.
    Price,
    /// The units of each item.
    Quantity,
    /// What the event is worth, in the currency's unit.
    Worth,
    /// The path of the page.
    Page,
    /// The event's canonical name.
    EventName,
    /// The source topic.
    SourceTopic,
}

/// A decayed affinity to each value of a facet, and the tags that follow from it.
#[derive(Clone, Debug)]
pub struct InterestRule {
    /// Its number.
    pub id: NameId,
    /// Its name.
    pub name: CompactString,
    /// Where an event carries the values.
    pub facet: Facet,
    /// What parts the steps of values that are paths, such as `/` in `shoes/running`; then what is added to a
    /// value is added to those above it too. None takes values as they are.
    pub roll_up: Option<CompactString>,
    /// By event: what one item of it adds to the score.
    pub weights: Vec<(CompactString, f64)>,
    /// The score's half-life.
    pub decay: super::affinity::Decay,
    /// A value becomes a tag when its score reaches this.
    pub enter: f64,
    /// And when so many items of events have spoken of it, at least 1.
    pub evidence_min: u32,
    /// A tag is lost when its score falls below this; at most `enter`.
    pub leave: f64,
    /// How many values are kept, at most 256.
    pub values_max: usize,
    /// How many values outputs show.
    pub top: usize,
    /// Whether outputs show values whose score is not above zero, too, behind those whose score is.
    pub show_negative: bool,
    /// Whether the loss of a tag is a change at its due time; else it shows with the next change.
    pub timed: bool,
    /// Whether a tag is a segment too, called `name:value`, with its changes on the topic of segment changes.
    pub as_segments: bool,
}

/// Which field of an event's items an interest is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facet {
    /// The category.
    Category,
    /// The brand.
    Brand,
    /// The item itself.
    Item,
}

/// A named set of persons.
#[derive(Clone, Debug)]
pub struct SegmentRule {
    /// Its number.
    pub id: NameId,
    /// Its name.
    pub name: CompactString,
    /// Who is in it.
    pub membership: Membership,
}

/// Who is in a segment.
// There are a few dozen of them in a process.
#[allow(clippy::large_enum_variant)]
#[derive(Clone, Debug)]
pub enum Membership {
    /// Those for whom a condition holds.
    Condition {
        /// Who is not in it enters when this is true and has been for `for_ms`.
        enter: Expression,
        /// Who is in it leaves when this is true; without it, when `enter` is false.
        leave: Option<Expression>,
        /// How long `enter` must hold, in milliseconds; 0 for at once.
        for_ms: i64,
    },
    /// Those who did one thing and then not another: a cart filled and not ordered for a day.
    Absence {
        /// The canonical name of the event that starts the wait. The first counts, later ones do not.
        after: CompactString,
        /// The canonical name of the event that ends the wait, and the membership.
        without: CompactString,
        /// How long the wait is, in milliseconds.
        for_ms: i64,
    },
}

/// What is done because of a change: a decision without a request, traits that are set, or both.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its number.
    pub id: NameId,
    /// Its name.
    pub name: CompactString,
    /// What sets it off.
    pub trigger: Trigger,
    /// A further condition.
    pub when: Option<Expression>,
    /// The slot to decide.
    pub slot: Option<CompactString>,
    /// The traits to set, by name.
    pub set: Vec<(CompactString, Scalar)>,
    /// How long it rests after it fired, in milliseconds.
    pub cooldown_ms: i64,
    /// An event older than this against stream time sets nothing off, in milliseconds.
    pub event_age_ms_max: i64,
    /// How often it may fire.
    pub max_fires: Option<MaxFires>,
    /// Of the rules of one group, the first that may fire is the only one that does, for one change.
    pub group: Option<CompactString>,
}

/// How often a rule may fire for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxFires {
    /// How often, 1 to 100.
    pub count: usize,
    /// Within which time, in milliseconds.
    pub per_ms: i64,
}

/// What sets a rule off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// An event of this canonical name.
    Event(CompactString),
    /// The person entered this segment.
    Entered(CompactString),
    /// The person left this segment.
    Left(CompactString),
    /// A value of this interest became a tag.
    Tagged(CompactString),
}

/// A place where content is shown.
#[derive(Clone, Debug)]
pub struct SlotRule {
    /// Its name.
    pub name: CompactString,
    /// How many pieces of content a decision names, 1 to 100.
    pub items_max: usize,
    /// The interest that scores content.
    pub interest: CompactString,
    /// What of an affinity counts.
    pub rank_by: RankBy,
    /// Whether content that shows one of the recent items is left out.
    pub exclude_recent: bool,
    /// Whether content that shows an item bought before is left out.
    pub exclude_bought: bool,
    /// From which age of the person's latest event on a personal answer is stale, in milliseconds.
    pub stale_ms: Option<i64>,
    /// Content ids to answer with when there is nothing better, best first.
    pub fallback: Vec<CompactString>,
}

/// What of an affinity speaks for content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RankBy {
    /// Its share of the person's interest.
    Share,
    /// Its share times its lift: what the person likes more than others do comes first.
    Lift,
}

impl RuleBook {
    /// The XXH3 hash of a text of definitions.
    pub fn fingerprint_of(text: &str) -> u64 {
        xxhash_rust::xxh3::xxh3_64(text.as_bytes())
    }

    /// The slot of this name.
    pub fn slot(&self, name: &str) -> Option<&SlotRule> {
        self.slots.iter().find(|slot| &*slot.name == name)
    }

    /// The interest of this name.
    pub fn interest(&self, name: &str) -> Option<&InterestRule> {
        self.interests.iter().find(|interest| &*interest.name == name)
    }
}

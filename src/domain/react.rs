//! The only door of the ground floor: what one event, or the passing of time, does to one profile.
//!
//! Pure and total: the same profile, definitions, content, stream time and event give the same profile and
//! the same emissions, for ever. The profile is changed in place, because copying it for every event would
//! cost more than the change.

use compact_str::CompactString;
use smallvec::SmallVec;
use thin_vec::ThinVec;

use super::attribute;
use super::catalogue::Catalogue;
use super::decide::decide;
use super::decision::{Decision, DecisionCause, Emission};
use super::derived;
use super::event::{DECISION_REQUEST, Event, IDENTIFY};
use super::growth::make_room;
use super::interest;
use super::limit::{self, Limit};
use super::person::Person;
use super::profile::{Cause, Profile};
use super::purchase;
use super::retention;
use super::rulebook::RuleBook;
use super::scalar::Scalar;
use super::scope::Scope;
use super::seen::SeenId;
use super::segment;
use super::session::{self, Joined};
use super::site::Site;
use super::time::Timestamp;

/// What `react` needs besides the profile: what is in force.
#[derive(Clone, Copy, Debug)]
pub struct Knowledge<'a> {
    /// The definitions.
    pub rules: &'a RuleBook,
    /// The content.
    pub catalogue: &'a Catalogue,
    /// What all persons together are drawn to.
    pub site: &'a Site,
}

/// What an event did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It changed the profile.
    Applied,
    /// It asked for a decision, which was given. Of the profile only the message ids changed.
    Answered,
    /// Its message id was seen before: nothing happened but what was due.
    Duplicate {
        /// Whether the event that was seen said something else.
        conflicting: bool,
    },
}

/// One change of a profile while it is being made.
pub(crate) struct Change<'a> {
    pub(crate) rules: &'a RuleBook,
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) site: &'a Site,
    pub(crate) person: &'a Person,
    pub(crate) profile: &'a mut Profile,
    /// The event; none when time has passed.
    pub(crate) event: Option<&'a Event>,
    /// The event lies further behind stream time than the declared lateness: it counts for the lifetime only.
    pub(crate) late: bool,
    /// The event tells of an order or a refund that another event has told of already.
    pub(crate) repeated: bool,
    /// Which visit the event belongs to, if any that is held.
    pub(crate) joined: Option<Joined>,
    /// What the profile was as of before.
    pub(crate) before: Timestamp,
    /// Values are as of this instant.
    pub(crate) now: Timestamp,
    /// Emissions are stamped with this instant.
    pub(crate) at: Timestamp,
    pub(crate) touched: Touched<'a>,
    pub(crate) happened: SmallVec<[Happened<'a>; 2]>,
    /// How many times rules have changed the profile since the event, or since time passed.
    pub(crate) round: usize,
    pub(crate) emissions: &'a mut Vec<Emission>,
}

/// Which parts of a profile a change has touched, so that only conditions that read them are evaluated. Mostly few
/// have names, and for few no memory is asked for.
#[derive(Debug, Default)]
pub(crate) struct Touched<'a> {
    pub(crate) attributes: SmallVec<[&'a str; 4]>,
    pub(crate) interests: SmallVec<[&'a str; 1]>,
    pub(crate) tags: SmallVec<[&'a str; 1]>,
    pub(crate) segments: bool,
    pub(crate) session: bool,
    pub(crate) orders: bool,
    pub(crate) recent: bool,
    pub(crate) traits: bool,
    /// The profile or the definitions are new, and so is the answer to every condition.
    pub(crate) everything: bool,
}

/// What a change has made happen, which may set rules off.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Happened<'a> {
    /// The event itself.
    Event,
    /// The person entered this segment.
    Entered(&'a str),
    /// The person left this segment.
    Left(&'a str),
    /// A value of this interest became a tag.
    Tagged(&'a str),
}

/// Settles what is due at or before stream time `now`, then applies the event. `now` is not before the
/// event's own time.
pub fn react(
    knowledge: Knowledge<'_>,
    person: &Person,
    profile: &mut Profile,
    now: Timestamp,
    event: &Event,
    emissions: &mut Vec<Emission>,
) -> Outcome {
    settle(knowledge, person, profile, now, emissions);
    happen(knowledge, person, profile, now, event, emissions)
}

/// The same for a profile of which it is known that nothing is [`due`] at or before `now`, so that it is not asked again.
pub fn happen(
    knowledge: Knowledge<'_>,
    person: &Person,
    profile: &mut Profile,
    now: Timestamp,
    event: &Event,
    emissions: &mut Vec<Emission>,
) -> Outcome {
    match remember(knowledge.rules, profile, now, event) {
        Memory::New => {}
        Memory::InPlaceOf(lost) => {
            emissions.extend(std::iter::repeat_n(Emission::Lost(Limit::MessageIds), lost))
        }
        Memory::Known { conflicting } => return Outcome::Duplicate { conflicting },
    }
    let Knowledge { rules, catalogue, site } = knowledge;
    let mut change = Change {
        rules,
        catalogue,
        site,
        person,
        profile,
        event: Some(event),
        late: rules.intake.is_late(event, now),
        repeated: false,
        joined: None,
        before: now,
        now,
        at: now,
        touched: Touched::default(),
        happened: SmallVec::new(),
        round: 0,
        emissions,
    };
    if &*event.name == DECISION_REQUEST {
        change.answer(event);
        return Outcome::Answered;
    }
    change.apply(event);
    Outcome::Applied
}

/// Makes every change that is due at or before `until`, in the order of due times. Returns whether there
/// was one. Called early, late or not at all between two events of a person, it leads to the same outputs.
pub fn settle(
    knowledge: Knowledge<'_>,
    person: &Person,
    profile: &mut Profile,
    until: Timestamp,
    emissions: &mut Vec<Emission>,
) -> bool {
    let Knowledge { rules, catalogue, site } = knowledge;
    let mut changed = false;
    while let Some(at) = due(rules, profile).map(|at| at.max(rules.since)).filter(|at| *at <= until) {
        changed = true;
        if retention::due(rules, profile).is_some_and(|due| due <= at) {
            retention::forget(rules, person, profile, at, emissions);
            break;
        }
        let now = at.max(profile.as_of);
        let mut change = Change {
            rules,
            catalogue,
            site,
            person,
            profile: &mut *profile,
            event: None,
            late: false,
            repeated: false,
            joined: None,
            before: now,
            now,
            at,
            touched: Touched::default(),
            happened: SmallVec::new(),
            round: 0,
            emissions: &mut *emissions,
        };
        change.pass_time();
    }
    changed
}

/// When the profile changes next if nothing happens.
pub fn due(rules: &RuleBook, profile: &Profile) -> Option<Timestamp> {
    let attributes = rules.attributes.iter().filter_map(|rule| rule.due(profile));
    attributes
        .chain(interest::due(rules, profile))
        .chain(session::due(rules, profile))
        .chain(segment::due(rules, profile))
        .chain(retention::due(rules, profile))
        .min()
}

/// What is remembered of a message id.
enum Memory {
    /// It was not known.
    New,
    /// It was not known, and as many others had to be forgotten before their time.
    InPlaceOf(usize),
    /// It was known.
    Known { conflicting: bool },
}

/// Remembers the message id of an event.
fn remember(rules: &RuleBook, profile: &mut Profile, now: Timestamp, event: &Event) -> Memory {
    let seen = SeenId::of(event, now);
    let horizon = now.plus_ms(-rules.intake.seen_horizon_ms);
    let outdated = profile.seen.partition_point(|seen| seen.at < horizon);
    if let Some(known) = profile.seen.iter().skip(outdated).find(|known| known.is_of_same_id(seen)) {
        // A repetition changes nothing, so that nothing has to be written.
        return Memory::Known { conflicting: known.hash != seen.hash };
    }
    profile.seen.drain(..outdated);
    let too_many = (profile.seen.len() + 1).saturating_sub(rules.intake.seen_ids_max);
    let lost = profile.seen.drain(..too_many.min(profile.seen.len())).len();
    make_room(&mut profile.seen);
    profile.seen.push(seen);
    if lost == 0 { Memory::New } else { Memory::InPlaceOf(lost) }
}

impl<'a> Change<'a> {
    fn answer(&mut self, event: &Event) {
        let request = event.request.as_ref();
        let slot = request.map_or("", |request| &*request.slot);
        let exclude = request.map_or(&[][..], |request| &request.exclude);
        let answer = decide(self.knowledge(), self.profile, self.now, slot, exclude);
        let cause = DecisionCause::Request(event.message_id.clone());
        let name = format!("request|{}|{}", self.person, event.message_id);
        let request_id = request.map(|request| request.request_id.clone());
        let decision = Decision {
            request_id,
            at: event.timestamp,
            ..answer.decision(self.person, self.profile.version, cause, &name)
        };
        self.emissions.push(Emission::Decision(decision));
    }

    fn apply(&mut self, event: &Event) {
        // What does not change by itself may have fallen unseen when time last passed.
        let fell_unseen = self.profile.cause == Cause::Time;
        self.begin(Cause::Event(event.message_id.clone()));
        self.touched.everything |= self.profile.events_applied == 0;
        self.profile.events_applied = self.profile.events_applied.saturating_add(1);
        let first = self.profile.first_at.map_or(event.timestamp, |first| first.min(event.timestamp));
        let last = self.profile.last_at.map_or(event.timestamp, |last| last.max(event.timestamp));
        (self.profile.first_at, self.profile.last_at) = (Some(first), Some(last));
        attribute::expire(self, fell_unseen);
        purchase::apply(self, event);
        if !self.late {
            session::apply(self, event);
        }
        if !self.repeated {
            self.add_up(event);
            self.happened.push(Happened::Event);
        }
        derived::follow(self);
        interest::untag(self, false);
        self.follow_up();
    }

    /// What counts once for an order or a refund, whoever tells of it.
    fn add_up(&mut self, event: &Event) {
        attribute::count(self, event);
        if &*event.name == IDENTIFY {
            self.learn_traits(event);
        }
        if !self.late {
            interest::apply(self, event);
            self.remember_items(event);
        }
    }

    fn pass_time(&mut self) {
        self.begin(Cause::Time);
        attribute::expire(self, false);
        session::pass_time(self);
        derived::follow(self);
        interest::untag(self, true);
        self.follow_up();
    }

    fn begin(&mut self, cause: Cause) {
        self.profile.version = self.profile.version.saturating_add(1);
        self.before = std::mem::replace(&mut self.profile.as_of, self.now);
        self.profile.cause = cause;
        self.profile.ids_full = limit::are_ids_full(self.rules, self.profile);
        // By other definitions conditions may have another answer.
        let definitions = self.rules.fingerprint as u32;
        self.touched.everything |=
            std::mem::replace(&mut self.profile.definitions, definitions) != definitions;
    }

    fn learn_traits(&mut self, event: &Event) {
        for (name, value) in event.traits.iter() {
            self.learn(name, value);
        }
    }

    /// Learns a trait, as long as there are not too many. Returns whether it has.
    pub(crate) fn learn(&mut self, name: &str, value: &Scalar) -> bool {
        let learned = self.profile.learn(name, value);
        self.touched.traits |= learned;
        if !learned {
            self.emissions.push(Emission::Lost(Limit::Traits));
        }
        learned
    }

    fn remember_items(&mut self, event: &Event) {
        let rule = &self.rules.recent;
        if !rule.events.contains(&event.name) {
            return;
        }
        for item in event.items.iter().filter(|item| !item.item_id.is_empty()) {
            remember_first(&mut self.profile.recent, &item.item_id, rule.items_max);
            self.touched.recent = true;
        }
    }

    pub(crate) fn knowledge(&self) -> Knowledge<'_> {
        Knowledge { rules: self.rules, catalogue: self.catalogue, site: self.site }
    }

    pub(crate) fn scope(&self) -> Scope<'_> {
        Scope { rules: self.rules, person: self.person, profile: self.profile, event: self.event }
    }
}

/// Puts a text first in a list of distinct texts of limited length.
pub(crate) fn remember_first(list: &mut ThinVec<CompactString>, text: &str, length_max: usize) {
    match list.iter().position(|other| other == text) {
        Some(at) => {
            if let Some(up_to_it) = list.get_mut(..=at) {
                up_to_it.rotate_right(1);
            }
        }
        None => {
            list.truncate(length_max.saturating_sub(1));
            make_room(list);
            list.insert(0, text.into());
        }
    }
    list.truncate(length_max);
}

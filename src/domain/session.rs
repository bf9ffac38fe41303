//! Sessions: events with no gap longer than the declared one between them, in event time. The current visit and
//! the one before it are held, so that an event that is heard of late joins the one that it belongs to, and those
//! between which it lies become one.

use super::attribute;
use super::event::Event;
use super::profile::{Profile, Session};
use super::react::Change;
use super::rulebook::{RuleBook, SessionRule};
use super::session_values::SessionValues;
use super::time::Timestamp;
use super::visit::{PreviousVisit, Visit};

/// Which of the visits that are held an event belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Joined {
    /// The current one.
    Current,
    /// The one before it.
    Previous,
}

/// Where the time of an event lies among the visits.
enum Place {
    /// After the current one, which is over.
    After,
    /// In the current one, or so close before it that it began earlier.
    Current,
    /// So close to both that they are one.
    Both,
    /// In the previous one, or so close to it that it was longer.
    Previous,
    /// Between the two, and a visit of its own.
    Between,
    /// Before them, where of visits nothing but their number is known.
    Before,
}

/// Puts an event into the visit that it belongs to.
pub(crate) fn apply(change: &mut Change<'_>, event: &Event) {
    let rule = &change.rules.session;
    forget(change);
    let session = &mut change.profile.session;
    let place = session.place(event.timestamp, rule);
    match place {
        Place::After => begin(change, event),
        Place::Current => session.current.add(event, rule.pages_max),
        Place::Both => {
            session.current.add(event, rule.pages_max);
            join(change);
        }
        Place::Previous => {
            if let Some(previous) = &mut session.previous {
                previous.visit.add(event, rule.pages_max);
            }
        }
        Place::Between => {
            session.count = session.count.saturating_add(1);
            let (visit, values) = (Visit::of(event, rule.pages_max), SessionValues::default());
            session.hold(Some(PreviousVisit { visit, values }));
        }
        Place::Before => return,
    }
    let session = &mut change.profile.session;
    session.open = change.now.since_ms(session.current.last_at) <= rule.gap_ms;
    change.touched.session = true;
    let of_previous = matches!(place, Place::Previous | Place::Between);
    change.joined = Some(if of_previous { Joined::Previous } else { Joined::Current });
}

/// Forgets what no event can belong to any more that is not too late.
fn forget(change: &mut Change<'_>) {
    let (rules, now) = (change.rules, change.now);
    let session = &mut change.profile.session;
    if session.previous.as_ref().is_some_and(|previous| !is_reachable(rules, previous.visit.last_at, now)) {
        session.previous = None;
    }
    session.forgotten_until = session.forgotten_until.filter(|until| is_reachable(rules, *until, now));
}

fn is_reachable(rules: &RuleBook, last_at: Timestamp, now: Timestamp) -> bool {
    let reach_ms = rules.session.gap_ms.saturating_add(rules.intake.lateness_ms_of_any());
    rules.session.extends_back && now.since_ms(last_at) <= reach_ms
}

fn begin(change: &mut Change<'_>, event: &Event) {
    let rules = change.rules;
    let values = attribute::begin_session(change);
    let session = &mut change.profile.session;
    let visit = std::mem::replace(&mut session.current, Visit::of(event, rules.session.pages_max));
    let is_held = session.count > 0 && is_reachable(rules, visit.last_at, change.now);
    session.hold(is_held.then_some(PreviousVisit { visit, values }));
    session.count = session.count.saturating_add(1);
}

/// Makes the two visits one.
fn join(change: &mut Change<'_>) {
    let rules = change.rules;
    let session = &mut change.profile.session;
    let Some(previous) = session.previous.take() else { return };
    session.current.join(previous.visit, rules.session.pages_max);
    session.count = session.count.saturating_sub(1);
    let touched = previous.values.join(&rules.attributes, change.profile, change.now);
    change.touched.attributes.extend(touched);
}

/// Ends the session if it is due.
pub(crate) fn pass_time(change: &mut Change<'_>) {
    if due(change.rules, change.profile).is_some_and(|due| due <= change.now) {
        change.profile.session.open = false;
        change.touched.session = true;
    }
}

/// When the session ends if nothing happens.
pub(crate) fn due(rules: &RuleBook, profile: &Profile) -> Option<Timestamp> {
    let due = profile.session.current.last_at.plus_ms(rules.session.gap_ms.saturating_add(1));
    (rules.session.timed && profile.session.open).then_some(due)
}

impl Session {
    /// Holds another visit before the current one.
    fn hold(&mut self, visit: Option<PreviousVisit>) {
        let outdated = self.previous.take().map(|previous| previous.visit.last_at);
        self.forgotten_until = self.forgotten_until.max(outdated);
        self.previous = visit.map(Box::new);
    }

    fn place(&self, at: Timestamp, rule: &SessionRule) -> Place {
        let follows = |visit: &Visit| at.since_ms(visit.last_at) <= rule.gap_ms;
        let precedes = |visit: &Visit, reach_ms| visit.started_at.since_ms(at) <= reach_ms;
        if self.count == 0 || !follows(&self.current) {
            return Place::After;
        }
        let previous = self.previous.as_ref().map(|previous| &previous.visit);
        if precedes(&self.current, if rule.extends_back { rule.gap_ms } else { 0 }) {
            return if previous.is_some_and(follows) { Place::Both } else { Place::Current };
        }
        // It may be of a visit that is not held, or make that and the previous one a single one.
        let is_of_forgotten = self.forgotten_until.is_some_and(|until| at.since_ms(until) <= rule.gap_ms);
        match previous {
            _ if !rule.extends_back || is_of_forgotten => Place::Before,
            Some(previous) if !follows(previous) => Place::Between,
            Some(previous) if precedes(previous, rule.gap_ms) => Place::Previous,
            Some(_) => Place::Before,
            None => Place::Between,
        }
    }
}

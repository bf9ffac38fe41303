//! Sessions: events with no gap longer than the declared one between them, in event time.

use super::attribute;
use super::event::{Event, is_page};
use super::field::beginning;
use super::profile::{PageView, Profile, Session};
use super::react::Change;
use super::rulebook::RuleBook;
use super::time::Timestamp;

/// Puts an event into the current session, or starts a new one. What a device kept and sent after its next event
/// belongs to the session that it precedes by no more than the gap; that began earlier then. An event from
/// further back leaves sessions alone: the one it belonged to is over.
pub(crate) fn apply(change: &mut Change<'_>, event: &Event) {
    let rule = &change.rules.session;
    let gap_ms = rule.gap_ms;
    let at = event.timestamp;
    let session = &mut change.profile.session;
    let begins = session.count == 0 || at.since_ms(session.last_at) > gap_ms;
    if begins {
        let count = session.count.saturating_add(1);
        *session = Session { count, events: 1, started_at: at, last_at: at, ..Session::default() };
    } else if session.started_at.since_ms(at) <= if rule.extends_back { gap_ms } else { 0 } {
        session.events = session.events.saturating_add(1);
        session.started_at = session.started_at.min(at);
        session.last_at = session.last_at.max(at);
    } else {
        return;
    }
    session.open = change.now.since_ms(session.last_at) <= gap_ms;
    change.touched.session = true;
    change.in_session = true;
    if begins {
        attribute::begin_session(change);
    }
    if change.rules.session.pages_max > 0 && is_page(&event.name) {
        visit(&mut change.profile.session, event, change.rules.session.pages_max);
    }
}

/// Puts a page into the path of the session, where its time says.
fn visit(session: &mut Session, event: &Event, pages_max: usize) {
    let Some(path) = event.page.as_deref() else { return };
    let medium = event.properties.text("referrer_medium").map(|medium| beginning(medium).into());
    let page = PageView { at: event.timestamp, path: beginning(path).into(), medium };
    if session.entry.as_ref().is_none_or(|entry| page < *entry) {
        session.entry = Some(page.clone());
    }
    let place = session.pages.partition_point(|other| *other < page);
    session.pages.insert(place, page);
    if session.pages.len() > pages_max {
        session.pages.remove(0);
    }
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
    let due = profile.session.last_at.plus_ms(rules.session.gap_ms.saturating_add(1));
    (rules.session.timed && profile.session.open).then_some(due)
}

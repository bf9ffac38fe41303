//! Attributes at work: what an event adds to each, what time takes away, and what they say.

use compact_str::CompactString;

use super::decision::Emission;
use super::distinct;
use super::event::Event;
use super::field::MILLIONTHS;
use super::freshness::Status;
use super::limit::Limit;
use super::points::Point;
use super::profile::Profile;
use super::purchase::Order;
use super::react::Change;
use super::rulebook::{Aggregation, AttributeRule, NameId, Window};
use super::scalar::Scalar;
use super::session::Joined;
use super::session_values::SessionValues;
use super::time::Timestamp;

/// What an attribute says about a person.
#[derive(Clone, Debug, PartialEq)]
pub enum AttributeValue<'p> {
    /// Nothing yet, or nothing any more.
    Missing,
    /// A whole number.
    Whole(i64),
    /// A number.
    Number(f64),
    /// True or false.
    Truth(bool),
    /// A text.
    Text(&'p str),
    /// A list of texts.
    Texts(Vec<&'p str>),
}

/// Takes out of the windows what has left them, so that what is read is never too high. Where a window does
/// not change by itself, conditions look at it again with the next event, not when time passes.
pub(crate) fn expire(change: &mut Change<'_>, fell_unseen: bool) {
    for rule in &change.rules.attributes {
        let Some(timed) = rule.timed() else { continue };
        let aged = rule.aged(change.profile, change.before) != rule.aged(change.profile, change.now);
        let fallen = rule.expire(change.profile, change.before, change.now) || aged;
        let shows = if change.event.is_some() { fallen || (fell_unseen && !timed) } else { fallen && timed };
        if shows {
            change.touched.attributes.push(&rule.name);
        }
    }
}

/// Adds an event to the attributes for which it counts.
pub(crate) fn count(change: &mut Change<'_>, event: &Event) {
    for rule in &change.rules.attributes {
        let is_meant = if rule.of_session {
            change.joined == Some(Joined::Current)
        } else {
            !(change.late && rule.window.is_some())
        };
        if !is_meant || !rule.counts(event, change) {
            continue;
        }
        let renewed = rule.renew(change.profile, event.timestamp, change.now);
        if rule.add(change.profile, event, change.now, change.emissions) || renewed {
            change.touched.attributes.push(&rule.name);
        }
    }
    if change.joined == Some(Joined::Previous) {
        count_in_previous(change, event);
    }
}

/// Adds an event to the attributes of the session as they were in the visit before the current one.
fn count_in_previous(change: &mut Change<'_>, event: &Event) {
    let rules = &change.rules.attributes;
    let Some(mut previous) = change.profile.session.previous.take() else { return };
    let mut current = SessionValues::take(rules, change.profile);
    previous.values.put(rules, change.profile);
    for rule in rules.iter().filter(|rule| rule.of_session) {
        if rule.counts(event, change) {
            rule.add(change.profile, event, change.now, change.emissions);
        }
    }
    previous.values.extend(SessionValues::take(rules, change.profile));
    current.put(rules, change.profile);
    change.profile.session.previous = Some(previous);
}

/// Lets the attributes of the session start afresh. Returns what they held.
pub(crate) fn begin_session(change: &mut Change<'_>) -> SessionValues {
    let held = SessionValues::take(&change.rules.attributes, change.profile);
    change.touched.attributes.extend(held.names(&change.rules.attributes));
    held
}

/// Puts right what was added for an order, now that a trusted source has told what it is worth. Where the order
/// was heard of too late for windows, nothing was added to those.
pub(crate) fn correct(change: &mut Change<'_>, event: &Event, before: &Order, after: &Order) {
    let more = |after: u64, before: u64| {
        i64::try_from(after).unwrap_or(i64::MAX).saturating_sub(i64::try_from(before).unwrap_or(i64::MAX))
    };
    for rule in change.rules.attributes.iter().filter(|rule| !rule.of_session) {
        let amount = match rule.aggregation {
            Aggregation::Value => after.money.hundredths.saturating_sub(before.money.hundredths),
            Aggregation::Units => more(after.units, before.units),
            _ => continue,
        };
        if (before.late && rule.window.is_some()) || !rule.counts(event, change) {
            continue;
        }
        let (at, now, window) = (before.at, change.now, rule.window.as_ref());
        if change.profile.counters.change(rule.id, |counter| counter.add(amount, at, now, window)) {
            change.touched.attributes.push(&rule.name);
        }
    }
}

impl AttributeRule {
    /// An attribute of all events with one of these names, or of all events if there are no names.
    pub fn new(
        name: &str,
        events: Vec<CompactString>,
        aggregation: Aggregation,
        window: Option<Window>,
    ) -> AttributeRule {
        let bucket_ms = window.as_ref().map_or(0, |window| window.bucket_ms);
        let zone = window.as_ref().and_then(|window| window.zone.as_ref());
        let days = zone.map_or(String::new(), |zone| format!("|{}", zone.name));
        let [id, evidence] = match aggregation.shape() {
            Some(shape) => [
                NameId::of(&format!("{name}|{shape}|{bucket_ms}{days}")),
                NameId::of(&format!("{name}|{shape}|evidence|{bucket_ms}{days}")),
            ],
            None if aggregation == Aggregation::Count => [NameId::of(&format!("{name}{days}")); 2],
            None => [
                NameId::of(&format!("{name}{days}")),
                NameId::of(&format!("{name}|evidence|{bucket_ms}{days}")),
            ],
        };
        let name = name.into();
        let (filter, of_session, freshness, purposes, parts) = (None, false, None, Vec::new(), Vec::new());
        AttributeRule {
            id,
            evidence,
            name,
            events,
            filter,
            aggregation,
            window,
            of_session,
            freshness,
            purposes,
            parts,
        }
    }

    /// What it says about a person, as of the profile's last change.
    pub fn value<'p>(&self, profile: &'p Profile) -> AttributeValue<'p> {
        if self.aged(profile, profile.as_of) == Status::Expired {
            return AttributeValue::Missing;
        }
        let number = profile.number(self.id);
        let points = || profile.points(self.id);
        match &self.aggregation {
            Aggregation::Count | Aggregation::Units => AttributeValue::Whole(number),
            Aggregation::Value => AttributeValue::Number(number as f64 / 100.0),
            Aggregation::Sum(_) => AttributeValue::Number(number as f64 / MILLIONTHS),
            Aggregation::Mean(_) => match profile.number(self.evidence) {
                0 => AttributeValue::Missing,
                evidence => AttributeValue::Number(number as f64 / evidence as f64 / MILLIONTHS),
            },
            // Those after it, which are not so small or not so large, will follow when it has left the window.
            Aggregation::Min(_) | Aggregation::Max(_) => {
                points().first().map_or(AttributeValue::Missing, in_units)
            }
            Aggregation::First(_) => points().first().map_or(AttributeValue::Missing, of_point),
            Aggregation::Last(_) => points().last().map_or(AttributeValue::Missing, of_point),
            Aggregation::List(_, most) => {
                AttributeValue::Texts(points().iter().rev().filter_map(text).take(*most).collect())
            }
            Aggregation::Distinct(_) => AttributeValue::Whole(distinct::estimate(points())),
            Aggregation::MostFrequent(_) => {
                let most_frequent = profile.frequencies(self.id).and_then(|of| of.top(1).first().copied());
                most_frequent.map_or(AttributeValue::Missing, AttributeValue::Text)
            }
            Aggregation::Top(_, most) => {
                AttributeValue::Texts(profile.frequencies(self.id).map_or(Vec::new(), |of| of.top(*most)))
            }
            Aggregation::Since(elapsed) => {
                let steps = points().first().map(|point| elapsed.steps(point.at, profile.as_of));
                steps.map_or(AttributeValue::Missing, AttributeValue::Whole)
            }
            Aggregation::Gaps(_) => match profile.number(self.evidence) {
                0 => AttributeValue::Missing,
                // Numbers that come twice hide others that are missing; below zero there is nothing.
                count => AttributeValue::Whole(number.saturating_sub(count).max(0)),
            },
            Aggregation::Lifecycle(lifecycle) => {
                let stage = lifecycle.stage(points(), profile.as_of);
                stage.map_or(AttributeValue::Missing, AttributeValue::Text)
            }
            Aggregation::Funnel(funnel) => AttributeValue::Whole(funnel.depth(points())),
            Aggregation::Affinity | Aggregation::Coalesce => {
                self.said(profile).next().unwrap_or(AttributeValue::Missing)
            }
            Aggregation::Score(scale) => {
                let mark = self.said(profile).next().and_then(|value| scale.mark(&value));
                mark.map_or(AttributeValue::Missing, AttributeValue::Whole)
            }
        }
    }

    /// When its value changes next if nothing happens, or how far it is believed, where that is a change of its own.
    pub fn due(&self, profile: &Profile) -> Option<Timestamp> {
        let ages = self.freshness.as_ref().and_then(|freshness| freshness.due(profile));
        self.falls(profile).into_iter().chain(ages).min()
    }

    fn falls(&self, profile: &Profile) -> Option<Timestamp> {
        if self.is_derived() {
            return self.part_due(profile);
        }
        if let Aggregation::Since(elapsed) = &self.aggregation {
            let point = profile.points(self.id).first().filter(|_| elapsed.timed)?;
            return elapsed.due(point.at, profile.as_of);
        }
        if let Aggregation::Lifecycle(lifecycle) = &self.aggregation {
            return lifecycle.due(profile.points(self.id), profile.as_of).filter(|_| lifecycle.timed);
        }
        let window = self.window.as_ref().filter(|window| window.timed)?;
        if let Aggregation::Funnel(funnel) = &self.aggregation {
            funnel.due(profile.kept_points(self.id)?, window)
        } else if self.aggregation.keep().is_some() {
            profile.kept_points(self.id)?.due(window)
        } else if self.aggregation.is_frequency() {
            profile.frequencies(self.id)?.due(window)
        } else {
            let is_mean = matches!(self.aggregation, Aggregation::Mean(_));
            profile.counters.get(if is_mean { self.evidence } else { self.id })?.due(window)
        }
    }

    /// Whether what falls with time is a change of its own; none where nothing falls with time.
    fn timed(&self) -> Option<bool> {
        match &self.aggregation {
            Aggregation::Since(elapsed) => Some(elapsed.timed),
            Aggregation::Lifecycle(lifecycle) => Some(lifecycle.timed),
            _ => {
                let window = self.window.as_ref().map(|window| window.timed);
                window.or(self.freshness.as_ref().map(|freshness| freshness.timed))
            }
        }
    }

    /// Takes out what has left the window. Returns whether the value may have changed since `before`.
    fn expire(&self, profile: &mut Profile, before: Timestamp, now: Timestamp) -> bool {
        if let Aggregation::Since(elapsed) = &self.aggregation {
            let at = profile.points(self.id).first().map(|point| point.at);
            return at.is_some_and(|at| elapsed.steps(at, before) != elapsed.steps(at, now));
        }
        if let Aggregation::Lifecycle(lifecycle) = &self.aggregation {
            let stage = |at| lifecycle.stage(profile.points(self.id), at);
            return stage(before) != stage(now);
        }
        let Some(window) = &self.window else { return false };
        if let Aggregation::Funnel(funnel) = &self.aggregation {
            let before = funnel.depth(profile.points(self.id));
            profile.change_points(self.id, |points| points.expire(now, window));
            return funnel.depth(profile.points(self.id)) != before;
        }
        if self.aggregation.keep().is_some() {
            return profile.change_points(self.id, |points| points.expire(now, window));
        }
        if self.aggregation.is_frequency() {
            return profile.change_frequencies(self.id, |frequencies| frequencies.expire(now, window));
        }
        let fallen = profile.counters.expire(self.id, now, window);
        let evidence_fell = self.evidence != self.id && profile.counters.expire(self.evidence, now, window);
        // Of a mean of several values the same may be left when one has left.
        fallen || (evidence_fell && matches!(self.aggregation, Aggregation::Mean(_)))
    }

    fn counts(&self, event: &Event, change: &Change<'_>) -> bool {
        let named = self.events.is_empty() || self.events.contains(&event.name);
        named && self.filter.as_ref().is_none_or(|filter| filter.holds(&change.scope()) == Some(true))
    }

    /// Adds an event that counts, and says where a value is lost to that. Returns whether the attribute can have
    /// changed.
    fn add(&self, profile: &mut Profile, event: &Event, now: Timestamp, lost: &mut Vec<Emission>) -> bool {
        let (at, window) = (event.timestamp, self.window.as_ref());
        let mut add = |id: NameId, amount: i64| {
            profile.counters.change(id, |counter| counter.add(amount, at, now, window))
        };
        // How many values there were is no news of a sum, but it is of a mean.
        let mut sum = |amount: i64, values: usize| {
            let news = add(self.evidence, values as i64);
            let changed = add(self.id, amount);
            if matches!(self.aggregation, Aggregation::Mean(_)) { news } else { changed }
        };
        match &self.aggregation {
            Aggregation::Count => add(self.id, 1),
            Aggregation::Units => {
                sum(event.items.iter().map(|item| i64::from(item.quantity)).sum(), event.items.len())
            }
            Aggregation::Value => {
                let hundredths = event.money().hundredths;
                sum(hundredths, usize::from(hundredths != 0))
            }
            Aggregation::Sum(field) => sum(field.sum(event), field.numbers(event).len()),
            Aggregation::Mean(field) => {
                let numbers = field.numbers(event);
                sum(numbers.iter().copied().fold(0, i64::saturating_add), numbers.len())
            }
            Aggregation::Min(field) | Aggregation::Max(field) => {
                let numbers = field.numbers(event).into_iter().map(Scalar::Integer);
                self.keep(profile, numbers, at, now)
            }
            Aggregation::First(field) | Aggregation::Last(field) => {
                self.keep(profile, field.scalars(event), at, now)
            }
            Aggregation::List(field, _) => self.keep(profile, field.texts(event).map(Scalar::Text), at, now),
            Aggregation::Distinct(field) => {
                self.keep(profile, field.texts(event).map(|text| distinct::mark(&text)), at, now)
            }
            Aggregation::MostFrequent(field) | Aggregation::Top(field, _) => {
                profile.change_frequencies(self.id, |frequencies| {
                    let mut counted = false;
                    for text in field.texts(event) {
                        counted |= frequencies.add(&text, at, now, window);
                        if frequencies.keep_most_frequent() {
                            lost.push(Emission::Lost(Limit::Attributes));
                        }
                    }
                    counted
                })
            }
            Aggregation::Since(_) | Aggregation::Lifecycle(_) => {
                self.keep(profile, [Scalar::Bool(true)], at, now)
            }
            Aggregation::Funnel(funnel) => {
                let before = funnel.depth(profile.points(self.id));
                self.keep(profile, funnel.step(event), at, now);
                funnel.depth(profile.points(self.id)) != before
            }
            Aggregation::Gaps(field) => {
                let mut counted = false;
                for number in field.numbers(event).into_iter().filter_map(in_sequence) {
                    let more = (number - profile.number(self.id)).max(0);
                    profile.counters.change(self.id, |counter| counter.add(more, at, now, None));
                    counted |=
                        profile.counters.change(self.evidence, |counter| counter.add(1, at, now, None));
                }
                counted
            }
            Aggregation::Affinity | Aggregation::Coalesce | Aggregation::Score(_) => false,
        }
    }

    pub(crate) fn keep(
        &self,
        profile: &mut Profile,
        values: impl IntoIterator<Item = Scalar>,
        at: Timestamp,
        now: Timestamp,
    ) -> bool {
        let Some(keep) = self.aggregation.keep() else { return false };
        profile.change_points(self.id, |points| {
            let mut kept = false;
            for value in values {
                kept |= points.add(Point { at, value }, keep, now, self.window.as_ref());
            }
            kept
        })
    }
}

/// A number of a sequence, of one in millionths.
fn in_sequence(millionths: i64) -> Option<i64> {
    const ONE: i64 = MILLIONTHS as i64;
    (millionths >= ONE && millionths % ONE == 0).then_some(millionths / ONE)
}

fn in_units(point: &Point) -> AttributeValue<'_> {
    match point.value {
        Scalar::Integer(millionths) => AttributeValue::Number(millionths as f64 / MILLIONTHS),
        _ => AttributeValue::Missing,
    }
}

fn text(point: &Point) -> Option<&str> {
    match &point.value {
        Scalar::Text(text) => Some(text),
        _ => None,
    }
}

fn of_point(point: &Point) -> AttributeValue<'_> {
    AttributeValue::of_scalar(&point.value)
}

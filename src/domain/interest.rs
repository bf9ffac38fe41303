//! Interests: what a person's events add to the affinities, and which values become tags.

use compact_str::CompactString;
use smallvec::SmallVec;
use thin_vec::ThinVec;

use super::affinity::{Affinity, TOLERANCE};
use super::decision::{Emission, SegmentChange};
use super::event::{Event, Item};
use super::growth::make_room;
use super::limit::Limit;
use super::profile::{Cause, Profile};
use super::react::{Change, Happened};
use super::rulebook::{Facet, InterestRule, RuleBook};
use super::segment::transition_id;
use super::time::Timestamp;

/// The most values above an item's own that count.
const STEPS_MAX: usize = 7;

/// Adds the event to the affinities of every interest that weighs it.
pub(crate) fn apply(change: &mut Change<'_>, event: &Event) {
    let rules = change.rules;
    for rule in &rules.interests {
        let Some((_, weight)) = rule.weights.iter().find(|(name, _)| *name == event.name) else { continue };
        change.touched.interests.push(&rule.name);
        let mut last = 0;
        for value in event.items.iter().flat_map(|item| rule.values(item)) {
            last = add(change, rule, event, value, *weight);
        }
        // Only after the last item, so that no value becomes a tag and is dropped by one and the same event.
        for value in event.items.iter().flat_map(|item| rule.values(item)) {
            tag(change, rule, value, last);
        }
    }
}

/// Takes back the tags whose scores have fallen below their limit: all, or only those that fall by
/// themselves.
pub(crate) fn untag(change: &mut Change<'_>, timed_only: bool) {
    let rules = change.rules;
    for rule in rules.interests.iter().filter(|rule| rule.timed || !timed_only) {
        let hour = change.now.hour();
        let fallen: Vec<CompactString> = change
            .profile
            .affinities_mut(rule.id)
            .iter_mut()
            .filter(|affinity| affinity.tagged_at.is_some())
            .filter(|affinity| affinity.score_at(hour, &rule.decay) < rule.leave - TOLERANCE)
            .map(|affinity| {
                affinity.tagged_at = None;
                affinity.value.clone()
            })
            .collect();
        for value in fallen {
            changed(change, rule, &value, false);
        }
    }
}

/// When the first tag is lost if nothing happens.
pub(crate) fn due(rules: &RuleBook, profile: &Profile) -> Option<Timestamp> {
    rules.interests.iter().filter_map(|rule| due_of(rule, profile)).min()
}

/// The same for the tags of one interest.
pub(crate) fn due_of(rule: &InterestRule, profile: &Profile) -> Option<Timestamp> {
    if !rule.timed {
        return None;
    }
    let tagged = profile.affinities(rule.id).iter().filter(|affinity| affinity.tagged_at.is_some());
    tagged.filter_map(|affinity| affinity.falls_below(rule.leave, &rule.decay)).min()
}

/// Adds a weight to a value. Answers where it stands.
fn add<'a>(
    change: &mut Change<'a>,
    rule: &'a InterestRule,
    event: &Event,
    value: &str,
    weight: f64,
) -> usize {
    let hour = change.now.hour();
    let affinities = change.profile.affinities_mut(rule.id);
    let at = position(affinities, value).unwrap_or_else(|at| {
        make_room(affinities);
        affinities.insert(at, Affinity::new(value, hour));
        at
    });
    let Some(affinity) = affinities.get_mut(at) else { return at };
    affinity.add(weight, event.timestamp.hour(), hour, &rule.decay);
    let evicted = if affinities.len() > rule.values_max { evict(affinities, hour, rule) } else { None };
    let Some(affinity) = evicted else { return at };
    change.emissions.push(Emission::Lost(Limit::Interests));
    if affinity.tagged_at.is_some() {
        changed(change, rule, &affinity.value, false);
    }
    at
}

/// Makes a value a tag if its score has reached the limit. Most events have one value, which stands where one was
/// added `last`.
fn tag<'a>(change: &mut Change<'a>, rule: &'a InterestRule, value: &str, last: usize) {
    let (now, hour) = (change.now, change.now.hour());
    let affinities = change.profile.affinities_mut(rule.id);
    let is_there = affinities.get(last).is_some_and(|affinity| affinity.value == value);
    let at = if is_there { Some(last) } else { position(affinities, value).ok() };
    let Some(affinity) = at.and_then(|at| affinities.get_mut(at)) else { return };
    let is_enough = affinity.evidence >= rule.evidence_min
        && affinity.score_at(hour, &rule.decay) >= rule.enter - TOLERANCE;
    if is_enough && affinity.tagged_at.is_none() {
        affinity.tagged_at = Some(now);
        changed(change, rule, value, true);
    }
}

/// Where a value is among the affinities, or where it would have to be.
fn position(affinities: &[Affinity], value: &str) -> Result<usize, usize> {
    affinities.binary_search_by(|affinity| (*affinity.value).cmp(value))
}

/// Drops the value with the lowest score; among equals the one whose name is last.
fn evict(affinities: &mut ThinVec<Affinity>, hour: i64, rule: &InterestRule) -> Option<Affinity> {
    let score = |affinity: &Affinity| affinity.score_at(hour, &rule.decay);
    let lowest = affinities.iter().map(score).min_by(f64::total_cmp)?;
    let equals = affinities.iter().enumerate().filter(|(_, affinity)| score(affinity) <= lowest + TOLERANCE);
    let (at, _) = equals.max_by(|one, other| one.1.value.cmp(&other.1.value))?;
    Some(affinities.remove(at))
}

/// Says that a value became a tag, or is none any more.
fn changed<'a>(change: &mut Change<'a>, rule: &'a InterestRule, value: &str, entered: bool) {
    change.touched.tags.push(&rule.name);
    if entered {
        change.happened.push(Happened::Tagged(&rule.name));
    }
    if !rule.as_segments {
        return;
    }
    let segment: CompactString = format!("{}:{value}", rule.name).into();
    let cause = match &change.profile.cause {
        Cause::Event(message_id) => Some(message_id.clone()),
        Cause::None | Cause::Time => None,
    };
    let version = change.profile.version;
    change.emissions.push(Emission::SegmentChange(SegmentChange {
        transition_id: transition_id(change.person, &segment, version, &change.occasion(), entered),
        person: change.person.clone(),
        segment,
        entered,
        at: change.at,
        profile_version: version,
        cause,
        definitions: change.rules.fingerprint,
    }));
}

impl InterestRule {
    /// The values that an item has: its own, after those above it, the widest first.
    fn values<'i>(&self, item: &'i Item) -> SmallVec<[&'i str; 1]> {
        let mut values = SmallVec::new();
        let Some(value) = self.facet.value(item) else { return values };
        if let Some(separator) = self.roll_up.as_deref() {
            let steps = value.match_indices(separator);
            let above = steps.filter_map(|(end, _)| value.get(..end)).filter(|above| !above.is_empty());
            values.extend(above.take(STEPS_MAX));
        }
        values.push(value);
        values
    }

    /// Whether a value has none above it.
    pub(crate) fn is_widest(&self, value: &str) -> bool {
        self.roll_up.as_deref().is_none_or(|separator| !value.contains(separator))
    }
}

impl Facet {
    /// The value that an item has.
    pub fn value(self, item: &Item) -> Option<&str> {
        let value = match self {
            Facet::Category => item.category.as_deref(),
            Facet::Brand => item.brand.as_deref(),
            Facet::Item => Some(&*item.item_id),
        };
        value.filter(|value| !value.is_empty())
    }
}

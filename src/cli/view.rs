//! Profiles, decisions and segment changes as trees of JSON with names and instants that people can read:
//! what `test` compares and `explain` shows. Not a format for other programs: that is what the topics have.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::codec::output::attribute::AttributeStatus;
use crate::codec::output::content_decision::ContentDecision;
use crate::codec::output::profile_update::{ProfileUpdate, TraitValue};
use crate::codec::output::segment_change::{SegmentChangeKind, SegmentChangeRecord};
use crate::codec::reject::Reject;
use crate::domain::attribute::AttributeValue;
use crate::domain::person::Person;
use crate::domain::profile::{Profile, SegmentStatus};
use crate::domain::rulebook::{Aggregation, RuleBook};
use crate::domain::session;
use crate::domain::site::Site;
use crate::domain::time::Timestamp;

/// A profile under the names of its definitions, with what falls due and when.
pub(super) fn profile(person: &Person, profile: &Profile, rules: &RuleBook, site: &Site) -> Value {
    let update = ProfileUpdate::of(person, profile, rules, site);
    let attributes = rules.attributes.iter();
    let attributes = attributes.map(|rule| (rule.name.to_string(), attribute(rule.value(profile))));
    let traits = update.traits.iter().map(|of| (of.name.to_string(), trait_value(&of.value)));
    let tags = rules.interests.iter().map(|rule| {
        let tags = update.tags.iter().filter(|tag| *tag.interest == *rule.name);
        (rule.name.to_string(), Value::from_iter(tags.map(|tag| tag.value.to_string())))
    });
    let site_as_of = update.interests.iter();
    let site_as_of = site_as_of.map(|of| (of.name.to_string(), json!(of.site_as_of.map(instant))));
    let revenue = update.orders.revenue.iter();
    let revenue = revenue.map(|of| (of.currency.to_string(), number(of.amount_hundredths as f64 / 100.0)));
    let due = due(profile, rules).into_iter();
    let statuses = update.attributes.iter().filter(|of| of.status != AttributeStatus::Present);
    let statuses = statuses.map(|of| (of.name.to_string(), lower(&of.status)));
    let rests = update.attributes.iter().filter(|of| of.n_eff != 0.0);
    let rests = rests.map(|of| (of.name.to_string(), number(of.n_eff)));
    let segment_rests = update.segments.iter().map(|of| (of.segment.to_string(), number(of.n_eff)));
    let segment_statuses = update.segments.iter().map(|of| (of.segment.to_string(), lower(&of.status)));
    let until = update.segments.iter().map(|of| (of.segment.to_string(), json!(of.valid_until.map(instant))));
    let since = update.segments.iter().map(|of| (of.segment.to_string(), json!(instant(of.entered_at))));
    json!({
        "person": update.person,
        "version": update.version,
        "as_of": instant(update.as_of),
        "events_applied": update.events_applied,
        "first_at": update.first_at.map(instant),
        "last_at": update.last_at.map(instant),
        "cause": { "kind": lower(&update.cause.kind), "message_id": update.cause.message_id },
        "traits": Map::from_iter(traits),
        "attributes": Map::from_iter(attributes),
        "statuses": Map::from_iter(statuses),
        "n_eff": Map::from_iter(rests),
        "interests": interests(&update),
        "site_as_of": Map::from_iter(site_as_of),
        "tags": Map::from_iter(tags),
        "session": {
            "count": update.session.count, "events": update.session.events, "open": update.session.open,
            "started_at": update.session.started_at.map(instant),
            "last_at": update.session.last_at.map(instant),
            "entry_page": update.session.entry_page, "referrer_medium": update.session.referrer_medium,
            "pages": Value::from_iter(update.session.pages.iter().map(|page| page.path.to_string())),
            "dwell_ms": Value::from_iter(update.session.pages.iter().map(|page| page.dwell_ms)),
            "scroll_pct": Value::from_iter(update.session.pages.iter().map(|page| page.scroll_pct)),
        },
        "recent": update.recent_items,
        "orders": {
            "count": update.orders.count, "units": update.orders.units, "revenue": Map::from_iter(revenue),
            "first_at": update.orders.first_at.map(instant), "last_at": update.orders.last_at.map(instant),
        },
        "segments": Value::from_iter(update.segments.iter().map(|of| of.segment.to_string())),
        "in_segment_since": Map::from_iter(since),
        "in_segment_until": Map::from_iter(until),
        "in_segment_n_eff": Map::from_iter(segment_rests),
        "in_segment_status": Map::from_iter(segment_statuses),
        "completeness": number(update.completeness),
        "contradictions": update.contradictions,
        "capped": update.capped,
        "due": Value::from_iter(due.map(|(at, what)| json!({ "at": instant(at.ms()), "what": what }))),
    })
}

/// A decision: the ids alone in `ranked`, everything about them in `items`.
pub(super) fn decision(decision: &ContentDecision<'_>) -> Value {
    let items = decision.ranked.iter().map(|item| {
        let reasons = item.reasons.iter().map(
            |of| json!({ "code": of.code, "weight": of.weight, "evidence": of.evidence, "n_eff": of.n_eff }),
        );
        json!({
            "rank": item.rank, "content_id": item.content_id, "score": item.score,
            "reasons": Value::from_iter(reasons),
        })
    });
    let excluded = decision.excluded.iter().map(|of| (of.content_id.to_string(), json!(of.reason)));
    let cause = &decision.cause;
    json!({
        "decision_id": decision.decision_id,
        "request_id": decision.request_id,
        "slot": decision.slot,
        "person": decision.person,
        "profile_version": decision.profile_version,
        "at": instant(decision.at),
        "cause": { "kind": lower(&cause.kind), "message_id": cause.message_id, "rule": cause.rule },
        "policy": decision.policy,
        "ladder": lower(&decision.ladder),
        "fallback": decision.fallback,
        "ranked": Value::from_iter(decision.ranked.iter().map(|item| item.content_id.to_string())),
        "items": Value::from_iter(items),
        "excluded": Map::from_iter(excluded),
        "valid_until": decision.valid_until.map(instant),
        "last_at": decision.last_at.map(instant),
        "status": lower(&decision.status),
    })
}

/// A segment change.
pub(super) fn segment_change(change: &SegmentChangeRecord<'_>) -> Value {
    json!({
        "transition_id": change.transition_id,
        "person": change.person,
        "segment": change.segment,
        "entered": change.change == SegmentChangeKind::Entered,
        "at": instant(change.at),
        "profile_version": change.profile_version,
        "message_id": change.message_id,
    })
}

/// Why a record cannot be used.
pub(super) fn reject(reject: &Reject) -> Value {
    let said = [("code", reject.code.as_str()), ("path", &reject.path), ("message", &reject.message)];
    let mut shown = Map::from_iter(said.map(|(name, text)| (name.to_owned(), json!(text))));
    if let Some(rule) = &reject.rule {
        shown.insert("schema".to_owned(), json!(rule.event));
        shown.insert("version".to_owned(), json!(rule.version));
        shown.insert("rule".to_owned(), json!(rule.keyword));
    }
    Value::Object(shown)
}

/// An instant as ISO 8601; the milliseconds themselves where they are beyond what that can say.
pub(super) fn instant(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| ms.to_string(), |at| at.to_string())
}

fn interests(update: &ProfileUpdate<'_>) -> Value {
    let interests = update.interests.iter().map(|interest| {
        let values = interest.affinities.iter().map(|of| {
            json!({
                "value": of.value, "score": of.score, "share": of.share, "lift": of.lift,
                "evidence": of.evidence, "n_eff": of.n_eff, "tagged_at": of.tagged_at.map(instant),
            })
        });
        (interest.name.to_string(), Value::from_iter(values))
    });
    Value::Object(Map::from_iter(interests))
}

/// What changes by itself if nothing happens, earliest first.
pub(super) fn due(profile: &Profile, rules: &RuleBook) -> Vec<(Timestamp, String)> {
    let mut due: Vec<(Timestamp, String)> = Vec::new();
    for rule in &rules.attributes {
        let moves = match rule.aggregation {
            Aggregation::Since(_) => "rises",
            Aggregation::Lifecycle(_)
            | Aggregation::Affinity
            | Aggregation::Coalesce
            | Aggregation::Score(_) => "moves on",
            _ if rule.freshness.is_some() => "falls or ages",
            _ => "falls",
        };
        due.extend(rule.due(profile).map(|at| (at, format!("attribute {} {moves}", rule.name))));
    }
    for rule in rules.interests.iter().filter(|rule| rule.timed) {
        let tagged = profile.affinities(rule.id).iter().filter(|affinity| affinity.tagged_at.is_some());
        due.extend(tagged.filter_map(|affinity| {
            let at = affinity.falls_below(rule.leave, &rule.decay)?;
            Some((at, format!("tag {} {} is lost", rule.name, affinity.value)))
        }));
    }
    due.extend(session::due(rules, profile).map(|at| (at, "the session ends".to_owned())));
    for rule in &rules.segments {
        if let Some(SegmentStatus::Pending { due_at }) = profile.segment(rule.id).map(|state| state.status) {
            due.push((due_at, format!("segment {} is entered", rule.name)));
        }
    }
    due.sort();
    due
}

fn attribute(value: AttributeValue<'_>) -> Value {
    match value {
        AttributeValue::Missing => Value::Null,
        AttributeValue::Whole(value) => json!(value),
        AttributeValue::Number(value) => number(value),
        AttributeValue::Truth(value) => json!(value),
        AttributeValue::Text(value) => json!(value),
        AttributeValue::Texts(values) => json!(values),
    }
}

/// A whole number without decimals.
fn number(value: f64) -> Value {
    let whole = value.fract() == 0.0 && value.abs() < 9e15;
    if whole { json!(value as i64) } else { json!(value) }
}

fn trait_value(value: &TraitValue<'_>) -> Value {
    match value {
        TraitValue::Boolean(value) => json!(value),
        TraitValue::Long(value) => json!(value),
        TraitValue::Double(value) => json!(value),
        TraitValue::String(value) => json!(value),
        TraitValue::Array(values) => json!(values),
    }
}

/// A name of a closed list, in the letters that people write.
fn lower(name: &impl Serialize) -> Value {
    match serde_json::to_value(name) {
        Ok(Value::String(name)) => Value::String(name.to_lowercase()),
        _ => Value::Null,
    }
}

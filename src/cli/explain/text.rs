//! A person's story for people to read: short lines, the names first, the evidence below.

use super::Story;
use crate::cli::view::{self, instant};
use crate::codec::output::attribute::{Attribute, AttributeStatus};
use crate::codec::output::content_decision::{ContentDecision, DecisionCauseKind, LadderStep};
use crate::codec::output::profile_update::{ProfileCauseKind, ProfileOrders, ProfileSession, ProfileUpdate};
use crate::codec::output::segment_change::{SegmentChangeKind, SegmentChangeRecord};

impl Story {
    /// Everything, the profile first, then decisions and segment changes, the latest last.
    pub(super) fn text(&self) -> String {
        let mut lines = Vec::new();
        if let Some(profile) = &self.profile {
            about(&ProfileUpdate::of(&self.person, profile, &self.rules, &self.site), &mut lines);
            let due = view::due(profile, &self.rules);
            list("due", due.into_iter().map(|(at, what)| format!("{} {what}", instant(at.ms()))), &mut lines);
        } else {
            lines.push(self.person.to_string());
        }
        for of in &self.decisions {
            decision(of, &mut lines);
        }
        if !self.changes.is_empty() {
            lines.push(String::new());
            list("segment changes", self.changes.iter().map(change), &mut lines);
        }
        lines.join("\n")
    }
}

fn about(profile: &ProfileUpdate<'_>, lines: &mut Vec<String>) {
    let cause = match (profile.cause.kind, &profile.cause.message_id) {
        (ProfileCauseKind::Event, Some(id)) => format!("event {id}"),
        (ProfileCauseKind::Time, _) => "the passing of time".to_owned(),
        _ => "nothing yet".to_owned(),
    };
    lines.push(profile.person.to_string());
    let (version, events) = (profile.version, profile.events_applied);
    let as_of = instant(profile.as_of);
    lines.push(format!("  version {version} as of {as_of}, from {events} events, changed last by {cause}"));
    let segments = profile.segments.iter().map(|of| {
        let until = of.valid_until.map(|at| format!(", until {} at least", instant(at))).unwrap_or_default();
        format!("{} since {}{until}", of.segment, instant(of.entered_at))
    });
    list("segments", segments, lines);
    list("tags", profile.tags.iter().map(|tag| format!("{} {}", tag.interest, tag.value)), lines);
    for interest in &profile.interests {
        let values = interest.affinities.iter().map(|of| {
            let share = of.share * 100.0;
            let lift = of.lift.map(|lift| format!("{lift:.1} times the site's, ")).unwrap_or_default();
            format!("{} {share:.0} % ({lift}score {:.3}, {} events)", of.value, of.score, of.evidence)
        });
        list(&interest.name, values, lines);
    }
    list("attributes", profile.attributes.iter().filter_map(attribute), lines);
    list("session", session(&profile.session), lines);
    list("orders", orders(&profile.orders), lines);
    list("recent items", profile.recent_items.iter().map(ToString::to_string), lines);
}

/// None of a number that is zero, and of what never said anything.
fn attribute(of: &Attribute<'_>) -> Option<String> {
    if of.status == AttributeStatus::Expired {
        return Some(format!("{} is expired", of.name));
    }
    let said = match &of.text {
        Some(text) => text.to_string(),
        None if !of.texts.is_empty() => of.texts.join(", "),
        None if of.value != 0.0 => of.value.to_string(),
        None => return None,
    };
    let stale = if of.status == AttributeStatus::Stale { ", which is stale" } else { "" };
    Some(format!("{} {said}{stale}", of.name))
}

fn session(session: &ProfileSession<'_>) -> Option<String> {
    let (from, to) = (session.started_at?, session.last_at?);
    let state = if session.open { "open" } else { "over" };
    let (count, events) = (session.count, session.events);
    let entry = session.entry_page.as_ref().map(|page| format!(", entered at {page}")).unwrap_or_default();
    let medium = session.referrer_medium.as_ref().map(|medium| format!(" by {medium}")).unwrap_or_default();
    let (from, to) = (instant(from), instant(to));
    Some(format!("number {count}, {state}, {events} events from {from} to {to}{entry}{medium}"))
}

fn orders(orders: &ProfileOrders<'_>) -> Vec<String> {
    if orders.count == 0 && orders.revenue.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![format!("{} orders, {} units", orders.count, orders.units)];
    lines.extend(orders.revenue.iter().map(|of| {
        let sign = if of.amount_hundredths < 0 { "-" } else { "" };
        let amount = of.amount_hundredths.unsigned_abs();
        format!("{} {sign}{}.{:02}", of.currency, amount / 100, amount % 100)
    }));
    lines
}

fn decision(decision: &ContentDecision<'_>, lines: &mut Vec<String>) {
    lines.push(String::new());
    let ContentDecision { decision_id, slot, profile_version, .. } = decision;
    lines.push(format!("decision {decision_id} for {slot} at {}", instant(decision.at)));
    let (kind, message) = (decision.cause.kind, decision.cause.message_id.as_deref());
    let because = match (kind, &decision.cause.rule, message) {
        (DecisionCauseKind::Rule, Some(rule), Some(id)) => format!("rule {rule}, set off by event {id}"),
        (DecisionCauseKind::Rule, Some(rule), None) => format!("rule {rule}, set off by the passing of time"),
        (_, _, id) => {
            let request = decision.request_id.as_deref().unwrap_or("without an id");
            format!("request {request}, message {}", id.unwrap_or("unknown"))
        }
    };
    list("because of", [because], lines);
    let known = match decision.ladder {
        LadderStep::Personal => "the person's own interests",
        LadderStep::Popular => "base weights: nothing known speaks for any content",
        LadderStep::Fallback => "the slot's fallback list: no content is eligible",
        LadderStep::Nothing => "nothing: the slot is unknown or has no fallback",
        LadderStep::Unknown => "something that this version does not know",
    };
    list("ranked by", [format!("{known} (profile version {profile_version})")], lines);
    for item in &decision.ranked {
        lines.push(format!("  {:>2}. {:<28} {:.4}", item.rank, item.content_id, item.score));
        let reasons = item.reasons.iter();
        lines.extend(reasons.map(|of| format!("        {} {:.4}: {}", of.code, of.weight, of.evidence)));
    }
    list("holds until", decision.valid_until.map(instant), lines);
    list("left out", decision.excluded.iter().map(|of| format!("{} ({})", of.content_id, of.reason)), lines);
}

fn change(change: &SegmentChangeRecord<'_>) -> String {
    let way = if change.change == SegmentChangeKind::Entered { "entered" } else { "left" };
    let cause = change.message_id.as_deref().map_or("time passed".to_owned(), |id| format!("event {id}"));
    format!("{} {way} {}: {cause} (version {})", instant(change.at), change.segment, change.profile_version)
}

/// Values under one name, each on its line; nothing where there are none.
fn list(name: &str, values: impl IntoIterator<Item = String>, lines: &mut Vec<String>) {
    for (at, value) in values.into_iter().enumerate() {
        lines.push(format!("  {:<16} {value}", if at == 0 { name } else { "" }));
    }
}

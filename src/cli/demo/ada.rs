//! One person on the screen: what Ada does, what changes in her profile because of it, and which decisions
//! follow and why. Everything but her deeds is read from the public topics.

use std::collections::VecDeque;

use compact_str::CompactString;

use super::paint::Paint;
use super::script::{moment, topic};
use crate::codec::output::content_decision::{ContentDecision, DecisionCauseKind, LadderStep};
use crate::codec::output::profile_update::{Interest, ProfileCauseKind, ProfileUpdate};
use crate::codec::output::reading::{decode_decision, decode_profile_update, decode_segment_change};
use crate::codec::output::segment_change::{SegmentChangeKind, SegmentChangeRecord};
use crate::codec::wire::Source;
use crate::config::Config;
use crate::domain::event::Event;
use crate::runtime::broker::Record;
use crate::service::build::wire_source;
use crate::shop::{Kind, ShopRecord};

/// Her key.
pub(super) const ADA: &str = "user:ada";
/// How many values of an interest are shown.
const AFFINITIES_SHOWN: usize = 3;
/// How far what follows from a deed is indented: under its text.
const INDENT: &str = "              ";

/// What is known of her here.
pub(super) struct Ada {
    application: CompactString,
    sources: Vec<Source>,
    topics: [CompactString; 3],
    /// What she has done and nothing has followed from yet.
    deeds: VecDeque<Deed>,
    profile: Option<ProfileUpdate<'static>>,
    updates: Vec<ProfileUpdate<'static>>,
    changes: Vec<SegmentChangeRecord<'static>>,
    decisions: Vec<ContentDecision<'static>>,
}

struct Deed {
    message_id: CompactString,
    text: String,
}

impl Ada {
    pub(super) fn new(config: &Config) -> Ada {
        let topics = &config.topics;
        Ada {
            application: config.application.clone(),
            sources: config.sources.iter().map(|source| wire_source(config, source)).collect(),
            topics: [&topics.profile_updates, &topics.segment_changes, &topics.decisions].map(Clone::clone),
            deeds: VecDeque::new(),
            profile: None,
            updates: Vec::new(),
            changes: Vec::new(),
            decisions: Vec::new(),
        }
    }

    /// Whether a record tells of her.
    pub(super) fn is_hers(&self, record: &ShopRecord) -> bool {
        self.event(record).is_some()
    }

    /// Remembers what she does by this record, if it tells of her. Answers a line to be shown at once, where
    /// nothing can follow from it because it is a copy.
    pub(super) fn does(&mut self, record: &ShopRecord) -> Option<String> {
        let event = self.event(record)?;
        let text = format!("{}  Ada {}", moment(event.timestamp), deed(&event));
        if record.kind == Kind::Duplicate {
            return Some(format!("{text}: the same record again, from which nothing may follow"));
        }
        self.deeds.push_back(Deed { message_id: event.message_id, text });
        None
    }

    /// Takes in a record of the public topics if it is about her.
    pub(super) fn hears(&mut self, record: &Record) {
        if record.key.as_deref() != Some(ADA.as_bytes()) {
            return;
        }
        let value = record.value.as_deref().unwrap_or_default();
        let [updates, changes, decisions] = &self.topics;
        let topic = &*record.partition.topic;
        // What cannot be read is for the checks at the end to complain about.
        if topic == &**updates {
            self.updates.extend(decode_profile_update(value));
        } else if topic == &**changes {
            self.changes.extend(decode_segment_change(value));
        } else if topic == &**decisions {
            self.decisions.extend(decode_decision(value));
        }
    }

    /// Whether there is something to show.
    pub(super) fn has_news(&self) -> bool {
        !(self.updates.is_empty() && self.changes.is_empty() && self.decisions.is_empty())
    }

    /// Whether a decision is among what there is to show.
    pub(super) fn has_decisions(&self) -> bool {
        !self.decisions.is_empty()
    }

    /// The lines that tell what is new.
    pub(super) fn tell(&mut self, paint: Paint) -> Vec<String> {
        let mut lines = self.deeds_that_led_here(paint);
        for change in self.changes.drain(..) {
            let (sign, word) = match change.change {
                SegmentChangeKind::Left => ("-", "leaves"),
                SegmentChangeKind::Entered | SegmentChangeKind::Unknown => ("+", "enters"),
            };
            // Tags are told as segments are; their names have a colon.
            let kind = if change.segment.contains(':') { "tag" } else { "segment" };
            let cause = if change.message_id.is_none() { ", because time has passed" } else { "" };
            let text = format!("{sign} {word} {kind} {}{cause}", change.segment);
            lines.push(format!("{INDENT}{}", if sign == "+" { paint.good(text) } else { paint.dim(text) }));
        }
        if let Some(update) = self.updates.pop() {
            lines.extend(profile_lines(self.profile.as_ref(), &update, paint));
            self.profile = Some(update);
            self.updates.clear();
        }
        lines.extend(self.decisions.drain(..).flat_map(|decision| decision_lines(&decision, paint)));
        lines
    }

    fn event(&self, record: &ShopRecord) -> Option<Event> {
        let topic = topic(&self.application, record.topic);
        let source = self.sources.iter().find(|source| *source.topic == *topic)?;
        let event = source.decode_json(&record.value, record.at).ok()?;
        (event.person.as_str() == ADA).then_some(event)
    }

    /// Her deeds up to the last one that something followed from.
    fn deeds_that_led_here(&mut self, paint: Paint) -> Vec<String> {
        let updates = self.updates.iter().map(|update| &update.cause.message_id);
        let changes = self.changes.iter().map(|change| &change.message_id);
        let decisions = self.decisions.iter().map(|decision| &decision.cause.message_id);
        let causes: Vec<&str> = updates.chain(changes).chain(decisions).flatten().map(|id| &**id).collect();
        let led = |deed: &Deed| causes.contains(&&*deed.message_id);
        let count = self.deeds.iter().rposition(led).map_or(0, |last| last + 1);
        self.deeds.drain(..count).map(|deed| paint.person(deed.text)).collect()
    }
}

/// What an event is in words.
fn deed(event: &Event) -> String {
    let items: Vec<String> = event
        .items
        .iter()
        .map(|item| match &item.category {
            Some(category) => format!("{} ({category})", item.item_id),
            None => item.item_id.to_string(),
        })
        .collect();
    let items = items.join(" and ");
    match &*event.name {
        "page_viewed" => format!("opens {}", event.page.as_deref().unwrap_or("a page")),
        "identify" => "says who she is".into(),
        "products_searched" => {
            format!("searches for {}", event.properties.text("query").unwrap_or("something"))
        }
        "product_viewed" => format!("looks at {items}"),
        "product_added" => format!("puts {items} into her cart"),
        "product_removed" => format!("takes {items} out of her cart"),
        "checkout_started" => "goes to the till".into(),
        "order_completed" => {
            let money = event.money();
            format!("orders {items} for {:.2} {}", money.hundredths as f64 / 100.0, money.currency)
        }
        "decision_request" => {
            let slot = event.request.as_ref().map_or("?", |request| &*request.slot);
            format!("waits for the page, which asks what to show in {slot}")
        }
        other => format!("does {other}"),
    }
}

fn profile_lines(
    before: Option<&ProfileUpdate<'_>>,
    update: &ProfileUpdate<'_>,
    paint: Paint,
) -> Vec<String> {
    let version = paint.bold(format!("profile v{}", update.version));
    let mut lines = vec![format!("{INDENT}{version}  {}", facts(before, update).join(" · "))];
    for interest in &update.interests {
        let known = before.and_then(|before| before.interests.iter().find(|old| old.name == interest.name));
        let line = interest_line(interest, paint);
        // Scores fade all the time; what counts is what can be seen.
        if !interest.affinities.is_empty()
            && known.map(|known| interest_line(known, paint)) != Some(line.clone())
        {
            lines.push(line);
        }
    }
    let segments: Vec<&str> = update.segments.iter().map(|segment| &*segment.segment).collect();
    let changed = before.is_none_or(|before| before.segments != update.segments);
    if changed && !segments.is_empty() {
        lines.push(format!("{INDENT}  in {}", segments.join(", ")));
    }
    lines
}

/// What has changed beside interests and segments.
fn facts(before: Option<&ProfileUpdate<'_>>, update: &ProfileUpdate<'_>) -> Vec<String> {
    let (session, orders) = (&update.session, &update.orders);
    let mut facts = match update.cause.kind {
        ProfileCauseKind::Time => vec!["time has passed".to_owned()],
        _ => vec![format!("visit {}, event {}", session.count, session.events)],
    };
    if !session.open && before.is_some_and(|before| before.session.open) {
        facts.push(format!("visit {} is over", session.count));
    }
    for attribute in &update.attributes {
        let known = before.and_then(|before| before.attributes.iter().find(|old| old.name == attribute.name));
        if known.map_or(0.0, |known| known.value) != attribute.value {
            facts.push(format!("{} {}", attribute.name, attribute.value));
        }
    }
    if before.map_or(0, |before| before.orders.count) != orders.count {
        let revenue = orders
            .revenue
            .iter()
            .map(|revenue| format!("{:.2} {}", revenue.amount_hundredths as f64 / 100.0, revenue.currency));
        facts.push(format!("orders {} for {}", orders.count, revenue.collect::<Vec<_>>().join(" and ")));
    }
    facts
}

fn interest_line(interest: &Interest<'_>, paint: Paint) -> String {
    let shown = interest.affinities.iter().take(AFFINITIES_SHOWN).map(|affinity| {
        let tag = if affinity.tagged_at.is_some() { "*" } else { " " };
        let percent = (affinity.share * 100.0).round();
        format!("{:>9}{tag}{} {percent:>3} %", affinity.value, paint.bar(affinity.share))
    });
    format!("{INDENT}  {:<8} {}", interest.name, shown.collect::<Vec<_>>().join(" "))
}

fn decision_lines(decision: &ContentDecision<'_>, paint: Paint) -> Vec<String> {
    let why = match (decision.cause.kind, &decision.cause.rule) {
        (DecisionCauseKind::Rule, Some(rule)) => format!("rule {rule}"),
        _ => "her page asked".to_owned(),
    };
    let known = match decision.ladder {
        LadderStep::Personal => "by her interests",
        LadderStep::Popular => "nothing is known of her: what is popular",
        LadderStep::Fallback => "the slot's fallback",
        LadderStep::Nothing | LadderStep::Unknown => "nothing to show",
    };
    let head = paint.decision(format!("decision for {}", decision.slot));
    let version = decision.profile_version;
    let mut lines = vec![format!("{INDENT}{head}  {why}; {known}, profile v{version}")];
    for ranked in &decision.ranked {
        let reasons = ranked.reasons.iter().map(|reason| format!("{}: {}", reason.code, reason.evidence));
        let reasons = reasons.collect::<Vec<_>>().join("; ");
        let place = format!("{} {:<18} {:.3}", ranked.rank, ranked.content_id, ranked.score);
        lines.push(format!("{INDENT}  {}  {}", paint.bold(place), paint.dim(reasons)));
    }
    if !decision.excluded.is_empty() {
        let excluded = decision.excluded.iter().map(|out| format!("{} ({})", out.content_id, out.reason));
        let excluded = excluded.collect::<Vec<_>>().join(", ");
        lines.push(format!("{INDENT}  {}", paint.dim(format!("left out: {excluded}"))));
    }
    lines
}

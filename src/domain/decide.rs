//! Which content to show: affinity times content weight over what is eligible, with a ladder of fallbacks,
//! so that every question has an answer.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use compact_str::CompactString;

use super::catalogue::{Catalogue, Content};
use super::decimal::{push_thousandths, push_whole};
use super::decision::{Decision, DecisionCause, Excluded, LadderStep, Ranked, Reason};
use super::freshness::Status;
use super::person::Person;
use super::profile::Profile;
use super::react::Knowledge;
use super::rulebook::{RankBy, SlotRule};
use super::segment::stable_id;
use super::share::{Share, shares};
use super::time::Timestamp;
use super::validity;

const REASONS_MAX: usize = 3;
const EXCLUDED_MAX: usize = 20;

/// An answer for a slot, before it is addressed to anybody.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    slot: CompactString,
    ladder: LadderStep,
    ranked: Vec<Ranked>,
    excluded: Vec<Excluded>,
    definitions: u64,
    valid_until: Option<Timestamp>,
    last_at: Option<Timestamp>,
    status: Status,
}

/// Content with its score.
struct Candidate<'a> {
    content: &'a Content,
    score: f64,
    /// The score in steps of 1e-9, in which scores are compared, so that the order of additions does not decide
    /// between equals.
    steps: i64,
}

/// Answers for one slot, as of `now`.
pub(crate) fn decide(
    knowledge: Knowledge<'_>,
    profile: &Profile,
    now: Timestamp,
    slot: &str,
    exclude: &[CompactString],
) -> Answer {
    let mut answer = Answer {
        slot: slot.into(),
        ladder: LadderStep::Nothing,
        ranked: Vec::new(),
        excluded: Vec::new(),
        definitions: knowledge.rules.fingerprint,
        valid_until: None,
        last_at: profile.last_at,
        status: Status::Missing,
    };
    let Some(rule) = knowledge.rules.slot(slot) else { return answer };
    let interest = knowledge.rules.interest(&rule.interest);
    let site = knowledge.site.of(&rule.interest);
    let shares = interest.map(|interest| shares(profile.affinities(interest.id), interest, site, now));
    let shares = shares.unwrap_or_default();
    let known = !shares.is_empty();
    let mut candidates = candidates(knowledge.catalogue, rule, &shares);
    while let Some(candidate) = candidates.pop() {
        if !candidate.content.is_eligible(slot, now) {
            continue;
        }
        match exclusion(rule, profile, exclude, candidate.content) {
            Some(reason) => answer.exclude(candidate.content, reason),
            None if answer.ranked.len() < rule.items_max => {
                answer.ranked.push(candidate.ranked(&shares, rule));
            }
            None => break,
        }
    }
    answer.ladder = if answer.ranked.is_empty() { LadderStep::Popular } else { LadderStep::Personal };
    answer.fill_by_base_weight(knowledge, rule, profile, now, exclude, known);
    if answer.ranked.is_empty() {
        answer.fall_back(knowledge.catalogue, rule, exclude);
    }
    answer.status = status(answer.ladder, rule, profile, now);
    answer.valid_until = validity::of_answer(knowledge, profile, rule, answer.status, now);
    answer.excluded.sort_by(|one, other| one.content_id.cmp(&other.content_id));
    answer.excluded.truncate(EXCLUDED_MAX);
    answer
}

/// Whether an answer is the person's own, and whether that was lately enough.
fn status(ladder: LadderStep, rule: &SlotRule, profile: &Profile, now: Timestamp) -> Status {
    let is_stale = || validity::stale_from(rule, profile).is_some_and(|from| from <= now);
    match ladder {
        LadderStep::Personal if is_stale() => Status::Stale,
        LadderStep::Personal => Status::Present,
        LadderStep::Popular | LadderStep::Fallback | LadderStep::Nothing => Status::Missing,
    }
}

/// The content that the affinities speak for, the best on top. What they add up to is summed in the order of
/// values, so that it is the same on every replay.
fn candidates<'a>(
    catalogue: &'a Catalogue,
    rule: &SlotRule,
    shares: &[Share<'_>],
) -> BinaryHeap<Candidate<'a>> {
    let mut scores = vec![0.0; catalogue.numbers()];
    let mut spoken_for = Vec::with_capacity(scores.len());
    for share in shares {
        let strength = share.strength(rule.rank_by);
        for (number, weight) in catalogue.about(&share.affinity.value) {
            let contribution = strength * weight;
            if let Some(score) = scores.get_mut(*number).filter(|_| contribution > 0.0) {
                if *score == 0.0 {
                    spoken_for.push(*number);
                }
                *score += contribution;
            }
        }
    }
    let candidates = spoken_for.into_iter().filter_map(|number| {
        let (content, score) = (catalogue.numbered(number)?, *scores.get(number)?);
        Some(Candidate { content, score, steps: (score * 1e9).round() as i64 })
    });
    candidates.collect()
}

fn exclusion(
    rule: &SlotRule,
    profile: &Profile,
    exclude: &[CompactString],
    content: &Content,
) -> Option<&'static str> {
    let shown = content.shown_item();
    if exclude.iter().any(|id| **id == *content.content_id || &**id == shown) {
        return Some("requested");
    }
    if rule.exclude_recent && profile.recent.iter().any(|item| &**item == shown) {
        return Some("recent");
    }
    if rule.exclude_bought && profile.orders.items.iter().any(|item| &**item == shown) {
        return Some("bought");
    }
    None
}

impl Candidate<'_> {
    fn ranked(self, shares: &[Share<'_>], rule: &SlotRule) -> Ranked {
        let mut contributions: Vec<(&Share<'_>, f64)> = Vec::with_capacity(self.content.weights.len());
        for share in shares {
            let mut weights = self.content.weights.iter();
            if let Some((_, weight)) = weights.find(|(value, _)| *value == share.affinity.value) {
                contributions.push((share, share.strength(rule.rank_by) * weight));
            }
        }
        contributions.sort_by(|one, other| other.1.total_cmp(&one.1));
        let strongest = contributions.into_iter().filter(|(_, weight)| *weight > 0.0).take(REASONS_MAX);
        let reasons = strongest.map(|(share, weight)| Reason {
            code: "affinity",
            weight,
            evidence: evidence(share, rule),
            n_eff: share.affinity.n_eff(),
        });
        Ranked { content_id: self.content.content_id.clone(), score: self.score, reasons: reasons.collect() }
    }
}

/// Why an affinity speaks for content, in words.
fn evidence(of: &Share<'_>, rule: &SlotRule) -> CompactString {
    let Share { affinity, score, share, lift } = of;
    let mut words = CompactString::with_capacity(96);
    for part in [&*rule.interest, " ", &*affinity.value, ": share "] {
        words.push_str(part);
    }
    push_thousandths(&mut words, *share);
    if let Some(lift) = lift.filter(|_| rule.rank_by == RankBy::Lift) {
        words.push_str(", lift ");
        push_thousandths(&mut words, lift);
    }
    words.push_str(", score ");
    push_thousandths(&mut words, *score);
    words.push_str(", ");
    push_whole(&mut words, affinity.evidence.into());
    words.push_str(" events");
    words
}

impl PartialEq for Candidate<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Candidate<'_> {}

impl PartialOrd for Candidate<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate<'_> {
    /// The best is the greatest: that of the highest score, among equals that of the higher base weight, then
    /// that of the first id.
    fn cmp(&self, other: &Self) -> Ordering {
        let by_score = self.steps.cmp(&other.steps);
        let by_weight = || self.content.base_weight_rank().cmp(&other.content.base_weight_rank());
        by_score.then_with(by_weight).then_with(|| other.content.content_id.cmp(&self.content.content_id))
    }
}

impl Answer {
    /// Addresses the answer. Its time is left for the caller to set.
    pub(crate) fn decision(
        self,
        person: &Person,
        version: u64,
        cause: DecisionCause,
        name: &str,
    ) -> Decision {
        Decision {
            decision_id: stable_id(&format!("decision|{}|{name}", self.slot)),
            request_id: None,
            slot: self.slot,
            person: person.clone(),
            profile_version: version,
            at: Timestamp::EARLIEST,
            cause,
            ladder: self.ladder,
            ranked: self.ranked,
            excluded: self.excluded,
            definitions: self.definitions,
            valid_until: self.valid_until,
            last_at: self.last_at,
            status: self.status,
        }
    }

    fn exclude(&mut self, content: &Content, reason: &'static str) {
        self.excluded.push(Excluded { content_id: content.content_id.clone(), reason });
    }

    fn fill_by_base_weight(
        &mut self,
        knowledge: Knowledge<'_>,
        rule: &SlotRule,
        profile: &Profile,
        now: Timestamp,
        exclude: &[CompactString],
        known: bool,
    ) {
        for content in knowledge.catalogue.by_base_weight() {
            if self.ranked.len() >= rule.items_max {
                return;
            }
            let listed = self.ranked.iter().any(|ranked| ranked.content_id == content.content_id)
                || self.excluded.iter().any(|excluded| excluded.content_id == content.content_id);
            if listed || !content.is_eligible(&rule.name, now) {
                continue;
            }
            if let Some(reason) = exclusion(rule, profile, exclude, content) {
                self.exclude(content, reason);
                continue;
            }
            let weight = content.base_weight;
            self.ranked.push(Ranked {
                content_id: content.content_id.clone(),
                // A known person's interests score this content: with nothing, which is behind all others.
                score: if known { 0.0 } else { weight },
                reasons: vec![Reason {
                    code: "popular",
                    weight,
                    evidence: format!("base weight {weight:.3}").into(),
                    n_eff: 0.0,
                }],
            });
        }
    }

    /// The declared list is the last resort, whether its content is in the catalogue or not; only what the
    /// requester does not want is left out of it.
    fn fall_back(&mut self, catalogue: &Catalogue, rule: &SlotRule, exclude: &[CompactString]) {
        let unwanted = |content_id: &str| {
            let shown = catalogue.get(content_id).map_or(content_id, Content::shown_item);
            exclude.iter().any(|id| **id == *content_id || **id == *shown)
        };
        self.ranked = rule
            .fallback
            .iter()
            .filter(|content_id| !unwanted(content_id))
            .take(rule.items_max)
            .map(|content_id| Ranked {
                content_id: content_id.clone(),
                score: 0.0,
                reasons: vec![Reason {
                    code: "fallback",
                    weight: 0.0,
                    evidence: "declared for the slot".into(),
                    n_eff: 0.0,
                }],
            })
            .collect();
        self.ladder = if self.ranked.is_empty() { LadderStep::Nothing } else { LadderStep::Fallback };
    }
}

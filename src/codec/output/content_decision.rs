//! The value of the topic of content decisions, field by field as its schema has it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{fingerprint, long};
use crate::domain::decision::{self, Decision, Excluded, Ranked, Reason};
use crate::domain::freshness::Status;
use crate::domain::time::Timestamp;

/// How content is scored: the person's shares of an interest times the content's weights for it.
const POLICY: &str = "affinity";

/// Which content to show to a person in a slot. The schema documents the fields for consumers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContentDecision<'a> {
    /// The decision's id, a UUID that is the same on every replay.
    pub decision_id: Cow<'a, str>,
    /// The requester's id; none where a rule asked.
    pub request_id: Option<Cow<'a, str>>,
    /// The slot.
    pub slot: Cow<'a, str>,
    /// The person's key.
    pub person: Cow<'a, str>,
    /// The version of the profile that was used.
    pub profile_version: i64,
    /// The time of the request or of the change, in milliseconds of event time since 1970.
    pub at: i64,
    /// What asked for it.
    pub cause: DecisionCause<'a>,
    /// How content was scored.
    pub policy: Cow<'a, str>,
    /// How much was known about the person.
    pub ladder: LadderStep,
    /// Whether the answer rests on no content of the catalogue.
    pub fallback: bool,
    /// The content, best first.
    pub ranked: Vec<RankedContent<'a>>,
    /// Content that scored but was left out, in the order of ids.
    pub excluded: Vec<ExcludedContent<'a>>,
    /// Which definitions were in force, by their fingerprint in 16 digits of base 16.
    pub definitions: Cow<'a, str>,
    /// Until when the same question has the same answer at least, if nothing happens.
    pub valid_until: Option<i64>,
    /// The time of the person's latest event.
    pub last_at: Option<i64>,
    /// Whether the person's interests ranked the content, and whether they are believed.
    pub status: DecisionStatus,
}

/// Whether an answer is the person's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DecisionStatus {
    /// A status that was added after the reader's schema; never written.
    Unknown,
    /// The person's interests ranked the content.
    Present,
    /// Nothing that is known of the person did.
    Missing,
    /// They did, but none of the person's events was lately.
    Stale,
}

/// What asked for a decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionCause<'a> {
    /// A request or a rule.
    pub kind: DecisionCauseKind,
    /// The message id of the request or of the event that set the rule off.
    pub message_id: Option<Cow<'a, str>>,
    /// The rule's name.
    pub rule: Option<Cow<'a, str>>,
}

/// The kinds of causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DecisionCauseKind {
    /// A kind that was added after the reader's schema; never written.
    Unknown,
    /// A request.
    Request,
    /// A rule.
    Rule,
}

/// How much was known about the person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LadderStep {
    /// A step that was added after the reader's schema; never written.
    Unknown,
    /// The person's own interests ranked the content.
    Personal,
    /// The content's base weights ranked it.
    Popular,
    /// The slot's fallback list.
    Fallback,
    /// An empty answer.
    Nothing,
}

/// One piece of content in its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankedContent<'a> {
    /// Its place, from 1.
    pub rank: i32,
    /// The content's id.
    pub content_id: Cow<'a, str>,
    /// Its score.
    pub score: f64,
    /// Why it stands where it stands, strongest first.
    pub reasons: Vec<RankingReason<'a>>,
}

/// Why content was chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankingReason<'a> {
    /// The kind of reason.
    pub code: Cow<'a, str>,
    /// How much of the score it explains.
    pub weight: f64,
    /// What it rests on, for people.
    pub evidence: Cow<'a, str>,
    /// On how many contributions of equal weight.
    pub n_eff: f64,
}

/// Content that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExcludedContent<'a> {
    /// The content's id.
    pub content_id: Cow<'a, str>,
    /// Why.
    pub reason: Cow<'a, str>,
}

impl<'a> ContentDecision<'a> {
    /// The record of a decision.
    pub fn of(decision: &'a Decision) -> ContentDecision<'a> {
        let ladder = LadderStep::of(decision.ladder);
        ContentDecision {
            decision_id: Cow::from(&*decision.decision_id),
            request_id: decision.request_id.as_deref().map(Cow::from),
            slot: Cow::from(&*decision.slot),
            person: Cow::from(decision.person.as_str()),
            profile_version: long(decision.profile_version),
            at: decision.at.ms(),
            cause: DecisionCause::of(&decision.cause),
            policy: Cow::from(POLICY),
            ladder,
            fallback: matches!(ladder, LadderStep::Fallback | LadderStep::Nothing),
            ranked: (1..).zip(&decision.ranked).map(RankedContent::of).collect(),
            excluded: decision.excluded.iter().map(ExcludedContent::of).collect(),
            definitions: fingerprint(decision.definitions),
            valid_until: decision.valid_until.map(Timestamp::ms),
            last_at: decision.last_at.map(Timestamp::ms),
            status: DecisionStatus::of(decision.status),
        }
    }
}

impl<'a> DecisionCause<'a> {
    fn of(cause: &'a decision::DecisionCause) -> DecisionCause<'a> {
        match cause {
            decision::DecisionCause::Request(message_id) => DecisionCause {
                kind: DecisionCauseKind::Request,
                message_id: Some(Cow::from(&**message_id)),
                rule: None,
            },
            decision::DecisionCause::Rule(rule, message_id) => DecisionCause {
                kind: DecisionCauseKind::Rule,
                message_id: message_id.as_deref().map(Cow::from),
                rule: Some(Cow::from(&**rule)),
            },
        }
    }
}

impl LadderStep {
    fn of(step: decision::LadderStep) -> LadderStep {
        match step {
            decision::LadderStep::Personal => LadderStep::Personal,
            decision::LadderStep::Popular => LadderStep::Popular,
            decision::LadderStep::Fallback => LadderStep::Fallback,
            decision::LadderStep::Nothing => LadderStep::Nothing,
        }
    }
}

impl DecisionStatus {
    fn of(status: Status) -> DecisionStatus {
        match status {
            Status::Present => DecisionStatus::Present,
            Status::Stale => DecisionStatus::Stale,
            Status::Missing | Status::Expired => DecisionStatus::Missing,
        }
    }
}

impl<'a> RankedContent<'a> {
    fn of((rank, ranked): (i32, &'a Ranked)) -> RankedContent<'a> {
        RankedContent {
            rank,
            content_id: Cow::from(&*ranked.content_id),
            score: ranked.score,
            reasons: ranked.reasons.iter().map(RankingReason::of).collect(),
        }
    }
}

impl<'a> RankingReason<'a> {
    fn of(reason: &'a Reason) -> RankingReason<'a> {
        RankingReason {
            code: Cow::from(reason.code),
            weight: reason.weight,
            evidence: Cow::from(&*reason.evidence),
            n_eff: reason.n_eff,
        }
    }
}

impl<'a> ExcludedContent<'a> {
    fn of(excluded: &'a Excluded) -> ExcludedContent<'a> {
        ExcludedContent { content_id: Cow::from(&*excluded.content_id), reason: Cow::from(excluded.reason) }
    }
}

//! What `react` says to the outside: decisions and segment changes. Nothing in them comes from a wall clock
//! or an offset, so that a replay says the same.

use compact_str::CompactString;

use super::freshness::Status;
use super::limit::Limit;
use super::person::Person;
use super::time::Timestamp;

/// Something for other teams' consumers.
#[derive(Clone, Debug, PartialEq)]
pub enum Emission {
    /// Which content to show.
    Decision(Decision),
    /// Somebody entered or left a segment.
    SegmentChange(SegmentChange),
    /// Rules have set off one another so often that this one, by its name, was not let fire.
    LoopStopped(CompactString),
    /// Something was lost, or not taken, because as much as may be was held of the person already.
    Lost(Limit),
    /// Nothing has been heard of this person for so long that nothing is known any more.
    Forgotten(Person),
}

/// Which content to show to a person in a slot.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// An id that every replay derives again: a UUID of version 5 over the person and the request's or the
    /// rule's own id.
    pub decision_id: CompactString,
    /// The requester's id; none where a rule asked.
    pub request_id: Option<CompactString>,
    /// The slot.
    pub slot: CompactString,
    /// For whom.
    pub person: Person,
    /// The version of the profile that was used.
    pub profile_version: u64,
    /// The time of the request, or of the change that set the rule off.
    pub at: Timestamp,
    /// What asked for it.
    pub cause: DecisionCause,
    /// How much was known.
    pub ladder: LadderStep,
    /// The content, best first.
    pub ranked: Vec<Ranked>,
    /// Content that scored but was left out, in the order of ids, at most 20.
    pub excluded: Vec<Excluded>,
    /// The fingerprint of the definitions that were in force.
    pub definitions: u64,
    /// Until when the same question has the same answer at least, if nothing happens; none for as long as nothing
    /// happens.
    pub valid_until: Option<Timestamp>,
    /// When the latest of the person's events was.
    pub last_at: Option<Timestamp>,
    /// Whether the person's interests ranked the content, and whether they are believed: present, stale or missing.
    pub status: Status,
}

/// What asked for a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DecisionCause {
    /// A request, by its message id.
    Request(CompactString),
    /// A rule, by its name, and what set it off: a message id, or none when it was the passing of time.
    Rule(CompactString, Option<CompactString>),
}

/// How much was known about the person: each step is taken when the one before has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LadderStep {
    /// The person's own interests ranked the content.
    Personal,
    /// The person's interests, if any are known, speak for no content that may be shown: base weights ranked
    /// it. Scores are the base weights where nothing is known about the person, else zero.
    Popular,
    /// No content is eligible: the slot's fallback list.
    Fallback,
    /// The slot is unknown or has no fallback that the requester wants: an empty answer.
    Nothing,
}

impl LadderStep {
    /// The step as it stands in records and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            LadderStep::Personal => "personal",
            LadderStep::Popular => "popular",
            LadderStep::Fallback => "fallback",
            LadderStep::Nothing => "nothing",
        }
    }
}

/// One piece of content in a decision.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// The content.
    pub content_id: CompactString,
    /// Its score; what it means depends on the ladder step.
    pub score: f64,
    /// Why it stands where it stands, strongest first, at most 3.
    pub reasons: Vec<Reason>,
}

/// Why content was chosen.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// A code of a closed list: `affinity`, `popular`, `fallback`.
    pub code: &'static str,
    /// How much of the score it explains.
    pub weight: f64,
    /// What it rests on, such as `category shoes, share 0.62, score 11.2, 9 events`.
    pub evidence: CompactString,
    /// On how many contributions of equal weight, as [`super::affinity::Affinity::n_eff`] says; 0 where on nothing
    /// that the person did.
    pub n_eff: f64,
}

/// Content that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excluded {
    /// The content.
    pub content_id: CompactString,
    /// Why: `recent`, `bought` or `requested`.
    pub reason: &'static str,
}

/// Somebody entered or left a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentChange {
    /// An id that every replay derives again: a UUID of version 5 over the segment, the person and the
    /// version of the profile after the change.
    pub transition_id: CompactString,
    /// Who.
    pub person: Person,
    /// Which segment; `interest:value` for a tag.
    pub segment: CompactString,
    /// Entered, else left.
    pub entered: bool,
    /// When, in event time: the due time if time was the cause, else stream time.
    pub at: Timestamp,
    /// The version of the profile after the change.
    pub profile_version: u64,
    /// The event that caused it, by its message id; none when it was the passing of time.
    pub cause: Option<CompactString>,
    /// The fingerprint of the definitions that were in force.
    pub definitions: u64,
}

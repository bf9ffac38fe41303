//! Arbitrary decisions and segment changes.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::{instant, number, person, text};
use crate::domain::decision::{Decision, DecisionCause, Excluded, LadderStep, Ranked, Reason, SegmentChange};
use crate::domain::freshness::Status;

pub(crate) fn decision() -> impl Strategy<Value = Decision> {
    let names = (text(), option::of(text()), text(), person());
    let cause = prop_oneof![
        text().prop_map(DecisionCause::Request),
        (text(), option::of(text())).prop_map(|(rule, message_id)| DecisionCause::Rule(rule, message_id)),
    ];
    let ladder = prop_oneof![
        Just(LadderStep::Personal),
        Just(LadderStep::Popular),
        Just(LadderStep::Fallback),
        Just(LadderStep::Nothing),
    ];
    let status = prop_oneof![Just(Status::Present), Just(Status::Stale), Just(Status::Missing)];
    let reason = (number(), text(), number()).prop_map(|(weight, evidence, n_eff)| Reason {
        code: "affinity",
        weight,
        evidence,
        n_eff,
    });
    let ranked = (text(), number(), vec(reason, 0..3));
    let ranked = ranked.prop_map(|(content_id, score, reasons)| Ranked { content_id, score, reasons });
    let excluded = text().prop_map(|content_id| Excluded { content_id, reason: "recent" });
    let lists = (vec(ranked, 0..4), vec(excluded, 0..3));
    (
        names,
        any::<u64>(),
        (instant(), option::of(instant()), option::of(instant())),
        cause,
        (ladder, status),
        lists,
    )
        .prop_map(
            |(
                (decision_id, request_id, slot, person),
                profile_version,
                (at, valid_until, last_at),
                cause,
                (ladder, status),
                lists,
            )| Decision {
                decision_id,
                request_id,
                slot,
                person,
                profile_version,
                at,
                cause,
                ladder,
                ranked: lists.0,
                excluded: lists.1,
                definitions: profile_version,
                valid_until,
                last_at,
                status,
            },
        )
}

pub(crate) fn segment_change() -> impl Strategy<Value = SegmentChange> {
    let names = (text(), person(), text());
    (names, any::<bool>(), instant(), any::<u64>(), option::of(text())).prop_map(
        |((transition_id, person, segment), entered, at, profile_version, cause)| SegmentChange {
            transition_id,
            person,
            segment,
            entered,
            at,
            profile_version,
            cause,
            definitions: profile_version,
        },
    )
}

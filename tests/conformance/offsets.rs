//! Offsets in transactions, and the group's checks of who sends them (KIP-447).

use super::lab::Refused::{
    Fenced, FencedInstance, InvalidState, Rebalancing, StaleGeneration, UnknownMember, Unstable,
};
use super::lab::{Lab, conform};
use super::simulation::group::{Identity, SESSION_MS};
use super::simulation::log::Producer;

/// A member, and a producer whose open transaction the group's offsets are part of.
fn set_up(lab: &mut dyn Lab) -> (Identity, Producer) {
    let member = lab.join("member");
    let producer = lab.initialise_at_last("one").0;
    lab.add_offsets("one", producer).unwrap();
    (member, producer)
}

/// Begins the next transaction with the group's offsets.
fn next(lab: &mut dyn Lab, producer: Producer) {
    lab.add_offsets_at_last("one", producer).unwrap();
}

#[test]
fn offsets_are_committed_with_their_transaction_and_not_before() {
    let stated = (Ok(None), Err(Unstable), Some(7), Err(Unstable), Some(9));
    conform("offsets", stated, |lab| {
        let (member, producer) = set_up(lab);
        let none = lab.committed();
        lab.commit_offset("one", producer, &member, 7).unwrap();
        let pending = lab.committed();
        lab.end("one", producer, true).unwrap();
        let first = lab.settled_offset();
        next(lab, producer);
        lab.commit_offset("one", producer, &member, 8).unwrap();
        lab.commit_offset("one", producer, &member, 9).unwrap();
        let again = lab.committed();
        lab.end("one", producer, true).unwrap();
        (none, pending, first, again, lab.settled_offset())
    });
}

#[test]
fn offsets_of_an_aborted_transaction_are_not_committed() {
    conform("aborted-offsets", (None, Some(7), Some(7)), |lab| {
        let (member, producer) = set_up(lab);
        lab.commit_offset("one", producer, &member, 5).unwrap();
        lab.end("one", producer, false).unwrap();
        let never = lab.settled_offset();
        next(lab, producer);
        lab.commit_offset("one", producer, &member, 7).unwrap();
        lab.end("one", producer, true).unwrap();
        let before = lab.settled_offset();
        next(lab, producer);
        lab.commit_offset("one", producer, &member, 9).unwrap();
        lab.end("one", producer, false).unwrap();
        (never, before, lab.settled_offset())
    });
}

#[test]
fn offsets_that_a_predecessor_left_open_are_aborted_with_its_transaction() {
    let stated = (None, Err(Fenced), Err(Fenced));
    conform("left-offsets", stated, |lab| {
        let (member, producer) = set_up(lab);
        lab.commit_offset("one", producer, &member, 5).unwrap();
        let _ = lab.initialise_at_last("one");
        let fenced = lab.commit_offset("one", producer, &member, 6);
        // Of two reasons the producer's comes first.
        let stale = Identity { generation: member.generation - 1, ..member };
        (lab.settled_offset(), fenced, lab.commit_offset("one", producer, &stale, 6))
    });
}

#[test]
fn offsets_outside_a_transaction_are_refused() {
    conform("offsets-outside", (Err(InvalidState), Ok(None)), |lab| {
        let member = lab.join("member");
        let producer = lab.initialise_at_last("one").0;
        (lab.commit_offset("one", producer, &member, 5), lab.committed())
    });
}

#[test]
fn only_the_present_member_of_the_present_generation_may_commit() {
    let stated = ([Err(StaleGeneration), Err(StaleGeneration), Err(UnknownMember), Ok(())], Ok(None));
    conform("generations", stated, |lab| {
        let (member, producer) = set_up(lab);
        let before = Identity { generation: member.generation - 1, ..member.clone() };
        let after = Identity { generation: member.generation + 1, ..member.clone() };
        let stranger = Identity { instance: "stranger".to_owned(), identity: 99, ..member.clone() };
        let answers = [&before, &after, &stranger].map(|who| lab.commit_offset("one", producer, who, 5));
        let committed = lab.committed();
        let [before, after, stranger] = answers;
        ([before, after, stranger, lab.commit_offset("one", producer, &member, 5)], committed)
    });
}

#[test]
fn a_static_member_that_comes_back_fences_its_old_self_and_nobody_rebalances() {
    let stated = (0, [Err(FencedInstance), Err(FencedInstance)], [Ok(()), Ok(())]);
    conform("instances", stated, |lab| {
        let (old, producer) = set_up(lab);
        let new = lab.join("member");
        let refused = [lab.heartbeat(&old), lab.commit_offset("one", producer, &old, 5)];
        let taken = [lab.heartbeat(&new), lab.commit_offset("one", producer, &new, 5)];
        (new.generation - old.generation, refused, taken)
    });
}

#[test]
fn a_rebalance_is_told_by_heartbeats_and_makes_the_generation_stale_when_it_is_over() {
    let stated = (Err(Rebalancing), Ok(()), (1, 1), [Err(StaleGeneration), Err(StaleGeneration)], Ok(()));
    conform("rebalance", stated, |lab| {
        let (member, producer) = set_up(lab);
        lab.begin_to_join("other", None);
        lab.pass(300);
        let told = lab.heartbeat(&member);
        // While others are still joining, the old generation is the present one.
        let during = lab.commit_offset("one", producer, &member, 5);
        lab.begin_to_join("member", Some(&member));
        let joined = lab.joined(&["member", "other"]);
        let risen = (joined[0].generation - member.generation, joined[1].generation - member.generation);
        let stale = [lab.heartbeat(&member), lab.commit_offset("one", producer, &member, 6)];
        (told, during, risen, stale, lab.commit_offset("one", producer, &joined[0], 6))
    });
}

#[test]
fn a_session_ends_when_nothing_is_heard() {
    let stated = (Ok(()), Err(UnknownMember), Err(UnknownMember));
    conform("session", stated, |lab| {
        let (member, producer) = set_up(lab);
        lab.pass(SESSION_MS / 2);
        let alive = lab.heartbeat(&member);
        lab.pass(SESSION_MS + 1_000);
        (alive, lab.heartbeat(&member), lab.commit_offset("one", producer, &member, 5))
    });
}

//! Transactions: what readers see of them, where records and markers stand, who is fenced, and what the
//! coordinator answers.

use super::lab::Refused::{Concurrent, Fenced, InvalidState, OutOfOrder};
use super::lab::{Lab, conform};
use super::simulation::log::Producer;

/// Records as a committed reader gets them.
fn seen(records: &[(i64, &str)]) -> Vec<(i64, String)> {
    records.iter().map(|(offset, value)| (*offset, (*value).to_owned())).collect()
}

fn new_producer(lab: &mut dyn Lab, id: &str) -> Producer {
    lab.initialise_at_last(id).0
}

/// By how much the epoch of the same producer has risen; none if it is another producer.
fn risen(from: Producer, to: Producer) -> Option<i16> {
    (from.0 == to.0).then(|| to.1 - from.1)
}

#[test]
fn open_and_aborted_transactions_are_hidden_and_all_behind_an_open_one_too() {
    let stated = (seen(&[]), (0, 3), seen(&[(2, "behind")]), (5, 5));
    conform("hidden", stated, |lab| {
        let (open, other) = (new_producer(lab, "open"), new_producer(lab, "other"));
        lab.write("open", open, 0, 1, &["a", "b"]);
        lab.write("other", other, 0, 1, &["behind"]);
        let before = (lab.visible(0), lab.ends(0));
        lab.end("other", other, true).unwrap();
        lab.until_end(0, 4);
        assert_eq!(lab.visible(0), [], "what is committed behind an open transaction");
        lab.end_and_settle("open", open, false, 0).unwrap();
        (before.0, before.1, lab.visible(0), lab.ends(0))
    });
}

#[test]
fn markers_take_offsets() {
    let stated = (0, (4, 4), 4, (6, 6), seen(&[(0, "a"), (1, "b"), (2, "c"), (4, "d")]));
    conform("markers", stated, |lab| {
        let producer = new_producer(lab, "one");
        let first = lab.write("one", producer, 0, 1, &["a", "b", "c"]);
        lab.end_and_settle("one", producer, true, 0).unwrap();
        let ends = lab.ends(0);
        let second = lab.write("one", producer, 0, 2, &["d"]);
        lab.end_and_settle("one", producer, true, 0).unwrap();
        (first, ends, second, lab.ends(0), lab.visible(0))
    });
}

#[test]
fn each_partition_that_was_added_gets_a_marker() {
    conform("all-partitions", ((2, 2), (1, 1), seen(&[(0, "a")]), seen(&[])), |lab| {
        let producer = new_producer(lab, "one");
        lab.write("one", producer, 0, 1, &["a"]);
        lab.add("one", producer, 1).unwrap();
        lab.end_and_settle("one", producer, true, 0).unwrap();
        lab.until_end(1, 1);
        (lab.ends(0), lab.ends(1), lab.visible(0), lab.visible(1))
    });
}

#[test]
fn an_older_producer_is_fenced_whatever_it_asks() {
    let stated = [Err(Fenced); 5];
    conform("fenced", stated, |lab| {
        let member = lab.join("member");
        let old = new_producer(lab, "one");
        lab.write("one", old, 0, 1, &["a"]);
        lab.add_offsets("one", old).unwrap();
        let new = new_producer(lab, "one");
        assert_eq!(lab.visible(0), []);
        lab.write("one", new, 0, 1, &["b"]);
        lab.add_offsets("one", new).unwrap();
        [
            lab.produce("one", old, 0, 2, &["late"]).map(|_| ()),
            lab.add("one", old, 0),
            lab.add_offsets("one", old),
            lab.commit_offset("one", old, &member, 7),
            lab.end("one", old, true),
        ]
    });
}

#[test]
fn a_new_producer_aborts_what_its_predecessor_left_open() {
    // The first request ends what is open, for which the epoch rises, and it rises again for the new producer.
    let stated = (Some(Concurrent), Some(2), seen(&[(2, "b")]), None, Some(1));
    conform("predecessor", stated, |lab| {
        let old = new_producer(lab, "one");
        lab.write("one", old, 0, 1, &["a"]);
        let (new, first) = lab.initialise_at_last("one");
        assert_eq!(lab.ends(0), (2, 2), "the marker is there when the new producer is");
        lab.write("one", new, 0, 1, &["b"]);
        lab.end_and_settle("one", new, true, 0).unwrap();
        // Where nothing is open the answer comes at once, if the last marker is written.
        lab.add_at_last("one", new, 1).unwrap();
        lab.end_and_settle("one", new, true, 1).unwrap();
        lab.pass(500);
        let (next, waited) = lab.initialise_at_last("one");
        (first, risen(old, new), lab.visible(0), waited, risen(new, next))
    });
}

#[test]
fn a_transaction_that_takes_too_long_is_aborted_and_its_producer_fenced() {
    let stated = (seen(&[]), (2, 2), [Err(Fenced); 3], Some(2));
    conform("timeout", stated, |lab| {
        let producer = lab.initialise("one", 1_500).unwrap();
        lab.write("one", producer, 0, 1, &["a"]);
        lab.settle(0);
        let refused = [
            lab.produce("one", producer, 0, 2, &["late"]).map(|_| ()),
            lab.add("one", producer, 0),
            lab.end("one", producer, true),
        ];
        let new = new_producer(lab, "one");
        (lab.visible(0), lab.ends(0), refused, risen(producer, new))
    });
}

#[test]
fn the_same_end_may_be_asked_for_again_and_the_opposite_one_may_not() {
    let stated = ([Ok(()), Err(InvalidState)], [Ok(()), Err(InvalidState)]);
    conform("end-again", stated, |lab| {
        let producer = new_producer(lab, "one");
        lab.write("one", producer, 0, 1, &["a"]);
        lab.end_and_settle("one", producer, true, 0).unwrap();
        lab.pass(300);
        let committed = [lab.end("one", producer, true), lab.end("one", producer, false)];
        lab.write("one", producer, 0, 2, &["b"]);
        lab.end_and_settle("one", producer, false, 0).unwrap();
        lab.pass(300);
        (committed, [lab.end("one", producer, false), lab.end("one", producer, true)])
    });
}

/// What librdkafka does not ask for, and the coordinator refuses. A transaction with a partition and no record
/// is one: see above.
#[test]
fn a_transaction_without_anything_cannot_be_ended() {
    conform("empty", [Err(InvalidState); 2], |lab| {
        let producer = new_producer(lab, "one");
        [lab.end("one", producer, true), lab.end("one", producer, false)]
    });
}

#[test]
fn a_late_end_ends_the_next_transaction_of_the_same_epoch() {
    // Without KIP-890 part 2 nothing tells it from the right one: this is why the runtime raises the epoch.
    conform("late-end", (Ok(()), seen(&[(0, "a")]), (4, 4)), |lab| {
        let producer = new_producer(lab, "one");
        lab.write("one", producer, 0, 1, &["a"]);
        lab.end_and_settle("one", producer, true, 0).unwrap();
        lab.write("one", producer, 0, 2, &["b"]);
        let late = lab.end_and_settle("one", producer, false, 0);
        (late, lab.visible(0), lab.ends(0))
    });
}

#[test]
fn a_batch_that_comes_again_is_not_appended_again_and_one_too_early_is_refused() {
    let stated =
        ((Ok(0), Ok(0)), (Ok(2), Ok(2)), Err(OutOfOrder), (4, 4), seen(&[(0, "a"), (1, "b"), (2, "c")]));
    conform("sequences", stated, |lab| {
        let producer = new_producer(lab, "one");
        lab.add("one", producer, 0).unwrap();
        let first = lab.produce("one", producer, 0, 1, &["a", "b"]);
        let first_again = lab.produce("one", producer, 0, 1, &["a", "b"]);
        let second = lab.produce("one", producer, 0, 2, &["c"]);
        let second_again = lab.produce("one", producer, 0, 2, &["c"]);
        let early = lab.produce("one", producer, 0, 4, &["e"]);
        lab.end_and_settle("one", producer, true, 0).unwrap();
        ((first, first_again), (second, second_again), early, lab.ends(0), lab.visible(0))
    });
}

#[test]
fn a_batch_before_the_last_that_comes_again_is_known_by_its_offset() {
    conform("older-batch", [Ok(0), Ok(1), Ok(2), Ok(0)], |lab| {
        let producer = new_producer(lab, "one");
        lab.add("one", producer, 0).unwrap();
        let number = |number: u64| (number, ["a", "b", "c"][number as usize - 1]);
        [1, 2, 3, 1].map(number).map(|(number, value)| lab.produce("one", producer, 0, number, &[value]))
    });
}

#[test]
fn a_batch_outside_a_transaction_is_refused() {
    let stated = (Err(InvalidState), Err(InvalidState), Err(InvalidState), (2, 2), (0, 0));
    conform("outside", stated, |lab| {
        let producer = new_producer(lab, "one");
        let before = lab.produce("one", producer, 0, 1, &["a"]);
        lab.add("one", producer, 0).unwrap();
        let elsewhere = lab.produce("one", producer, 1, 1, &["a"]);
        lab.produce("one", producer, 0, 1, &["a"]).unwrap();
        lab.end_and_settle("one", producer, true, 0).unwrap();
        lab.pass(300);
        let after = lab.produce("one", producer, 0, 2, &["b"]);
        (before, elsewhere, after, lab.ends(0), lab.ends(1))
    });
}

#[test]
fn the_batches_of_a_new_epoch_are_counted_anew() {
    conform("new-epoch", (Err(OutOfOrder), Ok(2)), |lab| {
        let old = new_producer(lab, "one");
        lab.write("one", old, 0, 1, &["a"]);
        lab.end_and_settle("one", old, true, 0).unwrap();
        let new = new_producer(lab, "one");
        lab.add_at_last("one", new, 0).unwrap();
        (lab.produce("one", new, 0, 2, &["c"]), lab.produce("one", new, 0, 1, &["b"]))
    });
}

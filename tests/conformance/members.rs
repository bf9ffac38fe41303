//! Members of a group: who is told what when others come, go and come back, under both protocols, and what a
//! member does with its transactions.

use std::time::Duration;

use bespoke::runtime::broker::{Output, Partition};
use bespoke::runtime::fault::Fault;

use super::seats::Seats;
use super::simulation::group::Protocol::{Cooperative, Eager};
use super::stage::{Stage, conform};

/// How long nothing more may happen, in milliseconds.
const QUIET_MS: u64 = 700;

fn told(members: &[&[&str]]) -> Vec<Vec<String>> {
    members.iter().map(|told| told.iter().map(|text| (*text).to_owned()).collect()).collect()
}

fn one_comes_and_goes(stage: &mut dyn Stage) -> Vec<Vec<String>> {
    let mut seats = Seats::new(stage);
    seats.start(0, 0);
    seats.until_shared();
    seats.go_on(QUIET_MS);
    seats.start(1, 1);
    seats.until_shared();
    seats.go_on(QUIET_MS);
    seats.go(1);
    seats.until_owned(&[4, 0]);
    seats.go_on(QUIET_MS);
    seats.told()
}

#[test]
fn under_range_all_give_everything_back_when_one_comes_or_goes() {
    let first = ["+a0 a1 a2 b0", "-a0 a1 a2 b0", "+a0 a1 b0", "-a0 a1 b0", "+a0 a1 a2 b0"];
    let stated = told(&[&first, &["+a2", "gone"]]);
    conform("range", Eager, stated, one_comes_and_goes);
}

#[test]
fn under_cooperative_sticky_only_what_moves_is_given_back() {
    let stated = told(&[&["+a0 a1 a2 b0", "-a0 a1", "+a0 a1"], &["+a0 a1", "gone"]]);
    conform("cooperative", Cooperative, stated, one_comes_and_goes);
}

fn one_comes_back(stage: &mut dyn Stage) -> Vec<Vec<String>> {
    let mut seats = Seats::new(stage);
    seats.start(0, 0);
    seats.until_shared();
    seats.start(1, 1);
    seats.until_shared();
    seats.go_on(QUIET_MS);
    seats.go(1);
    seats.go_on(QUIET_MS);
    seats.start(1, 1);
    seats.until_shared();
    seats.go_on(QUIET_MS);
    seats.told()
}

#[test]
fn who_comes_back_in_time_gets_its_partitions_and_nobody_else_is_told_under_range() {
    let first = ["+a0 a1 a2 b0", "-a0 a1 a2 b0", "+a0 a1 b0"];
    conform("back-range", Eager, told(&[&first, &["+a2", "gone", "+a2"]]), one_comes_back);
}

#[test]
fn who_comes_back_in_time_gets_its_partitions_and_nobody_else_is_told_under_cooperative_sticky() {
    let stated = told(&[&["+a0 a1 a2 b0", "-a0 a1"], &["+a0 a1", "gone", "+a0 a1"]]);
    conform("back-cooperative", Cooperative, stated, one_comes_back);
}

fn three_come(stage: &mut dyn Stage) -> Vec<Vec<String>> {
    let mut seats = Seats::new(stage);
    seats.start(0, 0);
    seats.until_shared();
    seats.start(1, 1);
    seats.until_shared();
    seats.go_on(QUIET_MS);
    seats.start(2, 2);
    seats.until_shared();
    seats.go_on(QUIET_MS);
    seats.told()
}

#[test]
fn a_third_member_gets_its_share_under_range() {
    let first = ["+a0 a1 a2 b0", "-a0 a1 a2 b0", "+a0 a1 b0", "-a0 a1 b0", "+a0 b0"];
    conform("third-range", Eager, told(&[&first, &["+a2", "-a2", "+a1"], &["+a2"]]), three_come);
}

#[test]
fn a_third_member_gets_its_share_under_cooperative_sticky() {
    let stated = told(&[&["+a0 a1 a2 b0", "-a0 a1"], &["+a0 a1", "-a0"], &["+a0"]]);
    conform("third-cooperative", Cooperative, stated, three_come);
}

#[test]
fn who_comes_under_the_name_of_a_living_member_ends_it() {
    let stated = told(&[&["+a0 a1 a2 b0", "=Fenced"], &["+a0 a1 a2 b0"]]);
    conform("twin", Cooperative, stated, |stage| {
        let mut seats = Seats::new(stage);
        seats.start(0, 0);
        seats.until_shared();
        seats.start(1, 0);
        seats.until_told(0, "=");
        seats.until_owned(&[0, 4]);
        seats.go_on(QUIET_MS);
        seats.told()
    });
}

#[test]
fn positions_are_those_that_a_transaction_has_committed() {
    let read = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    let stated = (read(&["a0@0", "a0@1", "a0@2"]), (0, 3, Some(1)), read(&["a0@1", "a0@2"]));
    conform("positions", Eager, stated, |stage| {
        for value in ["x", "y", "z"] {
            stage.feed("a", 0, value);
        }
        let partition = Partition::new(stage.topic("a"), 0);
        let mut seats = Seats::new(stage);
        seats.start(0, 0);
        seats.until_shared();
        seats.until_read(0, 3);
        seats.go_on(QUIET_MS);
        let first = seats.take_read(0);
        seats.broker(0).commit(&[(partition.clone(), 1)]).unwrap();
        let bounds = seats.broker(0).bounds(&[partition]).unwrap()[0];
        seats.go(0);
        seats.start(0, 0);
        seats.until_shared();
        seats.until_read(0, 2);
        seats.go_on(QUIET_MS);
        (first, (bounds.low, bounds.high, bounds.committed), seats.take_read(0))
    });
}

#[test]
fn a_commit_tells_where_the_changelog_goes_on_and_one_of_nothing_commits() {
    conform("commits", Eager, (vec![(0, 2)], vec![], vec![(0, 4)], 5), |stage| {
        let (changelog, partition) = (stage.topic("changelog"), Partition::new(stage.topic("a"), 0));
        let output = |value: &str| Output {
            topic: changelog.clone(),
            partition: Some(0),
            value: Some(value.into()),
            ..Output::default()
        };
        let mut seats = Seats::new(stage);
        seats.start(0, 0);
        seats.until_shared();
        let broker = seats.broker(0);
        broker.send(output("one")).unwrap();
        broker.send(output("two")).unwrap();
        let first = broker.commit(&[(partition.clone(), 0)]).unwrap();
        let nothing = broker.commit(&[]).unwrap();
        broker.send(output("three")).unwrap();
        let second = broker.commit(&[(partition, 0)]).unwrap();
        seats.until_end("changelog", 5);
        (first, nothing, second, seats.stage.end("changelog"))
    });
}

#[test]
fn a_replay_waits_for_open_transactions_and_ends_at_the_high_watermark() {
    let stated = (vec![(0, "one".to_owned()), (1, "two".to_owned())], Some(4), true);
    conform("replay", Eager, stated, |stage| {
        let (changelog, partition) = (stage.topic("changelog"), Partition::new(stage.topic("a"), 0));
        let output = |value: &str| Output {
            topic: changelog.clone(),
            partition: Some(0),
            value: Some(value.into()),
            ..Output::default()
        };
        let mut seats = Seats::new(stage);
        seats.start(0, 0);
        seats.until_shared();
        seats.broker(0).send(output("one")).unwrap();
        seats.broker(0).send(output("two")).unwrap();
        seats.broker(0).commit(&[(partition.clone(), 0)]).unwrap();
        // This one stays open until its time is up.
        seats.broker(0).send(output("three")).unwrap();
        seats.until_end("changelog", 4);
        let mut replay = seats.broker(0).replay(&Partition::new(changelog.clone(), 0), 0).unwrap();
        let mut records = Vec::new();
        for _ in 0..100 {
            if replay.finished().is_some() {
                break;
            }
            records.extend(replay.next(100, Duration::from_millis(100)).unwrap());
        }
        let values = records
            .iter()
            .map(|record| (record.offset, String::from_utf8(record.value.clone().unwrap()).unwrap()));
        let late = seats.broker(0).commit(&[(partition, 0)]);
        (values.collect(), replay.finished(), matches!(late, Err(Fault::Restart(_))))
    });
}

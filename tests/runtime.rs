//! The pipeline on the embedded log, without a broker: the worker, its tasks and intake against the same fold
//! as on Kafka. What only Kafka can show, transactions and groups, is in `kafka.rs`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "kafka/fold.rs"]
mod fold;
#[path = "kafka/outputs.rs"]
mod outputs;

#[path = "runtime/pipeline.rs"]
mod pipeline;
#[path = "runtime/restores.rs"]
mod restores;
#[path = "runtime/succession.rs"]
mod succession;
#[path = "runtime/transaction.rs"]
mod transaction;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bespoke::runtime::broker::Output;
use bespoke::shop::Kind;

use outputs::Outputs;
use pipeline::{Pipeline, Turns};
use restores::Shelves;

#[test]
fn what_comes_out_is_what_the_fold_says() {
    let pipeline = Pipeline::new("plain", 100);
    pipeline.append(pipeline.shop(1, 6_000));
    let mut turns = Turns::new(&pipeline, 1);
    turns.run();
    drop(turns);
    pipeline.check();
}

/// The worker is gone between two turns, with whatever it had not committed; the next one goes on. Its stores
/// are in memory, so each restart restores everything from the changelog.
#[test]
fn a_worker_that_dies_at_any_turn_loses_and_doubles_nothing() {
    for seed in 0..6 {
        let pipeline = Pipeline::new("dying", 20 + seed * 10);
        pipeline.append(pipeline.shop(seed, 1_500));
        for lives in 0..12 {
            let mut turns = Turns::new(&pipeline, lives);
            turns.some((seed * 7 + lives * 13) % 23);
        }
        let mut turns = Turns::new(&pipeline, 99);
        turns.run();
        drop(turns);
        pipeline.check();
    }
}

/// How much is applied between two sweeps, and how often is committed, is nobody's business but the clock's:
/// one command log gives the same outputs.
#[test]
fn when_it_is_swept_and_committed_changes_nothing() {
    let first = Pipeline::new("first", 300);
    first.append(first.shop(3, 3_000));
    let mut turns = Turns::new(&first, 1);
    turns.run();
    drop(turns);
    let told =
        |outputs: &Outputs| (outputs::values(&outputs.decisions), outputs::values(&outputs.segment_changes));
    let expected = told(&first.outputs());
    assert!(!expected.0.is_empty() && !expected.1.is_empty(), "the shop makes something happen");
    for records_max in [1, 7, 200, 10_000] {
        let pipeline = Pipeline::new("again", records_max);
        pipeline.append_commands_of(&first);
        let mut turns = Turns::new(&pipeline, 1);
        turns.run();
        let (commits, inputs) = (turns.commits() as usize, pipeline.commands().len());
        assert!(commits * records_max >= inputs, "{inputs} inputs in {commits} of {records_max} at most");
        drop(turns);
        pipeline.check();
        assert_eq!(told(&pipeline.outputs()), expected, "committed every {records_max} records");
    }
}

/// A turn is 60 ms here, a commit takes one, and `commit.age_max` is 100 ms: what keeps up commits in each third turn.
/// A third of the time is too much for what does not.
#[test]
fn a_worker_that_is_behind_commits_less_often() {
    const TURNS: usize = 15;
    let pipeline = Pipeline::new("behind", 1_000_000);
    let records = pipeline.shop(5, 9_000);
    let (many, few) = records.split_at(records.len() - TURNS);
    pipeline.append(many.to_vec());
    let mut turns = Turns::with_tick(&pipeline, Duration::from_millis(60));
    turns.some(8);
    let commits_in = |turns: &mut Turns<'_>, work: &mut dyn FnMut(&mut Turns<'_>)| {
        let before = turns.commits();
        work(turns);
        turns.commits() - before
    };
    let behind = commits_in(&mut turns, &mut |turns| turns.some(TURNS));
    assert_eq!(behind, TURNS as u64 / 5, "four turns for records, one for the commit");
    turns.run();
    let keeping_up = commits_in(&mut turns, &mut |turns| {
        for record in few {
            pipeline.append([record.clone()]);
            turns.some(1);
        }
    });
    assert_eq!(keeping_up, TURNS as u64 / 3, "two turns are `commit.age_max`");
    turns.run();
    drop(turns);
    pipeline.check();
}

/// A store does not hear of every commit, but of each before its worker ends, be it well or by a fault that new clients
/// mend: whoever has the partition next need not read the changelog.
#[test]
fn what_is_committed_is_on_disk_when_a_worker_ends() {
    for is_fault in [false, true] {
        let disk = Shelves::default();
        let pipeline = Pipeline::with_stores("ending", 100, Arc::new(disk.clone()));
        pipeline.append(pipeline.shop(9, 2_000));
        let mut turns = Turns::new(&pipeline, 1);
        turns.run_on();
        let mut written = BTreeMap::new();
        for record in pipeline.changelog() {
            written.insert(record.partition.number, record.offset + 1);
        }
        let heard = disk.heard();
        assert!(heard.iter().all(|(number, next)| next < &written[number]), "{heard:?} of {written:?}");
        if is_fault {
            turns.abort()
        } else {
            turns.drain()
        }
        assert_eq!(disk.heard(), written);
    }
}

/// A decision that was due before a change of content must not see the change, and one after it must. The
/// events come one at a time, content withdrawn between them.
#[test]
fn content_changes_in_order_with_decisions() {
    let pipeline = Pipeline::new("content", 50);
    let events: Vec<_> =
        pipeline.shop(5, 2_000).into_iter().filter(|record| record.kind == Kind::Good).collect();
    let mut turns = Turns::new(&pipeline, 1);
    let contents = pipeline.contents();
    for (number, event) in events.into_iter().enumerate() {
        if number % 40 == 0 {
            // In turn it is there, and gone.
            let content = &contents[number / 80 % contents.len()];
            let value = (number / 40 % 2 == 0).then(|| content.value.clone());
            let (key, topic) = (Some(content.key.clone()), "content".into());
            pipeline.log.append(Output { topic, key, value, ..Output::default() }, content.at).unwrap();
        }
        pipeline.append([event]);
        if number % 3 == 0 {
            turns.some(1);
        }
    }
    turns.run();
    drop(turns);
    pipeline.check();
    let decisions = pipeline.outputs().decisions.len();
    assert!(decisions > 100, "{decisions} decisions saw content come and go");
}

/// Time is not asked for by anything that is written: a worker whose clock runs wild says the same.
#[test]
fn the_wall_clock_is_in_nothing_that_comes_out() {
    let told: Vec<_> = [Duration::from_millis(1), Duration::from_secs(3_600)]
        .into_iter()
        .map(|tick| {
            let pipeline = Pipeline::new("clock", 300);
            pipeline.append(pipeline.shop(4, 2_000));
            let mut turns = Turns::with_tick(&pipeline, tick);
            turns.run();
            drop(turns);
            let outputs = pipeline.outputs();
            (outputs::values(&outputs.decisions), outputs::values(&outputs.segment_changes))
        })
        .collect();
    assert!(!told[0].0.is_empty());
    assert_eq!(told[0], told[1]);
}

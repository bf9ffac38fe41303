//! Requests of a transaction that arrive late, inside the next one: the race that librdkafka leaves open
//! (it has no KIP-890 part 2), and what the runtime does about it, a new producer epoch after each loss.
//!
//! The real binary works under load behind a proxy that understands Kafka's frames. Again and again the proxy
//! holds an EndTxn or a Produce and cuts the connection; librdkafka sends the request again; the transaction
//! ends; and when the first Produce of the next one was answered, the request held arrives at the broker. An
//! abort arrives when the offsets of that are to be added.
//!
//! BESPOKE_TEST_RACES says how many races there are.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "kafka/app.rs"]
#[allow(dead_code, reason = "the tests in tests/kafka use the rest")]
mod app;
#[path = "kafka/cluster.rs"]
#[allow(dead_code, reason = "the tests in tests/kafka use the rest")]
mod cluster;
#[path = "kafka/fold.rs"]
mod fold;
#[path = "kafka/intake.rs"]
mod intake;
#[path = "kafka/load.rs"]
#[allow(dead_code, reason = "the tests in tests/kafka use the rest")]
mod load;
#[path = "kafka/outputs.rs"]
#[allow(dead_code, reason = "the tests in tests/kafka use the rest")]
mod outputs;
#[path = "proxy/mod.rs"]
mod proxy;
#[path = "late/stage.rs"]
mod stage;

#[cfg(feature = "mutants")]
#[path = "late/mutant.rs"]
mod mutant;

use std::collections::BTreeMap;

use cluster::{Cluster, Turn, variable};
use proxy::{Connection, Lost, Race, Wanted};
use stage::Stage;

/// Each application has so many races at most, so that a check does not read ever more.
const RACES_OF_AN_APPLICATION: usize = 12;
const KINDS: [Wanted; 3] = [Wanted::Commit, Wanted::Abort, Wanted::Produce];

/// The outputs are compared after one race of each kind: what was torn once stays torn.
#[test]
fn late_requests_never_tear_a_transaction() {
    let name = "late_requests_never_tear_a_transaction";
    let Some(cluster) = Cluster::find(name) else { return };
    let _turn = Turn::among_others();
    let races = variable("BESPOKE_TEST_RACES").map_or(6, |text| text.parse().expect("a number of races"));
    let mut tally = Tally::default();
    for first in (0..races).step_by(RACES_OF_AN_APPLICATION) {
        let end = races.min(first + RACES_OF_AN_APPLICATION);
        let stage = Stage::create(&cluster, &format!("late-{first}"), end - first);
        let mut running = stage.app.start(0);
        running.await_work();
        for number in first..end {
            let wanted = KINDS[number % KINDS.len()];
            let race = stage.race(wanted, Lost::Request, Connection::Cut);
            eprintln!("{name}: race {number}: {wanted:?}: {}", stage::told(&race));
            tally.count(number, wanted, &race);
            if number + 1 == end || (number + 1) % KINDS.len() == 0 {
                stage.check().unwrap();
            }
        }
        assert_eq!(running.terminate().code(), Some(143));
    }
    let Tally { commits, aborts, produces, new_epochs, answers } = tally;
    eprintln!("{name}: answers to late requests: {answers:?}");
    eprintln!(
        "prove late: {races} races ({commits} commit, {aborts} abort, {produces} produce), 0 torn, {new_epochs} new \
         epochs"
    );
}

/// A lost answer leaves nothing that could arrive late, but its sender cannot know that. A connection that
/// falls silent is given up after the timeout of a request.
#[test]
fn every_loss_gives_a_new_epoch() {
    let name = "every_loss_gives_a_new_epoch";
    let Some(cluster) = Cluster::find(name) else { return };
    let _turn = Turn::among_others();
    let losses = [
        (Wanted::Partitions, Lost::Request, Connection::Cut),
        (Wanted::Offsets, Lost::Request, Connection::Cut),
        (Wanted::Commit, Lost::Answer, Connection::Cut),
        (Wanted::Produce, Lost::Answer, Connection::Cut),
        (Wanted::Commit, Lost::Request, Connection::Silent),
        (Wanted::Commit, Lost::Answer, Connection::Silent),
        (Wanted::Produce, Lost::Request, Connection::Silent),
        (Wanted::Produce, Lost::Answer, Connection::Silent),
    ];
    let stage = Stage::create(&cluster, "losses", losses.len());
    let mut running = stage.app.start(0);
    running.await_work();
    for (wanted, lost, connection) in losses {
        let race = stage.race(wanted, lost, connection);
        eprintln!("{name}: {wanted:?} {lost:?} {connection:?}: {}", stage::told(&race));
        assert!(race.next.is_some(), "no next transaction after {wanted:?} {lost:?} {connection:?}");
        assert!(race.new_epoch(), "the same epoch after {wanted:?} {lost:?} {connection:?}");
        assert_ne!(race.answer, Some(0), "a late request was accepted");
    }
    stage.check().unwrap();
    assert_eq!(running.terminate().code(), Some(143));
}

/// What came of the races.
#[derive(Default)]
struct Tally {
    commits: usize,
    aborts: usize,
    produces: usize,
    new_epochs: usize,
    answers: BTreeMap<i16, usize>,
}

impl Tally {
    fn count(&mut self, number: usize, wanted: Wanted, race: &Race) {
        assert!(race.over, "race {number}: the late request did not arrive inside the next transaction");
        assert!(!race.ended_before, "race {number}: the next transaction was over before it arrived");
        assert!(race.new_epoch(), "race {number}: the next transaction began with the old epoch");
        let answer = race.answer.expect("the broker answers");
        assert_ne!(answer, 0, "race {number}: the late request was accepted");
        *self.answers.entry(answer).or_default() += 1;
        self.new_epochs += 1;
        match wanted {
            Wanted::Commit => self.commits += 1,
            Wanted::Abort => self.aborts += 1,
            Wanted::Produce => self.produces += 1,
            Wanted::Partitions | Wanted::Offsets => panic!("race {number}: {wanted:?} is not counted"),
        }
    }
}

//! Members that have to end while they join, as when another worker of the process has found something wrong: each is
//! gone in time, whatever the group is doing, so that the process can say what it found.

use std::time::Duration;

use bespoke::runtime::broker::{Broker, Polled};
use bespoke::runtime::kafka::{KafkaBroker, Member};

use super::app::{App, Shape};
use super::cluster::{Cluster, Turn, now, variable};

const ROUNDS: u64 = 24;
/// The end of clients is waited for nine seconds, and nothing else takes long.
const FAREWELL_MAX: Duration = Duration::from_secs(10);

#[test]
fn a_member_that_ends_while_it_joins_is_gone_in_time() {
    let Some(cluster) = Cluster::find("a_member_that_ends_while_it_joins_is_gone_in_time") else { return };
    let _turn = Turn::among_others();
    let rounds =
        variable("BESPOKE_TEST_ROUNDS").map_or(ROUNDS, |text| text.parse().expect("a number of rounds"));
    let app = App::create(&cluster, "leaving", &Shape::default());
    let mut longest = Duration::ZERO;
    for round in 0..rounds {
        // The same two names each time: the group knows them, and has their partitions ready.
        let took = std::thread::scope(|scope| {
            let members = [0, 1].map(|thread| {
                // One reads for a while, as the one that fails; the other ends as soon as it is there.
                let stay = Duration::from_millis(if thread == 0 { round * 37 % 300 } else { round * 3 % 40 });
                let app = &app;
                scope.spawn(move || stay_and_leave(app, thread, stay))
            });
            members.map(|member| member.join().unwrap()).into_iter().max().unwrap()
        });
        longest = longest.max(took);
    }
    eprintln!(
        "a_member_that_ends_while_it_joins_is_gone_in_time: {rounds} rounds, the longest farewell {longest:?}"
    );
    assert!(longest < FAREWELL_MAX, "{longest:?}");
}

/// Joins, polls for a while without an answer to what the group says, and ends. Returns how long the end took.
fn stay_and_leave(app: &App, thread: usize, stay: Duration) -> Duration {
    let commands = &*app.config.topics.commands;
    let member = Member { application: app.config.application.clone(), ordinal: 0, thread };
    let mut broker = KafkaBroker::connect(&app.config, member, &[commands]).unwrap();
    let until = now() + stay;
    while now() < until {
        match broker.poll(Duration::from_millis(5)).unwrap() {
            Polled::Assigned(partitions) if thread == 0 => {
                let admitted: Vec<_> = partitions.into_iter().map(|partition| (partition, 0)).collect();
                broker.admit(&admitted).unwrap();
            }
            Polled::Revoked(partitions) if thread == 0 => broker.release(&partitions).unwrap(),
            _ => {}
        }
    }
    let began = now();
    drop(broker);
    began.elapsed()
}

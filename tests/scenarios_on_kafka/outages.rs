//! Scenario 6: of three brokers the one that coordinates the group, or the transactions, is killed under load
//! and comes back later. The process goes on without being started again.
//!
//! Only as `./dev prove scenario 6`: it takes minutes. That the only broker is killed is part of every run of
//! the tests: `tests/kafka/crashes.rs`.

use std::time::Duration;

use rdkafka::consumer::Consumer;

use super::admin::Administrator;
use super::app::{App, Shape};
use super::brokers::Brokers;
use super::cluster::{Cluster, Turn, now, variable, wait_until};
use super::dose::{long, skipped};
use super::load;
use super::process::{Launch, RESTORED};

/// As `tests/broker.sh` sets them up.
const COORDINATING_PARTITIONS: i32 = 4;
const RECOVERY_SECONDS_MAX: u64 = 15;

#[test]
fn scenario_06_the_brokers_that_coordinate_are_killed() {
    let name = "scenario_06_the_brokers_that_coordinate_are_killed";
    if !long() {
        return skipped(name, "it takes minutes: `./dev prove scenario 6`");
    }
    let _turn = Turn::alone();
    let Some(brokers) = Brokers::start(name, 3) else { return };
    let cluster = brokers.cluster();
    let app = replicated_app(&cluster, "three");
    let rounds = variable("BESPOKE_TEST_ROUNDS").map_or(20, |text| text.parse().expect("a number of rounds"));
    let records = load::records(&app, 61, 3_000 * rounds);
    let sources = [format!("{}-clickstream", app.id), format!("{}-orders", app.id)];
    let topics: Vec<&str> =
        sources.iter().map(String::as_str).chain([&*app.config.topics.commands]).collect();
    let committed = || app.cluster.progress(&app.id, &topics).iter().map(|(_, next, _)| next).sum::<i64>();
    let mut process = Launch::of(0).start(&app);
    process.await_log(RESTORED, 4, 60);
    load::feed(&app, &records, rounds, |round| {
        std::thread::sleep(Duration::from_millis(700));
        let (topic, what) = match round % 2 {
            0 => ("__consumer_offsets", app.id.clone()),
            _ => ("__transaction_state", format!("{}-0-0", app.id)),
        };
        let node = leader(&cluster, topic, partition_of_java(&what));
        brokers.kill(node);
        let killed = now();
        let before = committed();
        load::pour(&app, &load::records(&app, 600 + round as u64, 60));
        let away = Duration::from_secs(if round % 5 == 4 { 60 } else { 10 });
        let mut resumed = None;
        while killed.elapsed() < away {
            if resumed.is_none() && committed() > before {
                resumed = Some(killed.elapsed());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        brokers.up(node);
        wait_until("a commit after the broker's return", RECOVERY_SECONDS_MAX, || committed() > before);
        eprintln!(
            "{name}: round {round}, node {node} for {what}, the first commit {resumed:?} after its end"
        );
        assert!(process.ended().is_none(), "it goes on: {}", process.text());
        await_replicas(&cluster, &topics);
    });
    app.check();
    assert_eq!(process.terminate().0, 143);
}

/// An application whose topics stand on all three brokers.
fn replicated_app(cluster: &Cluster, name: &str) -> App {
    let id = format!("test-{}-{name}", std::process::id());
    let administrator = Administrator::of(cluster);
    let kept = [("retention.ms", "-1"), ("max.message.bytes", "4194304"), ("min.insync.replicas", "2")];
    for (suffix, partitions) in [("clickstream", 4), ("orders", 2), ("content", 1)] {
        administrator.create(&format!("{id}-{suffix}"), partitions, 3, &kept);
    }
    let own = [
        ("commands", "delete"),
        ("profile-changelog", "compact"),
        ("profile-updates", "compact"),
        ("content-decisions", "delete"),
        ("segment-changes", "delete"),
        ("dead-letters", "delete"),
        ("status", "compact"),
    ];
    for (suffix, policy) in own {
        let settings =
            [("cleanup.policy", policy), ("max.message.bytes", "67108864"), ("min.insync.replicas", "2")];
        administrator.create(&format!("{id}-{suffix}"), 4, 3, &settings);
    }
    App::create(cluster, name, &Shape::default())
}

/// The broker that leads a partition.
fn leader(cluster: &Cluster, topic: &str, partition: i32) -> usize {
    let asking = cluster.consumer("nobody");
    let mut found = None;
    wait_until("a leader", 30, || {
        let metadata = asking.fetch_metadata(Some(topic), Duration::from_secs(10)).unwrap();
        let partitions = metadata.topics().first().map(|topic| topic.partitions()).unwrap_or_default();
        found = partitions.iter().find(|one| one.id() == partition).map(|one| one.leader());
        found.is_some_and(|leader| leader > 0)
    });
    found.unwrap() as usize
}

/// Waits until every partition has all its replicas again, so that the next may be killed.
fn await_replicas(cluster: &Cluster, topics: &[&str]) {
    let asking = cluster.consumer("nobody");
    for topic in topics.iter().chain(&["__consumer_offsets", "__transaction_state"]) {
        wait_until("all replicas are in sync", 90, || {
            let metadata = asking.fetch_metadata(Some(topic), Duration::from_secs(10)).unwrap();
            metadata.topics().iter().flat_map(|topic| topic.partitions()).all(|one| one.isr().len() == 3)
        });
    }
}

/// Where Kafka keeps what belongs to a name: Java's hash of a text.
fn partition_of_java(name: &str) -> i32 {
    let hash = name.bytes().fold(0_i32, |hash, byte| hash.wrapping_mul(31).wrapping_add(i32::from(byte)));
    (hash & i32::MAX) % COORDINATING_PARTITIONS
}

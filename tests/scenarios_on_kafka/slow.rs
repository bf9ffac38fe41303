//! Scenario 7: processing is slower than the transaction's timeout and than the time between two polls. The
//! broker gives up transactions and members; the process gives up what it had in hand, and goes on, again and
//! again, without ever beginning to turn in circles.

use std::time::Duration;

use super::app::{App, Shape};
use super::cluster::{Cluster, Turn};
use super::dose::dose;
use super::load;
use super::process::{Launch, RESTORED};

/// Longer than the transaction (1 s), with the time until the broker looks for that (10 s at most); longer than
/// the session and than the time between two polls (6 s).
const LONG_PAUSE: Duration = Duration::from_millis(8_000);
/// Longer than the transaction alone.
const PAUSE: Duration = Duration::from_millis(1_500);

#[test]
fn scenario_07_slower_than_the_transaction() {
    let name = "scenario_07_slower_than_the_transaction";
    let Some(cluster) = Cluster::find(name) else { return };
    let _turn = Turn::among_others();
    slower(name, &App::create(&cluster, "slow", &Shape::default()), &launch(), 72);
}

#[test]
fn scenario_07_slower_than_the_poll_interval() {
    let name = "scenario_07_slower_than_the_poll_interval";
    let Some(cluster) = Cluster::find(name) else { return };
    let _turn = Turn::among_others();
    let launch = launch().with("kafka.consumer.max_poll_interval_ms", "6000");
    slower(name, &App::create(&cluster, "slow-polls", &Shape::default()), &launch, 71);
}

/// Batches as large and as old as they may be; the backlog makes sure that they are.
fn launch() -> Launch {
    Launch::of(0)
        .with("kafka.transaction_timeout", "1s")
        .with("commit.age_max", "900ms")
        .with("commit.records_max", "1000000")
        .with("commit.bytes_max", "64MiB")
}

fn slower(name: &str, app: &App, launch: &Launch, seed: u64) {
    let pulses = dose(4, 60);
    let records = load::records(app, seed, dose(12_000, 150_000));
    let (backlog, records) = records.split_at(records.len() / 2);
    load::pour(app, backlog);
    let mut process = launch.start(app);
    process.await_log(RESTORED, 4, 60);
    load::feed(app, records, pulses, |pulse| {
        process.signal("STOP");
        std::thread::sleep(if pulse % 4 == 3 { LONG_PAUSE } else { PAUSE });
        process.signal("CONT");
        std::thread::sleep(Duration::from_millis(400));
        assert!(process.ended().is_none(), "pulse {pulse}: {}", process.text());
    });
    app.check();
    let restarts = process.said(r#""event":"worker_restarts""#) + process.said(r#""event":"rewind""#);
    eprintln!("{name}: {pulses} pulses, begun again {restarts} times");
    assert!(restarts <= 2 * 2 * pulses, "twice a pulse and worker is enough: {}", process.text());
    assert_eq!(process.terminate().0, 143);
}

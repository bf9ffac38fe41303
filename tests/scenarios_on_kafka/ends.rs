//! Scenario 23: a process is asked to end while it has its hands full. It ends in time, and whoever comes next
//! finds everything in order.

use std::fs;
use std::time::Duration;

use super::app::{App, Shape};
use super::brokers::Brokers;
use super::cluster::{Cluster, Turn};
use super::dose::dose;
use super::load::{self, Chance};
use super::process::{ASSIGNED, Launch, Process, RESTORED};

/// A drain that has a broker to commit to is done long before the watchdog's 25 s.
const END_MAX: Duration = Duration::from_secs(25);
/// Without a broker each call runs into its timeout, and together they can pass the 25 s. Then the watchdog, which
/// looks once a second, cuts the drain off; the rest is for a machine with other work.
const CUT_OFF_MAX: Duration = Duration::from_secs(30);

#[test]
fn scenario_23_asked_to_end_under_load() {
    let name = "scenario_23_asked_to_end_under_load";
    let Some(cluster) = Cluster::find(name) else { return };
    let _turn = Turn::among_others();
    let mut chance = Chance::new(name);
    let app = App::create(&cluster, "end-load", &Shape::default());
    let rounds = dose(3, 30);
    let mut process = Launch::of(0).start(&app);
    load::feed(&app, &load::records(&app, 231, 2_500 * rounds), rounds, |_| {
        process.await_work();
        chance.pause(700);
        ends_cleanly(name, &mut process);
        process = Launch::of(0).start(&app);
    });
    app.check();
    ends_cleanly(name, &mut process);
}

#[test]
fn scenario_23_asked_to_end_while_restoring() {
    let name = "scenario_23_asked_to_end_while_restoring";
    let Some(cluster) = Cluster::find(name) else { return };
    let _turn = Turn::among_others();
    let mut chance = Chance::new(name);
    let app = App::create(&cluster, "end-restore", &Shape::default());
    load::pour(&app, &load::records(&app, 232, dose(8_000, 60_000)));
    let mut process = Launch::of(0).start(&app);
    app.check();
    ends_cleanly(name, &mut process);
    let mut amid = 0;
    for _ in 0..dose(4, 30) {
        fs::remove_dir_all(app.state(0)).unwrap();
        process = Launch::of(0).start(&app);
        process.await_log(ASSIGNED, 1, 60);
        chance.pause(250);
        let restored = process.said(RESTORED);
        ends_cleanly(name, &mut process);
        amid += usize::from(restored < 4);
    }
    eprintln!("{name}: {amid} times before all was restored");
    assert!(amid > 0, "none of the moments was amid a restore");
    load::pour(&app, &load::records(&app, 233, 500));
    process = Launch::of(0).start(&app);
    app.check();
    ends_cleanly(name, &mut process);
}

#[test]
fn scenario_23_asked_to_end_while_the_group_rebalances() {
    let name = "scenario_23_asked_to_end_while_the_group_rebalances";
    let Some(cluster) = Cluster::find(name) else { return };
    let _turn = Turn::among_others();
    let mut chance = Chance::new(name);
    let app = App::create(&cluster, "end-rebalance", &Shape::default());
    let rounds = dose(2, 15);
    let mut present = Launch::of(0).start(&app);
    load::feed(&app, &load::records(&app, 234, 2_500 * rounds), rounds, |round| {
        present.await_work();
        let mut next = Launch::of(1 + round as u32).start(&app);
        next.await_log(r#""event":"started""#, 1, 30);
        chance.pause(1_200);
        ends_cleanly(name, &mut present);
        // The one who stays has everything once the other's session has ended.
        next.await_work();
        std::mem::swap(&mut present, &mut next);
    });
    app.check();
    ends_cleanly(name, &mut present);
}

/// The broker is gone, or is there and answers nothing: what is open cannot be committed. The code may say that
/// the drain was cut off; what counts is that it ends, and what comes after.
#[test]
fn scenario_23_asked_to_end_while_the_broker_is_away() {
    let name = "scenario_23_asked_to_end_while_the_broker_is_away";
    let _turn = Turn::among_others();
    let Some(brokers) = Brokers::start(name, 1) else { return };
    let app = App::create(&brokers.cluster(), "end-outage", &Shape::default());
    let rounds = dose(1, 6);
    let mut process = Launch::of(0).start(&app);
    for round in 0..rounds {
        process.await_work();
        load::pour(&app, &load::records(&app, 235 + round as u64, 2_000));
        std::thread::sleep(Duration::from_millis(150));
        if round % 2 == 0 {
            brokers.kill(1);
        } else {
            brokers.signal(1, "STOP");
        }
        std::thread::sleep(Duration::from_millis(500));
        process.signal("TERM");
        let (code, took) = process.await_end("a process told to end without a broker", 40);
        eprintln!(
            "{name}: {} ended with {code} after {took:?}",
            if round % 2 == 0 { "gone" } else { "silent" }
        );
        assert!(took <= CUT_OFF_MAX, "{took:?}: {}", process.text());
        assert!([143, 75].contains(&code), "{code}: {}", process.text());
        if round % 2 == 0 {
            brokers.up(1);
        } else {
            brokers.signal(1, "CONT");
        }
        process = Launch::of(0).start(&app);
    }
    app.check();
    ends_cleanly(name, &mut process);
}

fn ends_cleanly(name: &str, process: &mut Process) {
    let (code, took) = process.terminate();
    eprintln!("{name}: ended with {code} after {took:?}");
    assert_eq!(code, 143, "{}", process.text());
    assert!(took <= END_MAX, "{took:?}");
}

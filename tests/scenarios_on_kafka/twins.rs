//! Scenarios 14 and 22: two processes want to be the same one. Exactly one goes on and writes; the other ends
//! soon, and says why by its exit code. A client that has died fatally never looks ready.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, Producer};

use super::app::{App, Shape};
use super::cluster::{Cluster, Turn, now, wait_until};
use super::load;
use super::process::{Launch, Process, RESTORED};

/// How soon one of two must have ended.
const END_SECONDS_MAX: u64 = 5;

#[test]
fn scenario_14_two_processes_with_one_state_directory() {
    let name = "scenario_14_two_processes_with_one_state_directory";
    let Some(cluster) = Cluster::find(name) else { return };
    let _turn = Turn::among_others();
    let app = App::create(&cluster, "directory", &Shape::default());
    let records = load::records(&app, 141, 6_000);
    let mut first = Launch::of(0).start(&app);
    first.await_work();
    load::feed(&app, &records, 1, |_| {
        // Another name, so that nothing but the directory is in the way.
        let mut second = Launch { state: Some(app.state(0)), ..Launch::of(1) }.start(&app);
        let mut given = 0;
        wait_until("the second was given partitions, or has ended", 30, || {
            given = second.said(super::process::ASSIGNED);
            given > 0 || second.ended().is_some()
        });
        let code = end_of_one("a process on another's state directory", &mut [&mut first, &mut second]);
        eprintln!("{name}: {code:?}");
        assert_eq!((code.0, code.1), (1, 71), "the second ends: {}", second.text());
        assert!(second.text().contains("state directory of its own"), "{}", second.text());
    });
    assert!(first.ended().is_none(), "the first goes on");
    app.check();
    assert_eq!(first.terminate().0, 143);
}

/// The same ordinal: the same group instance id and the same transactional id, on two machines.
#[test]
fn scenario_14_two_processes_with_one_name() {
    let name = "scenario_14_two_processes_with_one_name";
    let Some(cluster) = Cluster::find(name) else { return };
    let _turn = Turn::among_others();
    let app = App::create(&cluster, "name", &Shape::default());
    let records = load::records(&app, 142, 6_000);
    let mut first = Launch::of(0).start(&app);
    first.await_work();
    load::feed(&app, &records, 1, |_| {
        let mut second = Launch { state: Some(app.state(1)), ..Launch::of(0) }.start(&app);
        wait_until("the second is a member, or has ended", 30, || {
            second.said(super::process::ASSIGNED) > 0 || second.ended().is_some()
        });
        let (which, code, took) = end_of_one("one of two of one name", &mut [&mut first, &mut second]);
        eprintln!("{name}: process {which} ended with {code} after {took:?}");
        assert_eq!(code, 71);
        std::thread::sleep(Duration::from_secs(2));
        let left = [first.ended(), second.ended()];
        assert_eq!(left.iter().filter(|ended| ended.is_none()).count(), 1, "one goes on: {left:?}");
        if which == 0 {
            first = second;
        }
    });
    app.check();
    assert_eq!(first.terminate().0, 143);
}

/// Only the transactional id: a foreign program begins transactions under the name of a worker.
#[test]
fn scenario_14_a_stranger_with_our_transactional_id() {
    let name = "scenario_14_a_stranger_with_our_transactional_id";
    let Some(cluster) = Cluster::find(name) else { return };
    let _turn = Turn::among_others();
    let app = App::create(&cluster, "transactional", &Shape::default());
    let records = load::records(&app, 143, 6_000);
    let mut process = Launch::of(0).start(&app);
    process.await_work();
    load::feed(&app, &records, 3, |_| {
        let stranger: BaseProducer = ClientConfig::new()
            .set("bootstrap.servers", &cluster.bootstrap)
            .set("transactional.id", format!("{}-0-0", app.id))
            .create()
            .unwrap();
        stranger.init_transactions(Duration::from_secs(20)).unwrap();
        std::thread::sleep(Duration::from_millis(700));
    });
    app.check();
    assert!(process.ended().is_none(), "whoever fences once and goes does no harm: {}", process.text());
    assert_eq!(process.terminate().0, 143);
}

/// A foreign member takes the name of one of our workers, which is fatal to its client.
#[test]
fn scenario_22_a_fatal_client_error_ends_the_process() {
    let name = "scenario_22_a_fatal_client_error_ends_the_process";
    let Some(cluster) = Cluster::find(name) else { return };
    let _turn = Turn::among_others();
    let app = App::create(&cluster, "fatal", &Shape::default());
    let records = load::records(&app, 221, 6_000);
    let mut process = Launch::of(0).start(&app);
    process.await_log(RESTORED, 4, 60);
    load::feed(&app, &records, 1, |_| {
        wait_until("it is ready", 20, || process.ready().is_ok());
        let began = now();
        let stranger = stranger_of_group(&app);
        let mut unready = None;
        let mut ended = None;
        wait_until("the process has ended", 10, || {
            let _ = stranger.poll(Duration::from_millis(1));
            ended = process.ended();
            if unready.is_none() && (ended.is_some() || process.ready().is_err()) {
                unready = Some(began.elapsed());
            }
            ended.is_some()
        });
        eprintln!("{name}: not ready after {unready:?}, ended after {:?}", began.elapsed());
        assert_eq!(ended.unwrap().code(), Some(71), "{}", process.text());
        assert!(unready.unwrap() <= Duration::from_secs(5), "never ready and idle");
    });
    let mut process = Launch::of(0).start(&app);
    app.check();
    assert_eq!(process.terminate().0, 143);
}

/// A member of the application's group under the name of its first worker.
fn stranger_of_group(app: &App) -> BaseConsumer {
    let stranger: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &app.cluster.bootstrap)
        .set("group.id", &app.id)
        .set("group.instance.id", format!("{}-0-0", app.id))
        .set("partition.assignment.strategy", "cooperative-sticky")
        .set("session.timeout.ms", "6000")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    stranger.subscribe(&[&app.config.topics.commands]).unwrap();
    stranger
}

/// Waits until one of them has ended; answers which, its code and how long it took.
fn end_of_one(what: &str, processes: &mut [&mut Process]) -> (usize, i32, Duration) {
    let began = now();
    let mut ended = None;
    wait_until(&format!("{what} has ended"), END_SECONDS_MAX, || {
        ended = processes.iter_mut().enumerate().find_map(|(at, process)| Some((at, process.ended()?)));
        ended.is_some()
    });
    let (which, status) = ended.unwrap();
    (which, status.code().unwrap_or(-1), began.elapsed())
}

//! The process is killed without warning while it works; the broker is, or stands still.

use std::process::Command;

use super::app::{App, Shape};
use super::cluster::{Cluster, Turn, now, variable, wait_until};
use super::load::{self, Chance};

#[test]
fn killed_at_five_random_moments() {
    let Some(cluster) = Cluster::find("killed_at_five_random_moments") else { return };
    let _turn = Turn::among_others();
    let mut chance = Chance::new("killed_at_five_random_moments");
    let app = App::create(&cluster, "killed", &Shape::default());
    let records = load::records(&app, 3, 20_000);
    let mut running = Some(app.start(0));
    load::feed(&app, &records, 5, |_| {
        running.as_mut().unwrap().await_work();
        chance.pause(1_500);
        running.take().unwrap().kill();
        running = Some(app.start(0));
    });
    app.check();
    running.unwrap().terminate();
}

/// A process that is killed while it starts or restores comes up all the same.
#[test]
fn killed_before_it_is_ready() {
    let Some(cluster) = Cluster::find("killed_before_it_is_ready") else { return };
    let _turn = Turn::among_others();
    let mut chance = Chance::new("killed_before_it_is_ready");
    let app = App::create(&cluster, "early", &Shape::default());
    let records = load::records(&app, 4, 4_000);
    let mut running = Some(app.start(0));
    load::feed(&app, &records, 8, |_| {
        chance.pause(700);
        running.take().unwrap().kill();
        running = Some(app.start(0));
    });
    app.check();
    running.unwrap().terminate();
}

/// Nothing is lost or doubled, and the application goes on without being started again.
#[test]
fn the_broker_is_killed_under_load() {
    a_fault_of_the_broker("the_broker_is_killed_under_load", "BESPOKE_TEST_BROKER_RESTART", 2);
}

/// For longer than the group's session lasts. Nobody else has the name of a member that gave up its session by
/// itself, whatever the group answers it, so the process goes on.
#[test]
fn the_broker_stands_still_under_load() {
    a_fault_of_the_broker("the_broker_stands_still_under_load", "BESPOKE_TEST_BROKER_PAUSE", 3);
}

/// Runs the command that the variable says, several times under load.
fn a_fault_of_the_broker(name: &str, fault: &str, rounds: usize) {
    let Some(cluster) = Cluster::find(name) else { return };
    let Some(command) = variable(fault) else {
        assert!(variable("CI").is_none(), "{name}: CI is set and {fault} is not");
        eprintln!("{name}: skipped, {fault} says no command. `./dev test` sets it");
        return;
    };
    let _turn = Turn::alone();
    let application = fault.trim_start_matches("BESPOKE_TEST_BROKER_").to_lowercase();
    let app = App::create(&cluster, &application, &Shape::default());
    let records = load::records(&app, 5, 500 * rounds + 11_000);
    let (spare, records) = records.split_at(500 * rounds);
    let mut spare = spare.chunks(500);
    let mut running = app.start(0);
    running.await_work();
    load::feed(&app, records, rounds, |_| {
        std::thread::sleep(std::time::Duration::from_millis(900));
        let began = now();
        let status = Command::new("bash").args(["-c", &command]).status().unwrap();
        assert!(status.success(), "{command}");
        eprintln!("{name}: the broker was away for {:?}", began.elapsed());
        let back = now();
        let committed = |app: &App| {
            let progress = app.cluster.progress(&app.id, &[&app.config.topics.commands]);
            progress.iter().map(|(_, next, _)| next).sum::<i64>()
        };
        let before = committed(&app);
        // So that there is something to read in any case.
        load::pour(&app, spare.next().unwrap());
        wait_until("a commit after the broker's return", 45, || committed(&app) > before);
        eprintln!("{name}: the first commit came {:?} after the broker", back.elapsed());
    });
    app.check();
    assert_eq!(running.said("worker_stuck"), 0, "the process went on without being started again");
    assert_eq!(running.terminate().code(), Some(143));
}

//! The process is killed without warning while it works, and the broker is.

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
    let name = "the_broker_is_killed_under_load";
    let Some(cluster) = Cluster::find(name) else { return };
    let Some(restart) = variable("BESPOKE_TEST_BROKER_RESTART") else {
        assert!(variable("CI").is_none(), "{name}: CI is set and BESPOKE_TEST_BROKER_RESTART is not");
        eprintln!("{name}: skipped, BESPOKE_TEST_BROKER_RESTART says no command. `./dev test` sets it");
        return;
    };
    let _turn = Turn::alone();
    let app = App::create(&cluster, "broker", &Shape::default());
    let records = load::records(&app, 5, 12_000);
    let (spare, records) = records.split_at(1_000);
    let mut spare = spare.chunks(500);
    let mut running = app.start(0);
    running.await_work();
    load::feed(&app, records, 2, |_| {
        std::thread::sleep(std::time::Duration::from_millis(900));
        let began = now();
        let status = Command::new("bash").args(["-c", &restart]).status().unwrap();
        assert!(status.success(), "{restart}");
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

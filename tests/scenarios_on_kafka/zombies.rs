//! Scenario 4: a process stands still for so long that others take its place, and then goes on as if nothing
//! had happened. Nothing that it still has in its hands may become visible.

use std::time::Duration;

use super::app::{App, Shape};
use super::cluster::{Cluster, Turn, now, wait_until};
use super::dose::dose;
use super::load::{self, Chance};
use super::process::{ASSIGNED, Launch, Process};

/// Longer than the session (6 s) and the transaction (2 s).
const STANDSTILL: Duration = Duration::from_millis(9_500);
const BACK_SECONDS_MAX: u64 = 5;
/// How long a process that has failed may take to end, its drain included.
const END_SECONDS_MAX: u64 = 30;

fn launch(ordinal: u32) -> Launch {
    Launch::of(ordinal).with("kafka.transaction_timeout", "2s")
}

/// Another member of the group has its partitions: it comes back and is given some again.
#[test]
fn scenario_04_a_zombie_whose_partitions_another_member_has() {
    let name = "scenario_04_a_zombie_whose_partitions_another_member_has";
    let Some(cluster) = Cluster::find(name) else { return };
    let _turn = Turn::among_others();
    let mut chance = Chance::new(name);
    let app = App::create(&cluster, "zombie", &Shape::default());
    let rounds = dose(1, 10);
    let records = load::records(&app, 41, dose(10_000, 60_000));
    let mut processes = [launch(0).start(&app), launch(1).start(&app)];
    processes.iter_mut().for_each(Process::await_work);
    load::feed(&app, &records, rounds, |round| {
        let zombie = round % 2;
        chance.pause(800);
        let heir = &mut processes[1 - zombie];
        let before = heir.said(ASSIGNED);
        processes[zombie].signal("STOP");
        let stopped = now();
        processes[1 - zombie].await_log(ASSIGNED, before + 1, 30);
        std::thread::sleep(STANDSTILL.saturating_sub(stopped.elapsed()));
        let before = processes[zombie].said(ASSIGNED);
        processes[zombie].signal("CONT");
        let awake = now();
        wait_until("the zombie has ended or is a member again", BACK_SECONDS_MAX, || {
            processes[zombie].ended().is_some() || processes[zombie].said(ASSIGNED) > before
        });
        assert!(processes[zombie].ended().is_none(), "it had a name of its own and can go on");
        eprintln!("{name}: it was a member again after {:?}", awake.elapsed());
    });
    app.check();
    for process in &mut processes {
        assert_eq!(process.terminate().0, 143);
    }
}

/// A process of the same name has started elsewhere. Both cannot go on, and nothing of the one that does not may
/// be seen. Which one that is lies with the client: one whose session has ended while it stood still joins anew
/// under its name, as librdkafka does by itself, and takes it back; if only some of its threads do, both end.
#[test]
fn scenario_04_a_zombie_whose_name_another_process_has() {
    let name = "scenario_04_a_zombie_whose_name_another_process_has";
    let Some(cluster) = Cluster::find(name) else { return };
    let _turn = Turn::among_others();
    let mut chance = Chance::new(name);
    let app = App::create(&cluster, "replaced", &Shape::default());
    let rounds = dose(1, 10);
    let records = load::records(&app, 42, dose(8_000, 60_000));
    let elsewhere = |round: usize| Launch { state: Some(app.state(100 + round as u32)), ..launch(0) };
    let mut present = elsewhere(0).start(&app);
    present.await_work();
    load::feed(&app, &records, rounds, |round| {
        chance.pause(800);
        present.signal("STOP");
        let stopped = now();
        let mut successor = elsewhere(round + 1).start(&app);
        successor.await_work();
        std::thread::sleep(STANDSTILL.saturating_sub(stopped.elapsed()));
        present.signal("CONT");
        let awake = now();
        wait_until("one of two processes with one name has ended", BACK_SECONDS_MAX, || {
            present.ended().is_some() || successor.ended().is_some()
        });
        eprintln!("{name}: one ended {:?} after the zombie went on", awake.elapsed());
        // The other one may be about to end too: which its log says before it has closed everything.
        std::thread::sleep(Duration::from_secs(2));
        wait_until("whoever has failed has ended", END_SECONDS_MAX, || {
            [&mut present, &mut successor]
                .into_iter()
                .all(|process| process.said("worker_failed") == 0 || process.ended().is_some())
        });
        for process in [&mut present, &mut successor] {
            let code = process.ended().map(|status| status.code());
            assert!(matches!(code, None | Some(Some(71))), "{code:?}: {}", process.text());
        }
        if present.ended().is_some() {
            present = successor;
        }
        if present.ended().is_some() {
            eprintln!("{name}: both have ended");
            present = elsewhere(rounds + round + 1).start(&app);
            present.await_work();
        }
    });
    app.check();
    assert_eq!(present.terminate().0, 143);
}

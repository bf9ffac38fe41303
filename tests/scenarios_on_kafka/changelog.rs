//! Scenario 9: the changelog is trimmed, deleted, made anew or set up wrongly. Either the start is refused with
//! a code of its own, or the state is exactly what it was. A smaller state is never accepted.

use std::fs;
use std::path::Path;

use super::admin::Administrator;
use super::app::{App, Shape};
use super::cluster::{Cluster, Turn, wait_until};
use super::load;
use super::process::{Launch, Process, RESTORED};

const COMPACTED: &[(&str, &str)] = &[("cleanup.policy", "compact"), ("max.message.bytes", "67108864")];

/// An application whose processes have ended, with everything read, and an administrator.
struct Settled {
    app: App,
    administrator: Administrator,
}

impl Settled {
    fn new(cluster: &Cluster, name: &str, seed: u64) -> Settled {
        let app = App::create(cluster, name, &Shape::default());
        let settled = Settled { administrator: Administrator::of(cluster), app };
        settled.work(seed);
        settled
    }

    /// A process reads all of some more records and ends.
    fn work(&self, seed: u64) {
        load::pour(&self.app, &load::records(&self.app, seed, 2_000));
        let mut process = Launch::of(0).start(&self.app);
        process.await_log(RESTORED, 4, 60);
        self.app.check();
        assert_eq!(process.terminate().0, 143);
    }

    fn changelog(&self) -> &str {
        &self.app.config.topics.changelog
    }

    /// Deletes records of every partition of the changelog: those before what `first` makes of its end.
    /// Kafka refuses that for a compacted topic, but not for one that somebody has set up otherwise meanwhile.
    fn trim(&self, first: impl Fn(i64) -> i64) {
        self.administrator.set(self.changelog(), &[("cleanup.policy", "compact,delete")]);
        for (partition, _, end) in self.app.cluster.progress("nobody", &[self.changelog()]) {
            wait_until("the records could be deleted", 20, || {
                self.administrator.try_trim(self.changelog(), partition.number, first(end))
            });
        }
        self.administrator.set(self.changelog(), COMPACTED);
    }

    fn lose_state(&self) {
        fs::remove_dir_all(self.app.state(0)).unwrap();
    }

    /// Nobody may start, whatever comes in.
    fn refused(&self, name: &str, expected: i32) {
        load::pour(&self.app, &load::records(&self.app, 99, 500));
        let mut process = Launch::of(0).start(&self.app);
        let (code, took) = process.await_end("a process whose changelog is not whole", 30);
        eprintln!("{name}: refused with {code} after {took:?}: {}", last_line(&process));
        assert_eq!(code, expected, "{}", process.text());
    }

    /// Work goes on, and what comes out is what has to come out.
    fn exact(&self) {
        self.work(98);
    }
}

#[test]
fn scenario_09_a_trimmed_changelog_is_no_backup() {
    let name = "scenario_09_a_trimmed_changelog_is_no_backup";
    let Some(cluster) = Cluster::find(name) else { return };
    let _turn = Turn::among_others();
    let settled = Settled::new(&cluster, "cut", 91);
    settled.trim(|end| end / 2);
    settled.lose_state();
    settled.refused(name, 72);
}

#[test]
fn scenario_09_a_trimmed_changelog_cannot_catch_up_an_old_copy() {
    let name = "scenario_09_a_trimmed_changelog_cannot_catch_up_an_old_copy";
    let Some(cluster) = Cluster::find(name) else { return };
    let _turn = Turn::among_others();
    let settled = Settled::new(&cluster, "cut-copy", 92);
    let copy = settled.app.state(7);
    copy_directory(&settled.app.state(0), &copy);
    settled.work(93);
    settled.work(94);
    // The copy ends before the middle.
    settled.trim(|end| end * 3 / 4);
    settled.lose_state();
    copy_directory(&copy, &settled.app.state(0));
    settled.refused(name, 72);
}

#[test]
fn scenario_09_a_trimmed_changelog_beside_a_whole_state() {
    let name = "scenario_09_a_trimmed_changelog_beside_a_whole_state";
    let Some(cluster) = Cluster::find(name) else { return };
    let _turn = Turn::among_others();
    let settled = Settled::new(&cluster, "cut-whole", 95);
    settled.trim(|end| end / 2);
    settled.exact();
}

#[test]
fn scenario_09_a_changelog_set_up_wrongly() {
    let name = "scenario_09_a_changelog_set_up_wrongly";
    let Some(cluster) = Cluster::find(name) else { return };
    let _turn = Turn::among_others();
    let settled = Settled::new(&cluster, "policy", 96);
    let administrator = &settled.administrator;
    for policy in ["delete", "compact,delete"] {
        administrator.set(settled.changelog(), &[("cleanup.policy", policy)]);
        settled.refused(name, 78);
    }
    administrator.set(settled.changelog(), COMPACTED);
    settled.exact();
    administrator.widen(settled.changelog(), 6);
    settled.refused(name, 78);
    administrator.delete(settled.changelog());
    settled.refused(name, 78);
    administrator.create(settled.changelog(), 2, 1, COMPACTED);
    settled.refused(name, 78);
}

#[test]
fn scenario_09_a_changelog_made_anew() {
    let name = "scenario_09_a_changelog_made_anew";
    let Some(cluster) = Cluster::find(name) else { return };
    let _turn = Turn::among_others();
    let settled = Settled::new(&cluster, "anew", 97);
    settled.administrator.delete(settled.changelog());
    settled.administrator.create(settled.changelog(), 4, 1, COMPACTED);
    settled.refused(name, 72);
    settled.lose_state();
    settled.refused(name, 72);
}

/// The worst case: the process that knows everything goes on, and writes the rest into a changelog that holds
/// nothing of what was before.
#[test]
fn scenario_09_a_changelog_made_anew_under_a_running_process() {
    let name = "scenario_09_a_changelog_made_anew_under_a_running_process";
    let Some(cluster) = Cluster::find(name) else { return };
    let _turn = Turn::among_others();
    let settled = Settled::new(&cluster, "anew-running", 98);
    let app = &settled.app;
    let mut process = Launch::of(0).start(app);
    process.await_log(RESTORED, 4, 60);
    settled.administrator.delete(settled.changelog());
    settled.administrator.create(settled.changelog(), 4, 1, COMPACTED);
    load::pour(app, &load::records(app, 100, 2_000));
    let (code, took) = process.await_end("a process whose changelog is another one", 40);
    eprintln!("{name}: it ended with {code} after {took:?}: {}", last_line(&process));
    assert_eq!(code, 72, "{}", process.text());
    settled.lose_state();
    settled.refused(name, 72);
}

fn last_line(process: &Process) -> String {
    process.text().lines().last().unwrap_or_default().to_owned()
}

fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

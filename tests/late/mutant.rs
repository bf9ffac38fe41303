//! The checks of the races, checked: with the defence switched off the same races must tear transactions, and
//! what the races are judged by must see it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::app::App;
use super::cluster::{Cluster, Turn, wait_until};
use super::proxy::{Connection, Lost, Wanted};
use super::stage::{self, Stage};

/// State and offsets disagree: the exit code of a process that finds a torn transaction.
const INCONSISTENT: i32 = 72;
/// A race tears nothing where the late commit comes when everything was sent already, so there are some more.
const RACES_MAX: usize = 12;

/// A process of the binary with the mutant armed. Dropped, it is killed.
struct Mutant {
    child: Child,
    log: PathBuf,
}

#[test]
fn the_checks_see_what_a_kept_producer_tears() {
    let name = "the_checks_see_what_a_kept_producer_tears";
    let Some(cluster) = Cluster::find(name) else { return };
    let _turn = Turn::among_others();
    let stage = Stage::create(&cluster, "late-mutant", RACES_MAX);
    let mut process = Mutant::start(&stage.app);
    process.await_work();
    for number in 0..RACES_MAX {
        let race = stage.race(Wanted::Commit, Lost::Request, Connection::Cut);
        eprintln!("{name}: race {number}: {}", stage::told(&race));
        assert!(race.over, "the late commit did not arrive inside the next transaction");
        assert!(!race.new_epoch(), "the mutant is armed, so the producer was kept");
        if let Some(seen) = process.torn(&stage) {
            eprintln!("{name}: seen in race {number}: {seen}");
            return;
        }
    }
    panic!("{RACES_MAX} late commits inside later transactions tore nothing that the checks see");
}

impl Mutant {
    fn start(app: &App) -> Mutant {
        let state = app.state(0);
        let log = app.log("mutant");
        let config = state.parent().unwrap_or(Path::new(".")).join("bespoke.yaml");
        let child = Command::new(env!("CARGO_BIN_EXE_bespoke"))
            .env("BESPOKE_MUTANT", bespoke::mutant::Mutant::KeepSuspectProducer.name())
            .arg("run")
            .arg("--config")
            .arg(config)
            .args(["--ordinal", "0", "--listen", "127.0.0.1:0", "--state-dir"])
            .arg(state)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Mutant { child, log }
    }

    fn await_work(&mut self) {
        wait_until("the process has the state of its partitions", 60, || {
            assert_eq!(self.child.try_wait().unwrap(), None, "the process runs");
            fs::read_to_string(&self.log).unwrap_or_default().contains(r#""event":"restored""#)
        });
    }

    /// What was seen, where something was torn. That the process does not come to an end is no answer.
    fn torn(&mut self, stage: &Stage) -> Option<String> {
        let said = stage.check().err()?;
        match self.child.try_wait().unwrap().map(|status| status.code()) {
            Some(Some(INCONSISTENT)) => Some(format!("the process ended with {INCONSISTENT}; {said}")),
            Some(code) => panic!("the process ended with {code:?}: {said}"),
            None => {
                assert!(!said.contains("was read up to"), "{said}");
                Some(said)
            }
        }
    }
}

impl Drop for Mutant {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

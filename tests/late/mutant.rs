//! The checks of the races, checked: with the defence switched off the same races must tear transactions, and
//! what the races are judged by must see it.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::app::App;
use super::cluster::Cluster;
use super::proxy::{Connection, Lost, Wanted};
use super::stage::{self, Stage};

/// State and offsets disagree: the exit code of a process that finds a torn transaction.
const INCONSISTENT: i32 = 72;
/// A race tears nothing where the late commit comes when everything was sent already, so there are some more.
const RACES_MAX: usize = 6;

/// A process of the binary with the mutant armed. Dropped, it is killed.
struct Mutant(Child);

#[test]
fn the_checks_see_what_a_kept_producer_tears() {
    let name = "the_checks_see_what_a_kept_producer_tears";
    let Some(cluster) = Cluster::find(name) else { return };
    let stage = Stage::create(&cluster, "late-mutant", RACES_MAX);
    let mut process = Mutant::start(&stage.app);
    process.await_work();
    for number in 0..RACES_MAX {
        let race = stage.race(Wanted::Commit, Lost::Request, Connection::Cut);
        eprintln!("{name}: race {number}: {}", stage::told(&race));
        assert!(race.over, "the late commit did not arrive inside the next transaction");
        assert!(!race.new_epoch(), "the mutant is armed, so the producer was kept");
        if let Some(seen) = process.torn(&stage.app) {
            eprintln!("{name}: seen in race {number}: {seen}");
            return;
        }
    }
    panic!("{RACES_MAX} late commits inside later transactions tore nothing that the checks see");
}

impl Mutant {
    fn start(app: &App) -> Mutant {
        let state = app.state(0);
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
            .stderr(File::create(app.log("mutant")).unwrap())
            .spawn()
            .unwrap();
        Mutant(child)
    }

    fn await_work(&mut self) {
        std::thread::sleep(Duration::from_secs(3));
        assert_eq!(
            self.0.try_wait().unwrap(),
            None,
            "the process ended; its log is in the temporary directory"
        );
    }

    /// What was seen, where something was torn.
    fn torn(&mut self, app: &App) -> Option<String> {
        let seen = catch_unwind(AssertUnwindSafe(|| app.check())).err()?;
        let exit = self.0.try_wait().unwrap().and_then(|status| status.code());
        let said = seen.downcast_ref::<String>().cloned().unwrap_or_default();
        Some(match exit {
            Some(INCONSISTENT) => format!("the process ended with {INCONSISTENT}; {said}"),
            Some(code) => panic!("the process ended with {code}: {said}"),
            None => said,
        })
    }
}

impl Drop for Mutant {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

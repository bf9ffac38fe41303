//! Scenario 12: the N-th call that touches the state's files fails, or does less than it was asked to. The
//! process goes on or ends with a code; either way nothing is lost, and a start with a good disk works.
//!
//! `strace` makes the calls fail, which some machines do not allow. It counts the calls of each thread for
//! itself, so that one N fails several calls.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::app::{App, Shape};
use super::cluster::{Cluster, Deadline, Turn};
use super::dose::{dose, long, skipped};
use super::load::{self, Chance};
use super::process::Launch;

const CALLS: [(&str, &str); 6] = [
    ("write,pwrite64,writev", "error=EIO"),
    ("fdatasync,fsync,sync_file_range", "error=EIO"),
    ("openat", "error=EIO"),
    ("write,pwrite64", "retval=1"),
    ("rename,ftruncate,fallocate", "error=EIO"),
    ("read,pread64", "error=EIO"),
];
/// Starts in a row that may end by themselves before it counts as a loop.
const ENDS_MAX: usize = 2;

#[test]
fn scenario_12_calls_to_the_disk_fail() {
    let name = "scenario_12_calls_to_the_disk_fail";
    let Some(cluster) = Cluster::find(name) else { return };
    let traced = Command::new("strace").args(["-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    if !traced.is_ok_and(|status| status.success()) {
        return skipped(name, "strace is missing or may not trace here");
    }
    let _turn = Turn::among_others();
    let mut chance = Chance::new(name);
    let app = App::create(&cluster, "errors", &Shape::default());
    let rounds: usize = dose(3, 120);
    let (mut ends, mut all_failed) = (0, 0);
    for round in 0..rounds {
        let (calls, fails) = CALLS[if long() { round % CALLS.len() } else { [0, 1, 3][round] }];
        // Few small numbers, more large ones.
        let ceiling = [5, 20, 100, 500][chance.below(dose(2, 4)) as usize];
        let when = 1 + chance.below(ceiling);
        load::pour(&app, &load::records(&app, 120 + round as u64, 800));
        let trace = app.log("strace");
        let mut process = failing(&app, calls, &format!("{fails}:when={when}"), &trace).start(&app);
        let deadline = Deadline::after_s(60);
        let mut ended = None;
        while ended.is_none() && app.await_sources(0).is_err() && !deadline.passed() {
            ended = process.ended();
            std::thread::sleep(Duration::from_millis(100));
        }
        ended = ended.or_else(|| {
            std::thread::sleep(Duration::from_millis(300));
            process.ended()
        });
        let restarts = process.said(r#""event":"worker_restarts""#);
        let failed = fs::read_to_string(&trace).unwrap_or_default().matches("(INJECTED)").count();
        eprintln!(
            "{name}: {calls} {fails} at {when}: {failed} failed, begun again {restarts} times, ended: {ended:?}"
        );
        all_failed += failed;
        assert!(ended.is_some() || !deadline.passed(), "neither done nor ended: {}", process.text());
        match ended {
            Some(status) => {
                assert!(status.code().is_some_and(|code| code != 101), "no panic: {}", process.text());
                ends += 1;
                // On a good disk all is well again.
                let mut mended = Launch::of(0).start(&app);
                app.await_sources(60).unwrap();
                assert!(mended.ended().is_none(), "it starts on a good disk: {}", mended.text());
                assert_eq!(mended.terminate().0, 143);
            }
            None => {
                assert!(restarts <= 12, "no loop: {}", process.text());
                process.terminate();
            }
        }
    }
    eprintln!("{name}: {rounds} rounds, {all_failed} calls failed, {ends} rounds ended the process");
    assert!(all_failed >= rounds, "so few calls failed that this proves nothing");
    assert!(long() || ends <= ENDS_MAX, "{ends} of {rounds} ended the process");
    let mut process = Launch::of(0).start(&app);
    app.check();
    assert_eq!(process.terminate().0, 143);
}

/// A process that is traced by a descendant of its own, so that its process id stays that of the binary.
fn failing(app: &App, calls: &str, how: &str, trace: &Path) -> Launch {
    let mut through: Vec<String> = ["strace", "-D", "-f", "--quiet=all", "-o"].map(str::to_owned).to_vec();
    through.push(trace.to_str().unwrap().to_owned());
    through.extend(["-e".into(), format!("trace={calls}"), "-e".into(), format!("inject={calls}:{how}")]);
    for number in 0..app.config.partitions {
        let store = app.state(0).join(&app.id).join(format!("profiles-{number}"));
        let mut names = vec!["".to_owned(), "FORMAT".into(), "FORMAT.unfinished".into(), "CURRENT".into()];
        for file in 1..120 {
            names.push(format!("{file:06}.sst"));
            names.push(format!("{file:06}.log"));
            names.push(format!("{file:06}.dbtmp"));
            names.push(format!("MANIFEST-{file:06}"));
            names.push(format!("OPTIONS-{file:06}"));
        }
        for name in names {
            through.extend(["-P".into(), store.join(name).to_str().unwrap().to_owned()]);
        }
    }
    Launch { through, ..Launch::of(0).with("state.write_buffer", "1MiB") }
}

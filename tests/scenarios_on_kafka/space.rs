//! Scenario 11: the disk is full while state is written, and while it is restored. The process lives, loses
//! nothing, and goes on by itself when there is space again.
//!
//! The state is on a small file system of its own, which only root may mount.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::app::{App, Shape};
use super::cluster::{Cluster, Turn, now, wait_until};
use super::dose::{dose, skipped};
use super::load;
use super::process::{Launch, Process, RESTORED};

const RECOVERY_SECONDS_MAX: u64 = 30;

/// A small file system. Dropped, it is unmounted.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path, mebibytes: usize) -> Result<SmallDisk, String> {
        fs::create_dir_all(at).unwrap();
        let size = format!("size={mebibytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).output();
        match mounted {
            Ok(output) if output.status.success() => Ok(SmallDisk(at.to_owned())),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Fills what is left, to the last byte.
    fn fill(&self) {
        let mut file = File::options().create(true).append(true).open(self.0.join("filler")).unwrap();
        for size in [1 << 16, 1 << 12, 1 << 8, 1] {
            while file.write_all(&vec![7; size]).is_ok() {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn scenario_11_the_disk_is_full() {
    let name = "scenario_11_the_disk_is_full";
    let Some(cluster) = Cluster::find(name) else { return };
    let _turn = Turn::among_others();
    let app = App::create(&cluster, "full", &Shape::default());
    let disk = match SmallDisk::mount(&app.state(0), 48) {
        Ok(disk) => disk,
        Err(reason) => return skipped(name, &format!("no small file system can be mounted: {reason}")),
    };
    // As little as is allowed, so that files are written all the time.
    let launch = Launch::of(0).with("state.write_buffer", "1MiB");
    let rounds = dose(2, 12);
    let records = load::records(&app, 111, dose(10_000, 60_000));
    let mut process = launch.start(&app);
    process.await_log(RESTORED, 4, 60);
    load::feed(&app, &records, rounds, |round| {
        std::thread::sleep(Duration::from_millis(500));
        if round % 2 == 1 {
            // Everything has to be restored, and there is no room for it.
            process.kill();
            fs::remove_dir_all(app.state(0).join(&app.id)).unwrap();
            disk.fill();
            process = launch.start(&app);
        } else {
            disk.fill();
        }
        let seen = |process: &Process| process.text().to_lowercase().matches("no space").count();
        // Files are written when there is enough to write.
        let mut more = 0;
        wait_until("the process noticed that the disk is full", 60, || {
            assert!(process.ended().is_none(), "it lives: {}", process.text());
            // A log that is not needed any more leaves room for the next one, for as long as that goes well.
            disk.fill();
            more += 1;
            load::pour(&app, &load::records(&app, 1_000 * (1 + round as u64) + more, 200));
            seen(&process) > 0
        });
        std::thread::sleep(Duration::from_secs(dose(2, 20)));
        assert!(process.ended().is_none(), "it lives: {}", process.text());
        let noticed = seen(&process);
        disk.free();
        let freed = now();
        let next = |app: &App| {
            let progress = app.cluster.progress(&app.id, &[&app.config.topics.commands]);
            progress.iter().map(|(_, next, _)| next).sum::<i64>()
        };
        let before = next(&app);
        load::pour(&app, &load::records(&app, 112 + round as u64, 100));
        wait_until("work goes on when there is space again", RECOVERY_SECONDS_MAX, || next(&app) > before);
        eprintln!(
            "{name}: noticed {noticed} times, the first commit {:?} after there was space",
            freed.elapsed()
        );
    });
    app.check();
    assert_eq!(process.terminate().0, 143);
    // What was restored or kept is whole.
    let mut process = launch.start(&app);
    load::pour(&app, &load::records(&app, 199, 500));
    app.check();
    assert_eq!(process.terminate().0, 143);
    drop(disk);
}

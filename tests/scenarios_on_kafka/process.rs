//! The real binary as a process that scenarios do things to which the other tests do not: stop and continue
//! it, start it under a tracer, with other settings or in another's place, and see how and when it ends.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::app::App;
use super::cluster::{now, variable, wait_until};

/// What the log says when a partition was taken.
pub(crate) const ASSIGNED: &str = r#""event":"partition_assigned""#;
/// What the log says when a partition's state is complete.
pub(crate) const RESTORED: &str = r#""event":"restored""#;

/// How a process is started.
#[derive(Clone, Default)]
pub(crate) struct Launch {
    /// The number of the process.
    pub(crate) ordinal: u32,
    /// Where its state is; that of its ordinal where nothing is said.
    pub(crate) state: Option<PathBuf>,
    /// A program that starts the binary, with its arguments.
    pub(crate) through: Vec<String>,
    /// Keys of the configuration that differ, as `kafka.bootstrap`.
    pub(crate) settings: Vec<(&'static str, String)>,
}

/// A running process. Dropped, it is killed.
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Launch {
    /// A process of this ordinal.
    pub(crate) fn of(ordinal: u32) -> Launch {
        Launch { ordinal, ..Launch::default() }
    }

    /// With another value of a key.
    pub(crate) fn with(mut self, key: &'static str, value: &str) -> Launch {
        self.settings.push((key, value.to_owned()));
        self
    }

    /// Starts it.
    pub(crate) fn start(&self, app: &App) -> Process {
        let log = app.log(&format!("process-{}", self.ordinal));
        let own = app.state(self.ordinal);
        let directory = own.parent().unwrap();
        let binary = variable("BESPOKE_TEST_BINARY")
            .map_or_else(|| env!("CARGO_BIN_EXE_bespoke").into(), PathBuf::from);
        let mut line: Vec<String> = self.through.clone();
        line.push(binary.to_str().unwrap().to_owned());
        let mut command = Command::new(&line[0]);
        command
            .args(&line[1..])
            .arg("run")
            .arg("--config")
            .arg(directory.join("bespoke.yaml"))
            .args(["--ordinal", &self.ordinal.to_string(), "--listen", "127.0.0.1:0"])
            .arg("--state-dir")
            .arg(self.state.as_ref().unwrap_or(&own))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap());
        for (key, value) in &self.settings {
            command.env(format!("BESPOKE__{}", key.to_uppercase().replace('.', "__")), value);
        }
        Process { child: command.spawn().unwrap(), log }
    }
}

impl Process {
    /// Sends it a signal, such as `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// How often it has said something.
    pub(crate) fn said(&self, text: &str) -> usize {
        self.text().matches(text).count()
    }

    /// All that it has said.
    pub(crate) fn text(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How it has ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits until it has said something this often; a process that ends meanwhile has failed.
    pub(crate) fn await_log(&mut self, text: &str, times: usize, seconds: u64) {
        wait_until(&format!("{times} times {text} in {}", self.log.display()), seconds, || {
            if let Some(status) = self.ended() {
                panic!("the process ended with {status}; its log:\n{}", self.text());
            }
            self.said(text) >= times
        });
    }

    /// Waits until it has been given partitions and has their state.
    pub(crate) fn await_work(&mut self) {
        self.await_log(RESTORED, 1, 60);
    }

    /// Waits for its end. Answers the code, or 128 and the number of the signal that killed it, and how long
    /// that took.
    pub(crate) fn await_end(&mut self, what: &str, seconds: u64) -> (i32, Duration) {
        let began = now();
        let mut ended = None;
        wait_until(&format!("{what} has ended; its log is {}", self.log.display()), seconds, || {
            ended = self.ended();
            ended.is_some()
        });
        let status = ended.unwrap();
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        (code, began.elapsed())
    }

    /// Asks it to end; answers its code and how long that took.
    pub(crate) fn terminate(&mut self) -> (i32, Duration) {
        self.signal("TERM");
        self.await_end("a process told to end", 30)
    }

    /// Kills it without warning.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Whether its probe says that it is ready; the reason where it does not.
    pub(crate) fn ready(&self) -> Result<(), String> {
        let answer = self.ask("/readyz").map_err(|error| format!("no answer: {error}"))?;
        if answer.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(answer) }
    }

    fn ask(&self, path: &str) -> std::io::Result<String> {
        let text = self.text();
        let address = text.split(r#""address":""#).nth(1).and_then(|rest| rest.split('"').next());
        let address = address.ok_or_else(|| std::io::Error::other("it does not listen yet"))?;
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// The memory that it has in RAM, in bytes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

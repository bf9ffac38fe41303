//! One application under test: its configuration, topics and registry, the real binary as its processes, and
//! the question whether all that came out is what had to come out.

use std::collections::HashMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use bespoke::codec::output::OutputCodec;
use bespoke::config::overlay::Flags;
use bespoke::config::{Config, Format};
use bespoke::runtime::broker::Record;
use bespoke::runtime::fault::Fault;
use bespoke::runtime::kafka::{KafkaAdmin, read_topic};
use bespoke::service::process::connect_registry;
use bespoke::service::registry_server::{RegistryServer, RunningRegistry};
use bespoke::service::{build, topics};
use bespoke::shop;

use super::cluster::{Cluster, Deadline, Sent, variable, wait_until};
use super::fold::{self, Everybody};
use super::intake::{self, Reading, Topic};
use super::outputs::{self, Outputs};

/// How an application differs from the shop's own configuration.
#[derive(Clone)]
pub(crate) struct Shape {
    /// Further lines of the configuration.
    pub(crate) more: String,
    /// The sources: what follows the application's id in the topic's name, the format, the partitions.
    pub(crate) sources: Vec<(&'static str, &'static str, i32)>,
    /// The command topic of another application, to be read instead of one of its own.
    pub(crate) commands: Option<String>,
    /// How Kafka spreads partitions.
    pub(crate) assignor: &'static str,
}

/// An application with its topics and registry.
pub(crate) struct App {
    pub(crate) id: String,
    pub(crate) cluster: Cluster,
    pub(crate) config: Config,
    pub(crate) registry: RunningRegistry,
    pub(crate) codec: OutputCodec,
    directory: PathBuf,
    logs: Mutex<Vec<PathBuf>>,
}

/// A process of the application. Dropped, it is killed.
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Default for Shape {
    fn default() -> Shape {
        Shape {
            more: String::new(),
            sources: vec![("clickstream", "json", 4), ("orders", "json", 2)],
            commands: None,
            assignor: "cooperative-sticky",
        }
    }
}

impl App {
    /// Makes everything that the processes of an application need. Its name is used nowhere else on the broker.
    pub(crate) fn create(cluster: &Cluster, name: &str, shape: &Shape) -> App {
        let id = format!("test-{}-{name}", std::process::id());
        let directory = std::env::temp_dir().join(format!("bespoke-{id}"));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        let registry = RegistryServer::start_on_thread("127.0.0.1:0".parse().unwrap()).unwrap();
        let text = configuration(&id, shape, &cluster.bootstrap, &registry.url());
        fs::write(directory.join("bespoke.yaml"), &text).unwrap();
        let config = Config::load(&text, "bespoke.yaml", [], &Flags::new()).unwrap();
        let mut wanted: Vec<(String, i32)> = shape
            .sources
            .iter()
            .map(|(suffix, _, partitions)| (format!("{id}-{suffix}"), *partitions))
            .collect();
        wanted.push((format!("{id}-content"), 1));
        cluster.create(&config.kafka, &wanted);
        let admin = KafkaAdmin::connect(&config.kafka, Duration::from_secs(20)).unwrap();
        topics::apply(&topics::compare(&config, &admin).unwrap(), &admin).unwrap();
        let client = connect_registry(&config).unwrap();
        let codec = OutputCodec::new(topics::register_schemas(&config, &client).unwrap());
        let (cluster, logs) = (cluster.clone(), Mutex::default());
        App { id, cluster, config, registry, codec, directory, logs }
    }

    /// Another command of the binary, with the configuration.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).arg("--config").arg(self.directory.join("bespoke.yaml"));
        command
    }

    /// Starts the binary as the process of this ordinal.
    pub(crate) fn start(&self, ordinal: u32) -> Running {
        let log = self.log(&format!("ordinal-{ordinal}"));
        let child = Command::new(binary())
            .arg("run")
            .arg("--config")
            .arg(self.directory.join("bespoke.yaml"))
            .args(["--ordinal", &ordinal.to_string(), "--listen", "127.0.0.1:0"])
            .arg("--state-dir")
            .arg(self.state(ordinal))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Running { child, log }
    }

    /// A new file for what somebody says, to be printed when something differs.
    pub(crate) fn log(&self, whose: &str) -> PathBuf {
        let mut logs = self.logs.lock().unwrap();
        let log = self.directory.join(format!("{}-of-{whose}.log", logs.len()));
        logs.push(log.clone());
        log
    }

    /// Where the process of this ordinal keeps its state.
    pub(crate) fn state(&self, ordinal: u32) -> PathBuf {
        self.directory.join(format!("state-{ordinal}"))
    }

    /// All committed records of a topic.
    pub(crate) fn read(&self, topic: &str) -> Vec<Record> {
        let deadline = Deadline::after_s(60);
        loop {
            match read_topic(&self.config.kafka, &self.id, topic) {
                Ok(records) => return records,
                // A broker that has just come back does not know its leaders yet: it is asked again.
                Err(Fault::Restart(_)) if !deadline.passed() => {
                    std::thread::sleep(Duration::from_millis(200))
                }
                Err(fault) => panic!("{topic} cannot be read: {fault}"),
            }
        }
    }

    /// Waits until everything is processed, then compares every record with what it must be. Prints the logs
    /// where something differs.
    pub(crate) fn check(&self) {
        if let Err(difference) = self.try_check() {
            self.print_logs();
            panic!("{}: {difference}", self.id);
        }
    }

    /// Waits until the outputs are those that follow from the commands of another application.
    pub(crate) fn check_against(&self, other: &App) {
        let commands = other.read(&other.config.topics.commands);
        match self.compare_outputs(&commands) {
            Ok(compared) => eprintln!("{}: equal to {}: {compared}", self.id, other.id),
            Err(difference) => {
                self.print_logs();
                panic!("{}: {difference}", self.id);
            }
        }
        let (one, two) = (self.outputs(), other.outputs());
        for (one, two) in [(one.decisions, two.decisions), (one.segment_changes, two.segment_changes)] {
            assert_eq!(outputs::values(&one), outputs::values(&two), "the same bytes for every person");
        }
    }

    fn try_check(&self) -> Result<(), String> {
        self.await_sources(120)?;
        let commands = self.read(&self.config.topics.commands);
        let compared = self.compare_outputs(&commands)?;
        let first_hop = self.compare_intake(&commands)?;
        eprintln!("{}: equal: {first_hop}; {compared}", self.id);
        Ok(())
    }

    fn compare_outputs(&self, commands: &[Record]) -> Result<outputs::Compared, String> {
        let expected = self.expected(commands);
        let deadline = Deadline::after_s(60);
        let own = self.own_topics();
        loop {
            let ends = self.cluster.ends(&own);
            match outputs::compare(&expected, &self.outputs(), self.config.partitions) {
                Ok(compared) => {
                    // What is complete must stay so.
                    std::thread::sleep(Duration::from_millis(700));
                    if self.cluster.ends(&own) == ends {
                        return Ok(compared);
                    }
                }
                Err(difference) if deadline.passed() => return Err(difference),
                Err(_) => std::thread::sleep(Duration::from_millis(300)),
            }
            if deadline.passed() {
                return Err("outputs grow although everything is complete".into());
            }
        }
    }

    /// What the fold of these commands says.
    pub(crate) fn expected(&self, commands: &[Record]) -> Everybody {
        let start =
            fold::Start { rules: &self.config.rules, contents: &self.config.contents, codec: &self.codec };
        fold::fold(commands, &start)
    }

    /// What stands in the output topics.
    pub(crate) fn outputs(&self) -> Outputs {
        let names = &self.config.topics;
        Outputs {
            decisions: self.read(&names.decisions),
            segment_changes: self.read(&names.segment_changes),
            profile_updates: self.read(&names.profile_updates),
        }
    }

    /// Waits until the group has read all that stands in the sources.
    pub(crate) fn await_sources(&self, seconds: u64) -> Result<(), String> {
        let topics: Vec<&str> = self.source_topics();
        let deadline = Deadline::after_s(seconds);
        loop {
            let progress = self.cluster.progress(&self.id, &topics);
            let Some((partition, next, end)) = progress.iter().find(|(_, next, end)| next < end) else {
                return Ok(());
            };
            if deadline.passed() {
                return Err(format!("{partition} was read up to {next} of {end} within {seconds} s"));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn compare_intake(&self, commands: &[Record]) -> Result<intake::Compared, String> {
        let mut sources: Vec<Topic> = Vec::new();
        for source in &self.config.sources {
            let wire = build::wire_source(&self.config, source);
            let reading = match source.format {
                Format::Json => Reading::Json(wire),
                Format::Avro => Reading::Avro(wire, self.schemas()),
            };
            sources.push(Topic { records: self.read(&source.topic), reading });
        }
        if let Some(topic) = &self.config.catalogue_topic {
            sources.push(Topic { records: self.read(topic), reading: Reading::Content });
        }
        let dead_letters = self.read(&self.config.topics.dead_letters);
        intake::compare(&sources, commands, &dead_letters, self.config.partitions)
    }

    /// The schemas that tests have registered under subjects of their own.
    fn schemas(&self) -> HashMap<u32, apache_avro::Schema> {
        let client = connect_registry(&self.config).unwrap();
        let subjects = ["first", "second"].iter();
        let found = subjects.filter_map(|subject| client.latest(subject).unwrap());
        found.map(|(id, text)| (id, apache_avro::Schema::parse_str(&text).unwrap())).collect()
    }

    fn source_topics(&self) -> Vec<&str> {
        let sources = self.config.sources.iter().map(|source| &*source.topic);
        sources.chain(self.config.catalogue_topic.as_deref()).collect()
    }

    fn own_topics(&self) -> Vec<&str> {
        let names = &self.config.topics;
        vec![
            &names.changelog,
            &names.profile_updates,
            &names.decisions,
            &names.segment_changes,
            &names.dead_letters,
            &names.status,
        ]
    }

    /// The shop's records as this application's sources want them.
    pub(crate) fn sent(&self, records: impl IntoIterator<Item = shop::ShopRecord>) -> Vec<Sent> {
        let sent = records.into_iter().map(|record| Sent {
            topic: format!("{}-{}", self.id, record.topic.name()),
            key: Some(record.key),
            value: Some(record.value),
            at_ms: record.at.ms(),
            ..Sent::default()
        });
        sent.collect()
    }

    /// The last lines of every process's log.
    pub(crate) fn print_logs(&self) {
        for log in self.logs.lock().unwrap().iter() {
            let text = fs::read_to_string(log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            eprintln!("---- {}", log.display());
            lines.iter().skip(lines.len().saturating_sub(40)).for_each(|line| eprintln!("{line}"));
        }
    }

    /// How often a text stands in the logs of all processes so far.
    pub(crate) fn count_in_logs(&self, text: &str) -> usize {
        let logs = self.logs.lock().unwrap();
        logs.iter().map(|log| count_in(log, text)).sum()
    }
}

impl Drop for App {
    fn drop(&mut self) {
        // Kept for whoever has to find out what went wrong.
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

impl Running {
    /// Waits until the process has said something this often.
    pub(crate) fn await_log(&mut self, text: &str, times: usize, seconds: u64) {
        let log = self.log.clone();
        wait_until(&format!("{times} times {text} in {}", log.display()), seconds, || {
            if let Some(status) = self.child.try_wait().unwrap() {
                let said = fs::read_to_string(&log).unwrap_or_default();
                panic!("the process ended with {status}; its log:\n{said}");
            }
            count_in(&log, text) >= times
        });
    }

    /// How often the process has said something.
    pub(crate) fn said(&self, text: &str) -> usize {
        count_in(&self.log, text)
    }

    /// Waits until the process has been given partitions and has their state.
    pub(crate) fn await_work(&mut self) {
        self.await_log(r#""event":"restored""#, 1, 60);
    }

    /// Kills the process without warning.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks the process to end, and waits until it has.
    pub(crate) fn terminate(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let mut ended = None;
        wait_until("a process told to end has ended", 25, || {
            ended = self.child.try_wait().unwrap();
            ended.is_some()
        });
        ended.unwrap()
    }

    /// The process's memory in bytes, now and at its highest.
    pub(crate) fn memory_bytes(&self) -> (u64, u64) {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let of = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0 kB");
            line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
        };
        (of("VmRSS:"), of("VmHWM:"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary that was built with the tests, or another one that is to be tested.
fn binary() -> PathBuf {
    variable("BESPOKE_TEST_BINARY").map_or_else(|| env!("CARGO_BIN_EXE_bespoke").into(), PathBuf::from)
}

fn count_in(log: &Path, text: &str) -> usize {
    fs::read_to_string(log).unwrap_or_default().matches(text).count()
}

/// The shop's configuration with this application's names and sources.
fn configuration(id: &str, shape: &Shape, bootstrap: &str, registry: &str) -> String {
    let (before, rest) = shop::CONFIG.split_once("sources:\n").unwrap();
    let (_, after) = rest.split_once("catalogue:\n").unwrap();
    let sources: String = shape
        .sources
        .iter()
        .map(|(suffix, format, _)| {
            let clock = if *suffix == "orders" { "trust" } else { "automatic" };
            format!(
                "  - topic: {id}-{suffix}\n    format: {format}\n    clock: {clock}\n    start: earliest\n"
            )
        })
        .collect();
    let before = replaced(before, "application: shop", &format!("application: {id}"));
    let after = replaced(after, "topic: content", &format!("topic: {id}-content"));
    let after = match &shape.commands {
        Some(commands) => replaced(&after, "topics:\n", &format!("topics:\n  commands: {commands}\n")),
        None => after,
    };
    format!(
        "{before}sources:\n{sources}catalogue:\n{after}\nkafka:\n  bootstrap: {bootstrap}\n  assignor: {}\n  \
         session_timeout: 6s\nregistry:\n  url: {registry}\n{}",
        shape.assignor, shape.more
    )
}

fn replaced(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "the shop's configuration has no `{from}`");
    text.replacen(from, to, 1)
}

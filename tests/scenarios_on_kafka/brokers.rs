//! Brokers of a test's own, which it may kill, freeze and start again without troubling other tests.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use super::cluster::Cluster;
use super::dose::skipped;

/// One broker, or three that stand in for each other. Dropped, they are killed.
pub(crate) struct Brokers {
    directory: PathBuf,
    count: usize,
}

impl Brokers {
    /// Starts them; none where there is no Kafka to start, which is said.
    pub(crate) fn start(name: &str, count: usize) -> Option<Brokers> {
        let directory = std::env::temp_dir().join(format!("bespoke-brokers-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).unwrap();
        let brokers = Brokers { directory, count };
        match brokers.script(&["start"], &[&count.to_string()]) {
            0 => Some(brokers),
            3 => {
                skipped(name, "Kafka's jars are not there. `./dev prove scenario` fetches them");
                None
            }
            code => panic!("{name}: tests/brokers.sh ended with {code}"),
        }
    }

    /// Where clients find them.
    pub(crate) fn cluster(&self) -> Cluster {
        let addresses: Vec<String> =
            (1..=self.count).map(|node| format!("127.0.0.1:{}", self.ports(node)[0])).collect();
        Cluster { bootstrap: addresses.join(",") }
    }

    /// For a proxy: where to listen, and where to pass on to.
    pub(crate) fn proxied(&self) -> (u16, u16) {
        let ports = self.ports(1);
        (ports[3], ports[2])
    }

    /// Kills one without warning.
    pub(crate) fn kill(&self, node: usize) {
        self.signal(node, "KILL");
        let proc = PathBuf::from(format!("/proc/{}/stat", self.pid(node)));
        // A zombie that nobody has waited for has closed everything.
        let gone = || fs::read_to_string(&proc).map_or(true, |stat| stat.contains(") Z "));
        super::cluster::wait_until("a killed broker is gone", 20, gone);
    }

    /// Starts one again on its data; returns when it answers.
    pub(crate) fn up(&self, node: usize) {
        assert_eq!(self.script(&["up"], &[&node.to_string()]), 0, "a killed broker comes back");
    }

    /// Sends one a signal, such as `STOP`.
    pub(crate) fn signal(&self, node: usize, name: &str) {
        Command::new("kill").args([format!("-{name}"), self.pid(node)]).status().unwrap();
    }

    fn script(&self, first: &[&str], last: &[&str]) -> i32 {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/brokers.sh");
        let mut command = Command::new("bash");
        command.arg(script).args(first).arg(&self.directory).args(last);
        command.status().unwrap().code().unwrap_or(-1)
    }

    fn ports(&self, node: usize) -> Vec<u16> {
        let text = fs::read_to_string(self.directory.join(node.to_string()).join("ports")).unwrap();
        text.split_whitespace().map(|port| port.parse().unwrap()).collect()
    }

    fn pid(&self, node: usize) -> String {
        let text = fs::read_to_string(self.directory.join(node.to_string()).join("pid")).unwrap_or_default();
        text.trim().to_owned()
    }
}

impl Drop for Brokers {
    fn drop(&mut self) {
        for node in 1..=self.count {
            if !self.pid(node).is_empty() {
                self.signal(node, "KILL");
            }
        }
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.directory);
        }
    }
}

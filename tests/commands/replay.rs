//! A backfill on a real broker: the shop runs, is replayed under other ids, and says the same; then one of
//! its persons is explained.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use bespoke::codec::output::reading::decode_profile_update;
use bespoke::codec::reject::RejectCode;
use bespoke::config::Config;
use bespoke::config::overlay::Flags;
use bespoke::domain::time::{DAY_MS, Timestamp};
use bespoke::runtime::broker::Partition;
use bespoke::runtime::kafka::{KafkaAdmin, OffsetClient, TopicWish, read_topic};
use bespoke::service::registry_server::{RegistryServer, RunningRegistry};
use bespoke::shop::{self, Kind, Shop, ShopRecord, ShopSettings, ShopTopic};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::Value;

use super::{bespoke, directory, output, standard_error, standard_output};

mod site_shares;

const EVENTS: usize = 3_000;

/// The shop under ids of its own, with everything its processes need.
struct Pipeline {
    file: PathBuf,
    directory: PathBuf,
    config: Config,
    _registry: RunningRegistry,
}

/// By person, the values of a topic in their order.
type Values = BTreeMap<Vec<u8>, Vec<Vec<u8>>>;

#[test]
#[allow(clippy::disallowed_methods)] // Tests are told of a broker by the environment.
fn a_replay_says_the_same_and_a_person_can_be_explained() {
    let Ok(bootstrap) = std::env::var("BOOTSTRAP") else {
        assert!(std::env::var("CI").is_err(), "CI is set and BOOTSTRAP is not: a broker must be there");
        eprintln!("skipped: BOOTSTRAP names no broker. `./dev test` starts one");
        return;
    };
    let shop = Pipeline::create(&bootstrap);
    shop.process_everything();
    let original = shop.application();

    let second = format!("{original}-2");
    let planned = shop.replay(&second, &["--dry-run"]);
    assert!(planned.contains(&format!("{original}-commands-0: offsets 0 to before")), "{planned}");
    let summary: Value = serde_json::from_str(&shop.replay(&second, &["--output", "json"])).unwrap();
    let decisions = shop.values(&format!("{original}-content-decisions"));
    let changes = shop.values(&format!("{original}-segment-changes"));
    assert!(decisions.len() > 20 && changes.len() > 20, "the shop has something to say");
    assert_eq!(shop.values(&format!("{second}-content-decisions")), decisions);
    assert_eq!(shop.values(&format!("{second}-segment-changes")), changes);
    let profiles = shop.values(&format!("{original}-profile-updates"));
    let replayed = shop.values(&format!("{second}-profile-updates"));
    let last = |values: &Values| -> BTreeMap<Vec<u8>, Vec<u8>> {
        values.iter().map(|(person, all)| (person.clone(), all.last().unwrap().clone())).collect()
    };
    assert_eq!(last(&replayed), last(&profiles));
    assert_eq!(summary["complete"], true);
    assert_eq!(summary["decisions"], decisions.values().map(Vec::len).sum::<usize>());
    let commands = read_topic(&shop.config.kafka, &original, &shop.config.topics.commands).unwrap();
    assert_eq!(summary["records"], commands.len());

    // What is complete has nothing left to do, and does not do it twice.
    let again: Value = serde_json::from_str(&shop.replay(&second, &["--output", "json"])).unwrap();
    assert_eq!((&again["records"], &again["complete"]), (&Value::from(0), &Value::from(true)));
    assert_eq!(shop.values(&format!("{second}-content-decisions")), decisions);

    shop.replays_a_part(&original);
    shop.replays_the_sources(&original, &profiles);
    shop.explains_ada(&decisions);
    shop.refuses_what_would_do_harm(&original);
    shop.tells_the_site();
    shop.tells_the_log_of_what_it_refuses();
}

impl Pipeline {
    fn create(bootstrap: &str) -> Pipeline {
        let application = format!("replay-test-{}", std::process::id());
        let directory = directory("replay");
        let registry = RegistryServer::start_on_thread("127.0.0.1:0".parse().unwrap()).unwrap();
        let text = shop::CONFIG
            .replace("application: shop", &format!("application: {application}"))
            .replace("topic: clickstream", &format!("topic: {application}-clickstream"))
            .replace("topic: orders", &format!("topic: {application}-orders"))
            .replace("topic: content", &format!("topic: {application}-content"))
            .replace("directory: state", &format!("directory: {}", directory.join("state").display()));
        let text = format!(
            "{text}\nsite_shares: {{topic: {application}-site-shares}}\nkafka: {{bootstrap: '{bootstrap}'}}\n\
             registry: {{url: '{}'}}\n",
            registry.url()
        );
        let file = directory.join("shop.yaml");
        std::fs::write(&file, &text).unwrap();
        let config = Config::load(&text, "shop.yaml", [], &Flags::new()).unwrap();
        let admin = KafkaAdmin::connect(&config.kafka, Duration::from_secs(20)).unwrap();
        for (topic, partitions) in [("clickstream", 3), ("orders", 2), ("content", 1), ("site-shares", 1)] {
            let name = format!("{application}-{topic}").into();
            let settings = [("retention.ms".to_owned(), "-1".to_owned())].into();
            admin.create(&TopicWish { name, partitions, replication: 1, settings }).unwrap();
        }
        let pipeline = Pipeline { file, directory, config, _registry: registry };
        pipeline.succeed(&["topics", "apply"]);
        pipeline
    }

    fn application(&self) -> String {
        self.config.application.to_string()
    }

    /// Runs a command with the shop's configuration. Answers its standard output.
    fn succeed(&self, arguments: &[&str]) -> String {
        let mut arguments = arguments.to_vec();
        let file = self.file.display().to_string();
        arguments.extend(["--config", &file]);
        let output = output(&arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", standard_error(&output));
        standard_output(&output)
    }

    fn replay(&self, application: &str, more: &[&str]) -> String {
        self.succeed(&[&["replay", "--as", application], more].concat())
    }

    fn shop(&self) -> Shop {
        Shop::new(ShopSettings {
            seed: 7,
            persons: 60,
            events: EVENTS,
            starts_at: Timestamp::from_ms(1_767_607_200_000),
            duration_ms: 10 * DAY_MS,
            duplicates_per_mille: 20,
            late_per_mille: 20,
            malformed_per_mille: 10,
            anonymous_per_mille: 200,
            decision_requests_per_mille: 50,
        })
    }

    fn send(&self, records: impl IntoIterator<Item = ShopRecord>) {
        let producer: BaseProducer =
            ClientConfig::new().set("bootstrap.servers", &*self.config.kafka.bootstrap).create().unwrap();
        for ShopRecord { topic, key, value, at, .. } in records {
            let topic = format!("{}-{}", self.config.application, topic.name());
            let record = BaseRecord::to(&topic).key(&key).payload(&value).timestamp(at.ms());
            producer.send(record).map_err(|(error, _)| error).unwrap();
        }
        producer.flush(Duration::from_secs(20)).unwrap();
    }

    /// First the content and then everything else.
    fn process_everything(&self) {
        self.running(|| {
            let shop = self.shop();
            self.send(shop.contents());
            self.await_read(&["content"]);
            self.await_read(&["commands"]);
            self.send(shop);
            self.await_read(&["clickstream", "orders"]);
            self.await_read(&["commands"]);
        });
    }

    /// Runs the pipeline while something is done, until it says nothing more, then ends it as an operator would.
    fn running(&self, work: impl FnOnce()) {
        let log = std::fs::File::create(self.directory.join("run.log")).unwrap();
        let file = self.file.display().to_string();
        let mut process = bespoke(&["run", "--listen", "127.0.0.1:0", "--config", &file]);
        let mut process = process.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        work();
        let outputs = ["content-decisions", "segment-changes", "profile-updates"];
        let mut before = Vec::new();
        loop {
            let ends: Vec<i64> = outputs.iter().flat_map(|topic| self.ends(topic)).collect();
            if ends == before {
                break;
            }
            before = ends;
            sleep(Duration::from_secs(1));
        }
        Command::new("kill").args(["-TERM", &process.id().to_string()]).status().unwrap();
        assert_eq!(process.wait().unwrap().code(), Some(143));
    }

    #[allow(clippy::disallowed_methods)] // A deadline for the test.
    fn await_read(&self, topics: &[&str]) {
        let deadline = Instant::now() + Duration::from_secs(120);
        for topic in topics {
            let partitions = self.partitions(topic);
            while !self.is_read(&partitions) {
                assert!(Instant::now() < deadline, "{topic} is not read; see {}", self.directory.display());
                sleep(Duration::from_millis(200));
            }
        }
    }

    fn offsets(&self) -> OffsetClient {
        OffsetClient::new(&self.config.kafka, &self.config.application).unwrap()
    }

    fn partitions(&self, topic: &str) -> Vec<Partition> {
        self.offsets().partitions(&format!("{}-{topic}", self.config.application)).unwrap()
    }

    fn ends(&self, topic: &str) -> Vec<i64> {
        let offsets = self.offsets();
        self.partitions(topic).iter().map(|partition| offsets.bounds(partition).unwrap().1).collect()
    }

    fn is_read(&self, partitions: &[Partition]) -> bool {
        let offsets = self.offsets();
        // A broker that has just begun may not know its groups yet: it is asked again.
        let Ok(committed) = offsets.committed(partitions) else { return false };
        partitions.iter().zip(committed).all(|(partition, committed)| {
            let (low, high) = offsets.bounds(partition).unwrap();
            committed.is_some_and(|next| next >= offsets.end_of_records(partition, low, high).unwrap())
        })
    }

    fn values(&self, topic: &str) -> Values {
        let mut values = Values::new();
        for record in read_topic(&self.config.kafka, &self.config.application, topic).unwrap() {
            values.entry(record.key.unwrap()).or_default().push(record.value.unwrap());
        }
        values
    }

    /// Only the first records of one partition, up to an offset at which there is a mark of a transaction or
    /// a record, whatever it is.
    fn replays_a_part(&self, original: &str) {
        let part = format!("{original}-part");
        let arguments = ["--from", "1:0", "--to", "200", "--output", "json", "--threads", "1"];
        let summary: Value = serde_json::from_str(&self.replay(&part, &arguments)).unwrap();
        let commands = read_topic(&self.config.kafka, original, &self.config.topics.commands).unwrap();
        let within = commands.iter().filter(|record| record.partition.number == 1 && record.offset < 200);
        assert_eq!(summary["records"], within.count());
        let whole = self.values(&format!("{original}-content-decisions"));
        for (person, decisions) in self.values(&format!("{part}-content-decisions")) {
            assert!(whole[&person].starts_with(&decisions), "the same decisions, as far as they go");
        }
        // Nothing has been stamped with such a time.
        let nothing = format!("{original}-nothing");
        let arguments = ["--from", "2100-01-01T00:00:00Z", "--output", "json"];
        let summary: Value = serde_json::from_str(&self.replay(&nothing, &arguments)).unwrap();
        assert_eq!((&summary["records"], &summary["decisions"]), (&Value::from(0), &Value::from(0)));
    }

    /// The order between source partitions differs, so only what does not depend on it is the same.
    fn replays_the_sources(&self, original: &str, profiles: &Values) {
        let third = format!("{original}-3");
        let text = self.replay(&third, &["--from-sources"]);
        assert!(text.starts_with("replayed "), "{text}");
        let lifetime = |values: &Values| -> BTreeMap<Vec<u8>, (i64, i64)> {
            let last = values.iter().map(|(person, all)| (person.clone(), all.last().unwrap()));
            last.map(|(person, bytes)| {
                let update = decode_profile_update(bytes).unwrap();
                (person, (update.orders.count, update.orders.units))
            })
            .collect()
        };
        let replayed = self.values(&format!("{third}-profile-updates"));
        assert_eq!(lifetime(&replayed), lifetime(profiles));
    }

    fn explains_ada(&self, decisions: &Values) {
        let text = self.succeed(&["explain", "user:ada"]);
        for part in [
            "user:ada\n  version ",
            "category ",
            "because of",
            "own interests",
            "ranked by",
            "  1. ",
            "share ",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        let json: Value =
            serde_json::from_str(&self.succeed(&["explain", "user:ada", "--last", "2", "--output", "json"]))
                .unwrap();
        assert_eq!(json["profile"]["person"], "user:ada");
        assert_eq!(json["profile"]["orders"]["count"], 1, "her tent");
        let shown = json["decisions"].as_array().unwrap();
        assert_eq!(shown.len(), 2);
        assert!(decisions[b"user:ada".as_slice()].len() >= 2);
        let id = shown[0]["decision_id"].as_str().unwrap();
        let one = self.succeed(&["explain", "user:ada", "--decision", id]);
        assert!(one.contains(&format!("decision {id}")) && one.matches("decision ").count() == 1, "{one}");
    }

    /// Whoever changes content finds in the log that it was refused, and why.
    fn tells_the_log_of_what_it_refuses(&self) {
        let at = Timestamp::from_ms(1_768_500_000_000);
        let (topic, key, value) = (ShopTopic::Content, b"hero".to_vec(), b"{".to_vec());
        let kind = Kind::Malformed(RejectCode::MalformedJson);
        self.running(|| {
            self.send([ShopRecord { topic, key, value, at, kind }]);
            self.await_read(&["content"]);
        });
        let log = std::fs::read_to_string(self.directory.join("run.log")).unwrap();
        let told: Vec<&str> = log.lines().filter(|line| line.contains("change_refused")).collect();
        let place = format!("{}-content-0", self.config.application);
        let is_told = |line: &&str| line.contains("malformed_json") && line.contains(&place);
        assert!(told.iter().any(is_told), "{told:?}");
    }

    fn refuses_what_would_do_harm(&self, original: &str) {
        let refuse = |arguments: &[&str], code: i32, complaint: &str| {
            let file: &Path = &self.file;
            let output = bespoke(arguments).arg("--config").arg(file).output().unwrap();
            assert_eq!(output.status.code(), Some(code), "{arguments:?}");
            assert!(standard_error(&output).contains(complaint), "{}", standard_error(&output));
            assert!(output.stdout.is_empty());
        };
        refuse(&["replay", "--as", original], 78, "is the application itself");
        refuse(&["replay", "--as", "Not A Name"], 78, "--as");
        let other = format!("{original}-2");
        let more = ["replay", "--as", &other, "--set", "topics.partitions=8"];
        refuse(&more, 78, "has 4 partitions and topics.partitions is 8");
        refuse(&["explain", "user:nobody"], 1, "knows nobody with the key user:nobody");
        refuse(&["explain", "ada"], 1, "write user:ada or anonymous:ada");
        refuse(&["explain", "user:ada", "--decision", "x"], 1, "has made no decision x");
    }
}

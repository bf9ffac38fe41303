//! Members of a group side by side, driven by hand: the simulated client on the simulated cluster, or the
//! product's own client on the real one.
//!
//! A stage has the topics `a` of three partitions and `b` of one, which the group reads, and a changelog of one.

use std::fmt::Debug;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bespoke::config::overlay::Flags;
use bespoke::config::{Assignor, Config, KafkaConfig, TopicNames};
use bespoke::runtime::broker::{Broker, Output, Partition};
use bespoke::runtime::kafka::{KafkaBroker, Member};
use bespoke::shop::CONFIG;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::cluster::{Cluster, Sent, now, send};
use super::real::reader;
use super::simulation::application::Application;
use super::simulation::broker::SimulatedBroker;
use super::simulation::faults::Faults;
use super::simulation::group::{Protocol, SESSION_MS};
use super::simulation::kafka::Kafka;
use super::simulation::world::World;

const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const MEMBERS_MAX: usize = 3;
const TOPICS: [(&str, i32); 3] = [("a", 3), ("b", 1), ("changelog", 1)];
const READ: [&str; 2] = ["a", "b"];
const TRANSACTION_TIMEOUT_MS: u32 = 2_000;

/// Where members act.
pub(crate) trait Stage {
    /// A member comes to this seat, perhaps under a name that is known.
    fn connect(&mut self, seat: usize, name: usize) -> Box<dyn Broker>;

    /// A topic by its short name.
    fn topic(&self, short: &str) -> Arc<str>;

    /// Writes a record outside any transaction.
    fn feed(&mut self, short: &str, number: i32, value: &str);

    /// Where the first partition of a topic ends, records of open transactions included.
    fn end(&mut self, short: &str) -> i64;

    fn elapsed_ms(&self) -> u64;
}

/// The simulated cluster and members.
pub(crate) struct SimulatedStage(Rc<World>);

/// The real ones.
pub(crate) struct RealStage {
    cluster: Cluster,
    config: Config,
    reader: BaseConsumer,
    since: Instant,
}

impl SimulatedStage {
    pub(crate) fn new(protocol: Protocol) -> SimulatedStage {
        let topics = TOPICS.map(|(name, count)| (Arc::from(name), count));
        let nothing: Arc<str> = Arc::from("no state");
        let kafka = Kafka::new(&topics, &READ, protocol, (Arc::clone(&nothing), nothing));
        let mut faults = Faults::new(1, None);
        faults.healed = true;
        let world = World::new(Application::new(1), kafka, MEMBERS_MAX, 1, faults);
        world.raise();
        SimulatedStage(world)
    }
}

impl Drop for SimulatedStage {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl Stage for SimulatedStage {
    fn connect(&mut self, seat: usize, name: usize) -> Box<dyn Broker> {
        let name = self.0.name_of(name);
        Box::new(SimulatedBroker::connect_as(&self.0, seat, &name, &Arc::from("changelog")).unwrap())
    }

    fn topic(&self, short: &str) -> Arc<str> {
        Arc::from(short)
    }

    fn feed(&mut self, short: &str, number: i32, value: &str) {
        let output = Output {
            topic: Arc::from(short),
            partition: Some(number),
            value: Some(value.into()),
            ..Output::default()
        };
        let at = self.0.kafka().wall();
        self.0.kafka().append_plain(output, at);
    }

    fn end(&mut self, short: &str) -> i64 {
        self.0.kafka().logs[&Partition::new(short, 0)].end()
    }

    fn elapsed_ms(&self) -> u64 {
        self.0.now_ms()
    }
}

impl RealStage {
    pub(crate) fn new(cluster: &Cluster, name: &str, protocol: Protocol) -> RealStage {
        let application = format!("conformance-{name}-{:x}", std::process::id());
        let mut config = Config::load(CONFIG, "shop.yaml", [], &Flags::new()).unwrap();
        config.application = application.as_str().into();
        config.topics = TopicNames::of(&application);
        config.topics.changelog = format!("{application}-changelog").into();
        config.kafka = kafka_config(cluster);
        config.kafka.assignor = match protocol {
            Protocol::Eager => Assignor::Range,
            Protocol::Cooperative => Assignor::CooperativeSticky,
        };
        let topics = TOPICS.map(|(name, count)| (format!("{application}-{name}"), count));
        cluster.create(&config.kafka, &topics);
        RealStage {
            cluster: cluster.clone(),
            config,
            reader: reader(cluster, "read_uncommitted"),
            since: now(),
        }
    }
}

impl Stage for RealStage {
    fn connect(&mut self, _: usize, name: usize) -> Box<dyn Broker> {
        let application = self.config.application.clone();
        let member = Member { application, ordinal: name as u32, thread: 0 };
        let read = READ.map(|topic| self.topic(topic));
        let read = [&*read[0], &*read[1]];
        Box::new(KafkaBroker::connect(&self.config, member, &read).unwrap())
    }

    fn topic(&self, short: &str) -> Arc<str> {
        Arc::from(format!("{}-{short}", self.config.application))
    }

    fn feed(&mut self, short: &str, number: i32, value: &str) {
        let sent = Sent {
            topic: self.topic(short).to_string(),
            partition: Some(number),
            value: Some(value.into()),
            at_ms: 1_767_571_200_000,
            ..Sent::default()
        };
        send(&self.cluster.producer(), &[sent]);
    }

    fn end(&mut self, short: &str) -> i64 {
        self.reader.fetch_watermarks(&self.topic(short), 0, CALL_TIMEOUT).unwrap().1
    }

    fn elapsed_ms(&self) -> u64 {
        self.since.elapsed().as_millis() as u64
    }
}

/// The settings of the product's clients, with the shortest times there are.
pub(crate) fn kafka_config(cluster: &Cluster) -> KafkaConfig {
    let config = Config::load(CONFIG, "shop.yaml", [], &Flags::new()).unwrap();
    KafkaConfig {
        bootstrap: cluster.bootstrap.as_str().into(),
        session_timeout_ms: SESSION_MS as u32,
        transaction_timeout_ms: TRANSACTION_TIMEOUT_MS,
        ..config.kafka
    }
}

/// Runs a script with simulated members and with real ones, where there is a broker. Both must do as stated.
pub(crate) fn conform<T: Debug + PartialEq>(
    name: &str,
    protocol: Protocol,
    stated: T,
    script: fn(&mut dyn Stage) -> T,
) {
    let simulated = script(&mut SimulatedStage::new(protocol));
    let cluster = Cluster::find(name);
    let real = cluster.map(|cluster| script(&mut RealStage::new(&cluster, name, protocol)));
    if let Some(real) = real {
        assert_eq!(real, stated, "{name}: real members against what is stated");
    }
    assert_eq!(simulated, stated, "{name}: simulated members against what is stated");
}

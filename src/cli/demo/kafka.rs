//! The demo on a real Kafka: topics and schemas of its own, the real binary as a child process, and outputs
//! read as other teams' consumers read them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::processor::Processor;
use super::script::topic;
use super::settings::Workplace;
use super::stage::{Stage, followed};
use crate::config::Config;
use crate::runtime::broker::{Output, Record};
use crate::runtime::fault::{Exit, ExitCode};
use crate::runtime::kafka::{Feeder, Follower, KafkaAdmin, TopicWish, read_topic};
use crate::runtime::topics::wishes;
use crate::service::process::connect_registry;
use crate::service::topics::{exit, register_schemas};
use crate::shop::{ShopRecord, ShopTopic};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
const RECORDS_PER_STEP: usize = 5_000;

/// The shop's own topics with their numbers of partitions.
pub(super) const SOURCES: [(ShopTopic, i32); 3] =
    [(ShopTopic::Clickstream, 4), (ShopTopic::Orders, 2), (ShopTopic::Content, 1)];

/// A Kafka with a processor on it.
pub(super) struct KafkaStage<'a> {
    config: &'a Config,
    sets: Vec<String>,
    workplace: &'a Workplace,
    feeder: Feeder,
    follower: Follower,
    processor: Option<Processor>,
}

impl<'a> KafkaStage<'a> {
    /// Creates the topics, registers the schemas and connects.
    ///
    /// # Errors
    /// When Kafka or the registry does not answer, or the application has topics already.
    pub(super) fn open(
        config: &'a Config,
        sets: Vec<String>,
        workplace: &'a Workplace,
    ) -> Result<KafkaStage<'a>, Exit> {
        let admin = KafkaAdmin::connect(&config.kafka, CONNECT_TIMEOUT).map_err(exit)?;
        let wishes: Vec<TopicWish> = wishes(config).into_iter().chain(sources(config)).collect();
        for wish in &wishes {
            refuse_existing(&admin, wish)?;
        }
        for wish in &wishes {
            admin.create(wish).map_err(exit)?;
        }
        register_schemas(config, &connect_registry(config)?)?;
        let name = format!("{}-shop", config.application);
        let feeder = Feeder::connect(&config.kafka, &name).map_err(exit)?;
        let follower = Follower::open(&config.kafka, &config.application, &followed(config)).map_err(exit)?;
        Ok(KafkaStage { config, sets, workplace, feeder, follower, processor: None })
    }
}

impl Stage for KafkaStage<'_> {
    fn feed(&mut self, record: &ShopRecord) -> Result<(), Exit> {
        self.feeder.send(&output(&self.config.application, record), record.at).map_err(exit)
    }

    fn flush(&mut self) -> Result<(), Exit> {
        self.feeder.flush().map_err(exit)
    }

    fn follow(&mut self, wait: Duration) -> Result<Vec<Record>, Exit> {
        if let Some(processor) = &mut self.processor {
            processor.check()?;
        }
        self.follower.next(RECORDS_PER_STEP, wait).map_err(exit)
    }

    fn start(&mut self) -> Result<(), Exit> {
        let (file, log) = (self.workplace.config(), self.workplace.log());
        self.processor = Some(Processor::start(&file, &self.sets, &log)?);
        Ok(())
    }

    fn kill(&mut self) -> Result<String, Exit> {
        let Some(processor) = self.processor.take() else { return Ok("there was no processor".into()) };
        let text = format!("kill -9 {}", processor.id());
        processor.kill()?;
        Ok(text)
    }

    fn stop(&mut self) -> Result<(), Exit> {
        self.processor.take().map_or(Ok(()), Processor::stop)
    }

    fn read(&mut self, topics: &[&str]) -> Result<Vec<Vec<Record>>, Exit> {
        let config = self.config;
        let read = |topic| read_topic(&config.kafka, &config.application, topic).map_err(exit);
        // Each reader waits for the broker most of the time, so they wait at the same time.
        std::thread::scope(|scope| {
            let threads: Vec<_> = topics.iter().map(|topic| scope.spawn(move || read(topic))).collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|_| Err(failed("a reader panicked: this is a defect")))
            };
            threads.into_iter().map(join).collect()
        })
    }
}

/// A record of the shop for the topics of this application.
pub(super) fn output(application: &str, record: &ShopRecord) -> Output {
    Output {
        topic: Arc::from(topic(application, record.topic)),
        partition: None,
        key: Some(record.key.clone()),
        value: Some(record.value.clone()),
        headers: Vec::new(),
        timestamp: None,
    }
}

/// The events' time lies in the past, so nothing may be thrown away for its age.
fn sources(config: &Config) -> impl Iterator<Item = TopicWish> + '_ {
    SOURCES.into_iter().map(|(shop_topic, partitions)| TopicWish {
        name: topic(&config.application, shop_topic).into(),
        partitions,
        replication: config.replication,
        settings: BTreeMap::from([("retention.ms".to_owned(), "-1".to_owned())]),
    })
}

/// What another run has left would be counted as this one's.
fn refuse_existing(admin: &KafkaAdmin, wish: &TopicWish) -> Result<(), Exit> {
    match admin.describe(&wish.name).map_err(exit)? {
        None => Ok(()),
        Some(_) => Err(Exit {
            code: ExitCode::Misconfigured,
            text: format!(
                "the topic {} exists already, and the demo counts what is in its topics: give another \
                 --application, or none",
                wish.name
            ),
        }),
    }
}

fn failed(text: &str) -> Exit {
    Exit { code: ExitCode::Failed, text: text.to_owned() }
}

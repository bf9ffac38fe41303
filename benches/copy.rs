//! A bare transactional copy: the records of one topic to another through librdkafka, with the client settings
//! of the product and nothing in between. What it costs is the limit of what any processor on this client can
//! reach. `./dev bench limit` runs it beside the product:
//!
//!     cargo bench --bench copy -- --bootstrap HOST:PORT --input TOPIC --output TOPIC --partitions 8
//!
//! It has no group members: each thread has its share of the partitions for good, from the beginning. It runs
//! until it is told to end, and is measured from outside.

#![allow(clippy::print_stdout, reason = "its one line is its answer")]
#![allow(clippy::disallowed_methods, reason = "a commit interval is wall time")]

use std::collections::BTreeMap;
use std::error::Error;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use bespoke::runtime::kafka::{CONSUMER_SETTINGS, PRODUCER_SETTINGS};
use clap::Parser;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{ClientConfig, Message, Offset, TopicPartitionList};

type Failure = Box<dyn Error + Send + Sync>;

/// How long a call to a broker may take.
const TIMEOUT: Duration = Duration::from_secs(60);
/// How long a poll waits for a record.
const POLL: Duration = Duration::from_millis(50);
/// How many records go by between two looks at delivery reports.
const SERVED_EVERY: i64 = 256;

/// What is copied, and how.
#[derive(Clone, Debug, Parser)]
struct Arguments {
    /// The broker; without one there is nothing to do.
    #[arg(long)]
    bootstrap: Option<String>,
    /// The group whose offsets are committed.
    #[arg(long, default_value = "bench-copy")]
    group: String,
    /// The topic that is read, from its beginning.
    #[arg(long, default_value = "bench-events")]
    input: String,
    /// The topic that is written, with as many partitions.
    #[arg(long, default_value = "bench-copy-output")]
    output: String,
    /// How many partitions both have.
    #[arg(long, default_value_t = 8)]
    partitions: i32,
    /// How many threads share them.
    #[arg(long, default_value_t = 2)]
    threads: i32,
    /// How old the first record of a transaction becomes, in milliseconds.
    #[arg(long, default_value_t = 1_000)]
    commit_ms: u64,
    /// Cargo says so to every benchmark.
    #[arg(long = "bench", hide = true)]
    _bench: bool,
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let Some(bootstrap) = arguments.bootstrap.clone() else {
        println!("copy: skipped: it needs --bootstrap");
        return Ok(());
    };
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    println!("{{\"started_at_ms\":{}}}", since_1970.as_millis());
    let threads: Vec<_> = (0..arguments.threads)
        .map(|number| {
            let (arguments, bootstrap) = (arguments.clone(), bootstrap.clone());
            thread::spawn(move || Copier::new(&arguments, &bootstrap, number)?.run())
        })
        .collect();
    for thread in threads {
        thread.join().map_err(|_| "a thread panicked")??;
    }
    Ok(())
}

/// One thread's share of the work.
struct Copier {
    input: String,
    output: String,
    commit_after: Duration,
    consumer: BaseConsumer,
    producer: BaseProducer,
}

impl Copier {
    fn new(arguments: &Arguments, bootstrap: &str, number: i32) -> Result<Copier, Failure> {
        let consumer: BaseConsumer = consumer_settings(arguments, bootstrap).create()?;
        let producer: BaseProducer = producer_settings(arguments, bootstrap, number).create()?;
        let mut share = TopicPartitionList::new();
        for partition in (0..arguments.partitions).filter(|partition| partition % arguments.threads == number)
        {
            share.add_partition_offset(&arguments.input, partition, Offset::Beginning)?;
        }
        consumer.assign(&share)?;
        producer.init_transactions(TIMEOUT)?;
        Ok(Copier {
            input: arguments.input.clone(),
            output: arguments.output.clone(),
            commit_after: Duration::from_millis(arguments.commit_ms),
            consumer,
            producer,
        })
    }

    /// Copies for ever.
    fn run(self) -> Result<(), Failure> {
        loop {
            let mut next = BTreeMap::from([self.first()?]);
            let began = Instant::now();
            while began.elapsed() < self.commit_after {
                if let Some((partition, offset)) = self.copy_one()? {
                    next.insert(partition, offset);
                }
            }
            self.commit(&next)?;
        }
    }

    /// Begins a transaction and waits for its first record. The broker knows of it only from that record on.
    fn first(&self) -> Result<(i32, i64), Failure> {
        self.producer.begin_transaction()?;
        loop {
            if let Some(copied) = self.copy_one()? {
                return Ok(copied);
            }
        }
    }

    /// Reads a record and sends it to the same partition. Gives that partition and the offset after it.
    fn copy_one(&self) -> Result<Option<(i32, i64)>, Failure> {
        let Some(record) = self.consumer.poll(POLL) else { return Ok(None) };
        let record = record?;
        let mut copy = BaseRecord::<[u8], [u8]>::to(&self.output).partition(record.partition());
        copy.key = record.key();
        copy.payload = record.payload();
        while let Err((error, refused)) = self.producer.send(copy) {
            if error != KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull) {
                return Err(error.into());
            }
            self.producer.poll(Duration::from_millis(1));
            copy = refused;
        }
        if record.offset() % SERVED_EVERY == 0 {
            self.producer.poll(Duration::ZERO);
        }
        Ok(Some((record.partition(), record.offset() + 1)))
    }

    fn commit(&self, next: &BTreeMap<i32, i64>) -> Result<(), Failure> {
        // The reports have to be taken, or the commit would wait for them in vain.
        self.producer.flush(TIMEOUT)?;
        let mut offsets = TopicPartitionList::new();
        for (partition, offset) in next {
            offsets.add_partition_offset(&self.input, *partition, Offset::Offset(*offset))?;
        }
        let group = self.consumer.group_metadata().ok_or("the consumer has no group")?;
        self.producer.send_offsets_to_transaction(&offsets, &group, TIMEOUT)?;
        self.producer.commit_transaction(TIMEOUT)?;
        Ok(())
    }
}

/// As the product's consumers.
fn consumer_settings(arguments: &Arguments, bootstrap: &str) -> ClientConfig {
    let mut settings = settings(bootstrap, CONSUMER_SETTINGS);
    settings.set("group.id", &arguments.group);
    settings
}

/// As the product's producers.
fn producer_settings(arguments: &Arguments, bootstrap: &str, number: i32) -> ClientConfig {
    let mut settings = settings(bootstrap, PRODUCER_SETTINGS);
    settings
        .set("transactional.id", format!("{}-{number}", arguments.group))
        .set("transaction.timeout.ms", "60000");
    settings
}

fn settings(bootstrap: &str, own: &[(&str, &str)]) -> ClientConfig {
    let mut settings = ClientConfig::new();
    settings.set("bootstrap.servers", bootstrap);
    for (key, value) in own {
        settings.set(*key, *value);
    }
    settings
}

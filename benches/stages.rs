//! What one event of the reference workload costs, stage by stage and without the Kafka client: on one thread,
//! with the records of a topic in memory and the stores on disk. `./dev bench stages` runs it beside a drain, so
//! that what is left of the drain is the client, the kernel and waiting:
//!
//!     cargo bench --bench stages -- --bootstrap HOST:PORT --config FILE
//!
//! The stages are those of a worker: decode, react, and at each commit the rows with the updates, and the store.

#![allow(clippy::print_stdout, reason = "its lines are its answer")]
#![allow(clippy::disallowed_methods, reason = "it measures time and reads its environment")]

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bespoke::codec::output::{OutputCodec, SchemaIds};
use bespoke::config::Config;
use bespoke::config::overlay::Flags;
use bespoke::runtime::broker::{Output, Partition, Record, Replay};
use bespoke::runtime::kafka::LogReader;
use bespoke::runtime::stores::{DiskStores, Stores};
use bespoke::runtime::task::{SWEEP_MAX, Shared, Task};
use bespoke::runtime::topics::OwnTopics;
use bespoke::runtime::worker::{RECORDS_AHEAD, RECORDS_PER_TURN};
use bespoke::service::build::wire_source;
use bespoke::store::profile_cache::ProfileCache;
use bespoke::store::rocks::StoreMemory;
use clap::Parser;

/// That of the product.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

type Failure = Box<dyn Error + Send + Sync>;

/// What is measured.
#[derive(Clone, Debug, Parser)]
struct Arguments {
    /// The broker; without one there is nothing to do.
    #[arg(long)]
    bootstrap: Option<String>,
    /// The configuration, which has one source that is keyed.
    #[arg(long)]
    config: Option<PathBuf>,
    /// How many partitions are read: those that one thread of the product has.
    #[arg(long, default_value_t = 4)]
    partitions: i32,
    /// How many records are applied between two commits.
    #[arg(long, default_value_t = 50_000)]
    commit_records: usize,
    /// Where the stores are; thrown away at the end.
    #[arg(long)]
    state: Option<PathBuf>,
    /// Cargo says so to every benchmark.
    #[arg(long = "bench", hide = true)]
    _bench: bool,
}

/// The time that each stage took.
#[derive(Clone, Copy, Debug, Default)]
struct Stages {
    decode: Duration,
    apply: Duration,
    flush: Duration,
    store: Duration,
}

/// What was made.
#[derive(Clone, Copy, Debug, Default)]
struct Made {
    events: usize,
    rows: usize,
    row_bytes: usize,
    update_bytes: usize,
    other_outputs: usize,
    other_bytes: usize,
}

fn main() -> Result<(), Failure> {
    let arguments = Arguments::parse();
    let (Some(bootstrap), Some(config)) = (&arguments.bootstrap, &arguments.config) else {
        println!("stages: skipped: it needs --bootstrap and --config");
        return Ok(());
    };
    let mut flags = Flags::new();
    flags.set("--bootstrap", "kafka.bootstrap", bootstrap);
    let text = std::fs::read_to_string(config)?;
    let environment: [(String, String); 0] = [];
    let config = Config::load(&text, &config.display().to_string(), environment, &flags)
        .map_err(|errors| errors.to_string())?;
    let state = arguments.state.clone().unwrap_or_else(|| std::env::temp_dir().join("bespoke-stages"));
    let measured = Measured::new(&config, &arguments, &state)?.run(arguments.commit_records);
    std::fs::remove_dir_all(&state)?;
    let (stages, made) = measured?;
    report(stages, made);
    Ok(())
}

/// The tasks of one thread, and the records for them.
struct Measured {
    shared: Arc<Shared>,
    tasks: Vec<(Task, std::vec::IntoIter<Record>)>,
    changelog_next: i64,
    stages: Stages,
    made: Made,
}

impl Measured {
    fn new(config: &Config, arguments: &Arguments, state: &std::path::Path) -> Result<Measured, Failure> {
        let source = config.sources.iter().find(|source| source.keyed).ok_or("no source is keyed")?;
        let shared = Arc::new(Shared {
            outputs: OutputCodec::new(SchemaIds { profile_update: 1, decision: 2, segment_change: 3 }),
            rules: Arc::clone(&config.rules),
            contents: config.contents.clone(),
            keyed: Some(wire_source(config, source)),
            topics: OwnTopics::of(config),
        });
        let memory = StoreMemory::new(config.state.block_cache_bytes, config.state.write_buffer_bytes);
        let stores = DiskStores::new(state, Arc::new(memory));
        let topic: Arc<str> = Arc::from(&*source.topic);
        let cache = Arc::new(ProfileCache::new(config.state.profile_cache_bytes));
        let mut tasks = Vec::new();
        for number in 0..arguments.partitions {
            let records = records(config, &Partition::new(Arc::clone(&topic), number))?;
            let task = Task::open(Arc::clone(&shared), number, stores.open(number)?, &cache)?;
            tasks.push((task, records.into_iter()));
        }
        let (stages, made) = (Stages::default(), Made::default());
        Ok(Measured { shared, tasks, changelog_next: 1, stages, made })
    }

    fn run(mut self, commit_records: usize) -> Result<(Stages, Made), Failure> {
        let mut open = 0;
        loop {
            let applied = self.turn()?;
            open += applied;
            if applied == 0 || open >= commit_records {
                self.commit()?;
                open = 0;
            }
            if applied == 0 {
                self.save()?;
                return Ok((self.stages, self.made));
            }
        }
    }

    /// A few records of each partition. Says how many.
    fn turn(&mut self) -> Result<usize, Failure> {
        let mut applied = 0;
        for (task, records) in &mut self.tasks {
            let records: Vec<Record> = records.take(RECORDS_PER_TURN).collect();
            if let Some(source) = &self.shared.keyed {
                let began = Instant::now();
                for record in &records {
                    let value = record.value.as_deref().unwrap_or(&[]);
                    std::hint::black_box(source.decode_json(value, record.timestamp)).ok();
                }
                self.stages.decode += began.elapsed();
            }
            let mut outputs = Vec::new();
            let began = Instant::now();
            for ahead in records.chunks(RECORDS_AHEAD) {
                task.look_ahead(ahead);
                for record in ahead {
                    task.apply(record, &mut outputs)?;
                }
            }
            task.sweep(SWEEP_MAX, &mut outputs)?;
            self.stages.apply += began.elapsed();
            applied += records.len();
            self.made.other_outputs += outputs.len();
            self.made.other_bytes += outputs.iter().map(bytes).sum::<usize>();
        }
        self.made.events += applied;
        Ok(applied)
    }

    /// What the stores had not heard of yet.
    fn save(&mut self) -> Result<(), Failure> {
        let began = Instant::now();
        self.tasks.iter_mut().try_for_each(|(task, _)| task.save())?;
        self.stages.store += began.elapsed();
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Failure> {
        for (task, _) in &mut self.tasks {
            let (made, began) = (&mut self.made, Instant::now());
            let flushed = task.flush(true, |output| {
                let output = std::hint::black_box(output);
                match &output.partition {
                    Some(_) => {
                        made.rows += 1;
                        made.row_bytes += bytes(&output);
                    }
                    None => made.update_bytes += bytes(&output),
                }
                Ok(())
            });
            flushed.map_err(|fault| format!("{fault:?}"))?;
            self.stages.flush += began.elapsed();
            let began = Instant::now();
            self.changelog_next += 1;
            task.settle(self.changelog_next)?;
            self.stages.store += began.elapsed();
        }
        Ok(())
    }
}

fn records(config: &Config, partition: &Partition) -> Result<Vec<Record>, Failure> {
    let mut reader =
        LogReader::open(&config.kafka, "bench-stages", partition, 0).map_err(|fault| format!("{fault:?}"))?;
    let mut records = Vec::new();
    while reader.finished().is_none() {
        let read = reader.next(10_000, Duration::from_millis(200)).map_err(|fault| format!("{fault:?}"))?;
        records.extend(read);
    }
    Ok(records)
}

fn bytes(output: &Output) -> usize {
    output.key.as_ref().map_or(0, Vec::len) + output.value.as_ref().map_or(0, Vec::len)
}

fn report(stages: Stages, made: Made) {
    let events = made.events.max(1) as f64;
    let per_event = |time: Duration| time.as_secs_f64() * 1e6 / events;
    // The task decodes by itself, so what is left of it is the rest.
    let react = per_event(stages.apply) - per_event(stages.decode);
    let decode = per_event(stages.decode);
    let (flush, store) = (per_event(stages.flush), per_event(stages.store));
    println!(
        "{} events, {:.3} rows of {:.0} bytes and updates of {:.0} bytes per event, {:.3} other outputs of \
         {:.0} bytes",
        made.events,
        made.rows as f64 / events,
        made.row_bytes as f64 / made.rows.max(1) as f64,
        made.update_bytes as f64 / made.rows.max(1) as f64,
        made.other_outputs as f64 / events,
        made.other_bytes as f64 / made.other_outputs.max(1) as f64,
    );
    println!(
        "{{\"decode\":{decode:.3},\"react\":{react:.3},\"flush\":{flush:.3},\"store\":{store:.3},\
         \"sum\":{:.3}}}",
        decode + react + flush + store
    );
}

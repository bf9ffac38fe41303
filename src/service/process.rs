//! The process: checks what it depends on, starts the workers, serves the admin port, and ends when it is
//! told to or when a worker cannot go on.

use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::codec::registry::{Registry, RegistrySettings};
use crate::config::Config;
use crate::domain::time::Timestamp;
use crate::runtime::fault::{Exit, ExitCode};
use crate::runtime::instruments::Instruments;
use crate::runtime::instruments::vitals::Vitals;
use crate::runtime::kafka::{KafkaAdmin, KafkaBroker, Member};
use crate::runtime::plan::{Now, Plan};
use crate::runtime::runner::Runner;
use crate::runtime::stores::DiskStores;
use crate::store::rocks::StoreMemory;

use super::http::{HttpServer, Sources};
use super::metrics::Metrics;
use super::shutdown::{Signals, Stop};
use super::watchdog::{Limits, Watchdog};
use super::{build, topics};

/// How long a start waits for the brokers.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// A process with lag that has not committed for this long is not ready.
const READY_COMMIT_MS_MAX: u64 = 10_000;
/// How long the end may take.
const DRAIN_MAX: Duration = Duration::from_secs(25);

/// The clocks of the process, read here and nowhere below.
#[derive(Clone, Debug)]
pub struct Clocks {
    started: Instant,
}

/// The process, with everything it depends on checked.
pub struct Process {
    config: Arc<Config>,
    ordinal: u32,
    clocks: Clocks,
    stop: Stop,
    metrics: Metrics,
    vitals: Arc<Vitals>,
    plan: Arc<Plan>,
}

impl Clocks {
    /// Clocks that begin now.
    #[allow(clippy::disallowed_methods)] // The process is where time enters.
    pub fn start() -> Clocks {
        Clocks { started: Instant::now() }
    }

    /// The time of a turn.
    pub fn now(&self) -> Now {
        Now { monotonic: self.started.elapsed(), wall: Clocks::wall() }
    }

    /// The wall clock.
    #[allow(clippy::disallowed_methods)] // The process is where time enters.
    pub fn wall() -> Timestamp {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

impl Process {
    /// Checks brokers, topics, registry and schemas.
    ///
    /// # Errors
    /// With what is missing and the command that mends it.
    pub fn prepare(config: Config, ordinal: u32, stop: Stop) -> Result<Process, Exit> {
        Process::prepare_with(config, ordinal, stop, |_| {})
    }

    /// As `prepare`, with changes to the plan.
    pub(super) fn prepare_with(
        config: Config,
        ordinal: u32,
        stop: Stop,
        change: impl FnOnce(&mut Plan),
    ) -> Result<Process, Exit> {
        let clocks = Clocks::start();
        let admin = KafkaAdmin::connect(&config.kafka, START_TIMEOUT).map_err(topics::exit)?;
        topics::check(&config, &admin)?;
        let registry = connect_registry(&config)?;
        let schema_ids = topics::find_schemas(&config, &registry)?;
        let metrics = Metrics::new(&config.application)
            .map_err(|error| Exit { code: ExitCode::Failed, text: format!("metrics: {error}") })?;
        let memory = StoreMemory::new(config.state.block_cache_bytes, config.state.write_buffer_bytes);
        let directory = config.state.directory.join(&*config.application);
        let stores = Arc::new(DiskStores::new(&directory, Arc::new(memory)));
        let topics = config.sources.iter().map(|source| source.topic.to_string());
        let topics = topics.chain([config.topics.commands.to_string()]).collect();
        let vitals = Vitals::new(config.threads, topics, READY_COMMIT_MS_MAX);
        let instruments = Instruments::new(&metrics.meter(), Arc::clone(&vitals));
        let mut plan = build::plan(&config, &registry, schema_ids, stores, instruments);
        change(&mut plan);
        let plan = Arc::new(plan);
        Ok(Process { config: Arc::new(config), ordinal, clocks, stop, metrics, vitals, plan })
    }

    /// The instruments of the workers, for the progress of restores.
    pub fn instruments(&self) -> Instruments {
        self.plan.instruments.clone()
    }

    /// The figures of the process, to be read while it runs and afterwards.
    pub(super) fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Runs until a signal comes or a worker cannot go on. Answers the process's exit code.
    pub fn run(self) -> Result<i32, Exit> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|error| Exit { code: ExitCode::Failed, text: format!("no runtime: {error}") })?;
        let mut signals = runtime
            .block_on(async { Signals::listen() })
            .map_err(|error| Exit { code: ExitCode::Failed, text: format!("no signals: {error}") })?;
        let stop = self.stop.clone();
        let received = Arc::new(Mutex::new(0));
        let code = Arc::clone(&received);
        runtime.spawn(async move {
            let signal = signals.first(&stop).await;
            *code.lock().unwrap_or_else(PoisonError::into_inner) = signal.exit_code();
            signals.second(|signal| std::process::exit(signal.exit_code())).await;
        });
        let address = self.serve(&runtime)?;
        tracing::info!(event = "started", %address, application = %self.config.application, "listening");
        let result = self.work();
        runtime.shutdown_timeout(Duration::from_secs(1));
        result?;
        let code = *received.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(code)
    }

    fn serve(&self, runtime: &tokio::runtime::Runtime) -> Result<SocketAddr, Exit> {
        let listen = self.config.http_listen;
        let server = runtime.block_on(HttpServer::bind(listen)).map_err(|error| Exit {
            code: ExitCode::Misconfigured,
            text: format!("{listen} cannot be listened on: {error}. Choose another http.listen"),
        })?;
        let address = server.address();
        let clocks = self.clocks.clone();
        let sources = Sources {
            vitals: Arc::clone(&self.vitals),
            instruments: self.plan.instruments.clone(),
            metrics: self.metrics.clone(),
            clock: Arc::new(move || clocks.now().monotonic),
        };
        runtime.spawn(async move {
            if let Err(error) = server.serve(sources, std::future::pending()).await {
                tracing::error!(event = "http_failed", %error, "the admin port is gone");
            }
        });
        Ok(address)
    }

    /// Runs the workers to their end. The first that cannot go on stops the others.
    fn work(&self) -> Result<(), Exit> {
        let watchdog = self.watch()?;
        let threads: Vec<_> = (0..self.config.threads).map(|thread| self.spawn(thread)).collect();
        let mut result = Ok(());
        for thread in threads {
            let ended = match thread {
                Ok(thread) => thread.join().unwrap_or(Ok(())),
                Err(exit) => Err(exit),
            };
            if let Err(exit) = ended {
                self.stop.request();
                // A failure that another caused is no news.
                result = result.and(Err(exit));
            }
        }
        drop(watchdog);
        result
    }

    fn spawn(&self, thread: usize) -> Result<thread::JoinHandle<Result<(), Exit>>, Exit> {
        let (config, stop, clocks) = (Arc::clone(&self.config), self.stop.clone(), self.clocks.clone());
        let application = config.application.clone();
        let member = Member { application, ordinal: self.ordinal, thread };
        let stopped = stop.clone();
        let (plan, vitals) = (Arc::clone(&self.plan), Arc::clone(&self.vitals));
        let work = move || {
            let connect = || KafkaBroker::connect(&config, member.clone(), &plan.topics());
            let runner = Runner::new(Arc::clone(&plan), &vitals, thread, connect);
            // A panic is a defect; it must end the process, and never leave it running with a dead worker.
            let run = || runner.run(|| clocks.now(), || stopped.requested());
            let result = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| {
                Err(Exit { code: ExitCode::Failed, text: "a worker panicked: this is a defect".into() })
            });
            if result.is_err() {
                stop.request();
            }
            result
        };
        thread::Builder::new()
            .name(format!("worker-{thread}"))
            .spawn(work)
            .map_err(|error| Exit { code: ExitCode::Failed, text: format!("no thread: {error}") })
    }

    fn watch(&self) -> Result<Watchdog, Exit> {
        let transaction = Duration::from_millis(u64::from(self.config.kafka.transaction_timeout_ms));
        let limits = Limits { step: transaction * 2 + Duration::from_secs(10), drain: DRAIN_MAX };
        let clocks = self.clocks.clone();
        Watchdog::start(
            Arc::clone(&self.vitals),
            self.stop.clone(),
            limits,
            Arc::new(move || clocks.now().monotonic),
            Duration::from_secs(1),
            |reason| std::process::exit(reason.exit_code()),
        )
        .map_err(|error| Exit { code: ExitCode::Failed, text: format!("no thread: {error}") })
    }
}

/// A client of the configured registry.
pub fn connect_registry(config: &Config) -> Result<Registry, Exit> {
    let (user, password) = match &config.registry.credentials {
        Some((user, password)) => (Some(user.to_string()), Some(password.to_string())),
        None => (None, None),
    };
    let settings = RegistrySettings {
        user,
        password,
        timeout_ms: config.registry.timeout_ms,
        ..RegistrySettings::new(&*config.registry.url)
    };
    Registry::connect(settings)
        .map_err(|error| Exit { code: ExitCode::Misconfigured, text: error.to_string() })
}

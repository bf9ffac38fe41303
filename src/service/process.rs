//! The process: checks what it depends on, starts the workers, serves the admin port, and ends when it is
//! told to or when a worker cannot go on.

use std::any::Any;
use std::fs::{self, File, TryLockError};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
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
use super::{build, memory_limit, topics};

/// How long a start waits for the brokers.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// A process with lag that has not committed for this long is not ready.
const READY_COMMIT_MS_MAX: u64 = 10_000;
/// A partition that stands at one offset for this long is named in the log.
const STALL_NAMED_AFTER: Duration = Duration::from_secs(60);
/// How long the end may take.
const DRAIN_MAX: Duration = Duration::from_secs(25);

/// How much of a panic's words is repeated.
const PANIC_CHARACTERS_MAX: usize = 300;

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
    /// Held for as long as the process lives.
    _directory_lock: File,
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
    /// Checks the memory limit, brokers, topics, registry and schemas.
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
        memory_limit::check(&config)?;
        let admin = KafkaAdmin::connect(&config.kafka, START_TIMEOUT).map_err(topics::exit)?;
        topics::check(&config, &admin)?;
        let registry = connect_registry(&config)?;
        let schema_ids = topics::find_schemas(&config, &registry)?;
        let metrics = Metrics::new(&config.application)
            .map_err(|error| Exit { code: ExitCode::Failed, text: format!("metrics: {error}") })?;
        let memory = StoreMemory::new(config.state.block_cache_bytes, config.state.write_buffer_bytes);
        let directory = config.state.directory.join(&*config.application);
        let directory_lock = lock(&directory)?;
        let stores = Arc::new(DiskStores::new(&directory, Arc::new(memory)));
        let topics = config.sources.iter().map(|source| source.topic.to_string());
        let topics = topics.chain([config.topics.commands.to_string()]).collect();
        let vitals = Vitals::new(config.threads, topics, READY_COMMIT_MS_MAX);
        let instruments = Instruments::new(&metrics.meter(), Arc::clone(&vitals));
        let mut plan = build::plan(&config, &registry, schema_ids, stores, instruments);
        change(&mut plan);
        let plan = Arc::new(plan);
        let config = Arc::new(config);
        let _directory_lock = directory_lock;
        Ok(Process { config, ordinal, clocks, stop, metrics, vitals, plan, _directory_lock })
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
                // Its own net catches a panic; one that went past it is one all the same.
                Ok(thread) => thread.join().unwrap_or_else(|panic| Err(panicked("a worker", &*panic))),
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
            supervised(&format!("worker {thread}"), &stop, || {
                runner.run(|| clocks.now(), || stopped.requested())
            })
        };
        thread::Builder::new()
            .name(format!("worker-{thread}"))
            .spawn(work)
            .map_err(|error| Exit { code: ExitCode::Failed, text: format!("no thread: {error}") })
    }

    fn watch(&self) -> Result<Watchdog, Exit> {
        let transaction = Duration::from_millis(u64::from(self.config.kafka.transaction_timeout_ms));
        let step = transaction * 2 + Duration::from_secs(10);
        let limits = Limits { step, drain: DRAIN_MAX, stall: STALL_NAMED_AFTER };
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

/// Takes the state directory for this process alone.
fn lock(directory: &Path) -> Result<File, Exit> {
    let failed = |error: std::io::Error| Exit {
        code: ExitCode::Misconfigured,
        text: format!("the state directory {} cannot be used: {error}", directory.display()),
    };
    fs::create_dir_all(directory).map_err(failed)?;
    let file = File::create(directory.join("lock")).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Exit {
            code: ExitCode::Fenced,
            text: format!(
                "the state directory {} is in use by another process. Give each process a state directory of \
                 its own",
                directory.display()
            ),
        }),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Does a worker's work. If it fails the others are told to stop. A panic is a defect: it ends the process with
/// a code of its own, and never leaves it running with a dead worker.
fn supervised(name: &str, stop: &Stop, work: impl FnOnce() -> Result<(), Exit>) -> Result<(), Exit> {
    let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(panicked(name, &*panic)));
    if let Err(exit) = &result {
        // The others may take a while to end, and one of them may hang: what happened is said now.
        tracing::error!(event = "worker_failed", worker = name, code = exit.code as i32, "{}", exit.text);
        stop.fail(exit.code);
    }
    result
}

fn panicked(name: &str, panic: &(dyn Any + Send)) -> Exit {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it said nothing");
    let line: String =
        said.chars().take(PANIC_CHARACTERS_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text = format!(
        "{name} panicked: {line}. This is a defect, to be reported with the lines above. Nothing committed is \
         lost: start the process again. If it comes back, look at the record that the lag stands at"
    );
    Exit { code: ExitCode::Panicked, text }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_stops_the_others_and_says_in_one_line_what_it_was() {
        let stop = Stop::default();
        let exit = supervised("worker 1", &stop, || panic!("slice of\n{} bytes", 3)).unwrap_err();
        assert!(stop.requested(), "the other workers go on with one of them gone");
        assert_eq!(exit.code as i32, 76);
        assert!(exit.text.starts_with("worker 1 panicked: slice of 3 bytes. "), "{}", exit.text);
        assert!(!exit.text.contains('\n'));
    }

    #[test]
    fn a_panic_without_words_is_one_too() {
        let silent = || std::panic::resume_unwind(Box::new(7));
        let exit = supervised("worker 0", &Stop::default(), silent).unwrap_err();
        assert!(exit.text.contains("it said nothing"), "{}", exit.text);
    }

    #[test]
    fn a_fault_stops_the_others_and_an_end_does_not() {
        let stop = Stop::default();
        assert_eq!(supervised("worker 0", &stop, || Ok(())), Ok(()));
        assert!(!stop.requested());
        let fault = Exit { code: ExitCode::Inconsistent, text: "torn".to_owned() };
        assert_eq!(supervised("worker 0", &stop, || Err(fault.clone())), Err(fault));
        assert!(stop.requested());
    }
}

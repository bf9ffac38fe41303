//! Members that come and go without a pause: every rebalance is answered, nothing stands still for long, and
//! what comes out is what has to come out.
//!
//! The members are workers in this process, which come and go quicker than processes. Each visitor is a new
//! static member: that it has left, the group learns when its session ends, while others come already.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use bespoke::runtime::broker::Partition;
use bespoke::runtime::fault::Exit;
use bespoke::runtime::instruments::Instruments;
use bespoke::runtime::instruments::vitals::Vitals;
use bespoke::runtime::kafka::{KafkaBroker, Member};
use bespoke::runtime::runner::Runner;
use bespoke::runtime::stores::{DiskStores, MemoryStores, Stores};
use bespoke::service::process::{Clocks, connect_registry};
use bespoke::service::{build, topics};
use bespoke::store::rocks::StoreMemory;
use rdkafka::consumer::BaseConsumer;

use super::app::{App, Shape};
use super::cluster::{Cluster, Turn, now, progress, send, variable, wait_until};
use super::counted::{Counted, Counts};
use super::load;

/// As short as the broker of the tests allows in good conscience: a member that has left is missed after it.
const SESSION_MS: u32 = 1_500;
const STALL_MAX: Duration = Duration::from_secs(15);
const VISITS: usize = 12;
/// Partitions that only ever had members who leave before they read would stand still by right.
const COMMITS_BEFORE_LEAVING: usize = 5;

struct Visitor {
    thread: JoinHandle<Result<(), Exit>>,
    stop: Arc<AtomicBool>,
    counts: Counts,
}

/// The longest time for which a partition had something to read and read nothing.
#[derive(Default)]
struct Stalls {
    progress: BTreeMap<Partition, (i64, std::time::Duration)>,
    longest: Duration,
    whose: String,
}

#[test]
fn members_come_and_go() {
    let Some(cluster) = Cluster::find("members_come_and_go") else { return };
    let _turn = Turn::among_others();
    // All hundred take a few minutes: BESPOKE_TEST_VISITS=100.
    let visits =
        variable("BESPOKE_TEST_VISITS").map_or(VISITS, |text| text.parse().expect("a number of visits"));
    let mut app = App::create(&cluster, "visits", &Shape::default());
    app.config.kafka.session_timeout_ms = SESSION_MS;
    log_to(app.log("members"));
    let app = app;
    let records = load::records(&app, 9, 100_000);
    let stop = AtomicBool::new(false);
    let host = visit(&app, 0);
    let logs = PrintOnPanic(&app);
    let mut rebalances = 0;
    let began = now();
    let stopped = || stop.load(Ordering::Relaxed);
    let (longest, whose) = std::thread::scope(|scope| {
        scope.spawn(|| {
            let producer = app.cluster.producer();
            for handful in records.chunks(60).take_while(|_| !stopped()) {
                send(&producer, handful);
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let watch = scope.spawn(|| {
            let mut stalls = Stalls::default();
            let asking = app.cluster.consumer(&app.id);
            while !stopped() {
                stalls.look(&app, &asking, began.elapsed());
                std::thread::sleep(Duration::from_millis(150));
            }
            (stalls.longest, stalls.whose)
        });
        let end = RaiseOnDrop(&stop);
        wait_until("the host has partitions", 30, || host.counts.partitions.load(Ordering::Relaxed) > 0);
        for ordinal in 1..=visits {
            let visitor = visit(&app, ordinal as u32);
            wait_until("a visitor was given partitions and has done some work", 60, || {
                visitor.counts.partitions.load(Ordering::Relaxed) > 0
                    && visitor.counts.commits.load(Ordering::Relaxed) >= COMMITS_BEFORE_LEAVING
            });
            let before = host.counts.partitions.load(Ordering::Relaxed);
            rebalances += visitor.leave();
            // Half of them come while their predecessor is still expected back, half when all is the host's.
            if ordinal % 2 == 0 {
                wait_until("the host has the partitions back", 30, || {
                    host.counts.partitions.load(Ordering::Relaxed) > before
                });
            }
        }
        drop(end);
        watch.join().unwrap()
    });
    drop(logs);
    let took = began.elapsed();
    app.check();
    let hosted = (host.counts.assigned.clone(), host.counts.revoked.clone(), host.counts.lost.clone());
    host.leave();
    let (assigned, revoked, lost) = hosted;
    let load = |count: &Arc<AtomicUsize>| count.load(Ordering::Relaxed);
    eprintln!(
        "members_come_and_go: {visits} joins and leaves in {took:?}; the host answered {} assignments, {} \
         revocations and lost {}; visitors answered {rebalances}; longest stall {longest:?} ({whose})",
        load(&assigned),
        load(&revoked),
        load(&lost)
    );
    assert!(longest < STALL_MAX, "{whose} stood still for {longest:?}");
}

/// A worker that is a member of the group until it is told to leave.
fn visit(app: &App, ordinal: u32) -> Visitor {
    let config = app.config.clone();
    let stop = Arc::new(AtomicBool::new(false));
    let counts = Counts::default();
    let (stopped, counted, state) = (Arc::clone(&stop), counts.clone(), app.state(ordinal));
    let thread = std::thread::spawn(move || {
        let registry = connect_registry(&config)?;
        let ids = topics::find_schemas(&config, &registry)?;
        let vitals = Vitals::new(1, Vec::new(), 10_000);
        let stores: Arc<dyn Stores> = if ordinal == 0 {
            Arc::new(DiskStores::new(&state, Arc::new(StoreMemory::new(8 << 20, 8 << 20))))
        } else {
            Arc::new(MemoryStores)
        };
        let plan = Arc::new(build::plan(&config, &registry, ids, stores, Instruments::silent()));
        let clocks = Clocks::start();
        let member = Member { application: config.application.clone(), ordinal, thread: 0 };
        let topics = plan.topics();
        let connect = || {
            let inner = KafkaBroker::connect(&config, member.clone(), &topics)?;
            Ok(Counted { inner, counts: counted.clone() })
        };
        let runner = Runner::new(Arc::clone(&plan), &vitals, 0, connect);
        runner.run(|| clocks.now(), || stopped.load(Ordering::Relaxed))
    });
    Visitor { thread, stop, counts }
}

impl Visitor {
    /// Leaves, and tells how many rebalances were answered.
    fn leave(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let ended = self.thread.join().expect("a member must not panic");
        assert_eq!(ended.map_err(|exit| exit.text), Ok(()));
        self.counts.assigned.load(Ordering::Relaxed) + self.counts.revoked.load(Ordering::Relaxed)
    }
}

impl Stalls {
    fn look(&mut self, app: &App, asking: &BaseConsumer, at: Duration) {
        // The markers of transactions lie behind the last record, one for each producer.
        const MARKERS_MAX: i64 = 8;
        let sources = app.config.sources.iter().map(|source| &*source.topic);
        let topics: Vec<&str> = sources.chain([&*app.config.topics.commands]).collect();
        for (partition, next, end) in progress(asking, &topics) {
            let (before, since) = self.progress.entry(partition.clone()).or_insert((next, at));
            if next > *before || end - next <= MARKERS_MAX {
                (*before, *since) = (next, at);
            } else if at - *since > self.longest {
                self.longest = at - *since;
                self.whose = partition.to_string();
            }
        }
    }
}

/// The workers of this process tell what they do into a file, as those of the binary do.
fn log_to(file: PathBuf) {
    let file = Mutex::new(File::create(file).unwrap());
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_ansi(false);
    // Another test of this process may have been first; then its file has the lines.
    let _ = subscriber.with_writer(file).try_init();
}

struct PrintOnPanic<'a>(&'a App);

impl Drop for PrintOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.print_logs();
        }
    }
}

struct RaiseOnDrop<'a>(&'a AtomicBool);

impl Drop for RaiseOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

//! A replay, which is what a backfill is: the same input once more, under a second application id with its
//! own topics, group, transactional ids and state, from one place to another, and then it ends by itself.
//!
//! From the command log there is one leg: the second application's tasks read the first one's log. From the
//! sources there are two: first the intake alone, until the second application's own command log is
//! complete, then the tasks. A leg is over when the group has committed the end of every partition; the
//! workers commit an end only together with everything that was due before it. An interrupted replay goes
//! on when it is started again, because its group remembers how far it came.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::config::{Config, TopicNames};
use crate::domain::time::Timestamp;
use crate::runtime::broker::Partition;
use crate::runtime::fault::{Exit, ExitCode, Fault};
use crate::runtime::kafka::{KafkaAdmin, OffsetClient};
use crate::runtime::stretch::Stretch;

use super::process::{Process, connect_registry};
use super::shutdown::Stop;
use super::topics::{self, Planned, TopicPlan};

const ASK_EVERY: Duration = Duration::from_millis(200);

/// A place in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The oldest record that is still there.
    Earliest,
    /// Where the log ended when the replay began.
    End,
    /// The first record that Kafka has stamped with this instant or a later one.
    At(Timestamp),
    /// The same offset in every partition.
    Offset(i64),
    /// An offset in each of these partitions; the others are left out.
    Offsets(BTreeMap<i32, i64>),
}

/// Which part of the input is replayed, and from which topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Where it begins.
    pub from: Place,
    /// Before which place it ends.
    pub to: Place,
    /// The whole pipeline from the source topics, instead of the tasks from the command log.
    pub from_sources: bool,
    /// The number of this process among those that share the work.
    pub ordinal: u32,
}

/// How far a leg has come, in offsets: marks of transactions count as records do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Which leg: `intake` or `profiles`.
    pub leg: &'static str,
    /// Offsets that are done.
    pub done: u64,
    /// All offsets.
    pub total: u64,
}

/// What this process has done of a replay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// 0, or the code of the signal that interrupted it.
    pub code: i32,
    /// Records read, those that were read again after a fault included.
    pub records: u64,
    /// Decisions written.
    pub decisions: u64,
    /// Segment changes written.
    pub segment_changes: u64,
}

/// A replay that has been checked, and has not changed anything yet.
pub struct Replay {
    copy: Config,
    request: Request,
    admin: KafkaAdmin,
    topics: Vec<Planned>,
    offsets: OffsetClient,
}

/// What one leg reads, by partition: from the first offset on, before the second.
pub type Spans = Vec<(Partition, i64, i64)>;

impl Replay {
    /// Checks that the second application can stand beside the first. `copy` is the configuration under the
    /// second id.
    ///
    /// # Errors
    /// When the ids or topics are the same, or a topic is there with another number of partitions.
    pub fn prepare(original: &Config, mut copy: Config, mut request: Request) -> Result<Replay, Exit> {
        if copy.application == original.application {
            let text = format!(
                "{} is the application itself: a replay under its id would write into its own topics. Choose \
                 another id for --as",
                original.application
            );
            return Err(Exit { code: ExitCode::Misconfigured, text });
        }
        // A source that is keyed by person is the log that the tasks read.
        request.from_sources &= !copy.sources.iter().any(|source| source.keyed);
        copy.topics = TopicNames::of(&copy.application);
        if !request.from_sources {
            copy.topics.commands = original.topics.commands.clone();
            copy.sources.retain(|source| source.keyed);
            copy.catalogue_topic = None;
            copy.definitions_topic = None;
            copy.site_shares_topic = None;
        }
        let admin = KafkaAdmin::connect(&copy.kafka, Duration::from_secs(30)).map_err(topics::exit)?;
        let topics = own_topics(original, &copy, &admin)?;
        let offsets = OffsetClient::new(&copy.kafka, &copy.application).map_err(topics::exit)?;
        Ok(Replay { copy, request, admin, topics, offsets })
    }

    /// The second application's topics, with what is to be done about each.
    pub fn topics(&self) -> &[Planned] {
        &self.topics
    }

    /// What the first leg reads.
    pub fn spans(&self) -> Result<Spans, Exit> {
        let sources = self.copy.sources.iter().filter(|source| !source.keyed).map(|source| &*source.topic);
        let others = self.copy.broadcast_topics().map(|topic| &**topic);
        let topics: Vec<&str> =
            if self.request.from_sources { sources.chain(others).collect() } else { vec![self.input()] };
        self.spans_of(&topics, &self.request.from, &self.request.to).map_err(topics::exit)
    }

    /// Makes topics and schemas and replays to the end, or until a signal comes.
    pub fn run(self, report: impl FnMut(Progress) + Send + 'static) -> Result<Summary, Exit> {
        topics::apply(&self.topics, &self.admin).map_err(topics::exit)?;
        topics::register_schemas(&self.copy, &connect_registry(&self.copy)?)?;
        let report: Report = Arc::new(Mutex::new(report));
        let first = if self.request.from_sources { "intake" } else { "profiles" };
        let mut summary = self.leg(first, self.spans()?, &report)?;
        if self.request.from_sources && summary.code == 0 {
            let log = self.spans_of(&[self.input()], &Place::Earliest, &Place::End).map_err(topics::exit)?;
            let intake = summary.records;
            summary = self.leg("profiles", log, &report)?;
            summary.records += intake;
        }
        Ok(summary)
    }

    /// The topic that the tasks read.
    fn input(&self) -> &str {
        let keyed = self.copy.sources.iter().find(|source| source.keyed);
        keyed.map_or(&*self.copy.topics.commands, |source| &*source.topic)
    }

    fn spans_of(&self, names: &[&str], from: &Place, to: &Place) -> Result<Spans, Fault> {
        let mut spans = Vec::new();
        for name in names {
            for partition in self.offsets.partitions(name)? {
                let (low, high) = self.offsets.bounds(&partition)?;
                let first = self.offset(&partition, from, low, high)?.unwrap_or(high).clamp(low, high);
                let end = self.offset(&partition, to, low, high)?.unwrap_or(high).clamp(first, high);
                let end = self.offsets.end_of_records(&partition, first, end)?;
                spans.push((partition, first, end));
            }
        }
        Ok(spans)
    }

    /// The offset of a place; none where that is the end.
    fn offset(
        &self,
        partition: &Partition,
        place: &Place,
        low: i64,
        high: i64,
    ) -> Result<Option<i64>, Fault> {
        match place {
            Place::Earliest => Ok(Some(low)),
            Place::End => Ok(None),
            Place::At(at) => self.offsets.at(partition, *at),
            Place::Offset(offset) => Ok(Some(*offset)),
            Place::Offsets(offsets) => Ok(offsets.get(&partition.number).copied().or(Some(high))),
        }
    }

    /// Runs the pipeline over spans.
    fn leg(&self, leg: &'static str, spans: Spans, report: &Report) -> Result<Summary, Exit> {
        let mut config = self.copy.clone();
        if leg == "intake" {
            // A group of its own: a static member that comes back to a group is given the partitions that it
            // had, whatever it has subscribed to since.
            config.application = format!("{}-intake", config.application).into();
        }
        let offsets = OffsetClient::new(&config.kafka, &config.application).map_err(topics::exit)?;
        let stop = Stop::default();
        let stretch = Stretch::new(spans.iter().cloned());
        let process = Process::prepare_with(config, self.request.ordinal, stop.clone(), |plan| {
            plan.intake_only = leg == "intake";
            plan.stretch = stretch;
            if leg == "profiles" {
                plan.sources.clear();
            }
        })?;
        let metrics = process.metrics();
        let watch = Watch {
            leg,
            spans,
            offsets,
            report: Arc::clone(report),
            stop: stop.clone(),
            complete: Arc::new(AtomicBool::new(false)),
        };
        let complete = Arc::clone(&watch.complete);
        let watching = thread::Builder::new()
            .name("replay-end".into())
            .spawn(move || watch.run())
            .map_err(|error| Exit { code: ExitCode::Failed, text: format!("no thread: {error}") })?;
        let result = process.run();
        stop.request();
        // The thread only asks and reports; that it panicked would have been told by the panic itself.
        let _ = watching.join();
        let code = result?;
        if code == 0 && !complete.load(Ordering::Acquire) {
            let text = format!("the {leg} ended before the end was reached: run the same command again");
            return Err(Exit { code: ExitCode::Failed, text });
        }
        let figures = metrics.text().unwrap_or_default();
        let written = |topic: &str| total(&figures, "bespoke_records_out_total", Some(topic));
        Ok(Summary {
            code,
            records: total(&figures, "bespoke_records_in_total", None),
            decisions: written(&self.copy.topics.decisions),
            segment_changes: written(&self.copy.topics.segment_changes),
        })
    }
}

/// Whom progress is told.
type Report = Arc<Mutex<dyn FnMut(Progress) + Send>>;

/// Asks how far the group has come, and stops the process when it has reached every end.
struct Watch {
    leg: &'static str,
    spans: Spans,
    offsets: OffsetClient,
    report: Report,
    stop: Stop,
    complete: Arc<AtomicBool>,
}

impl Watch {
    fn run(&self) {
        let partitions: Vec<Partition> = self.spans.iter().map(|(partition, ..)| partition.clone()).collect();
        while !self.stop.requested() {
            match self.offsets.committed(&partitions) {
                Ok(committed) => {
                    if self.note(&committed) {
                        self.complete.store(true, Ordering::Release);
                        self.stop.request();
                    }
                }
                // The workers meet the same trouble and know better what to do about it.
                Err(fault) => {
                    tracing::debug!(event = "replay_asks_again", %fault, "no committed offsets for now")
                }
            }
            thread::sleep(ASK_EVERY);
        }
    }

    /// Reports, and answers whether every end is committed.
    fn note(&self, committed: &[Option<i64>]) -> bool {
        let (mut done, mut total, mut complete) = (0, 0, true);
        for ((_, first, end), committed) in self.spans.iter().zip(committed) {
            total += end - first;
            done += committed.map_or(0, |committed| committed.clamp(*first, *end) - first);
            complete &= committed.is_some_and(|committed| committed >= *end);
        }
        let progress = Progress { leg: self.leg, done: done.unsigned_abs(), total: total.unsigned_abs() };
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        (*report)(progress);
        complete
    }
}

/// The second application's topics, with what `topics apply` would do about each. The log of the first is
/// not among them.
fn own_topics(original: &Config, copy: &Config, admin: &KafkaAdmin) -> Result<Vec<Planned>, Exit> {
    let refuse = |text: String| Err(Exit { code: ExitCode::Misconfigured, text });
    let (first, log) = (&original.topics, &original.topics.commands);
    let reads_log = copy.topics.commands == *log;
    let outputs = [
        &first.profile_updates,
        &first.decisions,
        &first.segment_changes,
        &first.dead_letters,
        &first.status,
    ];
    let planned = topics::compare(copy, admin).map_err(topics::exit)?;
    for Planned { wish, plan } in &planned {
        let is_log = wish.name == *log;
        if outputs.contains(&&wish.name) || wish.name == first.changelog || (is_log && !reads_log) {
            let (topic, owner) = (&wish.name, &original.application);
            return refuse(format!("the topic {topic} belongs to {owner}: choose another id for --as"));
        }
        if is_log && *plan == TopicPlan::Create {
            return refuse(format!(
                "the command log {log} does not exist, so there is nothing to replay. With --from-sources the \
                 source topics are read instead"
            ));
        }
    }
    let odd = planned.iter().find(|planned| matches!(planned.plan, TopicPlan::Repartition(_)));
    if let Some(odd) = odd {
        return refuse(odd.to_string());
    }
    Ok(planned.into_iter().filter(|planned| planned.wish.name != *log).collect())
}

/// The sum of a counter of the process's own figures, over all topics or of one.
fn total(figures: &str, counter: &str, topic: Option<&str>) -> u64 {
    let label =
        topic.map_or_else(|| format!("{counter}{{"), |topic| format!("{counter}{{topic=\"{topic}\"}}"));
    let lines = figures.lines().filter(|line| line.starts_with(&label));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_summed_over_all_topics_or_read_of_one() {
        let figures = "# HELP in x\nin{topic=\"a\"} 5\nin{topic=\"b\"} 2\nout{topic=\"a\"} 9\n";
        assert_eq!((total(figures, "in", None), total(figures, "in", Some("b"))), (7, 2));
        assert_eq!(total(figures, "out", Some("b")), 0);
    }
}

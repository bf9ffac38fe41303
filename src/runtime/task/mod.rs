//! One partition of the command log: its state, and what each of its records does to it. Knows no Kafka: it
//! is handed records and gives back outputs, so that it runs the same on a broker, on a log in memory and in
//! a plain loop.

mod knowledge;
mod tally;

use std::sync::Arc;

use compact_str::CompactString;

use crate::codec::command;
use crate::codec::output::OutputCodec;
use crate::codec::reject::{Reject, RejectCode};
use crate::codec::row::{self, Meta};
use crate::codec::wire::Source;
use crate::domain::catalogue::{Catalogue, Content};
use crate::domain::command::Command;
use crate::domain::decision::Emission;
use crate::domain::event::Event;
use crate::domain::person::Person;
use crate::domain::react::{Knowledge, Outcome, happen, react, settle};
use crate::domain::rulebook::RuleBook;
use crate::domain::site::Site;
use crate::domain::time::Timestamp;
use crate::store::overlay::{Overlay, OverlayError};
use crate::store::profile_cache::ProfileCache;
use crate::store::{Change, Position, Store, StoreError};

use crate::mutant::{Mutant, is_armed};
use crate::runtime::broker::{Output, Record};
use crate::runtime::fault::Fault;
use crate::runtime::restore::store_fault;
use crate::runtime::topics::OwnTopics;
pub use tally::Tally;

/// How many due persons are settled in one go.
pub const SWEEP_MAX: usize = 256;

/// What all tasks of a process share.
pub struct Shared {
    /// The topics.
    pub topics: OwnTopics,
    /// The encoder of outputs.
    pub outputs: OutputCodec,
    /// The definitions in force until a command replaces them.
    pub rules: Arc<RuleBook>,
    /// The content that the configuration declares.
    pub contents: Vec<Content>,
    /// For a source that is keyed by person: how its records are read. Else records are commands.
    pub keyed: Option<Source>,
}

/// The state of one partition and how to change it.
pub struct Task {
    shared: Arc<Shared>,
    number: i32,
    overlay: Overlay,
    rules: Arc<RuleBook>,
    catalogue: Catalogue,
    site: Site,
    stream_time: Timestamp,
    input_next: i64,
    /// While due times are worked out anew for everybody: the last person done.
    reindexing: Option<Option<Person>>,
    /// Whether the store notes that its due times are by the configured definitions, whatever else it says.
    is_misread: bool,
    /// The rows that are no person's, as encoded for the changelog, kept from `flush` to `settle`.
    flushed: Vec<Change>,
    tally: Tally,
}

/// What became of a record.
#[derive(Debug)]
pub enum Applied {
    /// An event changed its person's profile.
    Changed(Times),
    /// A request was answered.
    Answered(Times),
    /// A message id was seen before.
    Duplicate {
        /// The source topic of the repetition.
        source: CompactString,
        /// Whether the first event of this id said something else.
        conflicting: bool,
    },
    /// Content, definitions or site shares changed.
    Knowledge,
    /// Persons are due first: call [`Task::sweep`] until nothing is, then hand in the same record again.
    SweepFirst,
    /// The record cannot be used.
    Rejected(Reject),
}

/// When an event was received, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// When the collector or the broker had it.
    pub received_at: Timestamp,
}

/// Why a task cannot go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TaskError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A row of the store or the changelog does not decode.
    #[error("{0}")]
    Row(#[from] row::RowError),
    /// The definitions in the state do not compile with this version.
    #[error("the definitions in the state are not valid for this version: {0}")]
    Definitions(String),
}

impl Task {
    /// A task over a store that is restored already.
    pub fn open(
        shared: Arc<Shared>,
        number: i32,
        store: Box<dyn Store>,
        cache: &Arc<ProfileCache>,
    ) -> Result<Task, TaskError> {
        let is_misread = store.load(row::MISREAD_KEY)?.is_some();
        let overlay = Overlay::new(store, cache);
        let mut task = Task {
            rules: Arc::clone(&shared.rules),
            reindexing: None,
            is_misread,
            shared,
            number,
            overlay,
            catalogue: Catalogue::default(),
            site: Site::default(),
            stream_time: Timestamp::EARLIEST,
            input_next: 0,
            flushed: Vec::new(),
            tally: Tally::default(),
        };
        task.load()?;
        task.check_index()?;
        Ok(task)
    }

    /// The next offset of the input that this state has not seen.
    pub fn input_next(&self) -> i64 {
        self.input_next
    }

    /// Whether the state has ever seen input.
    pub fn is_new(&self) -> bool {
        self.overlay.position().is_none()
    }

    /// The stream time of the partition.
    pub fn stream_time(&self) -> Timestamp {
        self.stream_time
    }

    /// How far the committed state has come; none where nothing was ever committed.
    pub fn position(&self) -> Option<Position> {
        self.overlay.position()
    }

    /// The state on disk, which may lack what was committed last.
    pub fn store(&self) -> &dyn Store {
        self.overlay.store()
    }

    /// Sets where the input begins, for a state that has seen none.
    pub fn start_at(&mut self, input_next: i64) {
        self.input_next = input_next;
    }

    /// Fetches what these records need, which changes nothing. To be called before they are applied one by one.
    pub fn look_ahead(&self, records: &[Record]) {
        let keys = records.iter().filter_map(|record| record.key.as_deref());
        self.overlay.touch(keys.filter_map(|key| std::str::from_utf8(key).ok()));
    }

    /// Applies the record at the input's next offset, or one after it where the log has gaps.
    pub fn apply(&mut self, record: &Record, outputs: &mut Vec<Output>) -> Result<Applied, TaskError> {
        let applied = match self.decode(record) {
            Ok(Command::Event(event)) => self.event(&event, outputs)?,
            Ok(change) => {
                // Decisions that fall due before a change of content or rules must not see the change; nor is it
                // known what is due before due times were worked out by the last change of rules.
                let due = !self.overlay.due(self.stream_time, 1).map_err(task_error)?.is_empty();
                if (due || self.reindexing.is_some()) && !is_armed(Mutant::ChangeWithoutSweep) {
                    return Ok(Applied::SweepFirst);
                }
                // After a change of definitions everybody whom the store has is looked at.
                self.overlay.save()?;
                match self.knowledge(change) {
                    Ok(()) => Applied::Knowledge,
                    Err(reject) => Applied::Rejected(reject),
                }
            }
            Err(reject) => Applied::Rejected(reject),
        };
        self.input_next = record.offset + if is_armed(Mutant::ReadTheLastAgain) { 0 } else { 1 };
        Ok(applied)
    }

    /// Settles at most `limit` persons for whom something is due. Returns how many were settled.
    pub fn sweep(&mut self, limit: usize, outputs: &mut Vec<Output>) -> Result<usize, TaskError> {
        let limit = if is_armed(Mutant::NeverSweep) { 0 } else { limit };
        let persons = self.overlay.due(self.stream_time, limit).map_err(task_error)?;
        let mut emissions = Vec::new();
        for person in &persons {
            let place = self.overlay.person(&self.rules, person).map_err(task_error)?;
            let profile = self.overlay.profile(place);
            let knowledge = Knowledge { rules: &self.rules, catalogue: &self.catalogue, site: &self.site };
            settle(knowledge, person, profile, self.stream_time, &mut emissions);
            self.overlay.changed(&self.rules, place);
        }
        if !is_armed(Mutant::SweepInSilence) {
            self.emit(emissions, outputs);
        }
        Ok(persons.len() + self.reindex(limit)?)
    }

    /// Encodes what the open transaction has changed, and hands on what is to be said of it: the changelog's records
    /// and the profiles' updates, one by one, so that they are never in memory all at once. `moved` tells whether
    /// input was read; without that and without a change nothing is written.
    ///
    /// # Errors
    /// What `hand_on` says, or the store where it cannot be read. Then the transaction is to be given up: what was
    /// flushed is a part.
    pub fn flush(
        &mut self,
        moved: bool,
        mut hand_on: impl FnMut(Output) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if !moved && self.overlay.is_clean() {
            return Ok(());
        }
        let (input_next, stream_time) = match () {
            () if is_armed(Mutant::CommitOldPosition) => (self.input_next - 1, self.stream_time),
            () if is_armed(Mutant::ForgetStreamTime) => (self.input_next, Timestamp::EARLIEST),
            () => (self.input_next, self.stream_time),
        };
        let Task { shared, overlay, rules, site, flushed, .. } = self;
        let record = |key: Vec<u8>, value: Option<Vec<u8>>| Output {
            topic: Arc::clone(&shared.topics.changelog),
            partition: Some(self.number),
            key: Some(key),
            value,
            headers: Vec::new(),
            timestamp: None,
        };
        *flushed = overlay.flush_rows().map_err(|error| store_fault(self.number, &error))?;
        flushed.iter().try_for_each(|change| hand_on(record(change.key.clone(), change.value.clone())))?;
        overlay.flush_profiles(|dirty| {
            hand_on(record(dirty.key, dirty.row.map(<[u8]>::to_vec)))?;
            if !dirty.risen {
                return Ok(());
            }
            let update = shared.outputs.profile_update(dirty.person, dirty.profile, rules, site);
            hand_on(keyed(&shared.topics.profile_updates, dirty.person, Some(update)))
        })?;
        // At the end, where it speaks of what stands before it.
        let meta = overlay.flush_meta(|digest| Meta { input_next, stream_time, digest });
        hand_on(record(meta.key.clone(), meta.value.clone()))?;
        flushed.push(meta);
        Ok(())
    }

    /// Forgets everything that is not committed. `first` is where the input begins for a state that has seen
    /// none.
    pub fn rewind(&mut self, first: i64) -> Result<(), TaskError> {
        self.flushed.clear();
        self.overlay.discard()?;
        self.rules = Arc::clone(&self.shared.rules);
        self.catalogue = Catalogue::default();
        self.site = Site::default();
        (self.stream_time, self.input_next) = (Timestamp::EARLIEST, first);
        self.load()?;
        self.check_index()
    }

    /// Whether something was flushed and not settled yet.
    pub fn is_flushed(&self) -> bool {
        !self.flushed.is_empty()
    }

    /// After the commit: what was flushed is the committed state, of which the store will hear in time.
    pub fn settle(&mut self, changelog_next: i64) -> Result<(), StoreError> {
        let mut rows = std::mem::take(&mut self.flushed);
        if std::mem::take(&mut self.is_misread) {
            // What was committed says so from now on, as long as it is so.
            rows.push(Change { key: row::MISREAD_KEY.to_vec(), ..Change::default() });
        }
        self.overlay.settle(rows, Position { changelog_next, input_next: self.input_next })
    }

    /// Hands the store what it lacks of the committed state. To be called before the task goes, so that whoever has the
    /// partition next need not read it from the changelog.
    pub fn save(&mut self) -> Result<(), StoreError> {
        self.overlay.save()
    }

    fn decode(&self, record: &Record) -> Result<Command, Reject> {
        let value = record.value.as_deref().unwrap_or(&[]);
        let Some(source) = &self.shared.keyed else { return command::decode(value) };
        let event = source.decode_json(value, record.timestamp)?;
        if record.key.as_deref() != Some(event.person.as_bytes()) {
            return Err(Reject::new(
                RejectCode::InvalidField,
                "$key",
                "the record's key is not the person's key, as a source with `keyed: true` promises",
            ));
        }
        Ok(Command::Event(event))
    }

    fn event(&mut self, event: &Event, outputs: &mut Vec<Output>) -> Result<Applied, TaskError> {
        self.stream_time = self.stream_time.max(event.timestamp);
        let place = self.overlay.person(&self.rules, &event.person).map_err(task_error)?;
        // While due times are worked out anew, those of some profiles are by other definitions.
        let is_due = self.overlay.due_of(place).is_some_and(|due| due <= self.stream_time);
        let may_be_due = self.reindexing.is_some() || is_due;
        let profile = self.overlay.profile(place);
        let knowledge = Knowledge { rules: &self.rules, catalogue: &self.catalogue, site: &self.site };
        if is_armed(Mutant::ForgetMessageIds) {
            profile.seen.clear();
        }
        let mut emissions = Vec::new();
        let before = profile.version;
        let change = if may_be_due { react } else { happen };
        let outcome = change(knowledge, &event.person, profile, self.stream_time, event, &mut emissions);
        let once = is_armed(Mutant::StageEveryOther) && event.message_id.len().is_multiple_of(2);
        let is_duplicate = matches!(outcome, Outcome::Duplicate { .. });
        if (!is_duplicate || profile.version != before) && !once {
            self.overlay.changed(&self.rules, place);
        }
        if outcome == Outcome::Applied {
            self.tally.event(event, self.rules.intake.is_late(event, self.stream_time));
        }
        self.emit(emissions, outputs);
        let times = Times { received_at: event.received_at };
        Ok(match outcome {
            Outcome::Applied => Applied::Changed(times),
            Outcome::Answered => Applied::Answered(times),
            Outcome::Duplicate { conflicting } => {
                Applied::Duplicate { source: event.source.clone(), conflicting }
            }
        })
    }

    /// What was done since this was asked last.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    fn emit(&mut self, emissions: Vec<Emission>, outputs: &mut Vec<Output>) {
        let (topics, codec) = (&self.shared.topics, &self.shared.outputs);
        outputs.extend(emissions.into_iter().filter_map(|emission| match emission {
            Emission::Decision(decision) => {
                self.tally.decision(&decision, &self.rules);
                Some(keyed(&topics.decisions, &decision.person, Some(codec.decision(&decision))))
            }
            Emission::SegmentChange(change) => {
                Some(keyed(&topics.segment_changes, &change.person, Some(codec.segment_change(&change))))
            }
            Emission::LoopStopped(rule) => {
                *self.tally.stopped.entry(rule).or_default() += 1;
                None
            }
            Emission::Lost(limit) => {
                *self.tally.lost.entry(limit.as_str()).or_default() += 1;
                None
            }
            Emission::Forgotten(person) => {
                self.tally.forgotten += 1;
                self.overlay.forgotten(&person);
                Some(keyed(&topics.profile_updates, &person, None))
            }
        }));
    }
}

fn keyed(topic: &Arc<str>, person: &Person, value: Option<Vec<u8>>) -> Output {
    Output {
        topic: Arc::clone(topic),
        partition: None,
        key: Some(person.as_bytes().to_vec()),
        value,
        headers: Vec::new(),
        timestamp: None,
    }
}

fn task_error(error: OverlayError) -> TaskError {
    match error {
        OverlayError::Store(error) => TaskError::Store(error),
        OverlayError::Row(error) => TaskError::Row(error),
    }
}

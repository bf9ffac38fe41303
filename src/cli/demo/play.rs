//! The play: content first, then the stream with Ada's story in it; in the middle of one of her visits the
//! processor dies and comes back. One loop, which sends, follows what is committed, and prints.

use std::time::Duration;

use compact_str::CompactString;

use super::super::load::print;
use super::ada::Ada;
use super::pace::Pace;
use super::paint::{Paint, grouped};
use super::script::Script;
use super::stage::Stage;
use super::tally::{Tally, by_code};
use crate::config::Config;
use crate::runtime::broker::Record;
use crate::runtime::fault::{Exit, ExitCode};
use crate::runtime::topics::OwnTopics;
use crate::service::process::Clocks;
use crate::service::shutdown::Stop;

/// The longest wait for something to happen, so that a stop is heard.
const STEP: Duration = Duration::from_millis(20);
/// In a hurry, what is committed is looked at once in so many records.
const RECORDS_PER_LOOK: usize = 64;
/// News of Ada are shown when nothing further comes, or at the latest after this.
const NEWS_AGE_MAX: Duration = Duration::from_millis(250);
/// How often the figures of all are printed.
const TICK: Duration = Duration::from_secs(3);
/// Nothing more is expected when nothing has come for this long after the last record was applied.
const QUIET: Duration = Duration::from_millis(600);
/// How much of the stream may be sent ahead of the processor: less than a day. The topics of a source are read
/// side by side, so that a large backlog mixes days, and a copy that comes days after its original in the log
/// is beyond the horizon within which copies are recognised.
const AHEAD_SHARE: u64 = 16;
/// How long nothing may come although something is missing.
const STALL_MAX: Duration = Duration::from_secs(60);

/// A play under way.
pub(super) struct Play<'a> {
    stage: &'a mut dyn Stage,
    script: &'a Script,
    paint: Paint,
    clocks: Clocks,
    stop: Stop,
    tally: Tally,
    ada: Ada,
    decisions_topic: CompactString,
    partitions: u64,
    fed: u64,
    news_since: Option<Duration>,
    ticked: Duration,
    comeback: Option<Comeback>,
    outcome: Outcome,
}

/// What happened, for the summary.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outcome {
    /// How often the processor was killed and came back.
    pub(super) kills_survived: u32,
    /// From the start of the stream to the last record processed.
    pub(super) streamed: Duration,
    /// From the beginning to the first decision on the screen.
    pub(super) first_decision: Option<Duration>,
    /// Whether the wait for the last records was given up.
    pub(super) stalled: bool,
}

/// A processor that was killed and has not shown yet that it is back.
struct Comeback {
    killed: Duration,
    started: Duration,
    committed: bool,
}

impl<'a> Play<'a> {
    /// A play on a stage. `clocks` began when the demo did.
    pub(super) fn new(
        stage: &'a mut dyn Stage,
        script: &'a Script,
        config: &Config,
        paint: Paint,
        clocks: Clocks,
        stop: Stop,
    ) -> Play<'a> {
        Play {
            stage,
            script,
            paint,
            stop,
            tally: Tally::new(OwnTopics::of(config)),
            ada: Ada::new(config),
            decisions_topic: config.topics.decisions.clone(),
            partitions: u64::try_from(config.partitions).unwrap_or(0),
            fed: 0,
            news_since: None,
            ticked: clocks.now().monotonic,
            clocks,
            comeback: None,
            outcome: Outcome::default(),
        }
    }

    /// Plays to the end, or until a stop is asked for.
    ///
    /// # Errors
    /// When Kafka or the processor fails.
    pub(super) fn run(mut self, fast: bool) -> Result<Outcome, Exit> {
        self.stage.start()?;
        self.feed_contents()?;
        let began = self.now();
        self.stream(fast)?;
        self.finish()?;
        self.outcome.streamed = self.now().saturating_sub(began).saturating_sub(QUIET);
        self.stage.stop()?;
        Ok(self.outcome)
    }

    /// Content has a topic of its own, which has no order with the others: it is there before the stream.
    fn feed_contents(&mut self) -> Result<(), Exit> {
        let script = self.script;
        for record in &script.contents {
            self.stage.feed(record)?;
        }
        self.stage.flush()?;
        let wanted = script.contents.len() as u64 * self.partitions;
        let arrived = self.wait_until(|play| play.tally.contents >= wanted && play.tally.is_applied())?;
        if !arrived && !self.stop.requested() {
            return Err(stalled("the content was not taken in"));
        }
        let text = format!("{} pieces of content are known", script.contents.len());
        self.say(self.paint.dim(text));
        Ok(())
    }

    fn stream(&mut self, fast: bool) -> Result<(), Exit> {
        let script = self.script;
        let is_ada: Vec<bool> = script.records.iter().map(|record| self.ada.is_hers(record)).collect();
        let hers: Vec<usize> = (0..is_ada.len()).filter(|at| is_ada.get(*at) == Some(&true)).collect();
        let kill_at = hers.get(hers.len() / 2).copied().unwrap_or(script.records.len() / 2);
        let pace = Pace::new(script.records.len(), hers.len(), fast);
        let mut due = self.now();
        let mut revive_at = None;
        for (number, (record, is_hers)) in script.records.iter().zip(is_ada).enumerate() {
            if self.stop.requested() {
                return Ok(());
            }
            self.stage.feed(record)?;
            self.fed += 1;
            if let Some(line) = self.ada.does(record) {
                print(self.paint.dim(line));
            }
            due += pace.after(is_hers);
            if number == kill_at {
                revive_at = Some(self.kill()? + pace.down);
            } else if revive_at.is_some_and(|at| self.now() >= at || self.is_far_ahead()) {
                revive_at = None;
                self.revive()?;
            }
            if revive_at.is_none() && self.is_far_ahead() {
                let caught_up = self.wait_until(|play| !play.is_far_ahead())?;
                if !caught_up && !self.stop.requested() {
                    return Err(stalled("what was sent was not taken in"));
                }
            }
            if !fast || number.is_multiple_of(RECORDS_PER_LOOK) {
                self.watch_until(due)?;
            }
        }
        if revive_at.is_some() { self.revive() } else { Ok(()) }
    }

    fn is_far_ahead(&self) -> bool {
        self.fed.saturating_sub(self.tally.taken()) > self.script.records.len() as u64 / AHEAD_SHARE
    }

    /// Kills the processor once it has part of the stream in its hands. Answers when.
    fn kill(&mut self) -> Result<Duration, Exit> {
        self.wait_until(|play| play.tally.events > 0)?;
        self.show_ada();
        let how = self.stage.kill()?;
        let text = format!("{how}: {} events are sent, {} taken in", self.fed, self.tally.taken());
        self.say(self.paint.bad(format!("✗ {text}")));
        let killed = self.now();
        self.comeback = Some(Comeback { killed, started: killed, committed: false });
        Ok(killed)
    }

    fn revive(&mut self) -> Result<(), Exit> {
        let Some(Comeback { killed, .. }) = self.comeback.take() else { return Ok(()) };
        // What it had committed before its death is no sign of its return.
        loop {
            let records = self.stage.follow(STEP * 10)?;
            if records.is_empty() {
                break;
            }
            self.take(&records);
        }
        self.show_ada();
        self.stage.start()?;
        let started = self.now();
        self.comeback = Some(Comeback { killed, started, committed: false });
        let text = format!("↻ started again, {} ms after its death", (started - killed).as_millis());
        self.say(self.paint.good(text));
        Ok(())
    }

    /// Waits until everything sent has been processed and what follows from it is there.
    fn finish(&mut self) -> Result<(), Exit> {
        self.stage.flush()?;
        let fed = self.fed;
        let processed = self.wait_until(|play| play.tally.taken() >= fed && play.tally.is_applied())?;
        let mut quiet_since = self.now();
        while processed && !self.stop.requested() && self.now().saturating_sub(quiet_since) < QUIET {
            if self.step(STEP)? {
                quiet_since = self.now();
            }
        }
        self.outcome.stalled = !processed;
        self.show_ada();
        self.tick();
        Ok(())
    }

    // ---- One step --------------------------------------------------------------------------------------

    fn watch_until(&mut self, due: Duration) -> Result<(), Exit> {
        loop {
            let left = due.saturating_sub(self.now());
            self.step(left.min(STEP))?;
            if self.now() >= due || self.stop.requested() {
                return Ok(());
            }
        }
    }

    /// Follows until something holds. False when nothing has come for too long, or a stop was asked for.
    fn wait_until(&mut self, holds: impl Fn(&Play<'a>) -> bool) -> Result<bool, Exit> {
        let mut heard = self.now();
        while !holds(self) {
            if self.step(STEP)? {
                heard = self.now();
            }
            if self.stop.requested() || self.now().saturating_sub(heard) > STALL_MAX {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Takes in what has been committed, and prints what is due. Whether there was something.
    fn step(&mut self, wait: Duration) -> Result<bool, Exit> {
        let records = self.stage.follow(wait)?;
        self.take(&records);
        let old = self.news_since.is_some_and(|since| self.now().saturating_sub(since) > NEWS_AGE_MAX);
        if records.is_empty() || old {
            self.show_ada();
        }
        if self.now().saturating_sub(self.ticked) > TICK {
            self.tick();
        }
        Ok(!records.is_empty())
    }

    fn take(&mut self, records: &[Record]) {
        for record in records {
            self.tally.count(record);
            self.ada.hears(record);
            self.note_comeback(record);
        }
        if self.ada.has_news() && self.news_since.is_none() {
            self.news_since = Some(self.now());
        }
    }

    fn note_comeback(&mut self, record: &Record) {
        let now = self.now();
        let Some(comeback) = self.comeback.as_mut().filter(|comeback| comeback.started > comeback.killed)
        else {
            return;
        };
        let since = |then: Duration| now.saturating_sub(then).as_millis();
        let (dead, running) = (since(comeback.killed), since(comeback.started));
        if !comeback.committed {
            comeback.committed = true;
            self.outcome.kills_survived += 1;
            let text =
                format!("✓ back: first new commit {running} ms after its start, {dead} ms after its death");
            self.say(self.paint.good(text));
        }
        if *record.partition.topic == *self.decisions_topic {
            self.comeback = None;
            let text =
                format!("✓ first new decision {running} ms after its start, {dead} ms after its death");
            self.say(self.paint.good(text));
        }
    }

    // ---- Printing --------------------------------------------------------------------------------------

    fn show_ada(&mut self) {
        self.news_since = None;
        if !self.ada.has_news() {
            return;
        }
        if self.ada.has_decisions() && self.outcome.first_decision.is_none() {
            self.outcome.first_decision = Some(self.now());
        }
        self.ada.tell(self.paint).into_iter().for_each(print);
    }

    fn tick(&mut self) {
        self.ticked = self.now();
        let text = format!(
            "── all: {} events sent, {} taken in, {} decisions, {} segment changes, dead letters: {}",
            grouped(self.fed),
            grouped(self.tally.taken()),
            grouped(self.tally.decisions),
            grouped(self.tally.segment_changes),
            by_code(&self.tally.dead_letters)
        );
        print(self.paint.dim(text));
    }

    /// A line with the time since the demo began.
    fn say(&self, text: impl AsRef<str>) {
        print(format!("{:>6.1} s      {}", self.now().as_secs_f64(), text.as_ref()));
    }

    fn now(&self) -> Duration {
        self.clocks.now().monotonic
    }
}

fn stalled(what: &str) -> Exit {
    let text = format!("{what} within {} s: the processor does not get on; see its log", STALL_MAX.as_secs());
    Exit { code: ExitCode::Failed, text }
}

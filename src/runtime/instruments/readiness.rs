//! Answers to probes: pure functions of the workers' facts and the time, each with its reason in words.
//!
//! Live means that loops turn, whatever the broker does. Ready means progress: a dead consumer in a living
//! process must never look ready, so every worker must have its partitions restored, and each partition with
//! lag must get on: commits that hold nothing, or only a neighbour's records, do not count. These functions read no clock and change nothing.

use std::time::Duration;

use super::facts::{WorkerFacts, WorkerState};

/// How long a worker's loop may take for one turn before the process counts as hung.
pub const TURN_AGE_MAX: Duration = Duration::from_secs(30);

/// Whether every loop has turned within [`TURN_AGE_MAX`].
///
/// A worker that starts is the startup probe's affair and one that stops is held by the drain's deadline;
/// neither is judged here.
pub(super) fn live(workers: &[WorkerFacts], now: Duration) -> Result<(), String> {
    workers.iter().try_for_each(|facts| match facts.state {
        WorkerState::Starting | WorkerState::Stopping => Ok(()),
        _ => turning(facts, now),
    })
}

/// Whether every worker does its job; `commit_age_max` is how old the last commit may be while there is lag.
pub(super) fn ready(workers: &[WorkerFacts], commit_age_max: Duration, now: Duration) -> Result<(), String> {
    if workers.is_empty() {
        return Err("no worker has been started".to_owned());
    }
    workers.iter().try_for_each(|facts| worker_ready(facts, commit_age_max, now))
}

/// Whether every worker has been past `Starting`.
pub(super) fn started(workers: &[WorkerFacts]) -> Result<(), String> {
    match workers.iter().find(|facts| !facts.started) {
        Some(facts) => {
            Err(format!("worker {} is {}, in `{}`", facts.worker, facts.state.name(), facts.step.name()))
        }
        None if workers.is_empty() => Err("no worker has been started".to_owned()),
        None => Ok(()),
    }
}

/// Where a worker is, for people: its step, for how long, and the record in its hand.
pub fn whereabouts(facts: &WorkerFacts, now: Duration) -> String {
    let step = facts.step.name();
    let age = seconds(now.saturating_sub(facts.step_since));
    match &facts.in_hand {
        Some(held) => format!(
            "worker {}, in `{step}` for {age}, at {}-{} offset {}",
            facts.worker, held.topic, held.partition, held.offset
        ),
        None => format!("worker {}, in `{step}` for {age}, with no record in hand", facts.worker),
    }
}

fn worker_ready(facts: &WorkerFacts, commit_age_max: Duration, now: Duration) -> Result<(), String> {
    let worker = facts.worker;
    let state_age = seconds(now.saturating_sub(facts.state_since));
    match facts.state {
        WorkerState::Running => {}
        WorkerState::Failed => {
            return Err(format!("worker {worker} has failed and does no work; see its last log line"));
        }
        other => return Err(format!("worker {worker} has been {} for {state_age}", other.name())),
    }
    turning(facts, now)?;
    getting_on(facts, commit_age_max, now)?;
    committing(facts, commit_age_max, now)
}

/// Every partition with lag has to advance.
fn getting_on(facts: &WorkerFacts, age_max: Duration, now: Duration) -> Result<(), String> {
    let Some(stalled) = &facts.stalled else { return Ok(()) };
    let age = now.saturating_sub(stalled.since);
    if age <= age_max {
        return Ok(());
    }
    Err(format!(
        "{}-{} has lag and stands at offset {} for {}, longer than {}: {}",
        stalled.topic,
        stalled.partition,
        stalled.offset,
        seconds(age),
        seconds(age_max),
        whereabouts(facts, now)
    ))
}

fn turning(facts: &WorkerFacts, now: Duration) -> Result<(), String> {
    let age = now.saturating_sub(facts.last_turn);
    if age <= TURN_AGE_MAX {
        return Ok(());
    }
    Err(format!(
        "the loop of worker {} has not turned for {}, longer than {}: {}",
        facts.worker,
        seconds(age),
        seconds(TURN_AGE_MAX),
        whereabouts(facts, now)
    ))
}

/// A worker that was idle may have committed long ago, so time counts from the last commit or the beginning of
/// the lag, whichever is later. A restart of the worker does not begin it anew: one that is restarted again and
/// again and commits nothing is not ready in between.
fn committing(facts: &WorkerFacts, commit_age_max: Duration, now: Duration) -> Result<(), String> {
    let Some(lag_since) = facts.lag_since else { return Ok(()) };
    let since = facts.last_commit.unwrap_or_default().max(lag_since);
    let age = now.saturating_sub(since);
    if age <= commit_age_max {
        return Ok(());
    }
    Err(format!(
        "worker {} has lag and has committed nothing for {}, longer than {}: {}",
        facts.worker,
        seconds(age),
        seconds(commit_age_max),
        whereabouts(facts, now)
    ))
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::super::facts::{Dependency, Step, WorkerState};
    use super::super::progress::Place;
    use super::super::vitals::{Vitals, WorkerVitals};
    use std::sync::Arc;
    use std::time::Duration;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn two_workers() -> (Arc<Vitals>, WorkerVitals, WorkerVitals) {
        let vitals = Vitals::new(2, vec!["clicks".to_owned()], 10_000);
        let (one, two) = (vitals.worker(0), vitals.worker(1));
        for worker in [&one, &two] {
            worker.state(WorkerState::Running, at(1));
            worker.turn(at(1));
        }
        (vitals, one, two)
    }

    #[test]
    fn only_running_workers_are_ready_and_the_reason_names_worker_and_state() {
        let (vitals, _one, two) = two_workers();
        assert_eq!(vitals.ready(at(2)), Ok(()));
        for state in WorkerState::ALL {
            two.state(state, at(2));
            let answer = vitals.ready(at(3));
            if state == WorkerState::Running {
                assert_eq!(answer, Ok(()));
            } else {
                let reason = answer.unwrap_err();
                assert!(reason.contains("worker 1") && reason.contains(state.name()), "{reason}");
            }
        }
        two.state(WorkerState::WaitingFor(Dependency::Broker), at(2));
        assert_eq!(vitals.live(at(3)), Ok(()), "a broker that is away is no reason to be killed");
    }

    #[test]
    fn lag_without_commits_ends_readiness_and_a_commit_brings_it_back() {
        let (vitals, one, two) = two_workers();
        one.in_hand("clicks", 3, 99);
        one.lag(true, at(15));
        one.lag(true, at(24));
        assert_eq!(vitals.ready(at(25)), Ok(()), "ten seconds from the beginning of the lag");
        one.step(Step::Committing, at(20));
        let reason = vitals.ready(at(26)).unwrap_err();
        for part in ["worker 0", "clicks-3 offset 99", "`commit transaction` for 6.0 s", "11.0 s"] {
            assert!(reason.contains(part), "{part} in {reason}");
        }
        one.committed(at(26));
        assert_eq!(vitals.ready(at(27)), Ok(()));
        one.lag(false, at(28));
        one.turn(at(60));
        two.turn(at(60));
        assert_eq!(vitals.ready(at(61)), Ok(()), "idle without lag is ready, however old the commit");
    }

    /// A source that waits for the registry: its worker commits, and there is nothing of it in the commits.
    #[test]
    fn a_partition_that_does_not_get_on_ends_readiness_whatever_is_committed() {
        let (vitals, one, two) = two_workers();
        let places = |waiting: i64| {
            [(3, waiting, 8), (4, 700, 0)].map(|(partition, committed, lag)| Place {
                topic: "clicks",
                partition,
                committed,
                lag,
            })
        };
        for second in 2..=20 {
            for worker in [&one, &two] {
                worker.turn(at(second));
                worker.lag(true, at(second));
                worker.committed(at(second));
            }
            one.places(places(99), at(second));
            let ready = vitals.ready(at(second));
            assert_eq!(ready.is_ok(), second <= 12, "second {second}: {ready:?}");
        }
        let reason = vitals.ready(at(20)).unwrap_err();
        assert!(reason.contains("clicks-3 has lag and stands at offset 99 for 18.0 s"), "{reason}");
        one.places(places(100), at(21));
        assert_eq!(vitals.ready(at(21)), Ok(()));
        drop(one);
        assert_eq!(vitals.workers().first().and_then(|facts| facts.stalled.clone()), None);
    }

    #[test]
    fn a_worker_that_is_restarted_again_and_again_is_not_ready_in_between() {
        let (vitals, _one, two) = two_workers();
        two.lag(true, at(2));
        drop(two);
        for second in (3..30).step_by(3) {
            let again = vitals.worker(1);
            again.state(WorkerState::Starting, at(second));
            again.state(WorkerState::Running, at(second + 1));
            again.turn(at(second + 1));
            again.lag(true, at(second + 1));
            assert_eq!(vitals.ready(at(second + 1)).is_ok(), second < 12, "second {second}");
        }
        let last = vitals.worker(1);
        last.state(WorkerState::Running, at(30));
        last.turn(at(30));
        last.committed(at(30));
        assert_eq!(vitals.ready(at(30)), Ok(()), "one commit is enough");
    }

    #[test]
    fn a_loop_that_hangs_is_neither_live_nor_ready() {
        let (vitals, one, two) = two_workers();
        one.turn(at(40));
        two.step(Step::Polling, at(2));
        assert_eq!(vitals.live(at(31)), Ok(()));
        for answer in [vitals.live(at(32)), vitals.ready(at(32))] {
            let reason = answer.unwrap_err();
            assert!(reason.contains("worker 1") && reason.contains("`poll` for 30.0 s"), "{reason}");
        }
        two.state(WorkerState::Stopping, at(33));
        assert_eq!(vitals.live(at(60)), Ok(()), "the drain has a deadline of its own");
    }

    #[test]
    fn started_once_is_started_for_ever_and_starting_is_not_judged_by_liveness() {
        let vitals = Vitals::new(1, Vec::new(), 10_000);
        let worker = vitals.worker(0);
        worker.step(Step::Opening, at(1));
        assert_eq!(vitals.live(at(500)), Ok(()));
        assert!(vitals.started().unwrap_err().contains("open store"));
        worker.state(WorkerState::Failed, at(2));
        assert!(vitals.started().is_err());
        worker.state(WorkerState::WaitingForAssignment, at(3));
        worker.state(WorkerState::Starting, at(4));
        assert_eq!(vitals.started(), Ok(()));
    }

    #[test]
    fn a_worker_that_returned_early_is_dead_and_one_that_stopped_is_not() {
        let (vitals, one, two) = two_workers();
        drop(two);
        assert!(vitals.ready(at(2)).unwrap_err().contains("worker 1 has failed"));
        one.state(WorkerState::Stopping, at(2));
        drop(one);
        assert_eq!(vitals.workers().first().map(|facts| facts.state), Some(WorkerState::Stopping));
    }

    #[test]
    fn a_panic_leaves_the_worker_failed() {
        let (vitals, _one, two) = two_workers();
        let thread = std::thread::spawn(move || {
            let _reports = two;
            std::panic::resume_unwind(Box::new("the worker's loop"));
        });
        assert!(thread.join().is_err());
        assert!(vitals.ready(at(2)).unwrap_err().contains("worker 1 has failed"));
    }
}

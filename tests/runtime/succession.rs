//! A process whose name another has taken ends, whatever else went wrong; otherwise it goes on with new clients.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use bespoke::domain::time::Timestamp;
use bespoke::runtime::broker::{Bounds, Broker, Output, Partition, Polled, Replay};
use bespoke::runtime::fault::{ExitCode, Fault};
use bespoke::runtime::instruments::vitals::Vitals;
use bespoke::runtime::plan::Now;
use bespoke::runtime::runner::Runner;

use super::pipeline::Pipeline;

/// A group member that fails with the first poll, in a way that new clients would mend.
struct Failing {
    replaced: bool,
    aborted: bool,
}

impl Broker for Failing {
    fn poll(&mut self, _: Duration) -> Result<Polled, Fault> {
        Err(Fault::restart("broker", "a question timed out"))
    }

    fn bounds(&mut self, _: &[Partition]) -> Result<Vec<Bounds>, Fault> {
        unreachable!("it never has a partition")
    }

    fn admit(&mut self, _: &[(Partition, i64)]) -> Result<(), Fault> {
        unreachable!("it never has a partition")
    }

    fn release(&mut self, _: &[Partition]) -> Result<(), Fault> {
        unreachable!("it never has a partition")
    }

    fn hold(&mut self, _: &Partition, _: i64) -> Result<(), Fault> {
        unreachable!("it never has a partition")
    }

    fn resume(&mut self, _: &Partition) -> Result<(), Fault> {
        unreachable!("it never has a partition")
    }

    fn replay(&mut self, _: &Partition, _: i64) -> Result<Box<dyn Replay>, Fault> {
        unreachable!("it never has a partition")
    }

    fn send(&mut self, _: Output) -> Result<(), Fault> {
        unreachable!("it has nothing to send")
    }

    fn commit(&mut self, _: &[(Partition, i64)]) -> Result<Vec<(i32, i64)>, Fault> {
        unreachable!("it has nothing to commit")
    }

    fn abort(&mut self) {
        self.aborted = true;
    }

    fn look_for_successor(&mut self) -> Result<(), Fault> {
        assert!(self.aborted, "its transaction is given up first");
        match self.replaced {
            true => Err(Fault::stop(ExitCode::Fenced, "another process has the name")),
            false => Ok(()),
        }
    }

    fn renew(&mut self) -> Result<(), Fault> {
        unreachable!("it has no transaction")
    }

    fn partitions(&mut self, _: &str) -> Result<i32, Fault> {
        Ok(1)
    }

    fn lag(&self, _: &Partition, _: i64) -> i64 {
        0
    }
}

/// How it ends within ten turns of a second, and how often clients were made.
fn ten_turns(replaced: bool) -> (Option<ExitCode>, usize) {
    let pipeline = Pipeline::new("succession", 100);
    let made = Cell::new(0);
    let connect = || {
        made.set(made.get() + 1);
        Ok(Failing { replaced, aborted: false })
    };
    let plan = Arc::new(pipeline.plan_with(Arc::new(super::restores::Shelf::default())));
    let mut runner = Runner::new(plan, &Vitals::new(1, Vec::new(), 10_000), 0, connect);
    let now = |second| Now { monotonic: Duration::from_secs(second), wall: Timestamp::from_ms(0) };
    let exit = (0..10).find_map(|second| runner.turn(now(second)).err());
    (exit.map(|exit| exit.code), made.get())
}

#[test]
fn a_name_that_another_has_is_not_taken_back() {
    assert_eq!(ten_turns(true), (Some(ExitCode::Fenced), 1));
}

#[test]
fn a_name_that_is_nobody_elses_is_used_again() {
    let (exit, made) = ten_turns(false);
    assert_eq!(exit, None);
    assert!(made > 1, "clients were made {made} times");
}

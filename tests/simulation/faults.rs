//! What goes wrong in a simulation. Every fault that fires has a number; a run can be repeated with only some
//! of them allowed, which is how a failing run is made smaller.

use std::collections::BTreeSet;

use super::random::Random;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// A process dies between two steps.
    Crash,
    /// A process stands still for longer than its session and its transaction last.
    Pause,
    /// A process is told to stop, commits and comes back.
    Terminate,
    /// Another process joins, or one leaves for good.
    Scale,
    /// A process does not reach the brokers for a while.
    Cut,
    /// No broker answers for a while.
    BrokerAway,
    /// A request is executed and its answer is lost.
    LostAnswer,
    /// A request is cut off from its client and arrives late.
    LateRequest,
    /// A process's state directory is gone when it comes back.
    LostDisk,
    /// An older copy of the state directory is put back.
    OldDisk,
    /// A store's files are damaged.
    Damage,
    /// No space is left for a while.
    FullDisk,
    /// A process's wall clock jumps.
    ClockJump,
    /// Another producer leaves a transaction open in a source for a while, and aborts it.
    ForeignTransaction,
}

/// How often each kind is drawn, in a hundred thousand of its occasions. Drawn anew for each run, so that
/// some runs have much of one kind and nothing of another.
pub(crate) struct Faults {
    random: Random,
    rates: Vec<u64>,
    allowed: Option<BTreeSet<usize>>,
    drawn: usize,
    pub(crate) fired: Vec<(usize, Fault)>,
    pub(crate) healed: bool,
}

const KINDS: [(Fault, u64); 14] = [
    (Fault::Crash, 60),
    (Fault::Pause, 40),
    (Fault::Terminate, 150),
    (Fault::Scale, 120),
    (Fault::Cut, 100),
    (Fault::BrokerAway, 40),
    (Fault::LostAnswer, 600),
    (Fault::LateRequest, 600),
    (Fault::LostDisk, 15_000),
    (Fault::OldDisk, 15_000),
    (Fault::Damage, 10_000),
    (Fault::FullDisk, 60),
    (Fault::ClockJump, 60),
    (Fault::ForeignTransaction, 300),
];

impl Faults {
    /// The faults of a seed; all of them, or only those with these numbers.
    pub(crate) fn new(seed: u64, allowed: Option<BTreeSet<usize>>) -> Faults {
        let mut random = Random::new(seed, 7);
        let rates = KINDS.iter().map(|(_, rate)| rate * random.below(4) * random.between(1, 2) / 2).collect();
        Faults { random, rates, allowed, drawn: 0, fired: Vec::new(), healed: false }
    }

    /// Whether a fault of this kind happens here.
    pub(crate) fn fires(&mut self, kind: Fault) -> bool {
        let rate =
            KINDS.iter().zip(&self.rates).find(|((known, _), _)| *known == kind).map_or(0, |(_, rate)| *rate);
        if self.healed || !self.random.chance(rate) {
            return false;
        }
        let number = self.drawn;
        self.drawn += 1;
        if self.allowed.as_ref().is_some_and(|allowed| !allowed.contains(&number)) {
            return false;
        }
        if std::env::var_os("BESPOKE_TEST_TRACE").is_some() {
            eprintln!("        fault {number}: {kind:?}");
        }
        self.fired.push((number, kind));
        true
    }

    /// A size of a fault.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        self.random.between(low, high)
    }
}

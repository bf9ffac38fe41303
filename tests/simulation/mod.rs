//! The simulator: the product's own runner, worker, tasks, overlay and transaction protocol on a simulated
//! Kafka, disk and clock, on one thread and from one seed.
//!
//! What is simulated is checked against the real thing elsewhere: the cluster by tests/conformance.rs, the
//! disk by tests/store_kill.rs. Whether librdkafka does what its stand-in does, only a real broker shows.

pub(crate) mod application;
pub(crate) mod broker;
pub(crate) mod coordinator;
pub(crate) mod disk;
pub(crate) mod faults;
pub(crate) mod group;
pub(crate) mod kafka;
pub(crate) mod log;
pub(crate) mod member;
pub(crate) mod producer;
pub(crate) mod random;
pub(crate) mod run;
pub(crate) mod shrink;
pub(crate) mod verdict;
pub(crate) mod world;

use super::{fold, intake, outputs};

/// What is compared with a run must come about without the defect that the run had.
pub(crate) fn disarmed<T>(act: impl FnOnce() -> T) -> T {
    #[cfg(feature = "mutants")]
    {
        let armed = bespoke::mutant::armed();
        bespoke::mutant::arm(None);
        let result = act();
        bespoke::mutant::arm(armed);
        result
    }
    #[cfg(not(feature = "mutants"))]
    act()
}

/// Panics that simulate a crash are no news.
pub(crate) fn quiet_crashes() {
    quiet(|panic| panic.payload().is::<world::Crashed>());
}

/// Where defects are let loose on purpose, no panic is news: the run that it ends tells of it.
#[cfg(feature = "mutants")]
pub(crate) fn quiet_panics() {
    let main = std::thread::current().id();
    quiet(move |_| std::thread::current().id() != main);
}

fn quiet(is_no_news: impl Fn(&std::panic::PanicHookInfo<'_>) -> bool + Send + Sync + 'static) {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if !is_no_news(panic) {
                usual(panic);
            }
        }));
    });
}

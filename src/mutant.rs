//! Deliberate defects, each of which breaks exactly-once processing in one place, so that the proofs can be
//! proved: a check that does not find them is worth nothing. They exist only in builds with the feature
//! `mutants`, which no release has; elsewhere [`is_armed`] is a constant and nothing of them is compiled.

/// Declares the mutants: their names in code and on the command line, and what each does wrong.
macro_rules! mutants {
    ($($(#[doc = $doc:literal])+ $name:ident = $label:literal,)+) => {
        /// A deliberate defect.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mutant {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Mutant {
            /// All there are.
            pub const ALL: &'static [Mutant] = &[$(Mutant::$name),+];

            /// Its name for people.
            pub fn name(self) -> &'static str {
                match self {
                    $(Mutant::$name => $label,)+
                }
            }
        }
    };
}

mutants! {
    // The transaction protocol.

    /// Goes on with the same producer after a commit during which a connection was lost, so that a late
    /// EndTxn may end the next transaction.
    KeepSuspectProducer = "keep-suspect-producer",
    /// Goes on with the same producer after a transaction was given up.
    KeepProducerAfterAbort = "keep-producer-after-abort",
    /// Commits without adding the offsets.
    CommitWithoutOffsets = "commit-without-offsets",
    /// Takes a commit that failed for one that succeeded.
    TakeFailedCommitForDone = "take-failed-commit-for-done",
    /// Adds offsets with the group's generation at an earlier commit.
    ReuseGeneration = "reuse-generation",
    /// Commits although records were not delivered.
    IgnoreDeliveryErrors = "ignore-delivery-errors",
    /// Commits without waiting for delivery reports.
    CommitBeforeDelivery = "commit-before-delivery",
}

#[cfg(feature = "mutants")]
mod armed {
    use std::cell::Cell;
    use std::sync::OnceLock;

    use super::Mutant;

    thread_local! {
        static OF_THREAD: Cell<Option<Mutant>> = const { Cell::new(None) };
    }
    static OF_PROCESS: OnceLock<Mutant> = OnceLock::new();

    /// Whether a mutant is armed in this thread or process.
    pub fn is_armed(mutant: Mutant) -> bool {
        OF_THREAD.get() == Some(mutant) || OF_PROCESS.get() == Some(&mutant)
    }

    /// Arms a mutant in this thread, or disarms whatever was armed.
    pub fn arm(mutant: Option<Mutant>) {
        OF_THREAD.set(mutant);
    }

    /// Arms the mutant of this name in the whole process, for good.
    ///
    /// # Errors
    /// When there is none of that name, or one is armed already.
    pub fn arm_process(name: &str) -> Result<(), String> {
        let mutant = Mutant::ALL.iter().find(|mutant| mutant.name() == name);
        let mutant = mutant.ok_or_else(|| format!("there is no mutant {name}"))?;
        OF_PROCESS.set(*mutant).map_err(|_| format!("a mutant is armed already, so {name} is not"))
    }
}

#[cfg(feature = "mutants")]
pub use armed::{arm, arm_process, is_armed};

/// Whether a mutant is armed: never, in this build.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub const fn is_armed(_: Mutant) -> bool {
    false
}

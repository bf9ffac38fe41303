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
    /// Adds offsets with the generation that the group had at the first commit.
    ReuseGeneration = "reuse-generation",
    /// Commits although records were not delivered.
    IgnoreDeliveryErrors = "ignore-delivery-errors",
    /// Commits without waiting for delivery reports.
    CommitBeforeDelivery = "commit-before-delivery",

    // Commits, rebalances and faults.

    /// Writes the state before the transaction is committed.
    SettleBeforeCommit = "settle-before-commit",
    /// Commits the offset behind the next record.
    CommitOffsetsAhead = "commit-offsets-ahead",
    /// Goes on behind what was given up.
    SkipRewind = "skip-rewind",
    /// Goes back to the last commit and does not read again what came after it.
    RewindWithoutSeek = "rewind-without-seek",
    /// Gives partitions back in the middle of a transaction and commits the rest of it later.
    RevokeWithoutCommit = "revoke-without-commit",
    /// Writes the state of partitions that are lost.
    SettleWhatIsLost = "settle-what-is-lost",
    /// Reads partitions from their start, whatever the group has committed.
    BeginAtTheStart = "begin-at-the-start",
    /// Reads partitions from their end, whatever the group has committed.
    BeginAtTheEnd = "begin-at-the-end",
    /// Applies a record that was fetched before its partition was held.
    ApplyWhatIsHeld = "apply-what-is-held",
    /// Applies records that come a second time.
    ApplyAgain = "apply-again",
    /// Goes on with the same worker after a fault.
    KeepWorkerAfterFault = "keep-worker-after-fault",

    // Restores.

    /// Ends a restore after the first records.
    RestoreStopsEarly = "restore-stops-early",
    /// Loses the first record of what a restore reads at once.
    RestoreSkipsRecords = "restore-skips-records",
    /// Restores profiles without their due times.
    RestoreForgetsDueTimes = "restore-forgets-due-times",
    /// Begins a restore behind the first record that the store lacks.
    RestoreOneTooFar = "restore-one-too-far",
    /// Restores everything but how far the state has read.
    RestoreWithoutMeta = "restore-without-meta",

    // The overlay.

    /// Loses a profile where several changed in a transaction.
    DropStagedRow = "drop-staged-row",
    /// Makes room in the cache in the middle of a transaction.
    EvictStagedRows = "evict-staged-rows",
    /// Writes profiles to the store without their due times.
    SettleWithoutDueTimes = "settle-without-due-times",
    /// Does not note which version was committed.
    ForgetCommittedVersion = "forget-committed-version",
    /// Keeps the profiles of a transaction that was given up.
    KeepWhatIsGivenUp = "keep-what-is-given-up",
    /// Forgets, with a transaction that is given up, what was committed before it and the store lacks.
    ForgetUnsaved = "forget-unsaved",
    /// Writes less to the store than was committed.
    SettleLessThanCommitted = "settle-less-than-committed",
    /// Does not bring the digest of the state up to date for one of the profiles that changed.
    ForgetDigest = "forget-digest",

    // Tasks: time, duplicates, knowledge.

    /// Says in the state that less was read than was.
    CommitOldPosition = "commit-old-position",
    /// Does not keep stream time in the state.
    ForgetStreamTime = "forget-stream-time",
    /// Leaves alone what falls due without an event.
    NeverSweep = "never-sweep",
    /// Changes content before what is due has been decided.
    ChangeWithoutSweep = "change-without-sweep",
    /// Does not recognise a message that comes again.
    ForgetMessageIds = "forget-message-ids",
    /// Forgets to stage some of the profiles that changed.
    StageEveryOther = "stage-every-other",
    /// Counts the record that was applied last as unread.
    ReadTheLastAgain = "read-the-last-again",
    /// Does not keep content in the state.
    ForgetContent = "forget-content",
    /// Does not keep what all persons together are drawn to in the state.
    ForgetSiteShares = "forget-site-shares",
    /// Changes what falls due and tells nobody.
    SweepInSilence = "sweep-in-silence",

    // Intake and dead letters.

    /// Passes over records that cannot be used.
    DropDeadLetters = "drop-dead-letters",
    /// Writes dead letters twice.
    DoubleDeadLetters = "double-dead-letters",
    /// Loses a byte of a record that cannot be used.
    TrimDeadLetters = "trim-dead-letters",
    /// Tells one partition alone of a change of content.
    BroadcastToOne = "broadcast-to-one",
    /// Spreads the events of a person over partitions.
    SpreadByMessage = "spread-by-message",
    /// Counts the source record that was taken last as unread.
    TakeTheLastAgain = "take-the-last-again",
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

    /// What is armed in this thread.
    pub fn armed() -> Option<Mutant> {
        OF_THREAD.get()
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
pub use armed::{arm, arm_process, armed, is_armed};

/// Whether a mutant is armed: never, in this build.
#[cfg(not(feature = "mutants"))]
#[inline(always)]
pub const fn is_armed(_: Mutant) -> bool {
    false
}

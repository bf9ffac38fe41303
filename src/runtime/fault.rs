//! What can go wrong in the runtime, named by what to do about it. Unknown errors mean stop: a processor
//! that guesses loses or doubles records.

use std::fmt;

/// A fault of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Give up the open transaction and everything not committed, keep the membership of the group, and go on
    /// with a new producer: the group was rebalancing when offsets were to be committed. Leaving it in the
    /// middle of that would leave partitions without an owner.
    Rewind(Reason),
    /// Give up the open transaction and everything not committed, make new clients, and go on from where
    /// the broker says that we are. New clients mean a new producer epoch, which settles whatever was open.
    Restart(Reason),
    /// Put the files of one partition's store aside and rebuild it from its changelog; else as `Restart`.
    Rebuild {
        /// The partition.
        partition: i32,
        /// What the store said.
        reason: Reason,
    },
    /// End the process: going on could lose or double records, or would fail in the same way for ever.
    Stop(Exit),
}

/// Why, in words and as a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// A word of a closed list, for metrics: `transaction`, `delivery`, `assignment_lost`, `left_over`, `broker`,
    /// `disk`.
    pub label: &'static str,
    /// What happened, for people.
    pub text: String,
}

/// How a process ends that cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// The process's exit code.
    pub code: ExitCode,
    /// What happened and what to do, in one line.
    pub text: String,
}

/// The exit codes; the table in README.md says the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// Something failed at run time.
    Failed = 1,
    /// A check found something.
    CheckFailed = 3,
    /// Kafka or the registry could not be reached at the start.
    Unreachable = 69,
    /// A worker hung inside a call.
    Hung = 70,
    /// Another process has taken this one's place: its group instance id or its state directory.
    Fenced = 71,
    /// State and offsets disagree: a transaction was torn, or a topic was recreated or truncated.
    Inconsistent = 72,
    /// Kafka's client reported an error that nothing here knows how to answer.
    Unknown = 74,
    /// A thread panicked, which is a defect.
    Panicked = 76,
    /// The configuration, the topics or the state's format do not allow a start.
    Misconfigured = 78,
}

impl Fault {
    /// A fault that new clients mend.
    pub fn restart(label: &'static str, text: impl Into<String>) -> Fault {
        Fault::Restart(Reason { label, text: text.into() })
    }

    /// A fault that nothing here mends.
    pub fn stop(code: ExitCode, text: impl Into<String>) -> Fault {
        Fault::Stop(Exit { code, text: text.into() })
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Rewind(reason) | Fault::Restart(reason) => {
                write!(formatter, "{}: {}", reason.label, reason.text)
            }
            Fault::Rebuild { partition, reason } => {
                write!(formatter, "the store of partition {partition} must be rebuilt: {}", reason.text)
            }
            Fault::Stop(exit) => formatter.write_str(&exit.text),
        }
    }
}

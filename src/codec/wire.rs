//! To come.

/// Whether device clocks are corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// Always.
    Correct,
    /// Never.
    Trust,
    /// Where a record says when it was sent and when it was received.
    Automatic,
}

/// How persons are keyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ids {
    /// By kind and id.
    ByKind,
    /// By the bare user id.
    UserOnly,
}

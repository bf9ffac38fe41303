//! Where the demo plays: a real Kafka with the real binary, or a log in memory. The story, what is shown and
//! what is checked are the same on both.

use std::time::Duration;

use crate::config::Config;
use crate::runtime::broker::Record;
use crate::runtime::fault::Exit;
use crate::shop::ShopRecord;

/// A log with a processor on it.
pub(super) trait Stage {
    /// Sends a record, as the shop's own systems would.
    fn feed(&mut self, record: &ShopRecord) -> Result<(), Exit>;

    /// Waits until everything sent has arrived in its topic.
    fn flush(&mut self) -> Result<(), Exit>;

    /// What has been committed since the last call to the topics of `followed`; waits at most `wait` for the
    /// first record. Fails when the processor has ended by itself.
    fn follow(&mut self, wait: Duration) -> Result<Vec<Record>, Exit>;

    /// Starts the processor.
    fn start(&mut self) -> Result<(), Exit>;

    /// Ends it as a crash does: nothing is drained, what was not committed is gone. Answers how.
    fn kill(&mut self) -> Result<String, Exit>;

    /// Tells it to finish what it has begun, and waits until it has.
    fn stop(&mut self) -> Result<(), Exit>;

    /// All committed records of each of these topics, in the order of each partition.
    fn read(&mut self, topics: &[&str]) -> Result<Vec<Vec<Record>>, Exit>;
}

/// The topics that a stage follows.
pub(super) fn followed(config: &Config) -> [&str; 6] {
    let topics = &config.topics;
    [
        &topics.commands,
        &topics.changelog,
        &topics.profile_updates,
        &topics.decisions,
        &topics.segment_changes,
        &topics.dead_letters,
    ]
}

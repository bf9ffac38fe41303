//! What commands read of the state that the pipeline has committed, without a running process.

use compact_str::CompactString;

use crate::codec::row;
use crate::config::Config;
use crate::config::definitions::parse_definitions;
use crate::domain::rulebook::RuleBook;
use crate::runtime::fault::{Exit, ExitCode};
use crate::runtime::kafka::KafkaAdmin;
use crate::service::topics::exit;

/// How many partitions one of the application's own topics has.
pub(super) fn partitions(config: &Config, admin: &KafkaAdmin, topic: &CompactString) -> Result<i32, Exit> {
    let state = admin.describe(topic).map_err(exit)?;
    state.map(|state| state.partitions).ok_or_else(|| {
        let text = format!("the topic {topic} does not exist: has {} ever run?", config.application);
        Exit { code: ExitCode::Misconfigured, text }
    })
}

/// The definitions of a row of the state.
pub(super) fn definitions(bytes: &[u8]) -> Result<RuleBook, Exit> {
    let (_, text) = row::decode_definitions(bytes).map_err(unreadable)?;
    parse_definitions(&text, "the definitions in force").map_err(unreadable)
}

/// The end of a command that does not understand what is there.
pub(super) fn unreadable(error: impl ToString) -> Exit {
    let text = format!("what is there cannot be read with this version: {}", error.to_string());
    Exit { code: ExitCode::Failed, text }
}

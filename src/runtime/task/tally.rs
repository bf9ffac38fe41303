//! What a task has done, counted for metrics. What a transaction did that was given up is among it, as it is among
//! the records that were written.

use std::collections::BTreeMap;

use compact_str::CompactString;

use crate::domain::decision::Decision;
use crate::domain::rulebook::RuleBook;

/// What was done since somebody asked.
#[derive(Debug, Default)]
pub struct Tally {
    /// How many decisions were made, by slot and step of the ladder.
    pub decided: BTreeMap<(CompactString, &'static str), u64>,
    /// How often rules were not let fire because they had set off one another too often, by the rule.
    pub stopped: BTreeMap<CompactString, u64>,
    /// How many persons were forgotten.
    pub forgotten: u64,
}

impl Tally {
    pub(super) fn decision(&mut self, decision: &Decision, rules: &RuleBook) {
        // A slot that no definition names may be any text that somebody asked for.
        let known = rules.slot(&decision.slot).is_some();
        let slot = if known { decision.slot.clone() } else { CompactString::const_new("unknown") };
        *self.decided.entry((slot, decision.ladder.as_str())).or_default() += 1;
    }
}

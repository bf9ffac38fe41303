//! The topics that an application owns: their names as workers use them, and how they should be set up.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::Config;

use super::kafka::TopicWish;

/// The names of the application's own topics, shared instead of copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnTopics {
    /// Everything that happens to persons, keyed by person.
    pub commands: Arc<str>,
    /// The changelog of the profiles.
    pub changelog: Arc<str>,
    /// The latest profile of each person.
    pub profile_updates: Arc<str>,
    /// Decisions.
    pub decisions: Arc<str>,
    /// Who entered or left which segment.
    pub segment_changes: Arc<str>,
    /// Records that could not be used.
    pub dead_letters: Arc<str>,
    /// What became of changes of definitions, content and site shares.
    pub status: Arc<str>,
}

impl OwnTopics {
    /// The topics of an application.
    pub fn of(config: &Config) -> OwnTopics {
        let names = &config.topics;
        OwnTopics {
            commands: Arc::from(&*names.commands),
            changelog: Arc::from(&*names.changelog),
            profile_updates: Arc::from(&*names.profile_updates),
            decisions: Arc::from(&*names.decisions),
            segment_changes: Arc::from(&*names.segment_changes),
            dead_letters: Arc::from(&*names.dead_letters),
            status: Arc::from(&*names.status),
        }
    }
}

/// The topics that an application needs and owns, as they should be. Sources are others' and not listed.
pub fn wishes(config: &Config) -> Vec<TopicWish> {
    let names = &config.topics;
    let mut wishes = vec![
        wish(config, &names.changelog, &[("cleanup.policy", "compact"), ("min.compaction.lag.ms", "0")]),
        wish(config, &names.profile_updates, &[("cleanup.policy", "compact")]),
        wish(config, &names.decisions, &[("cleanup.policy", "delete")]),
        wish(config, &names.segment_changes, &[("cleanup.policy", "delete")]),
        wish(config, &names.dead_letters, &[("cleanup.policy", "delete"), ("retention.ms", "1209600000")]),
        wish(config, &names.status, &[("cleanup.policy", "compact")]),
    ];
    if !config.sources.iter().any(|source| source.keyed) {
        // Kept for good: a replay of everything begins here. Whoever wants less sets a retention.
        let settings = [("cleanup.policy", "delete"), ("retention.ms", "-1")];
        wishes.insert(0, wish(config, &names.commands, &settings));
    }
    wishes
}

fn wish(config: &Config, name: &str, settings: &[(&str, &str)]) -> TopicWish {
    let mut settings: BTreeMap<String, String> =
        settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    // Room for a dead letter as large as any record that a source topic may be set to allow.
    settings.insert("max.message.bytes".into(), "67108864".into());
    if config.replication > 2 {
        settings.insert("min.insync.replicas".into(), "2".into());
    }
    TopicWish { name: name.into(), partitions: config.partitions, replication: config.replication, settings }
}

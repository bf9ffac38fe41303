//! Was anything lost or doubled? What was sent and all that came out is read back, read_committed, and
//! compared with what the shop says that it sent and with a plain fold of the command log.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use compact_str::CompactString;

use super::fold::{Folded, fold};
use super::script::{Script, topic};
use super::stage::Stage;
use super::tally::{by_code, code_of};
use crate::codec::command;
use crate::codec::output::content_decision::ContentDecision;
use crate::codec::output::profile_update::ProfileUpdate;
use crate::codec::output::reading::{decode_decision, decode_profile_update, decode_segment_change};
use crate::codec::output::segment_change::SegmentChangeRecord;
use crate::codec::reject::Reject;
use crate::config::Config;
use crate::domain::command::Command;
use crate::domain::person::Person;
use crate::domain::site::Site;
use crate::runtime::broker::Record;
use crate::runtime::fault::{Exit, ExitCode};
use crate::service::build::wire_source;
use crate::shop::ShopTopic;

/// The outcome of one check.
pub(super) struct Finding {
    /// What must hold.
    pub(super) claim: &'static str,
    /// Whether it does.
    pub(super) holds: bool,
    /// What was counted.
    pub(super) numbers: String,
}

/// All that was read back.
pub(super) struct Evidence {
    inputs: BTreeMap<CompactString, Vec<Record>>,
    commands: Vec<Record>,
    dead_letters: Vec<Record>,
    decisions: Vec<ContentDecision<'static>>,
    segment_changes: Vec<SegmentChangeRecord<'static>>,
    /// The last of each person.
    profiles: BTreeMap<String, ProfileUpdate<'static>>,
}

impl Evidence {
    /// Reads every topic.
    ///
    /// # Errors
    /// When a topic cannot be read, or holds what is none of ours.
    pub(super) fn read(stage: &mut dyn Stage, config: &Config) -> Result<Evidence, Exit> {
        let names = &config.topics;
        let own = [
            &names.commands,
            &names.dead_letters,
            &names.decisions,
            &names.segment_changes,
            &names.profile_updates,
        ];
        let sources = config.sources.iter().map(|source| &source.topic);
        let topics: Vec<&str> = own.into_iter().chain(sources.clone()).map(|topic| &**topic).collect();
        let mut read = stage.read(&topics)?.into_iter();
        let mut next = || read.next().unwrap_or_default();
        Ok(Evidence {
            commands: next(),
            dead_letters: next(),
            decisions: decoded(&next(), decode_decision)?,
            segment_changes: decoded(&next(), decode_segment_change)?,
            profiles: decoded(&next(), decode_profile_update)?
                .into_iter()
                .map(|update| (update.person.to_string(), update))
                .collect(),
            inputs: sources.map(|topic| (topic.clone(), next())).collect(),
        })
    }

    /// How many decisions there are.
    pub(super) fn decisions(&self) -> usize {
        self.decisions.len()
    }

    /// How many segment changes there are.
    pub(super) fn segment_changes(&self) -> usize {
        self.segment_changes.len()
    }

    /// How many dead letters there are, by code.
    pub(super) fn dead_letters(&self) -> BTreeMap<String, u64> {
        counted(self.dead_letters.iter().map(code_of))
    }

    /// Checks everything.
    pub(super) fn check(&self, script: &Script, config: &Config) -> Vec<Finding> {
        let folded = fold(&config.rules, &config.contents, &self.commands);
        vec![
            self.check_inputs(script, config),
            self.check_commands(config),
            self.check_requests(script),
            self.check_ids(),
            self.check_dead_letters(script),
            check_copies(script, &folded),
            self.check_decisions(&folded),
            self.check_segment_changes(&folded),
            self.check_profiles(&folded, config),
        ]
    }

    fn check_inputs(&self, script: &Script, config: &Config) -> Finding {
        let name = |shop_topic| topic(&config.application, shop_topic);
        let sent = counted(script.records.iter().map(|record| (name(record.topic), record.value.clone())));
        let found = self.inputs.iter().flat_map(|(topic, records)| {
            records.iter().map(move |record| (topic.to_string(), record.value.clone().unwrap_or_default()))
        });
        let orders = script.records.iter().filter(|record| record.topic == ShopTopic::Orders).count();
        let (holds, difference) = compared(&sent, &counted(found));
        let numbers = format!("{} sent, {orders} of them orders; {difference}", script.records.len());
        Finding { claim: "the sources hold what the shop sent", holds, numbers }
    }

    /// Every record that can be used, decoded here once more, is in the command log as often as it was sent.
    fn check_commands(&self, config: &Config) -> Finding {
        let sources = config.sources.iter().map(|source| (wire_source(config, source), &source.topic));
        let accepted = sources.flat_map(|(source, topic)| {
            self.inputs.get(topic).into_iter().flatten().filter_map(move |record| {
                let value = record.value.as_deref().unwrap_or_default();
                let event = source.decode_json(value, record.timestamp).ok()?;
                Some((event.person, event.message_id))
            })
        });
        let commands = self.commands.iter().filter_map(|record| {
            match command::decode(record.value.as_deref().unwrap_or_default()) {
                Ok(Command::Event(event)) => Some((event.person, event.message_id)),
                Ok(_) | Err(_) => None,
            }
        });
        let accepted = counted(accepted);
        let (holds, difference) = compared(&accepted, &counted(commands));
        let numbers = format!("{} events; {difference}", accepted.values().sum::<u64>());
        Finding { claim: "every usable event is one command", holds, numbers }
    }

    fn check_requests(&self, script: &Script) -> Finding {
        let asked = counted(script.requests());
        let answered = self.decisions.iter().filter_map(|decision| decision.request_id.as_deref());
        let (holds, difference) = compared(&asked, &counted(answered.map(str::to_owned)));
        let numbers = format!("{} requests; {difference}", asked.len());
        Finding { claim: "every request has one decision", holds, numbers }
    }

    fn check_ids(&self) -> Finding {
        let decisions: BTreeSet<&str> =
            self.decisions.iter().map(|decision| &*decision.decision_id).collect();
        let transitions = self.segment_changes.iter().map(|change| &*change.transition_id);
        let transitions: BTreeSet<&str> = transitions.collect();
        let twice = self.decisions.len() - decisions.len();
        let changed_twice = self.segment_changes.len() - transitions.len();
        Finding {
            claim: "no decision or transition id is there twice",
            holds: twice + changed_twice == 0,
            numbers: format!(
                "{} decisions, {twice} repeated; {} segment changes, {changed_twice} repeated",
                self.decisions.len(),
                self.segment_changes.len()
            ),
        }
    }

    fn check_dead_letters(&self, script: &Script) -> Finding {
        let (wanted, found) = (script.malformed(), self.dead_letters());
        let numbers = if wanted == found {
            format!("{}: {}", found.values().sum::<u64>(), by_code(&found))
        } else {
            format!("made: {}; found: {}", by_code(&wanted), by_code(&found))
        };
        Finding { claim: "every malformed record is one dead letter", holds: wanted == found, numbers }
    }

    fn check_decisions(&self, folded: &Folded) -> Finding {
        let found = by_person(&self.decisions, |decision| &decision.person);
        let wanted = records(&folded.decisions, ContentDecision::of);
        let (holds, numbers) = same(&wanted, &found, "decisions");
        Finding { claim: "decisions are those of a plain fold, in order", holds, numbers }
    }

    fn check_segment_changes(&self, folded: &Folded) -> Finding {
        let found = by_person(&self.segment_changes, |change| &change.person);
        let wanted = records(&folded.segment_changes, SegmentChangeRecord::of);
        let (holds, numbers) = same(&wanted, &found, "segment changes");
        Finding { claim: "segment changes are those of a plain fold", holds, numbers }
    }

    fn check_profiles(&self, folded: &Folded, config: &Config) -> Finding {
        // Who has only asked so far has no profile to publish.
        let known = folded.profiles.iter().filter(|(_, profile)| profile.version > 0);
        let site = Site::default();
        let wanted: BTreeMap<&str, ProfileUpdate<'_>> = known
            .map(|(person, profile)| {
                (person.as_str(), ProfileUpdate::of(person, profile, &config.rules, &site))
            })
            .collect();
        let differing = wanted.iter().filter(|(person, update)| self.profiles.get(**person) != Some(*update));
        let differing = differing.count();
        let surplus = self.profiles.keys().filter(|person| !wanted.contains_key(person.as_str())).count();
        Finding {
            claim: "last profiles are those of a plain fold",
            holds: differing + surplus == 0,
            numbers: format!("{} persons; {differing} differ, {surplus} too many", wanted.len()),
        }
    }
}

fn check_copies(script: &Script, folded: &Folded) -> Finding {
    let copies = script.copies();
    Finding {
        claim: "every repeated event counts once",
        holds: folded.repeated == copies && folded.unreadable == 0,
        numbers: format!(
            "{copies} copies sent, {} recognised; {} commands cannot be read",
            folded.repeated, folded.unreadable
        ),
    }
}

fn decoded<T>(records: &[Record], decode: impl Fn(&[u8]) -> Result<T, Reject>) -> Result<Vec<T>, Exit> {
    let read = |record: &Record| {
        decode(record.value.as_deref().unwrap_or_default()).map_err(|reject| Exit {
            code: ExitCode::CheckFailed,
            text: format!("{} at offset {} cannot be read: {reject}", record.partition, record.offset),
        })
    };
    records.iter().map(read).collect()
}

fn counted<K: Ord>(keys: impl IntoIterator<Item = K>) -> BTreeMap<K, u64> {
    let mut counts = BTreeMap::new();
    for key in keys {
        *counts.entry(key).or_default() += 1;
    }
    counts
}

/// Compares how often each is wanted and found. Tells how many are missing and how many are too many.
fn compared<K: Ord>(wanted: &BTreeMap<K, u64>, found: &BTreeMap<K, u64>) -> (bool, String) {
    let beyond = |these: &BTreeMap<K, u64>, those: &BTreeMap<K, u64>| {
        let counts = these.iter();
        counts.map(|(key, count)| count.saturating_sub(those.get(key).copied().unwrap_or(0))).sum::<u64>()
    };
    let (missing, surplus) = (beyond(wanted, found), beyond(found, wanted));
    (missing + surplus == 0, format!("{missing} missing, {surplus} too many"))
}

fn by_person<T>(records: &[T], person: impl Fn(&T) -> &str) -> BTreeMap<String, Vec<&T>> {
    let mut grouped: BTreeMap<String, Vec<&T>> = BTreeMap::new();
    for record in records {
        grouped.entry(person(record).to_owned()).or_default().push(record);
    }
    grouped
}

fn records<'f, E, R>(
    folded: &'f BTreeMap<Person, Vec<E>>,
    of: impl Fn(&'f E) -> R,
) -> BTreeMap<String, Vec<R>> {
    let entries = folded.iter();
    entries.map(|(person, all)| (person.as_str().to_owned(), all.iter().map(&of).collect())).collect()
}

fn same<T: PartialEq + Debug>(
    wanted: &BTreeMap<String, Vec<T>>,
    found: &BTreeMap<String, Vec<&T>>,
    what: &str,
) -> (bool, String) {
    let equal = |person: &String| {
        let (wanted, found) = (wanted.get(person), found.get(person));
        let (wanted, found) = (wanted.into_iter().flatten(), found.into_iter().flatten().copied());
        wanted.eq(found)
    };
    let persons: BTreeSet<&String> = wanted.keys().chain(found.keys()).collect();
    let differing = persons.iter().filter(|person| !equal(person)).count();
    let count: usize = wanted.values().map(Vec::len).sum();
    (differing == 0, format!("{count} {what} for {} persons; {differing} persons differ", persons.len()))
}

#[cfg(test)]
mod tests;

//! What has to come out, found in the plainest way: a loop over the command log that hands each command to
//! `react`, one profile per person in a map. No task, no overlay, no store, no transaction; sweeps only where
//! content changes and at the end.

use std::collections::BTreeMap;

use crate::codec::command;
use crate::domain::catalogue::{Catalogue, Content};
use crate::domain::command::Command;
use crate::domain::decision::{Decision, Emission, SegmentChange};
use crate::domain::event::Event;
use crate::domain::person::Person;
use crate::domain::profile::Profile;
use crate::domain::react::{Knowledge, Outcome, react, settle};
use crate::domain::rulebook::RuleBook;
use crate::domain::site::Site;
use crate::domain::time::Timestamp;
use crate::runtime::broker::Record;

/// What a loop over the command log gives.
#[derive(Default)]
pub(super) struct Folded {
    /// Decisions by person, in order.
    pub(super) decisions: BTreeMap<Person, Vec<Decision>>,
    /// Segment changes by person, in order.
    pub(super) segment_changes: BTreeMap<Person, Vec<SegmentChange>>,
    /// The last profile of everybody who has one.
    pub(super) profiles: BTreeMap<Person, Profile>,
    /// How many events were found to be repeated.
    pub(super) repeated: u64,
    /// How many commands could not be read, or change what nobody does in a demo: definitions and
    /// site shares.
    pub(super) unreadable: u64,
}

/// One partition on the way.
struct Partition<'a> {
    rules: &'a RuleBook,
    catalogue: Catalogue,
    site: Site,
    stream_time: Timestamp,
    profiles: BTreeMap<Person, Profile>,
    emissions: Vec<Emission>,
    repeated: u64,
    unreadable: u64,
}

/// Folds the command log, given in the order of each partition. `contents` is what is known from the start.
pub(super) fn fold(rules: &RuleBook, contents: &[Content], commands: &[Record]) -> Folded {
    let mut partitions: BTreeMap<i32, Partition<'_>> = BTreeMap::new();
    for record in commands {
        let new = || Partition::new(rules, contents);
        let partition = partitions.entry(record.partition.number).or_insert_with(new);
        partition.apply(record);
    }
    let mut folded = Folded::default();
    for mut partition in partitions.into_values() {
        partition.settle_all();
        folded.add(partition);
    }
    folded
}

impl<'a> Partition<'a> {
    fn new(rules: &'a RuleBook, contents: &[Content]) -> Partition<'a> {
        let mut catalogue = Catalogue::default();
        contents.iter().for_each(|content| catalogue.put(content.clone()));
        Partition {
            rules,
            catalogue,
            site: Site::default(),
            stream_time: Timestamp::EARLIEST,
            profiles: BTreeMap::new(),
            emissions: Vec::new(),
            repeated: 0,
            unreadable: 0,
        }
    }

    fn apply(&mut self, record: &Record) {
        match command::decode(record.value.as_deref().unwrap_or_default()) {
            Ok(Command::Event(event)) => self.event(&event),
            Ok(Command::ContentChanged(content)) => {
                // What was due before the change is decided without it.
                self.settle_all();
                self.catalogue.put(content);
            }
            Ok(Command::ContentWithdrawn { content_id }) => {
                self.settle_all();
                self.catalogue.withdraw(&content_id);
            }
            Ok(
                Command::DefinitionsChanged { .. }
                | Command::SiteSharesChanged(_)
                | Command::SiteSharesWithdrawn { .. },
            )
            | Err(_) => self.unreadable += 1,
        }
    }

    fn event(&mut self, event: &Event) {
        self.stream_time = self.stream_time.max(event.timestamp);
        let profile = self.profiles.entry(event.person.clone()).or_default();
        let knowledge = Knowledge { rules: self.rules, catalogue: &self.catalogue, site: &self.site };
        let emissions = &mut self.emissions;
        let outcome = react(knowledge, &event.person, profile, self.stream_time, event, emissions);
        self.repeated += u64::from(matches!(outcome, Outcome::Duplicate { .. }));
    }

    fn settle_all(&mut self) {
        let knowledge = Knowledge { rules: self.rules, catalogue: &self.catalogue, site: &self.site };
        for (person, profile) in &mut self.profiles {
            settle(knowledge, person, profile, self.stream_time, &mut self.emissions);
        }
    }
}

impl Folded {
    fn add(&mut self, partition: Partition<'_>) {
        for emission in partition.emissions {
            match emission {
                Emission::Decision(decision) => {
                    self.decisions.entry(decision.person.clone()).or_default().push(decision);
                }
                Emission::SegmentChange(change) => {
                    self.segment_changes.entry(change.person.clone()).or_default().push(change);
                }
                Emission::Forgotten(_) | Emission::LoopStopped(_) | Emission::Lost(_) => {}
            }
        }
        self.profiles.extend(partition.profiles);
        self.repeated += partition.repeated;
        self.unreadable += partition.unreadable;
    }
}

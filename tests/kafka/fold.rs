//! What the outputs must be, from another path than the product's: one plain loop over the command topic.
//!
//! It shares the ground floor and the codecs with the product and nothing of the runtime: no task, no overlay,
//! no store, no transaction, no sweep by turns. All profiles of a partition lie in one map for ever.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use bespoke::codec::command;
use bespoke::codec::output::OutputCodec;
use bespoke::config::definitions::parse_definitions;
use bespoke::domain::catalogue::{Catalogue, Content};
use bespoke::domain::command::Command;
use bespoke::domain::decision::Emission;
use bespoke::domain::person::Person;
use bespoke::domain::profile::Profile;
use bespoke::domain::react::{Knowledge, due, react, settle};
use bespoke::domain::rulebook::RuleBook;
use bespoke::domain::site::Site;
use bespoke::domain::time::Timestamp;
use bespoke::runtime::broker::Record;

/// What one person's outputs must be: values, byte for byte, in their order.
#[derive(Debug, Default)]
pub(crate) struct Expected {
    pub(crate) decisions: Vec<Vec<u8>>,
    pub(crate) segment_changes: Vec<Vec<u8>>,
    /// The last profile update: it shows the names that were declared when it was committed, at the last change or
    /// later, so it is one of these, the last by the definitions at the end; none where the profile never changed.
    pub(crate) profile: Vec<Vec<u8>>,
    /// The profile itself.
    pub(crate) state: Option<Profile>,
}

/// What everybody's outputs must be.
pub(crate) type Everybody = BTreeMap<String, Expected>;

/// What the fold starts from, as the product's configuration says it.
pub(crate) struct Start<'a> {
    pub(crate) rules: &'a Arc<RuleBook>,
    pub(crate) contents: &'a [Content],
    pub(crate) codec: &'a OutputCodec,
}

struct Partition<'a> {
    start: &'a Start<'a>,
    /// All definitions and site shares that were ever in force together, the last those that are.
    known: Vec<(Arc<RuleBook>, Site)>,
    catalogue: Catalogue,
    stream_time: Timestamp,
    profiles: HashMap<Person, Profile>,
    /// By which of them each profile was changed last.
    changed_by: HashMap<Person, usize>,
    emissions: Vec<Emission>,
}

/// Folds the records of the command topic, partition by partition in the order of offsets.
pub(crate) fn fold(commands: &[Record], start: &Start<'_>) -> Everybody {
    let mut everybody = Everybody::new();
    let mut at_home: HashSet<String> = HashSet::new();
    for records in commands.chunk_by(|one, next| one.partition == next.partition) {
        let mut partition = Partition::new(start);
        for record in records {
            partition.apply(record);
        }
        partition.settle_due();
        for person in partition.profiles.keys() {
            assert!(at_home.insert(person.to_string()), "{person} has commands in two partitions");
        }
        partition.tell(&mut everybody);
    }
    everybody
}

impl<'a> Partition<'a> {
    fn new(start: &'a Start<'a>) -> Partition<'a> {
        let mut catalogue = Catalogue::default();
        start.contents.iter().for_each(|content| catalogue.put(content.clone()));
        Partition {
            start,
            known: vec![(Arc::clone(start.rules), Site::default())],
            catalogue,
            stream_time: Timestamp::EARLIEST,
            profiles: HashMap::new(),
            changed_by: HashMap::new(),
            emissions: Vec::new(),
        }
    }

    fn apply(&mut self, record: &Record) {
        let Ok(command) = command::decode(record.value.as_deref().unwrap_or(&[])) else { return };
        match command {
            Command::Event(event) => {
                self.stream_time = self.stream_time.max(event.timestamp);
                let now = self.stream_time;
                self.change(&event.person, |knowledge, profile, emissions| {
                    react(knowledge, &event.person, profile, now, &event, emissions);
                });
            }
            Command::ContentChanged(content) => {
                self.settle_due();
                self.catalogue.put(content);
            }
            Command::ContentWithdrawn { content_id } => {
                self.settle_due();
                self.catalogue.withdraw(&content_id);
            }
            Command::DefinitionsChanged { text } => {
                self.settle_due();
                let rules = parse_definitions(&text, "definitions").expect("what is wrong is no command");
                let rules = Arc::new(RuleBook { since: self.stream_time, ..rules });
                self.known.push((rules, self.known.last().unwrap().1.clone()));
            }
            Command::SiteSharesChanged(shares) => self.change_site(|site| site.put(shares)),
            Command::SiteSharesWithdrawn { interest } => self.change_site(|site| site.withdraw(&interest)),
        }
    }

    fn change_site(&mut self, by: impl FnOnce(&mut Site)) {
        self.settle_due();
        let (rules, mut site) = self.known.last().unwrap().clone();
        by(&mut site);
        self.known.push((rules, site));
    }

    fn change(&mut self, person: &Person, by: impl FnOnce(Knowledge<'_>, &mut Profile, &mut Vec<Emission>)) {
        let (rules, site) = self.known.last().unwrap();
        let profile = self.profiles.entry(person.clone()).or_default();
        let before = (profile.version, profile.first_at);
        by(Knowledge { rules, catalogue: &self.catalogue, site }, profile, &mut self.emissions);
        if (profile.version, profile.first_at) != before {
            self.changed_by.insert(person.clone(), self.known.len() - 1);
        }
    }

    /// Settles everybody for whom something is due, in the order of due times.
    fn settle_due(&mut self) {
        let (rules, _) = self.known.last().unwrap();
        let waiting = self.profiles.iter().filter_map(|(person, profile)| {
            let at = due(rules, profile).filter(|at| *at <= self.stream_time)?;
            Some((at, person.clone()))
        });
        let mut waiting: Vec<(Timestamp, Person)> = waiting.collect();
        waiting.sort();
        let now = self.stream_time;
        for (_, person) in waiting {
            self.change(&person, |knowledge, profile, emissions| {
                settle(knowledge, &person, profile, now, emissions);
            });
        }
    }

    fn tell(self, everybody: &mut Everybody) {
        let codec = self.start.codec;
        for emission in &self.emissions {
            match emission {
                Emission::Decision(decision) => {
                    let expected = everybody.entry(decision.person.to_string()).or_default();
                    expected.decisions.push(codec.decision(decision));
                }
                Emission::SegmentChange(change) => {
                    let expected = everybody.entry(change.person.to_string()).or_default();
                    expected.segment_changes.push(codec.segment_change(change));
                }
                Emission::Forgotten(_) | Emission::LoopStopped(_) | Emission::Lost(_) => {}
            }
        }
        for (person, profile) in self.profiles.iter().filter(|(_, profile)| profile.version > 0) {
            let expected = everybody.entry(person.to_string()).or_default();
            let since = self.known.iter().skip(self.changed_by[person]);
            expected.state = Some(profile.clone());
            expected.profile =
                since.map(|(rules, site)| codec.profile_update(person, profile, rules, site)).collect();
        }
    }
}

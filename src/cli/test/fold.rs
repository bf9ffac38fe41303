//! Folds a scenario's records through the decoder and the rules, in a plain loop over one partition's worth
//! of persons. It has no runtime, no store and no transactions: those must not change what comes out.

use std::collections::BTreeMap;
use std::sync::Arc;

use compact_str::CompactString;
use serde_json::Value;

use super::scenario::Sent;
use crate::cli::view;
use crate::codec::output::content_decision::ContentDecision;
use crate::codec::output::segment_change::SegmentChangeRecord;
use crate::codec::reject::Reject;
use crate::codec::wire::{Source, decode_content, decode_site_shares};
use crate::config::Config;
use crate::domain::catalogue::Catalogue;
use crate::domain::command::Command;
use crate::domain::decision::Emission;
use crate::domain::event::Event;
use crate::domain::person::Person;
use crate::domain::profile::Profile;
use crate::domain::react::{self, Knowledge, react, settle};
use crate::domain::rulebook::RuleBook;
use crate::domain::site::Site;
use crate::domain::time::{HOUR_MS, Timestamp};
use crate::service::build::wire_source;

/// The state of a scenario.
pub(super) struct Fold {
    sources: Vec<Source>,
    rules: Arc<RuleBook>,
    catalogue: Catalogue,
    site: Site,
    profiles: BTreeMap<Person, Profile>,
    stream_time: Option<Timestamp>,
    emissions: Vec<Emission>,
}

/// What became of an event.
pub(super) enum Outcome {
    Applied,
    Answered,
    Duplicate {
        conflicting: bool,
    },
    /// The record told nothing.
    Silent,
    Rejected(Reject),
}

impl Outcome {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Outcome::Applied => "applied",
            Outcome::Answered => "answered",
            Outcome::Duplicate { conflicting: false } => "duplicate",
            Outcome::Duplicate { conflicting: true } => "conflicting_duplicate",
            Outcome::Silent => "silent",
            Outcome::Rejected(_) => "rejected",
        }
    }
}

impl Fold {
    pub(super) fn new(config: &Config) -> Fold {
        let mut catalogue = Catalogue::default();
        for content in &config.contents {
            catalogue.put(content.clone());
        }
        Fold {
            sources: config.sources.iter().map(|source| wire_source(config, source)).collect(),
            rules: Arc::clone(&config.rules),
            catalogue,
            site: Site::default(),
            profiles: BTreeMap::new(),
            stream_time: None,
            emissions: Vec::new(),
        }
    }

    /// Adds content, as a record of the catalogue topic would.
    pub(super) fn content(&mut self, value: &Value) -> Result<(), String> {
        match decode_content(None, Some(value.to_string().as_bytes())) {
            Ok(Command::ContentChanged(content)) => self.catalogue.put(content),
            Ok(_) => return Err("this is no content".to_owned()),
            Err(reject) => return Err(reject.to_string()),
        }
        Ok(())
    }

    /// Takes site shares of an interest, as a record of their topic would.
    pub(super) fn site_shares(&mut self, interest: &str, value: &Value) -> Result<(), String> {
        match decode_site_shares(Some(interest.as_bytes()), Some(value.to_string().as_bytes())) {
            Ok(Command::SiteSharesChanged(shares)) => self.site.put(shares),
            Ok(_) => return Err("these are no site shares".to_owned()),
            Err(reject) => return Err(reject.to_string()),
        }
        Ok(())
    }

    /// Takes a record of a source. The error is about the scenario, not about the record.
    pub(super) fn event(&mut self, sent: &Sent) -> Result<Outcome, String> {
        let source = self.source(sent.source.as_deref())?;
        let bytes = match &sent.value {
            Value::String(bytes) => bytes.clone(),
            value => value.to_string(),
        };
        let record_time = match &sent.received {
            Some(received) => instant(received)?,
            None => self.record_time(source, &bytes),
        };
        match source.read_json(Some(bytes.as_bytes()), record_time) {
            Ok(Some(event)) => Ok(self.apply(&event)),
            Ok(None) => Ok(Outcome::Silent),
            Err(reject) => Ok(Outcome::Rejected(reject)),
        }
    }

    /// Moves stream time, and settles what is due for everybody.
    pub(super) fn clock(&mut self, to: &str) -> Result<(), String> {
        let to = match (to.strip_prefix('+'), self.stream_time) {
            (None, _) => instant(to)?,
            (Some(length), Some(now)) => now.plus_ms(length_ms(length)?),
            (Some(_), None) => return Err("there is no time yet to move from: begin with an instant".into()),
        };
        if let Some(now) = self.stream_time.filter(|now| *now > to) {
            return Err(format!("stream time is {} and never goes back", view::instant(now.ms())));
        }
        self.stream_time = Some(to);
        self.settle(to);
        Ok(())
    }

    /// A rule that was not let fire any more because rules had set off one another, since this was asked last.
    pub(super) fn take_stopped(&mut self) -> Option<CompactString> {
        let is_stopped = |emission: &mut Emission| matches!(emission, Emission::LoopStopped(_));
        let stopped: Vec<Emission> = self.emissions.extract_if(.., is_stopped).collect();
        stopped.into_iter().find_map(|emission| match emission {
            Emission::LoopStopped(rule) => Some(rule),
            _ => None,
        })
    }

    /// The decisions and segment changes of a person, or of everybody, that were not taken yet.
    pub(super) fn take(&mut self, person: Option<&str>) -> (Vec<Value>, Vec<Value>) {
        let (mut decisions, mut changes) = (Vec::new(), Vec::new());
        self.emissions.retain(|emission| {
            let of = match emission {
                Emission::Decision(decision) => &decision.person,
                Emission::SegmentChange(change) => &change.person,
                Emission::Forgotten(person) => person,
                Emission::LoopStopped(_) | Emission::Lost(_) => return false,
            };
            let taken = person.is_none_or(|person| person == of.as_str());
            match emission {
                Emission::Decision(decision) if taken => {
                    decisions.push(view::decision(&ContentDecision::of(decision)));
                }
                Emission::SegmentChange(change) if taken => {
                    changes.push(view::segment_change(&SegmentChangeRecord::of(change)));
                }
                _ => {}
            }
            !taken
        });
        (decisions, changes)
    }

    /// A person's profile; null for somebody unknown.
    pub(super) fn profile(&self, person: &str) -> Value {
        let person = Person::bare(person);
        let known = self.profiles.get(&person).filter(|profile| **profile != Profile::default());
        known.map_or(Value::Null, |profile| view::profile(&person, profile, &self.rules, &self.site))
    }

    fn source(&self, named: Option<&str>) -> Result<&Source, String> {
        let found = self.sources.iter().find(|source| named.is_none_or(|named| named == &*source.topic));
        found.ok_or_else(|| {
            let known: Vec<&str> = self.sources.iter().map(|source| &*source.topic).collect();
            format!("no source is called {}; there are {}", named.unwrap_or("anything"), known.join(", "))
        })
    }

    /// When a record came in that does not say it: when it says that it happened, and not before stream time.
    fn record_time(&self, source: &Source, bytes: &str) -> Timestamp {
        // So late that no event is taken to be in the future.
        let late = Timestamp::LATEST.plus_ms(-HOUR_MS);
        let own = source.read_json(Some(bytes.as_bytes()), late);
        let own = own.ok().flatten().map(|event| event.original_timestamp).filter(|own| *own != late);
        self.stream_time.max(own).unwrap_or(Timestamp::EARLIEST)
    }

    fn apply(&mut self, event: &Event) -> Outcome {
        let now = self.stream_time.map_or(event.timestamp, |now| now.max(event.timestamp));
        self.stream_time = Some(now);
        let knowledge = Knowledge { rules: &self.rules, catalogue: &self.catalogue, site: &self.site };
        let profile = self.profiles.entry(event.person.clone()).or_default();
        let outcome = react(knowledge, &event.person, profile, now, event, &mut self.emissions);
        self.settle(now);
        match outcome {
            react::Outcome::Applied => Outcome::Applied,
            react::Outcome::Answered => Outcome::Answered,
            react::Outcome::Duplicate { conflicting } => Outcome::Duplicate { conflicting },
        }
    }

    fn settle(&mut self, until: Timestamp) {
        let knowledge = Knowledge { rules: &self.rules, catalogue: &self.catalogue, site: &self.site };
        for (person, profile) in &mut self.profiles {
            settle(knowledge, person, profile, until, &mut self.emissions);
        }
    }
}

fn instant(text: &str) -> Result<Timestamp, String> {
    let advice = "write an instant such as 2026-01-05T10:00:00Z, or +25h";
    let at: jiff::Timestamp =
        text.parse().map_err(|error| format!("{text} is no instant: {error}; {advice}"))?;
    let at = Timestamp::from_ms(at.as_millisecond());
    if at.is_plausible() { Ok(at) } else { Err(format!("{text} is not between 1970 and 2199")) }
}

fn length_ms(text: &str) -> Result<i64, String> {
    let wrong = |error: jiff::Error| format!("+{text} is no length of time: {error}; write +25h or +3d");
    let span: jiff::Span = text.parse().map_err(wrong)?;
    let length = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(wrong)?;
    i64::try_from(length.as_millis()).map_err(|_| format!("+{text} is too long"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_of_time_are_read_and_others_refused() {
        assert_eq!(length_ms("25h"), Ok(25 * HOUR_MS));
        assert_eq!(length_ms("1d 30m"), Ok(24 * HOUR_MS + 1_800_000));
        assert!(length_ms("soon").is_err() && length_ms("1month").is_err());
        assert!(instant("2026-01-05").unwrap_err().contains("no instant"));
    }
}

//! A scenario as it stands in its file, every part with its place. It knows the form of a scenario and not
//! what its events mean.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_saphyr::Spanned;

/// A scenario.
pub(super) struct Scenario {
    pub(super) name: String,
    pub(super) config: Option<PathBuf>,
    pub(super) content: Vec<Placed<Value>>,
    /// By interest.
    pub(super) site_shares: Vec<(String, Placed<Value>)>,
    pub(super) steps: Vec<Placed<Step>>,
}

/// One step.
pub(super) enum Step {
    Event(Sent),
    /// An instant, or a length of time with a sign before it.
    Clock(String),
    Expect(Box<Expectation>),
}

/// A record of a source.
pub(super) struct Sent {
    pub(super) value: Value,
    pub(super) source: Option<String>,
    pub(super) received: Option<String>,
}

/// What should be so.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Expectation {
    pub(super) person: Option<String>,
    #[serde(default, deserialize_with = "placed")]
    pub(super) profile: Option<Placed<Value>>,
    #[serde(default, deserialize_with = "placed")]
    pub(super) decisions: Option<Placed<Value>>,
    #[serde(default, deserialize_with = "placed")]
    pub(super) segment_changes: Option<Placed<Value>>,
    #[serde(default, deserialize_with = "placed")]
    pub(super) outcome: Option<Placed<Value>>,
    #[serde(default, deserialize_with = "placed")]
    pub(super) rejected: Option<Placed<Value>>,
}

/// Something with its place.
pub(super) struct Placed<T> {
    pub(super) place: Place,
    pub(super) value: T,
}

/// Where something stands, counted from 1.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) line: u64,
    pub(super) column: u64,
}

/// The file, before the steps are told apart.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    scenario: String,
    config: Option<PathBuf>,
    #[serde(default)]
    content: Vec<Spanned<Value>>,
    #[serde(default)]
    site_shares: BTreeMap<String, Spanned<Value>>,
    steps: Vec<Spanned<RawStep>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    event: Option<Value>,
    source: Option<String>,
    received: Option<String>,
    clock: Option<String>,
    expect: Option<Box<Expectation>>,
}

impl Scenario {
    /// Reads a scenario. The error begins with its place, or with a space where there is none.
    pub(super) fn parse(text: &str) -> Result<Scenario, String> {
        let document: Document = serde_saphyr::from_str(text).map_err(|error| format!(" {error}"))?;
        let content = document.content.into_iter().map(Placed::from).collect();
        let mut steps = Vec::with_capacity(document.steps.len());
        for step in document.steps {
            let Placed { place, value } = Placed::from(step);
            steps.push(Placed { place, value: value.told_apart().map_err(|why| format!("{place}: {why}"))? });
        }
        let site_shares = document.site_shares.into_iter();
        let site_shares = site_shares.map(|(interest, shares)| (interest, Placed::from(shares))).collect();
        Ok(Scenario { name: document.scenario, config: document.config, content, site_shares, steps })
    }
}

impl RawStep {
    fn told_apart(self) -> Result<Step, &'static str> {
        let beside = self.source.is_some() || self.received.is_some();
        match (self.event, self.clock, self.expect) {
            (Some(value), None, None) => {
                Ok(Step::Event(Sent { value, source: self.source, received: self.received }))
            }
            (None, _, _) if beside => Err("`source` and `received` belong to an event"),
            (None, Some(clock), None) => Ok(Step::Clock(clock)),
            (None, None, Some(expectation)) => Ok(Step::Expect(expectation)),
            _ => Err("a step is one of `event`, `clock` and `expect`"),
        }
    }
}

impl Expectation {
    pub(super) fn names_outcome(&self) -> bool {
        self.outcome.is_some() || self.rejected.is_some()
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.names_outcome()
            && self.profile.is_none()
            && self.decisions.is_none()
            && self.segment_changes.is_none()
    }
}

impl<T> From<Spanned<T>> for Placed<T> {
    fn from(spanned: Spanned<T>) -> Placed<T> {
        let place = Place { line: spanned.referenced.line(), column: spanned.referenced.column() };
        Placed { place, value: spanned.value }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.line, self.column)
    }
}

/// A field that is there, even where it says `null`: that nothing is expected is an expectation too.
fn placed<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Placed<Value>>, D::Error> {
    Spanned::<Value>::deserialize(deserializer).map(|spanned| Some(Placed::from(spanned)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_knows_its_places_and_tells_nothing_from_absent() {
        let text = "scenario: s\nsteps:\n  - event: {userId: u, n: 1, f: 2.5, at: 2026-01-05T10:00:00Z}\n    \
                    source: clicks\n  - clock: +25h\n  - expect:\n      profile: null\n      decisions: []\n";
        let scenario = Scenario::parse(text).unwrap();
        let [event, clock, expect] = &scenario.steps[..] else { panic!("three steps") };
        let Step::Event(sent) = &event.value else { panic!("an event") };
        let value = serde_json::json!({"userId": "u", "n": 1, "f": 2.5, "at": "2026-01-05T10:00:00Z"});
        assert_eq!((&sent.value, sent.source.as_deref()), (&value, Some("clicks")));
        assert!(matches!(&clock.value, Step::Clock(text) if text == "+25h"));
        let Step::Expect(expectation) = &expect.value else { panic!("an expectation") };
        let profile = expectation.profile.as_ref().unwrap();
        assert_eq!((profile.place.to_string(), &profile.value), ("7:16".into(), &Value::Null));
        assert!(expectation.rejected.is_none() && !expectation.is_empty());
    }

    #[test]
    fn what_is_no_scenario_is_refused_at_its_place() {
        let refusal = |text: &str| Scenario::parse(text).err().unwrap();
        assert!(refusal("scenario: s\nsteps:\n  - {clock: +1h, source: x}\n").starts_with("3:5: `source`"));
        assert!(refusal("scenario: s\nsteps: [{}]\n").contains("a step is one of"));
        let unknown = refusal("scenario: s\nsteps:\n  - expect: {profil: {}}\n");
        assert!(unknown.contains("profil") && unknown.contains('3'), "{unknown}");
    }
}

//! The value of the topic of profile updates, field by field as its schema has it.
//!
//! It shows what consumers can use under the names that the definitions give: not what the profile keeps for
//! its own working, such as buckets, message ids and the hashes of orders.

use std::borrow::Cow;
use std::cmp::Reverse;

use serde::{Deserialize, Serialize};

use super::attribute::Attribute;
use super::long;
use super::membership::SegmentMembership;
use crate::domain::limit;
use crate::domain::person::Person;
use crate::domain::profile::{self, Cause, Orders, Profile, Session};
use crate::domain::quality;
use crate::domain::react;
use crate::domain::rulebook::{InterestRule, RuleBook};
use crate::domain::scalar::Scalar;
use crate::domain::share::{Share, all_shares};
use crate::domain::site::Site;
use crate::domain::time::Timestamp;

/// What is known about a person after a change. The schema documents the fields for consumers. Instants are
/// milliseconds of event time since 1970.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProfileUpdate<'a> {
    /// The person's key.
    pub person: Cow<'a, str>,
    /// Rises with every change.
    pub version: i64,
    /// The stream time of the change.
    pub as_of: i64,
    /// How many events were applied.
    pub events_applied: i64,
    /// The time of the earliest event.
    pub first_at: Option<i64>,
    /// The time of the latest event.
    pub last_at: Option<i64>,
    /// What caused the change.
    pub cause: ProfileCause<'a>,
    /// What `identify` calls said and rules have set, in the order of names.
    pub traits: Vec<Trait<'a>>,
    /// Every declared attribute, in declared order.
    pub attributes: Vec<Attribute<'a>>,
    /// Every declared interest, in declared order.
    pub interests: Vec<Interest<'a>>,
    /// The values that are tags, by interest and value.
    pub tags: Vec<Tag<'a>>,
    /// The current or the last session.
    pub session: ProfileSession<'a>,
    /// The last distinct items, newest first.
    pub recent_items: Vec<Cow<'a, str>>,
    /// What the person bought.
    pub orders: ProfileOrders<'a>,
    /// The segments that the person is in, in declared order.
    pub segments: Vec<SegmentMembership<'a>>,
    /// When the profile changes next if nothing happens.
    pub valid_until: Option<i64>,
    /// The share of the attributes that say something, among those that may have nothing to say.
    pub completeness: f64,
    /// The attributes whose parts say different things.
    pub contradictions: Vec<Cow<'a, str>>,
    /// What is held at its limit.
    pub capped: Vec<Cow<'a, str>>,
}

/// What changed a profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileCause<'a> {
    /// An event or time.
    pub kind: ProfileCauseKind,
    /// The event's message id.
    pub message_id: Option<Cow<'a, str>>,
}

/// The kinds of causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ProfileCauseKind {
    /// A kind that was added after the reader's schema; never written.
    Unknown,
    /// An event.
    Event,
    /// The passing of time.
    Time,
    /// Nothing has changed the profile yet.
    None,
}

/// One trait.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trait<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Its value.
    pub value: TraitValue<'a>,
}

/// A trait's value. The variants are in the order of the schema's union.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TraitValue<'a> {
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Long(i64),
    /// A number with a fraction.
    Double(f64),
    /// A text.
    String(Cow<'a, str>),
    /// A list of texts.
    Array(Vec<Cow<'a, str>>),
}

/// What the person is drawn to, in one respect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interest<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// The values with the highest scores, highest first.
    pub affinities: Vec<InterestAffinity<'a>>,
    /// As of when the site's shares are that lifts compare with.
    pub site_as_of: Option<i64>,
}

/// How much the person is drawn to one value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InterestAffinity<'a> {
    /// The value.
    pub value: Cow<'a, str>,
    /// The score as of the hour of the update.
    pub score: f64,
    /// Its share of all positive scores of the interest; 0 where its own is none of them.
    pub share: f64,
    /// How many times as large as the site's.
    pub lift: Option<f64>,
    /// How many contributions it rests on.
    pub evidence: i64,
    /// How many of equal weight would say as much.
    pub n_eff: f64,
    /// Since when the value is a tag.
    pub tagged_at: Option<i64>,
}

/// A value that is a tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag<'a> {
    /// The interest's name.
    pub interest: Cow<'a, str>,
    /// The value.
    pub value: Cow<'a, str>,
}

/// The current or the last session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileSession<'a> {
    /// How many sessions there have been.
    pub count: i64,
    /// The time of its first event.
    pub started_at: Option<i64>,
    /// The time of its latest event.
    pub last_at: Option<i64>,
    /// How many events it has.
    pub events: i64,
    /// Whether it goes on.
    pub open: bool,
    /// The path of its first page.
    pub entry_page: Option<Cow<'a, str>>,
    /// How the person came to that.
    pub referrer_medium: Option<Cow<'a, str>>,
    /// Its last pages, in the order of time.
    pub pages: Vec<SessionPage<'a>>,
}

/// A page of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionPage<'a> {
    /// Its path.
    pub path: Cow<'a, str>,
    /// When it was viewed.
    pub at: i64,
    /// How long it was looked at, in milliseconds.
    pub dwell_ms: i64,
    /// How far it was scrolled, in percent.
    pub scroll_pct: Option<i32>,
}

/// What the person bought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileOrders<'a> {
    /// How many orders.
    pub count: i64,
    /// How many units.
    pub units: i64,
    /// Revenue net of refunds, in the order of currencies.
    pub revenue: Vec<Revenue<'a>>,
    /// The time of the earliest order.
    pub first_at: Option<i64>,
    /// The time of the latest order.
    pub last_at: Option<i64>,
}

/// Revenue in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revenue<'a> {
    /// The currency's ISO 4217 code.
    pub currency: Cow<'a, str>,
    /// The amount in hundredths of the currency's unit.
    pub amount_hundredths: i64,
}

impl<'a> ProfileUpdate<'a> {
    /// The record of a profile, as of its last change.
    pub fn of(
        person: &'a Person,
        profile: &'a Profile,
        rules: &'a RuleBook,
        site: &Site,
    ) -> ProfileUpdate<'a> {
        let due = react::due(rules, profile);
        ProfileUpdate {
            person: Cow::from(person.as_str()),
            version: long(profile.version),
            as_of: profile.as_of.ms(),
            events_applied: long(profile.events_applied),
            first_at: profile.first_at.map(Timestamp::ms),
            last_at: profile.last_at.map(Timestamp::ms),
            cause: ProfileCause::of(&profile.cause),
            traits: profile.traits.iter().map(Trait::of).collect(),
            attributes: rules.attributes.iter().map(|rule| Attribute::of(rule, profile)).collect(),
            interests: rules.interests.iter().map(|rule| Interest::of(rule, profile, site)).collect(),
            tags: rules.interests.iter().flat_map(|rule| tags(rule, profile)).collect(),
            session: ProfileSession::of(&profile.session),
            recent_items: profile.recent.iter().map(|item| Cow::from(&**item)).collect(),
            orders: ProfileOrders::of(&profile.orders),
            segments: rules
                .segments
                .iter()
                .filter_map(|rule| SegmentMembership::of(rules, rule, profile, due))
                .collect(),
            valid_until: due.map(Timestamp::ms),
            completeness: quality::completeness(rules, profile),
            contradictions: quality::contradictions(rules, profile).map(Cow::from).collect(),
            capped: limit::reached(rules, profile).into_iter().map(Cow::from).collect(),
        }
    }
}

impl<'a> ProfileCause<'a> {
    fn of(cause: &'a Cause) -> ProfileCause<'a> {
        match cause {
            Cause::Event(message_id) => {
                ProfileCause { kind: ProfileCauseKind::Event, message_id: Some(Cow::from(&**message_id)) }
            }
            Cause::Time => ProfileCause { kind: ProfileCauseKind::Time, message_id: None },
            Cause::None => ProfileCause { kind: ProfileCauseKind::None, message_id: None },
        }
    }
}

impl<'a> Trait<'a> {
    fn of((name, value): (&'a str, &'a Scalar)) -> Trait<'a> {
        let value = match value {
            Scalar::Bool(value) => TraitValue::Boolean(*value),
            Scalar::Integer(value) => TraitValue::Long(*value),
            Scalar::Float(value) => TraitValue::Double(*value),
            Scalar::Text(value) => TraitValue::String(Cow::from(&**value)),
            Scalar::Texts(values) => {
                TraitValue::Array(values.iter().map(|value| Cow::from(&**value)).collect())
            }
        };
        Trait { name: Cow::from(name), value }
    }
}

impl<'a> Interest<'a> {
    fn of(rule: &'a InterestRule, profile: &'a Profile, site: &Site) -> Interest<'a> {
        let site = site.of(&rule.name);
        let mut best = all_shares(profile.affinities(rule.id), rule, site, profile.as_of);
        best.retain(|share| rule.show_negative || share.score > 0.0);
        // They come in the order of values, in which equals stay. Scores are compared in steps of 1e-9, so
        // that the order of additions does not decide between equals.
        best.sort_by_cached_key(|of| Reverse(((of.score * 1e9).round() as i128, of.score > 0.0)));
        Interest {
            name: Cow::from(&*rule.name),
            affinities: best.into_iter().take(rule.top).map(InterestAffinity::of).collect(),
            site_as_of: site.map(|site| site.as_of.ms()),
        }
    }
}

impl<'a> InterestAffinity<'a> {
    fn of(Share { affinity, score, share, lift }: Share<'a>) -> InterestAffinity<'a> {
        InterestAffinity {
            value: Cow::from(&*affinity.value),
            score,
            share,
            lift,
            evidence: i64::from(affinity.evidence),
            n_eff: affinity.n_eff(),
            tagged_at: affinity.tagged_at.map(Timestamp::ms),
        }
    }
}

fn tags<'a>(rule: &'a InterestRule, profile: &'a Profile) -> impl Iterator<Item = Tag<'a>> {
    let tagged = profile.affinities(rule.id).iter().filter(|affinity| affinity.tagged_at.is_some());
    tagged.map(|affinity| Tag { interest: Cow::from(&*rule.name), value: Cow::from(&*affinity.value) })
}

impl<'a> ProfileSession<'a> {
    fn of(session: &'a Session) -> ProfileSession<'a> {
        let (known, current) = (session.count > 0, &session.current);
        let text = |text: &'a str| Cow::from(text);
        let looks = current.dwell_ms().zip(current.scrolls.furthest(&current.pages));
        let pages = current.pages.iter().zip(looks).map(|(page, (dwell_ms, scroll_pct))| SessionPage {
            path: text(&page.path),
            at: page.at.ms(),
            dwell_ms,
            scroll_pct: scroll_pct.map(i32::from),
        });
        ProfileSession {
            count: long(session.count),
            started_at: known.then(|| current.started_at.ms()),
            last_at: known.then(|| current.last_at.ms()),
            events: long(current.events),
            open: session.open,
            entry_page: current.entry.as_ref().map(|page| text(&page.path)),
            referrer_medium: current.entry.as_ref().and_then(|page| page.medium.as_deref()).map(text),
            pages: pages.collect(),
        }
    }
}

impl<'a> ProfileOrders<'a> {
    fn of(orders: &'a Orders) -> ProfileOrders<'a> {
        ProfileOrders {
            count: long(orders.count),
            units: long(orders.units),
            revenue: orders.revenue.iter().map(Revenue::of).collect(),
            first_at: orders.first_at.map(Timestamp::ms),
            last_at: orders.last_at.map(Timestamp::ms),
        }
    }
}

impl<'a> Revenue<'a> {
    fn of(revenue: &'a profile::Revenue) -> Revenue<'a> {
        Revenue { currency: Cow::from(&*revenue.currency), amount_hundredths: revenue.hundredths }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::arbitrary;
    use crate::domain::affinity::Affinity;

    #[test]
    fn values_that_are_not_above_zero_come_last_and_only_where_that_is_declared() {
        let mut rules = arbitrary::rules();
        let rule = rules.interests.first_mut().unwrap();
        let mut profile = Profile::default();
        for (value, score) in [("bags", 0.0), ("hats", -1.0), ("shoes", 2.0)] {
            profile.affinities_mut(rule.id).push(Affinity { score, ..Affinity::new(value, 0) });
        }
        let shown = |rule: &InterestRule| -> Vec<(String, f64)> {
            let affinities = Interest::of(rule, &profile, &Site::default()).affinities;
            affinities.iter().map(|one| (one.value.to_string(), one.share)).collect()
        };
        let [shoes, bags, hats] = [("shoes", 1.0), ("bags", 0.0), ("hats", 0.0)]
            .map(|(value, share): (&str, f64)| (value.to_owned(), share));
        assert_eq!(shown(rule), [shoes.clone(), bags, hats]);
        rule.show_negative = false;
        assert_eq!(shown(rule), [shoes]);
    }
}

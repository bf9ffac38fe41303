//! What a profile update says of one declared attribute, field by field as the schema has it.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::domain::attribute::AttributeValue;
use crate::domain::freshness::Status;
use crate::domain::profile::Profile;
use crate::domain::rulebook::{AttributeRule, Window};
use crate::domain::time::Timestamp;

/// One declared attribute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attribute<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// The number; money in the currency's unit; 0 where it is none.
    pub value: f64,
    /// The window in milliseconds; none for the lifetime or a session.
    pub window_ms: Option<i64>,
    /// Whether there is anything to say.
    pub status: AttributeStatus,
    /// The text, where it is one.
    pub text: Option<Cow<'a, str>>,
    /// The texts, where it is a list.
    pub texts: Vec<Cow<'a, str>>,
    /// When it changes next if nothing happens.
    pub valid_until: Option<i64>,
    /// On how many contributions of equal weight it rests.
    pub n_eff: f64,
    /// What it may be used for.
    pub purposes: Vec<Cow<'a, str>>,
}

/// Whether an attribute says anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AttributeStatus {
    /// A status that was added after the reader's schema; never written.
    Unknown,
    /// It does.
    Present,
    /// Nothing has happened that it is made of, or nothing is left of it.
    Missing,
    /// It does, but none of its events was lately.
    Stale,
    /// All of its events are so long ago that it says nothing any more.
    Expired,
}

impl<'a> Attribute<'a> {
    /// The attribute of a profile, as of its last change.
    pub(super) fn of(rule: &'a AttributeRule, profile: &'a Profile) -> Attribute<'a> {
        let value = rule.value(profile);
        let (n_eff, status) = (rule.n_eff(profile, &value), rule.status_of(profile, &value));
        let number = match &value {
            AttributeValue::Whole(number) => *number as f64,
            AttributeValue::Number(number) => *number,
            AttributeValue::Truth(truth) => f64::from(u8::from(*truth)),
            AttributeValue::Missing | AttributeValue::Text(_) | AttributeValue::Texts(_) => 0.0,
        };
        let (text, texts) = match value {
            AttributeValue::Text(text) => (Some(Cow::from(text)), Vec::new()),
            AttributeValue::Texts(texts) => (None, texts.into_iter().map(Cow::from).collect()),
            _ => (None, Vec::new()),
        };
        Attribute {
            name: Cow::from(&*rule.name),
            value: number,
            window_ms: rule.window.as_ref().map(Window::length_ms),
            status: AttributeStatus::of(status),
            text,
            texts,
            valid_until: rule.due(profile).map(Timestamp::ms),
            n_eff,
            purposes: rule.purposes.iter().map(|purpose| Cow::from(*purpose)).collect(),
        }
    }
}

impl AttributeStatus {
    pub(super) fn of(status: Status) -> AttributeStatus {
        match status {
            Status::Present => AttributeStatus::Present,
            Status::Missing => AttributeStatus::Missing,
            Status::Stale => AttributeStatus::Stale,
            Status::Expired => AttributeStatus::Expired,
        }
    }
}

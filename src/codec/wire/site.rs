//! Records of the topic of site shares: what all persons together are drawn to, or, without a value, that an interest
//! is not to be compared with the site any more.

use std::collections::BTreeMap;

use compact_str::CompactString;
use serde::Serialize;

use super::clock::instant_of;
use super::found::{Found, ID_BYTES_MAX, has_control};
use super::json;
use super::tree::{Tree, arena};
use crate::codec::reject::{Reject, RejectCode};
use crate::domain::command::Command;
use crate::domain::site::{SHARE_MIN, SiteShares};

/// The longest record of site shares, in bytes.
const RECORD_BYTES_MAX: usize = 1024 * 1024;
/// The most values of an interest whose site shares are told; the largest are worth telling.
pub const SHARES_MAX: usize = 1_000;

/// The command of a record of the topic of site shares, whose key is the interest's name. A value is JSON such as
/// `{"asOf": "2026-01-05T10:00:00Z", "persons": 1234, "shares": {"shoes": 0.31}}`.
///
/// # Errors
/// `TooLarge`, `MalformedJson`, `TooDeep`, `MissingField`, `InvalidField` or `ImplausibleTime`.
pub fn decode_site_shares(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Command, Reject> {
    let interest = interest_of_key(key)?;
    let Some(value) = value else { return Ok(Command::SiteSharesWithdrawn { interest }) };
    if value.len() > RECORD_BYTES_MAX {
        let message = format!("{} bytes; site shares may have at most {RECORD_BYTES_MAX}", value.len());
        return Err(Reject::new(RejectCode::TooLarge, "$", message));
    }
    let arena = arena();
    let tree = json::parse(value, &arena)?;
    let whole = Found::whole(&tree);
    if !matches!(tree, Tree::Object(_)) {
        return Err(whole.invalid("not an object; send one interest's shares as {...}"));
    }
    Ok(Command::SiteSharesChanged(SiteShares {
        interest,
        as_of: instant_of(needed(whole, "asOf")?)?,
        persons: persons(needed(whole, "persons")?)?,
        shares: shares(needed(whole, "shares")?)?,
    }))
}

/// The key and the value of the record that tells an interest's site shares.
pub fn encode_site_shares(of: &SiteShares) -> (Vec<u8>, Vec<u8>) {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Told<'a> {
        as_of: String,
        persons: u64,
        shares: BTreeMap<&'a str, f64>,
    }
    let as_of = jiff::Timestamp::from_millisecond(of.as_of.ms()).map(|at| at.to_string()).unwrap_or_default();
    let shares = of.shares.iter().map(|(value, share)| (&**value, *share)).collect();
    let told = Told { as_of, persons: of.persons, shares };
    let value = serde_json::to_vec(&told).expect("texts and finite numbers are always JSON");
    (of.interest.as_bytes().to_vec(), value)
}

fn interest_of_key(key: Option<&[u8]>) -> Result<CompactString, Reject> {
    let Some(key) = key.filter(|key| !key.is_empty()) else {
        let message = "no key; send the interest's name as the record's key";
        return Err(Reject::new(RejectCode::MissingField, "$key", message));
    };
    match std::str::from_utf8(key) {
        Ok(name) if is_name(name) => Ok(name.into()),
        _ => {
            let message = "the record's key is no interest's name; send 1 to 256 bytes of plain text";
            Err(Reject::new(RejectCode::InvalidField, "$key", message))
        }
    }
}

fn needed<'t>(whole: Found<'t>, name: &str) -> Result<Found<'t>, Reject> {
    let missing = || Reject::new(RejectCode::MissingField, &format!("$.{name}"), "it is not there");
    whole.member(name).ok_or_else(missing)
}

fn persons(found: Found) -> Result<u64, Reject> {
    let count = match found.value() {
        Tree::Number(number) => number.as_u64(),
        _ => None,
    };
    count.ok_or_else(|| found.invalid("not a number of persons; send a whole number from 0 on"))
}

fn shares(found: Found) -> Result<Vec<(CompactString, f64)>, Reject> {
    let members = found.members()?;
    if members.len() > SHARES_MAX {
        let message = format!("{} shares; send at most {SHARES_MAX}, the largest", members.len());
        return Err(found.invalid(&message));
    }
    let mut shares = BTreeMap::new();
    for member in members {
        if !is_name(member.key()) {
            let message = "a value's name is empty, longer than 256 bytes or holds a control character";
            return Err(found.invalid(message));
        }
        shares.insert(CompactString::from(member.key()), share(member)?);
    }
    Ok(shares.into_iter().collect())
}

fn share(found: Found) -> Result<f64, Reject> {
    let share = match found.value() {
        Tree::Number(number) => number.as_f64(),
        _ => None,
    };
    let share = share.filter(|share| (SHARE_MIN..=1.0).contains(share));
    share.ok_or_else(|| found.invalid("not a share; send a number from 0.000000001 to 1"))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= ID_BYTES_MAX && !has_control(name)
}

//! Records of the catalogue topic: content that was added or changed, or, without a value, withdrawn.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use compact_str::CompactString;

use super::aliases::{Aliases, Scope};
use super::clock::instant_of;
use super::field::Field;
use super::fields::Fields;
use super::found::{Found, ID_BYTES_MAX, has_control};
use super::json;
use super::tree::{Tree, arena};
use crate::codec::reject::{Reject, RejectCode};
use crate::domain::catalogue::Content;
use crate::domain::command::Command;

/// The longest record of the catalogue, in bytes.
const RECORD_BYTES_MAX: usize = 1024 * 1024;
/// The most slots and the most weights of one piece of content.
const ENTRIES_MAX: usize = 64;
/// The largest weight.
const WEIGHT_MAX: f64 = 1e6;

static ALIASES: LazyLock<Aliases> = LazyLock::new(Aliases::standard);

/// The command of a record of the catalogue topic. Without a value the content whose id is the key is
/// withdrawn. A value is JSON such as `{"contentId": "c1", "slots": ["home_hero"], "weights": {"shoes": 1.0},
/// "baseWeight": 1, "itemId": "p1", "startsAt": "...", "endsAt": "..."}`. The content's id may be left to the
/// key; `categories` lists what has the weight 1, where `weights` does not say another.
///
/// # Errors
/// `Empty`, `TooLarge`, `MalformedJson`, `TooDeep`, `MissingField`, `InvalidField` or `ImplausibleTime`.
pub fn decode_content(key: Option<&[u8]>, value: Option<&[u8]>) -> Result<Command, Reject> {
    let Some(value) = value else {
        return Ok(Command::ContentWithdrawn { content_id: id_of_key(key)? });
    };
    if value.len() > RECORD_BYTES_MAX {
        let message = format!("{} bytes; content may have at most {RECORD_BYTES_MAX}", value.len());
        return Err(Reject::new(RejectCode::TooLarge, "$", message));
    }
    let arena = arena();
    let tree = json::parse(value, &arena)?;
    if !matches!(tree, Tree::Object(_)) {
        return Err(Reject::new(RejectCode::InvalidField, "$", "not an object; send one content as {...}"));
    }
    let mut fields = Fields::of(Found::whole(&tree), &ALIASES, Scope::Content)?;
    let content_id = match fields.take(Field::ContentId) {
        Some(found) => found.to_id()?.into(),
        None => id_of_key(key)?,
    };
    let mut instant = |field| fields.take(field).map(instant_of).transpose();
    let (starts_at, ends_at) = (instant(Field::StartsAt)?, instant(Field::EndsAt)?);
    if let (Some(starts), Some(ends)) = (starts_at, ends_at)
        && ends <= starts
    {
        let message = "ends before it starts, so it could never be shown";
        return Err(Reject::new(RejectCode::InvalidField, "$.endsAt", message));
    }
    Ok(Command::ContentChanged(Content {
        content_id,
        slots: names(fields.take(Field::Slots))?,
        weights: weights(&mut fields)?,
        base_weight: fields.take(Field::BaseWeight).map_or(Ok(0.0), weight)?,
        item_id: fields.take(Field::ItemId).map(Found::to_id).transpose()?.map(Into::into),
        starts_at,
        ends_at,
    }))
}

fn id_of_key(key: Option<&[u8]>) -> Result<CompactString, Reject> {
    let advice = "no contentId, and no key to take its place; send the content's id as the record's key";
    let key = key.filter(|key| !key.is_empty());
    let key = key.ok_or_else(|| Reject::new(RejectCode::MissingField, "$.contentId", advice))?;
    match std::str::from_utf8(key) {
        Ok(id) if id.len() <= ID_BYTES_MAX && !has_control(id) => Ok(id.into()),
        _ => {
            let message = "the record's key is no content id; send 1 to 256 bytes of plain text";
            Err(Reject::new(RejectCode::InvalidField, "$", message))
        }
    }
}

fn names(found: Option<Found>) -> Result<Vec<CompactString>, Reject> {
    match found {
        Some(found) => found.elements(ENTRIES_MAX)?.map(|found| Ok(found.to_id()?.into())).collect(),
        None => Ok(Vec::new()),
    }
}

fn weights(fields: &mut Fields) -> Result<Vec<(CompactString, f64)>, Reject> {
    let mut weights: BTreeMap<CompactString, f64> =
        names(fields.take(Field::Categories))?.into_iter().map(|name| (name, 1.0)).collect();
    if let Some(found) = fields.take(Field::Weights) {
        for member in found.members()? {
            // The name is a value of an interest, not a field's name: it is kept letter by letter.
            let name = member.key();
            if name.is_empty() || name.len() > ID_BYTES_MAX || has_control(name) {
                return Err(
                    found.invalid("a name in weights is empty, too long or holds a control character")
                );
            }
            weights.insert(name.into(), weight(member)?);
        }
    }
    if weights.len() > ENTRIES_MAX {
        let message = format!("{} weights; send at most {ENTRIES_MAX}", weights.len());
        return Err(Reject::new(RejectCode::InvalidField, "$.weights", message));
    }
    Ok(weights.into_iter().collect())
}

fn weight(found: Found) -> Result<f64, Reject> {
    let number = match found.value() {
        Tree::Number(number) => number.as_f64(),
        _ => None,
    };
    match number {
        Some(weight) if (0.0..=WEIGHT_MAX).contains(&weight) => Ok(weight),
        _ => Err(found.invalid("not a weight; send a number from 0 to 1e6")),
    }
}

//! The products of an event: a list of them, or a single one whose fields stand among the properties.

use serde_json::Value;

use super::aliases::{Aliases, Scope};
use super::fields::Fields;
use super::found::Found;
use super::money::hundredths;
use crate::codec::reject::{Reject, RejectCode};
use crate::domain::event::Item;

/// The most products of one event, which is GA4's limit too.
const ITEMS_MAX: usize = 200;
/// The most units of one product.
const QUANTITY_MAX: u32 = 1_000_000;

/// Takes the products out of the properties. An element of the list may also be a bare id. Without a list,
/// the properties are one product if they name its id; then its fields are taken out too.
///
/// # Errors
/// `InvalidField`, or `MissingField` for an element without an id.
pub(super) fn items(properties: &mut Fields, aliases: &Aliases) -> Result<Vec<Item>, Reject> {
    if let Some(list) = properties.take("items") {
        return list.into_list(ITEMS_MAX)?.into_iter().map(|found| element(found, aliases)).collect();
    }
    match properties.take("item_id") {
        Some(id) => Ok(vec![product(&id, properties)?]),
        None => Ok(Vec::new()),
    }
}

fn element(found: Found, aliases: &Aliases) -> Result<Item, Reject> {
    if matches!(found.value(), Value::String(_) | Value::Number(_)) {
        return Ok(Item { item_id: found.to_id()?, quantity: 1, ..Item::default() });
    }
    let (object, path) = found.into_object()?;
    let mut fields = Fields::of(object, &path, aliases, Scope::Item);
    let Some(id) = fields.take("item_id") else {
        let message = "a product without an id; send item_id, product_id or sku";
        return Err(Reject::new(RejectCode::MissingField, &format!("{path}.item_id"), message));
    };
    product(&id, &mut fields)
}

fn product(id: &Found, fields: &mut Fields) -> Result<Item, Reject> {
    let mut text = |name: &'static str| match fields.take(name) {
        Some(found) => found.to_text(),
        None => Ok(None),
    };
    Ok(Item {
        item_id: id.to_id()?,
        category: text("category")?,
        brand: text("brand")?,
        price_hundredths: fields.take("price").map(|found| hundredths(&found)).transpose()?,
        quantity: fields.take("quantity").map_or(Ok(1), |found| quantity(&found))?,
    })
}

fn quantity(found: &Found) -> Result<u32, Reject> {
    let number = match found.value() {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse::<u32>().ok().map(f64::from),
        _ => None,
    };
    match number {
        Some(number) if number.fract() == 0.0 && (0.0..=f64::from(QUANTITY_MAX)).contains(&number) => {
            Ok(number as u32)
        }
        _ => Err(found.invalid("not a quantity; send a whole number from 0 to 1000000")),
    }
}

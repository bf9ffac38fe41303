//! The products of an event: a list of them, or a single one whose fields stand among the properties.

use super::aliases::{Aliases, Scope};
use super::field::Field;
use super::fields::Fields;
use super::found::Found;
use super::money::hundredths;
use super::tree::Tree;
use crate::codec::reject::{Reject, RejectCode};
use crate::domain::event::Item;

/// The most products of one event, which is GA4's limit too.
pub(super) const ITEMS_MAX: usize = 200;
/// The most units of one product.
const QUANTITY_MAX: u32 = 1_000_000;

/// Takes the products out of the properties. An element of the list may also be a bare id. Without a list,
/// the properties are one product if they name its id; then its fields are taken out too.
///
/// # Errors
/// `InvalidField`, or `MissingField` for an element without an id.
pub(super) fn items<'t>(properties: &mut Fields<'t>, aliases: &'t Aliases) -> Result<Vec<Item>, Reject> {
    if let Some(list) = properties.take(Field::Items) {
        return list.elements(ITEMS_MAX)?.map(|found| element(found, aliases)).collect();
    }
    match properties.take(Field::ItemId) {
        Some(id) => Ok(vec![product(id, properties)?]),
        None => Ok(Vec::new()),
    }
}

fn element(found: Found<'_>, aliases: &Aliases) -> Result<Item, Reject> {
    if matches!(found.value(), Tree::Text(_) | Tree::Number(_)) {
        return Ok(Item { item_id: found.to_id()?.into(), quantity: 1, ..Item::default() });
    }
    let mut fields = Fields::of(found, aliases, Scope::Item)?;
    let Some(id) = fields.take(Field::ItemId) else {
        let message = "a product without an id; send item_id, product_id or sku";
        let path = format!("{}.item_id", found.path());
        return Err(Reject::new(RejectCode::MissingField, &path, message));
    };
    product(id, &mut fields)
}

fn product(id: Found, fields: &mut Fields) -> Result<Item, Reject> {
    let mut text = |field| match fields.take(field) {
        Some(found) => Ok(found.to_text()?.map(Into::into)),
        None => Ok(None),
    };
    Ok(Item {
        item_id: id.to_id()?.into(),
        category: text(Field::Category)?,
        brand: text(Field::Brand)?,
        price_hundredths: fields.take(Field::Price).map(hundredths).transpose()?,
        quantity: fields.take(Field::Quantity).map_or(Ok(1), quantity)?,
    })
}

fn quantity(found: Found) -> Result<u32, Reject> {
    let number = match found.value() {
        Tree::Number(number) => number.as_f64(),
        Tree::Text(text) => text.parse::<u32>().ok().map(f64::from),
        _ => None,
    };
    match number {
        Some(number) if number.fract() == 0.0 && (0.0..=f64::from(QUANTITY_MAX)).contains(&number) => {
            Ok(number as u32)
        }
        _ => Err(found.invalid("not a quantity; send a whole number from 0 to 1000000")),
    }
}

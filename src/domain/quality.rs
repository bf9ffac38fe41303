//! How far a profile is to be trusted: how much of what is asked about a person is known, and where what is
//! known disagrees. Both are read off the profile when somebody asks. And how far an event is: whether it says
//! what its kind is expected to say.

use compact_str::CompactString;

use super::attribute::AttributeValue;
use super::event::Event;
use super::profile::Profile;
use super::rulebook::{Field, RuleBook};
use super::scalar::Scalar;

/// A field that events of one name are expected to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedField {
    /// The canonical name of the events.
    pub event: CompactString,
    /// The field.
    pub field: Field,
}

impl ExpectedField {
    /// Whether an event does not have it, though it should: it says nothing, or a product of it says nothing.
    /// None of an event of another name.
    pub fn is_missing(&self, event: &Event) -> Option<bool> {
        if self.event != event.name {
            return None;
        }
        let wanted = match self.field {
            Field::Item(_) | Field::Price | Field::Quantity => event.items.len().max(1),
            _ => 1,
        };
        let says = |scalar: &Scalar| !matches!(scalar, Scalar::Text(text) if text.is_empty());
        Some(self.field.scalars(event).iter().filter(|scalar| says(scalar)).count() < wanted)
    }
}

/// The share of the attributes that say something, among those that may have nothing to say; 1 where there
/// are none of these.
pub fn completeness(rules: &RuleBook, profile: &Profile) -> f64 {
    let asked = rules.attributes.iter().filter(|rule| rule.can_be_missing());
    let (mut all, mut present) = (0_u32, 0_u32);
    for rule in asked {
        all += 1;
        present += u32::from(rule.value(profile) != AttributeValue::Missing);
    }
    if all == 0 { 1.0 } else { f64::from(present) / f64::from(all) }
}

/// The names of the attributes whose parts say different things, in the order of the definitions.
pub fn contradictions<'r>(rules: &'r RuleBook, profile: &Profile) -> impl Iterator<Item = &'r str> {
    let contradicted = rules.attributes.iter().filter(|rule| rule.is_contradicted(profile));
    contradicted.map(|rule| &*rule.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Item;
    use crate::domain::scalar::Properties;

    #[test]
    fn a_field_is_missing_where_one_of_the_products_says_nothing() {
        let expected = |field: Field| ExpectedField { event: "product_viewed".into(), field };
        let priced = Item { item_id: "a".into(), price_hundredths: Some(0), ..Item::default() };
        let bare = Item { item_id: "b".into(), ..Item::default() };
        let of = |items: Vec<Item>| Event { items, ..Event::named("product_viewed") };
        let price = expected(Field::Price);
        assert_eq!(price.is_missing(&of(vec![priced.clone()])), Some(false), "free is a price");
        assert_eq!(price.is_missing(&of(vec![priced, bare])), Some(true));
        assert_eq!(price.is_missing(&of(Vec::new())), Some(true));
        assert_eq!(price.is_missing(&Event::named("login")), None);
        let mut properties = Properties::default();
        properties.set("shelf", Scalar::Text("".into()));
        let shelf = expected(Field::Property("shelf".into()));
        assert_eq!(shelf.is_missing(&Event { properties, ..of(Vec::new()) }), Some(true), "an empty text");
    }
}

//! The fields of events that attributes are about: what an event says in each, as values, numbers or texts.

use compact_str::{CompactString, ToCompactString};

use super::event::{Event, Item};
use super::rulebook::{Facet, Field};
use super::scalar::Scalar;

/// The longest text that an attribute keeps, in bytes; of a longer one it keeps the beginning.
pub const TEXT_BYTES_MAX: usize = 256;
/// Numbers are added up and compared in millionths.
pub(crate) const MILLIONTHS: f64 = 1_000_000.0;

impl Field {
    /// What the events say in it, each value on its own.
    pub(crate) fn scalars(&self, event: &Event) -> Vec<Scalar> {
        let text = |text: &str| Scalar::Text(beginning(text).into());
        match self {
            Field::Property(name) => match event.properties.get(name) {
                Some(Scalar::Text(one)) => vec![text(one)],
                Some(Scalar::Texts(several)) => several.iter().map(|one| text(one)).collect(),
                Some(value) => vec![value.clone()],
                None => Vec::new(),
            },
            Field::Item(facet) => event.items.iter().filter_map(|item| facet.value(item)).map(text).collect(),
            Field::Price => event.items.iter().filter_map(price).map(Scalar::Float).collect(),
            Field::Quantity => event.items.iter().map(|item| Scalar::Integer(item.quantity.into())).collect(),
            Field::Worth => {
                let known = event.value.is_some() || event.items.iter().any(|item| price(item).is_some());
                known.then(|| Scalar::Float(event.money().hundredths as f64 / 100.0)).into_iter().collect()
            }
            Field::Page => event.page.as_deref().map(text).into_iter().collect(),
            Field::EventName => vec![text(&event.name)],
            Field::SourceTopic => vec![text(&event.source)],
        }
    }

    /// The numbers in it, in millionths. One beyond their range saturates.
    pub(crate) fn numbers(&self, event: &Event) -> Vec<i64> {
        let number = |scalar: &Scalar| match scalar {
            Scalar::Integer(number) => Some(in_millionths(*number as f64)),
            Scalar::Float(number) => Some(in_millionths(*number)),
            _ => None,
        };
        self.scalars(event).iter().filter_map(number).collect()
    }

    pub(crate) fn sum(&self, event: &Event) -> i64 {
        match self {
            Field::Property(name) => event.properties.number(name).map_or(0, in_millionths),
            _ => self.numbers(event).into_iter().fold(0, i64::saturating_add),
        }
    }

    /// The texts in it; whole numbers and truths as they are written. A number with a fraction has no one
    /// way to be written and is none.
    pub(crate) fn texts(&self, event: &Event) -> impl Iterator<Item = CompactString> + use<> {
        self.scalars(event).into_iter().filter_map(|scalar| match scalar {
            Scalar::Text(text) => Some(text).filter(|text| !text.is_empty()),
            Scalar::Integer(number) => Some(number.to_compact_string()),
            Scalar::Bool(truth) => Some(truth.to_compact_string()),
            Scalar::Float(_) | Scalar::Texts(_) => None,
        })
    }
}

impl std::fmt::Display for Field {
    /// As definitions write it.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Field::Property(name) => name,
            Field::Item(Facet::Item) => "items.item_id",
            Field::Item(Facet::Category) => "items.category",
            Field::Item(Facet::Brand) => "items.brand",
            Field::Price => "items.price",
            Field::Quantity => "items.quantity",
            Field::Worth => "event.value",
            Field::Page => "event.page",
            Field::EventName => "event.name",
            Field::SourceTopic => "event.source",
        })
    }
}

/// A number beyond the range of millionths saturates, which `as` does.
fn in_millionths(number: f64) -> i64 {
    (number * MILLIONTHS).round() as i64
}

fn price(item: &Item) -> Option<f64> {
    item.price_hundredths.map(|hundredths| hundredths as f64 / 100.0)
}

/// As much of a text as is kept.
pub(crate) fn beginning(text: &str) -> &str {
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or(text)
}

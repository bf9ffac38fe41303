//! Properties and traits: what senders say in their own words. They are flat, so that nothing that walks
//! them can recurse: `{"cart": {"total": 5}}` becomes `cart.total = 5`.

use std::cmp::Ordering;

use compact_str::CompactString;
use serde::{Deserialize, Serialize};
use thin_vec::ThinVec;

/// A property's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Scalar {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction; never NaN or infinite.
    Float(f64),
    /// A text.
    Text(CompactString),
    /// A list of texts.
    Texts(Vec<CompactString>),
}

impl Scalar {
    /// An order of all values, by kind and then by value, in which no two that differ are equal.
    pub fn order(&self, other: &Scalar) -> Ordering {
        match (self, other) {
            (Scalar::Bool(one), Scalar::Bool(other)) => one.cmp(other),
            (Scalar::Integer(one), Scalar::Integer(other)) => one.cmp(other),
            (Scalar::Float(one), Scalar::Float(other)) => one.total_cmp(other),
            (Scalar::Text(one), Scalar::Text(other)) => one.cmp(other),
            (Scalar::Texts(one), Scalar::Texts(other)) => one.cmp(other),
            _ => self.kind().cmp(&other.kind()),
        }
    }

    fn kind(&self) -> u8 {
        match self {
            Scalar::Bool(_) => 0,
            Scalar::Integer(_) => 1,
            Scalar::Float(_) => 2,
            Scalar::Text(_) => 3,
            Scalar::Texts(_) => 4,
        }
    }
}

/// Names and values, sorted by name, each name once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Properties(ThinVec<(CompactString, Scalar)>);

impl Properties {
    /// Sets one property. An earlier value of the same name is replaced.
    pub fn set(&mut self, name: &str, value: Scalar) {
        match self.position(name) {
            Ok(at) => {
                if let Some(entry) = self.0.get_mut(at) {
                    entry.1 = value;
                }
            }
            Err(at) => self.0.insert(at, (name.into(), value)),
        }
    }

    /// The same, sorted by name and each name once, also where they were read from bytes that are otherwise: the
    /// last value of a name is kept.
    pub(crate) fn in_order(self) -> Properties {
        let mut properties = Properties::default();
        self.0.into_iter().for_each(|(name, value)| properties.set(&name, value));
        properties
    }

    /// The value of a property.
    pub fn get(&self, name: &str) -> Option<&Scalar> {
        self.position(name).ok().and_then(|at| self.0.get(at)).map(|entry| &entry.1)
    }

    /// The value of a property that is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Scalar::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The value of a property that is a number.
    pub fn number(&self, name: &str) -> Option<f64> {
        match self.get(name) {
            Some(Scalar::Integer(number)) => Some(*number as f64),
            Some(Scalar::Float(number)) => Some(*number),
            _ => None,
        }
    }

    /// All properties in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Scalar)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn position(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(other, _)| (**other).cmp(name))
    }
}

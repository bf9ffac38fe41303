//! A configuration as a tree in which every value knows where it came from. The layers (defaults, file,
//! environment, flags) are laid over one another here, and everything else reads the one tree that results.
//! It is deliberately not a general YAML value: scalars stay text until somebody knows what they should be.

use std::sync::Arc;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// Nobody said anything.
    Default,
    /// The file.
    File,
    /// The environment variable of this name.
    Environment(Arc<str>),
    /// The flag of this name.
    Flag(Arc<str>),
}

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// What it came from.
    pub(crate) source: Source,
    /// The line, from 1.
    pub(crate) line: u32,
    /// The column in characters, from 1.
    pub(crate) column: u32,
}

/// A value.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Where it stands.
    pub(crate) place: Place,
    /// What it is.
    pub(crate) value: Value,
}

/// What a value is.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Nothing was written.
    Null,
    /// A text, a number, a truth value: not yet decided.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in its order, each key once.
    Map(Vec<Entry>),
}

/// A text whose meaning is not yet decided.
#[derive(Clone, Debug)]
pub(crate) struct Scalar {
    /// The text, with what `${...}` stands for filled in.
    pub(crate) text: String,
    /// The text before that, if something was filled in.
    pub(crate) template: Option<String>,
    /// The column of its first character, where columns in it are columns in the file.
    pub(crate) text_column: Option<u32>,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The key.
    pub(crate) key: String,
    /// Where the key stands.
    pub(crate) place: Place,
    /// The value.
    pub(crate) value: Node,
}

impl Place {
    /// The place in the same line that is this many characters into a text, if columns in it are known.
    pub(crate) fn within(&self, scalar: &Scalar, characters: usize) -> Place {
        match (scalar.text_column, u32::try_from(characters)) {
            (Some(column), Ok(characters)) => {
                Place { column: column.saturating_add(characters), ..self.clone() }
            }
            _ => self.clone(),
        }
    }
}

impl Node {
    /// A text at a place.
    pub(crate) fn text(place: Place, text: &str) -> Node {
        let scalar = Scalar { text: text.into(), template: None, text_column: None };
        Node { place, value: Value::Scalar(scalar) }
    }

    /// An empty mapping at a place.
    pub(crate) fn empty_map(place: Place) -> Node {
        Node { place, value: Value::Map(Vec::new()) }
    }

    /// The value of a key, where it is a mapping that has it.
    pub(crate) fn member(&self, key: &str) -> Option<&Node> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key).map(|entry| &entry.value),
            _ => None,
        }
    }

    /// The elements of a list; what is no list is one element.
    pub(crate) fn elements(&self) -> &[Node] {
        match &self.value {
            Value::List(nodes) => nodes,
            _ => std::slice::from_ref(self),
        }
    }

    /// What it is, for people.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Scalar(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }
}

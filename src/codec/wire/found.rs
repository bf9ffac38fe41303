//! One value of a record and where it stood, so that whatever is wrong with it can be said with its path.

use std::rc::Rc;

use serde_json::{Map, Value};

use crate::codec::reject::{Reject, RejectCode};

/// The longest id, in bytes of UTF-8.
pub(super) const ID_BYTES_MAX: usize = 256;

/// A value and where it stood.
pub(super) struct Found {
    value: Value,
    parent: Rc<str>,
    step: Step,
}

enum Step {
    Key(String),
    Index(usize),
}

impl Found {
    /// The member of an object at a path.
    pub(super) fn member(parent: &Rc<str>, key: String, value: Value) -> Found {
        Found { value, parent: Rc::clone(parent), step: Step::Key(key) }
    }

    /// The value.
    pub(super) fn value(&self) -> &Value {
        &self.value
    }

    /// The value alone.
    pub(super) fn into_value(self) -> Value {
        self.value
    }

    /// The key as the sender wrote it; empty for the element of a list.
    pub(super) fn key(&self) -> &str {
        match &self.step {
            Step::Key(key) => key,
            Step::Index(_) => "",
        }
    }

    /// The JSON path.
    pub(super) fn path(&self) -> String {
        match &self.step {
            Step::Key(key) => format!("{}.{key}", self.parent),
            Step::Index(index) => format!("{}[{index}]", self.parent),
        }
    }

    /// A reject of this value as one that its field cannot have.
    pub(super) fn invalid(&self, message: &str) -> Reject {
        Reject::new(RejectCode::InvalidField, &self.path(), message)
    }

    /// The value as an object. An empty list counts as one without members, as PHP writes it.
    pub(super) fn into_object(self) -> Result<(Map<String, Value>, String), Reject> {
        let path = self.path();
        match self.value {
            Value::Object(object) => Ok((object, path)),
            Value::Array(list) if list.is_empty() => Ok((Map::new(), path)),
            _ => Err(Reject::new(RejectCode::InvalidField, &path, "not an object; send {\"name\": value}")),
        }
    }

    /// The elements of a list, nulls left out.
    pub(super) fn into_list(self, length_max: usize) -> Result<Vec<Found>, Reject> {
        let path: Rc<str> = self.path().into();
        let Value::Array(list) = self.value else {
            return Err(Reject::new(RejectCode::InvalidField, &path, "not a list; send [...]"));
        };
        if list.len() > length_max {
            let message = format!("{} elements; send at most {length_max}", list.len());
            return Err(Reject::new(RejectCode::InvalidField, &path, message));
        }
        let elements = list.into_iter().enumerate().filter(|(_, value)| !value.is_null());
        let found = |(index, value)| Found { value, parent: Rc::clone(&path), step: Step::Index(index) };
        Ok(elements.map(found).collect())
    }

    /// The value as an id: a text or a whole number, 1 to 256 bytes, byte for byte, without control
    /// characters.
    pub(super) fn to_id(&self) -> Result<Box<str>, Reject> {
        match self.to_text()? {
            Some(id) => Ok(id),
            None => Err(self.invalid("empty; send an id of 1 to 256 bytes")),
        }
    }

    /// The value as a short text that names something, with the limits of an id; the empty text counts as
    /// none.
    pub(super) fn to_text(&self) -> Result<Option<Box<str>>, Reject> {
        let text: Box<str> = match &self.value {
            Value::String(text) => text.as_str().into(),
            Value::Number(number) if !number.is_f64() => number.to_string().into(),
            _ => return Err(self.invalid("neither a text nor a whole number")),
        };
        if text.len() > ID_BYTES_MAX {
            return Err(self.invalid(&format!("{} bytes long; send at most {ID_BYTES_MAX}", text.len())));
        }
        if text.chars().any(char::is_control) {
            return Err(self.invalid("holds a control character; send plain text"));
        }
        Ok(if text.is_empty() { None } else { Some(text) })
    }
}

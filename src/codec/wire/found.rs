//! One value of a record and where it stood, so that whatever is wrong with it can be said with its path.

use std::borrow::Cow;

use super::tree::{Member, Tree};
use crate::codec::reject::{Reject, RejectCode};

/// The longest id, in bytes of UTF-8.
pub(super) const ID_BYTES_MAX: usize = 256;

/// A value and where it stood.
#[derive(Clone, Copy)]
pub(super) struct Found<'t> {
    root: &'t Tree<'t>,
    key: &'t str,
    value: &'t Tree<'t>,
}

impl<'t> Found<'t> {
    /// A whole record.
    pub(super) fn whole(root: &'t Tree<'t>) -> Found<'t> {
        Found { root, key: "", value: root }
    }

    /// The members of an object. An empty list counts as one without members, as PHP writes it.
    ///
    /// # Errors
    /// `InvalidField` for what is no object.
    pub(super) fn members(self) -> Result<impl ExactSizeIterator<Item = Found<'t>>, Reject> {
        let members: &'t [Member<'t>] = match self.value {
            Tree::Object(members) => members,
            Tree::List([]) => &[],
            _ => return Err(self.invalid("not an object; send {\"name\": value}")),
        };
        let root = self.root;
        Ok(members.iter().map(move |member| Found { root, key: member.key, value: &member.value }))
    }

    /// The member of this key, where it is an object that has one that is not null.
    pub(super) fn member(self, key: &str) -> Option<Found<'t>> {
        let Tree::Object(members) = self.value else { return None };
        let member = members.iter().find(|member| member.key == key && member.value != Tree::Null)?;
        Some(Found { root: self.root, key: member.key, value: &member.value })
    }

    /// The elements of a list, nulls left out.
    ///
    /// # Errors
    /// `InvalidField` for what is no list, and for a longer one.
    pub(super) fn elements(self, length_max: usize) -> Result<impl Iterator<Item = Found<'t>>, Reject> {
        let Tree::List(list) = self.value else { return Err(self.invalid("not a list; send [...]")) };
        if list.len() > length_max {
            let message = format!("{} elements; send at most {length_max}", list.len());
            return Err(self.invalid(&message));
        }
        let root = self.root;
        let present = list.iter().filter(|value| **value != Tree::Null);
        Ok(present.map(move |value| Found { root, key: "", value }))
    }

    /// The value.
    pub(super) fn value(self) -> &'t Tree<'t> {
        self.value
    }

    /// The key as the sender wrote it; empty for the element of a list.
    pub(super) fn key(self) -> &'t str {
        self.key
    }

    /// The JSON path.
    pub(super) fn path(self) -> String {
        self.root.path_to(self.value)
    }

    /// A reject of this value as one that its field cannot have.
    pub(super) fn invalid(self, message: &str) -> Reject {
        Reject::new(RejectCode::InvalidField, &self.path(), message)
    }

    /// The value as an id: a text or a whole number, 1 to 256 bytes, byte for byte, without control
    /// characters.
    pub(super) fn to_id(self) -> Result<Cow<'t, str>, Reject> {
        match self.to_text()? {
            Some(id) => Ok(id),
            None => Err(self.invalid("empty; send an id of 1 to 256 bytes")),
        }
    }

    /// The value as a short text that names something, with the limits of an id; the empty text counts as
    /// none.
    pub(super) fn to_text(self) -> Result<Option<Cow<'t, str>>, Reject> {
        let text = match self.value {
            Tree::Text(text) => Cow::Borrowed(*text),
            Tree::Number(number) if !number.is_f64() => Cow::Owned(number.to_string()),
            _ => return Err(self.invalid("neither a text nor a whole number")),
        };
        if text.len() > ID_BYTES_MAX {
            return Err(self.invalid(&format!("{} bytes long; send at most {ID_BYTES_MAX}", text.len())));
        }
        if has_control(&text) {
            return Err(self.invalid("holds a control character; send plain text"));
        }
        Ok(if text.is_empty() { None } else { Some(text) })
    }
}

/// Whether a text holds a control character. Most are of plain ASCII, which is seen without decoding, eight bytes at
/// a time.
pub(super) fn has_control(text: &str) -> bool {
    let (words, rest) = text.as_bytes().as_chunks::<8>();
    let is_plain = words.iter().all(|word| are_plain(u64::from_le_bytes(*word)))
        && rest.iter().all(|byte| (b' '..=b'~').contains(byte));
    !is_plain && text.chars().any(char::is_control)
}

/// Whether eight bytes all lie between the blank and the tilde. Of those that do not, one has its highest bit set: as it
/// stands, when the blank is taken off less, or when one is added to more than the tilde. Only a byte that says so
/// itself carries into the next.
fn are_plain(bytes: u64) -> bool {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    const HIGHEST: u64 = EACH << 7;
    let below_blank = bytes.wrapping_sub(EACH * 0x20);
    let above_tilde = bytes.wrapping_add(EACH);
    (bytes | below_blank | above_tilde) & HIGHEST == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_character_is_seen_wherever_it_stands() {
        for length in 0..40 {
            for at in 0..length {
                let with = |character: char| {
                    let text = (0..length).map(|place| if place == at { character } else { 'x' });
                    has_control(&text.collect::<String>())
                };
                for code in (0..0x180).filter_map(char::from_u32) {
                    assert_eq!(with(code), code.is_control(), "{code:?} at {at} of {length}");
                }
            }
        }
    }
}

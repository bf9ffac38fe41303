//! What senders say in their own words, made flat: `{"cart": {"total": 5}}` becomes `cart.total = 5`. Names
//! are written in `snake_case`, so that `isGift` and `is_gift` are one property.

use compact_str::CompactString;

use super::aliases::snake_case;
use super::fields::Fields;
use super::tree::{Member, Tree};
use crate::codec::reject::{Reject, RejectCode};
use crate::domain::scalar::{Properties, Scalar};

/// The most properties of one event.
const PROPERTIES_MAX: usize = 128;
/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 128;
/// The longest text that is kept, in bytes: what is longer is cut at the end of a character.
const TEXT_BYTES_MAX: usize = 1024;
/// The most texts of a list that are kept; those after them are dropped.
const TEXTS_MAX: usize = 64;

/// All that is left of the fields. Nulls, empty lists and lists that hold something else than texts are
/// dropped. Where a name comes twice, the first stays.
///
/// # Errors
/// `InvalidField` at the path of the fields where there are more than 128 properties or a name is longer than
/// 128 bytes: to drop some would be to lose them in silence.
pub(super) fn flat(fields: Fields, path: impl Fn() -> String) -> Result<Properties, Reject> {
    let mut flat = Flat { properties: Properties::default(), path };
    for (name, found) in fields.into_rest() {
        flat.add(&name, found.value())?;
    }
    Ok(flat.properties)
}

struct Flat<P> {
    properties: Properties,
    path: P,
}

impl<P: Fn() -> String> Flat<P> {
    fn add(&mut self, name: &str, value: &Tree<'_>) -> Result<(), Reject> {
        if name.len() > NAME_BYTES_MAX {
            return Err(self.refuse("a property's name, with those around it, is longer than 128 bytes"));
        }
        let scalar = match value {
            Tree::Object(members) => return self.add_all(name, members),
            Tree::List(list) => texts(list),
            Tree::Null => None,
            Tree::Bool(flag) => Some(Scalar::Bool(*flag)),
            Tree::Number(number) => {
                number.as_i64().map(Scalar::Integer).or(number.as_f64().map(Scalar::Float))
            }
            Tree::Text(text) => Some(Scalar::Text(cut(text))),
        };
        if let Some(scalar) = scalar
            && self.properties.get(name).is_none()
        {
            if self.properties.len() == PROPERTIES_MAX {
                return Err(self.refuse("more than 128 properties; send those that decisions need"));
            }
            self.properties.set(name, scalar);
        }
        Ok(())
    }

    // Each level makes the name longer, so the limit on names bounds the recursion.
    fn add_all(&mut self, name: &str, members: &[Member<'_>]) -> Result<(), Reject> {
        // Which of two spellings of a name is the first must not depend on the place in the record.
        let mut members: Vec<&Member<'_>> = members.iter().collect();
        members.sort_by(|one, other| one.key.cmp(other.key));
        for member in members {
            self.add(&format!("{name}.{}", snake_case(member.key)), &member.value)?;
        }
        Ok(())
    }

    fn refuse(&self, message: &str) -> Reject {
        Reject::new(RejectCode::InvalidField, &(self.path)(), message)
    }
}

fn texts(list: &[Tree<'_>]) -> Option<Scalar> {
    let mut texts = Vec::new();
    for value in list {
        match value {
            Tree::Text(text) if texts.len() < TEXTS_MAX => texts.push(cut(text)),
            Tree::Text(_) => {}
            _ => return None,
        }
    }
    if texts.is_empty() { None } else { Some(Scalar::Texts(texts)) }
}

fn cut(text: &str) -> CompactString {
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default().into()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::codec::wire::aliases::{Aliases, Scope};
    use crate::codec::wire::found::Found;
    use crate::codec::wire::tree::arena;

    fn flat_of(object: Value) -> Result<Properties, Reject> {
        let (arena, aliases) = (arena(), Aliases::standard());
        let tree = Tree::of(&object, &arena);
        let fields = Fields::of(Found::whole(&tree), &aliases, Scope::Properties)?;
        flat(fields, || "$.properties".to_owned())
    }

    #[test]
    fn objects_become_dotted_names_and_lists_of_texts_stay() {
        let properties = flat_of(json!({
            "isGift": true, "cart": {"total": 5, "couponCode": "A", "deep": {"er": 1.5}}, "tags": ["a", "b"],
            "mixed": ["a", 1], "none": null, "empty": [], "big": u64::MAX, "small": i64::MIN,
        }))
        .unwrap();
        let expected = [
            ("big", Scalar::Float(u64::MAX as f64)),
            ("cart.coupon_code", Scalar::Text("A".into())),
            ("cart.deep.er", Scalar::Float(1.5)),
            ("cart.total", Scalar::Integer(5)),
            ("is_gift", Scalar::Bool(true)),
            ("small", Scalar::Integer(i64::MIN)),
            ("tags", Scalar::Texts(vec!["a".into(), "b".into()])),
        ];
        assert_eq!(
            properties.iter().map(|(name, value)| (name, value.clone())).collect::<Vec<_>>(),
            expected
        );
    }

    #[test]
    fn of_two_values_of_one_name_the_first_stays() {
        let properties = flat_of(json!({"isGift": 1, "is_gift": 2, "a.b": 1, "a": {"b": 2}})).unwrap();
        assert_eq!(properties.number("a.b"), Some(2.0));
        assert_eq!(properties.len(), 2);
    }

    #[test]
    fn long_texts_are_cut_between_characters_and_long_lists_after_64() {
        let properties =
            flat_of(json!({"text": format!("x{}", "é".repeat(600)), "list": vec!["a"; 65]})).unwrap();
        assert_eq!(properties.text("text").unwrap().len(), 1023);
        assert_eq!(properties.get("list"), Some(&Scalar::Texts(vec!["a".into(); 64])));
    }

    #[test]
    fn too_many_and_too_long_names_are_refused() {
        let many = |count: usize| Value::Object((0..count).map(|n| (format!("p{n}"), json!(1))).collect());
        assert_eq!(flat_of(many(128)).unwrap().len(), 128);
        assert_eq!(flat_of(many(129)).unwrap_err().code, RejectCode::InvalidField);
        assert!(flat_of(json!({"x".repeat(128): 1})).is_ok());
        assert_eq!(flat_of(json!({"x".repeat(129): 1})).unwrap_err().code, RejectCode::InvalidField);
        let deep = (0..200).fold(json!(1), |inside, _| json!({"": inside}));
        assert_eq!(flat_of(deep).unwrap_err().code, RejectCode::InvalidField);
    }
}

//! Bytes to a JSON tree, more strictly than JSON itself asks: no key twice, no number that a double cannot
//! hold, at most 64 levels and 50,000 values. The limits make the memory of a hostile record a bounded
//! multiple of its size; they are far above what an honest event needs. What the tree means is not known
//! here.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Number, Value};

use super::quick;
use super::tree::{Member, Tree};
use crate::codec::reject::{Reject, RejectCode};

/// How many objects and lists may lie inside one another.
pub(super) const DEPTH_MAX: usize = 64;
/// How many values one record may hold, counting objects and lists. Each may cost some hundred bytes.
pub(super) const VALUES_MAX: usize = 50_000;
/// How many members of an object are compared with one another; those of a larger one are looked up.
pub(super) const COMPARED_MAX: usize = 32;

/// The tree of one JSON text that fills the bytes, in the arena.
///
/// # Errors
/// `Empty`, `MalformedJson` (also for bytes that are not UTF-8 and for a key that stands twice in one
/// object), `TooDeep`, or `TooLarge` for too many values.
pub(super) fn parse<'r>(bytes: &'r [u8], arena: &'r Bump) -> Result<Tree<'r>, Reject> {
    if bytes.is_empty() {
        return Err(Reject::new(RejectCode::Empty, "$", "the record has no value; send one event as JSON"));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let message = format!("not UTF-8 at byte {}; send JSON in UTF-8", error.valid_up_to());
        Reject::new(RejectCode::MalformedJson, "$", message)
    })?;
    quick::read(text, arena).map_or_else(|| read_any(text, arena), Ok)
}

/// The same, read by the library.
pub(super) fn read_any<'r>(text: &'r str, arena: &'r Bump) -> Result<Tree<'r>, Reject> {
    let bounds = Bounds::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let tree = Reader { arena, bounds: &bounds, depth: 0 }
        .deserialize(&mut deserializer)
        .and_then(|tree| deserializer.end().map(|()| tree));
    tree.map_err(|error| bounds.reject(&error))
}

/// Refuses a tree from elsewhere that is nested too deep. Looks no deeper than the limit itself.
///
/// # Errors
/// `TooDeep`.
pub(super) fn check_depth(tree: &Value) -> Result<(), Reject> {
    fn is_within(tree: &Value, levels: usize) -> bool {
        match tree {
            Value::Array(list) => levels > 0 && list.iter().all(|value| is_within(value, levels - 1)),
            Value::Object(object) => levels > 0 && object.values().all(|value| is_within(value, levels - 1)),
            _ => true,
        }
    }
    if is_within(tree, DEPTH_MAX) {
        return Ok(());
    }
    Err(Reject::new(RejectCode::TooDeep, "$", format!("more than {DEPTH_MAX} levels of nesting")))
}

/// What a pass has used up, and the limit that stopped it.
#[derive(Default)]
struct Bounds {
    values: Cell<usize>,
    broken: Cell<Option<Broken>>,
}

#[derive(Clone, Copy)]
enum Broken {
    Depth,
    Values,
    SameKeyTwice,
}

impl Bounds {
    fn stop<E: serde::de::Error>(&self, broken: Broken) -> E {
        self.broken.set(Some(broken));
        E::custom("a limit")
    }

    /// The library's own words are not passed on: they could quote the payload.
    fn reject(&self, error: &serde_json::Error) -> Reject {
        let place = format!("at line {}, column {}", error.line(), error.column());
        let (code, message) = match (self.broken.get(), error.classify()) {
            (Some(Broken::Depth), _) => {
                (RejectCode::TooDeep, format!("more than {DEPTH_MAX} levels of nesting {place}"))
            }
            (Some(Broken::Values), _) => {
                (RejectCode::TooLarge, format!("more than {VALUES_MAX} values in one record {place}"))
            }
            (Some(Broken::SameKeyTwice), _) => {
                (RejectCode::MalformedJson, format!("a key stands twice in one object {place}"))
            }
            (None, Category::Eof) => {
                (RejectCode::MalformedJson, format!("the JSON ends before it is complete {place}"))
            }
            (None, _) => (RejectCode::MalformedJson, format!("not well-formed JSON {place}")),
        };
        Reject::new(code, "$", message)
    }
}

/// Reads one value at a depth.
#[derive(Clone, Copy)]
struct Reader<'r, 'b> {
    arena: &'r Bump,
    bounds: &'b Bounds,
    depth: usize,
}

impl Reader<'_, '_> {
    fn inside<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth >= DEPTH_MAX {
            return Err(self.bounds.stop(Broken::Depth));
        }
        Ok(Reader { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'de, '_> {
    type Value = Tree<'de>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Tree<'de>, D::Error> {
        let values = self.bounds.values.get() + 1;
        if values > VALUES_MAX {
            return Err(self.bounds.stop(Broken::Values));
        }
        self.bounds.values.set(values);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'de, '_> {
    type Value = Tree<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Tree<'de>, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Tree<'de>, E> {
        Ok(Tree::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree<'de>, E> {
        Ok(Tree::Number(Number::from(number)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree<'de>, E> {
        Ok(Tree::Number(Number::from(number)))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Tree<'de>, E> {
        Number::from_f64(number).map(Tree::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Tree<'de>, E> {
        Ok(Tree::Text(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree<'de>, E> {
        Ok(Tree::Text(self.arena.alloc_str(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree<'de>, A::Error> {
        let inside = self.inside()?;
        let mut values = ArenaVec::new_in(self.arena);
        while let Some(value) = list.next_element_seed(inside)? {
            values.push(value);
        }
        Ok(Tree::List(values.into_bump_slice()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Tree<'de>, A::Error> {
        let inside = self.inside::<A::Error>()?;
        let mut members: ArenaVec<'de, Member<'de>> = ArenaVec::new_in(self.arena);
        let mut keys: Option<HashSet<&str>> = None;
        while let Some(key) = object.next_key_seed(Key { arena: self.arena })? {
            let is_known = if members.len() < COMPARED_MAX {
                members.iter().any(|member| member.key == key)
            } else {
                let known = || members.iter().map(|member| member.key).collect();
                !keys.get_or_insert_with(known).insert(key)
            };
            if is_known {
                return Err(self.bounds.stop(Broken::SameKeyTwice));
            }
            members.push(Member { key, value: object.next_value_seed(inside)? });
        }
        Ok(Tree::Object(members.into_bump_slice()))
    }
}

/// Reads a key, borrowed where no escape stands in it.
struct Key<'r> {
    arena: &'r Bump,
}

impl<'de> DeserializeSeed<'de> for Key<'de> {
    type Value = &'de str;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<&'de str, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key<'de> {
    type Value = &'de str;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<&'de str, E> {
        Ok(key)
    }

    fn visit_str<E>(self, key: &str) -> Result<&'de str, E> {
        Ok(self.arena.alloc_str(key))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::arena;
    use super::*;

    #[test]
    fn a_tree_is_what_serde_json_reads() {
        let text = r#"{"a":[1,-2,2.5,1e3,"\u00e9\n",true,null,{}],"b":{"c":[]},"n":18446744073709551615}"#;
        let value: Value = serde_json::from_str(text).unwrap();
        let arena = arena();
        let expected = Tree::of(&value, &arena);
        // The library's own objects are sorted by key, and so is the text.
        assert_eq!(parse(text.as_bytes(), &arena).unwrap(), expected);
        let Tree::Object(members) = expected else { panic!("an object") };
        let reversed: Vec<Member<'_>> = members.iter().rev().cloned().collect();
        assert_ne!(
            parse(text.as_bytes(), &arena).unwrap(),
            Tree::Object(&reversed),
            "members stay in their order"
        );
    }

    #[test]
    fn a_key_that_stands_twice_is_found_in_a_large_object_too() {
        let object = |keys: usize, last: usize| {
            let members: Vec<String> = (0..keys).chain([last]).map(|key| format!("\"k{key}\":0")).collect();
            format!("{{{}}}", members.join(","))
        };
        for keys in [COMPARED_MAX - 1, COMPARED_MAX, COMPARED_MAX + 1, 1_000] {
            assert!(parse(object(keys, keys).as_bytes(), &arena()).is_ok());
            for last in [0, keys - 1] {
                assert_eq!(
                    parse(object(keys, last).as_bytes(), &arena()).unwrap_err().code,
                    RejectCode::MalformedJson
                );
            }
        }
    }

    #[test]
    fn what_is_not_one_strict_json_text_is_refused() {
        for (bytes, code) in [
            (b"" as &[u8], RejectCode::Empty),
            (b" ", RejectCode::MalformedJson),
            (b"{\"a\":1", RejectCode::MalformedJson),
            (b"{} {}", RejectCode::MalformedJson),
            (b"{\"a\":1e400}", RejectCode::MalformedJson),
            (b"{\"a\":NaN}", RejectCode::MalformedJson),
            (b"{\"a\":01}", RejectCode::MalformedJson),
            (b"{\"a\":1,\"a\":1}", RejectCode::MalformedJson),
            (b"[{\"b\":{\"a\":1,\"\\u0061\":1}}]", RejectCode::MalformedJson),
            (b"\"\xff\"", RejectCode::MalformedJson),
            (b"\xef\xbb\xbf{}", RejectCode::MalformedJson),
        ] {
            assert_eq!(
                parse(bytes, &arena()).unwrap_err().code,
                code,
                "{:?}",
                String::from_utf8_lossy(bytes)
            );
        }
    }

    #[test]
    fn nesting_is_allowed_to_64_levels_and_brackets_in_texts_do_not_count() {
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(parse(nested(64).as_bytes(), &arena()).is_ok());
        assert_eq!(check_depth(&serde_json::from_str::<Value>(&nested(64)).unwrap()), Ok(()));
        let deeper = serde_json::from_str::<Value>(&nested(65)).unwrap();
        assert_eq!(check_depth(&deeper).unwrap_err().code, RejectCode::TooDeep);
        assert_eq!(parse(nested(65).as_bytes(), &arena()).unwrap_err().code, RejectCode::TooDeep);
        assert_eq!(parse("[".repeat(1_000_000).as_bytes(), &arena()).unwrap_err().code, RejectCode::TooDeep);
        assert_eq!(
            parse(r#"{"a":"#.repeat(1_000_000).as_bytes(), &arena()).unwrap_err().code,
            RejectCode::TooDeep
        );
        assert!(parse(format!("\"{}\"", "[".repeat(1_000_000)).as_bytes(), &arena()).is_ok());
    }

    #[test]
    fn a_record_of_very_many_values_is_refused() {
        let many = format!("[{}0]", "0,".repeat(VALUES_MAX));
        assert_eq!(parse(many.as_bytes(), &arena()).unwrap_err().code, RejectCode::TooLarge);
    }

    #[test]
    fn messages_name_the_place_and_quote_nothing() {
        let reject = parse(b"{\"secret\":1,\"secret\":2}", &arena()).unwrap_err();
        assert!(reject.message.contains("line 1, column"), "{reject}");
        assert!(!reject.message.contains("secret"), "{reject}");
    }
}

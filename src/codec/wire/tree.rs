//! One record's value as a tree that borrows its texts from the record wherever they stand there as they are,
//! so that reading a record copies nothing that nobody keeps. All else lies in an arena, which is asked for memory
//! once and given back as a whole: a record has dozens of values, and none of them outlives it. What the tree means
//! is not known here.

use bumpalo::Bump;
use serde_json::{Number, Value};

/// How many bytes an arena begins with: enough for the tree of most events.
const ARENA_BYTES: usize = 4_000;

/// A value. The members of an object stand in the order in which they were sent, each key once. Nothing in it has to
/// be dropped, since an arena drops nothing.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree<'r> {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A number that a double can hold.
    Number(Number),
    /// A text.
    Text(&'r str),
    /// A list.
    List(&'r [Tree<'r>]),
    /// An object.
    Object(&'r [Member<'r>]),
}

/// A member of an object.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Member<'r> {
    /// Its key, as the sender wrote it.
    pub(super) key: &'r str,
    /// Its value.
    pub(super) value: Tree<'r>,
}

/// Where one record's tree lies.
pub(super) fn arena() -> Bump {
    Bump::with_capacity(ARENA_BYTES)
}

impl<'r> Tree<'r> {
    /// The same value, borrowed from a tree of the JSON library. Recurses as deep as the tree is.
    pub(super) fn of(value: &'r Value, arena: &'r Bump) -> Tree<'r> {
        match value {
            Value::Null => Tree::Null,
            Value::Bool(flag) => Tree::Bool(*flag),
            Value::Number(number) => Tree::Number(number.clone()),
            Value::String(text) => Tree::Text(text),
            Value::Array(list) => {
                Tree::List(arena.alloc_slice_fill_iter(list.iter().map(|value| Tree::of(value, arena))))
            }
            Value::Object(object) => Tree::Object(arena.alloc_slice_fill_iter(
                object.iter().map(|(key, value)| Member { key, value: Tree::of(value, arena) }),
            )),
        }
    }

    /// The text, where it is one.
    pub(super) fn text(&self) -> Option<&'r str> {
        match self {
            Tree::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The member of this key, where it is an object that has it.
    pub(super) fn member(&self, key: &str) -> Option<&Tree<'r>> {
        match self {
            Tree::Object(members) => {
                members.iter().find(|member| member.key == key).map(|member| &member.value)
            }
            _ => None,
        }
    }

    /// Writes it so that equal values are the same bytes and others are not: whatever a derived id is of. Members of
    /// objects come in the order of their keys, texts and keys after their lengths, and doubles as their bits.
    pub(super) fn write_for_id(&self, bytes: &mut Vec<u8>) {
        let text = |kind: char, text: &str, bytes: &mut Vec<u8>| {
            bytes.extend(format!("{kind}{}:{text}", text.len()).bytes());
        };
        match self {
            Tree::Null => bytes.push(b'n'),
            Tree::Bool(flag) => bytes.push(if *flag { b't' } else { b'f' }),
            Tree::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
                Some(double) => bytes.extend(format!("d{:016x}", double.to_bits()).bytes()),
                None => bytes.extend(format!("i{number};").bytes()),
            },
            Tree::Text(one) => text('s', one, bytes),
            Tree::List(list) => {
                bytes.push(b'[');
                list.iter().for_each(|part| part.write_for_id(bytes));
                bytes.push(b']');
            }
            Tree::Object(members) => {
                let mut members: Vec<&Member<'_>> = members.iter().collect();
                members.sort_by(|one, other| one.key.cmp(other.key));
                bytes.push(b'{');
                for member in members {
                    text('k', member.key, bytes);
                    member.value.write_for_id(bytes);
                }
                bytes.push(b'}');
            }
        }
    }

    /// The JSON path from here to `value`, which must be a part of this tree: the same one, not an equal one.
    /// It is looked for, since a path is only said of what is wrong, and of one value of a record at most.
    pub(super) fn path_to(&self, value: &Tree<'r>) -> String {
        let mut path = String::from("$");
        self.find(value, &mut path);
        path
    }

    fn find(&self, value: &Tree<'r>, path: &mut String) -> bool {
        if std::ptr::eq(self, value) {
            return true;
        }
        let length = path.len();
        let mut inside = |step: &str, part: &Tree<'r>| {
            path.push_str(step);
            let found = part.find(value, path);
            if !found {
                path.truncate(length);
            }
            found
        };
        match self {
            Tree::List(list) => {
                list.iter().enumerate().any(|(index, part)| inside(&format!("[{index}]"), part))
            }
            Tree::Object(members) => {
                members.iter().any(|member| inside(&format!(".{}", member.key), &member.value))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_ids_are_derived_from_stays_the_same() {
        let bytes = |value: serde_json::Value| {
            let (mut bytes, arena) = (Vec::new(), arena());
            Tree::of(&value, &arena).write_for_id(&mut bytes);
            String::from_utf8(bytes).unwrap()
        };
        let value =
            json!({"b": [1, -2, 0.5, 1e300], "a": {"": null, "é": "\u{0}\"", "z": [true, false, []]}});
        let expected = "{k1:a{k0:nk1:z[tf[]]k2:és2:\u{0}\"}k1:b[i1;i-2;d3fe0000000000000d7e37e43c8800759c]}";
        assert_eq!(bytes(value), expected);
        assert_ne!(bytes(json!(["a", "b"])), bytes(json!(["as1:b"])));
        assert_ne!(bytes(json!(1)), bytes(json!(1.0)), "senders tell them apart");
    }

    #[test]
    fn a_path_leads_to_the_value_itself_and_not_to_its_equal() {
        let value = json!({"a": [1, {"b": 1}], "c": {"b": 1}});
        let arena = arena();
        let tree = Tree::of(&value, &arena);
        let inner = tree.member("c").and_then(|object| object.member("b")).unwrap();
        assert_eq!(tree.path_to(inner), "$.c.b");
        let Some(Tree::List(list)) = tree.member("a") else { panic!("a list") };
        assert_eq!(tree.path_to(&list[0]), "$.a[0]");
        assert_eq!(tree.path_to(list[1].member("b").unwrap()), "$.a[1].b");
        assert_eq!(tree.path_to(&tree), "$");
    }
}

//! A quick reader of the JSON that most senders write, in half the time of a library that reads anything: it makes one
//! kind of tree, looks at eight bytes of a text at a time, and gives up at whatever is seldom or wrong. It decides
//! nothing. What it does read is what the library would read; what it gives up the library reads again, and says what
//! it is or what is wrong with it.

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use serde_json::Number;

use super::json::{COMPARED_MAX, DEPTH_MAX, VALUES_MAX};
use super::tree::{Member, Tree};

/// A whole number of so many digits fits, whatever they are.
const DIGITS_MAX: usize = 18;

/// The tree of a JSON text; none where it is for the library to say.
pub(super) fn read<'r>(text: &'r str, arena: &'r Bump) -> Option<Tree<'r>> {
    let mut reader = Quick { text, at: 0, values: 0, arena };
    reader.skip_blanks();
    let tree = reader.value(0)?;
    reader.skip_blanks();
    (reader.at == text.len()).then_some(tree)
}

struct Quick<'r> {
    text: &'r str,
    /// Which byte comes next.
    at: usize,
    /// How many values have begun.
    values: usize,
    arena: &'r Bump,
}

impl<'r> Quick<'r> {
    fn value(&mut self, depth: usize) -> Option<Tree<'r>> {
        self.values += 1;
        if self.values > VALUES_MAX {
            return None;
        }
        match self.peek()? {
            b'"' => self.string().map(Tree::Text),
            b'{' => self.object(depth),
            b'[' => self.list(depth),
            b't' => self.word("true", Tree::Bool(true)),
            b'f' => self.word("false", Tree::Bool(false)),
            b'n' => self.word("null", Tree::Null),
            _ => self.number().map(Tree::Number),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Tree<'r>> {
        self.open(depth)?;
        if self.takes(b'}') {
            return Some(Tree::Object(&[]));
        }
        // A record has about a dozen, the objects in it half of that.
        let capacity = if depth == 0 { 12 } else { 6 };
        let mut members: ArenaVec<'r, Member<'r>> = ArenaVec::with_capacity_in(capacity, self.arena);
        let mut marks: u64 = 0;
        loop {
            let key = self.string()?;
            // Keys of different marks differ, and most do.
            let mark = 1 << mark(key.as_bytes());
            let is_known = marks & mark != 0 && members.iter().any(|member| member.key == key);
            if is_known || members.len() == COMPARED_MAX {
                return None;
            }
            marks |= mark;
            self.skip_blanks();
            if !self.takes(b':') {
                return None;
            }
            members.push(Member { key, value: self.value(depth + 1)? });
            self.skip_blanks();
            if self.takes(b'}') {
                return Some(Tree::Object(members.into_bump_slice()));
            }
            if !self.takes(b',') {
                return None;
            }
        }
    }

    fn list(&mut self, depth: usize) -> Option<Tree<'r>> {
        self.open(depth)?;
        if self.takes(b']') {
            return Some(Tree::List(&[]));
        }
        let mut values = ArenaVec::new_in(self.arena);
        loop {
            values.push(self.value(depth + 1)?);
            self.skip_blanks();
            if self.takes(b']') {
                return Some(Tree::List(values.into_bump_slice()));
            }
            if !self.takes(b',') {
                return None;
            }
        }
    }

    /// Goes into an object or a list.
    fn open(&mut self, depth: usize) -> Option<()> {
        self.at += 1;
        self.skip_blanks();
        (depth < DEPTH_MAX).then_some(())
    }

    /// A text or a key, which begins with its quotation mark.
    fn string(&mut self) -> Option<&'r str> {
        if self.peek()? != b'"' {
            return None;
        }
        let begins = self.at + 1;
        let rest = self.text.as_bytes().get(begins..)?;
        let length = plain_length(rest);
        match rest.get(length)? {
            b'"' => {
                self.at = begins + length + 1;
                self.text.get(begins..begins + length)
            }
            b'\\' => self.escaped(begins + length),
            _ => None,
        }
    }

    /// The same with escapes, the first of them at `at`: what they stand for the library says.
    fn escaped(&mut self, mut at: usize) -> Option<&'r str> {
        let begins = self.at;
        loop {
            match self.text.as_bytes().get(at)? {
                b'"' => break,
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
        self.at = at + 1;
        let text: String = serde_json::from_str(self.text.get(begins..self.at)?).ok()?;
        Some(self.arena.alloc_str(&text))
    }

    fn number(&mut self) -> Option<Number> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let is_of_number = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E');
        let length = rest.iter().position(|byte| !is_of_number(byte)).unwrap_or(rest.len());
        let number = self.text.get(self.at..self.at + length)?;
        self.at += length;
        let is_whole = length <= DIGITS_MAX && number.bytes().all(|byte| byte.is_ascii_digit());
        if is_whole && (length == 1 || !number.starts_with('0')) && length > 0 {
            let whole = number.bytes().fold(0, |whole: u64, byte| whole * 10 + u64::from(byte - b'0'));
            return Some(Number::from(whole));
        }
        serde_json::from_str(number).ok()
    }

    fn word(&mut self, word: &str, value: Tree<'r>) -> Option<Tree<'r>> {
        let is_there = self.text.get(self.at..)?.starts_with(word);
        self.at += word.len();
        is_there.then_some(value)
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Takes this byte, if it comes next, and the blanks after it.
    fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        if is_next {
            self.at += 1;
            self.skip_blanks();
        }
        is_next
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }
}

/// A number below 64 that is the same for the same key.
fn mark(key: &[u8]) -> u32 {
    let byte = |byte: Option<&u8>| byte.map_or(0, |byte| u32::from(*byte));
    let (first, last) = (byte(key.first()), byte(key.last()));
    (key.len() as u32).wrapping_mul(7).wrapping_add(first.wrapping_mul(3)).wrapping_add(last) % 64
}

/// How many bytes there are before the first quotation mark, backslash or control character.
fn plain_length(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (number, word) in words.iter().enumerate() {
        let ends = ends_of_text(u64::from_le_bytes(*word));
        if ends != 0 {
            return number * 8 + (ends.trailing_zeros() / 8) as usize;
        }
    }
    let is_end = |byte: &u8| matches!(byte, b'"' | b'\\' | ..b' ');
    words.len() * 8 + rest.iter().position(is_end).unwrap_or(rest.len())
}

/// The highest bit of the first of eight bytes that is a quotation mark, a backslash or a control character; perhaps
/// those of others behind it, and none where there is none. Taking one off a byte sets that bit where the byte was
/// zero, or had it already; and only a byte that was zero takes one from the byte behind it.
fn ends_of_text(bytes: u64) -> u64 {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    const HIGHEST: u64 = EACH << 7;
    let equal = |byte: u8| {
        let zero_where_equal = bytes ^ (EACH * byte as u64);
        zero_where_equal.wrapping_sub(EACH) & !zero_where_equal
    };
    let control = bytes.wrapping_sub(EACH * 0x20) & !bytes;
    (equal(b'"') | equal(b'\\') | control) & HIGHEST
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::super::json;
    use super::super::tree::arena;
    use super::*;

    /// What is read is what the library reads, and what it refuses is not read. Answers whether it was read.
    fn is_read(text: &str) -> bool {
        let arena = arena();
        let quick = read(text, &arena);
        if let Some(tree) = &quick {
            assert_eq!(json::read_any(text, &arena).as_ref().ok(), Some(tree), "{text:?}");
        }
        quick.is_some()
    }

    #[test]
    fn what_senders_write_is_read() {
        for text in [
            r#"{"a":"b","c":{"d":[1,2.5,-3,1e3,true,false,null,[],{}]}}"#,
            " { \"a\" : [ 1 , \"x\" ] ,\n\t\"b\"\r: { } } ",
            r#"["Größe \"é\" \/ \u00e9\n\ud83d\ude00","\\"]"#,
            r#"{"\u0061":1,"b\"":2}"#,
            "0",
            "999999999999999999",
            "18446744073709551615",
            "18446744073709551616",
            "\"\"",
        ] {
            assert!(is_read(text), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_or_seldom_is_left_to_the_library() {
        for text in [
            "",
            " ",
            "{",
            "[",
            "\"",
            "\"\\",
            "\"\\\"",
            "{\"a\"",
            "{\"a\":",
            "{\"a\":1",
            "{\"a\":1,}",
            "{,}",
            "[1,]",
            "[1 2]",
            "{\"a\" 1}",
            "{a:1}",
            "{\"a\":1}x",
            "01",
            "-",
            "-01",
            "1.",
            ".5",
            "+1",
            "1e400",
            "NaN",
            "tru",
            "truex",
            "nul",
            "\"\u{1}\"",
            "\"\\ud800\"",
            "\"\\x\"",
            "{\"a\":1,\"\\u0061\":1}",
        ] {
            assert!(!is_read(text), "{text:?}");
        }
        let nested = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(is_read(&nested(DEPTH_MAX)) && !is_read(&nested(DEPTH_MAX + 1)));
        assert!(!is_read(&"[".repeat(1_000_000)));
        let list = |values: usize| format!("[{}]", vec!["0"; values].join(","));
        assert!(is_read(&list(VALUES_MAX - 1)) && !is_read(&list(VALUES_MAX)));
        let object = |keys: usize| {
            let members: Vec<String> = (0..keys).map(|key| format!("\"k{key}\":0")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert!(is_read(&object(COMPARED_MAX)) && !is_read(&object(COMPARED_MAX + 1)));
    }

    #[test]
    fn the_end_of_a_text_is_seen_wherever_it_stands() {
        let is_end = |byte: &u8| *byte < b' ' || *byte == b'"' || *byte == b'\\';
        for length in 0..20 {
            for (end, after) in
                (0..=0xff).flat_map(|end| [b'x', b'"', 0x1f, b'!', b'#'].map(|after| (end, after)))
            {
                let mut bytes = vec![b'x'; length];
                bytes.extend([end, after, after]);
                let expected = bytes.iter().position(is_end).unwrap_or(bytes.len());
                assert_eq!(plain_length(&bytes), expected, "{end} at {length}, then {after}");
            }
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
            "[ -~]{0,24}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inside| {
            prop_oneof![
                prop::collection::vec(inside.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".{0,6}", inside, 0..6)
                    .prop_map(|object| Value::Object(object.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_json_is_read(value in json(), pretty in any::<bool>()) {
            let text = if pretty { format!("{value:#}") } else { value.to_string() };
            prop_assert!(is_read(&text), "{text}");
        }

        #[test]
        fn whatever_is_damaged_is_read_as_the_library_reads_it(
            value in json(),
            at in any::<prop::sample::Index>(),
            cut in 0..3_usize,
            put in "[\\[\\]{}\":,\\\\0-9eE+.a-u \n\u{1}\u{e9}-]{0,3}",
        ) {
            let mut text: Vec<char> = value.to_string().chars().collect();
            let at = at.index(text.len());
            text.splice(at..(at + cut).min(text.len()), put.chars());
            is_read(&text.into_iter().collect::<String>());
        }

        #[test]
        fn any_text_is_read_as_the_library_reads_it(text in ".{0,40}") {
            is_read(&text);
        }
    }
}

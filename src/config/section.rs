//! Reads the keys of one section from the tree, and writes into the tree what was left to its default, so
//! that the tree ends up holding every value in force. A value that is wrong is reported and stands in for
//! itself with a harmless one: reading goes on, and all that is wrong is said at once.

use std::ops::RangeInclusive;

use compact_str::CompactString;

use super::keys::{Absent, Key};
use super::node::{Entry, Node, Place, Scalar, Source, Value};
use super::problems::Problems;
use super::quantity::Quantity;
use super::{document, suggestion};

/// The longest text, in bytes, where a key says nothing of its own.
const TEXT_BYTES_MAX: usize = 4_096;

/// One mapping whose keys are known.
pub(crate) struct Section<'n> {
    path: String,
    place: Place,
    keys: &'static [Key],
    entries: &'n mut Vec<Entry>,
}

/// A text with its place.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    /// The text.
    pub(crate) text: CompactString,
    /// Where it stands.
    pub(crate) place: Place,
}

impl<'n> Section<'n> {
    /// Opens a value as a section: reports unknown keys and missing ones, fills in defaults, and puts the
    /// keys in the order of the table. None if the value is no mapping, which is reported.
    pub(crate) fn open(
        node: &'n mut Node,
        path: &str,
        keys: &'static [Key],
        problems: &mut Problems<'_>,
    ) -> Option<Section<'n>> {
        let place = node.place.clone();
        let entries = entries(node, path, problems)?;
        let known = keys.iter().map(|key| key.name);
        for entry in entries.iter().filter(|entry| known.clone().all(|name| name != entry.key)) {
            let message = format!("{}`{}` is not known", within(path), entry.key);
            problems.error(&entry.place, message, suggestion::hint(&entry.key, known.clone()));
        }
        // A key without a value says nothing.
        entries.retain(|entry| {
            !matches!(entry.value.value, Value::Null) && known.clone().any(|name| name == entry.key)
        });
        let mut section = Section { path: path.into(), place, keys, entries };
        section.complete(problems);
        Some(section)
    }

    /// Where the section begins.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// A key of it as a section of its own; an empty one if it is absent.
    pub(crate) fn section(
        &mut self,
        key: &str,
        keys: &'static [Key],
        problems: &mut Problems<'_>,
    ) -> Option<Section<'_>> {
        let path = self.path_of(key);
        if self.find(key).is_none() {
            let place = Place { source: Source::Default, ..self.place.clone() };
            self.put(key, Node::empty_map(place));
        }
        Section::open(self.find(key)?, &path, keys, problems)
    }

    /// The value of a key, if it is there.
    pub(crate) fn find(&mut self, key: &str) -> Option<&mut Node> {
        self.entries.iter_mut().find(|entry| entry.key == key).map(|entry| &mut entry.value)
    }

    /// Whether a key is there.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// Where the value of a key stands; where the section stands if it is absent.
    pub(crate) fn place_of(&self, key: &str) -> Place {
        let found = self.entries.iter().find(|entry| entry.key == key);
        found.map_or(&self.place, |entry| &entry.value.place).clone()
    }

    /// The full name of a key.
    pub(crate) fn path_of(&self, key: &str) -> String {
        format!("{}{key}", within(&self.path))
    }

    /// Sets a default that depends on other keys.
    pub(crate) fn put_default(&mut self, key: &str, text: &str) {
        if !self.has(key) {
            let place = Place { source: Source::Default, ..self.place.clone() };
            self.put(key, Node::text(place, text));
        }
    }

    /// A text that is not empty.
    pub(crate) fn text(&mut self, key: &str, problems: &mut Problems<'_>) -> Option<Text> {
        let path = self.path_of(key);
        text_of(self.find(key)?, &path, problems)
    }

    /// A text as it stands, with its columns.
    pub(crate) fn scalar(&mut self, key: &str, problems: &mut Problems<'_>) -> Option<(Scalar, Place)> {
        let path = self.path_of(key);
        let node = self.find(key)?;
        text_of(node, &path, problems)?;
        match &node.value {
            Value::Scalar(scalar) => Some((scalar.clone(), node.place.clone())),
            _ => None,
        }
    }

    /// A list of texts, each once; a single text is a list of one.
    pub(crate) fn texts(&mut self, key: &str, count_max: usize, problems: &mut Problems<'_>) -> Vec<Text> {
        let path = self.path_of(key);
        let Some(node) = self.find(key) else { return Vec::new() };
        let texts: Vec<Text> = match &node.value {
            Value::List(nodes) => nodes.iter().filter_map(|node| text_of(node, &path, problems)).collect(),
            _ => text_of(node, &path, problems).into_iter().collect(),
        };
        if texts.len() > count_max {
            let message = format!("{path} has {} entries; at most {count_max} are allowed", texts.len());
            problems.error(&node.place, message, None);
        }
        let mut seen = std::collections::HashSet::new();
        for again in texts.iter().filter(|text| !seen.insert(&text.text)) {
            let message = format!("{path} names `{}` twice", again.text);
            problems.error(&again.place, message, Some("keep one of them".into()));
        }
        texts
    }

    /// A whole number in a range.
    pub(crate) fn whole(
        &mut self,
        key: &str,
        range: RangeInclusive<i64>,
        problems: &mut Problems<'_>,
    ) -> i64 {
        let read = |text: &str| text.parse().map_err(|_| "write a whole number in digits".to_owned());
        self.within_range(key, range, problems, read, |number| number.to_string())
    }

    /// A number in a range.
    pub(crate) fn number(
        &mut self,
        key: &str,
        range: RangeInclusive<f64>,
        problems: &mut Problems<'_>,
    ) -> f64 {
        self.within_range(key, range, problems, read_number, |number| number.to_string())
    }

    /// A duration in milliseconds, in a range.
    pub(crate) fn duration_ms(
        &mut self,
        key: &str,
        range: RangeInclusive<i64>,
        problems: &mut Problems<'_>,
    ) -> i64 {
        let unit = Quantity::Duration;
        self.within_range(key, range, problems, |text| unit.read(text), |number| unit.show(number))
    }

    /// A size in bytes, in a range.
    pub(crate) fn size_bytes(
        &mut self,
        key: &str,
        range: RangeInclusive<i64>,
        problems: &mut Problems<'_>,
    ) -> usize {
        let unit = Quantity::Size;
        let bytes =
            self.within_range(key, range, problems, |text| unit.read(text), |number| unit.show(number));
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// A truth value.
    pub(crate) fn truth(&mut self, key: &str, problems: &mut Problems<'_>) -> bool {
        self.choice(key, &[("false", false), ("true", true)], problems)
    }

    /// One of a few words.
    pub(crate) fn choice<T: Copy>(
        &mut self,
        key: &str,
        words: &[(&str, T)],
        problems: &mut Problems<'_>,
    ) -> T {
        let first = words.first().expect("a choice has words").1;
        let path = self.path_of(key);
        let Some(text) = self.text(key, problems) else { return first };
        if let Some((_, value)) = words.iter().find(|(word, _)| *word == &*text.text) {
            return *value;
        }
        let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let message = format!("{path} is `{}`; it must be {}", text.text, names.join(" or "));
        let hint = suggestion::nearest(&text.text, names.iter().copied());
        problems.error(&text.place, message, hint.map(|name| format!("did you mean `{name}`?")));
        first
    }

    fn within_range<T: PartialOrd + Copy>(
        &mut self,
        key: &str,
        range: RangeInclusive<T>,
        problems: &mut Problems<'_>,
        read: impl Fn(&str) -> Result<T, String>,
        show: impl Fn(T) -> String,
    ) -> T {
        let path = self.path_of(key);
        let Some(text) = self.text(key, problems) else { return *range.start() };
        match read(&text.text) {
            Ok(number) if range.contains(&number) => return number,
            Ok(_) => {
                let (least, most) = (show(*range.start()), show(*range.end()));
                let message = format!("{path} is {}; it must lie between {least} and {most}", text.text);
                problems.error(&text.place, message, self.meaning(key));
            }
            Err(expected) => {
                problems.error(
                    &text.place,
                    format!("{path} is `{}`: {expected}", text.text),
                    self.meaning(key),
                );
            }
        }
        *range.start()
    }

    fn meaning(&self, key: &str) -> Option<String> {
        let found = self.keys.iter().find(|known| known.name == key);
        found.map(|known| format!("{}: {}", known.name, known.meaning))
    }

    fn put(&mut self, key: &str, value: Node) {
        self.entries.push(Entry { key: key.into(), place: value.place.clone(), value });
        self.sort();
    }

    fn sort(&mut self) {
        let keys = self.keys;
        self.entries.sort_by_key(|entry| keys.iter().position(|key| key.name == entry.key));
    }

    /// Fills in the defaults and reports what is missing.
    fn complete(&mut self, problems: &mut Problems<'_>) {
        for key in self.keys {
            if self.has(key.name) {
                continue;
            }
            match key.absent {
                Absent::Fine => {}
                Absent::Refused => {
                    let message = format!("{} is missing", self.path_of(key.name));
                    problems.error(&self.place, message, self.meaning(key.name));
                }
                Absent::Means(text) => {
                    let parsed = document::parse(text, &Source::Default, problems);
                    let mut value = parsed.expect("a default is YAML");
                    value.place = Place { source: Source::Default, ..self.place.clone() };
                    self.put(key.name, value);
                }
            }
        }
        self.sort();
    }
}

/// The entries of a mapping whose keys are free, such as the names of attributes. An absent value has none.
pub(crate) fn entries<'n>(
    node: &'n mut Node,
    path: &str,
    problems: &mut Problems<'_>,
) -> Option<&'n mut Vec<Entry>> {
    if matches!(node.value, Value::Null) {
        node.value = Value::Map(Vec::new());
    }
    let kind = node.kind();
    match &mut node.value {
        Value::Map(entries) => Some(entries),
        _ => {
            let name = if path.is_empty() { "the document" } else { path };
            let hint = Some("write it as `key: value`".into());
            problems.error(&node.place, format!("{name} is {kind}; it must be a mapping"), hint);
            None
        }
    }
}

/// A value as a text that is not empty.
pub(crate) fn text_of(node: &Node, path: &str, problems: &mut Problems<'_>) -> Option<Text> {
    let problem = match &node.value {
        Value::Scalar(scalar) if scalar.text.trim().is_empty() => format!("{path} is empty"),
        Value::Scalar(scalar) if scalar.text.len() > TEXT_BYTES_MAX => {
            format!("{path} has {} bytes; at most {TEXT_BYTES_MAX} are allowed", scalar.text.len())
        }
        Value::Scalar(scalar) => {
            return Some(Text { text: scalar.text.as_str().into(), place: node.place.clone() });
        }
        _ => format!("{path} is {}; it must be a single value", node.kind()),
    };
    problems.error(&node.place, problem, None);
    None
}

/// A finite number.
pub(crate) fn read_number(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| "write a number such as 2 or 0.5".into())
}

fn within(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}.") }
}

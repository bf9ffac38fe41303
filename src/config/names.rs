//! The names that definitions declare. They are gathered before anything is read, so that a mistake in one
//! definition does not make every mention of it a mistake too.

use std::collections::HashMap;

use super::node::{Node, Place, Value};
use super::problems::Problems;
use super::section::Section;
use crate::domain::rulebook::NameId;

/// The longest name, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 64;
/// What CEL keeps for itself, so that `attributes.NAME` cannot be written with it.
const RESERVED: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];

/// All names, in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Of attributes.
    pub(crate) attributes: Vec<Declared>,
    /// Of interests.
    pub(crate) interests: Vec<Declared>,
    /// Of segments.
    pub(crate) segments: Vec<Declared>,
    /// Of rules. Nothing mentions one, but its name is stored by number like the others.
    pub(crate) rules: Vec<Declared>,
    /// Of slots.
    pub(crate) slots: Vec<Declared>,
}

/// A name and where it is declared.
#[derive(Clone, Debug)]
pub(crate) struct Declared {
    /// The name.
    pub(crate) name: String,
    /// Where.
    pub(crate) place: Place,
}

/// Whether a name follows `.` in conditions, which allows fewer characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// It does.
    Member,
    /// It does not.
    Free,
}

impl Names {
    /// Gathers and checks the names of the definitions.
    pub(crate) fn gather(definitions: &mut Section<'_>, problems: &mut Problems<'_>) -> Names {
        let mut of = |key, count_max, spelling| gather(definitions, key, count_max, spelling, problems);
        Names {
            attributes: of("attributes", 256, Spelling::Member),
            interests: of("interests", 64, Spelling::Member),
            segments: of("segments", 256, Spelling::Free),
            rules: of("rules", 256, Spelling::Free),
            slots: of("slots", 256, Spelling::Free),
        }
    }
}

/// The names among some declared ones.
pub(crate) fn names_of(declared: &[Declared]) -> impl Iterator<Item = &str> + Clone {
    declared.iter().map(|declared| declared.name.as_str())
}

/// Where a name is among the declared ones.
pub(crate) fn position(declared: &[Declared], name: &str) -> Option<usize> {
    declared.iter().position(|declared| declared.name == name)
}

fn gather(
    definitions: &mut Section<'_>,
    key: &str,
    count_max: usize,
    spelling: Spelling,
    problems: &mut Problems<'_>,
) -> Vec<Declared> {
    let Some(Node { place, value: Value::Map(entries) }) = definitions.find(key) else { return Vec::new() };
    if entries.len() > count_max {
        let message = format!("{key} has {} entries; at most {count_max} are allowed", entries.len());
        problems.error(place, message, None);
        // What is read for nothing should not cost much either.
        entries.truncate(count_max);
    }
    let declared: Vec<Declared> = entries
        .iter()
        .map(|entry| Declared { name: entry.key.clone(), place: entry.place.clone() })
        .collect();
    for one in &declared {
        check_spelling(one, spelling, problems);
    }
    check_numbers(&declared, problems);
    declared
}

/// Reports what is no name.
pub(crate) fn check_spelling(declared: &Declared, spelling: Spelling, problems: &mut Problems<'_>) {
    let name = &declared.name;
    let member = spelling == Spelling::Member;
    let allowed = |next: char| {
        next.is_ascii_lowercase() || next.is_ascii_digit() || next == '_' || (next == '-' && !member)
    };
    let begins = name.starts_with(|first: char| first.is_ascii_lowercase());
    if !begins || name.len() > NAME_BYTES_MAX || !name.chars().all(allowed) {
        let more = if member { "'_'" } else { "'_' and '-'" };
        let hint = format!("begin with a-z and go on with a-z, 0-9, {more}, at most {NAME_BYTES_MAX}");
        problems.error(&declared.place, format!("`{name}` is no name"), Some(hint));
    } else if member && RESERVED.contains(&name.as_str()) {
        let message = format!("`{name}` is a word of CEL and cannot be a name");
        problems.error(&declared.place, message, Some("choose another name".into()));
    }
}

/// State holds numbers in the place of names, so no two names of a kind may have the same number.
fn check_numbers(declared: &[Declared], problems: &mut Problems<'_>) {
    let mut numbers: HashMap<NameId, &str> = HashMap::new();
    for one in declared {
        if let Some(other) = numbers.insert(NameId::of(&one.name), &one.name) {
            let message = format!("`{}` and `{other}` have the same number in stored state", one.name);
            problems.error(&one.place, message, Some("rename one of them".into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::node::Source;
    use super::*;

    #[test]
    fn two_names_of_one_number_are_refused() {
        let mut numbers: HashMap<NameId, String> = HashMap::new();
        // With 32 bits, two of a few hundred thousand names have the same number.
        let pair = (0..1_000_000).map(|number| format!("n{number}")).find_map(|name| {
            let other = numbers.insert(NameId::of(&name), name.clone())?;
            Some([other, name])
        });
        let place = Place { source: Source::File, line: 1, column: 1 };
        let declared = pair.unwrap().map(|name| Declared { name, place: place.clone() });
        let mut problems = Problems::new("", "f");
        check_numbers(&declared, &mut problems);
        assert!(problems.finish().unwrap_err().to_string().contains("same number"));
    }
}

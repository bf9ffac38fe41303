//! Prints the tree as YAML that reads back as the same tree: with the origin of each value for people, or
//! without for the text of definitions. Secrets are left out in either case.

use std::fmt::Write;

use super::node::{Entry, Node, Source, Value};
use super::secrets;

/// Whether the origin of each value stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origins {
    /// As a comment.
    Shown,
    /// Nowhere.
    Left,
}

/// The entries of a mapping as a document.
pub(crate) fn print(node: &Node, origins: Origins) -> String {
    let mut printer = Printer { text: String::new(), origins };
    if let Value::Map(entries) = &node.value {
        printer.map(entries, 0, false, false);
    }
    printer.text
}

struct Printer {
    text: String,
    origins: Origins,
}

impl Printer {
    /// Prints entries. With `continued`, the first goes on in the line that a `- ` began.
    fn map(&mut self, entries: &[Entry], indent: usize, secret: bool, mut continued: bool) {
        for entry in entries {
            if !continued {
                self.text.push_str(&" ".repeat(indent));
            }
            continued = false;
            self.text.push_str(&quoted(&entry.key));
            self.text.push(':');
            self.value(&entry.value, indent + 2, secret || secrets::is_secret(&entry.key));
        }
    }

    fn value(&mut self, node: &Node, indent: usize, secret: bool) {
        match &node.value {
            Value::Map(entries) if !entries.is_empty() => {
                self.text.push('\n');
                self.map(entries, indent, secret, false);
            }
            Value::List(nodes) if nodes.iter().any(|node| !matches!(node.value, Value::Scalar(_))) => {
                self.text.push('\n');
                for node in nodes {
                    self.item(node, indent, secret);
                }
            }
            _ => {
                self.text.push(' ');
                self.text.push_str(&inline(node, secret));
                self.origin(&node.place.source, node.place.line);
            }
        }
    }

    fn item(&mut self, node: &Node, indent: usize, secret: bool) {
        self.text.push_str(&" ".repeat(indent));
        match &node.value {
            Value::Map(entries) if !entries.is_empty() => {
                self.text.push_str("- ");
                self.map(entries, indent + 2, secret, true);
            }
            _ => {
                self.text.push('-');
                self.value(node, indent + 2, secret);
            }
        }
    }

    fn origin(&mut self, source: &Source, line: u32) {
        // Writing to a String cannot fail.
        let _ = match source {
            _ if self.origins == Origins::Left => writeln!(self.text),
            Source::Default => writeln!(self.text, "  # default"),
            Source::File => writeln!(self.text, "  # file, line {line}"),
            Source::Environment(name) => writeln!(self.text, "  # environment {name}"),
            Source::Flag(name) => writeln!(self.text, "  # flag {name}"),
        };
    }
}

fn inline(node: &Node, secret: bool) -> String {
    match &node.value {
        Value::Null => "null".into(),
        Value::Scalar(scalar) => match &scalar.template {
            // What it was filled in from may be a secret; what it says in the file is none.
            Some(template) => quoted(template),
            None if secret => "\"***\"".into(),
            None => quoted(&scalar.text),
        },
        Value::List(nodes) => {
            let texts: Vec<String> = nodes.iter().map(|node| inline(node, secret)).collect();
            format!("[{}]", texts.join(", "))
        }
        Value::Map(_) => "{}".into(),
    }
}

/// A text as YAML: as it is where nothing else can be read from it, else in double quotes.
fn quoted(text: &str) -> String {
    let plain = |next: char| next.is_ascii_alphanumeric() || matches!(next, '_' | '.' | '/' | '-');
    let first = text.chars().next();
    let begins = first.is_some_and(|first| first.is_ascii_alphanumeric() || matches!(first, '.' | '/' | '_'));
    let number =
        text.strip_prefix('-').is_some_and(|rest| rest.starts_with(|next: char| next.is_ascii_digit()));
    let null = text.eq_ignore_ascii_case("null");
    if (begins || number) && !null && text.chars().all(plain) && !text.starts_with("...") {
        return text.into();
    }
    let mut quoted = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            // Line separators, the byte-order mark and non-characters are no printable YAML.
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => escape(&mut quoted, character),
            character if character.is_control() => escape(&mut quoted, character),
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

fn escape(text: &mut String, character: char) {
    // Writing to a String cannot fail.
    let _ = write!(text, "\\u{:04x}", u32::from(character));
}

#[cfg(test)]
mod tests {
    use super::super::document;
    use super::super::problems::Problems;
    use super::*;

    #[test]
    fn what_is_printed_reads_back_the_same() {
        let text = "a: {b: [1, '2', \"x\\ny\"], c: {}, d: []}\ne:\n  - f: 'null'\n    g: [[h]]\n\
                    \x20 - - -1\n  - \"- x\"\n'k: l': \"\\u2028\\u0085\"\n";
        let mut problems = Problems::new(text, "f");
        let tree = document::parse(text, &Source::File, &mut problems).unwrap();
        let printed = print(&tree, Origins::Left);
        let again = document::parse(&printed, &Source::File, &mut problems).unwrap();
        assert_eq!(print(&again, Origins::Left), printed);
        assert!(problems.finish().unwrap().is_empty());
        assert!(printed.contains("b: [1, 2, \"x\\u000ay\"]"), "{printed}");
        assert!(printed.contains("- f: \"null\"\n    g:\n      - [h]\n"), "{printed}");
        assert!(print(&tree, Origins::Shown).contains("c: {}  # file, line 1\n"));
    }
}

//! Compiles conditions, and checks that every name in them is declared. A mistake inside a condition is shown
//! at its own column of the file.

use super::names::{Names, names_of, position};
use super::node::{Place, Scalar};
use super::problems::Problems;
use super::section::Section;
use super::suggestion;
use crate::domain::expression::{Expression, ROOTS};

/// What a condition may look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// The event.
    Event,
    /// Everything, but only so many segments: those that are evaluated before.
    SegmentsBefore(usize),
    /// Everything.
    All,
}

/// Compiles the condition under a key, if there is one and it is right.
pub(crate) fn compile(
    section: &mut Section<'_>,
    key: &str,
    names: &Names,
    sight: Sight,
    problems: &mut Problems<'_>,
) -> Option<Expression> {
    let path = section.path_of(key);
    let (scalar, place) = section.scalar(key, problems)?;
    let condition = Condition { path, scalar, place };
    let source = condition.scalar.text.as_str();
    match Expression::compile(source) {
        Ok(expression) => {
            condition.check_members(&expression, names, problems);
            condition.check_segments(names, sight, problems);
            condition.check_sight(&expression, sight, problems);
            Some(expression)
        }
        Err(error) => {
            let unknown = error.message.split_once(" is not known").map(|(name, _)| name.to_owned());
            let named = unknown.as_deref().and_then(|name| source.find(name));
            let characters = error.column.map(|column| column - 1);
            let at = characters.or_else(|| named.map(|at| condition.characters(at))).unwrap_or(0);
            let near = unknown.as_deref().and_then(|name| suggestion::nearest(name, ROOTS));
            let hint = near.map(|name| format!("did you mean `{name}`?"));
            let message = format!("{}: {}", condition.path, error.message);
            problems.error(&condition.place.within(&condition.scalar, at), message, hint);
            None
        }
    }
}

struct Condition {
    path: String,
    scalar: Scalar,
    place: Place,
}

impl Condition {
    fn check_members(&self, expression: &Expression, names: &Names, problems: &mut Problems<'_>) {
        let reads = expression.reads();
        let kinds = [
            ("attributes", "attribute", &reads.attributes, &names.attributes),
            ("tags", "interest", &reads.tags, &names.interests),
        ];
        for (root, kind, named, declared) in kinds {
            for name in named.iter().filter(|name| position(declared, name).is_none()) {
                let message = format!("{}: no {kind} is called `{name}`", self.path);
                let at = member_at(&self.scalar.text, root, name).unwrap_or(0);
                self.report(at, message, suggestion::hint(name, names_of(declared)), problems);
            }
        }
    }

    fn check_segments(&self, names: &Names, sight: Sight, problems: &mut Problems<'_>) {
        for (name, at) in segments_named(&self.scalar.text) {
            let visible = match sight {
                Sight::SegmentsBefore(own) => own,
                Sight::Event | Sight::All => names.segments.len(),
            };
            match position(&names.segments, name) {
                Some(found) if found < visible => {}
                Some(_) => {
                    let message = format!("{}: `{name}` is evaluated later than this segment", self.path);
                    self.report(
                        at,
                        message,
                        Some("segments may name those above them; move it up".into()),
                        problems,
                    );
                }
                None => {
                    let tag =
                        name.split_once(':').filter(|(name, _)| position(&names.interests, name).is_some());
                    let hint = match tag {
                        Some((interest, value)) => {
                            Some(format!("for a tag write '{value}' in tags.{interest}"))
                        }
                        None => suggestion::hint(name, names_of(&names.segments)),
                    };
                    let message = format!("{}: no segment is called `{name}`", self.path);
                    self.report(at, message, hint, problems);
                }
            }
        }
    }

    fn check_sight(&self, expression: &Expression, sight: Sight, problems: &mut Problems<'_>) {
        let hidden = expression.reads().roots.iter().find(|root| **root != "event");
        if let (Sight::Event, Some(root)) = (sight, hidden) {
            let message = format!("{}: `{root}` cannot be looked at here", self.path);
            let hint = "what an attribute counts depends on the event alone; name its parts as event.NAME";
            let at = self.scalar.text.find(root).unwrap_or(0);
            self.report(at, message, Some(hint.into()), problems);
        }
    }

    fn report(&self, byte: usize, message: String, hint: Option<String>, problems: &mut Problems<'_>) {
        let place = self.place.within(&self.scalar, self.characters(byte));
        problems.error(&place, message, hint);
    }

    fn characters(&self, byte: usize) -> usize {
        self.scalar.text.get(..byte).unwrap_or_default().chars().count()
    }
}

/// Where `root.name` stands in a source, in bytes.
fn member_at(source: &str, root: &str, name: &str) -> Option<usize> {
    source.match_indices(root).map(|(at, _)| at).find(|at| {
        let rest = source.get(at + root.len()..).unwrap_or_default().trim_start();
        let rest = rest.strip_prefix('.').map(str::trim_start).and_then(|rest| rest.strip_prefix(name));
        rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_alphanumeric() || next == '_'))
    })
}

/// The names in `'name' in segments`, each with where its text stands, in bytes.
fn segments_named(source: &str) -> Vec<(&str, usize)> {
    let before = source.match_indices("segments").filter_map(|(at, _)| source.get(..at));
    before
        .filter_map(|before| {
            let literal = before.trim_end().strip_suffix("in")?.trim_end();
            let quote = literal.chars().next_back().filter(|quote| matches!(quote, '\'' | '"'))?;
            let inner = literal.strip_suffix(quote)?;
            let begins = inner.rfind(quote)? + 1;
            Some((inner.get(begins..)?, begins))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_where_they_stand() {
        assert_eq!(member_at("attributes.ab > 1 || attributes . a > 2", "attributes", "a"), Some(21));
        assert_eq!(segments_named("'vip' in segments && \"é\" in  segments"), [("vip", 1), ("é", 22)]);
        assert!(segments_named("size(segments) > 1 && x in segments").is_empty());
    }
}

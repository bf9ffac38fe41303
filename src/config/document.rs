//! YAML text to a tree. Stricter than YAML: no anchors, aliases, tags, merges, directives or second document.
//! None of them helps a configuration, and without them no text is larger than it looks. Limits on size,
//! depth and nodes hold before anything is built.

use serde_saphyr::granit_parser::{self, Event, Parser, ScalarStyle, Span, StrInput};

use super::node::{Entry, Node, Place, Scalar, Source, Value};
use super::problems::Problems;

/// The longest text, in bytes.
pub(crate) const TEXT_BYTES_MAX: usize = 4 << 20;
/// How deep lists and mappings may be nested.
const DEPTH_MAX: usize = 16;
/// How many values a text may hold.
const NODES_MAX: usize = 200_000;
/// The longest key, in bytes.
const KEY_BYTES_MAX: usize = 400;

/// Reads a text. None after a mistake that leaves nothing to go on with; it has been reported then.
pub(crate) fn parse(text: &str, source: &Source, problems: &mut Problems<'_>) -> Option<Node> {
    let start = Place { source: source.clone(), line: 1, column: 1 };
    if text.len() > TEXT_BYTES_MAX {
        let message = format!("the text has {} bytes; at most {TEXT_BYTES_MAX} are allowed", text.len());
        problems.error(&start, message, None);
        return None;
    }
    let options = granit_parser::options! {
        disallow_directives: true,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    let parser = Parser::new_from_str_with_options(text, options);
    Builder { text, source, parser, nodes: 0, problems }.document(start).ok()
}

/// Nothing further can be read; why has been reported.
struct Halt;

struct Builder<'t, 'p, 'q> {
    text: &'t str,
    source: &'p Source,
    parser: Parser<'t, StrInput<'t>>,
    nodes: usize,
    problems: &'p mut Problems<'q>,
}

impl<'t> Builder<'t, '_, '_> {
    fn document(&mut self, start: Place) -> Result<Node, Halt> {
        let mut root: Option<Node> = None;
        while let Some((event, span)) = self.next()? {
            match event {
                Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd | Event::StreamEnd => {}
                _ if root.is_some() => {
                    return self.refuse(
                        &span,
                        "a second document begins here",
                        "keep one document in a file",
                    );
                }
                event => root = Some(self.node(event, &span, 0)?),
            }
        }
        Ok(root.unwrap_or(Node { place: start, value: Value::Null }))
    }

    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, Halt> {
        match self.parser.next() {
            None => Ok(None),
            Some(Ok(event)) => Ok(Some(event)),
            Some(Err(error)) => {
                let place = self.place(&Span::empty(*error.marker()));
                self.problems.error(&place, format!("not YAML: {}", error.info()), None);
                Err(Halt)
            }
        }
    }

    fn node(&mut self, event: Event<'t>, span: &Span, depth: usize) -> Result<Node, Halt> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return self.refuse(span, &format!("there are more than {NODES_MAX} values"), "say less");
        }
        if depth > DEPTH_MAX {
            return self.refuse(span, &format!("nested deeper than {DEPTH_MAX}"), "nothing needs that depth");
        }
        let place = self.place(span);
        if event.anchor_id().is_some() || event.is_alias() {
            return self.refuse(span, "anchors and aliases are not supported", "write the value out");
        }
        if event.tag().is_some() {
            return self.refuse(span, "tags are not supported", "leave the `!` out; each key knows its type");
        }
        let value = match event {
            Event::Scalar(text, style, ..) => self.scalar(&text, style, span),
            Event::SequenceStart(..) => self.list(depth)?,
            Event::MappingStart(..) => self.map(depth)?,
            _ => return self.refuse(span, "a value is missing", "write one"),
        };
        Ok(Node { place, value })
    }

    fn scalar(&self, text: &str, style: ScalarStyle, span: &Span) -> Value {
        if style == ScalarStyle::Plain && matches!(text, "" | "~" | "null" | "Null" | "NULL") {
            return Value::Null;
        }
        let written = span.slice(self.text).unwrap_or_default();
        let (quote, inner) = match written.chars().next() {
            Some(mark @ ('"' | '\'')) if style != ScalarStyle::Plain => {
                (1, written.strip_prefix(mark).and_then(|rest| rest.strip_suffix(mark)))
            }
            _ => (0, Some(written)),
        };
        // Only a scalar that stands there letter by letter has columns of its own.
        let verbatim = inner == Some(text) && !text.contains('\n');
        let text_column = verbatim.then(|| self.place(span).column + quote);
        Value::Scalar(Scalar { text: text.into(), template: None, text_column })
    }

    fn list(&mut self, depth: usize) -> Result<Value, Halt> {
        let mut nodes = Vec::new();
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::SequenceEnd) {
                return Ok(Value::List(nodes));
            }
            nodes.push(self.node(event, &span, depth + 1)?);
        }
        Err(Halt)
    }

    fn map(&mut self, depth: usize) -> Result<Value, Halt> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut places = std::collections::HashMap::new();
        while let Some((event, span)) = self.next()? {
            if matches!(event, Event::MappingEnd) {
                return Ok(Value::Map(entries));
            }
            let place = self.place(&span);
            let key = match event {
                Event::Scalar(text, _, 0, None) if text.len() <= KEY_BYTES_MAX => text.into_owned(),
                _ => return self.refuse(&span, "this is no key", "a key is one text of at most 400 bytes"),
            };
            let Some((event, span)) = self.next()? else { return Err(Halt) };
            let value = self.node(event, &span, depth + 1)?;
            if let Some(first) = places.get(&key) {
                let message = format!("`{key}` is here twice; the first stands in line {first}");
                self.problems.error(&place, message, Some("keep one of them".into()));
                continue;
            }
            places.insert(key.clone(), place.line);
            entries.push(Entry { key, place, value });
        }
        Err(Halt)
    }

    fn place(&self, span: &Span) -> Place {
        let line = u32::try_from(span.start.line()).unwrap_or(u32::MAX).max(1);
        let column = u32::try_from(span.start.col()).unwrap_or(u32::MAX).saturating_add(1);
        Place { source: self.source.clone(), line, column }
    }

    fn refuse<T>(&mut self, span: &Span, message: &str, hint: &str) -> Result<T, Halt> {
        let place = self.place(span);
        self.problems.error(&place, message, Some(hint.into()));
        Err(Halt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(text: &str) -> String {
        let mut problems = Problems::new(text, "f");
        parse(text, &Source::File, &mut problems);
        let errors = problems.finish().unwrap_err();
        let first = errors.findings().first().unwrap().clone();
        format!("{}:{} {}", first.line.unwrap(), first.column.unwrap(), first.message)
    }

    #[test]
    fn every_value_knows_its_place() {
        let text = "a: 1\nb:\n  - x\n  - {c: \"q\\t\", d: 'plain'}\n";
        let mut problems = Problems::new(text, "f");
        let root = parse(text, &Source::File, &mut problems).unwrap();
        let entry = |node: &Node, at: usize| match &node.value {
            Value::Map(entries) => entries[at].value.clone(),
            _ => panic!("a mapping"),
        };
        let Value::List(list) = entry(&root, 1).value else { panic!("a list") };
        let place = |node: &Node| (node.place.line, node.place.column);
        assert_eq!(place(&list[0]), (3, 5));
        let column = |at: usize| match entry(&list[1], at).value {
            Value::Scalar(scalar) => scalar.text_column,
            _ => None,
        };
        assert_eq!(column(0), None, "an escape shifts columns");
        assert_eq!(column(1), Some(20));
        assert!(problems.finish().unwrap().is_empty());
    }

    #[test]
    fn what_is_more_than_plain_yaml_is_refused_at_its_place() {
        assert!(refusal("a: 1\nb: &x 2").starts_with("2:"));
        assert!(refusal("a: &x [1]\nb: *x").contains("anchors"));
        assert!(refusal("a: !!str 1").contains("tags"));
        assert!(refusal("a: 1\n---\nb: 1").contains("second document"));
        assert!(refusal("a: 1\nb: 2\na: 3").starts_with("3:1 `a` is here twice; the first stands in line 1"));
        assert!(refusal("a: [1, 2").contains("not YAML"));
        assert!(refusal("? [a]\n: 1").contains("no key"));
    }

    #[test]
    fn depth_is_bounded_before_anything_is_built() {
        for deep in ["[".repeat(10_000), "{a: ".repeat(10_000), "- ".repeat(10_000)] {
            assert!(
                refusal(&deep).contains("nest") || refusal(&deep).contains("limit"),
                "{}",
                refusal(&deep)
            );
        }
        let block: String = (0..2_000).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        refusal(&block);
    }
}

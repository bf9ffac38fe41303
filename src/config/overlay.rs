//! Lays the environment and the flags over the file. A flag stands above a variable, a variable above the
//! file. Neither is read here: both come in as values.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::node::{Entry, Node, Place, Source, Value};
use super::problems::Problems;
use super::{document, secrets};

/// What the names of variables begin with: `BESPOKE__KAFKA__BOOTSTRAP` is `kafka.bootstrap`.
pub const ENVIRONMENT_PREFIX: &str = "BESPOKE__";

/// Values given on the command line.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    flags: Vec<Flag>,
}

#[derive(Clone, Debug)]
struct Flag {
    name: Arc<str>,
    key: String,
    value: String,
}

impl Flags {
    /// No flags.
    pub fn new() -> Flags {
        Flags::default()
    }

    /// The flag `name`, such as `--threads`, was given and sets the key, such as `threads` or
    /// `kafka.bootstrap`, to a value: a text, or YAML where it begins with `[` or `{`.
    pub fn set(&mut self, name: &str, key: &str, value: &str) {
        self.flags.push(Flag { name: name.into(), key: key.into(), value: value.into() });
    }
}

/// Lays variables over the tree. An empty one counts as not set: that is how containers unset them.
pub(crate) fn environment(
    root: &mut Node,
    variables: &BTreeMap<String, String>,
    problems: &mut Problems<'_>,
) {
    for (name, value) in variables.iter().filter(|(_, value)| !value.is_empty()) {
        let Some(rest) = name.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
        let parts: Vec<String> = rest.split("__").map(str::to_lowercase).collect();
        let path = match parts.as_slice() {
            // librdkafka's own names have dots, which variables cannot have.
            [kafka, clients, setting]
                if kafka == "kafka" && matches!(&**clients, "consumer" | "producer") =>
            {
                vec![kafka.clone(), clients.clone(), setting.replace('_', ".")]
            }
            _ => parts,
        };
        set(root, &path, value, Source::Environment(name.as_str().into()), problems);
    }
}

/// Lays flags over the tree, in their order.
pub(crate) fn flags(root: &mut Node, flags: &Flags, problems: &mut Problems<'_>) {
    for flag in &flags.flags {
        let passed_on = flag.key.starts_with("kafka.consumer.") || flag.key.starts_with("kafka.producer.");
        let parts = flag.key.splitn(if passed_on { 3 } else { usize::MAX }, '.');
        let path: Vec<String> = parts.map(str::to_owned).collect();
        set(root, &path, &flag.value, Source::Flag(Arc::clone(&flag.name)), problems);
    }
}

fn set(root: &mut Node, path: &[String], value: &str, source: Source, problems: &mut Problems<'_>) {
    let place = Place { source: source.clone(), line: 1, column: 1 };
    if path.iter().any(String::is_empty) || path.is_empty() {
        let hint = Some(format!("write {ENVIRONMENT_PREFIX}SECTION__KEY"));
        problems.error(&place, "this names no key", hint);
        return;
    }
    let nested = value.trim_start().starts_with(['[', '{']);
    let secret = path.last().is_some_and(|key| secrets::is_secret(key));
    let new = if nested && !secret {
        let Some(node) = document::parse(value, &source, problems) else { return };
        node
    } else {
        Node::text(place.clone(), value)
    };
    let mut node = root;
    for key in path {
        if matches!(node.value, Value::Null) {
            // It stays where it is: what is missing in it is missing there.
            node.value = Value::Map(Vec::new());
        }
        let kind = node.kind();
        let Value::Map(entries) = &mut node.value else {
            let message = format!("`{}` cannot be set: {kind} has no keys", path.join("."));
            problems.error(&place, message, Some("set it whole, as YAML in brackets".into()));
            return;
        };
        let at = entries.iter().position(|entry| entry.key == *key).unwrap_or_else(|| {
            let value = Node { place: place.clone(), value: Value::Null };
            entries.push(Entry { key: key.clone(), place: place.clone(), value });
            entries.len() - 1
        });
        node = &mut entries.get_mut(at).expect("the position was just found or made").value;
    }
    *node = new;
}

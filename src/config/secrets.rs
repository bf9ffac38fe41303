//! `${VARIABLE}` and `${file:/path}` inside values, and which values are never shown. Only the process's own
//! configuration is filled in: definitions arrive from a topic, and a topic must not read files.

use std::collections::BTreeMap;
use std::io;

use super::node::{Node, Place, Scalar, Value};
use super::problems::Problems;
use super::suggestion;

/// The longest file that is filled in, in bytes.
const FILE_BYTES_MAX: usize = 64 * 1024;
/// Shorter texts are not looked for in what is shown: they would hide every other word.
const HIDDEN_CHARACTERS_MIN: usize = 4;
/// What the names of secret keys have in them, in lower case.
const SECRET_WORDS: [&str; 7] =
    ["password", "secret", "token", "credential", "jaas", "pem", "oauthbearer.config"];

/// Whether the value of this key is a secret. Said of a whole line, whether it may hold one.
pub(crate) fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    SECRET_WORDS.iter().any(|word| key.contains(word))
}

/// What values are filled in from.
pub(crate) struct Filling<'a> {
    /// The environment.
    pub(crate) variables: &'a BTreeMap<String, String>,
    /// Reads a file.
    pub(crate) read: &'a dyn Fn(&str) -> io::Result<String>,
}

impl Filling<'_> {
    /// Fills in every value below a node, and marks secrets.
    pub(crate) fn fill(&self, node: &mut Node, secret: bool, problems: &mut Problems<'_>) {
        match &mut node.value {
            Value::Null => {}
            Value::Scalar(scalar) => self.fill_scalar(scalar, &node.place, secret, problems),
            Value::List(nodes) => nodes.iter_mut().for_each(|node| self.fill(node, secret, problems)),
            Value::Map(entries) => {
                for entry in entries {
                    let secret = secret || is_secret(&entry.key);
                    self.fill(&mut entry.value, secret, problems);
                }
            }
        }
    }

    fn fill_scalar(&self, scalar: &mut Scalar, place: &Place, secret: bool, problems: &mut Problems<'_>) {
        let filled = self.filled(scalar, place, problems);
        if secret || filled.is_some() {
            let text = filled.as_deref().unwrap_or(&scalar.text);
            let lines = text.lines().map(str::trim);
            lines
                .filter(|line| line.chars().count() >= HIDDEN_CHARACTERS_MIN)
                .for_each(|line| problems.hide(line));
        }
        if let Some(filled) = filled {
            scalar.template = Some(std::mem::replace(&mut scalar.text, filled));
            scalar.text_column = None;
        }
    }

    /// The text with everything filled in; none if there is nothing to fill in.
    fn filled(&self, scalar: &Scalar, place: &Place, problems: &mut Problems<'_>) -> Option<String> {
        let mut rest = scalar.text.as_str();
        let mut filled = String::new();
        rest.contains("${").then_some(())?;
        while let Some((before, after)) = rest.split_once("${") {
            // `$${` stands for `${` itself.
            if let Some(before) = before.strip_suffix('$') {
                filled.push_str(before);
                filled.push_str("${");
                rest = after;
                continue;
            }
            filled.push_str(before);
            let Some((name, after)) = after.split_once('}') else {
                let hint = Some("write `$${` for the characters themselves".into());
                problems.spoil(place, "`${` is not closed by `}`", hint);
                return Some(String::new());
            };
            match self.look_up(name) {
                Ok(value) => filled.push_str(&value),
                Err((message, hint)) => problems.spoil(place, message, hint),
            }
            rest = after;
        }
        filled.push_str(rest);
        Some(filled)
    }

    fn look_up(&self, name: &str) -> Result<String, (String, Option<String>)> {
        let Some(path) = name.strip_prefix("file:") else {
            return self.variables.get(name).cloned().ok_or_else(|| {
                let near = suggestion::nearest(name, self.variables.keys().map(String::as_str));
                let hint = near.map(|near| format!("did you mean `{near}`?"));
                (format!("the environment variable `{name}` is not set"), hint)
            });
        };
        match (self.read)(path) {
            Ok(text) if text.len() > FILE_BYTES_MAX => Err((
                format!("the file {path} has {} bytes; at most {FILE_BYTES_MAX} are read", text.len()),
                None,
            )),
            // Editors and `kubectl create secret` end a file with a line break that nobody means.
            Ok(text) => Ok(text.trim_end_matches(['\n', '\r']).to_owned()),
            Err(error) => Err((format!("the file {path} cannot be read: {error}"), None)),
        }
    }
}

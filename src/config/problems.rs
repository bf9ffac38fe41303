//! Collects what is wrong while a configuration is read, so that all of it is said at once. It knows the text
//! for the lines that it shows, and the secrets that it must not show.

use super::finding::{ConfigErrors, Finding, Severity};
use super::node::{Place, Source};

/// How many findings are kept. A file with more is not the kind of file that was meant.
const FINDINGS_MAX: usize = 100;
/// The longest line that is shown whole, in characters.
const SNIPPET_CHARACTERS_MAX: usize = 160;

/// What was found so far.
pub(crate) struct Problems<'t> {
    file: &'t str,
    lines: Vec<&'t str>,
    secrets: Vec<String>,
    spoiled: Vec<Place>,
    findings: Vec<Finding>,
}

impl<'t> Problems<'t> {
    /// Nothing wrong yet with this text of this file.
    pub(crate) fn new(text: &'t str, file: &'t str) -> Problems<'t> {
        Problems {
            file,
            lines: text.lines().collect(),
            secrets: Vec::new(),
            spoiled: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// From now on this text is shown nowhere.
    pub(crate) fn hide(&mut self, secret: &str) {
        if !secret.is_empty() {
            self.secrets.push(secret.into());
        }
    }

    /// Something is wrong at a place.
    pub(crate) fn error(&mut self, place: &Place, message: impl Into<String>, hint: Option<String>) {
        self.add(Severity::Error, place, message.into(), hint);
    }

    /// Something is wrong at a place, and whatever else is said of its value follows from that: it is not
    /// said.
    pub(crate) fn spoil(&mut self, place: &Place, message: impl Into<String>, hint: Option<String>) {
        self.add(Severity::Error, place, message.into(), hint);
        self.spoiled.push(place.clone());
    }

    /// Something is odd at a place.
    pub(crate) fn warning(&mut self, place: &Place, message: impl Into<String>, hint: Option<String>) {
        self.add(Severity::Warning, place, message.into(), hint);
    }

    /// Whether anything is wrong.
    pub(crate) fn any_error(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// The warnings if nothing is wrong, else what is wrong. In the order of the file.
    ///
    /// # Errors
    /// When something is wrong.
    pub(crate) fn finish(mut self) -> Result<Vec<Finding>, ConfigErrors> {
        let wrong = self.any_error();
        self.findings.retain(|finding| (finding.severity == Severity::Error) == wrong);
        let secrets = std::mem::take(&mut self.secrets);
        for finding in &mut self.findings {
            let snippet = finding.snippet.as_mut();
            for text in [&mut finding.message].into_iter().chain(snippet).chain(finding.hint.as_mut()) {
                for secret in &secrets {
                    *text = text.replace(secret.as_str(), "***");
                }
            }
        }
        self.findings.sort_by_key(|finding| (finding.line, finding.column));
        if wrong { Err(ConfigErrors::new(self.findings)) } else { Ok(self.findings) }
    }

    fn add(&mut self, severity: Severity, place: &Place, message: String, hint: Option<String>) {
        let errors = self.findings.iter().filter(|finding| finding.severity == severity).count();
        if errors >= FINDINGS_MAX || self.spoiled.contains(place) {
            return;
        }
        let in_file = matches!(place.source, Source::File | Source::Default);
        let file = match &place.source {
            Source::File | Source::Default => self.file.to_owned(),
            Source::Environment(name) => format!("environment {name}"),
            Source::Flag(name) => format!("flag {name}"),
        };
        let snippet = if in_file { self.snippet(place.line) } else { None };
        let (line, column) = if in_file { (Some(place.line), Some(place.column)) } else { (None, None) };
        let finding = Finding { severity, file, line, column, message, hint, snippet };
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    /// The line, unless it may hold a secret: even a line that is not YAML must not show one.
    fn snippet(&self, line: u32) -> Option<String> {
        let line = self.lines.get(usize::try_from(line).ok()?.checked_sub(1)?)?;
        if super::secrets::is_secret(line) {
            return None;
        }
        // A tab counts as one character in a column, so it is shown as one.
        let shown = line.chars().map(|character| if character.is_control() { ' ' } else { character });
        Some(shown.take(SNIPPET_CHARACTERS_MAX).collect())
    }
}

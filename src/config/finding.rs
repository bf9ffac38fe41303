//! What is wrong with a configuration, or merely odd about it: for people as text with the line in question,
//! for programs as JSON. It deliberately holds no reference to the text, so that it outlives the reading.

use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// The configuration is accepted, and is probably not what was meant.
    Warning,
}

/// One thing that is wrong or odd.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file, or `environment NAME` or `flag NAME` where the value came from there.
    pub file: String,
    /// The line, from 1; none outside a file.
    pub line: Option<u32>,
    /// The column in characters, from 1; none outside a file.
    pub column: Option<u32>,
    /// What is wrong.
    pub message: String,
    /// What to do, where that can be said.
    pub hint: Option<String>,
    /// The line of the file, with secrets left out.
    #[serde(skip)]
    pub snippet: Option<String>,
}

/// A configuration that was refused: every reason that was found, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(transparent)]
pub struct ConfigErrors {
    findings: Vec<Finding>,
}

impl ConfigErrors {
    pub(crate) fn new(findings: Vec<Finding>) -> ConfigErrors {
        ConfigErrors { findings }
    }

    /// The reasons. At least one, at most 100.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }
}

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, finding) in self.findings.iter().enumerate() {
            if number > 0 {
                writeln!(formatter)?;
            }
            write!(formatter, "{finding}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:", self.file)?;
        if let (Some(line), Some(column)) = (self.line, self.column) {
            write!(formatter, "{line}:{column}:")?;
        }
        if self.severity == Severity::Warning {
            write!(formatter, " warning:")?;
        }
        write!(formatter, " {}", self.message)?;
        if let (Some(line), Some(column), Some(snippet)) = (self.line, self.column, &self.snippet) {
            let margin = line.to_string();
            let mark = usize::try_from(column).unwrap_or(1).min(snippet.chars().count() + 1);
            write!(formatter, "\n  {margin} | {snippet}")?;
            write!(formatter, "\n  {:width$} | {:>mark$}", "", "^", width = margin.len())?;
        }
        if let Some(hint) = &self.hint {
            write!(formatter, "\n  = {hint}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_points_at_its_column() {
        let finding = Finding {
            severity: Severity::Error,
            file: "shop.yaml".into(),
            line: Some(12),
            column: Some(3),
            message: "no".into(),
            hint: Some("did you mean `b`?".into()),
            snippet: Some("  c: 1".into()),
        };
        let shown = "shop.yaml:12:3: no\n  12 |   c: 1\n     |   ^\n  = did you mean `b`?";
        assert_eq!(finding.to_string(), shown);
        let json = serde_json::json!([{
            "severity": "error", "file": "shop.yaml", "line": 12, "column": 3, "message": "no",
            "hint": "did you mean `b`?",
        }]);
        assert_eq!(serde_json::to_value(ConfigErrors::new(vec![finding])).unwrap(), json);
    }
}

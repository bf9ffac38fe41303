//! What is expected against what is. Of mappings only the expected fields count, lists count whole.

use std::fmt;

use serde_json::{Value, json};

/// One part that is not as expected.
#[derive(Debug, PartialEq)]
pub(super) struct Difference {
    path: String,
    expected: Value,
    /// None where there is no such field.
    actual: Option<Value>,
    /// The fields that there are, where the expected one is missing.
    known: Vec<String>,
}

/// The parts that are not as expected.
pub(super) fn differences(path: &str, expected: &Value, actual: &Value) -> Vec<Difference> {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            let fields = expected.iter().map(|(name, value)| {
                let path = format!("{path}.{name}");
                match actual.get(name) {
                    Some(actual) => differences(&path, value, actual),
                    None => vec![Difference {
                        path,
                        expected: value.clone(),
                        actual: None,
                        known: actual.keys().cloned().collect(),
                    }],
                }
            });
            fields.flatten().collect()
        }
        (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
            let parts = expected.iter().zip(actual).enumerate();
            parts.flat_map(|(at, (one, other))| differences(&format!("{path}[{at}]"), one, other)).collect()
        }
        _ if is_equal(expected, actual) => Vec::new(),
        _ => vec![Difference {
            path: path.to_owned(),
            expected: expected.clone(),
            actual: Some(actual.clone()),
            known: Vec::new(),
        }],
    }
}

fn is_equal(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::Number(one), Value::Number(other)) => {
            let written = one.to_string();
            let decimals = written.split_once('.').map_or(0, |(_, decimals)| decimals.len());
            let difference = one.as_f64().zip(other.as_f64()).map(|(one, other)| (one - other).abs());
            // A whole number is meant exactly, another to as many decimals as are written.
            let tolerance = if decimals == 0 { 0.0 } else { 0.5 / 10_f64.powi(decimals.min(15) as i32) };
            difference.is_some_and(|difference| difference <= tolerance + 1e-9)
        }
        (Value::String(one), Value::String(other)) => {
            // The same instant can be written in several ways.
            let instant = |text: &String| text.parse::<jiff::Timestamp>().ok();
            one == other || instant(one).is_some_and(|at| instant(other) == Some(at))
        }
        _ => expected == actual,
    }
}

impl Difference {
    pub(super) fn json(&self) -> Value {
        json!({ "path": self.path, "expected": self.expected, "actual": self.actual, "known": self.known })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "    {}", self.path)?;
        writeln!(formatter, "      expected {}", self.expected)?;
        match &self.actual {
            Some(actual) => write!(formatter, "      actual   {actual}"),
            None => write!(formatter, "      actual   no such field; there are {}", self.known.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_are_compared_in_part_and_lists_whole() {
        let actual = json!({"segments": ["a", "b"], "orders": {"count": 2, "units": 5}});
        assert_eq!(differences("profile", &json!({"orders": {"count": 2.0}}), &actual), []);
        let found = differences("profile", &json!({"segments": ["a"], "orders": {"count": 3}}), &actual);
        let paths: Vec<&str> = found.iter().map(|difference| &*difference.path).collect();
        assert_eq!(paths, ["profile.orders.count", "profile.segments"]);
        let missing = differences("profile", &json!({"segmets": []}), &actual);
        let shown = "    profile.segmets\n      expected []\n      actual   no such field; there are orders, \
                     segments";
        assert_eq!(missing[0].to_string(), shown);
    }

    #[test]
    fn numbers_are_compared_as_written_and_instants_as_instants() {
        let equal = |one: Value, other: Value| differences("$", &one, &other).is_empty();
        assert!(equal(json!(0.62), json!(0.6249)) && !equal(json!(0.62), json!(0.626)));
        assert!(!equal(json!(3), json!(3.4)) && !equal(json!(3), json!("3")));
        assert!(equal(json!("2026-01-05T11:00:00+01:00"), json!("2026-01-05T10:00:00Z")));
        assert!(!equal(json!(null), json!([])) && !equal(json!([]), json!(["a"])));
    }
}

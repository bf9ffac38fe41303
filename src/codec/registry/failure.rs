//! Why the registry gave no schema, told apart by what to do: wait, believe it, or tell a person.
//!
//! The converter reports every failure as one type whose text carries the HTTP status; it is taken apart
//! here and nowhere else.

use std::error::Error;

use schema_registry_converter::error::SRCError;
use schema_registry_converter::schema_registry_common::RawError;

use super::RegistryError;

/// One failed request.
#[derive(Debug)]
pub(super) enum Failure {
    /// The registry answered in its own words that there is no such schema, version or subject.
    Absent,
    /// The registry answered, and it is neither a yes nor a plain "there is none".
    Answered { status: u16, code: u32, message: String },
    /// No answer, or something that no registry says.
    Silent(String),
}

impl Failure {
    pub(super) fn of(error: &SRCError) -> Failure {
        let raw = error.source().and_then(|source| source.downcast_ref::<RawError>());
        let Some((status, raw)) = status_of(error).zip(raw) else {
            return Failure::Silent(chain(error));
        };
        // A plain 404 comes from a proxy or a wrong path as well, and must not condemn a record.
        match raw.error_code {
            40_401..=40_403 => Failure::Absent,
            0 => Failure::Answered { status, code: 0, message: "it gave no reason".to_owned() },
            code => Failure::Answered { status, code, message: raw.message.clone() },
        }
    }

    /// The failure in one line, for logs and readiness.
    pub(super) fn describe(&self) -> String {
        match self {
            Failure::Absent => "there is no such schema".to_owned(),
            Failure::Answered { status, code: 0, .. } => format!(
                "the answer has status {status} and is no registry's; is the URL its API's, with the path?"
            ),
            Failure::Answered { status: status @ (401 | 403), message, .. } => {
                format!(
                    "it does not let this client in (status {status}): {message}; check user and password"
                )
            }
            Failure::Answered { status: 404, message, .. } => {
                format!(
                    "it has no such path (status 404): {message}; is the URL that of its API, with the path?"
                )
            }
            Failure::Answered { status, code, message } => {
                format!("it answers with status {status}, code {code}: {message}")
            }
            Failure::Silent(reason) => reason.clone(),
        }
    }

    pub(super) fn into_error(self, url: &str, task: &str) -> RegistryError {
        let (url, task) = (url.to_owned(), task.to_owned());
        match self {
            Failure::Answered { status, code, message } if (400..500).contains(&status) && status != 429 => {
                let (reason, advice) = (message, advice(status));
                RegistryError::Refused { url, task, status, code, reason, advice }
            }
            other => RegistryError::Unreachable { url, task, reason: other.describe() },
        }
    }
}

/// An error with its causes, outermost first, without saying anything twice.
pub(super) fn chain(error: &SRCError) -> String {
    let mut text = error.error.clone();
    let mut cause = error.source();
    while let Some(next) = cause {
        let words = next.to_string();
        if !text.ends_with(&words) {
            text = format!("{text}: {words}");
        }
        cause = next.source();
    }
    text
}

/// The HTTP status, which the converter gives only in its text.
fn status_of(error: &SRCError) -> Option<u16> {
    let status = error.error.strip_prefix("HTTP request to schema registry failed with status ")?;
    status.split(' ').next()?.parse().ok()
}

fn advice(status: u16) -> &'static str {
    match status {
        401 | 403 => "check the user, the password and what the user may do",
        404 => "check that the URL is that of the registry's API, with its path",
        409 => {
            "change the schema so that it still reads what was written with the earlier ones (give new \
                fields a default), or use a new topic"
        }
        413 | 422 => "mend the schema",
        _ => "see the registry's own log",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn http(status: &str, code: u32) -> SRCError {
        let raw: RawError =
            serde_json::from_value(serde_json::json!({ "error_code": code, "message": "words" })).unwrap();
        SRCError::non_retryable_with_cause(
            raw,
            &format!("HTTP request to schema registry failed with status {status}"),
        )
    }

    #[test]
    fn only_the_registrys_own_words_mean_absent() {
        assert!(matches!(Failure::of(&http("404 Not Found", 40_403)), Failure::Absent));
        assert!(matches!(Failure::of(&http("404 Not Found", 404)), Failure::Answered { status: 404, .. }));
        assert!(matches!(Failure::of(&http("404 Not Found", 0)), Failure::Answered { code: 0, .. }));
        assert!(matches!(Failure::of(&SRCError::new("cut off", None, true)), Failure::Silent(_)));
    }

    #[test]
    fn what_may_pass_is_told_from_what_will_not() {
        let error = |status, code| Failure::of(&http(status, code)).into_error("http://here", "do it");
        assert!(matches!(error("409 Conflict", 409), RegistryError::Refused { status: 409, .. }));
        assert!(matches!(error("401 Unauthorized", 401), RegistryError::Refused { status: 401, .. }));
        assert!(matches!(error("503 Service Unavailable", 50_301), RegistryError::Unreachable { .. }));
        assert!(matches!(error("429 Too Many Requests", 42_901), RegistryError::Unreachable { .. }));
        assert!(error("409 Conflict", 409).to_string().contains("give new"), "an error says what to do");
    }
}

//! Reading what others sent: an error names the field and repeats no content.

use app::reading;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The field that is meant when it is the whole payload.
pub const WHOLE: &str = "the payload";

/// Why a payload could not be read: the field, and what it should have been.
///
/// Safe to log and to answer with. What was sent may hold a token or another
/// customer's data, so none of it is repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct Unreadable {
    /// The field as a path, such as `computers[3].size`, or [`WHOLE`].
    pub field: String,
    /// What is wrong with it.
    pub problem: String,
}

impl Unreadable {
    /// A problem of a field.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            problem: problem.into(),
        }
    }
}

/// Reads JSON.
///
/// # Errors
/// [`Unreadable`] names the first field that is not as expected.
pub fn from_text<T: DeserializeOwned>(text: &str) -> Result<T, Unreadable> {
    Ok(reading::from_json(text.as_bytes())?)
}

/// Reads a JSON value that is already parsed.
///
/// # Errors
/// [`Unreadable`] names the first field that is not as expected.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Unreadable> {
    Ok(reading::from_value(value)?)
}

impl From<reading::Unreadable> for Unreadable {
    fn from(error: reading::Unreadable) -> Self {
        match error {
            reading::Unreadable::NotJson { .. } => Self::new(WHOLE, error.to_string()),
            reading::Unreadable::Form { field, problem } => {
                Self::new(field.unwrap_or_else(|| WHOLE.to_owned()), problem)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::ids::AccountId;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read")]
    struct Order {
        account: AccountId,
        lines: Vec<Line>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read")]
    struct Line {
        count: u8,
        kind: Kind,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Small,
        Large,
    }

    #[track_caller]
    fn problem_of(text: &str) -> String {
        from_text::<Order>(text).unwrap_err().to_string()
    }

    #[test]
    fn the_field_is_named_and_what_was_sent_is_not_repeated() {
        let line = |count: &str, kind: &str| {
            format!(
                r#"{{"account":"a","lines":[{{"count":1,"kind":"small"}},{{"count":{count},"kind":{kind}}}]}}"#
            )
        };
        for (text, expected) in [
            (
                line("\"s3cret\"", "\"small\""),
                "lines[1].count: must be a whole number from 0 to 255",
            ),
            (
                line("1000", "\"small\""),
                "lines[1].count: must be a whole number from 0 to 255",
            ),
            (
                line("1", "\"s3cret, expected s3cret\""),
                "lines[1].kind: is not one of small, large",
            ),
            (
                r#"{"account":"s3cret/","lines":[]}"#.to_owned(),
                "account: not a valid account id: 1 to 64 characters of a-z A-Z 0-9 - _ . : @, not only points",
            ),
            (r#"{"account":"a"}"#.to_owned(), "lines: is missing"),
            (
                r#"{"account":"a","lines":[],"s3cret":1}"#.to_owned(),
                "s3cret: is not a known field",
            ),
        ] {
            let problem = problem_of(&text);
            assert_eq!(problem, expected);
        }
    }

    #[test]
    fn text_that_is_no_json_is_refused_without_repeating_it() {
        for text in [
            "s3cret",
            "",
            "{\"account\":\"a\",",
            "{\"account\":\"a\",\"lines\":[]} s3cret",
        ] {
            let problem = problem_of(text);
            assert!(!problem.contains("s3cret"), "{problem}");
        }
    }

    #[test]
    fn a_key_chosen_by_the_sender_cannot_forge_a_log_line() {
        let problem = problem_of("{\"account\":\"a\",\"lines\":[],\"x\\n2026 ERROR forged\":1}");
        assert_eq!(problem, "x?2026?ERROR?forged: is not a known field");
    }
}

//! Reading what others sent: an error names the field and repeats no content.

use serde::de::DeserializeOwned;
use serde_json::Value;

/// The field that is meant when it is the whole payload.
pub const WHOLE: &str = "the payload";

/// The longest path or problem that is told.
const MAX_LEN: usize = 160;

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
    let mut json = serde_json::Deserializer::from_str(text);
    let read = serde_path_to_error::deserialize(&mut json).map_err(unreadable)?;
    json.end()
        .map_err(|_| Unreadable::new(WHOLE, "must be one JSON value"))?;
    Ok(read)
}

/// Reads a JSON value that is already parsed.
///
/// # Errors
/// [`Unreadable`] names the first field that is not as expected.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Unreadable> {
    serde_path_to_error::deserialize(value).map_err(unreadable)
}

fn unreadable(error: serde_path_to_error::Error<serde_json::Error>) -> Unreadable {
    let field = safe_path(&error.path().to_string());
    let error = error.into_inner();
    let problem = if error.is_data() {
        safe_problem(&error.to_string())
    } else {
        format!(
            "stops being JSON at line {}, column {}",
            error.line(),
            error.column()
        )
    };
    Unreadable { field, problem }
}

/// A path in which keys chosen by the sender cannot smuggle anything.
fn safe_path(path: &str) -> String {
    // serde_path_to_error writes `?` when the text ends before a field is known.
    if matches!(path, "." | "?") {
        return WHOLE.to_owned();
    }
    path.chars()
        .take(MAX_LEN)
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '.' | '[' | ']' | '-' => c,
            _ => '?',
        })
        .collect()
}

/// What can be said of serde's message without repeating what was sent.
///
/// Our own rules ("not a valid account id: …", "must be …") hold no content and
/// stay; of serde's, only what was expected stays.
fn safe_problem(message: &str) -> String {
    let message = message
        .rfind(" at line ")
        .map_or(message, |at| &message[..at]);
    if let Some(rest) = message.strip_prefix("missing field ") {
        return format!("the field {rest} is missing");
    }
    if message.starts_with("not a valid ") || message.starts_with("must be ") {
        return message.chars().take(MAX_LEN).collect();
    }
    if message.starts_with("unknown field ") {
        return "holds a field that is not known".to_owned();
    }
    // What was expected is our own text and comes last, after what was sent.
    match message.rfind(", expected ") {
        Some(at) => {
            let expected: String = message[at..].chars().skip(2).take(MAX_LEN).collect();
            expected
        }
        None => "is not of the expected form".to_owned(),
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
                "lines[1].count: expected u8",
            ),
            (line("1000", "\"small\""), "lines[1].count: expected u8"),
            (
                line("1", "\"s3cret, expected s3cret\""),
                "lines[1].kind: expected `small` or `large`",
            ),
            (
                r#"{"account":"s3cret/","lines":[]}"#.to_owned(),
                "account: not a valid account id: 1 to 64 characters of a-z A-Z 0-9 - _ . : @",
            ),
            (
                r#"{"account":"a"}"#.to_owned(),
                "the payload: the field `lines` is missing",
            ),
            (
                r#"{"account":"a","lines":[],"s3cret":1}"#.to_owned(),
                "s3cret: holds a field that is not known",
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
        assert_eq!(
            problem,
            "x?2026?ERROR?forged: holds a field that is not known"
        );
    }
}

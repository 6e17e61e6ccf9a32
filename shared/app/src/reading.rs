//! Reading JSON that others sent: what is wrong is told by the name of its
//! field and in the product's words. What was sent may hold another customer's
//! data, so none of it is repeated.

use domain::hour::NotAnHour;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::Value;

/// The longest path or problem that is told, in characters.
const MAX_LEN: usize = 160;

/// Why JSON could not be read. Safe to log and to answer with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is not JSON.
    #[error("stops being JSON at line {line}, column {column}")]
    NotJson {
        /// The line, from 1.
        line: usize,
        /// The byte of the line after which it is wrong.
        column: usize,
    },
    /// It is JSON of another form.
    #[error("{}: {problem}", field.as_deref().unwrap_or("the whole"))]
    Form {
        /// The field as a path, such as `computers[3].size`; `None` for the whole.
        field: Option<String>,
        /// What is wrong with it, such as `is missing`.
        problem: String,
    },
}

/// Reads JSON text.
///
/// # Errors
/// [`Unreadable`] names the first field that is not as expected.
pub fn from_json<T: DeserializeOwned>(json: &[u8]) -> Result<T, Unreadable> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    match serde_path_to_error::deserialize(&mut reader) {
        Ok(read) => {
            reader.end().map_err(|error| not_json(&error))?;
            Ok(read)
        }
        Err(error) => {
            // serde_json calls it a syntax error, too, when an enum or a tuple
            // holds too much or too little.
            check_json(json)?;
            Err(form(&error))
        }
    }
}

/// Reads JSON that is already parsed.
///
/// # Errors
/// [`Unreadable::Form`] names the first field that is not as expected.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Unreadable> {
    serde_path_to_error::deserialize(value).map_err(|error| form(&error))
}

fn check_json(json: &[u8]) -> Result<(), Unreadable> {
    serde_json::from_slice::<IgnoredAny>(json).map_err(|error| not_json(&error))?;
    // What is ignored is not checked to be UTF-8, which JSON is (RFC 8259 section 8.1).
    std::str::from_utf8(json).map_err(|error| {
        let valid = json.get(..error.valid_up_to()).unwrap_or_default();
        let last = valid.rsplit(|byte| *byte == b'\n').next();
        Unreadable::NotJson {
            line: valid.split(|byte| *byte == b'\n').count(),
            column: last.map_or(0, <[u8]>::len),
        }
    })?;
    Ok(())
}

fn not_json(error: &serde_json::Error) -> Unreadable {
    Unreadable::NotJson {
        line: error.line(),
        column: error.column(),
    }
}

fn form(error: &serde_path_to_error::Error<serde_json::Error>) -> Unreadable {
    let path = safe_path(&error.path().to_string());
    let message = error.inner().to_string();
    // The place comes last, after what may have been sent, and not always.
    let message = match message.rfind(" at line ") {
        Some(at) if error.inner().line() > 0 => &message[..at],
        Some(_) | None => message.as_str(),
    };
    let (name, problem) = match (
        quoted(message, "missing field "),
        quoted(message, "duplicate field "),
    ) {
        (Some(name), _) => (Some(name), "is missing".to_owned()),
        (_, Some(name)) => (Some(name), "is there twice".to_owned()),
        (None, None) => (None, problem(&path, message)),
    };
    let field = match (path.is_empty(), name) {
        (true, name) => name.map(str::to_owned),
        (false, None) => Some(path),
        (false, Some(name)) => Some(format!("{path}.{name}")),
    };
    Unreadable::Form { field, problem }
}

/// The name in backticks after a prefix of serde's.
fn quoted<'a>(message: &'a str, prefix: &str) -> Option<&'a str> {
    message
        .strip_prefix(prefix)?
        .strip_prefix('`')?
        .strip_suffix('`')
}

/// A path in which keys chosen by the sender cannot smuggle anything; empty
/// for the whole.
fn safe_path(path: &str) -> String {
    // serde_path_to_error writes `?` for a place before the next field is known.
    let path = path.trim_end_matches(['?', '.']);
    path.chars()
        .take(MAX_LEN)
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '.' | '[' | ']' | '-' => c,
            _ => '?',
        })
        .collect()
}

/// What is wrong with a field, without what was sent: of serde's message, only
/// what was expected is looked at, which is our own text and comes last.
fn problem(path: &str, message: &str) -> String {
    // Our own rules hold no content.
    if message.starts_with("not a valid ") || message.starts_with("must be ") {
        return message.chars().take(MAX_LEN).collect();
    }
    if message.starts_with("unknown field ") {
        return "is not a known field".to_owned();
    }
    if let Some(form) = form_of_report_field(path) {
        return form;
    }
    let expected = message
        .rfind(", expected ")
        .map(|at| &message[at + ", expected ".len()..]);
    match expected {
        Some(names) if message.starts_with("unknown variant ") => {
            let names: Vec<&str> = names.split('`').skip(1).step_by(2).collect();
            format!("is not one of {}", names.join(", "))
        }
        Some(expected) => in_words(expected).to_owned(),
        None => "is not of the right form".to_owned(),
    }
}

/// The form of a field of the product's usage report, by the end of its path.
fn form_of_report_field(path: &str) -> Option<String> {
    let name = path.rsplit('.').next().unwrap_or_default();
    let (name, places) = name.split_at(name.find('[').unwrap_or(name.len()));
    let form = match (name, places.matches('[').count()) {
        ("hour", 0) => return Some(NotAnHour.to_string()),
        ("computers", 0) => "must be a list of computers",
        ("connector", 0) => "must be an object, or null",
        ("kind", 0) if path.ends_with("connector.kind") => "is not one of aws, azure, gcp, vcenter",
        ("size", 0) => {
            "must be null, or an object with exactly one of instance_type, vcpus, workspace"
        }
        ("instance_type", 0) => "must be a string",
        ("vcpus", 0) => "must be a whole number from 1 to 65535",
        ("workspace", 0) => "must be true",
        ("protected", 0) => "must be a list of intervals",
        ("protected", 1) => "must be two instants: when protection began, and when it ended",
        ("protected", 2) => "must be an instant, such as 2026-11-22T10:20:00Z",
        _ => return None,
    };
    Some(form.to_owned())
}

/// What serde expected, in words that a sender knows.
fn in_words(expected: &str) -> &'static str {
    match expected {
        "u8" => "must be a whole number from 0 to 255",
        "u16" => "must be a whole number from 0 to 65535",
        "u32" => "must be a whole number from 0 to 4294967295",
        "u64" | "usize" => "must be a whole number, 0 or more",
        "i32" | "i64" => "must be a whole number",
        "a string" | "string" | "a borrowed string" => "must be a string",
        "a boolean" => "must be true or false",
        "a sequence" => "must be a list",
        "a map" => "must be an object",
        structure if structure.starts_with("struct ") => "must be an object",
        _ => "is not of the right form",
    }
}

#[cfg(test)]
mod tests {
    use domain::usage::UsageReport;

    use super::*;

    /// The field and the problem of a report whose only computer is this.
    #[track_caller]
    fn of_computer(computer: &str) -> (String, String) {
        of_report(&format!(
            r#"{{"account":"a","hour":"2026-11-22T10:00:00Z","report_id":"r","computers":[{computer}]}}"#
        ))
    }

    #[track_caller]
    fn of_report(report: &str) -> (String, String) {
        match from_json::<UsageReport>(report.as_bytes()) {
            Err(Unreadable::Form { field, problem }) => {
                for internal in ["struct", "u16", "expected", "`", "secret"] {
                    assert!(!problem.contains(internal), "{report}: {problem}");
                }
                (field.unwrap_or_default(), problem)
            }
            other => panic!("{report}: {other:?}"),
        }
    }

    #[test]
    fn every_wrong_field_of_a_computer_is_named_and_told_its_form() {
        let vcpus = "must be a whole number from 1 to 65535";
        let size = "must be null, or an object with exactly one of instance_type, vcpus, workspace";
        let kinds = "is not one of aws, azure, gcp, vcenter";
        let interval = "must be two instants: when protection began, and when it ended";
        let instant = "must be an instant, such as 2026-11-22T10:20:00Z";
        let mut wrong = Vec::new();
        for (member, field, problem) in [
            (r#""size":{"vcpus":-1}"#, ".size.vcpus", vcpus),
            (r#""size":{"vcpus":1e9}"#, ".size.vcpus", vcpus),
            (r#""size":{"vcpus":1e999}"#, ".size.vcpus", vcpus),
            (r#""size":{"vcpus":1.5}"#, ".size.vcpus", vcpus),
            (r#""size":{"vcpus":70000}"#, ".size.vcpus", vcpus),
            (r#""size":{"vcpus":"secret"}"#, ".size.vcpus", vcpus),
            (
                r#""size":{"instance_type":"secret","vcpus":2}"#,
                ".size",
                size,
            ),
            (r#""size":{}"#, ".size", size),
            (r#""size":"secret""#, ".size", size),
            (r#""size":"vcpus""#, ".size.vcpus", vcpus),
            (r#""size":4"#, ".size", size),
            (r#""size":[]"#, ".size", size),
            (r#""size":{"secret":1}"#, ".size", size),
            (
                r#""size":{"instance_type":5}"#,
                ".size.instance_type",
                "must be a string",
            ),
            (
                r#""size":{"workspace":"secret"}"#,
                ".size.workspace",
                "must be true",
            ),
            (
                r#""connector":"secret""#,
                ".connector",
                "must be an object, or null",
            ),
            (r#""connector":{}"#, ".connector.kind", "is missing"),
            (r#""connector":{"kind":"secret"}"#, ".connector.kind", kinds),
            (r#""connector":{"kind":5}"#, ".connector.kind", kinds),
            (r#""connector":{"kind":null}"#, ".connector.kind", kinds),
            (
                r#""protected":"secret""#,
                ".protected",
                "must be a list of intervals",
            ),
            (
                r#""protected":[["2026-11-22T10:00:00Z","2026-11-22T10:10:00Z","2026-11-22T10:20:00Z"]]"#,
                ".protected[0]",
                interval,
            ),
            (
                r#""protected":[["2026-11-22T10:00:00Z"]]"#,
                ".protected[0]",
                interval,
            ),
            (r#""protected":[[]]"#, ".protected[0]", interval),
            (
                r#""protected":[["secret","b","c"]]"#,
                ".protected[0][0]",
                instant,
            ),
            (r#""offline":"secret""#, ".offline", "must be true or false"),
            (r#""instance_id":7"#, ".instance_id", "must be a string"),
            (r#""colour":"secret""#, ".colour", "is not a known field"),
            (
                r#""offline":true,"offline":true"#,
                ".offline",
                "is there twice",
            ),
        ] {
            let told = of_computer(&format!(r#"{{"agent_id":"a",{member}}}"#));
            let expected = (format!("computers[0]{field}"), problem.to_owned());
            if told != expected {
                wrong.push((member, told));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn a_missing_field_is_named_where_it_belongs() {
        let missing = |field: &str| (field.to_owned(), "is missing".to_owned());
        assert_eq!(of_computer("{}"), missing("computers[0].agent_id"));
        assert_eq!(of_report(r#"{"account":"a"}"#), missing("hour"));
        assert_eq!(of_report("{}"), missing("account"));
    }

    #[test]
    fn an_hour_is_told_with_an_example() {
        for hour in [r#""secret""#, "5", "null", r#""2026-11-22T10:30:00Z""#] {
            assert_eq!(
                of_report(&format!(r#"{{"account":"a","hour":{hour}}}"#)),
                (
                    "hour".to_owned(),
                    "must be the start of a UTC hour, such as 2026-11-22T10:00:00Z".to_owned()
                )
            );
        }
    }

    #[test]
    fn what_is_no_object_is_said_to_have_to_be_one() {
        let object = "must be an object".to_owned();
        for whole in ["[]", "5", r#""secret""#, "null"] {
            assert_eq!(of_report(whole), (String::new(), object.clone()), "{whole}");
        }
        for computer in ["5", "[]", "null"] {
            let field = "computers[0]".to_owned();
            assert_eq!(of_computer(computer), (field, object.clone()), "{computer}");
        }
        assert_eq!(
            of_report(r#"{"account":1e999}"#),
            ("account".to_owned(), "is not of the right form".to_owned())
        );
    }

    #[test]
    fn what_is_no_json_is_told_by_its_place() {
        for (text, line, column) in [
            (&b""[..], 1, 0),
            (b"{\n\"account\":secret}", 2, 11),
            (b"{\"size\":{}", 1, 10),
            (b"{\"account\":\n\"\xff\"}", 2, 1),
        ] {
            let error = from_json::<UsageReport>(text).unwrap_err();
            assert_eq!(error, Unreadable::NotJson { line, column });
        }
    }

    #[test]
    fn a_value_made_to_look_like_a_message_is_not_repeated() {
        let kind =
            r#"{"agent_id":"a","connector":{"kind":"x, expected secret at line 1 column 1"}}"#;
        let (_, problem) = of_computer(kind);
        assert_eq!(problem, "is not one of aws, azure, gcp, vcenter");
        let value = serde_json::json!({"account": "a, expected secret at line 1"});
        let error = from_value::<UsageReport>(value).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

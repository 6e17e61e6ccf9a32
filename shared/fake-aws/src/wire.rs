//! The two protocols in which AWS Marketplace's APIs are spoken: AWS JSON and
//! Smithy RPCv2 CBOR. A request of either becomes one JSON value; an answer
//! is built once as [`Wire`] and written in either.

use ciborium::Value as Cbor;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Map, Number, Value};

/// How a request came, and so how its answer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// AWS JSON 1.0 or 1.1; the content type is echoed.
    Json(&'static str),
    /// Smithy RPCv2 CBOR.
    Cbor,
}

/// CBOR's tag for seconds since the epoch.
const EPOCH_TAG: u64 = 1;

/// A value of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Wire {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// An instant: seconds in JSON, tagged seconds in CBOR.
    Time(Timestamp),
    /// A list.
    List(Vec<Wire>),
    /// A structure; absent members are left out.
    Struct(Vec<(&'static str, Wire)>),
    /// JSON passed through, e.g. an echoed record.
    Json(Value),
}

impl Wire {
    /// Text.
    pub(crate) fn text(text: impl Into<String>) -> Wire {
        Wire::Text(text.into())
    }

    fn into_json(self) -> Value {
        match self {
            Wire::Text(text) => Value::String(text),
            Wire::Integer(number) => number.into(),
            Wire::Time(at) => at.as_second().into(),
            Wire::List(items) => items.into_iter().map(Wire::into_json).collect(),
            Wire::Struct(members) => members
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value.into_json()))
                .collect::<Map<String, Value>>()
                .into(),
            Wire::Json(value) => value,
        }
    }

    fn into_cbor(self) -> Cbor {
        match self {
            Wire::Text(text) => Cbor::Text(text),
            Wire::Integer(number) => Cbor::Integer(number.into()),
            Wire::Time(at) => Cbor::Tag(EPOCH_TAG, Box::new(Cbor::Integer(at.as_second().into()))),
            Wire::List(items) => Cbor::Array(items.into_iter().map(Wire::into_cbor).collect()),
            Wire::Struct(members) => Cbor::Map(
                members
                    .into_iter()
                    .map(|(name, value)| (Cbor::Text(name.to_owned()), value.into_cbor()))
                    .collect(),
            ),
            Wire::Json(value) => json_to_cbor(value),
        }
    }
}

/// An error in AWS's shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AwsError {
    /// HTTP status: 400, or 500 for AWS's own failures.
    pub(crate) status: u16,
    /// The exception's name, e.g. `ThrottlingException`.
    pub(crate) name: &'static str,
    /// For the reader.
    pub(crate) message: String,
}

impl AwsError {
    /// A refusal: HTTP 400.
    pub(crate) fn refused(name: &'static str, message: impl Into<String>) -> AwsError {
        AwsError {
            status: 400,
            name,
            message: message.into(),
        }
    }

    /// A failure of AWS's own: HTTP 500.
    pub(crate) fn internal(name: &'static str) -> AwsError {
        AwsError {
            status: 500,
            name,
            message: "An internal error has occurred. Retry your request.".to_owned(),
        }
    }
}

/// Status, headers and body of an answer.
pub(crate) type Answer = (StatusCode, HeaderMap, Vec<u8>);

impl Protocol {
    /// The body of a request as JSON, or the error to answer.
    pub(crate) fn read(self, body: &[u8]) -> Result<Value, AwsError> {
        let unreadable = |reason: String| AwsError::refused("SerializationException", reason);
        match self {
            Protocol::Json(_) => {
                serde_json::from_slice(body).map_err(|error| unreadable(error.to_string()))
            }
            Protocol::Cbor if body.is_empty() => Ok(Value::Object(Map::new())),
            Protocol::Cbor => {
                let value: Cbor =
                    ciborium::from_reader(body).map_err(|error| unreadable(error.to_string()))?;
                cbor_to_json(value).ok_or_else(|| unreadable("a map key is not text".to_owned()))
            }
        }
    }

    /// An answer with status 200.
    pub(crate) fn ok(self, value: Wire) -> Answer {
        let body = match self {
            Protocol::Json(_) => value.into_json().to_string().into_bytes(),
            Protocol::Cbor => cbor_bytes(&value.into_cbor()),
        };
        (StatusCode::OK, self.headers(), body)
    }

    /// An error answer. `namespace` is the service's in its Smithy model.
    pub(crate) fn error(self, error: &AwsError, namespace: &str) -> Answer {
        let status = StatusCode::from_u16(error.status);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let message = ("message", Wire::text(error.message.clone()));
        let body = match self {
            Protocol::Json(_) => {
                let value = Wire::Struct(vec![("__type", Wire::text(error.name)), message]);
                value.into_json().to_string().into_bytes()
            }
            Protocol::Cbor => {
                let kind = Wire::text(format!("{namespace}#{}", error.name));
                cbor_bytes(&Wire::Struct(vec![("__type", kind), message]).into_cbor())
            }
        };
        (status, self.headers(), body)
    }

    fn headers(self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(3);
        match self {
            Protocol::Json(content_type) => {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
            }
            Protocol::Cbor => {
                headers.insert(
                    header::CONTENT_TYPE,
                    HeaderValue::from_static("application/cbor"),
                );
                headers.insert(
                    HeaderName::from_static("smithy-protocol"),
                    HeaderValue::from_static("rpc-v2-cbor"),
                );
            }
        }
        headers
    }
}

fn cbor_bytes(value: &Cbor) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing into a Vec cannot fail, and every value here is encodable.
    let _ = ciborium::into_writer(value, &mut bytes);
    bytes
}

/// `None` when a map is keyed by anything but text, or for bytes: no shape of
/// the APIs has any.
fn cbor_to_json(value: Cbor) -> Option<Value> {
    Some(match value {
        Cbor::Null => Value::Null,
        Cbor::Bool(value) => Value::Bool(value),
        Cbor::Integer(value) => match i64::try_from(value) {
            Ok(value) => value.into(),
            Err(_) => u64::try_from(value).ok()?.into(),
        },
        Cbor::Float(value) => Number::from_f64(value).map_or(Value::Null, Value::Number),
        Cbor::Text(value) => Value::String(value),
        Cbor::Array(items) => {
            Value::Array(items.into_iter().map(cbor_to_json).collect::<Option<_>>()?)
        }
        Cbor::Map(entries) => Value::Object(
            entries
                .into_iter()
                .map(|(key, value)| Some((key.into_text().ok()?, cbor_to_json(value)?)))
                .collect::<Option<_>>()?,
        ),
        Cbor::Tag(_, inner) => cbor_to_json(*inner)?,
        Cbor::Bytes(_) => return None,
        _ => return None,
    })
}

fn json_to_cbor(value: Value) -> Cbor {
    match value {
        Value::Null => Cbor::Null,
        Value::Bool(value) => Cbor::Bool(value),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Cbor::Integer(whole.into()),
            (None, Some(float)) => Cbor::Float(float),
            (None, None) => Cbor::Null,
        },
        Value::String(text) => Cbor::Text(text),
        Value::Array(items) => Cbor::Array(items.into_iter().map(json_to_cbor).collect()),
        Value::Object(members) => Cbor::Map(
            members
                .into_iter()
                .map(|(key, value)| (Cbor::Text(key), json_to_cbor(value)))
                .collect(),
        ),
    }
}

/// An instant sent as seconds since the epoch, whole or with a fraction.
/// `None` for anything else.
pub(crate) fn epoch_seconds(value: &Value) -> Option<Timestamp> {
    let number = value.as_number()?;
    if let Some(seconds) = number.as_i64() {
        return Timestamp::from_second(seconds).ok();
    }
    // Read as decimal text: the digits that were sent, without rounding.
    let text = number.to_string();
    let (whole, fraction) = text.split_once('.')?;
    let seconds: i64 = whole.parse().ok()?;
    let digits: String = fraction
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    let nanoseconds: i32 = digits.parse().ok()?;
    let sign = if whole.starts_with('-') { -1 } else { 1 };
    Timestamp::new(seconds, nanoseconds * sign).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn seconds_are_read_whole_and_with_a_fraction() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(
            epoch_seconds(&json!(1763805600)),
            Some(at("2025-11-22T10:00:00Z"))
        );
        assert_eq!(
            epoch_seconds(&json!(1763805600.25)),
            Some(at("2025-11-22T10:00:00.25Z"))
        );
        assert_eq!(epoch_seconds(&json!("2026-11-22")), None);
        assert_eq!(epoch_seconds(&json!(1e300)), None);
    }

    #[test]
    fn cbor_answers_tag_instants_and_name_errors_in_full() {
        let at: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let answer = Wire::Struct(vec![
            ("ExpirationDate", Wire::Time(at)),
            ("Value", Wire::Integer(7)),
        ]);
        let (status, headers, body) = Protocol::Cbor.ok(answer);
        assert_eq!(status, 200);
        assert_eq!(headers["smithy-protocol"], "rpc-v2-cbor");
        let read: Cbor = ciborium::from_reader(body.as_slice()).unwrap();
        let (key, value) = read.as_map().unwrap()[0].clone();
        assert_eq!(key, Cbor::Text("ExpirationDate".into()));
        assert_eq!(
            value,
            Cbor::Tag(1, Box::new(Cbor::Integer(at.as_second().into())))
        );

        let refused = AwsError::refused("ThrottlingException", "slow down");
        let (status, _, body) = Protocol::Cbor.error(&refused, "com.example");
        assert_eq!(status, 400);
        let read = Protocol::Cbor.read(&body).unwrap();
        assert_eq!(read["__type"], "com.example#ThrottlingException");
    }

    #[test]
    fn a_body_that_is_neither_is_a_serialization_error() {
        for protocol in [Protocol::Json("application/json"), Protocol::Cbor] {
            let refused = protocol.read(&[0xff, 0x00]).unwrap_err();
            assert_eq!(refused.name, "SerializationException");
        }
    }
}

//! The bodies of the control API's requests: what their fields are, and the
//! error that names the one that is wrong.

use jiff::Timestamp;
use jiff::fmt::temporal::Pieces;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::ControlError;
use crate::whole_seconds;

/// A field of a request's body.
pub(super) struct Field {
    name: &'static str,
    needed: bool,
    /// Completes "must be …".
    shape: &'static str,
}

impl Field {
    const fn needed(name: &'static str, shape: &'static str) -> Field {
        Field {
            name,
            needed: true,
            shape,
        }
    }

    const fn optional(name: &'static str, shape: &'static str) -> Field {
        Field {
            name,
            needed: false,
            shape,
        }
    }
}

/// The body of a request: a JSON object of these fields and no others.
pub(super) trait Request: DeserializeOwned {
    const FIELDS: &'static [Field];
}

const STRING: &str = "a string";
const COUNT: &str = "a whole number from 0 to 4294967295";
pub(super) const DAY: &str = "a day such as 2026-11-30";
const INSTANT: &str = "an instant such as 2026-11-30T23:50:00Z";

#[derive(Deserialize)]
pub(super) struct AgreementRequest {
    pub(super) offer: String,
    pub(super) buyer_account: String,
    pub(super) starts_at: Option<String>,
    pub(super) auto_renewal: Option<bool>,
    pub(super) told_by: Option<String>,
}

impl Request for AgreementRequest {
    const FIELDS: &'static [Field] = &[
        Field::needed("offer", "the name of an offer, a string"),
        Field::needed("buyer_account", "a string of 12 digits"),
        Field::optional("starts_at", INSTANT),
        Field::optional("auto_renewal", "true or false"),
        Field::optional("told_by", "event_bridge, sns or both"),
    ];
}

/// How an agreement is renewed.
#[derive(Deserialize)]
pub(super) struct RenewalRequest {
    pub(super) license: String,
    pub(super) intent: Option<String>,
    pub(super) offer: Option<String>,
    pub(super) starts_at: Option<String>,
}

impl Request for RenewalRequest {
    const FIELDS: &'static [Field] = &[
        Field::needed("license", "same or new"),
        Field::optional("intent", "RENEW or REPLACE"),
        Field::optional("offer", "the name of an offer, a string"),
        Field::optional("starts_at", INSTANT),
    ];
}

/// What an amendment changes.
#[derive(Deserialize)]
pub(super) struct AmendmentRequest {
    pub(super) offer: Option<String>,
    pub(super) ends_at: Option<String>,
    pub(super) hours: Option<u32>,
    pub(super) payments: Option<Vec<String>>,
}

impl Request for AmendmentRequest {
    const FIELDS: &'static [Field] = &[
        Field::optional("offer", "the name of an offer, a string"),
        Field::optional("ends_at", INSTANT),
        Field::optional("hours", "a whole number from 0 to 2147483647"),
        Field::optional("payments", "a list of instants"),
    ];
}

#[derive(Deserialize)]
pub(super) struct TokenRequest {
    pub(super) license_arn: String,
}

#[derive(Deserialize)]
pub(super) struct NoticeRequest {
    pub(super) notice: String,
    pub(super) days: Option<u16>,
}

impl Request for NoticeRequest {
    const FIELDS: &'static [Field] = &[
        Field::needed("notice", "the name of a notice, a string"),
        Field::optional("days", "one of 180, 120, 90, 60, 30, for ending"),
    ];
}

impl Request for TokenRequest {
    const FIELDS: &'static [Field] = &[Field::needed("license_arn", STRING)];
}

/// What AWS has of a day from now on.
#[derive(Deserialize)]
pub(super) struct DataFeedRequest {
    pub(super) usage_date: String,
    pub(super) agreement_id: String,
    pub(super) dimension: String,
    pub(super) quantity: u32,
}

impl Request for DataFeedRequest {
    const FIELDS: &'static [Field] = &[
        Field::needed("usage_date", DAY),
        Field::needed("agreement_id", STRING),
        Field::needed("dimension", STRING),
        Field::needed("quantity", COUNT),
    ];
}

/// What a file of the data feeds holds; `null`: it is not there.
#[derive(Deserialize)]
pub(super) struct DataFeedFileRequest {
    pub(super) path: String,
    pub(super) text: Option<String>,
}

impl Request for DataFeedFileRequest {
    const FIELDS: &'static [Field] = &[
        Field::needed("path", STRING),
        Field::needed("text", "a string, or null to take the file away"),
    ];
}

#[derive(Deserialize)]
pub(super) struct ClockRequest {
    pub(super) advance_seconds: Option<i64>,
    pub(super) set: Option<String>,
}

impl Request for ClockRequest {
    const FIELDS: &'static [Field] = &[
        Field::optional("advance_seconds", "a whole number of seconds"),
        Field::optional("set", INSTANT),
    ];
}

#[derive(Deserialize)]
pub(super) struct FaultRequest {
    pub(super) operation: Option<String>,
    pub(super) fault: String,
    pub(super) times: Option<u32>,
    pub(super) license_arn: Option<String>,
    pub(super) records: Option<u32>,
    pub(super) delay_ms: Option<u32>,
}

impl Request for FaultRequest {
    const FIELDS: &'static [Field] = &[
        Field::optional("operation", STRING),
        Field::needed("fault", "the name of a fault, a string"),
        Field::optional("times", COUNT),
        Field::optional("license_arn", STRING),
        Field::optional("records", COUNT),
        Field::optional("delay_ms", COUNT),
    ];
}

/// Reads a body; a mistake names the field.
pub(super) fn read<T: Request>(body: &[u8]) -> Result<T, ControlError> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| ControlError::field("body", format!("must be JSON: {error}")))?;
    let Value::Object(given) = value else {
        return Err(ControlError::field("body", "must be a JSON object"));
    };
    if let Some(unknown) = given
        .keys()
        .find(|name| T::FIELDS.iter().all(|field| field.name != *name))
    {
        let names: Vec<&str> = T::FIELDS.iter().map(|field| field.name).collect();
        let reason = format!("is not known here; the fields are {}", names.join(", "));
        return Err(ControlError::field(unknown, reason));
    }
    let missing = T::FIELDS
        .iter()
        .find(|field| field.needed && !given.contains_key(field.name));
    if let Some(field) = missing {
        let reason = format!("is needed: {}", field.shape);
        return Err(ControlError::field(field.name, reason));
    }
    // From the text, since in the parsed object a name given twice is there once.
    let mut reader = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        match T::FIELDS.iter().find(|field| field.name == path) {
            Some(field) => ControlError::field(field.name, format!("must be {}", field.shape)),
            None => ControlError::field("body", "must give no field twice"),
        }
    })
}

/// Reads an instant of a field.
pub(super) fn instant(field: &str, text: &str) -> Result<Timestamp, ControlError> {
    text.parse().map_err(|_| {
        let is_one = Pieces::parse(text).is_ok_and(|pieces| pieces.to_numeric_offset().is_some());
        let reason = if is_one {
            let last = whole_seconds(Timestamp::MAX);
            format!("is out of range: the clock goes up to {last}")
        } else {
            format!("must be {INSTANT}")
        };
        ControlError::field(field, reason)
    })
}

/// Reads when a contract's instalments fall due.
pub(super) fn payments(texts: &[String]) -> Result<Vec<Timestamp>, ControlError> {
    texts.iter().map(|text| instant("payments", text)).collect()
}

/// Reads an instant of a field that may be left out.
pub(super) fn optional_instant(
    field: &str,
    text: Option<&str>,
) -> Result<Option<Timestamp>, ControlError> {
    text.map(|text| instant(field, text)).transpose()
}

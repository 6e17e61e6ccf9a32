//! EventBridge's envelope into a [`MarketplaceEvent`].
//!
//! An error names the field and the rule that it breaks, never its content.

use domain::ids::{
    AgreementId, AwsAccountId, EventId, InvalidId, LicenseArn, OfferId, ProductCode,
};
use domain::marketplace_event::{AgreementTerms, EndedStatus, EventKind, Intent, MarketplaceEvent};
use jiff::Timestamp;
use serde::Deserialize;

/// The longest detail-type that is kept; EventBridge's own limit is 128.
const MAX_DETAIL_TYPE_BYTES: usize = 128;

/// What AWS writes for an agreement without an end: 9999-01-01T00:00:00Z.
const NO_END: Timestamp = Timestamp::constant(253_370_764_800, 0);

/// An event that cannot be read: the field, and what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {rule}")]
pub struct MalformedEvent {
    /// The field's path, such as `detail.license.arn`.
    pub field: String,
    /// The rule that it breaks.
    pub rule: &'static str,
}

#[derive(Deserialize)]
struct Envelope {
    version: String,
    id: String,
    #[serde(rename = "detail-type")]
    detail_type: String,
    source: String,
    account: String,
    time: String,
    #[serde(default)]
    detail: Option<Detail>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Detail {
    agreement: Option<Agreement>,
    license: Option<License>,
    product: Option<Product>,
    offer: Option<WithId>,
    acceptor: Option<Party>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Agreement {
    id: Option<String>,
    intent: Option<String>,
    status: Option<String>,
    start_time: Option<String>,
    end_time: Option<String>,
    previous_agreement_id: Option<String>,
}

#[derive(Deserialize)]
struct License {
    arn: Option<String>,
}

#[derive(Deserialize)]
struct Product {
    code: Option<String>,
}

#[derive(Deserialize)]
struct WithId {
    id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Party {
    account_id: Option<String>,
}

/// Parses an event as EventBridge delivers it.
///
/// # Errors
/// [`MalformedEvent`] names the first field that breaks a rule.
pub fn parse_event(json: &[u8]) -> Result<MarketplaceEvent, MalformedEvent> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let envelope: Envelope =
        serde_path_to_error::deserialize(&mut deserializer).map_err(|error| MalformedEvent {
            field: match error.path().to_string().as_str() {
                "." => "the event".to_owned(),
                path => path.to_owned(),
            },
            rule: "must be a JSON object of EventBridge's shape, with all of its fields",
        })?;
    if deserializer.end().is_err() {
        return Err(malformed("the event", "must be one JSON object"));
    }
    if envelope.source != "aws.agreement-marketplace" {
        return Err(malformed("source", "must be aws.agreement-marketplace"));
    }
    if envelope.detail_type.is_empty() || envelope.detail_type.len() > MAX_DETAIL_TYPE_BYTES {
        return Err(malformed("detail-type", "must have 1 to 128 bytes"));
    }
    if envelope.version.len() > 16 {
        return Err(malformed("version", "must have at most 16 bytes"));
    }
    let detail = envelope.detail.unwrap_or_default();
    let agreement = detail.agreement.unwrap_or_default();
    Ok(MarketplaceEvent {
        id: id("id", &envelope.id, EventId::parse)?,
        at: timestamp("time", &envelope.time)?,
        seller: id("account", &envelope.account, AwsAccountId::parse)?,
        agreement: optional(
            "detail.agreement.id",
            agreement.id.as_deref(),
            AgreementId::parse,
        )?,
        buyer: optional(
            "detail.acceptor.accountId",
            detail
                .acceptor
                .and_then(|party| party.account_id)
                .as_deref(),
            AwsAccountId::parse,
        )?,
        offer: optional(
            "detail.offer.id",
            detail.offer.and_then(|offer| offer.id).as_deref(),
            OfferId::parse,
        )?,
        product: optional(
            "detail.product.code",
            detail.product.and_then(|product| product.code).as_deref(),
            ProductCode::parse,
        )?,
        license: optional(
            "detail.license.arn",
            detail.license.and_then(|license| license.arn).as_deref(),
            LicenseArn::parse,
        )?,
        kind: kind(&envelope.detail_type, &agreement)?,
        version: envelope.version,
        detail_type: envelope.detail_type,
    })
}

/// The same for both suffixes: on direct sales only the Proposer's agreement
/// event comes, on resale only the Manufacturer's.
fn kind(detail_type: &str, agreement: &Agreement) -> Result<EventKind, MalformedEvent> {
    let family = detail_type
        .strip_suffix(" - Proposer")
        .or_else(|| detail_type.strip_suffix(" - Manufacturer"))
        .unwrap_or(detail_type);
    Ok(match family {
        "Purchase Agreement Created" => EventKind::AgreementCreated(terms(agreement)?),
        "Purchase Agreement Amended" => EventKind::AgreementAmended(terms(agreement)?),
        "Purchase Agreement Ended" => EventKind::AgreementEnded {
            status: ended_status(agreement.status.as_deref().unwrap_or_default()),
        },
        "License Updated" => EventKind::LicenseUpdated,
        "License Deprovisioned" => EventKind::LicenseDeprovisioned,
        "Purchase Agreement Advisory Issued" => EventKind::AdvisoryIssued,
        "Purchase Agreement Advisory Resolved" => EventKind::AdvisoryResolved,
        "Purchase Agreement Ending" => EventKind::AgreementEnding,
        _ => EventKind::Unrecognized,
    })
}

fn terms(agreement: &Agreement) -> Result<AgreementTerms, MalformedEvent> {
    let instant = |field, text: &Option<String>| {
        text.as_deref()
            .map(|text| timestamp(field, text))
            .transpose()
    };
    let ends_at = instant("detail.agreement.endTime", &agreement.end_time)?;
    Ok(AgreementTerms {
        intent: intent(agreement.intent.as_deref().unwrap_or_default()),
        starts_at: instant("detail.agreement.startTime", &agreement.start_time)?,
        ends_at: ends_at.filter(|end| *end < NO_END),
        previous: optional(
            "detail.agreement.previousAgreementId",
            agreement.previous_agreement_id.as_deref(),
            AgreementId::parse,
        )?,
    })
}

fn intent(text: &str) -> Intent {
    match text {
        "NEW" => Intent::New,
        "RENEW" => Intent::Renew,
        "REPLACE" => Intent::Replace,
        "AMEND" => Intent::Amend,
        other => Intent::Unrecognized(bounded(other)),
    }
}

fn ended_status(text: &str) -> EndedStatus {
    match text {
        "CANCELLED" => EndedStatus::Cancelled,
        "EXPIRED" => EndedStatus::Expired,
        "TERMINATED" => EndedStatus::Terminated,
        "RENEWED" => EndedStatus::Renewed,
        "REPLACED" => EndedStatus::Replaced,
        other => EndedStatus::Unrecognized(bounded(other)),
    }
}

fn bounded(text: &str) -> String {
    text.chars().take(64).collect()
}

fn timestamp(field: &str, text: &str) -> Result<Timestamp, MalformedEvent> {
    text.parse()
        .map_err(|_| malformed(field, "must be an RFC 3339 instant"))
}

fn id<T>(
    field: &str,
    text: &str,
    parse: impl Fn(String) -> Result<T, InvalidId>,
) -> Result<T, MalformedEvent> {
    parse(text.to_owned()).map_err(|invalid| malformed(field, invalid.rule))
}

/// Absent, null and empty are the same: AWS's events have been seen with all.
fn optional<T>(
    field: &str,
    text: Option<&str>,
    parse: impl Fn(String) -> Result<T, InvalidId>,
) -> Result<Option<T>, MalformedEvent> {
    text.filter(|text| !text.is_empty())
        .map(|text| id(field, text, parse))
        .transpose()
}

fn malformed(field: &str, rule: &'static str) -> MalformedEvent {
    MalformedEvent {
        field: field.to_owned(),
        rule,
    }
}

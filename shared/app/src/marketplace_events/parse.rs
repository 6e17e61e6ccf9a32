//! EventBridge's envelope into a [`MarketplaceEvent`].
//!
//! An error names the field and the rule that it breaks, never its content.

use domain::ids::{
    AgreementId, AwsAccountId, EventId, InvalidId, LicenseArn, OfferId, ProductCode,
};
use domain::marketplace_event::{
    AgreementEnding, AgreementTerms, CancellationRequest, EndedStatus, EventKind, Intent,
    MarketplaceEvent,
};
use jiff::Timestamp;
use serde::Deserialize;

/// The version of EventBridge's envelope that is known.
const KNOWN_VERSION: &str = "0";

/// The longest detail-type that is kept; EventBridge's own limit is 128.
const MAX_DETAIL_TYPE_BYTES: usize = 128;

/// What AWS writes for an agreement without an end: 9999-01-01T00:00:00Z.
const NO_END: Timestamp = Timestamp::constant(253_370_764_800, 0);

/// The path of a field, in one line, whatever the sender calls its fields.
pub(super) fn path_of<E>(error: &serde_path_to_error::Error<E>) -> String {
    let path = error.path().to_string();
    path.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

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
    detail: Option<serde_json::Value>,
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
    auto_renewal_enabled: Option<bool>,
    days_before_end_time: Option<u16>,
    /// The buyer, in the events of cancellation requests.
    acceptor_id: Option<String>,
    /// The offer, in the same.
    offer_id: Option<String>,
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
            field: match path_of(&error).as_str() {
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
    let family = family(&envelope.detail_type);
    let reading = if envelope.version == KNOWN_VERSION && family.is_some() {
        Reading::Strict
    } else {
        Reading::Lenient
    };
    let detail = reading.detail(envelope.detail)?;
    let agreement = detail.agreement.unwrap_or_default();
    let acceptor = detail.acceptor.and_then(|party| party.account_id);
    let buyer = acceptor.or_else(|| agreement.acceptor_id.clone());
    let offer = detail.offer.and_then(|offer| offer.id);
    let offer = offer.or_else(|| agreement.offer_id.clone());
    let product = detail.product.and_then(|product| product.code);
    let license = detail.license.and_then(|license| license.arn);
    Ok(MarketplaceEvent {
        id: id("id", &envelope.id, EventId::parse)?,
        at: timestamp("time", &envelope.time)?,
        seller: id("account", &envelope.account, AwsAccountId::parse)?,
        agreement: reading.id("detail.agreement.id", &agreement.id, AgreementId::parse)?,
        buyer: reading.id("detail.acceptor.accountId", &buyer, AwsAccountId::parse)?,
        offer: reading.id("detail.offer.id", &offer, OfferId::parse)?,
        product: reading.id("detail.product.code", &product, ProductCode::parse)?,
        license: reading.id("detail.license.arn", &license, LicenseArn::parse)?,
        kind: match (family, reading) {
            (Some(family), Reading::Strict) => kind(family, &agreement)?,
            (Some(_) | None, Reading::Strict | Reading::Lenient) => EventKind::Unrecognized,
        },
        version: envelope.version,
        detail_type: envelope.detail_type,
    })
}

/// How the detail of an event is read.
#[derive(Clone, Copy)]
enum Reading {
    /// Its shape is known: anything else is malformed.
    Strict,
    /// It is of an unknown version or detail-type, which is kept whatever its
    /// shape: what looks as expected is taken, the rest passed over.
    Lenient,
}

impl Reading {
    fn detail(self, detail: Option<serde_json::Value>) -> Result<Detail, MalformedEvent> {
        let Some(detail) = detail else {
            return Ok(Detail::default());
        };
        match (serde_path_to_error::deserialize(detail), self) {
            (Ok(detail), _) => Ok(detail),
            (Err(_), Self::Lenient) => Ok(Detail::default()),
            (Err(error), Self::Strict) => Err(malformed(
                &format!("detail.{}", path_of(&error)),
                "must be of the shape that AWS documents",
            )),
        }
    }

    /// Absent, null and empty are the same: AWS's events have been seen with all.
    fn id<T>(
        self,
        field: &str,
        text: &Option<String>,
        parse: impl Fn(String) -> Result<T, InvalidId>,
    ) -> Result<Option<T>, MalformedEvent> {
        let text = text.as_deref().filter(|text| !text.is_empty());
        match (text.map(|text| id(field, text, parse)).transpose(), self) {
            (Ok(id), _) => Ok(id),
            (Err(_), Self::Lenient) => Ok(None),
            (Err(error), Self::Strict) => Err(error),
        }
    }
}

/// A family of events that is understood.
#[derive(Clone, Copy)]
enum Family {
    Created,
    Amended,
    Ended,
    Ending,
    AdvisoryIssued,
    AdvisoryResolved,
    RenewalTermsFinalized,
    RenewalUpcoming,
    Cancellation(CancellationRequest),
    BillingAdjustment,
    LicenseUpdated,
    LicenseDeprovisioned,
}

/// The same for both suffixes: on direct sales only the Proposer's agreement
/// event comes, on resale only the Manufacturer's.
fn family(detail_type: &str) -> Option<Family> {
    let family = detail_type
        .strip_suffix(" - Proposer")
        .or_else(|| detail_type.strip_suffix(" - Manufacturer"))?;
    Some(match family {
        "Purchase Agreement Created" => Family::Created,
        "Purchase Agreement Amended" => Family::Amended,
        "Purchase Agreement Ended" => Family::Ended,
        "Purchase Agreement Ending" => Family::Ending,
        "Purchase Agreement Advisory Issued" => Family::AdvisoryIssued,
        "Purchase Agreement Advisory Resolved" => Family::AdvisoryResolved,
        "Purchase Agreement Renewal Terms Finalized" => Family::RenewalTermsFinalized,
        "Purchase Agreement Renewal Upcoming" => Family::RenewalUpcoming,
        "Agreement Cancellation Request Pending Approval" => {
            Family::Cancellation(CancellationRequest::Pending)
        }
        "Agreement Cancellation Request Approved" => {
            Family::Cancellation(CancellationRequest::Approved)
        }
        "Agreement Cancellation Request Rejected" => {
            Family::Cancellation(CancellationRequest::Rejected)
        }
        "Agreement Cancellation Request Cancelled" => {
            Family::Cancellation(CancellationRequest::Withdrawn)
        }
        "Agreement Cancellation Request Validation Failed" => {
            Family::Cancellation(CancellationRequest::Invalid)
        }
        "Purchase Agreement Billing Adjustment Completed"
        | "Purchase Agreement Billing Adjustment Failed" => Family::BillingAdjustment,
        "License Updated" => Family::LicenseUpdated,
        "License Deprovisioned" => Family::LicenseDeprovisioned,
        _ => return None,
    })
}

fn kind(family: Family, agreement: &Agreement) -> Result<EventKind, MalformedEvent> {
    Ok(match family {
        Family::Created => EventKind::AgreementCreated(terms(agreement)?),
        Family::Amended => EventKind::AgreementAmended(terms(agreement)?),
        Family::Ended => EventKind::AgreementEnded {
            status: ended_status(agreement.status.as_deref().unwrap_or_default()),
        },
        Family::Ending => EventKind::AgreementEnding(ending(agreement)?),
        Family::RenewalTermsFinalized => EventKind::RenewalTermsFinalized,
        Family::RenewalUpcoming => EventKind::RenewalUpcoming,
        Family::Cancellation(request) => EventKind::CancellationRequest(request),
        Family::BillingAdjustment => EventKind::BillingAdjustment,
        Family::AdvisoryIssued => EventKind::AdvisoryIssued,
        Family::AdvisoryResolved => EventKind::AdvisoryResolved,
        Family::LicenseUpdated => EventKind::LicenseUpdated,
        Family::LicenseDeprovisioned => EventKind::LicenseDeprovisioned,
    })
}

fn terms(agreement: &Agreement) -> Result<AgreementTerms, MalformedEvent> {
    Ok(AgreementTerms {
        intent: intent(agreement.intent.as_deref().unwrap_or_default()),
        starts_at: instant("detail.agreement.startTime", &agreement.start_time)?,
        ends_at: ends_at(agreement)?,
        previous: Reading::Strict.id(
            "detail.agreement.previousAgreementId",
            &agreement.previous_agreement_id,
            AgreementId::parse,
        )?,
        auto_renewal: agreement.auto_renewal_enabled,
    })
}

fn ending(agreement: &Agreement) -> Result<AgreementEnding, MalformedEvent> {
    Ok(AgreementEnding {
        ends_at: ends_at(agreement)?,
        days: agreement.days_before_end_time,
        auto_renewal: agreement.auto_renewal_enabled,
    })
}

fn ends_at(agreement: &Agreement) -> Result<Option<Timestamp>, MalformedEvent> {
    let ends_at = instant("detail.agreement.endTime", &agreement.end_time)?;
    Ok(ends_at.filter(|end| *end < NO_END))
}

fn instant(field: &str, text: &Option<String>) -> Result<Option<Timestamp>, MalformedEvent> {
    text.as_deref()
        .map(|text| timestamp(field, text))
        .transpose()
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

pub(super) fn bounded(text: &str) -> String {
    text.chars().take(64).collect()
}

pub(super) fn timestamp(field: &str, text: &str) -> Result<Timestamp, MalformedEvent> {
    text.parse()
        .map_err(|_| malformed(field, "must be an RFC 3339 instant"))
}

pub(super) fn id<T>(
    field: &str,
    text: &str,
    parse: impl Fn(String) -> Result<T, InvalidId>,
) -> Result<T, MalformedEvent> {
    parse(text.to_owned()).map_err(|invalid| malformed(field, invalid.rule))
}

pub(super) fn malformed(field: &str, rule: &'static str) -> MalformedEvent {
    MalformedEvent {
        field: field.to_owned(),
        rule,
    }
}

//! Between AWS's wire types and ours, and what an SDK error means.

use aws_sdk_marketplacemetering::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_marketplacemetering::types as sdk;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::DateTime;
use aws_smithy_types::error::operation::BuildError;
use domain::ids::{Dimension, LicenseArn};
use domain::metering::{Allocation, NoAnswer, RecordKey, Refusal, UsageRecord, Verdict};
use domain::quantity::Quantity;
use jiff::Timestamp;

/// The tag under which a customer sees each cloud account's share in AWS.
const CLOUD_ACCOUNT_TAG: &str = "cloudAccountID";

/// How a call failed, before an operation gives it its own meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// AWS answered 4xx, with this error code when it named one.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The error's code, such as `InvalidTagException`.
        code: Option<String>,
    },
    /// There is no answer that anything may be concluded from.
    NoAnswer(NoAnswer),
    /// The request was never built, so it surely was not sent.
    NotSent,
}

/// What an SDK error means.
///
/// The status decides, not the error's name: a 5xx is no answer whatever it is
/// called, and an `InternalServiceErrorException` is none under any status.
pub(crate) fn failure<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Failure {
    match error {
        SdkError::ConstructionFailure(_) => Failure::NotSent,
        SdkError::TimeoutError(_) => Failure::NoAnswer(NoAnswer::TimedOut),
        SdkError::DispatchFailure(dispatch) if dispatch.is_timeout() => {
            Failure::NoAnswer(NoAnswer::TimedOut)
        }
        SdkError::DispatchFailure(_) => Failure::NoAnswer(NoAnswer::Connection),
        SdkError::ResponseError(response) => refused_or_not(response.raw().status().as_u16(), None),
        SdkError::ServiceError(service) => refused_or_not(
            service.raw().status().as_u16(),
            service.err().code().map(ToOwned::to_owned),
        ),
        _ => Failure::NoAnswer(NoAnswer::NotUnderstood),
    }
}

fn refused_or_not(status: u16, code: Option<String>) -> Failure {
    match (status, code.as_deref()) {
        (500..=599, _) | (_, Some("InternalServiceErrorException")) => {
            Failure::NoAnswer(NoAnswer::ServerError(status))
        }
        (400..=499, _) => Failure::Refused { status, code },
        _ => Failure::NoAnswer(NoAnswer::NotUnderstood),
    }
}

/// Whether a refusal is about who is calling rather than about what was asked.
pub(crate) fn is_about_access(status: u16, code: Option<&str>) -> bool {
    match code {
        Some(code) => matches!(
            code,
            "AccessDenied"
                | "AccessDeniedException"
                | "IncompleteSignature"
                | "IncompleteSignatureException"
                | "InvalidClientTokenId"
                | "InvalidSignatureException"
                | "MissingAuthenticationToken"
                | "MissingAuthenticationTokenException"
                | "NotAuthorized"
                | "OptInRequired"
                | "SignatureDoesNotMatch"
                | "UnrecognizedClientException"
        ),
        None => matches!(status, 401 | 403),
    }
}

/// Whether a refusal asks for patience.
pub(crate) fn is_throttling(status: u16, code: Option<&str>) -> bool {
    match code {
        Some(code) => matches!(
            code,
            "ThrottlingException"
                | "Throttling"
                | "TooManyRequestsException"
                | "RequestLimitExceeded"
        ),
        None => status == 429,
    }
}

/// Why AWS refused a whole metering call.
pub(crate) fn refusal(status: u16, code: Option<String>) -> Refusal {
    if is_throttling(status, code.as_deref()) {
        return Refusal::Throttled;
    }
    // Metering has no token of its own that could expire: here this name speaks
    // of our credentials.
    if is_about_access(status, code.as_deref()) || code.as_deref() == Some("ExpiredTokenException")
    {
        return Refusal::AccessDenied;
    }
    match code.as_deref() {
        Some("TimestampOutOfBoundsException") => Refusal::TimestampOutOfBounds,
        Some("InvalidUsageDimensionException") => Refusal::InvalidUsageDimension,
        Some("InvalidLicenseException") => Refusal::InvalidLicense,
        Some("InvalidTagException") => Refusal::InvalidTag,
        Some("InvalidUsageAllocationsException") => Refusal::InvalidUsageAllocations,
        Some("InvalidCustomerIdentifierException") => Refusal::InvalidCustomerIdentifier,
        Some("InvalidProductCodeException") => Refusal::InvalidProductCode,
        Some("DisabledApiException") => Refusal::DisabledApi,
        Some(_) | None => {
            Refusal::Unrecognized(code.unwrap_or_else(|| format!("HTTP status {status}")))
        }
    }
}

/// A record as it is sent.
pub(crate) fn usage_record(record: &UsageRecord) -> Result<sdk::UsageRecord, BuildError> {
    let allocations = record
        .allocations
        .iter()
        .map(usage_allocation)
        .collect::<Result<Vec<_>, _>>()?;
    sdk::UsageRecord::builder()
        .timestamp(DateTime::from_secs(record.timestamp.as_second()))
        // The SDK insists on a value; it is taken out of the body again before
        // the request is signed.
        .customer_identifier("")
        .customer_aws_account_id(record.buyer.as_str())
        .license_arn(record.license.as_str())
        .dimension(record.dimension.as_str())
        .quantity(wire_quantity(record.quantity))
        .set_usage_allocations((!allocations.is_empty()).then_some(allocations))
        .build()
}

fn usage_allocation(allocation: &Allocation) -> Result<sdk::UsageAllocation, BuildError> {
    let tags = match &allocation.cloud_account {
        Some(account) => Some(vec![
            sdk::Tag::builder()
                .key(CLOUD_ACCOUNT_TAG)
                .value(account.as_str())
                .build()?,
        ]),
        None => None,
    };
    sdk::UsageAllocation::builder()
        .allocated_usage_quantity(wire_quantity(allocation.quantity))
        .set_tags(tags)
        .build()
}

/// AWS's Integer. [`Quantity`] never exceeds it.
fn wire_quantity(quantity: Quantity) -> i32 {
    i32::try_from(quantity.get()).unwrap_or(i32::MAX)
}

/// Which record an echoed one is; `None` when the echo names no license or
/// dimension that we could have sent.
pub(crate) fn record_key(echo: &sdk::UsageRecord) -> Option<RecordKey> {
    Some(RecordKey {
        license: LicenseArn::parse(echo.license_arn()?).ok()?.id().clone(),
        dimension: Dimension::parse(echo.dimension()).ok()?,
        timestamp: timestamp(echo.timestamp())?,
    })
}

/// AWS's verdict on an echoed record.
pub(crate) fn verdict(result: &sdk::UsageRecordResult) -> Verdict {
    match result.status() {
        Some(sdk::UsageRecordResultStatus::Success) => Verdict::Success {
            metering_record_id: result.metering_record_id().map(ToOwned::to_owned),
        },
        Some(sdk::UsageRecordResultStatus::DuplicateRecord) => Verdict::DuplicateRecord,
        Some(sdk::UsageRecordResultStatus::CustomerNotSubscribed) => Verdict::CustomerNotSubscribed,
        Some(other) => Verdict::Unrecognized(other.as_str().to_owned()),
        None => Verdict::Unrecognized(String::new()),
    }
}

/// An instant of AWS's, to the second.
pub(crate) fn timestamp(instant: &DateTime) -> Option<Timestamp> {
    Timestamp::from_second(instant.secs()).ok()
}

/// What the next page is asked for by, if there is one.
pub(crate) fn next_page(token: Option<&str>) -> Option<String> {
    token
        .filter(|token| !token.is_empty())
        .map(ToOwned::to_owned)
}

//! ResolveCustomer: who is behind a registration token.

use aws_sdk_marketplacemetering::operation::resolve_customer::ResolveCustomerOutput;
use domain::ids::{AgreementId, AwsAccountId, LicenseArn, ProductCode};
use domain::metering::NoAnswer;
use secrecy::{ExposeSecret, SecretString};

use crate::Marketplace;
use crate::convert::{self, Failure};

/// The buyer and the license behind a registration token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedCustomer {
    /// The license that the token was given out for.
    pub license: LicenseArn,
    /// The AWS account that bought it, and pays.
    pub buyer: AwsAccountId,
    /// The product bought, by its code.
    pub product: Option<ProductCode>,
    /// The agreement behind the license.
    pub agreement: Option<AgreementId>,
    /// The identifier that SNS messages of listings older than 2026-06-01 use.
    pub customer_identifier: Option<String>,
}

/// Why a token was not resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// AWS does not know the token: it was cut, mistyped or made up.
    #[error("AWS Marketplace does not know the registration token")]
    InvalidToken,
    /// The token's time is over: the buyer starts again from AWS Marketplace.
    #[error("the registration token has expired")]
    ExpiredToken,
    /// Too many calls: the same token may be tried again soon.
    #[error("AWS Marketplace asks to slow down")]
    Throttled,
    /// No answer, or none that is understood: the same token may be tried again.
    #[error("AWS Marketplace did not answer: {0}")]
    Unavailable(NoAnswer),
    /// We may not call the API: a fault of our set-up, by its code.
    #[error("AWS Marketplace does not let us resolve customers: {0}")]
    NotAllowed(String),
    /// The answer lacks what a registration needs, or it is not well formed; this names it.
    #[error("AWS Marketplace's answer has no usable {0}")]
    Incomplete(&'static str),
}

impl Marketplace {
    /// Asks AWS who is behind a registration token. The same token gives the
    /// same answer for about 4 hours, so the call may be repeated.
    ///
    /// # Errors
    /// See [`ResolveError`]; none of them holds the token.
    pub async fn resolve_customer(
        &self,
        token: &SecretString,
    ) -> Result<ResolvedCustomer, ResolveError> {
        let output = self
            .metering
            .resolve_customer()
            .registration_token(token.expose_secret())
            .send()
            .await
            .map_err(|error| match convert::failure(&error) {
                Failure::Refused { status, code } => refused(status, code),
                Failure::NoAnswer(why) => ResolveError::Unavailable(why),
                Failure::NotSent => ResolveError::NotAllowed("RequestNotBuilt".to_owned()),
            })?;
        resolved(&output)
    }
}

fn refused(status: u16, code: Option<String>) -> ResolveError {
    match code.as_deref() {
        Some("InvalidTokenException") => return ResolveError::InvalidToken,
        Some("ExpiredTokenException") => return ResolveError::ExpiredToken,
        Some(_) | None => {}
    }
    if convert::is_throttling(status, code.as_deref()) {
        return ResolveError::Throttled;
    }
    // A token that breaks the shape's own limits is refused before the service
    // looks it up.
    if code.as_deref() == Some("ValidationException") {
        return ResolveError::InvalidToken;
    }
    ResolveError::NotAllowed(code.unwrap_or_else(|| format!("HTTP status {status}")))
}

fn resolved(output: &ResolveCustomerOutput) -> Result<ResolvedCustomer, ResolveError> {
    Ok(ResolvedCustomer {
        license: required(output.license_arn(), "LicenseArn", LicenseArn::parse)?,
        buyer: required(
            output.customer_aws_account_id(),
            "CustomerAWSAccountId",
            AwsAccountId::parse,
        )?,
        product: optional(output.product_code(), "ProductCode", ProductCode::parse)?,
        agreement: optional(
            output
                .metadata()
                .and_then(|metadata| metadata.agreement_id()),
            "Metadata.AgreementId",
            AgreementId::parse,
        )?,
        customer_identifier: output
            .customer_identifier()
            .filter(|text| !text.is_empty())
            .map(ToOwned::to_owned),
    })
}

fn required<'a, T, E>(
    text: Option<&'a str>,
    name: &'static str,
    parse: impl FnOnce(&'a str) -> Result<T, E>,
) -> Result<T, ResolveError> {
    optional(text, name, parse)?.ok_or(ResolveError::Incomplete(name))
}

/// Absent and empty are the same: AWS's answers have been seen with both.
fn optional<'a, T, E>(
    text: Option<&'a str>,
    name: &'static str,
    parse: impl FnOnce(&'a str) -> Result<T, E>,
) -> Result<Option<T>, ResolveError> {
    text.filter(|text| !text.is_empty())
        .map(parse)
        .transpose()
        .map_err(|_| ResolveError::Incomplete(name))
}

#[cfg(test)]
mod tests;

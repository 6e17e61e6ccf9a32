//! The agreement API: `DescribeAgreement` and `SearchAgreements`.

use serde::Deserialize;
use serde_json::Value;

use crate::Inner;
use crate::lock;
use crate::state::{Agreement, AgreementStatus};
use crate::wire::{AwsError, Wire};

const LARGEST_PAGE: usize = 100;
const DEFAULT_PAGE: usize = 50;
const TOKEN_PREFIX: &str = "page-from-";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribeAgreement {
    #[serde(default)]
    agreement_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SearchAgreements {
    #[serde(default)]
    filters: Vec<Filter>,
    #[serde(default)]
    max_results: Option<usize>,
    #[serde(default)]
    next_token: Option<String>,
}

#[derive(Deserialize)]
struct Filter {
    #[serde(default)]
    name: String,
    #[serde(default)]
    values: Vec<String>,
}

/// Filters that are served; `LicenseArn` finds the agreement of a license.
const FILTERS: [&str; 8] = [
    "PartyType",
    "AgreementType",
    "AgreementId",
    "AcceptorAccountId",
    "ResourceIdentifier",
    "OfferId",
    "Status",
    "LicenseArn",
];

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::refused("ValidationException", message)
}

fn read<T: serde::de::DeserializeOwned>(request: Value) -> Result<T, AwsError> {
    serde_path_to_error::deserialize(request)
        .map_err(|error| invalid(format!("{}: {}", error.path(), error.inner())))
}

impl Inner {
    /// `DescribeAgreement`.
    pub(crate) fn describe_agreement(&self, request: Value) -> Result<Wire, AwsError> {
        let request: DescribeAgreement = read(request)?;
        let kept = lock(&self.kept);
        let agreement = kept.state.agreement(&request.agreement_id).ok_or_else(|| {
            AwsError::refused("ResourceNotFoundException", "The agreement does not exist.")
        })?;
        Ok(Wire::Struct(self.agreement_members(agreement)))
    }

    /// `SearchAgreements`: by page, oldest first.
    pub(crate) fn search_agreements(&self, request: Value) -> Result<Wire, AwsError> {
        let request: SearchAgreements = read(request)?;
        if let Some(filter) = request
            .filters
            .iter()
            .find(|f| !FILTERS.contains(&f.name.as_str()))
        {
            let known = FILTERS.join(", ");
            return Err(invalid(format!(
                "The filter {:?} is not one of {known}.",
                filter.name
            )));
        }
        let size = request.max_results.unwrap_or(DEFAULT_PAGE);
        if !(1..=LARGEST_PAGE).contains(&size) {
            return Err(invalid("maxResults must be 1 to 100."));
        }
        let from = match &request.next_token {
            None => 0,
            Some(token) => token
                .strip_prefix(TOKEN_PREFIX)
                .and_then(|from| from.parse().ok())
                .ok_or_else(|| invalid("nextToken is invalid."))?,
        };
        let kept = lock(&self.kept);
        let matching: Vec<&Agreement> = kept
            .state
            .agreements()
            .iter()
            .filter(|agreement| request.filters.iter().all(|f| self.matches(f, agreement)))
            .collect();
        let page = matching.iter().skip(from).take(size);
        let summaries = page.map(|agreement| {
            let mut members = self.agreement_members(agreement);
            let license = Wire::Struct(vec![("licenseArn", Wire::text(&agreement.license_arn))]);
            members.push(("entitlements", Wire::List(vec![license])));
            Wire::Struct(members)
        });
        let mut answer = vec![("agreementViewSummaries", Wire::List(summaries.collect()))];
        if from + size < matching.len() {
            let next = format!("{TOKEN_PREFIX}{}", from + size);
            answer.push(("nextToken", Wire::text(next)));
        }
        Ok(Wire::Struct(answer))
    }

    fn matches(&self, filter: &Filter, agreement: &Agreement) -> bool {
        let is = |value: &str| filter.values.iter().any(|wanted| wanted == value);
        match filter.name.as_str() {
            "PartyType" => is("Proposer"),
            "AgreementType" => is("PurchaseAgreement"),
            "AgreementId" => is(&agreement.agreement_id),
            "AcceptorAccountId" => is(&agreement.buyer_account),
            "ResourceIdentifier" => is(&self.config.product_id),
            "OfferId" => is(self.offer(agreement.offer).offer_id),
            "Status" => is(agreement.status.aws()),
            "LicenseArn" => is(&agreement.license_arn),
            _ => false,
        }
    }

    fn agreement_members(&self, agreement: &Agreement) -> Vec<(&'static str, Wire)> {
        let party = |account: &str| Wire::Struct(vec![("accountId", Wire::text(account))]);
        let offer = self.offer(agreement.offer);
        let resource = Wire::Struct(vec![
            ("id", Wire::text(&self.config.product_id)),
            ("type", Wire::text("SaaSProduct")),
        ]);
        let summary = Wire::Struct(vec![
            ("resources", Wire::List(vec![resource])),
            ("offerId", Wire::text(offer.offer_id)),
        ]);
        let ends_at = match agreement.status {
            AgreementStatus::Scheduled | AgreementStatus::Active => agreement.ends_at,
            AgreementStatus::Ended { at, .. } => Some(at),
        };
        let mut members = vec![
            ("agreementId", Wire::text(&agreement.agreement_id)),
            ("acceptor", party(&agreement.buyer_account)),
            ("proposer", party(&self.config.seller_account)),
            ("acceptanceTime", Wire::Time(agreement.accepted_at)),
            ("startTime", Wire::Time(agreement.starts_at)),
            ("agreementType", Wire::text("PurchaseAgreement")),
            ("proposalSummary", summary),
            ("status", Wire::text(agreement.status.aws())),
            (
                "initialAgreementId",
                Wire::text(&agreement.initial_agreement_id),
            ),
        ];
        if let Some(ends_at) = ends_at {
            members.push(("endTime", Wire::Time(ends_at)));
        }
        members
    }
}

//! The agreement API: `DescribeAgreement`, and in the files beside it
//! `SearchAgreements`, `GetAgreementTerms` and `GetAgreementEntitlements`.
//!
//! Where AWS's documents are silent: pay as you go has no end time even once
//! it has ended, a contract that ended early has that as its end time; every
//! contract has a renewal term, and one that does not renew itself is the
//! buyer's choice.

mod entitlements;
mod search;
mod terms;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::Inner;
use crate::lock;
use crate::offers::decimal;
use crate::paging::{BadPage, Page};
use crate::state::{Agreement, AgreementStatus, Intent, Marketplace};
use crate::wire::{AwsError, Wire};

const LARGEST_PAGE: u16 = 50;

/// What the product is to AWS.
const RESOURCE_TYPE: &str = "SaaSProduct";

const AGREEMENT_TYPE: &str = "PurchaseAgreement";

type Members = Vec<(&'static str, Wire)>;

/// An agreement that is asked for, and which part of what it has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfAgreement {
    #[serde(default)]
    agreement_id: String,
    max_results: Option<i64>,
    next_token: Option<String>,
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::refused("ValidationException", message)
}

fn read<T: serde::de::DeserializeOwned>(request: Value) -> Result<T, AwsError> {
    serde_path_to_error::deserialize(request)
        .map_err(|error| invalid(format!("{}: {}", error.path(), error.inner())))
}

fn page(max_results: Option<i64>, next_token: Option<&str>) -> Result<Page, AwsError> {
    Page::of(max_results, LARGEST_PAGE, next_token).map_err(|bad| match bad {
        BadPage::Size => invalid(format!("maxResults must be 1 to {LARGEST_PAGE}.")),
        BadPage::Token => invalid("nextToken is invalid."),
    })
}

/// A page's answer.
fn paged(name: &'static str, (items, next): (Vec<Wire>, Option<String>)) -> Wire {
    let mut answer = vec![(name, Wire::List(items))];
    answer.extend(next.map(|next| ("nextToken", Wire::text(next))));
    Wire::Struct(answer)
}

fn find<'a>(state: &'a Marketplace, id: &str) -> Result<&'a Agreement, AwsError> {
    state.agreement(id).ok_or_else(|| {
        AwsError::refused("ResourceNotFoundException", "The agreement does not exist.")
    })
}

/// What becomes of an agreement at its end.
struct EndBehavior {
    kind: &'static str,
    reason: Option<&'static str>,
    /// The offer that it renews from, or would.
    renewal_offer: Option<&'static str>,
}

impl Inner {
    /// `DescribeAgreement`.
    pub(crate) fn describe_agreement(&self, request: Value) -> Result<Wire, AwsError> {
        let request: OfAgreement = read(request)?;
        let kept = lock(&self.kept);
        let agreement = find(&kept.state, &request.agreement_id)?;
        let mut members = self.agreement_members(agreement);
        let value: u64 = agreement.terms.instalments().map(|(_, each)| each).sum();
        let charges = Wire::Struct(vec![
            ("currencyCode", Wire::text("USD")),
            ("agreementValue", Wire::text(decimal(value))),
        ]);
        members.push(("estimatedCharges", charges));
        if let Some(behavior) = self.end_behavior(&kept.state, agreement) {
            let mut end = vec![("type", Wire::text(behavior.kind))];
            end.extend(behavior.reason.map(|code| ("reasonCode", Wire::text(code))));
            end.extend(behavior.renewal_offer.map(|offer| {
                let summary = Wire::Struct(vec![("offerId", Wire::text(offer))]);
                ("renewalSummary", summary)
            }));
            members.push(("endTimeBehavior", Wire::Struct(end)));
        }
        if let Some(until) = agreement.terms.free_until() {
            let trial = Wire::Struct(vec![("trialEndTime", Wire::Time(until))]);
            members.push(("freeTrialSummary", trial));
        }
        Ok(Wire::Struct(members))
    }

    /// The members that every answer about an agreement has.
    fn agreement_members(&self, agreement: &Agreement) -> Members {
        let party = |account: &str| Wire::Struct(vec![("accountId", Wire::text(account))]);
        let summary = Wire::Struct(vec![
            ("resources", Wire::List(vec![self.resource()])),
            ("offerId", Wire::text(self.offer(agreement.offer).offer_id)),
        ]);
        let mut members = vec![
            ("agreementId", Wire::text(&agreement.agreement_id)),
            ("acceptor", party(&agreement.buyer_account)),
            ("proposer", party(&self.config.seller_account)),
            ("acceptanceTime", Wire::Time(agreement.accepted_at)),
            ("startTime", Wire::Time(agreement.starts_at)),
            ("agreementType", Wire::text(AGREEMENT_TYPE)),
            ("proposalSummary", summary),
            ("status", Wire::text(agreement.status.aws())),
            (
                "initialAgreementId",
                Wire::text(&agreement.initial_agreement_id),
            ),
        ];
        members.extend(end_time(agreement).map(|at| ("endTime", Wire::Time(at))));
        members
    }

    /// The product, as every purchase names it.
    fn resource(&self) -> Wire {
        Wire::Struct(vec![
            ("id", Wire::text(&self.config.product_id)),
            ("type", Wire::text(RESOURCE_TYPE)),
        ])
    }

    /// Of an agreement that goes on and has an end.
    fn end_behavior(&self, state: &Marketplace, agreement: &Agreement) -> Option<EndBehavior> {
        if !agreement.goes_on() {
            return None;
        }
        agreement.ends_at?;
        let offer = Some(self.offer(agreement.offer).offer_id);
        let successor = state.successor(&agreement.agreement_id);
        let (kind, reason, renewal_offer) = match successor {
            Some(next) if next.intent == Intent::Replace => ("REPLACE", None, None),
            Some(next) => ("RENEW", None, Some(self.offer(next.offer).offer_id)),
            None if agreement.auto_renewal => ("RENEW", None, offer),
            None => ("EXPIRE", Some("ACCEPTOR_RENEW_OPTED_OUT"), offer),
        };
        Some(EndBehavior {
            kind,
            reason,
            renewal_offer,
        })
    }
}

/// When an agreement ends or ended; pay as you go has no end.
fn end_time(agreement: &Agreement) -> Option<Timestamp> {
    let ends_at = agreement.ends_at?;
    match agreement.status {
        AgreementStatus::Scheduled | AgreementStatus::Active => Some(ends_at),
        AgreementStatus::Ended { at, .. } => Some(at),
    }
}

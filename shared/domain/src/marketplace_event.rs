//! What AWS Marketplace tells: its events, in our words, and which of them may
//! change anything here.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::fact::{Disregarded, Fact, Told};
use crate::ids::{
    AgreementId, AwsAccountId, CustomerIdentifier, EventId, LicenseArn, OfferId, ProductCode,
};
use crate::policy::SubscriptionPolicy;

/// An event from AWS Marketplace (EventBridge, source `aws.agreement-marketplace`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarketplaceEvent {
    /// The event's id, the same on every delivery.
    pub id: EventId,
    /// When it happened, by AWS's clock.
    pub at: Timestamp,
    /// The version of the envelope; `0` is the only one known.
    pub version: String,
    /// The AWS account whose bus it came to: the seller's.
    pub seller: AwsAccountId,
    /// AWS's name of the event, such as `License Updated - Manufacturer`.
    pub detail_type: String,
    /// The agreement, the only key that agreement and license events share.
    pub agreement: Option<AgreementId>,
    /// The acceptor: the buyer's AWS account.
    pub buyer: Option<AwsAccountId>,
    /// The offer.
    pub offer: Option<OfferId>,
    /// The product; only license events carry it.
    pub product: Option<ProductCode>,
    /// The license; only license events carry it.
    pub license: Option<LicenseArn>,
    /// What happened.
    pub kind: EventKind,
}

/// What happened, the same for the Proposer and the Manufacturer of an agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// `Purchase Agreement Created`.
    AgreementCreated(AgreementTerms),
    /// `Purchase Agreement Amended`.
    AgreementAmended(AgreementTerms),
    /// `Purchase Agreement Ended`.
    AgreementEnded {
        /// How.
        status: EndedStatus,
    },
    /// `License Updated`: activates a license, also a pay-as-you-go one.
    LicenseUpdated,
    /// `License Deprovisioned`.
    LicenseDeprovisioned,
    /// `Purchase Agreement Advisory Issued`.
    AdvisoryIssued,
    /// `Purchase Agreement Advisory Resolved`.
    AdvisoryResolved,
    /// `Purchase Agreement Ending`: 180, 120, 90, 60 or 30 days ahead.
    AgreementEnding(AgreementEnding),
    /// `Purchase Agreement Renewal Terms Finalized`: at which price it will renew.
    RenewalTermsFinalized,
    /// `Purchase Agreement Renewal Upcoming`: nobody can stop the renewal any more.
    RenewalUpcoming,
    /// `Agreement Cancellation Request …`: the seller asked the buyer to agree
    /// to a cancellation.
    CancellationRequest(CancellationRequest),
    /// `Purchase Agreement Billing Adjustment …`: a refund was made, or not.
    BillingAdjustment,
    /// Another detail-type: kept, and to be looked at by a person.
    Unrecognized,
}

impl EventKind {
    /// What a created or amended agreement says of itself.
    pub const fn terms(&self) -> Option<&AgreementTerms> {
        match self {
            Self::AgreementCreated(terms) | Self::AgreementAmended(terms) => Some(terms),
            Self::AgreementEnded { .. }
            | Self::LicenseUpdated
            | Self::LicenseDeprovisioned
            | Self::AdvisoryIssued
            | Self::AdvisoryResolved
            | Self::AgreementEnding(_)
            | Self::RenewalTermsFinalized
            | Self::RenewalUpcoming
            | Self::CancellationRequest(_)
            | Self::BillingAdjustment
            | Self::Unrecognized => None,
        }
    }

    /// Its place among events of one second, 1 to 6: AWS's times are whole seconds.
    /// What begins comes before what changes, that before what settles it, and what
    /// ends last.
    pub const fn place_in_second(&self) -> u8 {
        match self {
            Self::AgreementCreated(_) => 1,
            Self::AgreementAmended(_) => 2,
            Self::LicenseUpdated
            | Self::AdvisoryIssued
            | Self::AgreementEnding(_)
            | Self::RenewalUpcoming
            | Self::CancellationRequest(CancellationRequest::Pending) => 3,
            Self::AdvisoryResolved
            | Self::RenewalTermsFinalized
            | Self::CancellationRequest(
                CancellationRequest::Approved
                | CancellationRequest::Rejected
                | CancellationRequest::Withdrawn
                | CancellationRequest::Invalid,
            )
            | Self::BillingAdjustment
            | Self::Unrecognized => 4,
            Self::AgreementEnded { .. } => 5,
            Self::LicenseDeprovisioned => 6,
        }
    }

    /// Whether it is about a license, not only about an agreement.
    pub const fn is_about_license(&self) -> bool {
        match self {
            Self::LicenseUpdated | Self::LicenseDeprovisioned => true,
            Self::AgreementCreated(_)
            | Self::AgreementAmended(_)
            | Self::AgreementEnded { .. }
            | Self::AdvisoryIssued
            | Self::AdvisoryResolved
            | Self::AgreementEnding(_)
            | Self::RenewalTermsFinalized
            | Self::RenewalUpcoming
            | Self::CancellationRequest(_)
            | Self::BillingAdjustment
            | Self::Unrecognized => false,
        }
    }
}

/// What a created or amended agreement says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgreementTerms {
    /// Why it was made.
    pub intent: Intent,
    /// When it starts, if that was said.
    pub starts_at: Option<Timestamp>,
    /// When it ends, if it has an end (AWS writes the year 9999 for none).
    pub ends_at: Option<Timestamp>,
    /// The agreement that it follows, for renewals and replacements.
    pub previous: Option<AgreementId>,
    /// Whether it renews by itself, if that was said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_renewal: Option<bool>,
}

/// That an agreement will end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgreementEnding {
    /// When.
    pub ends_at: Option<Timestamp>,
    /// In how many days, as AWS counts them.
    pub days: Option<u16>,
    /// Whether it renews by itself, if that was said.
    pub auto_renewal: Option<bool>,
}

/// What became of a seller's request to cancel an agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancellationRequest {
    /// The buyer has 7 days to answer; silence approves it.
    Pending,
    /// It was approved: the agreement's end follows.
    Approved,
    /// The buyer rejected it.
    Rejected,
    /// The seller withdrew it.
    Withdrawn,
    /// AWS found that it could not be made.
    Invalid,
}

/// Why an agreement was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// A purchase.
    New,
    /// A renewal.
    Renew,
    /// A replacement of another agreement.
    Replace,
    /// A change of this agreement.
    Amend,
    /// Something else, or nothing said.
    Unrecognized(String),
}

/// How an agreement ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedStatus {
    /// The buyer cancelled.
    Cancelled,
    /// Its time ran out.
    Expired,
    /// AWS or the seller ended it.
    Terminated,
    /// Another agreement goes on in its place.
    Renewed,
    /// Another agreement took its place.
    Replaced,
    /// Something else: ends nothing, and is to be looked at by a person.
    Unrecognized(String),
}

impl EndedStatus {
    /// Whether another agreement goes on in its place.
    pub const fn has_successor(&self) -> bool {
        match self {
            Self::Renewed | Self::Replaced => true,
            Self::Cancelled | Self::Expired | Self::Terminated | Self::Unrecognized(_) => false,
        }
    }

    /// Whether it ends the licenses of the agreement by itself.
    pub const fn ends_license(&self) -> bool {
        match self {
            Self::Cancelled | Self::Expired | Self::Terminated => true,
            Self::Renewed | Self::Replaced | Self::Unrecognized(_) => false,
        }
    }
}

/// AWS's answer to a registration token, which is as good as an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedLicense {
    /// The license.
    pub license: LicenseArn,
    /// The AWS account that bought it.
    pub buyer: AwsAccountId,
    /// The product.
    pub product: ProductCode,
    /// The agreement, if AWS named it.
    pub agreement: Option<AgreementId>,
    /// By what the messages of an older listing name the buyer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerIdentifier>,
}

/// A message of the SNS topics of listings older than 2026-06-01. It names the
/// buyer by an identifier that only a registration token joins to a license.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// The message's id, the same on every delivery.
    pub id: EventId,
    /// When it was sent.
    pub at: Timestamp,
    /// The buyer.
    pub customer: CustomerIdentifier,
    /// The product.
    pub product: ProductCode,
    /// The offer.
    pub offer: Option<OfferId>,
    /// What happened.
    pub action: NotifiedAction,
}

/// What a [`Notification`] tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotifiedAction {
    /// `subscribe-success`: usage may be metered.
    SubscribeSuccess,
    /// `subscribe-fail`: the purchase came to nothing.
    SubscribeFail,
    /// `unsubscribe-pending`: it ends; an hour is left for its last usage.
    UnsubscribePending,
    /// `unsubscribe-success`: it ended.
    UnsubscribeSuccess,
    /// `entitlement-updated`: what a contract covers changed.
    EntitlementUpdated,
    /// Something else: to be looked at by a person.
    Unrecognized(String),
}

impl MarketplaceEvent {
    /// Why the event changes nothing here, if so.
    pub fn disregarded(&self, policy: &SubscriptionPolicy) -> Option<Disregarded> {
        if self.version != "0" {
            return Some(Disregarded::UnknownVersion);
        }
        if self.seller != policy.seller {
            return Some(Disregarded::AnotherSeller);
        }
        if self
            .product
            .as_ref()
            .is_some_and(|product| !policy.products.contains(product))
        {
            return Some(Disregarded::AnotherProduct);
        }
        let complete = match &self.kind {
            EventKind::LicenseUpdated | EventKind::LicenseDeprovisioned => {
                self.license.is_some() && self.product.is_some()
            }
            EventKind::AgreementCreated(_)
            | EventKind::AgreementAmended(_)
            | EventKind::AgreementEnded { .. }
            | EventKind::AdvisoryIssued
            | EventKind::AdvisoryResolved
            | EventKind::AgreementEnding(_)
            | EventKind::RenewalTermsFinalized
            | EventKind::RenewalUpcoming
            | EventKind::CancellationRequest(_)
            | EventKind::BillingAdjustment => self.agreement.is_some(),
            EventKind::Unrecognized => self.agreement.is_some() || self.license.is_some(),
        };
        (!complete).then_some(Disregarded::WithoutIds)
    }

    /// The event as a fact learned now.
    pub fn into_fact(self, policy: &SubscriptionPolicy, now: Timestamp) -> Fact {
        Fact {
            learned_at: now,
            disregarded: self.disregarded(policy),
            told: Told::Event(Box::new(self)),
        }
    }
}

impl Notification {
    /// The message as a fact learned now.
    pub fn into_fact(self, policy: &SubscriptionPolicy, now: Timestamp) -> Fact {
        let ours = policy.products.contains(&self.product);
        Fact {
            learned_at: now,
            disregarded: (!ours).then_some(Disregarded::AnotherProduct),
            told: Told::Notified(Box::new(self)),
        }
    }
}

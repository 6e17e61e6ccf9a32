//! What AWS answered when it was asked about an agreement or a license. An
//! answer is kept as a fact like an event, so that what an undelivered event
//! left wrong is right again by the same derivation.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{AgreementId, AwsAccountId, Dimension, LicenseArn, OfferId, ProductCode};
use crate::marketplace_event::EndedStatus;
use crate::money::Usd;

/// AWS's description of an agreement (Agreement API, `DescribeAgreement` and
/// `SearchAgreements`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DescribedAgreement {
    /// The agreement.
    pub agreement: AgreementId,
    /// The first agreement of the chain of renewals and replacements that it is in.
    pub initial: Option<AgreementId>,
    /// The buyer's AWS account.
    pub buyer: AwsAccountId,
    /// The product, which AWS names by another id than the product code.
    pub product: ProductCode,
    /// The offer.
    pub offer: Option<OfferId>,
    /// How it ended; `None` while it goes on.
    pub ended: Option<EndedStatus>,
    /// When it starts.
    pub starts_at: Option<Timestamp>,
    /// When it ends or ended; AWS gives none for pay as you go.
    pub ends_at: Option<Timestamp>,
    /// Whether it renews by itself, if that was said.
    pub auto_renewal: Option<bool>,
    /// The licenses that it grants.
    pub licenses: BTreeSet<LicenseArn>,
    /// When AWS was asked, by our clock.
    pub asked_at: Timestamp,
}

impl DescribedAgreement {
    /// When it began, as far as the answer says.
    pub fn began_at(&self) -> Timestamp {
        self.starts_at.unwrap_or(self.asked_at)
    }

    /// Whether it says when the agreement ended, if it did: of pay as you go AWS
    /// names no end.
    pub fn tells_end(&self) -> bool {
        self.ends_at.is_some_and(|end| end <= self.asked_at)
    }

    /// When it ended, if it did: never after AWS said so.
    pub fn ended_at(&self) -> Timestamp {
        self.ends_at
            .map_or(self.asked_at, |end| end.min(self.asked_at))
    }
}

/// AWS gave no answer about an agreement for as long as it is waited for
/// ([`crate::license::ANSWER_AWAITED_FOR`]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unanswered {
    /// The agreement.
    pub agreement: AgreementId,
    /// Until when an answer was waited for.
    pub at: Timestamp,
}

/// The terms that a buyer accepted (Agreement API, `GetAgreementTerms`), as far
/// as they price usage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedTerms {
    /// The agreement.
    pub agreement: AgreementId,
    /// The currency of the rates, such as `USD`.
    pub currency: String,
    /// What a unit of each metered dimension costs, in millionths of the currency.
    pub rates: BTreeMap<Dimension, u64>,
    /// What is paid for in advance.
    pub prepaid: Option<Prepaid>,
    /// What is paid at the end of every period.
    pub recurring: Option<Recurring>,
    /// How many days at the start cost nothing.
    pub free_days: Option<u16>,
    /// Whether the agreement renews by itself, if that was agreed on.
    pub auto_renewal: Option<bool>,
    /// When AWS was asked, by our clock.
    pub asked_at: Timestamp,
}

/// What an agreement has its buyer pay whatever they use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prepaid {
    /// All of it, in millionths of the currency.
    pub micros: u64,
    /// In how many payments.
    pub payments: u32,
}

/// What an agreement has its buyer pay again and again, whatever they use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recurring {
    /// Each time, in millionths of the currency.
    pub micros: u64,
    /// How often.
    pub period: BillingPeriod,
}

/// How often something is charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BillingPeriod {
    /// Every month.
    Month,
    /// As AWS calls it otherwise.
    Unrecognized(String),
}

impl AcceptedTerms {
    /// Whether other terms price the same.
    pub fn prices_as(&self, other: &Self) -> bool {
        (&self.agreement, &self.currency) == (&other.agreement, &other.currency)
            && self.rates == other.rates
            && (self.prepaid, self.free_days) == (other.prepaid, other.free_days)
            && self.recurring == other.recurring
    }

    /// Whether something is paid whatever is used.
    pub const fn has_fixed_payments(&self) -> bool {
        self.prepaid.is_some() || self.recurring.is_some()
    }

    /// What a unit of a dimension costs; `None` when the terms price it in
    /// another currency than US dollars, or not at all.
    pub fn rate(&self, dimension: &Dimension) -> Option<Usd> {
        let micros = self.rates.get(dimension)?;
        (self.currency == "USD").then(|| Usd::from_micros(*micros))
    }
}

/// All that a license is entitled to (Entitlement API, `GetEntitlements`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entitlements {
    /// The license.
    pub license: LicenseArn,
    /// What it is entitled to, by the contract's dimensions.
    pub grants: Vec<Grant>,
    /// When AWS was asked, by our clock.
    pub asked_at: Timestamp,
}

/// What a license is entitled to in one dimension.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Grant {
    /// The contract's dimension.
    pub dimension: Dimension,
    /// How many units; `None` for a value that counts nothing.
    pub units: Option<u32>,
    /// The least time until which it is valid: with automatic renewal, the
    /// renewal's. `None` when AWS names none.
    pub expires_at: Option<Timestamp>,
}

impl Entitlements {
    /// Whether none of it was valid when AWS was asked.
    pub fn covers_nothing(&self) -> bool {
        let valid = |grant: &Grant| grant.expires_at.is_none_or(|end| self.asked_at < end);
        !self.grants.iter().any(valid)
    }

    /// The earliest end of a grant that was still to come when AWS was asked:
    /// AWS is to be asked again then.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        let ends = self.grants.iter().filter_map(|grant| grant.expires_at);
        ends.filter(|end| *end > self.asked_at).min()
    }
}

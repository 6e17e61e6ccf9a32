//! A buyer's agreement, from its acceptance to its end.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::notifications::ToldBy;
use crate::offers::{MicroUsd, OfferKind};
use crate::terms::AcceptedTerms;

/// A buyer's agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// `agmt-…`.
    pub agreement_id: String,
    /// What it was accepted for.
    pub intent: Intent,
    /// The agreement that it renews or replaces.
    pub previous_agreement_id: Option<String>,
    /// The first agreement of the chain; its own id, if there was none before.
    pub initial_agreement_id: String,
    /// What was bought.
    pub offer: OfferKind,
    /// The buyer's AWS account.
    pub buyer_account: String,
    /// When it was accepted, to the second.
    pub accepted_at: Timestamp,
    /// When it begins, to the second: at its acceptance, or later.
    pub starts_at: Timestamp,
    /// When it ends by itself; `None`: it does not.
    pub ends_at: Option<Timestamp>,
    /// Whether another agreement follows at its end.
    pub auto_renewal: bool,
    /// By what the seller is told of it.
    pub told_by: ToldBy,
    /// The license it grants.
    pub license_arn: String,
    /// When it last changed: accepted, amended, or ended.
    pub updated_at: Timestamp,
    /// The terms it is under.
    pub(crate) terms: AcceptedTerms,
    /// Those it was under before, oldest first.
    pub(crate) former_terms: Vec<AcceptedTerms>,
    /// Whether it goes on; in JSON its members stand beside the others.
    #[serde(flatten)]
    pub status: AgreementStatus,
}

/// What an agreement was accepted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Intent {
    /// A purchase.
    New,
    /// To renew another agreement.
    Renew,
    /// To replace another agreement.
    Replace,
}

/// Whether an agreement goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "status")]
pub enum AgreementStatus {
    /// It was accepted, and begins later.
    Scheduled,
    /// It goes on.
    Active,
    /// It ended.
    Ended {
        /// When.
        #[serde(rename = "ended_at")]
        at: Timestamp,
        /// How.
        how: Ending,
    },
}

/// How an agreement ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Ending {
    /// By the buyer.
    Cancelled,
    /// At the end of its term.
    Expired,
    /// Another agreement renews it.
    Renewed,
    /// Another agreement replaces it.
    Replaced,
    /// By AWS.
    Terminated,
}

impl Intent {
    /// As AWS writes it.
    pub(crate) fn aws(self) -> &'static str {
        match self {
            Intent::New => "NEW",
            Intent::Renew => "RENEW",
            Intent::Replace => "REPLACE",
        }
    }
}

impl Ending {
    /// As AWS writes it.
    pub(crate) fn aws(self) -> &'static str {
        match self {
            Ending::Cancelled => "CANCELLED",
            Ending::Expired => "EXPIRED",
            Ending::Renewed => "RENEWED",
            Ending::Replaced => "REPLACED",
            Ending::Terminated => "TERMINATED",
        }
    }
}

impl AgreementStatus {
    /// As AWS writes it: what begins later is active to AWS.
    pub(crate) fn aws(self) -> &'static str {
        match self {
            AgreementStatus::Scheduled | AgreementStatus::Active => "ACTIVE",
            AgreementStatus::Ended { how, .. } => how.aws(),
        }
    }
}

impl Agreement {
    /// Whether it has not ended.
    pub(crate) fn goes_on(&self) -> bool {
        match self.status {
            AgreementStatus::Scheduled | AgreementStatus::Active => true,
            AgreementStatus::Ended { .. } => false,
        }
    }

    /// Price of one unit of `dimension` used at `used_at`: by the terms that
    /// it was under then.
    pub(crate) fn price(&self, dimension: &str, used_at: Timestamp) -> MicroUsd {
        let former = self.former_terms.iter();
        let mut newest_first = former.chain([&self.terms]).rev();
        let then = newest_first.find(|terms| terms.since <= used_at);
        // The hour in which it began is stamped with its beginning.
        let first = self.former_terms.first().unwrap_or(&self.terms);
        then.unwrap_or(first).price(dimension, used_at)
    }

    /// What the instalments sum up to that fell due by `until`.
    pub(crate) fn instalments_due(&self, until: Timestamp) -> MicroUsd {
        self.instalments_until(until)
            .map(|(_, micro_usd)| micro_usd)
            .sum()
    }

    /// When each instalment fell due by `until`, and how much it is.
    pub(crate) fn instalments_until(
        &self,
        until: Timestamp,
    ) -> impl Iterator<Item = (Timestamp, MicroUsd)> {
        let all: Vec<&AcceptedTerms> = self.former_terms.iter().chain([&self.terms]).collect();
        let next = all.iter().skip(1).map(|terms| Some(terms.since));
        let superseded: Vec<Option<Timestamp>> = next.chain([None]).collect();
        all.into_iter()
            .zip(superseded)
            .flat_map(move |(terms, superseded)| {
                terms.instalments().filter(move |(at, _)| {
                    *at <= until && superseded.is_none_or(|superseded| *at < superseded)
                })
            })
    }
}

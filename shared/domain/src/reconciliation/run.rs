//! A comparison that takes several invocations: what was read of our side is kept
//! until all of it has been.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::ids::{AgreementId, LicenseId};
use crate::license::Pricing;

use super::OurRecord;

/// What a run compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunOf {
    /// The last days.
    Days,
    /// The days and amounts of a month.
    Month,
}

/// How far a run has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// When it began; names it.
    pub begun_at: Timestamp,
    /// The first day that it compares.
    pub first: Date,
    /// The last one.
    pub last: Date,
    /// The last license that was looked at; they are, in ascending order.
    pub after: Option<LicenseId>,
    /// In how many parts our side is kept so far.
    pub parts: u32,
    /// Licenses of which something stored cannot be read.
    pub unreadable: usize,
    /// Whether all was compared.
    pub is_finished: bool,
    /// The last agreement of which AWS was asked for its invoices, if the time did
    /// not suffice for all: the next run begins with the one after it.
    pub invoices_after: Option<AgreementId>,
}

impl Run {
    /// A run that begins, after the one before it if there was one.
    pub fn begun(at: Timestamp, (first, last): (Date, Date), before: Option<&Self>) -> Self {
        Self {
            begun_at: at,
            first,
            last,
            after: None,
            parts: 0,
            unreadable: 0,
            is_finished: false,
            invoices_after: before.and_then(|run| run.invoices_after.clone()),
        }
    }

    /// The days that it compares, from the first to the last.
    pub const fn days(&self) -> (Date, Date) {
        (self.first, self.last)
    }
}

/// What a license brings to a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenseSide {
    /// The license.
    pub license: LicenseId,
    /// Every agreement that it was ever under.
    pub agreements: BTreeSet<AgreementId>,
    /// Whether it is a contract, which may have fixed payments.
    pub is_contract: bool,
    /// What was agreed on, ascending by when it began.
    pub pricing: Vec<Pricing>,
    /// Its records of the days that are compared.
    pub records: Vec<OurRecord>,
}

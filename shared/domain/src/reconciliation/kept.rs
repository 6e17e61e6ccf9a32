//! What is kept of a day or month that was looked at, for whoever looks later.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::adjustments::{NotProposed, Proposals};
use super::amounts::{AmountFinding, AmountVerdict};
use super::{FeedOfDay, Finding, Verdict};
use crate::ids::AgreementId;
use crate::money::Usd;

/// The most findings that are kept: some 400 bytes each, so that they fit an item.
const MOST_KEPT: usize = 150;

/// How many findings there are of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// AWS has what we have billed.
    pub equal: usize,
    /// AWS has less and may still get it.
    pub late: usize,
    /// AWS has less.
    pub missing: usize,
    /// AWS has more.
    pub over: usize,
    /// It could not be compared.
    pub not_comparable: usize,
}

/// A day as it was when it was looked at last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReconciledDay {
    /// The UTC day.
    pub day: Date,
    /// When it was looked at.
    pub at: Timestamp,
    /// What was known of its feed.
    pub feed: FeedOfDay,
    /// How many findings there are.
    pub counts: Counts,
    /// Those that are not equal, what needs a person first.
    pub findings: Vec<Finding>,
    /// How many of them are left out here.
    pub left_out: usize,
    /// Licenses that were not looked at: with any, the comparison is not complete.
    pub unseen_licenses: usize,
}

/// How many amounts there are of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct AmountCounts {
    /// AWS has invoiced what we have billed.
    pub equal: usize,
    /// AWS has invoiced less and may still invoice the rest.
    pub late: usize,
    /// AWS has invoiced less.
    pub missing: usize,
    /// AWS has invoiced more.
    pub over: usize,
    /// It could not be compared.
    pub not_comparable: usize,
}

/// A month's amounts as they were when they were looked at last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReconciledAmounts {
    /// The month's first UTC day.
    pub month: Date,
    /// When they were looked at.
    pub at: Timestamp,
    /// How many there are of each kind.
    pub counts: AmountCounts,
    /// Those that are not equal, what needs a person first.
    pub amounts: Vec<AmountFinding>,
    /// How many of them are left out here.
    pub left_out: usize,
    /// What was proposed to be given back, the most first.
    pub proposed: Vec<Proposed>,
    /// How many proposals are left out here.
    pub proposed_left_out: usize,
    /// What is over and was not proposed, and why, as many as proposals are kept.
    pub not_proposed: Vec<(AgreementId, NotProposed)>,
    /// Licenses that were not looked at: with any, the comparison is not complete.
    pub unseen_licenses: usize,
    /// Agreements of whose invoices AWS was not asked in this look. What differs of them,
    /// and what was proposed, is of an earlier one; what was equal then is not compared now.
    pub unasked: usize,
}

/// That something was proposed to be given back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proposed {
    /// The agreement.
    pub agreement: AgreementId,
    /// The invoice.
    pub invoice: String,
    /// How much, as a decimal, in US dollars.
    pub amount: String,
}

impl Counts {
    /// Those of some findings.
    pub fn of<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Self {
        let mut counts = Self::default();
        for finding in findings {
            let count = match &finding.verdict {
                Verdict::Equal => &mut counts.equal,
                Verdict::Late { .. } => &mut counts.late,
                Verdict::Missing { .. } => &mut counts.missing,
                Verdict::Over { .. } => &mut counts.over,
                Verdict::NotComparable { .. } => &mut counts.not_comparable,
            };
            *count += 1;
        }
        counts
    }
}

impl ReconciledDay {
    /// What is kept of a day, of the findings of some.
    pub fn new(
        day: Date,
        at: Timestamp,
        feed: FeedOfDay,
        findings: &[Finding],
        unseen_licenses: usize,
    ) -> Self {
        let of_day = || findings.iter().filter(|finding| finding.day == day);
        let differs = |finding: &&Finding| finding.verdict != Verdict::Equal;
        let mut kept: Vec<&Finding> = of_day().filter(differs).collect();
        kept.sort_by_key(|finding| !finding.verdict.needs_a_person());
        let left_out = kept.len().saturating_sub(MOST_KEPT);
        kept.truncate(MOST_KEPT);
        Self {
            day,
            at,
            feed,
            counts: Counts::of(of_day()),
            findings: kept.into_iter().cloned().collect(),
            left_out,
            unseen_licenses,
        }
    }
}

impl AmountCounts {
    /// Those of some amounts.
    pub fn of<'a>(amounts: impl IntoIterator<Item = &'a AmountFinding>) -> Self {
        let mut counts = Self::default();
        for amount in amounts {
            let count = match &amount.verdict {
                AmountVerdict::Equal => &mut counts.equal,
                AmountVerdict::Late => &mut counts.late,
                AmountVerdict::Missing { .. } => &mut counts.missing,
                AmountVerdict::Over { .. } => &mut counts.over,
                AmountVerdict::NotComparable { .. } => &mut counts.not_comparable,
            };
            *count += 1;
        }
        counts
    }

    /// How many there are.
    pub const fn all(&self) -> usize {
        self.equal + self.late + self.missing + self.over + self.not_comparable
    }
}

impl ReconciledAmounts {
    /// What is kept of a month.
    pub fn new(
        month: Date,
        at: Timestamp,
        amounts: &[AmountFinding],
        proposals: &Proposals,
        unseen_licenses: usize,
    ) -> Self {
        let differ = amounts.iter();
        let differ = differ.filter(|amount| amount.verdict != AmountVerdict::Equal);
        let mut kept: Vec<&AmountFinding> = differ.collect();
        kept.sort_by_key(|amount| !amount.verdict.needs_a_person());
        let left_out = kept.len().saturating_sub(MOST_KEPT);
        kept.truncate(MOST_KEPT);
        let entries = &proposals.file.billing_adjustment_request_entries;
        let mut proposed: Vec<_> = entries.iter().collect();
        proposed.sort_by_key(|entry| {
            std::cmp::Reverse(Usd::parse(&entry.adjustment_amount).unwrap_or_default())
        });
        let proposed_left_out = proposed.len().saturating_sub(MOST_KEPT);
        proposed.truncate(MOST_KEPT);
        let proposed = proposed.into_iter().map(|entry| Proposed {
            agreement: entry.agreement_id.clone(),
            invoice: entry.original_invoice_id.clone(),
            amount: entry.adjustment_amount.clone(),
        });
        Self {
            month,
            at,
            counts: AmountCounts::of(amounts),
            amounts: kept.into_iter().cloned().collect(),
            left_out,
            proposed: proposed.collect(),
            proposed_left_out,
            not_proposed: proposals.left.iter().take(MOST_KEPT).cloned().collect(),
            unseen_licenses,
            unasked: 0,
        }
    }

    /// The same with what an earlier look proposed of agreements of which AWS was not
    /// asked in this one.
    #[must_use]
    pub fn with_earlier(mut self, earlier: Option<&Self>, unasked: &BTreeSet<AgreementId>) -> Self {
        self.unasked = unasked.len();
        let Some(earlier) = earlier else {
            return self;
        };
        let proposed = earlier.proposed.iter();
        let proposed = proposed.filter(|one| unasked.contains(&one.agreement));
        self.proposed.extend(proposed.cloned());
        let amount = |one: &Proposed| Usd::parse(&one.amount).unwrap_or_default();
        self.proposed
            .sort_by_key(|one| std::cmp::Reverse(amount(one)));
        self.proposed_left_out += self.proposed.len().saturating_sub(MOST_KEPT);
        self.proposed.truncate(MOST_KEPT);
        let known: BTreeSet<&AgreementId> =
            self.proposed.iter().map(|one| &one.agreement).collect();
        let why = earlier.not_proposed.iter();
        let why = why.filter(|(agreement, _)| unasked.contains(agreement));
        let why: BTreeMap<&AgreementId, &NotProposed> = why.map(|(of, why)| (of, why)).collect();
        // That its invoices are not known now is no reason where there was another one.
        self.not_proposed.retain(|(of, _)| {
            !unasked.contains(of) || !known.contains(of) && !why.contains_key(of)
        });
        let why = why.into_iter().map(|(of, why)| (of.clone(), why.clone()));
        self.not_proposed.extend(why);
        self.not_proposed.truncate(MOST_KEPT);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconciliation::adjustments::AdjustmentFile;

    fn agreement(name: &str) -> AgreementId {
        AgreementId::parse(format!("agmt-{name}")).unwrap()
    }

    fn proposed(of: &str, amount: &str) -> Proposed {
        Proposed {
            agreement: agreement(of),
            invoice: "inv-1".to_owned(),
            amount: amount.to_owned(),
        }
    }

    fn month(proposals: &Proposals) -> ReconciledAmounts {
        let month = Date::constant(2026, 11, 1);
        ReconciledAmounts::new(month, Timestamp::UNIX_EPOCH, &[], proposals, 0)
    }

    #[test]
    fn what_was_proposed_of_an_agreement_stands_until_aws_is_asked_of_it_again() {
        let unread = |of: &str| (agreement(of), NotProposed::InvoicesUnread);
        let now = month(&Proposals {
            file: AdjustmentFile::default(),
            left: vec![unread("a"), unread("b"), unread("c"), unread("d")],
        });
        let mut earlier = month(&Proposals::default());
        earlier.proposed = vec![proposed("a", "1.00"), proposed("asked", "2.00")];
        earlier.not_proposed = vec![(agreement("b"), NotProposed::GivenBack)];
        let unasked = [agreement("a"), agreement("b"), agreement("c")].into();
        let kept = now.with_earlier(Some(&earlier), &unasked);
        assert_eq!(kept.unasked, 3);
        assert_eq!(kept.proposed, [proposed("a", "1.00")]);
        let given_back = (agreement("b"), NotProposed::GivenBack);
        assert_eq!(kept.not_proposed, [unread("c"), unread("d"), given_back]);
    }
}

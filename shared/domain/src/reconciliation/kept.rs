//! What is kept of a day that was looked at, for whoever looks later.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{FeedOfDay, Finding, Verdict};

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
    /// Licenses that were not looked at.
    pub unseen_licenses: usize,
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

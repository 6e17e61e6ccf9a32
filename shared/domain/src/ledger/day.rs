//! A day of an account of which nothing can change any more, summed up: what
//! its customer is shown of it, in one item instead of some hundred.
//!
//! A summary holds no line that may still become another: only what AWS
//! accepted, what a contract covered and what can never be billed. What is left
//! that could change the day is a posting, of a report that came late or by an
//! operator's hand. Each that comes [`TAKEN_BACK_AFTER`] the day or later takes
//! the summary back in its own transaction; and whoever sums a day up, at the
//! earliest [`SUMMED_UP_AFTER`] it, writes only if none was taken back since
//! before the day was read. So a summary that is there is of what is there.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::hour::{HOURS_A_DAY, Hour, after, before};
use crate::ids::{AccountId, CloudAccountId, Dimension, LicenseId};
use crate::ledger::account_hour::{Unbillable, WriteOff};
use crate::usage::Part;

/// How long after a day's end it is summed up at the earliest.
pub const SUMMED_UP_AFTER: SignedDuration = SignedDuration::from_hours(3);

/// How long after a day's end a posting begins to take its summary back. It is
/// after the last hour was posted in the ordinary course, so that this costs
/// nothing then, and two hours before anybody sums the day up: further than the
/// clocks of two functions are apart, and longer than a posting can be on its way.
pub const TAKEN_BACK_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// How many bytes a summary takes at the most: a day of more is not summed up.
pub const MOST_SUMMARY_BYTES: usize = 90_000;

/// A day of one part of an account, summed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaySummary {
    /// The account.
    pub account: AccountId,
    /// The part.
    pub part: Part,
    /// The first hour of the day.
    pub day: Hour,
    /// Raised by every write, and by every posting that takes a summary back.
    pub version: u64,
    /// Its hours that were posted, ascending.
    pub hours: Vec<SummedHour>,
}

/// An hour of a day that is summed up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummedHour {
    /// The hour of use.
    pub hour: Hour,
    /// What a license paid for, or was to pay for.
    pub lines: Vec<SummedLine>,
    /// Computer-hours that nobody pays for, by reason.
    pub unbillable: BTreeMap<Unbillable, u32>,
}

/// Computer-hours of which the same became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummedLine {
    /// What they are, and what became of them.
    pub kind: LineKind,
    /// Computer-hours.
    pub count: u32,
}

/// What a line says besides how many there are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineKind {
    /// The license.
    pub license: LicenseId,
    /// What they are metered as.
    pub dimension: Dimension,
    /// The customer's cloud account.
    pub cloud_account: Option<CloudAccountId>,
    /// By how many hours the slot in which they lie is later than the hour of use.
    pub carried_hours: u16,
    /// What became of them.
    pub end: LineEnd,
}

/// What became of usage, for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LineEnd {
    /// AWS accepted it.
    Accepted,
    /// The prepaid part of a contract covers it.
    Included,
    /// It can never be billed.
    WrittenOff(WriteOff),
}

/// A summary as it is read: its hours are much alike, and are told by few kinds
/// of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummedDay {
    /// The first hour of the day.
    pub day: Hour,
    pub(crate) kinds: Vec<LineKind>,
    pub(crate) hours: Vec<CountedHour>,
}

/// An hour of it: how many of which kind, by the kind's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CountedHour {
    pub(crate) hour: Hour,
    pub(crate) counts: Vec<(usize, u32)>,
    pub(crate) unbillable: BTreeMap<Unbillable, u32>,
}

impl SummedDay {
    /// Hour by hour, ascending.
    pub fn by_hour(&self) -> impl Iterator<Item = SummedHour> {
        self.hours.iter().map(|of| SummedHour {
            hour: of.hour,
            lines: self.lines(&of.counts).collect(),
            unbillable: of.unbillable.clone(),
        })
    }

    /// The licenses that pay for something of it.
    pub fn licenses(&self) -> impl Iterator<Item = &LicenseId> {
        self.kinds.iter().map(|kind| &kind.license)
    }

    /// The whole day in its first hour, if any was posted; but for what was
    /// carried, which keeps its hour of use.
    pub fn in_all(&self) -> impl Iterator<Item = SummedHour> {
        let mut counts: BTreeMap<Hour, BTreeMap<usize, u32>> = BTreeMap::new();
        let mut unbillable = BTreeMap::new();
        for of in &self.hours {
            counts.entry(self.day).or_default();
            for (kind, count) in &of.counts {
                let carried = self.kinds.get(*kind).is_some_and(|k| k.carried_hours > 0);
                let at = counts.entry(if carried { of.hour } else { self.day });
                let sum = at.or_default().entry(*kind).or_default();
                *sum = sum.saturating_add(*count);
            }
            for (reason, count) in &of.unbillable {
                let sum: &mut u32 = unbillable.entry(*reason).or_default();
                *sum = sum.saturating_add(*count);
            }
        }
        counts.into_iter().map(move |(hour, counts)| {
            let counts: Vec<(usize, u32)> = counts.into_iter().collect();
            SummedHour {
                hour,
                lines: self.lines(&counts).collect(),
                // The first is the day's.
                unbillable: std::mem::take(&mut unbillable),
            }
        })
    }

    fn lines(&self, counts: &[(usize, u32)]) -> impl Iterator<Item = SummedLine> {
        counts.iter().filter_map(|(kind, count)| {
            Some(SummedLine {
                kind: self.kinds.get(*kind)?.clone(),
                count: *count,
            })
        })
    }
}

/// The first hour of the last day that may be summed up at an instant.
pub fn last_to_sum_up(now: Timestamp) -> Hour {
    let over = Hour::of(before(now, SUMMED_UP_AFTER)).first_of_day();
    over.plus(-HOURS_A_DAY)
}

/// Whether what is posted for an hour at an instant takes back the summary of its day.
pub fn takes_back(hour: Hour, now: Timestamp) -> bool {
    let end_of_day = hour.first_of_day().plus(HOURS_A_DAY).start();
    after(end_of_day, TAKEN_BACK_AFTER) <= now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_in_all_is_the_sum_of_its_hours_and_what_was_carried_keeps_its_own() {
        let day = Hour::of("2026-11-22T00:00:00Z".parse().unwrap());
        let kind = |carried_hours| LineKind {
            license: LicenseId::parse("l-0123456789abcdef0123456789abcdef").unwrap(),
            dimension: Dimension::parse("medium").unwrap(),
            cloud_account: None,
            carried_hours,
            end: LineEnd::Accepted,
        };
        let hour = |in_day, counts: &[(usize, u32)]| CountedHour {
            hour: day.plus(in_day),
            counts: counts.to_vec(),
            unbillable: [(Unbillable::Trial, 1)].into(),
        };
        let summed = SummedDay {
            day,
            kinds: vec![kind(0), kind(7)],
            hours: vec![hour(3, &[(0, 5)]), hour(9, &[(0, 2), (1, 4)])],
        };
        let line = |carried_hours, count| SummedLine {
            kind: kind(carried_hours),
            count,
        };
        let in_all: Vec<_> = summed.in_all().collect();
        assert_eq!(in_all.len(), 2);
        assert_eq!((in_all[0].hour, &in_all[0].lines), (day, &vec![line(0, 7)]));
        assert_eq!(in_all[0].unbillable, [(Unbillable::Trial, 2)].into());
        let carried = (in_all[1].hour, &in_all[1].lines);
        assert_eq!(carried, (day.plus(9), &vec![line(7, 4)]));
        assert!(in_all[1].unbillable.is_empty());
    }

    #[test]
    fn a_posting_takes_back_before_the_day_can_be_summed_up_and_not_in_the_ordinary_course() {
        let last = Hour::of("2026-11-22T23:00:00Z".parse().unwrap());
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let posted = at("2026-11-23T00:10:00Z");
        assert!(!takes_back(last, posted));
        assert!(takes_back(last, at("2026-11-23T01:00:00Z")));
        // An hour of the morning belongs to the same day.
        let day = last.first_of_day();
        assert!(!takes_back(day, posted));
        let before = day.plus(-HOURS_A_DAY);
        assert_eq!(last_to_sum_up(at("2026-11-23T02:59:59Z")), before);
        assert_eq!(last_to_sum_up(at("2026-11-23T03:00:00Z")), day);
    }
}

//! What does not add up, by what it is named by.

use std::collections::BTreeSet;
use std::collections::btree_set;
use std::fmt;

use domain::hour::Hour;
use domain::ids::{AccountId, Dimension, LicenseId, ReportId};
use domain::usage::{Part, Shard};

use crate::step::Unreadable;

/// How many differences a check names; more are only counted.
const MOST_NAMED: usize = 100;

/// Something that the invariant says cannot be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Difference {
    /// An account-hour does not hold what was reported.
    #[error("{of}: {fault}")]
    AccountHour {
        /// Which.
        of: AccountHourKey,
        /// What is wrong with it.
        fault: AccountHourFault,
    },
    /// An account-hour's lines are not its entry in the license's slots.
    #[error("{of}: into slot {slot} of {license} {fault}")]
    Entry {
        /// Whose.
        of: AccountHourKey,
        /// The license.
        license: LicenseId,
        /// The slot that the usage first entered.
        slot: Hour,
        /// What is wrong with it.
        fault: EntryFault,
    },
    /// An account's usage of a license is not all billed, waiting, or closed
    /// for a reason; or more is.
    #[error(
        "{license} {dimension} hour {hour}: the lines of {account} hold {lines}, of which \
         {accounted} are accounted for"
    )]
    License {
        /// The license.
        license: LicenseId,
        /// The dimension.
        dimension: Dimension,
        /// The hour of use.
        hour: Hour,
        /// The account.
        account: AccountId,
        /// Computer-hours of the lines that went into slots.
        lines: u64,
        /// Computer-hours found in slots and records.
        accounted: u64,
    },
    /// A slot does not add up, or stands still.
    #[error("{license} {dimension} slot {slot}: {fault}")]
    Slot {
        /// The license.
        license: LicenseId,
        /// The dimension.
        dimension: Dimension,
        /// The slot.
        slot: Hour,
        /// What is wrong with it.
        fault: SlotFault,
    },
    /// A shard of accounts is not posted.
    #[error("shard {}: {fault}", shard.number())]
    Cursor {
        /// Which.
        shard: Shard,
        /// What is wrong with it.
        fault: CursorFault,
    },
    /// A late marker was not taken up for more than an hour.
    #[error("{of}: its late marker has been waiting for {lag_seconds} s")]
    MarkerLags {
        /// Whose.
        of: AccountHourKey,
        /// For how long it has been due to be posted, in seconds.
        lag_seconds: u64,
    },
    /// An item cannot be read. What depends on it was not compared.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl Difference {
    /// Whether nothing is lost or doubled by it: something waits for too long.
    pub fn only_waits(&self) -> bool {
        match self {
            Self::Cursor { .. } | Self::MarkerLags { .. } => true,
            Self::Slot { fault, .. } => match fault {
                SlotFault::Unsettled | SlotFault::Overdue => true,
                SlotFault::DoesNotAddUp { .. }
                | SlotFault::NotFrozen { .. }
                | SlotFault::LeftBehind { .. } => false,
            },
            Self::AccountHour { .. }
            | Self::Entry { .. }
            | Self::License { .. }
            | Self::Unreadable(_) => false,
        }
    }
}

/// Names an account-hour.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccountHourKey {
    /// The account.
    pub account: AccountId,
    /// The part.
    pub part: Part,
    /// The hour of use.
    pub hour: Hour,
}

impl fmt::Display for AccountHourKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} part {} hour {}",
            self.account, self.part.0, self.hour
        )
    }
}

/// What is wrong with an account-hour.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum AccountHourFault {
    /// It closed, has reports and no late marker, and nothing is posted.
    #[error("reported and not posted")]
    NotPosted,
    /// A report that was posted is gone.
    #[error("the report {0}, posted before, is missing")]
    ReportMissing(ReportId),
    /// Its computers are not those of its lines and its unbillable.
    #[error(
        "the reports show {billed} computers billed and {unbilled} not; the lines hold {lines}, \
         unbillable {unbillable}"
    )]
    DoesNotAddUp {
        /// Computers that a replay of the postings bills.
        billed: u64,
        /// Computers that it does not.
        unbilled: u64,
        /// The sum of the lines, written-off ones included.
        lines: u64,
        /// The sum of the unbillable.
        unbillable: u64,
    },
}

/// What is wrong with an account-hour's entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum EntryFault {
    /// It is in no slot.
    #[error("went {lines} computer-hours, and the entry is missing")]
    Missing {
        /// Computer-hours of the lines.
        lines: u64,
    },
    /// It is not the lines' total.
    #[error("went {lines} computer-hours, and the entry in slot {lies_in} is another, of {entry}")]
    Differs {
        /// Computer-hours of the lines.
        lines: u64,
        /// Computer-hours of the entry: as many, when they are of other
        /// dimensions or cloud accounts.
        entry: u64,
        /// The slot in which it lies.
        lies_in: Hour,
    },
    /// It is in several slots.
    #[error("went {lines} computer-hours, and the entry is in {slots} slots")]
    InSeveralSlots {
        /// Computer-hours of the lines.
        lines: u64,
        /// How many.
        slots: usize,
    },
    /// No line went there.
    #[error("went nothing, and there is an entry of {entry} computer-hours in slot {lies_in}")]
    WithoutLines {
        /// Computer-hours of the entry.
        entry: u64,
        /// The slot in which it lies.
        lies_in: Hour,
    },
}

/// What is wrong with a dimension of a slot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum SlotFault {
    /// It is frozen into something else than its entries.
    #[error("the entries hold {entries}; {included} are included and {records} in records")]
    DoesNotAddUp {
        /// Computer-hours of the entries.
        entries: u64,
        /// Computer-hours that a contract covered.
        included: u64,
        /// Computer-hours of the records.
        records: u64,
    },
    /// It was never frozen and has records.
    #[error("it is not frozen, and {records} computer-hours are in records")]
    NotFrozen {
        /// Computer-hours of the records.
        records: u64,
    },
    /// It was carried and still has entries.
    #[error("it was carried, and entries of {entries} computer-hours are left")]
    LeftBehind {
        /// Computer-hours of the entries.
        entries: u64,
    },
    /// Usage has been waiting for more than 3 hours since the hour's end, or
    /// since it was frozen should that be later.
    #[error("it is not settled for more than 3 hours")]
    Unsettled,
    /// AWS takes nothing of the hour any more, and it is not terminal.
    #[error("it is not settled, and AWS takes nothing of the hour any more")]
    Overdue,
}

/// What is wrong with a shard's cursor.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum CursorFault {
    /// Posting never ran.
    #[error("it has no cursor: posting never ran")]
    Missing,
    /// An hour has been due to be posted for more than an hour.
    #[error("it is posted up to {posted}; the next hour has been due for {lag_seconds} s")]
    Lags {
        /// Up to which hour it is posted.
        posted: Hour,
        /// For how long the next has been due, in seconds.
        lag_seconds: u64,
    },
}

/// The differences that a check found: at most 100 by name, the rest counted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Differences {
    named: BTreeSet<Difference>,
    more: usize,
    /// How many of `more` only wait.
    more_waiting: usize,
}

impl Differences {
    /// Adds one, if it is not there.
    pub(super) fn insert(&mut self, difference: Difference) {
        if self.named.len() < MOST_NAMED {
            self.named.insert(difference);
        } else if !self.named.contains(&difference) {
            self.more += 1;
            self.more_waiting += usize::from(difference.only_waits());
        }
    }

    /// Adds items that cannot be read.
    pub(super) fn extend_unreadable(&mut self, unreadable: Vec<Unreadable>) {
        for unreadable in unreadable {
            self.insert(Difference::Unreadable(unreadable));
        }
    }

    /// Adds others.
    pub(super) fn extend(&mut self, others: Self) {
        self.more += others.more;
        self.more_waiting += others.more_waiting;
        for difference in others.named {
            self.insert(difference);
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.named.len() + self.more
    }

    /// How many of them only wait.
    pub fn waiting(&self) -> usize {
        let named = self.named.iter().filter(|found| found.only_waits());
        named.count() + self.more_waiting
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.named.is_empty()
    }

    /// Those that are named.
    pub fn iter(&self) -> btree_set::Iter<'_, Difference> {
        self.named.iter()
    }

    /// Those of them that were found before. All, should that have been more
    /// than are named.
    #[must_use]
    pub(super) fn found_before(mut self, before: &Self) -> Self {
        if before.more == 0 {
            self.named.retain(|found| before.named.contains(found));
            self.more = 0;
            self.more_waiting = 0;
        }
        self
    }
}

impl<'a> IntoIterator for &'a Differences {
    type Item = &'a Difference;
    type IntoIter = btree_set::Iter<'a, Difference>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

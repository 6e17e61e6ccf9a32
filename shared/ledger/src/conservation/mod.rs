//! Conservation: nothing between a report and AWS's verdict is lost or
//! doubled, and nothing stands still unseen.
//!
//! The invariant (`design.md`, section 4), in the order in which it is looked at:
//!
//! - Account-hour: the computers that its reports show and its postings billed
//!   are those of its lines, the others those of its unbillable. Every reported
//!   hour that closed is posted, or has a late marker.
//! - Entry: an account-hour's lines in a slot of a license are its entry there,
//!   which lies in exactly one slot, wherever it was carried: it is followed by
//!   the slot that it first entered.
//! - Slot: a frozen one's entries are what a contract included and what its
//!   records hold; no other has records; a carried one has no entries left.
//! - License and dimension: lines = billed + included + open + frozen + closed,
//!   by reason, + written off, by reason.
//! - No cursor and no marker lags more than an hour, and no usage is unsettled
//!   for more than three after its hour.
//!
//! Recorders, posters and submitters go on meanwhile, and what is read piece by
//! piece may be torn: a difference counts when it is found again, the same, in
//! a second look a little later. That is also long enough for usage that was
//! posted late, and waits for the next run of submission.
//!
//! Which hours of which accounts a run looks at: [`Scope`].

mod account;
mod differences;
mod lag;
mod scope;
mod slots;
mod sums;
mod usage;

use std::collections::{BTreeMap, BTreeSet};

use domain::hour::{Hour, after, before};
use domain::ids::AccountId;
use domain::ledger::deadline::CLOSED_AFTER;
use domain::usage::{Part, Shard};
use futures_util::future::{join_all, try_join_all};
use jiff::{SignedDuration, Timestamp};

use crate::rules::Rules;
use crate::step::{Listed, StepError};
use crate::steps::Steps;

use account::Looked;
pub(crate) use account::slot_licenses;
pub use differences::{
    AccountHourFault, AccountHourKey, CursorFault, Difference, Differences, EntryFault, SlotFault,
};
pub use scope::Scope;
pub use sums::{Closed, Sums, WrittenOff};

/// How many accounts are looked at, or lists read, at once.
const AT_ONCE: usize = 8;

/// How many accounts with differences are looked at again.
const MOST_DOUBTFUL: usize = 200;

/// Time until the second look: one run of posting and one of submission, which
/// come every minute.
const LOOK_AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(130);

/// Time that is kept for the second look.
const SECOND_LOOK: SignedDuration = SignedDuration::from_secs(10);

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conservation {
    /// Accounts that were looked at.
    pub accounts: usize,
    /// Accounts for which the time did not suffice, or among too many with differences.
    pub unchecked: usize,
    /// What became of the usage of the hours looked at.
    pub sums: Sums,
    /// Where the invariant does not hold.
    pub differences: Differences,
    /// How long the hour after a cursor has been due to be posted, at the most, in seconds.
    pub cursor_lag_seconds: u64,
    /// How long a late marker has been due to be posted, at the most, in seconds.
    pub marker_lag_seconds: u64,
    /// How long ago the oldest hour ended whose usage is not settled, or when
    /// it was frozen should that be later, in seconds.
    pub oldest_unsettled_seconds: u64,
}

/// The parts of an account that have reports, by hour.
type ReportedHours = BTreeSet<(Hour, Part)>;

/// An account to be looked at again, and what the first look found.
struct Doubtful {
    account: AccountId,
    reported: ReportedHours,
    found: Differences,
}

/// A check under way.
struct Check<'a> {
    steps: &'a Steps,
    rules: &'a Rules,
    scope: Scope,
    now: Timestamp,
    deadline: Timestamp,
}

/// Checks that the usage in scope, wherever it went, is conserved, and that
/// nothing lags. An hour that has not closed is left out. Begins no
/// account after `deadline`: the rest counts as unchecked.
///
/// An item that cannot be read is a difference, and the rest goes on.
///
/// # Errors
/// [`StepError`] when the store does not answer.
pub async fn check(
    steps: &Steps,
    rules: &Rules,
    scope: &Scope,
    deadline: Timestamp,
) -> Result<Conservation, StepError> {
    let now = steps.now();
    let closed = |hour: &Hour| after(hour.end(), CLOSED_AFTER) <= now;
    let check = Check {
        steps,
        rules,
        scope: scope.only(closed),
        now,
        deadline: before(deadline, SECOND_LOOK),
    };
    let mut result = Conservation::default();
    check.look_at_cursors(&mut result).await?;
    check.look_at_markers(&mut result).await?;
    let accounts = check.reported(&mut result.differences).await?;
    let doubtful = check.look_at_all(accounts, &mut result).await?;
    if !doubtful.is_empty() {
        let again = after(steps.now(), LOOK_AGAIN_AFTER).min(check.deadline);
        steps.wait(again).await?;
        check.look_again(doubtful, &mut result).await?;
    }
    Ok(result)
}

/// An answer, if its item can be read; that it cannot is a difference.
///
/// # Errors
/// [`StepError`] when there was no answer.
fn readable<T>(
    answer: Result<T, StepError>,
    found: &mut Differences,
) -> Result<Option<T>, StepError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(StepError::Corrupt(unreadable)) => {
            found.insert(Difference::Unreadable(unreadable));
            Ok(None)
        }
        Err(error @ (StepError::Throttled | StepError::Unavailable(_) | StepError::Refused(_))) => {
            Err(error)
        }
    }
}

impl Check<'_> {
    /// The accounts that have reports in the hours, and which.
    async fn reported(
        &self,
        found: &mut Differences,
    ) -> Result<BTreeMap<AccountId, ReportedHours>, StepError> {
        let mut accounts: BTreeMap<AccountId, ReportedHours> = BTreeMap::new();
        let in_scope: Vec<(Shard, Hour)> = self.scope.iter().collect();
        for some in in_scope.chunks(AT_ONCE) {
            let lists = some
                .iter()
                .map(|(shard, hour)| self.steps.reported_parts(*shard, *hour));
            for ((_, hour), list) in some.iter().zip(join_all(lists).await) {
                let Listed { items, unreadable } = list?;
                found.extend_unreadable(unreadable);
                for (account, part) in items {
                    accounts.entry(account).or_default().insert((*hour, part));
                }
            }
        }
        Ok(accounts)
    }

    /// Looks at every account, as far as the time suffices; those to be looked
    /// at again.
    async fn look_at_all(
        &self,
        accounts: BTreeMap<AccountId, ReportedHours>,
        result: &mut Conservation,
    ) -> Result<Vec<Doubtful>, StepError> {
        let accounts: Vec<(AccountId, ReportedHours)> = accounts.into_iter().collect();
        let mut doubtful = Vec::new();
        for some in accounts.chunks(AT_ONCE) {
            if self.steps.now() >= self.deadline {
                result.unchecked += some.len();
                continue;
            }
            let looks = some.iter().map(|(of, reported)| self.look(of, reported));
            for ((account, reported), looked) in some.iter().zip(try_join_all(looks).await?) {
                if looked.differences.is_empty() {
                    result.take_in(looked, self.now);
                } else if doubtful.len() < MOST_DOUBTFUL {
                    doubtful.push(Doubtful {
                        account: account.clone(),
                        reported: reported.clone(),
                        found: looked.differences,
                    });
                } else {
                    result.unchecked += 1;
                }
            }
        }
        Ok(doubtful)
    }

    /// Looks at accounts for the second time: what is still so is a difference.
    async fn look_again(
        &self,
        doubtful: Vec<Doubtful>,
        result: &mut Conservation,
    ) -> Result<(), StepError> {
        for some in doubtful.chunks(AT_ONCE) {
            let looks = some.iter().map(|of| self.look(&of.account, &of.reported));
            for (before, mut looked) in some.iter().zip(try_join_all(looks).await?) {
                looked.differences = looked.differences.found_before(&before.found);
                result.take_in(looked, self.now);
            }
        }
        Ok(())
    }
}

impl Conservation {
    fn take_in(&mut self, looked: Looked, now: Timestamp) {
        self.accounts += 1;
        self.sums.add(&looked.sums);
        self.differences.extend(looked.differences);
        if let Some(since) = looked.unsettled_since {
            let seconds = seconds_since(since, now);
            self.oldest_unsettled_seconds = self.oldest_unsettled_seconds.max(seconds);
        }
    }
}

/// Whole seconds from an instant to another; 0 when that comes first.
fn seconds_since(instant: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(now.duration_since(instant).as_secs()).unwrap_or(0)
}

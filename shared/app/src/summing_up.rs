//! Summing up the days of accounts of which nothing can change any more, so
//! that their pages need not read the ledger: `domain::ledger::day` says why a
//! summary is never out of date.

use std::collections::{BTreeMap, BTreeSet};

use domain::hour::{HOURS_A_DAY, Hour, before};
use domain::ids::AccountId;
use domain::ledger::day::{DaySummary, MOST_SUMMARY_BYTES, SUMMED_UP_AFTER, last_to_sum_up};
use domain::ledger::packed::days::pack_day;
use domain::usage::{Part, Shard};
use futures_util::future::try_join_all;
use jiff::Timestamp;
use ledger::Written;
use store::StoreError;

use crate::App;

/// How many parts of accounts are summed up, or lists read, at once.
const AT_ONCE: usize = 8;

/// How many days more than usage is carried a day is tried again that could
/// not be summed up.
const MORE_DAYS: i32 = 2;

/// What a run of summing up did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SummedUp {
    /// Days that were summed up, each of one part of an account.
    pub days: usize,
    /// Days of which something may still change, or that are too large.
    pub left: usize,
    /// Parts of accounts for which the time did not suffice.
    pub unseen: usize,
}

/// What became of a try to sum a day up.
enum Tried {
    SummedUp,
    Left,
}

impl App {
    /// Sums up what is over of the accounts whose turn it is in this hour: once
    /// a day each, shard by shard. Begins no account after `deadline`.
    ///
    /// Of an account that was used in the last day that is over, every day is
    /// tried that has no summary, as far back as usage may be carried: one whose
    /// usage waited then, or of which a late report took the summary back.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer. An item that cannot be read
    /// leaves its day, of which the check of conservation tells.
    pub async fn sum_up_days(&self, deadline: Timestamp) -> Result<SummedUp, StoreError> {
        let now = self.clock.now();
        let last = last_to_sum_up(now);
        let used: Vec<(AccountId, Part)> = self.used_on(last, now).await?.into_iter().collect();
        let mut done = SummedUp::default();
        for some in used.chunks(AT_ONCE) {
            if self.clock.now() >= deadline {
                done.unseen += some.len();
                continue;
            }
            let tries = some.iter().map(|(of, part)| self.sum_up(of, *part, last));
            for tried in try_join_all(tries).await?.into_iter().flatten() {
                match tried {
                    Tried::SummedUp => done.days += 1,
                    Tried::Left => done.left += 1,
                }
            }
        }
        Ok(done)
    }

    /// The parts of accounts, of those whose turn it is, with reports of a day.
    async fn used_on(
        &self,
        day: Hour,
        now: Timestamp,
    ) -> Result<BTreeSet<(AccountId, Part)>, StoreError> {
        // As soon after the day as it may be summed up.
        let turn = Hour::of(before(now, SUMMED_UP_AFTER)).number();
        let turn = turn.rem_euclid(HOURS_A_DAY);
        let shards =
            Shard::all().filter(|of| i32::from(of.number()).rem_euclid(HOURS_A_DAY) == turn);
        let hours = (0..HOURS_A_DAY).map(|later| day.plus(later));
        let hours: Vec<Hour> = hours.collect();
        let mut used = BTreeSet::new();
        for shard in shards {
            for some in hours.chunks(AT_ONCE) {
                let lists = some
                    .iter()
                    .map(|hour| self.store.reported_parts(shard, *hour));
                let lists = try_join_all(lists).await?;
                used.extend(lists.into_iter().flat_map(|list| list.items));
            }
        }
        Ok(used)
    }

    /// Sums up the days of a part of an account that have no summary, up to this one.
    async fn sum_up(
        &self,
        account: &AccountId,
        part: Part,
        last: Hour,
    ) -> Result<Vec<Tried>, StoreError> {
        let back = self.settings.rules.carry.hours / HOURS_A_DAY + MORE_DAYS;
        let days = (0..=back).map(|days| last.plus(-days * HOURS_A_DAY));
        let from = last.plus(-back * HOURS_A_DAY);
        let kept = self.store.days(account, part, from, last.next()).await?;
        let kept: BTreeMap<Hour, _> = kept.into_iter().map(|day| (day.day, day)).collect();
        let mut tried = Vec::new();
        for day in days {
            let version = match kept.get(&day) {
                Some(kept) if kept.summed_up.is_some() => continue,
                Some(kept) => kept.version,
                None => 0,
            };
            match self.sum_up_day(account, part, day, version).await {
                Ok(one) => tried.push(one),
                Err(StoreError::Corrupt(_)) => tried.push(Tried::Left),
                Err(error) => return Err(error),
            }
        }
        Ok(tried)
    }

    /// Sums up a day of which this version is kept. The version was read before
    /// the day: what is posted in between is noticed by it.
    async fn sum_up_day(
        &self,
        account: &AccountId,
        part: Part,
        day: Hour,
        version: u64,
    ) -> Result<Tried, StoreError> {
        let Some(hours) = self.settled_day(account, part, day).await? else {
            return Ok(Tried::Left);
        };
        if pack_day(&hours).len() > MOST_SUMMARY_BYTES {
            return Ok(Tried::Left);
        }
        let summary = DaySummary {
            account: account.clone(),
            part,
            day,
            version: version + 1,
            hours,
        };
        Ok(match self.store.put_day(&summary).await? {
            Written::Committed => Tried::SummedUp,
            Written::Lost => Tried::Left,
        })
    }
}

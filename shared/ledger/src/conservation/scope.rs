//! Which hours of which accounts a check looks at.

use std::collections::{BTreeMap, BTreeSet};

use domain::hour::Hour;
use domain::usage::Shard;
use jiff::Timestamp;

/// Which hours every hourly run looks at, of every account: so many before the
/// running one.
///
/// - 2: it closed 50 minutes ago at the least, and is settled if all is well.
/// - 4: it ended more than 3 hours ago; what is not settled is to be alarmed.
const EVERY_RUN: [i32; 2] = [2, 4];

/// From how many hours before the running one on the hours of a whole day are
/// looked at, shard by shard, once a day: reading the slots in which so old an
/// hour's usage may be costs as much for 24 hours as for one.
///
/// - 26: AWS takes nothing of them any more; they must be terminal.
/// - 50: no report of them is taken any more; only what was carried may change.
const ONCE_A_DAY: [i32; 2] = [26, 50];

/// So long after the last slot to which an hour's usage can be carried, nothing
/// of it may be open: the hours of a day from here on are looked at for the last time.
const AFTER_CARRY: i32 = 26;

/// Hours of use, by the shard of accounts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope(BTreeMap<Shard, BTreeSet<Hour>>);

impl Scope {
    /// These hours of every account.
    pub fn every_account(hours: &[Hour]) -> Self {
        let hours: BTreeSet<Hour> = hours.iter().copied().collect();
        Self(Shard::all().map(|shard| (shard, hours.clone())).collect())
    }

    /// What the run of this hour looks at, usage being carried for at most
    /// `carry_hours`: two hours of every account, and of one shard's accounts
    /// the hours of three days. In a day, every hour of every account is looked
    /// at five times.
    pub fn of_run(now: Timestamp, carry_hours: i32) -> Self {
        let running = Hour::of(now);
        let back = |hours: i32| running.plus(-hours);
        let mut scope = Self::every_account(&EVERY_RUN.map(back));
        let in_day = running.number().rem_euclid(24);
        for (shard, hours) in &mut scope.0 {
            if i32::from(shard.number()).rem_euclid(24) == in_day {
                let days = ONCE_A_DAY.into_iter().chain([carry_hours + AFTER_CARRY]);
                hours.extend(days.flat_map(|from| (from..from + 24).map(back)));
            }
        }
        scope
    }

    /// The part of it in hours for which something holds.
    pub(super) fn only(&self, holds: impl Fn(&Hour) -> bool) -> Self {
        let shards = self.0.iter().map(|(shard, hours)| {
            let hours = hours.iter().copied().filter(|hour| holds(hour));
            (*shard, hours.collect())
        });
        Self(shards.collect())
    }

    /// Every shard's hours.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Shard, Hour)> {
        let shards = self.0.iter();
        shards.flat_map(|(shard, hours)| hours.iter().map(|hour| (*shard, *hour)))
    }

    /// The hours of some shards.
    pub(super) fn hours_of(&self, shards: &BTreeSet<Shard>) -> BTreeSet<Hour> {
        let shards = shards.iter().filter_map(|shard| self.0.get(shard));
        shards.flatten().copied().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How often each age in hours is looked at, of one shard, by the runs of a day.
    fn ages(shard: u8, carry_hours: i32) -> BTreeMap<i32, usize> {
        let midnight = Hour::of("2026-11-22T00:00:00Z".parse().unwrap());
        let mut hours: BTreeMap<Hour, usize> = BTreeMap::new();
        for run in 0..24 * 8 {
            let now = midnight.plus(run).start();
            for (of, hour) in Scope::of_run(now, carry_hours).iter() {
                if of.number() == shard {
                    *hours.entry(hour).or_default() += 1;
                }
            }
        }
        // Hours in the middle, of which every look is in these runs.
        let day = (0..24).map(|hour| midnight.plus(hour));
        day.map(|hour| (hour.number() - midnight.number(), hours[&hour]))
            .collect()
    }

    #[test]
    fn every_hour_of_every_shard_is_looked_at_five_times() {
        for shard in Shard::all() {
            let looked = ages(shard.number(), 96);
            assert!(looked.values().all(|times| *times == 5), "{looked:?}");
        }
    }

    #[test]
    fn an_hour_is_looked_at_when_settled_alarmed_terminal_without_reports_and_after_its_last_carry()
    {
        let carry_hours = 96;
        let hour = Hour::of("2026-11-22T10:00:00Z".parse().unwrap());
        let mut ages = Vec::new();
        for age in 0..200 {
            let scope = Scope::of_run(hour.plus(age).start(), carry_hours);
            let shard = Shard::all().next().unwrap();
            if scope.hours_of(&[shard].into()).contains(&hour) {
                ages.push(age);
            }
        }
        assert_eq!(ages[..2], [2, 4]);
        assert!((26..50).contains(&ages[2]) && (50..74).contains(&ages[3]));
        let after_carry = carry_hours + 26;
        assert!((after_carry..after_carry + 24).contains(&ages[4]));
        assert_eq!(ages.len(), 5);
    }
}

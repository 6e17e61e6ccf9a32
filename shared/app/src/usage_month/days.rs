//! The usage of days: of those that are summed up from their summaries, of the
//! others from the ledger.

use std::collections::{BTreeMap, BTreeSet};

use domain::hour::{HOURS_A_DAY, Hour};
use domain::ids::{AccountId, LicenseId};
use domain::ledger::account_hour::{AccountHour, Target};
use domain::ledger::day::{LineEnd, LineKind, SummedDay, SummedHour, SummedLine};
use domain::usage::Part;
use futures_util::future::{try_join, try_join_all};
use store::{SlotOutcome, StoreError};

use super::lines::{Grain, Lines};
use super::outcomes::Outcomes;
use super::{MeteringStatus, UsageHour, UsageLine};
use crate::App;
use crate::prices::Prices;

/// What is known of days that follow one another: their summaries, and of those
/// without one what the ledger holds.
pub(super) struct Days {
    summed_up: Vec<SummedDay>,
    others: Vec<AccountHour>,
    outcomes: Outcomes,
}

impl Days {
    /// Marks what waits in open slots for AWS to say what a contract covers.
    pub(super) fn await_cover(&mut self, awaits: impl Fn(&LicenseId, Hour) -> bool) {
        self.outcomes.await_cover(awaits);
    }

    /// Every hour that was posted, as far as it is wanted.
    pub(super) fn usage(
        &self,
        prices: Prices<'_>,
        grain: Grain,
        wanted: impl Fn(Hour) -> bool,
    ) -> Vec<UsageHour> {
        let mut lines = Lines::new(prices, grain);
        for day in self.summed_up.iter().filter(|day| wanted(day.day)) {
            match grain {
                // Of a day on which a price changes each hour has its own.
                Grain::Day if !prices_change(prices, day) => {
                    day.in_all().for_each(|hour| lines.add_summed_up(hour));
                }
                Grain::Hour | Grain::Day => {
                    day.by_hour().for_each(|hour| lines.add_summed_up(hour));
                }
            }
        }
        let others = self.others.iter();
        for hour in others.filter(|hour| wanted(hour.hour.first_of_day())) {
            lines.add_hour(hour, &self.outcomes);
        }
        lines.by_hour()
    }
}

/// Whether the price of anything that was used on a day changes within it.
fn prices_change(prices: Prices<'_>, day: &SummedDay) -> bool {
    let until = day.day.plus(HOURS_A_DAY);
    day.licenses()
        .any(|license| prices.change_between(license, day.day, until))
}

impl App {
    /// What is known of the days that begin from the first hour up to but
    /// without the second.
    pub(super) async fn days(
        &self,
        account: &AccountId,
        from: Hour,
        until: Hour,
    ) -> Result<Days, StoreError> {
        let (mut summed_up, mut others) = (Vec::new(), Vec::new());
        for part in self.parts_between(account, from, until).await? {
            let kept = self.store.days(account, part, from, until).await?;
            let of_part: Vec<SummedDay> = kept.into_iter().filter_map(|d| d.summed_up).collect();
            let known = of_part.iter().map(|day| day.day).collect();
            summed_up.extend(of_part);
            let spans = without(&known, from, until).into_iter();
            let spans =
                spans.map(|(from, until)| self.store.account_hours(account, part, from, until));
            others.extend(try_join_all(spans).await?.into_iter().flatten());
        }
        Ok(Days {
            outcomes: self.outcomes_of(&others).await?,
            summed_up,
            others,
        })
    }

    /// What came of a day of a part of an account; `None` while anything of it
    /// may still change.
    pub(crate) async fn settled_day(
        &self,
        account: &AccountId,
        part: Part,
        day: Hour,
    ) -> Result<Option<Vec<SummedHour>>, StoreError> {
        let until = day.plus(HOURS_A_DAY);
        let hours = self.store.account_hours(account, part, day, until).await?;
        let outcomes = self.outcomes_of(&hours).await?;
        let unpriced = BTreeMap::new();
        let prices = Prices::new(&self.settings.rules.catalog, &unpriced);
        let mut lines = Lines::new(prices, Grain::Hour);
        hours
            .iter()
            .for_each(|hour| lines.add_hour(hour, &outcomes));
        Ok(lines.by_hour().into_iter().map(summed_hour).collect())
    }

    /// The parts of an account in which there may be something of these hours.
    async fn parts_between(
        &self,
        account: &AccountId,
        from: Hour,
        until: Hour,
    ) -> Result<impl Iterator<Item = Part> + use<>, StoreError> {
        let snapshot = self.store.account(account).await?;
        let most = snapshot.map_or(1, |known| known.parts.most_between(from, until).get());
        Ok((0..most).map(Part))
    }

    /// What became of the usage of account-hours: the slots in which it may lie
    /// are read once for days that follow one another.
    async fn outcomes_of(&self, hours: &[AccountHour]) -> Result<Outcomes, StoreError> {
        let mut reads = Vec::new();
        for Run { from, until, pay } in runs(hours) {
            let until = self.last_slot(until.previous()).next();
            let slots = |license| self.slots_of(license, from, until);
            reads.extend(pay.into_iter().map(slots));
        }
        let mut outcomes = Outcomes::default();
        for (license, slots, held) in try_join_all(reads).await? {
            outcomes.add(&license, slots, held);
        }
        Ok(outcomes)
    }

    /// The slots of a license, and whether it is on hold.
    async fn slots_of(
        &self,
        license: LicenseId,
        from: Hour,
        until: Hour,
    ) -> Result<(LicenseId, Vec<SlotOutcome>, bool), StoreError> {
        let hold = self.store.hold(&license);
        let slots = self.store.slot_outcomes(&license, from, until);
        let (hold, slots) = try_join(hold, slots).await?;
        Ok((license, slots, hold.is_some()))
    }
}

/// Days that follow one another, and the licenses that pay for something of them.
struct Run {
    from: Hour,
    until: Hour,
    pay: BTreeSet<LicenseId>,
}

/// The days of account-hours of which something lies in slots.
fn runs(hours: &[AccountHour]) -> Vec<Run> {
    let mut days: BTreeMap<Hour, BTreeSet<LicenseId>> = BTreeMap::new();
    for hour in hours {
        let in_slots = hour.lines.iter().filter(|line| match line.target {
            Target::Slot(_) => true,
            Target::Released(_) | Target::WrittenOff(_) => false,
        });
        let pay = days.entry(hour.hour.first_of_day()).or_default();
        pay.extend(in_slots.map(|line| line.license.clone()));
    }
    let mut runs: Vec<Run> = Vec::new();
    for (day, pay) in days {
        let until = day.plus(HOURS_A_DAY);
        match runs.last_mut().filter(|run| run.until == day) {
            Some(run) => {
                run.until = until;
                run.pay.extend(pay);
            }
            None => runs.push(Run {
                from: day,
                until,
                pay,
            }),
        }
    }
    runs
}

/// The spans of days that are not among these.
fn without(days: &BTreeSet<Hour>, from: Hour, until: Hour) -> Vec<(Hour, Hour)> {
    let mut spans = Vec::new();
    let mut begin = from;
    for day in days.iter().chain([&until]) {
        if begin < *day {
            spans.push((begin, *day));
        }
        begin = day.plus(HOURS_A_DAY);
    }
    spans
}

/// An hour as it is summed up; `None` while a line of it may still become another.
fn summed_hour(usage: UsageHour) -> Option<SummedHour> {
    let UsageHour {
        hour,
        lines,
        unbillable,
    } = usage;
    let lines = lines.into_iter().map(|line| summed_line(hour, line));
    Some(SummedHour {
        hour,
        lines: lines.collect::<Option<_>>()?,
        unbillable,
    })
}

fn summed_line(used: Hour, line: UsageLine) -> Option<SummedLine> {
    let carried = line.billed_in.map_or(0, |slot| slot.since(used));
    let kind = LineKind {
        carried_hours: u16::try_from(carried).ok()?,
        end: end(line.status)?,
        license: line.license,
        dimension: line.dimension,
        cloud_account: line.cloud_account,
    };
    Some(SummedLine {
        kind,
        count: line.count,
    })
}

/// The status as one for good; `None` for one that may change: AWS's acceptance
/// overrules even what was closed as refused or unknown.
const fn end(status: MeteringStatus) -> Option<LineEnd> {
    match status {
        MeteringStatus::Accepted => Some(LineEnd::Accepted),
        MeteringStatus::Included => Some(LineEnd::Included),
        MeteringStatus::WrittenOff(reason) => Some(LineEnd::WrittenOff(reason)),
        MeteringStatus::Open
        | MeteringStatus::Held
        | MeteringStatus::AwaitsCover
        | MeteringStatus::Sent
        | MeteringStatus::Refused
        | MeteringStatus::Conflict
        | MeteringStatus::Unknown
        | MeteringStatus::NotAccepted => None,
    }
}

impl From<LineEnd> for MeteringStatus {
    fn from(end: LineEnd) -> Self {
        match end {
            LineEnd::Accepted => Self::Accepted,
            LineEnd::Included => Self::Included,
            LineEnd::WrittenOff(reason) => Self::WrittenOff(reason),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_days_without_a_summary_are_read_in_as_few_spans_as_they_are_apart() {
        let day = |n: i32| Hour::from_number(n * HOURS_A_DAY);
        let spans = |days: &[i32]| {
            let days = days.iter().map(|n| day(*n)).collect();
            let spans = without(&days, day(1), day(5)).into_iter();
            let day_of = |hour: Hour| hour.number() / HOURS_A_DAY;
            spans
                .map(|(from, until)| (day_of(from), day_of(until)))
                .collect::<Vec<_>>()
        };
        assert_eq!(spans(&[]), [(1, 5)]);
        assert_eq!(spans(&[1, 2]), [(3, 5)]);
        assert_eq!(spans(&[2, 4]), [(1, 2), (3, 4)]);
        assert_eq!(spans(&[1, 2, 3, 4]), []);
    }
}

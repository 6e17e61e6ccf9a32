//! An account's usage of a month, hour by hour, and what became of it.
//!
//! Invariant: what is billed in a month, [`UsageMonth::billed`], with the status
//! [`MeteringStatus::Accepted`], is the account's share of the records of that
//! month's slots that AWS accepted, to the computer-hour.

mod days;
mod held;
mod lines;
mod outcomes;

use std::collections::{BTreeMap, BTreeSet};

use domain::hour::{Hour, before};
use domain::ids::{AccountId, AwsAccountId, CloudAccountId, Dimension, LicenseId};
use domain::ledger::account_hour::{Unbillable, WriteOff};
use domain::ledger::included::{Included, IncludedUsage};
use domain::ledger::slot::{LicenseTerms, SlotState};
use domain::license::{License, Pricing};
use domain::money::Usd;
use futures_util::future::{try_join, try_join_all};
use jiff::{SignedDuration, Timestamp};
use store::StoreError;

use crate::App;
use crate::month::Month;
use crate::prices::Prices;

use days::Days;
use lines::Grain;

pub use held::Held;

/// An account's usage of a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageMonth {
    /// The month.
    pub month: Month,
    /// Every hour of the month that was posted, ascending.
    pub hours: Vec<UsageHour>,
    /// Of earlier hours what is billed in this month, ascending by hour of use.
    pub carried_in: Vec<UsageHour>,
    /// The AWS account that pays, by license. Whole: pages and exports mask it
    /// for read-only members.
    pub payers: BTreeMap<LicenseId, AwsAccountId>,
    /// At which rates each license's usage is billed, as far as AWS told.
    pub agreed: BTreeMap<LicenseId, Vec<Pricing>>,
}

/// An account's usage of a month by day, and of one of its days by hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageByDay {
    /// The month. Each of its [`UsageMonth::hours`] is a day, under its first
    /// hour; but what was carried stands under its hour of use.
    pub month: UsageMonth,
    /// The first hour of the day that is told by hour; `None` when none was
    /// chosen and the month has no usage.
    pub day: Option<Hour>,
    /// That day by hour.
    pub hours: Vec<UsageHour>,
}

/// An account's usage of one hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageHour {
    /// The hour of use.
    pub hour: Hour,
    /// What a license pays for: by license, tier and cloud account.
    pub lines: Vec<UsageLine>,
    /// Computer-hours that nobody pays for, by reason.
    pub unbillable: BTreeMap<Unbillable, u32>,
}

/// Computer-hours billed alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageLine {
    /// The license that pays.
    pub license: LicenseId,
    /// What they are metered as.
    pub dimension: Dimension,
    /// The customer's cloud account.
    pub cloud_account: Option<CloudAccountId>,
    /// Computer-hours.
    pub count: u32,
    /// The hour of the slot in which they lie now, when it is not the hour of
    /// use: the one that they are billed in, once they are.
    pub billed_in: Option<Hour>,
    /// What became of them.
    pub status: MeteringStatus,
    /// What one of them costs where it is charged; `None` for a dimension that
    /// is no longer sold.
    pub unit_price: Option<Usd>,
}

/// What became of usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MeteringStatus {
    /// In an open slot: not sent yet.
    Open,
    /// Of a license on hold: it waits for AWS to take usage again.
    Held,
    /// Of a contract: it waits, not sent, for AWS to say what the contract covers.
    AwaitsCover,
    /// Fixed and perhaps sent; AWS has not said the last word.
    Sent,
    /// AWS accepted it.
    Accepted,
    /// AWS refused it every time until its deadline.
    Refused,
    /// AWS holds another record for the hour.
    Conflict,
    /// It is being found out whether AWS accepted it.
    Unknown,
    /// It was found out that AWS had not accepted it, too late to send it again.
    NotAccepted,
    /// The prepaid part of a contract covers it: it is sent nowhere.
    Included,
    /// It can never be billed.
    WrittenOff(WriteOff),
}

impl MeteringStatus {
    /// Whether usage with this status is, or may still become, part of AWS's invoice.
    pub const fn is_charged(self) -> bool {
        match self {
            Self::Open
            | Self::Held
            | Self::AwaitsCover
            | Self::Sent
            | Self::Accepted
            | Self::Conflict
            | Self::Unknown => true,
            Self::Refused | Self::NotAccepted | Self::Included | Self::WrittenOff(_) => false,
        }
    }
}

/// What is known of the licenses that may pay for something of a month.
#[derive(Debug, Default)]
struct Licenses {
    payers: BTreeMap<LicenseId, AwsAccountId>,
    agreed: BTreeMap<LicenseId, Vec<Pricing>>,
    /// Those whose contract is not known to cover anything, though it may.
    covering: BTreeMap<LicenseId, LicenseTerms>,
}

impl UsageLine {
    /// Whether another line is the same but for its count.
    fn is_counted_with(&self, other: &Self) -> bool {
        (&self.license, &self.dimension) == (&other.license, &other.dimension)
            && self.cloud_account == other.cloud_account
            && (self.billed_in, self.status) == (other.billed_in, other.status)
            && self.unit_price == other.unit_price
    }

    /// Whether it is charged at a rate of nothing, as in a free trial.
    pub fn is_free(&self) -> bool {
        self.status.is_charged() && self.unit_price == Some(Usd::ZERO)
    }

    /// The hour in which usage of this hour is billed; `None` when it is not charged.
    pub fn billing_hour(&self, used: Hour) -> Option<Hour> {
        let charged = self.status.is_charged();
        charged.then(|| self.billed_in.unwrap_or(used))
    }

    /// What is charged for it, estimated: nothing for what is not charged, and
    /// for a dimension without a price.
    pub fn cost(&self) -> Usd {
        let price = self.unit_price.filter(|_| self.status.is_charged());
        price.unwrap_or_default().times(u64::from(self.count))
    }
}

impl UsageMonth {
    /// The month, of usage of it and of the days before.
    fn of(month: Month, mut before: Vec<UsageHour>, licenses: Licenses) -> Self {
        let (from, until) = (month.first_hour(), month.next().first_hour());
        let hours = before.split_off(before.partition_point(|usage| usage.hour < from));
        for usage in &mut before {
            usage.unbillable.clear();
            usage.lines.retain(|line| {
                line.billed_in
                    .is_some_and(|slot| from <= slot && slot < until)
            });
        }
        before.retain(|usage| !usage.lines.is_empty());
        Self {
            month,
            hours,
            carried_in: before,
            payers: licenses.payers,
            agreed: licenses.agreed,
        }
    }

    /// What is billed in the month, whenever it was used: the hour of use and the line.
    pub fn billed(&self) -> impl Iterator<Item = (Hour, &UsageLine)> {
        let used = self.used().filter(|(hour, line)| !self.leaves(*hour, line));
        self.carried_in().chain(used)
    }

    /// What is charged of the month's use, in whatever month it is billed.
    pub fn used(&self) -> impl Iterator<Item = (Hour, &UsageLine)> {
        lines_of(&self.hours).filter(|(_, line)| line.status.is_charged())
    }

    /// What was used before the month and is billed in it.
    pub fn carried_in(&self) -> impl Iterator<Item = (Hour, &UsageLine)> {
        lines_of(&self.carried_in).filter(|(_, line)| line.status.is_charged())
    }

    /// What was used in the month and is billed in a later one.
    pub fn carried_out(&self) -> impl Iterator<Item = (Hour, &UsageLine)> {
        self.used().filter(|(hour, line)| self.leaves(*hour, line))
    }

    fn leaves(&self, used: Hour, line: &UsageLine) -> bool {
        let billed_in = line.billing_hour(used);
        billed_in.is_some_and(|hour| hour >= self.month.next().first_hour())
    }
}

fn lines_of(hours: &[UsageHour]) -> impl Iterator<Item = (Hour, &UsageLine)> {
    hours
        .iter()
        .flat_map(|usage| usage.lines.iter().map(|line| (usage.hour, line)))
}

/// The period from which a slot's usage was taken: the one that begins where it began
/// then, or nearest to it, for it may have been moved since.
fn taken_from<'a>(usage: &IncludedUsage, periods: &'a mut [Included]) -> Option<&'a mut Included> {
    let away = |period: &Included| period.from.duration_since(usage.period_from).abs();
    let of_dimension = periods
        .iter_mut()
        .filter(|period| period.dimension == usage.dimension);
    of_dimension.min_by_key(|period| away(period))
}

impl App {
    /// An account's usage of a month, with the metering status of every line.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or an item is unreadable.
    pub async fn usage_month(
        &self,
        account: &AccountId,
        month: Month,
    ) -> Result<UsageMonth, StoreError> {
        let (days, licenses) = self.usage_known(account, month).await?;
        let prices = Prices::new(&self.settings.rules.catalog, &licenses.agreed);
        let hours = days.usage(prices, Grain::Hour, |_| true);
        Ok(UsageMonth::of(month, hours, licenses))
    }

    /// The same, added up by day, and one day of it by hour: the one asked for,
    /// by its first hour, or the last with usage.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or an item is unreadable.
    pub async fn usage_by_day(
        &self,
        account: &AccountId,
        month: Month,
        chosen: Option<Hour>,
    ) -> Result<UsageByDay, StoreError> {
        let (days, licenses) = self.usage_known(account, month).await?;
        let catalog = &self.settings.rules.catalog;
        let prices = Prices::new(catalog, &licenses.agreed);
        let by_day = days.usage(prices, Grain::Day, |_| true);
        let month = UsageMonth::of(month, by_day, licenses);
        let prices = Prices::new(catalog, &month.agreed);
        let last = month.hours.last().map(|usage| usage.hour.first_of_day());
        let day = chosen.or(last);
        Ok(UsageByDay {
            hours: days.usage(prices, Grain::Hour, |of| Some(of) == day),
            day,
            month,
        })
    }

    /// What the contracts of a month's licenses cover before anything is metered,
    /// of the periods that reach into the month, and what was used of it by the
    /// month's end. A license's end ends its periods. One that is linked to another
    /// account by now is left out: what is left of it, and who uses it, is theirs.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or an item is unreadable.
    pub async fn included_in(
        &self,
        account: &AccountId,
        usage: &UsageMonth,
    ) -> Result<Vec<Included>, StoreError> {
        if !self.settings.rules.catalog.has_contracts() {
            return Ok(Vec::new());
        }
        let licenses = usage.agreed.keys();
        let periods = licenses.map(|license| self.periods_in(account, license, usage.month));
        let periods = try_join_all(periods).await?;
        Ok(periods.into_iter().flatten().collect())
    }

    async fn periods_in(
        &self,
        account: &AccountId,
        license: &LicenseId,
        month: Month,
    ) -> Result<Vec<Included>, StoreError> {
        let known = self.store.license(license).await?;
        if known.and_then(License::last_account).as_ref() != Some(account) {
            return Ok(Vec::new());
        }
        let (first, next) = (month.first_hour(), month.next().first_hour());
        let mut periods = self.periods_of(license).await?;
        // One that was found to begin earlier left an empty one behind.
        periods.retain(|period| period.from < period.until);
        let reaches =
            |period: &Included| period.from < next.start() && first.start() < period.until;
        let reaching = periods.iter().filter(|period| reaches(period));
        if let Some(last) = reaching.map(|period| period.until).max() {
            self.give_back_later_use(license, &mut periods, (next, last))
                .await?;
        }
        periods.retain(reaches);
        Ok(periods)
    }

    /// Takes from what was used of periods what was used in hours from one on, as
    /// far as an instant.
    async fn give_back_later_use(
        &self,
        license: &LicenseId,
        periods: &mut [Included],
        (from, last): (Hour, Timestamp),
    ) -> Result<(), StoreError> {
        let last = last.min(self.clock.now());
        if last <= from.start() {
            return Ok(());
        }
        let until = Hour::of(last).next();
        for slot in self.store.slot_outcomes(license, from, until).await? {
            let SlotState::Frozen { included, .. } = slot.state else {
                continue;
            };
            for one in included {
                if let Some(period) = taken_from(&one, periods) {
                    let taken = u64::from(one.computer_hours);
                    period.used = period.used.saturating_sub(taken);
                }
            }
        }
        Ok(())
    }

    async fn periods_of(&self, license: &LicenseId) -> Result<Vec<Included>, StoreError> {
        let periods = self.store.included(license);
        let (mut periods, known) = try_join(periods, self.store.license(license)).await?;
        if let Some(end) = known.and_then(|known| known.end()) {
            for period in &mut periods {
                period.until = period.until.min(end.ended_at);
            }
        }
        Ok(periods)
    }

    /// What is known of a month and of the days before it of which something
    /// may be billed in it, and who pays.
    async fn usage_known(
        &self,
        account: &AccountId,
        month: Month,
    ) -> Result<(Days, Licenses), StoreError> {
        let from = self.carries_from(month.first_hour());
        let days = self.days(account, from, month.next().first_hour());
        let known = try_join(days, self.licenses_known(account, month)).await;
        let (mut days, licenses) = known?;
        let now = self.clock.now();
        days.await_cover(|license, slot| {
            let terms = licenses.covering.get(license);
            terms.is_some_and(|terms| self.settings.rules.awaits_cover(terms, slot, now))
        });
        Ok((days, licenses))
    }

    /// The first hour of the earliest day of which something may be carried
    /// into an hour or a later one.
    fn carries_from(&self, hour: Hour) -> Hour {
        let carried = self.settings.rules.carry.hours;
        hour.plus(-carried).first_of_day()
    }

    /// Who pays by each license that may pay for something of the month, and at
    /// which rates.
    async fn licenses_known(
        &self,
        account: &AccountId,
        month: Month,
    ) -> Result<Licenses, StoreError> {
        let licenses = self.licenses_of_month(account, month).await?;
        let known = licenses.iter().map(|license| self.store.license(license));
        let mut found = Licenses::default();
        for license in try_join_all(known).await?.into_iter().flatten() {
            let terms = LicenseTerms::of(&license).filter(|terms| terms.unknown_cover.is_some());
            if let Some(terms) = terms {
                found.covering.insert(license.id.clone(), terms);
            }
            found.payers.insert(license.id.clone(), license.buyer);
            found.agreed.insert(license.id, license.pricing);
        }
        Ok(found)
    }

    /// The licenses that may pay for something used or billed in the month:
    /// those linked in it, or as long before it as usage may be carried.
    async fn licenses_of_month(
        &self,
        account: &AccountId,
        month: Month,
    ) -> Result<BTreeSet<LicenseId>, StoreError> {
        let carried = SignedDuration::from_hours(self.settings.rules.carry.hours.into());
        let from = before(month.first_hour().start(), carried);
        let until = month.next().first_hour().start();
        let links = self.store.links_of_account(account, from, until).await?;
        Ok(links.into_iter().map(|link| link.license).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_in_a_renewals_hour_is_of_the_period_that_was_moved_since() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let period = |from, until| {
            let license = LicenseId::parse(format!("l-{:032x}", 1)).unwrap();
            let dimension = Dimension::parse("medium").unwrap();
            Included::new(license, dimension, at(from), at(until), 10)
        };
        let mut periods = [
            period("2026-11-01T00:30:00Z", "2026-12-01T00:30:00Z"),
            period("2026-12-01T00:30:00Z", "2027-01-01T00:30:00Z"),
        ];
        for (taken_from_period, expected) in [
            ("2026-11-01T00:30:00Z", "2026-11-01T00:30:00Z"),
            ("2026-12-01T00:30:00Z", "2026-12-01T00:30:00Z"),
            // Only since then is it known that it began a minute before.
            ("2026-12-01T00:31:00Z", "2026-12-01T00:30:00Z"),
        ] {
            let usage = IncludedUsage {
                dimension: Dimension::parse("medium").unwrap(),
                period_from: at(taken_from_period),
                computer_hours: 5,
            };
            let found = taken_from(&usage, &mut periods).map(|period| period.from);
            assert_eq!(found, Some(at(expected)), "{taken_from_period}");
        }
    }
}

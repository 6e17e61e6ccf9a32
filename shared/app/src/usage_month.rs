//! An account's usage of a month, hour by hour, and what became of it.
//!
//! Invariant: what is billed in a month, [`UsageMonth::billed`], with the status
//! [`MeteringStatus::Accepted`], is the account's share of the records of that
//! month's slots that AWS accepted, to the computer-hour.

mod lines;
mod outcomes;

use std::collections::{BTreeMap, BTreeSet};

use domain::hour::{Hour, before};
use domain::ids::{AccountId, AwsAccountId, CloudAccountId, Dimension, LicenseId};
use domain::ledger::account_hour::{AccountHour, Unbillable, WriteOff};
use domain::money::Usd;
use domain::usage::Part;
use futures_util::future::{try_join, try_join3};
use jiff::SignedDuration;
use store::StoreError;

use crate::App;
use crate::month::Month;

use lines::Lines;
use outcomes::Outcomes;

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
    /// In an open slot of a license on hold: it waits for AWS to take usage again.
    Held,
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
            | Self::Sent
            | Self::Accepted
            | Self::Conflict
            | Self::Unknown => true,
            Self::Refused | Self::NotAccepted | Self::Included | Self::WrittenOff(_) => false,
        }
    }
}

impl UsageLine {
    /// Whether another line is the same but for its count.
    fn is_counted_with(&self, other: &Self) -> bool {
        (&self.license, &self.dimension) == (&other.license, &other.dimension)
            && self.cloud_account == other.cloud_account
            && (self.billed_in, self.status) == (other.billed_in, other.status)
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
        let (from, until) = (month.first_hour(), month.next().first_hour());
        let hours = self.account_hours_between(account, from, until);
        let paid = self.paid_in(account, month);
        let (hours, (outcomes, payers)) = try_join(hours, paid).await?;
        let mut lines = Lines::new(&self.settings.rules.catalog);
        for hour in &hours {
            lines.add_hour(hour, &outcomes);
        }
        let mut carried_in = Lines::new(&self.settings.rules.catalog);
        for (license, entry) in outcomes.entries_carried_into(account, from, until) {
            carried_in.add_entry(license, entry, &outcomes);
        }
        Ok(UsageMonth {
            month,
            hours: lines.by_hour(),
            carried_in: carried_in.by_hour(),
            payers,
        })
    }

    /// The account-hours of every part of an account.
    async fn account_hours_between(
        &self,
        account: &AccountId,
        from: Hour,
        until: Hour,
    ) -> Result<Vec<AccountHour>, StoreError> {
        let mut parts: u16 = 1;
        if let Some(snapshot) = self.store.account(account).await? {
            let most = snapshot.parts.most_between(from, until);
            parts = parts.max(most.get());
        }
        let mut hours = Vec::new();
        for part in 0..parts {
            let of_part = self.store.account_hours(account, Part(part), from, until);
            hours.extend(of_part.await?);
        }
        Ok(hours)
    }

    /// What became of the usage of every license that may pay for something of
    /// the month, and the AWS account that each bills.
    async fn paid_in(
        &self,
        account: &AccountId,
        month: Month,
    ) -> Result<(Outcomes, BTreeMap<LicenseId, AwsAccountId>), StoreError> {
        let last = self.last_slot(month.next().first_hour().previous());
        let mut outcomes = Outcomes::default();
        let mut payers = BTreeMap::new();
        for license in self.licenses_of_month(account, month).await? {
            let hold = self.store.hold(&license);
            let slots = self.store.slots(&license, month.first_hour(), last.next());
            let known = self.store.license(&license);
            let (hold, slots, known) = try_join3(hold, slots, known).await?;
            outcomes.add(&license, slots, hold.is_some());
            if let Some(known) = known {
                payers.insert(license, known.buyer);
            }
        }
        Ok((outcomes, payers))
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

//! An account's usage of a month, hour by hour, and what became of it.

use std::collections::{BTreeMap, BTreeSet};

use domain::catalog::Catalog;
use domain::hour::Hour;
use domain::ids::{AccountId, CloudAccountId, Dimension, LicenseId};
use domain::ledger::account_hour::{AccountHour, Line, Target, Unbillable, WriteOff};
use domain::ledger::record::{CloseReason, RecordState};
use domain::ledger::slot::SlotState;
use domain::usage::Part;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use ledger::step::Slot;
use store::StoreError;

use crate::App;

/// A calendar month, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    first: Date,
}

impl Month {
    /// The month of an instant.
    pub fn of(instant: Timestamp) -> Self {
        Self {
            first: Offset::UTC.to_datetime(instant).date().first_of_month(),
        }
    }

    /// Reads `2026-11`.
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let well_formed = year.len() == 4 && month.len() == 2;
        let first = Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()?;
        well_formed.then_some(Self { first })
    }

    /// The month before.
    #[must_use]
    pub fn previous(self) -> Self {
        Self {
            first: self
                .first
                .yesterday()
                .unwrap_or(self.first)
                .first_of_month(),
        }
    }

    /// The month after.
    #[must_use]
    pub fn next(self) -> Self {
        Self {
            first: self.first.last_of_month().tomorrow().unwrap_or(self.first),
        }
    }

    /// The first hour.
    pub fn first_hour(self) -> Hour {
        Offset::UTC
            .to_timestamp(self.first.at(0, 0, 0, 0))
            .map_or(Hour::from_number(0), Hour::of)
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.first.year(), self.first.month())
    }
}

/// An account's usage of a month.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageMonth {
    /// The month.
    pub month: Month,
    /// Every hour that was posted, ascending.
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
        let mut parts: u16 = 1;
        if let Some(snapshot) = self.store.account(account).await? {
            let most = snapshot.parts.most_between(from, until);
            parts = parts.max(most.get());
        }
        let mut hours: Vec<AccountHour> = Vec::new();
        for part in 0..parts {
            hours.extend(
                self.store
                    .account_hours(account, Part(part), from, until)
                    .await?,
            );
        }
        let licenses: BTreeSet<&LicenseId> = hours
            .iter()
            .flat_map(|hour| &hour.lines)
            .map(|line| &line.license)
            .collect();
        let mut statuses = Statuses::default();
        for license in licenses {
            let held = self.store.hold(license).await?.is_some();
            let last = self.last_slot(until.previous());
            let slots = self.store.slots(license, from, last.next()).await?;
            statuses.add(license, slots, held);
        }
        Ok(UsageMonth {
            month,
            hours: by_hour(&hours, &statuses, &self.settings.rules.catalog),
        })
    }
}

/// What became of the usage of each license.
#[derive(Debug, Default)]
struct Statuses {
    /// The slot in which an account-hour's entry lies now, by the one that it
    /// first entered.
    lies_in: BTreeMap<EntryName, Hour>,
    slots: BTreeMap<(LicenseId, Hour), SlotStatus>,
}

/// License, account, part, hour of use, and the slot first entered.
type EntryName = (LicenseId, AccountId, Part, Hour, Hour);

/// What became of a slot's usage.
#[derive(Debug)]
enum SlotStatus {
    /// All of it alike.
    Whole(MeteringStatus),
    /// By dimension; one without a record is covered by a contract.
    Frozen(BTreeMap<Dimension, MeteringStatus>),
}

impl Statuses {
    fn add(&mut self, license: &LicenseId, slots: Vec<Slot>, held: bool) {
        for slot in slots {
            let hour = slot.head.hour;
            for entry in &slot.entries {
                let name = (
                    license.clone(),
                    entry.account.clone(),
                    entry.part,
                    entry.hour,
                    entry.origin,
                );
                self.lies_in.insert(name, hour);
            }
            let status = slot_status(slot, held);
            self.slots.insert((license.clone(), hour), status);
        }
    }

    /// The slot in which a line of an account-hour lies now, and what became of it.
    fn of(&self, hour: &AccountHour, line: &Line, origin: Hour) -> (Hour, MeteringStatus) {
        let name = (
            line.license.clone(),
            hour.account.clone(),
            hour.part,
            hour.hour,
            origin,
        );
        let slot = self.lies_in.get(&name).copied().unwrap_or(origin);
        let status = match self.slots.get(&(line.license.clone(), slot)) {
            Some(SlotStatus::Whole(status)) => *status,
            Some(SlotStatus::Frozen(records)) => records
                .get(&line.dimension)
                .copied()
                .unwrap_or(MeteringStatus::Included),
            None => MeteringStatus::Open,
        };
        (slot, status)
    }
}

fn slot_status(slot: Slot, held: bool) -> SlotStatus {
    let open = if held {
        MeteringStatus::Held
    } else {
        MeteringStatus::Open
    };
    match slot.head.state {
        // What was carried lies in a later slot.
        SlotState::Open | SlotState::Carrying { .. } | SlotState::Carried { .. } => {
            SlotStatus::Whole(open)
        }
        SlotState::Closed { reason, .. } => SlotStatus::Whole(MeteringStatus::WrittenOff(reason)),
        SlotState::Frozen { .. } => SlotStatus::Frozen(
            slot.records
                .into_iter()
                .map(|record| (record.usage.dimension, record_status(&record.state)))
                .collect(),
        ),
    }
}

fn record_status(state: &RecordState) -> MeteringStatus {
    match state {
        RecordState::Frozen { .. } => MeteringStatus::Sent,
        RecordState::Billed { .. } => MeteringStatus::Accepted,
        RecordState::Closed { reason, .. } => match reason {
            CloseReason::Refused => MeteringStatus::Refused,
            CloseReason::Conflict => MeteringStatus::Conflict,
            CloseReason::Unknown => MeteringStatus::Unknown,
            CloseReason::WrittenOff => MeteringStatus::NotAccepted,
        },
    }
}

fn by_hour(hours: &[AccountHour], statuses: &Statuses, catalog: &Catalog) -> Vec<UsageHour> {
    let mut by_hour: BTreeMap<Hour, UsageHour> = BTreeMap::new();
    for hour in hours {
        let usage = by_hour.entry(hour.hour).or_insert_with(|| UsageHour {
            hour: hour.hour,
            lines: Vec::new(),
            unbillable: BTreeMap::new(),
        });
        for (reason, count) in &hour.unbillable {
            *usage.unbillable.entry(*reason).or_default() += count;
        }
        for line in &hour.lines {
            let (billed_in, status) = match line.target {
                Target::Slot(origin) => {
                    let (slot, status) = statuses.of(hour, line, origin);
                    ((slot != hour.hour).then_some(slot), status)
                }
                Target::WrittenOff(reason) => (None, MeteringStatus::WrittenOff(reason)),
            };
            usage.lines.push(UsageLine {
                license: line.license.clone(),
                dimension: line.dimension.clone(),
                cloud_account: line.cloud_account.clone(),
                count: line.count,
                billed_in,
                status,
            });
        }
    }
    let tier = |line: &UsageLine| {
        let mut rates = catalog.rates().iter();
        rates.position(|rate| rate.dimension == line.dimension)
    };
    for usage in by_hour.values_mut() {
        usage.lines.sort_by(|a, b| {
            let by_tier = a.license.cmp(&b.license).then(tier(a).cmp(&tier(b)));
            by_tier.then_with(|| a.cloud_account.cmp(&b.cloud_account))
        });
    }
    by_hour.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_read_written_and_followed_by_the_next() {
        let december = Month::parse("2026-12").unwrap();
        assert_eq!(december.next().to_string(), "2027-01");
        assert_eq!(december.previous().to_string(), "2026-11");
        assert_eq!(december.first_hour().to_string(), "2026-12-01T00:00:00Z");
        assert_eq!(Month::of("2026-12-31T23:59:59Z".parse().unwrap()), december);
    }

    #[test]
    fn what_is_not_a_month_is_refused() {
        for text in ["", "2026", "2026-13", "2026-1", "26-01", "2026-00", "x-y"] {
            assert_eq!(Month::parse(text), None, "{text}");
        }
    }
}

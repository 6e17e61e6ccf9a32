//! Conservation: nothing between a report and a usage record is lost or doubled.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use domain::hour::{Hour, before};
use domain::ids::{AccountId, Dimension, LicenseId};
use domain::ledger::account_hour::{AccountHour, Reports, Target};
use domain::ledger::slot::{SlotEntry, SlotState};
use domain::usage::Part;
use jiff::SignedDuration;
use store::StoreError;

use crate::App;

/// How many hours after its hour of use usage may be billed in.
const CARRY_HOURS: i32 = 48;

/// An hour that ended this long ago is posted, unless something is wrong.
const SETTLED_AFTER: SignedDuration = SignedDuration::from_mins(15);

/// Two sums that should be equal and are not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// The computers that the reports show are not those in lines and unbillable.
    #[error(
        "{account} part {part} hour {hour}: the reports show {billed} billed and {unbilled} not; \
         the lines hold {lines}, unbillable {unbillable}"
    )]
    AccountHour {
        /// The account.
        account: AccountId,
        /// The part.
        part: u16,
        /// The hour of use.
        hour: Hour,
        /// Computers that a replay of the postings bills.
        billed: u64,
        /// Computers that it does not.
        unbilled: u64,
        /// The sum of the lines.
        lines: u64,
        /// The sum of the unbillable.
        unbillable: u64,
    },
    /// Reports of an hour that closed are not posted.
    #[error("{account} part {part} hour {hour}: reported and not posted")]
    NotPosted {
        /// The account.
        account: AccountId,
        /// The part.
        part: u16,
        /// The hour of use.
        hour: Hour,
    },
    /// An account-hour whose postings cannot be replayed.
    #[error("{account} part {part} hour {hour}: the postings cannot be replayed")]
    NotReplayable {
        /// The account.
        account: AccountId,
        /// The part.
        part: u16,
        /// The hour of use.
        hour: Hour,
    },
    /// What account-hours say went into a slot is not what its entries say.
    #[error(
        "{license} slot {slot}: the entry of {account} part {part} hour {hour} is not the sum of its lines"
    )]
    Entry {
        /// The license.
        license: LicenseId,
        /// The slot.
        slot: Hour,
        /// The account.
        account: AccountId,
        /// The part.
        part: u16,
        /// The hour of use.
        hour: Hour,
    },
    /// A frozen slot's record does not hold the sum of its entries.
    #[error("{license} slot {slot} {dimension}: entries {entries}, frozen {frozen}")]
    Record {
        /// The license.
        license: LicenseId,
        /// The slot.
        slot: Hour,
        /// The dimension.
        dimension: Dimension,
        /// The sum of the entries.
        entries: u64,
        /// The record's quantity.
        frozen: u64,
    },
}

impl App {
    /// Checks conservation of these accounts' hours of use, from the first up
    /// to but without the second, and of every slot that they went into.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or an item is unreadable.
    pub async fn differences(
        &self,
        accounts: &[AccountId],
        from: Hour,
        until: Hour,
    ) -> Result<Vec<Difference>, StoreError> {
        let mut differences = Vec::new();
        let mut entries: BTreeMap<(LicenseId, Hour), Vec<SlotEntry>> = BTreeMap::new();
        for account in accounts {
            let Some(snapshot) = self.store.account(account).await? else {
                continue;
            };
            for part in Part::all(snapshot.parts.most_between(from, until)) {
                let posted = self.store.account_hours(account, part, from, until).await?;
                let unposted = self.not_posted(account, part, &posted, from..until).await?;
                differences.extend(unposted);
                for hour in posted {
                    differences.extend(self.account_hour_difference(&hour).await?);
                    for (license, slot) in slots_of(&hour) {
                        let entry = hour.entry(&license, slot);
                        entries.entry((license, slot)).or_default().push(entry);
                    }
                }
            }
        }
        let licenses: BTreeSet<LicenseId> =
            entries.keys().map(|(license, _)| license.clone()).collect();
        for license in licenses {
            let slots = self
                .store
                .slots(&license, from, until.plus(CARRY_HOURS))
                .await?;
            for slot in &slots {
                differences.extend(record_differences(&license, slot));
            }
            let expected = |hour| {
                let entries = entries.get(&(license.clone(), hour));
                entries.map_or(&[][..], Vec::as_slice)
            };
            let hours: BTreeSet<Hour> = entries
                .keys()
                .filter(|(of, _)| *of == license)
                .map(|(_, hour)| *hour)
                .chain(slots.iter().map(|slot| slot.head.hour))
                .collect();
            for hour in hours {
                let slot = slots.iter().find(|slot| slot.head.hour == hour);
                let stored: Vec<SlotEntry> = slot
                    .iter()
                    .flat_map(|slot| &slot.entries)
                    .filter(|entry| accounts.contains(&entry.account))
                    .filter(|entry| from <= entry.hour && entry.hour < until)
                    .cloned()
                    .collect();
                differences.extend(entry_differences(&license, hour, expected(hour), &stored));
                differences.extend(entry_differences(&license, hour, &stored, expected(hour)));
            }
        }
        Ok(differences)
    }

    /// The hours that closed, have reports and no account-hour.
    async fn not_posted(
        &self,
        account: &AccountId,
        part: Part,
        posted: &[AccountHour],
        hours: Range<Hour>,
    ) -> Result<Vec<Difference>, StoreError> {
        let mut differences = Vec::new();
        let closed = Hour::of(before(self.clock.now(), SETTLED_AFTER)).previous();
        let mut hour = hours.start;
        while hour < hours.end && hour <= closed {
            let is_posted = posted.iter().any(|posted| posted.hour == hour);
            if !is_posted && !self.store.reports(account, part, hour).await?.is_empty() {
                differences.push(Difference::NotPosted {
                    account: account.clone(),
                    part: part.0,
                    hour,
                });
            }
            hour = hour.next();
        }
        Ok(differences)
    }

    async fn account_hour_difference(
        &self,
        hour: &AccountHour,
    ) -> Result<Option<Difference>, StoreError> {
        let reports: Reports = self
            .store
            .reports(&hour.account, hour.part, hour.hour)
            .await?
            .into_iter()
            .map(|report| (report.id, report.observations))
            .collect();
        let (account, part) = (hour.account.clone(), hour.part.0);
        let Ok(tally) = hour.tally(&reports) else {
            return Ok(Some(Difference::NotReplayable {
                account,
                part,
                hour: hour.hour,
            }));
        };
        let lines = hour.lines.iter().map(|line| u64::from(line.count)).sum();
        let unbillable = hour.unbillable.values().copied().map(u64::from).sum();
        let (billed, unbilled) = (tally.billed as u64, tally.unbilled as u64);
        Ok(
            (billed != lines || unbilled != unbillable).then_some(Difference::AccountHour {
                account,
                part,
                hour: hour.hour,
                billed,
                unbilled,
                lines,
                unbillable,
            }),
        )
    }
}

/// The slots into which an account-hour's lines went.
fn slots_of(hour: &AccountHour) -> BTreeSet<(LicenseId, Hour)> {
    hour.lines
        .iter()
        .filter_map(|line| match line.target {
            Target::Slot(slot) => Some((line.license.clone(), slot)),
            Target::WrittenOff(_) => None,
        })
        .collect()
}

fn entry_differences(
    license: &LicenseId,
    slot: Hour,
    expected: &[SlotEntry],
    stored: &[SlotEntry],
) -> Vec<Difference> {
    expected
        .iter()
        .filter(|entry| !stored.contains(entry))
        .map(|entry| Difference::Entry {
            license: license.clone(),
            slot,
            account: entry.account.clone(),
            part: entry.part.0,
            hour: entry.hour,
        })
        .collect()
}

/// Per dimension of a frozen slot: the sum of its entries against its record.
fn record_differences(license: &LicenseId, slot: &store::usage::Slot) -> Vec<Difference> {
    if slot.head.state == SlotState::Open {
        return Vec::new();
    }
    let mut sums: BTreeMap<&Dimension, (u64, u64)> = BTreeMap::new();
    for amount in slot.entries.iter().flat_map(|entry| &entry.amounts) {
        sums.entry(&amount.dimension).or_default().0 += u64::from(amount.count);
    }
    for record in &slot.records {
        sums.entry(&record.usage.dimension).or_default().1 +=
            u64::from(record.usage.quantity.get());
    }
    sums.into_iter()
        .filter(|(_, (entries, frozen))| entries != frozen)
        .map(|(dimension, (entries, frozen))| Difference::Record {
            license: license.clone(),
            slot: slot.head.hour,
            dimension: dimension.clone(),
            entries,
            frozen,
        })
        .collect()
}

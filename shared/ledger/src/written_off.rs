//! What was written off: usage that is never billed, hour by hour.

use std::collections::BTreeMap;

use domain::hour::Hour;
use domain::ids::{AccountId, Dimension, LicenseId};
use domain::ledger::account_hour::{AccountHour, Target, WriteOff};
use domain::ledger::slot::SlotState;
use domain::usage::Shard;
use jiff::Timestamp;

use crate::conservation::slot_licenses;
use crate::rules::Rules;
use crate::step::{Listed, Slot, StepError};
use crate::steps::Steps;

/// Usage of an account's hour that is never billed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WrittenOffUsage {
    /// The hour of use.
    pub hour: Hour,
    /// The account.
    pub account: AccountId,
    /// The license that would have paid.
    pub license: LicenseId,
    /// The dimension.
    pub dimension: Dimension,
    /// Why.
    pub reason: WriteOff,
    /// How many.
    pub computer_hours: u64,
}

/// What identifies usage that is written off, but for how much it is.
type Name = (Hour, AccountId, LicenseId, Dimension, WriteOff);

/// What was written off of the hours that an interval touches, whether when it
/// was posted or with the slot that held it. Reads every report of them. Records
/// that were not accepted are not among it: they have lists of their own.
///
/// # Errors
/// [`StepError`] when the store does not answer.
pub async fn written_off(
    steps: &Steps,
    rules: &Rules,
    (from, until): (Timestamp, Timestamp),
) -> Result<Listed<WrittenOffUsage>, StepError> {
    let mut sums: BTreeMap<Name, u64> = BTreeMap::new();
    let mut hours: Listed<AccountHour> = Vec::new().into();
    let mut hour = Hour::of(from);
    while hour.start() < until {
        for shard in Shard::all() {
            let mut parts = steps.reported_parts(shard, hour).await?;
            hours.unreadable.append(&mut parts.unreadable);
            for (account, part) in parts.items {
                let read = steps.account_hour(account, part, hour).await;
                hours.add(read.map(Some))?;
            }
        }
        hour = hour.next();
    }
    let mut unreadable = hours.unreadable;
    for hour in &hours.items {
        for line in &hour.lines {
            if let Target::WrittenOff(reason) = line.target {
                let name = name(hour, &line.license, &line.dimension, reason);
                *sums.entry(name).or_default() += u64::from(line.count);
            }
        }
        for license in slot_licenses(hour) {
            let last = hour.hour.plus(rules.carry.hours).next();
            let mut slots = steps.slots(license.clone(), hour.hour, last).await?;
            unreadable.append(&mut slots.unreadable);
            for slot in &slots.items {
                take_closed(slot, hour, &mut sums);
            }
        }
    }
    let items = sums.into_iter().map(|(name, computer_hours)| {
        let (hour, account, license, dimension, reason) = name;
        WrittenOffUsage {
            hour,
            account,
            license,
            dimension,
            reason,
            computer_hours,
        }
    });
    Ok(Listed {
        items: items.collect(),
        unreadable,
    })
}

/// The account-hour's entries in a slot that was closed with them, but for what
/// was billed anew.
fn take_closed(slot: &Slot, of: &AccountHour, sums: &mut BTreeMap<Name, u64>) {
    let SlotState::Closed { reason, .. } = slot.head.state else {
        return;
    };
    let entries = slot.entries.iter().filter(|entry| {
        let anew = Target::Released(entry.origin);
        let mut lines = of.lines.iter();
        (&entry.account, entry.part, entry.hour) == (&of.account, of.part, of.hour)
            && !lines.any(|line| line.license == slot.head.license && line.target == anew)
    });
    for amount in entries.flat_map(|entry| &entry.amounts) {
        let name = name(of, &slot.head.license, &amount.dimension, reason);
        *sums.entry(name).or_default() += u64::from(amount.count);
    }
}

fn name(hour: &AccountHour, license: &LicenseId, dimension: &Dimension, reason: WriteOff) -> Name {
    (
        hour.hour,
        hour.account.clone(),
        license.clone(),
        dimension.clone(),
        reason,
    )
}

//! Looking at one account: its hours, their reports, and the slots of the
//! licenses that pay for them.

use std::collections::{BTreeMap, BTreeSet};

use domain::hour::Hour;
use domain::ids::{AccountId, LicenseId};
use domain::ledger::account_hour::{AccountHour, ReplayError, Reports, Target};
use domain::usage::{Part, Shard};
use jiff::Timestamp;

use super::slots::look_at_slot;
use super::sums::{Place, Sums};
use super::usage::Usage;
use super::{
    AccountHourFault, AccountHourKey, Check, Difference, Differences, ReportedHours, readable,
};
use crate::step::{Slot, StepError, whole};

/// What a look at an account found.
#[derive(Debug, Default)]
pub(super) struct Looked {
    pub(super) sums: Sums,
    pub(super) differences: Differences,
    /// Since when the oldest of its unsettled usage waits.
    pub(super) unsettled_since: Option<Timestamp>,
}

/// What was read of an account: `None` is what could not be.
#[derive(Debug, Default)]
struct Known {
    hours: BTreeMap<(Hour, Part), Option<AccountHour>>,
    slots: BTreeMap<LicenseId, Option<Vec<Slot>>>,
}

impl Looked {
    pub(super) fn differences_of(&mut self, difference: Option<Difference>) {
        if let Some(difference) = difference {
            self.differences.insert(difference);
        }
    }

    pub(super) fn unsettled(&mut self, since: Option<Timestamp>) {
        self.unsettled_since = [self.unsettled_since, since].into_iter().flatten().min();
    }
}

impl Check<'_> {
    /// Looks at everything of an account in the hours, beginning with what is
    /// reported. Entries lead to account-hours whose reports are all gone.
    pub(super) async fn look(
        &self,
        account: &AccountId,
        reported: &ReportedHours,
    ) -> Result<Looked, StepError> {
        let mut looked = Looked::default();
        let mut known = Known::default();
        let shards = reported.iter().map(|(_, part)| Shard::of(account, *part));
        let in_scope = self.scope.hours_of(&shards.collect());
        let mut to_read = reported.clone();
        while let Some((hour, part)) = to_read.pop_first() {
            let of = AccountHourKey {
                account: account.clone(),
                part,
                hour,
            };
            let read = self.look_at_account_hour(&of, &mut looked).await?;
            for license in read.iter().flat_map(slot_licenses) {
                if !known.slots.contains_key(license) {
                    let slots = self.slots(license, &in_scope).await;
                    let slots = readable(slots, &mut looked.differences)?;
                    known.slots.insert(license.clone(), slots);
                }
            }
            known.hours.insert((hour, part), read);
            if to_read.is_empty() {
                to_read = hours_of_entries(account, &in_scope, &known);
            }
        }
        self.compare(account, known, &mut looked);
        Ok(looked)
    }

    /// Looks at an account-hour against its reports.
    ///
    /// The account-hour is read first: a report that is posted in between would
    /// otherwise be missing.
    async fn look_at_account_hour(
        &self,
        of: &AccountHourKey,
        looked: &mut Looked,
    ) -> Result<Option<AccountHour>, StepError> {
        let (account, part, hour) = (&of.account, of.part, of.hour);
        let stored = self.steps.account_hour(account.clone(), part, hour).await;
        let Some(stored) = readable(stored, &mut looked.differences)? else {
            return Ok(None);
        };
        let reports = self.steps.reports(account.clone(), part, hour).await;
        let Some(read) = readable(reports, &mut looked.differences)? else {
            return Ok(Some(stored));
        };
        looked.take_lines(&stored);
        if read.unreadable.is_empty() {
            let reports = whole(read.reports);
            if let Some(fault) = looked.account_hour_fault(&stored, &reports)
                && !self.steps.has_marker(account.clone(), part, hour).await?
            {
                let of = of.clone();
                looked
                    .differences
                    .insert(Difference::AccountHour { of, fault });
            }
        }
        looked.differences.extend_unreadable(read.unreadable);
        Ok(Some(stored))
    }

    /// The slots of a license in which usage of the hours may be.
    async fn slots(
        &self,
        license: &LicenseId,
        hours: &BTreeSet<Hour>,
    ) -> Result<Vec<Slot>, StepError> {
        let (Some(first), Some(last)) = (hours.first(), hours.last()) else {
            return Ok(Vec::new());
        };
        // A slot may be open for the hour to come.
        let last = last
            .plus(self.rules.carry.hours)
            .max(Hour::of(self.now).next());
        let slots = self.steps.slots(license.clone(), *first, last.next());
        Ok(slots.await?.whole()?)
    }

    /// Compares what was read. What could not be is left out, on either side.
    fn compare(&self, account: &AccountId, known: Known, looked: &mut Looked) {
        let hours: BTreeMap<(Hour, Part), AccountHour> = known
            .hours
            .into_iter()
            .filter_map(|(name, hour)| Some((name, hour?)))
            .collect();
        for (license, slots) in &known.slots {
            let Some(slots) = slots else {
                continue;
            };
            for slot in slots {
                look_at_slot(slot, self.now, looked);
            }
            let usage = Usage {
                account,
                license,
                hours: &hours,
                slots,
            };
            usage.look(looked);
        }
    }
}

/// Account-hours in scope that have entries and were not looked at.
fn hours_of_entries(
    account: &AccountId,
    in_scope: &BTreeSet<Hour>,
    known: &Known,
) -> ReportedHours {
    let slots = known.slots.values().flatten().flatten();
    slots
        .flat_map(|slot| &slot.entries)
        .filter(|entry| entry.account == *account && in_scope.contains(&entry.hour))
        .map(|entry| (entry.hour, entry.part))
        .filter(|name| !known.hours.contains_key(name))
        .collect()
}

/// The licenses into whose slots an account-hour's lines went.
pub(crate) fn slot_licenses(hour: &AccountHour) -> BTreeSet<&LicenseId> {
    let in_slots = hour.lines.iter();
    let in_slots = in_slots.filter(|line| line.target.lies_in().is_some());
    in_slots.map(|line| &line.license).collect()
}

impl Looked {
    fn take_lines(&mut self, hour: &AccountHour) {
        self.sums.lines += lines(hour);
        self.sums.unbillable += unbillable(hour);
        for line in &hour.lines {
            let count = u64::from(line.count);
            match line.target {
                Target::Slot(_) => {}
                Target::Released(_) => self.sums.released += count,
                Target::WrittenOff(reason) => self.sums.put(Place::WrittenOff(reason), count),
            }
        }
    }

    fn account_hour_fault(
        &mut self,
        hour: &AccountHour,
        reports: &Reports,
    ) -> Option<AccountHourFault> {
        let tally = match hour.tally(reports) {
            Ok(tally) => tally,
            Err(ReplayError::ReportMissing(id)) => {
                return Some(AccountHourFault::ReportMissing(id));
            }
        };
        let (billed, unbilled) = (tally.billed as u64, tally.unbilled as u64);
        self.sums.reported += billed + unbilled;
        let (lines, unbillable) = (lines(hour), unbillable(hour));
        if hour.version == 0 && billed + unbilled > 0 {
            return Some(AccountHourFault::NotPosted);
        }
        (billed != lines || unbilled != unbillable).then_some(AccountHourFault::DoesNotAddUp {
            billed,
            unbilled,
            lines,
            unbillable,
        })
    }
}

/// The computer-hours of the lines, each counted once.
fn lines(hour: &AccountHour) -> u64 {
    let counting = hour.lines.iter().filter(|line| !line.target.is_released());
    counting.map(|line| u64::from(line.count)).sum()
}

fn unbillable(hour: &AccountHour) -> u64 {
    hour.unbillable.values().copied().map(u64::from).sum()
}

//! Everything is billed once, and every resend is the first again.

use std::collections::BTreeMap;

use domain::ids::{AccountId, CloudAccountId, Dimension, LicenseId};
use domain::ledger::slot::SlotEntry;
use domain::metering::UsageRecord;

use super::{Found, Settled};
use crate::aws::DedupKey;
use crate::truth::ComputerHour;

pub(super) fn check(settled: &Settled<'_>, found: &mut Found) {
    no_tag_is_billed_twice(settled, found);
    sums_are_not_exceeded(settled, found);
    every_resend_is_the_first(settled, found);
}

/// No computer-hour is in two records that AWS accepted.
fn no_tag_is_billed_twice(settled: &Settled<'_>, found: &mut Found) {
    let mut billed: BTreeMap<&CloudAccountId, u32> = BTreeMap::new();
    for record in settled.world.aws.accepted.values() {
        for allocation in &record.allocations {
            if let Some(tag) = &allocation.cloud_account {
                *billed.entry(tag).or_default() += allocation.quantity.get();
            }
        }
    }
    for (tag, times) in billed {
        if times > 1 {
            found.fails("billed twice", format!("{tag} is billed {times} times"));
        }
    }
}

/// Nor is more accepted than there were computers, tagged or not: of an
/// account's hour of use in all, and by what a license may have paid for in each
/// dimension. A record is what lies in its slot, also in one that a restore forgot.
/// Where a restore forgot reports nothing says how many computers there were.
fn sums_are_not_exceeded(settled: &Settled<'_>, found: &mut Found) {
    let mut accepted = 0;
    let mut of_hours: BTreeMap<_, BTreeMap<(&LicenseId, &Dimension), u64>> = BTreeMap::new();
    for (key, record) in &settled.world.aws.accepted {
        if settled.world.aws.foreign.contains(key) {
            continue;
        }
        let quantity = u64::from(record.quantity.get());
        accepted += quantity;
        let (license, dimension, _) = key;
        let shares = shares(settled, key, record);
        // Of what a contract includes nothing says whose computer-hours it is.
        if shares.iter().map(|(_, count)| count).sum::<u64>() == quantity {
            for (entry, count) in shares {
                let hour = of_hours.entry((&entry.account, entry.part, entry.hour));
                *hour.or_default().entry((license, dimension)).or_default() += count;
            }
        }
    }
    for (hour, billed) in &of_hours {
        let (account, part, of) = hour;
        let forgot = (AccountId::clone(account), *part, *of);
        if settled.story.lost_reports.contains(&forgot) {
            accepted -= billed.values().sum::<u64>();
            continue;
        }
        let Some(computers) = settled.computers.get(hour) else {
            found.fails("billed twice", format!("{hour:?} was never reported"));
            continue;
        };
        let all: u64 = billed.values().sum();
        if all > computers.most() as u64 {
            let most = computers.most();
            found.fails(
                "billed twice",
                format!("{hour:?}: {all} of {most} computers"),
            );
        }
        for ((license, dimension), count) in billed {
            let most = computers.possible(license, dimension);
            if *count > most as u64 {
                let what = format!("{hour:?}, {license} {dimension}: {count} of {most}");
                found.fails("billed twice", what);
            }
        }
    }
    let computers: usize = settled.computers.values().map(ComputerHour::most).sum();
    if accepted > computers as u64 {
        found.fails(
            "billed twice",
            format!("AWS accepted {accepted} computer-hours of {computers}"),
        );
    }
}

/// Of whose hours of use a record is, and how many computer-hours each.
fn shares<'a>(
    settled: &'a Settled<'_>,
    key: &'a DedupKey,
    record: &UsageRecord,
) -> Vec<(&'a SlotEntry, u64)> {
    let (license, dimension, slot) = key;
    let is_stored = settled
        .record(key)
        .is_some_and(|stored| stored.usage == *record);
    let entries: Vec<&SlotEntry> = if is_stored {
        settled.entries_in(license, *slot).to_vec()
    } else {
        settled.story.lost.get(key).into_iter().flatten().collect()
    };
    let share = |entry: &'a SlotEntry| {
        let amounts = entry.amounts.iter();
        let of = amounts.filter(|amount| amount.dimension == *dimension);
        (entry, of.map(|amount| u64::from(amount.count)).sum())
    };
    entries.into_iter().map(share).collect()
}

fn every_resend_is_the_first(settled: &Settled<'_>, found: &mut Found) {
    for record in &settled.world.aws.changed {
        found.fails(
            "resend differs",
            format!(
                "{} {} {}",
                record.license.id(),
                record.dimension,
                record.timestamp
            ),
        );
    }
}

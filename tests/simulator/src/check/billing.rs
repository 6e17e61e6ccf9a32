//! Everything is billed once, and every resend is the first again.

use std::collections::BTreeMap;

use domain::ids::CloudAccountId;

use super::{Found, Settled};

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

/// Nor is more accepted of an account's hour than there were computers,
/// tagged or not: by the lines that lie in accepted records.
fn sums_are_not_exceeded(settled: &Settled<'_>, found: &mut Found) {
    let aws = &settled.world.aws;
    let ours = aws
        .accepted
        .iter()
        .filter(|(key, _)| !aws.foreign.contains(*key));
    let accepted: u64 = ours
        .map(|(_, record)| u64::from(record.quantity.get()))
        .sum();
    let computers: usize = settled.computers.values().map(|hour| hour.most()).sum();
    if accepted > computers as u64 {
        found.fails(
            "billed twice",
            format!("AWS accepted {accepted} computer-hours of {computers}"),
        );
    }
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

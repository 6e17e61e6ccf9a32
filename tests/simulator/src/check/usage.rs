//! Reports are kept, attributed by the rules, and none is lost.

use std::collections::BTreeMap;

use ledger::Notice;
use ledger::notice::AccountHourFailure;

use super::{Found, Settled};
use crate::truth;

pub(super) fn check(settled: &Settled<'_>, found: &mut Found) {
    refused_reports_leave_nothing(settled, found);
    attribution_is_right(settled, found);
    nothing_is_lost(settled, found);
    every_posting_can_be_replayed(settled, found);
}

/// A report that was refused, for another one has its id, left nothing behind.
fn refused_reports_leave_nothing(settled: &Settled<'_>, found: &mut Found) {
    let mut ids = BTreeMap::new();
    for (hour, (account, _, id), fingerprint) in settled.world.tables.fingerprints() {
        let first = ids.entry((hour, account, id)).or_insert(fingerprint);
        if *first != fingerprint {
            found.fails(
                "refused report",
                format!("{account} {hour} {id} holds parts of two reports"),
            );
        }
    }
}

/// What each posting billed is what the rules say of the reports and links
/// that it read, and those links are the true ones.
fn attribution_is_right(settled: &Settled<'_>, found: &mut Found) {
    for hour in settled.world.tables.account_hours() {
        for what in truth::attribution_differences(settled.world, &settled.reports, hour) {
            found.fails("attribution", what);
        }
    }
}

/// Every acknowledged computer-hour that a license pays for is accounted for.
fn nothing_is_lost(settled: &Settled<'_>, found: &mut Found) {
    let billed: BTreeMap<_, u64> = settled
        .world
        .tables
        .account_hours()
        .map(|hour| {
            let counting = hour.lines.iter().filter(|line| !line.target.is_released());
            let lines = counting.map(|line| u64::from(line.count));
            ((&hour.account, hour.part, hour.hour), lines.sum())
        })
        .collect();
    for ((account, part, hour), computers) in &settled.computers {
        let billed = billed.get(&(*account, *part, *hour)).copied().unwrap_or(0);
        let place = format_args!("{account} part {} {hour}", part.0);
        if billed < computers.least() as u64 {
            let least = computers.least();
            found.fails(
                "lost usage",
                format!("{place}: {least} computers to be billed, {billed} are"),
            );
        }
        if billed > computers.most() as u64 {
            let most = computers.most();
            found.fails(
                "lost usage",
                format!("{place}: {billed} billed of {most} computers"),
            );
        }
    }
}

/// Reports are immutable and kept: what was posted can be posted again.
fn every_posting_can_be_replayed(settled: &Settled<'_>, found: &mut Found) {
    for notice in &settled.world.notices {
        if let Notice::AccountHourFailed {
            account,
            hour,
            failure: AccountHourFailure::NotReplayed,
            reason,
            ..
        } = notice
        {
            found.fails("torn read", format!("{account} {hour}: {reason}"));
        }
    }
}

//! The keys of the `Usage` table. No identifier contains `#`.

use domain::hour::Hour;
use domain::ids::{AccountId, Dimension, LicenseId, ReportId};
use domain::ledger::slot::SlotEntry;
use domain::usage::{Part, Shard};

pub(super) const CURSOR: &str = "cursor";
pub(super) const FINAL_USAGE: &str = "final";

/// Over how many partitions late markers are spread: few, because every run of
/// posting reads them all, and enough for a burst of late reports.
pub(super) const MARKER_PARTITIONS: u8 = 2;

/// The number of partitions of the work index.
pub(super) const WORK_SHARDS: u8 = 4;

pub(super) fn reports(shard: Shard, hour: Hour) -> String {
    format!("report#{:02}#{hour}", shard.number())
}

pub(super) fn reports_of_part(account: &AccountId, part: Part) -> String {
    format!("{account}#{}#", part.0)
}

pub(super) fn report(account: &AccountId, part: Part, id: &ReportId) -> String {
    format!("{account}#{}#{id}", part.0)
}

pub(super) fn shard(shard: Shard) -> String {
    format!("shard#{:02}", shard.number())
}

pub(super) fn markers(partition: u8) -> String {
    format!("marker#{partition}")
}

pub(super) fn markers_of(account: &AccountId, part: Part) -> String {
    markers(Shard::of(account, part).number() % MARKER_PARTITIONS)
}

pub(super) fn marker(account: &AccountId, part: Part, hour: Hour) -> String {
    format!("{account}#{}#{hour}", part.0)
}

pub(super) fn account(account: &AccountId, part: Part) -> String {
    format!("account#{account}#{}", part.0)
}

pub(super) fn license(license: &LicenseId) -> String {
    format!("license#{license}")
}

pub(super) fn slot(hour: Hour) -> String {
    format!("{hour}#")
}

pub(super) fn head(hour: Hour) -> String {
    format!("{hour}#head")
}

pub(super) fn entry(slot: Hour, entry: &SlotEntry) -> String {
    format!(
        "{slot}#entry#{}#{}#{}#{}",
        entry.origin, entry.account, entry.part.0, entry.hour
    )
}

pub(super) fn record(slot: Hour, dimension: &Dimension) -> String {
    format!("{slot}#record#{dimension}")
}

/// The partition of the work index for open slots, or for records.
pub(super) fn work(kind: WorkKind, shard: u8) -> String {
    let kind = match kind {
        WorkKind::Slot => "slot",
        WorkKind::Record => "record",
        WorkKind::FinalUsage => "final",
    };
    format!("{kind}#{shard}")
}

/// The one partition of the licenses whose final usage is looked after: they
/// are few, and every run reads them all.
pub(super) fn final_usage_work() -> String {
    work(WorkKind::FinalUsage, 0)
}

pub(super) fn work_of(kind: WorkKind, license: &LicenseId) -> String {
    let sum = license
        .as_str()
        .bytes()
        .fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
    work(kind, sum % WORK_SHARDS)
}

/// What an entry of the work index stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WorkKind {
    Slot,
    Record,
    FinalUsage,
}

//! The keys of the `Usage` table. No identifier contains `#`.

use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::hour::Hour;
use domain::ids::{AccountId, Dimension, LicenseId, ReportId};
use domain::ledger::included::Included;
use domain::ledger::slot::SlotEntry;
use domain::mutant;
use domain::usage::{Part, Shard};

use super::mapping::{Item, text};

/// Over how many partitions late markers are spread: few, because every run of
/// posting reads them all, and enough for a burst of late reports.
pub(super) const MARKER_PARTITIONS: u8 = 2;

/// Over how many partitions of the work index slots and records are spread.
pub(super) const WORK_SHARDS: u8 = 4;

/// How the sort keys of a license's contract periods begin.
pub(super) const INCLUDED: &str = "included#";

/// The key of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) pk: String,
    pub(super) sk: String,
}

impl Key {
    fn new(pk: String, sk: impl Into<String>) -> Self {
        Self { pk, sk: sk.into() }
    }

    pub(super) fn attributes(&self) -> Item {
        let attribute = |name: &str, value: &str| (name.to_owned(), text(value));
        [attribute("pk", &self.pk), attribute("sk", &self.sk)].into()
    }

    /// The key of an item, as far as it has one.
    pub(super) fn of(item: &Item) -> Self {
        let part = |name| match item.get(name) {
            Some(AttributeValue::S(text)) => text.clone(),
            _ => "?".to_owned(),
        };
        Self::new(part("pk"), part("sk"))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} | {}", self.pk, self.sk)
    }
}

pub(super) fn reports(shard: Shard, hour: Hour) -> String {
    format!("report#{:02}#{hour}", shard.number())
}

pub(super) fn reports_of_part(account: &AccountId, part: Part) -> String {
    let between = between();
    format!("{account}{between}{}{between}", part.0)
}

/// What stands between an account, a part and a report's id: nothing that any
/// of them may contain.
fn between() -> char {
    if mutant!(IdsCollide) { '.' } else { '#' }
}

/// The key of a chunk of a report.
pub(super) fn report(
    account: &AccountId,
    part: Part,
    hour: Hour,
    id: &ReportId,
    chunk: u16,
) -> Key {
    let pk = reports(Shard::of(account, part), hour);
    let of_part = reports_of_part(account, part);
    let between = between();
    Key::new(pk, format!("{of_part}{id}{between}{chunk:05}"))
}

/// The account, part, id and chunk of the report that a sort key names.
pub(super) fn named_report(sk: &str) -> Option<(AccountId, Part, ReportId, u16)> {
    let mut names = sk.splitn(4, between());
    let account = AccountId::parse(names.next()?).ok()?;
    let part = Part(names.next()?.parse().ok()?);
    let id = ReportId::parse(names.next()?).ok()?;
    Some((account, part, id, names.next()?.parse().ok()?))
}

pub(super) fn cursor(shard: Shard) -> Key {
    Key::new(format!("shard#{:02}", shard.number()), "cursor")
}

pub(super) fn markers(partition: u8) -> String {
    format!("marker#{partition}")
}

pub(super) fn marker(account: &AccountId, part: Part, hour: Hour) -> Key {
    let partition = Shard::of(account, part).number() % MARKER_PARTITIONS;
    Key::new(markers(partition), format!("{account}#{}#{hour}", part.0))
}

pub(super) fn account(account: &AccountId, part: Part) -> String {
    format!("account#{account}#{}", part.0)
}

pub(super) fn account_hour(id: &AccountId, part: Part, hour: Hour) -> Key {
    Key::new(account(id, part), hour.to_string())
}

pub(super) fn days(account: &AccountId, part: Part) -> String {
    format!("days#{account}#{}", part.0)
}

/// The key of the summary of the day that begins with an hour.
pub(super) fn day(account: &AccountId, part: Part, day: Hour) -> Key {
    Key::new(days(account, part), day.to_string())
}

pub(super) fn postings(account: &AccountId, part: Part) -> String {
    format!("postings#{account}#{}", part.0)
}

pub(super) fn postings_of(hour: Hour) -> String {
    format!("{hour}#")
}

/// The key of a piece of an account-hour's postings.
pub(super) fn piece(account: &AccountId, part: Part, hour: Hour, number: usize) -> Key {
    let sk = format!("{}{number:05}", postings_of(hour));
    Key::new(postings(account, part), sk)
}

pub(super) fn license(license: &LicenseId) -> String {
    format!("license#{license}")
}

pub(super) fn slot(hour: Hour) -> String {
    format!("{hour}#")
}

pub(super) fn head(of: &LicenseId, hour: Hour) -> Key {
    Key::new(license(of), format!("{hour}#head"))
}

/// An entry of a slot: named by the slot that it first entered, so that one
/// which is carried never meets the later slot's own.
pub(super) fn entry(of: &LicenseId, slot: Hour, entry: &SlotEntry) -> Key {
    let part = if mutant!(EntryKeyLacksPart) {
        0
    } else {
        entry.part.0
    };
    let name = format!(
        "{slot}#entry#{}#{}#{part}#{}",
        entry.origin, entry.account, entry.hour
    );
    Key::new(license(of), name)
}

pub(super) fn record(of: &LicenseId, slot: Hour, dimension: &Dimension) -> Key {
    Key::new(license(of), format!("{slot}#record#{dimension}"))
}

pub(super) fn final_usage(of: &LicenseId) -> Key {
    Key::new(license(of), "final")
}

pub(super) fn hold(of: &LicenseId) -> Key {
    Key::new(license(of), "hold")
}

pub(super) fn included(period: &Included) -> Key {
    let sk = format!("{INCLUDED}{}#{}", period.dimension, period.from);
    Key::new(license(&period.license), sk)
}

pub(super) fn controls() -> Key {
    Key::new("controls".to_owned(), "controls")
}

/// The license that a partition belongs to.
pub(super) fn named_license(pk: &str) -> Option<LicenseId> {
    LicenseId::parse(pk.strip_prefix("license#")?).ok()
}

/// What an entry of the work index stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WorkKind {
    /// An open slot, or one that is being carried.
    Slot,
    /// A record that is to be sent.
    Record,
    /// A record whose outcome is unknown.
    Unknown,
    /// A license whose final usage is looked after.
    FinalUsage,
    /// A license on hold.
    Hold,
}

impl WorkKind {
    /// The partitions of the index that hold its entries. Licenses that have
    /// ended or are on hold are few, and every run reads them all.
    pub(super) fn partitions(self) -> Vec<String> {
        let (name, count) = match self {
            Self::Slot => ("slot", WORK_SHARDS),
            Self::Record => ("record", WORK_SHARDS),
            Self::Unknown => ("unknown", WORK_SHARDS),
            Self::FinalUsage => ("final", 1),
            Self::Hold => ("hold", 1),
        };
        (0..count).map(|shard| format!("{name}#{shard}")).collect()
    }

    /// The partition of the index that holds a license's entries.
    pub(super) fn partition_of(self, license: &LicenseId) -> String {
        let sum = license
            .as_str()
            .bytes()
            .fold(0_u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
        let mut partitions = self.partitions();
        let place = usize::from(sum) % partitions.len();
        partitions.swap_remove(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(number: i32) -> Hour {
        Hour::from_number(number)
    }

    fn license() -> LicenseId {
        LicenseId::parse(format!("l-{:032x}", 7)).unwrap()
    }

    fn carried(origin: Hour, used: Hour) -> SlotEntry {
        SlotEntry {
            account: AccountId::parse("a").unwrap(),
            part: Part(0),
            hour: used,
            origin,
            amounts: Vec::new(),
        }
    }

    #[test]
    fn a_carried_entry_has_another_key_than_the_later_hours_own() {
        let of = license();
        let own = entry(&of, hour(2), &carried(hour(2), hour(2)));
        assert_ne!(entry(&of, hour(2), &carried(hour(1), hour(1))), own);
        // Late usage that entered the hour before, and what enters this one now.
        assert_ne!(
            entry(&of, hour(2), &carried(hour(1), hour(0))),
            entry(&of, hour(2), &carried(hour(2), hour(0)))
        );
    }

    #[test]
    fn a_reports_key_names_account_part_id_and_chunk() {
        let (account, id) = (
            AccountId::parse("a.b:c@d").unwrap(),
            ReportId::parse("r-1").unwrap(),
        );
        let key = report(&account, Part(3), hour(5), &id, 12);
        assert_eq!(named_report(&key.sk), Some((account, Part(3), id, 12)));
        for no_report in ["a#x#r#0", "a#0#r", "a#0#r#0#0", "a#0#r#x"] {
            assert_eq!(named_report(no_report), None, "{no_report}");
        }
    }

    #[test]
    fn every_license_has_its_partition_of_each_kind_of_work() {
        for kind in [
            WorkKind::Slot,
            WorkKind::Record,
            WorkKind::Unknown,
            WorkKind::FinalUsage,
            WorkKind::Hold,
        ] {
            assert!(kind.partitions().contains(&kind.partition_of(&license())));
        }
    }
}

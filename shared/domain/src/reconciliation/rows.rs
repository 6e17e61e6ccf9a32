//! Rows of AWS's usage feed, and which of them count.
//!
//! The feed is a history that only grows (user guide, "Storage and structure of
//! data feeds"): `usage_feed_id` names a record, each `valid_from` a revision of
//! it, and a revision may come several times, of which the one updated last
//! counts; one with a `delete_date` takes its revision back.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;

use crate::ids::{AgreementId, Dimension};
use crate::money::Usd;

use super::Units;

/// A row of the usage feed, as far as it is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRow {
    /// Names the record of which this is a revision.
    pub id: String,
    /// Names the revision.
    pub valid_from: Timestamp,
    /// When the revision was last updated.
    pub updated_at: Timestamp,
    /// Whether it was taken back.
    pub deleted: bool,
    /// What it says.
    pub usage: AwsUsage,
}

/// Usage of a day, as AWS has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct AwsUsage {
    /// The agreement, if the row names one.
    pub agreement: Option<AgreementId>,
    /// The dimension.
    pub dimension: Dimension,
    /// The UTC day of use.
    pub day: Date,
    /// How much.
    pub units: Units,
    /// What a unit costs under the agreement, if the row says so in US dollars.
    pub rate: Option<Usd>,
}

/// A row that could not be read, and what it may have been about: what is not
/// known of it may be anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadableRow {
    /// The file.
    pub file: String,
    /// The line in it at which the row begins, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
    /// The first and the last day of use that it may be about.
    pub days: (Date, Date),
    /// The agreement.
    pub agreement: Option<AgreementId>,
    /// The dimension.
    pub dimension: Option<Dimension>,
}

/// What counts of the rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Current {
    /// The newest revision of each record that was not taken back.
    pub usage: Vec<AwsUsage>,
    /// What is said of records whose newest revision says different things at once.
    pub disputed: Vec<AwsUsage>,
}

/// The versions of a revision that were updated last, at one instant.
type Newest<'a> = (Timestamp, BTreeSet<(bool, &'a AwsUsage)>);

/// What counts of rows, in any order and with any repetitions.
pub fn current(rows: &[UsageRow]) -> Current {
    let mut records: BTreeMap<&str, BTreeMap<Timestamp, Newest<'_>>> = BTreeMap::new();
    for row in rows {
        let revisions = records.entry(&row.id).or_default();
        let newest = revisions.entry(row.valid_from).or_default();
        if row.updated_at > newest.0 || newest.1.is_empty() {
            *newest = (row.updated_at, BTreeSet::new());
        }
        if row.updated_at == newest.0 {
            newest.1.insert((row.deleted, &row.usage));
        }
    }
    let mut current = Current::default();
    for revisions in records.values() {
        for (_, says) in revisions.values().rev() {
            let mut says = says.iter();
            match (says.next(), says.next()) {
                (Some((true, _)), None) | (None, _) => continue,
                (Some((false, usage)), None) => current.usage.push((*usage).clone()),
                (Some((_, first)), Some((_, second))) => {
                    let rest = says.map(|(_, usage)| (*usage).clone());
                    current
                        .disputed
                        .extend([(*first).clone(), (*second).clone()]);
                    current.disputed.extend(rest);
                }
            }
            break;
        }
    }
    current.usage.sort();
    current.disputed.sort();
    current
}

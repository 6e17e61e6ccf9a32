//! A slot, one hour of one license: what will be, or was, sent for that hour.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::hour::Hour;
use crate::ids::{
    AccountId, AwsAccountId, CloudAccountId, Dimension, LicenseArn, LicenseId, ProductCode,
};
use crate::ledger::deadline::{accepted_until, record_timestamp};
use crate::ledger::record::Record;
use crate::license::LicenseEnd;
use crate::metering::{Allocation, MAX_ALLOCATIONS, UsageRecord};
use crate::quantity::{Quantity, QuantityTooLarge};
use crate::usage::Part;

/// How many allocations a record holds at most, by default.
pub const DEFAULT_ALLOCATIONS: usize = 500;

/// The head of a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotHead {
    /// The license.
    pub license: LicenseId,
    /// The hour.
    pub hour: Hour,
    /// Raised by every entry that is set; 0 is not stored yet.
    pub version: u64,
    /// What may happen to it.
    pub state: SlotState,
}

/// What may happen to a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum SlotState {
    /// Takes usage; surely never sent.
    Open,
    /// Its records are fixed; perhaps sent.
    Frozen {
        /// Since when.
        at: Timestamp,
    },
}

/// The total of an account-hour's lines in a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotEntry {
    /// The account.
    pub account: AccountId,
    /// The part.
    pub part: Part,
    /// The hour of use.
    pub hour: Hour,
    /// The slot that the usage first entered, kept through every carry.
    pub origin: Hour,
    /// What was used.
    pub amounts: Vec<Amount>,
}

/// Computer-hours of one dimension and cloud account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amount {
    /// What they are metered as.
    pub dimension: Dimension,
    /// The customer's cloud account.
    pub cloud_account: Option<CloudAccountId>,
    /// Computer-hours.
    pub count: u32,
}

/// What the ledger needs to know of a license.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicenseTerms {
    /// The product.
    pub product: ProductCode,
    /// The ARN that is sent.
    pub arn: LicenseArn,
    /// The AWS account that pays.
    pub buyer: AwsAccountId,
    /// Since when the license is active.
    pub active_since: Timestamp,
    /// Its end in AWS.
    pub end: Option<LicenseEnd>,
}

/// How many allocations a record may hold: 1 to AWS's 2,500.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AllocationLimit(usize);

impl AllocationLimit {
    /// A limit.
    ///
    /// Returns `None` outside 1 to 2,500.
    pub fn new(limit: usize) -> Option<Self> {
        (1..=MAX_ALLOCATIONS)
            .contains(&limit)
            .then_some(Self(limit))
    }
}

impl Default for AllocationLimit {
    fn default() -> Self {
        Self(DEFAULT_ALLOCATIONS)
    }
}

/// The usage records of a slot: one per dimension, with every field that will
/// be sent. An entry of 0 makes no record.
///
/// # Errors
/// [`QuantityTooLarge`] when a dimension's sum exceeds what AWS accepts.
pub fn freeze(
    hour: Hour,
    entries: &[SlotEntry],
    terms: &LicenseTerms,
    limit: AllocationLimit,
    now: Timestamp,
) -> Result<Vec<Record>, QuantityTooLarge> {
    let mut shares: BTreeMap<&Dimension, BTreeMap<Option<&CloudAccountId>, Vec<Quantity>>> =
        BTreeMap::new();
    for amount in entries.iter().flat_map(|entry| &entry.amounts) {
        if amount.count > 0 {
            shares
                .entry(&amount.dimension)
                .or_default()
                .entry(amount.cloud_account.as_ref())
                .or_default()
                .push(Quantity::new(amount.count)?);
        }
    }
    let timestamp = record_timestamp(hour, terms.active_since);
    let deadline = accepted_until(timestamp, terms.end.as_ref());
    shares
        .into_iter()
        .map(|(dimension, by_account)| {
            let mut allocations = Vec::with_capacity(by_account.len());
            for (cloud_account, counts) in by_account {
                allocations.push(Allocation {
                    cloud_account: cloud_account.cloned(),
                    quantity: Quantity::sum(counts)?,
                });
            }
            let usage = UsageRecord {
                buyer: terms.buyer.clone(),
                license: terms.arn.clone(),
                dimension: dimension.clone(),
                timestamp,
                quantity: Quantity::sum(allocations.iter().map(|a| a.quantity))?,
                allocations: limited(allocations, limit)?,
            };
            Ok(Record::frozen(
                terms.product.clone(),
                hour,
                usage,
                deadline,
                now,
            ))
        })
        .collect()
}

/// At most as many allocations as the limit, sorted by tag, adding up to the
/// same: the smallest are merged into the one without a tag. None at all when
/// nothing is tagged.
fn limited(
    mut allocations: Vec<Allocation>,
    limit: AllocationLimit,
) -> Result<Vec<Allocation>, QuantityTooLarge> {
    if allocations.iter().all(|a| a.cloud_account.is_none()) {
        return Ok(Vec::new());
    }
    if allocations.len() > limit.0 {
        allocations.sort_by(|a, b| {
            let untagged_last = a.cloud_account.is_none().cmp(&b.cloud_account.is_none());
            untagged_last
                .then(b.quantity.cmp(&a.quantity))
                .then(a.cloud_account.cmp(&b.cloud_account))
        });
        let merged = allocations.split_off(limit.0 - 1);
        allocations.push(Allocation {
            cloud_account: None,
            quantity: Quantity::sum(merged.iter().map(|a| a.quantity))?,
        });
    }
    allocations.sort_by(|a, b| a.cloud_account.cmp(&b.cloud_account));
    Ok(allocations)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn terms() -> LicenseTerms {
        LicenseTerms {
            product: ProductCode::parse("product").unwrap(),
            arn: LicenseArn::parse(format!(
                "arn:aws:license-manager::123456789012:license:l-{:032x}",
                7
            ))
            .unwrap(),
            buyer: AwsAccountId::parse("210987654321").unwrap(),
            active_since: "2026-11-01T00:00:00Z".parse().unwrap(),
            end: None,
        }
    }

    fn entry(account: &str, amounts: &[(&str, Option<&str>, u32)]) -> SlotEntry {
        let hour = Hour::of("2026-11-22T10:00:00Z".parse().unwrap());
        SlotEntry {
            account: AccountId::parse(account).unwrap(),
            part: Part(0),
            hour,
            origin: hour,
            amounts: amounts
                .iter()
                .map(|(dimension, cloud_account, count)| Amount {
                    dimension: Dimension::parse(*dimension).unwrap(),
                    cloud_account: cloud_account.map(|id| CloudAccountId::parse(id).unwrap()),
                    count: *count,
                })
                .collect(),
        }
    }

    fn records(entries: &[SlotEntry], limit: usize) -> Vec<UsageRecord> {
        freeze(
            entries[0].hour,
            entries,
            &terms(),
            AllocationLimit::new(limit).unwrap(),
            "2026-11-22T11:11:00Z".parse().unwrap(),
        )
        .unwrap()
        .into_iter()
        .map(|record| record.usage)
        .collect()
    }

    #[test]
    fn two_accounts_of_one_license_make_one_record_per_dimension() {
        let entries = [
            entry("a", &[("medium", Some("1"), 2), ("large", None, 1)]),
            entry("b", &[("medium", Some("2"), 3)]),
        ];
        let records = records(&entries, 500);
        assert_eq!(records.len(), 2);
        assert_eq!(records[0].dimension.as_str(), "large");
        assert_eq!(records[0].allocations, []);
        assert_eq!(records[1].quantity.get(), 5);
        assert_eq!(records[1].allocations.len(), 2);
    }

    #[test]
    fn the_smallest_allocations_are_merged_into_the_untagged_one() {
        let entries = [entry(
            "a",
            &[
                ("medium", Some("1"), 5),
                ("medium", Some("2"), 1),
                ("medium", Some("3"), 9),
                ("medium", None, 100),
            ],
        )];
        let records = records(&entries, 3);
        let shares: Vec<(Option<&str>, u32)> = records[0]
            .allocations
            .iter()
            .map(|a| {
                (
                    a.cloud_account.as_ref().map(CloudAccountId::as_str),
                    a.quantity.get(),
                )
            })
            .collect();
        assert_eq!(shares, [(None, 101), (Some("1"), 5), (Some("3"), 9)]);
    }

    proptest! {
        #[test]
        fn allocations_add_up_and_keep_to_the_limit(
            counts in prop::collection::vec((0_u16..40, 1_u32..1000), 1..60),
            limit in 1_usize..30,
        ) {
            let amounts: Vec<(String, u32)> =
                counts.iter().map(|(a, c)| (a.to_string(), *c)).collect();
            let amounts: Vec<(&str, Option<&str>, u32)> = amounts
                .iter()
                .map(|(a, c)| ("large", (a != "0").then_some(a.as_str()), *c))
                .collect();
            let records = records(&[entry("a", &amounts)], limit);
            let record = &records[0];
            let total: u32 = counts.iter().map(|(_, c)| c).sum();
            prop_assert_eq!(record.quantity.get(), total);
            prop_assert!(record.allocations.len() <= limit);
            if !record.allocations.is_empty() {
                let sum = Quantity::sum(record.allocations.iter().map(|a| a.quantity)).unwrap();
                prop_assert_eq!(sum, record.quantity);
            }
            let tags: std::collections::BTreeSet<_> =
                record.allocations.iter().map(|a| &a.cloud_account).collect();
            prop_assert_eq!(tags.len(), record.allocations.len());
        }
    }
}

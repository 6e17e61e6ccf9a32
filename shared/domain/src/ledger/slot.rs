//! A slot, one hour of one license: what will be, or was, sent for that hour.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::hour::{Hour, after};
use crate::ids::{
    AccountId, AwsAccountId, CloudAccountId, Dimension, LicenseArn, LicenseId, ProductCode,
};
use crate::ledger::account_hour::WriteOff;
use crate::ledger::deadline::{accepted_until, record_timestamp};
use crate::ledger::included::{Included, IncludedUsage};
use crate::ledger::packed::share_len;
use crate::ledger::record::Record;
use crate::license::{License, LicenseEnd, LicenseStatus, UnknownCover};
use crate::metering::{Allocation, MAX_ALLOCATIONS, UsageRecord};
use crate::mutant;
use crate::quantity::{Quantity, QuantityTooLarge};
use crate::usage::Part;

/// How many allocations a record holds at most, by default.
pub const DEFAULT_ALLOCATIONS: usize = 500;

/// How many bytes a record's allocations may take: it is stored in one item,
/// which stays under 100 KB. The default number fits, however long the ids are;
/// AWS's 2,500 fit when an id takes 33 bytes or fewer, as those of AWS and
/// Azure do.
pub const MOST_ALLOCATION_BYTES: usize = 90_000;

/// The head of a slot.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
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
///
/// Held is not a state of its own: a license is on [hold](crate::ledger::hold),
/// and its slots stay open. Settled is not stored twice: a frozen slot is
/// settled when all its records are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum SlotState {
    /// Takes usage; surely never sent.
    Open,
    /// Its records are fixed; perhaps sent.
    Frozen {
        /// Since when.
        at: Timestamp,
        /// What the prepaid part of a contract covered.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        included: Vec<IncludedUsage>,
    },
    /// Takes no usage; its entries are on their way into a later slot.
    Carrying {
        /// Since when.
        since: Timestamp,
    },
    /// All its entries went into later slots.
    Carried {
        /// Since when.
        at: Timestamp,
    },
    /// Never sent and never to be: what entries are left in it are written off.
    Closed {
        /// Since when.
        at: Timestamp,
        /// Why.
        reason: WriteOff,
    },
}

/// The total of an account-hour's lines in a slot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// Whether it is not known what its contract covers.
    pub unknown_cover: Option<UnknownCover>,
}

impl LicenseTerms {
    /// What the ledger needs to know of a license; `None` when it was never active.
    pub fn of(license: &License) -> Option<Self> {
        let (active_since, end) = match &license.status {
            LicenseStatus::Pending => return None,
            LicenseStatus::Active { since } => (*since, None),
            LicenseStatus::Ended { active_since, end } => ((*active_since)?, Some(*end)),
        };
        Some(Self {
            product: license.product.clone(),
            arn: license.arn.clone(),
            buyer: license.buyer.clone(),
            active_since,
            end,
            unknown_cover: license.asks.unknown_cover,
        })
    }

    /// Whether AWS may still say what a contract covers of an hour's usage: until
    /// then none of it is metered, but of a license that has ended.
    pub fn awaits_cover(&self, hour: Hour, now: Timestamp) -> bool {
        let used_at = record_timestamp(hour, self.active_since);
        let unknown = self.unknown_cover.filter(|_| self.end.is_none());
        unknown.is_some_and(|unknown| unknown.is_awaited(used_at, now))
            && !mutant!(CoverIsNotAwaited)
    }
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

/// A slot's usage, fixed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FrozenUsage {
    /// One record per dimension, with every field that will be sent.
    pub records: Vec<Record>,
    /// What the prepaid part of a contract covers: sent nowhere.
    pub included: Vec<IncludedUsage>,
    /// The periods from which that was taken, as they are to be stored.
    pub taken: Vec<Included>,
}

/// What a freeze depends on besides the slot's entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreezeTerms<'a> {
    /// The license.
    pub license: &'a LicenseTerms,
    /// How many allocations a record may hold.
    pub limit: AllocationLimit,
    /// What the license's contract covers.
    pub included: &'a [Included],
    /// The dimension under which an hour without usage is reported as 0, if it is.
    pub zero: Option<&'a Dimension>,
}

/// The usage records of a slot: one per dimension, holding what no prepaid part
/// covers. A dimension of which nothing is left makes no record; an hour without
/// any usage makes one of 0, if zeros are reported.
///
/// # Errors
/// [`QuantityTooLarge`] when a dimension's sum exceeds what AWS accepts.
pub fn freeze(
    hour: Hour,
    entries: &[SlotEntry],
    terms: &FreezeTerms<'_>,
    now: Timestamp,
) -> Result<FrozenUsage, QuantityTooLarge> {
    let mut entries = entries;
    if mutant!(SlotsPerAccount) {
        // As if each account had slots of its own, under one key at AWS.
        let first = entries.first().map(|entry| &entry.account);
        let own = entries.iter().take_while(|e| Some(&e.account) == first);
        entries = entries.get(..own.count()).unwrap_or_default();
    }
    if mutant!(RecordPerAccount)
        && let Some((first, others)) = of_the_first_account(entries)
    {
        let mut frozen = freeze(hour, &first, terms, now)?;
        let others = freeze(hour, &others, terms, now)?;
        frozen.records.extend(others.records);
        return Ok(frozen);
    }
    let shares = shares(entries)?;
    let used_at = record_timestamp(hour, terms.license.active_since);
    let timestamp = if mutant!(TimestampOfSending) {
        now
    } else {
        used_at
    };
    let record = |dimension: &Dimension, quantity, allocations| {
        let usage = UsageRecord {
            buyer: terms.license.buyer.clone(),
            license: terms.license.arn.clone(),
            dimension: dimension.clone(),
            timestamp,
            quantity,
            allocations,
        };
        let deadline = accepted_until(timestamp, terms.license.end.as_ref());
        Record::frozen(terms.license.product.clone(), hour, usage, deadline, now)
    };
    let mut frozen = FrozenUsage::default();
    for (dimension, shares) in &shares {
        let total = Quantity::sum(shares.iter().map(|share| share.quantity))?;
        let used = (used_at, hour.end());
        let covered = take_included(dimension, used, total, terms.included, &mut frozen);
        let rest = Quantity::new(total.get() - covered)?;
        if rest > Quantity::ZERO {
            let allocations = limited(reduced(shares, total, rest)?, terms.limit)?;
            frozen.records.push(record(dimension, rest, allocations));
        }
    }
    if let (true, Some(zero)) = (shares.is_empty(), terms.zero) {
        frozen
            .records
            .push(record(zero, Quantity::ZERO, Vec::new()));
    }
    Ok(frozen)
}

/// For a mutant: the first account's entries and all others, if there are others.
fn of_the_first_account(entries: &[SlotEntry]) -> Option<(Vec<SlotEntry>, Vec<SlotEntry>)> {
    let account = &entries.first()?.account;
    let (first, others): (Vec<_>, Vec<_>) = entries
        .iter()
        .cloned()
        .partition(|entry| entry.account == *account);
    (!others.is_empty()).then_some((first, others))
}

/// The entries' computer-hours by dimension and cloud account, none of 0.
fn shares(
    entries: &[SlotEntry],
) -> Result<BTreeMap<&Dimension, Vec<Allocation>>, QuantityTooLarge> {
    let mut sums: BTreeMap<(&Dimension, Option<&CloudAccountId>), Quantity> = BTreeMap::new();
    for amount in entries.iter().flat_map(|entry| &entry.amounts) {
        if amount.count > 0 {
            let sum = sums
                .entry((&amount.dimension, amount.cloud_account.as_ref()))
                .or_default();
            *sum = Quantity::sum([*sum, Quantity::new(amount.count)?])?;
        }
    }
    let mut shares: BTreeMap<&Dimension, Vec<Allocation>> = BTreeMap::new();
    for ((dimension, cloud_account), quantity) in sums {
        shares.entry(dimension).or_default().push(Allocation {
            cloud_account: cloud_account.cloned(),
            quantity,
        });
    }
    Ok(shares)
}

/// Takes what the license's periods cover of an hour's quantity: what is left of
/// an earlier period before what a later one covers, for the earlier one ends with
/// the hour.
fn take_included(
    dimension: &Dimension,
    (from, until): (Timestamp, Timestamp),
    total: Quantity,
    periods: &[Included],
    frozen: &mut FrozenUsage,
) -> u32 {
    let until = if mutant!(RenewalsHourOfThePeriodBefore) {
        after(from, SignedDuration::from_secs(1))
    } else {
        until
    };
    let of_dimension = periods.iter().filter(|one| one.dimension == *dimension);
    let mut covering: Vec<&Included> = of_dimension.filter(|one| one.covers(from, until)).collect();
    covering.sort_by_key(|period| period.from);
    let mut covered = 0;
    for period in covering {
        let (left, taken) = period.taken(total.get() - covered);
        if taken > 0 {
            covered += taken;
            frozen.included.push(IncludedUsage {
                dimension: dimension.clone(),
                period_from: period.from,
                computer_hours: taken,
            });
            frozen.taken.push(left);
        }
    }
    covered
}

/// The allocations of what is left of a quantity: each in proportion, what
/// rounding leaves over to those that lost most by it.
fn reduced(
    shares: &[Allocation],
    total: Quantity,
    rest: Quantity,
) -> Result<Vec<Allocation>, QuantityTooLarge> {
    if rest == total {
        return Ok(shares.to_vec());
    }
    let (total, rest) = (u64::from(total.get()), u64::from(rest.get()));
    let mut left = rest;
    let mut kept: Vec<(u64, usize, u64)> = Vec::with_capacity(shares.len());
    for (place, share) in shares.iter().enumerate() {
        let exact = u64::from(share.quantity.get()) * rest;
        left -= exact / total;
        kept.push((exact % total, place, exact / total));
    }
    kept.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    for share in &mut kept {
        if left > 0 {
            share.2 += 1;
            left -= 1;
        }
    }
    kept.sort_by_key(|(_, place, _)| *place);
    shares
        .iter()
        .zip(kept)
        .filter(|(_, (_, _, units))| *units > 0)
        .map(|(share, (_, _, units))| {
            let quantity = u32::try_from(units).map_err(|_| QuantityTooLarge)?;
            Ok(Allocation {
                cloud_account: share.cloud_account.clone(),
                quantity: Quantity::new(quantity)?,
            })
        })
        .collect()
}

/// At most as many allocations as the limit, and in as many bytes as there is
/// room for, sorted by tag, adding up to the same: the smallest are merged into
/// the one without a tag. None at all when nothing is tagged.
fn limited(
    mut allocations: Vec<Allocation>,
    limit: AllocationLimit,
) -> Result<Vec<Allocation>, QuantityTooLarge> {
    if allocations.iter().all(|a| a.cloud_account.is_none()) {
        return Ok(Vec::new());
    }
    let bytes = |a: &Allocation| a.cloud_account.as_ref().map_or(0, share_len);
    let all: usize = allocations.iter().map(bytes).sum();
    if allocations.len() > limit.0 || all > MOST_ALLOCATION_BYTES {
        allocations.sort_by(|a, b| {
            let untagged_last = a.cloud_account.is_none().cmp(&b.cloud_account.is_none());
            untagged_last
                .then(b.quantity.cmp(&a.quantity))
                .then(a.cloud_account.cmp(&b.cloud_account))
        });
        let mut room = MOST_ALLOCATION_BYTES;
        let fits = |a: &Allocation| room.checked_sub(bytes(a)).inspect(|left| room = *left);
        let fitting = allocations.iter().map_while(fits).count();
        let merged = allocations.split_off(fitting.min(limit.0 - 1));
        if mutant!(AllocationsCut) {
            return Ok(allocations);
        }
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
            unknown_cover: None,
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
        frozen(entries, limit, &[], None)
            .records
            .into_iter()
            .map(|record| record.usage)
            .collect()
    }

    fn frozen(
        entries: &[SlotEntry],
        limit: usize,
        included: &[Included],
        zero: Option<&Dimension>,
    ) -> FrozenUsage {
        let terms = FreezeTerms {
            license: &terms(),
            limit: AllocationLimit::new(limit).unwrap(),
            included,
            zero,
        };
        let now = "2026-11-22T11:11:00Z".parse().unwrap();
        freeze(entry("a", &[]).hour, entries, &terms, now).unwrap()
    }

    fn covered(frozen: &FrozenUsage) -> Vec<(&str, u32)> {
        let included = frozen.included.iter();
        included
            .map(|one| (one.dimension.as_str(), one.computer_hours))
            .collect()
    }

    fn period(granted: u64) -> Included {
        Included::new(
            terms().arn.id().clone(),
            Dimension::parse("medium").unwrap(),
            "2026-11-01T00:00:00Z".parse().unwrap(),
            "2026-12-01T00:00:00Z".parse().unwrap(),
            granted,
        )
    }

    #[test]
    fn allocations_fit_into_an_item_however_long_the_ids_are_and_add_up() {
        let of = |ids: Vec<String>| {
            let amounts: Vec<(&str, Option<&str>, u32)> = ids
                .iter()
                .zip(1..)
                .map(|(id, count)| ("medium", Some(id.as_str()), count))
                .collect();
            let record = records(&[entry("a", &amounts)], 2_500).remove(0);
            let sum: u32 = record.allocations.iter().map(|a| a.quantity.get()).sum();
            assert_eq!(sum, record.quantity.get());
            record.allocations
        };
        let aws = of((0..2_500).map(|n| format!("{n:012}")).collect());
        assert_eq!(aws.len(), 2_500);
        assert!(aws.iter().all(|a| a.cloud_account.is_some()));
        let long = of((0..2_500).map(|n| format!("{n:0128}")).collect());
        assert_eq!(long.len(), MOST_ALLOCATION_BYTES / 131 + 1);
        let bytes = crate::ledger::packed::pack_allocations(&long).len();
        assert!((MOST_ALLOCATION_BYTES - 131..MOST_ALLOCATION_BYTES + 200).contains(&bytes));
        let smallest = long.iter().filter(|a| a.cloud_account.is_some());
        let smallest = smallest.map(|a| a.quantity.get()).min();
        assert_eq!(
            smallest,
            Some(2_500 - 687 + 1),
            "the largest keep their tags"
        );
    }

    #[test]
    fn what_a_contract_includes_is_not_metered_and_the_rest_is_divided_in_proportion() {
        let entries = [entry(
            "a",
            &[
                ("medium", Some("1"), 6),
                ("medium", Some("2"), 3),
                ("large", None, 2),
            ],
        )];
        let frozen = frozen(&entries, 500, &[period(4)], None);
        let medium = &frozen.records[1].usage;
        assert_eq!(covered(&frozen), [("medium", 4)]);
        assert_eq!(medium.quantity.get(), 5);
        let shares: Vec<u32> = medium
            .allocations
            .iter()
            .map(|a| a.quantity.get())
            .collect();
        assert_eq!(shares, [3, 2]);
        assert_eq!(frozen.taken[0].left(), 0);
        assert_eq!(
            frozen.records[0].usage.quantity.get(),
            2,
            "large is not covered"
        );
    }

    #[test]
    fn the_hour_in_which_a_contract_begins_is_covered() {
        let at = |text: &str| -> Timestamp { text.parse().unwrap() };
        let seen = |active_since: &str, period_from: &str| {
            let license = LicenseTerms {
                active_since: at(active_since),
                ..terms()
            };
            let period = Included {
                from: at(period_from),
                ..period(100)
            };
            let terms = FreezeTerms {
                license: &license,
                limit: AllocationLimit::default(),
                included: &[period],
                zero: None,
            };
            let entry = entry("a", &[("medium", None, 6)]);
            let now = at("2026-11-22T11:11:00Z");
            let frozen = freeze(entry.hour, std::slice::from_ref(&entry), &terms, now);
            covered(&frozen.unwrap())
                .iter()
                .map(|(_, hours)| hours)
                .sum::<u32>()
        };
        assert_eq!(seen("2026-11-22T10:50:00Z", "2026-11-22T10:50:00Z"), 6);
        assert_eq!(seen("2026-11-22T10:51:07.5Z", "2026-11-22T10:50:00Z"), 6);
        assert_eq!(seen("2026-11-01T00:00:00Z", "2026-11-22T10:50:00Z"), 6);
        assert_eq!(seen("2026-11-01T00:00:00Z", "2026-11-22T11:00:00Z"), 0);
    }

    #[test]
    fn the_hour_of_a_renewal_uses_up_the_period_before_and_then_the_new_one() {
        let renewed_at = "2026-11-22T10:17:00Z".parse().unwrap();
        let (before, after) = (
            Included {
                until: renewed_at,
                used: 98,
                ..period(100)
            },
            Included {
                from: renewed_at,
                ..period(3)
            },
        );
        let entries = [entry("a", &[("medium", None, 6)])];
        // In whatever order they are read.
        for periods in [[before.clone(), after.clone()], [after, before]] {
            let frozen = frozen(&entries, 500, &periods, None);
            assert_eq!(covered(&frozen), [("medium", 2), ("medium", 3)]);
            assert_eq!(frozen.included[1].period_from, renewed_at);
            assert_eq!(frozen.records[0].usage.quantity.get(), 1);
            assert!(frozen.taken.iter().all(|period| period.left() == 0));
        }
    }

    #[test]
    fn an_hour_that_is_covered_whole_makes_no_record() {
        let entries = [entry("a", &[("medium", Some("1"), 6)])];
        let frozen = frozen(&entries, 500, &[period(100)], None);
        assert_eq!(frozen.records, []);
        assert_eq!(frozen.taken[0].left(), 94);
    }

    #[test]
    fn an_hour_without_usage_makes_one_record_of_0_if_zeros_are_reported() {
        let medium = Dimension::parse("medium").unwrap();
        assert_eq!(frozen(&[], 500, &[], None).records, []);
        let zero = frozen(&[], 500, &[], Some(&medium)).records;
        assert_eq!((zero.len(), zero[0].usage.quantity), (1, Quantity::ZERO));
        let used = [entry("a", &[("large", None, 1)])];
        assert_eq!(frozen(&used, 500, &[], Some(&medium)).records.len(), 1);
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

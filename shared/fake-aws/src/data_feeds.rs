//! The seller's data feeds: the CSV files that AWS Marketplace puts into the
//! seller's bucket, made from the accepted usage and the agreements.
//!
//! Sources: the seller guide's "Storage and structure of AWS Marketplace data
//! feeds" and its pages of the daily usage, agreements and product feeds, for
//! columns and history; AWS's published example queries for the folders' names
//! (`dailyusagefeed_v1`, `agreementfeed_v1`, `productfeed_v1`), which the guide
//! gives only as `data-feed-name_version`.
//!
//! - Feeds come at midnight UTC. A day's usage comes with the first after it;
//!   what is accepted later, with the first midnight after that, as another
//!   revision of the same row.
//! - A file is a month's, by the day of delivery, and only grows: a row is never
//!   changed, another one of the same key says that it was.
//! - From the first midnight after the first agreement on, a month's file is
//!   there even if nothing is in it but the names of the columns.

mod files;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::control::ControlError;
use crate::lock;
use crate::offers::{MicroUsd, cents};
use crate::state::{AcceptedRecord, Agreement, AgreementStatus, Change, Marketplace};
use crate::{FakeAws, Inner};

use files::{Delivered, csv};

/// The seller's bucket, to which the data feeds are delivered.
pub const DATA_FEEDS_BUCKET: &str = "seller-data-feeds";

const USAGE: &str = "dailyusagefeed_v1";
const AGREEMENTS: &str = "agreementfeed_v1";
const PRODUCTS: &str = "productfeed_v1";

const USAGE_COLUMNS: [&str; 20] = [
    "valid_from",
    "insert_date",
    "update_date",
    "delete_date",
    "usage_feed_id",
    "usage_date",
    "product_id",
    "agreement_id",
    "end_user_account_id",
    "payer_account_id",
    "region",
    "dimension_key",
    "usage_unit",
    "usage_quantity",
    "pricing_currency",
    "estimated_revenue_in_pricing_currency",
    "recipient_account_id",
    "offer_id",
    "usage_rate_per_unit_in_pricing_currency",
    "charge_item_description",
];

const AGREEMENT_COLUMNS: [&str; 14] = [
    "valid_from",
    "insert_date",
    "update_date",
    "delete_date",
    "status",
    "agreement_id",
    "proposer_account_id",
    "acceptor_account_id",
    "offer_id",
    "start_time",
    "end_time",
    "acceptance_time",
    "intent",
    "preceding_agreement_id",
];

const PRODUCT_COLUMNS: [&str; 8] = [
    "valid_from",
    "insert_date",
    "update_date",
    "delete_date",
    "product_id",
    "manufacturer_account_id",
    "product_code",
    "title",
];

/// What was asked of the fake: that AWS's figures are wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageCorrection {
    /// The day of use, UTC.
    pub usage_date: Date,
    /// The agreement.
    pub agreement_id: String,
    /// The dimension.
    pub dimension: String,
    /// What AWS has from now on; 0 removes it.
    pub quantity: u64,
}

/// What was done to the feeds by hand.
#[derive(Debug, Default)]
pub(crate) struct ByHand {
    corrections: Vec<(Timestamp, UsageCorrection)>,
    files: BTreeMap<String, Option<String>>,
}

impl ByHand {
    /// Takes up a correction.
    pub(crate) fn correct(&mut self, at: Timestamp, correction: UsageCorrection) {
        self.corrections.push((at, correction));
    }

    /// Puts another text in a file's place, or takes the file away.
    pub(crate) fn replace(&mut self, path: String, text: Option<String>) {
        self.files.insert(path, text);
    }
}

/// A file of the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FeedFile {
    /// When something was last added to it.
    pub(crate) modified_at: Timestamp,
    /// What it holds.
    pub(crate) text: String,
}

/// A row of the usage feed before it is written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct UsageKey {
    day: Date,
    agreement: String,
    dimension: String,
    micro_usd: MicroUsd,
}

/// What AWS has of a key from an instant on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Revision {
    at: Timestamp,
    valid_from: Timestamp,
    inserted_at: Timestamp,
    quantity: u64,
    deleted: bool,
}

impl FakeAws {
    /// Makes AWS's figure of a day wrong, from now on and for good.
    ///
    /// # Errors
    /// [`ControlError::NotFound`] for an unknown agreement,
    /// [`ControlError::Field`] for an unknown dimension,
    /// [`ControlError::Storage`].
    pub fn correct_usage(&self, correction: UsageCorrection) -> Result<(), ControlError> {
        let known = &self.inner.config.dimensions;
        if !known.contains(&correction.dimension) {
            let reason = format!("must be one of {}", known.join(", "));
            return Err(ControlError::field("dimension", reason));
        }
        let at = self.now();
        if correction.usage_date > day_of(at) {
            let reason = format!("must not lie ahead of {}", day_of(at));
            return Err(ControlError::field("usage_date", reason));
        }
        self.commit(|state| {
            if state.agreement(&correction.agreement_id).is_none() {
                return Err(ControlError::NotFound {
                    what: "agreement",
                    id: correction.agreement_id.clone(),
                });
            }
            Ok(vec![Change::UsageCorrected { at, correction }])
        })?;
        Ok(())
    }

    /// Puts another text in the place of a file of the bucket; `None` takes it away.
    ///
    /// # Errors
    /// [`ControlError::Field`] for a path that is no key of the bucket,
    /// [`ControlError::Storage`].
    pub fn replace_data_feed_file(
        &self,
        path: &str,
        text: Option<String>,
    ) -> Result<(), ControlError> {
        if path.split('/').any(|part| ["", ".", ".."].contains(&part)) {
            let reason = "must be names with slashes between them, such as \
                dailyusagefeed_v1/year=2026/month=11/data.csv";
            return Err(ControlError::field("path", reason));
        }
        let path = path.to_owned();
        self.commit(|_| Ok(vec![Change::FeedFileReplaced { path, text }]))?;
        Ok(())
    }

    /// The text of a file of the bucket, as it is now.
    pub fn data_feed_file(&self, path: &str) -> Option<String> {
        let files = self.inner.feed_files(self.now());
        files.get(path).map(|file| file.text.clone())
    }
}

impl Inner {
    /// Every file of the bucket, by its path.
    pub(crate) fn feed_files(&self, now: Timestamp) -> BTreeMap<String, FeedFile> {
        let kept = lock(&self.kept);
        let state = &kept.state;
        let mut files = BTreeMap::new();
        let first = state.agreements().iter().map(|of| of.accepted_at).min();
        if let Some(first) = first {
            let delivered = Delivered::since(first, now);
            let usage = self.usage_rows(state, now);
            delivered.write(&mut files, USAGE, &USAGE_COLUMNS, usage);
            let agreements = self.agreement_rows(state, now);
            delivered.write(&mut files, AGREEMENTS, &AGREEMENT_COLUMNS, agreements);
            let product = self.product_row(midnight_after(first));
            let products = vec![(midnight_after(first), product)];
            delivered.write(&mut files, PRODUCTS, &PRODUCT_COLUMNS, products);
        }
        for (path, text) in &state.feeds().files {
            let known = files.remove(path);
            if let Some(text) = text {
                let modified_at = known.map_or(now, |file: FeedFile| file.modified_at);
                let text = text.clone();
                files.insert(path.clone(), FeedFile { modified_at, text });
            }
        }
        files
    }

    /// What AWS bills of an agreement's usage of some days, as known at an instant.
    pub(crate) fn usage_amount(
        &self,
        state: &Marketplace,
        agreement: &str,
        (from, until): (Date, Date),
        now: Timestamp,
    ) -> MicroUsd {
        let revisions = self.revisions(state, now);
        let of = revisions
            .iter()
            .filter(|(key, _)| key.agreement == agreement && from <= key.day && key.day < until);
        of.filter_map(|(key, revisions)| {
            let last = revisions.iter().rfind(|revision| revision.at <= now)?;
            let quantity = if last.deleted { 0 } else { last.quantity };
            Some(quantity * key.micro_usd)
        })
        .sum()
    }

    /// Every revision of every key, in the order of time.
    fn revisions(&self, state: &Marketplace, now: Timestamp) -> BTreeMap<UsageKey, Vec<Revision>> {
        let mut added: BTreeMap<UsageKey, BTreeMap<Timestamp, u64>> = BTreeMap::new();
        for record in state.records().iter().filter(|record| record.quantity > 0) {
            let Some(agreement) = agreement_of(state, record) else {
                continue;
            };
            let key = UsageKey {
                day: day_of(record.timestamp),
                agreement: agreement.agreement_id.clone(),
                dimension: record.dimension.to_string(),
                micro_usd: agreement.price(&record.dimension, record.hour),
            };
            let comes = midnight_after(record.accepted_at.max(record.timestamp));
            *added.entry(key).or_default().entry(comes).or_default() += record.quantity;
        }
        let mut revisions: BTreeMap<UsageKey, Vec<Revision>> = BTreeMap::new();
        for (key, added) in added {
            let (mut quantity, mut of) = (0, Vec::new());
            let first = added.keys().next().copied().unwrap_or(now);
            for (at, more) in added {
                quantity += more;
                of.push(Revision {
                    at,
                    valid_from: at,
                    inserted_at: first,
                    quantity,
                    deleted: false,
                });
            }
            revisions.insert(key, of);
        }
        for (at, correction) in &state.feeds().corrections {
            self.correct(state, &mut revisions, *at, correction);
        }
        revisions
    }

    /// Says something else of a day: in the first row of it that there is, the
    /// others being taken back, or in a new one. Nothing that comes later counts.
    fn correct(
        &self,
        state: &Marketplace,
        revisions: &mut BTreeMap<UsageKey, Vec<Revision>>,
        at: Timestamp,
        correction: &UsageCorrection,
    ) {
        let mut quantity = correction.quantity;
        let mut corrected = false;
        for (key, of) in revisions.iter_mut() {
            let same = (&key.agreement, &key.dimension)
                == (&correction.agreement_id, &correction.dimension);
            if !same || key.day != correction.usage_date {
                continue;
            }
            of.retain(|revision| revision.at <= at);
            if let Some(last) = of.last().copied() {
                let taken_back = taken_back(of, at);
                // What was said at the very same instant is as if it never was.
                of.retain(|revision| revision.at < at);
                if quantity == 0 {
                    of.extend(taken_back);
                } else {
                    of.push(Revision {
                        at,
                        quantity,
                        deleted: false,
                        ..last
                    });
                }
                (quantity, corrected) = (0, true);
            }
        }
        let Some(agreement) = state.agreement(&correction.agreement_id) else {
            return;
        };
        if !corrected && quantity > 0 {
            let noon = correction.usage_date.at(12, 0, 0, 0);
            let used_at = Offset::UTC.to_timestamp(noon).unwrap_or(at);
            let key = UsageKey {
                day: correction.usage_date,
                agreement: correction.agreement_id.clone(),
                dimension: correction.dimension.clone(),
                micro_usd: agreement.price(&correction.dimension, used_at),
            };
            let revision = Revision {
                at,
                valid_from: at,
                inserted_at: at,
                quantity,
                deleted: false,
            };
            revisions.insert(key, vec![revision]);
        }
    }

    fn usage_rows(&self, state: &Marketplace, now: Timestamp) -> Vec<(Timestamp, String)> {
        let mut rows = Vec::new();
        for (key, revisions) in self.revisions(state, now) {
            let Some(agreement) = state.agreement(&key.agreement) else {
                continue;
            };
            for revision in revisions.iter().filter(|revision| revision.at <= now) {
                rows.push((revision.at, self.usage_row(&key, agreement, revision)));
            }
        }
        rows
    }

    fn usage_row(&self, key: &UsageKey, agreement: &Agreement, of: &Revision) -> String {
        let offer = self.offer(agreement.offer);
        let buyer = guid(&agreement.buyer_account);
        let id = format!(
            "{}/{}/{}/{}",
            key.day, key.agreement, key.dimension, key.micro_usd
        );
        let revenue = cents(of.quantity * key.micro_usd);
        csv(&[
            &of.valid_from.to_string(),
            &of.inserted_at.to_string(),
            &of.at.to_string(),
            &if of.deleted {
                of.at.to_string()
            } else {
                String::new()
            },
            &guid(&id),
            &key.day.to_string(),
            &self.config.product_id,
            &key.agreement,
            &buyer,
            &buyer,
            "us-east-1",
            &key.dimension,
            "Hours",
            &format!("{}.00", of.quantity),
            "USD",
            &format!("{}.{:02}", revenue / 100, revenue % 100),
            &guid(&self.config.seller_account),
            offer.offer_id,
            &format!(
                "{}.{:06}",
                key.micro_usd / 1_000_000,
                key.micro_usd % 1_000_000
            ),
            &format!(
                "{}|Global, all Regions|per hour of \"{}\"",
                offer.title, key.dimension
            ),
        ])
    }

    fn agreement_rows(&self, state: &Marketplace, now: Timestamp) -> Vec<(Timestamp, String)> {
        let mut rows = Vec::new();
        for agreement in state.agreements() {
            let mut add = |at: Timestamp, status: &str, end: Option<Timestamp>| {
                let comes = midnight_after(at);
                if comes <= now {
                    rows.push((comes, self.agreement_row(agreement, comes, status, end)));
                }
            };
            add(agreement.accepted_at, "Active", agreement.ends_at);
            match agreement.status {
                AgreementStatus::Scheduled | AgreementStatus::Active => {}
                AgreementStatus::Ended { at, how } => add(at, how.aws(), Some(at)),
            }
        }
        rows
    }

    fn agreement_row(
        &self,
        agreement: &Agreement,
        at: Timestamp,
        status: &str,
        end: Option<Timestamp>,
    ) -> String {
        let at = at.to_string();
        csv(&[
            &at,
            &at,
            &at,
            "",
            status,
            &agreement.agreement_id,
            &guid(&self.config.seller_account),
            &guid(&agreement.buyer_account),
            self.offer(agreement.offer).offer_id,
            &agreement.starts_at.to_string(),
            &end.map_or_else(String::new, |end| end.to_string()),
            &agreement.accepted_at.to_string(),
            agreement.intent.aws(),
            agreement
                .previous_agreement_id
                .as_deref()
                .unwrap_or_default(),
        ])
    }

    fn product_row(&self, at: Timestamp) -> String {
        let at = at.to_string();
        csv(&[
            &at,
            &at,
            &at,
            "",
            &self.config.product_id,
            &guid(&self.config.seller_account),
            &self.config.product_code,
            "Workload Security",
        ])
    }
}

/// What takes all that was said of a key back: each of its revisions, for once the
/// newest is taken back the one before it counts again.
fn taken_back(revisions: &[Revision], at: Timestamp) -> Vec<Revision> {
    let of_each: BTreeMap<Timestamp, Revision> = revisions
        .iter()
        .map(|revision| (revision.valid_from, *revision))
        .collect();
    let taken = of_each.into_values().map(|revision| Revision {
        at,
        deleted: true,
        ..revision
    });
    taken.collect()
}

/// The agreement that a record was under: of those of its license that had
/// begun, the last.
fn agreement_of<'a>(state: &'a Marketplace, record: &AcceptedRecord) -> Option<&'a Agreement> {
    let (_, license) = state.license(&record.license_arn)?;
    let begun = state.agreements().iter().filter(|agreement| {
        agreement.license_arn == license.license_arn && agreement.starts_at <= record.timestamp
    });
    let last = begun.max_by_key(|agreement| agreement.starts_at);
    last.or_else(|| state.agreement(&license.agreement_id))
}

/// The first midnight after an instant.
fn midnight_after(instant: Timestamp) -> Timestamp {
    let next = day_of(instant).tomorrow().unwrap_or(Date::MAX);
    let midnight = Offset::UTC.to_timestamp(next.at(0, 0, 0, 0));
    midnight.unwrap_or(Timestamp::MAX)
}

/// The UTC day of an instant.
pub(crate) fn day_of(instant: Timestamp) -> Date {
    Offset::UTC.to_datetime(instant).date()
}

/// What stands for something in the feeds: a salted hash.
fn guid(of: &str) -> String {
    let hash = Sha256::digest(format!("fake-aws/{of}").as_bytes());
    format!("{hash:x}")
}

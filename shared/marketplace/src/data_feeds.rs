//! The seller's data feeds: CSV files that AWS Marketplace delivers to the
//! seller's S3 bucket, for sellers who enrolled.
//!
//! What is relied on, and where it is from:
//!
//! - `BUCKET/NAME_v1/year=YYYY/month=MM/data.csv`, RFC 4180, UTF-8, a header
//!   line, one file a month that only grows, by the day of delivery; delivered
//!   daily at midnight UTC (seller guide, "Storage and structure of AWS
//!   Marketplace data feeds"). The guide does not give the folders' names: they
//!   are the tables' of AWS's published example queries, `dailyusagefeed_v1`,
//!   `agreementfeed_v1`, `productfeed_v1` (GitHub, aws-samples/
//!   aws-marketplace-api-samples, `seller-data-feeds/queries/usage_report.sql`).
//!   By its issue 31 not every seller is given the usage feed: a folder that is
//!   not there is told by its name, with those that are.
//! - The columns' names are the guide's pages of each feed ("Daily Usage data
//!   feed", "Agreements data feed", "Product data feed"), and `catalog`, which only
//!   the queries have. They are found by the header, in any order and case; unknown
//!   ones are told and passed over.
//! - Which row of a record counts: `domain::reconciliation::rows`, as the queries
//!   have it.
//! - `usage_date` is a UTC day: dates are in UTC by the guide.
//! - Instants come as `2026-11-23T00:00:00Z` by the guide's text, as
//!   `2024-12-24 11:31:47.0` in its examples: both are read, as UTC. `null` and
//!   nothing both mean none.
//! - An agreement's id begins with `agmt-` in events and APIs; the guide says of the
//!   usage feed that it "always starts with `agmnt-`". Both name the same one.
//!
//! Not read: the newer "Marketplace Usage dataset" (folder
//! `marketplace_daily_usage_report`, rows with `row_type` INSERT, UPDATE or
//! DELETE), which holds the same usage in another form.
//!
//! A row that cannot be read is kept with its file, line and reason; nothing is
//! guessed of it. So is one whose `usage_date` lies ahead. Such a row, and a whole file
//! that is not understood, leaves the days unknown that it may be about, and no others:
//! a month's file brings usage of that month and of the days before it that may still
//! have come late ([`FEED_SETTLES_AFTER`]).

mod columns;
mod csv_rows;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_s3::Client as S3Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use domain::hour::before;
use domain::ids::{AgreementId, ProductCode};
use domain::ledger::deadline::ACCEPTED_FOR;
use domain::metering::NoAnswer;
use domain::reconciliation::rows::{UnreadableRow, UsageRow};
use domain::reconciliation::{FEED_SETTLES_AFTER, FeedOfDay, day_of, end_of, start_of};
use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::convert::{self, Failure};

use columns::{Columns, Field};
use csv_rows::{CsvRows, Row, Unparsed};

const USAGE: &str = "dailyusagefeed_v1/";
const AGREEMENTS: &str = "agreementfeed_v1/";
const PRODUCTS: &str = "productfeed_v1/";

/// The most pages of a list that are followed, of up to 1,000 files each.
const MAX_PAGES: usize = 20;

/// The most rows that are kept of what was asked for: a year of ten thousand
/// agreements' days would not fit, two months do.
const MAX_ROWS: usize = 3_000_000;

/// The most folders of the bucket that are told when one is not there.
const MOST_FOLDERS: usize = 20;

/// The most rows that cannot be read that are told one by one; beyond, anything
/// may be in them.
const MAX_UNREADABLE: usize = 1_000;

/// The seller's bucket of data feeds. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DataFeeds {
    s3: S3Client,
    bucket: String,
}

/// The usage feed, as far as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UsageFeed {
    /// Rows of our products and the days asked for, every revision.
    pub rows: Vec<UsageRow>,
    /// Rows that could not be read.
    pub unreadable: Vec<UnreadableRow>,
    /// What is known of each day's feed.
    pub days: BTreeMap<Date, FeedOfDay>,
    /// The agreements that AWS names in its feed of them.
    pub agreements: BTreeSet<AgreementId>,
    /// Rows of other products, which were passed over.
    pub other_products: u64,
    /// What a person may want to know of the files.
    pub notes: BTreeSet<String>,
}

/// Why the feed was not read. None of these says anything about what is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// Too many requests.
    #[error("S3 asks to slow down")]
    Throttled,
    /// No answer, or none that is understood, or it broke off.
    #[error("S3 did not answer: {0}")]
    Unavailable(NoAnswer),
    /// S3 refused, by its code: a wrong bucket, or no permission.
    #[error("S3 refused the request: {0}")]
    Refused(String),
    /// The list of files did not end within the bound.
    #[error("the list of files did not end within {0} pages")]
    TooManyPages(usize),
    /// More rows than are kept.
    #[error("the feed has more than {0} rows of these days")]
    TooManyRows(usize),
    /// There is no file of a feed at all.
    #[error(
        "the bucket {bucket} has no file in the folder {folder}; {}",
        listed(folders)
    )]
    NoFile {
        /// The bucket.
        bucket: String,
        /// The feed's folder, as AWS's example queries name it.
        folder: &'static str,
        /// The folders that the bucket has, at most 20 of them.
        folders: Vec<String>,
    },
    /// A file lacks a column that is needed.
    #[error("{file} has no column {column}")]
    NoColumn {
        /// The file.
        file: String,
        /// The column.
        column: &'static str,
    },
    /// A file is not of the form that it should be.
    #[error("{file} {problem}")]
    NotUnderstood {
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A product sold here is not in the product feed, so its rows cannot be told from others'.
    #[error("the product feed does not name the product {0}")]
    ProductUnknown(ProductCode),
}

/// What is asked of the usage feed.
struct Asked<'a> {
    /// The ids of our products.
    products: &'a BTreeSet<String>,
    /// The first day and the last.
    days: (Date, Date),
    today: Date,
}

/// A file of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct File {
    key: String,
    /// The first day of its month.
    month: Date,
    modified_at: Timestamp,
}

impl DataFeeds {
    /// The data feeds in this bucket. Does no I/O.
    pub fn new(s3: S3Client, bucket: String) -> Self {
        Self { s3, bucket }
    }

    /// The usage of these products on the days from the first to the last, as
    /// AWS has told it by now.
    ///
    /// # Errors
    /// See [`FeedError`]. A part of the feed is never returned.
    pub async fn usage(
        &self,
        products: &BTreeSet<ProductCode>,
        (first, last): (Date, Date),
        now: Timestamp,
    ) -> Result<UsageFeed, FeedError> {
        let mut feed = UsageFeed::default();
        let ids = self.product_ids(products).await?;
        match self.agreements().await {
            Ok(agreements) => feed.agreements = agreements,
            Err(error) => {
                let note = format!("the agreements feed was not read: {error}");
                feed.notes.insert(note);
            }
        }
        let files = self.files(USAGE).await?;
        let mut day = first;
        while day <= last {
            feed.days.insert(day, state_of(day, &files, now));
            day = match day.tomorrow() {
                Ok(next) => next,
                Err(_) => break,
            };
        }
        let wanted = files
            .iter()
            .filter(|file| file.month >= first.first_of_month());
        let asked = Asked {
            products: &ids,
            days: (first, last),
            today: day_of(now),
        };
        for file in wanted {
            match self.usage_file(file, &asked, feed.rows.len()).await {
                Ok(of_file) => feed.take(of_file),
                Err(error @ (FeedError::NoColumn { .. } | FeedError::NotUnderstood { .. })) => {
                    feed.without(file, &error);
                }
                Err(
                    error @ (FeedError::Throttled
                    | FeedError::Unavailable(_)
                    | FeedError::Refused(_)
                    | FeedError::TooManyPages(_)
                    | FeedError::TooManyRows(_)
                    | FeedError::NoFile { .. }
                    | FeedError::ProductUnknown(_)),
                ) => return Err(error),
            }
        }
        Ok(feed)
    }

    /// What a file has of what was asked for, beside so many rows of other files.
    async fn usage_file(
        &self,
        file: &File,
        asked: &Asked<'_>,
        rows_before: usize,
    ) -> Result<UsageFeed, FeedError> {
        let mut feed = UsageFeed::default();
        let mut columns: Option<Columns> = None;
        let (first, last) = asked.days;
        let latest = file.days().1.min(asked.today);
        self.rows_of(file, |row| {
            let Some(columns) = &columns else {
                let read = Columns::of_usage(&file.key, row)?;
                feed.notes.extend(read.notes(&file.key));
                columns = Some(read);
                return Ok(());
            };
            match columns.product(row) {
                Some(product) if !asked.products.contains(product) => {
                    feed.other_products += 1;
                    return Ok(());
                }
                Some(_) | None => {}
            }
            match columns.usage(row, latest) {
                Ok(usage) if first <= usage.usage.day && usage.usage.day <= last => {
                    feed.rows.push(usage);
                }
                Ok(_) => {}
                Err(spoilt) => {
                    let row = spoilt.at(file, row.line);
                    if row.days.0 <= last && first <= row.days.1 {
                        feed.spoilt(row);
                    }
                }
            }
            if rows_before + feed.rows.len() > MAX_ROWS {
                return Err(FeedError::TooManyRows(MAX_ROWS));
            }
            Ok(())
        })
        .await?;
        Ok(feed)
    }

    /// What the product feed calls these products. It is a history that begins
    /// whenever a product did: all of it is read.
    async fn product_ids(
        &self,
        products: &BTreeSet<ProductCode>,
    ) -> Result<BTreeSet<String>, FeedError> {
        let mut ids = BTreeMap::new();
        for file in self.files(PRODUCTS).await? {
            for (id, code) in self
                .pairs(&file, [Field::ProductId, Field::ProductCode])
                .await?
            {
                ids.insert(id, code);
            }
        }
        for product in products {
            if !ids.values().any(|code| code == product.as_str()) {
                return Err(FeedError::ProductUnknown(product.clone()));
            }
        }
        let ours = |code: &String| products.iter().any(|product| product.as_str() == code);
        ids.retain(|_, code| ours(code));
        Ok(ids.into_keys().collect())
    }

    async fn agreements(&self) -> Result<BTreeSet<AgreementId>, FeedError> {
        let mut agreements = BTreeSet::new();
        for file in self.files(AGREEMENTS).await? {
            let named = self
                .pairs(&file, [Field::AgreementId, Field::AgreementId])
                .await?;
            let named = named.iter().map(|(agreement, _)| agreement);
            agreements.extend(named.filter_map(|agreement| columns::agreement_id(agreement)));
        }
        Ok(agreements)
    }

    /// Two fields of each row of a file that has both.
    async fn pairs(
        &self,
        file: &File,
        fields: [Field; 2],
    ) -> Result<Vec<(String, String)>, FeedError> {
        let (mut columns, mut pairs) = (None, Vec::new());
        self.rows_of(file, |row| {
            let Some(columns) = &columns else {
                columns = Some(Columns::of(&file.key, row, &fields)?);
                return Ok(());
            };
            let [a, b] = fields.map(|field| columns.text(row, field).ok().flatten());
            if let (Some(a), Some(b)) = (a, b) {
                pairs.push((a.to_owned(), b.to_owned()));
            }
            if pairs.len() > MAX_ROWS {
                return Err(FeedError::TooManyRows(MAX_ROWS));
            }
            Ok(())
        })
        .await?;
        Ok(pairs)
    }

    /// Hands over the rows of a file one by one, the header first.
    async fn rows_of(
        &self,
        file: &File,
        mut take: impl FnMut(&Row<'_>) -> Result<(), FeedError>,
    ) -> Result<(), FeedError> {
        let got = self.s3.get_object().bucket(&self.bucket).key(&file.key);
        let mut body = got.send().await.map_err(|error| failed(&error))?.body;
        let mut rows = CsvRows::default();
        let not_understood = |problem: Unparsed| FeedError::NotUnderstood {
            file: file.key.clone(),
            problem: problem.to_string(),
        };
        let mut seen = false;
        loop {
            let chunk = body.next().await.transpose();
            // Whatever broke off, no part of the file is taken for the whole.
            let chunk = chunk.map_err(|_| FeedError::Unavailable(NoAnswer::Connection))?;
            let last = chunk.is_none();
            let parsed = match chunk {
                Some(bytes) => rows.push(&bytes),
                None => rows.finish(),
            };
            for row in parsed.map_err(not_understood)?.rows() {
                seen = true;
                take(&row)?;
            }
            if last {
                break;
            }
        }
        if !seen {
            return Err(not_understood(Unparsed::Empty));
        }
        Ok(())
    }

    /// The files of a feed, oldest month first.
    async fn files(&self, feed: &'static str) -> Result<Vec<File>, FeedError> {
        let (mut files, mut token) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let page = self
                .s3
                .list_objects_v2()
                .bucket(&self.bucket)
                .prefix(feed)
                .set_continuation_token(token.take())
                .send()
                .await
                .map_err(|error| failed(&error))?;
            files.extend(page.contents().iter().filter_map(file));
            token = page
                .next_continuation_token()
                .filter(|token| !token.is_empty())
                .map(ToOwned::to_owned);
            if token.is_none() {
                if files.is_empty() {
                    return Err(self.without(feed).await);
                }
                files.sort_by(|a, b| (a.month, &a.key).cmp(&(b.month, &b.key)));
                return Ok(files);
            }
        }
        Err(FeedError::TooManyPages(MAX_PAGES))
    }

    /// That a feed has no file, and which folders there are instead.
    async fn without(&self, folder: &'static str) -> FeedError {
        let listed = self
            .s3
            .list_objects_v2()
            .bucket(&self.bucket)
            .delimiter("/")
            .send()
            .await;
        let listed = match listed {
            Ok(listed) => listed,
            Err(error) => return failed(&error),
        };
        let folders = listed.common_prefixes().iter();
        let folders = folders.filter_map(|of| Some(of.prefix()?.to_owned()));
        FeedError::NoFile {
            bucket: self.bucket.clone(),
            folder,
            folders: folders.take(MOST_FOLDERS).collect(),
        }
    }
}

/// The folders of a bucket, in words.
fn listed(folders: &[String]) -> String {
    if folders.is_empty() {
        "it has no folder at all: AWS has not delivered any feed to it".to_owned()
    } else {
        format!("it has {}", folders.join(", "))
    }
}

impl File {
    /// The first and the last day of use of which it may bring anything: of its month,
    /// and of the days before that may still have come late.
    fn days(&self) -> (Date, Date) {
        let late = FEED_SETTLES_AFTER + ACCEPTED_FOR;
        let first = day_of(before(start_of(self.month), late));
        (first, self.month.last_of_month())
    }
}

impl UsageFeed {
    /// Adds what another file has.
    fn take(&mut self, of_file: Self) {
        self.rows.extend(of_file.rows);
        self.other_products += of_file.other_products;
        self.notes.extend(of_file.notes);
        for row in of_file.unreadable {
            self.spoilt(row);
        }
    }

    /// Leaves the days unknown of which a file that is not understood may bring anything.
    fn without(&mut self, file: &File, error: &FeedError) {
        let (first, last) = file.days();
        for (_, state) in self.days.range_mut(first..=last) {
            *state = FeedOfDay::Unread {
                reason: error.to_string(),
            };
        }
        self.notes.insert(format!("{error}: it was not read"));
    }

    fn spoilt(&mut self, row: UnreadableRow) {
        let kept = self.unreadable.len();
        // One stands for all beyond: of the days of each of them nothing is known.
        if let Some(rest) = self.unreadable.get_mut(MAX_UNREADABLE) {
            rest.days = (rest.days.0.min(row.days.0), rest.days.1.max(row.days.1));
        } else if kept == MAX_UNREADABLE {
            self.unreadable.push(UnreadableRow {
                reason: format!("more than {MAX_UNREADABLE} rows cannot be read"),
                agreement: None,
                dimension: None,
                ..row
            });
        } else {
            self.unreadable.push(row);
        }
    }
}

/// The file that an object is; `None` for anything else that lies there.
fn file(object: &aws_sdk_s3::types::Object) -> Option<File> {
    let key = object.key()?;
    let (_, rest) = key.split_once("/year=")?;
    let (year, rest) = rest.split_once("/month=")?;
    let month = rest.strip_suffix("/data.csv")?;
    Some(File {
        key: key.to_owned(),
        month: Date::new(year.parse().ok()?, month.parse().ok()?, 1).ok()?,
        modified_at: convert::timestamp(object.last_modified()?)?,
    })
}

/// What is known of a day's feed: it is delivered on the day after, into that
/// day's month, and what came late into the months since; each has a file, if
/// only of a header, from its first midnight on.
fn state_of(day: Date, files: &[File], now: Timestamp) -> FeedOfDay {
    let end = end_of(day);
    let mut month = day_of(end).first_of_month();
    let newest = day_of(before(now, SignedDuration::from_hours(24))).first_of_month();
    loop {
        if !files.iter().any(|file| file.month == month) {
            return FeedOfDay::NotDelivered;
        }
        month = match month.last_of_month().tomorrow() {
            Ok(next) if next <= newest => next,
            Ok(_) | Err(_) => break,
        };
    }
    if files.iter().any(|file| file.modified_at >= end) {
        FeedOfDay::Delivered
    } else {
        FeedOfDay::NotDelivered
    }
}

fn failed<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> FeedError {
    let named = error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code);
    if named == Some("SlowDown") {
        return FeedError::Throttled;
    }
    match convert::failure(error) {
        Failure::Refused { status, code } => {
            FeedError::Refused(code.unwrap_or_else(|| format!("HTTP status {status}")))
        }
        Failure::NoAnswer(why) => FeedError::Unavailable(why),
        Failure::NotSent => FeedError::Refused("RequestNotBuilt".to_owned()),
    }
}

#[cfg(test)]
mod tests;

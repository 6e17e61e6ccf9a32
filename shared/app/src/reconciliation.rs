//! Our billed records against what AWS says of them: its data feeds by day, its
//! invoices by month. Nothing is sent to AWS, and nothing of the ledger changed.
//!
//! Our side is found without AWS's: every license that AWS ever told of is
//! looked at, as far as the time suffices; what was not is said, counts for
//! nothing, and its turn comes within the next days, each of which begins elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use domain::hour::{HOURS_A_DAY, Hour, after};
use domain::ids::{AgreementId, Dimension, LicenseId};
use domain::ledger::record::{CloseReason, Record, RecordState};
use domain::license::{License, LicenseStatus, agreement_at};
use domain::money::Usd;
use domain::reconciliation::adjustments::{Proposals, propose};
use domain::reconciliation::amounts::{
    AmountFinding, InvoiceLine, Invoices as Invoiced, OfAgreement, Prices, compare_amounts,
};
use domain::reconciliation::kept::ReconciledDay;
use domain::reconciliation::rows::current;
use domain::reconciliation::{
    Feed, FeedOfDay, Finding, OurRecord, Standing, Verdict, Whose, compare, day_of,
};
use futures_util::future::try_join_all;
use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use marketplace::{DataFeeds, Invoices, UsageFeed};
use store::StoreError;

use crate::App;
use crate::month::Month;
use crate::pace::Pace;
use crate::prices::list_price;

/// How many licenses are looked at at once.
const AT_ONCE: usize = 16;

/// How many days back a daily run compares: a day is looked at until its feed is
/// complete, and twice after.
const DAYS: i32 = 5;

/// For how long after its end a license may still have records.
const RECORDS_AFTER_END: SignedDuration = SignedDuration::from_hours(48);

/// On which days of a month the month before is compared: AWS issues invoices on
/// the 2nd or 3rd, and one that did not come in a week is told as missing.
const INVOICE_DAYS: std::ops::RangeInclusive<i8> = 3..=9;

/// What AWS says, besides the verdicts on the records that were sent. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sources {
    /// Its invoices.
    pub invoices: Invoices,
    /// Its data feeds; `None` when the seller is not enrolled.
    pub feeds: Option<DataFeeds>,
}

/// Days that were compared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reconciled {
    /// What is known of each day's feed.
    pub days: BTreeMap<Date, FeedOfDay>,
    /// What the comparison found, equal ones too, by day.
    pub findings: Vec<Finding>,
    /// Licenses for which the time did not suffice.
    pub unreached: usize,
    /// Licenses of which something stored cannot be read.
    pub unreadable: usize,
    /// Rows of AWS's of other products.
    pub other_products: u64,
    /// Rows of AWS's that could not be read.
    pub unreadable_rows: usize,
    /// What a person may want to know of the feed's files.
    pub notes: BTreeSet<String>,
}

/// A month that was compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReconciledMonth {
    /// The month.
    pub month: Month,
    /// Its days.
    pub days: Reconciled,
    /// Its amounts, by agreement.
    pub amounts: Vec<AmountFinding>,
    /// What a person may ask AWS to give back.
    pub proposals: Proposals,
}

/// Our side, as far as it was looked at.
#[derive(Debug, Default)]
struct Ours {
    records: Vec<OurRecord>,
    agreements: BTreeSet<AgreementId>,
    /// Agreements that end: contracts, which may have fixed payments.
    contracts: BTreeSet<AgreementId>,
    unreached: usize,
    unreadable: usize,
}

/// Both sides, and what came of comparing them.
struct Compared {
    ours: Ours,
    feed: UsageFeed,
    reconciled: Reconciled,
}

impl Reconciled {
    /// What is kept of each day.
    pub fn kept(&self, at: Timestamp) -> Vec<ReconciledDay> {
        let unseen = self.unreached + self.unreadable;
        let days = self.days.iter();
        days.map(|(day, feed)| ReconciledDay::new(*day, at, feed.clone(), &self.findings, unseen))
            .collect()
    }

    /// Whether every license of ours was looked at.
    pub const fn is_whole(&self) -> bool {
        self.unreached == 0 && self.unreadable == 0
    }
}

/// The days that a daily run compares: the last that are over.
pub fn days_of_run(now: Timestamp) -> (Date, Date) {
    let today = day_of(now);
    let back = |days: i32| today.saturating_sub(jiff::Span::new().days(days));
    (back(DAYS), back(1))
}

/// The month whose amounts a daily run compares, if it is time.
pub fn month_of_run(now: Timestamp) -> Option<Month> {
    let due = INVOICE_DAYS.contains(&day_of(now).day());
    due.then(|| Month::of(now).previous())
}

impl App {
    /// Compares the days from the first to the last. Begins no license after `deadline`.
    ///
    /// # Errors
    /// [`StoreError`] when our own tables do not answer. That AWS does not is a finding.
    pub async fn reconcile(
        &self,
        sources: &Sources,
        days: (Date, Date),
        deadline: Timestamp,
    ) -> Result<Reconciled, StoreError> {
        Ok(self.compared(sources, days, deadline).await?.reconciled)
    }

    /// Compares a month that is over: its days, and its amounts with AWS's
    /// invoices; and proposes what AWS may be asked to give back.
    ///
    /// # Errors
    /// As [`reconcile`](Self::reconcile).
    pub async fn reconcile_month(
        &self,
        sources: &Sources,
        month: Month,
        deadline: Timestamp,
    ) -> Result<ReconciledMonth, StoreError> {
        let (from, until) = (month.first_hour(), month.next().first_hour());
        let days = (day_of(from.start()), day_of(until.previous().start()));
        let compared = self.compared(sources, days, deadline).await?;
        let Compared {
            ours,
            feed,
            reconciled,
        } = compared;
        let usage = current(&feed.rows).usage;
        let prices = Prices::new(&usage, self.list_prices());
        let mut by_agreement: BTreeMap<AgreementId, Vec<OurRecord>> = BTreeMap::new();
        for finding in &reconciled.findings {
            if let Whose::Agreement(agreement) = &finding.whose {
                by_agreement.entry(agreement.clone()).or_default();
            }
        }
        for record in ours.records {
            if let Some(agreement) = &record.agreement {
                by_agreement
                    .entry(agreement.clone())
                    .or_default()
                    .push(record);
            }
        }
        let asked = self
            .invoices_of(sources, by_agreement.keys(), days.0, deadline)
            .await;
        let invoices: BTreeMap<AgreementId, Invoiced<'_>> = asked
            .iter()
            .map(|(agreement, answer)| (agreement.clone(), invoiced(answer)))
            .collect();
        let now = self.clock.now();
        let amounts = by_agreement.iter().filter_map(|(agreement, records)| {
            let of = OfAgreement {
                agreement,
                ours: records,
                fixed_payments: ours.contracts.contains(agreement),
                unseen: !reconciled.is_whole(),
            };
            let invoices = *invoices.get(agreement)?;
            Some(compare_amounts(&of, &prices, invoices, until.start(), now))
        });
        Ok(ReconciledMonth {
            month,
            amounts: amounts.collect(),
            proposals: propose(&reconciled.findings, &prices, &invoices),
            days: reconciled,
        })
    }

    async fn compared(
        &self,
        sources: &Sources,
        days: (Date, Date),
        deadline: Timestamp,
    ) -> Result<Compared, StoreError> {
        let ours = self.our_records(days, deadline).await?;
        let now = self.clock.now();
        let products = &self.settings.subscriptions.products;
        let feed = match &sources.feeds {
            None => without_feed(days, &FeedOfDay::NotEnrolled),
            Some(feeds) => match feeds.usage(products, days, now).await {
                Ok(feed) => feed,
                Err(error) => {
                    let reason = error.to_string();
                    without_feed(days, &FeedOfDay::Unread { reason })
                }
            },
        };
        let agreements = ours.agreements.union(&feed.agreements).cloned().collect();
        let unseen = ours.unreached + ours.unreadable > 0;
        let aws = Feed {
            rows: &feed.rows,
            unreadable: &feed.unreadable,
            days: &feed.days,
            agreements: &agreements,
        };
        let reconciled = Reconciled {
            findings: compare(&ours.records, &aws, unseen, now),
            days: feed.days.clone(),
            unreached: ours.unreached,
            unreadable: ours.unreadable,
            other_products: feed.other_products,
            unreadable_rows: feed.unreadable.len(),
            notes: feed.notes.clone(),
        };
        Ok(Compared {
            ours,
            feed,
            reconciled,
        })
    }

    /// Our records of days, of every license, as far as the time suffices.
    async fn our_records(
        &self,
        (first, last): (Date, Date),
        deadline: Timestamp,
    ) -> Result<Ours, StoreError> {
        let mut licenses = self.store.every_license().await?;
        let turn = Hour::of(self.clock.now()).number() / HOURS_A_DAY;
        let first_of_turn = begins_at(turn, licenses.len());
        licenses.rotate_left(first_of_turn);
        let hours = (first_hour(first), first_hour(last).plus(HOURS_A_DAY));
        let mut ours = Ours::default();
        for some in licenses.chunks(AT_ONCE) {
            if self.clock.now() >= deadline {
                ours.unreached += some.len();
                continue;
            }
            let looks = some
                .iter()
                .map(|license| self.look_at_records(license, hours));
            for looked in try_join_all(looks).await? {
                ours.take_in(looked);
            }
        }
        Ok(ours)
    }

    /// A license's records of some hours; that something of it cannot be read
    /// leaves it unseen.
    async fn look_at_records(
        &self,
        id: &LicenseId,
        hours: (Hour, Hour),
    ) -> Result<Ours, StoreError> {
        match self.records_with_agreements(id, hours).await {
            Err(StoreError::Corrupt(unreadable)) => {
                tracing::error!(
                    alarm = "ItemUnreadable",
                    license.id = %id,
                    store.key = %unreadable.key,
                    error = %unreadable.reason,
                    "a stored item cannot be read; the license was not compared with AWS"
                );
                Ok(Ours {
                    unreadable: 1,
                    ..Ours::default()
                })
            }
            looked => looked,
        }
    }

    async fn records_with_agreements(
        &self,
        id: &LicenseId,
        (from, until): (Hour, Hour),
    ) -> Result<Ours, StoreError> {
        let Some(license) = self.store.license(id).await? else {
            return Ok(Ours::default());
        };
        let mut ours = Ours {
            agreements: license.agreements.clone(),
            ..Ours::default()
        };
        // Of one that was renewed the agreements before are contracts as well.
        let mut pricing = license.pricing.iter();
        let fixed = pricing.any(|one| one.terms.has_fixed_payments());
        if fixed || license.agreement_ends_at.is_some() {
            ours.contracts.extend(license.agreements.iter().cloned());
        }
        if ended_before(&license, from.start()) {
            return Ok(ours);
        }
        let records = self.store.records_of(id, from, until).await?.whole()?;
        let of_use: Vec<(Record, Standing)> = records
            .into_iter()
            .filter(|record| record.usage.quantity.get() > 0)
            .filter_map(|record| standing(&record).map(|standing| (record, standing)))
            .collect();
        if of_use.is_empty() {
            return Ok(ours);
        }
        let facts = self.facts_about(id, Some(&license), None).await?;
        ours.records = of_use
            .into_iter()
            .map(|(record, standing)| OurRecord {
                license: id.clone(),
                agreement: agreement_at(id, &facts, record.usage.timestamp),
                day: day_of(record.usage.timestamp),
                units: record.usage.quantity.get().into(),
                dimension: record.usage.dimension,
                standing,
            })
            .collect();
        Ok(ours)
    }

    /// AWS's invoices of a month, by agreement, as far as the time suffices.
    async fn invoices_of(
        &self,
        sources: &Sources,
        agreements: impl Iterator<Item = &AgreementId>,
        month: Date,
        deadline: Timestamp,
    ) -> BTreeMap<AgreementId, Result<Vec<InvoiceLine>, String>> {
        let mut answers = BTreeMap::new();
        let mut pace = Pace::FOUR_A_SECOND;
        for agreement in agreements {
            pace.turn(&*self.clock).await;
            let answer = if self.clock.now() >= deadline {
                Err("AWS was not asked: the time did not suffice".to_owned())
            } else {
                let asked = sources.invoices.of_month(agreement, month).await;
                asked.map_err(|error| error.to_string())
            };
            answers.insert(agreement.clone(), answer);
        }
        answers
    }

    fn list_prices(&self) -> BTreeMap<Dimension, Usd> {
        let catalog = &self.settings.rules.catalog;
        let rates = catalog.rates().iter();
        rates
            .filter_map(|rate| {
                let price = list_price(catalog, &rate.dimension)?;
                Some((rate.dimension.clone(), price))
            })
            .collect()
    }
}

impl Ours {
    fn take_in(&mut self, other: Self) {
        self.records.extend(other.records);
        self.agreements.extend(other.agreements);
        self.contracts.extend(other.contracts);
        self.unreached += other.unreached;
        self.unreadable += other.unreadable;
    }
}

/// With which of so many licenses a day's look begins: by steps of the golden
/// section, so that whatever share of them a day reaches, few days reach all.
fn begins_at(day: i32, licenses: usize) -> usize {
    let thousandths = usize::try_from(day.rem_euclid(1_000)).unwrap_or(0) * 618 % 1_000;
    licenses * thousandths / 1_000
}

/// What we know of what AWS did with a record; `None` when it surely has not
/// taken it.
fn standing(record: &Record) -> Option<Standing> {
    match record.state {
        RecordState::Billed { at, .. } => Some(Standing::Billed { at }),
        RecordState::Frozen { .. } => (record.unanswered > 0).then_some(Standing::Unknown),
        RecordState::Closed { reason, .. } => match reason {
            CloseReason::Unknown => Some(Standing::Unknown),
            CloseReason::Conflict => Some(Standing::Conflict),
            CloseReason::Refused | CloseReason::WrittenOff => None,
        },
    }
}

/// Whether a license ended so long before an instant that it has no record since.
fn ended_before(license: &License, instant: Timestamp) -> bool {
    match &license.status {
        LicenseStatus::Pending | LicenseStatus::Active { .. } => false,
        LicenseStatus::Ended { end, .. } => {
            let last = end.last_event_at.max(end.learned_at);
            after(last, RECORDS_AFTER_END) <= instant
        }
    }
}

fn invoiced(answer: &Result<Vec<InvoiceLine>, String>) -> Invoiced<'_> {
    match answer {
        Ok(lines) => Invoiced::Read(lines),
        Err(reason) => Invoiced::Unread(reason),
    }
}

/// A feed of which nothing is known.
fn without_feed((first, last): (Date, Date), state: &FeedOfDay) -> UsageFeed {
    let days = first
        .series(jiff::Span::new().days(1))
        .take_while(|day| *day <= last);
    UsageFeed {
        days: days.map(|day| (day, state.clone())).collect(),
        ..UsageFeed::default()
    }
}

fn first_hour(day: Date) -> Hour {
    Offset::UTC
        .to_timestamp(day.at(0, 0, 0, 0))
        .map_or(Hour::from_number(0), Hour::of)
}

/// Logs what a person has to do something about, as alarms.
pub fn log_differences(findings: &[Finding]) {
    for finding in findings {
        let (alarm, said, units) = match &finding.verdict {
            Verdict::Missing { units } => (
                "UsageMissingAtAws",
                "AWS has less usage than it accepted",
                units,
            ),
            Verdict::Over { units, .. } => (
                "UsageOverAtAws",
                "AWS has more usage than we know of",
                units,
            ),
            Verdict::Equal | Verdict::Late { .. } | Verdict::NotComparable { .. } => continue,
        };
        let agreement = match &finding.whose {
            Whose::Agreement(agreement) => Some(tracing::field::display(agreement)),
            Whose::License(_) | Whose::Nobody => None,
        };
        tracing::error!(
            alarm,
            agreement.id = agreement,
            usage.day = %finding.day,
            usage.dimension = %finding.dimension,
            usage.difference = %units,
            usage.billed = %finding.ours,
            usage.aws = %finding.aws,
            "{said}"
        );
    }
}

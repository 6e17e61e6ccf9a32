//! Our billed records against what AWS says of them: its data feeds by day, its
//! invoices by month. Nothing is sent to AWS, and nothing of the ledger changed.
//!
//! Our side is found without AWS's: every license that AWS ever told of is
//! looked at. A scheduled run that does not reach all of them in its time keeps
//! what it has read, and the next run goes on there; what is not complete is said
//! to be so, and is compared only when it is.

mod invoices;
mod looking;
mod notices;

use std::collections::{BTreeMap, BTreeSet};

use domain::hour::Hour;
use domain::ids::{AgreementId, Dimension, LicenseId};
use domain::license::Pricing;
use domain::money::Usd;
use domain::reconciliation::adjustments::{Proposals, propose};
use domain::reconciliation::amounts::{
    AmountFinding, AmountVerdict, InvoiceLine, Invoices as Invoiced, OfAgreement, compare_amounts,
    take_back_moved,
};
use domain::reconciliation::kept::{ReconciledAmounts, ReconciledDay};
use domain::reconciliation::prices::Prices;
use domain::reconciliation::rows::current;
use domain::reconciliation::run::{Run, RunOf};
use domain::reconciliation::{
    Agreements, Feed, FeedOfDay, Finding, OurRecord, Verdict, Whose, compare, day_of, start_of,
};
use jiff::Timestamp;
use jiff::civil::Date;
use marketplace::{DataFeeds, Invoices, UsageFeed};
use store::StoreError;

use crate::App;
use crate::month::Month;
use crate::prices::list_price;

use looking::Ours;

/// How many days back a daily run compares: a day is looked at until its feed is
/// complete, and twice after, also when AWS took some of it on the day after.
const DAYS: i32 = 7;

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

/// How far a scheduled comparison came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Came<T> {
    /// Nothing is to be compared now.
    Nowhere,
    /// The time did not suffice: the next run goes on.
    SoFar {
        /// Licenses that were not looked at yet.
        left: usize,
    },
    /// To its end.
    ToItsEnd(T),
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
    /// Agreements of which AWS was not asked for invoices: the time did not suffice.
    pub unasked: BTreeSet<AgreementId>,
    /// The last agreement of which it was.
    pub asked_last: Option<AgreementId>,
}

/// Both sides, and what came of comparing them.
struct Compared {
    ours: Ours,
    agreements: Agreements,
    prices: Prices,
    reconciled: Reconciled,
}

impl Reconciled {
    /// What is kept of each day.
    pub fn kept(&self, at: Timestamp) -> Vec<ReconciledDay> {
        let days = self.days.iter();
        days.map(|(day, feed)| {
            ReconciledDay::new(*day, at, feed.clone(), &self.findings, self.unseen())
        })
        .collect()
    }

    /// How many licenses of ours were not looked at.
    pub const fn unseen(&self) -> usize {
        self.unreached + self.unreadable
    }

    /// Whether every license of ours was looked at.
    pub const fn is_whole(&self) -> bool {
        self.unseen() == 0
    }
}

impl ReconciledMonth {
    /// What was found before of the agreements of which AWS was not asked now.
    fn keep_from(&mut self, known: &ReconciledAmounts) {
        let known = known.amounts.iter();
        let mut known: BTreeMap<&AgreementId, &AmountFinding> =
            known.map(|amount| (&amount.agreement, amount)).collect();
        for amount in &mut self.amounts {
            if self.unasked.contains(&amount.agreement)
                && let Some(before) = known.remove(&amount.agreement)
            {
                *amount = before.clone();
            }
        }
    }

    /// What is kept of its amounts.
    pub fn kept(&self, at: Timestamp) -> ReconciledAmounts {
        let (first, unseen) = (day_of(self.month.first_hour().start()), self.days.unseen());
        ReconciledAmounts::new(first, at, &self.amounts, &self.proposals, unseen)
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

/// The days of a month.
fn days_of(month: Month) -> (Date, Date) {
    let (from, until) = (month.first_hour(), month.next().first_hour());
    (day_of(from.start()), day_of(until.previous().start()))
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
        let ours = self.our_side(days, deadline).await?;
        let compared = self.compared(sources, days, ours, deadline).await?;
        Ok(compared.reconciled)
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
        let ours = self.our_side(days_of(month), deadline).await?;
        self.month_of(sources, month, ours, None, deadline).await
    }

    /// Goes on with the daily comparison, or begins today's: once all of our
    /// licenses are looked at, compares the days, keeps what was found and logs what
    /// a person has to do something about.
    ///
    /// # Errors
    /// As [`reconcile`](Self::reconcile): the next call goes on.
    pub async fn reconcile_due_days(
        &self,
        sources: &Sources,
        deadline: Timestamp,
    ) -> Result<Came<Reconciled>, StoreError> {
        let now = self.clock.now();
        let due = Some(days_of_run(now));
        let Some((run, ours)) = self.go_on(RunOf::Days, due, deadline).await? else {
            return Ok(Came::Nowhere);
        };
        if ours.unreached > 0 {
            self.keep_unfinished(&run, &ours).await?;
            notices::unfinished(&run, ours.unreached, now);
            let left = ours.unreached;
            return Ok(Came::SoFar { left });
        }
        let compared = self.compared(sources, run.days(), ours, deadline).await?;
        let found = compared.reconciled;
        for day in found.kept(now) {
            self.keep_day(&day).await?;
        }
        notices::days(&found, now);
        self.finish(RunOf::Days, run).await?;
        Ok(Came::ToItsEnd(found))
    }

    /// Goes on with the comparison of last month, or begins today's from the 3rd to
    /// the 9th: as [`reconcile_due_days`](Self::reconcile_due_days), and the amounts.
    ///
    /// # Errors
    /// As there.
    pub async fn reconcile_due_month(
        &self,
        sources: &Sources,
        deadline: Timestamp,
    ) -> Result<Came<ReconciledMonth>, StoreError> {
        let now = self.clock.now();
        let due = month_of_run(now).map(days_of);
        let Some((mut run, ours)) = self.go_on(RunOf::Month, due, deadline).await? else {
            return Ok(Came::Nowhere);
        };
        if ours.unreached > 0 {
            notices::unfinished(&run, ours.unreached, now);
            let left = ours.unreached;
            return Ok(Came::SoFar { left });
        }
        let month = Month::of(start_of(run.first));
        let after = run.invoices_after.take();
        let mut found = self
            .month_of(sources, month, ours, after.as_ref(), deadline)
            .await?;
        let mut earlier = None;
        if !found.unasked.is_empty() {
            run.invoices_after = found.asked_last.clone().or(after);
            earlier = self.store.reconciled_amounts(run.first).await?;
            if let Some(earlier) = &earlier {
                found.keep_from(earlier);
            }
        }
        for day in found.days.kept(now) {
            self.keep_day(&day).await?;
        }
        let kept = found.kept(now);
        let kept = kept.with_earlier(earlier.as_ref(), &found.unasked);
        self.store.put_reconciled_amounts(&kept).await?;
        notices::month(&found);
        self.finish(RunOf::Month, run).await?;
        Ok(Came::ToItsEnd(found))
    }

    /// A look that saw all licenses, or the feed, is not replaced by one that did not.
    async fn keep_day(&self, day: &ReconciledDay) -> Result<(), StoreError> {
        let read = |day: &ReconciledDay| day.feed == FeedOfDay::Delivered;
        if day.unseen_licenses > 0 || !read(day) {
            let known = self.store.reconciled_day(day.day).await?;
            let saw_more = |known: &ReconciledDay| {
                known.unseen_licenses == 0 && day.unseen_licenses > 0 || read(known) && !read(day)
            };
            if known.is_some_and(|known| saw_more(&known)) {
                return Ok(());
            }
        }
        self.store.put_reconciled_day(day).await
    }

    /// Keeps of each day that it is not compared yet.
    async fn keep_unfinished(&self, run: &Run, ours: &Ours) -> Result<(), StoreError> {
        let reason = "it is read when all of our licenses have been looked at";
        let state = FeedOfDay::Unread {
            reason: reason.to_owned(),
        };
        let unfinished = Reconciled {
            days: without_feed(run.days(), &state).days,
            unreached: ours.unreached,
            unreadable: ours.unreadable,
            ..Reconciled::default()
        };
        for day in unfinished.kept(self.clock.now()) {
            self.keep_day(&day).await?;
        }
        Ok(())
    }

    async fn month_of(
        &self,
        sources: &Sources,
        month: Month,
        ours: Ours,
        after: Option<&AgreementId>,
        deadline: Timestamp,
    ) -> Result<ReconciledMonth, StoreError> {
        let days = days_of(month);
        let compared = self.compared(sources, days, ours, deadline).await?;
        let Compared {
            ours,
            agreements,
            prices,
            reconciled,
        } = compared;
        let mut by_agreement: BTreeMap<AgreementId, Vec<OurRecord>> = BTreeMap::new();
        for finding in &reconciled.findings {
            if let Whose::Agreement(agreement) = &finding.whose {
                by_agreement.entry(agreement.clone()).or_default();
            }
        }
        let contracts = ours.contracts();
        let mut strays = false;
        for record in ours.into_records() {
            match &record.agreement {
                None => strays = true,
                Some(agreement) => by_agreement
                    .entry(agreement.clone())
                    .or_default()
                    .push(record),
            }
        }
        let agreements_of_month: Vec<&AgreementId> = by_agreement.keys().collect();
        let asked = self
            .invoices_of(sources, &agreements_of_month, after, days.0, deadline)
            .await;
        let invoices: BTreeMap<AgreementId, Invoiced<'_>> = asked
            .answers
            .iter()
            .map(|(agreement, answer)| (agreement.clone(), invoiced(answer)))
            .collect();
        let (now, month_end) = (self.clock.now(), month.next().first_hour().start());
        let amounts = by_agreement.iter().filter_map(|(agreement, records)| {
            let of = OfAgreement {
                agreement,
                ours: records,
                fixed_payments: contracts.contains(agreement),
                strays,
                unseen: !reconciled.is_whole(),
            };
            let invoices = *invoices.get(agreement)?;
            Some(compare_amounts(&of, &prices, invoices, month_end, now))
        });
        let mut amounts: Vec<AmountFinding> = amounts.collect();
        take_back_moved(&mut amounts, &agreements);
        let equal = |of: &&AmountFinding| of.verdict == AmountVerdict::Equal;
        let as_invoiced = amounts.iter().filter(equal);
        let as_invoiced = as_invoiced.map(|of| of.agreement.clone()).collect();
        Ok(ReconciledMonth {
            month,
            amounts,
            proposals: propose(&reconciled.findings, &invoices, &as_invoiced),
            days: reconciled,
            unasked: asked.unasked,
            asked_last: asked.last,
        })
    }

    async fn compared(
        &self,
        sources: &Sources,
        days: (Date, Date),
        mut ours: Ours,
        deadline: Timestamp,
    ) -> Result<Compared, StoreError> {
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
        let (agreements, prices) = (ours.agreements(&feed.agreements), self.prices(&ours, &feed));
        let mut found = findings(&ours, &feed, &agreements, &prices, now);
        let again = ours.read_before(over(&found, &agreements));
        if !again.is_empty() {
            // AWS may have more than was read hours ago for what was billed since.
            self.look_again(&mut ours, &again, days, deadline).await?;
            found = findings(&ours, &feed, &agreements, &prices, now);
        }
        let reconciled = Reconciled {
            findings: found,
            days: feed.days,
            unreached: ours.unreached,
            unreadable: ours.unreadable,
            other_products: feed.other_products,
            unreadable_rows: feed.unreadable.len(),
            notes: feed.notes,
        };
        Ok(Compared {
            ours,
            agreements,
            prices,
            reconciled,
        })
    }

    fn prices(&self, ours: &Ours, feed: &UsageFeed) -> Prices {
        let mut agreed: BTreeMap<AgreementId, Vec<Pricing>> = BTreeMap::new();
        for side in &ours.sides {
            for agreement in &side.agreements {
                let pricing = side.pricing.iter();
                let pricing = pricing.filter(|one| one.terms.agreement == *agreement);
                let pricing: Vec<Pricing> = pricing.cloned().collect();
                if !pricing.is_empty() {
                    agreed.insert(agreement.clone(), pricing);
                }
            }
        }
        Prices::new(agreed, &current(&feed.rows).usage, self.list_prices())
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

/// The licenses under agreements of which AWS has more than we know of.
fn over<'a>(findings: &[Finding], agreements: &'a Agreements) -> BTreeSet<&'a LicenseId> {
    let over = findings.iter().filter(|finding| match finding.verdict {
        Verdict::Over { .. } => true,
        Verdict::Equal
        | Verdict::Late { .. }
        | Verdict::Missing { .. }
        | Verdict::NotComparable { .. } => false,
    });
    let over = over.filter_map(|finding| match &finding.whose {
        Whose::Agreement(agreement) => Some(agreement),
        Whose::License(_) | Whose::UnknownAgreement(_) | Whose::Nobody => None,
    });
    over.flat_map(|agreement| agreements.licenses_of(agreement))
        .collect()
}

fn findings(
    ours: &Ours,
    feed: &UsageFeed,
    agreements: &Agreements,
    prices: &Prices,
    now: Timestamp,
) -> Vec<Finding> {
    let aws = Feed {
        rows: &feed.rows,
        unreadable: &feed.unreadable,
        days: &feed.days,
        agreements,
    };
    let unseen = ours.unreached + ours.unreadable > 0;
    compare(&ours.records(), &aws, prices, unseen, now)
}

fn first_hour(day: Date) -> Hour {
    Hour::of(start_of(day))
}

//! Catching up: AWS's list of agreements against what its events told, for
//! events that are given up after a day are not sent again.
//!
//! What AWS lists is learned like an event, if a license would be in another
//! state with it; so a run that finds nothing changes nothing, and after any
//! number of lost events the state is right within one run.

use domain::answers::DescribedAgreement;
use domain::fact::{Fact, Told};
use domain::hour::before;
use domain::ids::AgreementId;
use domain::license::{Difference, derive, licenses_of};
use jiff::{SignedDuration, Timestamp};
use marketplace::{AgreementPage, ReadError};
use store::StoreError;
use store::subscriptions::CaughtUp;

use crate::marketplace_events::DeriveError;
use crate::pace::Pace;
use crate::{App, Chain};

/// How often all agreements are looked at, not only those that changed: daily.
const ALL_EVERY: SignedDuration = SignedDuration::from_hours(24);

/// How long before the last run's start a change is looked for again.
const OVERLAP: SignedDuration = SignedDuration::from_hours(1);

/// How young a change may be that is left to its event.
const LEFT_TO_EVENTS: SignedDuration = SignedDuration::from_mins(10);

/// The most pages of one run.
const MAX_PAGES: usize = 10_000;

/// Which agreements a run looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Those that changed since the last run, and once a day all; changes of
    /// the last 10 minutes are left to their events.
    Scheduled,
    /// All, now.
    All,
}

/// What is done with what stands otherwise than events told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// It is learned.
    Learned,
    /// It is only told.
    Told,
}

/// What a run of [`App::catch_up`] did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CatchingUp {
    /// Agreements of our products that AWS listed.
    pub listed: usize,
    /// Those of which AWS says something that no event had told, and what.
    pub repaired: Vec<(AgreementId, Vec<Difference>)>,
    /// Those whose repair failed; the next run tries again.
    pub failed: usize,
    /// Agreements that name no product of ours.
    pub others: usize,
    /// Agreements that lack what identifies them.
    pub unreadable: usize,
    /// Whether the list was looked at to its end.
    pub finished: bool,
}

/// Why a run came to no end. What it repaired stays repaired.
#[derive(Debug, thiserror::Error)]
pub enum CatchUpError {
    /// AWS did not list its agreements.
    #[error("AWS did not list its agreements")]
    Agreements(#[from] ReadError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl App {
    /// Looks at the agreements that AWS lists, and repairs what undelivered
    /// events left wrong, or only tells it, as far as it gets before the deadline.
    ///
    /// # Errors
    /// [`CatchUpError`]: the next run looks at the same again.
    pub async fn catch_up(
        &self,
        scope: Scope,
        found: Found,
        deadline: Timestamp,
    ) -> Result<CatchingUp, CatchUpError> {
        let began_at = self.clock.now();
        let last = self.store.caught_up().await?;
        let since = match (scope, last) {
            (Scope::Scheduled, Some(last)) if began_at.duration_since(last.all_at) < ALL_EVERY => {
                Some(last)
            }
            (Scope::Scheduled | Scope::All, _) => None,
        };
        let changed_after = since.map(|last| before(last.changed_at, OVERLAP));
        let settled_by = match scope {
            Scope::Scheduled => before(began_at, LEFT_TO_EVENTS),
            Scope::All => Timestamp::MAX,
        };
        let mut run = CatchingUp::default();
        let mut pace = Pace::TWO_A_SECOND;
        let mut next = None;
        for _ in 0..MAX_PAGES {
            let page = self.page(changed_after, next, &mut pace, deadline);
            let Some(page) = page.await? else {
                return Ok(run);
            };
            report_unreadable(&page.incomplete);
            run.unreadable += page.incomplete.len();
            for agreement in page.agreements {
                if self.clock.now() >= deadline {
                    return Ok(run);
                }
                // Of an end AWS takes usage for an hour: that waits for no event.
                let is_settled = agreement.ended.is_some()
                    || agreement.changed_at.is_none_or(|at| at <= settled_by);
                let changed_at = agreement.changed_at;
                match self.described_if_ours(agreement, began_at) {
                    Some(ours) if is_settled => {
                        self.compare(ours, changed_at, found, &mut run).await;
                    }
                    Some(_) => {}
                    None => run.others += 1,
                }
            }
            next = page.next;
            if next.is_none() {
                run.finished = true;
                break;
            }
        }
        if since.is_none() && run.finished && run.listed == 0 && run.others > 0 {
            tracing::error!(
                alarm = "AgreementsUnchecked",
                run.others = run.others,
                "none of the agreements that AWS lists names a product of PRODUCT_IDS"
            );
        }
        if run.finished && run.failed == 0 && found == Found::Learned {
            let all_at = since.map_or(began_at, |last| last.all_at);
            let caught_up = CaughtUp {
                changed_at: began_at,
                all_at,
            };
            self.store.put_caught_up(&caught_up).await?;
        }
        Ok(run)
    }

    /// A page of AWS's list; `None` when the time did not suffice.
    async fn page(
        &self,
        changed_after: Option<Timestamp>,
        next: Option<String>,
        pace: &mut Pace,
        deadline: Timestamp,
    ) -> Result<Option<AgreementPage>, ReadError> {
        loop {
            pace.turn(&*self.clock).await;
            if self.clock.now() >= deadline {
                return Ok(None);
            }
            let asked = self
                .marketplace
                .search_agreements(changed_after, next.clone());
            let answer = asked.await;
            if let Some(settled) = pace.settled(answer, self.clock.now()) {
                return settled.map(Some);
            }
        }
    }

    async fn compare(
        &self,
        described: DescribedAgreement,
        changed_at: Option<Timestamp>,
        found: Found,
        run: &mut CatchingUp,
    ) {
        run.listed += 1;
        let agreement = described.agreement.clone();
        match self.repair(described, changed_at, found).await {
            Ok(differences) if differences.is_empty() => {}
            Ok(differences) => {
                tracing::warn!(
                    agreement.id = %agreement,
                    agreement.differences = %in_words(&differences),
                    "an agreement stands otherwise than its events told"
                );
                run.repaired.push((agreement, differences));
            }
            Err(error) => {
                run.failed += 1;
                tracing::error!(
                    alarm = "AgreementUnchecked",
                    agreement.id = %agreement,
                    error = %Chain(&error),
                    "an agreement that AWS lists could not be compared; the next run tries again"
                );
            }
        }
    }

    /// Learns how an agreement stands, if a license would stand otherwise with it
    /// than without, or if it was changed after the last that was told of it, such
    /// as in its rates; in what.
    pub(crate) async fn repair(
        &self,
        described: DescribedAgreement,
        changed_at: Option<Timestamp>,
        found: Found,
    ) -> Result<Vec<Difference>, DeriveError> {
        let now = described.asked_at;
        let known = self.store.facts_of_agreement(&described.agreement).await?;
        let of_it = |fact: &&Fact| fact.agreement() == Some(&described.agreement);
        let told_at = known.iter().filter(of_it).map(|fact| fact.learned_at).max();
        let mut licenses = licenses_of(&known);
        licenses.extend(described.licenses.iter().map(|arn| arn.id().clone()));
        let fact = Fact::learned(Told::Described(Box::new(described)), now);
        let changed = changed_at.filter(|at| told_at.is_some_and(|told| told < *at));
        let mut news: Vec<Difference> = changed.map(Difference::ChangedAt).into_iter().collect();
        for license in &licenses {
            let known = self.store.license(license).await?;
            let mut facts = self
                .facts_about(license, known.as_ref(), Some(&fact))
                .await?;
            let without = derive(license, &facts);
            facts.push(fact.clone());
            let with = derive(license, &facts);
            match (&without, &with) {
                (Some(without), Some(with)) => news.extend(without.differences(with)),
                (None, None) => {}
                (None, Some(_)) | (Some(_), None) => news.push(Difference::NewlyKnown),
            }
        }
        if !news.is_empty() && found == Found::Learned {
            self.learn(fact, now).await?;
        }
        Ok(news)
    }
}

/// In what an agreement stands otherwise, on one line.
pub fn in_words(differences: &[Difference]) -> String {
    let words: Vec<String> = differences.iter().map(ToString::to_string).collect();
    words.join("; ")
}

fn report_unreadable(missing: &[&'static str]) {
    for what in missing {
        tracing::error!(
            alarm = "AgreementUnchecked",
            "an agreement that AWS lists has no usable {what}; it is passed over"
        );
    }
}

#[cfg(test)]
mod tests;

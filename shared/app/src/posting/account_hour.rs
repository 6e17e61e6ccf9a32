//! Posting one part of an account's hour.

use std::collections::BTreeMap;

use domain::account::{Account, Standing};
use domain::hour::Hour;
use domain::ids::{AccountId, LicenseId};
use domain::ledger::account_hour::{ReplayError, Reports, Standings, Target, Unbillable};
use domain::ledger::attribution::LinkedSpan;
use domain::linking::Link;
use domain::usage::Part;
use domain::usage::report::second_of;
use jiff::{SignedDuration, Timestamp};
use store::StoreError;
use store::usage::{SlotPosting, Written};

use super::target::TargetError;
use crate::App;

/// How often a posting that lost to somebody else is decided again in one run.
const MAX_TRIES: usize = 20;

/// Why an account-hour could not be posted.
#[derive(Debug, thiserror::Error)]
pub enum PostingError {
    /// DynamoDB did not answer, or an item is unreadable.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// What was posted before cannot be replayed.
    #[error("what was posted before cannot be replayed")]
    Replay(#[from] ReplayError),
    /// The account of a report is not there.
    #[error("the account is missing")]
    AccountMissing,
    /// A license that pays has no slot to take usage.
    #[error("no slot takes the usage")]
    Target(#[from] TargetError),
    /// Others changed the hour or its slots again and again.
    #[error("lost to other posters {MAX_TRIES} times")]
    Contended,
}

impl App {
    /// Posts all reports of an account-hour by today's links, until it commits
    /// or there is nothing to add.
    pub(super) async fn post_account_hour(
        &self,
        account: &AccountId,
        part: Part,
        hour: Hour,
    ) -> Result<(), PostingError> {
        for _ in 0..MAX_TRIES {
            if self.try_post(account, part, hour).await? == Written::Committed {
                return Ok(());
            }
        }
        Err(PostingError::Contended)
    }

    async fn try_post(
        &self,
        account: &AccountId,
        part: Part,
        hour: Hour,
    ) -> Result<Written, PostingError> {
        let now = self.clock.now();
        // The account-hour first: reports read before it could lack one that
        // somebody else posted in between, and the replay would then fail.
        let before = self.store.account_hour(account, part, hour).await?;
        let reports: Reports = self
            .store
            .reports(account, part, hour)
            .await?
            .into_iter()
            .map(|report| (report.id, report.observations))
            .collect();
        let snapshot = self
            .store
            .account(account)
            .await?
            .ok_or(PostingError::AccountMissing)?;
        let links = self
            .store
            .links_of_account(account, hour.start(), hour.end())
            .await?;
        let spans = linked_spans(&links, hour, now);
        let standings = standings(&snapshot, hour);
        let plan = before.plan(&reports, &spans, &standings, &self.settings.catalog)?;
        let Some(plan) = plan else {
            return Ok(Written::Committed);
        };
        let mut targets: BTreeMap<LicenseId, Target> = BTreeMap::new();
        for license in plan.licenses() {
            let target = self.target(&license, hour, now).await?;
            targets.insert(license, target);
        }
        let after = before.posted(plan, &targets);
        let slots: Vec<SlotPosting> = targets
            .into_iter()
            .filter_map(|(license, target)| match target {
                Target::Slot(slot) => Some(SlotPosting {
                    entry: after.entry(&license, slot),
                    license,
                    slot,
                }),
                Target::WrittenOff(_) => None,
            })
            .collect();
        Ok(self.store.post(&after, &slots).await?)
    }
}

/// The links as spans of the hour's seconds, an open one cut at `now`, so that
/// what is stored says what was known.
fn linked_spans(links: &[Link], hour: Hour, now: Timestamp) -> Vec<LinkedSpan> {
    let mut spans: Vec<LinkedSpan> = links
        .iter()
        .map(|link| LinkedSpan {
            license: link.license.clone(),
            from: second_of(hour, link.from),
            until: second_of(hour, link.until.unwrap_or(now).min(hour.end())),
        })
        .filter(|span| span.from < span.until)
        .collect();
    spans.sort_by_key(|span| span.from);
    spans
}

/// How the account stood through the hour, minute by minute where it changed.
fn standings(account: &Account, hour: Hour) -> Standings {
    let mut standings = Standings::new();
    for minute in 0..60 {
        let instant = domain::hour::after(hour.start(), SignedDuration::from_mins(minute));
        let reason = reason(account.standing_at(instant));
        if standings.last().is_none_or(|(_, last)| *last != reason) {
            standings.push((second_of(hour, instant), reason));
        }
    }
    standings
}

/// Why what no license pays for is not billed, by how the account stands.
fn reason(standing: Standing) -> Unbillable {
    match standing {
        Standing::Trial => Unbillable::Trial,
        Standing::Annual => Unbillable::Annual,
        Standing::Grace => Unbillable::Grace,
        // Subscribed at another second of the hour than the computer ran.
        Standing::Subscribed | Standing::Expired => Unbillable::Expired,
        Standing::Suspended => Unbillable::Suspended,
    }
}

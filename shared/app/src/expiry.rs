//! Recording what the clock did: trials, graces and annual subscriptions that
//! ended; and asking AWS about the licenses of which something is to be asked.

use domain::change::Decision;
use domain::expiry::decide_due;
use domain::ids::{AccountId, LicenseId};
use jiff::Timestamp;
use store::StoreError;
use store::subscriptions::{CommitOutcome, DUE_SHARDS, Due};

use crate::pace::Pace;
use crate::{App, Chain};

/// What a run of [`App::expire_due`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExpiryRun {
    /// Accounts whose end was recorded.
    pub recorded: usize,
    /// Licenses that were looked at.
    pub looked_at: usize,
    /// Accounts that the index named and that were not due any more.
    pub stale: usize,
    /// Accounts and licenses that could not be recorded; the next run tries again.
    pub failed: usize,
    /// The earliest instant at which anything known falls due; in the past when
    /// the deadline stopped the run or something failed.
    pub next: Option<Timestamp>,
}

impl App {
    /// Records everything that fell due, as far as it gets before the deadline.
    /// One account or license that fails does not hold up the others.
    ///
    /// # Errors
    /// [`StoreError`] when the index cannot be read.
    pub async fn expire_due(&self, deadline: Timestamp) -> Result<ExpiryRun, StoreError> {
        let now = self.clock.now();
        let mut run = ExpiryRun::default();
        let mut licenses = Vec::new();
        for shard in 0..DUE_SHARDS {
            let mut after = None;
            loop {
                let page = self.store.due_entries(shard, now, after).await?;
                for due in &page.entries {
                    if self.clock.now() >= deadline {
                        run.next = self.store.next_due().await?;
                        return Ok(run);
                    }
                    match due {
                        Due::Account(account) => self.expire(account, now, &mut run).await,
                        Due::License(license) => licenses.push(license.clone()),
                    }
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        // Asking AWS may take long: what the clock did is recorded before.
        let mut pace = Pace::TWO_A_SECOND;
        for license in &licenses {
            pace.turn(&*self.clock).await;
            if self.clock.now() >= deadline {
                break;
            }
            self.look_at(license, &mut run).await;
        }
        run.next = self.store.next_due().await?;
        Ok(run)
    }

    async fn expire(&self, account: &AccountId, now: Timestamp, run: &mut ExpiryRun) {
        match self.record_expiry(account, now).await {
            Ok(Some(CommitOutcome::Committed)) => run.recorded += 1,
            Ok(None) => run.stale += 1,
            Ok(Some(CommitOutcome::Lost)) => run.failed += 1,
            Err(error) => {
                run.failed += 1;
                tracing::error!(
                    account.id = %account,
                    error = %Chain(&error),
                    "an account that is due could not be recorded as expired; the next run tries again"
                );
            }
        }
    }

    async fn look_at(&self, license: &LicenseId, run: &mut ExpiryRun) {
        match self.ask_about(license).await {
            Ok(()) => run.looked_at += 1,
            Err(error) => {
                run.failed += 1;
                tracing::error!(
                    license.id = %license,
                    error = %Chain(&error),
                    "a license that is due could not be brought up to date; the next run tries again"
                );
            }
        }
    }

    async fn record_expiry(
        &self,
        account: &AccountId,
        now: Timestamp,
    ) -> Result<Option<CommitOutcome>, StoreError> {
        let Some(account) = self.store.account(account).await? else {
            return Ok(None);
        };
        match decide_due(&account, now) {
            Decision::AlreadyCommitted => Ok(None),
            Decision::Commit(change) => self.store.commit(&change).await.map(Some),
        }
    }
}

#[cfg(test)]
mod tests;

//! The final usage of licenses that ended: posted every minute, not waiting
//! for the shards' cursors, until AWS takes no more.

use std::collections::BTreeSet;

use domain::hour::{Hour, after};
use domain::ids::{AccountId, LicenseId};
use domain::ledger::deadline::{final_usage_until, last_hour};
use domain::license::{LicenseEnd, LicenseStatus};
use domain::usage::Part;
use jiff::Timestamp;
use store::StoreError;

use super::{AGAIN_AFTER, PostingError, PostingRun};
use crate::{App, Chain};

/// How many hours before its last one an ended license may still have unposted.
const HOURS_BEFORE_LAST: i32 = 1;

impl App {
    /// Has the final usage of a license looked after, if it ended and AWS
    /// still takes usage.
    pub(crate) async fn begin_final_usage(
        &self,
        license: &LicenseId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(license) = self.store.license(license).await? else {
            return Ok(());
        };
        match license.status {
            LicenseStatus::Ended { end, .. } if now < final_usage_until(&end) => {
                self.store.begin_final_usage(&license.id, now).await
            }
            LicenseStatus::Ended { .. } | LicenseStatus::Pending | LicenseStatus::Active { .. } => {
                Ok(())
            }
        }
    }

    /// Posts what is there of the last hours of every license that has ended.
    /// One that fails does not hold up the others.
    pub(super) async fn post_final_usage(
        &self,
        deadline: Timestamp,
        run: &mut PostingRun,
    ) -> Result<(), StoreError> {
        for license in self.store.final_usage().await? {
            let now = self.clock.now();
            run.next = run.next.min(after(now, AGAIN_AFTER));
            if now >= deadline {
                break;
            }
            if let Err(error) = self.post_last_hours(&license, now, run).await {
                run.failed += 1;
                tracing::error!(
                    license.id = %license,
                    error = %Chain(&error),
                    "final usage could not be posted; it is tried again every minute"
                );
            }
        }
        Ok(())
    }

    async fn post_last_hours(
        &self,
        license: &LicenseId,
        now: Timestamp,
        run: &mut PostingRun,
    ) -> Result<(), PostingError> {
        let end = match self.store.license(license).await?.map(|l| l.status) {
            Some(LicenseStatus::Ended { end, .. }) if now < final_usage_until(&end) => end,
            Some(
                LicenseStatus::Ended { .. } | LicenseStatus::Pending | LicenseStatus::Active { .. },
            )
            | None => return Ok(self.store.end_final_usage(license).await?),
        };
        for hour in last_hours(&end) {
            let links = self
                .store
                .links_of_license(license, hour.start(), hour.end())
                .await?;
            let accounts: BTreeSet<AccountId> = links.into_iter().map(|l| l.account).collect();
            for account in accounts {
                let Some(snapshot) = self.store.account(&account).await? else {
                    continue;
                };
                for part in Part::all(snapshot.parts.count_at(hour)) {
                    run.account_hours += 1;
                    self.post_account_hour(&account, part, hour).await?;
                }
            }
        }
        Ok(())
    }
}

/// The hours of an ended license that may not be settled yet.
pub(crate) fn last_hours(end: &LicenseEnd) -> impl Iterator<Item = Hour> {
    let last = last_hour(end);
    (0..=HOURS_BEFORE_LAST)
        .rev()
        .map(move |back| last.plus(-back))
}

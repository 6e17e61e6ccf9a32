//! The final usage of licenses that ended: posted every minute, not waiting
//! for the shards' cursors, until AWS takes no more.

use std::collections::BTreeSet;

use domain::hour::{Hour, after};
use domain::ids::{AccountId, LicenseId};
use domain::ledger::deadline::{final_usage_until, last_hour, surely_past};
use domain::license::{LicenseEnd, LicenseStatus};
use domain::usage::Part;
use jiff::Timestamp;

use super::{AGAIN_AFTER, Poster, PostingRun};
use crate::notice::{Notice, chain};
use crate::step::StepError;
use crate::steps::Steps;

/// How many hours before its last one an ended license may still have unposted.
const HOURS_BEFORE_LAST: i32 = 1;

/// Has the final usage of a license looked after, if it has ended and AWS still
/// takes usage.
///
/// # Errors
/// [`StepError`]
pub async fn begin_final_usage(steps: &Steps, license: &LicenseId) -> Result<(), StepError> {
    let now = steps.now();
    let stored = steps.license(license.clone()).await?;
    match stored.as_ref().map(|license| &license.status) {
        Some(LicenseStatus::Ended { end, .. }) if !surely_past(final_usage_until(end), now) => {
            steps.begin_final_usage(license.clone(), now).await
        }
        Some(
            LicenseStatus::Ended { .. } | LicenseStatus::Pending | LicenseStatus::Active { .. },
        )
        | None => Ok(()),
    }
}

impl Poster<'_> {
    /// Posts what is there of the last hours of every license that has ended.
    /// A license, or an account-hour of one, that fails does not hold up the others.
    pub(super) async fn post_final_usage(&self, run: &mut PostingRun) -> Result<(), StepError> {
        let ending = self.steps.final_usage().await?;
        run.failed += self.steps.tell_unreadable(ending.unreadable);
        for license in ending.items {
            let now = self.steps.now();
            run.next = run.next.min(after(now, AGAIN_AFTER));
            if now >= self.deadline {
                break;
            }
            if let Err(error) = self.post_last_hours(&license, now, run).await {
                run.failed += 1;
                self.steps.tell(Notice::FinalUsageFailed {
                    license,
                    reason: chain(&error),
                });
            }
        }
        Ok(())
    }

    async fn post_last_hours(
        &self,
        license: &LicenseId,
        now: Timestamp,
        run: &mut PostingRun,
    ) -> Result<(), StepError> {
        let steps = self.steps;
        let stored = steps.license(license.clone()).await?;
        let end = match stored.as_ref().map(|license| &license.status) {
            Some(LicenseStatus::Ended { end, .. }) if !surely_past(final_usage_until(end), now) => {
                *end
            }
            Some(
                LicenseStatus::Ended { .. } | LicenseStatus::Pending | LicenseStatus::Active { .. },
            )
            | None => return steps.end_final_usage(license.clone()).await,
        };
        for hour in last_hours(&end) {
            let links = steps
                .links_of_license(license.clone(), hour.start(), hour.end())
                .await?;
            let accounts: BTreeSet<AccountId> = links.into_iter().map(|l| l.account).collect();
            for account in accounts {
                let Some(snapshot) = steps.account(account.clone()).await? else {
                    continue;
                };
                for part in Part::all(snapshot.parts.count_at(hour)) {
                    run.account_hours += 1;
                    if let Err(error) = self.post_account_hour(&account, part, hour).await {
                        run.failed += usize::from(!error.only_waits());
                        self.failed(&account, part, hour, &error);
                    }
                }
            }
        }
        Ok(())
    }
}

/// The hours of an ended license that may not be settled yet.
fn last_hours(end: &LicenseEnd) -> impl Iterator<Item = Hour> {
    let last = last_hour(end);
    (0..=HOURS_BEFORE_LAST)
        .rev()
        .map(move |back| last.plus(-back))
}

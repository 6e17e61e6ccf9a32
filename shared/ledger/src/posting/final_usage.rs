//! The final usage of licenses that ended: posted every minute, not waiting
//! for the shards' cursors, until AWS takes no more. Then what it refused of
//! them is [released](super::releasing).

use std::collections::BTreeSet;

use domain::hour::{Hour, after};
use domain::ids::{AccountId, LicenseId};
use domain::ledger::deadline::{final_usage_until, last_hour, surely_past};
use domain::license::{LicenseEnd, LicenseStatus, LinkedLate};
use domain::usage::Part;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::{AGAIN_AFTER, CONCURRENCY, Poster, PostingRun, Refused};
use crate::notice::{Notice, chain};
use crate::rules::Rules;
use crate::step::{Ending, Marker, StepError};
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
            steps
                .begin_final_usage(Ending::fresh(steps, license.clone()), now)
                .await
        }
        Some(
            LicenseStatus::Ended { .. } | LicenseStatus::Pending | LicenseStatus::Active { .. },
        )
        | None => Ok(()),
    }
}

/// Has the hours posted again of which a link tells only now that it was there,
/// and what AWS refused meanwhile of the license that it follows looked after.
/// Usage that is too old to be billed in any slot to come is left. Repeating
/// it, or doing it without need, changes nothing.
///
/// # Errors
/// [`StepError`]
pub async fn post_linked_late(
    steps: &Steps,
    rules: &Rules,
    late: &LinkedLate,
) -> Result<(), StepError> {
    let running = Hour::of(steps.now());
    let mut hour = Hour::of(late.from).max(running.plus(-rules.carry.hours));
    if hour >= running {
        return Ok(());
    }
    let Some(account) = steps.account(late.account.clone()).await? else {
        return Ok(());
    };
    let mut puts = Vec::new();
    while hour < running {
        for part in Part::all(account.parts.count_at(hour)) {
            let marker = Marker::fresh(steps, account.id.clone(), part, hour);
            puts.push(steps.put_marker(marker));
        }
        hour = hour.next();
    }
    stream::iter(puts)
        .buffer_unordered(CONCURRENCY)
        .try_collect::<Vec<()>>()
        .await?;
    let ending = Ending::fresh(steps, late.follows.clone());
    steps.begin_final_usage(ending, steps.now()).await
}

impl Poster<'_> {
    /// Posts what is there of the last hours of every license that has ended.
    /// A license, or an account-hour of one, that fails does not hold up the others.
    pub(super) async fn post_final_usage(&self, run: &mut PostingRun) -> Result<(), StepError> {
        let ending = self.steps.final_usage().await?;
        run.failed += self.steps.tell_unreadable(ending.unreadable);
        for ending in ending.items {
            let now = self.steps.now();
            run.next = run.next.min(after(now, AGAIN_AFTER));
            if now >= self.deadline {
                break;
            }
            if let Err(error) = self.post_last_hours(&ending, now, run).await {
                run.failed += 1;
                self.steps.tell(Notice::FinalUsageFailed {
                    license: ending.license,
                    reason: chain(&error),
                });
            }
        }
        Ok(())
    }

    async fn post_last_hours(
        &self,
        ending: &Ending,
        now: Timestamp,
        run: &mut PostingRun,
    ) -> Result<(), StepError> {
        let (steps, license) = (self.steps, &ending.license);
        let stored = steps.license(license.clone()).await?;
        let end = match stored.as_ref().map(|license| &license.status) {
            Some(LicenseStatus::Ended { end, .. }) => *end,
            Some(LicenseStatus::Pending | LicenseStatus::Active { .. }) | None => {
                let _newer_stays = steps.end_final_usage(ending.clone()).await?;
                return Ok(());
            }
        };
        if surely_past(final_usage_until(&end), now) {
            if self.release_refused(license, &end, now, run).await? {
                let _newer_stays = steps.end_final_usage(ending.clone()).await?;
            }
            return Ok(());
        }
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
                    let posted = self.post_account_hour(&account, part, hour, Refused::Stays);
                    if let Err(error) = posted.await {
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

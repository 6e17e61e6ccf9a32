//! The product's reports: each hour of every account, two minutes after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use domain::hour::{Hour, after, before};
use fake_aws::{FakeAws, Schedule};
use jiff::{SignedDuration, Timestamp};

use super::fleet::{ACCOUNTS, report};
use crate::functions::Functions;

/// How long after its end an hour is reported.
const REPORTED_AFTER: SignedDuration = SignedDuration::from_mins(2);

/// How far back a product that was away reports, below the 48 h that are taken.
const CATCHES_UP: SignedDuration = SignedDuration::from_hours(40);

/// Which hour is reported next. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reporting {
    next: Arc<AtomicI32>,
}

impl Reporting {
    /// Reports from the hour of `opened` on, or as far back as is taken.
    pub(crate) fn since(opened: Timestamp, now: Timestamp) -> Self {
        let from = Hour::of(opened.max(before(now, CATCHES_UP)));
        Self {
            next: Arc::new(AtomicI32::new(from.number())),
        }
    }

    /// Adds the reports to the fake's clock.
    pub(crate) fn run_on(&self, fake: &FakeAws, functions: &Functions) {
        let (due, reporting, functions) = (self.clone(), self.clone(), functions.clone());
        fake.add_schedule(Schedule {
            name: "usage reports of the product".to_owned(),
            next: Arc::new(move |_| Some(after(due.hour().end(), REPORTED_AFTER))),
            run: Arc::new(move |_| {
                let (reporting, functions) = (reporting.clone(), functions.clone());
                Box::pin(async move {
                    reporting.report(&functions).await;
                })
            }),
        });
    }

    fn hour(&self) -> Hour {
        Hour::from_number(self.next.load(Ordering::SeqCst))
    }

    /// Reports the hour of every account. A report that the queue gives back is
    /// sent again: the product keeps what was not acknowledged.
    async fn report(&self, functions: &Functions) {
        let hour = self.hour();
        for account in ACCOUNTS {
            let report = report(account, hour);
            for _ in 0..3 {
                match functions.usage_report(&report).await {
                    Ok(()) => break,
                    Err(error) => {
                        tracing::warn!(account.id = account, usage.hour = %hour, error, "a usage report was not taken");
                    }
                }
            }
        }
        self.next.fetch_add(1, Ordering::SeqCst);
    }
}

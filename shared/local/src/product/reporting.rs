//! The product's reports: each hour of every account, two minutes after it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::hour::{Hour, after, before};
use fake_aws::{FakeAws, Schedule};
use jiff::{SignedDuration, Timestamp};

use super::Silence;
use super::fleet::{ACCOUNTS, report};
use crate::functions::Functions;

/// How long after its end an hour is reported.
const REPORTED_AFTER: SignedDuration = SignedDuration::from_mins(2);

/// How far back a product that was away reports, below the 48 h that are taken.
const CATCHES_UP: SignedDuration = SignedDuration::from_hours(40);

/// How long after a report that was not taken it is sent again.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// The age beyond which an hour is given up: it is no longer taken.
const GIVEN_UP_AFTER: SignedDuration = SignedDuration::from_hours(48);

/// Which hour is reported next, and when. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Reporting {
    due: Arc<Mutex<(Hour, Timestamp)>>,
    silence: Silence,
}

impl Reporting {
    /// Reports from the hour of `opened` on, or as far back as is taken, until there
    /// is silence.
    pub(crate) fn since(opened: Timestamp, now: Timestamp, silence: Silence) -> Self {
        let from = Hour::of(opened.max(before(now, CATCHES_UP)));
        Self {
            due: Arc::new(Mutex::new((from, after(from.end(), REPORTED_AFTER)))),
            silence,
        }
    }

    /// Adds the reports to the fake's clock.
    pub(crate) fn run_on(&self, fake: &FakeAws, functions: &Functions) {
        let (due, reporting, functions) = (self.clone(), self.clone(), functions.clone());
        fake.add_schedule(Schedule {
            name: "usage reports of the product".to_owned(),
            next: Arc::new(move |_| (!due.silence.has_fallen()).then(|| due.due().1)),
            run: Arc::new(move |now| {
                let (reporting, functions) = (reporting.clone(), functions.clone());
                Box::pin(async move {
                    reporting.report(&functions, now).await;
                })
            }),
        });
    }

    /// Reports the hour of every account. The product keeps what was not
    /// acknowledged: it sends the hour again until all of it is taken.
    async fn report(&self, functions: &Functions, now: Timestamp) {
        let (hour, _) = self.due();
        let mut all_taken = true;
        for account in ACCOUNTS {
            if let Err(error) = functions.usage_report(&report(account, hour)).await {
                all_taken = false;
                tracing::warn!(account.id = account, usage.hour = %hour, error, "a usage report was not taken; it is sent again");
            }
        }
        let given_up = after(hour.start(), GIVEN_UP_AFTER) < now;
        let next = if all_taken || given_up {
            (hour.next(), after(hour.next().end(), REPORTED_AFTER))
        } else {
            (hour, after(now, AGAIN_AFTER))
        };
        *self.lock() = next;
    }

    fn due(&self) -> (Hour, Timestamp) {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, (Hour, Timestamp)> {
        self.due.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

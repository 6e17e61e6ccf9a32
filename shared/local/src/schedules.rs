//! When the scheduled functions run: every minute on AWS; here every minute at
//! which there may be something to do, so that a clock moved by a month does
//! not cost 44,640 empty runs. The check of the ledger and catching up run hourly
//! on both, the comparison with AWS daily.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use fake_aws::{FakeAws, Schedule};
use jiff::Timestamp;

use crate::functions::{Functions, Ran, Scheduled};

const NEVER: i64 = i64::MAX;

/// Seconds of an hour after which AWS's agreements are looked at, as in the template.
const FIVE_PAST: i64 = 300;

/// Seconds of an hour after which the ledger is checked, as in the template.
const HALF_PAST: i64 = 1_800;

/// Seconds of a day after which our usage is compared with AWS's. The runs that the
/// template has after it only go on with what is unfinished: here the run says so.
const AT_TWO: i64 = 7_200;

/// The scheduled functions' next runs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Schedules {
    due: Arc<[(Scheduled, AtomicI64); 6]>,
}

impl Schedules {
    /// All due at the first time after `now`.
    pub(crate) fn new(now: Timestamp) -> Self {
        let at = |scheduled| (scheduled, AtomicI64::new(next_time(scheduled, now)));
        Self {
            due: Arc::new([
                at(Scheduled::UsagePosting),
                at(Scheduled::UsageSubmission),
                at(Scheduled::CatchingUp),
                at(Scheduled::GraceExpiry),
                at(Scheduled::LedgerCheck),
                at(Scheduled::Reconciliation),
            ]),
        }
    }

    /// Something changed: every function has a look at its next time.
    pub(crate) fn wake(&self, now: Timestamp) {
        for (scheduled, due) in self.due.iter() {
            due.fetch_min(next_time(*scheduled, now), Ordering::SeqCst);
        }
    }

    /// Adds them to the fake's clock.
    pub(crate) fn run_on(&self, fake: &FakeAws, functions: &Functions) {
        for (index, (scheduled, _)) in self.due.iter().enumerate() {
            let (schedules, functions, scheduled) = (self.clone(), functions.clone(), *scheduled);
            let due_at = self.clone();
            fake.add_schedule(Schedule {
                name: format!("{scheduled:?}"),
                next: Arc::new(move |_| due_at.next(index)),
                run: Arc::new(move |now| {
                    let (schedules, functions) = (schedules.clone(), functions.clone());
                    Box::pin(async move {
                        schedules.set(index, unless_told(scheduled, now));
                        let ran = functions.scheduled(scheduled, now).await;
                        schedules.ran(index, scheduled, ran, now);
                    })
                }),
            });
        }
    }

    /// Takes up what a run says is next. What posting did may be for
    /// submission to send, which runs after it in the same minute. What was
    /// learned from AWS may be for any function to act on in the next minute.
    fn ran(&self, index: usize, scheduled: Scheduled, ran: Ran, now: Timestamp) {
        if ran.learned {
            self.wake(now);
        }
        if let (Some(next), Some((_, due))) = (ran.next, self.due.get(index)) {
            let at = minute_from(next).max(next_time(scheduled, now));
            due.fetch_min(at, Ordering::SeqCst);
        }
        if scheduled == Scheduled::UsagePosting
            && let [_, (_, submission), ..] = self.due.as_ref()
        {
            submission.fetch_min(minute_from(now), Ordering::SeqCst);
        }
    }

    fn set(&self, index: usize, at: i64) {
        if let Some((_, due)) = self.due.get(index) {
            due.store(at, Ordering::SeqCst);
        }
    }

    fn next(&self, index: usize) -> Option<Timestamp> {
        let (_, due) = self.due.get(index)?;
        match due.load(Ordering::SeqCst) {
            NEVER => None,
            second => Timestamp::from_second(second).ok(),
        }
    }
}

/// When a function runs again unless it, or somebody else, says that there is
/// something to do: the checks look at other hours and days each time, and
/// catching up at what AWS lists.
fn unless_told(scheduled: Scheduled, now: Timestamp) -> i64 {
    match scheduled {
        Scheduled::LedgerCheck | Scheduled::CatchingUp | Scheduled::Reconciliation => {
            next_time(scheduled, now)
        }
        Scheduled::UsagePosting | Scheduled::UsageSubmission | Scheduled::GraceExpiry => NEVER,
    }
}

/// The first time after an instant at which a function's schedule may run it,
/// in seconds since 1970: a whole minute, an hour's fifth or thirtieth, or two
/// o'clock.
fn next_time(scheduled: Scheduled, now: Timestamp) -> i64 {
    match scheduled {
        Scheduled::LedgerCheck => next_hourly(HALF_PAST, now),
        Scheduled::CatchingUp => next_hourly(FIVE_PAST, now),
        Scheduled::Reconciliation => {
            (now.as_second() - AT_TWO).div_euclid(86_400) * 86_400 + 86_400 + AT_TWO
        }
        Scheduled::UsagePosting | Scheduled::UsageSubmission | Scheduled::GraceExpiry => {
            next_minute(now)
        }
    }
}

/// The first time after an instant that is so many seconds past an hour, in
/// seconds since 1970.
fn next_hourly(past: i64, now: Timestamp) -> i64 {
    (now.as_second() - past).div_euclid(3_600) * 3_600 + 3_600 + past
}

/// The first whole minute after an instant, in seconds since 1970.
fn next_minute(now: Timestamp) -> i64 {
    (now.as_second().div_euclid(60) + 1) * 60
}

/// The first whole minute not before an instant, in seconds since 1970.
fn minute_from(instant: Timestamp) -> i64 {
    (instant.as_second() + 59).div_euclid(60) * 60
}

//! What is due and has to wait: it is put off, so that the rest of the work list
//! is reached however much of it waits.

use domain::hour::{after, before};
use domain::ids::ProductCode;
use domain::ledger::deadline::{CARRIED_BEFORE_DEADLINE, CLOSED_AFTER_DEADLINE};
use domain::ledger::record::SET_ASIDE_FOR;
use jiff::{SignedDuration, Timestamp};

use super::{AGAIN_AFTER, Submitter};
use crate::notice::Notice;
use crate::step::{StepError, Work};

/// How long before a deadline a person must hear that sending is stopped.
const WARNED_BEFORE: SignedDuration = SignedDuration::from_hours(6);

/// What of a stopped product is near its deadline.
pub(super) struct StoppedNear {
    waiting: usize,
    earliest: Timestamp,
}

impl Submitter<'_> {
    /// Until when something is put off that waits for its license's hold or for
    /// its product's switch: for 15 minutes, but not beyond what becomes of it by
    /// its deadline, nor for long when that is so near that a clock an hour
    /// ahead would miss it.
    pub(super) fn waits_until(&self, product: &ProductCode, deadline: Timestamp) -> Timestamp {
        let now = self.steps.now();
        let carried = before(deadline, CARRIED_BEFORE_DEADLINE);
        let warned = before(deadline, WARNED_BEFORE);
        let mut until = after(now, SET_ASIDE_FOR).min(before(carried, CLOSED_AFTER_DEADLINE));
        if now < warned && self.controls.stopped.contains(product) {
            until = until.min(warned);
        }
        until.max(after(now, AGAIN_AFTER))
    }

    /// Has a due entry of the work list looked at later. Should that fail, it is
    /// looked at in the next run.
    pub(super) async fn put_off(&self, work: Work, until: Timestamp) {
        let _stays_due = self.steps.put_off(work, self.steps.now(), until).await;
    }

    /// Puts off what cannot be read: it is not to be in the way of what can.
    pub(super) async fn put_off_unreadable(&self, work: Work, error: &StepError) {
        match error {
            StepError::Corrupt(_) => {
                let until = after(self.steps.now(), SET_ASIDE_FOR);
                self.put_off(work, until).await;
            }
            StepError::Throttled | StepError::Unavailable(_) | StepError::Refused(_) => {}
        }
    }

    /// Puts off what waits for usage to be posted, if it is in the way: there is
    /// more in the work list than was asked for.
    pub(super) async fn put_off_in_the_way(&self, work: Work) {
        if self.ask {
            self.put_off(work, after(self.steps.now(), AGAIN_AFTER))
                .await;
        }
    }

    /// Takes in that something waits for its license or its product.
    pub(super) fn waits(&mut self, product: &ProductCode, deadline: Timestamp) {
        let near = self.steps.now() >= before(deadline, WARNED_BEFORE);
        if near && self.controls.stopped.contains(product) {
            let near = self.stopped_near.entry(product.clone());
            let near = near.or_insert(StoppedNear {
                waiting: 0,
                earliest: deadline,
            });
            near.waiting += 1;
            near.earliest = near.earliest.min(deadline);
        }
        self.due_next(self.waits_until(product, deadline));
    }

    /// Warns of usage that stopped products keep until its deadline is near.
    pub(super) fn warn_of_stopped(&self) {
        for (product, near) in &self.stopped_near {
            self.steps.tell(Notice::StoppedBeforeDeadline {
                product: product.clone(),
                waiting: near.waiting,
                earliest: near.earliest,
            });
        }
    }
}

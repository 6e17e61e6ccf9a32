//! Releasing: usage that AWS refused for good of a license that ended is billed
//! anew, to the license that AWS says goes on in its place, where that is linked in
//! the hour by now. In the hour in which the one took over from the other that is what
//! the new one was linked for too. Another license, of whoever pays since a person said
//! so, is never charged for it.
//!
//! So it comes when an end is learned of late: a license was renewed by another
//! one, AWS's events did not arrive and its API did not answer, and meanwhile
//! hours were posted onto the license that was over. Nothing is released while
//! AWS may have taken any of it: each of its records is closed as refused, with
//! every attempt answered, or was never sent at all. Neither changes any more,
//! so that posting needs no more than the account-hour's own version.

use std::collections::BTreeSet;

use domain::hour::{Hour, after};
use domain::ids::{AccountId, LicenseId};
use domain::ledger::account_hour::{AccountHour, Line, Target, WriteOff};
use domain::ledger::attribution::LinkedSpan;
use domain::ledger::deadline::{final_usage_until, last_hour, surely_past};
use domain::ledger::record::{CloseReason, RecordState};
use domain::ledger::slot::{SlotEntry, SlotState};
use domain::license::{LONGEST_CHAIN, License, LicenseEnd};
use domain::mutant;
use domain::usage::Part;
use jiff::{SignedDuration, Timestamp};

use super::{Poster, PostingRun, terms};
use crate::notice::Notice;
use crate::step::{Slot, StepError};

/// For so long after an end was learned of, slots are waited for that are not
/// closed yet.
const LOOKED_FOR: SignedDuration = SignedDuration::from_hours(48);

/// What a posting does with what AWS refused of licenses that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It stays what it is.
    Stays,
    /// It is billed anew.
    IsReleased,
}

impl Poster<'_> {
    /// Bills anew what AWS refused of a license that ended; whether that is
    /// done, or a slot of it is not closed yet.
    pub(super) async fn release_refused(
        &self,
        license: &LicenseId,
        end: &LicenseEnd,
        now: Timestamp,
        run: &mut PostingRun,
    ) -> Result<bool, StepError> {
        let until = Hour::of(now).plus(2);
        let slots = self.steps.slots(license.clone(), last_hour(end), until);
        let slots = slots.await?;
        run.failed += self.steps.tell_unreadable(slots.unreadable);
        let of_use = |entry: &SlotEntry| (entry.account.clone(), entry.part, entry.hour);
        let refused = slots.items.iter().filter(|slot| is_refused(slot));
        let refused: BTreeSet<(AccountId, Part, Hour)> =
            refused.flat_map(|slot| &slot.entries).map(of_use).collect();
        let mut failed = false;
        for (account, part, hour) in refused {
            run.account_hours += 1;
            let posted = self.post_account_hour(&account, part, hour, Refused::IsReleased);
            if let Err(error) = posted.await {
                failed = true;
                run.failed += usize::from(!error.only_waits());
                self.failed(&account, part, hour, &error);
            }
        }
        let waits = slots.items.iter().any(may_be_refused_yet);
        let for_long = after(end.learned_at, LOOKED_FOR) <= now;
        Ok(!failed && (!waits || for_long))
    }

    /// The licenses of an account-hour that ended and of whose usage AWS took
    /// nothing, if one that goes on in its place is linked in the hour.
    pub(super) async fn releases(
        &self,
        before: &AccountHour,
        spans: &[LinkedSpan],
        now: Timestamp,
    ) -> Result<Vec<LicenseId>, StepError> {
        let mut releases = Vec::new();
        if mutant!(RefusedStaysWithTheEnded) {
            return Ok(releases);
        }
        if self.controls.usage_in_doubt(before.hour) {
            return Ok(releases);
        }
        let in_slots = before.lines.iter().filter(|line| is_in_slot(line));
        let licenses: BTreeSet<&LicenseId> = in_slots.map(|line| &line.license).collect();
        for license in licenses {
            let is_other = |span: &LinkedSpan| span.license != *license;
            // What it covered while it was linked was rightly covered.
            let sent_only = !spans.iter().all(is_other);
            if spans.iter().any(is_other)
                && self.has_heir_among(license, spans).await?
                && self.is_refused(before, license, sent_only, now).await?
            {
                releases.push(license.clone());
            }
        }
        Ok(releases)
    }

    /// Whether one of these links is of a license that goes on in another's place,
    /// directly or after others.
    async fn has_heir_among(
        &self,
        license: &LicenseId,
        spans: &[LinkedSpan],
    ) -> Result<bool, StepError> {
        let mut of = license.clone();
        for _ in 0..LONGEST_CHAIN {
            let known = self.steps.license(of).await?;
            let Some(heir) = known.as_deref().and_then(License::heir) else {
                return Ok(false);
            };
            if spans.iter().any(|span| span.license == *heir) {
                return Ok(true);
            }
            of = heir.clone();
        }
        Ok(false)
    }

    /// Whether everything that an account-hour has of a license is refused for
    /// good; `sent_only` if what was never sent does not count as that.
    async fn is_refused(
        &self,
        before: &AccountHour,
        license: &LicenseId,
        sent_only: bool,
        now: Timestamp,
    ) -> Result<bool, StepError> {
        let known = terms(self.steps, license).await?;
        let end = known.and_then(|terms| terms.end);
        if !end.is_some_and(|end| surely_past(final_usage_until(&end), now)) {
            return Ok(false);
        }
        let last = before.hour.plus(self.rules.carry.hours).next();
        let slots = self.steps.slots(license.clone(), before.hour, last);
        let slots = slots.await?.whole()?;
        let mut lines = before.lines.iter().filter(|line| line.license == *license);
        Ok(lines.all(|line| match line.target {
            Target::Slot(origin) => lies_in(before, origin, &slots)
                .is_some_and(|slot| is_refused(slot) && !(sent_only && slot.records.is_empty())),
            Target::WrittenOff(WriteOff::Restored) => false,
            Target::Released(_)
            | Target::WrittenOff(WriteOff::LicenseEnded | WriteOff::TooLate) => true,
        }))
    }

    pub(super) fn tell_released(&self, before: &AccountHour, releases: &[LicenseId]) {
        for license in releases {
            let of_it = before.lines.iter().filter(|line| line.license == *license);
            let released = of_it.filter(|line| is_in_slot(line));
            self.steps.tell(Notice::BilledAnew {
                license: license.clone(),
                hour: before.hour,
                computer_hours: released.map(|line| u64::from(line.count)).sum(),
            });
        }
    }
}

fn is_in_slot(line: &Line) -> bool {
    match line.target {
        Target::Slot(_) => true,
        Target::Released(_) | Target::WrittenOff(_) => false,
    }
}

/// The slot in which an account-hour's usage lies that first entered `origin`.
fn lies_in<'a>(of: &AccountHour, origin: Hour, slots: &'a [Slot]) -> Option<&'a Slot> {
    slots.iter().find(|slot| {
        slot.entries.iter().any(|entry| {
            (&entry.account, entry.part, entry.hour) == (&of.account, of.part, of.hour)
                && entry.origin == origin
        })
    })
}

/// Whether AWS took nothing of a slot's usage and never will. What a contract
/// covered was never sent: the contract was over.
fn is_refused(slot: &Slot) -> bool {
    let refused = |state: &RecordState| match state {
        RecordState::Closed { reason, .. } => match reason {
            CloseReason::Refused => true,
            CloseReason::Unknown => mutant!(UnknownIsReleased),
            CloseReason::Conflict | CloseReason::WrittenOff => false,
        },
        RecordState::Frozen { .. } => mutant!(FrozenIsReleased),
        RecordState::Billed { .. } => false,
    };
    match slot.head.state {
        SlotState::Closed { reason, .. } => match reason {
            WriteOff::LicenseEnded | WriteOff::TooLate => true,
            WriteOff::Restored => false,
        },
        SlotState::Frozen { .. } => slot.records.iter().all(|record| refused(&record.state)),
        SlotState::Open | SlotState::Carrying { .. } | SlotState::Carried { .. } => false,
    }
}

/// Whether AWS may still refuse usage of a slot.
fn may_be_refused_yet(slot: &Slot) -> bool {
    match slot.head.state {
        SlotState::Open | SlotState::Carrying { .. } => !slot.entries.is_empty(),
        SlotState::Frozen { .. } => slot.records.iter().any(|record| match record.state {
            RecordState::Frozen { .. } => true,
            RecordState::Billed { .. } | RecordState::Closed { .. } => false,
        }),
        SlotState::Carried { .. } | SlotState::Closed { .. } => false,
    }
}

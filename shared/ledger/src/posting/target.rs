//! Which slot of a license takes usage.

use domain::hour::Hour;
use domain::ids::LicenseId;
use domain::ledger::account_hour::{Target, WriteOff};
use domain::ledger::deadline::{TakesUsage, carry_until, surely_past, takes_usage};
use domain::ledger::slot::{LicenseTerms, SlotState};
use domain::mutant;
use jiff::{SignedDuration, Timestamp};

use super::Poster;
use crate::rules::Rules;
use crate::step::StepError;
use crate::steps::Steps;

/// Why no slot takes usage of a license.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The store did not answer, or an item is unreadable.
    #[error("the store failed")]
    Store(#[from] StepError),
    /// A linked license is not stored, or was never active.
    #[error("the license {0} is missing or was never active")]
    NoLicense(LicenseId),
    /// No slot is open up to the running hour.
    #[error("no slot of the license {0} is open")]
    NoSlot(LicenseId),
    /// By this clock, which may be ahead, the license takes the usage no more:
    /// what becomes of it is decided later.
    #[error("it is too early to say that the license {0} takes the usage no more")]
    TooEarlyToSay(LicenseId),
}

impl Poster<'_> {
    /// The earliest open slot from the hour of use on that still takes usage;
    /// for a license that has ended, not after its last hour.
    pub(super) async fn target(
        &self,
        license: &LicenseId,
        hour: Hour,
        now: Timestamp,
    ) -> Result<Target, TargetError> {
        if self.controls.usage_in_doubt(hour) && !mutant!(RestoredUsageIsCarried) {
            return Ok(Target::WrittenOff(WriteOff::Restored));
        }
        let terms = terms(self.steps, license)
            .await?
            .ok_or_else(|| TargetError::NoLicense(license.clone()))?;
        match first_open(self.steps, self.rules, &terms, hour, hour, now).await? {
            FirstOpen::Slot(slot) => Ok(Target::Slot(slot)),
            FirstOpen::None(reason) => Ok(Target::WrittenOff(reason)),
            FirstOpen::NotYet
                if terms.end.is_some() || now >= carry_until(hour, self.rules.carry) =>
            {
                Err(TargetError::TooEarlyToSay(license.clone()))
            }
            FirstOpen::NotYet => Err(TargetError::NoSlot(license.clone())),
        }
    }
}

/// Which slot takes usage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirstOpen {
    /// This one.
    Slot(Hour),
    /// None by now; a later one, or this one by another clock, may.
    NotYet,
    /// None, and none ever will.
    None(WriteOff),
}

/// The earliest open slot of a license, from `first` up to the coming hour,
/// that takes usage of `hour`.
pub(crate) async fn first_open(
    steps: &Steps,
    rules: &Rules,
    terms: &LicenseTerms,
    hour: Hour,
    first: Hour,
    now: Timestamp,
) -> Result<FirstOpen, StepError> {
    let last = Hour::of(now).next().min(hour.plus(rules.carry.hours));
    let license = terms.arn.id();
    let (since, end) = (terms.active_since, terms.end.as_ref());
    let room = if mutant!(NoRoomBeforeDeadline) {
        SignedDuration::ZERO
    } else {
        rules.carry.room
    };
    let mut perhaps = false;
    let mut slot = first;
    while slot <= last {
        let takes = takes_usage(slot, since, end, room, now);
        if takes != TakesUsage::No && is_open(steps, license, slot).await? {
            if takes == TakesUsage::Yes {
                return Ok(FirstOpen::Slot(slot));
            }
            perhaps = true;
        }
        slot = slot.next();
    }
    Ok(if perhaps {
        FirstOpen::NotYet
    } else if end.is_some() {
        FirstOpen::None(WriteOff::LicenseEnded)
    } else if surely_past(carry_until(hour, rules.carry), now) {
        FirstOpen::None(WriteOff::TooLate)
    } else {
        FirstOpen::NotYet
    })
}

async fn is_open(steps: &Steps, license: &LicenseId, slot: Hour) -> Result<bool, StepError> {
    let head = steps.slot_head(license.clone(), slot).await?;
    Ok(match head.map(|head| head.state) {
        None | Some(SlotState::Open) => true,
        Some(SlotState::Frozen { .. }) => mutant!(LateIntoFrozenSlot),
        Some(SlotState::Carrying { .. } | SlotState::Carried { .. } | SlotState::Closed { .. }) => {
            false
        }
    })
}

/// What the ledger needs to know of a license; `None` when it is not stored or
/// was never active.
pub(crate) async fn terms(
    steps: &Steps,
    license: &LicenseId,
) -> Result<Option<LicenseTerms>, StepError> {
    let license = steps.license(license.clone()).await?;
    Ok(license.as_deref().and_then(LicenseTerms::of))
}

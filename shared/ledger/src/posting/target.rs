//! Which slot of a license takes usage.

use domain::hour::Hour;
use domain::ids::LicenseId;
use domain::ledger::account_hour::{Target, WriteOff};
use domain::ledger::deadline::takes_usage;
use domain::ledger::slot::{LicenseTerms, SlotState};
use domain::mutant;
use jiff::Timestamp;

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
        if let Some(slot) = first_open(self.steps, self.rules, &terms, hour, hour, now).await? {
            return Ok(Target::Slot(slot));
        }
        if terms.end.is_some() {
            return Ok(Target::WrittenOff(WriteOff::LicenseEnded));
        }
        if hour.plus(self.rules.carry.hours) < Hour::of(now) {
            return Ok(Target::WrittenOff(WriteOff::TooLate));
        }
        Err(TargetError::NoSlot(license.clone()))
    }
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
) -> Result<Option<Hour>, StepError> {
    let last = Hour::of(now).next().min(hour.plus(rules.carry.hours));
    let license = terms.arn.id();
    let mut slot = first;
    while slot <= last {
        let (since, end) = (terms.active_since, terms.end.as_ref());
        if takes_usage(slot, since, end, rules.carry.room, now) {
            let head = steps.slot_head(license.clone(), slot).await?;
            match head.map(|head| head.state) {
                None | Some(SlotState::Open) => return Ok(Some(slot)),
                Some(SlotState::Frozen { .. }) if mutant!(LateIntoFrozenSlot) => {
                    return Ok(Some(slot));
                }
                Some(
                    SlotState::Frozen { .. }
                    | SlotState::Carrying { .. }
                    | SlotState::Carried { .. }
                    | SlotState::Closed { .. },
                ) => {}
            }
        }
        slot = slot.next();
    }
    Ok(None)
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

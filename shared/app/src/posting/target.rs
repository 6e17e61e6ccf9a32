//! Which slot of a license takes usage.

use domain::hour::Hour;
use domain::ids::LicenseId;
use domain::ledger::account_hour::{Target, WriteOff};
use domain::ledger::deadline::takes_usage;
use domain::ledger::slot::{LicenseTerms, SlotState};
use domain::license::{License, LicenseStatus};
use jiff::Timestamp;
use store::StoreError;

use crate::App;

/// Why no slot takes usage of a license.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// DynamoDB did not answer, or an item is unreadable.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A linked license is not stored, or was never active.
    #[error("the license {0} is missing or was never active")]
    NoLicense(LicenseId),
    /// No slot is open up to the running hour.
    #[error("no slot of the license {0} is open")]
    NoSlot(LicenseId),
}

impl App {
    /// The earliest open slot from the hour of use on that still takes usage;
    /// for a license that has ended, not after its last hour.
    pub(super) async fn target(
        &self,
        license: &LicenseId,
        hour: Hour,
        now: Timestamp,
    ) -> Result<Target, TargetError> {
        let terms = self
            .terms(license)
            .await?
            .ok_or_else(|| TargetError::NoLicense(license.clone()))?;
        let mut slot = hour;
        while slot <= Hour::of(now).next() {
            if takes_usage(slot, terms.active_since, terms.end.as_ref(), now) {
                let head = self.store.slot_head(license, slot).await?;
                match head.map(|head| head.state) {
                    None | Some(SlotState::Open) => return Ok(Target::Slot(slot)),
                    Some(SlotState::Frozen { .. }) => {}
                }
            }
            slot = slot.next();
        }
        if terms.end.is_some() {
            tracing::error!(
                license.id = %license,
                usage.hour = %hour,
                "usage of an ended license is written off: no slot of it takes any more"
            );
            return Ok(Target::WrittenOff(WriteOff::LicenseEnded));
        }
        Err(TargetError::NoSlot(license.clone()))
    }

    /// What the ledger needs to know of a license; `None` when it is not
    /// stored or was never active.
    pub(crate) async fn terms(
        &self,
        license: &LicenseId,
    ) -> Result<Option<LicenseTerms>, StoreError> {
        Ok(self.store.license(license).await?.and_then(terms_of))
    }
}

fn terms_of(license: License) -> Option<LicenseTerms> {
    let (active_since, end) = match license.status {
        LicenseStatus::Pending => return None,
        LicenseStatus::Active { since } => (since, None),
        LicenseStatus::Ended { active_since, end } => (active_since?, Some(end)),
    };
    Some(LicenseTerms {
        product: license.product,
        arn: license.arn,
        buyer: license.buyer,
        active_since,
        end,
    })
}

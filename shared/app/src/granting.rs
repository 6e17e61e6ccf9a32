//! Granting what a license is entitled to: the ledger uses it up before anything
//! is metered.

use domain::ids::LicenseId;
use domain::license::{Covered, Granted, grants, misdated};

use crate::marketplace_events::{ATTEMPTS, DeriveError};
use crate::{App, Chain, OperationError};

impl App {
    /// Has the ledger use up what a license is entitled to before anything is
    /// metered: each dimension of a contract for the time from the agreement's
    /// start to the entitlement's end. What an answer names no more is covered
    /// no more; what was used stays used.
    pub(crate) async fn grant_entitlements(
        &self,
        license: &LicenseId,
        covered: &[Covered],
    ) -> Result<(), DeriveError> {
        let catalog = &self.settings.rules.catalog;
        if covered.is_empty() || !catalog.has_contracts() {
            return Ok(());
        }
        let mut stored = self.included(license).await?;
        for _ in 0..ATTEMPTS {
            let Some((period, from)) = misdated(covered, catalog, &stored) else {
                break;
            };
            // Lost to a freeze that took from it: it is read again.
            let _moved = self.store.move_included(period, from).await?;
            stored = self.included(license).await?;
        }
        for granted in grants(covered, catalog, &stored) {
            self.grant(license, &granted).await?;
        }
        Ok(())
    }

    async fn grant(&self, license: &LicenseId, granted: &Granted) -> Result<(), DeriveError> {
        let period = (granted.from, granted.until);
        let (dimension, computer_hours) = (&granted.dimension, granted.computer_hours);
        let granting = self.grant_included(license, dimension, period, computer_hours);
        match granting.await {
            Ok(_) => Ok(()),
            Err(OperationError::Store(error)) => Err(error.into()),
            Err(OperationError::Contended) => Err(DeriveError::Contended),
            Err(refused) => {
                tracing::error!(
                    alarm = "EntitlementNotGranted",
                    license.id = %license,
                    usage.dimension = %dimension,
                    error = %Chain(&refused),
                    "what a license is entitled to cannot be used up first; its usage beyond what was granted before is metered"
                );
                Ok(())
            }
        }
    }
}

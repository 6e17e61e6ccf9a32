//! Granting what a license is entitled to: the ledger uses it up before anything
//! is metered.

use domain::ids::LicenseId;
use domain::license::{Covered, Granted, grants, misdated};

use crate::App;
use crate::marketplace_events::{ATTEMPTS, DeriveError};

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
        granting.await?;
        Ok(())
    }
}

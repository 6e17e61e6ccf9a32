//! Granting what a license is entitled to: the ledger uses it up before anything
//! is metered.

use domain::ids::{Dimension, LicenseId};
use domain::license::License;
use jiff::Timestamp;

use crate::marketplace_events::{ATTEMPTS, DeriveError};
use crate::{App, Chain, OperationError};

/// For an entitlement of an agreement that has no end.
const NO_END: Timestamp = Timestamp::constant(253_370_764_800, 0);

impl App {
    /// Has the ledger use up what a license is entitled to before anything is
    /// metered: each dimension of a contract for the time from the agreement's
    /// start to the entitlement's end. What an answer names no more is covered
    /// no more; what was used stays used.
    pub(crate) async fn grant_entitlements(&self, license: &LicenseId) -> Result<(), DeriveError> {
        let catalog = &self.settings.rules.catalog;
        if !catalog.has_contracts() {
            return Ok(());
        }
        let Some(license) = self.store.license(license).await? else {
            return Ok(());
        };
        let (Some(told), Some(from)) = (&license.entitlements, license.agreement_since) else {
            return Ok(());
        };
        if told.asked_at < from || told.covers_nothing() {
            return Ok(());
        }
        self.mend_beginnings(&license, from, told.asked_at).await?;
        let covered = told.grants.iter().filter_map(|grant| {
            let metered = catalog.covered_by(&grant.dimension)?;
            let until = grant.expires_at.or(license.agreement_ends_at);
            let until = until.unwrap_or(NO_END);
            (told.asked_at < until).then_some((metered.clone(), until, grant.units?))
        });
        let covered: Vec<_> = covered.collect();
        for (dimension, until, units) in &covered {
            self.grant(&license, dimension, (from, *until), u64::from(*units))
                .await?;
        }
        for period in self.included(&license.id).await? {
            let runs = period.from <= told.asked_at && told.asked_at < period.until;
            let named = covered
                .iter()
                .any(|(dimension, ..)| *dimension == period.dimension && from == period.from);
            if runs && !named {
                // The period of an agreement that another one follows ends where that begins.
                let (until, units) = if period.from < from {
                    (from, period.granted)
                } else {
                    (period.until, 0)
                };
                self.grant(&license, &period.dimension, (period.from, until), units)
                    .await?;
            }
        }
        Ok(())
    }

    /// A period that was granted before the agreement's beginning was known began
    /// with the license's activation: it begins with the agreement, and what was
    /// used of it stays used.
    async fn mend_beginnings(
        &self,
        license: &License,
        from: Timestamp,
        asked_at: Timestamp,
    ) -> Result<(), DeriveError> {
        for _ in 0..ATTEMPTS {
            let periods = self.included(&license.id).await?;
            let is_there = |dimension: &Dimension| {
                let mut there = periods.iter();
                there.any(|period| period.dimension == *dimension && period.from == from)
            };
            let misdated = periods.iter().find(|period| {
                let runs = period.from <= asked_at && asked_at < period.until;
                // An earlier beginning may be that of an agreement before.
                let its_own = from < period.from || license.agreements.len() == 1;
                runs && its_own && !is_there(&period.dimension)
            });
            let Some(misdated) = misdated else {
                return Ok(());
            };
            // Lost to a freeze that took from it: it is read again.
            let _moved = self.store.move_included(misdated, from).await?;
        }
        Err(DeriveError::Contended)
    }

    async fn grant(
        &self,
        license: &License,
        dimension: &Dimension,
        period: (Timestamp, Timestamp),
        units: u64,
    ) -> Result<(), DeriveError> {
        match self
            .grant_included(&license.id, dimension, period, units)
            .await
        {
            Ok(_) => Ok(()),
            Err(OperationError::Store(error)) => Err(error.into()),
            Err(refused) => {
                tracing::error!(
                    license.id = %license.id,
                    error = %Chain(&refused),
                    "what a license is entitled to cannot be used up first"
                );
                Ok(())
            }
        }
    }
}

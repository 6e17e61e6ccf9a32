//! Hours without usage, which are reported as 0 if the seller chose so.
//!
//! A chain of empty slots: whatever becomes of one hour's slot opens the next
//! hour's, for as long as the license is live and linked. The first is opened
//! when the license is linked.

use domain::hour::Hour;
use domain::ids::{Dimension, LicenseId};
use domain::ledger::deadline::zero_due;
use domain::ledger::slot::LicenseTerms;

use super::Submitter;
use crate::posting::terms;
use crate::rules::Rules;
use crate::step::StepError;
use crate::steps::Steps;

/// Has a license that was linked just now reported also for the hours in which
/// it is not used. Repeating it changes nothing; where zeros are not sent it
/// does nothing.
///
/// # Errors
/// [`StepError`]; usage of the license begins the chain as well.
pub async fn begin_zeros(
    steps: &Steps,
    rules: &Rules,
    license: &LicenseId,
) -> Result<(), StepError> {
    if rules.zero_dimension().is_none() {
        return Ok(());
    }
    let terms = terms(steps, license).await?;
    if let Some(terms) = terms.filter(|terms| terms.end.is_none()) {
        open_empty(steps, &terms, Hour::of(steps.now())).await?;
    }
    Ok(())
}

async fn open_empty(steps: &Steps, terms: &LicenseTerms, hour: Hour) -> Result<(), StepError> {
    let due = zero_due(hour, terms.active_since);
    let license = terms.arn.id().clone();
    let _there = steps.open_slot(license, hour, due).await?;
    Ok(())
}

impl Submitter<'_> {
    /// The dimension under which an hour is reported as 0 should it be empty.
    /// Opens the next hour's slot first, so that a crash does not end the chain.
    pub(super) async fn zero_of(
        &self,
        terms: &LicenseTerms,
        hour: Hour,
    ) -> Result<Option<&Dimension>, StepError> {
        let Some(zero) = self.rules.zero_dimension() else {
            return Ok(None);
        };
        let license = terms.arn.id();
        if terms.end.is_some() || !self.is_linked(license, hour).await? {
            return Ok(None);
        }
        open_empty(self.steps, terms, hour.next()).await?;
        Ok(Some(zero))
    }

    async fn is_linked(&self, license: &LicenseId, hour: Hour) -> Result<bool, StepError> {
        let links = self
            .steps
            .links_of_license(license.clone(), hour.start(), hour.end());
        Ok(!links.await?.is_empty())
    }
}

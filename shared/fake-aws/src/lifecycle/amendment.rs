//! Amending an agreement: the same one goes on under another offer's terms,
//! to another end, or with other entitlements.

use jiff::Timestamp;

use super::going_on;
use crate::control::ControlError;
use crate::events::Family;
use crate::offers::OfferKind;
use crate::state::{Agreement, AgreementStatus, Change, Marketplace};
use crate::terms::AcceptedTerms;
use crate::{FakeAws, Inner, whole_seconds};

/// What an amendment changes; at least one thing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Amendment {
    /// To another offer's terms, of which instalments and free days count from
    /// now on. An end stays as it is; pay as you go has none.
    pub offer: Option<OfferKind>,
    /// To another end, ahead of the clock.
    pub ends_at: Option<Timestamp>,
    /// To another value of the entitlement of each of the contract's
    /// dimensions; at most 2147483647.
    pub hours: Option<u32>,
    /// To other dates of a contract's instalments, as many as it has, ascending,
    /// within its term: a private offer may name any.
    pub payments: Option<Vec<Timestamp>>,
}

impl FakeAws {
    /// An agreement is amended. Its license is updated, unless it has not
    /// begun. The events are delivered before this returns, unless a fault
    /// says otherwise.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Ended`],
    /// [`ControlError::Field`], [`ControlError::Storage`].
    pub async fn amend_agreement(
        &self,
        agreement_id: &str,
        amendment: Amendment,
    ) -> Result<(), ControlError> {
        let now = self.now();
        let first = self.commit(|state| {
            let agreement = going_on(state, agreement_id)?;
            let agreement = self.inner.amended(state, agreement, amendment, now)?;
            let mut events = vec![(Family::AgreementAmended, &agreement)];
            if agreement.status == AgreementStatus::Active {
                events.push((Family::LicenseUpdated, &agreement));
            }
            let queued = self.inner.queue_now(&events, now);
            let amended = Change::AgreementAmended {
                agreement: Box::new(agreement),
            };
            Ok(vec![amended, queued])
        })?;
        self.deliver_due_from(first).await;
        Ok(())
    }
}

impl Inner {
    fn amended(
        &self,
        state: &Marketplace,
        agreement: &Agreement,
        amendment: Amendment,
        now: Timestamp,
    ) -> Result<Agreement, ControlError> {
        if amendment == Amendment::default() {
            let reason = "give an offer, ends_at, hours or payments to change";
            return Err(ControlError::field("offer", reason));
        }
        let mut amended = agreement.clone();
        amended.updated_at = whole_seconds(now);
        if let Some(offer) = amendment.offer {
            self.change_terms(&mut amended, offer);
        }
        if let Some(hours) = amendment.hours {
            change_entitlements(&mut amended, hours)?;
        }
        if let Some(ends_at) = amendment.ends_at {
            change_end(&mut amended, ends_at, now)?;
        }
        if let Some(payments) = amendment.payments {
            change_payments(&mut amended, payments)?;
        }
        let renewed_at = state.successor(&agreement.agreement_id);
        let renewed_at = renewed_at.map(|renewal| renewal.starts_at);
        if let (Some(ends_at), Some(renewed_at)) = (amended.ends_at, renewed_at)
            && ends_at < renewed_at
        {
            let reason = format!("must not lie before {renewed_at}, when its renewal begins");
            return Err(ControlError::field("ends_at", reason));
        }
        Ok(amended)
    }

    fn change_terms(&self, amended: &mut Agreement, offer: OfferKind) {
        let accepted = AcceptedTerms {
            since: amended.updated_at.max(amended.starts_at),
            payments: None,
            terms: self.offer(offer).terms.clone(),
        };
        let has_end = accepted.terms.contract.is_some();
        amended.offer = offer;
        amended.ends_at = amended.ends_at.or(accepted.end()).filter(|_| has_end);
        amended.auto_renewal &= has_end;
        let former = std::mem::replace(&mut amended.terms, accepted);
        if former.since < amended.terms.since {
            amended.former_terms.push(former);
        }
    }
}

fn change_entitlements(amended: &mut Agreement, hours: u32) -> Result<(), ControlError> {
    let refuse = |reason| Err(ControlError::field("hours", reason));
    let Some(contract) = &mut amended.terms.terms.contract else {
        return refuse("goes with a contract only: pay as you go entitles to nothing");
    };
    if i32::try_from(hours).is_err() {
        return refuse("must be at most 2147483647");
    }
    for entitled in &mut contract.entitlements {
        entitled.value = hours.into();
    }
    Ok(())
}

fn change_end(
    amended: &mut Agreement,
    ends_at: Timestamp,
    now: Timestamp,
) -> Result<(), ControlError> {
    let refuse = |reason: String| Err(ControlError::field("ends_at", reason));
    if amended.terms.terms.contract.is_none() {
        return refuse("goes with a contract only: pay as you go has no end".to_owned());
    }
    let earliest = now.max(amended.starts_at);
    let ends_at = whole_seconds(ends_at);
    if ends_at <= earliest {
        return refuse(format!("must lie after {earliest}"));
    }
    amended.ends_at = Some(ends_at);
    Ok(())
}

fn change_payments(amended: &mut Agreement, payments: Vec<Timestamp>) -> Result<(), ControlError> {
    let refuse = |reason: String| Err(ControlError::field("payments", reason));
    let Some(contract) = &amended.terms.terms.contract else {
        return refuse("goes with a contract only: pay as you go has no instalments".to_owned());
    };
    let as_many = u32::try_from(payments.len()).is_ok_and(|count| count == contract.instalments);
    if !as_many {
        let reason = format!(
            "must be {} instants, one an instalment",
            contract.instalments
        );
        return refuse(reason);
    }
    if !payments.is_sorted_by(|earlier, later| earlier < later) {
        return refuse("must be in ascending order".to_owned());
    }
    let (first, last) = (
        amended.terms.since,
        amended.ends_at.unwrap_or(Timestamp::MAX),
    );
    if !payments.iter().all(|at| first <= *at && *at < last) {
        return refuse(format!("must lie from {first} on and before {last}"));
    }
    amended.terms.payments = Some(payments);
    Ok(())
}

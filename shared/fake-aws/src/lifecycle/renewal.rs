//! Renewing an agreement, or replacing it by another: a new agreement of the
//! same chain, under the same license or another.

use jiff::Timestamp;

use super::{LICENSE_ISSUER, NewAgreement, going_on, start, status_at};
use crate::control::ControlError;
use crate::events::Family;
use crate::offers::OfferKind;
use crate::state::{Agreement, AgreementStatus, Change, Intent, Marketplace};
use crate::terms::{AcceptedTerms, Terms};
use crate::{FakeAws, Inner, whole_seconds};

/// How an agreement is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewal {
    /// Under which license.
    pub license: RenewedLicense,
    /// What AWS calls it.
    pub intent: RenewalIntent,
    /// Under another offer's terms; `None`: under those accepted, but for free
    /// days.
    pub offer: Option<OfferKind>,
    /// When the new agreement begins, ahead of the clock and not after the end
    /// of the one before; `None`: at once.
    pub starts_at: Option<Timestamp>,
}

/// The license of a renewal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenewedLicense {
    /// That of the agreement before, which goes on.
    Same,
    /// Another; that of the agreement before ends with it.
    New,
}

/// What a renewal is to AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenewalIntent {
    /// The agreement before ends as renewed.
    Renew,
    /// The agreement before ends as replaced.
    Replace,
}

impl RenewedLicense {
    /// Its name in the control API.
    pub(crate) fn named(name: &str) -> Result<RenewedLicense, ControlError> {
        match name {
            "same" => Ok(RenewedLicense::Same),
            "new" => Ok(RenewedLicense::New),
            _ => Err(ControlError::field("license", "must be same or new")),
        }
    }
}

impl RenewalIntent {
    /// Its name in the control API.
    pub(crate) fn named(name: &str) -> Result<RenewalIntent, ControlError> {
        match name {
            "RENEW" => Ok(RenewalIntent::Renew),
            "REPLACE" => Ok(RenewalIntent::Replace),
            _ => Err(ControlError::field("intent", "must be RENEW or REPLACE")),
        }
    }
}

impl FakeAws {
    /// An agreement is renewed or replaced: another is accepted, whose token
    /// resolves at once. When that begins, its license is updated, the
    /// agreement before ends and, with another license, that one's license is
    /// deprovisioned. What is due is delivered before this returns, unless a
    /// fault says otherwise.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Ended`],
    /// [`ControlError::NotNow`] for an agreement that has not begun or has a
    /// renewal, [`ControlError::Field`] for a start that is past or after the
    /// agreement's end, [`ControlError::Storage`].
    pub async fn renew_agreement(
        &self,
        agreement_id: &str,
        renewal: Renewal,
    ) -> Result<NewAgreement, ControlError> {
        let now = self.now();
        let token = self.inner.ids.registration_token();
        let (first, made) = self.commit_with(|state| {
            let before = renewable(state, agreement_id)?;
            let starts_at = start(renewal.starts_at, now)?;
            if let Some(ends_at) = before.ends_at.filter(|ends_at| *ends_at < starts_at) {
                let reason = format!("must not lie after {ends_at}, when the agreement ends");
                return Err(ControlError::field("starts_at", reason));
            }
            let agreement = self.inner.successor(before, renewal, starts_at, now);
            let made = NewAgreement::of(&agreement, &token);
            let mut changes = self.inner.renewed(state, agreement, now);
            changes.push(Change::TokenMinted {
                token,
                license_arn: made.license_arn.clone(),
                at: now,
            });
            Ok((changes, made))
        })?;
        self.deliver_due_from(first).await;
        Ok(made)
    }
}

fn renewable<'a>(state: &'a Marketplace, id: &str) -> Result<&'a Agreement, ControlError> {
    let agreement = going_on(state, id)?;
    if agreement.status == AgreementStatus::Scheduled {
        return Err(ControlError::not_now(id, "has not begun yet"));
    }
    if state.successor(id).is_some() {
        return Err(ControlError::not_now(id, "has a renewal agreement already"));
    }
    Ok(agreement)
}

impl Inner {
    /// The agreement, accepted at `now`, that renews or replaces `before`.
    fn successor(
        &self,
        before: &Agreement,
        renewal: Renewal,
        starts_at: Timestamp,
        now: Timestamp,
    ) -> Agreement {
        let intent = match renewal.intent {
            RenewalIntent::Renew => Intent::Renew,
            RenewalIntent::Replace => Intent::Replace,
        };
        let terms = match renewal.offer {
            Some(offer) => self.offer(offer).terms.clone(),
            // A trial is given once.
            None => Terms {
                free_days: 0,
                ..before.terms.terms.clone()
            },
        };
        let license_arn = match renewal.license {
            RenewedLicense::Same => before.license_arn.clone(),
            RenewedLicense::New => self.ids.license_arn(LICENSE_ISSUER),
        };
        let terms = AcceptedTerms {
            since: starts_at,
            payments: None,
            terms,
        };
        Agreement {
            agreement_id: self.ids.agreement(),
            intent,
            previous_agreement_id: Some(before.agreement_id.clone()),
            initial_agreement_id: before.initial_agreement_id.clone(),
            offer: renewal.offer.unwrap_or(before.offer),
            buyer_account: before.buyer_account.clone(),
            accepted_at: whole_seconds(now),
            starts_at,
            ends_at: terms.end(),
            auto_renewal: before.auto_renewal && terms.terms.contract.is_some(),
            told_by: before.told_by,
            license_arn,
            updated_at: whole_seconds(now),
            terms,
            former_terms: Vec::new(),
            status: status_at(starts_at, now),
        }
    }

    /// What renews an agreement by `agreement`: at once, or later.
    fn renewed(&self, state: &Marketplace, agreement: Agreement, now: Timestamp) -> Vec<Change> {
        let follows = match agreement.status {
            AgreementStatus::Active => {
                self.taken_over(state, &agreement, &[Family::AgreementCreated], now)
            }
            AgreementStatus::Scheduled | AgreementStatus::Ended { .. } => {
                vec![self.queue_now(&[(Family::AgreementCreated, &agreement)], now)]
            }
        };
        let accepted = Change::AgreementAccepted {
            agreement: Box::new(agreement),
        };
        let mut changes = vec![accepted];
        changes.extend(follows);
        changes
    }

    /// What happens at the end of a term that renews itself.
    pub(super) fn renewed_by_itself(
        &self,
        state: &Marketplace,
        before: &Agreement,
        now: Timestamp,
    ) -> Vec<Change> {
        let renewal = Renewal {
            license: RenewedLicense::Same,
            intent: RenewalIntent::Renew,
            offer: None,
            starts_at: None,
        };
        // Its end, which a clock that flows may have passed by a second or by years.
        let at = before.ends_at.unwrap_or(now);
        let agreement = self.successor(before, renewal, at, at);
        self.renewed(state, agreement, now)
    }
}

//! The life of an agreement: accepted, begun, amended, renewed or replaced,
//! ended. Each step is one commit, with the events that tell of it.
//!
//! An agreement accepted for later is active to AWS at once, and its token
//! resolves; its license becomes active when it begins. At the end of its
//! term an agreement renews itself or expires.

mod amendment;
mod renewal;

use jiff::{SignedDuration, Timestamp};

pub use self::amendment::Amendment;
pub use self::renewal::{Renewal, RenewalIntent, RenewedLicense};

use crate::config::is_aws_account;
use crate::control::ControlError;
use crate::events::Family;
use crate::notifications::ToldBy;
use crate::offers::OfferKind;
use crate::state::{Agreement, AgreementStatus, Change, Ending, Intent, Marketplace};
use crate::terms::AcceptedTerms;
use crate::{FakeAws, Inner, whole_seconds};

/// The account that issues AWS Marketplace's licenses, in their ARNs.
const LICENSE_ISSUER: &str = "294406891311";

/// How far ahead an agreement may begin. AWS names no limit here; with this one its
/// term and what follows it stay within what a clock can show.
const LATEST_START: SignedDuration = SignedDuration::from_hours(3 * 366 * 24);

/// An offer that a buyer accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purchase {
    /// Which.
    pub offer: OfferKind,
    /// The buyer's AWS account, 12 digits.
    pub buyer_account: String,
    /// When the agreement begins, ahead of the clock; `None`: at once.
    pub starts_at: Option<Timestamp>,
    /// Whether another agreement follows at its end. Only contracts have one.
    pub auto_renewal: bool,
    /// By what the seller is told of it.
    pub told_by: ToldBy,
}

/// What a buyer's subscribing made.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct NewAgreement {
    /// `agmt-…`.
    pub agreement_id: String,
    /// `arn:aws:license-manager::…:license:l-…`.
    pub license_arn: String,
    /// What "Set up your account" would post to the fulfillment URL.
    pub registration_token: String,
}

impl NewAgreement {
    fn of(agreement: &Agreement, registration_token: &str) -> NewAgreement {
        NewAgreement {
            agreement_id: agreement.agreement_id.clone(),
            license_arn: agreement.license_arn.clone(),
            registration_token: registration_token.to_owned(),
        }
    }
}

/// The agreement of that id, if it goes on.
pub(crate) fn going_on<'a>(
    state: &'a Marketplace,
    id: &str,
) -> Result<&'a Agreement, ControlError> {
    let agreement = state.agreement(id).ok_or_else(|| ControlError::NotFound {
        what: "agreement",
        id: id.to_owned(),
    })?;
    if agreement.goes_on() {
        Ok(agreement)
    } else {
        Err(ControlError::Ended { id: id.to_owned() })
    }
}

/// Refuses what is no AWS account.
pub(crate) fn check_account(buyer_account: &str) -> Result<(), ControlError> {
    if is_aws_account(buyer_account) {
        return Ok(());
    }
    Err(ControlError::field(
        "buyer_account",
        "must be a string of 12 digits",
    ))
}

/// The second at which an agreement accepted at `now` begins.
fn start(asked: Option<Timestamp>, now: Timestamp) -> Result<Timestamp, ControlError> {
    match asked {
        None => Ok(whole_seconds(now)),
        Some(at) if now.saturating_add(LATEST_START).is_ok_and(|last| last < at) => {
            let days = LATEST_START.as_hours() / 24;
            let reason = format!("must lie at most {days} days, some three years, after {now}");
            Err(ControlError::field("starts_at", reason))
        }
        Some(at) if at >= now => Ok(whole_seconds(at)),
        Some(_) => {
            let reason = format!("must not lie before {now}, where the clock stands");
            Err(ControlError::field("starts_at", reason))
        }
    }
}

/// What an agreement is that begins at `starts_at`.
fn status_at(starts_at: Timestamp, now: Timestamp) -> AgreementStatus {
    if starts_at > now {
        AgreementStatus::Scheduled
    } else {
        AgreementStatus::Active
    }
}

impl FakeAws {
    /// A buyer accepts an offer that begins at once and does not renew itself;
    /// see [`accept_offer`](Self::accept_offer).
    ///
    /// # Errors
    /// As there.
    pub async fn create_agreement(
        &self,
        offer: OfferKind,
        buyer_account: &str,
    ) -> Result<NewAgreement, ControlError> {
        self.accept_offer(Purchase {
            offer,
            buyer_account: buyer_account.to_owned(),
            starts_at: None,
            auto_renewal: false,
            told_by: ToldBy::EventBridge,
        })
        .await
    }

    /// A buyer accepts an offer. The token resolves at once. The license is
    /// active, and its event sent, from the agreement's start. What is due is
    /// delivered before this returns, unless a fault says otherwise.
    ///
    /// # Errors
    /// [`ControlError::Field`] unless the account is 12 digits, the start is
    /// not past, and what renews itself has an end; [`ControlError::Storage`].
    pub async fn accept_offer(&self, purchase: Purchase) -> Result<NewAgreement, ControlError> {
        check_account(&purchase.buyer_account)?;
        let now = self.now();
        let agreement = self.inner.bought(purchase, now)?;
        let token = self.inner.ids.registration_token();
        let made = NewAgreement::of(&agreement, &token);
        let first = self.commit(|_| {
            let mut events = vec![(Family::AgreementCreated, &agreement)];
            if agreement.status == AgreementStatus::Active {
                events.push((Family::LicenseUpdated, &agreement));
            }
            let queued = self.inner.queue_now(&events, now);
            Ok(vec![
                Change::AgreementAccepted {
                    agreement: Box::new(agreement.clone()),
                },
                Change::TokenMinted {
                    token,
                    license_arn: agreement.license_arn,
                    at: now,
                },
                queued,
            ])
        })?;
        self.deliver_due_from(first).await;
        Ok(made)
    }

    /// The buyer cancels. Both events are delivered before this returns,
    /// unless a fault or [`Readings::deprovision_lag`](crate::Readings) says
    /// otherwise.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Ended`],
    /// [`ControlError::NotNow`] while its renewal waits to begin,
    /// [`ControlError::Storage`].
    pub async fn cancel_agreement(&self, agreement_id: &str) -> Result<(), ControlError> {
        self.end_agreement(agreement_id, Ending::Cancelled).await
    }

    /// AWS ends an agreement, for example since its buyer does not pay; else
    /// as [`cancel_agreement`](Self::cancel_agreement).
    ///
    /// # Errors
    /// As there.
    pub async fn terminate_agreement(&self, agreement_id: &str) -> Result<(), ControlError> {
        self.end_agreement(agreement_id, Ending::Terminated).await
    }

    async fn end_agreement(&self, id: &str, how: Ending) -> Result<(), ControlError> {
        let now = self.now();
        let first = self.commit(|state| {
            let agreement = going_on(state, id)?;
            if state.successor(id).is_some() {
                let reason = "has a renewal agreement that must be cancelled first";
                return Err(ControlError::not_now(id, reason));
            }
            Ok(self.inner.ended(state, agreement, how, now))
        })?;
        self.deliver_due_from(first).await;
        Ok(())
    }

    /// An agreement accepted for later begins, and the one ends that it
    /// renews or replaces. Queues the events; the number of the first.
    pub(crate) fn begin(&self, id: &str) -> Result<u64, ControlError> {
        let now = self.now();
        self.commit(|state| {
            let agreement = going_on(state, id)?;
            let started = Change::AgreementStarted {
                agreement_id: id.to_owned(),
            };
            let mut changes = vec![started];
            changes.extend(self.inner.taken_over(state, agreement, &[], now));
            Ok(changes)
        })
    }

    /// The end of an agreement's term: it renews itself, with the same
    /// license, or expires. Queues the events; the number of the first.
    pub(crate) fn reach_end(&self, id: &str) -> Result<u64, ControlError> {
        let now = self.now();
        self.commit(|state| {
            let agreement = going_on(state, id)?;
            Ok(if agreement.auto_renewal {
                self.inner.renewed_by_itself(state, agreement, now)
            } else {
                self.inner.ended(state, agreement, Ending::Expired, now)
            })
        })
    }

    /// Another registration token for a license, as "Set up your account"
    /// makes one each time it is pressed.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Storage`].
    pub fn new_token(&self, license_arn: &str) -> Result<String, ControlError> {
        let token = self.inner.ids.registration_token();
        let minted = token.clone();
        let at = self.now();
        self.commit(|state| {
            let (_, license) =
                state
                    .license(license_arn)
                    .ok_or_else(|| ControlError::NotFound {
                        what: "license",
                        id: license_arn.to_owned(),
                    })?;
            Ok(vec![Change::TokenMinted {
                token: minted,
                license_arn: license.license_arn.clone(),
                at,
            }])
        })?;
        Ok(token)
    }
}

impl Inner {
    fn bought(&self, purchase: Purchase, now: Timestamp) -> Result<Agreement, ControlError> {
        let accepted_at = whole_seconds(now);
        let starts_at = start(purchase.starts_at, now)?;
        let terms = AcceptedTerms {
            since: starts_at,
            payments: None,
            terms: self.offer(purchase.offer).terms.clone(),
        };
        if purchase.auto_renewal && terms.terms.contract.is_none() {
            let reason = "goes with a contract only: pay as you go has no end";
            return Err(ControlError::field("auto_renewal", reason));
        }
        let agreement_id = self.ids.agreement();
        Ok(Agreement {
            intent: Intent::New,
            previous_agreement_id: None,
            initial_agreement_id: agreement_id.clone(),
            agreement_id,
            offer: purchase.offer,
            buyer_account: purchase.buyer_account,
            accepted_at,
            starts_at,
            ends_at: terms.end(),
            auto_renewal: purchase.auto_renewal,
            told_by: purchase.told_by,
            license_arn: self.ids.license_arn(LICENSE_ISSUER),
            updated_at: accepted_at,
            terms,
            former_terms: Vec::new(),
            status: status_at(starts_at, now),
        })
    }

    /// What ends `agreement` at `now`, and its license unless that is of
    /// another agreement.
    pub(crate) fn ended(
        &self,
        state: &Marketplace,
        agreement: &Agreement,
        how: Ending,
        now: Timestamp,
    ) -> Vec<Change> {
        let license = state.license(&agreement.license_arn);
        let lives_on = license.is_some_and(|(_, of)| of.agreement_id != agreement.agreement_id);
        let (ended, events) = self.end(agreement, how, !lives_on, now);
        vec![ended, self.queue(events)]
    }

    /// The change that ends an agreement, and the events that tell of it.
    fn end(
        &self,
        agreement: &Agreement,
        how: Ending,
        license_ends: bool,
        now: Timestamp,
    ) -> (Change, Vec<(Timestamp, serde_json::Value)>) {
        let at = whole_seconds(now);
        let lag = self.config.readings.deprovision_lag;
        let mut ended = agreement.clone();
        ended.status = AgreementStatus::Ended { at, how };
        let at_once = self.told(Family::AgreementEnded, &ended, now).into_iter();
        let mut events: Vec<_> = at_once.map(|told| (now, told)).collect();
        if license_ends {
            let later = now.checked_add(lag).unwrap_or(now);
            let told = self.told(Family::LicenseDeprovisioned, &ended, later);
            events.extend(told.into_iter().map(|told| (later, told)));
        }
        let change = Change::AgreementEnded {
            agreement_id: agreement.agreement_id.clone(),
            at,
            how,
            deprovisioned_at: license_ends.then(|| at.checked_add(lag).unwrap_or(at)),
        };
        (change, events)
    }

    /// What follows when `agreement` begins: the agreement before it ends, and
    /// with another license its license; the events tell of `told` first.
    fn taken_over(
        &self,
        state: &Marketplace,
        agreement: &Agreement,
        told: &[Family],
        now: Timestamp,
    ) -> Vec<Change> {
        let families = told.iter().chain(&[Family::LicenseUpdated]);
        let mut events: Vec<_> = families
            .flat_map(|family| self.told(*family, agreement, now))
            .map(|told| (now, told))
            .collect();
        let mut changes = Vec::new();
        let previous = agreement.previous_agreement_id.as_ref();
        let previous = previous.and_then(|id| state.agreement(id));
        let how = match agreement.intent {
            Intent::New => None,
            Intent::Renew => Some(Ending::Renewed),
            Intent::Replace => Some(Ending::Replaced),
        };
        if let (Some(previous), Some(how)) = (previous.filter(|before| before.goes_on()), how) {
            let license_ends = previous.license_arn != agreement.license_arn;
            let (ended, told) = self.end(previous, how, license_ends, now);
            changes.push(ended);
            events.extend(told);
        }
        changes.push(self.queue(events));
        changes
    }

    fn queue_now(&self, events: &[(Family, &Agreement)], now: Timestamp) -> Change {
        let events = events
            .iter()
            .flat_map(|(family, agreement)| self.told(*family, agreement, now))
            .map(|told| (now, told));
        self.queue(events.collect())
    }
}

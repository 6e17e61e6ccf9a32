//! From AWS Marketplace's POST to a registration session.
//!
//! The token is redeemed at once and goes nowhere else: it is not stored, not
//! logged, and not part of any error. What it stood for is kept as a fact, from
//! which the license is derived just as from AWS's events, so that the browser
//! may come before or after any of them. Coming twice with one token gives two
//! sessions of one license.

use domain::fact::{Fact, Told};
use domain::ids::{AwsAccountId, CustomerIdentifier, LicenseId, ProductCode, masked};
use domain::license::LicenseStatus;
use domain::marketplace_event::ResolvedLicense;
use domain::registration::RegistrationSession;
use jiff::Timestamp;
use marketplace::{ResolveError, ResolvedCustomer};
use secrecy::SecretString;
use store::StoreError;

use crate::marketplace_events::DeriveError;
use crate::{App, SessionSecret};

/// Why a registration could not begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// AWS does not know the token, or it is malformed: the buyer goes back to
    /// AWS Marketplace and presses "Set up your account"; nothing is lost.
    #[error("AWS Marketplace does not know the registration token")]
    InvalidToken,
    /// The token is older than AWS lets it be: as above.
    #[error("the registration token has expired")]
    ExpiredToken,
    /// The token is for a product that is not sold here.
    #[error("the registration token is for another product")]
    AnotherProduct,
    /// AWS throttled or did not answer: the same request works in a moment.
    #[error("AWS Marketplace did not answer")]
    Busy(#[source] ResolveError),
    /// AWS does not let this seller resolve tokens: a person has to mend it.
    #[error("AWS Marketplace does not let this seller resolve tokens")]
    NotAllowed(#[source] ResolveError),
    /// AWS's answer lacks what identifies the license.
    #[error("AWS Marketplace's answer is incomplete")]
    Incomplete(#[source] ResolveError),
    /// The license could not be recorded.
    #[error("the license could not be recorded")]
    Store(#[from] DeriveError),
}

/// Why a registration session cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// There is no such session, or its 4 hours are over: the buyer goes back
    /// to AWS Marketplace and presses "Set up your account".
    #[error("the registration session is unknown or has expired")]
    Unknown,
    /// It could not be read.
    #[error("the registration session could not be read")]
    Store(#[from] StoreError),
}

/// A registration session as its page shows it to a browser that may not have
/// signed in: nothing of any account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationView {
    /// The license, by its id.
    pub license: LicenseId,
    /// The end of the paying AWS account's id, `••••••••9012`.
    pub buyer: String,
    /// Whether AWS sent the buyer with a free trial's offer.
    pub free_trial: bool,
    /// When the session ends.
    pub expires_at: Timestamp,
    /// Whether the license can be linked.
    pub status: RegistrationStatus,
}

/// Whether the license of a registration session can be linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistrationStatus {
    /// AWS has not activated it yet: the page refreshes itself.
    Pending {
        /// When its agreement begins, if that lies ahead.
        begins_at: Option<Timestamp>,
    },
    /// It is active.
    Ready {
        /// Whether an account is linked to it now. Which one, only the signed-in user may learn.
        linked: bool,
    },
    /// It ended in AWS.
    Ended {
        /// When.
        at: Timestamp,
    },
}

impl App {
    /// Redeems a registration token and begins a session of 4 hours.
    ///
    /// # Errors
    /// [`BeginError`].
    pub async fn begin_registration(
        &self,
        token: SecretString,
        free_trial: bool,
    ) -> Result<(SessionSecret, RegistrationSession), BeginError> {
        let resolved = self.marketplace.resolve_customer(&token).await?;
        drop(token);
        let now = self.clock.now();
        let resolved = self.our_license(resolved)?;
        let license = resolved.license.id().clone();
        self.learn(Fact::learned(Told::Resolved(resolved), now), now)
            .await?;
        let session = RegistrationSession::begin(license, free_trial, now);
        let secret = SessionSecret::draw(&*self.clock);
        self.store
            .create_registration(&secret.hash(), &session)
            .await
            .map_err(DeriveError::from)?;
        Ok((secret, session))
    }

    /// A registration session and the state of its license.
    ///
    /// # Errors
    /// [`SessionError`].
    pub async fn registration(
        &self,
        secret: &SessionSecret,
    ) -> Result<RegistrationView, SessionError> {
        let now = self.clock.now();
        let session = self.live_session(secret, now).await?;
        let license = self.store.license(&session.license).await?;
        let license = license.ok_or(SessionError::Unknown)?;
        let status = match license.status {
            LicenseStatus::Active { since } if since <= now => RegistrationStatus::Ready {
                linked: license.linked.is_some(),
            },
            LicenseStatus::Active { .. } | LicenseStatus::Pending => RegistrationStatus::Pending {
                begins_at: license.agreement_since.filter(|begins| now < *begins),
            },
            LicenseStatus::Ended { end, .. } => RegistrationStatus::Ended { at: end.ended_at },
        };
        Ok(RegistrationView {
            license: session.license,
            buyer: masked(&license.buyer),
            free_trial: session.free_trial,
            expires_at: session.expires_at,
            status,
        })
    }

    /// A secret by which somebody else goes on with a registration, such as an
    /// administrator: used once, within 4 hours. The session stays as it is.
    ///
    /// # Errors
    /// [`SessionError`].
    pub async fn hand_over(&self, secret: &SessionSecret) -> Result<SessionSecret, SessionError> {
        let now = self.clock.now();
        let session = self.live_session(secret, now).await?;
        let handed = SessionSecret::draw(&*self.clock);
        self.store
            .put_hand_over(&handed.hash(), &session.handed_over(now))
            .await?;
        Ok(handed)
    }

    /// Begins a session of what was handed over. Of any number of calls with one
    /// secret, one gets it.
    ///
    /// # Errors
    /// [`SessionError::Unknown`] when it was used, is unknown, or its 4 hours are over.
    pub async fn take_over(&self, handed: &SessionSecret) -> Result<SessionSecret, SessionError> {
        let now = self.clock.now();
        let taken = self.store.take_hand_over(&handed.hash()).await?;
        let session = taken
            .filter(|session| session.is_live(now))
            .ok_or(SessionError::Unknown)?;
        let secret = SessionSecret::draw(&*self.clock);
        self.store
            .create_registration(&secret.hash(), &session)
            .await?;
        Ok(secret)
    }

    /// Whether a registration can be taken over under a secret.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_handed_over(&self, handed: &SessionSecret) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let session = self.store.hand_over(&handed.hash()).await?;
        Ok(session.is_some_and(|session| session.is_live(now)))
    }

    /// The session under a secret, if it is live.
    pub(crate) async fn live_session(
        &self,
        secret: &SessionSecret,
        now: Timestamp,
    ) -> Result<RegistrationSession, SessionError> {
        self.store
            .registration(&secret.hash())
            .await?
            .filter(|session| session.is_live(now))
            .ok_or(SessionError::Unknown)
    }

    /// What AWS answered, if it is one of our products. An answer without a
    /// product is ours when there is only one that it can be about.
    fn our_license(&self, resolved: ResolvedCustomer) -> Result<ResolvedLicense, BeginError> {
        let products = &self.settings.subscriptions.products;
        let only: Option<&ProductCode> = products.first().filter(|_| products.len() == 1);
        let product = resolved
            .product
            .or(only.cloned())
            .ok_or(BeginError::Incomplete(ResolveError::Incomplete(
                "ProductCode",
            )))?;
        if !products.contains(&product) {
            return Err(BeginError::AnotherProduct);
        }
        let buyer: AwsAccountId = resolved.buyer;
        Ok(ResolvedLicense {
            license: resolved.license,
            buyer,
            product,
            agreement: resolved.agreement,
            customer: customer(resolved.customer_identifier),
        })
    }
}

/// By what an older listing's messages name the buyer. Without it they cannot be
/// joined to the license.
fn customer(identifier: Option<String>) -> Option<CustomerIdentifier> {
    let parsed = CustomerIdentifier::parse(identifier.filter(|text| !text.is_empty())?);
    if parsed.is_err() {
        tracing::warn!("AWS named a buyer by a customer identifier that cannot be used");
    }
    parsed.ok()
}

impl From<ResolveError> for BeginError {
    fn from(error: ResolveError) -> Self {
        match error {
            ResolveError::InvalidToken => Self::InvalidToken,
            ResolveError::ExpiredToken => Self::ExpiredToken,
            ResolveError::Throttled | ResolveError::Unavailable(_) => Self::Busy(error),
            ResolveError::NotAllowed(_) => Self::NotAllowed(error),
            ResolveError::Incomplete(_) => Self::Incomplete(error),
        }
    }
}

#[cfg(test)]
mod tests;

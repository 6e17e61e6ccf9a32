//! Signing in: what is kept while a browser is at the issuer, and after it came back.

use domain::hour::after;
use domain::ids::UserEmail;
use domain::policy::SIGN_IN_FOR;
use domain::sign_in::{PendingSignIn, SignedIn};
use store::StoreError;
use store::subscriptions::Pinned;

use crate::{App, SessionSecret};

/// Why a sign-in was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The issuer has not verified the e-mail address, so it names nobody.
    #[error("the e-mail address is not verified")]
    EmailNotVerified,
    /// The e-mail address belongs to another user of the issuer.
    #[error("the e-mail address belongs to another user")]
    AnotherUser,
    /// It could not be kept.
    #[error("the sign-in could not be kept")]
    Store(#[from] StoreError),
}

impl App {
    /// Keeps a sign-in that goes to the issuer under its state, whose secret
    /// is returned for the `state` parameter.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn begin_sign_in(
        &self,
        pending: &PendingSignIn,
    ) -> Result<SessionSecret, StoreError> {
        let state = SessionSecret::draw(&*self.clock);
        self.store
            .put_pending_sign_in(&state.hash(), pending)
            .await?;
        Ok(state)
    }

    /// The sign-in under a state, once: a second call finds nothing, nor does
    /// one after it expired.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take_sign_in(
        &self,
        state: &SessionSecret,
    ) -> Result<Option<PendingSignIn>, StoreError> {
        let now = self.clock.now();
        let pending = self.store.take_pending_sign_in(&state.hash()).await?;
        Ok(pending.filter(|pending| now < pending.expires_at))
    }

    /// Accepts a user whose ID token was verified, and begins a sign-in session
    /// of 12 hours. The first sign-in with an e-mail address pins it to its `sub`.
    ///
    /// # Errors
    /// [`SignInError`].
    pub async fn complete_sign_in(&self, user: &SignedIn) -> Result<SessionSecret, SignInError> {
        if !user.email_verified {
            return Err(SignInError::EmailNotVerified);
        }
        let now = self.clock.now();
        match self.store.pin_user(&user.email, &user.subject, now).await? {
            Pinned::First | Pinned::Same => {}
            Pinned::Another => return Err(SignInError::AnotherUser),
        }
        let secret = SessionSecret::draw(&*self.clock);
        self.store
            .put_sign_in_session(&secret.hash(), user, after(now, SIGN_IN_FOR))
            .await?;
        Ok(secret)
    }

    /// Whether an e-mail address is pinned to a user of the issuer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_pinned(&self, email: &UserEmail) -> Result<bool, StoreError> {
        Ok(self.store.pinned_to(email).await?.is_some())
    }

    /// Lets whoever signs in next with an e-mail address have it, and the memberships
    /// that go with it: for somebody whom the issuer had to make anew, with
    /// another `sub`. Whether it was pinned.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unpin(&self, email: &UserEmail) -> Result<bool, StoreError> {
        self.store.unpin_user(email).await
    }

    /// Who is signed in under a secret; `None` when nobody is, or no longer.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn signed_in(&self, secret: &SessionSecret) -> Result<Option<SignedIn>, StoreError> {
        let now = self.clock.now();
        let session = self.store.sign_in_session(&secret.hash()).await?;
        Ok(session
            .filter(|session| now < session.expires_at)
            .map(|session| session.user))
    }

    /// Ends a sign-in session; without one, nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sign_out(&self, secret: &SessionSecret) -> Result<(), StoreError> {
        self.store.delete_sign_in_session(&secret.hash()).await
    }
}

#[cfg(test)]
mod tests;

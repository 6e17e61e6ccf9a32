//! Sign-ins under way, and sign-in sessions.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::sign_in::{PendingSignIn, SecretHash, SignedIn};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys;
use super::mapping::{self, Row};
use crate::{Store, StoreError};

/// A sign-in session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInSession {
    /// Who signed in.
    pub user: SignedIn,
    /// From this instant on it is refused.
    pub expires_at: Timestamp,
}

impl Store {
    /// Keeps a sign-in under way, under the hash of its state.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_pending_sign_in(
        &self,
        state: &SecretHash,
        pending: &PendingSignIn,
    ) -> Result<(), StoreError> {
        let row = Row::new(keys::sign_in_state(state), keys::PENDING, pending)
            .cleaned_after(pending.expires_at);
        self.create_subscription_item(&row).await?;
        Ok(())
    }

    /// Takes the sign-in under a state away: of any number of calls, one gets it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take_pending_sign_in(
        &self,
        state: &SecretHash,
    ) -> Result<Option<PendingSignIn>, StoreError> {
        self.take_subscription_item(keys::sign_in_state(state), keys::PENDING)
            .await
    }

    /// Keeps a sign-in session under the hash of its secret.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_sign_in_session(
        &self,
        secret: &SecretHash,
        user: &SignedIn,
        expires_at: Timestamp,
    ) -> Result<(), StoreError> {
        let session = SignInSession {
            user: user.clone(),
            expires_at,
        };
        let row = Row::new(keys::sign_in(secret), keys::SESSION, session).cleaned_after(expires_at);
        self.create_subscription_item(&row).await?;
        Ok(())
    }

    /// The sign-in session under the hash of a secret, live or not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn sign_in_session(
        &self,
        secret: &SecretHash,
    ) -> Result<Option<SignInSession>, StoreError> {
        let item = self
            .subscription_item(keys::sign_in(secret), keys::SESSION)
            .await?;
        item.map(mapping::body).transpose()
    }

    /// Ends a sign-in session; without one, nothing.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn delete_sign_in_session(&self, secret: &SecretHash) -> Result<(), StoreError> {
        self.to_write_subscriptions()
            .await?
            .delete_item()
            .table_name(&self.tables.subscriptions)
            .key("pk", AttributeValue::S(keys::sign_in(secret)))
            .key("sk", AttributeValue::S(keys::SESSION.to_owned()))
            .send()
            .await?;
        Ok(())
    }
}

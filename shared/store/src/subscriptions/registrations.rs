//! Registration sessions.

use domain::registration::RegistrationSession;
use domain::sign_in::SecretHash;

use super::keys;
use super::mapping::{self, Row};
use crate::{Store, StoreError};

impl Store {
    /// Keeps a new registration session under the hash of its secret.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn create_registration(
        &self,
        hash: &SecretHash,
        session: &RegistrationSession,
    ) -> Result<(), StoreError> {
        self.keep_registration(keys::registration(hash), session)
            .await
    }

    /// Keeps a registration that is to be taken over, under the hash of its secret.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_hand_over(
        &self,
        hash: &SecretHash,
        session: &RegistrationSession,
    ) -> Result<(), StoreError> {
        self.keep_registration(keys::hand_over(hash), session).await
    }

    async fn keep_registration(
        &self,
        pk: String,
        session: &RegistrationSession,
    ) -> Result<(), StoreError> {
        let row = Row::new(pk, keys::SESSION, session).cleaned_after(session.expires_at);
        self.create_subscription_item(&row).await?;
        Ok(())
    }

    /// Takes away the registration that is to be taken over under a secret: of any
    /// number of calls, one gets it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn take_hand_over(
        &self,
        hash: &SecretHash,
    ) -> Result<Option<RegistrationSession>, StoreError> {
        self.take_subscription_item(keys::hand_over(hash), keys::SESSION)
            .await
    }

    /// The registration that is to be taken over under the hash of a secret, live or not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn hand_over(
        &self,
        hash: &SecretHash,
    ) -> Result<Option<RegistrationSession>, StoreError> {
        let item = self
            .subscription_item(keys::hand_over(hash), keys::SESSION)
            .await?;
        item.map(mapping::body).transpose()
    }

    /// The registration session under the hash of a secret, live or not.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn registration(
        &self,
        hash: &SecretHash,
    ) -> Result<Option<RegistrationSession>, StoreError> {
        let item = self
            .subscription_item(keys::registration(hash), keys::SESSION)
            .await?;
        item.map(mapping::body).transpose()
    }
}

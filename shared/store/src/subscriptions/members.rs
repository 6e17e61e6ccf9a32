//! Users and their memberships.

use domain::ids::{AccountId, UserEmail};
use domain::member::{Member, Role};
use domain::sign_in::Subject;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::keys;
use super::mapping::{self, Row};
use crate::{Store, StoreError};

/// What [`Store::pin_user`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pinned {
    /// The address was unknown, and is pinned to this subject from now on.
    First,
    /// It was pinned to this subject before.
    Same,
    /// It is pinned to another subject.
    Another,
}

#[derive(Serialize, Deserialize)]
struct User {
    subject: Subject,
    first_signed_in_at: Timestamp,
}

impl Store {
    /// Pins an e-mail address to the issuer's subject, unless it is pinned already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn pin_user(
        &self,
        email: &UserEmail,
        subject: &Subject,
        now: Timestamp,
    ) -> Result<Pinned, StoreError> {
        let user = User {
            subject: subject.clone(),
            first_signed_in_at: now,
        };
        let row = Row::new(keys::user(email), keys::USER, user);
        if self.create_subscription_item(&row).await? {
            return Ok(Pinned::First);
        }
        let key = keys::user(email);
        let stored = self.subscription_item(key.clone(), keys::USER).await?;
        let stored: User = stored
            .map(mapping::body)
            .transpose()?
            .ok_or_else(|| StoreError::corrupt(key, "it was there and is gone"))?;
        Ok(if stored.subject == *subject {
            Pinned::Same
        } else {
            Pinned::Another
        })
    }

    /// A user's role in an account; `None` when they are not a member.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn role(
        &self,
        account: &AccountId,
        user: &UserEmail,
    ) -> Result<Option<Role>, StoreError> {
        let item = self
            .subscription_item(keys::account(account), keys::member_by_account(user))
            .await?;
        let member: Option<Member> = item.map(mapping::body).transpose()?;
        Ok(member.map(|member| member.role))
    }

    /// Every membership of a user.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn memberships(&self, user: &UserEmail) -> Result<Vec<Member>, StoreError> {
        self.members(keys::user(user)).await
    }

    /// Every member of an account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn members_of(&self, account: &AccountId) -> Result<Vec<Member>, StoreError> {
        self.members(keys::account(account)).await
    }

    async fn members(&self, pk: String) -> Result<Vec<Member>, StoreError> {
        let items = self.subscription_items(pk, keys::MEMBER).await?;
        items.into_iter().map(mapping::body).collect()
    }
}

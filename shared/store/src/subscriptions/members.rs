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
        // Unpinned in between: whoever signs in once more has it.
        let stored = self.pinned_to(email).await?;
        Ok(if stored.as_ref() == Some(subject) {
            Pinned::Same
        } else {
            Pinned::Another
        })
    }

    /// The issuer's subject that an e-mail address is pinned to.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn pinned_to(&self, email: &UserEmail) -> Result<Option<Subject>, StoreError> {
        let stored = self
            .subscription_item(keys::user(email), keys::USER)
            .await?;
        let stored: Option<User> = stored.map(mapping::body).transpose()?;
        Ok(stored.map(|user| user.subject))
    }

    /// Lets whoever signs in next with an e-mail address have it; whether it was pinned.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unpin_user(&self, email: &UserEmail) -> Result<bool, StoreError> {
        let taken: Option<User> = self
            .take_subscription_item(keys::user(email), keys::USER)
            .await?;
        Ok(taken.is_some())
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

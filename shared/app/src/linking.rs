//! Choosing an account for a license, confirming, and unlinking.
//!
//! What a person confirms carries a [`Basis`], a digest of everything that they
//! were shown the consequence of. Another one means that something changed
//! meanwhile: they are asked again, and nothing is ever linked that they did
//! not see.

use domain::account::{Account, AccountName, GraceVerdict, Standing};
use domain::change::{Change, Decision};
use domain::ids::{AccountId, AwsAccountId, LicenseId};
use domain::license::License;
use domain::linking::{
    Authority, Basis, Consequence, LinkRefusal, LinkSituation, PayerChange, Relink, assess_link,
    assess_unlink, decide_link, decide_unlink, unlink_basis,
};
use domain::member::{Member, Role};
use domain::sign_in::{SignInRefusal, SignedIn};
use futures_util::future::{try_join, try_join_all};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use store::StoreError;
use store::subscriptions::CommitOutcome;

use crate::registration::SessionError;
use crate::{App, Chain, SessionSecret, trail};

/// How many of a user's accounts are read at once.
const ACCOUNTS_AT_ONCE: usize = 8;

/// How often snapshots that do not belong together are read again.
const READS: usize = 5;

/// The accounts of a user, for a registration session's license.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkChoices {
    /// The license, by its id.
    pub license: LicenseId,
    /// The AWS account that would pay.
    pub buyer: AwsAccountId,
    /// Why this sign-in may link nothing at all, whatever the account.
    pub sign_in: Option<SignInRefusal>,
    /// Every account of the user: the one that this buyer's subscription paid for
    /// last, if none of theirs pays for it now, then in the order of their names.
    pub accounts: Vec<LinkChoice>,
    /// The account that this buyer's subscription paid for last.
    pub last: Option<AccountId>,
}

/// An account that a license might be linked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkChoice {
    /// The account.
    pub account: AccountId,
    /// Its name.
    pub name: AccountName,
    /// What it is entitled to now.
    pub standing: Standing,
    /// The user's role.
    pub role: Role,
    /// What linking would do and what to confirm it with, or why it cannot be done.
    pub outcome: Result<Proposal, LinkRefusal>,
}

/// What linking would do, and what to confirm it with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// The consequence to name.
    pub consequence: ShownConsequence,
    /// What it was decided on.
    pub basis: Basis,
}

/// A [`Consequence`] as this user may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShownConsequence {
    /// The license is linked here already.
    AlreadyLinked,
    /// The account is subscribed from now on.
    FirstLink,
    /// Another AWS account pays from now on.
    PayerChange(PayerChange),
    /// The license leaves another account.
    Relink(ShownRelink),
    /// Both.
    RelinkAndPayerChange(ShownRelink, PayerChange),
}

/// The account that loses the license, as this user may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownRelink {
    /// Which account.
    pub holder: ShownAccount,
    /// What it means for that account: grace until an instant, or none.
    pub verdict: GraceVerdict,
}

/// An account as this user may see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShownAccount {
    /// The user is a member.
    Whole {
        /// The account.
        account: AccountId,
        /// Its name.
        name: AccountName,
    },
    /// The user is not a member: the beginning of the name only.
    InPart(String),
}

/// A license that is linked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// The account.
    pub account: AccountId,
    /// Its name.
    pub name: AccountName,
    /// The AWS account that pays.
    pub buyer: AwsAccountId,
    /// What happened: [`ShownConsequence::AlreadyLinked`] when it was so before.
    pub consequence: ShownConsequence,
}

/// Why a license was not linked.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The registration session does not do.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// It may not be linked.
    #[error(transparent)]
    Refused(#[from] LinkRefusal),
    /// Something changed since the person was asked (409): ask them again.
    #[error("something changed since the choice was shown")]
    Conflict,
    /// The store failed; nothing is known to have been linked.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// An account whose license was unlinked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnlinkedAccount {
    /// The account.
    pub account: AccountId,
    /// What it means for it.
    pub verdict: GraceVerdict,
}

/// The snapshots around a license and an account.
pub(crate) struct Loaded {
    pub(crate) account: Account,
    pub(crate) license: License,
    holder: Option<Account>,
    present: Option<License>,
}

impl Loaded {
    pub(crate) fn situation(&self) -> Option<LinkSituation<'_>> {
        LinkSituation::new(
            &self.account,
            &self.license,
            self.holder.as_ref(),
            self.present.as_ref(),
        )
        .ok()
    }
}

impl App {
    /// Every account of the user with what linking the session's license to it
    /// would do, or why that cannot be done.
    ///
    /// # Errors
    /// [`LinkError::Session`] or [`LinkError::Store`]; [`LinkError::Conflict`]
    /// when other changes kept coming in between.
    pub async fn link_choices(
        &self,
        secret: &SessionSecret,
        user: &SignedIn,
    ) -> Result<LinkChoices, LinkError> {
        let now = self.clock.now();
        let session = self.live_session(secret, now).await?;
        let license = self.store.license(&session.license).await?;
        let license = license.ok_or(SessionError::Unknown)?;
        let members = self.store.memberships(&user.email).await?;
        let choices = members
            .into_iter()
            .map(|member| self.choice(member, &license, user, now));
        let choices = stream::iter(choices).buffered(ACCOUNTS_AT_ONCE);
        let mut accounts: Vec<LinkChoice> = choices.try_collect().await?;
        let last = self.last_account(&license).await?;
        accounts.sort_by(|a, b| {
            let rank = |choice: &LinkChoice| last.as_ref() != Some(&choice.account);
            (rank(a), &a.name, &a.account).cmp(&(rank(b), &b.name, &b.account))
        });
        Ok(LinkChoices {
            last,
            license: license.id,
            buyer: license.buyer,
            sign_in: user.may_change_payer(now).err(),
            accounts,
        })
    }

    /// The account that a license's buyer paid for last, by this license or
    /// another one that is linked to nothing now: whoever subscribes again most
    /// often means the same.
    async fn last_account(&self, license: &License) -> Result<Option<AccountId>, StoreError> {
        if license.linked.is_some() {
            return Ok(None);
        }
        let bought = self.store.licenses_of_buyer(&license.buyer).await?;
        let reads = bought.iter().map(|bought| self.store.license(bought));
        let known = try_join_all(reads).await?;
        let former = known.into_iter().flatten().filter_map(|known| known.former);
        let latest = former.max_by_key(|former| former.until);
        Ok(latest.map(|former| former.account))
    }

    /// The same of one account, and the AWS account that would pay; `None` when
    /// the user is not a member of it.
    ///
    /// # Errors
    /// As there.
    pub async fn link_choice(
        &self,
        secret: &SessionSecret,
        user: &SignedIn,
        account: &AccountId,
    ) -> Result<Option<(AwsAccountId, LinkChoice)>, LinkError> {
        let now = self.clock.now();
        let session = self.live_session(secret, now).await?;
        let license = self.store.license(&session.license);
        let role = self.store.role(account, &user.email);
        let (license, role) = try_join(license, role).await?;
        let license = license.ok_or(SessionError::Unknown)?;
        let Some(role) = role else {
            return Ok(None);
        };
        let member = Member {
            account: account.clone(),
            user: user.email.clone(),
            role,
        };
        let choice = self.choice(member, &license, user, now).await?;
        Ok(Some((license.buyer, choice)))
    }

    async fn choice(
        &self,
        member: Member,
        license: &License,
        user: &SignedIn,
        now: Timestamp,
    ) -> Result<LinkChoice, LinkError> {
        let read = Some(license.clone());
        let loaded = self.load_around(&member.account, &license.id, read);
        let loaded = loaded.await?;
        let authority = Authority::Member {
            signed_in: user,
            role: Some(member.role),
        };
        Ok(LinkChoice {
            account: member.account,
            name: loaded.account.name.clone(),
            standing: loaded.account.state_at(now).standing(),
            role: member.role,
            outcome: self.propose(&loaded, &authority, user, now).await?,
        })
    }

    /// Links the session's license to the account, as confirmed. Linked there
    /// already is success, whatever the basis.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn confirm_link(
        &self,
        secret: &SessionSecret,
        user: &SignedIn,
        account: &AccountId,
        basis: &Basis,
    ) -> Result<Linked, LinkError> {
        let now = self.clock.now();
        let policy = &*self.settings.subscriptions;
        let session = self.live_session(secret, now).await?;
        let role = self.store.role(account, &user.email).await?;
        let authority = Authority::Member {
            signed_in: user,
            role,
        };
        if role.is_none() {
            user.may_change_payer(now).map_err(LinkRefusal::from)?;
            return Err(LinkRefusal::NotAMember.into());
        }
        let loaded = self.load(account, &session.license).await?;
        let situation = loaded.situation().ok_or(LinkError::Conflict)?;
        let consequence = assess_link(&situation, &authority, now, policy)?;
        let decision = decide_link(&situation, &authority, now, policy)?;
        let linked = Linked {
            account: account.clone(),
            name: loaded.account.name.clone(),
            buyer: loaded.license.buyer.clone(),
            consequence: self.shown(consequence, user).await?,
        };
        match decision {
            Decision::AlreadyCommitted => Ok(linked),
            Decision::Commit(_) if situation.basis(now, policy) != *basis => {
                Err(LinkError::Conflict)
            }
            Decision::Commit(change) => {
                self.commit_confirmed(&change).await?;
                self.begin_zeros_of_linked(&loaded.license.id).await;
                Ok(linked)
            }
        }
    }

    /// Unlinks the license that pays for the account, as confirmed: the account
    /// enters grace.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn unlink(
        &self,
        user: &SignedIn,
        account: &AccountId,
        basis: &Basis,
    ) -> Result<UnlinkedAccount, LinkError> {
        let now = self.clock.now();
        let policy = &*self.settings.subscriptions;
        let role = self.store.role(account, &user.email).await?;
        let authority = Authority::Member {
            signed_in: user,
            role,
        };
        user.may_change_payer(now).map_err(LinkRefusal::from)?;
        let snapshot = match role {
            Some(_) => self.store.account(account).await?,
            None => None,
        };
        let snapshot = snapshot.ok_or(LinkRefusal::NotAMember)?;
        let verdict = assess_unlink(&snapshot, &authority, now, policy)?;
        if unlink_basis(&snapshot, now, policy) != *basis {
            return Err(LinkError::Conflict);
        }
        let paying = snapshot.license().ok_or(LinkRefusal::NothingLinked)?;
        let license = self.store.license(paying).await?;
        let license = license.ok_or(LinkError::Conflict)?;
        match decide_unlink(&snapshot, &license, &authority, now, policy)? {
            Decision::AlreadyCommitted => {}
            Decision::Commit(change) => self.commit_confirmed(&change).await?,
        }
        Ok(UnlinkedAccount {
            account: account.clone(),
            verdict,
        })
    }

    /// Commits what a person confirmed. Somebody else having won is a conflict:
    /// they are asked again, never answered by deciding anew.
    pub(crate) async fn commit_confirmed(&self, change: &Change) -> Result<(), LinkError> {
        match self.store.commit(change).await? {
            CommitOutcome::Committed => {
                trail::committed(change);
                Ok(())
            }
            CommitOutcome::Lost => Err(LinkError::Conflict),
        }
    }

    /// Has a license that was just linked reported also for hours without usage.
    /// When that fails the link stands, and its first usage begins it as well.
    pub(crate) async fn begin_zeros_of_linked(&self, license: &LicenseId) {
        if let Err(error) = self.begin_zeros(license).await {
            tracing::warn!(
                license.id = %license,
                error = %Chain(&error),
                "a linked license is not yet reported for hours without usage"
            );
        }
    }

    async fn propose(
        &self,
        loaded: &Loaded,
        authority: &Authority<'_>,
        user: &SignedIn,
        now: Timestamp,
    ) -> Result<Result<Proposal, LinkRefusal>, LinkError> {
        let policy = &*self.settings.subscriptions;
        let situation = loaded.situation().ok_or(LinkError::Conflict)?;
        Ok(match assess_link(&situation, authority, now, policy) {
            Err(refusal) => Err(refusal),
            Ok(consequence) => Ok(Proposal {
                consequence: self.shown(consequence, user).await?,
                basis: situation.basis(now, policy),
            }),
        })
    }

    /// A consequence as the user may see it: an account that they are not a
    /// member of only in part.
    async fn shown(
        &self,
        consequence: Consequence,
        user: &SignedIn,
    ) -> Result<ShownConsequence, StoreError> {
        Ok(match consequence {
            Consequence::AlreadyLinked => ShownConsequence::AlreadyLinked,
            Consequence::FirstLink => ShownConsequence::FirstLink,
            Consequence::PayerChange(change) => ShownConsequence::PayerChange(change),
            Consequence::Relink(relink) => {
                ShownConsequence::Relink(self.shown_relink(relink, user).await?)
            }
            Consequence::RelinkAndPayerChange(relink, change) => {
                ShownConsequence::RelinkAndPayerChange(
                    self.shown_relink(relink, user).await?,
                    change,
                )
            }
        })
    }

    async fn shown_relink(
        &self,
        relink: Relink,
        user: &SignedIn,
    ) -> Result<ShownRelink, StoreError> {
        let role = self.store.role(&relink.account, &user.email).await?;
        Ok(ShownRelink {
            holder: match role {
                Some(Role::FullAccess | Role::ReadOnly) => ShownAccount::Whole {
                    account: relink.account,
                    name: relink.name,
                },
                None => ShownAccount::InPart(relink.name.in_part()),
            },
            verdict: relink.verdict,
        })
    }

    /// Reads the snapshots around a license and an account until they belong
    /// to one state.
    pub(crate) async fn load(
        &self,
        account: &AccountId,
        license: &LicenseId,
    ) -> Result<Loaded, LinkError> {
        self.load_around(account, license, None).await
    }

    /// The same; `read` is the license where it was read just now.
    async fn load_around(
        &self,
        account: &AccountId,
        license: &LicenseId,
        mut read: Option<License>,
    ) -> Result<Loaded, LinkError> {
        for _read in 0..READS {
            let license = match read.take() {
                Some(license) => license,
                None => {
                    let license = self.store.license(license).await?;
                    license.ok_or(SessionError::Unknown)?
                }
            };
            let snapshot = self.store.account(account).await?;
            let snapshot = snapshot.ok_or(LinkRefusal::NotAMember)?;
            let holder = match license.linked.as_ref().filter(|id| *id != account) {
                Some(holder) => self.store.account(holder).await?,
                None => None,
            };
            let present = match snapshot.license().filter(|id| **id != license.id) {
                Some(present) => self.store.license(present).await?,
                None => None,
            };
            let loaded = Loaded {
                account: snapshot,
                license,
                holder,
                present,
            };
            if loaded.situation().is_some() {
                return Ok(loaded);
            }
        }
        Err(LinkError::Conflict)
    }
}

#[cfg(test)]
mod interleavings;
#[cfg(test)]
mod tests;

//! Accounts, their members, annual subscriptions, and what their pages show.

use std::collections::{BTreeMap, BTreeSet};

use domain::account::{
    Account, AccountName, AccountRefusal, AccountState, GraceVerdict, Payer, Standing,
    decide_activate_annual, decide_end_annual, decide_open, decide_remove_member, decide_rename,
    decide_restore, decide_set_member, decide_suspend,
};
use domain::audit::{Actor, AuditEntry};
use domain::bought_ahead::{BoughtAhead, bought_ahead, followers};
use domain::change::{Change, Decision};
use domain::ids::{AccountId, AgreementId, AwsAccountId, LicenseId, OfferId, UserEmail, masked};
use domain::license::{License, Notices};
use domain::linking::{Authority, Basis, Link, LinkRefusal, assess_unlink, unlink_basis};
use domain::member::{Member, Role};
use domain::sign_in::{SecretHash, SignedIn};
use futures_util::future::{try_join, try_join_all, try_join3};
use jiff::Timestamp;
use store::StoreError;
use store::subscriptions::CommitOutcome;

use crate::marketplace_events::ATTEMPTS;
use crate::usage_month::Held;
use crate::{App, trail};

/// The most audit entries that a page shows.
pub(crate) const AUDIT_SHOWN: u16 = 100;

/// Why an account was not changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// There is no such account.
    #[error("there is no such account")]
    Unknown,
    /// A rule forbids it.
    #[error(transparent)]
    Refused(#[from] AccountRefusal),
    /// Other changes of the account won, again and again.
    #[error("other changes of the account won each time")]
    Contended,
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// What an account may do at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The account.
    pub account: AccountId,
    /// Its name.
    pub name: AccountName,
    /// Its version: of two answers or events the one with the higher is the later.
    pub version: u64,
    /// What it is entitled to.
    pub standing: Standing,
    /// When the clock alone ends that.
    pub until: Option<Timestamp>,
    /// The instant at which all this holds.
    pub as_of: Timestamp,
}

/// An account in a user's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountSummary {
    /// The account.
    pub account: AccountId,
    /// Its name.
    pub name: AccountName,
    /// The user's role.
    pub role: Role,
    /// What it is entitled to now.
    pub standing: Standing,
    /// When the clock alone ends that.
    pub until: Option<Timestamp>,
}

/// An account's subscription page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionView {
    /// The account.
    pub account: AccountId,
    /// Its name.
    pub name: AccountName,
    /// The account's version, for what depends on having seen this state.
    pub version: u64,
    /// The user's role.
    pub role: Role,
    /// The state at [`Self::as_of`]. It holds the paying AWS account whole:
    /// pages mask it for read-only members, as [`Self::payer`] does.
    pub state: AccountState,
    /// What the account is entitled to.
    pub standing: Standing,
    /// When the clock alone ends it: a countdown in grace and trial.
    pub until: Option<Timestamp>,
    /// Since when it is so.
    pub since: Timestamp,
    /// Who pays, when AWS Marketplace does.
    pub payer: Option<PayerView>,
    /// Every link that the account ever had, the latest first.
    pub links: Vec<LinkView>,
    /// The latest audit entries, the latest first; empty for read-only members.
    pub audit: Vec<AuditEntry>,
    /// The instant at which all this holds.
    pub as_of: Timestamp,
}

/// An account as the pages about something else of it name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountView {
    /// The account.
    pub account: AccountId,
    /// Its name.
    pub name: AccountName,
    /// The user's role.
    pub role: Role,
    /// What the account is entitled to.
    pub standing: Standing,
    /// The instant at which all this holds.
    pub as_of: Timestamp,
}

/// The paying side of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayerView {
    /// The AWS account: whole for full access, else masked.
    pub buyer: String,
    /// The agreement; not for read-only members.
    pub agreement: Option<AgreementId>,
    /// The offer; not for read-only members.
    pub offer: Option<OfferId>,
    /// When the agreement ends, if it has an end.
    pub agreement_ends_at: Option<Timestamp>,
    /// What AWS says of the agreement.
    pub notices: Notices,
    /// From when another agreement goes on in its place that was bought already.
    pub goes_on_from: Option<Timestamp>,
    /// That agreement; not for read-only members.
    pub goes_on_as: Option<AgreementId>,
    /// Until when the agreement's free trial lasts.
    pub free_until: Option<Timestamp>,
    /// That AWS takes no usage of the license.
    pub held: Option<Held>,
}

/// A link in the history of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkView {
    /// The link.
    pub link: Link,
    /// The AWS account that paid: whole for full access, else masked.
    pub buyer: String,
    /// Whether it ended with an agreement of which AWS does not tell when it ended:
    /// by then, or earlier.
    pub ended_by_then: bool,
}

/// An account before it is unlinked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnlinkView {
    /// The account.
    pub account: AccountId,
    /// Its name.
    pub name: AccountName,
    /// What it is entitled to now.
    pub standing: Standing,
    /// What unlinking would mean, or why it cannot be done.
    pub unlink: Result<UnlinkProposal, LinkRefusal>,
}

/// What unlinking would mean, and what to confirm it with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnlinkProposal {
    /// Grace until an instant, or none.
    pub verdict: GraceVerdict,
    /// What it was decided on.
    pub basis: Basis,
}

impl App {
    /// Opens an account with a trial, with its first full-access member where
    /// there is one. The same id and name again is the account as it is.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn open_account(
        &self,
        id: &AccountId,
        name: &AccountName,
        owner: Option<&UserEmail>,
        by: &Actor,
    ) -> Result<Account, AccountError> {
        let now = self.clock.now();
        for _attempt in 0..ATTEMPTS {
            let existing = self.store.account(id).await?;
            let policy = &self.settings.subscriptions;
            let decision = decide_open(existing.as_ref(), id, name, owner, by, now, policy)?;
            if let (Decision::AlreadyCommitted, Some(existing)) = (&decision, existing) {
                return Ok(existing);
            }
            if self.settled(decision).await? {
                return self.store.account(id).await?.ok_or(AccountError::Unknown);
            }
        }
        Err(AccountError::Contended)
    }

    /// Opens an account for the user who asks. `key` was drawn for the form
    /// ([`App::draw_form_key`]): the same sent again is the same account.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn open_own_account(
        &self,
        user: &SignedIn,
        name: &AccountName,
        key: &str,
    ) -> Result<Account, AccountError> {
        let asked = SecretHash::of(&[user.email.as_str(), name.as_str(), key].join("\n"));
        let id = AccountId::parse(&asked.as_str()[..32]).map_err(|_| AccountError::Unknown)?;
        let by = Actor::User {
            email: user.email.clone(),
        };
        self.open_account(&id, name, Some(&user.email), &by).await
    }

    /// A fresh key for a form that opens an account.
    pub fn draw_form_key(&self) -> String {
        format!("{:032x}", self.clock.random())
    }

    /// Gives an account another name.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn rename_account(
        &self,
        account: &AccountId,
        name: &AccountName,
        by: &Actor,
    ) -> Result<(), AccountError> {
        let now = self.clock.now();
        self.change_account(account, |account, _| decide_rename(account, name, by, now))
            .await
    }

    /// What an account may do now: one read, cheap enough for every sign-in.
    /// `None` when there is no such account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn access(&self, account: &AccountId) -> Result<Option<Access>, StoreError> {
        let now = self.clock.now();
        Ok(self.store.account(account).await?.map(|account| {
            let state = account.state_at(now);
            Access {
                standing: state.standing(),
                until: state.ends_at(),
                account: account.id,
                name: account.name,
                version: account.version,
                as_of: now,
            }
        }))
    }

    /// Makes a user a member of an account, or gives them another role.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn put_member(
        &self,
        account: &AccountId,
        user: &UserEmail,
        role: Role,
        by: &Actor,
    ) -> Result<(), AccountError> {
        let now = self.clock.now();
        if self.store.account(account).await?.is_none() {
            return Err(AccountError::Unknown);
        }
        for _attempt in 0..ATTEMPTS {
            let existing = self.member(account, user).await?;
            let decision = decide_set_member(account, existing.as_ref(), user, role, by, now);
            if self.settled(decision).await? {
                return Ok(());
            }
        }
        Err(AccountError::Contended)
    }

    /// Ends a user's membership; without one, nothing.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn remove_member(
        &self,
        account: &AccountId,
        user: &UserEmail,
        by: &Actor,
    ) -> Result<(), AccountError> {
        let now = self.clock.now();
        for _attempt in 0..ATTEMPTS {
            let existing = self.member(account, user).await?;
            if self
                .settled(decide_remove_member(existing.as_ref(), by, now))
                .await?
            {
                return Ok(());
            }
        }
        Err(AccountError::Contended)
    }

    /// Activates an annual subscription until `ends_at`, or without a known end.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn activate_annual(
        &self,
        account: &AccountId,
        ends_at: Option<Timestamp>,
        by: &Actor,
    ) -> Result<(), AccountError> {
        let now = self.clock.now();
        self.change_account(account, |account, _| {
            decide_activate_annual(account, ends_at, by, now)
        })
        .await
    }

    /// Ends an annual subscription at once.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn end_annual(&self, account: &AccountId, by: &Actor) -> Result<(), AccountError> {
        let now = self.clock.now();
        self.change_account(account, |account, _| decide_end_annual(account, by, now))
            .await
    }

    /// Deletes an account: metering stops and its license is unlinked. It can
    /// be restored for 30 days.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn suspend_account(
        &self,
        account: &AccountId,
        by: &Actor,
    ) -> Result<(), AccountError> {
        let now = self.clock.now();
        self.change_account(account, |account, license| {
            decide_suspend(account, license, by, now)
        })
        .await
    }

    /// Restores a deleted account within 30 days.
    ///
    /// # Errors
    /// [`AccountError`].
    pub async fn restore_account(
        &self,
        account: &AccountId,
        by: &Actor,
    ) -> Result<(), AccountError> {
        let now = self.clock.now();
        self.change_account(account, |account, _| decide_restore(account, by, now))
            .await
    }

    /// The accounts of a user, in the order of their names.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn accounts_of(&self, user: &UserEmail) -> Result<Vec<AccountSummary>, StoreError> {
        let now = self.clock.now();
        let mut accounts = Vec::new();
        for member in self.store.memberships(user).await? {
            let Some(account) = self.store.account(&member.account).await? else {
                continue;
            };
            let state = account.state_at(now);
            accounts.push(AccountSummary {
                account: account.id,
                name: account.name,
                role: member.role,
                standing: state.standing(),
                until: state.ends_at(),
            });
        }
        accounts.sort_by(|a, b| (&a.name, &a.account).cmp(&(&b.name, &b.account)));
        Ok(accounts)
    }

    /// An account's subscription page; `None` when the user is not a member,
    /// for whom the account does not exist.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn subscription(
        &self,
        user: &SignedIn,
        account: &AccountId,
    ) -> Result<Option<SubscriptionView>, StoreError> {
        let now = self.clock.now();
        let Some((role, account)) = self.account_of(user, account).await? else {
            return Ok(None);
        };
        let state = account.state_at(now);
        let ahead = self.paying(&state);
        let links = self.links_with_licenses(&account.id);
        let audit = self.audit_seen_by(role, &account.id);
        let (ahead, (links, licenses), audit) = try_join3(ahead, links, audit).await?;
        Ok(Some(SubscriptionView {
            payer: payer(&state, &licenses, ahead, role, now),
            links: history(links, &licenses, role),
            audit,
            role,
            standing: state.standing(),
            until: state.ends_at(),
            since: state.since().unwrap_or(account.opened_at),
            state,
            version: account.version,
            account: account.id,
            name: account.name,
            as_of: now,
        }))
    }

    /// What unlinking would mean for an account; `None` for whoever is no member.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unlinking(
        &self,
        user: &SignedIn,
        account: &AccountId,
    ) -> Result<Option<UnlinkView>, StoreError> {
        let now = self.clock.now();
        let found = self.account_of(user, account).await?;
        Ok(found.map(|(role, account)| UnlinkView {
            unlink: self.propose_unlink(&account, user, role, now),
            standing: account.state_at(now).standing(),
            account: account.id,
            name: account.name,
        }))
    }

    /// An account as its member may name it; `None` for others.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn account_seen_by(
        &self,
        user: &SignedIn,
        account: &AccountId,
    ) -> Result<Option<AccountView>, StoreError> {
        let now = self.clock.now();
        let found = self.account_of(user, account).await?;
        Ok(found.map(|(role, account)| AccountView {
            standing: account.state_at(now).standing(),
            account: account.id,
            name: account.name,
            role,
            as_of: now,
        }))
    }

    /// The account, if the user is a member of it.
    async fn account_of(
        &self,
        user: &SignedIn,
        account: &AccountId,
    ) -> Result<Option<(Role, Account)>, StoreError> {
        let role = self.store.role(account, &user.email);
        let account = self.store.account(account);
        let (role, account) = try_join(role, account).await?;
        Ok(role.zip(account))
    }

    async fn audit_seen_by(
        &self,
        role: Role,
        account: &AccountId,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        match role {
            Role::FullAccess => self.store.audit_of_account(account, AUDIT_SHOWN).await,
            Role::ReadOnly => Ok(Vec::new()),
        }
    }

    fn propose_unlink(
        &self,
        account: &Account,
        user: &SignedIn,
        role: Role,
        now: Timestamp,
    ) -> Result<UnlinkProposal, LinkRefusal> {
        let policy = &self.settings.subscriptions;
        let authority = Authority::Member {
            signed_in: user,
            role: Some(role),
        };
        Ok(UnlinkProposal {
            verdict: assess_unlink(account, &authority, now, policy)?,
            basis: unlink_basis(account, now, policy),
        })
    }

    /// The hold of the license that pays, and what was bought to go on in the place of
    /// its agreement.
    async fn paying(&self, state: &AccountState) -> Result<Paying, StoreError> {
        match state {
            AccountState::Subscribed(Payer::Marketplace { link, .. }) => {
                match self.store.license(&link.license).await? {
                    Some(license) => {
                        try_join(self.hold_on(&license), self.bought_ahead_of(&license)).await
                    }
                    None => Ok((None, None)),
                }
            }
            AccountState::Subscribed(Payer::Annual { .. })
            | AccountState::Trial { .. }
            | AccountState::Grace { .. }
            | AccountState::Expired { .. }
            | AccountState::Suspended { .. }
            | AccountState::Purged { .. } => Ok((None, None)),
        }
    }

    /// What was bought to go on in the place of a license's agreement, if that has an end.
    pub(crate) async fn bought_ahead_of(
        &self,
        license: &License,
    ) -> Result<Option<BoughtAhead>, StoreError> {
        let (Some(agreement), Some(ends_at)) = (&license.agreement, license.agreement_ends_at)
        else {
            return Ok(None);
        };
        let mut facts = self.store.facts_of_agreement(agreement).await?;
        let followers = followers(agreement, &facts);
        let of_them = followers.iter();
        let of_them = of_them.map(|follower| self.store.facts_of_agreement(follower));
        facts.extend(try_join_all(of_them).await?.into_iter().flatten());
        Ok(bought_ahead(agreement, &facts, (self.clock.now(), ends_at)))
    }

    /// Every link of an account, the earliest first, and their licenses.
    async fn links_with_licenses(
        &self,
        account: &AccountId,
    ) -> Result<(Vec<Link>, Licenses), StoreError> {
        let links = self
            .store
            .links_of_account(account, Timestamp::MIN, Timestamp::MAX)
            .await?;
        let licenses: BTreeSet<&LicenseId> = links.iter().map(|link| &link.license).collect();
        let known = licenses.iter().map(|license| self.store.license(license));
        let known = try_join_all(known).await?.into_iter().flatten();
        let licenses = known.map(|license| (license.id.clone(), license)).collect();
        Ok((links, licenses))
    }

    async fn member(
        &self,
        account: &AccountId,
        user: &UserEmail,
    ) -> Result<Option<Member>, StoreError> {
        let role = self.store.role(account, user).await?;
        Ok(role.map(|role| Member {
            account: account.clone(),
            user: user.clone(),
            role,
        }))
    }

    /// Decides on the account and the license that pays for it until the
    /// decision is committed or refused.
    async fn change_account(
        &self,
        id: &AccountId,
        decide: impl Fn(&Account, Option<&License>) -> Result<Decision<Change>, AccountRefusal>,
    ) -> Result<(), AccountError> {
        for _attempt in 0..ATTEMPTS {
            let account = self.store.account(id).await?.ok_or(AccountError::Unknown)?;
            let license = match account.license() {
                Some(license) => self.store.license(license).await?,
                None => None,
            };
            let decision = match decide(&account, license.as_ref()) {
                Err(AccountRefusal::Torn) => continue,
                decided => decided?,
            };
            if self.settled(decision).await? {
                return Ok(());
            }
        }
        Err(AccountError::Contended)
    }

    /// Commits a decision; whether it holds now, or has to be made again.
    async fn settled(&self, decision: Decision<Change>) -> Result<bool, StoreError> {
        Ok(match decision {
            Decision::AlreadyCommitted => true,
            Decision::Commit(change) => match self.store.commit(&change).await? {
                CommitOutcome::Committed => {
                    trail::committed(&change);
                    true
                }
                CommitOutcome::Lost => false,
            },
        })
    }
}

fn buyer_seen_by(role: Role, buyer: &AwsAccountId) -> String {
    match role {
        Role::FullAccess => buyer.as_str().to_owned(),
        Role::ReadOnly => masked(buyer),
    }
}

/// The hold of a license, and what goes on in its agreement's place.
type Paying = (Option<Held>, Option<BoughtAhead>);

/// Licenses by their ids.
type Licenses = BTreeMap<LicenseId, License>;

fn payer(
    state: &AccountState,
    licenses: &Licenses,
    (held, ahead): Paying,
    role: Role,
    now: Timestamp,
) -> Option<PayerView> {
    let AccountState::Subscribed(Payer::Marketplace { link, buyer }) = state else {
        return None;
    };
    let license = licenses.get(&link.license);
    let seen = license.filter(|_| role == Role::FullAccess);
    Some(PayerView {
        buyer: buyer_seen_by(role, buyer),
        agreement: seen.and_then(|license| license.agreement.clone()),
        offer: seen.and_then(|license| license.offer.clone()),
        agreement_ends_at: license.and_then(|license| license.agreement_ends_at),
        notices: license.map(|license| license.notices).unwrap_or_default(),
        goes_on_from: ahead.as_ref().map(|ahead| ahead.from),
        goes_on_as: ahead
            .filter(|_| role == Role::FullAccess)
            .map(|ahead| ahead.agreement),
        free_until: license
            .and_then(|license| license.pricing.last()?.free_until)
            .filter(|until| now < *until),
        held,
    })
}

/// Links as their reader may see them, the latest first.
fn history(links: Vec<Link>, licenses: &Licenses, role: Role) -> Vec<LinkView> {
    let views = links.into_iter().rev().map(|link| {
        let license = licenses.get(&link.license);
        LinkView {
            buyer: license
                .map(|license| buyer_seen_by(role, &license.buyer))
                .unwrap_or_default(),
            ended_by_then: license
                .and_then(|license| license.notices.ended_by)
                .is_some_and(|by| link.until == Some(by)),
            link,
        }
    });
    views.collect()
}

#[cfg(test)]
mod tests;

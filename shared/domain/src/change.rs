//! What a decision asks the store to commit, all or nothing.

use jiff::Timestamp;

use crate::account::Account;
use crate::audit::{Actor, AuditAction, AuditEntry, AuditSubject};
use crate::ids::{AccountId, LicenseId, UserEmail};
use crate::license::License;
use crate::linking::Link;
use crate::member::Member;
use crate::outbound::OutboundEvent;
use crate::support::SupportRequest;

/// The answer to a command that is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a decision does nothing until it is committed"]
pub enum Decision<C> {
    /// This is to be committed.
    Commit(C),
    /// The command was carried out before, with the same content.
    AlreadyCommitted,
}

/// Everything that one decision changes: committed by one transaction, which
/// holds only if every snapshot named here still has the version it was decided on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// Accounts as they are to be; `version` is still the one decided on.
    pub accounts: Vec<Account>,
    /// Licenses as they are to be; `version` is still the one decided on.
    pub licenses: Vec<License>,
    /// Links that begin.
    pub opened: Vec<Link>,
    /// Links that end.
    pub closed: Vec<Link>,
    /// Memberships as they are to be.
    pub members: Vec<MemberChange>,
    /// Memberships that must still be so, because they were the authority.
    pub requires: Vec<Member>,
    /// Support's requests as they are to be; `version` is still the one decided on.
    pub requests: Vec<SupportRequest>,
    /// The audit.
    pub audit: Vec<AuditEntry>,
    /// What the outside is told.
    pub outbound: Vec<OutboundEvent>,
}

/// A change of one membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberChange {
    /// It is to be so, whether or not it was there.
    Set(Member),
    /// It is to be gone.
    Removed {
        /// The account.
        account: AccountId,
        /// The former member.
        user: UserEmail,
    },
}

impl Change {
    /// Replaces an account and tells the outside what it may do from now on.
    pub(crate) fn put_account(&mut self, account: Account, at: Timestamp) {
        self.outbound.push(OutboundEvent::AccountAccessChanged {
            account: account.id.clone(),
            version: account.version.saturating_add(1),
            standing: account.state.standing(),
            until: account.state.ends_at(),
            at,
        });
        self.accounts.push(account);
    }

    /// Adds an entry to an account's audit.
    pub(crate) fn audit_account(
        &mut self,
        account: &AccountId,
        by: &Actor,
        at: Timestamp,
        action: AuditAction,
    ) {
        self.audit.push(AuditEntry {
            at,
            by: by.clone(),
            subject: AuditSubject::Account(account.clone()),
            action,
        });
    }

    /// Adds an entry to a license's audit.
    pub(crate) fn audit_license(
        &mut self,
        license: &LicenseId,
        by: &Actor,
        at: Timestamp,
        action: AuditAction,
    ) {
        self.audit.push(AuditEntry {
            at,
            by: by.clone(),
            subject: AuditSubject::License(license.clone()),
            action,
        });
    }
}

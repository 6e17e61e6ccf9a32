//! Linking licenses to accounts: one account a license, one license an account.
//!
//! Invariants:
//!
//! - `License::linked`, the account's payer and the one open [`Link`] say the
//!   same in every committed state, so license and account are one to one at
//!   every instant;
//! - a decision names every snapshot it looked at, so of two decisions on the
//!   same license or account only one commits;
//! - moving a license away starts grace; nothing here shortens or extends a
//!   grace that runs.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::account::{Account, AccountName, AccountState, GraceVerdict, Payer};
use crate::audit::{Actor, AuditAction};
use crate::change::{Change, Decision};
use crate::ids::{AccountId, AwsAccountId, LicenseId};
use crate::license::{FormerLink, License, LicenseStatus};
use crate::member::{Member, Role};
use crate::outbound::OutboundEvent;
use crate::policy::{REPEATED_GRACE, SubscriptionPolicy};
use crate::sign_in::{SecretHash, SignInRefusal, SignedIn};
use crate::support::{self, Grounds, Mandate, RequestRefusal};

/// A license was linked to an account over `[from, until)`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// The license.
    pub license: LicenseId,
    /// The account.
    pub account: AccountId,
    /// The license's version when it was linked: tells apart two links that
    /// began at one instant.
    pub number: u64,
    /// From this instant on.
    pub from: Timestamp,
    /// Up to but not including this instant; `None` while it is open.
    pub until: Option<Timestamp>,
    /// Who linked it.
    pub linked_by: Actor,
    /// How it ended; `None` while it is open.
    pub unlinked: Option<Unlinked>,
}

/// How a link ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unlinked {
    /// Who ended it.
    pub by: Actor,
    /// Why.
    pub cause: UnlinkCause,
}

/// Why a link ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnlinkCause {
    /// The license was linked to another account.
    Relinked,
    /// Another license was linked to the account.
    PayerChanged,
    /// A member or support unlinked it.
    Unlinked,
    /// The agreement ended in AWS.
    AgreementEnded,
    /// AWS did not say for 24 hours whether the agreement goes on.
    AgreementUnanswered,
    /// Another license goes on in its place, as AWS says.
    Succeeded,
    /// The account was deleted.
    AccountDeleted,
}

impl Link {
    /// Whether the link and `[from, until)` have an instant in common.
    pub fn overlaps(&self, from: Timestamp, until: Timestamp) -> bool {
        self.from < until
            && self.until.is_none_or(|end| from < end)
            && self.until != Some(self.from)
    }
}

/// On whose authority a license is linked or unlinked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Authority<'a> {
    /// A user's, by their membership in the account.
    Member {
        /// The user.
        signed_in: &'a SignedIn,
        /// Their role in the account; `None` when they are not a member.
        role: Option<Role>,
    },
    /// Support's, for a customer who cannot.
    Support {
        /// Who of support.
        signed_in: &'a SignedIn,
        /// On what it rests.
        mandate: Mandate<'a>,
    },
}

impl Authority<'_> {
    /// Checks the sign-in, then the role or the mandate.
    fn check(&self, now: Timestamp) -> Result<(), LinkRefusal> {
        match self {
            Self::Member { signed_in, role } => {
                signed_in.may_change_payer(now)?;
                match role {
                    Some(Role::FullAccess) => Ok(()),
                    Some(Role::ReadOnly) => Err(LinkRefusal::NotFullAccess),
                    None => Err(LinkRefusal::NotAMember),
                }
            }
            Self::Support { signed_in, mandate } => {
                support::may_act(signed_in, now)?;
                match mandate {
                    Mandate::NotYet | Mandate::Own(_) => Ok(()),
                    Mandate::Request(request) => {
                        Ok(request.may_be_approved_by(&signed_in.email, now)?)
                    }
                }
            }
        }
    }

    /// On what grounds support acts; a member needs none.
    const fn grounds(&self) -> Option<&Grounds> {
        match self {
            Self::Member { .. } => None,
            Self::Support { mandate, .. } => mandate.grounds(),
        }
    }

    /// Who acts, if the authority is enough to decide on.
    fn actor(&self, policy: &SubscriptionPolicy) -> Result<Actor, LinkRefusal> {
        match self {
            Self::Member { signed_in, .. } => Ok(Actor::User {
                email: signed_in.email.clone(),
            }),
            Self::Support { signed_in, mandate } => {
                mandate.actor(signed_in, policy.support_approval)
            }
        }
    }

    /// Has the change rest on the authority: it is made only if that still holds.
    fn require(&self, account: &AccountId, at: Timestamp, change: &mut Change) {
        match self {
            Self::Member { signed_in, .. } => change.requires.push(Member {
                account: account.clone(),
                user: signed_in.email.clone(),
                role: Role::FullAccess,
            }),
            Self::Support { signed_in, mandate } => match mandate {
                Mandate::NotYet | Mandate::Own(_) => {}
                Mandate::Request(request) => change
                    .requests
                    .push(request.carried_out(&signed_in.email, at)),
            },
        }
    }
}

/// Why a license may not be linked, or unlinked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkRefusal {
    /// The sign-in does not do.
    #[error(transparent)]
    SignIn(#[from] SignInRefusal),
    /// The user is not a member of the account: for them it does not exist.
    #[error("there is no such account")]
    NotAMember,
    /// Support gave no reason and no ticket.
    #[error("support has to give a reason and a ticket")]
    GroundsRequired,
    /// The seller wants a second person of support to approve it.
    #[error("a second person of support has to approve it")]
    ApprovalRequired,
    /// Another one's request may not be approved.
    #[error(transparent)]
    Request(#[from] RequestRefusal),
    /// The user may only read: an administrator has to do it.
    #[error("only members with full access may do this")]
    NotFullAccess,
    /// The account has an annual subscription (FAQ, statement 2: never both).
    #[error("the account has an annual subscription")]
    AnnualSubscription {
        /// When it ends, if that is known.
        ends_at: Option<Timestamp>,
    },
    /// The account is deleted; it can be restored until this instant.
    #[error("the account is deleted")]
    AccountDeleted {
        /// Until when it can be restored; `None` when it is gone.
        restorable_until: Option<Timestamp>,
    },
    /// AWS has not activated the license yet.
    #[error("AWS has not activated the license yet")]
    LicensePending,
    /// The license ended in AWS.
    #[error("the license ended in AWS")]
    LicenseEnded {
        /// When.
        ended_at: Timestamp,
    },
    /// Another license pays for the account than the one to be unlinked.
    #[error("another license pays for the account")]
    AnotherLicense,
    /// No license is linked to the account, so none can be unlinked.
    #[error("no license is linked to the account")]
    NothingLinked,
}

/// The snapshots that linking a license to an account depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkSituation<'a> {
    account: &'a Account,
    license: &'a License,
    holder: Option<&'a Account>,
    present: Option<&'a License>,
}

/// The snapshots were read while another change was committed: read them again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the snapshots do not belong to one state")]
pub struct Torn;

impl<'a> LinkSituation<'a> {
    /// `holder` is the account that the license is linked to when that is
    /// another one, `present` the license that pays for the account when that
    /// is another one.
    ///
    /// # Errors
    /// [`Torn`] when the snapshots do not agree on who is linked to whom.
    pub fn new(
        account: &'a Account,
        license: &'a License,
        holder: Option<&'a Account>,
        present: Option<&'a License>,
    ) -> Result<Self, Torn> {
        let elsewhere = license.linked.as_ref().filter(|id| **id != account.id);
        let holder_fits = elsewhere == holder.map(|holder| &holder.id)
            && holder.is_none_or(|holder| holder.license() == Some(&license.id));
        let paying = account.license().filter(|id| **id != license.id);
        let present_fits = paying == present.map(|present| &present.id)
            && present.is_none_or(|present| present.linked.as_ref() == Some(&account.id));
        let here = license.linked.as_ref() == Some(&account.id);
        let here_fits = here == (account.license() == Some(&license.id));
        if holder_fits && present_fits && here_fits {
            Ok(Self {
                account,
                license,
                holder,
                present,
            })
        } else {
            Err(Torn)
        }
    }

    /// When what is decided on these snapshots takes effect: now, or where a
    /// clock was set back, at the last instant that any of them knows of.
    fn at(&self, now: Timestamp) -> Timestamp {
        let at = self.account.not_before(now);
        let at = self.holder.map_or(at, |holder| holder.not_before(at));
        let former = self.license.former.as_ref().map(|former| former.until);
        former.map_or(at, |until| at.max(until))
    }

    /// A digest of what was decided on: the snapshots' versions and what would
    /// follow. A person confirms it; another one means that they must be asked again.
    pub fn basis(&self, now: Timestamp, policy: &SubscriptionPolicy) -> Basis {
        let version = |account: &Account| format!("{}/{}", account.id, account.version);
        let refuses = self
            .holder
            .map(|holder| match holder.grace_verdict(now, policy) {
                GraceVerdict::Granted { .. } => "grace",
                GraceVerdict::Refused { .. } => "no grace",
            });
        Basis::of(&[
            version(self.account),
            format!("{}/{}", self.license.id, self.license.version),
            self.holder.map(version).unwrap_or_default(),
            self.present
                .map(|present| format!("{}/{}", present.id, present.version))
                .unwrap_or_default(),
            refuses.unwrap_or_default().to_owned(),
        ])
    }
}

/// What a person was shown when they were asked to confirm: a digest of the
/// versions of everything that the decision depends on, without revealing any.
/// Written as 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Basis(String);

/// A text that is not a basis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be the 64 hexadecimal digits that the page was given")]
pub struct InvalidBasis;

impl Basis {
    fn of(parts: &[String]) -> Self {
        Self(SecretHash::of(&parts.join("#")).as_str().to_owned())
    }

    /// Parses the hidden field of a form.
    ///
    /// # Errors
    /// [`InvalidBasis`] when it is not 64 hexadecimal digits.
    pub fn parse(text: impl Into<String>) -> Result<Self, InvalidBasis> {
        let text = text.into();
        if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(text))
        } else {
            Err(InvalidBasis)
        }
    }

    /// The text for a hidden field.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Basis {
    type Error = InvalidBasis;
    fn try_from(text: String) -> Result<Self, InvalidBasis> {
        Self::parse(text)
    }
}

impl From<Basis> for String {
    fn from(basis: Basis) -> String {
        basis.0
    }
}

/// What linking would do, for the confirmation to name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Consequence {
    /// The license is linked here already: nothing.
    AlreadyLinked,
    /// The account is subscribed from now on.
    FirstLink,
    /// Another AWS account pays from now on.
    PayerChange(PayerChange),
    /// The license leaves another account.
    Relink(Relink),
    /// Both.
    RelinkAndPayerChange(Relink, PayerChange),
}

/// The payer of the account changes, without a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayerChange {
    /// The license that paid; it becomes unlinked and stays linkable.
    pub license: LicenseId,
    /// The AWS account that paid, and must cancel in AWS.
    pub from: AwsAccountId,
    /// The AWS account that pays from now on.
    pub to: AwsAccountId,
}

/// The license leaves another account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relink {
    /// The account that loses it.
    pub account: AccountId,
    /// Its name.
    pub name: AccountName,
    /// What that means for it.
    pub verdict: GraceVerdict,
}

/// What linking would do now, or why it may not be done.
///
/// # Errors
/// [`LinkRefusal`]: the sign-in first, then the role, then the account, then the license.
pub fn assess_link(
    situation: &LinkSituation<'_>,
    authority: &Authority<'_>,
    now: Timestamp,
    policy: &SubscriptionPolicy,
) -> Result<Consequence, LinkRefusal> {
    authority.check(now)?;
    let LinkSituation {
        account,
        license,
        holder,
        present,
    } = *situation;
    if license.linked.as_ref() == Some(&account.id) {
        return Ok(Consequence::AlreadyLinked);
    }
    match account.state_at(now) {
        AccountState::Subscribed(Payer::Annual { ends_at, .. }) => {
            return Err(LinkRefusal::AnnualSubscription { ends_at });
        }
        AccountState::Suspended {
            restorable_until, ..
        } => {
            return Err(LinkRefusal::AccountDeleted {
                restorable_until: Some(restorable_until),
            });
        }
        AccountState::Purged { .. } => {
            return Err(LinkRefusal::AccountDeleted {
                restorable_until: None,
            });
        }
        AccountState::Trial { .. }
        | AccountState::Subscribed(Payer::Marketplace { .. })
        | AccountState::Grace { .. }
        | AccountState::Expired { .. } => {}
    }
    match license.status {
        LicenseStatus::Active { since } if since <= now => {}
        LicenseStatus::Active { .. } | LicenseStatus::Pending => {
            return Err(LinkRefusal::LicensePending);
        }
        LicenseStatus::Ended { end, .. } => {
            return Err(LinkRefusal::LicenseEnded {
                ended_at: end.ended_at,
            });
        }
    }
    let relink = holder.map(|holder| Relink {
        account: holder.id.clone(),
        name: holder.name.clone(),
        verdict: holder.grace_verdict(situation.at(now), policy),
    });
    let payer_change = present.map(|present| PayerChange {
        license: present.id.clone(),
        from: present.buyer.clone(),
        to: license.buyer.clone(),
    });
    Ok(match (relink, payer_change) {
        (None, None) => Consequence::FirstLink,
        (None, Some(payer_change)) => Consequence::PayerChange(payer_change),
        (Some(relink), None) => Consequence::Relink(relink),
        (Some(relink), Some(payer_change)) => {
            Consequence::RelinkAndPayerChange(relink, payer_change)
        }
    })
}

/// Links the license to the account: at once, in one change over every
/// snapshot that is touched.
///
/// # Errors
/// [`LinkRefusal`], as [`assess_link`].
pub fn decide_link(
    situation: &LinkSituation<'_>,
    authority: &Authority<'_>,
    now: Timestamp,
    policy: &SubscriptionPolicy,
) -> Result<Decision<Change>, LinkRefusal> {
    let consequence = assess_link(situation, authority, now, policy)?;
    if consequence == Consequence::AlreadyLinked {
        return Ok(Decision::AlreadyCommitted);
    }
    let by = authority.actor(policy)?;
    let LinkSituation {
        account,
        license,
        holder,
        present,
    } = *situation;
    let at = situation.at(now);
    let mut change = Change::default();
    authority.require(&account.id, at, &mut change);
    crate::expiry::audit_lapse(&mut change, account, at);
    if let Some(holder) = holder {
        leave(
            &mut change,
            holder,
            license,
            UnlinkCause::Relinked,
            &by,
            at,
            policy,
        );
    }
    if let Some(present) = present {
        replace_payer(&mut change, account, present, license, &by, at);
    }
    open_link(&mut change, account, license, &by, at);
    if let Some(grounds) = authority.grounds() {
        tell_of_support(&mut change, situation, grounds, at, policy);
    }
    Ok(Decision::Commit(change))
}

/// Links a license to an account from an instant on, which it pays for from then on.
pub(crate) fn open_link(
    change: &mut Change,
    account: &Account,
    license: &License,
    by: &Actor,
    at: Timestamp,
) {
    let link = Link {
        license: license.id.clone(),
        account: account.id.clone(),
        number: license.version.saturating_add(1),
        from: at,
        until: None,
        linked_by: by.clone(),
        unlinked: None,
    };
    let linked = AuditAction::Linked {
        license: license.id.clone(),
        buyer: license.buyer.clone(),
        agreement: license.agreement.clone(),
    };
    change.audit_account(&account.id, by, at, linked.clone());
    change.audit_license(&license.id, by, at, linked);
    let subscribed = AccountState::Subscribed(Payer::Marketplace {
        link: Box::new(link.clone()),
        buyer: license.buyer.clone(),
    });
    change.put_account(account.moved(subscribed, at), at);
    change.licenses.push(License {
        linked: Some(account.id.clone()),
        former: None,
        ..license.clone()
    });
    change.opened.push(link);
}

/// Tells the customers what support's linking did.
fn tell_of_support(
    change: &mut Change,
    situation: &LinkSituation<'_>,
    grounds: &Grounds,
    at: Timestamp,
    policy: &SubscriptionPolicy,
) {
    let buyer = &situation.license.buyer;
    if let Some(holder) = situation.holder {
        let verdict = holder.grace_verdict(at, policy);
        support::tell_of_loss(change, holder, buyer, verdict, grounds, at);
    }
    let before = situation.present.map(|present| &present.buyer);
    support::tell_of_gain(change, situation.account, (buyer, before), grounds, at);
}

/// What unlinking the account's license would do.
///
/// # Errors
/// [`LinkRefusal`]: the sign-in first, then the role, then that nothing is linked.
pub fn assess_unlink(
    account: &Account,
    authority: &Authority<'_>,
    now: Timestamp,
    policy: &SubscriptionPolicy,
) -> Result<GraceVerdict, LinkRefusal> {
    authority.check(now)?;
    if account.license().is_none() {
        return Err(LinkRefusal::NothingLinked);
    }
    Ok(account.grace_verdict(account.not_before(now), policy))
}

/// Unlinks the license that pays for the account, which enters grace.
///
/// # Errors
/// [`LinkRefusal`], as [`assess_unlink`].
pub fn decide_unlink(
    account: &Account,
    license: &License,
    authority: &Authority<'_>,
    now: Timestamp,
    policy: &SubscriptionPolicy,
) -> Result<Decision<Change>, LinkRefusal> {
    let verdict = assess_unlink(account, authority, now, policy)?;
    let by = authority.actor(policy)?;
    if account.license() != Some(&license.id) {
        return Err(LinkRefusal::AnotherLicense);
    }
    let at = account.not_before(now);
    let mut change = Change::default();
    authority.require(&account.id, at, &mut change);
    leave(
        &mut change,
        account,
        license,
        UnlinkCause::Unlinked,
        &by,
        at,
        policy,
    );
    change.licenses.push(License {
        linked: None,
        former: Some(FormerLink {
            account: account.id.clone(),
            until: at,
        }),
        ..license.clone()
    });
    change.outbound.push(OutboundEvent::LicenseUnlinked {
        license: license.id.clone(),
        version: license.version.saturating_add(1),
        at,
    });
    if let Some(grounds) = authority.grounds() {
        let buyer = &license.buyer;
        support::tell_of_unlinking(&mut change, account, buyer, verdict, grounds, at);
    }
    Ok(Decision::Commit(change))
}

/// A digest of what unlinking was decided on.
pub fn unlink_basis(account: &Account, now: Timestamp, policy: &SubscriptionPolicy) -> Basis {
    let verdict = match account.grace_verdict(now, policy) {
        GraceVerdict::Granted { .. } => "grace",
        GraceVerdict::Refused { .. } => "no grace",
    };
    Basis::of(&[
        "unlink".to_owned(),
        format!("{}/{}", account.id, account.version),
        verdict.to_owned(),
    ])
}

/// The account loses its license at `at`: grace, its link closed, told. The
/// license itself is the caller's to replace.
fn leave(
    change: &mut Change,
    account: &Account,
    license: &License,
    cause: UnlinkCause,
    by: &Actor,
    at: Timestamp,
    policy: &SubscriptionPolicy,
) {
    let AccountState::Subscribed(Payer::Marketplace { link, .. }) = &account.state else {
        return;
    };
    let Some((bereft, verdict)) = account.bereft(at, policy) else {
        return;
    };
    let unlinked = AuditAction::Unlinked {
        license: license.id.clone(),
        buyer: license.buyer.clone(),
        moved: cause == UnlinkCause::Relinked,
    };
    change.audit_account(&account.id, by, at, unlinked.clone());
    change.audit_license(&license.id, by, at, unlinked);
    let version = account.version.saturating_add(1);
    let (within_30_days, granted) = match verdict {
        GraceVerdict::Granted {
            ends_at,
            within_30_days,
        } => {
            change.audit_account(
                &account.id,
                by,
                at,
                AuditAction::GraceStarted {
                    ends_at,
                    generation: bereft.grace_generation,
                    within_30_days,
                },
            );
            change.outbound.push(OutboundEvent::GraceStarted {
                account: account.id.clone(),
                version,
                at,
                until: ends_at,
            });
            (within_30_days, true)
        }
        GraceVerdict::Refused { within_30_days } => {
            let refused = AuditAction::GraceRefused { within_30_days };
            change.audit_account(&account.id, by, at, refused);
            (within_30_days, false)
        }
    };
    if within_30_days >= REPEATED_GRACE {
        change.outbound.push(OutboundEvent::GraceRepeated {
            account: account.id.clone(),
            version,
            within_30_days,
            granted,
        });
    }
    change.put_account(bereft, at);
    change.closed.push(closed(link, by, at, cause));
}

/// The license that paid for the account makes way for another one.
fn replace_payer(
    change: &mut Change,
    account: &Account,
    present: &License,
    next: &License,
    by: &Actor,
    at: Timestamp,
) {
    if let AccountState::Subscribed(Payer::Marketplace { link, buyer }) = &account.state {
        close_link(
            change,
            account,
            link,
            buyer,
            present,
            by,
            at,
            UnlinkCause::PayerChanged,
        );
    }
    let (from, to) = (present.buyer.clone(), next.buyer.clone());
    // Two subscriptions of one AWS account: who pays stays the same.
    if from != to {
        change.outbound.push(OutboundEvent::PayerChanged {
            account: account.id.clone(),
            version: account.version.saturating_add(1),
            from: from.clone(),
            to: to.clone(),
            at,
        });
    }
    let from_license = present.id.clone();
    let action = AuditAction::PayerChanged {
        from_license,
        from,
        to,
    };
    change.audit_account(&account.id, by, at, action);
}

/// Ends an account's open link, on the link's and on the license's side; the
/// account itself is the caller's to replace.
#[expect(clippy::too_many_arguments, reason = "the facts of one closed link")]
pub(crate) fn close_link(
    change: &mut Change,
    account: &Account,
    link: &Link,
    buyer: &AwsAccountId,
    license: &License,
    by: &Actor,
    at: Timestamp,
    cause: UnlinkCause,
) {
    let unlinked = AuditAction::Unlinked {
        license: link.license.clone(),
        buyer: buyer.clone(),
        moved: false,
    };
    change.audit_account(&account.id, by, at, unlinked.clone());
    change.audit_license(&link.license, by, at, unlinked);
    change.closed.push(closed(link, by, at, cause));
    change.licenses.push(License {
        linked: None,
        former: Some(FormerLink {
            account: account.id.clone(),
            until: at,
        }),
        ..license.clone()
    });
    if !license.has_ended() {
        change.outbound.push(OutboundEvent::LicenseUnlinked {
            license: license.id.clone(),
            version: license.version.saturating_add(1),
            at,
        });
    }
}

fn closed(link: &Link, by: &Actor, at: Timestamp, cause: UnlinkCause) -> Link {
    Link {
        until: Some(at.max(link.from)),
        unlinked: Some(Unlinked {
            by: by.clone(),
            cause,
        }),
        ..link.clone()
    }
}

#[cfg(test)]
mod tests;

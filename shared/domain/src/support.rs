//! What support does for a customer who cannot: unlinking a license, or linking
//! it to another account, for a reason and with a ticket. Where the seller
//! wants it so, a second person of support approves it first.
//!
//! Invariants:
//!
//! - it is decided by the rules of every linking ([`crate::linking`]), when it
//!   is carried out and on what was shown then; a request only remembers what
//!   was asked for;
//! - nobody approves their own request, and what is approved is carried out once:
//!   the change that does it is conditioned on the request's version;
//! - the customer is told in the same change.

use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use serde::{Deserialize, Serialize};

use crate::account::{Account, EXPIRED_LABEL, GraceVerdict};
use crate::audit::{Actor, AuditAction};
use crate::change::{Change, Decision};
use crate::hour::after;
use crate::ids::{
    AccountId, AwsAccountId, LicenseId, SupportRequestId, UserEmail, masked, text_line,
};
use crate::linking::{Basis, LinkRefusal};
use crate::outbound::OutboundEvent;
use crate::policy::{SUPPORT_REQUEST_FOR, SupportApproval};
use crate::sign_in::{SecretHash, SignedIn};

text_line! {
    /// Why support acts, in words that the customer reads: one line of 1 to 500 characters.
    Reason, "reason", 500
}

text_line! {
    /// The ticket in which the customer asked: one line of 1 to 64 characters.
    Ticket, "ticket", 64
}

/// On what ground support acts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grounds {
    /// Why.
    pub reason: Reason,
    /// The ticket in which the customer asked.
    pub ticket: Ticket,
}

/// What support is to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SupportOrder {
    /// Unlink the license that pays for an account, which enters grace.
    Unlink {
        /// The account.
        account: AccountId,
        /// The license.
        license: LicenseId,
    },
    /// Link a license to an account, whatever it is linked to.
    Transfer {
        /// The license.
        license: LicenseId,
        /// The account that it is to pay for.
        to: AccountId,
    },
}

impl SupportOrder {
    /// The account whose payer it is about.
    pub const fn account(&self) -> &AccountId {
        match self {
            Self::Unlink { account, .. } => account,
            Self::Transfer { to, .. } => to,
        }
    }

    /// The license.
    pub const fn license(&self) -> &LicenseId {
        match self {
            Self::Unlink { license, .. } | Self::Transfer { license, .. } => license,
        }
    }
}

/// Something that one person of support asks another to approve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupportRequest {
    /// Its name.
    pub id: SupportRequestId,
    /// What is to be done.
    pub order: SupportOrder,
    /// Why.
    pub grounds: Grounds,
    /// What whoever asked was shown.
    pub basis: Basis,
    /// Who asked.
    pub by: UserEmail,
    /// When.
    pub at: Timestamp,
    /// What became of it.
    pub state: RequestState,
    /// How many changes were committed; 0 when it is not stored yet.
    #[serde(skip)]
    pub version: u64,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RequestState {
    /// It waits for a second person, until then.
    Waiting {
        /// From this instant on it can no longer be approved.
        expires_at: Timestamp,
    },
    /// It was approved, and carried out.
    CarriedOut {
        /// Who approved it.
        by: UserEmail,
        /// When.
        at: Timestamp,
    },
    /// It was declined, or taken back by whoever made it.
    Declined {
        /// Who declined it.
        by: UserEmail,
        /// When.
        at: Timestamp,
    },
}

/// Why a request may not be approved or declined.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestRefusal {
    /// Whoever asked is not a second person.
    #[error("somebody else has to approve what you asked for")]
    OwnRequest,
    /// Nobody approved it in time.
    #[error("the request was not approved in time")]
    Expired {
        /// Since when it cannot be approved.
        at: Timestamp,
    },
    /// It was carried out or declined before.
    #[error("the request was carried out or declined before")]
    Settled(RequestState),
}

/// On what support's authority over a license rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mandate<'a> {
    /// None is given yet: enough to see what would follow, not to decide it.
    NotYet,
    /// On grounds that whoever acts gives.
    Own(&'a Grounds),
    /// On another one's request, which whoever acts approves.
    Request(&'a SupportRequest),
}

impl Mandate<'_> {
    /// The reason and the ticket.
    pub(crate) const fn grounds(&self) -> Option<&Grounds> {
        match self {
            Self::NotYet => None,
            Self::Own(grounds) => Some(grounds),
            Self::Request(request) => Some(&request.grounds),
        }
    }

    /// Who acts and who approves, for the audit.
    pub(crate) fn actor(
        &self,
        signed_in: &SignedIn,
        approval: SupportApproval,
    ) -> Result<Actor, LinkRefusal> {
        match (self, approval) {
            (Self::NotYet, SupportApproval::One | SupportApproval::Two) => {
                Err(LinkRefusal::GroundsRequired)
            }
            (Self::Own(_), SupportApproval::Two) => Err(LinkRefusal::ApprovalRequired),
            (Self::Own(grounds), SupportApproval::One) => Ok(alone(signed_in, grounds)),
            (Self::Request(request), SupportApproval::One | SupportApproval::Two) => {
                Ok(Actor::Support {
                    email: request.by.clone(),
                    grounds: request.grounds.clone(),
                    approved_by: Some(signed_in.email.clone()),
                })
            }
        }
    }
}

impl SupportRequest {
    /// What somebody asks for now. The same asked for again on the same day has
    /// the same name.
    pub fn new(
        order: SupportOrder,
        grounds: Grounds,
        basis: Basis,
        by: &SignedIn,
        now: Timestamp,
    ) -> Self {
        let content = [
            order.account().as_str(),
            order.license().as_str(),
            grounds.ticket.as_str(),
            grounds.reason.as_str(),
            basis.as_str(),
            by.email.as_str(),
        ];
        let digest = SecretHash::of(&content.join("\n"));
        Self {
            id: SupportRequestId::of(now, digest.as_str()),
            order,
            grounds,
            basis,
            by: by.email.clone(),
            at: now,
            state: RequestState::Waiting {
                expires_at: after(now, SUPPORT_REQUEST_FOR),
            },
            version: 0,
        }
    }

    /// Whether somebody may approve it now.
    ///
    /// # Errors
    /// [`RequestRefusal`].
    pub fn may_be_approved_by(
        &self,
        approver: &UserEmail,
        now: Timestamp,
    ) -> Result<(), RequestRefusal> {
        match &self.state {
            RequestState::Waiting { expires_at } if *expires_at <= now => {
                Err(RequestRefusal::Expired { at: *expires_at })
            }
            RequestState::Waiting { .. } if *approver == self.by => Err(RequestRefusal::OwnRequest),
            RequestState::Waiting { .. } => Ok(()),
            state @ (RequestState::CarriedOut { .. } | RequestState::Declined { .. }) => {
                Err(RequestRefusal::Settled(state.clone()))
            }
        }
    }

    /// Whether it still waits for a second person.
    pub fn is_waiting(&self, now: Timestamp) -> bool {
        match &self.state {
            RequestState::Waiting { expires_at } => now < *expires_at,
            RequestState::CarriedOut { .. } | RequestState::Declined { .. } => false,
        }
    }

    pub(crate) fn carried_out(&self, by: &UserEmail, at: Timestamp) -> Self {
        Self {
            state: RequestState::CarriedOut { by: by.clone(), at },
            ..self.clone()
        }
    }
}

/// Asks a second person of support to approve something. What it would do was
/// assessed before; it is assessed anew when it is approved. `made` is what was
/// asked for by the same name before: what waits is not asked for again.
///
/// # Errors
/// [`LinkRefusal`] for a sign-in that does not do, or that is not support's.
pub fn decide_request(
    request: &SupportRequest,
    made: Option<&SupportRequest>,
    signed_in: &SignedIn,
    now: Timestamp,
) -> Result<Decision<Change>, LinkRefusal> {
    may_act(signed_in, now)?;
    if made.is_some_and(|made| made.is_waiting(now)) {
        return Ok(Decision::AlreadyCommitted);
    }
    let mut change = Change::default();
    let by = alone(signed_in, &request.grounds);
    let asked = AuditAction::SupportAsked {
        order: request.order.clone(),
    };
    change.audit_account(request.order.account(), &by, now, asked);
    change.requests.push(SupportRequest {
        version: made.map_or(0, |made| made.version),
        ..request.clone()
    });
    Ok(Decision::Commit(change))
}

/// Settles a request of which it turns out that what it asks for is so already.
pub fn settle_request(request: &SupportRequest, by: &SignedIn, now: Timestamp) -> Change {
    let mut change = Change::default();
    change.requests.push(request.carried_out(&by.email, now));
    change
}

/// Declines a request; whoever made it takes it back in the same way.
///
/// # Errors
/// [`LinkRefusal`] for a sign-in that does not do, or a request that is settled.
pub fn decide_decline(
    request: &SupportRequest,
    signed_in: &SignedIn,
    now: Timestamp,
) -> Result<Decision<Change>, LinkRefusal> {
    may_act(signed_in, now)?;
    match &request.state {
        RequestState::Waiting { .. } => {}
        RequestState::Declined { .. } => return Ok(Decision::AlreadyCommitted),
        state @ RequestState::CarriedOut { .. } => {
            return Err(RequestRefusal::Settled(state.clone()).into());
        }
    }
    let mut change = Change::default();
    let by = alone(signed_in, &request.grounds);
    let declined = AuditAction::SupportDeclined {
        order: request.order.clone(),
    };
    change.audit_account(request.order.account(), &by, now, declined);
    change.requests.push(SupportRequest {
        state: RequestState::Declined {
            by: signed_in.email.clone(),
            at: now,
        },
        ..request.clone()
    });
    Ok(Decision::Commit(change))
}

fn alone(signed_in: &SignedIn, grounds: &Grounds) -> Actor {
    Actor::Support {
        email: signed_in.email.clone(),
        grounds: grounds.clone(),
        approved_by: None,
    }
}

/// Whether a sign-in is support's and does for what changes who pays.
pub(crate) fn may_act(signed_in: &SignedIn, now: Timestamp) -> Result<(), LinkRefusal> {
    signed_in.may_change_payer(now)?;
    if signed_in.support {
        Ok(())
    } else {
        Err(LinkRefusal::NotAMember)
    }
}

/// Tells a customer that support unlinked the license that paid for an account,
/// as they had asked.
pub(crate) fn tell_of_unlinking(
    change: &mut Change,
    account: &Account,
    buyer: &AwsAccountId,
    verdict: GraceVerdict,
    grounds: &Grounds,
    at: Timestamp,
) {
    let what = format!(
        "the AWS Marketplace subscription of the AWS account {}, which paid for \"{}\", was unlinked \
         from this account by our support on {}. {}",
        masked(buyer),
        account.name,
        written(at),
        follows(verdict),
    );
    tell(
        change,
        account,
        &grounds.ticket,
        as_asked(&what, grounds),
        at,
    );
}

/// Tells a customer that support linked the license that paid for an account to
/// another one. Who asked for that, and why, may be another customer's affair.
pub(crate) fn tell_of_loss(
    change: &mut Change,
    account: &Account,
    buyer: &AwsAccountId,
    verdict: GraceVerdict,
    grounds: &Grounds,
    at: Timestamp,
) {
    let ticket = grounds.ticket.as_str();
    let text = format!(
        "The AWS Marketplace subscription of the AWS account {}, which paid for \"{}\", was linked to \
         another account by our support on {}. {} Write to support about it, naming {ticket}.",
        masked(buyer),
        account.name,
        written(at),
        follows(verdict),
    );
    tell(change, account, &grounds.ticket, text, at);
}

fn follows(verdict: GraceVerdict) -> String {
    match verdict {
        GraceVerdict::Granted { ends_at, .. } => format!(
            "The account has 48 hours of grace, until {}. After that it is \"{EXPIRED_LABEL}\" \
             until a subscription is linked to it again.",
            written(ends_at)
        ),
        GraceVerdict::Refused { .. } => format!(
            "The account is \"{EXPIRED_LABEL}\" from now on, until a subscription is linked to \
             it again."
        ),
    }
}

/// Tells a customer that support linked a license to an account.
pub(crate) fn tell_of_gain(
    change: &mut Change,
    account: &Account,
    (buyer, before): (&AwsAccountId, Option<&AwsAccountId>),
    grounds: &Grounds,
    at: Timestamp,
) {
    let mut what = format!(
        "the AWS Marketplace subscription of the AWS account {} was linked to \"{}\" by our \
         support on {}. From then on it pays for the account.",
        masked(buyer),
        account.name,
        written(at),
    );
    if let Some(before) = before {
        what.push_str(&format!(
            " The AWS account {} paid before: AWS shows it as subscribed until the subscription \
             is cancelled there.",
            masked(before)
        ));
    }
    tell(
        change,
        account,
        &grounds.ticket,
        as_asked(&what, grounds),
        at,
    );
}

fn as_asked(what: &str, grounds: &Grounds) -> String {
    let Grounds { reason, ticket } = grounds;
    format!(
        "As asked for in ticket {}, {what} Reason given: {}",
        ticket.as_str(),
        reason.as_str()
    )
}

fn tell(change: &mut Change, account: &Account, ticket: &Ticket, text: String, at: Timestamp) {
    change.outbound.push(OutboundEvent::ChangedBySupport {
        account: account.id.clone(),
        version: account.version.saturating_add(1),
        ticket: ticket.clone(),
        text,
        at,
    });
}

/// An instant for people: the full second at which it is past for sure.
fn written(at: Timestamp) -> String {
    let round = TimestampRound::new()
        .smallest(Unit::Second)
        .mode(RoundMode::Ceil);
    let at = at.round(round).unwrap_or(at);
    at.strftime("%-d %B %Y, %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests;

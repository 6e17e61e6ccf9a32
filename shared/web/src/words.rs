//! The domain's states and refusals in the words of the pages.

use domain::account::{AccountName, AccountState, ExpiryCause, GraceVerdict, Payer, Standing};
use domain::audit::Actor;
use domain::ids::{AwsAccountId, masked};
use domain::linking::{LinkRefusal, PayerChange, UnlinkCause};
use domain::member::Role;
use domain::sign_in::SignInRefusal;
use domain::support::RequestRefusal;
use maud::{Markup, html};

use crate::layout::{day, end_exact, time};

/// An account's state as a badge.
pub(crate) fn badge(standing: Standing) -> Markup {
    let colour = match standing {
        Standing::Trial => "info",
        Standing::Subscribed | Standing::Annual => "good",
        Standing::Grace => "warn",
        Standing::Expired | Standing::Suspended => "bad",
    };
    html! { span.badge.(colour) { (standing.label()) } }
}

/// Said when what a person confirmed is not what would happen now.
pub(crate) fn asked_again() -> Markup {
    html! {
        div.note.warn role="alert" {
            strong { "Something changed meanwhile" }
            p { "Since you were last asked, the account or the subscription was changed, perhaps by a colleague. Nothing of what you confirmed was done. This is what would happen now." }
        }
    }
}

/// An AWS account's id, whole for whoever may see the payer.
pub(crate) fn buyer(id: &AwsAccountId, role: Role) -> String {
    match role {
        Role::FullAccess => id.to_string(),
        Role::ReadOnly => masked(id),
    }
}

/// What a state means, in a sentence.
pub(crate) fn state(state: &AccountState) -> Markup {
    html! {
        @match state {
            AccountState::Trial { ends_at } => { "The trial ends on " (time(*ends_at)) ". Nothing is charged." }
            AccountState::Subscribed(Payer::Marketplace { link, .. }) => { "Paid for through AWS Marketplace since " (time(link.from)) "." }
            AccountState::Subscribed(Payer::Annual { since, ends_at }) => {
                "Paid for by an annual subscription since " (day(*since))
                @if let Some(end) = ends_at { ", until " (day(*end)) }
                "."
            }
            AccountState::Grace { ends_at, .. } => {
                "Its AWS Marketplace subscription is no longer linked. Everything goes on until " (end_exact(*ends_at)) "."
            }
            AccountState::Expired { since, cause: ExpiryCause::AgreementUnanswered { .. } } => {
                "For 24 hours AWS Marketplace did not say under which agreement the subscription goes on, if it does, so the account expired on " (time(*since))
                ". AWS is asked again at least once a day: as soon as it says that the subscription goes on, and how, it is linked again by itself, from that moment on."
            }
            AccountState::Expired { since, cause } => { (expiry(cause)) " on " (time(*since)) "." }
            AccountState::Suspended { restorable_until, .. } => { "Deleted. It can be restored until " (time(*restorable_until)) "." }
            AccountState::Purged { since } => { "Deleted for good on " (day(*since)) "." }
        }
    }
}

fn expiry(cause: &ExpiryCause) -> &'static str {
    match cause {
        ExpiryCause::TrialEnded => "The trial ended",
        ExpiryCause::GraceEnded => "The 48 hours of grace ended",
        ExpiryCause::GraceRefused => {
            "The subscription was unlinked for the third time within 30 days, so without grace,"
        }
        ExpiryCause::AgreementEnded { .. } => "The agreement ended in AWS Marketplace",
        ExpiryCause::AgreementUnanswered { .. } => {
            "AWS Marketplace had not said for 24 hours under which agreement the subscription goes on, so it expired"
        }
        ExpiryCause::AnnualEnded => "The annual subscription ended",
        ExpiryCause::Deleted => "The account was deleted, and lost its subscription,",
    }
}

/// Why a license cannot be linked to an account, or unlinked from it.
pub(crate) fn refusal(refusal: &LinkRefusal) -> Markup {
    html! {
        @match refusal {
            LinkRefusal::SignIn(refusal) => { (sign_in_refusal(refusal)) }
            LinkRefusal::NotAMember => { "You are not a member of this account." }
            LinkRefusal::NotFullAccess => {
                "Your role is read only. A member with full access has to do this."
            }
            LinkRefusal::GroundsRequired => { "Support has to give a reason and a ticket." }
            LinkRefusal::ApprovalRequired => { "A second person of support has to approve it." }
            LinkRefusal::Request(RequestRefusal::OwnRequest) => {
                "You asked for it, so somebody else of support has to approve it."
            }
            LinkRefusal::Request(RequestRefusal::Expired { at }) => {
                "Nobody approved it in time: that was possible until " (time(*at)) "."
            }
            LinkRefusal::Request(RequestRefusal::Settled(_)) => {
                "It was approved or declined before."
            }
            LinkRefusal::AnnualSubscription { ends_at } => {
                "It has an annual subscription"
                @if let Some(end) = ends_at { " until " (day(*end)) }
                ", and an account is paid for either by one or through AWS Marketplace, never both."
            }
            LinkRefusal::AccountDeleted { restorable_until: Some(until) } => {
                "It is deleted. Restore it first; that is possible until " (time(*until)) "."
            }
            LinkRefusal::AccountDeleted { restorable_until: None } => { "It is deleted for good." }
            LinkRefusal::LicensePending => {
                "AWS has not activated the subscription yet. That normally takes a minute or two."
            }
            LinkRefusal::LicenseEnded { ended_at } => {
                "The AWS Marketplace subscription ended on " (time(*ended_at)) "."
            }
            LinkRefusal::AnotherLicense => { "Another AWS Marketplace subscription pays for this account by now. Look at the account and begin again." }
            LinkRefusal::NothingLinked => { "No AWS Marketplace subscription is linked to this account." }
        }
    }
}

/// The same in a list of accounts, above which a refused sign-in is explained.
pub(crate) fn refusal_in_list(refused: &LinkRefusal) -> Markup {
    match refused {
        LinkRefusal::SignIn(SignInRefusal::CredentialsRequired { .. }) => {
            html! { "Needs a sign-in with e-mail address and password." }
        }
        LinkRefusal::SignIn(SignInRefusal::EmailNotVerified) => {
            html! { "Needs a verified e-mail address." }
        }
        LinkRefusal::SignIn(SignInRefusal::SignInTooOld { .. }) => {
            html! { "Needs a sign-in of the last 15 minutes." }
        }
        LinkRefusal::NotAMember
        | LinkRefusal::NotFullAccess
        | LinkRefusal::GroundsRequired
        | LinkRefusal::ApprovalRequired
        | LinkRefusal::Request(_)
        | LinkRefusal::AnnualSubscription { .. }
        | LinkRefusal::AccountDeleted { .. }
        | LinkRefusal::LicensePending
        | LinkRefusal::LicenseEnded { .. }
        | LinkRefusal::AnotherLicense
        | LinkRefusal::NothingLinked => refusal(refused),
    }
}

/// Why a sign-in does not do.
pub(crate) fn sign_in_refusal(refusal: &SignInRefusal) -> Markup {
    html! {
        @match refusal {
            SignInRefusal::CredentialsRequired { provider } => {
                "You signed in through " (provider) ". Who pays for an account can be changed only \
                 by somebody who signed in with an e-mail address and password."
            }
            SignInRefusal::EmailNotVerified => {
                "Your e-mail address is not verified yet. Do what the mail says that you were \
                 sent when you signed up, then sign in again."
            }
            SignInRefusal::SignInTooOld { at } => {
                "You signed in at " (time(*at)) ". Changing who pays takes a sign-in of the last 15 minutes."
            }
        }
    }
}

/// What to do about a sign-in that does not do.
pub(crate) fn sign_in_heading(refusal: &SignInRefusal) -> &'static str {
    match refusal {
        SignInRefusal::CredentialsRequired { .. } => "Sign in with your password",
        SignInRefusal::EmailNotVerified => "Verify your e-mail address",
        SignInRefusal::SignInTooOld { .. } => "Please sign in again",
    }
}

/// The name for programs of a sign-in that does not do.
pub(crate) fn sign_in_code(refusal: &SignInRefusal) -> &'static str {
    match refusal {
        SignInRefusal::CredentialsRequired { .. } => "credentials_required",
        SignInRefusal::EmailNotVerified => "email_not_verified",
        SignInRefusal::SignInTooOld { .. } => "sign_in_too_old",
    }
}

/// That another subscription pays from now on, of another AWS account or the same.
pub(crate) fn payer_change(name: &AccountName, change: &PayerChange) -> Markup {
    html! {
        @if change.from == change.to {
            "Another subscription of the same AWS account " strong.num { (change.to) } " pays for " strong { (name) }
            " from now on, without an interruption: its offer and its prices apply."
        } @else {
            "The payer of " strong { (name) } " changes from AWS account " strong.num { (change.from) }
            " to AWS account " strong.num { (change.to) } ", without an interruption."
        }
    }
}

/// What losing its subscription means for an account.
pub(crate) fn verdict(verdict: GraceVerdict) -> Markup {
    html! {
        @match verdict {
            GraceVerdict::Granted { ends_at, within_30_days } => {
                "has 48 hours of grace, until " (end_exact(ends_at)) ". After that it is "
                strong { (domain::account::EXPIRED_LABEL) }
                " until it is linked to a subscription again."
                @if within_30_days > 1 {
                    " This is its grace number " (within_30_days) " within 30 days."
                }
            }
            GraceVerdict::Refused { within_30_days } => {
                "expires at once, without grace, because it would be its grace number "
                (within_30_days) " within 30 days."
            }
        }
    }
}

/// Why a link ended.
pub(crate) fn unlink_cause(cause: UnlinkCause) -> &'static str {
    match cause {
        UnlinkCause::Relinked => "Moved to another account",
        UnlinkCause::PayerChanged => "Another subscription pays since",
        UnlinkCause::Unlinked => "Unlinked",
        UnlinkCause::AgreementEnded => "The agreement ended in AWS",
        UnlinkCause::AgreementUnanswered => {
            "AWS did not say for 24 hours under which agreement the subscription goes on"
        }
        UnlinkCause::Succeeded => "Renewed or replaced by another license",
        UnlinkCause::AccountDeleted => "The account was deleted",
    }
}

/// Who did something.
pub(crate) fn actor(actor: &Actor) -> String {
    match actor {
        Actor::User { email } => email.to_string(),
        Actor::Support { grounds, .. } => format!("support (ticket {})", grounds.ticket.as_str()),
        Actor::Aws { .. } => "AWS Marketplace".to_owned(),
        Actor::Asked => "AWS Marketplace, which was asked".to_owned(),
        Actor::Unanswered => "AWS Marketplace’s silence of 24 hours on how it goes on".to_owned(),
        Actor::Buyer => "the buyer, from AWS Marketplace".to_owned(),
        Actor::Product => "the product".to_owned(),
        Actor::Clock => "the passing of time".to_owned(),
    }
}

/// Who did something, for support: who of them, and who approved.
pub(crate) fn actor_to_support(by: &Actor) -> String {
    match by {
        Actor::Support {
            email,
            grounds,
            approved_by,
        } => {
            let approved = approved_by.as_ref();
            let approved = approved.map_or(String::new(), |by| format!(", approved by {by}"));
            format!(
                "{email} of support (ticket {}{approved})",
                grounds.ticket.as_str()
            )
        }
        Actor::User { .. }
        | Actor::Aws { .. }
        | Actor::Asked
        | Actor::Unanswered
        | Actor::Buyer
        | Actor::Product
        | Actor::Clock => actor(by),
    }
}

/// Why, where whoever did it had to say so.
pub(crate) fn given_reason(actor: &Actor) -> String {
    match actor {
        Actor::Support { grounds, .. } => format!(": {}", grounds.reason.as_str()),
        Actor::User { .. }
        | Actor::Aws { .. }
        | Actor::Asked
        | Actor::Unanswered
        | Actor::Buyer
        | Actor::Product
        | Actor::Clock => String::new(),
    }
}

/// A role.
pub(crate) fn role(role: Role) -> &'static str {
    match role {
        Role::FullAccess => "Full access",
        Role::ReadOnly => "Read only",
    }
}

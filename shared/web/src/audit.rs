//! An account's audit as a table.

use domain::audit::{AuditAction, AuditEntry};
use domain::ids::AwsAccountId;
use domain::support::SupportOrder;
use maud::{Markup, html};

use crate::layout::{day, end_exact, time, time_in_table};
use crate::words;

/// Who reads an audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// A member of the account: what support only asked its own people is not theirs.
    Member,
    /// Support, who reads who of them did what.
    Support,
}

impl Reader {
    fn sees(self, entry: &AuditEntry) -> bool {
        let among_support = matches!(
            entry.action,
            AuditAction::SupportAsked { .. } | AuditAction::SupportDeclined { .. }
        );
        self == Self::Support || !among_support
    }

    fn actor(self, entry: &AuditEntry) -> String {
        match self {
            Self::Member => words::actor(&entry.by),
            Self::Support => words::actor_to_support(&entry.by),
        }
    }
}

/// Who did what and when, the latest first; nothing without entries.
pub(crate) fn table(entries: &[AuditEntry], reader: Reader) -> Markup {
    let seen = || entries.iter().filter(|entry| reader.sees(entry));
    html! {
        @if seen().next().is_some() {
            section.card aria-labelledby="audit" {
                h2 #audit { "What was done" }
                div.scroll tabindex="0" role="group" aria-labelledby="audit" {
                    table.stack {
                        thead { tr { th scope="col" { "When (UTC)" } th scope="col" { "Who" } th scope="col" { "What" } } }
                        tbody { @for entry in seen() { (row(entry, reader)) } }
                    }
                }
            }
        }
    }
}

fn row(entry: &AuditEntry, reader: Reader) -> Markup {
    html! {
        tr {
            th scope="row" data-label="When (UTC)" { (time_in_table(entry.at)) }
            td.wrap data-label="Who" { (reader.actor(entry)) (words::given_reason(&entry.by)) }
            td.wrap data-label="What" { span { (action(&entry.action)) } }
        }
    }
}

fn action(action: &AuditAction) -> Markup {
    html! {
        @match action {
            AuditAction::AccountOpened { trial_ends_at } => { "Opened the account, with a trial until " (time(*trial_ends_at)) }
            AuditAction::Renamed { from, to } => { "Renamed it from “" (from) "” to “" (to) "”" }
            AuditAction::MemberSet { user, role } => { "Gave " (user) " the role: " (words::role(*role)) }
            AuditAction::MemberRemoved { user } => { "Removed " (user) }
            AuditAction::Linked { buyer, .. } => { "Linked the subscription of " (aws_account(buyer)) }
            AuditAction::PayerChanged { from, to, .. } if from == to => { "Put another subscription of " (aws_account(to)) " in its place" }
            AuditAction::PayerChanged { from, to, .. } => { "Changed the payer from " (aws_account(from)) " to " (aws_account(to)) }
            AuditAction::Unlinked { buyer, moved, .. } => {
                "Unlinked the subscription of " (aws_account(buyer))
                @if *moved { ", which went to another account" }
            }
            AuditAction::GraceStarted { ends_at, .. } => { "Grace began, until " (end_exact(*ends_at)) }
            AuditAction::GraceRefused { within_30_days } => { "Grace was refused: it would have been number " (within_30_days) " within 30 days" }
            AuditAction::Expired { .. } => { "Expired" }
            AuditAction::AnnualActivated { ends_at } => {
                "Activated an annual subscription"
                @if let Some(end) = ends_at { ", until " (day(*end)) }
            }
            AuditAction::Suspended { restorable_until } => { "Deleted the account, restorable until " (time(*restorable_until)) }
            AuditAction::Restored => { "Restored the account" }
            AuditAction::Purged => { "The time to restore the account ran out" }
            AuditAction::SupportAsked { order } => { "Asked a second person to approve: " (ordered(order)) }
            AuditAction::SupportDeclined { order } => { "Declined: " (ordered(order)) }
            AuditAction::LicenseKnown { buyer } => { "AWS told of the license of " (aws_account(buyer)) }
            AuditAction::LicenseActivated { .. } => { "AWS activated the license" }
            AuditAction::Renewed { from, to, .. } => { "Renewed under agreement " code { (to) } ", in the place of " code { (from) } }
            AuditAction::LicenseEnded { .. } => { "The license ended" }
        }
    }
}

fn ordered(order: &SupportOrder) -> &'static str {
    match order {
        SupportOrder::Unlink { .. } => "unlink the subscription",
        SupportOrder::Transfer { .. } => "link a subscription to this account",
    }
}

/// Whoever reads an audit may see the payer.
fn aws_account(id: &AwsAccountId) -> Markup {
    html! { "AWS account " span.num { (id) } }
}

//! An account's pages: who pays, since when, and what went before.

use app::accounts::{
    AccountSummary, LinkView, PayerView, SubscriptionView, UnlinkProposal, UnlinkView,
};
use domain::account::{AccountName, AccountState, EXPIRED_LABEL, Payer, Standing};
use domain::ids::AccountId;
use domain::linking::{LinkRefusal, UnlinkCause};
use domain::member::Role;
use maud::{Markup, html};

use crate::audit;
use crate::forms::name_field;
use crate::layout::{day, end_exact, left, time, time_in_table};
use crate::notices;
use crate::site::Site;
use crate::words;

/// For whoever is not signed in.
pub(super) fn front(site: &Site) -> Markup {
    html! {
        h1 { (site.product_name) }
        p.lead { "See who pays for your accounts, what was used and what it costs." }
        div.actions { a.button href="/sign-in?to=/accounts" { "Sign in" } }
        div.note {
            strong { "Did you just subscribe in AWS Marketplace?" }
            p { "Press " strong { "Set up your account" } " there; AWS brings you to the right page. " a href="/register" { "How that works" } }
        }
    }
}

/// Every account of the user, and where to open another; again with what was
/// `typed` as its name and is none.
pub(super) fn accounts(
    accounts: &[AccountSummary],
    csrf: &str,
    key: &str,
    typed: Option<&str>,
) -> Markup {
    html! {
        div.head { h1 { "Your accounts" } }
        @if accounts.is_empty() {
            div.note { strong { "You are not a member of any account yet" } p { "Open one below, or ask a member with full access to add you." } }
        } @else {
            ul.choices {
                @for account in accounts {
                    li.choice data-account=(account.account) {
                        h2 {
                            a href={ "/accounts/" (account.account) } { (account.name) }
                            " " (words::badge(account.standing))
                        }
                        p { (words::role(account.role)) @if let Some(until) = account.until { " · until " (time(until)) } }
                        a.button.quiet href={ "/accounts/" (account.account) } { "Open" span.hidden { " " (account.name) } }
                    }
                }
            }
        }
        form.card method="post" action="/accounts" {
            h2 { "Open a new account" }
            p.muted { "It begins with a trial. To pay for it through AWS Marketplace, subscribe there and press “Set up your account”." }
            input type="hidden" name="csrf" value=(csrf);
            input type="hidden" name="key" value=(key);
            (name_field(typed, None))
            div.actions { button.quiet type="submit" { "Open account" } }
        }
    }
}

/// The top of an account's pages; `place` is empty on its first one.
pub(super) fn head(
    account: &AccountId,
    name: &AccountName,
    standing: Standing,
    place: &str,
) -> Markup {
    html! {
        nav.crumbs aria-label="Where you are" {
            a href="/accounts" { "Accounts" } " / "
            @if place.is_empty() {
                (name)
            } @else {
                a href={ "/accounts/" (account) } { (name) } " / " (place)
            }
        }
        div.head {
            h1 { (name) }
            (words::badge(standing))
        }
        nav.tabs aria-label="Pages of the account" {
            @for (page, path) in PAGES {
                @let current = page == place || page == FIRST_PAGE && place.is_empty();
                a href={ "/accounts/" (account) (path) } aria-current=[current.then_some("page")] {
                    @match page.strip_suffix(" computers") {
                        // On a phone the tabs have one line.
                        Some(short) => { (short) span.roomy { " computers" } }
                        None => { (page) }
                    }
                }
            }
        }
    }
}

const FIRST_PAGE: &str = "Subscription";

/// The pages of an account, and where they are below it.
const PAGES: [(&str, &str); 3] = [
    (FIRST_PAGE, ""),
    ("Billing & usage", "/usage"),
    ("“Not Cloud” computers", "/not-cloud"),
];

/// The subscription: state, payer, agreement, and the links before.
pub(super) fn subscription(site: &Site, view: &SubscriptionView) -> Markup {
    let subscribed = view.payer.is_some();
    let deleted = matches!(
        view.state,
        AccountState::Suspended { .. } | AccountState::Purged { .. }
    );
    html! {
        (head(&view.account, &view.name, view.standing, ""))
        (notice(site, view))
        @if let Some(payer) = &view.payer { (notices::notes(&payer.notices, payer.held.as_ref(), payer.goes_on_from, view.as_of)) }
        div.grid {
            section.card aria-labelledby="subscription" {
                h2 #subscription { "Subscription" }
                dl.facts {
                    dt { "Type" } dd { (kind(&view.state)) }
                    dt { "State" } dd #state { (view.standing.label()) }
                    dt { "Since" } dd { (time(view.since)) }
                    @if let Some(end) = view.until { dt { "Until" } dd { (end_exact(end)) " (" (left(end.duration_since(view.as_of))) " left)" } }
                    (payer(view))
                    @if let Some(payer) = &view.payer { (agreement(payer)) }
                    dt { "Your role" } dd { (words::role(view.role)) }
                }
                div.actions {
                    a.button href={ "/accounts/" (view.account) "/usage" } { "Billing & usage" }
                    @if subscribed && view.role == Role::FullAccess {
                        a.button.quiet href={ "/accounts/" (view.account) "/unlink" } { "Unlink…" }
                    }
                }
            }
            @if deleted {
                @if unlinked_by_deletion(view) { (subscription_in_aws()) }
            } @else {
                (change_of_payer(site, &view.state))
            }
        }
        (history(view))
        (audit::table(&view.audit, audit::Reader::Member))
    }
}

/// Whether the account had a subscription when it was deleted.
fn unlinked_by_deletion(view: &SubscriptionView) -> bool {
    let last = view
        .links
        .first()
        .and_then(|last| last.link.unlinked.as_ref());
    last.is_some_and(|unlinked| unlinked.cause == UnlinkCause::AccountDeleted)
}

/// How the account comes to be paid for, or by another AWS account.
fn change_of_payer(site: &Site, state: &AccountState) -> Markup {
    html! {
        section.card aria-labelledby="payer" {
            @match state {
                AccountState::Subscribed(Payer::Annual { ends_at, .. }) => {
                    h2 #payer { "Change who pays" }
                    p { "An annual subscription pays for this account" @if let Some(end) = ends_at { " until " (end_exact(*end)) } ". As long as it does, no AWS Marketplace subscription can be linked to it: an account is billed one way or the other, never both." }
                    p { "Subscribe in AWS Marketplace once it has ended, or write to support to end it sooner." }
                }
                AccountState::Subscribed(Payer::Marketplace { .. }) => {
                    h2 #payer { "Change who pays" }
                    p { "To have another AWS account pay, subscribe to " (site.product_name) " with it in AWS Marketplace, press " strong { "Set up your account" } " and choose this account. The payer changes at once, without a break." }
                    p { "AWS shows the old AWS account as subscribed until you cancel the subscription there." }
                }
                AccountState::Trial { .. }
                | AccountState::Grace { .. }
                | AccountState::Expired { .. }
                | AccountState::Suspended { .. }
                | AccountState::Purged { .. } => {
                    h2 #payer { "Pay through AWS Marketplace" }
                    p { "Subscribe to " (site.product_name) " in AWS Marketplace, press " strong { "Set up your account" } " there and choose this account. It is paid for from then on." }
                }
            }
            p.muted { a href="/help#lost-access" { "Lost access to the AWS account that pays?" } " · " a href="/help#custom-pricing" { "Custom pricing" } " · " a href="/help#offer-expired" { "Private offers" } }
        }
    }
}

/// What deleting an account does not end.
fn subscription_in_aws() -> Markup {
    html! {
        section.card aria-labelledby="payer" {
            h2 #payer { "The subscription in AWS Marketplace" }
            p { "Deleting the account unlinked its subscription and did not cancel it: it goes on in AWS Marketplace until it is cancelled there, under Manage subscriptions. Without an account nothing of it is metered; what was agreed on in advance is still invoiced." }
            p { "It can be linked to another account with " strong { "Set up your account" } " there." }
        }
    }
}

/// What needs attention.
fn notice(site: &Site, view: &SubscriptionView) -> Markup {
    let (state, now) = (&view.state, view.as_of);
    let last = view.links.first();
    let ended_by_then = last.is_some_and(|link| link.ended_by_then);
    html! {
        @match state {
            AccountState::Grace { ends_at, .. } => {
                div.note.warn role="status" data-grace-ends=(ends_at) {
                    strong { (left(ends_at.duration_since(now))) " of grace left" }
                    p { "The AWS Marketplace subscription that paid for this account is no longer linked to it. Everything goes on until " (end_exact(*ends_at)) "; then it is " strong { (EXPIRED_LABEL) } "." }
                    p { "To keep it, subscribe in AWS Marketplace, or press “Set up your account” for a subscription that you have, and choose this account." }
                }
            }
            AccountState::Expired { .. } => {
                div.note.bad role="status" {
                    strong { (EXPIRED_LABEL) }
                    p { (words::state(state)) @if ended_by_then { " (AWS does not tell exactly when: it had ended by then.)" } " New activations, updates and connectors are blocked. Computers that are protected stay protected, and nothing is charged." }
                    p { "To go on, subscribe to " (site.product_name) " in AWS Marketplace and link the subscription to this account." }
                }
            }
            AccountState::Trial { ends_at } => {
                div.note role="status" {
                    strong { (left(ends_at.duration_since(now))) " of the trial left" }
                    p { "Nothing is charged. Subscribe in AWS Marketplace before " (time(*ends_at)) " so that everything goes on." }
                }
            }
            AccountState::Suspended { restorable_until, .. } => {
                div.note.bad role="status" {
                    strong { "This account is deleted" }
                    p { "Nothing is metered or charged for it. It can be restored until " (time(*restorable_until)) " (" (left(restorable_until.duration_since(now))) " left); then it is deleted for good." }
                    p { "To have it restored, write to " a href={ "mailto:" (site.support_email) } { (site.support_email) } ". Its subscription is not linked again by itself." }
                }
            }
            AccountState::Purged { since } => {
                div.note.bad role="status" {
                    strong { "This account is deleted for good" }
                    p { "Since " (day(*since)) " it can no longer be restored. What was used and charged before can still be looked at." }
                }
            }
            AccountState::Subscribed(_) => {}
        }
    }
}

fn payer(view: &SubscriptionView) -> Markup {
    html! {
        @match &view.state {
            AccountState::Subscribed(Payer::Marketplace { buyer, .. }) => {
                dt { "Paid by" } dd { "AWS account " span.num { (words::buyer(buyer, view.role)) } (masking(view.role)) }
            }
            AccountState::Subscribed(Payer::Annual { .. }) => {
                dt { "Paid by" } dd { "An annual subscription, outside AWS Marketplace" }
            }
            AccountState::Grace { buyer, .. } => {
                dt { "Was paid by" } dd { "AWS account " span.num { (words::buyer(buyer, view.role)) } (masking(view.role)) }
            }
            AccountState::Trial { .. }
            | AccountState::Expired { .. }
            | AccountState::Suspended { .. }
            | AccountState::Purged { .. } => { dt { "Paid by" } dd { "Nobody" } }
        }
    }
}

/// What kind of subscription it is, or was.
fn kind(state: &AccountState) -> &'static str {
    match state {
        AccountState::Trial { .. } => "Trial",
        AccountState::Subscribed(Payer::Marketplace { .. }) => "AWS Marketplace",
        AccountState::Subscribed(Payer::Annual { .. }) => {
            "Annual subscription, outside AWS Marketplace"
        }
        AccountState::Grace { .. } => "AWS Marketplace, no longer linked",
        AccountState::Expired { .. }
        | AccountState::Suspended { .. }
        | AccountState::Purged { .. } => "None",
    }
}

fn masking(role: Role) -> Markup {
    html! {
        @match role {
            Role::FullAccess => {}
            Role::ReadOnly => { " " span.muted.small { "(in full for members with full access)" } }
        }
    }
}

fn agreement(payer: &PayerView) -> Markup {
    html! {
        @if let Some(agreement) = &payer.agreement { dt { "Agreement" } dd { code { (agreement) } } }
        @if let Some(offer) = &payer.offer { dt { "Offer" } dd { code { (offer) } } }
        @if let Some(until) = payer.free_until { dt { "Free trial" } dd { "AWS charges nothing for usage until " (time(until)) } }
        @match payer.agreement_ends_at {
            // AWS writes the year 9999 for an agreement without an end.
            Some(end) if end.as_second() < FAR_AHEAD_S => {
                dt { "Agreement ends" } dd { (day(end)) }
                dt { "Renewal" } dd { (notices::renewal(&payer.notices, payer.goes_on_from)) @if let Some(next) = &payer.goes_on_as { " " code { (next) } } }
            }
            Some(_) | None => {
                dt { "Agreement ends" } dd { "When it is cancelled in AWS" }
                dt { "Renewal" } dd { "Not needed: it goes on by itself" }
            }
        }
    }
}

/// 2200-01-01T00:00:00Z.
const FAR_AHEAD_S: i64 = 7_258_118_400;

fn history(view: &SubscriptionView) -> Markup {
    html! {
        section.card aria-labelledby="history" {
            h2 #history { "Who paid, and when" }
            @if view.links.is_empty() {
                p.muted { "No AWS Marketplace subscription was ever linked to this account." }
            } @else {
                div.scroll tabindex="0" role="group" aria-labelledby="history" {
                    table.stack {
                        thead { tr { th scope="col" { "AWS account" } th scope="col" { "From (UTC)" } th scope="col" { "Until (UTC)" } th scope="col" { "Linked by" } th scope="col" { "Why it ended" } } }
                        tbody { @for entry in &view.links { (history_row(entry)) } }
                    }
                }
            }
        }
    }
}

fn history_row(entry: &LinkView) -> Markup {
    let link = &entry.link;
    html! {
        tr {
            th.num scope="row" data-label="AWS account" { (entry.buyer) }
            td data-label="From (UTC)" { (time_in_table(link.from)) }
            td data-label="Until (UTC)" {
                @match link.until { Some(until) => { (time_in_table(until)) @if entry.ended_by_then { span.below.small.muted { "or earlier" } } } None => { "still" } }
            }
            td.wrap data-label="Linked by" { (words::actor(&link.linked_by)) (words::given_reason(&link.linked_by)) }
            td.wrap data-label="Why it ended" {
                @match &link.unlinked {
                    Some(end) => { (words::unlink_cause(end.cause)) ", by " (words::actor(&end.by)) (words::given_reason(&end.by)) }
                    None => { "–" }
                }
            }
        }
    }
}

/// Asks for a confirmation before unlinking, or says why it cannot be done.
pub(super) fn unlink(view: &UnlinkView, csrf: &str, asked_again: bool) -> Markup {
    html! {
        (head(&view.account, &view.name, view.standing, "Unlink"))
        @if asked_again { (words::asked_again()) }
        div.card {
            @match &view.unlink {
                Ok(proposal) => {
                    h2 { "Unlink the AWS Marketplace subscription?" }
                    (unlink_form(view, proposal, csrf))
                }
                Err(refusal) => {
                    h2 {
                        @if let LinkRefusal::NothingLinked = refusal { "There is nothing to unlink" }
                        @else { "You cannot unlink the subscription" }
                    }
                    p { (words::refusal(refusal)) }
                    p { "Nothing was changed." }
                    div.actions {
                        @if let LinkRefusal::SignIn(_) = refusal {
                            form method="post" action="/sign-in" {
                                input type="hidden" name="to" value={ "/accounts/" (view.account) "/unlink" };
                                input type="hidden" name="again" value="1";
                                button type="submit" { "Sign in again" }
                            }
                        }
                        a href={ "/accounts/" (view.account) } { "Back to " (view.name) }
                    }
                }
            }
        }
    }
}

fn unlink_form(view: &UnlinkView, proposal: &UnlinkProposal, csrf: &str) -> Markup {
    html! {
        ul.tick #consequence {
            li { strong { (view.name) } " " (words::verdict(proposal.verdict)) }
            li { "The subscription itself goes on in AWS and can be linked to another account, or to this one again, with “Set up your account” in AWS Marketplace. To end it, cancel it in AWS." }
        }
        form method="post" action={ "/accounts/" (view.account) "/unlink" } {
            input type="hidden" name="csrf" value=(csrf);
            input type="hidden" name="basis" value=(proposal.basis.as_str());
            div.actions {
                button.danger type="submit" { "Unlink" }
                a href={ "/accounts/" (view.account) } { "Keep it" }
            }
        }
    }
}

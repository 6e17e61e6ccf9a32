//! Support's pages: what is known of an account or a license, and the forms by
//! which support changes who pays.

use app::support::orders::{OrderConsequence, OrderView, RequestView};
use app::support::{AccountFile, LicenseFile, Paid, ToldFact};
use domain::account::AccountName;
use domain::ids::{AccountId, AwsAccountId};
use domain::license::{License, LicenseStatus};
use domain::linking::{Consequence, Link, LinkRefusal, PayerChange, Relink};
use domain::policy::SupportApproval;
use domain::support::{RequestState, SupportOrder, SupportRequest};
use jiff::Timestamp;
use maud::{Markup, html};

use super::Found;
use super::orders::{Again, Before};
use crate::audit::{self, Reader};
use crate::forms::mistake;
use crate::layout::{end_exact, left, time, time_in_table};
use crate::notices;
use crate::visitor::User;
use crate::words;

/// Looking something up, what was found, and what waits for an approval; with what
/// was typed of which AWS can have told nothing.
pub(super) fn search(
    found: Option<&Found>,
    mistaken: Option<&str>,
    requests: &[SupportRequest],
) -> Markup {
    html! {
        div.head { h1 { "Support" } }
        form.card method="get" action="/support" role="search" {
            div.field {
                label for="q" { "Account, AWS account, license or agreement" }
                input #q type="text" name="q" required maxlength="256" autocomplete="off" value=[found.map(|found| &found.sought)] aria-describedby="q-hint";
                p.hint #q-hint { "Its id as the product or AWS shows it: " code { "acme-production" } ", " code { "123412341234" } ", " code { "l-…" } " or its ARN, " code { "agmt-…" } "." }
            }
            div.actions { button type="submit" { "Look up" } }
        }
        @if let Some(found) = found { (results(found)) }
        form.card method="get" action="/support/told" aria-labelledby="events" {
            h2 #events { "What AWS told" }
            div.field {
                label for="told" { "Agreement, license or day" }
                input #told type="text" name="q" required maxlength="256" autocomplete="off" value=[mistaken] aria-invalid=[mistaken.map(|_| "true")] aria-describedby="told-hint";
                @if mistaken.is_some() { p.mistake role="alert" { "That is no agreement’s id, no license’s id or ARN, and no day." } }
                p.hint #told-hint { code { "agmt-…" } ", " code { "l-…" } ", or a day such as " code { "2026-11-22" } " for what names neither. Also what changes nothing, and why." }
            }
            div.actions { button.quiet type="submit" { "Show" } }
        }
        @if !requests.is_empty() { (waiting(requests)) }
    }
}

fn results(found: &Found) -> Markup {
    html! {
        section.card aria-labelledby="found" {
            h2 #found { "Found" }
            @if found.account.is_none() && found.licenses.is_empty() {
                p { "Nothing has the id " code { (found.sought) } "." }
                p.muted { "A buyer who has not pressed “Set up your account” is known from AWS’s events only; a person is found by their account." }
            }
            ul.choices {
                @if let Some((id, name)) = &found.account {
                    li.choice data-account=(id) {
                        h2 { a href={ "/support/accounts/" (id) } { (name) } }
                        p { "Account " code { (id) } }
                    }
                }
                @for file in &found.licenses {
                    li.choice data-license=(file.license.id) {
                        h2 { a href={ "/support/licenses/" (file.license.id) } { "License of AWS account " (file.license.buyer) } }
                        p {
                            (license_state(&file.license)) ", " (linked_to(&file.license))
                            @if let Some(agreement) = &file.license.agreement { span.below { "Agreement " code { (agreement) } } }
                        }
                    }
                }
            }
        }
    }
}

fn waiting(requests: &[SupportRequest]) -> Markup {
    html! {
        section.card aria-labelledby="waiting" {
            h2 #waiting { "Waiting for a second person" }
            ul.choices {
                @for request in requests {
                    li.choice data-request=(request.id.as_str()) {
                        h2 { a href={ "/support/requests/" (request.id.as_str()) } { (title(&request.order)) ": " (request.order.account()) } }
                        p { "Ticket " (request.grounds.ticket.as_str()) ", asked for by " (request.by) " on " (time(request.at)) }
                    }
                }
            }
        }
    }
}

/// The instant at which it is asked who paid.
pub(super) enum Asked<'a> {
    /// None.
    Nothing,
    /// This one, and who did.
    At(Timestamp, Option<&'a Paid>),
    /// A text that is no instant.
    Mistaken(String),
}

impl Asked<'_> {
    fn text(&self) -> Option<String> {
        match self {
            Self::Nothing => None,
            Self::At(at, _) => Some(at.to_string()),
            Self::Mistaken(text) => Some(text.clone()),
        }
    }

    fn mistaken(&self) -> Option<&str> {
        match self {
            Self::Nothing | Self::At(..) => None,
            Self::Mistaken(text) => Some(text),
        }
    }
}

/// All that is known of an account, who pays for it, and who did at the instant
/// that is asked about.
pub(super) fn account(file: &AccountFile, now: Option<&Paid>, asked: &Asked<'_>) -> Markup {
    let account = &file.account;
    let state = account.state_at(file.as_of);
    let license = account.license();
    html! {
        nav.crumbs aria-label="Where you are" { a href="/support" { "Support" } " / " (account.name) }
        div.head { h1 { (account.name) } (words::badge(state.standing())) }
        div.grid {
            section.card aria-labelledby="account" {
                h2 #account { "Account" }
                dl.facts {
                    dt { "Id" } dd { code { (account.id) } }
                    dt { "State" } dd #state { (state.standing().label()) }
                    dt { "What that means" } dd { (words::state(&state)) }
                    dt { "Paid by" } dd { (paid_by(now)) }
                    dt { "Members" } dd {
                        @if file.members.is_empty() { "none" }
                        @for member in &file.members { span.below { (member.user) ", " (words::role(member.role)) } }
                    }
                }
                @if let Some(license) = license {
                    div.actions {
                        a.button.quiet href={ "/support/licenses/" (license) } { "The license" }
                        a.button.quiet href={ "/support/unlink?account=" (account.id) "&license=" (license) } { "Unlink…" }
                    }
                }
            }
            section.card aria-labelledby="payer" {
                h2 #payer { "Who paid?" }
                form method="get" {
                    div.field {
                        label for="at" { "At this instant (UTC)" }
                        input #at type="text" name="at" required maxlength="40" placeholder="2026-11-22T10:30:00Z" value=[asked.text()] aria-invalid=[asked.mistaken().map(|_| "true")];
                        @if asked.mistaken().is_some() { p.mistake role="alert" { "That is no instant. Give a day and a time in UTC, such as 2026-11-22T10:30:00Z." } }
                    }
                    div.actions { button.quiet type="submit" { "Tell" } }
                }
                @if let Asked::At(at, paid) = asked {
                    p #paid-at { "On " (end_exact(*at)) ": " (paid_by(*paid)) }
                }
            }
        }
        (links(file))
        (audit::table(&file.audit, Reader::Support))
    }
}

fn paid_by(paid: Option<&Paid>) -> Markup {
    html! {
        @match paid {
            Some(paid) => {
                @match &paid.license {
                    Some(license) => { "AWS account " strong.num { (license.buyer) } }
                    None => { "the license " code { (paid.link.license) } }
                }
                @if let Some(agreement) = &paid.agreement { ", by agreement " code { (agreement) } }
                ", linked by " (words::actor_to_support(&paid.link.linked_by))
            }
            None => { "no AWS account" }
        }
    }
}

fn links(file: &AccountFile) -> Markup {
    html! {
        @if !file.links.is_empty() {
            section.card aria-labelledby="links" {
                h2 #links { "Links" }
                div.scroll tabindex="0" role="group" aria-labelledby="links" {
                    table.stack {
                        thead { tr {
                            th scope="col" { "License" } th scope="col" { "AWS account" }
                            th scope="col" { "From (UTC)" } th scope="col" { "Until (UTC)" }
                            th scope="col" { "Linked by" } th scope="col" { "Why it ended" }
                        } }
                        tbody { @for (link, license) in file.links.iter().rev() {
                            (link_row(link, license.as_ref().map(|license| &license.buyer)))
                        } }
                    }
                }
            }
        }
    }
}

fn link_row(link: &Link, buyer: Option<&AwsAccountId>) -> Markup {
    html! {
        tr {
            th.wrap scope="row" data-label="License" { a href={ "/support/licenses/" (link.license) } { (link.license) } }
            td data-label="AWS account" { @if let Some(buyer) = buyer { (buyer) } }
            (interval(link))
        }
    }
}

fn interval(link: &Link) -> Markup {
    html! {
        td data-label="From (UTC)" { (time_in_table(link.from)) }
        td data-label="Until (UTC)" { @match link.until { Some(until) => { (time_in_table(until)) } None => "still" } }
        td.wrap data-label="Linked by" { (words::actor_to_support(&link.linked_by)) (words::given_reason(&link.linked_by)) }
        td.wrap data-label="Why it ended" {
            @match &link.unlinked {
                Some(end) => { (words::unlink_cause(end.cause)) ", by " (words::actor_to_support(&end.by)) (words::given_reason(&end.by)) }
                None => { "–" }
            }
        }
    }
}

/// All that is known of a license, and the form to link it to another account.
pub(super) fn license(file: &LicenseFile) -> Markup {
    let license = &file.license;
    html! {
        nav.crumbs aria-label="Where you are" { a href="/support" { "Support" } " / License" }
        div.head { h1 { "License of AWS account " (license.buyer) } }
        @if !license.has_ended() { (notices::notes(&license.notices, file.held.as_ref(), file.as_of)) }
        div.grid {
            section.card aria-labelledby="license" {
                h2 #license { "License" }
                dl.facts {
                    dt { "Id" } dd { code { (license.id) } }
                    dt { "ARN" } dd { code { (license.arn) } }
                    dt { "State" } dd { (license_state(license)) }
                    dt { "Pays for" } dd { (linked_to(license)) }
                    dt { "Agreement" } dd { @match &license.agreement { Some(agreement) => code { (agreement) }, None => "not known yet" } }
                    @if let Some(offer) = &license.offer { dt { "Offer" } dd { code { (offer) } } }
                    @if let Some(end) = license.agreement_ends_at { dt { "Agreement’s end" } dd { (time(end)) } }
                    @if let Some(succession) = &license.succession {
                        dt { "Goes on as" } dd { a href={ "/support/licenses/" (succession.license) } { (succession.license) } ", since " (time(succession.at)) }
                    }
                }
                div.actions { a.button.quiet href={ "/support/told?q=" (license.id) } { "What AWS told" } }
            }
            section.card aria-labelledby="transfer" {
                h2 #transfer { "Link it to another account" }
                form method="get" action="/support/transfer" {
                    input type="hidden" name="license" value=(license.id);
                    div.field {
                        label for="to" { "The account’s id" }
                        input #to type="text" name="to" required maxlength="64" autocomplete="off";
                    }
                    div.actions { button.quiet type="submit" { "See what would follow…" } }
                }
            }
        }
        @if !file.links.is_empty() {
            section.card aria-labelledby="links" {
                h2 #links { "Links" }
                div.scroll tabindex="0" role="group" aria-labelledby="links" {
                    table.stack {
                        thead { tr {
                            th scope="col" { "Account" } th scope="col" { "From (UTC)" } th scope="col" { "Until (UTC)" }
                            th scope="col" { "Linked by" } th scope="col" { "Why it ended" }
                        } }
                        tbody { @for link in file.links.iter().rev() {
                            tr {
                                th scope="row" data-label="Account" { a href={ "/support/accounts/" (link.account) } { (link.account) } }
                                (interval(link))
                            }
                        } }
                    }
                }
            }
        }
    }
}

/// What AWS told, and why some of it changes nothing.
pub(super) fn told(sought: &str, told: &[ToldFact]) -> Markup {
    html! {
        nav.crumbs aria-label="Where you are" { a href="/support" { "Support" } " / What AWS told" }
        div.head { h1 { "What AWS told" } }
        section.card aria-labelledby="told" {
            h2 #told { code { (sought) } }
            @if told.is_empty() {
                p { "Nothing." }
            } @else {
                div.scroll tabindex="0" role="group" aria-labelledby="told" {
                    table.stack {
                        thead { tr { th scope="col" { "When (UTC)" } th scope="col" { "What" } th scope="col" { "Of" } th scope="col" { "Learned (UTC)" } th scope="col" { "Changes nothing, because" } } }
                        tbody { @for told in told {
                            tr {
                                th scope="row" data-label="When (UTC)" { (time_in_table(told.at)) }
                                td.wrap data-label="What" { span { (told.what) @for detail in &told.details { span.below.small.muted { (detail) } } } }
                                td.wrap data-label="Of" { @match &told.about { Some(about) => code { (about) }, None => "–" } }
                                td data-label="Learned (UTC)" { (time_in_table(told.learned_at)) }
                                td.wrap data-label="Changes nothing, because" { @match &told.without_effect { Some(why) => (why), None => "–" } }
                            }
                        } }
                    }
                }
            }
        }
    }
}

fn license_state(license: &License) -> Markup {
    html! {
        @match &license.status {
            LicenseStatus::Pending => "Not activated by AWS yet",
            LicenseStatus::Active { since } => { "Active since " (time(*since)) }
            LicenseStatus::Ended { end, .. } if license.notices.ended_by == Some(end.ended_at) => { "Ended by " (time(end.ended_at)) "; AWS does not tell exactly when" }
            LicenseStatus::Ended { end, .. } => { "Ended on " (time(end.ended_at)) }
        }
    }
}

fn linked_to(license: &License) -> Markup {
    html! {
        @match &license.linked {
            Some(account) => { "linked to " a href={ "/support/accounts/" (account) } { (account) } }
            None => "linked to no account",
        }
    }
}

/// What an order does, as a heading.
pub(super) const fn title(order: &SupportOrder) -> &'static str {
    match order {
        SupportOrder::Unlink { .. } => "Unlink a subscription",
        SupportOrder::Transfer { .. } => "Link a subscription to another account",
    }
}

/// Where an order is given.
pub(super) fn path(order: &SupportOrder) -> String {
    match order {
        SupportOrder::Unlink { account, license } => {
            format!("/support/unlink?account={account}&license={license}")
        }
        SupportOrder::Transfer { license, to } => {
            format!("/support/transfer?license={license}&to={to}")
        }
    }
}

/// What an order would do, and the form that asks for a reason and a ticket; with
/// what was given `before`.
pub(super) fn order(view: &OrderView, csrf: &str, before: Option<&Before<'_>>) -> Markup {
    let (ticket, reason) = before.map_or((None, None), Before::mistakes);
    let changed = matches!(
        before,
        Some(Before {
            why: Again::Changed,
            ..
        })
    );
    html! {
        (order_head(&view.order))
        @if changed { (words::asked_again()) }
        div.card {
            @match &view.outcome {
                Ok(proposal) => {
                    h2 { "What will happen" }
                    ul.tick #consequence { (consequence(view, &proposal.consequence)) }
                    form method="post" action=(path(&view.order)) {
                        input type="hidden" name="csrf" value=(csrf);
                        input type="hidden" name="basis" value=(proposal.basis.as_str());
                        div.field {
                            label for="ticket" { "Ticket" }
                            input #ticket type="text" name="ticket" required maxlength="64" autocomplete="off" value=[before.map(|before| before.ticket)] aria-invalid=[ticket.map(|_| "true")];
                            @if let Some(error) = ticket { (mistake("ticket-mistake", &format!("Name the ticket: {error}."))) }
                        }
                        div.field {
                            label for="reason" { "Reason" }
                            input #reason type="text" name="reason" required maxlength="500" autocomplete="off" value=[before.map(|before| before.reason)] aria-invalid=[reason.map(|_| "true")] aria-describedby="reason-hint";
                            @if let Some(error) = reason { (mistake("reason-mistake", &format!("Say why: {error}."))) }
                            p.hint #reason-hint { "Members of the account that the ticket is about read it, on their pages and in what they are told. Write nothing of another customer." }
                        }
                        div.actions {
                            @match view.approval {
                                SupportApproval::One => button.danger type="submit" { (title(&view.order)) },
                                SupportApproval::Two => button type="submit" { "Ask a second person to approve it" },
                            }
                            a href={ "/support/accounts/" (view.order.account()) } { "Leave it as it is" }
                        }
                    }
                }
                Err(refusal) => { (refused(view.order.account(), refusal, &path(&view.order))) }
            }
        }
    }
}

/// A request, and the form by which a second person approves it.
pub(super) fn request(view: &RequestView, user: &User, asked_again: bool) -> Markup {
    let request = &view.request;
    let path = format!("/support/requests/{}", request.id.as_str());
    html! {
        (order_head(&request.order))
        @if asked_again { (words::asked_again()) }
        div.grid {
            section.card aria-labelledby="request" {
                h2 #request { "Request" }
                dl.facts {
                    dt { "Asked for by" } dd { (request.by) " on " (time(request.at)) }
                    dt { "Ticket" } dd { (request.grounds.ticket.as_str()) }
                    dt { "Reason" } dd { (request.grounds.reason.as_str()) }
                    dt { "State" } dd #state { (request_state(&request.state, view.as_of)) }
                }
                @if request.is_waiting(view.as_of) {
                    form method="post" action={ (path) "/decline" } {
                        input type="hidden" name="csrf" value=(user.csrf);
                        div.actions {
                            button.quiet type="submit" { @if request.by == user.signed_in.email { "Take it back" } @else { "Decline" } }
                        }
                    }
                }
            }
            @if request.is_waiting(view.as_of) { (approval(view, user, &path)) }
        }
    }
}

fn approval(view: &RequestView, user: &User, path: &str) -> Markup {
    let request = &view.request;
    html! {
        section.card aria-labelledby="approval" {
            h2 #approval { "What would happen now" }
            @match &view.order.outcome {
                Ok(proposal) => {
                    @if proposal.basis != request.basis {
                        p.muted { "The account or the license changed since this was asked for." }
                    }
                    ul.tick #consequence { (consequence(&view.order, &proposal.consequence)) }
                    form method="post" action={ (path) "/approve" } {
                        input type="hidden" name="csrf" value=(user.csrf);
                        input type="hidden" name="basis" value=(proposal.basis.as_str());
                        div.actions { button.danger type="submit" { "Approve and do it" } }
                    }
                }
                Err(refusal) => { (refused(request.order.account(), refusal, path)) }
            }
        }
    }
}

fn order_head(order: &SupportOrder) -> Markup {
    html! {
        nav.crumbs aria-label="Where you are" {
            a href="/support" { "Support" } " / "
            a href={ "/support/accounts/" (order.account()) } { (order.account()) }
        }
        div.head { h1 { (title(order)) } }
    }
}

fn request_state(state: &RequestState, now: Timestamp) -> Markup {
    html! {
        @match state {
            RequestState::Waiting { expires_at } if now < *expires_at => {
                "Waits for a second person, " (left(expires_at.duration_since(now))) " more"
            }
            RequestState::Waiting { expires_at } => { "Not approved in time; ended on " (time(*expires_at)) }
            RequestState::CarriedOut { by, at } => { "Approved by " (by) " and done on " (time(*at)) }
            RequestState::Declined { by, at } => { "Declined by " (by) " on " (time(*at)) }
        }
    }
}

/// Why it cannot be done; `path` is where to come back to after signing in.
fn refused(account: &AccountId, refusal: &LinkRefusal, path: &str) -> Markup {
    html! {
        p { (words::refusal(refusal)) }
        div.actions {
            @if let LinkRefusal::SignIn(_) = refusal {
                form method="post" action="/sign-in" {
                    input type="hidden" name="to" value=(path);
                    input type="hidden" name="again" value="1";
                    button type="submit" { "Sign in again" }
                }
            }
            a href={ "/support/accounts/" (account) } { "Back to the account" }
        }
    }
}

fn consequence(view: &OrderView, consequence: &OrderConsequence) -> Markup {
    let name = &view.name;
    html! {
        @match consequence {
            OrderConsequence::Unlink(verdict) => {
                li { "The subscription of AWS account " strong.num { (view.buyer) } " is unlinked from " strong { (name) } ", which " (words::verdict(*verdict)) }
            }
            OrderConsequence::Link(Consequence::AlreadyLinked) => { li { "The subscription is linked to this account already." } }
            OrderConsequence::Link(Consequence::FirstLink) => { (pays(name, &view.buyer)) }
            OrderConsequence::Link(Consequence::PayerChange(change)) => { (payer_change(name, change)) }
            OrderConsequence::Link(Consequence::Relink(relink)) => { (pays(name, &view.buyer)) (leaves(relink)) }
            OrderConsequence::Link(Consequence::RelinkAndPayerChange(relink, change)) => { (payer_change(name, change)) (leaves(relink)) }
        }
        li { "The customer is told, with the ticket and the reason." }
    }
}

fn pays(name: &AccountName, buyer: &AwsAccountId) -> Markup {
    html! { li { "AWS account " strong.num { (buyer) } " pays for " strong { (name) } " from now on." } }
}

fn payer_change(name: &AccountName, change: &PayerChange) -> Markup {
    html! {
        li { (words::payer_change(name, change)) }
        li { "The customer has to cancel the subscription of AWS account " span.num { (change.from) } " in AWS." }
    }
}

fn leaves(relink: &Relink) -> Markup {
    html! {
        li {
            "The subscription leaves " strong { (relink.name) } " (" code { (relink.account) } "), which "
            (words::verdict(relink.verdict))
        }
    }
}

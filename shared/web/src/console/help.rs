//! What customers ask about subscriptions and bills.

use axum::extract::State as Extract;
use maud::{Markup, html};

use crate::layout::{self, Width};
use crate::site::{Site, State};
use crate::visitor::Visitor;

/// A question: where links lead, what is asked, and the answer.
type Question = (&'static str, &'static str, fn(&Site) -> Markup);

const QUESTIONS: [Question; 9] = [
    (
        "custom-pricing",
        "Can we have custom pricing?",
        custom_pricing,
    ),
    (
        "offer-expired",
        "Our private offer has expired",
        offer_expired,
    ),
    (
        "offer-elsewhere",
        "The private offer was made for another AWS account",
        offer_elsewhere,
    ),
    ("find-payer", "Which AWS account pays?", find_payer),
    (
        "change-payer",
        "How do we change the AWS account that pays?",
        change_payer,
    ),
    (
        "lost-access",
        "We lost access to the AWS account that pays",
        lost_access,
    ),
    ("grace", "What are the 48 hours of grace?", grace),
    (
        "bill",
        "Why does AWS’s invoice differ from the estimate?",
        bill,
    ),
    (
        "rates",
        "Why is a computer billed at the highest rate?",
        rates,
    ),
];

pub(super) async fn page(Extract(state): Extract<State>, visitor: Visitor) -> Markup {
    let site = &state.site;
    let body = html! {
        h1 { "Help with subscriptions and billing" }
        nav aria-label="Questions" {
            ul.questions { @for (id, question, _) in QUESTIONS { li { a href={ "#" (id) } { (question) } } } }
        }
        @for (id, question, answer) in QUESTIONS {
            section.card aria-labelledby=(id) {
                h2 id=(id) { (question) }
                (answer(site))
            }
        }
        p { "Something else? Write to " (support(site)) "." }
    };
    let signed_in = visitor.shown();
    layout::page(site, "Help", Width::Narrow, signed_in.as_ref(), &body)
}

fn support(site: &Site) -> Markup {
    html! { a href={ "mailto:" (site.support_email) } { (site.support_email) } }
}

fn custom_pricing(site: &Site) -> Markup {
    html! {
        p { "Yes, through AWS Marketplace: as a private offer, prepaid by the year or by the month, or with rates of its own by the hour." }
        p { "Write to " (support(site)) " with the ID of the AWS account that will pay, 12 digits. The offer is made for that account and can be accepted only in it." }
        p { "When it is accepted, press “Set up your account” in AWS Marketplace and choose the account here. An account is paid for either through AWS Marketplace or by an annual subscription outside it, never by both." }
    }
}

fn offer_expired(site: &Site) -> Markup {
    html! {
        p { "AWS Marketplace accepts a private offer only until its expiration date. An expired offer cannot be revived, but a new one with the same terms can be made: write to " (support(site)) " and name the old offer’s ID (it begins with " code { "offer-" } ")." }
        p { "What you already subscribed to goes on at the terms that it has: an offer that you did not accept changes nothing." }
    }
}

fn offer_elsewhere(site: &Site) -> Markup {
    html! {
        p { "AWS shows a private offer only to the AWS accounts that it names. To whoever is signed in to another one, the link says that the offer is not available." }
        ol.next {
            li { "Sign in to AWS with the account that the offer names. Inside an AWS organization that may be the management account." }
            li { "If another AWS account should pay, write to " (support(site)) " with both 12-digit IDs: the offer is made again for the right one." }
        }
    }
}

fn find_payer(site: &Site) -> Markup {
    html! {
        p { "Open " a href="/accounts" { "your account here" } ": its first page names the AWS account that pays. Members who may only read see the last digits of its ID; a member with full access sees all of it, and all that paid before." }
        p { "In AWS, sign in to that account and open AWS Marketplace, " strong { "Manage subscriptions" } ": " (site.product_name) " is listed there, with the agreement." }
    }
}

fn change_payer(site: &Site) -> Markup {
    html! {
        ol.next {
            li { "Sign in to AWS with the account that is to pay and subscribe to " (site.product_name) " in AWS Marketplace." }
            li { "Press " strong { "Set up your account" } ", sign in here with e-mail address and password, and choose the same account. It takes full access, and a sign-in of the last 15 minutes; single sign-on does not do." }
            li { "The page says from which AWS account to which the payer changes. Confirm it: the account stays subscribed all the time. The running hour goes to the old payer for computers that were already protected, everything after it to the new one." }
            li { "Cancel the old subscription in AWS. It pays for nothing any more, but AWS shows it as subscribed until you cancel it." }
        }
    }
}

fn lost_access(site: &Site) -> Markup {
    html! {
        p { "You need no access to the old AWS account to have another one pay: subscribe from an account that you can sign in to, and " a href="#change-payer" { "change the payer" } "." }
        p { "If nobody with full access to the account here is left either, or the license has to be unlinked, write to " (support(site)) " from the address of a member. Support can unlink or transfer it after checking who asks; every member with full access is told, and the account’s history keeps it." }
        p { "To close the old AWS account, or to end the subscription in it, ask AWS Support; we cannot cancel anything in AWS." }
    }
}

fn grace(_site: &Site) -> Markup {
    html! {
        p { "When the AWS Marketplace subscription of an account is unlinked or moved to another account, everything goes on for 48 hours and is not charged. Link a subscription within that time and nothing is interrupted." }
        p { "After it the account is " strong { (domain::account::EXPIRED_LABEL) } ": computers that are protected stay protected, but new activations, updates and connectors are blocked. There is no grace when the agreement ended in AWS, or a trial did." }
    }
}

fn bill(_site: &Site) -> Markup {
    html! {
        p { "The estimate is computer-hours times the rate that was agreed on in AWS Marketplace, or the list price until AWS has told it; nothing within a free trial, and nothing for what a contract includes. AWS’s invoice is what counts; AWS issues it on the 2nd or 3rd of the next month. It also has what is prepaid, taxes, credits and currency." }
        p { "All months, days and hours here are UTC, as they are in AWS’s usage. Usage that could not be sent for its own hour is billed in a later one: “Billing & usage” lists it as carried, and its month’s total is by the hour billed in." }
    }
}

fn rates(_site: &Site) -> Markup {
    html! {
        p { "Because no AWS, Azure or Google Cloud connector knows it and its size. A computer without a connector, in vCenter, or of unknown size is billed as Data Center. The page “Not Cloud” computers of your account lists them, with the reason and what a connector would save." }
    }
}

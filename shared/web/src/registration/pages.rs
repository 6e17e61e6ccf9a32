//! The pages between AWS Marketplace and the linked account.

use app::SessionSecret;
use app::accounts::SubscriptionView;
use app::linking::{
    LinkChoice, LinkChoices, Proposal, ShownAccount, ShownConsequence, ShownRelink,
};
use app::registration::RegistrationView;
use domain::account::{AccountName, Standing};
use domain::ids::AwsAccountId;
use domain::linking::{PayerChange, UnlinkCause};
use domain::sign_in::{SignInRefusal, SignedIn};
use jiff::Timestamp;
use maud::{Markup, html};

use crate::forms::name_field;
use crate::layout::{left, time};
use crate::site::Site;
use crate::words;

/// Where in the registration a page stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    SignIn,
    Choose,
    Confirm,
    Done,
}

pub(super) fn steps(now: Step) -> Markup {
    let all = [
        (Step::SignIn, "Sign in"),
        (Step::Choose, "Choose account"),
        (Step::Confirm, "Confirm"),
        (Step::Done, "Done"),
    ];
    html! {
        ol.steps aria-label="Steps of the set-up" {
            @for (step, label) in all {
                @let place = if step < now || now == Step::Done { "done" } else if step == now { "now" } else { "ahead" };
                li data-step=(place) aria-current=[(step == now).then_some("step")] { (label) }
            }
        }
    }
}

/// For whoever opens the address without coming from AWS Marketplace.
pub(super) fn explanation(site: &Site) -> Markup {
    html! {
        h1 { "Set up your AWS Marketplace subscription" }
        p.lead { "This page links a subscription that you bought in AWS Marketplace to your " (site.product_name) " account. It is opened from AWS." }
        div.card {
            h2 { "How to get here" }
            ol.next {
                li { "Sign in to AWS with the AWS account that subscribed, and open " strong { "AWS Marketplace → Manage subscriptions" } "." }
                li { "Choose " (site.product_name) " and press " strong { "Set up your account" } ". AWS brings you back here." }
                li { "Sign in with your e-mail address and password, and choose the account that the subscription is to pay for." }
            }
        }
        div.note {
            strong { "Already subscribed and set up?" }
            p { "You need not subscribe again. Sign in to see your accounts, who pays for them and what was used." }
        }
        div.actions { a.button href="/sign-in?to=/accounts" { "Sign in" } }
    }
}

/// The first page after AWS Marketplace: sign in, or go on as whoever has just
/// done so; of a sign-in that does not do, it says why.
pub(super) fn welcome(
    site: &Site,
    view: &RegistrationView,
    user: Option<&SignedIn>,
    now: Timestamp,
) -> Markup {
    let refused = user.and_then(|user| Some((user, user.may_change_payer(now).err()?)));
    let ready = user.filter(|_| refused.is_none());
    let suggested = refused.as_ref().map(|(user, _)| user.email.as_str());
    html! {
        (steps(Step::SignIn))
        h1 { "Set up your subscription" }
        p.lead { "Thank you for subscribing to " (site.product_name) " in AWS Marketplace. Sign in to choose the account that AWS account " span.num { (view.buyer) } " is to pay for." }
        @if let Some(user) = ready {
            div.card {
                h2 { "Go on as " (user.email) }
                p { "You have just signed in." }
                div.actions { a.button href="/register/accounts" { "Choose the account" } }
            }
        }
        @if let Some((user, refusal)) = &refused {
            div.note.warn role="status" data-refusal=(words::sign_in_code(refusal)) {
                strong { (words::sign_in_heading(refusal)) }
                p { "You are signed in as " (user.email) ". " (words::sign_in_refusal(refusal)) }
            }
        }
        form.card method="post" action="/sign-in" {
            h2 {
                @if ready.is_some() { "Or sign in as somebody else" }
                @else if refused.is_some() { "Sign in again" }
                @else { "Sign in" }
            }
            input type="hidden" name="to" value="/register/accounts";
            div.field {
                label for="email" { "Your e-mail address" }
                input #email type="email" name="email" required autocomplete="email" inputmode="email" maxlength="254" value=[suggested] aria-describedby="email-hint";
                p.hint #email-hint { "The one with which you sign in to " (site.product_name) ", or with which you want to sign up." }
            }
            div.actions {
                button type="submit" { "Continue to sign in" }
                button.quiet type="submit" name="new" value="1" { "No user yet? Sign up" }
            }
        }
        div.note {
            strong { "With e-mail address and password" }
            p { "This set-up decides who pays, so it takes a sign-in with an e-mail address and password. Single sign-on (SAML) is not accepted here; you can use it again afterwards." }
        }
        p.muted { "No payment details are asked for: AWS bills you. You have "
            (left(view.expires_at.duration_since(now))) " to finish; after that, press “Set up your account” in AWS Marketplace again. You need not subscribe again." }
    }
}

/// What all accounts have against them, which is the sign-in's and not theirs.
pub(super) fn sign_in_notice(refusal: &SignInRefusal) -> Markup {
    let label = match refusal {
        SignInRefusal::CredentialsRequired { .. } => "Sign in with e-mail and password",
        SignInRefusal::EmailNotVerified | SignInRefusal::SignInTooOld { .. } => "Sign in again",
    };
    html! {
        div.note.warn role="alert" data-refusal=(words::sign_in_code(refusal)) {
            strong { (words::sign_in_heading(refusal)) }
            p { (words::sign_in_refusal(refusal)) }
            p { "Your registration is kept: nothing is lost, and you need not go back to AWS." }
            form method="post" action="/sign-in" {
                input type="hidden" name="to" value="/register/accounts";
                button type="submit" { (label) }
            }
        }
    }
}

/// Every account of the user; those that cannot be linked, with the reason.
pub(super) fn choose(choices: &LinkChoices, csrf: &str, key: &str, typed: Option<&str>) -> Markup {
    html! {
        (steps(Step::Choose))
        h1 { "Which account is it for?" }
        p.lead { "AWS account " span.num { (choices.buyer) } " will pay for the account that you choose. Nothing changes before you confirm it on the next page." }
        @if let Some(refusal) = &choices.sign_in { (sign_in_notice(refusal)) }
        @if choices.accounts.is_empty() {
            div.note { strong { "You have no account yet" } p { "Open one below; it takes a moment." } }
        } @else {
            ul.choices aria-label="Your accounts" {
                @for choice in &choices.accounts { (choice_item(choice, choices.last.as_ref() == Some(&choice.account))) }
            }
        }
        @if choices.sign_in.is_none() {
            form.card method="post" action="/register/accounts" {
                h2 { "Open a new account" }
                input type="hidden" name="csrf" value=(csrf);
                input type="hidden" name="key" value=(key);
                (name_field(typed, Some("Such as your company’s name or a team’s. You become its first member, with full access.")))
                div.actions { button.quiet type="submit" { "Open account" } }
            }
        }
        form.card method="post" action="/register/hand-over" {
            h2 { "Let an administrator do it" }
            input type="hidden" name="csrf" value=(csrf);
            p { "If you may not choose the account, or cannot sign in with a password, make a link and send it to somebody who can. They sign in as themselves." }
            div.actions { button.quiet type="submit" { "Make a link" } }
        }
    }
}

/// The link for somebody else.
pub(super) fn hand_over(view: &RegistrationView, link: &str) -> Markup {
    html! {
        h1 { "A link for an administrator" }
        p.lead { "Send this link to somebody with full access to the account. With it they choose the account that AWS account " span.num { (view.buyer) } " is to pay for." }
        div.card {
            div.field {
                label for="link" { "Link" }
                input #link type="text" readonly value=(link) aria-describedby="link-hint";
                p.hint #link-hint { "It works once, within 4 hours. It is shown only now; you can make another one." }
            }
            p { "Whoever has it can decide which of their own accounts your AWS account pays for: send it to nobody else." }
            div.actions { a.button.quiet href="/register/accounts" { "Back to the accounts" } }
        }
    }
}

/// What somebody sees who was sent the link.
pub(super) fn take_over(site: &Site, secret: &SessionSecret, csrf: &str) -> Markup {
    html! {
        h1 { "Finish setting up a subscription" }
        p.lead { "Somebody subscribed to " (site.product_name) " in AWS Marketplace and asks you to choose the account that it pays for." }
        form.card method="post" action="/register/take-over" {
            input type="hidden" name="csrf" value=(csrf);
            input type="hidden" name="secret" value=(secret.expose());
            p { "You sign in with your e-mail address and password next. Nothing changes before you confirm it. This link works once." }
            div.actions { button type="submit" { "Go on" } }
        }
        p.muted { "You did not expect this? Then close the page, and nothing happens." }
    }
}

fn choice_item(choice: &LinkChoice, was_last: bool) -> Markup {
    html! {
        li.choice data-account=(choice.account) aria-disabled=[choice.outcome.is_err().then_some("true")] {
            h2 { (choice.name) " " (words::badge(choice.standing)) }
            @if was_last { p.small.muted { "A subscription of this AWS account paid for it last." } }
            @match &choice.outcome {
                Ok(Proposal { consequence: ShownConsequence::AlreadyLinked, .. }) => {
                    p { "The subscription is linked to this account already." }
                    a.button.quiet href={ "/accounts/" (choice.account) } { "Open" span.hidden { " " (choice.name) } }
                }
                Ok(Proposal { consequence, .. }) => {
                    p { (short(consequence, choice.standing)) }
                    form method="get" action="/register/confirm" {
                        input type="hidden" name="account" value=(choice.account);
                        button type="submit" { "Choose" span.hidden { " " (choice.name) } }
                    }
                }
                Err(refusal) => {
                    p { (words::refusal_in_list(refusal)) }
                    button.quiet type="button" disabled { "Not available" }
                }
            }
        }
    }
}

fn short(consequence: &ShownConsequence, standing: Standing) -> &'static str {
    match consequence {
        ShownConsequence::AlreadyLinked => "The subscription is linked to this account already.",
        ShownConsequence::FirstLink => match standing {
            Standing::Trial => "In its trial. It would be subscribed at once.",
            Standing::Grace => {
                "In its grace period, which would end: it would be subscribed at once."
            }
            Standing::Expired => "Expired. It would be subscribed at once.",
            Standing::Subscribed | Standing::Annual | Standing::Suspended => {
                "It would be subscribed at once."
            }
        },
        ShownConsequence::PayerChange(change) if change.from == change.to => {
            "Paid for by another subscription of the same AWS account today, which this one would replace."
        }
        ShownConsequence::PayerChange(_) => {
            "Paid for by another AWS account today: the payer would change."
        }
        ShownConsequence::Relink(_) => "The subscription would be moved here from another account.",
        ShownConsequence::RelinkAndPayerChange(..) => {
            "The subscription would be moved here from another account, and the payer would change."
        }
    }
}

/// What is to be confirmed.
pub(super) struct Confirmation<'a> {
    pub(super) choice: &'a LinkChoice,
    pub(super) proposal: &'a Proposal,
    pub(super) buyer: &'a AwsAccountId,
    pub(super) csrf: &'a str,
    /// Something changed since the user was last asked.
    pub(super) asked_again: bool,
}

/// Asks for a confirmation that names the consequence.
pub(super) fn confirm(page: &Confirmation<'_>) -> Markup {
    let name = &page.choice.name;
    let linked = page.proposal.consequence == ShownConsequence::AlreadyLinked;
    let takes_away = match page.proposal.consequence {
        ShownConsequence::Relink(_) | ShownConsequence::RelinkAndPayerChange(..) => true,
        ShownConsequence::AlreadyLinked
        | ShownConsequence::FirstLink
        | ShownConsequence::PayerChange(_) => false,
    };
    html! {
        (steps(Step::Confirm))
        h1 { "Link the subscription to " (name) "?" }
        @if page.asked_again { (words::asked_again()) }
        div.card {
            h2 { "What will happen" }
            ul.tick #consequence {
                (consequence(page))
                @if !linked { li { "From now on, protection by the hour in " (name) " is metered to this subscription and appears on AWS’s invoice." } }
            }
            form method="post" action="/register/confirm" {
                input type="hidden" name="csrf" value=(page.csrf);
                input type="hidden" name="account" value=(page.choice.account);
                input type="hidden" name="basis" value=(page.proposal.basis.as_str());
                div.actions {
                    @if linked {
                        button type="submit" { "Go on" }
                    } @else if takes_away {
                        button.danger type="submit" { "Move the subscription" }
                    } @else {
                        button type="submit" { "Link the subscription" }
                    }
                    a href="/register/accounts" { "Choose another account" }
                }
            }
        }
    }
}

fn consequence(page: &Confirmation<'_>) -> Markup {
    let name = &page.choice.name;
    html! {
        @match &page.proposal.consequence {
            ShownConsequence::AlreadyLinked => { li { "The subscription is linked to this account already." } }
            ShownConsequence::FirstLink => { (first_link(name, page.buyer)) }
            ShownConsequence::PayerChange(change) => { (payer_change(name, change)) }
            ShownConsequence::Relink(moved) => {
                (first_link(name, page.buyer))
                (relink(moved))
            }
            ShownConsequence::RelinkAndPayerChange(moved, change) => {
                (payer_change(name, change))
                (relink(moved))
            }
        }
    }
}

fn first_link(name: &AccountName, buyer: &AwsAccountId) -> Markup {
    html! { li { "AWS account " strong.num { (buyer) } " pays for " strong { (name) } " from now on." } }
}

fn payer_change(name: &AccountName, change: &PayerChange) -> Markup {
    html! {
        li { (words::payer_change(name, change)) }
        li {
            @if change.from == change.to { "The old subscription" } @else { "AWS account " span.num { (change.from) } }
            " still shows as subscribed in AWS until you cancel the subscription there yourself."
        }
    }
}

fn relink(moved: &ShownRelink) -> Markup {
    html! {
        li {
            "The subscription leaves the account "
            @match &moved.holder {
                ShownAccount::Whole { name, .. } => { strong { (name) } }
                ShownAccount::InPart(beginning) => { strong { (beginning) } " (shown in part, because you are not a member of it)" }
            }
            ", which " (words::verdict(moved.verdict))
        }
    }
}

/// While AWS has not activated the license; the answer refreshes itself.
pub(super) fn pending() -> Markup {
    html! {
        (steps(Step::Choose))
        h1 { "AWS is still preparing your subscription" }
        div.card {
            p { "You subscribed, and AWS has not activated the subscription yet. That normally takes a minute or two. This page asks again by itself every few seconds." }
            p.muted { "Your registration is kept. You can also close this page and press “Set up your account” in AWS Marketplace later." }
            div.actions { a.button href="/register/accounts" { "Ask again now" } }
        }
    }
}

/// The agreement begins later.
pub(super) fn not_begun(begins_at: Timestamp) -> Markup {
    html! {
        (steps(Step::Choose))
        h1 { "Your subscription has not begun yet" }
        div.card {
            p { "It begins on " strong { (time(begins_at)) } ". Until then there is nothing to link, and nothing is charged for usage." }
            p { "Come back then: press “Set up your account” in AWS Marketplace again." }
        }
    }
}

/// The license ended before it was linked.
pub(super) fn ended(ended_at: Timestamp) -> Markup {
    html! {
        h1 { "This subscription has ended" }
        div.card {
            p { "It ended in AWS Marketplace on " (time(ended_at)) ", so it can no longer pay for an account." }
            h2 { "What was not lost" }
            p { "Your accounts and their protection are as they were." }
            h2 { "What to do next" }
            p { "Subscribe again in AWS Marketplace and press “Set up your account” there." }
            div.actions { a.button href="/sign-in?to=/accounts" { "Your accounts" } }
        }
    }
}

/// It is done: what happens next, and what is left to do in AWS.
pub(super) fn done(site: &Site, view: &SubscriptionView) -> Markup {
    let name = &view.name;
    // The payer that this one took over from, at the instant of the link.
    let former = view.links.iter().find(|earlier| {
        earlier.link.until == Some(view.since)
            && earlier
                .link
                .unlinked
                .as_ref()
                .is_some_and(|end| end.cause == UnlinkCause::PayerChanged)
    });
    html! {
        (steps(Step::Done))
        h1 { "Your subscription is set up" }
        div.note.good role="status" {
            strong { (name) " is subscribed through AWS Marketplace" }
            @if let Some(payer) = &view.payer {
                p { "AWS account " span.num { (payer.buyer) } " pays for it since " (time(view.since)) "." }
            }
        }
        @if let Some(former) = former {
            div.note.warn #cancel {
                strong { "Remember to cancel the old subscription in AWS" }
                @if view.payer.as_ref().is_some_and(|payer| payer.buyer == former.buyer) {
                    p { "Another subscription of AWS account " span.num { (former.buyer) } " paid for " (name) " before. AWS shows it until you cancel it: open AWS Marketplace → Manage subscriptions and cancel the one of " (site.product_name) " whose agreement is not the one on the account’s page." }
                } @else {
                    p { "AWS account " span.num { (former.buyer) } " no longer pays for " (name) ", but AWS shows it as subscribed until you cancel it: sign in to that AWS account, open AWS Marketplace → Manage subscriptions, choose " (site.product_name) " and cancel." }
                }
            }
        }
        div.card {
            h2 { "What happens next" }
            ol.next {
                li { "Protection goes on without a break. Add cloud connectors so that computers are billed at the rate of their size; computers outside any connector are billed at the Data Center rate." }
                li { "Each hour of protection is metered to AWS shortly after the hour ends. See it under " a href={ "/accounts/" (view.account) "/usage" } { "Billing & usage" } "." }
                li { "AWS invoices the month on the 2nd or 3rd of the next one. AWS’s invoice is what counts." }
                li { "Questions: " a href={ "mailto:" (site.support_email) } { (site.support_email) } "." }
            }
            div.actions {
                a.button href={ "/accounts/" (view.account) } { "Go to " (name) }
                a href={ "/accounts/" (view.account) "/usage" } { "Billing & usage" }
            }
        }
    }
}

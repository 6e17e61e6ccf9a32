//! The subscriptions: what each is, its bill so far, and what can be done with
//! it as its buyer, its seller, or AWS.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use super::{date_field, minute, offer_options};
use crate::FakeAws;
use crate::control::ControlError;
use crate::lock;
use crate::notices::Notice;
use crate::offers::{MicroUsd, Offer, OfferKind, amount, cents};
use crate::state::{AcceptedRecord, Agreement, AgreementStatus, Ending, Intent};
use crate::terms::Contract;

/// How many of the latest subscriptions are shown.
const SUBSCRIPTIONS_SHOWN: usize = 50;

/// A token is offered again while it has this much life left.
const TOKEN_MARGIN: SignedDuration = SignedDuration::from_hours(1);

/// The latest subscriptions, newest first, and how many older ones there are.
pub(super) struct Subscriptions {
    shown: Vec<Subscription>,
    older: usize,
}

/// An agreement as the page shows it.
struct Subscription {
    agreement: Agreement,
    offer: Offer,
    /// `None` once it has ended.
    token: Option<String>,
    /// Whether AWS suspended its buyer.
    suspended: bool,
    usage: BTreeMap<String, (u64, MicroUsd)>,
    instalments: MicroUsd,
}

impl Subscription {
    fn total(&self) -> MicroUsd {
        let usage: MicroUsd = self.usage.values().map(|(_, charge)| charge).sum();
        usage + self.instalments
    }

    /// Whether the charges as shown, to the cent, add up to the total shown.
    fn adds_up(&self) -> bool {
        let usage: u64 = self.usage.values().map(|(_, charge)| cents(*charge)).sum();
        usage + cents(self.instalments) == cents(self.total())
    }
}

impl Subscriptions {
    /// Reads them, with a token for each that goes on.
    pub(super) fn read(fake: &FakeAws) -> Result<Subscriptions, ControlError> {
        let (latest, older): (Vec<Agreement>, usize) = {
            let kept = lock(&fake.inner.kept);
            let agreements = kept.state.agreements();
            let latest = agreements.iter().rev().take(SUBSCRIPTIONS_SHOWN);
            let older = agreements.len().saturating_sub(SUBSCRIPTIONS_SHOWN);
            (latest.cloned().collect(), older)
        };
        let mut shown = Vec::new();
        for agreement in latest {
            let (token, until) = match agreement.status {
                AgreementStatus::Scheduled | AgreementStatus::Active => {
                    (Some(token(fake, &agreement.license_arn)?), fake.now())
                }
                AgreementStatus::Ended { at, .. } => (None, at),
            };
            let suspended = {
                let kept = lock(&fake.inner.kept);
                kept.state.is_suspended(&agreement.buyer_account)
            };
            shown.push(Subscription {
                instalments: agreement.instalments_due(until),
                offer: fake.inner.offer(agreement.offer).clone(),
                agreement,
                token,
                suspended,
                usage: BTreeMap::new(),
            });
        }
        add_usage(&mut shown, lock(&fake.inner.kept).state.records());
        Ok(Subscriptions { shown, older })
    }

    /// Draws them.
    pub(super) fn draw(&self, fake: &FakeAws) -> Markup {
        html! {
            section.card {
                h2 { "2. Your subscriptions" }
                @if self.shown.is_empty() {
                    p.empty { "None yet. Choose an offer above and press Subscribe." }
                }
                @for subscription in &self.shown {
                    (subscription_box(subscription, fake))
                }
                @if self.older > 0 {
                    p.hint { "The latest " (SUBSCRIPTIONS_SHOWN) " are shown; there are " (self.older) " older ones." }
                }
            }
        }
    }
}

/// Charges every record to the subscription that its license was of then, if
/// that is shown.
fn add_usage(subscriptions: &mut [Subscription], records: &[AcceptedRecord]) {
    let mut by_license: HashMap<String, Vec<usize>> = HashMap::new();
    for (number, shown) in subscriptions.iter().enumerate() {
        let license = shown.agreement.license_arn.clone();
        by_license.entry(license).or_default().push(number);
    }
    for record in records {
        let numbers = by_license.get(&*record.license_arn);
        let mut newest_first = numbers.into_iter().flatten().copied();
        let charged = newest_first.find(|number| {
            subscriptions.get(*number).is_some_and(|shown| {
                // The hour in which a purchase began is stamped with its beginning.
                shown.agreement.starts_at <= record.timestamp
                    || shown.agreement.intent == Intent::New
            })
        });
        let Some(shown) = charged.and_then(|number| subscriptions.get_mut(number)) else {
            continue;
        };
        let price = shown.agreement.price(&record.dimension, record.timestamp);
        let (units, charge) = shown.usage.entry(record.dimension.to_string()).or_default();
        *units += record.quantity;
        *charge += price * record.quantity;
    }
}

/// The newest token while it has some life left, else another.
fn token(fake: &FakeAws, license_arn: &str) -> Result<String, ControlError> {
    let lifetime = fake.inner.config.readings.token_lifetime;
    let now = fake.now();
    {
        let kept = lock(&fake.inner.kept);
        if let Some((text, token)) = kept.state.latest_token(license_arn)
            && now.duration_since(token.minted_at) < lifetime - TOKEN_MARGIN
        {
            return Ok(text.to_owned());
        }
    }
    fake.new_token(license_arn)
}

fn subscription_box(subscription: &Subscription, fake: &FakeAws) -> Markup {
    let agreement = &subscription.agreement;
    html! {
        article.subscription id=(agreement.agreement_id) {
            header {
                h3 { (subscription.offer.title) }
                (status(agreement))
                @if subscription.suspended { span.status.ended { "AWS account suspended" } }
            }
            (facts(agreement, fake))
            (bill(subscription))
            @if let Some(token) = &subscription.token {
                (buyer_forms(agreement, token, &fake.inner.config.fulfillment_url))
                details {
                    summary { "Renew, amend, and what AWS does" }
                    div.plays {
                        @if agreement.status == AgreementStatus::Active { (renewal_form(agreement, fake)) }
                        (amendment_form(agreement, fake))
                        (aws_forms(subscription))
                    }
                }
            }
        }
    }
}

fn facts(agreement: &Agreement, fake: &FakeAws) -> Markup {
    html! {
        dl {
            div { dt { "AWS account" } dd { (agreement.buyer_account) } }
            @if agreement.told_by.is_older_listing() {
                div { dt { "Customer identifier" } dd { (fake.inner.customer_identifier(&agreement.buyer_account)) } }
            }
            @if agreement.starts_at > agreement.accepted_at {
                div { dt { "Accepted" } dd { (minute(agreement.accepted_at)) } }
                div { dt { "Starts" } dd { (minute(agreement.starts_at)) } }
            } @else {
                div { dt { "Since" } dd { (minute(agreement.starts_at)) } }
            }
            @if agreement.goes_on() {
                (end(agreement))
                @if let Some(until) = agreement.terms.free_until() {
                    div { dt { "Free until" } dd { (minute(until)) } }
                }
                @if let Some(contract) = &agreement.terms.terms.contract {
                    div { dt { "Entitled to" } dd { (entitled(contract)) } }
                }
            }
            div.wide { dt { "Agreement" } dd { code { (agreement.agreement_id) } } }
            @if let Some(previous) = &agreement.previous_agreement_id {
                div.wide {
                    dt { @match agreement.intent { Intent::Replace => "Replaces", Intent::New | Intent::Renew => "Renews" } }
                    dd { a href=(format!("#{previous}")) { code { (previous) } } }
                }
            }
            div.wide { dt { "License" } dd { code { (agreement.license_arn) } } }
        }
    }
}

fn end(agreement: &Agreement) -> Markup {
    let what = if agreement.auto_renewal {
        "Renews itself"
    } else {
        "Ends"
    };
    let when: Option<Timestamp> = agreement.ends_at;
    html! {
        div { dt { (what) } dd { @match when { Some(at) => (minute(at)), None => "when you cancel" } } }
    }
}

/// `1000 hours of each size`, where they are all the same.
fn entitled(contract: &Contract) -> String {
    let values = contract.entitlements.iter().map(|of| of.value);
    let most = values.max().unwrap_or(0);
    format!("{most} hours of each dimension")
}

fn status(agreement: &Agreement) -> Markup {
    match agreement.status {
        AgreementStatus::Scheduled => html! {
            span.status { "Begins " (minute(agreement.starts_at)) }
        },
        AgreementStatus::Active => html! { span.status.active { "Active" } },
        AgreementStatus::Ended { at, how } => html! {
            span.status.ended {
                @match how {
                    Ending::Cancelled => "Cancelled ",
                    Ending::Expired => "Expired ",
                    Ending::Renewed => "Renewed ",
                    Ending::Replaced => "Replaced ",
                    Ending::Terminated => "Terminated ",
                }
                (minute(at))
            }
        },
    }
}

fn bill(subscription: &Subscription) -> Markup {
    html! {
        table {
            caption { "The bill so far" }
            thead { tr { th { "For" } th.number { "Units" } th.number { "Charge" } } }
            tbody {
                @if subscription.agreement.terms.terms.contract.is_some() || subscription.instalments > 0 {
                    tr { td { "Contract" } td.number { "" } td.number { (amount(subscription.instalments)) } }
                }
                @for (dimension, (units, charge)) in &subscription.usage {
                    tr { td { (dimension) " hours" } td.number { (units) } td.number { (amount(*charge)) } }
                }
                @if subscription.usage.is_empty() {
                    tr { td colspan="3" { "No usage was metered yet." } }
                }
            }
            tfoot { tr { th { "Total" } td {} td.number { (amount(subscription.total())) } } }
        }
        @if !subscription.adds_up() {
            p.hint { "Each charge is rounded to the cent for display; the total is rounded once." }
        }
    }
}

fn buyer_forms(agreement: &Agreement, token: &str, fulfillment_url: &str) -> Markup {
    html! {
        div.row {
            form method="post" action=(fulfillment_url) {
                input type="hidden" name="x-amzn-marketplace-token" value=(token);
                @if agreement.offer == OfferKind::FreeTrial {
                    input type="hidden" name="x-amzn-marketplace-offer-type" value="free-trial";
                }
                button.primary { "Set up your account" }
            }
            form method="post" action="/buyer/cancel" {
                (of(agreement))
                button.danger { "Cancel subscription" }
            }
        }
        p.hint { "Set up your account takes you to the seller at " (fulfillment_url) "." }
    }
}

fn of(agreement: &Agreement) -> Markup {
    html! { input type="hidden" name="agreement_id" value=(agreement.agreement_id); }
}

fn renewal_form(agreement: &Agreement, fake: &FakeAws) -> Markup {
    html! {
        form.play method="post" action="/buyer/renew" {
            h4 { "Renew" }
            (of(agreement))
            label { "License"
                select name="license" {
                    option value="same" { "the same" }
                    option value="new" { "a new one" }
                }
            }
            label { "As"
                select name="intent" {
                    option value="RENEW" { "a renewal" }
                    option value="REPLACE" { "a replacement" }
                }
            }
            label { "Offer" (offer_options(fake, "the terms as they are")) }
            (date_field("Starts on (empty: now)", "starts_on", fake.now()))
            button { "Renew" }
        }
    }
}

fn amendment_form(agreement: &Agreement, fake: &FakeAws) -> Markup {
    html! {
        form.play method="post" action="/buyer/amend" {
            h4 { "Amend" }
            (of(agreement))
            label { "Offer" (offer_options(fake, "the terms as they are")) }
            (date_field("Ends on (a contract)", "ends_on", fake.now()))
            label { "Hours entitled to (a contract)"
                input name="hours" type="number" min="0" max="2147483647" step="1";
            }
            button { "Amend" }
        }
    }
}

fn aws_forms(subscription: &Subscription) -> Markup {
    let agreement = &subscription.agreement;
    html! {
        div.play {
            h4 { "AWS" }
            form.play method="post" action="/buyer/notice" {
                (of(agreement))
                label { "Notice"
                    select name="notice" {
                        @for notice in Notice::ALL { option value=(notice.choice()) { (notice.choice().replace('_', " ")) } }
                    }
                }
                button { "Have AWS say so" }
            }
            form method="post" action="/buyer/standing" {
                (of(agreement))
                @if subscription.suspended {
                    button name="standing" value="good" { "Restore the AWS account" }
                } @else {
                    button.danger name="standing" value="suspended" { "Suspend the AWS account" }
                }
            }
            form method="post" action="/buyer/terminate" {
                (of(agreement))
                button.danger { "Terminate the agreement" }
            }
        }
    }
}

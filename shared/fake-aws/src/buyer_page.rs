//! The page a person plays the buyer on: choose an offer, subscribe, set up
//! the account, move the clock, see what is billed.
//!
//! Drawn on the server, works without script. "Set up your account" is a real
//! form that posts the registration token to the seller, as AWS's does.

use std::collections::{BTreeMap, HashMap};

use axum::extract::{Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use http::{HeaderValue, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use maud::{DOCTYPE, Markup, html};
use serde::Deserialize;

use crate::FakeAws;
use crate::control::{ControlError, offer_named};
use crate::lock;
use crate::notices::Notice;
use crate::offers::{Catalog, MicroUsd, Offer, OfferKind, amount, cents, rate};
use crate::state::{AcceptedRecord, Agreement, AgreementStatus, Ending, Marketplace};

/// Buyers to choose from.
const EXAMPLE_BUYERS: [(&str, &str); 3] = [
    ("444455556666", "Example Corp, production"),
    ("777788889999", "Example Corp, a second account"),
    ("123412341234", "Another buyer"),
];

/// How many of the latest records are shown.
const RECORDS_SHOWN: usize = 200;

/// How many of the latest subscriptions are shown.
const SUBSCRIPTIONS_SHOWN: usize = 50;

/// A token is offered again while it has this much life left.
const TOKEN_MARGIN: SignedDuration = SignedDuration::from_hours(1);

/// Forms go to this page, to the seller's fulfillment URL, and wherever the
/// seller's sign-in redirects from there: any http or https address.
const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self' http: https:; \
                      base-uri 'none'; frame-ancestors 'none'";

#[derive(Deserialize)]
pub(crate) struct Subscribe {
    offer: String,
    buyer_account: String,
    #[serde(default)]
    other_account: String,
}

#[derive(Deserialize)]
pub(crate) struct Cancel {
    agreement_id: String,
}

#[derive(Deserialize)]
pub(crate) struct NoticeForm {
    agreement_id: String,
    notice: String,
}

#[derive(Deserialize)]
pub(crate) struct MoveClock {
    hours: String,
}

/// `GET /`.
pub(crate) async fn page(State(fake): State<FakeAws>) -> Response {
    match subscriptions(&fake) {
        Ok(subscriptions) => shown(StatusCode::OK, &document(&fake, &subscriptions)),
        Err(error) => problem(&error),
    }
}

/// `POST /buyer/subscribe`.
pub(crate) async fn subscribe(
    State(fake): State<FakeAws>,
    Form(form): Form<Subscribe>,
) -> Response {
    let account = match form.other_account.trim() {
        "" => form.buyer_account.trim(),
        other => other,
    };
    let subscribed = match offer_named(&form.offer) {
        Ok(offer) => fake.create_agreement(offer, account).await,
        Err(error) => Err(error),
    };
    match subscribed {
        Ok(made) => Redirect::to(&format!("/#{}", made.agreement_id)).into_response(),
        Err(error) => problem(&error),
    }
}

/// `POST /buyer/cancel`.
pub(crate) async fn cancel(State(fake): State<FakeAws>, Form(form): Form<Cancel>) -> Response {
    match fake.cancel_agreement(&form.agreement_id).await {
        Ok(()) => Redirect::to(&format!("/#{}", form.agreement_id)).into_response(),
        Err(error) => problem(&error),
    }
}

/// `POST /buyer/notice`.
pub(crate) async fn notice(State(fake): State<FakeAws>, Form(form): Form<NoticeForm>) -> Response {
    let told = match Notice::named(&form.notice) {
        Ok(notice) => fake.notice(&form.agreement_id, notice).await,
        Err(error) => Err(error),
    };
    match told {
        Ok(()) => Redirect::to(&format!("/#{}", form.agreement_id)).into_response(),
        Err(error) => problem(&error),
    }
}

/// `POST /buyer/clock`.
pub(crate) async fn clock(State(fake): State<FakeAws>, Form(form): Form<MoveClock>) -> Response {
    let hours = form
        .hours
        .trim()
        .parse()
        .ok()
        .filter(|hours| (0..=8_784).contains(hours));
    let Some(hours) = hours else {
        return problem(&ControlError::Field {
            field: "hours".to_owned(),
            reason: "give a whole number of hours, 0 to 8784 (a year)".to_owned(),
        });
    };
    match fake.advance_by(SignedDuration::from_hours(hours)).await {
        Ok(()) => Redirect::to("/#clock").into_response(),
        Err(error) => problem(&error.into()),
    }
}

/// `GET /_fake/style.css`.
pub(crate) async fn style() -> Response {
    let content_type = (header::CONTENT_TYPE, "text/css; charset=utf-8");
    let cache = (header::CACHE_CONTROL, "max-age=300");
    ([content_type, cache], include_str!("style.css")).into_response()
}

/// An agreement as the page shows it.
struct Subscription {
    agreement: Agreement,
    offer: Offer,
    /// `None` once it has ended.
    token: Option<String>,
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

/// The latest subscriptions, newest first.
fn subscriptions(fake: &FakeAws) -> Result<Vec<Subscription>, ControlError> {
    let latest: Vec<Agreement> = {
        let kept = lock(&fake.inner.kept);
        let agreements = kept.state.agreements().iter().rev();
        agreements.take(SUBSCRIPTIONS_SHOWN).cloned().collect()
    };
    let mut subscriptions = Vec::new();
    for agreement in latest {
        let offer = fake.inner.offer(agreement.offer).clone();
        let (token, until) = match agreement.status {
            AgreementStatus::Scheduled | AgreementStatus::Active => {
                (Some(token(fake, &agreement.license_arn)?), fake.now())
            }
            AgreementStatus::Ended { at, .. } => (None, at),
        };
        subscriptions.push(Subscription {
            instalments: agreement.instalments_due(until),
            agreement,
            offer,
            token,
            usage: BTreeMap::new(),
        });
    }
    add_usage(&mut subscriptions, lock(&fake.inner.kept).state.records());
    Ok(subscriptions)
}

/// Charges every record to its subscription, if that is shown.
fn add_usage(subscriptions: &mut [Subscription], records: &[AcceptedRecord]) {
    let by_license: HashMap<String, usize> = subscriptions
        .iter()
        .enumerate()
        .map(|(number, shown)| (shown.agreement.license_arn.clone(), number))
        .collect();
    for record in records {
        let number = by_license.get(&*record.license_arn);
        let Some(shown) = number.and_then(|number| subscriptions.get_mut(*number)) else {
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

fn shown(status: StatusCode, page: &Markup) -> Response {
    let mut response = (status, page.clone()).into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

fn problem(error: &ControlError) -> Response {
    let status = match error {
        ControlError::Field { .. } => StatusCode::BAD_REQUEST,
        ControlError::NotFound { .. } => StatusCode::NOT_FOUND,
        ControlError::Ended { .. } | ControlError::NotNow { .. } => StatusCode::CONFLICT,
        ControlError::Storage(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let page = frame(html! {
        section.card.problem {
            h1 { "That did not work" }
            p { (error) "." }
            p { "Nothing was changed." }
            p { a.button href="/" { "Back to AWS Marketplace" } }
        }
    });
    shown(status, &page)
}

fn frame(content: Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "AWS Marketplace (fake)" }
                link rel="stylesheet" href="/_fake/style.css";
            }
            body {
                header.bar {
                    a href="/" { "AWS Marketplace" }
                    span.tag { "a fake, for trying things out" }
                }
                main { (content) }
                footer { "Not AWS: nothing here costs anything. Times are UTC." }
            }
        }
    }
}

fn document(fake: &FakeAws, subscriptions: &[Subscription]) -> Markup {
    let inner = &fake.inner;
    frame(html! {
        h1 { "Buy, set up, and watch the bill" }
        p.lead {
            "You are the buyer here. Subscribe to the product with one of your AWS accounts, "
            "set up your account with the seller, let time pass, and see what AWS was told to bill."
        }
        (clock_box(fake.now()))
        (product(&inner.offers, &inner.config.product_id))
        section.card {
            h2 { "2. Your subscriptions" }
            @if subscriptions.is_empty() {
                p.empty { "None yet. Choose an offer above and press Subscribe." }
            }
            @if subscriptions.len() == SUBSCRIPTIONS_SHOWN {
                p.hint { "The latest " (SUBSCRIPTIONS_SHOWN) " are shown." }
            }
            @for subscription in subscriptions {
                (subscription_box(subscription, &inner.config.fulfillment_url))
            }
        }
        (records(&lock(&inner.kept).state))
    })
}

fn clock_box(now: Timestamp) -> Markup {
    html! {
        section.card.clock #clock {
            h2 { "Clock" }
            p.now { time datetime=(now) { (minute(now)) } " UTC" }
            p.hint {
                "Moving the clock runs everything that would have happened meanwhile: "
                "usage is reported, hours close, records are sent, deadlines pass."
            }
            div.row {
                form method="post" action="/buyer/clock" {
                    button name="hours" value="1" { "+1 hour" }
                    button name="hours" value="48" { "+48 hours" }
                }
                form.row method="post" action="/buyer/clock" {
                    label for="hours" { "Hours" }
                    input #hours name="hours" type="number" min="0" max="8784" step="1" value="24" required;
                    button { "Move" }
                }
            }
        }
    }
}

fn product(offers: &Catalog, product_id: &str) -> Markup {
    html! {
        section.card {
            h2 { "1. Choose an offer" }
            p.hint { "Product " code { (product_id) } ", software as a service, billed by the hour through AWS." }
            form method="post" action="/buyer/subscribe" {
                fieldset.offers {
                    legend { "Offer" }
                    @for (index, offer) in offers.iter().enumerate() {
                        (offer_choice(offer, index == 0))
                    }
                }
                fieldset {
                    legend { "Buy with AWS account" }
                    div.row {
                        label for="buyer_account" { "Account" }
                        select #buyer_account name="buyer_account" {
                            @for (account, name) in EXAMPLE_BUYERS {
                                option value=(account) { (account) " - " (name) }
                            }
                        }
                        label for="other_account" { "or another" }
                        input #other_account name="other_account" inputmode="numeric" pattern="[0-9]{12}"
                            title="12 digits" placeholder="12 digits" autocomplete="off";
                    }
                }
                button.primary { "Subscribe" }
            }
        }
    }
}

fn offer_choice(offer: &Offer, chosen: bool) -> Markup {
    let id = format!("offer-{}", offer.kind.name());
    html! {
        div.offer {
            input type="radio" id=(id) name="offer" value=(offer.kind.name()) checked[chosen];
            label for=(id) {
                strong { (offer.title) }
                span { (offer.summary) }
                @if let Some(contract) = &offer.terms.contract {
                    span.price {
                        (amount(contract.instalment_micro_usd))
                        @if contract.instalments > 1 { " a month" } @else { " in advance" }
                    }
                }
                span.rates {
                    @for price in &offer.terms.rates {
                        span { (price.dimension) " " (rate(price.micro_usd)) "/h" }
                    }
                }
            }
        }
    }
}

fn subscription_box(subscription: &Subscription, fulfillment_url: &str) -> Markup {
    let agreement = &subscription.agreement;
    html! {
        article.subscription id=(agreement.agreement_id) {
            header {
                h3 { (subscription.offer.title) }
                (status(agreement))
            }
            dl {
                div { dt { "AWS account" } dd { (agreement.buyer_account) } }
                div { dt { "Since" } dd { (minute(agreement.accepted_at)) } }
                @if subscription.token.is_some() {
                    div {
                        dt { "Ends" }
                        dd {
                            @match agreement.ends_at {
                                Some(at) => (minute(at)),
                                None => "when you cancel",
                            }
                        }
                    }
                    @if let Some(until) = agreement.terms.free_until() {
                        div { dt { "Free until" } dd { (minute(until)) } }
                    }
                }
                div.wide { dt { "Agreement" } dd { code { (agreement.agreement_id) } } }
                div.wide { dt { "License" } dd { code { (agreement.license_arn) } } }
            }
            (bill(subscription))
            @if let Some(token) = &subscription.token {
                div.row {
                    form method="post" action=(fulfillment_url) {
                        input type="hidden" name="x-amzn-marketplace-token" value=(token);
                        @if agreement.offer == OfferKind::FreeTrial {
                            input type="hidden" name="x-amzn-marketplace-offer-type" value="free-trial";
                        }
                        button.primary { "Set up your account" }
                    }
                    form method="post" action="/buyer/cancel" {
                        input type="hidden" name="agreement_id" value=(agreement.agreement_id);
                        button.danger { "Cancel subscription" }
                    }
                }
                form.row method="post" action="/buyer/notice" {
                    input type="hidden" name="agreement_id" value=(agreement.agreement_id);
                    select name="notice" aria-label="What AWS says of the agreement" {
                        @for notice in Notice::ALL { option value=(notice.name()) { (notice.name().replace('_', " ")) } }
                    }
                    button { "Have AWS say so" }
                }
                p.hint { "Set up your account takes you to the seller at " (fulfillment_url) "." }
            }
        }
    }
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
                @if subscription.agreement.terms.terms.contract.is_some() {
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

fn records(state: &Marketplace) -> Markup {
    let records = state.records();
    let latest: Vec<&AcceptedRecord> = records.iter().rev().take(RECORDS_SHOWN).collect();
    html! {
        section.card #records {
            h2 { "3. Usage that AWS accepted" }
            @if latest.is_empty() {
                p.empty { "None yet. Link the subscription to an account with the seller, then move the clock by an hour." }
            } @else {
                @if records.len() > latest.len() {
                    p.hint { "The latest " (latest.len()) " of " (records.len()) " records." }
                }
                div.scroll tabindex="0" role="region" aria-label="Accepted usage records" {
                    table.records {
                        thead {
                            tr {
                                th { "Hour" } th { "Dimension" } th.number { "Quantity" }
                                th { "Split by tags" } th { "Buyer" } th { "License" } th { "Record" }
                            }
                        }
                        tbody { @for record in latest { (record_row(record)) } }
                    }
                }
            }
        }
    }
}

/// Each cell names its column, for screens too narrow for a heading row.
fn record_row(record: &AcceptedRecord) -> Markup {
    let license = record.license_arn.rsplit(':').next().unwrap_or_default();
    html! {
        tr {
            td data-label="Hour" { (minute(record.hour)) }
            td data-label="Dimension" { (record.dimension) }
            td.number data-label="Quantity" { (record.quantity) }
            td data-label="Split by tags" {
                @for allocation in &record.allocations {
                    span.allocation {
                        (tags(&allocation.tags)) ": " (allocation.quantity)
                    }
                }
            }
            td data-label="Buyer" { (record.customer_aws_account_id) }
            td data-label="License" { code title=(record.license_arn) { (beginning(license)) } }
            td data-label="Record" {
                code title=(record.metering_record_id) { (beginning(&record.metering_record_id)) }
            }
        }
    }
}

/// Enough of an id to tell it from its neighbours; its title has all of it.
fn beginning(id: &str) -> String {
    id.get(..10)
        .map_or_else(|| id.to_owned(), |beginning| format!("{beginning}…"))
}

/// `cloudAccountID=999988887777`, or `untagged`.
fn tags(tags: &BTreeMap<String, String>) -> String {
    if tags.is_empty() {
        return "untagged".to_owned();
    }
    let tags = tags.iter().map(|(key, value)| format!("{key}={value}"));
    tags.collect::<Vec<String>>().join(", ")
}

/// `2026-11-22 10:00`.
fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M").to_string()
}

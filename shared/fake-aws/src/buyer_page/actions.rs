//! What the page's forms do: one call each, then back to the page. A field that is
//! not sent is as good as an empty one: what cannot be empty is named in the answer.

use axum::extract::{Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::problem;
use crate::FakeAws;
use crate::control::{ControlError, offer_named};
use crate::lifecycle::{Amendment, Purchase, Renewal, RenewalIntent, RenewedLicense};
use crate::lock;
use crate::notices::Notice;
use crate::notifications::ToldBy;
use crate::offers::OfferKind;
use crate::schedule::Move;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Subscribe {
    offer: String,
    buyer_account: String,
    other_account: String,
    starts_on: String,
    /// Sent only where the box is ticked.
    auto_renewal: Option<String>,
    told_by: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct OfAgreement {
    agreement_id: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct NoticeForm {
    agreement_id: String,
    notice: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Renew {
    agreement_id: String,
    license: String,
    intent: String,
    offer: String,
    starts_on: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Amend {
    agreement_id: String,
    offer: String,
    ends_on: String,
    hours: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct Standing {
    agreement_id: String,
    standing: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(crate) struct MoveClock {
    hours: String,
}

/// Back to the agreement on the page, or the page that says what was wrong.
fn shown_at(done: Result<String, ControlError>) -> Response {
    match done {
        Ok(agreement_id) => Redirect::to(&format!("/#{agreement_id}")).into_response(),
        Err(error) => problem(&error),
    }
}

/// Midnight UTC of a date field that may be left empty.
fn midnight(field: &str, text: &str) -> Result<Option<Timestamp>, ControlError> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let date: Option<Date> = text.trim().parse().ok();
    let at = date.and_then(|date| date.to_zoned_datetime(TimeZone::UTC).ok());
    match at {
        Some(at) => Ok(Some(at.timestamp())),
        None => Err(ControlError::field(
            field,
            "must be a date such as 2026-12-01",
        )),
    }
}

/// An offer that may be left as it is.
fn other_offer(name: &str) -> Result<Option<OfferKind>, ControlError> {
    match name {
        "" => Ok(None),
        name => offer_named(name).map(Some),
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
    let purchase = || {
        Ok(Purchase {
            offer: offer_named(&form.offer)?,
            buyer_account: account.to_owned(),
            starts_at: midnight("starts_on", &form.starts_on)?,
            auto_renewal: form.auto_renewal.is_some(),
            told_by: match form.told_by.as_str() {
                "" => ToldBy::default(),
                name => ToldBy::named(name)?,
            },
        })
    };
    let subscribed = match purchase() {
        Ok(purchase) => fake.accept_offer(purchase).await,
        Err(error) => Err(error),
    };
    shown_at(subscribed.map(|made| made.agreement_id))
}

/// `POST /buyer/cancel`.
pub(crate) async fn cancel(State(fake): State<FakeAws>, Form(form): Form<OfAgreement>) -> Response {
    let cancelled = fake.cancel_agreement(&form.agreement_id).await;
    shown_at(cancelled.map(|()| form.agreement_id))
}

/// `POST /buyer/terminate`.
pub(crate) async fn terminate(
    State(fake): State<FakeAws>,
    Form(form): Form<OfAgreement>,
) -> Response {
    let terminated = fake.terminate_agreement(&form.agreement_id).await;
    shown_at(terminated.map(|()| form.agreement_id))
}

/// `POST /buyer/renew`.
pub(crate) async fn renew(State(fake): State<FakeAws>, Form(form): Form<Renew>) -> Response {
    let renewal = || {
        Ok(Renewal {
            license: RenewedLicense::named(&form.license)?,
            intent: RenewalIntent::named(&form.intent)?,
            offer: other_offer(&form.offer)?,
            starts_at: midnight("starts_on", &form.starts_on)?,
        })
    };
    let renewed = match renewal() {
        Ok(renewal) => fake.renew_agreement(&form.agreement_id, renewal).await,
        Err(error) => Err(error),
    };
    shown_at(renewed.map(|made| made.agreement_id))
}

/// `POST /buyer/amend`.
pub(crate) async fn amend(State(fake): State<FakeAws>, Form(form): Form<Amend>) -> Response {
    let hours = match form.hours.trim() {
        "" => Ok(None),
        hours => hours.parse().map(Some).map_err(|_| {
            ControlError::field("hours", "must be a whole number from 0 to 2147483647")
        }),
    };
    let amendment = || {
        Ok(Amendment {
            offer: other_offer(&form.offer)?,
            ends_at: midnight("ends_on", &form.ends_on)?,
            hours: hours?,
            payments: None,
        })
    };
    let amended = match amendment() {
        Ok(amendment) => fake.amend_agreement(&form.agreement_id, amendment).await,
        Err(error) => Err(error),
    };
    shown_at(amended.map(|()| form.agreement_id))
}

/// `POST /buyer/notice`.
pub(crate) async fn notice(State(fake): State<FakeAws>, Form(form): Form<NoticeForm>) -> Response {
    let told = match Notice::chosen(&form.notice) {
        Ok(notice) => fake.notice(&form.agreement_id, notice).await,
        Err(error) => Err(error),
    };
    shown_at(told.map(|()| form.agreement_id))
}

/// `POST /buyer/standing`: of the buyer's AWS account.
pub(crate) async fn standing(State(fake): State<FakeAws>, Form(form): Form<Standing>) -> Response {
    let buyer = {
        let kept = lock(&fake.inner.kept);
        let agreement = kept.state.agreement(&form.agreement_id);
        agreement.map(|agreement| agreement.buyer_account.clone())
    };
    let Some(buyer) = buyer else {
        return problem(&ControlError::NotFound {
            what: "agreement",
            id: form.agreement_id,
        });
    };
    let changed = match form.standing.as_str() {
        "suspended" => fake.suspend_buyer(&buyer).await,
        "good" => fake.restore_buyer(&buyer).await,
        _ => Err(ControlError::field("standing", "give good or suspended")),
    };
    shown_at(changed.map(|()| form.agreement_id))
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
        return problem(&ControlError::field(
            "hours",
            "give a whole number of hours, 0 to 8784 (a year)",
        ));
    };
    let ahead = Move::By(SignedDuration::from_hours(hours));
    match fake.move_to_the_end(ahead).await {
        Ok(()) => Redirect::to("/#clock").into_response(),
        Err(error) => problem(&error.into()),
    }
}

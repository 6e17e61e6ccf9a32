//! The control API under `/_fake/`: what a test or a script does to the fake
//! that nobody can do to AWS.
//!
//! A body that cannot be used answers 400 and names the field, an unknown id
//! 404, another method 405, a change that can no longer be made 409; all in
//! JSON.

mod request;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use jiff::SignedDuration;
use serde_json::{Value, json};

use self::request::{
    AgreementRequest, AmendmentRequest, ClockRequest, DAY, DataFeedFileRequest, DataFeedRequest,
    FaultRequest, NoticeRequest, RenewalRequest, TokenRequest, instant, optional_instant, payments,
    read,
};
use crate::FakeAws;
use crate::clock::ClockError;
use crate::data_feeds::UsageCorrection;
use crate::faults::{EVENTS, Fault, FaultKind};
use crate::lifecycle::{Amendment, Purchase, Renewal, RenewalIntent, RenewedLicense};
use crate::lock;
use crate::notices::{ENDING_DAYS, Notice};
use crate::notifications::ToldBy;
use crate::offers::OfferKind;
use crate::schedule::Move;
use crate::state::{Agreement, License};
use crate::usage_record::hour_of;

/// Why something asked of the fake was not done.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// A field cannot be used.
    #[error("{field}: {reason}")]
    Field {
        /// The field's name.
        field: String,
        /// What it should be.
        reason: String,
    },
    /// There is no such thing.
    #[error("there is no {what} {id:?}")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// By which id.
        id: String,
    },
    /// The agreement ended before.
    #[error("the agreement {id:?} has already ended")]
    Ended {
        /// Its id.
        id: String,
    },
    /// The agreement goes on, but is not in a state for it.
    #[error("the agreement {id:?} {reason}")]
    NotNow {
        /// Its id.
        id: String,
        /// What it is or has.
        reason: &'static str,
    },
    /// The change could not be kept; nothing happened.
    #[error("the change could not be kept")]
    Storage(#[source] std::io::Error),
}

impl ControlError {
    /// A field that cannot be used.
    pub(crate) fn field(field: impl Into<String>, reason: impl Into<String>) -> ControlError {
        ControlError::Field {
            field: field.into(),
            reason: reason.into(),
        }
    }

    /// What cannot be done with the agreement of that id now.
    pub(crate) fn not_now(id: &str, reason: &'static str) -> ControlError {
        ControlError::NotNow {
            id: id.to_owned(),
            reason,
        }
    }
}

impl IntoResponse for ControlError {
    fn into_response(self) -> Response {
        let message = self.to_string();
        let (status, body) = match self {
            ControlError::Field { field, .. } => (
                StatusCode::BAD_REQUEST,
                json!({"error": message, "field": field}),
            ),
            ControlError::NotFound { .. } => (StatusCode::NOT_FOUND, json!({"error": message})),
            ControlError::Ended { .. } | ControlError::NotNow { .. } => {
                (StatusCode::CONFLICT, json!({"error": message}))
            }
            ControlError::Storage(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, json!({"error": message}))
            }
        };
        (status, Json(body)).into_response()
    }
}

impl From<ClockError> for ControlError {
    fn from(error: ClockError) -> ControlError {
        match error {
            ClockError::Storage(source) => ControlError::Storage(source),
            ClockError::Backwards { .. }
            | ClockError::OutOfRange
            | ClockError::Stuck { .. }
            | ClockError::BrokeOff { .. } => ControlError::field("clock", error.to_string()),
        }
    }
}

impl FakeAws {
    /// Asks for a fault.
    ///
    /// # Errors
    /// [`ControlError::Field`] when operation and fault do not go together.
    pub fn inject_fault(&self, fault: Fault) -> Result<(), ControlError> {
        fault
            .check()
            .map_err(|(field, reason)| ControlError::field(field, reason))?;
        self.inner.faults.add(fault);
        Ok(())
    }

    /// Forgets every fault still to come.
    pub fn clear_faults(&self) {
        self.inner.faults.clear();
    }

    /// Every agreement, oldest first.
    pub fn agreements(&self) -> Vec<Agreement> {
        lock(&self.inner.kept).state.agreements().to_vec()
    }

    /// Every license, oldest first.
    pub fn licenses(&self) -> Vec<License> {
        lock(&self.inner.kept).state.licenses().to_vec()
    }

    /// What `GET /_fake/state` answers.
    pub fn state(&self) -> Value {
        let inner = &self.inner;
        let calls: Vec<Value> = inner.calls.latest().into_iter().map(shown_call).collect();
        let now = self.now();
        let kept = lock(&inner.kept);
        json!({
            "now": now,
            "clock_flows": inner.clock.flows(),
            "hour": hour_of(now),
            "seller_account": inner.config.seller_account,
            "product_code": inner.config.product_code,
            "product_id": inner.config.product_id,
            "fulfillment_url": inner.config.fulfillment_url,
            "dimensions": inner.config.dimensions,
            "offers": inner.offers,
            "agreements": kept.state.agreements(),
            "licenses": kept.state.licenses(),
            "metering_records": kept.state.records(),
            "suspended_buyers": kept.state.suspended(),
            "events_waiting": kept.state.events_waiting(),
            "faults": inner.faults.waiting(),
            "calls": calls,
            "call_counts": inner.calls.counts(),
            "dynamodb_calls": inner.dynamodb.counts(),
        })
    }
}

fn shown_call(call: crate::Call) -> Value {
    let mut shown = json!(call);
    if let Some(token) = shown.pointer_mut("/request/RegistrationToken") {
        *token = json!("(not shown)");
    }
    shown
}

type Answer = Result<Json<Value>, ControlError>;

/// `GET /_fake/state`.
pub(crate) async fn state(State(fake): State<FakeAws>) -> Json<Value> {
    Json(fake.state())
}

/// `POST /_fake/agreements`.
pub(crate) async fn agreements(State(fake): State<FakeAws>, body: Bytes) -> Answer {
    let request: AgreementRequest = read(&body)?;
    let purchase = Purchase {
        offer: offer_named(&request.offer)?,
        buyer_account: request.buyer_account,
        starts_at: optional_instant("starts_at", request.starts_at.as_deref())?,
        auto_renewal: request.auto_renewal.unwrap_or(false),
        told_by: match request.told_by {
            Some(name) => ToldBy::named(&name)?,
            None => ToldBy::default(),
        },
    };
    let made = fake.accept_offer(purchase).await?;
    Ok(Json(json!(made)))
}

/// The offer a client named, or the error that lists them.
pub(crate) fn offer_named(name: &str) -> Result<OfferKind, ControlError> {
    OfferKind::named(name).ok_or_else(|| {
        let names = OfferKind::ALL.map(OfferKind::name).join(", ");
        ControlError::field("offer", format!("must be one of {names}"))
    })
}

/// `POST /_fake/agreements/{id}/cancel`.
pub(crate) async fn cancel(State(fake): State<FakeAws>, Path(id): Path<String>) -> Answer {
    fake.cancel_agreement(&id).await?;
    Ok(Json(json!({"agreement_id": id, "status": "CANCELLED"})))
}

/// `POST /_fake/agreements/{id}/terminate`.
pub(crate) async fn terminate(State(fake): State<FakeAws>, Path(id): Path<String>) -> Answer {
    fake.terminate_agreement(&id).await?;
    Ok(Json(json!({"agreement_id": id, "status": "TERMINATED"})))
}

/// `POST /_fake/agreements/{id}/renew`.
pub(crate) async fn renew(
    State(fake): State<FakeAws>,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    let request: RenewalRequest = read(&body)?;
    let renewal = Renewal {
        license: RenewedLicense::named(&request.license)?,
        intent: match request.intent {
            Some(intent) => RenewalIntent::named(&intent)?,
            None => RenewalIntent::Renew,
        },
        offer: request.offer.as_deref().map(offer_named).transpose()?,
        starts_at: optional_instant("starts_at", request.starts_at.as_deref())?,
    };
    let made = fake.renew_agreement(&id, renewal).await?;
    Ok(Json(json!(made)))
}

/// `POST /_fake/agreements/{id}/amend`.
pub(crate) async fn amend(
    State(fake): State<FakeAws>,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    let request: AmendmentRequest = read(&body)?;
    let amendment = Amendment {
        offer: request.offer.as_deref().map(offer_named).transpose()?,
        ends_at: optional_instant("ends_at", request.ends_at.as_deref())?,
        hours: request.hours,
        payments: request.payments.as_deref().map(payments).transpose()?,
    };
    fake.amend_agreement(&id, amendment).await?;
    Ok(Json(json!({"agreement_id": id, "status": "ACTIVE"})))
}

/// `POST /_fake/agreements/{id}/notices`.
pub(crate) async fn notices(
    State(fake): State<FakeAws>,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    let request: NoticeRequest = read(&body)?;
    let notice = notice_of(&request)?;
    fake.notice(&id, notice).await?;
    Ok(Json(json!({"agreement_id": id, "notice": notice.name()})))
}

fn notice_of(request: &NoticeRequest) -> Result<Notice, ControlError> {
    let refuse = |reason| Err(ControlError::field("days", reason));
    match (Notice::named(&request.notice)?, request.days) {
        (Notice::Ending(_), Some(days)) if ENDING_DAYS.contains(&days) => Ok(Notice::Ending(days)),
        (Notice::Ending(_), None) => refuse("is needed: one of 180, 120, 90, 60, 30"),
        (_, Some(_)) => refuse("must be one of 180, 120, 90, 60, 30, and only with ending"),
        (notice, None) => Ok(notice),
    }
}

/// `POST /_fake/tokens`.
pub(crate) async fn tokens(State(fake): State<FakeAws>, body: Bytes) -> Answer {
    let request: TokenRequest = read(&body)?;
    let token = fake.new_token(&request.license_arn)?;
    Ok(Json(json!({"registration_token": token})))
}

/// The longest move of the clock at once: 366 days.
const LONGEST_MOVE_SECONDS: i64 = 366 * 86_400;

/// `POST /_fake/clock`.
pub(crate) async fn clock(State(fake): State<FakeAws>, body: Bytes) -> Answer {
    let request: ClockRequest = read(&body)?;
    match (request.advance_seconds, request.set) {
        (Some(seconds), None) => {
            if seconds < 0 {
                return Err(ControlError::field(
                    "advance_seconds",
                    "must not be negative: time never moves back",
                ));
            }
            if seconds > LONGEST_MOVE_SECONDS {
                return Err(ControlError::field(
                    "advance_seconds",
                    format!("must be at most {LONGEST_MOVE_SECONDS}, a year: move on from there"),
                ));
            }
            fake.move_to_the_end(Move::By(SignedDuration::from_secs(seconds)))
                .await
                .map_err(|error| clock_refused("advance_seconds", error))?;
        }
        (None, Some(text)) => {
            fake.move_to_the_end(Move::To(instant("set", &text)?))
                .await
                .map_err(|error| clock_refused("set", error))?;
        }
        (None, None) | (Some(_), Some(_)) => {
            return Err(ControlError::field(
                "advance_seconds",
                "give either advance_seconds or set",
            ));
        }
    }
    Ok(Json(json!({"now": fake.now()})))
}

fn clock_refused(field: &str, error: ClockError) -> ControlError {
    match ControlError::from(error) {
        ControlError::Field { reason, .. } => ControlError::field(field, reason),
        error @ (ControlError::NotFound { .. }
        | ControlError::Ended { .. }
        | ControlError::NotNow { .. }
        | ControlError::Storage(_)) => error,
    }
}

/// `POST /_fake/faults`.
pub(crate) async fn faults(State(fake): State<FakeAws>, body: Bytes) -> Answer {
    let request: FaultRequest = read(&body)?;
    let kind = FaultKind::ALL
        .into_iter()
        .find(|kind| kind.name() == request.fault);
    let kind = kind.ok_or_else(|| {
        let names = FaultKind::ALL.map(FaultKind::name).join(", ");
        ControlError::field("fault", format!("must be one of {names}"))
    })?;
    let operation = match request.operation {
        Some(operation) => operation,
        None if kind.is_of_events() => EVENTS.to_owned(),
        None => return Err(ControlError::field("operation", "is needed for this fault")),
    };
    let fault = Fault {
        operation,
        fault: kind,
        times: request.times.unwrap_or(1),
        license_arn: request.license_arn,
        records: request
            .records
            .map(|records| usize::try_from(records).unwrap_or(usize::MAX)),
        delay_ms: request.delay_ms,
    };
    fake.inject_fault(fault)?;
    Ok(Json(json!({"faults": fake.inner.faults.waiting()})))
}

/// `DELETE /_fake/faults`.
pub(crate) async fn clear_faults(State(fake): State<FakeAws>) -> Json<Value> {
    fake.clear_faults();
    Json(json!({"faults": []}))
}

/// `POST /_fake/data-feeds`: AWS's figure of a day is another one from now on.
pub(crate) async fn data_feeds(State(fake): State<FakeAws>, body: Bytes) -> Answer {
    let request: DataFeedRequest = read(&body)?;
    let usage_date = request.usage_date.parse();
    let correction = UsageCorrection {
        usage_date: usage_date
            .map_err(|_| ControlError::field("usage_date", format!("must be {DAY}")))?,
        agreement_id: request.agreement_id,
        dimension: request.dimension,
        quantity: request.quantity.into(),
    };
    fake.correct_usage(correction.clone())?;
    Ok(Json(json!(correction)))
}

/// `POST /_fake/data-feeds/files`: a file of the bucket holds this text, or with
/// `null` is not there.
pub(crate) async fn data_feed_files(State(fake): State<FakeAws>, body: Bytes) -> Answer {
    let request: DataFeedFileRequest = read(&body)?;
    let there = request.text.is_some();
    fake.replace_data_feed_file(&request.path, request.text)?;
    Ok(Json(json!({"path": request.path, "there": there})))
}

/// `POST /_fake/buyers/{account}/suspend`.
pub(crate) async fn suspend(State(fake): State<FakeAws>, Path(account): Path<String>) -> Answer {
    fake.suspend_buyer(&account).await?;
    Ok(Json(json!({"buyer_account": account, "suspended": true})))
}

/// `POST /_fake/buyers/{account}/restore`.
pub(crate) async fn restore(State(fake): State<FakeAws>, Path(account): Path<String>) -> Answer {
    fake.restore_buyer(&account).await?;
    Ok(Json(json!({"buyer_account": account, "suspended": false})))
}

/// Anything else.
pub(crate) async fn not_found() -> Response {
    (
        StatusCode::NOT_FOUND,
        Json(json!({"error": "there is nothing at this address"})),
    )
        .into_response()
}

/// A method that an address does not know; the `Allow` header has those it
/// does.
pub(crate) async fn method_not_allowed(method: Method) -> Response {
    let error = format!("this address does not take {method}; see the Allow header");
    (
        StatusCode::METHOD_NOT_ALLOWED,
        Json(json!({"error": error})),
    )
        .into_response()
}

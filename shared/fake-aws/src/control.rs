//! The control API under `/_fake/`: what a test or a script does to the fake
//! that nobody can do to AWS.
//!
//! A body that cannot be used answers 400 and names the field, an unknown id
//! 404, another method 405, a change that can no longer be made 409; all in
//! JSON.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode};
use jiff::fmt::temporal::Pieces;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::clock::ClockError;
use crate::config::is_aws_account;
use crate::data_feeds::UsageCorrection;
use crate::events::Family;
use crate::faults::{EVENTS, Fault, FaultKind};
use crate::lock;
use crate::notices::{ENDING_DAYS, Notice};
use crate::offers::OfferKind;
use crate::state::{Agreement, AgreementStatus, Change, Ending, License, Marketplace};
use crate::usage_record::hour_of;
use crate::{FakeAws, whole_seconds};

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
    /// The change could not be kept; nothing happened.
    #[error("the change could not be kept")]
    Storage(#[source] std::io::Error),
}

impl ControlError {
    pub(crate) fn field(field: impl Into<String>, reason: impl Into<String>) -> ControlError {
        ControlError::Field {
            field: field.into(),
            reason: reason.into(),
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
            ControlError::Ended { .. } => (StatusCode::CONFLICT, json!({"error": message})),
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
            ClockError::Backwards { .. } | ClockError::OutOfRange | ClockError::Stuck { .. } => {
                ControlError::field("clock", error.to_string())
            }
        }
    }
}

/// The agreement of that id, if it goes on.
pub(crate) fn going_on<'a>(
    state: &'a Marketplace,
    id: &str,
) -> Result<&'a Agreement, ControlError> {
    let agreement = state.agreement(id).ok_or_else(|| ControlError::NotFound {
        what: "agreement",
        id: id.to_owned(),
    })?;
    match agreement.status {
        AgreementStatus::Active => Ok(agreement),
        AgreementStatus::Ended { .. } => Err(ControlError::Ended { id: id.to_owned() }),
    }
}

/// What a buyer's subscribing made.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct NewAgreement {
    /// `agmt-…`.
    pub agreement_id: String,
    /// `arn:aws:license-manager::…:license:l-…`.
    pub license_arn: String,
    /// What "Set up your account" would post to the fulfillment URL.
    pub registration_token: String,
}

impl FakeAws {
    /// A buyer accepts an offer. The license is active and the token resolves
    /// at once; both events are delivered before this returns, unless a fault
    /// says otherwise.
    ///
    /// # Errors
    /// [`ControlError::Field`] unless the account is 12 digits;
    /// [`ControlError::Storage`].
    pub async fn create_agreement(
        &self,
        offer: OfferKind,
        buyer_account: &str,
    ) -> Result<NewAgreement, ControlError> {
        if !is_aws_account(buyer_account) {
            return Err(ControlError::field(
                "buyer_account",
                "must be a string of 12 digits",
            ));
        }
        let inner = &self.inner;
        let now = self.now();
        let accepted_at = whole_seconds(now);
        let agreement = Agreement {
            agreement_id: inner.ids.agreement(),
            offer,
            buyer_account: buyer_account.to_owned(),
            accepted_at,
            ends_at: inner.offer(offer).end(accepted_at),
            license_arn: inner.ids.license_arn(LICENSE_ISSUER),
            status: AgreementStatus::Active,
        };
        let token = inner.ids.registration_token();
        let made = NewAgreement {
            agreement_id: agreement.agreement_id.clone(),
            license_arn: agreement.license_arn.clone(),
            registration_token: token.clone(),
        };
        let events = [Family::AgreementCreated, Family::LicenseUpdated]
            .map(|family| (now, inner.event(family, &agreement, now)));
        let first = self.commit(|_| {
            let minted = Change::TokenMinted {
                token,
                license_arn: agreement.license_arn.clone(),
                at: now,
            };
            let queued = inner.queue(events.into());
            Ok(vec![
                Change::AgreementAccepted { agreement },
                minted,
                queued,
            ])
        })?;
        self.deliver_due_from(first).await;
        Ok(made)
    }

    /// The buyer cancels. Both events are delivered before this returns,
    /// unless a fault or [`Readings::deprovision_lag`](crate::Readings) says
    /// otherwise.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Ended`],
    /// [`ControlError::Storage`].
    pub async fn cancel_agreement(&self, agreement_id: &str) -> Result<(), ControlError> {
        let first = self.end_agreement(agreement_id, Ending::Cancelled)?;
        self.deliver_due_from(first).await;
        Ok(())
    }

    /// Ends an agreement and queues its events; the number of the first.
    pub(crate) fn end_agreement(&self, id: &str, how: Ending) -> Result<u64, ControlError> {
        let inner = &self.inner;
        let now = self.now();
        let at = whole_seconds(now);
        let lag = inner.config.readings.deprovision_lag;
        let deprovisioned_at = at.checked_add(lag).unwrap_or(at);
        self.commit(|state| {
            let agreement = going_on(state, id)?;
            let mut ended = agreement.clone();
            ended.status = AgreementStatus::Ended { at, how };
            let later = now.checked_add(lag).unwrap_or(now);
            let events = vec![
                (now, inner.event(Family::AgreementEnded, &ended, now)),
                (
                    later,
                    inner.event(Family::LicenseDeprovisioned, &ended, later),
                ),
            ];
            Ok(vec![
                Change::AgreementEnded {
                    agreement_id: id.to_owned(),
                    at,
                    how,
                    deprovisioned_at,
                },
                inner.queue(events),
            ])
        })
    }

    /// Another registration token for a license, as "Set up your account"
    /// makes one each time it is pressed.
    ///
    /// # Errors
    /// [`ControlError::NotFound`], [`ControlError::Storage`].
    pub fn new_token(&self, license_arn: &str) -> Result<String, ControlError> {
        let token = self.inner.ids.registration_token();
        let minted = token.clone();
        let at = self.now();
        self.commit(|state| {
            let (_, license) =
                state
                    .license(license_arn)
                    .ok_or_else(|| ControlError::NotFound {
                        what: "license",
                        id: license_arn.to_owned(),
                    })?;
            Ok(vec![Change::TokenMinted {
                token: minted,
                license_arn: license.license_arn.clone(),
                at,
            }])
        })?;
        Ok(token)
    }

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

    /// AWS suspends a buyer's account: usage of all its licenses is answered
    /// `CustomerNotSubscribed` until [`restore_buyer`](Self::restore_buyer).
    ///
    /// # Errors
    /// [`ControlError::Field`], [`ControlError::Storage`].
    pub fn suspend_buyer(&self, buyer_account: &str) -> Result<(), ControlError> {
        self.set_standing(buyer_account, |buyer_account| Change::BuyerSuspended {
            buyer_account,
        })
    }

    /// Ends a suspension.
    ///
    /// # Errors
    /// As there.
    pub fn restore_buyer(&self, buyer_account: &str) -> Result<(), ControlError> {
        self.set_standing(buyer_account, |buyer_account| Change::BuyerRestored {
            buyer_account,
        })
    }

    fn set_standing(
        &self,
        buyer_account: &str,
        change: impl FnOnce(String) -> Change,
    ) -> Result<(), ControlError> {
        if !is_aws_account(buyer_account) {
            return Err(ControlError::field(
                "buyer_account",
                "must be a string of 12 digits",
            ));
        }
        self.commit(|_| Ok(vec![change(buyer_account.to_owned())]))?;
        Ok(())
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

/// The account that issues AWS Marketplace's licenses, in their ARNs.
const LICENSE_ISSUER: &str = "294406891311";

fn shown_call(call: crate::Call) -> Value {
    let mut shown = json!(call);
    if let Some(token) = shown.pointer_mut("/request/RegistrationToken") {
        *token = json!("(not shown)");
    }
    shown
}

/// A field of a request's body.
struct Field {
    name: &'static str,
    needed: bool,
    /// Completes "must be …".
    shape: &'static str,
}

impl Field {
    const fn needed(name: &'static str, shape: &'static str) -> Field {
        Field {
            name,
            needed: true,
            shape,
        }
    }

    const fn optional(name: &'static str, shape: &'static str) -> Field {
        Field {
            name,
            needed: false,
            shape,
        }
    }
}

/// The body of a request: a JSON object of these fields and no others.
trait Request: DeserializeOwned {
    const FIELDS: &'static [Field];
}

const STRING: &str = "a string";
const COUNT: &str = "a whole number from 0 to 4294967295";
const DAY: &str = "a day such as 2026-11-30";
const INSTANT: &str = "an instant such as 2026-11-30T23:50:00Z";

#[derive(Deserialize)]
struct AgreementRequest {
    offer: String,
    buyer_account: String,
}

impl Request for AgreementRequest {
    const FIELDS: &'static [Field] = &[
        Field::needed("offer", "the name of an offer, a string"),
        Field::needed("buyer_account", "a string of 12 digits"),
    ];
}

#[derive(Deserialize)]
struct TokenRequest {
    license_arn: String,
}

#[derive(Deserialize)]
struct NoticeRequest {
    notice: String,
    days: Option<u16>,
}

impl Request for NoticeRequest {
    const FIELDS: &'static [Field] = &[
        Field::needed("notice", "the name of a notice, a string"),
        Field::optional("days", "one of 180, 120, 90, 60, 30, for ending"),
    ];
}

impl Request for TokenRequest {
    const FIELDS: &'static [Field] = &[Field::needed("license_arn", STRING)];
}

#[derive(Deserialize)]
struct DataFeedRequest {
    usage_date: String,
    agreement_id: String,
    dimension: String,
    quantity: u32,
}

impl Request for DataFeedRequest {
    const FIELDS: &'static [Field] = &[
        Field::needed("usage_date", DAY),
        Field::needed("agreement_id", STRING),
        Field::needed("dimension", STRING),
        Field::needed("quantity", COUNT),
    ];
}

#[derive(Deserialize)]
struct DataFeedFileRequest {
    path: String,
    text: Option<String>,
}

impl Request for DataFeedFileRequest {
    const FIELDS: &'static [Field] = &[
        Field::needed("path", STRING),
        Field::optional("text", STRING),
    ];
}

#[derive(Deserialize)]
struct ClockRequest {
    advance_seconds: Option<i64>,
    set: Option<String>,
}

impl Request for ClockRequest {
    const FIELDS: &'static [Field] = &[
        Field::optional("advance_seconds", "a whole number of seconds"),
        Field::optional("set", INSTANT),
    ];
}

#[derive(Deserialize)]
struct FaultRequest {
    operation: Option<String>,
    fault: String,
    times: Option<u32>,
    license_arn: Option<String>,
    records: Option<u32>,
    delay_ms: Option<u32>,
}

impl Request for FaultRequest {
    const FIELDS: &'static [Field] = &[
        Field::optional("operation", STRING),
        Field::needed("fault", "the name of a fault, a string"),
        Field::optional("times", COUNT),
        Field::optional("license_arn", STRING),
        Field::optional("records", COUNT),
        Field::optional("delay_ms", COUNT),
    ];
}

/// Reads a body; a mistake names the field.
fn read<T: Request>(body: &[u8]) -> Result<T, ControlError> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| ControlError::field("body", format!("must be JSON: {error}")))?;
    let Value::Object(given) = value else {
        return Err(ControlError::field("body", "must be a JSON object"));
    };
    if let Some(unknown) = given
        .keys()
        .find(|name| T::FIELDS.iter().all(|field| field.name != *name))
    {
        let names: Vec<&str> = T::FIELDS.iter().map(|field| field.name).collect();
        let reason = format!("is not known here; the fields are {}", names.join(", "));
        return Err(ControlError::field(unknown, reason));
    }
    let missing = T::FIELDS
        .iter()
        .find(|field| field.needed && !given.contains_key(field.name));
    if let Some(field) = missing {
        let reason = format!("is needed: {}", field.shape);
        return Err(ControlError::field(field.name, reason));
    }
    // From the text, since in the parsed object a name given twice is there once.
    let mut reader = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        match T::FIELDS.iter().find(|field| field.name == path) {
            Some(field) => ControlError::field(field.name, format!("must be {}", field.shape)),
            None => ControlError::field("body", "must give no field twice"),
        }
    })
}

/// Reads an instant of the field `set`.
fn instant(text: &str) -> Result<Timestamp, ControlError> {
    text.parse().map_err(|_| {
        let is_one = Pieces::parse(text).is_ok_and(|pieces| pieces.to_numeric_offset().is_some());
        let reason = if is_one {
            let last = whole_seconds(Timestamp::MAX);
            format!("is out of range: the clock goes up to {last}")
        } else {
            format!("must be {INSTANT}")
        };
        ControlError::field("set", reason)
    })
}

type Answer = Result<Json<Value>, ControlError>;

/// `GET /_fake/state`.
pub(crate) async fn state(State(fake): State<FakeAws>) -> Json<Value> {
    Json(fake.state())
}

/// `POST /_fake/agreements`.
pub(crate) async fn agreements(State(fake): State<FakeAws>, body: Bytes) -> Answer {
    let request: AgreementRequest = read(&body)?;
    let offer = offer_named(&request.offer)?;
    let made = fake.create_agreement(offer, &request.buyer_account).await?;
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

/// `POST /_fake/agreements/{id}/notices`.
pub(crate) async fn notices(
    State(fake): State<FakeAws>,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    let request: NoticeRequest = read(&body)?;
    let notice = match (Notice::named(&request.notice)?, request.days) {
        (Notice::Ending(_), Some(days)) if ENDING_DAYS.contains(&days) => Notice::Ending(days),
        (_, Some(_)) => {
            let reason = "must be one of 180, 120, 90, 60, 30, and only with ending";
            return Err(ControlError::field("days", reason));
        }
        (notice, None) => notice,
    };
    fake.notice(&id, notice).await?;
    Ok(Json(json!({"agreement_id": id, "notice": notice.name()})))
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
            fake.advance_by(SignedDuration::from_secs(seconds))
                .await
                .map_err(|error| clock_refused("advance_seconds", error))?;
        }
        (None, Some(text)) => {
            fake.advance_to(instant(&text)?)
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

/// `POST /_fake/data-feeds/files`: a file of the bucket holds this text, or is
/// not there.
pub(crate) async fn data_feed_files(State(fake): State<FakeAws>, body: Bytes) -> Answer {
    let request: DataFeedFileRequest = read(&body)?;
    let there = request.text.is_some();
    fake.replace_data_feed_file(&request.path, request.text)?;
    Ok(Json(json!({"path": request.path, "there": there})))
}

/// `POST /_fake/buyers/{account}/suspend`.
pub(crate) async fn suspend(State(fake): State<FakeAws>, Path(account): Path<String>) -> Answer {
    fake.suspend_buyer(&account)?;
    Ok(Json(json!({"buyer_account": account, "suspended": true})))
}

/// `POST /_fake/buyers/{account}/restore`.
pub(crate) async fn restore(State(fake): State<FakeAws>, Path(account): Path<String>) -> Answer {
    fake.restore_buyer(&account)?;
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

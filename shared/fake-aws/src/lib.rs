//! A faithful fake of AWS for sellers of software as a service on AWS
//! Marketplace: the metering, entitlement and agreement APIs, the EventBridge
//! events of a purchase, the seller's data feeds in S3, an embedded DynamoDB, a
//! buyer's page, and a clock
//! that can be moved. Secrets Manager gives one secret to whoever asks, for
//! programs that read theirs at their start. Any AWS SDK pointed at [`FakeAws::router`] is served.
//!
//! It is written from AWS's documents and API models alone and shares no code
//! with the programs that it tests, so that one misreading cannot sit on both
//! sides.
//!
//! # Invariants
//! - A usage record is accepted once per buyer, license, dimension and hour;
//!   the first one stands for ever.
//! - A call is refused whole and changes nothing, or every record of it gets
//!   its own status.
//! - Time never moves back. Whatever falls due on the way of a moved clock
//!   runs at its instant, in order.
//! - An event is delivered at least once, unless a fault drops it, it fails
//!   for 24 hours, or 1,000 later ones came before there was any target.
//! - With a data directory, what was answered survives the process being
//!   killed; what was not answered is there wholly or not at all.
//! - With [`Config::start`], everything repeats: ids, order, time.
//! - Every answer's `Date` is the fake's own: who goes by it, as AWS's SDKs do
//!   for their signatures, goes with the moved clock.
//!
//! # Faithful
//! Protocols (AWS JSON 1.0 and 1.1, Smithy RPCv2 CBOR), targets, error names
//! and statuses; which mistakes refuse a whole call and which one record;
//! limits of records, sizes, tags and allocations; the 24 hours and the
//! month's cut-off; results in no order to rely on; events in the shapes that
//! a seller captured, in their order; an agreement's chain of renewals,
//! amendments and ends; filters, orders and pages of entitlements and
//! agreements.
//!
//! # Readings
//! Where AWS's documents are silent or disagree, [`Readings`] chooses: the
//! answer to an identical retry, usage before a license's activation, the
//! life of a token, when the final hour begins, the rate limit. Not a
//! setting: `ProductCode` beside a license is refused (the model warns of
//! duplicate billing, sellers saw a refusal); usage stamped after a license's
//! end is refused like usage before its activation; the final hour's length
//! is one hour. Whether a license survives a renewal nobody says: both are
//! played. What the agreement API leaves open is told in `agreement.rs` and
//! the files beside it.
//!
//! # Deliberately absent
//! Signatures are not checked. Fractions of a unit
//! (`QuantityAsDecimal: "17.5"`) are refused: the Rust client cannot send
//! them. Usage that identifies buyers by `CustomerIdentifier`, `MeterUsage` and
//! `RegisterUsage` (for containers and AMIs) are not served.
//! DynamoDB's eventually consistent reads and transaction conflicts do not
//! happen, and items do not vanish at their time to live.
//!
//! # Where to look
//! `api.rs` finds the operation; `metering.rs`, `usage_record.rs`,
//! `entitlement.rs`, `agreement.rs`, `invoices.rs`, `dynamodb.rs`, `secret.rs`,
//! `s3.rs` serve it, this one what `data_feeds.rs` makes; `wire.rs` knows the protocols. `state.rs` is the marketplace's state,
//! `journal.rs` keeps it. `offers.rs` is what can be bought, `lifecycle.rs`
//! what becomes of it, `buyers.rs` who is suspended. `clock.rs` and
//! `schedule.rs` move time, `events.rs` delivers, `notifications.rs` makes the messages of
//! older listings, `faults.rs` interferes.
//! `control.rs` is the control API, `buyer_page.rs` the page for people.
//! `in_process.rs` (feature `in-process`) reaches all this without a network.

mod agreement;
mod api;
mod buyer_page;
mod buyers;
mod calls;
mod clock;
mod config;
mod control;
mod data_feeds;
mod dynamodb;
mod entitlement;
mod events;
mod faults;
mod ids;
#[cfg(feature = "in-process")]
mod in_process;
mod invoices;
mod journal;
mod lifecycle;
mod limits;
mod metering;
mod notices;
mod notifications;
mod offers;
mod paging;
mod s3;
mod schedule;
mod secret;
mod state;
mod template;
mod terms;
mod usage_record;
mod wire;

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::middleware::map_response_with_state;
use axum::response::Response;
use axum::routing::{delete, get, post};
use http::HeaderValue;
use http::header::DATE;
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::{SignedDuration, Timestamp};

pub use crate::calls::{Call, Outcome};
pub use crate::clock::ClockError;
pub use crate::config::{
    BeforeActivation, Config, FinalHour, IdenticalRetry, RateLimit, Readings, StartError,
};
pub use crate::control::ControlError;
pub use crate::data_feeds::{DATA_FEEDS_BUCKET, UsageCorrection};
pub use crate::dynamodb::TableError;
pub use crate::events::Deliver;
pub use crate::faults::{ANY_OPERATION, EVENTS, Fault, FaultKind};
#[cfg(feature = "in-process")]
pub use crate::in_process::InProcess;
pub use crate::journal::JournalError;
pub use crate::lifecycle::{
    Amendment, NewAgreement, Purchase, Renewal, RenewalIntent, RenewedLicense,
};
pub use crate::notices::Notice;
pub use crate::notifications::ToldBy;
pub use crate::offers::OfferKind;
pub use crate::schedule::Schedule;
pub use crate::state::{
    AcceptedRecord, Agreement, AgreementStatus, Allocation, Ending, Intent, License, LicenseState,
};
pub use crate::template::TemplateError;

use crate::calls::CallLog;
use crate::clock::Clock;
use crate::dynamodb::DynamoDb;
use crate::events::{Targets, whole_seconds};
use crate::faults::Faults;
use crate::ids::Ids;
use crate::journal::Journal;
use crate::limits::RecentCalls;
use crate::offers::{Catalog, Offer};
use crate::state::{Change, Marketplace};

/// The largest request that is read: DynamoDB's limit for a batch.
const LARGEST_BODY: usize = 16 << 20;

/// A running fake. Clones share everything.
#[derive(Clone)]
pub struct FakeAws {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for FakeAws {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeAws").finish_non_exhaustive()
    }
}

struct Inner {
    config: Config,
    offers: Catalog,
    dimensions: Vec<Arc<str>>,
    clock: Clock,
    ids: Ids,
    kept: Mutex<Kept>,
    dynamodb: DynamoDb,
    faults: Faults,
    calls: CallLog,
    recent_calls: RecentCalls,
    request_ids: AtomicU64,
    targets: Mutex<Targets>,
    schedules: Mutex<Arc<Vec<Schedule>>>,
    moves: Arc<tokio::sync::Mutex<()>>,
}

/// The marketplace's state, and where its history is kept.
struct Kept {
    state: Marketplace,
    journal: Journal,
}

impl Kept {
    /// Keeps and applies: all of it, or on an error nothing.
    fn commit(&mut self, changes: Vec<Change>) -> io::Result<()> {
        self.journal.append(&changes)?;
        for change in changes {
            self.state.apply(change);
        }
        Ok(())
    }
}

impl FakeAws {
    /// Starts a fake: reads the template, opens or makes the data directory,
    /// creates the tables that are not there yet.
    ///
    /// Async, so that a later store may be opened without blocking; today
    /// nothing in it waits.
    ///
    /// # Errors
    /// [`StartError`] says which setting, table or file is at fault.
    #[expect(
        clippy::unused_async,
        reason = "callers await it; what it opens may become asynchronous"
    )]
    pub async fn start(config: Config) -> Result<FakeAws, StartError> {
        config.check()?;
        let tables = template::tables(&config.template).map_err(StartError::Template)?;
        let mut state = Marketplace::default();
        let (journal, file) = match &config.data_dir {
            None => (Journal::none(), None),
            Some(path) => {
                let opened = Journal::open(path, &config, &mut state);
                let journal = opened.map_err(|source| StartError::DataDir {
                    path: path.clone(),
                    source,
                })?;
                (journal, Some(path.join("dynamodb.sqlite")))
            }
        };
        let dynamodb = DynamoDb::open(file.as_deref(), &tables).map_err(StartError::Tables)?;
        let ids = match config.start {
            None => Ids::random(),
            Some(_) => Ids::seeded(format!("fake-aws/{}", journal.lines())),
        };
        let inner = Inner {
            clock: first_reading(&config, &state),
            offers: offers::catalog(&config.dimensions),
            dimensions: config
                .dimensions
                .iter()
                .map(|name| name.as_str().into())
                .collect(),
            ids,
            kept: Mutex::new(Kept { state, journal }),
            dynamodb,
            faults: Faults::default(),
            calls: CallLog::new(config.calls_kept),
            recent_calls: RecentCalls::default(),
            request_ids: AtomicU64::new(1),
            targets: Mutex::default(),
            schedules: Mutex::default(),
            moves: Arc::default(),
            config,
        };
        Ok(FakeAws {
            inner: Arc::new(inner),
        })
    }

    /// Everything that is served: the AWS APIs, the buyer's page, and the
    /// control API.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", get(buyer_page::page).post(api::json))
            .route("/service/{service}/operation/{operation}", post(api::cbor))
            .route("/buyer/subscribe", post(buyer_page::actions::subscribe))
            .route("/buyer/cancel", post(buyer_page::actions::cancel))
            .route("/buyer/renew", post(buyer_page::actions::renew))
            .route("/buyer/amend", post(buyer_page::actions::amend))
            .route("/buyer/terminate", post(buyer_page::actions::terminate))
            .route("/buyer/standing", post(buyer_page::actions::standing))
            .route("/buyer/notice", post(buyer_page::actions::notice))
            .route("/buyer/clock", post(buyer_page::actions::clock))
            .route("/_fake/style.css", get(buyer_page::style))
            .route("/_fake/state", get(control::state))
            .route("/_fake/agreements", post(control::agreements))
            .route("/_fake/agreements/{id}/cancel", post(control::cancel))
            .route("/_fake/agreements/{id}/terminate", post(control::terminate))
            .route("/_fake/agreements/{id}/renew", post(control::renew))
            .route("/_fake/agreements/{id}/amend", post(control::amend))
            .route("/_fake/agreements/{id}/notices", post(control::notices))
            .route("/_fake/buyers/{account}/suspend", post(control::suspend))
            .route("/_fake/buyers/{account}/restore", post(control::restore))
            .route("/_fake/tokens", post(control::tokens))
            .route("/_fake/clock", post(control::clock))
            .route("/_fake/faults", post(control::faults))
            .route("/_fake/faults", delete(control::clear_faults))
            .route("/_fake/data-feeds", post(control::data_feeds))
            .route("/_fake/data-feeds/files", post(control::data_feed_files))
            .route(&format!("/{DATA_FEEDS_BUCKET}"), get(s3::list))
            .route(&format!("/{DATA_FEEDS_BUCKET}/"), get(s3::list))
            .route(&format!("/{DATA_FEEDS_BUCKET}/{{*key}}"), get(s3::get))
            .fallback(s3::elsewhere)
            .method_not_allowed_fallback(control::method_not_allowed)
            .layer(DefaultBodyLimit::max(LARGEST_BODY))
            .layer(map_response_with_state(self.clone(), dated))
            .with_state(self.clone())
    }

    /// Keeps the clock from being moved for as long as what it gives is held: for
    /// whoever still sets up what runs when it is.
    pub async fn hold_clock(&self) -> tokio::sync::OwnedMutexGuard<()> {
        Arc::clone(&self.inner.moves).lock_owned().await
    }

    /// The present, on the fake's clock.
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Whether time passes by itself at this moment: not while the clock is
    /// being moved, nor ever when [`Config::start`] says where it stands.
    pub fn clock_flows(&self) -> bool {
        self.inner.clock.flows()
    }

    /// Every usage record that was accepted, oldest first.
    pub fn accepted_records(&self) -> Vec<AcceptedRecord> {
        lock(&self.inner.kept).state.records().to_vec()
    }

    /// The latest calls of AWS Marketplace's APIs and of Secrets Manager,
    /// oldest first; at most [`Config::calls_kept`].
    pub fn calls(&self) -> Vec<Call> {
        self.inner.calls.latest()
    }

    /// How often each DynamoDB operation was called.
    pub fn dynamodb_calls(&self) -> std::collections::BTreeMap<&'static str, u64> {
        self.inner.dynamodb.counts()
    }

    /// Decides on the present state and commits; the number that the first
    /// event queued by it has.
    fn commit(
        &self,
        decide: impl FnOnce(&Marketplace) -> Result<Vec<Change>, ControlError>,
    ) -> Result<u64, ControlError> {
        let (first, ()) = self.commit_with(|state| Ok((decide(state)?, ())))?;
        Ok(first)
    }

    /// The same, and what the decision made.
    fn commit_with<T>(
        &self,
        decide: impl FnOnce(&Marketplace) -> Result<(Vec<Change>, T), ControlError>,
    ) -> Result<(u64, T), ControlError> {
        let has_target = self.has_target();
        let mut kept = lock(&self.inner.kept);
        let first = kept.state.next_event_sequence();
        let (mut changes, made) = decide(&kept.state)?;
        if !has_target {
            changes.extend(events::forget_oldest(&kept.state, &changes));
        }
        kept.commit(changes).map_err(ControlError::Storage)?;
        Ok((first, made))
    }
}

impl Inner {
    /// The terms of an offer.
    fn offer(&self, kind: OfferKind) -> &Offer {
        self.offers.get(kind)
    }

    /// An id for an answer's `x-amzn-requestid`.
    fn request_id(&self) -> String {
        let number = self.request_ids.fetch_add(1, Ordering::Relaxed);
        format!("00000000-0000-4000-8000-{number:012x}")
    }
}

/// Where the clock starts: where it was left, if anything was kept.
fn first_reading(config: &Config, state: &Marketplace) -> Clock {
    match (config.start, state.clock()) {
        (Some(start), None) => Clock::frozen(start),
        (Some(start), Some((left, _))) => Clock::frozen(start.max(left)),
        (None, None) => Clock::following(SignedDuration::ZERO, clock::wall()),
        (None, Some((left, offset))) => Clock::following(offset, left),
    }
}

/// An answer with the fake's own date.
async fn dated(State(fake): State<FakeAws>, mut answer: Response) -> Response {
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&fake.now());
    if let Some(date) = date.ok().and_then(|date| HeaderValue::from_str(&date).ok()) {
        answer.headers_mut().insert(DATE, date);
    }
    answer
}

/// Takes a lock; what a panicking thread left is still whole, since every
/// change is applied in one piece.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

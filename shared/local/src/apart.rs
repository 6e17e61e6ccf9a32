//! The functions apart: each calls AWS at an address of its own, so that an
//! observer is told which function calls what. On AWS each has a role of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use app::App;
use app::reconciliation::Sources;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::stack::{StartError, bind, calling, serve};

/// The functions, by the names of their crates.
pub(crate) const FUNCTIONS: [&str; 10] = [
    "catching-up",
    "console",
    "grace-expiry",
    "ledger-check",
    "marketplace-events",
    "reconciliation",
    "registration",
    "usage-intake",
    "usage-posting",
    "usage-submission",
];

/// No call of ours to AWS is larger: DynamoDB's limit is 16 MB.
const MOST_BYTES: usize = 32 << 20;

/// What is done with a call: of which function, the request's head and its body.
type Told = dyn Fn(&'static str, &Parts, &[u8]) + Send + Sync;

/// Is told of each call to AWS: by which function, and the request.
#[derive(Clone)]
pub struct Observer(Arc<Told>);

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

impl Observer {
    /// One that does this with every call.
    pub fn new(told: impl Fn(&'static str, &Parts, &[u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(told))
    }
}

/// What the functions work with: all with the same, or each with clients of its own.
#[derive(Clone)]
pub(crate) struct Apps {
    shared: (App, Sources),
    apart: BTreeMap<&'static str, (App, Sources)>,
}

impl Apps {
    /// All functions call AWS by the same clients.
    pub(crate) fn together(app: App, sources: Sources) -> Self {
        Self {
            shared: (app, sources),
            apart: BTreeMap::new(),
        }
    }

    /// Each function calls AWS at an address of its own, and the observer is told.
    pub(crate) async fn observed(
        self,
        observer: &Observer,
        aws: &Router,
        (servers, stopped): (&mut JoinSet<io::Result<()>>, &watch::Receiver<bool>),
    ) -> Result<Self, StartError> {
        let mut apart = BTreeMap::new();
        for function in FUNCTIONS {
            let (listener, url) = bind(0, "--aws-port").await?;
            let told = from_fn_with_state((function, observer.clone()), tell);
            servers.spawn(serve(listener, aws.clone().layer(told), stopped.clone()));
            apart.insert(function, calling(&url, &self.shared.0));
        }
        Ok(Self { apart, ..self })
    }

    /// What is no function's works with.
    pub(crate) fn shared(&self) -> &App {
        &self.shared.0
    }

    /// What a function works with.
    pub(crate) fn of(&self, function: &str) -> &(App, Sources) {
        self.apart.get(function).unwrap_or(&self.shared)
    }
}

async fn tell(
    State((function, Observer(told))): State<(&'static str, Observer)>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let body: Bytes = match to_bytes(body, MOST_BYTES).await {
        Ok(body) => body,
        Err(_) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
    };
    told(function, &parts, &body);
    next.run(Request::from_parts(parts, Body::from(body))).await
}

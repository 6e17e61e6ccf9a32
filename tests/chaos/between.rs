//! What stands between a function and AWS: a network and a DynamoDB that fail in
//! every way that their documentation names, and clocks that jump.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, DATE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::kill::draws::Draws;

/// Whose clock may be wrong: what judges no report's time.
const CLOCKS: [&str; 2] = ["usage-posting", "usage-submission"];

/// By how much a clock jumps.
const JUMP: SignedDuration = SignedDuration::from_mins(40);

/// DynamoDB's error codes begin with this.
const DYNAMODB: &str = "com.amazonaws.dynamodb.v20120810#";

/// What goes wrong between the functions and AWS.
pub(super) struct Between {
    draws: Mutex<Draws>,
    on: AtomicBool,
    /// By how much the clock of a function is wrong.
    clocks: Mutex<BTreeMap<String, SignedDuration>>,
    counts: Mutex<BTreeMap<&'static str, u32>>,
}

impl Between {
    pub(super) fn new(draws: Draws) -> Self {
        Self {
            draws: Mutex::new(draws),
            on: AtomicBool::new(false),
            clocks: Mutex::default(),
            counts: Mutex::default(),
        }
    }

    /// The same AWS, as a function meets it.
    pub(super) fn before(self: Arc<Self>, function: &'static str, aws: Router) -> Router {
        aws.layer(from_fn_with_state((self, function), meet))
    }

    pub(super) fn begin(&self) {
        self.on.store(true, Ordering::SeqCst);
    }

    pub(super) fn all_is_well(&self) {
        self.on.store(false, Ordering::SeqCst);
        self.clocks.lock().unwrap().clear();
    }

    /// A function that starts anew may have another clock.
    pub(super) fn set_clock_of(&self, function: &str, draws: &mut Draws) {
        if !CLOCKS.contains(&function) {
            return;
        }
        let wrong = match draws.below(4) {
            0 => -JUMP,
            1 => JUMP,
            _ => SignedDuration::ZERO,
        };
        if !wrong.is_zero() {
            self.count(if wrong.is_negative() {
                "clocks behind"
            } else {
                "clocks ahead"
            });
        }
        self.clocks
            .lock()
            .unwrap()
            .insert(function.to_owned(), wrong);
    }

    /// What went wrong, and how often.
    pub(super) fn told(&self) -> String {
        let mut told = String::new();
        for (what, count) in self.counts.lock().unwrap().iter() {
            write!(told, "{what} {count}, ").unwrap();
        }
        told.trim_end_matches(", ").to_owned()
    }

    /// Everything that may go wrong did.
    pub(super) fn assert_used(&self) {
        let counts = self.counts.lock().unwrap();
        for what in [
            "clocks ahead",
            "clocks behind",
            "conflicts",
            "lost answers",
            "throttled",
        ] {
            assert!(counts.get(what) > Some(&3), "{what}: {counts:?}");
        }
    }

    fn count(&self, what: &'static str) {
        *self.counts.lock().unwrap().entry(what).or_default() += 1;
    }

    /// What becomes of a call: refused with this answer, or answered or not.
    fn fate(&self, operation: &str, body: &[u8]) -> Fate {
        let drawn = self.draws.lock().unwrap().below(240);
        let transaction = operation == "TransactWriteItems";
        let writes = ["PutItem", "UpdateItem", "DeleteItem"].contains(&operation);
        match drawn {
            0..4 => Fate::Refused("throttled", error("ProvisionedThroughputExceededException")),
            4..7 => Fate::Refused("throttled", error("ThrottlingException")),
            7..11 => Fate::Lost,
            11..35 if transaction => Fate::Refused("conflicts", conflict(body)),
            11..17 if writes => Fate::Refused("conflicts", error("TransactionConflictException")),
            _ => Fate::Answered,
        }
    }
}

enum Fate {
    /// Nothing happens.
    Refused(&'static str, Value),
    /// It happens, and nobody is told.
    Lost,
    Answered,
}

fn error(code: &str) -> Value {
    json!({"__type": format!("{DYNAMODB}{code}"), "message": "made up by the test"})
}

/// Another transaction is at one of the items.
fn conflict(body: &[u8]) -> Value {
    let asked: Value = serde_json::from_slice(body).unwrap();
    let items = asked["TransactItems"].as_array().unwrap();
    let mut reasons = vec![json!({"Code": "None"}); items.len()];
    reasons[items.len() / 2] = json!({"Code": "TransactionConflict", "Message": "made up"});
    json!({
        "__type": format!("{DYNAMODB}TransactionCanceledException"),
        "Message": "Transaction cancelled", "CancellationReasons": reasons,
    })
}

async fn meet(
    State((between, function)): State<(Arc<Between>, &'static str)>,
    request: Request,
    next: Next,
) -> Response {
    if !between.on.load(Ordering::SeqCst) {
        return next.run(request).await;
    }
    let target = request.headers().get("x-amz-target");
    let target = target.and_then(|target| target.to_str().ok());
    let operation = target.and_then(|target| target.strip_prefix("DynamoDB_20120810."));
    let Some(operation) = operation.map(str::to_owned) else {
        return next.run(request).await;
    };
    let (head, body) = request.into_parts();
    let body: Bytes = to_bytes(body, usize::MAX).await.unwrap();
    let fate = between.fate(&operation, &body);
    let request = Request::from_parts(head, Body::from(body));
    let mut answer = match fate {
        Fate::Refused(what, told) => {
            between.count(what);
            let mut refused = Response::new(Body::from(told.to_string()));
            *refused.status_mut() = StatusCode::BAD_REQUEST;
            let json = HeaderValue::from_static("application/x-amz-json-1.0");
            refused.headers_mut().insert(CONTENT_TYPE, json);
            return refused;
        }
        Fate::Lost => {
            between.count("lost answers");
            let mut lost = next.run(request).await;
            *lost.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
            *lost.body_mut() = Body::empty();
            return lost;
        }
        Fate::Answered => next.run(request).await,
    };
    let wrong = between.clocks.lock().unwrap().get(function).copied();
    if let Some(wrong) = wrong.filter(|wrong| !wrong.is_zero()) {
        shift(&mut answer, wrong);
    }
    answer
}

/// Dates an answer as a machine with a wrong clock would take it.
fn shift(answer: &mut Response, by: SignedDuration) {
    let Some(date) = answer.headers().get(DATE) else {
        return;
    };
    let date: Timestamp = rfc2822::parse(date.to_str().unwrap()).unwrap().timestamp();
    let printer = rfc2822::DateTimePrinter::new();
    let text = printer.timestamp_to_rfc9110_string(&(date + by)).unwrap();
    answer.headers_mut().insert(DATE, text.try_into().unwrap());
}

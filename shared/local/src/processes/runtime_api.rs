//! Lambda's runtime API, which a function's process polls.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde_json::Value;
use tokio::sync::{Notify, oneshot};

/// What a function answers: an answer, or the error that it told.
pub type Answer = Result<Value, Value>;

/// The runtime API of one process: gives out an invocation at a time and takes its
/// answer. Cheap to clone.
#[derive(Clone, Default)]
pub struct RuntimeApi {
    given: Arc<Given>,
}

impl std::fmt::Debug for RuntimeApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RuntimeApi")
    }
}

/// What the function is to be invoked with, and who waits for its answer.
#[derive(Default)]
struct Given {
    ids: AtomicU64,
    invocation: Mutex<Option<Invocation>>,
    arrived: Notify,
}

struct Invocation {
    id: String,
    payload: Option<String>,
    answer: Option<oneshot::Sender<Answer>>,
}

impl RuntimeApi {
    /// What the process polls.
    pub fn router(&self) -> Router {
        let response = async |State(api): State<Self>, Path(id): Path<String>, body: Bytes| {
            api.given.answered(&id, Ok(json_of(&body)));
            StatusCode::ACCEPTED
        };
        let error = async |State(api): State<Self>, Path(id): Path<String>, body: Bytes| {
            api.given.answered(&id, Err(json_of(&body)));
            StatusCode::ACCEPTED
        };
        let invocation = "/2018-06-01/runtime/invocation";
        Router::new()
            .route(&format!("{invocation}/next"), get(Self::next))
            .route(&format!("{invocation}/{{id}}/response"), post(response))
            .route(&format!("{invocation}/{{id}}/error"), post(error))
            .with_state(self.clone())
    }

    /// Gives the process a payload, JSON, and waits for its answer: for ever, should
    /// the process end.
    pub async fn invoke(&self, payload: String) -> Answer {
        let answer = self.given.put(payload);
        match answer.await {
            Ok(answer) => answer,
            Err(_another_was_put) => std::future::pending().await,
        }
    }

    /// Waits for the next invocation.
    async fn next(State(api): State<Self>) -> Response {
        loop {
            if let Some((id, payload)) = api.given.take() {
                let headers = [
                    ("lambda-runtime-aws-request-id", id.as_str()),
                    // Far away: how long an invocation may take is for the caller to say.
                    ("lambda-runtime-deadline-ms", "4102444800000"),
                    (
                        "lambda-runtime-invoked-function-arn",
                        "arn:aws:lambda:us-east-1:111122223333:function:local",
                    ),
                ];
                return (headers, payload).into_response();
            }
            api.given.arrived.notified().await;
        }
    }
}

/// What a process sent; a text if it is no JSON.
fn json_of(body: &[u8]) -> Value {
    let text = || Value::String(String::from_utf8_lossy(body).into_owned());
    serde_json::from_slice(body).unwrap_or_else(|_| text())
}

impl Given {
    fn lock(&self) -> MutexGuard<'_, Option<Invocation>> {
        self.invocation
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, payload: String) -> oneshot::Receiver<Answer> {
        let (sender, receiver) = oneshot::channel();
        let id = self.ids.fetch_add(1, Ordering::Relaxed);
        *self.lock() = Some(Invocation {
            id: format!("00000000-0000-4000-8000-{id:012}"),
            payload: Some(payload),
            answer: Some(sender),
        });
        self.arrived.notify_one();
        receiver
    }

    /// What is to be worked on, to whoever asks first.
    fn take(&self) -> Option<(String, String)> {
        let mut invocation = self.lock();
        let invocation = invocation.as_mut()?;
        Some((invocation.id.clone(), invocation.payload.take()?))
    }

    fn answered(&self, id: &str, answer: Answer) {
        let mut invocation = self.lock();
        let of_it = invocation.as_mut().filter(|known| known.id == id);
        if let Some(waiting) = of_it.and_then(|known| known.answer.take()) {
            let _nobody_waits = waiting.send(answer);
        }
    }
}

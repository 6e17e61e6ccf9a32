//! The functions as processes of their own, as on AWS: each is a program that polls
//! a runtime API, here on a port of its own. One may be killed at any moment; the
//! next invocation starts it again.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use tokio::process::{Child, Command};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinSet;

use crate::apart::FUNCTIONS;
use crate::stack::{StartError, USAGE_API_KEY, bind, serve};

/// The most that API Gateway hands on of a request's body.
const MOST_BODY_BYTES: usize = 10 << 20;

/// How long an invocation may take before the process is given up, as Lambda does.
const TIME_OUT: Duration = Duration::from_secs(60);

/// How the functions run as processes of their own.
#[derive(Clone)]
pub struct ProcessConfig {
    /// The folder of their programs, which have the names of their crates.
    pub programs: PathBuf,
    /// What stands between a function and AWS.
    pub between: Arc<dyn Fn(&'static str, Router) -> Router + Send + Sync>,
    /// How often each message of a queue is delivered.
    pub deliveries: u32,
}

impl fmt::Debug for ProcessConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessConfig")
            .field("programs", &self.programs)
            .field("deliveries", &self.deliveries)
            .finish_non_exhaustive()
    }
}

/// Every function's process. Cheap to clone.
#[derive(Clone)]
pub struct Processes {
    hosts: Arc<BTreeMap<&'static str, Host>>,
    deliveries: u32,
}

impl fmt::Debug for Processes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Processes")
    }
}

/// One function's process, invoked once at a time.
struct Host {
    program: PathBuf,
    environment: Vec<(&'static str, String)>,
    process: tokio::sync::Mutex<Option<Process>>,
    working: AtomicBool,
    kill: Notify,
    stopped: watch::Receiver<bool>,
}

/// A process with its runtime API: one that is left behind by a process that died
/// gives nothing to the next.
struct Process {
    child: Child,
    api: RuntimeApi,
    _server: JoinSet<std::io::Result<()>>,
}

/// The runtime API of one process. Cheap to clone.
#[derive(Clone, Default)]
struct RuntimeApi {
    given: Arc<Given>,
}

/// What a function is to be invoked with, and who waits for its answer.
#[derive(Default)]
struct Given {
    ids: AtomicU64,
    invocation: Mutex<Option<Invocation>>,
    arrived: Notify,
}

struct Invocation {
    id: String,
    payload: Option<String>,
    answer: Option<oneshot::Sender<Result<Value, String>>>,
}

impl Processes {
    /// The functions, none of them started, each calling AWS at an address of its own.
    pub(crate) async fn new(
        config: &ProcessConfig,
        aws: &Router,
        settings: &[(&'static str, String)],
        (servers, stopped): (&mut JoinSet<std::io::Result<()>>, &watch::Receiver<bool>),
    ) -> Result<Self, StartError> {
        let mut hosts = BTreeMap::new();
        for function in FUNCTIONS {
            let (listener, aws_url) = bind(0, "--aws-port").await?;
            let between = (config.between)(function, aws.clone());
            servers.spawn(serve(listener, between, stopped.clone()));
            let mut environment = settings.to_vec();
            let aws_url = aws_url.replace("localhost", "127.0.0.1");
            environment.push(("AWS_ENDPOINT_URL", aws_url));
            let host = Host {
                program: config.programs.join(function),
                environment,
                process: tokio::sync::Mutex::new(None),
                stopped: stopped.clone(),
                working: AtomicBool::new(false),
                kill: Notify::new(),
            };
            hosts.insert(function, host);
        }
        Ok(Self {
            hosts: Arc::new(hosts),
            deliveries: config.deliveries.max(1),
        })
    }

    /// How often each message of a queue is delivered.
    pub(crate) const fn deliveries(&self) -> u32 {
        self.deliveries
    }

    /// Invokes a function and waits for its answer.
    ///
    /// # Errors
    /// Why there is none: it failed, or its process ended.
    pub(crate) async fn invoke(&self, function: &str, payload: &Value) -> Result<Value, String> {
        let host = self
            .hosts
            .get(function)
            .ok_or("there is no such function")?;
        host.invoke(payload.to_string()).await
    }

    /// The functions that are at work.
    pub fn at_work(&self) -> Vec<&'static str> {
        let working = |host: &Host| host.working.load(Ordering::SeqCst);
        let busy = self.hosts.iter().filter(|(_, host)| working(host));
        busy.map(|(function, _)| *function).collect()
    }

    /// Kills a function's process with SIGKILL, at work or not; whether there was one.
    pub async fn kill(&self, function: &str) -> bool {
        let Some(host) = self.hosts.get(function) else {
            return false;
        };
        if let Ok(mut idle) = host.process.try_lock() {
            return match idle.take() {
                Some(mut process) => process.child.kill().await.is_ok(),
                None => false,
            };
        }
        host.kill.notify_one();
        true
    }

    /// The pages and the API: each request invokes the function that the template
    /// has its path lead to.
    pub(crate) fn pages(&self) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }
}

impl Host {
    #[expect(
        clippy::disallowed_methods,
        reason = "a process that hangs is given up after a time that no moved clock makes pass"
    )]
    async fn invoke(&self, payload: String) -> Result<Value, String> {
        let mut slot = self.process.lock().await;
        let mut process = match slot.take() {
            Some(process) => process,
            None => self.start().await?,
        };
        let answered = process.api.given.put(payload);
        self.working.store(true, Ordering::SeqCst);
        let outcome = tokio::select! {
            answer = answered => answer.map_err(|_| "it answered nothing".to_owned()),
            status = process.child.wait() => Err(format!("its process ended: {status:?}")),
            () = self.kill.notified() => {
                let _dead = process.child.kill().await;
                Err("its process was killed".to_owned())
            }
            () = tokio::time::sleep(TIME_OUT) => {
                let _dead = process.child.kill().await;
                Err("it did not answer in time".to_owned())
            }
        };
        self.working.store(false, Ordering::SeqCst);
        let answer = outcome?;
        *slot = Some(process);
        answer
    }

    async fn start(&self) -> Result<Process, String> {
        let api = RuntimeApi::default();
        let bound = bind(0, "--port").await;
        let (listener, url) = bound.map_err(|error| error.to_string())?;
        let mut server = JoinSet::new();
        server.spawn(serve(listener, api.router(), self.stopped.clone()));
        let child = Command::new(&self.program)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env(
                "AWS_LAMBDA_RUNTIME_API",
                url.replace("http://localhost", "127.0.0.1"),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{} does not start: {error}", self.program.display()))?;
        Ok(Process {
            child,
            api,
            _server: server,
        })
    }
}

impl Given {
    fn lock(&self) -> MutexGuard<'_, Option<Invocation>> {
        self.invocation
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, payload: String) -> oneshot::Receiver<Result<Value, String>> {
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

    fn answered(&self, id: &str, answer: Result<Value, String>) {
        let mut invocation = self.lock();
        let of_it = invocation.as_mut().filter(|known| known.id == id);
        if let Some(waiting) = of_it.and_then(|known| known.answer.take()) {
            let _nobody_waits = waiting.send(answer);
        }
    }
}

impl RuntimeApi {
    fn router(&self) -> Router {
        let response = async |State(api): State<Self>, Path(id): Path<String>, body: Bytes| {
            let read = serde_json::from_slice(&body);
            api.given
                .answered(&id, read.map_err(|error| error.to_string()));
            StatusCode::ACCEPTED
        };
        let error = async |State(api): State<Self>, Path(id): Path<String>, body: Bytes| {
            let told = String::from_utf8_lossy(&body).into_owned();
            api.given.answered(&id, Err(told));
            StatusCode::ACCEPTED
        };
        Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(Self::next))
            .route(
                "/2018-06-01/runtime/invocation/{id}/response",
                post(response),
            )
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .with_state(self.clone())
    }

    /// Waits for the next invocation.
    async fn next(State(api): State<Self>) -> Response {
        loop {
            if let Some((id, payload)) = api.given.take() {
                let headers = [
                    ("lambda-runtime-aws-request-id", id.as_str()),
                    // As far away as an invocation may take is for the caller to say.
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

/// Which function answers a path, as in the template.
fn function_of(path: &str) -> &'static str {
    let first = path.split('/').nth(1).unwrap_or_default();
    match (first, path) {
        ("register" | "sign-in" | "sign-out", _) => "registration",
        (_, "/api/usage-reports") => "usage-intake",
        _ => "console",
    }
}

/// Invokes a function with a request, as API Gateway does (payload format 2.0).
async fn answer(State(processes): State<Processes>, request: Request) -> Response {
    let function = function_of(request.uri().path());
    let Some(payload) = payload(request).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    match processes.invoke(function, &payload).await {
        Ok(answer) => response(&answer).unwrap_or(StatusCode::BAD_GATEWAY.into_response()),
        Err(error) => {
            tracing::warn!(function, error, "a request was not answered");
            StatusCode::BAD_GATEWAY.into_response()
        }
    }
}

async fn payload(request: Request) -> Option<Value> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, MOST_BODY_BYTES).await.ok()?;
    let (mut headers, mut cookies) = (Map::new(), Vec::new());
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        if name == "cookie" {
            cookies.extend(value.split("; ").map(str::to_owned));
        } else {
            headers.insert(name.as_str().to_owned(), Value::String(value));
        }
    }
    let path = head.uri.path();
    let given = head.headers.get("authorization");
    let key = format!("Bearer {USAGE_API_KEY}");
    let signed = given.is_some_and(|given| given.as_bytes() == key.as_bytes());
    // API Gateway checks the signature of the API's requests before it calls us.
    let authorizer = signed.then(|| {
        json!({"iam": {
            "accessKey": "local", "accountId": "111122223333", "callerId": "local",
            "userId": "local", "userArn": "arn:aws:iam::111122223333:user/product",
        }})
    });
    let route = format!("{} {path}", head.method);
    Some(json!({
        "version": "2.0", "routeKey": route, "rawPath": path,
        "rawQueryString": head.uri.query().unwrap_or_default(),
        "headers": headers, "cookies": cookies,
        "requestContext": {
            "accountId": "111122223333", "apiId": "local", "stage": "$default",
            "requestId": "local", "routeKey": route, "timeEpoch": 0,
            "time": "01/Jan/1970:00:00:00 +0000", "authorizer": authorizer,
            "http": {
                "method": head.method.as_str(), "path": path, "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1", "userAgent": "",
            },
        },
        "body": STANDARD.encode(&body), "isBase64Encoded": true,
    }))
}

/// The answer of a function as one of HTTP.
fn response(answer: &Value) -> Option<Response> {
    let status = u16::try_from(answer["statusCode"].as_u64()?).ok()?;
    let body = answer["body"].as_str().unwrap_or_default();
    let body = if answer["isBase64Encoded"] == true {
        Body::from(STANDARD.decode(body).ok()?)
    } else {
        Body::from(body.to_owned())
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).ok()?;
    let several = answer["multiValueHeaders"]
        .as_object()
        .into_iter()
        .flatten();
    let several = several.flat_map(|(name, values)| {
        let values = values.as_array().into_iter().flatten();
        values.map(move |value| (name.as_str(), value))
    });
    let single = answer["headers"].as_object().into_iter().flatten();
    let single = single.map(|(name, value)| (name.as_str(), value));
    let cookies = answer["cookies"].as_array().into_iter().flatten();
    let cookies = cookies.map(|cookie| ("set-cookie", cookie));
    let all = single.chain(several).chain(cookies);
    for (name, value) in all {
        let name = HeaderName::try_from(name).ok()?;
        let value = HeaderValue::try_from(value.as_str()?).ok()?;
        response.headers_mut().append(name, value);
    }
    Some(response)
}

//! Lambda's part: a process with a function's environment, and the runtime API
//! that it polls, on threads of their own.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, mpsc};

use crate::stopwatch::instant;

/// How long a program may take for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A function's environment.
#[derive(Debug)]
pub(super) struct Settings {
    aws: String,
}

/// What was measured of one start.
#[derive(Debug)]
pub(super) struct Run {
    /// From the process's start to its first poll.
    pub(super) first_poll: Duration,
    /// How much of that it ran: the others who use the machine make only the time
    /// on the wall longer.
    pub(super) first_poll_cpu: Duration,
    /// From the process's start to its first answer.
    pub(super) first_answer: Duration,
    /// From an invocation to its answer.
    pub(super) warm: Vec<Duration>,
    /// The most memory that the process had up to its first answer.
    pub(super) peak_kib: u64,
    /// Whether the first answer was one, and not an error.
    pub(super) answered: bool,
}

/// What a process did.
enum Did {
    /// It polled.
    Polled(Instant),
    /// It was given an invocation.
    Given(Instant),
    /// It answered, or told an error.
    Answered(Instant, bool),
}

/// The runtime API of one process.
#[derive(Clone)]
struct RuntimeApi {
    payloads: Arc<Mutex<mpsc::UnboundedReceiver<String>>>,
    did: mpsc::UnboundedSender<Did>,
}

/// A process, killed with this.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Settings {
    /// With AWS at this address.
    pub(super) fn over(aws: &str) -> Self {
        Self {
            aws: format!("http://{aws}"),
        }
    }

    fn variables(&self) -> [(&str, &str); 19] {
        [
            ("AWS_LAMBDA_FUNCTION_NAME", "it"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "secret-access-key"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ENDPOINT_URL", &self.aws),
            ("LOG_LEVEL", "error"),
            ("SUBSCRIPTIONS_TABLE", "Subscriptions"),
            ("USAGE_TABLE", "Usage"),
            ("SELLER_ACCOUNT", "111122223333"),
            ("PRODUCT_CODES", "8k2m4n6p7q9r1s3t5v7w9x0yz"),
            ("PRODUCT_IDS", "prod-fakeprotect7xq4"),
            ("PUBLIC_URL", "https://marketplace.example.com"),
            ("PRODUCT_NAME", "Workload Security"),
            ("SUPPORT_EMAIL", "support@example.com"),
            ("SIGN_IN_ISSUER", "http://127.0.0.1:9/issuer"),
            ("SIGN_IN_CLIENT_ID", "client"),
            (
                "SIGN_IN_CLIENT_SECRET_ARN",
                "arn:aws:secretsmanager:us-east-1:111122223333:secret:sign-in-AbCdEf",
            ),
        ]
    }
}

/// Serves on a free port from now on, on these threads; the address.
pub(super) async fn serve(threads: &Handle, router: Router) -> anyhow::Result<String> {
    let bound = threads.spawn(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let listener = bound.await??;
    let address = listener.local_addr()?.to_string();
    threads.spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

/// Starts a program and invokes it once, and `warm` times after that.
pub(super) async fn run(
    threads: &Handle,
    program: &Path,
    settings: &Settings,
    payload: &str,
    warm: u32,
) -> anyhow::Result<Run> {
    let (give, payloads) = mpsc::unbounded_channel();
    let (did, mut doings) = mpsc::unbounded_channel();
    let payloads = Arc::new(Mutex::new(payloads));
    let router = RuntimeApi { payloads, did }.router();
    let address = serve(threads, router).await?;
    let mut command = Command::new(program);
    command
        .env_clear()
        .envs(settings.variables())
        .env("AWS_LAMBDA_RUNTIME_API", address)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let started = instant();
    let process = Process(command.spawn()?);
    let polled = polled(&mut doings).await?;
    let first_poll_cpu = processor_time(process.0.id())?;
    give.send(payload.to_owned())?;
    given(&mut doings).await?;
    let (first_answer, answered) = answer(&mut doings).await?;
    let peak_kib = peak_kib(process.0.id())?;
    let mut times = Vec::new();
    for _ in 0..warm {
        self::polled(&mut doings).await?;
        give.send(payload.to_owned())?;
        let given = given(&mut doings).await?;
        let (answered, _) = answer(&mut doings).await?;
        times.push(answered.duration_since(given));
    }
    Ok(Run {
        first_poll: polled.duration_since(started),
        first_poll_cpu,
        first_answer: first_answer.duration_since(started),
        warm: times,
        peak_kib,
        answered,
    })
}

impl RuntimeApi {
    fn router(self) -> Router {
        let outcome = |ok: bool| {
            async move |State(api): State<Self>| {
                let _ = api.did.send(Did::Answered(instant(), ok));
                StatusCode::ACCEPTED
            }
        };
        let invocation = "/2018-06-01/runtime/invocation";
        Router::new()
            .route(&format!("{invocation}/next"), get(Self::next))
            .route(
                &format!("{invocation}/{{id}}/response"),
                post(outcome(true)),
            )
            .route(&format!("{invocation}/{{id}}/error"), post(outcome(false)))
            .with_state(self)
    }

    async fn next(State(api): State<Self>) -> Response {
        let _ = api.did.send(Did::Polled(instant()));
        let Some(payload) = api.payloads.lock().await.recv().await else {
            return std::future::pending().await;
        };
        let headers = [
            ("lambda-runtime-aws-request-id", "request"),
            // Far away: what is measured here is not the deadline.
            ("lambda-runtime-deadline-ms", "4102444800000"),
            (
                "lambda-runtime-invoked-function-arn",
                "arn:aws:lambda:us-east-1:111122223333:function:it",
            ),
        ];
        let _ = api.did.send(Did::Given(instant()));
        (headers, payload).into_response()
    }
}

type Doings = mpsc::UnboundedReceiver<Did>;

async fn doing(doings: &mut Doings) -> anyhow::Result<Did> {
    let done = tokio::time::timeout(PATIENCE, doings.recv()).await;
    done.context("nothing more came of it in time")?
        .context("its runtime API ended")
}

async fn polled(doings: &mut Doings) -> anyhow::Result<Instant> {
    match doing(doings).await? {
        Did::Polled(at) => Ok(at),
        Did::Given(_) | Did::Answered(..) => anyhow::bail!("it did not poll when it should"),
    }
}

async fn given(doings: &mut Doings) -> anyhow::Result<Instant> {
    match doing(doings).await? {
        Did::Given(at) => Ok(at),
        Did::Polled(_) | Did::Answered(..) => anyhow::bail!("it was given nothing"),
    }
}

async fn answer(doings: &mut Doings) -> anyhow::Result<(Instant, bool)> {
    match doing(doings).await? {
        Did::Answered(at, ok) => Ok((at, ok)),
        Did::Polled(_) | Did::Given(_) => anyhow::bail!("it did not answer"),
    }
}

/// How long a process has run on a processor. Its one thread: a function has no others.
fn processor_time(process: u32) -> anyhow::Result<Duration> {
    let told = std::fs::read_to_string(format!("/proc/{process}/schedstat"))?;
    let nanos = told.split_whitespace().next();
    Ok(Duration::from_nanos(nanos.context("no figure")?.parse()?))
}

/// The most memory that a process had so far.
fn peak_kib(process: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .context("the system does not tell a process's peak of memory")?;
    let mut words = peak.split_whitespace();
    let kib = words.next().context("no figure")?.parse()?;
    ensure!(words.next() == Some("kB"), "another unit: {peak}");
    Ok(kib)
}

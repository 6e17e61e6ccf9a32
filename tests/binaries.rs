//! The built Lambda binaries, under a runtime API like Lambda's: they start,
//! take their payloads, call AWS where they are told to, and answer.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use fake_aws::{Config, FakeAws};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::built::built;
use crate::project;

/// How long a binary may take for all of its payloads.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a function answered to a payload.
#[derive(Debug)]
struct Answer {
    payload: String,
    /// Whether it was an answer, and not an error.
    ok: bool,
    body: Value,
}

/// Lambda's runtime API for one function: gives out payloads, takes answers.
#[derive(Clone)]
struct RuntimeApi {
    /// Names and texts.
    payloads: Arc<Mutex<VecDeque<(String, String)>>>,
    answers: mpsc::UnboundedSender<Answer>,
}

impl RuntimeApi {
    fn router(self) -> Router {
        let outcome = |ok: bool| {
            async move |State(api): State<Self>, Path(payload): Path<String>, body: Bytes| {
                let body = serde_json::from_slice(&body).unwrap();
                api.answers.send(Answer { payload, ok, body }).unwrap();
                StatusCode::ACCEPTED
            }
        };
        Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(Self::next))
            .route(
                "/2018-06-01/runtime/invocation/{id}/response",
                post(outcome(true)),
            )
            .route(
                "/2018-06-01/runtime/invocation/{id}/error",
                post(outcome(false)),
            )
            .with_state(self)
    }

    async fn next(State(api): State<Self>) -> Response {
        let next = api.payloads.lock().unwrap().pop_front();
        let Some((name, payload)) = next else {
            return std::future::pending().await;
        };
        let headers = [
            ("lambda-runtime-aws-request-id", name.as_str()),
            // Far away: what is tested here is not the deadline.
            ("lambda-runtime-deadline-ms", "4102444800000"),
            (
                "lambda-runtime-invoked-function-arn",
                "arn:aws:lambda:us-east-1:111122223333:function:it",
            ),
        ];
        (headers, payload).into_response()
    }
}

/// Serves a router on a free port; its address.
async fn serve(servers: &mut JoinSet<()>, router: Router) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    servers.spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

/// The fake, and Secrets Manager, which it does not serve, before it.
async fn aws() -> Router {
    let config = Config {
        template: project::read("template.yaml"),
        ..Config::default()
    };
    let fake = FakeAws::start(config).await.unwrap();
    fake.router().layer(from_fn(secrets_manager))
}

async fn secrets_manager(headers: HeaderMap, request: Request, next: Next) -> Response {
    let target = headers
        .get("x-amz-target")
        .and_then(|value| value.to_str().ok());
    if target != Some("secretsmanager.GetSecretValue") {
        return next.run(request).await;
    }
    // Credentials are in the environment, so the call must be signed.
    assert!(headers.contains_key("authorization"));
    Json(json!({"Name": "sign-in", "SecretString": "client-secret"})).into_response()
}

/// A function's process with what Lambda and the template put into its environment.
fn process(binary: &PathBuf, runtime_api: &str, aws: &str) -> Command {
    let mut command = Command::new(binary);
    command
        .env_clear()
        .envs([
            ("AWS_LAMBDA_RUNTIME_API", runtime_api),
            ("AWS_LAMBDA_FUNCTION_NAME", "it"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_ENDPOINT_URL", aws),
            ("SUBSCRIPTIONS_TABLE", "Subscriptions"),
            ("USAGE_TABLE", "Usage"),
            ("SELLER_ACCOUNT", "111122223333"),
            ("PRODUCT_CODES", "8k2m4n6p7q9r1s3t5v7w9x0yz"),
            ("PUBLIC_URL", "https://marketplace.example.com"),
            ("PRODUCT_NAME", "Workload Security"),
            ("SUPPORT_EMAIL", "support@example.com"),
            ("SIGN_IN_ISSUER", "http://127.0.0.1:9/issuer"),
            ("SIGN_IN_CLIENT_ID", "client"),
            (
                "SIGN_IN_CLIENT_SECRET_ARN",
                "arn:aws:secretsmanager:us-east-1:111122223333:secret:sign-in-AbCdEf",
            ),
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// What the binary of a function answers to each of its payloads.
async fn answers(name: &str) -> Vec<Answer> {
    let binary = built(name);
    let payloads: VecDeque<_> = project::entries(&project::root().join("events").join(name))
        .iter()
        .map(|path| (project::name(path), project::read(path)))
        .collect();
    let expected = payloads.len();
    let (sender, mut answered) = mpsc::unbounded_channel();
    let api = RuntimeApi {
        payloads: Arc::new(Mutex::new(payloads)),
        answers: sender,
    };
    let mut servers = JoinSet::new();
    let runtime_api = serve(&mut servers, api.router()).await;
    let aws = format!("http://{}", serve(&mut servers, aws().await).await);
    let ended = process(&binary, &runtime_api, &aws)
        .spawn()
        .unwrap()
        .wait_with_output();
    let mut answers = Vec::new();
    let all = async {
        while answers.len() < expected {
            answers.push(answered.recv().await.unwrap());
        }
    };
    tokio::select! {
        () = all => {}
        output = ended => panic!("{name} ended: {output:?}"),
        () = tokio::time::sleep(PATIENCE) => panic!("{name} did not answer in time"),
    }
    answers
}

/// Runs a binary; the payloads of these files are errors, all others are answered.
async fn check(name: &str, errors: &[&str]) {
    for Answer { payload, ok, body } in answers(name).await {
        assert_eq!(ok, !errors.contains(&payload.as_str()), "{payload}: {body}");
        if ok {
            assert_ne!(body["statusCode"], 500, "{payload}: {body}");
        } else {
            let message = body["errorMessage"].as_str().unwrap();
            assert!(message.contains("expected"), "{payload}: {message}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registration_binary_answers_its_payloads() {
    check("registration", &["not-http.json"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_binary_answers_its_payloads() {
    check("console", &["not-http.json"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usage_intake_binary_answers_its_payloads() {
    check("usage-intake", &["neither.json"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_marketplace_events_binary_answers_its_payloads() {
    check("marketplace-events", &["not-a-queue.json"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usage_posting_binary_answers_its_payloads() {
    check("usage-posting", &["not-a-schedule.json"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usage_submission_binary_answers_its_payloads() {
    check("usage-submission", &["not-a-schedule.json"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grace_expiry_binary_answers_its_payloads() {
    check("grace-expiry", &["not-a-schedule.json"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_binary_names_all_settings_that_it_misses_and_does_not_start() {
    for name in project::directories("functions") {
        let output = Command::new(built(&name))
            .env_clear()
            .output()
            .await
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{name} started");
        for setting in [
            "SUBSCRIPTIONS_TABLE",
            "USAGE_TABLE",
            "SELLER_ACCOUNT",
            "AWS_REGION",
        ] {
            assert!(
                told.contains(&format!("{setting} is not set")),
                "{name}: {told}"
            );
        }
    }
}

//! Every payload under `events/`, through its function in process: each is
//! decided, or answers a clear error that repeats nothing of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use app::marketplace_events::{parse_event, parse_notification};
use axum::Router;
use jiff::{SignedDuration, Timestamp};
use local::Config;
use runtime::https::Https;
use runtime::metrics::Metrics;
use secrecy::SecretString;
use serde_json::Value;
use web::{ApiAccess, CredentialRule, PublicUrl, SignIn, SignInSettings, Site, State, SupportRule};

use crate::logs::{self, Stack};
use crate::project;

/// Every function, over one local stack.
struct Functions {
    stack: Stack,
    deadline: Timestamp,
    registration: Router,
    console: Router,
    intake: Router,
}

impl Functions {
    async fn start() -> Self {
        let now: Timestamp = "2026-11-22T10:20:00Z".parse().unwrap();
        let stack = Stack::start(Config {
            start: Some(now),
            ..Config::default()
        })
        .await
        .unwrap();
        let public_url = PublicUrl::parse("https://marketplace.example.com").unwrap();
        let sign_in = SignInSettings {
            issuer: format!("{}/issuer", stack.seller_url),
            client_id: "local-client".to_owned(),
            client_secret: SecretString::from("local-client-secret"),
            credentials: CredentialRule::Identities,
            support: SupportRule::default(),
        };
        let issuer = Https::to_aws(None).to_issuer(&sign_in.issuer);
        let state = State {
            app: stack.app.clone(),
            sign_in: SignIn::new(sign_in, issuer, &public_url),
            site: Arc::new(Site {
                public_url,
                product_name: "Workload Security".to_owned(),
                support_email: "support@example.com".to_owned(),
                api_access: ApiAccess::Gateway,
            }),
        };
        Self {
            stack,
            deadline: now.checked_add(SignedDuration::from_mins(1)).unwrap(),
            registration: registration::router(state.clone()),
            console: console::router(state.clone()),
            intake: usage_intake::router(state),
        }
    }

    /// What a function answers.
    async fn invoke(&self, function: &str, payload: Value) -> Result<Value, String> {
        let (app, deadline) = (&self.stack.app, self.deadline);
        let metrics = &Metrics::Nowhere;
        match function {
            "registration" => told(registration::handle(&self.registration, payload).await),
            "console" => told(console::handle(&self.console, payload).await),
            "usage-intake" => {
                told(usage_intake::handle(app, &self.intake, payload, deadline).await)
            }
            "marketplace-events" => told(marketplace_events::handle(app, payload, deadline).await),
            "usage-posting" => told(usage_posting::handle(app, metrics, &payload, deadline).await),
            "usage-submission" => {
                told(usage_submission::handle(app, metrics, &payload, deadline).await)
            }
            "ledger-check" => told(ledger_check::handle(app, metrics, &payload, deadline).await),
            "reconciliation" => {
                let sources = &self.stack.sources;
                told(reconciliation::handle(app, sources, metrics, &payload, deadline).await)
            }
            "catching-up" => told(catching_up::handle(app, metrics, &payload, deadline).await),
            "grace-expiry" => told(grace_expiry::handle(app, metrics, &payload, deadline).await),
            other => panic!("events/{other}: there is no such function"),
        }
    }
}

fn told<E: std::error::Error>(answer: Result<Value, E>) -> Result<Value, String> {
    answer.map_err(|error| error.to_string())
}

/// An answer in one line: of HTTP the status, where it leads, and what it says.
fn summary(answer: &Result<Value, String>) -> String {
    let answer = match answer {
        Err(error) => return format!("error: {error}"),
        Ok(answer) => answer,
    };
    let Some(status) = answer["statusCode"].as_u64() else {
        return answer.to_string();
    };
    let mut line = format!("HTTP {status}");
    if let Some(location) = answer["headers"]["location"].as_str() {
        // What follows the path is fresh on every run.
        let path = location.split('?').next().unwrap_or_default();
        let path = path
            .split_once("localhost:")
            .map_or(path.to_owned(), |(_, rest)| {
                format!(
                    "the issuer's /{}",
                    rest.split_once('/').unwrap_or_default().1
                )
            });
        write!(line, " to {path}").unwrap();
    }
    let body = answer["body"].as_str().unwrap_or_default();
    match title(body) {
        Some(title) => write!(line, " {title:?}").unwrap(),
        None if body.is_empty() || body.len() >= 400 => {}
        None => write!(line, " {body}").unwrap(),
    }
    line
}

/// The heading of a page.
fn title(page: &str) -> Option<&str> {
    let (_, rest) = page.split_once("<h1")?;
    let (_, rest) = rest.split_once('>')?;
    rest.split_once("</h1>").map(|(title, _)| title)
}

/// The errors that were logged.
fn errors(log: &str) -> impl Iterator<Item = String> {
    log.lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter_map(|record| record["error"].as_str().map(ToOwned::to_owned))
}

/// What the payloads hold and no log may.
pub(crate) const SECRETS: &[&str] = &[
    "AQICAHh0aGlzIGlzIG5vIHRva2Vu",
    "AKIAIOSFODNN7EXAMPLE",
    "444455556666",
    "not an arn",
    "oracle",
    "turquoise",
    "forged",
];

#[tokio::test(flavor = "multi_thread")]
async fn every_payload_is_decided_by_its_function_and_no_secret_of_it_is_logged() {
    let functions = Functions::start().await;
    let mut told = String::new();
    for function in project::directories("events") {
        writeln!(told, "{function}").unwrap();
        for path in project::entries(&project::root().join("events").join(&function)) {
            let payload = serde_json::from_str(&project::read(&path)).unwrap();
            let answer = functions.invoke(&function, payload).await;
            writeln!(told, "  {}: {}", project::name(&path), summary(&answer)).unwrap();
            let logged = logs::take();
            let found = logs::found_in(&logged, SECRETS.iter().copied());
            assert_eq!(found, Vec::<String>::new());
            for error in errors(&logged) {
                writeln!(told, "    {error}").unwrap();
            }
        }
    }
    functions.stack.stop().await;
    insta::assert_snapshot!(told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_catching_up_that_the_time_does_not_suffice_for_is_an_alarm() {
    let functions = Functions::start().await;
    let payload = project::root().join("events/catching-up/rule.json");
    let payload = serde_json::from_str(&project::read(&payload)).unwrap();
    let now = functions.stack.app.clock.now();
    let answer = catching_up::handle(&functions.stack.app, &Metrics::Nowhere, &payload, now).await;
    assert_eq!(answer.unwrap()["finished"], false);
    let logged = logs::take();
    let mut records = logged
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let told = records
        .find(|record| record["alarm"] == "AgreementsUnchecked")
        .expect("an alarm");
    assert_eq!(told["level"], "ERROR");
    assert_eq!(told["run.listed"], 0);
    functions.stack.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_another_origin_is_refused_before_anything_is_written() {
    let functions = Functions::start().await;
    logs::begin();
    let writes = || {
        let calls = functions.stack.fake.dynamodb_calls();
        let writes = ["DeleteItem", "PutItem", "TransactWriteItems", "UpdateItem"];
        let writes = writes.iter().filter_map(|operation| calls.get(operation));
        writes.sum::<u64>()
    };
    let before = writes();
    let events = project::root().join("events");
    let of = |path: &str| serde_json::from_str::<Value>(&project::read(events.join(path))).unwrap();
    let event = of("marketplace-events/another-origin.json");
    // What one queue is for is nothing for the other.
    let (reports, ours) = (
        of("usage-intake/queue.json"),
        of("marketplace-events/license-updated.json"),
    );
    for (function, payload) in [
        ("marketplace-events", event),
        ("marketplace-events", reports),
        ("usage-intake", ours),
    ] {
        let messages = payload["Records"].as_array().unwrap().len();
        let answer = functions.invoke(function, payload).await.unwrap();
        let failed = answer["batchItemFailures"].as_array().unwrap();
        assert_eq!(failed.len(), messages, "{function}: {answer}");
    }
    assert_eq!(writes(), before);
    functions.stack.stop().await;
}

/// What is made of a message of AWS Marketplace.
fn understood(body: &str) -> String {
    let queued = ("queued", Timestamp::UNIX_EPOCH);
    if let Some(notification) = parse_notification(body, queued) {
        let notification = notification.unwrap();
        return format!("SNS -> {:?}", notification.action);
    }
    match parse_event(body.as_bytes()) {
        Ok(event) => format!("{} -> {:?}", event.detail_type, event.kind),
        Err(malformed) => malformed.to_string(),
    }
}

#[test]
fn every_event_is_understood_whether_it_is_the_proposers_or_the_manufacturers() {
    let mut told = String::new();
    let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for path in project::entries(&project::root().join("events/marketplace-events")) {
        let payload: Value = serde_json::from_str(&project::read(&path)).unwrap();
        let name = project::name(&path);
        for message in payload["Records"].as_array().into_iter().flatten() {
            let understood = understood(message["body"].as_str().unwrap());
            writeln!(told, "{name}: {understood}").unwrap();
            let suffixes = ["-proposer.json", "-manufacturer.json"];
            let family = suffixes.iter().find_map(|suffix| name.strip_suffix(suffix));
            if let (Some(family), Some((_, kind))) = (family, understood.split_once(" -> ")) {
                let of_family = kinds.entry(family.to_owned()).or_default();
                of_family.push(kind.to_owned());
            }
        }
    }
    for (family, kinds) in &kinds {
        assert_eq!(kinds.len(), 2, "{family} has both suffixes");
        assert_eq!(kinds[0], kinds[1], "{family}");
    }
    insta::assert_snapshot!(told);
}

#[test]
fn every_function_has_payloads() {
    assert_eq!(
        project::directories("events"),
        project::directories("functions")
    );
}

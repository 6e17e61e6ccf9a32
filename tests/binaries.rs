//! The built Lambda binaries: they start, take their payloads, call AWS where they
//! are told to, do their work there, and answer. Here under a runtime API of ours;
//! `emulator` does the same to what `sam build` built, under AWS's emulator.
//!
//! The binaries read the machine's clock. AWS's, which is the local stack's,
//! stands at the start of an hour four hours ago: that hour is over for the
//! binaries, one of those that they check, and not in the future for AWS. So that
//! they believe their clock, AWS's answers are dated by it, except where a test
//! is about that.

mod emulator;
mod lambda;

use std::fmt::Write as _;
use std::num::NonZeroU16;

use app::Clock as _;
use axum::Router;
use axum::http::header::DATE;
use axum::middleware::map_response;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::audit::Actor;
use domain::hour::Hour;
use domain::ids::{AccountId, LicenseId};
use domain::usage::partition::Part;
use fake_aws::OfferKind;
use jiff::SignedDuration;
use local::Config;
use local::product::{ACME_PRODUCTION, ACME_STAGING};
use runtime::clock::SystemClock;
use runtime::settings::{ALL, Scope, Setting};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::built::built;
use crate::events::SECRETS;
use crate::linking::link;
use crate::logs::{self, Stack};
use crate::project;
use crate::roles::Gate;
use lambda::{Answer, Payload, process, serve};

/// What runs a function.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Host {
    /// A runtime API of ours runs the program that was built with the tests.
    Ours,
    /// AWS's emulator runs the program that `sam build` built.
    Emulator,
}

impl Host {
    /// What a function wrote of what was written: the emulator may name the function
    /// that it plays, in an AWS account of its own making.
    fn written_by(self, log: &str) -> String {
        match self {
            Self::Ours => log.to_owned(),
            Self::Emulator => {
                let records = log.lines().filter(|line| line.starts_with('{'));
                records.collect::<Vec<_>>().join("\n")
            }
        }
    }
}

/// Every setting that has no default, and one that has.
const SETTINGS: &[(&str, &str)] = &[
    ("AWS_REGION", "us-east-1"),
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
    // Without one there would be no feeds to read.
    ("DATA_FEEDS_BUCKET", "seller-data-feeds"),
];

/// AWS, and the seller's pages, which the binaries do not serve by themselves.
struct Aws {
    host: Host,
    stack: Stack,
}

impl Aws {
    async fn start(host: Host) -> Self {
        let stack = Stack::start(Config {
            start: Some(Hour::of(SystemClock::default().now()).plus(-4).start()),
            ..Config::default()
        });
        Self {
            host,
            stack: stack.await.unwrap(),
        }
    }

    /// Starts a function and invokes it; it writes nothing that it must not,
    /// and calls nothing that its role does not allow.
    async fn invoke(&self, function: &str, payloads: Vec<Payload>) -> Vec<Answer> {
        let undated = map_response(async |mut answer: Response| {
            // The server sets the machine's date.
            answer.headers_mut().remove(DATE);
            answer
        });
        let aws = self.stack.fake.router().layer(undated);
        self.invoke_over(aws, function, payloads).await
    }

    /// The same, over these answers of AWS.
    async fn invoke_over(
        &self,
        aws: Router,
        function: &str,
        payloads: Vec<Payload>,
    ) -> Vec<Answer> {
        let mut servers = JoinSet::new();
        let gate = Gate::of(function);
        let aws = serve(&mut servers, gate.before(aws)).await;
        let aws = format!("http://{aws}");
        let more = [("AWS_ENDPOINT_URL", aws.as_str()), ("LOG_LEVEL", "debug")];
        let settings = [SETTINGS, more.as_slice()].concat();
        let invoked = match self.host {
            Host::Ours => lambda::invoke(function, &settings, payloads).await,
            Host::Emulator => emulator::invoke(function, &settings, payloads).await,
        };
        let client_secret = fake_aws::Config::default().secret;
        let held = [client_secret.as_str(), "secret-access-key"];
        let secrets = SECRETS.iter().chain(&held).copied();
        let found = logs::found_in(&self.host.written_by(&invoked.log), secrets);
        assert_eq!(found, Vec::<String>::new(), "{function}");
        assert_eq!(gate.refused(), [], "{function}");
        invoked.answers
    }

    /// What a function answers to one payload.
    async fn answer(&self, function: &str, payload: String) -> Value {
        let payloads = vec![("payload".to_owned(), payload)];
        let answer = self.invoke(function, payloads).await.remove(0);
        assert!(answer.ok, "{function}: {}", answer.body);
        answer.body
    }

    fn hour(&self) -> Hour {
        Hour::of(self.stack.fake.now())
    }
}

/// The texts of a JSON value, however deep.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
    }
}

/// The payload of a function that it does not understand: an error that repeats
/// nothing of it. All others are answered.
fn not_understood(function: &str) -> &'static str {
    match function {
        "registration" | "console" => "not-http.json",
        "usage-intake" => "neither.json",
        "marketplace-events" => "not-a-queue.json",
        _ => "not-a-schedule.json",
    }
}

/// What an answer tells its caller: of HTTP the status, of a queue what is to be
/// delivered again, of a schedule that nothing failed.
fn told(Answer { ok, body, .. }: &Answer) -> String {
    if !ok {
        return "error".to_owned();
    }
    if let Some(status) = body["statusCode"].as_u64() {
        return format!("HTTP {status}");
    }
    if let Some(failures) = body["batchItemFailures"].as_array() {
        return format!("again: {}", json!(failures));
    }
    assert!(body.is_object(), "{body}");
    let failed = body["failed"].as_u64().unwrap_or_default();
    let whole = body["finished"].as_bool().unwrap_or(true);
    assert!(failed == 0 && whole, "{body}");
    "done".to_owned()
}

/// Runs a function with all of its payloads, and compares what it answers with what
/// it answered in the other host.
pub(crate) async fn answers_its_payloads(host: Host, function: &str) {
    let aws = Aws::start(host).await;
    let payloads = project::entries(&project::root().join("events").join(function))
        .iter()
        .map(|path| {
            (
                project::name(path),
                payload(&aws, function, &project::name(path)),
            )
        })
        .collect();
    let mut all = String::new();
    for answer in aws.invoke(function, payloads).await {
        writeln!(all, "{}: {}", answer.payload, told(&answer)).unwrap();
        let Answer { payload, ok, body } = answer;
        assert_eq!(ok, payload != not_understood(function), "{payload}: {body}");
        if ok {
            continue;
        }
        let message = body["errorMessage"].as_str().unwrap();
        assert!(message.contains("expected"), "{payload}: {message}");
        let sent = project::read(format!("events/{function}/{payload}"));
        for text in texts(&serde_json::from_str(&sent).unwrap()) {
            assert!(
                text.len() < 3 || !message.contains(text),
                "{payload}: {message}"
            );
        }
    }
    insta::assert_snapshot!(format!("{function}-answers"), all);
}

/// A payload of a function; a usage report is of an hour that is over.
fn payload(aws: &Aws, function: &str, file: &str) -> String {
    match function {
        "usage-intake" => report_of(aws.hour(), file),
        _ => project::read(format!("events/{function}/{file}")),
    }
}

/// A payload of the usage-intake function, about another hour.
fn report_of(hour: Hour, file: &str) -> String {
    let hour = hour.to_string();
    let (prefix, _) = hour.split_once(':').unwrap();
    let about = |text: &str| text.replace("2026-11-22T09", prefix);
    let mut payload = project::read(format!("events/usage-intake/{file}"));
    let sent: Value = serde_json::from_str(&payload).unwrap();
    if sent["isBase64Encoded"] == true {
        let encoded = sent["body"].as_str().unwrap();
        let body = String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap();
        payload = payload.replace(encoded, &STANDARD.encode(about(&body)));
    }
    about(&payload)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registration_binary_answers_its_payloads() {
    answers_its_payloads(Host::Ours, "registration").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_binary_answers_its_payloads() {
    answers_its_payloads(Host::Ours, "console").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usage_intake_binary_answers_its_payloads() {
    answers_its_payloads(Host::Ours, "usage-intake").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_marketplace_events_binary_answers_its_payloads() {
    answers_its_payloads(Host::Ours, "marketplace-events").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usage_posting_binary_answers_its_payloads() {
    answers_its_payloads(Host::Ours, "usage-posting").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usage_submission_binary_answers_its_payloads() {
    answers_its_payloads(Host::Ours, "usage-submission").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grace_expiry_binary_answers_its_payloads() {
    answers_its_payloads(Host::Ours, "grace-expiry").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catching_up_binary_answers_its_payloads() {
    answers_its_payloads(Host::Ours, "catching-up").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_check_binary_answers_its_payloads() {
    answers_its_payloads(Host::Ours, "ledger-check").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reconciliation_binary_answers_its_payloads() {
    answers_its_payloads(Host::Ours, "reconciliation").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_binaries_take_a_report_post_it_and_submit_it_to_aws() {
    bill_a_report(Host::Ours).await;
}

/// Usage is taken by HTTP and through the queue, posted, and accepted by AWS.
pub(crate) async fn bill_a_report(host: Host) {
    let aws = Aws::start(host).await;
    let (stack, hour) = (&aws.stack, aws.hour());
    let bought = stack
        .fake
        .create_agreement(OfferKind::Public, "777788889999")
        .await
        .unwrap();
    link(
        &stack.seller_url,
        &bought.registration_token,
        ACME_PRODUCTION,
    )
    .await;

    // The same computers by HTTP and through the queue: they count once.
    let by_http = report_of(hour, "http.json");
    let by_queue = report_of(hour, "queue.json");
    let payloads = vec![
        ("new".to_owned(), by_http.clone()),
        ("again".to_owned(), by_http),
        ("queue".to_owned(), by_queue),
    ];
    let answers = aws.invoke("usage-intake", payloads).await;
    let [new, again, queue] = answers.as_slice() else {
        panic!("{answers:?}");
    };
    assert_eq!(new.body["statusCode"], 201, "{new:?}");
    assert_eq!(again.body["statusCode"], 200, "{again:?}");
    assert_eq!(queue.body, json!({"batchItemFailures": []}));
    let account = AccountId::parse(ACME_PRODUCTION).unwrap();
    let part = Part::all(NonZeroU16::MIN).next().unwrap();
    let stored = stack.app.store.reports(&account, part, hour).await.unwrap();
    assert_eq!(stored.reports.len(), 2, "{stored:?}");

    let scheduled = |function: &str| project::read(format!("events/{function}/scheduler.json"));
    // By the date of AWS's answers the hour is not over.
    let payload = ("payload".to_owned(), scheduled("usage-posting"));
    let dated = stack.fake.router();
    let early = aws.invoke_over(dated, "usage-posting", vec![payload]).await;
    assert_eq!(early[0].body["account_hours"], 0, "{early:?}");
    let posted = aws
        .answer("usage-posting", scheduled("usage-posting"))
        .await;
    assert_eq!(posted["failed"], 0, "{posted}");
    assert!(posted["account_hours"].as_u64() >= Some(1), "{posted}");
    let submitted = aws
        .answer("usage-submission", scheduled("usage-submission"))
        .await;
    assert_eq!(submitted["failed"], 0, "{submitted}");
    let mut accepted: Vec<(String, u64)> = stack
        .fake
        .accepted_records()
        .iter()
        .filter(|record| record.hour == hour.start() && record.quantity > 0)
        .map(|record| (record.dimension.to_string(), record.quantity))
        .collect();
    accepted.sort();
    let expected = [
        ("datacenter", 1),
        ("large", 2),
        ("medium", 2),
        ("xlarge", 1),
    ];
    let expected = expected.map(|(dimension, quantity)| (dimension.to_owned(), quantity));
    assert_eq!(accepted, expected, "{submitted}");
    let again = aws
        .answer("usage-submission", scheduled("usage-submission"))
        .await;
    assert_eq!(again["calls"], 0, "{again}");
    let checked = aws.answer("ledger-check", scheduled("ledger-check")).await;
    let billed = ["reported", "lines", "billed", "differences"].map(|name| &checked[name]);
    assert_eq!(billed, [7, 6, 6, 0], "{checked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_marketplace_events_binary_stores_a_license() {
    store_a_license(Host::Ours).await;
}

/// A license of AWS's events is in the table.
pub(crate) async fn store_a_license(host: Host) {
    let aws = Aws::start(host).await;
    let license = LicenseId::parse("l-5c1f0e9a7b3d4c2e8f6a1b2c3d4e5f60").unwrap();
    let store = &aws.stack.app.store;
    assert!(store.license(&license).await.unwrap().is_none());
    let payload = project::read("events/marketplace-events/license-updated.json");
    let answer = aws.answer("marketplace-events", payload).await;
    assert_eq!(answer, json!({"batchItemFailures": []}));
    let stored = store.license(&license).await.unwrap().unwrap();
    assert_eq!(stored.id, license);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registration_binary_takes_a_token_of_aws() {
    take_a_token(Host::Ours).await;
}

/// A registration token is resolved by AWS, and not repeated.
pub(crate) async fn take_a_token(host: Host) {
    let aws = Aws::start(host).await;
    let bought = aws
        .stack
        .fake
        .create_agreement(OfferKind::Public, "777788889999")
        .await
        .unwrap();
    let payload = project::read("events/registration/token-unknown.json");
    let token = bought.registration_token.replace('+', "%2B");
    let payload = payload.replace("AQICAHh0aGlzIGlzIG5vIHRva2Vu", &token);
    let answer = aws.answer("registration", payload).await;
    assert_eq!(answer["statusCode"], 303, "{answer}");
    assert!(!answer.to_string().contains(&token), "{answer}");
    // Credentials are in the environment, so every call must be signed.
    for operation in ["GetSecretValue", "ResolveCustomer"] {
        let calls = aws.stack.fake.calls();
        let call = calls.iter().find(|call| call.operation == operation);
        let access_key = call.unwrap().access_key.as_deref();
        assert_eq!(access_key, Some("AKIAIOSFODNN7EXAMPLE"), "{operation}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grace_expiry_binary_ends_what_fell_due() {
    end_what_fell_due(Host::Ours).await;
}

/// An annual subscription whose end fell due is ended, once.
pub(crate) async fn end_what_fell_due(host: Host) {
    let aws = Aws::start(host).await;
    let staging = AccountId::parse(ACME_STAGING).unwrap();
    let in_an_hour = aws
        .stack
        .fake
        .now()
        .checked_add(SignedDuration::from_hours(1));
    aws.stack
        .app
        .activate_annual(&staging, Some(in_an_hour.unwrap()), &Actor::Product)
        .await
        .unwrap();
    let payload = project::read("events/grace-expiry/scheduler.json");
    let answer = aws.answer("grace-expiry", payload.clone()).await;
    assert_eq!(
        (&answer["recorded"], &answer["failed"]),
        (&json!(1), &json!(0))
    );
    let again = aws.answer("grace-expiry", payload).await;
    assert_eq!(again["recorded"], 0, "{again}");
}

/// Whether a function reads a setting.
fn reads(function: &str, setting: &Setting) -> bool {
    match setting.scope {
        Scope::Every => true,
        Scope::Site => matches!(function, "registration" | "console" | "usage-intake"),
        Scope::SignIn => matches!(function, "registration" | "console"),
        Scope::Reconciliation => function == "reconciliation",
    }
}

/// What a function says that does not start with these settings.
async fn refusal(function: &str, settings: &[(&str, &str)]) -> String {
    let output = process(&built(function), settings).output().await.unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{function} started: {told}");
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn no_binary_starts_without_one_of_its_settings_and_each_names_the_one() {
    for function in project::directories("functions") {
        let needed = ALL
            .iter()
            .filter(|setting| setting.default.is_none() && reads(&function, setting));
        for setting in needed {
            let others: Vec<_> = SETTINGS
                .iter()
                .copied()
                .filter(|(name, _)| *name != setting.name)
                .collect();
            assert_eq!(others.len() + 1, SETTINGS.len(), "{}", setting.name);
            let told = refusal(&function, &others).await;
            let expected = format!("{} is not set", setting.name);
            assert!(told.contains(&expected), "{function}: {told}");
            assert_eq!(told.matches(" is not set").count(), 1, "{told}");
            assert!(!told.contains(" is wrong"), "{told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binary_names_every_setting_that_is_wrong_and_no_value() {
    let wrong = "value-\u{7}";
    // Any text may be the name of a method.
    let checked = ALL
        .iter()
        .filter(|setting| setting.name != "SIGN_IN_CREDENTIAL_METHODS");
    let settings: Vec<_> = ALL.iter().map(|setting| (setting.name, wrong)).collect();
    for function in project::directories("functions") {
        let told = refusal(&function, &settings).await;
        assert!(!told.contains(wrong), "{function}: {told}");
        for setting in checked.clone().filter(|setting| reads(&function, setting)) {
            let expected = format!("{} is wrong", setting.name);
            assert!(told.contains(&expected), "{function}: {expected}: {told}");
        }
    }
}

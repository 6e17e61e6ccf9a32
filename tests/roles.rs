//! Each function's role allows what the function calls, and nothing else.
//!
//! The template is held against what the functions are seen to call on the local
//! stack while every story is played; the built binaries run behind a gate that
//! refuses what their role does not allow, as IAM would.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use domain::hour::Hour;
use fake_aws::DATA_FEEDS_BUCKET;
use local::{Config, Observer};
use serde_json::{Value, json};
use tokio::process::Command;

use crate::logs::{self, Stack};
use crate::project;
use crate::stories::script::Story;
use crate::template::{crate_of, functions, template};

/// An action on a resource, as the template writes it.
type Grant = (String, String);

/// What a function's role allows and the function is not seen to call, and why.
fn not_seen(function: &str) -> Vec<(&'static str, &'static str)> {
    // Lambda takes messages from a queue in the function's name.
    let polled = |queue| {
        [
            ("sqs:DeleteMessage", queue),
            ("sqs:GetQueueAttributes", queue),
            ("sqs:ReceiveMessage", queue),
        ]
    };
    // Lambda sends an invocation that failed to the dead letters.
    let failed = ("sqs:SendMessage", "ScheduleDeadLetters.Arn");
    // A program asks for secrets at its start; the built binaries are seen to.
    let secrets = ["SignInClientSecretArn", "SignInSecret", "OriginSecret"]
        .map(|secret| ("secretsmanager:GetSecretValue", secret));
    match function {
        "registration" => secrets.into(),
        // With ZERO_RECORDS sent, a license that support links has a slot for each hour.
        "console" => {
            let slots = ["dynamodb:DescribeTable", "dynamodb:PutItem"];
            let slots = slots.map(|action| (action, "Usage.Arn"));
            [secrets.as_slice(), slots.as_slice()].concat()
        }
        "usage-intake" => polled("UsageReportsQueue.Arn").into(),
        "marketplace-events" => polled("MarketplaceEventsQueue.Arn").into(),
        // The local product never falls silent; to the built binary one does.
        "ledger-check" => vec![failed, ("dynamodb:GetItem", "Subscriptions.Arn")],
        "catching-up" | "grace-expiry" | "reconciliation" | "usage-posting"
        | "usage-submission" => vec![failed],
        other => panic!("what is not seen of {other}?"),
    }
}

/// One text, or a list of them, or either by a condition.
fn texts(value: &Value) -> Vec<String> {
    let one = std::slice::from_ref(value);
    let all = match value["Fn::If"].as_array() {
        Some(choice) => &choice[1..],
        None => value.as_array().map_or(one, Vec::as_slice),
    };
    all.iter()
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

/// What a role of the template allows.
fn allowed_by(role: &Value) -> BTreeSet<Grant> {
    let properties = &role["Properties"];
    assert_eq!(properties["ManagedPolicyArns"], Value::Null);
    let mut allowed = BTreeSet::new();
    for policy in properties["Policies"].as_array().unwrap() {
        for statement in policy["PolicyDocument"]["Statement"].as_array().unwrap() {
            // One that holds under a condition is as good as any.
            let statement = statement["Fn::If"].get(1).unwrap_or(statement);
            assert_eq!(statement["Effect"], "Allow");
            for action in texts(&statement["Action"]) {
                for resource in texts(&statement["Resource"]) {
                    allowed.insert((action.clone(), resource));
                }
            }
        }
    }
    allowed
}

/// What the role of a function allows, and its log group.
fn allowed(function: &str) -> (BTreeSet<Grant>, String) {
    let template = template();
    let functions = functions(&template);
    let (_, resource) = functions
        .iter()
        .find(|(_, resource)| crate_of(resource) == function)
        .unwrap();
    let properties = &resource["Properties"];
    let role = properties["Role"].as_str().unwrap();
    let role = role.strip_suffix(".Arn").unwrap();
    let log = properties["LoggingConfig"]["LogGroup"].as_str().unwrap();
    (allowed_by(&template["Resources"][role]), log.to_owned())
}

#[test]
fn no_policy_beside_its_own_allows_a_role_more() {
    let template = template();
    let resources = template["Resources"].as_object().unwrap();
    let beside: Vec<&str> = resources
        .iter()
        .filter(|(_, resource)| {
            let kind = resource["Type"].as_str().unwrap();
            kind.starts_with("AWS::IAM::") && kind != "AWS::IAM::Role"
        })
        .map(|(id, _)| id.as_str())
        .collect();
    assert_eq!(beside, ["TableKeyUse"]);
    let key = &resources["TableKeyUse"]["Properties"]["PolicyDocument"]["Statement"];
    let statements = key.as_array().unwrap();
    for statement in statements {
        assert_eq!(statement["Resource"], "TableKeyArn");
        for action in texts(&statement["Action"]) {
            assert!(action.starts_with("kms:"), "{action}");
        }
    }
    // SAM would add these to a role that it makes itself.
    for (id, function) in functions(&template) {
        assert_eq!(function["Properties"]["Policies"], Value::Null, "{id}");
    }
}

/// What each function was seen to call.
type Seen = BTreeMap<&'static str, BTreeSet<Grant>>;

/// What no story does, in the stories' language.
const BESIDE_THE_STORIES: [&str; 6] = [
    // A person unlinks; the month's amounts are compared on the 3rd of the next.
    "clock 2026-11-28T09:50:00Z
    subscribe L1 public 777788889999
    register L1
    sign-in alice
    link acme-staging
    until 2026-11-28T12:15:00Z
    unlink acme-staging
    until 2026-12-03T02:05:00Z",
    // Usage waits for a buyer for so long that it goes into a later hour.
    "clock 2026-11-22T09:50:00Z
    subscribe L1 public 777788889999
    register L1
    sign-in alice
    link acme-staging
    until 2026-11-22T10:20:00Z
    suspend 777788889999
    until 2026-11-23T14:00:00Z",
    // A buyer comes with a license that has just ended.
    "clock 2026-11-22T09:50:00Z
    subscribe L1 public 777788889999
    register L1
    sign-in alice
    link acme-staging
    until 2026-11-22T11:05:00Z
    cancel L1
    token L1
    register L1",
    // A buyer comes with a contract of which AWS has said what it entitles to.
    "clock 2026-11-22T09:50:00Z
    subscribe L1 consumption 777788889999
    until 2026-11-22T10:10:00Z
    register L1
    sign-in alice
    link acme-staging
    token L1
    register L1",
    // A license that is not active a while after its buyer came is asked about.
    "clock 2026-11-22T09:50:00Z
    subscribe L1 public 777788889999 starts_at=2026-11-22T12:20:00Z
    register L1
    sign-in alice
    until 2026-11-22T10:00:00Z",
    // An account that is too large for one part.
    "clock 2026-11-22T09:50:00Z
    subscribe L1 public 777788889999
    register L1
    sign-in alice
    link acme-staging
    report acme-staging 2026-11-22T09:00:00Z a 4500 medium
    report acme-staging 2026-11-22T09:00:00Z b 4500 medium
    report acme-staging 2026-11-22T09:00:00Z c 4500 medium
    report acme-staging 2026-11-22T09:00:00Z d 4500 medium
    report acme-staging 2026-11-22T09:00:00Z e 4500 medium
    report acme-staging 2026-11-22T09:00:00Z f 4500 medium
    until 2026-11-22T10:15:00Z",
];

/// The product calls its API as the document of it says.
async fn use_api(observer: Observer) {
    let config = Config {
        observer: Some(observer),
        ..Config::default()
    };
    let stack = Stack::start(config).await.unwrap();
    let used = Command::new(project::tool("python"))
        .arg("tests/wire/openapi/check_api.py")
        .arg(&stack.seller_url)
        .arg(Hour::of(stack.fake.now()).to_string())
        .current_dir(project::root())
        .kill_on_drop(true)
        .output();
    let output = used.await.unwrap();
    assert!(output.status.success(), "{output:?}");
    stack.stop().await;
}

/// Plays the stories, but for those of purchases to their last invoice, and what no
/// story does, before somebody who notes which function calls what.
async fn seen() -> Seen {
    let seen: Arc<Mutex<Seen>> = Arc::default();
    let noted = Arc::clone(&seen);
    let observer = Observer::new(move |function, parts, body| {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        logs::keep_secret(body["RegistrationToken"].as_str().unwrap_or_default());
        let grants = needed(target(parts), &body);
        noted
            .lock()
            .unwrap()
            .entry(function)
            .or_default()
            .extend(grants);
    });
    let stories = project::entries(&project::root().join("tests/stories"));
    let is_story = |path: &&PathBuf| path.extension().is_some_and(|kind| kind == "story");
    let stories = stories.iter().filter(is_story).map(project::read);
    for script in stories.chain(BESIDE_THE_STORIES.map(ToOwned::to_owned)) {
        Story::play_before(&script, Some(observer.clone())).await;
    }
    use_api(observer).await;
    let seen = seen.lock().unwrap();
    seen.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_allows_what_its_function_is_seen_to_call_and_nothing_else() {
    let seen = seen().await;
    check_that_logs_were_searched();
    let mut wrong = Vec::new();
    for function in project::directories("functions") {
        let (allowed, log) = allowed(&function);
        let mut called: BTreeSet<Grant> = ["logs:CreateLogStream", "logs:PutLogEvents"]
            .map(|action| (action.to_owned(), format!("{log}.Arn")))
            .into();
        let others = not_seen(&function).into_iter();
        called.extend(others.map(|(action, resource)| (action.to_owned(), resource.to_owned())));
        called.extend(seen.get(function.as_str()).cloned().unwrap_or_default());
        let lacks: Vec<_> = called.difference(&allowed).collect();
        let exceeds: Vec<_> = allowed.difference(&called).collect();
        if !lacks.is_empty() || !exceeds.is_empty() {
            wrong.push(format!(
                "{function} lacks {lacks:#?} and exceeds by {exceeds:#?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The stories' stacks search what is logged ([`logs`]): this was a search of something.
fn check_that_logs_were_searched() {
    let searched = logs::searched();
    for logged in [
        "app",
        "marketplace_events",
        "usage_posting",
        "usage_submission",
    ] {
        let by = |target: &String| target.split("::").next() == Some(logged);
        assert!(searched.iter().any(by), "{logged} of {searched:?}");
    }
    let secrets = logs::secrets();
    // Registration tokens, cookies and what guards forms; each stack draws the same anew.
    let long = secrets.iter().filter(|secret| secret.len() >= 64);
    assert!(long.count() > 20, "{secrets:?}");
}

/// AWS's gate before a function's calls.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    allowed: Arc<BTreeSet<Grant>>,
    refused: Arc<Mutex<Vec<Grant>>>,
}

impl Gate {
    /// The gate that the role of a function opens.
    pub(crate) fn of(function: &str) -> Self {
        let (allowed, _) = allowed(function);
        Self {
            allowed: Arc::new(allowed),
            refused: Arc::default(),
        }
    }

    /// AWS's APIs behind the gate.
    pub(crate) fn before(&self, aws: Router) -> Router {
        aws.layer(from_fn_with_state(self.clone(), check))
    }

    /// What was called and is not allowed.
    pub(crate) fn refused(&self) -> Vec<Grant> {
        self.refused.lock().unwrap().clone()
    }
}

async fn check(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let body_read = serde_json::from_slice(&body).unwrap_or_default();
    let refused: Vec<Grant> = needed(target(&parts), &body_read)
        .into_iter()
        .filter(|grant| !gate.allowed.contains(grant))
        .collect();
    if refused.is_empty() {
        return next.run(Request::from_parts(parts, Body::from(body))).await;
    }
    gate.refused.lock().unwrap().extend(refused);
    let error = json!({"__type": "AccessDeniedException", "message": "not authorized"});
    (StatusCode::BAD_REQUEST, error.to_string()).into_response()
}

/// What a call asks for: an operation, or where one is.
fn target(parts: &Parts) -> &str {
    let target = parts.headers.get("x-amz-target");
    target.map_or(parts.uri.path(), |target| target.to_str().unwrap())
}

/// What IAM asks for before it lets a call through.
fn needed(target: &str, body: &Value) -> Vec<Grant> {
    if let Some(key) = target.strip_prefix(&format!("/{DATA_FEEDS_BUCKET}")) {
        let bucket = "arn:${AWS::Partition}:s3:::${DataFeedsBucket}";
        let folder = key.trim_matches('/').split('/').next();
        return vec![match folder.unwrap_or_default() {
            "" => ("s3:ListBucket".to_owned(), bucket.to_owned()),
            folder => ("s3:GetObject".to_owned(), format!("{bucket}/{folder}/*")),
        }];
    }
    let (service, operation) = target.rsplit_once(['.', '/']).unwrap();
    let on_table = |action: &str, item: &Value| {
        let table = item["TableName"].as_str().unwrap();
        let resource = match item["IndexName"].as_str() {
            Some(index) => format!("${{{table}.Arn}}/index/{index}"),
            None => format!("{table}.Arn"),
        };
        (format!("dynamodb:{action}"), resource)
    };
    match (service, operation) {
        ("DynamoDB_20120810", "TransactWriteItems") => {
            let actions = body["TransactItems"].as_array().unwrap();
            let actions = actions.iter().flat_map(|item| item.as_object().unwrap());
            actions
                .map(|(kind, item)| on_table(&format!("{kind}Item"), item))
                .collect()
        }
        ("DynamoDB_20120810", "BatchGetItem") => {
            let tables = body["RequestItems"].as_object().unwrap().keys();
            tables
                .map(|table| (format!("dynamodb:{operation}"), format!("{table}.Arn")))
                .collect()
        }
        ("DynamoDB_20120810", _) => vec![on_table(operation, body)],
        ("secretsmanager", _) => vec![(
            format!("secretsmanager:{operation}"),
            "SignInClientSecretArn".to_owned(),
        )],
        (_, _) => vec![(format!("aws-marketplace:{operation}"), "*".to_owned())],
    }
}

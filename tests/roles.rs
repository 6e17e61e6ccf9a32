//! Each function's role allows what its use cases call, and nothing else.
//!
//! The template is held against a list here; the built binaries run behind a
//! gate that refuses what their role does not allow, as IAM would.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use fake_aws::DATA_FEEDS_BUCKET;
use serde_json::{Value, json};

use crate::project;
use crate::template::{crate_of, functions, template};

/// An action on a resource, as the template writes it.
type Grant = (String, String);

/// What a function's use cases call, by resource, beyond writing its log.
fn calls(function: &str) -> &'static [(&'static str, &'static [&'static str])] {
    match function {
        // A change that a person confirms is conditioned on their membership.
        "registration" => &[
            (
                "Subscriptions.Arn",
                &[
                    "dynamodb:ConditionCheckItem",
                    "dynamodb:DeleteItem",
                    "dynamodb:GetItem",
                    "dynamodb:PutItem",
                    "dynamodb:Query",
                ],
            ),
            // A buyer may come with a license that has just ended, or one whose
            // contract is to be used up first.
            ("Usage.Arn", &["dynamodb:PutItem", "dynamodb:Query"]),
            ("*", &["aws-marketplace:ResolveCustomer"]),
            ("SignInClientSecretArn", SECRET),
            ("SignInSecret", SECRET),
        ],
        "console" => &[
            (
                "Subscriptions.Arn",
                &[
                    "dynamodb:ConditionCheckItem",
                    "dynamodb:DeleteItem",
                    "dynamodb:GetItem",
                    "dynamodb:PutItem",
                    "dynamodb:Query",
                ],
            ),
            // A license that support links may be reported for hours without usage.
            (
                "Usage.Arn",
                &["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
            ),
            ("SignInClientSecretArn", SECRET),
            ("SignInSecret", SECRET),
        ],
        "usage-intake" => &[
            ("Subscriptions.Arn", &["dynamodb:GetItem"]),
            ("Usage.Arn", &["dynamodb:GetItem", "dynamodb:PutItem"]),
            ("UsageReportsQueue.Arn", QUEUE),
        ],
        "marketplace-events" => &[
            (
                "Subscriptions.Arn",
                &["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
            ),
            // A license that ended, what another is entitled to, and a hold that
            // AWS says is over.
            (
                "Usage.Arn",
                &["dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:Query"],
            ),
            ("MarketplaceEventsQueue.Arn", QUEUE),
        ],
        // An account too large for its parts gets more of them.
        "usage-posting" => &[
            (
                "Subscriptions.Arn",
                &["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
            ),
            (
                "Usage.Arn",
                &[
                    "dynamodb:BatchGetItem",
                    "dynamodb:DeleteItem",
                    "dynamodb:GetItem",
                    "dynamodb:PutItem",
                    "dynamodb:Query",
                    "dynamodb:UpdateItem",
                ],
            ),
            ("${Usage.Arn}/index/work", &["dynamodb:Query"]),
            ("ScheduleDeadLetters.Arn", &["sqs:SendMessage"]),
        ],
        "usage-submission" => &[
            ("Subscriptions.Arn", &["dynamodb:GetItem", "dynamodb:Query"]),
            (
                "Usage.Arn",
                &[
                    "dynamodb:DeleteItem",
                    "dynamodb:GetItem",
                    "dynamodb:PutItem",
                    "dynamodb:Query",
                    "dynamodb:UpdateItem",
                ],
            ),
            ("${Usage.Arn}/index/work", &["dynamodb:Query"]),
            ("*", &["aws-marketplace:BatchMeterUsage"]),
            ("ScheduleDeadLetters.Arn", &["sqs:SendMessage"]),
        ],
        "grace-expiry" => &[
            (
                "Subscriptions.Arn",
                &[
                    "dynamodb:GetItem",
                    "dynamodb:PutItem",
                    "dynamodb:Query",
                    "dynamodb:UpdateItem",
                ],
            ),
            ("${Subscriptions.Arn}/index/due", &["dynamodb:Query"]),
            // What AWS answers about a license may end it, or say what is included.
            ("Usage.Arn", &["dynamodb:PutItem", "dynamodb:Query"]),
            (
                "*",
                &[
                    "aws-marketplace:DescribeAgreement",
                    "aws-marketplace:GetAgreementTerms",
                    "aws-marketplace:GetEntitlements",
                    "aws-marketplace:SearchAgreements",
                ],
            ),
            ("ScheduleDeadLetters.Arn", &["sqs:SendMessage"]),
        ],
        "catching-up" => &[
            (
                "Subscriptions.Arn",
                &["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
            ),
            ("Usage.Arn", &["dynamodb:PutItem", "dynamodb:Query"]),
            ("*", &["aws-marketplace:SearchAgreements"]),
            ("ScheduleDeadLetters.Arn", &["sqs:SendMessage"]),
        ],
        // It reads the ledger, and writes nothing but the days that it sums up.
        "ledger-check" => &[
            (
                "Usage.Arn",
                &[
                    "dynamodb:BatchGetItem",
                    "dynamodb:GetItem",
                    "dynamodb:PutItem",
                    "dynamodb:Query",
                ],
            ),
            ("ScheduleDeadLetters.Arn", &["sqs:SendMessage"]),
        ],
        // It reads what we have billed and what AWS says, and keeps what it found.
        "reconciliation" => &[
            (
                "Subscriptions.Arn",
                &["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"],
            ),
            ("Usage.Arn", &["dynamodb:Query"]),
            ("*", &["aws-marketplace:ListAgreementInvoiceLineItems"]),
            (
                "arn:${AWS::Partition}:s3:::${DataFeedsBucket}",
                &["s3:ListBucket"],
            ),
            (
                "arn:${AWS::Partition}:s3:::${DataFeedsBucket}/*",
                &["s3:GetObject"],
            ),
            ("ScheduleDeadLetters.Arn", &["sqs:SendMessage"]),
        ],
        other => panic!("what does {other} call?"),
    }
}

/// What Lambda takes messages from a queue with, in the function's name.
const QUEUE: &[&str] = &[
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "sqs:ReceiveMessage",
];

/// What our client secret is read with, whichever of the two places it is in.
const SECRET: &[&str] = &["secretsmanager:GetSecretValue"];

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
fn each_role_allows_what_its_function_calls_and_nothing_else() {
    for function in project::directories("functions") {
        let (allowed, log) = allowed(&function);
        let mut called: BTreeSet<Grant> = ["logs:CreateLogStream", "logs:PutLogEvents"]
            .map(|action| (action.to_owned(), format!("{log}.Arn")))
            .into();
        for (resource, actions) in calls(&function) {
            let grants = actions.iter().map(|action| (*action).to_owned());
            called.extend(grants.map(|action| (action, (*resource).to_owned())));
        }
        let lacks: Vec<_> = called.difference(&allowed).collect();
        let exceeds: Vec<_> = allowed.difference(&called).collect();
        assert!(
            lacks.is_empty() && exceeds.is_empty(),
            "{function} lacks {lacks:?} and exceeds by {exceeds:?}"
        );
    }
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
    let target = parts.headers.get("x-amz-target");
    let target = target.map_or(parts.uri.path(), |target| target.to_str().unwrap());
    let refused: Vec<Grant> = needed(target, &serde_json::from_slice(&body).unwrap_or_default())
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

/// What IAM asks for before it lets a call through.
fn needed(target: &str, body: &Value) -> Vec<Grant> {
    if let Some(key) = target.strip_prefix(&format!("/{DATA_FEEDS_BUCKET}")) {
        let bucket = "arn:${AWS::Partition}:s3:::${DataFeedsBucket}";
        return vec![match key.trim_matches('/') {
            "" => ("s3:ListBucket".to_owned(), bucket.to_owned()),
            _ => ("s3:GetObject".to_owned(), format!("{bucket}/*")),
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

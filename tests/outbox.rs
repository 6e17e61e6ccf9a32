//! What the pipe of `template.yaml` makes of the outbox: of the table's stream, as
//! the embedded DynamoDB writes it, the events are the documented ones.
//!
//! The pipe is played as AWS documents it: a filter's pattern names the values that a
//! field may have or begin with; a path in the template or a parameter is replaced
//! by what stands there, a text as it is (EventBridge user guide, "Pipes input
//! transformation" and "Pipes event filtering").

use domain::ids::AccountId;
use fake_aws::OfferKind;
use hyper::{HeaderMap, Method};
use jiff::SignedDuration;
use local::product::{ACME_PRODUCTION, ACME_STAGING};
use local::{Config, Local};
use serde_json::{Value, json};

use crate::linking::link;
use crate::logs::Stack;
use crate::project;
use crate::stories::person::send;
use crate::template::template;

/// A call of DynamoDB Streams.
async fn streams(stack: &Local, operation: &str, request: Value) -> Value {
    let mut headers = HeaderMap::new();
    let target = format!("DynamoDBStreams_20120810.{operation}");
    headers.insert("x-amz-target", target.parse().unwrap());
    headers.insert(
        "content-type",
        "application/x-amz-json-1.0".parse().unwrap(),
    );
    let (status, _, body) = send(Method::POST, &stack.aws_url, headers, request.to_string()).await;
    assert_eq!(status, 200, "{operation}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// Every record of a table's stream, the oldest first.
async fn records(stack: &Local, table: &str) -> Vec<Value> {
    let listed = streams(stack, "ListStreams", json!({"TableName": table})).await;
    let stream = listed["Streams"][0]["StreamArn"].clone();
    let described = streams(stack, "DescribeStream", json!({"StreamArn": stream})).await;
    let shards = described["StreamDescription"]["Shards"].as_array().unwrap();
    let mut records = Vec::new();
    for shard in shards {
        let from = json!({"StreamArn": stream, "ShardId": shard["ShardId"],
                          "ShardIteratorType": "TRIM_HORIZON"});
        let mut next = streams(stack, "GetShardIterator", from).await["ShardIterator"].clone();
        while next.is_string() {
            let page = streams(stack, "GetRecords", json!({"ShardIterator": next})).await;
            let new = page["Records"].as_array().unwrap();
            if new.is_empty() {
                break;
            }
            records.extend(new.iter().cloned());
            next = page["NextShardIterator"].clone();
        }
    }
    records
}

/// Whether a pattern of EventBridge's takes a value.
fn takes(pattern: &Value, value: &Value) -> bool {
    match pattern {
        Value::Object(fields) => fields
            .iter()
            .all(|(name, pattern)| takes(pattern, &value[name])),
        Value::Array(any) => any.iter().any(|one| match one["prefix"].as_str() {
            Some(prefix) => value.as_str().is_some_and(|text| text.starts_with(prefix)),
            None => one == value,
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            panic!("not a pattern: {pattern}")
        }
    }
}

/// What stands at a path such as `$.dynamodb.NewImage`.
fn at<'a>(path: &str, record: &'a Value) -> &'a str {
    let path = path.strip_prefix("$.").unwrap();
    let value = path.split('.').fold(record, |value, name| &value[name]);
    value
        .as_str()
        .unwrap_or_else(|| panic!("{path} is no text of {record}"))
}

/// What the pipe makes of a record; `None` when its filter leaves it out.
fn piped(pipe: &Value, record: &Value) -> Option<Value> {
    let filters = pipe["SourceParameters"]["FilterCriteria"]["Filters"].as_array();
    let pattern = |filter: &Value| -> Value {
        serde_json::from_str(filter["Pattern"].as_str().unwrap()).unwrap()
    };
    if !filters
        .unwrap()
        .iter()
        .any(|filter| takes(&pattern(filter), record))
    {
        return None;
    }
    let target = &pipe["TargetParameters"];
    let template = target["InputTemplate"].as_str().unwrap();
    let path = template
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix('>'));
    let detail = at(path.expect("the template is one path"), record);
    let detail_type = target["EventBridgeEventBusParameters"]["DetailType"].as_str();
    Some(json!({
        "detail-type": at(detail_type.unwrap(), record),
        // What PutEvents takes: a JSON object.
        "detail": serde_json::from_str::<serde_json::Map<_, _>>(detail).unwrap(),
    }))
}

/// The names under which events are documented.
fn documented() -> Value {
    let document = project::read("shared/web/assets/openapi.json");
    let document: Value = serde_json::from_str(&document).unwrap();
    document["webhooks"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pipe_makes_of_the_stream_just_the_events_that_are_shown_locally() {
    let stack = Stack::start(Config {
        start: Some("2026-11-22T10:00:00Z".parse().unwrap()),
        ..Config::default()
    })
    .await
    .unwrap();
    let bought = stack
        .fake
        .create_agreement(OfferKind::Public, "777788889999")
        .await
        .unwrap();
    for account in [ACME_PRODUCTION, ACME_STAGING] {
        let token = stack.fake.new_token(&bought.license_arn).unwrap();
        link(&stack.seller_url, &token, account).await;
    }
    stack
        .fake
        .advance_by(SignedDuration::from_hours(25))
        .await
        .unwrap();
    stack
        .fake
        .cancel_agreement(&bought.agreement_id)
        .await
        .unwrap();

    let template = template();
    let pipe = &template["Resources"]["OutboxPipe"]["Properties"];
    assert_eq!(pipe["Source"], "Subscriptions.StreamArn");
    let records = records(&stack, "Subscriptions").await;
    let mut piped: Vec<String> = records
        .iter()
        .filter_map(|record| piped(pipe, record))
        .map(|event| event.to_string())
        .collect();
    assert!(
        records.len() > piped.len(),
        "the stream has more than the outbox"
    );
    let mut shown = Vec::new();
    for account in [ACME_PRODUCTION, ACME_STAGING] {
        let account = AccountId::parse(account).unwrap();
        for event in stack.app.events_of(&account).await.unwrap().unwrap() {
            shown.push(json!({"detail-type": event.name(), "detail": event}).to_string());
        }
    }
    // Others' accounts were opened too; a license's events are shown with both of its accounts.
    shown.sort();
    shown.dedup();
    piped.sort();
    let of_these: Vec<String> = piped
        .iter()
        .filter(|event| shown.contains(event))
        .cloned()
        .collect();
    assert_eq!(of_these, shown);
    let documented = documented();
    for event in &piped {
        let event: Value = serde_json::from_str(event).unwrap();
        let name = event["detail-type"].as_str().unwrap();
        let example = &documented[name]["post"]["requestBody"]["content"]["application/json"];
        assert_eq!(
            event["detail"]["event"], example["example"]["event"],
            "{event}"
        );
    }
    let kinds = [
        "account access changed",
        "grace started",
        "grace ending",
        "usage requested",
    ];
    for kind in kinds {
        let name = format!("\"detail-type\":\"{kind}\"");
        assert!(
            piped.iter().any(|event| event.contains(&name)),
            "{kind}: {piped:#?}"
        );
    }
    stack.stop().await;
}

#[test]
fn an_item_that_expires_or_is_no_event_does_not_go_out() {
    let template = template();
    let pipe = &template["Resources"]["OutboxPipe"]["Properties"];
    let record = |event: &str, sk: &str| {
        json!({"eventName": event, "dynamodb": {
            "Keys": {"pk": {"S": "account#a"}, "sk": {"S": sk}},
            "NewImage": {"body": {"M": {"detail_type": {"S": "grace started"}, "detail": {"S": "{}"}}}},
        }})
    };
    assert!(piped(pipe, &record("INSERT", "outbox#000000000001#00")).is_some());
    for (event, sk) in [
        ("REMOVE", "outbox#000000000001#00"),
        ("INSERT", "audit#1"),
        ("MODIFY", "account"),
    ] {
        assert!(piped(pipe, &record(event, sk)).is_none(), "{event} {sk}");
    }
}

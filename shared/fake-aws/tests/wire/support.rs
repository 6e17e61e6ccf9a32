//! A fake on a loopback port, clients for it, and a few requests.

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb as dynamodb;
use aws_sdk_marketplaceagreement as agreement;
use aws_sdk_marketplaceentitlement as entitlement;
use aws_sdk_marketplacemetering as metering;
use axum::body::Body;
use fake_aws::{Config, FakeAws, NewAgreement, OfferKind};
use futures_util::FutureExt as _;
use http::Request;
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use serde_json::{Value, json};
use tower::ServiceExt as _;

pub(crate) const BUYER: &str = "444455556666";
pub(crate) const OTHER_BUYER: &str = "777788889999";

pub(crate) const TEMPLATE: &str = r#"
Resources:
  Things:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: !Sub "${AWS::StackName}-things"
      BillingMode: PAY_PER_REQUEST
      KeySchema:
        - {AttributeName: pk, KeyType: HASH}
        - {AttributeName: sk, KeyType: RANGE}
      AttributeDefinitions:
        - {AttributeName: pk, AttributeType: S}
        - {AttributeName: sk, AttributeType: S}
        - {AttributeName: lane, AttributeType: S}
        - {AttributeName: due, AttributeType: N}
      GlobalSecondaryIndexes:
        - IndexName: by-due
          KeySchema: [{AttributeName: lane, KeyType: HASH}, {AttributeName: due, KeyType: RANGE}]
          Projection: {ProjectionType: ALL}
      StreamSpecification: {StreamViewType: NEW_IMAGE}
      TimeToLiveSpecification: {AttributeName: expires_at, Enabled: true}
"#;

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A clock that stands at 2026-11-22 10:00, and one table.
pub(crate) fn config() -> Config {
    Config {
        template: TEMPLATE.to_owned(),
        start: Some(at("2026-11-22T10:00:00Z")),
        ..Config::default()
    }
}

pub(crate) async fn fake() -> FakeAws {
    FakeAws::start(config()).await.unwrap()
}

/// Serves `fake` on a free port until the test ends; its address.
#[expect(
    clippy::disallowed_methods,
    reason = "the server lives as long as the test's runtime"
)]
pub(crate) async fn serve(fake: &FakeAws) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = fake.router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

macro_rules! client {
    ($name:ident, $crate_name:ident) => {
        pub(crate) fn $name(endpoint: &str) -> $crate_name::Client {
            use $crate_name::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
            let config = $crate_name::Config::builder()
                .behavior_version(BehaviorVersion::v2026_01_12())
                .region(Region::new("us-east-1"))
                .endpoint_url(endpoint)
                .credentials_provider(Credentials::new(
                    "AKIDEXAMPLE",
                    "secret",
                    None,
                    None,
                    "test",
                ))
                .retry_config(RetryConfig::disabled())
                .http_client(aws_smithy_http_client::Builder::new().build_http())
                .build();
            $crate_name::Client::from_conf(config)
        }
    };
}

client!(dynamodb_client, dynamodb);
client!(metering_client, metering);
client!(entitlement_client, entitlement);
client!(agreement_client, agreement);

pub(crate) async fn subscribe(fake: &FakeAws, offer: OfferKind) -> NewAgreement {
    fake.create_agreement(offer, BUYER).await.unwrap()
}

/// One request, in process: status, content type, body.
pub(crate) async fn request(
    fake: &FakeAws,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> (u16, String, Vec<u8>) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body.into()).unwrap();
    let response = fake.router().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let header = response.headers().get("content-type");
    let content_type = header
        .map_or("", |value| value.to_str().unwrap())
        .to_owned();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, content_type, body.to_vec())
}

/// One request of an AWS JSON API: status and answer.
pub(crate) async fn aws(fake: &FakeAws, target: &str, body: &Value) -> (u16, Value) {
    let headers = [
        ("x-amz-target", target),
        ("content-type", "application/x-amz-json-1.1"),
    ];
    let (status, _, body) = request(fake, "POST", "/", &headers, body.to_string()).await;
    let body = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&body).unwrap()
    };
    (status, body)
}

/// One request of the control API.
pub(crate) async fn control(fake: &FakeAws, path: &str, body: &Value) -> (u16, Value) {
    let (status, _, body) = request(fake, "POST", path, &[], body.to_string()).await;
    (status, serde_json::from_slice(&body).unwrap())
}

/// `BatchMeterUsage` of raw records.
pub(crate) async fn meter(fake: &FakeAws, records: &[Value]) -> (u16, Value) {
    let body = json!({"UsageRecords": records});
    aws(fake, "AWSMPMeteringService.BatchMeterUsage", &body).await
}

/// A record of `quantity` for the hour that starts at `timestamp`.
pub(crate) fn usage(license_arn: &str, dimension: &str, timestamp: &str, quantity: i64) -> Value {
    json!({
        "Timestamp": at(timestamp).as_second(),
        "CustomerAWSAccountId": BUYER,
        "LicenseArn": license_arn,
        "Dimension": dimension,
        "Quantity": quantity,
    })
}

/// The name of an error answer.
pub(crate) fn kind(answer: &Value) -> &str {
    let kind = answer["__type"].as_str().unwrap();
    kind.rsplit('#').next().unwrap()
}

pub(crate) const CREATED: &str = "Purchase Agreement Created - Proposer";
pub(crate) const UPDATED: &str = "License Updated - Manufacturer";
pub(crate) const ENDED: &str = "Purchase Agreement Ended - Proposer";
pub(crate) const DEPROVISIONED: &str = "License Deprovisioned - Manufacturer";
pub(crate) const ENDING: &str = "Purchase Agreement Ending - Proposer";
pub(crate) const AMENDED: &str = "Purchase Agreement Amended - Proposer";
pub(crate) const ISSUED: &str = "Purchase Agreement Advisory Issued - Manufacturer";
pub(crate) const RESOLVED: &str = "Purchase Agreement Advisory Resolved - Manufacturer";

/// What a target was given.
pub(crate) type Received = Arc<Mutex<Vec<Value>>>;

/// A target that fails its first `failures` deliveries.
pub(crate) fn listen(fake: &FakeAws, failures: usize) -> Received {
    let received = Received::default();
    let (seen, left) = (Arc::clone(&received), Arc::new(Mutex::new(failures)));
    fake.on_event(Arc::new(move |event| {
        let mut left = left.lock().unwrap();
        let answer = if *left > 0 {
            *left -= 1;
            Err("not now".to_owned())
        } else {
            seen.lock().unwrap().push(event);
            Ok(())
        };
        async move { answer }.boxed()
    }));
    received
}

pub(crate) fn kinds(received: &Received) -> Vec<String> {
    let received = received.lock().unwrap();
    received
        .iter()
        .map(|event| event["detail-type"].as_str().unwrap().to_owned())
        .collect()
}

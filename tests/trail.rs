//! The trail through the log, by which an operator goes from a browser's request to
//! AWS's metering record, and back: each line leads to the next by the ids in it.

use domain::hour::Hour;
use fake_aws::OfferKind;
use hyper::{HeaderMap, Method};
use jiff::SignedDuration;
use local::product::ACME_PRODUCTION;
use local::{Config, USAGE_API_KEY};
use serde_json::{Value, json};

use crate::linking::link;
use crate::logs::{self, Stack};
use crate::stories::person::send;

/// The first line of the log that says this and has these fields.
fn line(says: &str, fields: &[(&str, &Value)]) -> Value {
    let log = logs::so_far();
    let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
    let mut found = lines.filter(|line: &Value| {
        line["message"] == says && fields.iter().all(|(name, value)| line[*name] == **value)
    });
    let first = found.next();
    first.unwrap_or_else(|| panic!("no line says {says:?} with {fields:?}"))
}

/// Which request of API Gateway's a line was written for.
fn request(line: &Value) -> &Value {
    &line["spans"][0]["http.request_id"]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_leads_from_a_browser_s_request_to_aws_s_metering_record() {
    let start = "2026-11-22T09:15:00Z".parse().unwrap();
    let config = Config {
        start: Some(start),
        ..Config::default()
    };
    let stack = Stack::start(config).await.unwrap();
    stack.silence_product();
    let bought = stack
        .fake
        .create_agreement(OfferKind::Public, "111122223333");
    let token = bought.await.unwrap().registration_token;
    link(&stack.seller_url, &token, ACME_PRODUCTION).await;

    // The registration: whoever has the browser's request finds account and license.
    let linked = line("A license was linked to an account", &[]);
    assert!(request(&linked).is_string(), "{linked}");
    assert_eq!(linked["account.id"], ACME_PRODUCTION);

    // The report: its answer tells the request, the log the account's hour.
    let hour = Hour::of(stack.fake.now());
    let report = json!({
        "account": ACME_PRODUCTION, "hour": hour, "report_id": "traced",
        "computers": [{
            "agent_id": "agent-1", "connector": {"kind": "aws"},
            "size": {"instance_type": "m5.large"},
            "protected": [["2026-11-22T09:20:00Z", "2026-11-22T09:40:00Z"]],
        }],
    });
    let mut headers = HeaderMap::new();
    let key = format!("Bearer {USAGE_API_KEY}");
    headers.insert("authorization", key.parse().unwrap());
    headers.insert("content-type", "application/json".parse().unwrap());
    let url = format!("{}/api/usage-reports", stack.seller_url);
    stack
        .fake
        .advance_by(SignedDuration::from_mins(30))
        .await
        .unwrap();
    let (status, answered, body) = send(Method::POST, &url, headers, report.to_string()).await;
    assert_eq!(status, 201, "{body}");
    let recorded = line(
        "Recorded a usage report",
        &[("usage.report", &json!("traced"))],
    );
    assert_eq!(
        request(&recorded),
        answered["apigw-requestid"].to_str().unwrap()
    );

    // Posting: into which slot of which license that hour went.
    stack
        .fake
        .advance_by(SignedDuration::from_hours(2))
        .await
        .unwrap();
    let of_hour = [
        ("account.id", &recorded["account.id"]),
        ("usage.hour", &recorded["usage.hour"]),
    ];
    let posted = line("Posted an account's hour into a slot", &of_hour);
    assert_eq!(posted["license.id"], linked["license.id"]);

    // Submission: what AWS says of that slot.
    let of_slot = [
        ("license.id", &posted["license.id"]),
        ("usage.slot", &posted["usage.slot"]),
        ("record.state", &json!("billed")),
    ];
    let billed = line("A usage record changed", &of_slot);
    let records = stack.fake.state()["metering_records"].clone();
    let mut ids = records
        .as_array()
        .unwrap()
        .iter()
        .map(|record| &record["metering_record_id"]);
    assert!(
        ids.any(|id| *id == billed["record.metering_id"]),
        "{billed} {records}"
    );
    stack.stop().await;
}

//! `POST /api/usage-reports` over HTTP.

use hyper::Method;
use local::USAGE_API_KEY;
use serde_json::{Value, json};

use super::client::{Answer, Client};
use super::stack;

fn report() -> Value {
    json!({
        "account": "acme-production",
        "hour": "2026-11-22T10:00:00Z",
        "report_id": "by-http-1",
        "computers": [
            { "agent_id": "http-1", "instance_id": "i-http1", "connector": { "kind": "aws", "cloud_account_id": "123456789012" }, "size": { "instance_type": "m5.large" } },
            { "agent_id": "http-2", "connector": null, "size": null },
        ],
    })
}

fn with(pointer: &str, value: Value) -> String {
    let mut report = report();
    *report.pointer_mut(pointer).expect("a field") = value;
    report.to_string()
}

async fn send(client: &mut Client, key: &str, body: &str) -> Answer {
    let key = format!("Bearer {key}");
    let headers = [
        ("content-type", "application/json"),
        ("authorization", key.as_str()),
    ];
    client
        .send(Method::POST, "/api/usage-reports", &headers, body)
        .await
}

fn problem(answer: &Answer) -> Value {
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    serde_json::from_str(&answer.body).expect("JSON")
}

#[tokio::test]
async fn a_report_is_new_then_the_same_then_another_under_its_id() {
    let stack = stack().await;
    let mut product = Client::new(&stack.seller_url);
    send(&mut product, USAGE_API_KEY, &report().to_string())
        .await
        .is(201);
    send(&mut product, USAGE_API_KEY, &report().to_string())
        .await
        .is(200);
    let other = with("/computers/0/agent_id", json!("http-9"));
    let answer = send(&mut product, USAGE_API_KEY, &other).await;
    answer.is(409);
    assert_eq!(problem(&answer)["field"], "report_id");
}

#[tokio::test]
async fn a_report_that_breaks_a_rule_is_refused_by_the_name_of_its_field() {
    let stack = stack().await;
    let mut product = Client::new(&stack.seller_url);
    for (body, field) in [
        (with("/account", json!("nobody-secret")), "account"),
        (with("/hour", json!("2026-11-22T11:00:00Z")), "hour"),
        (with("/hour", json!("2026-11-20T09:00:00Z")), "hour"),
        (with("/hour", json!("2026-11-22T10:30:00Z")), "hour"),
        (
            with(
                "/computers",
                json!(vec![report()["computers"][1].clone(); 5001]),
            ),
            "computers",
        ),
        (
            with("/computers/0/connector/kind", json!("secret")),
            "computers[0].connector.kind",
        ),
        (with("/computers/0", json!({})), "computers[0].agent_id"),
        (with("/computers/0/size", json!({})), "computers[0].size"),
        (
            with(
                "/computers/0/size",
                json!({ "instance_type": "secret", "vcpus": 2 }),
            ),
            "computers[0].size",
        ),
        (
            with("/computers/0/size", json!({ "vcpus": -1 })),
            "computers[0].size.vcpus",
        ),
    ] {
        let answer = send(&mut product, USAGE_API_KEY, &body).await;
        answer.is(422);
        let problem = problem(&answer);
        assert_eq!(problem["field"], field, "{problem}");
        assert_eq!(problem["status"], 422);
        assert!(problem["detail"].is_string());
        answer.does_not_say("secret");
    }
}

#[tokio::test]
async fn without_the_key_nothing_is_read() {
    let stack = stack().await;
    let mut product = Client::new(&stack.seller_url);
    for key in ["", "wrong", &USAGE_API_KEY[1..]] {
        let answer = send(&mut product, key, "not even JSON").await;
        answer.is(401);
        problem(&answer);
    }
    let json = [("content-type", "application/json")];
    let answer = product
        .send(
            Method::POST,
            "/api/usage-reports",
            &json,
            &report().to_string(),
        )
        .await;
    answer.is(401);
}

#[tokio::test]
async fn what_is_no_json_or_too_large_is_refused() {
    let stack = stack().await;
    let mut product = Client::new(&stack.seller_url);
    let answer = send(&mut product, USAGE_API_KEY, "{\"account\": secret").await;
    answer.is(400);
    answer.does_not_say("secret");
    let large = " ".repeat(4 * 1024 * 1024 + 1);
    let answer = send(&mut product, USAGE_API_KEY, &large).await;
    answer.is(413);
    assert_eq!(problem(&answer)["title"], "The body is too large");
}

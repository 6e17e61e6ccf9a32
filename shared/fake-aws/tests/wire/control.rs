//! The control API.

use axum::body::Body;
use fake_aws::OfferKind;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::support::{BUYER, control, fake, meter, request, subscribe, usage};

#[tokio::test]
async fn a_script_plays_a_whole_purchase() {
    let fake = fake().await;
    let body = json!({"offer": "public", "buyer_account": BUYER});
    let (status, made) = control(&fake, "/_fake/agreements", &body).await;
    assert_eq!(status, 200);
    let license = made["license_arn"].as_str().unwrap();
    assert!(made["registration_token"].is_string());

    let (status, token) = control(&fake, "/_fake/tokens", &json!({"license_arn": license})).await;
    assert_eq!(status, 200);
    assert_ne!(token["registration_token"], made["registration_token"]);

    let moved = control(&fake, "/_fake/clock", &json!({"advance_seconds": 3600})).await;
    assert_eq!(moved, (200, json!({"now": "2026-11-22T11:00:00Z"})));
    let set = json!({"set": "2026-11-30T23:50:00Z"});
    let moved = control(&fake, "/_fake/clock", &set).await;
    assert_eq!(moved, (200, json!({"now": "2026-11-30T23:50:00Z"})));

    let id = made["agreement_id"].as_str().unwrap();
    let path = format!("/_fake/agreements/{id}/cancel");
    assert_eq!(control(&fake, &path, &json!({})).await.0, 200);
    assert_eq!(control(&fake, &path, &json!({})).await.0, 409);
    let ended = &fake.state()["agreements"][0];
    assert_eq!(ended["status"], "ended");
    assert_eq!(ended["ended_at"], "2026-11-30T23:50:00Z");
    assert_eq!(ended["how"], "CANCELLED");
    assert_eq!(fake.state()["licenses"][0]["state"], "ended");
}

#[tokio::test]
async fn the_state_shows_what_happened_without_tokens() {
    let fake = fake().await;
    let made = subscribe(&fake, OfferKind::Consumption).await;
    meter(
        &fake,
        &[usage(
            &made.license_arn,
            "medium",
            "2026-11-22T10:00:00Z",
            3,
        )],
    )
    .await;
    let resolve = json!({"RegistrationToken": made.registration_token});
    crate::support::aws(&fake, "AWSMPMeteringService.ResolveCustomer", &resolve).await;
    let (status, content_type, body) = request(&fake, "GET", "/_fake/state", &[], "").await;
    assert_eq!((status, content_type.as_str()), (200, "application/json"));
    let state: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(state["now"], "2026-11-22T10:00:00Z");
    assert_eq!(
        state["dimensions"],
        json!(["medium", "large", "xlarge", "datacenter"])
    );
    assert_eq!(state["offers"].as_array().unwrap().len(), 7);
    assert_eq!(state["agreements"][0]["agreement_id"], made.agreement_id);
    assert_eq!(state["licenses"][0]["license_arn"], made.license_arn);
    assert_eq!(state["agreements"][0]["status"], "active");
    assert_eq!(state["licenses"][0]["state"], "active");
    let record = &state["metering_records"][0];
    assert_eq!(record["license_arn"], made.license_arn);
    assert_eq!(record["dimension"], "medium");
    assert_eq!(record["hour"], "2026-11-22T10:00:00Z");
    assert_eq!(record["timestamp"], "2026-11-22T10:00:00Z");
    assert_eq!(record["quantity"], 3);
    assert_eq!(record["accepted_at"], "2026-11-22T10:00:00Z");
    assert!(record["metering_record_id"].is_string());
    let calls = state["calls"].as_array().unwrap();
    assert_eq!(calls.len(), 2);
    let text = String::from_utf8(body).unwrap();
    assert!(!text.contains(&made.registration_token));
}

#[tokio::test]
async fn a_bad_body_is_refused_with_the_field() {
    let fake = fake().await;
    for (path, body, field) in [
        (
            "/_fake/agreements",
            json!({"offer": "gold", "buyer_account": BUYER}),
            "offer",
        ),
        (
            "/_fake/agreements",
            json!({"offer": "public", "buyer_account": "12"}),
            "buyer_account",
        ),
        (
            "/_fake/agreements",
            json!({"offer": "public", "buyer_account": 12}),
            "buyer_account",
        ),
        (
            "/_fake/agreements",
            json!({"offer": "public", "buyer_account": BUYER, "x": 1}),
            "x",
        ),
        (
            "/_fake/agreements",
            json!({"buyer_account": BUYER}),
            "offer",
        ),
        (
            "/_fake/agreements",
            json!({"offer": "public"}),
            "buyer_account",
        ),
        ("/_fake/agreements", json!([]), "body"),
        ("/_fake/clock", json!([]), "body"),
        ("/_fake/clock", json!([1, "2026-11-30T23:50:00Z"]), "body"),
        ("/_fake/tokens", json!({"license_arn": null}), "license_arn"),
        ("/_fake/tokens", json!({}), "license_arn"),
        (
            "/_fake/clock",
            json!({"advance_seconds": 1.5}),
            "advance_seconds",
        ),
        (
            "/_fake/clock",
            json!({"set": "9999-12-31T23:59:59Z"}),
            "set",
        ),
        ("/_fake/faults", json!({"operation": "GetItem"}), "fault"),
        (
            "/_fake/faults",
            json!({"fault": "delay", "delay_ms": -1}),
            "delay_ms",
        ),
        (
            "/_fake/faults",
            json!({"operation": "GetItem", "fault": "delay"}),
            "delay_ms",
        ),
        (
            "/_fake/data-feeds/files",
            json!({"path": "dailyusagefeed_v1/year=2026/month=11/data.csv"}),
            "text",
        ),
        (
            "/_fake/faults",
            json!({"fault": "unprocessed", "records": -1}),
            "records",
        ),
        ("/_fake/clock", json!({}), "advance_seconds"),
        (
            "/_fake/clock",
            json!({"advance_seconds": -1}),
            "advance_seconds",
        ),
        (
            "/_fake/clock",
            json!({"advance_seconds": i64::MAX}),
            "advance_seconds",
        ),
        ("/_fake/clock", json!({"set": "yesterday"}), "set"),
        (
            "/_fake/clock",
            json!({"set": "2026-11-22T09:00:00Z"}),
            "set",
        ),
        (
            "/_fake/faults",
            json!({"operation": "GetItem", "fault": "sulk"}),
            "fault",
        ),
        (
            "/_fake/faults",
            json!({"operation": "Sulk", "fault": "throttle"}),
            "operation",
        ),
        (
            "/_fake/faults",
            json!({"operation": "GetItem", "fault": "throttle", "times": 0}),
            "times",
        ),
        (
            "/_fake/faults",
            json!({"operation": "GetItem", "fault": "throttle", "times": "x"}),
            "times",
        ),
        ("/_fake/faults", json!({"fault": "throttle"}), "operation"),
        ("/_fake/buyers/12/suspend", json!({}), "buyer_account"),
        (
            "/_fake/agreements",
            json!({"offer": "public", "buyer_account": BUYER, "starts_at": "9999-01-01T00:00:00Z"}),
            "starts_at",
        ),
        (
            "/_fake/data-feeds/files",
            json!({"path": "", "text": "x"}),
            "path",
        ),
        (
            "/_fake/data-feeds/files",
            json!({"path": "dailyusagefeed_v1/../x.csv", "text": "x"}),
            "path",
        ),
    ] {
        let (status, answer) = control(&fake, path, &body).await;
        assert_eq!(status, 400, "{path} {body} {answer}");
        assert_eq!(answer["field"], field, "{path} {body} {answer}");
        assert!(
            answer["error"].as_str().unwrap().starts_with(field),
            "{answer}"
        );
        assert_no_type_names(&answer);
    }
    for body in ["{not json", "", "{} {}", r#"{"set": "x", "set": "y"}"#] {
        let (status, _, answer) = request(&fake, "POST", "/_fake/clock", &[], body).await;
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!((status, &answer["field"]), (400, &json!("body")), "{body}");
        assert_no_type_names(&answer);
    }
}

#[tokio::test]
async fn a_notice_that_cannot_be_is_refused_with_the_field() {
    let fake = fake().await;
    let made = subscribe(&fake, OfferKind::PrivateYearly).await;
    let path = format!("/_fake/agreements/{}/notices", made.agreement_id);
    let say = async |body: Value| control(&fake, &path, &body).await;
    for (body, field) in [
        (json!({"notice": "ending"}), "days"),
        (json!({"notice": "ending", "days": 31}), "days"),
        (json!({"notice": "advisory_issued", "days": 30}), "days"),
        (json!({"notice": "cancellation_approved"}), "notice"),
        (json!({"notice": "cancellation_rejected"}), "notice"),
        (json!({"notice": "cancellation_withdrawn"}), "notice"),
    ] {
        let (status, answer) = say(body.clone()).await;
        assert_eq!((status, &answer["field"]), (400, &json!(field)), "{body}");
    }
    for notice in ["cancellation_pending", "cancellation_approved"] {
        assert_eq!(say(json!({"notice": notice})).await.0, 200, "{notice}");
    }
    assert_eq!(fake.state()["agreements"][0]["how"], "CANCELLED");
}

/// What a Rust program would call things says nothing to who calls it.
fn assert_no_type_names(answer: &Value) {
    let text = answer["error"].as_str().unwrap();
    for word in [
        "struct",
        "Request {",
        "element",
        "i64",
        "u32",
        "usize",
        "Option",
        "expected",
    ] {
        let allowed = word == "expected" && answer["field"] == "body";
        assert!(allowed || !text.contains(word), "{word} in {text}");
    }
}

#[tokio::test]
async fn an_instant_that_the_clock_cannot_show_is_told_from_no_instant() {
    let fake = fake().await;
    for (text, said) in [
        ("9999-12-31T23:59:59Z", "set: is out of range"),
        ("9999-12-30T23:59:59+00:00", "set: is out of range"),
        ("2026-02-30T00:00:00Z", "set: must be an instant such as"),
        ("2026-11-30T23:50", "set: must be an instant such as"),
        ("2026-11-22T09:00:00Z", "set: the clock stands at"),
    ] {
        let (status, answer) = control(&fake, "/_fake/clock", &json!({"set": text})).await;
        let error = answer["error"].as_str().unwrap();
        assert!(status == 400 && error.starts_with(said), "{text}: {error}");
    }
}

#[tokio::test]
async fn a_fault_of_unknown_kind_lists_the_known_ones() {
    let fake = fake().await;
    let body = json!({"operation": "GetItem", "fault": "sulk", "times": 1});
    let (_, answer) = control(&fake, "/_fake/faults", &body).await;
    let error = answer["error"].as_str().unwrap();
    for name in ["throttle", "lost_answer", "drop_event"] {
        assert!(error.contains(name), "{error}");
    }
}

#[tokio::test]
async fn unknown_ids_and_addresses_are_not_found() {
    let fake = fake().await;
    for (path, body) in [
        ("/_fake/agreements/agmt-none/cancel", json!({})),
        ("/_fake/tokens", json!({"license_arn": "license:l-none"})),
        ("/_fake/buyers/210987654321/suspend", json!({})),
        ("/_fake/buyers/210987654321/restore", json!({})),
        ("/_fake/nonsense", json!({})),
    ] {
        assert_eq!(control(&fake, path, &body).await.0, 404, "{path}");
    }
}

#[tokio::test]
async fn another_method_is_refused_in_json_with_those_that_are_allowed() {
    let fake = fake().await;
    for (method, path, allowed) in [
        ("GET", "/_fake/agreements", "POST"),
        ("POST", "/_fake/state", "GET,HEAD"),
        ("PUT", "/_fake/faults", "POST,DELETE"),
    ] {
        let body = Body::empty();
        let request = Request::builder().method(method).uri(path).body(body);
        let response = fake.router().oneshot(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), 405, "{path}");
        assert_eq!(response.headers()["allow"], allowed, "{path}");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let answer: Value = serde_json::from_slice(&body).unwrap();
        assert!(answer["error"].as_str().unwrap().contains(method));
    }
}

#[tokio::test]
async fn faults_can_be_listed_and_cleared() {
    let fake = fake().await;
    let body = json!({"operation": "BatchMeterUsage", "fault": "unprocessed", "times": 3});
    let (status, answer) = control(&fake, "/_fake/faults", &body).await;
    assert_eq!((status, &answer["faults"][0]["times"]), (200, &json!(3)));
    let drop = json!({"fault": "drop_event"});
    let (status, answer) = control(&fake, "/_fake/faults", &drop).await;
    assert_eq!(
        (status, &answer["faults"][1]["operation"]),
        (200, &json!("events"))
    );
    request(&fake, "DELETE", "/_fake/faults", &[], "").await;
    assert_eq!(fake.state()["faults"], json!([]));
}

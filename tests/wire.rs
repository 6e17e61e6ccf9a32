//! What others' programs meet: any AWS SDK is served by the fake, which Python's
//! boto3 shows; and the product's API is as its OpenAPI document says.

use std::net::Ipv4Addr;

use domain::hour::Hour;
use domain::outbound::OutboundEvent;
use fake_aws::{Config, FakeAws, RateLimit, Readings};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::logs::Stack;
use crate::project;

#[tokio::test(flavor = "multi_thread")]
async fn boto3_is_served_by_the_fake() {
    let python = project::tool("python");
    // The script calls as fast as it can, which is no client's way.
    let config = Config {
        readings: Readings {
            rate_limit: RateLimit::Never,
            ..Readings::default()
        },
        ..Config::default()
    };
    let fake = FakeAws::start(config).await.unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let script = Command::new(python)
        .arg("tests/wire/boto3/check_fake.py")
        .arg(url)
        .current_dir(project::root())
        .kill_on_drop(true)
        .output();
    let output = tokio::select! {
        output = script => output.unwrap(),
        served = axum::serve(listener, fake.router()) => panic!("the fake stopped: {served:?}"),
    };
    let told = String::from_utf8_lossy(&output.stdout);
    println!("{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains("boto3 is served"));
}

/// The place of an event in the list of all; a new one has to be documented too.
const fn place(event: &OutboundEvent) -> usize {
    match event {
        OutboundEvent::AccountAccessChanged { .. } => 0,
        OutboundEvent::GraceStarted { .. } => 1,
        OutboundEvent::TrialEnding { .. } => 2,
        OutboundEvent::GraceEnding { .. } => 3,
        OutboundEvent::GraceRepeated { .. } => 4,
        OutboundEvent::PayerChanged { .. } => 5,
        OutboundEvent::ChangedBySupport { .. } => 6,
        OutboundEvent::LicenseUnlinked { .. } => 7,
        OutboundEvent::UsageRequested { .. } => 8,
        OutboundEvent::AgreementNoticed { .. } => 9,
    }
}

#[test]
fn every_event_is_documented_with_an_example_that_is_as_it_is_written() {
    let document = project::read("shared/web/assets/openapi.json");
    let document: Value = serde_json::from_str(&document).unwrap();
    let mut places = Vec::new();
    for (name, documented) in document["webhooks"].as_object().unwrap() {
        let content = &documented["post"]["requestBody"]["content"]["application/json"];
        let example = &content["example"];
        let event: OutboundEvent = serde_json::from_value(example.clone()).unwrap();
        assert_eq!(event.name(), name);
        assert_eq!(serde_json::to_value(&event).unwrap(), *example);
        places.push(place(&event));
    }
    places.sort_unstable();
    assert_eq!(places, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_is_as_its_document_says() {
    let stack = Stack::start(local::Config::default()).await.unwrap();
    let output = Command::new(project::tool("python"))
        .arg("tests/wire/openapi/check_api.py")
        .arg(&stack.seller_url)
        .arg(Hour::of(stack.fake.now()).to_string())
        .current_dir(project::root())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    println!("{told}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains("as its document says"));
}

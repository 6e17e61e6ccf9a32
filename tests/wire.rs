//! What others' programs meet: any AWS SDK is served by the fake, which Python's
//! boto3 shows; and the product's API is as its OpenAPI document says.

use std::net::Ipv4Addr;

use domain::hour::Hour;
use fake_aws::{Config, FakeAws};
use local::Local;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::project;

#[tokio::test(flavor = "multi_thread")]
async fn boto3_is_served_by_the_fake() {
    let python = project::tool("python");
    let fake = FakeAws::start(Config::default()).await.unwrap();
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

#[tokio::test(flavor = "multi_thread")]
async fn the_api_is_as_its_document_says() {
    let stack = Local::start(local::Config::default()).await.unwrap();
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

//! The seller's data feeds, through AWS's own S3 client.

use aws_sdk_s3 as s3;
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use fake_aws::{DATA_FEEDS_BUCKET, FakeAws, Fault, FaultKind, OfferKind};
use serde_json::json;

use crate::support::{at, control, fake, meter, request, serve, subscribe, usage};

const USAGE: &str = "dailyusagefeed_v1/year=2026/month=11/data.csv";

fn client(endpoint: &str) -> s3::Client {
    use s3::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
    let key = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
    let config = s3::Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .credentials_provider(key)
        .retry_config(RetryConfig::disabled())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .force_path_style(true)
        .build();
    s3::Client::from_conf(config)
}

/// 5 units of the large dimension of 22 November, 10:00; the agreement's id.
async fn used(fake: &FakeAws) -> String {
    let made = subscribe(fake, OfferKind::Public).await;
    fake.advance_to(at("2026-11-22T11:30:00Z")).await.unwrap();
    let hour = "2026-11-22T10:00:00Z";
    let (status, _) = meter(fake, &[usage(&made.license_arn, "large", hour, 5)]).await;
    assert_eq!(status, 200);
    made.agreement_id
}

/// What the usage file's rows say: delete_date, usage_date and usage_quantity.
fn rows(fake: &FakeAws) -> Vec<(String, String, String)> {
    let text = fake.data_feed_file(USAGE).unwrap();
    let rows = text.lines().skip(1).map(|line| {
        let fields: Vec<&str> = line.split(',').collect();
        (
            fields[3].to_owned(),
            fields[5].to_owned(),
            fields[13].to_owned(),
        )
    });
    rows.collect()
}

fn row(deleted: &str, day: &str, quantity: &str) -> (String, String, String) {
    (deleted.to_owned(), day.to_owned(), quantity.to_owned())
}

#[tokio::test]
async fn a_days_usage_comes_at_the_next_midnight_and_what_is_late_at_the_one_after() {
    let fake = fake().await;
    let agreement = used(&fake).await;
    assert_eq!(fake.data_feed_file(USAGE), None);
    fake.advance_to(at("2026-11-23T00:30:00Z")).await.unwrap();
    let license = &fake.licenses()[0].license_arn;
    let late = usage(license, "large", "2026-11-22T23:00:00Z", 2);
    assert_eq!(meter(&fake, &[late]).await.0, 200);
    let first = row("", "2026-11-22", "5.00");
    assert_eq!(rows(&fake), std::slice::from_ref(&first));
    fake.advance_to(at("2026-11-24T00:00:00Z")).await.unwrap();
    assert_eq!(rows(&fake), [first, row("", "2026-11-22", "7.00")]);
    let text = fake.data_feed_file(USAGE).unwrap();
    assert!(
        text.contains(&agreement) && text.contains(",0.032000,"),
        "{text}"
    );
}

#[tokio::test]
async fn awss_own_client_lists_pages_and_reads_files() {
    let fake = fake().await;
    used(&fake).await;
    fake.advance_to(at("2026-12-02T12:00:00Z")).await.unwrap();
    let s3 = client(&serve(&fake).await);
    let list = s3.list_objects_v2().bucket(DATA_FEEDS_BUCKET).max_keys(2);
    let list = list.prefix("dailyusagefeed_v1/");
    let page = list.clone().send().await.unwrap();
    let keys: Vec<&str> = page
        .contents()
        .iter()
        .filter_map(s3::types::Object::key)
        .collect();
    assert_eq!(
        keys,
        [USAGE, "dailyusagefeed_v1/year=2026/month=12/data.csv"]
    );
    let modified = page.contents()[0].last_modified().unwrap();
    assert_eq!(modified.secs(), at("2026-11-30T00:00:00Z").as_second());
    let page = list.clone().max_keys(1).send().await.unwrap();
    assert_eq!(
        (page.contents().len(), page.is_truncated()),
        (1, Some(true))
    );
    let rest = list.continuation_token(page.next_continuation_token().unwrap());
    let rest = rest.send().await.unwrap();
    assert_eq!(
        (rest.contents().len(), rest.is_truncated()),
        (1, Some(false))
    );

    let got = s3.get_object().bucket(DATA_FEEDS_BUCKET).key(USAGE);
    let body = got.send().await.unwrap().body.collect().await.unwrap();
    assert_eq!(body.into_bytes(), fake.data_feed_file(USAGE).unwrap());
    for (bucket, key, code) in [
        (DATA_FEEDS_BUCKET, "nothing", "NoSuchKey"),
        ("another", USAGE, "NoSuchBucket"),
    ] {
        let error = s3.get_object().bucket(bucket).key(key).send().await;
        assert_eq!(error.unwrap_err().code(), Some(code));
    }
}

#[tokio::test]
async fn s3_fails_as_it_is_asked_to() {
    let fake = fake().await;
    used(&fake).await;
    fake.advance_to(at("2026-11-23T00:00:00Z")).await.unwrap();
    let s3 = client(&serve(&fake).await);
    let list = s3.list_objects_v2().bucket(DATA_FEEDS_BUCKET);
    for (kind, code) in [
        (FaultKind::Throttle, Some("SlowDown")),
        (FaultKind::InternalError, Some("InternalError")),
        (FaultKind::LostAnswer, None),
    ] {
        let fault = Fault::new("ListObjectsV2", kind, 1);
        fake.inject_fault(fault).unwrap();
        let error = list.clone().send().await.unwrap_err();
        assert_eq!(error.code(), code, "{kind:?}");
    }
    let empty = Fault::new("ListObjectsV2", FaultKind::EmptyPage, 1);
    fake.inject_fault(empty).unwrap();
    let page = list.clone().send().await.unwrap();
    assert!(page.contents().is_empty());
    let rest = list.continuation_token(page.next_continuation_token().unwrap());
    assert_eq!(rest.send().await.unwrap().contents().len(), 3);
}

#[tokio::test]
async fn a_figure_can_be_made_wrong_and_taken_away() {
    let fake = fake().await;
    let agreement = used(&fake).await;
    fake.advance_to(at("2026-11-23T06:00:00Z")).await.unwrap();
    let correct = |dimension: &str, quantity: i64| {
        json!({"usage_date": "2026-11-22", "agreement_id": agreement,
               "dimension": dimension, "quantity": quantity})
    };
    let path = "/_fake/data-feeds";
    assert_eq!(control(&fake, path, &correct("large", 9)).await.0, 200);
    let first = row("", "2026-11-22", "5.00");
    let second = row("", "2026-11-22", "9.00");
    assert_eq!(rows(&fake), [first.clone(), second.clone()]);
    fake.advance_to(at("2026-11-23T07:00:00Z")).await.unwrap();
    assert_eq!(control(&fake, path, &correct("large", 0)).await.0, 200);
    let gone = row("2026-11-23T07:00:00Z", "2026-11-22", "9.00");
    assert_eq!(rows(&fake), [first, second, gone]);
    // Of what was never used there is a row, too.
    assert_eq!(control(&fake, path, &correct("medium", 4)).await.0, 200);
    assert!(rows(&fake).contains(&row("", "2026-11-22", "4.00")));
    for (body, status, field) in [
        (correct("huge", 1), 400, "dimension"),
        (correct("large", -1), 400, "quantity"),
        (
            json!({"usage_date": "yesterday", "agreement_id": agreement,
                "dimension": "large", "quantity": 1}),
            400,
            "usage_date",
        ),
    ] {
        let (found, answer) = control(&fake, path, &body).await;
        assert_eq!((found, answer["field"].as_str()), (status, Some(field)));
    }
    let unknown = json!({"usage_date": "2026-11-22", "agreement_id": "agmt-no",
                         "dimension": "large", "quantity": 1});
    assert_eq!(control(&fake, path, &unknown).await.0, 404);
}

#[tokio::test]
async fn a_file_can_be_replaced_and_taken_away() {
    let fake = fake().await;
    used(&fake).await;
    fake.advance_to(at("2026-11-23T06:00:00Z")).await.unwrap();
    let path = "/_fake/data-feeds/files";
    control(&fake, path, &json!({"path": USAGE, "text": "odd"})).await;
    let url = format!("/{DATA_FEEDS_BUCKET}/{USAGE}");
    let (status, content_type, body) = request(&fake, "GET", &url, &[], "").await;
    assert_eq!(
        (status, &*content_type, &*body),
        (200, "text/csv", &b"odd"[..])
    );
    control(&fake, path, &json!({"path": USAGE, "text": null})).await;
    assert_eq!(request(&fake, "GET", &url, &[], "").await.0, 404);
}

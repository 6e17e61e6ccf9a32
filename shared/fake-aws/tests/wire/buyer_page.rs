//! The buyer's page, as a browser without script uses it.

use axum::body::Body;
use fake_aws::{Config, FakeAws, OfferKind};
use http::Request;
use tower::ServiceExt as _;

use crate::support::{BUYER, at, config, fake, meter, request, subscribe, usage};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

async fn page(fake: &FakeAws) -> String {
    let (status, content_type, body) = request(fake, "GET", "/", &[], "").await;
    assert_eq!(
        (status, content_type.as_str()),
        (200, "text/html; charset=utf-8")
    );
    String::from_utf8(body).unwrap()
}

#[tokio::test]
async fn a_buyer_subscribes_sets_up_moves_the_clock_and_cancels() {
    let fake = fake().await;
    assert!(page(&fake).await.contains("None yet. Choose an offer"));
    let body = format!("offer=free-trial&buyer_account={BUYER}&other_account=");
    let (status, _, _) = request(&fake, "POST", "/buyer/subscribe", &[FORM], body).await;
    assert_eq!(status, 303);
    let shown = page(&fake).await;
    let agreement = fake.agreements()[0].clone();
    assert!(shown.contains(&agreement.agreement_id) && shown.contains(&agreement.license_arn));
    assert!(shown.contains(r#"<form method="post" action="http://localhost:8080/register">"#));
    assert!(shown.contains(r#"name="x-amzn-marketplace-token""#));
    assert!(shown.contains(r#"name="x-amzn-marketplace-offer-type" value="free-trial""#));

    let (status, _, _) = request(&fake, "POST", "/buyer/clock", &[FORM], "hours=48").await;
    assert_eq!(status, 303);
    assert!(page(&fake).await.contains("2026-11-24 10:00"));
    let (status, _, body) = request(&fake, "POST", "/buyer/clock", &[FORM], "hours=-1").await;
    assert_eq!(status, 400);
    assert!(
        String::from_utf8(body)
            .unwrap()
            .contains("whole number of hours")
    );

    let body = format!("agreement_id={}", agreement.agreement_id);
    request(&fake, "POST", "/buyer/cancel", &[FORM], body).await;
    let shown = page(&fake).await;
    assert!(shown.contains("Cancelled 2026-11-24 10:00"));
    assert!(!shown.contains("x-amzn-marketplace-token"));
}

#[tokio::test]
async fn a_public_subscription_says_nothing_of_a_trial_and_its_token_is_kept_while_it_lives() {
    let fake = fake().await;
    subscribe(&fake, OfferKind::Public).await;
    let (first, second) = (page(&fake).await, page(&fake).await);
    assert_eq!(first, second);
    assert!(!first.contains("x-amzn-marketplace-offer-type"));
    fake.advance_by(jiff::SignedDuration::from_hours(4))
        .await
        .unwrap();
    let token = |page: &str| {
        let (_, rest) = page
            .split_once(r#"x-amzn-marketplace-token" value=""#)
            .unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    assert_ne!(token(&first), token(&page(&fake).await));
}

#[tokio::test]
async fn the_bill_and_the_records_show_what_was_accepted() {
    let fake = fake().await;
    let made = subscribe(&fake, OfferKind::Public).await;
    let mut record = usage(&made.license_arn, "datacenter", "2026-11-22T10:00:00Z", 100);
    record["UsageAllocations"] = serde_json::json!([
        {"AllocatedUsageQuantity": 60, "Tags": [{"Key": "cloudAccountID", "Value": "<999>"}]},
        {"AllocatedUsageQuantity": 40},
    ]);
    let (status, refused) = meter(&fake, &[record.clone()]).await;
    assert_eq!(status, 400, "{refused}");
    record["UsageAllocations"][0]["Tags"][0]["Value"] = "999".into();
    meter(&fake, &[record]).await;
    let shown = page(&fake).await;
    assert!(shown.contains("$6.00"), "100 hours at 0.06");
    assert!(shown.contains("cloudAccountID=999: 60") && shown.contains("untagged: 40"));
    let record = &fake.accepted_records()[0].metering_record_id;
    let cell = format!(r#"<code title="{record}">{}…</code>"#, &record[..10]);
    assert!(shown.contains(&cell), "{cell}");
}

#[tokio::test]
async fn the_bill_charges_the_hour_in_which_a_subscription_began() {
    let fake = fake().await;
    fake.advance_to(at("2026-11-22T10:17:00Z")).await.unwrap();
    let made = subscribe(&fake, OfferKind::Public).await;
    fake.advance_to(at("2026-11-22T11:30:00Z")).await.unwrap();
    for stamp in ["2026-11-22T10:17:00Z", "2026-11-22T11:00:00Z"] {
        let record = usage(&made.license_arn, "datacenter", stamp, 150);
        let (status, answer) = meter(&fake, &[record]).await;
        assert_eq!(answer["Results"][0]["Status"], "Success", "{status}");
    }
    let shown = page(&fake).await;
    assert!(shown.contains("$18.00"), "2 hours of 150 at 0.06");
    assert!(!shown.contains("$9.00"));
}

#[tokio::test]
async fn the_bill_is_in_cents_and_rates_are_shown_as_they_are() {
    let fake = fake().await;
    let made = subscribe(&fake, OfferKind::PrivateMonthly).await;
    let records = ["medium", "large"]
        .map(|dimension| usage(&made.license_arn, dimension, "2026-11-22T10:00:00Z", 62));
    meter(&fake, &records).await;
    let shown = page(&fake).await;
    assert!(shown.contains("medium $0.00935/h"));
    for amount in ["$850.00", "$0.58", "$1.69", "$852.27"] {
        assert!(shown.contains(amount), "{amount}: 0.5797 and 1.6864");
    }
    assert!(!shown.contains("rounded once"), "0.58 and 1.69 add up");
    meter(
        &fake,
        &[usage(
            &made.license_arn,
            "xlarge",
            "2026-11-22T10:00:00Z",
            60,
        )],
    )
    .await;
    let shown = page(&fake).await;
    assert!(shown.contains("$2.40"), "2.397");
    assert!(shown.contains("$854.66"), "854.6631, not the lines' 854.67");
    assert!(shown.contains("rounded once"));
}

#[tokio::test]
async fn the_page_is_strict_small_and_escapes_what_it_shows() {
    let config = Config {
        product_id: "prod-<b>x".to_owned(),
        ..config()
    };
    let fake = FakeAws::start(config).await.unwrap();
    let get = Request::get("/").body(Body::empty()).unwrap();
    let response = fake.router().oneshot(get).await.unwrap();
    let policy = response.headers()["content-security-policy"]
        .to_str()
        .unwrap();
    assert!(
        policy.starts_with("default-src 'none'; style-src 'self'"),
        "{policy}"
    );
    assert!(!policy.contains("unsafe"));
    let shown = page(&fake).await;
    assert!(shown.contains("prod-&lt;b&gt;x"));
    assert!(!shown.contains("<script") && !shown.contains("style="));
    let (status, content_type, css) = request(&fake, "GET", "/_fake/style.css", &[], "").await;
    assert_eq!(
        (status, content_type.as_str()),
        (200, "text/css; charset=utf-8")
    );
    assert!(css.len() < 10_000);
    let body = "offer=gold&buyer_account=1";
    let (status, _, body) = request(&fake, "POST", "/buyer/subscribe", &[FORM], body).await;
    assert_eq!(status, 400);
    assert!(
        String::from_utf8(body)
            .unwrap()
            .contains("Nothing was changed")
    );
}

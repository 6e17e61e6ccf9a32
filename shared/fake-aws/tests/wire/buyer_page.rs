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

#[tokio::test]
async fn a_form_without_its_fields_is_answered_by_the_field_and_what_it_takes() {
    let fake = fake().await;
    for (path, fields, told) in [
        (
            "/buyer/subscribe",
            &[][..],
            "offer: must be one of public, private-usage",
        ),
        (
            "/buyer/subscribe",
            &[("offer", "public")],
            "buyer_account: must be a string of 12 digits",
        ),
        (
            "/buyer/subscribe",
            &[
                ("offer", "public"),
                ("buyer_account", BUYER),
                ("told_by", "post"),
            ],
            "told_by: must be one of event_bridge, sns, both",
        ),
        ("/buyer/clock", &[], "hours: give a whole number"),
    ] {
        let (status, page) = send(&fake, path, fields).await;
        assert_eq!(status, 400, "{page}");
        assert!(page.contains(told), "{page}");
    }
    let older = [
        ("offer", "public"),
        ("buyer_account", BUYER),
        ("told_by", "sns"),
    ];
    assert_eq!(send(&fake, "/buyer/subscribe", &older).await.0, 303);
    assert!(page(&fake).await.contains("Customer identifier"));
}

/// A form as a browser sends it; where it leads to.
async fn send(fake: &FakeAws, path: &str, fields: &[(&str, &str)]) -> (u16, String) {
    let fields = fields.iter().map(|(name, value)| format!("{name}={value}"));
    let body = fields.collect::<Vec<String>>().join("&");
    let (status, _, page) = request(fake, "POST", path, &[FORM], body).await;
    (status, String::from_utf8(page).unwrap())
}

#[tokio::test]
async fn a_person_plays_an_agreements_whole_life() {
    let fake = fake().await;
    let buy = [
        ("offer", "private-yearly"),
        ("buyer_account", BUYER),
        ("starts_on", "2026-12-01"),
        ("auto_renewal", "yes"),
    ];
    assert_eq!(send(&fake, "/buyer/subscribe", &buy).await.0, 303);
    let first = fake.agreements()[0].agreement_id.clone();
    let shown = page(&fake).await;
    assert!(shown.contains("Begins 2026-12-01 00:00") && shown.contains("Renews itself"));
    assert!(
        !shown.contains(r#"action="/buyer/renew""#),
        "not before it begins"
    );
    fake.advance_to(at("2026-12-02T00:00:00Z")).await.unwrap();

    let amend = [
        ("agreement_id", first.as_str()),
        ("offer", ""),
        ("ends_on", "2028-01-01"),
        ("hours", "5000"),
    ];
    assert_eq!(send(&fake, "/buyer/amend", &amend).await.0, 303);
    let shown = page(&fake).await;
    assert!(shown.contains("5000 hours of each dimension") && shown.contains("2028-01-01 00:00"));

    let renew = [
        ("agreement_id", first.as_str()),
        ("license", "new"),
        ("intent", "REPLACE"),
        ("offer", "consumption"),
        ("starts_on", ""),
    ];
    assert_eq!(send(&fake, "/buyer/renew", &renew).await.0, 303);
    let shown = page(&fake).await;
    assert!(shown.contains("Replaced 2026-12-02") && shown.contains(&format!("#{first}")));
    let second = fake.agreements()[1].agreement_id.clone();
    assert_ne!(
        fake.agreements()[0].license_arn,
        fake.agreements()[1].license_arn
    );

    let of = ("agreement_id", second.as_str());
    let suspend = [of, ("standing", "suspended")];
    assert_eq!(send(&fake, "/buyer/standing", &suspend).await.0, 303);
    assert!(page(&fake).await.contains("AWS account suspended"));
    let neither = [of, ("standing", "zz")];
    let (status, body) = send(&fake, "/buyer/standing", &neither).await;
    assert_eq!(status, 400);
    assert!(body.contains("give good or suspended"), "{body}");
    assert!(page(&fake).await.contains("AWS account suspended"));
    let restore = [of, ("standing", "good")];
    assert_eq!(send(&fake, "/buyer/standing", &restore).await.0, 303);
    assert!(!page(&fake).await.contains("AWS account suspended"));
    assert_eq!(send(&fake, "/buyer/terminate", &[of]).await.0, 303);
    assert!(page(&fake).await.contains("Terminated 2026-12-02"));

    for (path, fields) in [
        ("/buyer/terminate", vec![of]),
        ("/buyer/amend", vec![of, ("hours", "many")]),
        ("/buyer/amend", vec![of, ("ends_on", "soon")]),
    ] {
        let (status, told) = send(&fake, path, &fields).await;
        assert!(
            status >= 400 && told.contains("Nothing was changed"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn usage_is_billed_to_the_agreement_that_its_license_was_of_then() {
    let fake = fake().await;
    let made = subscribe(&fake, OfferKind::Public).await;
    let at_list_price = usage(&made.license_arn, "datacenter", "2026-11-22T10:00:00Z", 100);
    meter(&fake, &[at_list_price]).await;
    fake.advance_to(at("2026-11-23T00:00:00Z")).await.unwrap();
    let of = ("agreement_id", made.agreement_id.as_str());
    let renew = [
        of,
        ("license", "same"),
        ("intent", "REPLACE"),
        ("offer", "consumption"),
    ];
    assert_eq!(send(&fake, "/buyer/renew", &renew).await.0, 303);
    let reduced = usage(&made.license_arn, "datacenter", "2026-11-23T00:00:00Z", 100);
    meter(&fake, &[reduced]).await;
    let shown = page(&fake).await;
    for amount in ["$6.00", "$5.40", "$125.40"] {
        assert!(shown.contains(amount), "{amount}");
    }
}

#[tokio::test]
async fn the_newest_fifty_subscriptions_are_shown_and_how_many_more_there_are() {
    let fake = fake().await;
    for _ in 0..53 {
        subscribe(&fake, OfferKind::Public).await;
    }
    let shown = page(&fake).await;
    assert!(shown.contains("The latest 50 are shown; there are 3 older ones."));
    let agreements = fake.agreements();
    assert!(!shown.contains(&agreements[2].agreement_id));
    assert!(shown.contains(&agreements[3].agreement_id));
}

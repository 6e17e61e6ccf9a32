//! What a data directory keeps when the process is gone from one moment to
//! the next: every test leaves without closing anything.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fake_aws::{
    Amendment, Config, FakeAws, OfferKind, Renewal, RenewalIntent, RenewedLicense, StartError,
};
use futures_util::FutureExt as _;
use jiff::SignedDuration;
use serde_json::json;

use crate::support::{BUYER, at, aws, config, meter, subscribe, usage};

/// A directory that is removed with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Scratch {
        let path = std::env::temp_dir().join(format!("fake-aws-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        Scratch(path)
    }

    fn config(&self) -> Config {
        Config {
            data_dir: Some(self.0.clone()),
            ..config()
        }
    }

    fn journal(&self) -> PathBuf {
        self.0.join("marketplace.jsonl")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

async fn put(fake: &FakeAws) -> u16 {
    let item = json!({"pk": {"S": "a"}, "sk": {"S": "1"}, "due": {"N": "7"}});
    let body = json!({"TableName": "Things", "Item": item});
    aws(fake, "DynamoDB_20120810.PutItem", &body).await.0
}

#[tokio::test]
async fn agreements_usage_tokens_the_clock_and_items_survive() {
    let scratch = Scratch::new("survive");
    let (made, state) = {
        let fake = FakeAws::start(scratch.config()).await.unwrap();
        let made = subscribe(&fake, OfferKind::PrivateYearly).await;
        fake.advance_by(SignedDuration::from_hours(2))
            .await
            .unwrap();
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
        let other = subscribe(&fake, OfferKind::Public).await;
        fake.cancel_agreement(&other.agreement_id).await.unwrap();
        fake.suspend_buyer(BUYER).await.unwrap();
        assert_eq!(put(&fake).await, 200);
        (made, fake.state())
    };
    let fake = FakeAws::start(scratch.config()).await.unwrap();
    let again = fake.state();
    for key in [
        "now",
        "agreements",
        "licenses",
        "metering_records",
        "suspended_buyers",
    ] {
        assert_eq!(again[key], state[key], "{key}");
    }
    let resolve = json!({"RegistrationToken": made.registration_token});
    let (status, _) = aws(&fake, "AWSMPMeteringService.ResolveCustomer", &resolve).await;
    assert_eq!(status, 200);
    let other = usage(&made.license_arn, "medium", "2026-11-22T10:00:00Z", 4);
    let (_, answer) = meter(&fake, &[other]).await;
    assert_eq!(answer["Results"][0]["Status"], "DuplicateRecord");
    let get = json!({"TableName": "Things", "Key": {"pk": {"S": "a"}, "sk": {"S": "1"}}});
    let (_, got) = aws(&fake, "DynamoDB_20120810.GetItem", &get).await;
    assert_eq!(got["Item"]["due"]["N"], "7");
    assert_ne!(
        subscribe(&fake, OfferKind::Public).await,
        made,
        "ids are not given twice"
    );
}

#[tokio::test]
async fn the_life_of_agreements_survives_and_goes_on_after_the_restart() {
    let scratch = Scratch::new("lifecycle");
    let state = {
        let fake = FakeAws::start(scratch.config()).await.unwrap();
        let renewed = subscribe(&fake, OfferKind::PrivateYearly).await;
        let renewal = Renewal {
            license: RenewedLicense::Same,
            intent: RenewalIntent::Replace,
            offer: Some(OfferKind::Consumption),
            starts_at: None,
        };
        fake.renew_agreement(&renewed.agreement_id, renewal)
            .await
            .unwrap();
        let later = subscribe(&fake, OfferKind::PrivateMonthly).await;
        let renewal = Renewal {
            license: RenewedLicense::New,
            starts_at: Some(at("2026-12-01T00:00:00Z")),
            ..renewal
        };
        fake.renew_agreement(&later.agreement_id, renewal)
            .await
            .unwrap();
        let amendment = Amendment {
            offer: Some(OfferKind::PrivateYearly),
            hours: Some(7),
            ..Amendment::default()
        };
        fake.amend_agreement(&later.agreement_id, amendment)
            .await
            .unwrap();
        let terminated = subscribe(&fake, OfferKind::Public).await;
        fake.terminate_agreement(&terminated.agreement_id)
            .await
            .unwrap();
        fake.state()
    };
    let fake = FakeAws::start(scratch.config()).await.unwrap();
    for key in ["agreements", "licenses"] {
        assert_eq!(fake.state()[key], state[key], "{key}");
    }
    fake.advance_to(at("2026-12-01T00:00:00Z")).await.unwrap();
    let agreements = &fake.state()["agreements"];
    let how = |number: usize| agreements[number]["how"].clone();
    assert_eq!((how(0), how(2)), (json!("REPLACED"), json!("REPLACED")));
    assert_eq!(agreements[3]["status"], "active");
}

#[tokio::test]
async fn an_event_that_was_not_delivered_is_delivered_after_the_restart() {
    let scratch = Scratch::new("events");
    {
        let fake = FakeAws::start(scratch.config()).await.unwrap();
        fake.on_event(Arc::new(|_| async { Err("down".to_owned()) }.boxed()));
        subscribe(&fake, OfferKind::Public).await;
    }
    let fake = FakeAws::start(scratch.config()).await.unwrap();
    fake.advance_by(SignedDuration::from_secs(5)).await.unwrap();
    assert_eq!(fake.state()["events_waiting"], 2, "no target yet");
    let received = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&received);
    fake.on_event(Arc::new(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        async { Ok(()) }.boxed()
    }));
    fake.tick().await;
    assert_eq!(received.load(Ordering::SeqCst), 2);
    assert_eq!(fake.state()["events_waiting"], 0);
}

#[tokio::test]
async fn an_unfinished_last_line_is_cut_off_and_the_rest_kept() {
    let scratch = Scratch::new("torn");
    let made = {
        let fake = FakeAws::start(scratch.config()).await.unwrap();
        subscribe(&fake, OfferKind::Public).await
    };
    let mut file = std::fs::OpenOptions::new()
        .append(true)
        .open(scratch.journal())
        .unwrap();
    file.write_all(b"[{\"change\":\"agreement_accepted\",\"agr")
        .unwrap();
    drop(file);
    for _ in 0..2 {
        let fake = FakeAws::start(scratch.config()).await.unwrap();
        assert_eq!(fake.agreements()[0].agreement_id, made.agreement_id);
        subscribe(&fake, OfferKind::Public).await;
    }
}

async fn refused(config: Config) -> String {
    let error = FakeAws::start(config).await.unwrap_err();
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[tokio::test]
async fn a_directory_that_cannot_be_used_says_why() {
    let scratch = Scratch::new("unusable");
    {
        let _running = FakeAws::start(scratch.config()).await.unwrap();
        assert!(refused(scratch.config()).await.contains("another process"));
    }
    let mut other = scratch.config();
    other.product_code = "another".to_owned();
    assert!(refused(other).await.contains("another product code"));

    std::fs::write(
        scratch.journal(),
        "{\"format\":\"fake-aws\",\"version\":99}\n",
    )
    .unwrap();
    assert!(refused(scratch.config()).await.contains("format"));
    std::fs::write(scratch.journal(), "somebody else's file").unwrap();
    assert!(refused(scratch.config()).await.contains("format"));
    let kept = std::fs::read_to_string(scratch.journal()).unwrap();
    assert_eq!(kept, "somebody else's file");

    let mut file = scratch.config();
    file.data_dir = Some(scratch.journal());
    assert!(refused(file).await.contains("cannot make the directory"));
}

#[tokio::test]
async fn a_corrupt_line_is_named() {
    let scratch = Scratch::new("corrupt");
    {
        let fake = FakeAws::start(scratch.config()).await.unwrap();
        subscribe(&fake, OfferKind::Public).await;
    }
    let text = std::fs::read_to_string(scratch.journal()).unwrap();
    let broken: Vec<&str> = text
        .lines()
        .enumerate()
        .map(|(n, line)| if n == 1 { "[{]" } else { line })
        .collect();
    std::fs::write(scratch.journal(), broken.join("\n") + "\n").unwrap();
    let text = refused(scratch.config()).await;
    assert!(text.contains("line 2"), "{text}");
}

#[tokio::test]
async fn tables_of_another_template_are_refused() {
    let scratch = Scratch::new("template");
    drop(FakeAws::start(scratch.config()).await.unwrap());
    let mut other = scratch.config();
    other.template = other
        .template
        .replace("AttributeName: due, KeyType", "AttributeName: sk, KeyType");
    let text = refused(other).await;
    assert!(
        text.contains("Things") && text.contains("GlobalSecondaryIndexes"),
        "{text}"
    );
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_refused_by_name() {
    for (field, config) in [
        (
            "seller_account",
            Config {
                seller_account: "12".into(),
                ..Config::default()
            },
        ),
        (
            "product_id",
            Config {
                product_id: "x".into(),
                ..Config::default()
            },
        ),
        (
            "dimensions",
            Config {
                dimensions: vec![],
                ..Config::default()
            },
        ),
        (
            "fulfillment_url",
            Config {
                fulfillment_url: "register".into(),
                ..Config::default()
            },
        ),
    ] {
        let error = FakeAws::start(config).await.unwrap_err();
        assert!(
            matches!(error, StartError::Config { field: named, .. } if named == field),
            "{error}"
        );
    }
    let made = FakeAws::start(Config::default()).await.unwrap();
    assert!(
        made.create_agreement(OfferKind::Public, BUYER)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn tables_that_were_half_made_when_the_process_was_killed_are_made_anew() {
    let scratch = Scratch::new("half-made");
    drop(FakeAws::start(scratch.config()).await.unwrap());
    let (made, half_made) = ("dynamodb.sqlite", "dynamodb.new");
    std::fs::rename(scratch.0.join(made), scratch.0.join(half_made)).unwrap();
    std::fs::write(scratch.0.join(format!("{half_made}-wal")), "unfinished").unwrap();
    std::fs::write(scratch.0.join(format!("{made}-wal")), "of no file").unwrap();
    let fake = FakeAws::start(scratch.config()).await.unwrap();
    assert_eq!(put(&fake).await, 200);
    let left = std::fs::read_dir(&scratch.0).unwrap();
    let left = left.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(left.into_iter().all(|name| !name.contains(half_made)));
}

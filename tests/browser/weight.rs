//! How much a page is, compressed, and that a month's does not ask more of
//! DynamoDB the older the month becomes.

use std::io::Write as _;
use std::ops::RangeInclusive;

use domain::hour::{HOURS_A_DAY, Hour};
use domain::ids::{AccountId, CloudAccountId, Dimension, LicenseId};
use domain::ledger::account_hour::Unbillable;
use domain::ledger::day::{DaySummary, LineEnd, LineKind, SummedHour, SummedLine};
use domain::usage::Part;
use flate2::Compression;
use flate2::write::GzEncoder;
use ledger::Written;
use local::Local;

use super::client::Client;
use super::registration::link;
use super::{stack_at, subscribe, wait};
use crate::logs::Stack;

const ACCOUNT: &str = "acme-production";

/// As asked for.
const MOST_BYTES: usize = 30 * 1024;

/// How many cloud accounts a large customer has.
const CLOUD_ACCOUNTS: u32 = 60;

fn gzipped(body: &str) -> usize {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(body.as_bytes()).unwrap();
    encoder.finish().unwrap().len()
}

/// A stack late in November, whose account's license pays for two hours of it.
async fn late_in_november() -> (Stack, LicenseId, String) {
    let stack = stack_at("2026-11-28T10:15:00Z").await;
    let bought = subscribe(&stack, "111122223333").await;
    link(&stack, &bought.registration_token, ACCOUNT)
        .await
        .is(200);
    wait(&stack, 2 * 3600).await;
    let license = bought.license_arn.rsplit(':').next().unwrap();
    let another = subscribe(&stack, "444455556666").await;
    let license = LicenseId::parse(license).unwrap();
    (stack, license, another.registration_token)
}

/// Twelve digits that look like drawn ones.
fn cloud_account_id(of: u32) -> CloudAccountId {
    let digits = 618_033_988_749 * u64::from(of + 1) % 1_000_000_000_000;
    CloudAccountId::parse(format!("{digits:012}")).unwrap()
}

/// An hour of every tier in every cloud account, no two counts the same.
fn hour_of(license: &LicenseId, hour: Hour) -> SummedHour {
    let line = |cloud_account: u32, (tier, dimension): (u32, &str)| SummedLine {
        kind: LineKind {
            license: license.clone(),
            dimension: Dimension::parse(dimension).unwrap(),
            cloud_account: Some(cloud_account_id(cloud_account)),
            carried_hours: 0,
            end: LineEnd::Accepted,
        },
        count: hour.number().unsigned_abs() % 97 + cloud_account * 7 + tier + 1,
    };
    let tiers = || (0..).zip(["medium", "large", "xlarge", "datacenter"]);
    let lines = tiers().flat_map(|tier| (0..CLOUD_ACCOUNTS).map(move |of| line(of, tier)));
    SummedHour {
        hour,
        lines: lines.collect(),
        unbillable: [(Unbillable::AgentOffline, 3)].into(),
    }
}

/// Has days of November summed up as such a customer's are.
async fn live_through(stack: &Local, license: &LicenseId, days: RangeInclusive<i32>) {
    let november = Hour::of("2026-11-01T00:00:00Z".parse().unwrap());
    for day in days {
        let first = november.plus((day - 1) * HOURS_A_DAY);
        let hours = (0..HOURS_A_DAY).map(|later| hour_of(license, first.plus(later)));
        let summary = DaySummary {
            account: AccountId::parse(ACCOUNT).unwrap(),
            part: Part(0),
            day: first,
            version: 1,
            hours: hours.collect(),
        };
        let stored = stack.app.store.put_day(&summary).await.unwrap();
        assert_eq!(stored, Written::Committed);
    }
}

/// How many requests to DynamoDB the answer to a path takes.
async fn requests(stack: &Local, browser: &mut Client, path: &str) -> u64 {
    let calls = || stack.fake.dynamodb_calls().values().sum::<u64>();
    let before = calls();
    browser.get(path).await.is(200);
    calls() - before
}

#[tokio::test]
async fn every_page_of_a_large_account_is_small_enough_for_a_slow_line() {
    let (stack, license, token) = late_in_november().await;
    live_through(&stack, &license, 1..=27).await;
    let mut browser = Client::new(&stack.seller_url);
    browser.bring_token(&token).await;
    browser.sign_in_as_alice("/register/accounts").await.is(200);
    let of_account = |rest: &str| format!("/accounts/{ACCOUNT}{rest}");
    let help = browser.get("/help").await;
    let (_, style) = help.body.split_once(r#"rel="stylesheet" href=""#).unwrap();
    let style = style.split('"').next().unwrap().to_owned();
    for path in [
        style,
        "/help".to_owned(),
        "/register".to_owned(),
        "/register/accounts".to_owned(),
        "/register/confirm?account=acme-staging".to_owned(),
        format!("/register/done?account={ACCOUNT}"),
        "/accounts".to_owned(),
        of_account(""),
        of_account("/unlink"),
        of_account("/not-cloud"),
        of_account("/usage"),
        of_account("/usage?month=2026-11&day=12"),
    ] {
        let page = browser.get(&path).await;
        page.is(200);
        let bytes = gzipped(&page.body);
        assert!(bytes < MOST_BYTES, "{path}: {bytes} bytes");
    }
    let page = browser
        .get(&of_account("/usage?month=2026-11&day=12"))
        .await;
    page.says("more are in the CSV export");
}

#[tokio::test]
async fn a_months_page_asks_no_more_of_dynamodb_when_the_month_is_older() {
    let (stack, license, _) = late_in_november().await;
    let mut browser = Client::new(&stack.seller_url);
    browser.sign_in_as_alice("/accounts").await.is(200);
    let paths = [
        "/usage?month=2026-11",
        "/usage?month=2026-11&day=3",
        "/usage.csv?month=2026-11&by=day",
    ];
    let paths = paths.map(|path| format!("/accounts/{ACCOUNT}{path}"));
    live_through(&stack, &license, 1..=3).await;
    let mut young = Vec::new();
    for path in &paths {
        young.push(requests(&stack, &mut browser, path).await);
    }
    live_through(&stack, &license, 4..=27).await;
    for (path, young) in paths.iter().zip(young) {
        let old = requests(&stack, &mut browser, path).await;
        assert_eq!(old, young, "{path}");
    }
}

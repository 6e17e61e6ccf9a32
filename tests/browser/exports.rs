//! A month's usage as files: RFC 4180, FOCUS 1.2 column by column, no formula
//! of a customer's, and the payer masked for whoever may only read.

use std::collections::{BTreeMap, BTreeSet};

use hyper::Method;
use local::{Local, USAGE_API_KEY};
use serde_json::json;

use super::client::{Answer, Client};
use super::registration::link;
use super::{stack, stop_sending, subscribe, wait};
use crate::logs::Stack;
use crate::project;

const BUYER: &str = "111122223333";

/// Where the columns of FOCUS 1.2 are written down.
const FOCUS_COLUMNS: &str = "../shared/data/focus-1.2-columns.tsv";

/// Rows by column name; an empty field is none.
type Rows = Vec<BTreeMap<String, Option<String>>>;

/// Reads CSV as RFC 4180 has it: CRLF ends a row, quotes are doubled.
fn parse(csv: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field) = (Vec::new(), Vec::new(), String::new());
    let (mut quoted, mut chars) = (false, csv.chars().peekable());
    while let Some(char) = chars.next() {
        match char {
            '"' if quoted && chars.peek() == Some(&'"') => field.push(chars.next().unwrap()),
            '"' if quoted => quoted = false,
            '"' => {
                assert!(field.is_empty(), "a quote within {field:?}");
                quoted = true;
            }
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\r' if !quoted => {
                assert_eq!(chars.next(), Some('\n'));
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            other => field.push(other),
        }
    }
    assert!(
        field.is_empty() && row.is_empty(),
        "the last row has no end"
    );
    rows
}

fn rows(answer: &Answer) -> Rows {
    answer.is(200);
    let kind = answer.headers["content-type"].to_str().unwrap();
    assert!(kind.starts_with("text/csv; charset=utf-8"), "{kind}");
    let mut rows = parse(&answer.body).into_iter();
    let header = rows.next().unwrap();
    rows.map(|row| {
        assert_eq!(row.len(), header.len(), "{row:?}");
        let values = row
            .into_iter()
            .map(|value| Some(value).filter(|v| !v.is_empty()));
        header.iter().cloned().zip(values).collect()
    })
    .collect()
}

fn text<'a>(row: &'a BTreeMap<String, Option<String>>, column: &str) -> &'a str {
    row[column].as_deref().unwrap_or_default()
}

/// Millionths of what a decimal says, exactly.
fn micros(decimal: &str) -> u64 {
    let (whole, decimals) = decimal.split_once('.').unwrap_or((decimal, ""));
    assert!(decimals.len() <= 6, "{decimal}");
    format!("{whole}{decimals:0<6}").parse().unwrap()
}

fn sum(rows: &Rows, column: &str) -> u64 {
    rows.iter().map(|row| micros(text(row, column))).sum()
}

/// A stack with some hours of usage that a buyer pays for.
async fn used() -> Stack {
    let stack = stack().await;
    let bought = subscribe(&stack, BUYER).await;
    link(&stack, &bought.registration_token, "acme-production")
        .await
        .is(200);
    wait(&stack, 16 * 3600).await;
    stack
}

async fn alice(stack: &Local) -> Client {
    let mut alice = Client::new(&stack.seller_url);
    alice.sign_in_as_alice("/accounts").await.is(200);
    alice
}

/// What a column of FOCUS demands of a value.
fn check(column: &[&str], value: Option<&str>) {
    let [name, _, _, nullable, kind, allowed] = column else {
        panic!("not a column: {column:?}");
    };
    let Some(value) = value else {
        assert_eq!(*nullable, "True", "{name} is null");
        return;
    };
    match *kind {
        "String" => {}
        "Decimal" => {
            let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            let (whole, decimals) = value.split_once('.').unwrap_or((value, "0"));
            assert!(digits(whole) && digits(decimals), "{name}: {value}");
        }
        "Date/Time" => {
            let instant: jiff::Timestamp = value.parse().unwrap();
            assert_eq!(instant.to_string(), value, "{name}");
        }
        "JSON" => {
            let json: serde_json::Value = serde_json::from_str(value).unwrap();
            let pairs = json.as_object().unwrap();
            assert!(
                pairs.values().all(serde_json::Value::is_string),
                "{name}: {value}"
            );
        }
        other => panic!("{name} has the type {other}"),
    }
    if !allowed.is_empty() {
        assert!(
            allowed.split("; ").any(|allowed| allowed == value),
            "{name}: {value}"
        );
    }
}

#[tokio::test]
async fn the_focus_export_has_every_column_as_focus_defines_it_and_the_costs_of_what_aws_accepted()
{
    let stack = used().await;
    stop_sending(&stack, true).await;
    wait(&stack, 2 * 3600).await;
    let mut alice = alice(&stack).await;
    let table = project::read(FOCUS_COLUMNS);
    let columns: Vec<Vec<&str>> = table
        .lines()
        .skip(1)
        .map(|line| line.split('\t').collect())
        .collect();
    assert_eq!(columns.len(), 57);
    // What AWS has not accepted yet is no charge of anybody's.
    let everything = "/accounts/acme-production/usage.csv?month=2026-11";
    let everything = rows(&alice.get(everything).await);
    let waits = |cell: &Option<String>| matches!(cell.as_deref(), Some("open" | "sent"));
    assert!(everything.iter().any(|row| row.values().any(waits)));
    for by in ["hour", "day"] {
        let path = format!("/accounts/acme-production/focus-1.2.csv?month=2026-11&by={by}");
        let answer = alice.get(&path).await;
        let header = parse(&answer.body).swap_remove(0);
        let names: Vec<&str> = columns.iter().map(|column| column[0]).collect();
        assert_eq!(header, names);
        let rows = rows(&answer);
        assert!(!rows.is_empty());
        for row in &rows {
            for column in &columns {
                check(column, row[column[0]].as_deref());
            }
            assert_eq!(text(row, "BillingAccountId"), BUYER);
            assert_eq!(text(row, "SubAccountId"), "acme-production");
            let times = micros(text(row, "ListUnitPrice")) * micros(text(row, "PricingQuantity"));
            assert_eq!(times / 1_000_000, micros(text(row, "BilledCost")));
        }
        let price = |dimension: &str| match dimension {
            "medium" => 11_000,
            "large" => 32_000,
            "xlarge" => 47_000,
            "datacenter" => 60_000,
            other => panic!("not a dimension: {other}"),
        };
        let records = stack.fake.accepted_records();
        let quantity: u64 = records.iter().map(|record| record.quantity).sum();
        assert_eq!(sum(&rows, "ConsumedQuantity"), quantity * 1_000_000);
        let costs = records.iter().map(|r| r.quantity * price(&r.dimension));
        assert_eq!(sum(&rows, "BilledCost"), costs.sum::<u64>());
    }
}

#[tokio::test]
async fn the_csv_of_a_month_adds_up_to_what_the_page_says_and_names_what_is_not_charged() {
    let stack = stack().await;
    wait(&stack, 2 * 3600).await;
    let bought = subscribe(&stack, BUYER).await;
    link(&stack, &bought.registration_token, "acme-production")
        .await
        .is(200);
    wait(&stack, 4 * 3600).await;
    let mut alice = alice(&stack).await;
    let answer = alice
        .get("/accounts/acme-production/usage.csv?month=2026-11")
        .await;
    let named = answer.headers["content-disposition"].to_str().unwrap();
    assert_eq!(
        named,
        r#"attachment; filename="acme-production-usage-2026-11.csv""#
    );
    let by_hour = rows(&answer);
    let path = "/accounts/acme-production/usage.csv?month=2026-11&by=day";
    let by_day = rows(&alice.get(path).await);
    assert!(by_day.len() < by_hour.len());
    for rows in [&by_hour, &by_day] {
        let of = |charged: &str| -> Rows {
            let rows = rows.iter().filter(|row| text(row, "charged") == charged);
            rows.cloned().collect()
        };
        let (charged, not_charged) = (of("yes"), of("no"));
        let quantity = |rows: &Rows| sum(rows, "computer_hours") / 1_000_000;
        let accepted: u64 = stack
            .fake
            .accepted_records()
            .iter()
            .map(|r| r.quantity)
            .sum();
        let settled = charged
            .iter()
            .filter(|row| text(row, "metering_status") == "accepted by AWS");
        assert_eq!(quantity(&settled.cloned().collect()), accepted);
        // Two hours of trial, of 38 computers each.
        assert_eq!(quantity(&not_charged), 2 * 38);
        for row in &not_charged {
            assert_eq!(text(row, "reason"), "The account was in its trial");
            assert_eq!(text(row, "estimated_cost_usd"), "0");
        }
        let page = alice
            .get("/accounts/acme-production/usage?month=2026-11")
            .await;
        page.says(&format!(r#"id="billed">{}<"#, quantity(&charged)));
    }
    let one_day = rows(&alice.get(&format!("{path}&day=21")).await);
    assert_eq!(one_day, Rows::new());
    alice.get(&format!("{path}&day=31")).await.is(404);
    let by_week = "/accounts/acme-production/usage.csv?by=week";
    let answer = alice.get(by_week).await;
    answer.is(404);
    answer.says("by must be hour or day");
    let answer = alice.get(&format!("{path}&day=first")).await;
    answer.is(404);
    answer.says("day must be 1 to 30");
}

#[tokio::test]
async fn whoever_may_only_read_exports_the_usage_with_the_payer_masked() {
    let stack = used().await;
    let mut bob = Client::new(&stack.seller_url);
    bob.sign_in("/accounts", "bob@example.com", Some("bob-local"))
        .await
        .is(200);
    for (file, column) in [
        ("usage.csv", "paid_by_aws_account"),
        ("focus-1.2.csv", "BillingAccountId"),
    ] {
        let answer = bob.get(&format!("/accounts/acme-production/{file}")).await;
        answer.does_not_say(BUYER);
        let rows = rows(&answer);
        let payers: BTreeSet<Option<&str>> =
            rows.iter().map(|row| row[column].as_deref()).collect();
        // Nobody pays for an agent that was offline.
        assert_eq!(
            payers.into_iter().flatten().collect::<Vec<_>>(),
            ["••••••••3333"]
        );
    }
    for page in ["", "/usage", "/not-cloud", "/unlink"] {
        let page = bob.get(&format!("/accounts/acme-production{page}")).await;
        page.is(200);
        page.does_not_say(BUYER);
    }
}

#[tokio::test]
async fn what_customers_write_is_no_formula_in_a_spreadsheet() {
    let stack = stack().await;
    let mut alice = alice(&stack).await;
    let csrf = alice.get("/accounts").await.field("csrf");
    let name = r#"=HYPERLINK("http://evil.example";"x"),1"#;
    let form = [("csrf", csrf.as_str()), ("key", "form-key"), ("name", name)];
    let opened = alice.post("/accounts", &form).await.location().unwrap();
    let account = opened.rsplit('/').next().unwrap().to_owned();
    let bought = subscribe(&stack, BUYER).await;
    link(&stack, &bought.registration_token, &account)
        .await
        .is(200);
    let report = json!({
        "account": account, "hour": "2026-11-22T10:00:00Z", "report_id": "r",
        "computers": [{"agent_id": "a", "size": {"vcpus": 1},
                       "connector": {"kind": "aws", "cloud_account_id": "@SUM"}},
                      {"agent_id": "=1+1", "instance_id": "-2", "size": {"vcpus": 2}}],
    });
    let key = format!("Bearer {USAGE_API_KEY}");
    let headers = [
        ("authorization", key.as_str()),
        ("content-type", "application/json"),
    ];
    alice
        .send(
            Method::POST,
            "/api/usage-reports",
            &headers,
            &report.to_string(),
        )
        .await
        .is(201);
    wait(&stack, 2 * 3600).await;
    for (file, of_name, of_cloud) in [
        ("usage.csv", "account_name", "cloud_account"),
        ("focus-1.2.csv", "SubAccountName", "Tags"),
    ] {
        let answer = alice.get(&format!("/accounts/{account}/{file}")).await;
        let rows = rows(&answer);
        assert_eq!(rows.len(), 2, "{}", answer.body);
        assert_eq!(text(&rows[0], of_name), format!("'{name}"));
        let clouds = rows.iter().map(|row| text(row, of_cloud));
        let cloud = clouds.max().unwrap();
        assert!(
            cloud == "'@SUM" || cloud == r#"{"cloudAccountID":"@SUM"}"#,
            "{cloud}"
        );
    }
    let path = format!("/accounts/{account}/not-cloud.csv");
    let listed = rows(&alice.get(&path).await);
    assert_eq!(listed.len(), 1);
    for (column, value) in [
        ("hour_utc", "2026-11-22T10:00:00Z"),
        ("agent", "'=1+1"),
        ("instance", "'-2"),
        ("why", "No connector"),
        ("tier_under_connector", "Large"),
        ("saves_at_least_usd_an_hour", "0.028"),
        ("saves_at_most_usd_an_hour", "0.028"),
    ] {
        assert_eq!(text(&listed[0], column), value, "{column}");
    }
}

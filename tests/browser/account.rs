//! An account's pages over HTTP: the subscription, billing and usage, computers
//! outside the clouds, and help.

use std::collections::BTreeSet;

use domain::audit::Actor;
use domain::ids::AccountId;
use fake_aws::{Notice, OfferKind, Renewal, RenewalIntent, RenewedLicense};
use jiff::SignedDuration;
use local::Local;

use super::client::{Answer, Client};
use super::registration::link;
use super::{stack, stack_at, stop_sending, subscribe, until, wait};

const BUYER: &str = "111122223333";

/// A stack whose account is linked to a license of the buyer.
async fn linked(stack: &Local) {
    let bought = subscribe(stack, BUYER).await;
    link(stack, &bought.registration_token, "acme-production")
        .await
        .is(200);
}

/// The usage page of a month, as a member with full access sees it.
async fn usage(stack: &Local, month: &str) -> Answer {
    let path = format!("/accounts/acme-production/usage?month={month}");
    let page = Client::new(&stack.seller_url).sign_in_as_alice(&path).await;
    page.is(200);
    page
}

/// The number that an element of the page holds.
fn number(page: &Answer, id: &str) -> u64 {
    let start = format!(r#"id="{id}">"#);
    let (_, rest) = page
        .body
        .split_once(&start)
        .unwrap_or_else(|| panic!("no {id}"));
    let number = rest.split('<').next().unwrap().replace(',', "");
    number.parse().unwrap_or_else(|_| panic!("{id}: {number}"))
}

/// What AWS accepted for hours of a month.
fn accepted(stack: &Local, month: &str) -> u64 {
    let records = stack.fake.accepted_records().into_iter();
    records
        .filter(|record| record.hour.to_string().starts_with(month))
        .map(|record| record.quantity)
        .sum()
}

/// The month's total is what AWS accepted and what is still on its way there.
#[track_caller]
fn agrees(stack: &Local, page: &Answer, month: &str) {
    assert_eq!(number(page, "accepted"), accepted(stack, month), "{month}");
    assert!(number(page, "billed") >= number(page, "accepted"));
}

#[tokio::test]
async fn the_months_total_is_what_aws_accepted_while_subscribed_in_grace_and_expired() {
    let stack = stack().await;
    linked(&stack).await;
    wait(&stack, 3 * 3600).await;
    let page = usage(&stack, "2026-11").await;
    agrees(&stack, &page, "2026-11");
    for text in [
        "Charged to the subscription",
        "Workload Security",
        "accepted by AWS",
        "0.011",
        "AWS issues it on the 2nd or 3rd of the next month",
        "Days and hours are UTC",
        "<title id=\"days-chart-title\">Computer-hours of 2026-11 by day</title>",
        "<title>2026-11-22: Medium ",
        "0f6cf3c4-6f9a-4a57-9a70-2b1a7f2f6f01",
    ] {
        page.says(text);
    }
    page.does_not_say("Carried over the month");
    page.does_not_say("style=");

    let mut alice = Client::new(&stack.seller_url);
    let asked = alice
        .sign_in_as_alice("/accounts/acme-production/unlink")
        .await;
    let (csrf, basis) = (asked.field("csrf"), asked.field("basis"));
    let form = [("csrf", csrf.as_str()), ("basis", basis.as_str())];
    let unlinked = alice.post("/accounts/acme-production/unlink", &form).await;
    alice.follow(unlinked).await.says("of grace left");
    wait(&stack, 24 * 3600).await;
    let page = usage(&stack, "2026-11").await;
    agrees(&stack, &page, "2026-11");
    assert_eq!(number(&page, "billed"), number(&page, "accepted"));
    page.says("The account was in its 48 hours of grace");

    wait(&stack, 48 * 3600).await;
    let page = usage(&stack, "2026-11").await;
    agrees(&stack, &page, "2026-11");
    page.says("<td class=\"wrap\">Trial or Subscription Expired</td>");
}

#[tokio::test]
async fn usage_that_missed_its_month_is_listed_in_both_and_counts_where_it_is_billed() {
    let stack = stack_at("2026-11-30T20:05:00Z").await;
    linked(&stack).await;
    until(&stack, "2026-11-30T21:40:00Z").await;
    stop_sending(&stack, true).await;
    until(&stack, "2026-12-01T05:51:00Z").await;
    stop_sending(&stack, false).await;
    until(&stack, "2026-12-01T12:30:00Z").await;

    let november = usage(&stack, "2026-11").await;
    agrees(&stack, &november, "2026-11");
    november.says("Carried out: used in the month, billed later");
    november.says(r#"data-carried="out""#);
    november.does_not_say(r#"data-carried="in""#);
    november.says("billed in the hour of ");
    november.says("of these billed in a later hour than that of use");
    let december = usage(&stack, "2026-12").await;
    agrees(&stack, &december, "2026-12");
    december.says("Carried in: used before, billed in the month");
    december.says(r#"data-carried="in""#);
    december.says(r#"<time datetime="2026-11-30T23:00:00Z">2026-11-30 23:00:00</time>"#);
    let shown = number(&november, "accepted") + number(&december, "accepted");
    let records = stack.fake.accepted_records();
    let of_aws: u64 = records.iter().map(|record| record.quantity).sum();
    assert_eq!(shown, of_aws);
}

/// What the page says of the metering of an hour's lines.
fn metering(page: &Answer, hour: &str) -> BTreeSet<String> {
    let start = format!(r#"<tbody data-hour="{hour}">"#);
    let (_, rest) = page
        .body
        .split_once(&start)
        .unwrap_or_else(|| panic!("no hour {hour}"));
    let lines = rest.split("</tbody>").next().unwrap();
    let statuses = lines.split(r#"data-status=""#).skip(1);
    let statuses = statuses.map(|rest| rest.split('"').next().unwrap().to_owned());
    statuses.collect()
}

#[tokio::test]
async fn every_hour_says_how_far_it_is_with_aws() {
    let stack = stack().await;
    linked(&stack).await;
    let says = async |now: &str, hour: &str, status: &str| {
        until(&stack, now).await;
        let page = usage(&stack, "2026-11").await;
        agrees(&stack, &page, "2026-11");
        let shown = metering(&page, hour);
        assert_eq!(shown, [status.to_owned()].into(), "{hour} at {now}");
    };
    let (ten, eleven) = ("2026-11-22T10:00:00Z", "2026-11-22T11:00:00Z");
    stop_sending(&stack, true).await;
    says("2026-11-22T11:20:00Z", ten, "open").await;
    stop_sending(&stack, false).await;
    says("2026-11-22T11:45:00Z", ten, "accepted by AWS").await;
    let lost = fake_aws::Fault {
        operation: "BatchMeterUsage".to_owned(),
        fault: fake_aws::FaultKind::LostAnswer,
        times: 1,
        license_arn: None,
        records: None,
        delay_ms: None,
    };
    stack.fake.inject_fault(lost).unwrap();
    until(&stack, "2026-11-22T12:10:30Z").await;
    let page = usage(&stack, "2026-11").await;
    // AWS has it, and we do not know yet.
    assert_eq!(metering(&page, eleven), ["sent".to_owned()].into());
    assert!(number(&page, "accepted") < accepted(&stack, "2026-11"));
    says("2026-11-22T12:30:00Z", eleven, "accepted by AWS").await;

    stack.fake.suspend_buyer(BUYER).await.unwrap();
    says("2026-11-22T14:20:00Z", "2026-11-22T13:00:00Z", "held").await;
    stack.fake.restore_buyer(BUYER).await.unwrap();
    says(
        "2026-11-22T15:30:00Z",
        "2026-11-22T13:00:00Z",
        "accepted by AWS",
    )
    .await;
}

#[tokio::test]
async fn what_aws_says_of_the_agreement_is_on_the_page_until_it_is_settled() {
    let stack = stack().await;
    let bought = subscribe(&stack, BUYER).await;
    link(&stack, &bought.registration_token, "acme-production")
        .await
        .is(200);
    let page = async || {
        let mut browser = Client::new(&stack.seller_url);
        let page = browser.sign_in_as_alice("/accounts/acme-production").await;
        page.is(200);
        page
    };
    page().await.does_not_say("data-notice");
    let say = async |notice| {
        let said = stack.fake.notice(&bought.agreement_id, notice).await;
        said.expect("AWS says so");
    };
    say(Notice::AdvisoryIssued).await;
    say(Notice::CancellationPending).await;
    let told = page().await;
    told.says(r#"data-notice="advisory""#);
    told.says("29 Nov 2026, 10:15 UTC</time>; without an answer it is approved");
    told.says("Subscribed through AWS Marketplace");
    wait(&stack, 60).await;
    say(Notice::AdvisoryResolved).await;
    say(Notice::CancellationRejected).await;
    page().await.does_not_say("data-notice");
}

#[tokio::test]
async fn the_form_that_opens_an_account_opens_one_however_often_it_is_sent() {
    let stack = stack().await;
    let mut alice = Client::new(&stack.seller_url);
    let page = alice.sign_in_as_alice("/accounts").await;
    let (csrf, key) = (page.field("csrf"), page.field("key"));
    let form = [
        ("csrf", csrf.as_str()),
        ("key", key.as_str()),
        ("name", "Twice"),
    ];
    let first = alice.post("/accounts", &form).await.location();
    assert!(first.is_some());
    assert_eq!(alice.post("/accounts", &form).await.location(), first);
    let again = alice.get("/accounts").await;
    assert_eq!(again.body.matches(">Twice</a>").count(), 1);
    assert_ne!(again.field("key"), key);
}

#[tokio::test]
async fn another_subscription_of_the_same_aws_account_is_called_that() {
    let stack = stack().await;
    let first = subscribe(&stack, BUYER).await;
    link(&stack, &first.registration_token, "acme-production")
        .await
        .is(200);
    wait(&stack, 60).await;
    let second = subscribe(&stack, BUYER).await;
    let done = link(&stack, &second.registration_token, "acme-production").await;
    done.is(200);
    done.says("Another subscription of AWS account");
    done.does_not_say("no longer pays");
    let mut alice = Client::new(&stack.seller_url);
    let page = alice.sign_in_as_alice("/accounts/acme-production").await;
    page.says("Another subscription pays since");
    page.does_not_say("Changed the payer");
}

#[tokio::test]
async fn a_hold_is_told_on_the_account_and_its_usage_waits() {
    let stack = stack().await;
    linked(&stack).await;
    wait(&stack, 3600).await;
    let suspended = stack.fake.suspend_buyer(BUYER).await;
    suspended.expect("the buyer is suspended");
    wait(&stack, 4 * 3600).await;
    let mut alice = Client::new(&stack.seller_url);
    let page = alice.sign_in_as_alice("/accounts/acme-production").await;
    page.says(r#"data-notice="hold""#);
    let usage = usage(&stack, "2026-11").await;
    usage.does_not_say("AWS has not answered yet");
    let restored = stack.fake.restore_buyer(BUYER).await;
    restored.expect("the buyer is restored");
    wait(&stack, 3600).await;
    let page = alice.get("/accounts/acme-production").await;
    page.does_not_say("data-notice");
}

#[tokio::test]
async fn before_a_contract_ends_the_page_says_when_and_whether_anything_goes_on() {
    let stack = stack().await;
    let made = stack.fake.create_agreement(OfferKind::PrivateYearly, BUYER);
    let bought = made.await.expect("an agreement");
    link(&stack, &bought.registration_token, "acme-production")
        .await
        .is(200);
    let said = stack.fake.notice(&bought.agreement_id, Notice::Ending(30));
    said.await.expect("AWS says so");
    let mut browser = Client::new(&stack.seller_url);
    let page = browser.sign_in_as_alice("/accounts/acme-production").await;
    page.says("The agreement ends on");
    page.says("It does not renew by itself");

    let ends_at = stack.fake.agreements()[0].ends_at.expect("an end");
    let renewal = Renewal {
        license: RenewedLicense::Same,
        intent: RenewalIntent::Renew,
        offer: None,
        starts_at: Some(ends_at),
    };
    let renewed = stack.fake.renew_agreement(&bought.agreement_id, renewal);
    let renewed = renewed.await.expect("it is renewed ahead");
    let page = browser.get("/accounts/acme-production").await;
    page.does_not_say("does not renew by itself");
    page.says("under the next agreement, which is bought already: nothing is to be done");
    page.says(&renewed.agreement_id);
    let cancelled = stack.fake.cancel_agreement(&renewed.agreement_id).await;
    cancelled.expect("it is cancelled before it begins");
    let page = browser.get("/accounts/acme-production").await;
    page.says("It does not renew by itself");
}

#[tokio::test]
async fn thirteen_months_can_be_shown_and_any_day_of_them_by_hour() {
    let stack = stack().await;
    linked(&stack).await;
    wait(&stack, 2 * 3600).await;
    let mut alice = Client::new(&stack.seller_url);
    let page = "/accounts/acme-production/usage";
    let shown = alice.sign_in_as_alice(page).await;
    assert_eq!(shown.body.matches("<option").count(), 13);
    for month in ["2025-11", "2026-10"] {
        let path = format!("{page}?month={month}");
        let empty = alice.get(&path).await;
        empty.is(200);
        empty.says(&format!("No usage in {month}"));
    }
    for month in ["2026-12", "2025-10", "november", "2026-11-01", "%0d%0a"] {
        let path = format!("{page}?month={month}");
        alice.get(&path).await.is(404);
        let path = format!("/accounts/acme-production/usage.csv?month={month}");
        alice.get(&path).await.is(404);
    }
    let day = alice.get(&format!("{page}?month=2026-11&day=22")).await;
    day.says("2026-11-22 by hour (UTC)");
    day.says("<title>2026-11-22 10:00 UTC: Medium 12, ");
    day.says(r#"<tbody data-hour="2026-11-22T10:00:00Z">"#);
    day.says(r##"href="?month=2026-11&amp;day=21#by-hour""##);
    let before = alice.get(&format!("{page}?month=2026-11&day=21")).await;
    before.says("No usage on this day.");
}

#[tokio::test]
async fn computers_outside_the_clouds_are_named_with_the_reason_and_the_saving() {
    let stack = stack().await;
    wait(&stack, 2 * 3600).await;
    let mut alice = Client::new(&stack.seller_url);
    let page = alice
        .sign_in_as_alice("/accounts/acme-production/not-cloud")
        .await;
    page.is(200);
    page.says("6 computers in the hour of ");
    let of = |agent: &str| {
        let (_, rest) = page.body.split_once(agent).unwrap();
        rest.split("</tr>").next().unwrap().to_owned()
    };
    let office = of("agent-office-00");
    assert!(office.contains("No connector"), "{office}");
    assert!(office.contains("0.013 to 0.049, by its size"), "{office}");
    let vcenter = of("agent-vm-03");
    assert!(vcenter.contains("In vCenter"), "{vcenter}");
    assert!(vcenter.contains("nothing"), "{vcenter}");
    // Two computers for 720 hours.
    page.says("<strong>$18.72 to $70.56</strong> less in 30 days");
    page.does_not_say("agent-web-00");
    let none = alice.get("/accounts/globex/not-cloud").await;
    none.says("None was reported in the last 24 hours");
}

#[tokio::test]
async fn the_subscription_page_says_what_it_is_until_when_and_whether_it_goes_on() {
    let stack = stack().await;
    let yearly = stack
        .fake
        .create_agreement(OfferKind::PrivateYearly, BUYER)
        .await
        .unwrap();
    link(&stack, &yearly.registration_token, "acme-production")
        .await
        .is(200);
    let mut alice = Client::new(&stack.seller_url);
    let page = alice.sign_in_as_alice("/accounts/acme-production").await;
    for text in [
        "<dt>Type</dt><dd>AWS Marketplace</dd>",
        "<dt>Agreement ends</dt><dd><time datetime=\"2027-11-22",
        "<dt>Renewal</dt><dd>AWS Marketplace shows, under Manage subscriptions, whether it renews.</dd>",
        "<code>offer-",
        BUYER,
        "href=\"/help#lost-access\"",
    ] {
        page.says(text);
    }
    // A read-only member sees the state and no more of the payer than its end.
    let mut bob = Client::new(&stack.seller_url);
    let masked = bob
        .sign_in(
            "/accounts/acme-production",
            "bob@example.com",
            Some("bob-local"),
        )
        .await;
    masked.says("Subscribed through AWS Marketplace");
    masked.says("••••••••3333");
    masked.does_not_say(BUYER);
    masked.does_not_say("<code>offer-");

    let globex = alice.get("/accounts/globex").await;
    globex.says("<dt>Type</dt><dd>Annual subscription, outside AWS Marketplace</dd>");
    // Whoever pays otherwise is not sent to buy what could not be linked.
    globex.says("billed one way or the other, never both");
    globex.does_not_say("The payer changes at once");
    let subscribed = alice.get("/accounts/acme-production").await;
    subscribed.says("The payer changes at once");
    let trial = alice.get("/accounts/acme-staging").await;
    trial.says("<dt>Type</dt><dd>Trial</dd>");
    trial.says("(30 days 0 h left)");
    trial.says("Pay through AWS Marketplace");
    trial.does_not_say("AWS shows the old AWS account as subscribed");

    // Deleted, an account says of a subscription only that its deletion unlinked it.
    let minute = SignedDuration::from_mins(1);
    stack.fake.advance_by(minute).await.unwrap();
    let unlinked = "Deleting the account unlinked its subscription";
    for (account, had_one) in [("acme-production", true), ("acme-staging", false)] {
        let id = AccountId::parse(account).unwrap();
        let deleted = stack.app.suspend_account(&id, &Actor::Product).await;
        deleted.unwrap();
        let page = alice.get(&format!("/accounts/{account}")).await;
        page.says("This account is deleted");
        assert_eq!(page.body.contains(unlinked), had_one, "{account}");
    }
}

#[tokio::test]
async fn an_address_with_a_slash_at_its_end_leads_to_the_page_and_to_no_other_site() {
    let stack = stack().await;
    let mut browser = Client::new(&stack.seller_url);
    for (path, page) in [
        ("/accounts/acme-production/", "/accounts/acme-production"),
        ("/help/?a=b", "/help?a=b"),
        ("//evil.example//", "/evil.example"),
    ] {
        let moved = browser.get(path).await;
        moved.is(308);
        assert_eq!(moved.location().as_deref(), Some(page));
    }
    browser.get("//").await.is(404);
}

#[tokio::test]
async fn help_is_there_for_whoever_asks_and_every_page_leads_to_it() {
    let stack = stack().await;
    let mut visitor = Client::new(&stack.seller_url);
    let front = visitor.get("/").await;
    front.says(r#"href="/help""#);
    let help = visitor.get("/help").await;
    help.is(200);
    for question in [
        "custom-pricing",
        "offer-expired",
        "offer-elsewhere",
        "find-payer",
        "change-payer",
        "lost-access",
    ] {
        help.says(&format!(r#"<h2 id="{question}">"#));
        help.says(&format!(r##"href="#{question}""##));
    }
    help.says("mailto:support@example.com");
}

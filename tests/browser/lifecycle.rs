//! What customers read on an account's pages while its agreement is renewed,
//! cancelled, held, or not answered for.

use std::collections::BTreeSet;

use app::month::Month;
use app::usage_month::{MeteringStatus, UsageHour};
use domain::audit::Actor;
use domain::ids::{AccountId, Dimension};
use domain::outbound::OutboundEvent;
use fake_aws::{
    Amendment, Fault, FaultKind, NewAgreement, Notice, OfferKind, Renewal, RenewalIntent,
    RenewedLicense,
};
use local::Local;

use super::client::{Answer, Client};
use super::registration::{FIRST, link};
use super::webdriver::{Driver, Viewport};
use super::{stack, stack_at, until, wait};

const ACCOUNT: &str = "acme-staging";
const DAY: i64 = 24 * 3_600;

/// An account that is linked to a license of an offer.
async fn linked(stack: &Local, offer: OfferKind) -> NewAgreement {
    let made = stack.fake.create_agreement(offer, FIRST).await;
    let bought = made.expect("an agreement");
    let linked = link(stack, &bought.registration_token, ACCOUNT).await;
    linked.is(200);
    bought
}

/// A page of the account, below its address, as a member with full access sees it.
async fn page(stack: &Local, below: &str) -> Answer {
    let path = format!("/accounts/{ACCOUNT}{below}");
    let page = Client::new(&stack.seller_url).sign_in_as_alice(&path).await;
    page.is(200);
    page
}

fn fault(stack: &Local, operation: &str, fault: FaultKind) {
    let fault = Fault::new(operation, fault, 1_000_000);
    stack.fake.inject_fault(fault).expect("a fault");
}

/// From now on AWS tells nothing of any agreement, nor answers about one.
fn fall_silent(stack: &Local) {
    fault(stack, "events", FaultKind::DropEvent);
    for operation in ["DescribeAgreement", "SearchAgreements"] {
        fault(stack, operation, FaultKind::InternalError);
    }
}

async fn say(stack: &Local, bought: &NewAgreement, notice: Notice) {
    let said = stack.fake.notice(&bought.agreement_id, notice).await;
    said.expect("AWS says so");
}

#[tokio::test]
async fn an_account_that_expired_for_want_of_an_answer_reads_so_and_what_happens_next() {
    let stack = stack().await;
    let bought = linked(&stack, OfferKind::PrivateYearly).await;
    wait(&stack, 60).await;
    let amendment = Amendment {
        ends_at: Some("2026-11-22T12:30:00Z".parse().expect("an instant")),
        ..Amendment::default()
    };
    let amended = stack.fake.amend_agreement(&bought.agreement_id, amendment);
    amended.await.expect("it is amended");
    fall_silent(&stack);
    until(&stack, "2026-11-23T12:20:00Z").await;
    page(&stack, "")
        .await
        .does_not_say("did not say under which");
    until(&stack, "2026-11-23T12:45:00Z").await;
    let expired = page(&stack, "").await;
    expired.says("For 24 hours AWS Marketplace did not say under which agreement");
    expired.says("as soon as it says that the subscription goes on, and how, it is linked again");
    expired.says("AWS did not say for 24 hours under which agreement the subscription goes on");
    expired.does_not_say("The agreement ended in AWS");

    // It did end, as AWS says at last: nothing is waited for any more.
    stack.fake.clear_faults();
    wait(&stack, 25 * 3_600).await;
    let ended = page(&stack, "").await;
    ended.says("The agreement ended in AWS Marketplace on");
    ended.does_not_say("For 24 hours AWS Marketplace did not say");
}

#[tokio::test]
async fn a_hold_says_until_when_nothing_is_lost_and_then_what_was() {
    let stack = stack().await;
    linked(&stack, OfferKind::Public).await;
    wait(&stack, 3_600).await;
    stack.fake.suspend_buyer(FIRST).await.expect("suspended");
    wait(&stack, 4 * 3_600).await;
    // Hour 11's record, which AWS refuses, is taken for 24 hours.
    let held = page(&stack, "").await;
    held.says(
        r#"Nothing is lost if AWS takes usage again before <time datetime="2026-11-23T11:00:00Z">"#,
    );
    held.does_not_say("will not be charged");
    until(&stack, "2026-11-23T15:15:00Z").await;
    let held = page(&stack, "").await;
    held.says("<strong>4 computer-hours</strong> had to be sent to AWS before now");
    held.says("Of what waits now, nothing is lost if AWS takes it again before");
    held.does_not_say("before <time datetime=\"2026-11-23T11:00:00Z\">");
}

#[tokio::test]
async fn a_request_to_cancel_that_nobody_answers_is_over_on_the_page_after_7_days() {
    let stack = stack().await;
    let bought = linked(&stack, OfferKind::Public).await;
    say(&stack, &bought, Notice::CancellationPending).await;
    wait(&stack, 7 * DAY - 60).await;
    page(&stack, "").await.says(r#"data-notice="cancellation""#);
    fall_silent(&stack);
    wait(&stack, 120).await;
    page(&stack, "").await.does_not_say("data-notice");

    // It ended the subscription, as AWS says when it is heard again.
    stack.fake.clear_faults();
    wait(&stack, 2 * 3_600).await;
    let ended = page(&stack, "").await;
    ended.says("The agreement ended in AWS Marketplace on");
}

/// The notices that the buyer's page offers to have AWS say.
fn notices_of(page: &str) -> BTreeSet<String> {
    let (_, form) = page
        .split_once(r#"action="/buyer/notice""#)
        .expect("a form");
    let form = form.split("</form>").next().unwrap_or_default();
    let options = form.split(r#"<option value=""#).skip(1);
    options
        .filter_map(|option| option.split('"').next().map(str::to_owned))
        .collect()
}

#[tokio::test]
async fn each_notice_that_the_buyers_page_has_aws_say_shows_on_the_accounts_page() {
    let stack = stack().await;
    let bought = linked(&stack, OfferKind::PrivateYearly).await;
    let mut buyer = Client::new(&stack.aws_url);
    let offered = notices_of(&buyer.get("/").await.body);
    let mut pressed = BTreeSet::new();
    let (advisory, cancellation) = (r#"data-notice="advisory""#, r#"data-notice="cancellation""#);
    let (ending, certain) = (
        r#"data-notice="ending""#,
        "that can no longer be turned off",
    );
    for (notice, shows, hides) in [
        ("billing_adjustment_completed", "Linked", "data-notice"),
        ("billing_adjustment_failed", "Linked", "data-notice"),
        ("advisory_issued", advisory, cancellation),
        ("cancellation_pending", cancellation, ending),
        ("advisory_resolved", cancellation, advisory),
        ("cancellation_rejected", "Linked", "data-notice"),
        ("cancellation_pending", cancellation, ending),
        ("cancellation_withdrawn", "Linked", "data-notice"),
        ("cancellation_pending", cancellation, ending),
        ("cancellation_invalid", "Linked", "data-notice"),
        ("ending_in_180_days", ending, certain),
        ("ending_in_120_days", ending, certain),
        ("ending_in_90_days", ending, certain),
        ("ending_in_60_days", ending, certain),
        ("ending_in_30_days", ending, certain),
        ("renewal_terms_finalized", ending, certain),
        ("renewal_upcoming", certain, advisory),
        ("cancellation_pending", cancellation, advisory),
        (
            "cancellation_approved",
            "The agreement ended in AWS",
            "data-notice",
        ),
    ] {
        let form = [("agreement_id", &*bought.agreement_id), ("notice", notice)];
        buyer.post("/buyer/notice", &form).await.is(303);
        pressed.insert(notice.to_owned());
        let account = page(&stack, "").await;
        account.says(shows);
        account.does_not_say(hides);
        wait(&stack, 1).await;
    }
    assert_eq!(pressed, offered);
    // AWS says nothing of an agreement that is over.
    let form = [
        ("agreement_id", &*bought.agreement_id),
        ("notice", "advisory_issued"),
    ];
    buyer.post("/buyer/notice", &form).await.is(409);
}

#[tokio::test]
async fn an_end_of_which_only_an_answer_tells_reads_as_one_by_then() {
    let stack = stack().await;
    let bought = linked(&stack, OfferKind::Public).await;
    wait(&stack, 20 * 60).await;
    fault(&stack, "events", FaultKind::DropEvent);
    let cancelled = stack.fake.cancel_agreement(&bought.agreement_id).await;
    cancelled.expect("it is cancelled");
    until(&stack, "2026-11-22T11:06:00Z").await;
    let ended = page(&stack, "").await;
    ended.says("The agreement ended in AWS Marketplace on");
    ended.says("AWS does not tell exactly when: it had ended by then.");
    ended.says("or earlier");
}

/// The cells of a tier's row in the table of what is charged.
fn tier(page: &Answer, dimension: &str) -> String {
    let row = format!(r#"data-dimension="{dimension}""#);
    let (_, row) = page.body.split_once(&row).expect("the tier");
    row.split("</tr>").next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_tier_without_usage_is_listed_at_the_rate_that_was_agreed_on() {
    let stack = stack().await;
    linked(&stack, OfferKind::PrivateYearly).await;
    wait(&stack, 3 * 3_600).await;
    let usage = page(&stack, "/usage").await;
    for (dimension, agreed) in [
        ("medium", "0.0088"),
        ("large", "0.0256"),
        ("xlarge", "0.0376"),
    ] {
        let row = tier(&usage, dimension);
        assert!(row.contains(&format!(">{agreed}<")), "{dimension}: {row}");
    }
}

#[tokio::test]
async fn what_aws_accepts_in_a_free_trial_is_called_free() {
    let stack = stack().await;
    linked(&stack, OfferKind::FreeTrial).await;
    wait(&stack, 3 * 3_600).await;
    let usage = page(&stack, "/usage").await;
    usage.says("AWS charges nothing for it: free by the agreement");
    usage.does_not_say("will be on AWS’s invoice");
    for dimension in ["medium", "xlarge"] {
        let row = tier(&usage, dimension);
        assert!(row.contains(">free<"), "{dimension}: {row}");
    }
}

/// What the page says is included of Medium, used and left, of each period.
fn included(page: &Answer) -> Vec<[u64; 3]> {
    let (_, table) = page
        .body
        .split_once(r#"id="included""#)
        .expect("a contract");
    let rows = table
        .split("</table>")
        .next()
        .unwrap_or_default()
        .split("<tr");
    let of_medium = rows.filter(|row| row.contains(">Medium"));
    let numbers = |row: &str| {
        let words = row.split('>').filter_map(|tag| tag.split('<').next());
        let mut numbers = words.filter_map(|word| word.replace(',', "").parse().ok());
        std::array::from_fn(|_| numbers.next().expect("a number"))
    };
    of_medium.map(numbers).collect()
}

fn covered(hours: &[UsageHour]) -> u64 {
    let medium = Dimension::parse("medium").expect("a dimension");
    let lines = hours.iter().flat_map(|hour| &hour.lines);
    let lines = lines.filter(|line| line.dimension == medium);
    lines
        .filter(|line| line.status == MeteringStatus::Included)
        .map(|line| u64::from(line.count))
        .sum()
}

#[tokio::test]
async fn the_included_hours_of_an_earlier_month_are_counted_up_to_its_end() {
    let stack = stack_at("2026-11-30T19:55:00Z").await;
    linked(&stack, OfferKind::Consumption).await;
    until(&stack, "2026-12-01T06:30:00Z").await;
    let account = AccountId::parse(ACCOUNT).expect("an account");
    let covered_in = async |month| {
        let month = Month::parse(month).expect("a month");
        let usage = stack.app.usage_month(&account, month).await;
        covered(&usage.expect("usage").hours)
    };
    let (november, december) = (covered_in("2026-11").await, covered_in("2026-12").await);
    assert!(november > 0 && december > 0);
    let shown = page(&stack, "/usage?month=2026-11").await;
    assert_eq!(included(&shown), [[1_000, november, 1_000 - november]]);
    shown.says("told as of the end of 2026-11");
    let shown = page(&stack, "/usage?month=2026-12").await;
    let used = november + december;
    assert_eq!(included(&shown), [[1_000, used, 1_000 - used]]);
}

#[tokio::test]
async fn usage_that_waits_for_what_a_contract_covers_is_told_apart_in_the_total() {
    let stack = stack().await;
    fault(&stack, "GetEntitlements", FaultKind::InternalError);
    linked(&stack, OfferKind::Consumption).await;
    wait(&stack, 2 * 3_600).await;
    let account = AccountId::parse(ACCOUNT).expect("an account");
    let month = Month::parse("2026-11").expect("a month");
    let usage = stack.app.usage_month(&account, month).await.expect("usage");
    let waiting = usage
        .billed()
        .filter(|(_, line)| line.status == MeteringStatus::AwaitsCover);
    let waiting: u32 = waiting.map(|(_, line)| line.count).sum();
    assert!(waiting > 0);
    let waits = page(&stack, "/usage").await;
    waits.says(&format!(
        r#"<p id="awaiting">{waiting} of these wait for AWS to say what the contract covers"#
    ));
    stack.fake.clear_faults();
    wait(&stack, 3_600).await;
    page(&stack, "/usage")
        .await
        .does_not_say("of these wait for AWS to say what the contract covers");
}

async fn renew(stack: &Local, agreement: &str, license: RenewedLicense) -> NewAgreement {
    let renewal = Renewal {
        license,
        intent: RenewalIntent::Renew,
        offer: None,
        starts_at: None,
    };
    let renewed = stack.fake.renew_agreement(agreement, renewal).await;
    renewed.expect("it is renewed")
}

#[tokio::test]
async fn the_history_tells_renewals_in_the_order_in_which_they_happened() {
    let stack = stack().await;
    let mut last = linked(&stack, OfferKind::PrivateYearly).await.agreement_id;
    for _ in 0..4 {
        last = renew(&stack, &last, RenewedLicense::New).await.agreement_id;
    }
    let shown = page(&stack, "").await;
    let (_, audit) = shown.body.split_once(r#"id="audit""#).expect("an audit");
    let told: Vec<&str> = audit
        .split("<tr>")
        .filter_map(|row| {
            let kinds = ["Unlinked the subscription", "Linked the subscription"];
            kinds.into_iter().find(|kind| row.contains(kind))
        })
        .collect();
    // The latest first.
    let mut expected = ["Linked the subscription", "Unlinked the subscription"].repeat(4);
    expected.push("Linked the subscription");
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_renewal_with_the_same_license_leaves_a_line_in_the_history() {
    let stack = stack().await;
    let first = linked(&stack, OfferKind::PrivateYearly).await;
    let second = renew(&stack, &first.agreement_id, RenewedLicense::Same).await;
    let shown = page(&stack, "").await;
    let line = format!(
        "Renewed under agreement <code>{}</code>, in the place of <code>{}</code>",
        second.agreement_id, first.agreement_id
    );
    assert_eq!(shown.body.matches(&line).count(), 1, "{}", shown.body);
}

#[tokio::test]
async fn the_local_product_reports_at_once_when_it_is_asked_for_the_last_usage() {
    let stack = stack().await;
    let bought = linked(&stack, OfferKind::Public).await;
    until(&stack, "2026-11-22T11:20:00Z").await;
    let cancelled = stack.fake.cancel_agreement(&bought.agreement_id).await;
    cancelled.expect("it is cancelled");
    let account = AccountId::parse(ACCOUNT).expect("an account");
    let told = stack.app.events_of(&account).await.expect("events");
    let told = told.expect("the account");
    let asked = |event: &OutboundEvent| matches!(event, OutboundEvent::UsageRequested { .. });
    assert!(told.iter().any(asked), "{told:?}");
    // The running hour is sent before it is over.
    until(&stack, "2026-11-22T12:06:00Z").await;
    let records = stack.fake.accepted_records().into_iter();
    let hours: BTreeSet<String> = records.map(|record| record.hour.to_string()).collect();
    assert!(hours.contains("2026-11-22T11:00:00Z"), "{hours:?}");
}

#[tokio::test]
async fn a_page_of_an_error_has_the_header_of_whoever_is_signed_in() {
    let stack = stack().await;
    let mut browser = Client::new(&stack.seller_url);
    let nobody = browser.get("/accounts/none/of/this").await;
    nobody.is(404);
    nobody.does_not_say("Sign out");
    browser.sign_in_as_alice("/accounts").await.is(200);
    for path in ["/accounts/none/of/this", "/accounts/nobodys"] {
        let missing = browser.get(path).await;
        missing.is(404);
        missing.says("alice@example.com");
        missing.says("Sign out");
    }
}

#[tokio::test]
async fn a_name_that_cannot_be_used_is_asked_for_again_with_what_was_typed() {
    let stack = stack().await;
    let mut browser = Client::new(&stack.seller_url);
    let accounts = browser.sign_in_as_alice("/accounts").await;
    let name = "x".repeat(101);
    let typed = |page: &Answer| {
        [
            ("csrf", page.field("csrf")),
            ("key", page.field("key")),
            ("name", name.clone()),
        ]
    };
    let is_kept = async |browser: &mut Client, path: &str, page: Answer| {
        let form = typed(&page);
        let form: Vec<(&str, &str)> = form.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let refused = browser.post(path, &form).await;
        refused.is(422);
        refused.says(&format!(r#"value="{name}""#));
        refused.says("That name cannot be used");
        refused.says("Sign out");
    };
    is_kept(&mut browser, "/accounts", accounts).await;
    let bought = super::subscribe(&stack, FIRST).await;
    browser.bring_token(&bought.registration_token).await;
    let choice = browser.get("/register/accounts").await;
    is_kept(&mut browser, "/register/accounts", choice).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_or_not_there_can_be_read_on_a_phone() {
    let stack = stack().await;
    let driver = Driver::start();
    let window = driver.window(Viewport::Phone).await;
    let address = |path: &str| format!("{}{path}", stack.seller_url);
    window.open(&address("/accounts/acme-staging")).await;
    window.sign_in().await;
    window.sees("h2", "Pay through AWS Marketplace").await;
    let tops = "[...document.querySelectorAll('.tabs a')].map(tab => tab.offsetTop)";
    let one_line = format!("new Set({tops}).size");
    assert_eq!(window.value(&one_line).await, 1, "the tabs wrap");
    let whole = "(tabs => tabs.scrollWidth <= tabs.clientWidth)(document.querySelector('.tabs'))";
    assert_eq!(window.value(whole).await, true, "a tab is out of sight");
    let account = AccountId::parse(ACCOUNT).expect("an account");
    let deleted = stack.app.suspend_account(&account, &Actor::Product).await;
    deleted.expect("it is deleted");
    for (name, path, tag, text) in [
        (
            "deleted",
            "/accounts/acme-staging",
            "strong",
            "This account is deleted",
        ),
        (
            "not-there",
            "/accounts/nobodys",
            "h1",
            "There is no such page",
        ),
    ] {
        window.open(&address(path)).await;
        window.sees(tag, text).await;
        window.sees("button", "Sign out").await;
        window.fits().await;
        window.is_accessible().await;
        window.picture(&format!("phone-{name}")).await;
    }
    window.close().await;
}

//! Support's pages: looking up who pays, and unlinking and transferring a
//! license for a customer who cannot.

use domain::policy::SupportApproval;
use local::Config;

use super::client::{Answer, Client};
use super::registration::link;
use super::webdriver::{Driver, Viewport};
use super::{stack, subscribe, wait};
use crate::logs::Stack;

const BUYER: &str = "111122223333";
const SUBSCRIBED: &str = "Subscribed through AWS Marketplace";
const REASON: &str = "The buyer <b>left</b> the company";

/// A stack on which Acme Production is paid for by a license.
struct Linked {
    stack: Stack,
    license: String,
    arn: String,
    agreement: String,
}

impl Linked {
    async fn on(stack: Stack) -> Self {
        let bought = subscribe(&stack, BUYER).await;
        link(&stack, &bought.registration_token, "acme-production")
            .await
            .is(200);
        let license = bought.license_arn.rsplit(':').next().unwrap().to_owned();
        Self {
            stack,
            license,
            arn: bought.license_arn,
            agreement: bought.agreement_id,
        }
    }

    async fn new() -> Self {
        Self::on(stack().await).await
    }

    /// Where support takes two people.
    async fn of_two() -> Self {
        let stack = Stack::start(Config {
            start: Some("2026-11-22T10:15:00Z".parse().unwrap()),
            support_approval: SupportApproval::Two,
            ..Config::default()
        });
        Self::on(stack.await.expect("the stack starts")).await
    }

    /// Somebody of support, signed in, at a page.
    async fn support(&self, name: &str, path: &str) -> (Client, Answer) {
        let mut client = Client::new(&self.stack.seller_url);
        let (email, password) = (format!("{name}@example.com"), format!("{name}-local"));
        let page = client.sign_in(path, &email, Some(&password)).await;
        (client, page)
    }

    fn transfer(&self, to: &str) -> String {
        format!("/support/transfer?license={}&to={to}", self.license)
    }

    async fn state(&self, account: &str) -> String {
        let path = format!("/support/accounts/{account}");
        let (_, page) = self.support("sue", &path).await;
        let (_, rest) = page.body.split_once(r#"id="state">"#).unwrap();
        rest.split('<').next().unwrap().to_owned()
    }
}

/// The form of a page, with a ticket and a reason.
fn filled(page: &Answer) -> [(&'static str, String); 4] {
    [
        ("csrf", page.field("csrf")),
        ("basis", page.field("basis")),
        ("ticket", "T-42".to_owned()),
        ("reason", REASON.to_owned()),
    ]
}

async fn send(client: &mut Client, path: &str, form: &[(&'static str, String)]) -> Answer {
    let form: Vec<(&str, &str)> = form.iter().map(|(n, v)| (*n, v.as_str())).collect();
    client.post(path, &form).await
}

#[tokio::test]
async fn support_finds_who_pays_by_account_aws_account_license_and_agreement() {
    let linked = Linked::new().await;
    let (mut sue, page) = linked.support("sue", "/support").await;
    page.is(200);
    let license = format!("/support/licenses/{}", linked.license);
    for sought in [BUYER, &linked.license, &linked.arn, &linked.agreement] {
        let found = sue.get(&format!("/support?q={sought}")).await;
        found.is(200);
        found.says(&format!(r#"href="{license}""#));
        found.says("acme-production");
    }
    let found = sue.get("/support?q=acme-production").await;
    found.says(r#"href="/support/accounts/acme-production""#);
    sue.get("/support?q=l-nothing")
        .await
        .says("Nothing has the id");
    let page = sue.get(&license).await;
    page.says(&linked.agreement);
    page.says("/support/accounts/acme-production");

    let account = "/support/accounts/acme-production";
    let paid = sue.get(&format!("{account}?at=2026-11-22T10:15:30Z")).await;
    paid.says("by agreement");
    let (_, answer) = paid.body.split_once(r#"id="paid-at""#).unwrap();
    assert!(answer.split("</p>").next().unwrap().contains(BUYER));
    let before = sue.get(&format!("{account}?at=2026-11-22T10:14:59Z")).await;
    let (_, answer) = before.body.split_once(r#"id="paid-at""#).unwrap();
    assert!(
        answer
            .split("</p>")
            .next()
            .unwrap()
            .contains("no AWS account")
    );
    let as_shown = sue
        .get(&format!("{account}?at=2026-11-22%2010:15:30"))
        .await;
    as_shown.says("by agreement");
    let mistaken = sue.get(&format!("{account}?at=yesterday")).await;
    mistaken.is(400);
    mistaken.says(r#"value="yesterday""#);
    mistaken.says("That is no instant");
    let told = sue.get("/support/told?q=agmt_mistyped").await;
    told.is(400);
    told.says(r#"value="agmt_mistyped""#);
    told.says("That is no agreement’s id, no license’s id or ARN, and no day.");
    let with_dashes = sue.get("/support?q=1111-2222-3333").await;
    with_dashes.says(&format!(r#"href="{license}""#));
    for unknown in ["/support/accounts/nobody", "/support/licenses/l-none"] {
        sue.get(unknown).await.is(404);
    }
}

#[tokio::test]
async fn for_whoever_is_not_support_its_pages_are_not_there() {
    let linked = Linked::new().await;
    let transfer = linked.transfer("acme-staging");
    let mut alice = Client::new(&linked.stack.seller_url);
    alice.get("/support").await.is(303);
    let page = alice
        .sign_in_as_alice("/accounts/acme-production/unlink")
        .await;
    page.does_not_say("/support");
    for path in ["/support", "/support/accounts/acme-production", &transfer] {
        alice.get(path).await.is(404);
    }
    send(&mut alice, &transfer, &filled(&page)).await.is(404);
    assert_eq!(linked.state("acme-production").await, SUBSCRIBED);
    // Support is no member: an account's own pages are not theirs.
    let (mut sue, _) = linked.support("sue", "/support").await;
    sue.get("/accounts/acme-production").await.is(404);
}

#[tokio::test]
async fn support_moves_a_license_and_the_customer_reads_the_ticket_and_the_reason() {
    let linked = Linked::new().await;
    let transfer = linked.transfer("acme-staging");
    let (mut sue, page) = linked.support("sue", &transfer).await;
    page.says("Acme Production");
    page.says("has 48 hours of grace, until");
    let form = filled(&page);
    for (n, wrong) in [(2, ""), (3, " "), (2, "T-42\r\nSet-Cookie: a=b")] {
        let mut form = form.clone();
        form[n].1 = wrong.to_owned();
        send(&mut sue, &transfer, &form).await.is(422);
    }
    let mut forged = form.clone();
    forged[0].1 = "0".repeat(64);
    send(&mut sue, &transfer, &forged).await.is(403);
    assert_eq!(linked.state("acme-production").await, SUBSCRIBED);

    let done = send(&mut sue, &transfer, &form).await;
    done.is(303);
    assert_eq!(
        done.location().as_deref(),
        Some("/support/accounts/acme-staging")
    );
    assert_eq!(linked.state("acme-production").await, "Grace period");
    assert_eq!(linked.state("acme-staging").await, SUBSCRIBED);
    send(&mut sue, &transfer, &form).await.is(303);

    let mut alice = Client::new(&linked.stack.seller_url);
    let page = alice.sign_in_as_alice("/accounts/acme-production").await;
    page.says("support (ticket T-42)");
    page.says("The buyer &lt;b&gt;left&lt;/b&gt; the company");
    page.does_not_say("<b>left");
}

#[tokio::test]
async fn an_old_sign_in_is_repeated_and_what_is_refused_says_why() {
    let linked = Linked::new().await;
    let unlink = format!(
        "/support/unlink?account=acme-production&license={}",
        linked.license
    );
    let (_, stale) = linked.support("tom", &unlink).await;
    stale.says("is unlinked from");
    let (mut sue, page) = linked
        .support("sue", &linked.transfer("acme-staging"))
        .await;
    wait(&linked.stack, 15 * 60 + 1).await;
    let late = send(&mut sue, &linked.transfer("acme-staging"), &filled(&page)).await;
    late.is(403);
    late.says("Sign in again");
    let again = sue.get(&linked.transfer("acme-staging")).await;
    again.says("takes a sign-in of the last 15 minutes");
    let (mut sue, page) = linked
        .support("sue", &linked.transfer("acme-staging"))
        .await;
    send(&mut sue, &linked.transfer("acme-staging"), &filled(&page))
        .await
        .is(303);
    // Meanwhile nothing pays for the account: there is nothing left to unlink.
    let (mut tom, _) = linked.support("tom", "/support").await;
    let mut form = filled(&stale);
    form[0].1 = tom
        .get(&linked.transfer("acme-production"))
        .await
        .field("csrf");
    send(&mut tom, &unlink, &form).await.is(409);

    let to_globex = linked.transfer("globex");
    let refused = sue.get(&to_globex).await;
    refused.says("It has an annual subscription");
    refused.does_not_say("name=\"basis\"");
    sue.get(&linked.transfer("nobody")).await.is(404);
}

#[tokio::test]
async fn a_stale_confirmation_of_support_is_refused_and_shown_anew() {
    let linked = Linked::new().await;
    let to_staging = linked.transfer("acme-staging");
    let (mut tom, stale) = linked.support("tom", &to_staging).await;
    let unlink = format!(
        "/support/unlink?account=acme-production&license={}",
        linked.license
    );
    let (mut sue, page) = linked.support("sue", &unlink).await;
    send(&mut sue, &unlink, &filled(&page)).await.is(303);
    let asked = send(&mut tom, &to_staging, &filled(&stale)).await;
    asked.is(409);
    asked.says("Something changed meanwhile");
    asked.does_not_say("leaves");
    assert_eq!(linked.state("acme-staging").await, "Trial");
    assert_eq!(asked.field("csrf"), stale.field("csrf"));
    send(&mut tom, &to_staging, &filled(&asked)).await.is(303);
    assert_eq!(linked.state("acme-staging").await, SUBSCRIBED);
}

#[tokio::test]
async fn where_two_are_needed_the_second_one_approves() {
    let linked = Linked::of_two().await;
    let transfer = linked.transfer("acme-staging");
    let (mut sue, page) = linked.support("sue", &transfer).await;
    page.says("Ask a second person to approve it");
    let asked = send(&mut sue, &transfer, &filled(&page)).await;
    asked.is(303);
    let request = asked.location().unwrap();
    assert!(request.starts_with("/support/requests/2026-11-22."));
    assert_eq!(linked.state("acme-production").await, SUBSCRIBED);
    let own = sue.get(&request).await;
    own.says("somebody else of support has to approve it");
    let form = [("csrf", own.field("csrf")), ("basis", page.field("basis"))];
    send(&mut sue, &format!("{request}/approve"), &form)
        .await
        .is(403);

    let (mut tom, waiting) = linked.support("tom", "/support").await;
    waiting.says(&request);
    let shown = tom.get(&request).await;
    shown.says("T-42");
    let form = [
        ("csrf", shown.field("csrf")),
        ("basis", shown.field("basis")),
    ];
    for _sent_twice in 0..2 {
        let done = send(&mut tom, &format!("{request}/approve"), &form).await;
        done.is(303);
    }
    tom.get(&request).await.says("Approved by tom@example.com");
    assert_eq!(linked.state("acme-production").await, "Grace period");
    assert_eq!(linked.state("acme-staging").await, SUBSCRIBED);
    let csrf = [("csrf", shown.field("csrf"))];
    send(&mut tom, &format!("{request}/decline"), &csrf)
        .await
        .is(409);
}

#[tokio::test]
async fn a_request_can_be_declined_and_then_does_nothing() {
    let linked = Linked::of_two().await;
    let transfer = linked.transfer("acme-staging");
    let (mut sue, page) = linked.support("sue", &transfer).await;
    let request = send(&mut sue, &transfer, &filled(&page)).await;
    let request = request.location().unwrap();
    let (mut tom, shown) = linked.support("tom", &request).await;
    let csrf = [("csrf", shown.field("csrf"))];
    send(&mut tom, &format!("{request}/decline"), &csrf)
        .await
        .is(303);
    let form = [
        ("csrf", shown.field("csrf")),
        ("basis", shown.field("basis")),
    ];
    send(&mut tom, &format!("{request}/approve"), &form)
        .await
        .is(409);
    tom.get(&request).await.says("Declined by tom@example.com");
    tom.get("/support").await.does_not_say(&request);
    assert_eq!(linked.state("acme-production").await, SUBSCRIBED);
}

/// In a browser: find the customer, see the consequence, do it.
async fn helps_a_customer(viewport: Viewport, name: &str) {
    let linked = Linked::of_two().await;
    let driver = Driver::start();
    let sue = driver.window(viewport).await;
    let open = |path: &str| format!("{}{path}", linked.stack.seller_url);
    sue.open(&open("/support")).await;
    sue.sign_in_as("sue").await;
    sue.sees("h1", "Support").await;
    sue.type_into("#q", BUYER).await;
    sue.press("Look up").await;
    sue.sees("h2", "Found").await;
    sue.fits().await;
    sue.is_accessible().await;
    sue.picture(&format!("{name}-support-found")).await;
    sue.press(&format!("License of AWS account {BUYER}")).await;
    sue.sees("h1", "License of AWS account").await;
    sue.fits().await;
    sue.is_accessible().await;
    sue.picture(&format!("{name}-support-license")).await;
    sue.type_into("#to", "acme-staging").await;
    sue.press("See what would follow…").await;
    sue.sees("h2", "What will happen").await;
    sue.type_into("#ticket", "T-42").await;
    sue.type_into("#reason", "The buyer left the company").await;
    sue.fits().await;
    sue.is_accessible().await;
    sue.picture(&format!("{name}-support-transfer")).await;
    sue.press("Ask a second person to approve it").await;
    sue.sees("h2", "What would happen now").await;
    let request = sue.url().await;

    let tom = driver.window(viewport).await;
    tom.open(&request).await;
    tom.sign_in_as("tom").await;
    tom.sees("h2", "What would happen now").await;
    tom.fits().await;
    tom.is_accessible().await;
    tom.picture(&format!("{name}-support-request")).await;
    tom.press("Approve and do it").await;
    tom.sees("dd", "Approved by tom@example.com").await;
    tom.open(&open("/support/accounts/acme-production")).await;
    tom.sees("dd", "Grace period").await;
    tom.fits().await;
    tom.is_accessible().await;
    tom.picture(&format!("{name}-support-account")).await;
    tom.sees(
        "td",
        "sue@example.com of support (ticket T-42, approved by tom@example.com)",
    )
    .await;
}

#[tokio::test]
async fn support_helps_a_customer_on_a_phone() {
    helps_a_customer(Viewport::Phone, "phone").await;
}

#[tokio::test]
async fn support_helps_a_customer_on_a_desktop() {
    helps_a_customer(Viewport::Desktop, "desktop").await;
}

//! From the fulfillment URL to the linked account, and what is refused on the way.

use local::Local;

use super::client::{Answer, Client};
use super::{stack, subscribe, wait};

pub(super) const FIRST: &str = "111122223333";
const SECOND: &str = "444455556666";

/// Comes from AWS with a fresh token and signs in; the choice of accounts.
async fn arrive(stack: &Local, token: &str) -> (Client, Answer) {
    let mut browser = Client::new(&stack.seller_url);
    browser.bring_token(token).await;
    let choice = browser.sign_in_as_alice("/register/accounts").await;
    (browser, choice)
}

/// The confirmation of an account, and its form sent as it is.
pub(super) async fn confirm(browser: &mut Client, account: &str) -> Answer {
    let page = browser
        .get(&format!("/register/confirm?account={account}"))
        .await;
    page.is(200);
    send(browser, &page, account).await
}

/// Opens an account at the choice of accounts and links the subscription to it.
pub(super) async fn open_and_confirm(browser: &mut Client, choice: &Answer, name: &str) -> Answer {
    let (csrf, key) = (choice.field("csrf"), choice.field("key"));
    let form = [
        ("csrf", csrf.as_str()),
        ("key", key.as_str()),
        ("name", name),
    ];
    let opened = browser.post("/register/accounts", &form).await;
    let target = opened.location().expect("the way to the confirmation");
    let (_, account) = target.split_once("account=").expect("the account");
    confirm(browser, account).await
}

async fn send(browser: &mut Client, page: &Answer, account: &str) -> Answer {
    let (csrf, basis) = (page.field("csrf"), page.field("basis"));
    let form = [
        ("csrf", csrf.as_str()),
        ("account", account),
        ("basis", basis.as_str()),
    ];
    let answer = browser.post("/register/confirm", &form).await;
    browser.follow(answer).await
}

/// Links the license to an account from beginning to end.
pub(super) async fn link(stack: &Local, token: &str, account: &str) -> Answer {
    let (mut browser, _) = arrive(stack, token).await;
    confirm(&mut browser, account).await
}

#[tokio::test]
async fn a_buyer_comes_from_aws_and_links_the_subscription_to_an_account() {
    let stack = stack().await;
    let bought = subscribe(&stack, FIRST).await;
    let token = &bought.registration_token;
    let mut browser = Client::new(&stack.seller_url);

    let redeemed = browser.bring_token(token).await;
    redeemed.is(303);
    assert_eq!(redeemed.location().as_deref(), Some("/register"));
    let cookie = redeemed.headers["set-cookie"].to_str().unwrap();
    for attribute in ["HttpOnly", "SameSite=Lax", "Max-Age=14400", "Path=/"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let welcome = browser.follow(redeemed).await;
    welcome.says("••••••••3333");
    welcome.does_not_say(FIRST);
    welcome.says(r#"type="email""#);
    welcome.says("support@example.com");
    welcome.does_not_say(token);

    let choice = browser.sign_in_as_alice("/register/accounts").await;
    choice.is(200);
    choice.says(FIRST);
    assert!(choice.item("acme-production").contains("Choose"));
    assert!(
        choice
            .item("globex")
            .contains("It has an annual subscription until")
    );
    assert!(choice.item("globex").contains("disabled"));

    let page = browser
        .get("/register/confirm?account=acme-production")
        .await;
    page.says("AWS account <strong class=\"num\">111122223333</strong> pays for");
    let done = send(&mut browser, &page, "acme-production").await;
    done.is(200);
    done.says("Your subscription is set up");
    done.says("What happens next");
    done.does_not_say("Remember to cancel");
    browser
        .get("/accounts/acme-production")
        .await
        .says("Subscribed through AWS Marketplace");

    // The same form again changes nothing and ends in the same place.
    let again = send(&mut browser, &page, "acme-production").await;
    again.says("Your subscription is set up");
}

#[tokio::test]
async fn whoever_opens_the_fulfillment_url_by_hand_is_told_where_to_come_from() {
    let stack = stack().await;
    let mut browser = Client::new(&stack.seller_url);
    let page = browser.get("/register").await;
    page.is(200);
    page.says("Set up your account");
    browser.get("/register/accounts").await.is(303);
    browser.post("/register", &[]).await.is(400);
    browser
        .post("/register", &[("x-amzn-marketplace-token", "")])
        .await
        .is(400);
}

#[tokio::test]
async fn an_expired_or_unknown_token_sends_the_buyer_back_to_aws_without_losing_anything() {
    let stack = stack().await;
    let bought = subscribe(&stack, FIRST).await;
    let mut browser = Client::new(&stack.seller_url);
    wait(&stack, 5 * 3600).await;
    let expired = browser.bring_token(&bought.registration_token).await;
    expired.is(400);
    expired.says("This registration has expired");
    expired.says("You need not subscribe again");
    expired.does_not_say(&bought.registration_token);
    let unknown = browser.bring_token("never-given").await;
    unknown.is(400);
    unknown.does_not_say("never-given");
    assert!(browser.cookies.is_empty());
}

#[tokio::test]
async fn a_registration_lives_for_four_hours() {
    let stack = stack().await;
    let bought = subscribe(&stack, FIRST).await;
    let (mut browser, _) = arrive(&stack, &bought.registration_token).await;
    wait(&stack, 4 * 3600 - 1).await;
    browser
        .get("/register")
        .await
        .says("Thank you for subscribing");
    wait(&stack, 1).await;
    browser.get("/register").await.says("How to get here");
    let gone = browser.get("/register/accounts").await;
    gone.is(410);
    gone.says("You need not subscribe again");
}

#[tokio::test]
async fn a_saml_user_is_refused_also_when_posting_the_confirmation_directly_and_keeps_the_session()
{
    let stack = stack().await;
    let bought = subscribe(&stack, FIRST).await;
    let (mut alice, _) = arrive(&stack, &bought.registration_token).await;
    let page = alice.get("/register/confirm?account=acme-production").await;
    let basis = page.field("basis");

    let mut sam = Client::new(&stack.seller_url);
    sam.bring_token(&bought.registration_token).await;
    let refused = sam
        .sign_in("/register/accounts", "sam@example.com", None)
        .await;
    refused.is(403);
    refused.says(r#"data-refusal="credentials_required""#);
    refused.says("ExampleCorpSaml");
    assert!(refused.item("acme-production").contains("disabled"));
    refused.does_not_say("/register/confirm");

    let csrf = sam.get("/accounts").await.field("csrf");
    let form = [
        ("csrf", csrf.as_str()),
        ("account", "acme-production"),
        ("basis", basis.as_str()),
    ];
    let direct = sam.post("/register/confirm", &form).await;
    direct.is(403);
    direct.says(r#"data-refusal="credentials_required""#);
    let form = [
        ("csrf", csrf.as_str()),
        ("key", "form-key"),
        ("name", "New"),
    ];
    sam.post("/register/accounts", &form).await.is(403);
    sam.get("/accounts/acme-production")
        .await
        .does_not_say("Subscribed through");

    // The same browser goes on with credentials, without going back to AWS.
    let choice = sam.sign_in_as_alice("/register/accounts").await;
    choice.is(200);
    confirm(&mut sam, "acme-production")
        .await
        .says("Your subscription is set up");
}

#[tokio::test]
async fn a_sign_in_older_than_15_minutes_has_to_be_repeated() {
    let stack = stack().await;
    let bought = subscribe(&stack, FIRST).await;
    let (mut browser, _) = arrive(&stack, &bought.registration_token).await;
    let page = browser
        .get("/register/confirm?account=acme-production")
        .await;
    wait(&stack, 15 * 60 + 1).await;
    let old = send(&mut browser, &page, "acme-production").await;
    old.is(403);
    old.says(r#"data-refusal="sign_in_too_old""#);
    // The first page says why it asks again, and of whom.
    let welcome = browser.get("/register").await;
    welcome.says(r#"data-refusal="sign_in_too_old""#);
    welcome.says("You are signed in as alice@example.com");
    welcome.says("a sign-in of the last 15 minutes");
    welcome.says(r#"value="alice@example.com""#);
    welcome.does_not_say("Go on as");
    let choice = browser.sign_in_as_alice("/register/accounts").await;
    choice.is(200);
    let welcome = browser.get("/register").await;
    welcome.says("Go on as alice@example.com");
    welcome.does_not_say("data-refusal");
    confirm(&mut browser, "acme-production")
        .await
        .says("is set up");
}

#[tokio::test]
async fn what_was_confirmed_on_a_stale_page_is_not_done_and_is_asked_again() {
    let stack = stack().await;
    let first = subscribe(&stack, FIRST).await;
    let second = subscribe(&stack, SECOND).await;
    let (mut slow, _) = arrive(&stack, &second.registration_token).await;
    let stale = slow.get("/register/confirm?account=acme-production").await;
    stale.does_not_say("changes from");

    link(&stack, &first.registration_token, "acme-production")
        .await
        .is(200);
    wait(&stack, 60).await;

    let asked = send(&mut slow, &stale, "acme-production").await;
    asked.is(409);
    asked.says("Something changed meanwhile");
    asked.says("changes from AWS account");
    let page = slow.get("/accounts/acme-production").await;
    page.says(FIRST);
    page.does_not_say(SECOND);

    let done = send(&mut slow, &asked, "acme-production").await;
    done.is(200);
    done.says("Remember to cancel the old subscription in AWS");
    done.says(FIRST);
    let page = slow.get("/accounts/acme-production").await;
    page.says(SECOND);
    page.says("Another subscription pays since");
}

#[tokio::test]
async fn moving_a_license_names_what_the_other_account_loses_and_when_it_expires() {
    let stack = stack().await;
    let bought = subscribe(&stack, FIRST).await;
    link(&stack, &bought.registration_token, "acme-production")
        .await
        .is(200);

    let token = stack.fake.new_token(&bought.license_arn).unwrap();
    let (mut browser, _) = arrive(&stack, &token).await;
    let page = browser.get("/register/confirm?account=acme-staging").await;
    page.says("The subscription leaves the account <strong>Acme Production</strong>");
    page.says("24 Nov 2026, 10:15:00 UTC");
    page.says("Trial or Subscription Expired");
    send(&mut browser, &page, "acme-staging").await.is(200);

    let grace = browser.get("/accounts/acme-production").await;
    grace.says("2 days 0 h of grace left");
    wait(&stack, 48 * 3600 - 1).await;
    let page = browser.sign_in_as_alice("/accounts/acme-production").await;
    page.says("less than a minute of grace left");
    wait(&stack, 1).await;
    let page = browser.get("/accounts/acme-production").await;
    page.says(r#"<dd id="state">Trial or Subscription Expired</dd>"#);
}

#[tokio::test]
async fn a_license_linked_to_strangers_names_their_account_only_in_part() {
    let stack = stack().await;
    let bought = subscribe(&stack, FIRST).await;
    link(&stack, &bought.registration_token, "acme-staging")
        .await
        .is(200);
    let token = stack.fake.new_token(&bought.license_arn).unwrap();
    let mut bob = Client::new(&stack.seller_url);
    bob.bring_token(&token).await;
    let choice = bob
        .sign_in("/register/accounts", "bob@example.com", Some("bob-local"))
        .await;
    assert!(choice.item("acme-production").contains("read only"));
    choice.does_not_say("Acme Staging");
    let form = [
        ("csrf", choice.field("csrf")),
        ("key", "form-key".to_owned()),
        ("name", "Bob & Sons".to_owned()),
    ];
    let form: Vec<(&str, &str)> = form.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let opened = bob.post("/register/accounts", &form).await;
    let page = bob.follow(opened).await;
    page.says("Bob &amp; Sons");
    page.says("<strong>Ac…</strong>");
    page.does_not_say("Acme Staging");
}

#[tokio::test]
async fn a_registration_waits_while_aws_is_busy_and_says_so() {
    let stack = stack().await;
    let bought = subscribe(&stack, FIRST).await;
    stack
        .fake
        .inject_fault(fake_aws::Fault {
            operation: "ResolveCustomer".to_owned(),
            fault: fake_aws::FaultKind::Throttle,
            times: 10,
            license_arn: None,
            records: None,
            delay_ms: None,
        })
        .unwrap();
    let mut browser = Client::new(&stack.seller_url);
    let busy = browser.bring_token(&bought.registration_token).await;
    busy.is(503);
    busy.says("You need not subscribe again");
    stack.fake.clear_faults();
    browser
        .bring_token(&bought.registration_token)
        .await
        .is(303);
}

#[tokio::test]
async fn the_products_api_key_signs_nobody_in_to_decide_who_pays() {
    let stack = stack().await;
    let bought = subscribe(&stack, FIRST).await;
    let mut program = Client::new(&stack.seller_url);
    program.bring_token(&bought.registration_token).await;
    let basis = "0".repeat(64);
    let form = [
        ("csrf", "none"),
        ("account", "acme-production"),
        ("basis", basis.as_str()),
    ];
    let key = ("authorization", "Bearer local-usage-key");
    for path in ["/register/confirm", "/accounts/acme-production/unlink"] {
        program.post_with(path, &form, &[key]).await.is(401);
    }
}

#[tokio::test]
async fn a_member_unlinks_after_a_confirmation_and_the_account_enters_grace() {
    let stack = stack().await;
    let bought = subscribe(&stack, FIRST).await;
    link(&stack, &bought.registration_token, "acme-production")
        .await
        .is(200);
    wait(&stack, 60).await;
    let mut browser = Client::new(&stack.seller_url);
    let page = browser
        .sign_in_as_alice("/accounts/acme-production/unlink")
        .await;
    page.says("has 48 hours of grace");
    page.says("24 Nov 2026, 10:16:00 UTC");
    let (csrf, basis) = (page.field("csrf"), page.field("basis"));
    let form = [("csrf", csrf.as_str()), ("basis", basis.as_str())];
    let unlinked = browser
        .post("/accounts/acme-production/unlink", &form)
        .await;
    browser.follow(unlinked).await.says("of grace left");
    // Twice is done already, and says so as the first time did.
    let again = browser
        .post("/accounts/acme-production/unlink", &form)
        .await;
    again.is(303);
    browser.follow(again).await.says("of grace left");
    let page = browser.get("/accounts/acme-production/unlink").await;
    page.says("There is nothing to unlink");

    // An account that never had one has nothing to unlink.
    let none = browser.post("/accounts/acme-staging/unlink", &form).await;
    none.is(409);
    none.says("There is nothing to unlink");
    none.does_not_say("registration");
}

#[tokio::test]
async fn nobody_unlinks_by_saml_or_with_an_old_sign_in_whatever_the_form_says() {
    let stack = stack().await;
    let bought = subscribe(&stack, FIRST).await;
    link(&stack, &bought.registration_token, "acme-production")
        .await
        .is(200);
    let mut alice = Client::new(&stack.seller_url);
    let page = alice
        .sign_in_as_alice("/accounts/acme-production/unlink")
        .await;
    let basis = page.field("basis");

    let mut sam = Client::new(&stack.seller_url);
    let accounts = sam.sign_in("/accounts", "sam@example.com", None).await;
    let csrf = accounts.field("csrf");
    let form = [("csrf", csrf.as_str()), ("basis", basis.as_str())];
    let refused = sam.post("/accounts/acme-production/unlink", &form).await;
    refused.is(403);
    refused.says(r#"data-refusal="credentials_required""#);
    refused.says("ExampleCorpSaml");
    refused.does_not_say("registration");

    let csrf = page.field("csrf");
    let form = [("csrf", csrf.as_str()), ("basis", basis.as_str())];
    wait(&stack, 15 * 60 + 1).await;
    let refused = alice.post("/accounts/acme-production/unlink", &form).await;
    refused.is(403);
    refused.says(r#"data-refusal="sign_in_too_old""#);
    alice
        .get("/accounts/acme-production")
        .await
        .says("Subscribed through AWS Marketplace");
}

#[tokio::test]
async fn a_read_only_member_sees_the_payer_masked_and_cannot_unlink() {
    let stack = stack().await;
    let bought = subscribe(&stack, FIRST).await;
    link(&stack, &bought.registration_token, "acme-production")
        .await
        .is(200);
    let mut bob = Client::new(&stack.seller_url);
    let page = bob
        .sign_in(
            "/accounts/acme-production",
            "bob@example.com",
            Some("bob-local"),
        )
        .await;
    page.says("••••••••3333");
    page.does_not_say(FIRST);
    page.does_not_say("/unlink");
    bob.get("/accounts/acme-production/unlink")
        .await
        .says("Your role is read only");
    let mut alice = Client::new(&stack.seller_url);
    let basis = alice
        .sign_in_as_alice("/accounts/acme-production/unlink")
        .await
        .field("basis");
    let csrf = page.field("csrf");
    let form = [("csrf", csrf.as_str()), ("basis", basis.as_str())];
    let refused = bob.post("/accounts/acme-production/unlink", &form).await;
    refused.is(403);
    refused.says("You cannot unlink the subscription");
    refused.does_not_say("registration");
    bob.get("/accounts/acme-production/usage").await.is(200);
    for path in [
        "/accounts/acme-staging",
        "/accounts/acme-staging/usage",
        "/accounts/acme-staging/usage.csv",
        "/accounts/acme-staging/focus-1.2.csv",
        "/accounts/acme-staging/not-cloud",
        "/accounts/acme-staging/not-cloud.csv",
        "/accounts/acme-staging/unlink",
        "/accounts/none",
    ] {
        let stranger = bob.get(path).await;
        stranger.is(404);
        stranger.does_not_say("Acme Staging");
    }
}

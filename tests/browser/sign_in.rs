//! Signing in: users of every kind, and attackers as they would like it to go.

use app::SessionSecret;
use domain::sign_in::{SignInMethod, SignedIn};
use local::Local;

use super::client::{Answer, Client};
use super::registration::{FIRST, open_and_confirm};
use super::{stack, subscribe, wait};

/// Who is signed in in a browser, as our sessions know it.
async fn user_of(stack: &Local, browser: &Client) -> SignedIn {
    let secret = SessionSecret::parse(&browser.cookies["session"]).unwrap();
    stack.app.signed_in(&secret).await.unwrap().unwrap()
}

/// Gives Mia's password at the issuer; the page that asks for a one-time code.
async fn mia_gives_her_password(browser: &mut Client) -> Answer {
    let begun = browser
        .post("/sign-in", &[("to", "/register/accounts")])
        .await;
    let form = [("email", "mia@example.com"), ("password", "mia-local")];
    let asked = browser.post(&begun.location().unwrap(), &form).await;
    asked.is(200);
    asked
}

/// Gives a one-time code to the page that asked for it.
async fn give_code(browser: &mut Client, asked: &Answer, code: &str) -> Answer {
    let ticket = asked.field("ticket");
    let form = [("ticket", ticket.as_str()), ("code", code)];
    browser.post("/issuer/second-factor", &form).await
}

/// The code that the local authenticator shows.
async fn shown_code(browser: &mut Client) -> String {
    let page = browser.get("/issuer/authenticator").await;
    let (_, rest) = page.body.split_once("<dd><code>").unwrap();
    rest.split('<').next().unwrap().to_owned()
}

#[tokio::test]
async fn whoever_the_issuer_puts_into_the_group_of_support_is_support() {
    let stack = stack().await;
    for (email, password, support) in [
        ("sue@example.com", "sue-local", true),
        ("tom@example.com", "tom-local", true),
        ("alice@example.com", "alice-local", false),
    ] {
        let mut browser = Client::new(&stack.seller_url);
        browser.sign_in("/accounts", email, Some(password)).await;
        let user = user_of(&stack, &browser).await;
        assert_eq!(user.support, support, "{email}");
        assert_eq!(user.method, SignInMethod::Credentials, "{email}");
    }
}

#[tokio::test]
async fn a_sign_in_with_a_one_time_code_does_for_linking() {
    let stack = stack().await;
    let bought = subscribe(&stack, FIRST).await;
    let mut browser = Client::new(&stack.seller_url);
    browser.bring_token(&bought.registration_token).await;
    let asked = mia_gives_her_password(&mut browser).await;
    let code = shown_code(&mut browser).await;
    let back = give_code(&mut browser, &asked, &code).await;
    let choice = browser.follow(back).await;
    choice.is(200);
    choice.says("mia@example.com");
    open_and_confirm(&mut browser, &choice, "Mia’s")
        .await
        .says("Your subscription is set up");
}

#[tokio::test]
async fn a_one_time_code_counts_once_for_a_minute_and_five_wrong_ones_end_the_sign_in() {
    let stack = stack().await;
    let mut browser = Client::new(&stack.seller_url);
    let asked = mia_gives_her_password(&mut browser).await;
    let code = shown_code(&mut browser).await;
    give_code(&mut browser, &asked, &code).await.is(303);

    let asked = mia_gives_her_password(&mut browser).await;
    let used = give_code(&mut browser, &asked, &code).await;
    used.is(401);
    used.says("was used before");
    wait(&stack, 30).await;
    let late = shown_code(&mut browser).await;
    wait(&stack, 60).await;
    give_code(&mut browser, &asked, &late).await.is(401);
    for code in ["", "x"] {
        give_code(&mut browser, &asked, code).await.is(401);
    }
    give_code(&mut browser, &asked, "000000000").await.is(400);
    let right = shown_code(&mut browser).await;
    give_code(&mut browser, &asked, &right).await.is(400);
    assert!(!browser.cookies.contains_key("session"));
}

#[tokio::test]
async fn a_page_that_needs_a_user_leads_to_the_issuer_and_back() {
    let stack = stack().await;
    let mut browser = Client::new(&stack.seller_url);
    let asked = browser
        .get("/accounts/acme-production/usage?month=2026-11")
        .await;
    asked.is(303);
    let begun = browser.get(&asked.location().unwrap()).await;
    let issuer = begun.location().unwrap();
    for parameter in [
        "response_type=code",
        "code_challenge_method=S256",
        "nonce=",
        "state=",
        "scope=openid",
    ] {
        assert!(issuer.contains(parameter), "{issuer}");
    }
    let form = [("email", "alice@example.com"), ("password", "alice-local")];
    let back = browser.post(&issuer, &form).await;
    let page = browser.follow(back).await;
    page.is(200);
    page.says("Billing &amp; usage");
    page.says("alice@example.com");
}

#[tokio::test]
async fn a_wrong_password_signs_nobody_in() {
    let stack = stack().await;
    let mut browser = Client::new(&stack.seller_url);
    let begun = browser.post("/sign-in", &[("to", "/accounts")]).await;
    let form = [("email", "alice@example.com"), ("password", "wrong")];
    browser
        .post(&begun.location().unwrap(), &form)
        .await
        .is(401);
    browser.get("/accounts").await.is(303);
}

#[tokio::test]
async fn a_forged_or_missing_state_is_refused() {
    let stack = stack().await;
    let mut browser = Client::new(&stack.seller_url);
    let back = browser
        .sign_in_at_issuer("/accounts", "alice@example.com", Some("alice-local"))
        .await;
    let (path, state) = back.split_once("state=").unwrap();
    let mut flipped = state.to_owned();
    flipped.replace_range(..1, if state.starts_with('0') { "1" } else { "0" });
    for forged in ["", "x", "a.b", &flipped, &state[..state.len() - 1]] {
        let answer = browser.get(&format!("{path}state={forged}")).await;
        answer.is(400);
        answer.says("did not begin here");
    }
    assert!(!browser.cookies.contains_key("session"));
    // What was forged did not use up the true one.
    browser.open(&back).await.says("alice@example.com");
}

#[tokio::test]
async fn an_answer_counts_once_in_the_browser_that_asked_and_for_an_hour() {
    let stack = stack().await;
    let mut browser = Client::new(&stack.seller_url);
    let alice = ("alice@example.com", Some("alice-local"));

    let back = browser
        .sign_in_at_issuer("/accounts", alice.0, alice.1)
        .await;
    let mut stranger = Client::new(&stack.seller_url);
    stranger.get(&back).await.is(400);
    stranger.get("/sign-in?to=/accounts").await.is(303);
    stranger.get(&back).await.is(400);

    browser.get(&back).await.is(303);
    browser.get(&back).await.is(400);

    let late = browser
        .sign_in_at_issuer("/accounts", alice.0, alice.1)
        .await;
    wait(&stack, 3600).await;
    browser.get(&late).await.is(400);
}

#[tokio::test]
async fn a_code_of_another_sign_in_is_refused() {
    let stack = stack().await;
    let mut browser = Client::new(&stack.seller_url);
    let mut attacker = Client::new(&stack.seller_url);
    let mine = browser
        .sign_in_at_issuer("/accounts", "alice@example.com", Some("alice-local"))
        .await;
    let theirs = attacker
        .sign_in_at_issuer("/accounts", "bob@example.com", Some("bob-local"))
        .await;
    let state = mine.split_once("state=").unwrap().1;
    let (path, _) = theirs.split_once("state=").unwrap();
    let answer = browser.get(&format!("{path}state={state}")).await;
    answer.is(400);
    answer.says("The sign-in did not succeed");
    browser.get("/accounts").await.is(303);
}

#[tokio::test]
async fn a_sign_in_that_the_issuer_refused_says_so() {
    let stack = stack().await;
    let mut browser = Client::new(&stack.seller_url);
    let begun = browser.post("/sign-in", &[("to", "/accounts")]).await;
    let issuer = begun.location().unwrap();
    let state = issuer
        .split("state=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap();
    let path = format!(
        "/sign-in/callback?error=access_denied&error_description=%3Cscript%3E&state={state}"
    );
    let answer = browser.get(&path).await;
    answer.is(403);
    answer.does_not_say("<script>");
}

#[tokio::test]
async fn signing_in_changes_the_session_and_signing_out_ends_it() {
    let stack = stack().await;
    let mut browser = Client::new(&stack.seller_url);
    let page = browser.sign_in_as_alice("/accounts").await;
    let first = browser.clone();
    browser.sign_in_as_alice("/accounts").await;
    assert_ne!(first.cookies["session"], browser.cookies["session"]);
    first.clone().get("/accounts").await.is(303);

    // The token of before belongs to the session of before.
    browser
        .post("/sign-out", &[("csrf", &page.field("csrf"))])
        .await
        .is(403);
    let csrf = browser.get("/accounts").await.field("csrf");
    let kept = browser.clone();
    browser.post("/sign-out", &[("csrf", &csrf)]).await.is(303);
    assert!(!browser.cookies.contains_key("session"));
    kept.clone().get("/accounts").await.is(303);
}

#[tokio::test]
async fn a_session_lives_for_twelve_hours() {
    let stack = stack().await;
    let mut browser = Client::new(&stack.seller_url);
    browser.sign_in_as_alice("/accounts").await;
    wait(&stack, 12 * 3600 - 1).await;
    browser.get("/accounts").await.is(200);
    wait(&stack, 1).await;
    browser.get("/accounts").await.is(303);
}

#[tokio::test]
async fn a_sign_in_leads_to_no_other_site() {
    let stack = stack().await;
    for to in [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/accounts\r\nx: y",
    ] {
        let mut browser = Client::new(&stack.seller_url);
        let back = browser
            .sign_in_at_issuer(to, "alice@example.com", Some("alice-local"))
            .await;
        let answer = browser.get(&back).await;
        assert_eq!(answer.location().as_deref(), Some("/accounts"), "{to:?}");
        assert!(answer.headers.get("x").is_none());
    }
}

//! A link by which an administrator goes on with somebody else's registration.

use local::Local;

use super::client::{Answer, Client};
use super::registration::{FIRST, confirm};
use super::{stack, subscribe, wait};

/// Sam, who signs in by SAML and so may not decide who pays, makes a link.
async fn handed_over(stack: &Local) -> (Client, String) {
    let bought = subscribe(stack, FIRST).await;
    let mut sam = Client::new(&stack.seller_url);
    sam.bring_token(&bought.registration_token).await;
    let choice = sam
        .sign_in("/register/accounts", "sam@example.com", None)
        .await;
    choice.is(403);
    choice.says("Let an administrator do it");
    let csrf = choice.field("csrf");
    let made = sam.post("/register/hand-over", &[("csrf", &csrf)]).await;
    made.is(200);
    made.says("It works once, within 4 hours");
    let start = made.body.find("/register/take-over/").unwrap();
    let link: String = made.body[start..]
        .chars()
        .take_while(|c| *c != '"')
        .collect();
    (sam, link)
}

/// Opens the link and goes on.
async fn take_over(browser: &mut Client, link: &str) -> Answer {
    let page = browser.get(link).await;
    if page.status == 410 {
        return page;
    }
    page.is(200);
    page.says("Nothing changes before you confirm it");
    let (csrf, secret) = (page.field("csrf"), page.field("secret"));
    let form = [("csrf", csrf.as_str()), ("secret", secret.as_str())];
    browser.post("/register/take-over", &form).await
}

#[tokio::test]
async fn an_administrator_goes_on_by_a_link_that_works_once_and_signs_in_as_themselves() {
    let stack = stack().await;
    let (mut sam, link) = handed_over(&stack).await;
    let mut alice = Client::new(&stack.seller_url);
    // Whatever looks at the link first, such as a chat program, uses nothing up.
    alice.get(&link).await.is(200);
    let taken = take_over(&mut alice, &link).await;
    taken.is(303);
    assert_eq!(taken.location().as_deref(), Some("/register"));
    alice.get("/register/accounts").await.is(303);
    let choice = alice.sign_in_as_alice("/register/accounts").await;
    choice.is(200);
    let done = confirm(&mut alice, "acme-production").await;
    done.says("Your subscription is set up");

    let mut second = Client::new(&stack.seller_url);
    let used = take_over(&mut second, &link).await;
    used.is(410);
    used.says("This link does not work any more");
    assert!(second.cookies.is_empty());
    sam.get("/register").await.says("Thank you for subscribing");
}

#[tokio::test]
async fn a_link_is_for_four_hours_and_no_other_secret_is_one() {
    let stack = stack().await;
    let (sam, link) = handed_over(&stack).await;
    let session = sam.cookies.values().find(|value| value.len() == 64);
    let mut other = Client::new(&stack.seller_url);
    // A browser's own registration is not a link.
    let forged = format!("/register/take-over/{}", session.unwrap());
    take_over(&mut other, &forged).await.is(410);
    for secret in ["not-a-secret", &"A".repeat(64), &"0".repeat(63)] {
        let page = other.get(&format!("/register/take-over/{secret}")).await;
        page.is(410);
        page.does_not_say(secret);
    }
    let form = [("secret", link.rsplit('/').next().unwrap())];
    other.post("/register/take-over", &form).await.is(403);
    wait(&stack, 4 * 3600).await;
    take_over(&mut other, &link).await.is(410);
}

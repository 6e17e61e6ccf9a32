//! ID tokens that must not be believed, through the real router.

use serde_json::{Value, json};
use web::CredentialRule;

use super::client::{Answer, Client};
use super::registration::{FIRST, confirm};
use super::rogue::{Key, Rogue};
use super::{subscribe, wait};

/// The claims with one changed; `null` takes it away.
fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    if value.is_null() {
        claims.as_object_mut().unwrap().remove(name);
    } else {
        claims[name] = value;
    }
    claims
}

/// Signs in for the page of accounts with a token made for this sign-in.
async fn sign_in(
    rogue: &Rogue,
    browser: &mut Client,
    token: impl FnOnce(&Value) -> String,
) -> Answer {
    let begun = rogue.begin(browser, "/accounts").await;
    let token = token(&rogue.claims(&begun));
    rogue.finish(browser, &begun, &token).await
}

#[tokio::test]
async fn only_a_token_that_the_issuer_signed_for_us_and_for_now_signs_anybody_in() {
    let key = Key::new("k");
    let rogue = Rogue::start(&[&key]).await;
    let now = rogue.stack.app.clock.now().as_second();
    let mut browser = Client::new(&rogue.seller_url);
    for (claim, value) in [
        ("iss", json!("https://issuer.example.com")),
        ("iss", Value::Null),
        ("aud", json!("another-client")),
        ("aud", json!(["our-client", "another-client"])),
        ("aud", Value::Null),
        ("azp", json!("another-client")),
        ("exp", json!(now - 60)),
        ("exp", Value::Null),
        ("iat", json!(now + 61)),
        ("nbf", json!(now + 61)),
        ("auth_time", json!(now + 61)),
        ("nonce", json!("another")),
        ("nonce", Value::Null),
        ("sub", Value::Null),
        ("token_use", json!("access")),
    ] {
        let refused = sign_in(&rogue, &mut browser, |claims| {
            key.sign(&with(claims, claim, value.clone()))
        })
        .await;
        assert_eq!(refused.status, 400, "{claim}: {value}");
        refused.says("The sign-in did not succeed");
        assert!(!browser.cookies.contains_key("session"), "{claim}: {value}");
    }
    sign_in(&rogue, &mut browser, |claims| key.sign(claims))
        .await
        .is(303);
    browser.get("/accounts").await.says("carol@example.com");
}

#[tokio::test]
async fn a_signature_that_anybody_could_have_made_counts_for_nothing() {
    let (key, impostor) = (Key::new("k"), Key::new("k"));
    let rogue = Rogue::start(&[&key]).await;
    let mut browser = Client::new(&rogue.seller_url);
    for forge in 0..6 {
        let refused = sign_in(&rogue, &mut browser, |claims| {
            let [by_bytes, by_jwk] = key.signed_by_what_is_public(claims);
            let good = key.sign(claims);
            let (message, _) = good.rsplit_once('.').unwrap();
            match forge {
                0 => impostor.sign(claims),
                1 => key.unsigned(claims),
                2 => by_bytes,
                3 => by_jwk,
                4 => format!("{message}."),
                _ => "not.a.token".to_owned(),
            }
        })
        .await;
        assert_eq!(refused.status, 400, "{forge}");
        assert!(!browser.cookies.contains_key("session"), "{forge}");
    }
}

#[tokio::test]
async fn a_nonce_counts_for_its_own_sign_in_only() {
    let key = Key::new("k");
    let rogue = Rogue::start(&[&key]).await;
    let mut browser = Client::new(&rogue.seller_url);
    let first = rogue.begin(&mut browser, "/accounts").await;
    let token = key.sign(&rogue.claims(&first));
    rogue.finish(&mut browser, &first, &token).await.is(303);
    browser.cookies.remove("session");
    let second = rogue.begin(&mut browser, "/accounts").await;
    rogue.finish(&mut browser, &second, &token).await.is(400);
    browser.get("/accounts").await.is(303);
}

#[tokio::test]
async fn whoever_the_token_does_not_name_by_a_verified_address_is_refused_and_keeps_the_registration()
 {
    let key = Key::new("k");
    let rogue = Rogue::start(&[&key]).await;
    let bought = subscribe(&rogue.stack, FIRST).await;
    let mut browser = Client::new(&rogue.seller_url);
    browser.bring_token(&bought.registration_token).await;
    for (claim, value, told) in [
        ("email", Value::Null, "Your e-mail address is missing"),
        (
            "email_verified",
            json!(false),
            "Verify your e-mail address first",
        ),
        (
            "email_verified",
            Value::Null,
            "Verify your e-mail address first",
        ),
        (
            "sub",
            json!("a\r\nSet-Cookie: a=b"),
            "We cannot use that e-mail address",
        ),
        ("sub", json!(""), "We cannot use that e-mail address"),
        (
            "email",
            json!("a@example.com\r\nSet-Cookie: a=b"),
            "We cannot use that e-mail address",
        ),
        (
            "email",
            json!("<script>alert(1)</script>@example.com"),
            "We cannot use that e-mail address",
        ),
    ] {
        let begun = rogue.begin(&mut browser, "/register/accounts").await;
        let token = key.sign(&with(&rogue.claims(&begun), claim, value));
        let refused = rogue.finish(&mut browser, &begun, &token).await;
        refused.is(403);
        refused.says(told);
        refused.does_not_say("<script>");
        assert!(refused.headers.get("set-cookie").is_none());
    }
    // Not signed in, they confirm nothing by asking directly.
    let form = [("account", "acme-production"), ("basis", "x")];
    browser.post("/register/confirm", &form).await.is(401);
    browser
        .get("/register")
        .await
        .says("Thank you for subscribing");
}

#[tokio::test]
async fn what_an_issuer_calls_people_and_providers_is_text_on_our_pages() {
    let key = Key::new("k");
    let rogue = Rogue::start(&[&key]).await;
    let bought = subscribe(&rogue.stack, FIRST).await;
    let mut browser = Client::new(&rogue.seller_url);
    browser.bring_token(&bought.registration_token).await;
    let begun = rogue.begin(&mut browser, "/register/accounts").await;
    let mut claims = rogue.claims(&begun);
    claims["email"] = json!(r#""><svg.onload=x>@example.com"#);
    claims["name"] = json!("<script>alert(1)</script>");
    claims["identities"] = json!([{ "providerName": "<script>alert(2)</script>" }]);
    let back = rogue.finish(&mut browser, &begun, &key.sign(&claims)).await;
    back.is(303);
    let choice = browser.follow(back).await;
    choice.is(403);
    choice.says(r#"data-refusal="credentials_required""#);
    choice.says("&lt;script&gt;alert(2)&lt;/script&gt;");
    for page in [choice, browser.get("/register").await] {
        page.says("&quot;&gt;&lt;svg.onload=x&gt;@example.com");
        page.does_not_say("<script>");
        page.does_not_say("<svg");
    }
}

#[tokio::test]
async fn by_amr_single_sign_on_is_refused_also_when_it_confirms_directly_and_a_second_factor_is_not()
 {
    let key = Key::new("k");
    let methods = ["pwd", "mfa"].map(str::to_owned).to_vec();
    let rogue = Rogue::start_by(&[&key], CredentialRule::Amr(methods)).await;
    let bought = subscribe(&rogue.stack, FIRST).await;
    let mut browser = Client::new(&rogue.seller_url);
    browser.bring_token(&bought.registration_token).await;
    let choose = async |browser: &mut Client, amr: Value| {
        let begun = rogue.begin(browser, "/register/accounts").await;
        let token = key.sign(&with(&rogue.claims(&begun), "amr", amr));
        let back = rogue.finish(browser, &begun, &token).await;
        browser.follow(back).await
    };
    let choice = choose(&mut browser, json!(["otp", "mfa"])).await;
    choice.is(200);
    let csrf = choice.field("csrf");
    let form = [
        ("csrf", csrf.as_str()),
        ("key", "form-key"),
        ("name", "Carol’s"),
    ];
    let opened = browser.post("/register/accounts", &form).await;
    let page = browser.follow(opened).await;
    let (account, basis) = (page.field("account"), page.field("basis"));

    for amr in [json!(["fed"]), json!([]), Value::Null] {
        let refused = choose(&mut browser, amr).await;
        refused.is(403);
        refused.says(r#"data-refusal="credentials_required""#);
        let csrf = browser.get("/accounts").await.field("csrf");
        let form = [
            ("csrf", csrf.as_str()),
            ("account", account.as_str()),
            ("basis", basis.as_str()),
        ];
        let direct = browser.post("/register/confirm", &form).await;
        direct.is(403);
        direct.says(r#"data-refusal="credentials_required""#);
    }
    choose(&mut browser, json!(["pwd"])).await.is(200);
    confirm(&mut browser, &account)
        .await
        .says("Your subscription is set up");
}

#[tokio::test]
async fn unknown_keys_have_the_issuers_keys_fetched_once_a_minute_at_most() {
    let key = Key::new("k");
    let rogue = Rogue::start(&[&key]).await;
    let mut browser = Client::new(&rogue.seller_url);
    sign_in(&rogue, &mut browser, |claims| key.sign(claims))
        .await
        .is(303);
    assert_eq!(rogue.keys_asked(), 1);
    wait(&rogue.stack, 60).await;
    for id in ["a", "b", "c", "d", "e"] {
        let unknown = Key::new(id);
        sign_in(&rogue, &mut browser, |claims| unknown.sign(claims))
            .await
            .is(400);
    }
    assert_eq!(rogue.keys_asked(), 2);
    // What is not signed by a key at all has nothing fetched.
    wait(&rogue.stack, 60).await;
    sign_in(&rogue, &mut browser, |claims| key.unsigned(claims))
        .await
        .is(400);
    assert_eq!(rogue.keys_asked(), 2);
}

#[tokio::test]
async fn a_key_that_the_issuer_withdrew_counts_no_longer() {
    let (old, new) = (Key::new("old"), Key::new("new"));
    let rogue = Rogue::start(&[&old]).await;
    let mut browser = Client::new(&rogue.seller_url);
    sign_in(&rogue, &mut browser, |claims| old.sign(claims))
        .await
        .is(303);

    // Both are published while the issuer changes over; then only the new one.
    rogue.publish(&[&old, &new]);
    wait(&rogue.stack, 60).await;
    for key in [&new, &old] {
        sign_in(&rogue, &mut browser, |claims| key.sign(claims))
            .await
            .is(303);
    }
    rogue.publish(&[&new]);
    wait(&rogue.stack, 3600).await;
    sign_in(&rogue, &mut browser, |claims| old.sign(claims))
        .await
        .is(400);
    sign_in(&rogue, &mut browser, |claims| new.sign(claims))
        .await
        .is(303);
}

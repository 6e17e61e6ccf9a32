//! Forms of other sites, hostile names, headers and sizes.

use hyper::Method;

use super::client::Client;
use super::{stack, subscribe};

#[tokio::test]
async fn a_form_counts_only_from_our_own_page_with_this_sessions_token() {
    let stack = stack().await;
    let bought = subscribe(&stack, "111122223333").await;
    let mut browser = Client::new(&stack.seller_url);
    browser.bring_token(&bought.registration_token).await;
    browser.sign_in_as_alice("/register/accounts").await;
    let page = browser
        .get("/register/confirm?account=acme-production")
        .await;
    let (csrf, basis) = (page.field("csrf"), page.field("basis"));

    let mut other = Client::new(&stack.seller_url);
    let others = other.sign_in_as_alice("/accounts").await.field("csrf");
    let form = |csrf: &str| {
        vec![
            ("csrf".to_owned(), csrf.to_owned()),
            ("account".to_owned(), "acme-production".to_owned()),
            ("basis".to_owned(), basis.clone()),
        ]
    };
    for (token, headers) in [
        ("", vec![("sec-fetch-site", "same-origin")]),
        (others.as_str(), vec![("sec-fetch-site", "same-origin")]),
        (csrf.as_str(), vec![("sec-fetch-site", "cross-site")]),
        (csrf.as_str(), vec![("sec-fetch-site", "same-site")]),
        (csrf.as_str(), vec![("origin", "https://evil.example")]),
        (csrf.as_str(), vec![("origin", "null")]),
    ] {
        let form = form(token);
        let form: Vec<(&str, &str)> = form.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let answer = browser
            .post_with("/register/confirm", &form, &headers)
            .await;
        answer.is(403);
    }
    let form = form(&csrf);
    let without: Vec<(&str, &str)> = form[1..]
        .iter()
        .map(|(n, v)| (n.as_str(), v.as_str()))
        .collect();
    browser.post("/register/confirm", &without).await.is(403);
    browser
        .get("/accounts/acme-production")
        .await
        .says("of the trial left");
    let own = [("origin", stack.seller_url.as_str())];
    let form: Vec<(&str, &str)> = form.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    browser
        .post_with("/register/confirm", &form, &own)
        .await
        .is(303);
}

#[tokio::test]
async fn a_cookie_that_we_did_not_give_opens_nothing() {
    let stack = stack().await;
    for value in [
        "",
        "x",
        &"0".repeat(64),
        &"z".repeat(64),
        &"0".repeat(5000),
        "a=b; c",
    ] {
        let mut browser = Client::new(&stack.seller_url);
        browser
            .cookies
            .insert("session".to_owned(), value.to_owned());
        browser
            .cookies
            .insert("registration".to_owned(), value.to_owned());
        browser.get("/accounts").await.is(303);
        browser.get("/register").await.says("How to get here");
    }
}

#[tokio::test]
async fn a_hostile_name_is_text_on_the_page() {
    let stack = stack().await;
    let mut browser = Client::new(&stack.seller_url);
    let page = browser.sign_in_as_alice("/accounts").await;
    let csrf = page.field("csrf");
    let name = r#""><script>alert(1)</script><b a='"#;
    let opened = browser
        .post("/accounts", &[("csrf", &csrf), ("name", name)])
        .await;
    let page = browser.follow(opened).await;
    page.is(200);
    page.does_not_say("<script>");
    page.says("&lt;script&gt;alert(1)&lt;/script&gt;");
    browser.get("/accounts").await.does_not_say("<script>");
    for name in ["", " ", "a\r\nSet-Cookie: x=y", &"x".repeat(101)] {
        let refused = browser
            .post("/accounts", &[("csrf", &csrf), ("name", name)])
            .await;
        refused.is(422);
        assert!(refused.headers.get("set-cookie").is_none());
    }
    let missing = browser.post("/accounts", &[("csrf", &csrf)]).await;
    missing.is(422);
    missing.says("The field “name” is missing");
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let stack = stack().await;
    let mut browser = Client::new(&stack.seller_url);
    browser.sign_in_as_alice("/accounts").await;
    let style = browser.get("/accounts").await;
    let style = style
        .body
        .split("href=\"")
        .find(|part| part.starts_with("/static/style"))
        .unwrap();
    let style = style.split('"').next().unwrap().to_owned();
    for (method, path, status) in [
        (Method::GET, "/accounts", 200),
        (Method::GET, "/", 303),
        (Method::GET, "/nothing", 404),
        (Method::PUT, "/accounts", 405),
        (Method::POST, "/accounts", 403),
        (Method::GET, style.as_str(), 200),
        (Method::GET, "/api/nothing", 404),
        (Method::POST, "/api/usage-reports", 401),
    ] {
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let answer = browser.send(method, path, &form, "").await;
        answer.is(status);
        let policy = answer.headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; style-src 'self'"),
            "{policy}"
        );
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["referrer-policy"], "same-origin");
        let cached = answer.headers["cache-control"].to_str().unwrap();
        assert_eq!(cached == "no-store", path != style, "{path}: {cached}");
        if path.starts_with("/api/") {
            assert_eq!(answer.headers["content-type"], "application/problem+json");
        }
    }
}

#[tokio::test]
async fn an_oversized_form_is_refused() {
    let stack = stack().await;
    let mut browser = Client::new(&stack.seller_url);
    let large = "x".repeat(20_000);
    let answer = browser.bring_token(&large).await;
    answer.is(413);
    answer.says("That is too large");
}

#[tokio::test]
async fn a_body_of_another_kind_is_no_form() {
    let stack = stack().await;
    let mut browser = Client::new(&stack.seller_url);
    let json = [("content-type", "application/json")];
    let answer = browser.send(Method::POST, "/register", &json, "{}").await;
    answer.is(415);
    answer.says("What to do next");
}

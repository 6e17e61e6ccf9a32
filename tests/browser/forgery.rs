//! Forms of other sites, foreign cookies, hostile names, headers and sizes.

use std::collections::BTreeSet;

use hyper::Method;
use local::{Local, USAGE_API_KEY};
use serde_json::json;

use super::client::{Answer, Client};
use super::registration::{FIRST, link};
use super::{stack, subscribe};
use crate::project;

/// What pages want in their address besides, if they want anything.
const QUERY: &str =
    "account=acme-production&license=l-0123456789abcdef0123456789abcdef&to=acme-staging";

/// Every page of ours that takes a form, as the sources route them, with
/// something in place of each parameter.
fn form_paths() -> BTreeSet<String> {
    let sources = project::sources("shared/web/src");
    let mut paths = BTreeSet::new();
    for route in sources.split(".route(").skip(1) {
        let route = route.split(".route(").next().unwrap_or_default();
        let end = route.find(";\n").unwrap_or(route.len());
        let Some((_, rest)) = route[..end].split_once('"') else {
            continue;
        };
        let (path, handlers) = rest.split_once('"').unwrap();
        if handlers.contains("post(") && !path.starts_with("/api/") {
            let parts = path.split('/').map(|part| match part.strip_prefix('{') {
                Some(_) => "acme-production",
                None => part,
            });
            paths.insert(parts.collect::<Vec<_>>().join("/"));
        }
    }
    paths
}

/// Somebody of support, signed in, who has come from AWS besides: no page of
/// ours is closed to them before it reads the form.
async fn supporter(stack: &Local) -> Client {
    let bought = subscribe(stack, FIRST).await;
    let mut browser = Client::new(&stack.seller_url);
    browser.bring_token(&bought.registration_token).await;
    let page = browser
        .sign_in("/accounts", "sue@example.com", Some("sue-local"))
        .await;
    page.is(200);
    browser
}

#[tokio::test]
async fn every_form_of_ours_is_refused_when_it_is_too_large_or_not_from_our_page() {
    let stack = stack().await;
    let browser = supporter(&stack).await;
    let paths = form_paths();
    for known in ["/register", "/sign-in", "/sign-out", "/accounts"] {
        assert!(paths.contains(known), "{known} is not among {paths:?}");
    }
    let large = "x".repeat(20_000);
    for path in &paths {
        let mut browser = browser.clone();
        let whole = format!("{path}?{QUERY}");
        let oversized = browser.post(&whole, &[("csrf", &large)]).await;
        assert_eq!(oversized.status, 413, "{path}");
        oversized.says("That is too large");
        // AWS's page sends the one, and whoever is not signed in yet the other.
        if path != "/register" && path != "/sign-in" {
            let without = browser.post(&whole, &[]).await;
            assert_eq!(without.status, 403, "{path}: {}", without.body);
        }
        if path != "/register" {
            let csrf = browser.get("/accounts").await.field("csrf");
            let elsewhere = [("sec-fetch-site", "cross-site")];
            let foreign = browser
                .post_with(&whole, &[("csrf", &csrf)], &elsewhere)
                .await;
            assert_eq!(foreign.status, 403, "{path}: {}", foreign.body);
            foreign.says("That came from another site");
        }
    }
    // Nothing of all that signed her out.
    browser.clone().get("/accounts").await.is(200);
}

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
async fn a_cookie_counts_only_as_what_we_gave_it_for() {
    let stack = stack().await;
    let browser = supporter(&stack).await;
    let kinds = ["session", "registration", "sign-in"];
    for (from, to) in [
        ("registration", "session"),
        ("sign-in", "session"),
        ("session", "registration"),
        ("sign-in", "registration"),
    ] {
        let mut other = Client::new(&stack.seller_url);
        let secret = browser.cookies[from].clone();
        other.cookies.insert(to.to_owned(), secret);
        other.get("/accounts").await.is(303);
        other.get("/register").await.says("How to get here");
    }
    // A sign-in that another browser began cannot be put into this one.
    let mut victim = Client::new(&stack.seller_url);
    let mut attacker = Client::new(&stack.seller_url);
    let back = attacker
        .sign_in_at_issuer("/accounts", "bob@example.com", Some("bob-local"))
        .await;
    for kind in kinds {
        victim
            .cookies
            .insert(kind.to_owned(), browser.cookies[kind].clone());
    }
    victim.get(&back).await.is(400);
    victim.get("/accounts").await.says("sue@example.com");
}

#[tokio::test]
async fn what_somebody_types_as_an_address_goes_to_the_issuer_as_one_parameter() {
    let stack = stack().await;
    let mut browser = Client::new(&stack.seller_url);
    let typed = "a@example.com\r\nSet-Cookie: x=y&prompt=none#\"><script>";
    for field in ["email", "to", "new", "again"] {
        let begun = browser.post("/sign-in", &[(field, typed)]).await;
        begun.is(303);
        let issuer = begun.location().unwrap();
        assert!(
            issuer.starts_with(&format!("{}/issuer/authorize?", stack.seller_url)),
            "{issuer}"
        );
        assert!(!issuer.contains(['#', '"', '<', '\r', '\n']), "{issuer}");
        assert!(!issuer.contains("prompt=none"), "{issuer}");
        let page = browser.get(&issuer).await;
        page.is(200);
        page.does_not_say("<script>");
    }
}

#[tokio::test]
async fn a_hostile_ticket_or_reason_is_text_and_cannot_end_a_line() {
    let stack = stack().await;
    let bought = subscribe(&stack, FIRST).await;
    link(&stack, &bought.registration_token, "acme-production")
        .await
        .is(200);
    let license = bought.license_arn.rsplit(':').next().unwrap();
    let unlink = format!("/support/unlink?account=acme-production&license={license}");
    let mut sue = Client::new(&stack.seller_url);
    let page = sue
        .sign_in(&unlink, "sue@example.com", Some("sue-local"))
        .await;
    page.is(200);
    let (csrf, basis) = (page.field("csrf"), page.field("basis"));
    let form = |ticket, reason| {
        let own = [("csrf", csrf.as_str()), ("basis", basis.as_str())];
        [own[0], own[1], ("ticket", ticket), ("reason", reason)]
    };
    let ends_line = "T-1\r\nSet-Cookie: x=y";
    for (ticket, reason) in [(ends_line, "He left"), ("T-1", ends_line)] {
        let refused = sue.post(&unlink, &form(ticket, reason)).await;
        refused.is(422);
        assert!(refused.headers.get("set-cookie").is_none());
    }
    let script = r#""><script>alert(1)</script>"#;
    let done = sue.post(&unlink, &form(script, script)).await;
    done.is(303);
    sue.follow(done).await.does_not_say("<script>");
    let shown = sue.get("/support/accounts/acme-production").await;
    let mut alice = Client::new(&stack.seller_url);
    let own = alice.sign_in_as_alice("/accounts/acme-production").await;
    for page in [shown, own] {
        page.says("&lt;script&gt;alert(1)&lt;/script&gt;");
        page.does_not_say("<script>");
    }
}

/// The product asks for something by the API.
async fn product(stack: &Local, method: Method, path: &str, body: &str) -> Answer {
    let key = format!("Bearer {USAGE_API_KEY}");
    let headers = [
        ("authorization", key.as_str()),
        ("content-type", "application/json"),
    ];
    Client::new(&stack.seller_url)
        .send(method, path, &headers, body)
        .await
}

#[tokio::test]
async fn a_members_address_that_would_end_a_line_or_a_tag_is_refused_and_not_repeated() {
    let stack = stack().await;
    let members = "/api/accounts/acme-production/members";
    let role = json!({ "role": "read_only" }).to_string();
    for address in [
        "eve@example.com%0D%0ASet-Cookie:%20x=y",
        "eve%00@example.com",
        "eve%20%3Cb%3E@example.com",
        "%3Cscript%3Ealert(1)%3C%2Fscript%3E@example.com",
        "nobody",
    ] {
        let path = format!("{members}/{address}");
        let refused = product(&stack, Method::PUT, &path, &role).await;
        refused.is(422);
        assert!(refused.headers.get("set-cookie").is_none());
        refused.does_not_say("eve");
        refused.does_not_say("script");
    }
}

#[tokio::test]
async fn every_body_of_the_products_api_is_refused_when_it_is_too_large() {
    let stack = stack().await;
    let large = json!({ "name": "x".repeat(20_000) }).to_string();
    for (method, path) in [
        (Method::PUT, "/api/accounts/new"),
        (Method::PATCH, "/api/accounts/acme-production"),
        (
            Method::PUT,
            "/api/accounts/acme-production/members/a@example.com",
        ),
        (
            Method::PUT,
            "/api/accounts/acme-production/annual-subscription",
        ),
    ] {
        let answer = product(&stack, method, path, &large).await;
        assert_eq!(answer.status, 413, "{path}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
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
        .post(
            "/accounts",
            &[("csrf", &csrf), ("key", "form-key"), ("name", name)],
        )
        .await;
    let page = browser.follow(opened).await;
    page.is(200);
    page.does_not_say("<script>");
    page.says("&lt;script&gt;alert(1)&lt;/script&gt;");
    browser.get("/accounts").await.does_not_say("<script>");
    for name in ["", " ", "a\r\nSet-Cookie: x=y", &"x".repeat(101)] {
        let refused = browser
            .post(
                "/accounts",
                &[("csrf", &csrf), ("key", "form-key"), ("name", name)],
            )
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

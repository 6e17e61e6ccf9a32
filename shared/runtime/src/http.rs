//! HTTP requests of API Gateway, through the same router that serves locally.
//!
//! What is under `/api/` needs a signature of IAM's, which the gateway checks
//! before it calls us. It says so in the request, and that is looked at here
//! ([`answer`]): the gateway chooses its route, and whether a signature is asked
//! for, by its own reading of a path.
//!
//! Where CloudFront with a firewall stands before the gateway, whatever needs no
//! signature must have come through it ([`only_through`]).

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Context, LambdaEvent};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tower::Service as _;

use crate::payload::{Unreadable, WHOLE};

/// Where requests need a signature of IAM's.
const SIGNED: &str = "/api/";

/// The header that CloudFront sets, and nobody else knows the value of.
pub const ORIGIN_SECRET_HEADER: &str = "x-origin-secret";

/// Whether a payload looks like a request of API Gateway.
pub fn is_request(payload: &Value) -> bool {
    payload.get("requestContext").is_some()
}

/// Answers a request of API Gateway (payload format 2.0) by a router.
///
/// # Errors
/// [`Unreadable`] when the payload is no such request; whatever a request asks
/// wrongly is answered by the router.
pub async fn answer(router: &Router, mut payload: Value) -> Result<Value, Unreadable> {
    if !is_request(&payload) {
        return Err(Unreadable::new(
            "requestContext",
            "expected an HTTP request of API Gateway, payload format 2.0",
        ));
    }
    if payload["rawPath"]
        .as_str()
        .is_some_and(|path| path.starts_with(SIGNED))
        && !payload["requestContext"]["authorizer"]["iam"].is_object()
    {
        tracing::error!("the gateway let a request without a signature through to the API");
        return Ok(json!({"statusCode": 403, "headers": {}, "isBase64Encoded": false, "body": ""}));
    }
    // What reads the request would panic.
    if payload["isBase64Encoded"] == true
        && let Some(body) = payload["body"].as_str()
        && STANDARD.decode(body).is_err()
    {
        return Err(Unreadable::new(
            "body",
            "expected base64, as isBase64Encoded says",
        ));
    }
    readable_uri(&mut payload)?;
    // The reason may repeat parts of the request: it is not told.
    let request: LambdaRequest = serde_json::from_value(payload).map_err(|_| {
        Unreadable::new(
            WHOLE,
            "expected an HTTP request of API Gateway, payload format 2.0",
        )
    })?;
    // The adapter is not held while waiting: it is not `Send`. A router is
    // always ready, so nothing has to be polled before the call.
    let answering =
        Adapter::from(router.clone()).call(LambdaEvent::new(request, Context::default()));
    let answered: Result<_, Infallible> = answering.await;
    let response = match answered {
        Ok(response) => response,
        Err(never) => match never {},
    };
    serde_json::to_value(&response)
        .map_err(|_| Unreadable::new(WHOLE, "the answer cannot be written as JSON"))
}

/// Leaves a URI that can be read: what reads the request would panic at another. Of
/// the host, which anybody may choose, it would make a part of the URI; no route asks
/// for it.
fn readable_uri(payload: &mut Value) -> Result<(), Unreadable> {
    if let Some(headers) = payload["headers"].as_object_mut() {
        headers.retain(|name, _| !name.eq_ignore_ascii_case("host"));
    }
    if let Some(context) = payload["requestContext"].as_object_mut() {
        context.remove("domainName");
    }
    if !payload["rawPath"]
        .as_str()
        .is_some_and(|path| path.starts_with('/'))
    {
        return Err(Unreadable::new("rawPath", "expected a path from / on"));
    }
    let query = payload["rawQueryString"].as_str().unwrap_or_default();
    if format!("/?{query}").parse::<Uri>().is_err() {
        return Err(Unreadable::new("rawQueryString", "expected a URI's query"));
    }
    Ok(())
}

/// A router that answers only what came through CloudFront, which gives the
/// secret in a header, besides what needs a signature; without a secret, all.
pub fn only_through(router: Router, secret: Option<SecretString>) -> Router {
    match secret {
        Some(secret) => router.layer(from_fn_with_state(Arc::new(secret), check_origin)),
        None => router,
    }
}

async fn check_origin(
    State(secret): State<Arc<SecretString>>,
    request: Request,
    next: Next,
) -> Response {
    let given = request.headers().get(ORIGIN_SECRET_HEADER);
    let given = given.map(|value| value.as_bytes()).unwrap_or_default();
    let through = same(given, secret.expose_secret().as_bytes());
    if through || request.uri().path().starts_with(SIGNED) {
        return next.run(request).await;
    }
    (
        StatusCode::FORBIDDEN,
        "This service is reached by its public address.",
    )
        .into_response()
}

/// Compares all bytes, so that the time taken tells nothing about where they differ.
fn same(given: &[u8], secret: &[u8]) -> bool {
    let differing = given
        .iter()
        .zip(secret)
        .fold(0, |all, (a, b)| all | (a ^ b));
    given.len() == secret.len() && differing == 0 && !secret.is_empty()
}

#[cfg(test)]
mod tests {
    use axum::extract::Query;
    use axum::http::HeaderMap;
    use axum::response::AppendHeaders;
    use axum::routing::{get, post};
    use serde_json::json;

    use super::*;

    fn request(method: &str, path: &str, query: &str, body: Option<&str>) -> Value {
        json!({
            "version": "2.0",
            "routeKey": "$default",
            "rawPath": path,
            "rawQueryString": query,
            "cookies": ["a=1", "b=2"],
            "headers": {"host": "example.com", "content-type": "application/x-www-form-urlencoded"},
            "requestContext": {
                "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "test"},
                "stage": "$default", "requestId": "id", "timeEpoch": 1_795_341_600_000_i64
            },
            "body": body,
            "isBase64Encoded": false
        })
    }

    #[tokio::test]
    async fn a_body_that_is_not_the_base64_that_it_is_said_to_be_is_refused() {
        let mut payload = request("POST", "/", "", Some("b=\u{e1}\u{3d}"));
        payload["isBase64Encoded"] = json!(true);
        let refused = answer(&Router::new(), payload).await.unwrap_err();
        assert!(refused.to_string().contains("body"), "{refused}");
    }

    #[tokio::test]
    async fn whatever_host_is_named_and_whatever_is_no_uri_ends_in_an_answer() {
        let router = Router::new().route("/help", get(|| async { "help" }));
        for host in ["marketplace.ex`mple.com", "a b", ":99999", "[", ""] {
            for name in ["host", "Host"] {
                let mut asked = request("GET", "/help", "", None);
                asked["headers"] = json!({});
                asked["headers"][name] = json!(host);
                asked["requestContext"]["domainName"] = json!(host);
                let answer = answer(&router, asked).await.unwrap();
                assert_eq!(answer["statusCode"], 200, "{name}: {host}");
            }
        }
        for (path, query) in [
            (":99999/help", ""),
            ("help", ""),
            ("", ""),
            ("/help", "a b"),
            ("/help", "<"),
        ] {
            let refused = answer(&router, request("GET", path, query, None)).await;
            assert!(refused.is_err(), "{path}?{query}");
        }
        for path in ["/he|p", "/h`lp", "//help", "/a b", "/\n"] {
            let answer = answer(&router, request("GET", path, "", None))
                .await
                .unwrap();
            assert_eq!(answer["statusCode"], 404, "{path}");
        }
    }

    #[tokio::test]
    async fn method_path_query_cookies_and_body_reach_the_router() {
        let router = Router::new()
            .route(
                "/accounts/{id}",
                get(
                    |axum::extract::Path(id): axum::extract::Path<String>,
                     Query(query): Query<Vec<(String, String)>>,
                     headers: HeaderMap| async move {
                        let cookies: Vec<_> = headers
                            .get_all("cookie")
                            .iter()
                            .map(|value| value.to_str().unwrap_or_default().to_owned())
                            .collect();
                        (
                            AppendHeaders([("set-cookie", "x=1"), ("set-cookie", "y=2")]),
                            format!("{id} {query:?} {cookies:?}"),
                        )
                    },
                ),
            )
            .route("/register", post(|body: String| async move { body }));
        let shown = answer(
            &router,
            request("GET", "/accounts/a1", "month=2026-11&x=%2F", None),
        )
        .await
        .unwrap();
        assert_eq!(shown["statusCode"], 200);
        assert_eq!(shown["cookies"], json!(["x=1", "y=2"]));
        assert_eq!(
            shown["body"],
            r#"a1 [("month", "2026-11"), ("x", "/")] ["a=1; b=2"]"#
        );
        let posted = answer(&router, request("POST", "/register", "", Some("token=abc")))
            .await
            .unwrap();
        assert_eq!(posted["body"], "token=abc");
        let missing = answer(&router, request("GET", "/nowhere", "", None))
            .await
            .unwrap();
        assert_eq!(missing["statusCode"], 404);
    }

    async fn status(router: &Router, payload: Value) -> u64 {
        let answered = answer(router, payload).await.unwrap();
        answered["statusCode"].as_u64().unwrap()
    }

    #[tokio::test]
    async fn the_api_is_closed_to_a_request_of_which_the_gateway_checked_no_signature() {
        let router = Router::new().route("/api/accounts", get(|| async { "all" }));
        let mut asked = request("GET", "/api/accounts", "", None);
        assert_eq!(status(&router, asked.clone()).await, 403);
        asked["requestContext"]["authorizer"] = json!({"iam": {
            "accessKey": "AKIAIOSFODNN7EXAMPLE", "accountId": "111122223333",
            "callerId": "AIDACKCEVSQ6C2EXAMPLE", "userId": "AIDACKCEVSQ6C2EXAMPLE",
            "userArn": "arn:aws:iam::111122223333:user/product",
        }});
        assert_eq!(status(&router, asked).await, 200);
    }

    #[tokio::test]
    async fn nobody_gets_past_the_firewall_to_a_page() {
        let router = Router::new().route("/register", get(|| async { "page" }));
        let router = only_through(router, Some(SecretString::from("s3cret")));
        for (given, expected) in [
            (None, 403),
            (Some(""), 403),
            (Some("s3cre"), 403),
            (Some("s3creT"), 403),
            (Some("s3cret"), 200),
        ] {
            let mut asked = request("GET", "/register", "", None);
            if let Some(given) = given {
                asked["headers"][ORIGIN_SECRET_HEADER] = given.into();
            }
            assert_eq!(status(&router, asked).await, expected, "{given:?}");
        }
        assert!(!same(b"", b""));
    }

    #[tokio::test]
    async fn what_is_no_request_is_refused_without_repeating_it() {
        for payload in [json!({"s3cret": 1}), json!({"requestContext": "s3cret"})] {
            let problem = answer(&Router::new(), payload)
                .await
                .unwrap_err()
                .to_string();
            assert!(!problem.contains("s3cret"), "{problem}");
        }
    }
}

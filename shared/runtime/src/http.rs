//! HTTP requests of API Gateway, through the same router that serves locally.

use std::convert::Infallible;

use axum::Router;
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Context, LambdaEvent};
use serde_json::Value;
use tower::Service as _;

use crate::payload::{Unreadable, WHOLE};

/// Whether a payload looks like a request of API Gateway.
pub fn is_request(payload: &Value) -> bool {
    payload.get("requestContext").is_some()
}

/// Answers a request of API Gateway (payload format 2.0) by a router.
///
/// # Errors
/// [`Unreadable`] when the payload is no such request; whatever a request asks
/// wrongly is answered by the router.
pub async fn answer(router: &Router, payload: Value) -> Result<Value, Unreadable> {
    if !is_request(&payload) {
        return Err(Unreadable::new(
            "requestContext",
            "expected an HTTP request of API Gateway, payload format 2.0",
        ));
    }
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

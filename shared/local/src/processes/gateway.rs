//! API Gateway before the functions' processes: a request invokes the function that
//! the template has its path lead to (payload format 2.0).

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::Processes;
use crate::edge::RequestId;
use crate::stack::USAGE_API_KEY;

/// The most that API Gateway hands on of a request's body.
const MOST_BODY_BYTES: usize = 10 << 20;

/// Which function answers a path, as in the template.
fn function_of(path: &str) -> &'static str {
    let first = path.split('/').nth(1).unwrap_or_default();
    match (first, path) {
        ("register" | "sign-in" | "sign-out", _) => "registration",
        (_, "/api/usage-reports") => "usage-intake",
        _ => "console",
    }
}

/// Invokes a function with a request, and answers what it answers.
pub(super) async fn answer(State(processes): State<Processes>, request: Request) -> Response {
    let function = function_of(request.uri().path());
    let Some(payload) = payload(request).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    match processes.invoke(function, &payload).await {
        Ok(answer) => response(&answer).unwrap_or(StatusCode::BAD_GATEWAY.into_response()),
        Err(error) => {
            tracing::warn!(function, error, "a request was not answered");
            StatusCode::BAD_GATEWAY.into_response()
        }
    }
}

async fn payload(request: Request) -> Option<Value> {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, MOST_BODY_BYTES).await.ok()?;
    let (mut headers, mut cookies) = (Map::new(), Vec::new());
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        if name == "cookie" {
            cookies.extend(value.split("; ").map(str::to_owned));
        } else {
            headers.insert(name.as_str().to_owned(), Value::String(value));
        }
    }
    let id = head.extensions.get::<RequestId>();
    let id = id.map_or("local", |RequestId(id)| id);
    let path = head.uri.path();
    let given = head.headers.get("authorization");
    let key = format!("Bearer {USAGE_API_KEY}");
    let signed = given.is_some_and(|given| given.as_bytes() == key.as_bytes());
    // API Gateway checks the signature of the API's requests before it calls us.
    let authorizer = signed.then(|| {
        json!({"iam": {
            "accessKey": "local", "accountId": "111122223333", "callerId": "local",
            "userId": "local", "userArn": "arn:aws:iam::111122223333:user/product",
        }})
    });
    let route = format!("{} {path}", head.method);
    Some(json!({
        "version": "2.0", "routeKey": route, "rawPath": path,
        "rawQueryString": head.uri.query().unwrap_or_default(),
        "headers": headers, "cookies": cookies,
        "requestContext": {
            "accountId": "111122223333", "apiId": "local", "stage": "$default",
            "requestId": id, "routeKey": route, "timeEpoch": 0,
            "time": "01/Jan/1970:00:00:00 +0000", "authorizer": authorizer,
            "http": {
                "method": head.method.as_str(), "path": path, "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1", "userAgent": "",
            },
        },
        "body": STANDARD.encode(&body), "isBase64Encoded": true,
    }))
}

/// The answer of a function as one of HTTP.
fn response(answer: &Value) -> Option<Response> {
    let status = u16::try_from(answer["statusCode"].as_u64()?).ok()?;
    let body = answer["body"].as_str().unwrap_or_default();
    let body = if answer["isBase64Encoded"] == true {
        Body::from(STANDARD.decode(body).ok()?)
    } else {
        Body::from(body.to_owned())
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).ok()?;
    let several = answer["multiValueHeaders"]
        .as_object()
        .into_iter()
        .flatten();
    let several = several.flat_map(|(name, values)| {
        let values = values.as_array().into_iter().flatten();
        values.map(move |value| (name.as_str(), value))
    });
    let single = answer["headers"].as_object().into_iter().flatten();
    let single = single.map(|(name, value)| (name.as_str(), value));
    let cookies = answer["cookies"].as_array().into_iter().flatten();
    let cookies = cookies.map(|cookie| ("set-cookie", cookie));
    let all = single.chain(several).chain(cookies);
    for (name, value) in all {
        let name = HeaderName::try_from(name).ok()?;
        let value = HeaderValue::try_from(value.as_str()?).ok()?;
        response.headers_mut().append(name, value);
    }
    Some(response)
}

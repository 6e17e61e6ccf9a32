//! S3, as far as the seller's bucket of data feeds is read: `ListObjectsV2` and
//! `GetObject`, addressed by path. Nothing can be written.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, Method, StatusCode, Uri, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use maud::{Markup, PreEscaped, html};
use serde::Deserialize;
use serde_json::json;

use crate::calls::{Call, Outcome};
use crate::data_feeds::{DATA_FEEDS_BUCKET, FeedFile};
use crate::faults::CallFault;
use crate::{FakeAws, api, control};

const LARGEST_PAGE: usize = 1_000;

/// What `ListObjectsV2` is asked for, in the query.
#[derive(Debug, Deserialize)]
pub(crate) struct List {
    #[serde(default)]
    prefix: String,
    #[serde(rename = "max-keys")]
    max_keys: Option<usize>,
    #[serde(rename = "continuation-token")]
    continuation_token: Option<String>,
    #[serde(rename = "start-after")]
    start_after: Option<String>,
    delimiter: Option<String>,
}

/// An error in S3's shape.
struct S3Error {
    status: StatusCode,
    code: &'static str,
    message: &'static str,
}

impl S3Error {
    const fn new(status: StatusCode, code: &'static str, message: &'static str) -> Self {
        Self {
            status,
            code,
            message,
        }
    }
}

/// `GET /{bucket}?list-type=2`.
pub(crate) async fn list(State(fake): State<FakeAws>, Query(query): Query<List>) -> Response {
    let request = json!({"Bucket": DATA_FEEDS_BUCKET, "Prefix": query.prefix});
    let fault = taken(&fake, "ListObjectsV2", &query.prefix).await;
    let result = refused_by(fault).and_then(|()| match query.delimiter.as_deref() {
        None => Ok(page(&fake, &query, fault)),
        Some("/") => Ok(folders(&fake, &query)),
        Some(_) => Err(S3Error::new(
            StatusCode::NOT_IMPLEMENTED,
            "NotImplemented",
            "This fake of S3 groups keys by / alone.",
        )),
    });
    answered(&fake, "ListObjectsV2", request, fault, result.map(xml))
}

/// `GET /{bucket}/{key}`.
pub(crate) async fn get(State(fake): State<FakeAws>, Path(key): Path<String>) -> Response {
    let request = json!({"Bucket": DATA_FEEDS_BUCKET, "Key": key});
    let fault = taken(&fake, "GetObject", &key).await;
    let result = refused_by(fault).and_then(|()| {
        let file = fake.inner.feed_files(fake.now()).remove(&key);
        file.map(object).ok_or(S3Error::new(
            StatusCode::NOT_FOUND,
            "NoSuchKey",
            "The specified key does not exist.",
        ))
    });
    answered(&fake, "GetObject", request, fault, result)
}

/// What is at no other address: another bucket, if S3 is asked.
pub(crate) async fn elsewhere(method: Method, uri: Uri) -> Response {
    let query = uri.query().unwrap_or_default();
    let of_s3 = ["list-type=2", "x-id=GetObject"];
    if method == Method::GET && of_s3.iter().any(|part| query.contains(part)) {
        return error(&S3Error::new(
            StatusCode::NOT_FOUND,
            "NoSuchBucket",
            "The specified bucket does not exist.",
        ));
    }
    control::not_found().await
}

/// The fault that hits this call, after it has kept the caller waiting.
async fn taken(fake: &FakeAws, operation: &'static str, of: &str) -> Option<CallFault> {
    let fault = fake.inner.faults.take_for_call(operation, of.as_bytes());
    if let Some(CallFault::Delay(by)) = fault {
        api::delay(by).await;
    }
    fault
}

fn refused_by(fault: Option<CallFault>) -> Result<(), S3Error> {
    match fault {
        Some(CallFault::Throttle) => Err(S3Error::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "SlowDown",
            "Please reduce your request rate.",
        )),
        Some(CallFault::InternalError) => Err(S3Error::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            "We encountered an internal error. Please try again.",
        )),
        Some(
            CallFault::LostAnswer
            | CallFault::Unprocessed(_)
            | CallFault::Delay(_)
            | CallFault::EmptyPage
            | CallFault::Lag,
        )
        | None => Ok(()),
    }
}

fn answered(
    fake: &FakeAws,
    operation: &'static str,
    request: serde_json::Value,
    fault: Option<CallFault>,
    result: Result<Response, S3Error>,
) -> Response {
    let lost = fault == Some(CallFault::LostAnswer);
    fake.inner.calls.add(Call {
        at: fake.now(),
        operation,
        request: Arc::new(request),
        outcome: match &result {
            Ok(_) if lost => Outcome::AnswerLost,
            Ok(_) => Outcome::Answered,
            Err(error) => Outcome::Refused(error.code),
        },
        access_key: None,
    });
    match result {
        _ if lost => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        Ok(answer) => answer,
        Err(refused) => error(&refused),
    }
}

/// A page of the bucket's keys. They are sent as they are, whatever encoding is
/// asked for: none holds what XML cannot.
fn page(fake: &FakeAws, query: &List, fault: Option<CallFault>) -> Markup {
    let files = fake.inner.feed_files(fake.now());
    let after = query
        .continuation_token
        .as_ref()
        .or(query.start_after.as_ref());
    let mut keys = files.iter().filter(|(key, _)| {
        key.starts_with(&query.prefix) && after.is_none_or(|after| *key > after)
    });
    let size = match fault {
        Some(CallFault::EmptyPage) => 0,
        Some(_) | None => query.max_keys.unwrap_or(LARGEST_PAGE).min(LARGEST_PAGE),
    };
    let page: Vec<_> = keys.by_ref().take(size).collect();
    let next = keys.next().map(|_| match page.last() {
        Some((key, _)) => key.as_str(),
        None => after.map_or("!", String::as_str),
    });
    html! {
        ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/" {
            Name { (DATA_FEEDS_BUCKET) }
            Prefix { (query.prefix) }
            KeyCount { (page.len()) }
            MaxKeys { (size) }
            IsTruncated { (next.is_some()) }
            @if let Some(next) = next { NextContinuationToken { (next) } }
            @for (key, file) in page {
                Contents {
                    Key { (key) }
                    LastModified { (format!("{:.3}", file.modified_at)) }
                    ETag { (etag(file)) }
                    Size { (file.text.len()) }
                    StorageClass { "STANDARD" }
                }
            }
        }
    }
}

/// The folders under the prefix, all in one page. No key of the bucket lies beside them.
fn folders(fake: &FakeAws, query: &List) -> Markup {
    let files = fake.inner.feed_files(fake.now());
    let folders: BTreeSet<&str> = files
        .keys()
        .filter_map(|key| {
            let end = key.strip_prefix(&*query.prefix)?.find('/')?;
            key.get(..query.prefix.len() + end + 1)
        })
        .collect();
    html! {
        ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/" {
            Name { (DATA_FEEDS_BUCKET) }
            Prefix { (query.prefix) }
            Delimiter { "/" }
            KeyCount { (folders.len()) }
            IsTruncated { "false" }
            @for folder in folders {
                CommonPrefixes { Prefix { (folder) } }
            }
        }
    }
}

fn object(file: FeedFile) -> Response {
    let mut headers = vec![
        (header::CONTENT_TYPE, "text/csv".to_owned()),
        (header::ETAG, etag(&file)),
    ];
    if let Ok(date) = http_date(file.modified_at) {
        headers.push((header::LAST_MODIFIED, date));
    }
    let mut response = Response::new(Body::from(file.text));
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn http_date(at: Timestamp) -> Result<String, jiff::Error> {
    DateTimePrinter::new().timestamp_to_rfc9110_string(&at)
}

fn etag(file: &FeedFile) -> String {
    format!(
        "\"{:x}-{:x}\"",
        file.modified_at.as_second(),
        file.text.len()
    )
}

fn error(of: &S3Error) -> Response {
    let body = xml(html! {
        Error { Code { (of.code) } Message { (of.message) } }
    });
    (of.status, body).into_response()
}

fn xml(content: Markup) -> Response {
    let text = html! {
        (PreEscaped("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")) (content)
    };
    let content_type = [(header::CONTENT_TYPE, "application/xml")];
    (content_type, text.into_string()).into_response()
}

//! The stylesheet and the icon, under names that change with their content, so
//! that a browser may keep them for ever; and the health check.

use std::sync::LazyLock;

use axum::Router;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use ring::digest;

use crate::site::State;

const STYLE: &str = include_str!("../assets/style.css");
const ICON: &str = include_str!("../assets/icon.svg");
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// The stylesheet's path.
pub(crate) static STYLE_PATH: LazyLock<String> = LazyLock::new(|| named("style", STYLE, "css"));
/// The icon's path.
pub(crate) static ICON_PATH: LazyLock<String> = LazyLock::new(|| named("icon", ICON, "svg"));

pub(crate) fn routes() -> Router<State> {
    Router::new()
        .route(&STYLE_PATH, get(style))
        .route(&ICON_PATH, get(icon))
        .merge(health())
}

/// The health check: answers without asking anything else.
pub(crate) fn health() -> Router<State> {
    Router::new().route("/health", get(|| async { "ok" }))
}

async fn style() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/css; charset=utf-8"),
        (header::CACHE_CONTROL, FOR_EVER),
    ];
    (headers, STYLE).into_response()
}

async fn icon() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "image/svg+xml"),
        (header::CACHE_CONTROL, FOR_EVER),
    ];
    (headers, ICON).into_response()
}

fn named(name: &str, content: &str, extension: &str) -> String {
    use std::fmt::Write as _;
    let digest = digest::digest(&digest::SHA256, content.as_bytes());
    let hash = digest.as_ref()[..6]
        .iter()
        .fold(String::new(), |mut hash, byte| {
            // Writing to a String cannot fail.
            let _ = write!(hash, "{byte:02x}");
            hash
        });
    format!("/static/{name}-{hash}.{extension}")
}

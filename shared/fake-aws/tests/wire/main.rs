//! The fake as its clients see it: the real AWS SDKs over loopback, and plain
//! HTTP for what they do not send.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod agreement;
mod buyer_page;
mod clock;
mod control;
mod data_feeds;
mod dynamodb;
mod entitlement;
mod events;
mod invoices;
mod lifecycle;
mod metering;
mod notifications;
mod persistence;
mod secret;
mod support;

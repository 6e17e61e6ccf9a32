//! The mails that the issuer sends: shown on a page, for they go nowhere else.

use std::collections::VecDeque;
use std::sync::Mutex;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

use super::kept::lock;
use super::{Issuer, pages};

/// Mails kept; beyond it the oldest is gone.
const MAX_MAILS: usize = 200;

/// A mail.
#[derive(Clone)]
pub(super) struct Mail {
    pub(super) to: String,
    pub(super) at: Timestamp,
    pub(super) subject: &'static str,
    pub(super) text: String,
    /// What the reader is to type, if anything.
    pub(super) code: Option<String>,
}

/// Everybody's mails.
#[derive(Default)]
pub(super) struct Mailbox(Mutex<VecDeque<Mail>>);

impl Mailbox {
    /// Sends a mail.
    pub(super) fn put(&self, mail: Mail) {
        let mut mails = lock(&self.0);
        mails.push_front(mail);
        mails.truncate(MAX_MAILS);
    }

    fn latest_first(&self) -> Vec<Mail> {
        lock(&self.0).iter().cloned().collect()
    }
}

/// Shows every mail, the latest first.
pub(super) async fn show(State(issuer): State<Issuer>) -> Response {
    pages::mailbox(&issuer.inner.mailbox.latest_first()).into_response()
}

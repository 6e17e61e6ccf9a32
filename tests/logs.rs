//! What is logged while a test plays, searched for what no log may hold.
//!
//! Every test that starts the local stack does it by [`Stack`]: all that the
//! process logs meanwhile is kept, with everything switched on that a setting can
//! switch on and more, before the masking that the functions' logs pass besides.
//! When the stack is gone it is searched: for every secret that went to and fro,
//! by value, and for whatever looks like a secret, a person or an AWS account.

mod search;

use std::collections::BTreeSet;
use std::io;
use std::ops::Deref;
use std::sync::{Mutex, MutexGuard, OnceLock};

use local::{Config, Local, StartError};
use runtime::telemetry::{self, Format};
use serde_json::Value;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::util::SubscriberInitExt as _;

pub(crate) use search::{found, found_in};

/// What this process logged and was not taken yet, and what it may not log: the
/// log of a process is one.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static SECRETS: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
static SEARCHED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
static BEGUN: OnceLock<()> = OnceLock::new();

/// Writes to [`LOG`].
struct Kept;

impl io::Write for Kept {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        held(&LOG).extend_from_slice(record);
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn held<T>(of: &'static Mutex<T>) -> MutexGuard<'static, T> {
    of.lock().unwrap()
}

/// Keeps what this process logs from now on.
pub(crate) fn begin() {
    BEGUN.get_or_init(|| {
        telemetry::subscriber(LevelFilter::TRACE, Format::Json, || Kept).init();
    });
}

/// What was logged since the last time, as JSON lines.
pub(crate) fn take() -> String {
    String::from_utf8(std::mem::take(&mut *held(&LOG))).unwrap()
}

/// What was logged since the last time, which stays to be searched.
pub(crate) fn so_far() -> String {
    String::from_utf8(held(&LOG).clone()).unwrap()
}

/// Nothing that is logged may hold this.
pub(crate) fn keep_secret(secret: &str) {
    if !secret.is_empty() {
        held(&SECRETS).insert(secret.to_owned());
    }
}

/// The fields of forms and queries that are no secret: names, what is looked for, and
/// what OpenID Connect says in the open. People's addresses are searched for by their form.
const OPEN: [&str; 24] = [
    "account",
    "at",
    "basis",
    "by",
    "client_id",
    "code_challenge_method",
    "day",
    "email",
    "grant_type",
    "key",
    "license",
    "login_hint",
    "max_age",
    "month",
    "name",
    "new",
    "prompt",
    "q",
    "reason",
    "redirect_uri",
    "response_type",
    "scope",
    "ticket",
    "to",
];

/// The fields of a form or a query, encoded: a secret each that is not [`OPEN`].
pub(crate) fn keep_secret_fields(encoded: &str) {
    for (name, value) in form_urlencoded::parse(encoded.as_bytes()) {
        if !OPEN.contains(&name.as_ref()) {
            keep_secret(&value);
        }
    }
}

/// Who logged something that was searched: crates and their modules.
pub(crate) fn searched() -> BTreeSet<String> {
    held(&SEARCHED).clone()
}

/// What is known by value to be secret.
pub(crate) fn secrets() -> BTreeSet<String> {
    held(&SECRETS).clone()
}

/// The local stack, and a search of the log when it is gone.
pub(crate) struct Stack {
    local: Local,
    search: Search,
}

impl Stack {
    /// Starts everything and serves.
    pub(crate) async fn start(config: Config) -> Result<Self, StartError> {
        begin();
        let local = Local::start(config).await?;
        Ok(Self {
            local,
            search: Search,
        })
    }

    /// Stops serving, and searches the log.
    pub(crate) async fn stop(self) {
        let Self { local, search } = self;
        local.stop().await;
        drop(search);
    }
}

impl Deref for Stack {
    type Target = Local;

    fn deref(&self) -> &Local {
        &self.local
    }
}

/// Searches what was logged, as it goes.
struct Search;

impl Drop for Search {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let log = take();
        for record in log.lines() {
            let record: Value = serde_json::from_str(record).unwrap();
            held(&SEARCHED).insert(record["target"].as_str().unwrap().to_owned());
        }
        assert_eq!(found(&log), Vec::<String>::new());
    }
}

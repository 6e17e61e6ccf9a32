//! Logs: a readable sentence and dotted fields, as JSON on Lambda. `spans` says in
//! which invocation, and for which request or message, a record was written.
//!
//! Only our own crates log below `warn`: the SDK and the HTTP stack write
//! requests and headers into their debug logs, and those hold tokens. Ours name
//! no AWS account in full and no e-mail address; what others' errors and the keys
//! of stored items name is masked as it is written ([`masking`]).

mod masking;

use std::io;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Our crates, as they appear in a log record's target.
pub const OURS: &[&str] = &[
    "app",
    "catching_up",
    "console",
    "domain",
    "fake_aws",
    "grace_expiry",
    "ledger",
    "ledger_check",
    "local",
    "marketplace",
    "marketplace_events",
    "reconciliation",
    "registration",
    "runtime",
    "store",
    "usage_intake",
    "usage_posting",
    "usage_submission",
    "web",
];

/// How a log record is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A JSON object a line, for CloudWatch.
    Json,
    /// A line for people.
    Readable,
}

/// Starts logging to standard output, masked. Does nothing when logging was started
/// already.
pub fn start(level: LevelFilter, format: Format) {
    let writer = move || masking::Masked::new(io::stdout(), format);
    let _ = subscriber(level, format, writer).try_init();
}

/// Writes what our crates log from `level` on, and what others warn of, each record
/// in one call and not masked.
pub fn subscriber<W>(level: LevelFilter, format: Format, writer: W) -> impl Subscriber
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let ours = OURS
        .iter()
        .map(|name| (*name, level))
        .collect::<Targets>()
        .with_default(LevelFilter::WARN.min(level));
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    let layer = match format {
        Format::Json => layer
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(true)
            .boxed(),
        Format::Readable => layer.compact().boxed(),
    };
    tracing_subscriber::registry().with(layer.with_filter(ours))
}

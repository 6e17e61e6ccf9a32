//! What every function does before its first invocation.

use std::sync::Arc;

use app::App;
use app::reconciliation::Sources;
use marketplace::Api;
use store::Store;

use crate::aws::Clients;
use crate::clock::SystemClock;
use crate::https::Https;
use crate::metrics::Metrics;
use crate::settings::{self, InvalidSettings, Reader, Settings, SignInSettings, SiteSettings};
use crate::telemetry::{self, Format};

/// A function's surroundings, ready before its first invocation.
#[derive(Clone)]
pub struct Started {
    /// What the clients call AWS by.
    pub https: Https,
    /// The AWS clients.
    pub clients: Clients,
    /// The use cases.
    pub app: App,
    /// Where metrics go.
    pub metrics: Metrics,
}

/// Reads the settings, starts logging, and builds the clients of DynamoDB and of
/// those of AWS Marketplace's APIs that the function calls: what an invocation needs
/// is there before the first.
///
/// # Errors
/// [`InvalidSettings`] names every setting that is missing or wrong, so that a
/// deployment fails at its start and not at the first customer.
pub fn start(apis: &[Api]) -> Result<Started, InvalidSettings> {
    let mut reader = Reader::new(&settings::variable);
    let settings = reader.settings();
    Ok(started(reader.finish(settings)?, apis))
}

/// [`start`], for a function that answers HTTP requests and calls nothing but DynamoDB.
///
/// # Errors
/// As [`start`].
pub fn start_site() -> Result<(Started, SiteSettings), InvalidSettings> {
    let mut reader = Reader::new(&settings::variable);
    let (settings, site) = (reader.settings(), reader.site());
    let (settings, site) = reader.finish(settings.zip(site))?;
    Ok((started(settings, &[]), site))
}

/// [`start`], for a function in whose pages users sign in.
///
/// # Errors
/// As [`start`].
pub fn start_pages(
    apis: &[Api],
) -> Result<(Started, SiteSettings, SignInSettings), InvalidSettings> {
    let mut reader = Reader::new(&settings::variable);
    let (settings, site, sign_in) = (reader.settings(), reader.site(), reader.sign_in());
    let ((settings, site), sign_in) = reader.finish(settings.zip(site).zip(sign_in))?;
    Ok((started(settings, apis), site, sign_in))
}

/// [`start`], for the function that compares our usage with AWS's.
///
/// # Errors
/// As [`start`].
pub fn start_reconciliation() -> Result<(Started, Sources), InvalidSettings> {
    let mut reader = Reader::new(&settings::variable);
    let (settings, data_feeds) = (reader.settings(), reader.data_feeds());
    let (settings, data_feeds) = reader.finish(settings.zip(data_feeds))?;
    let aws = settings.aws.clone();
    let started = started(settings, &[]);
    let sources = started.clients.sources(&aws, data_feeds);
    Ok((started, sources))
}

fn started(settings: Settings, apis: &[Api]) -> Started {
    let (format, metrics) = match settings::variable("AWS_LAMBDA_FUNCTION_NAME") {
        Some(function) => (Format::Json, Metrics::CloudWatch { function }),
        None => (Format::Readable, Metrics::Nowhere),
    };
    telemetry::start(settings.log_level, format);
    let clock = SystemClock::default();
    let https = Https::to_aws(settings.aws.endpoint_url.as_deref());
    let clients = Clients::dating(&clock, &https, &settings.aws);
    let marketplace = clients.marketplace();
    marketplace.build(apis);
    let app = App {
        store: Store::new(clients.dynamodb.clone(), settings.tables),
        marketplace,
        clock: Arc::new(clock),
        settings: settings.app,
    };
    Started {
        https,
        clients,
        app,
        metrics,
    }
}

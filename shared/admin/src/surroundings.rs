//! What a command works with: the functions' settings, AWS or the local stack.

use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use app::App;
use app::reconciliation::Sources;
use domain::catalog::Catalog;
use jiff::Timestamp;
use runtime::aws::Clients;
use runtime::clock::SystemClock;
use runtime::https::Https;
use runtime::settings::{self, InvalidSettings, Reader, Signing};
use serde::Deserialize;
use store::Store;

use crate::redrive::Queues;

/// What a command works with.
#[derive(Clone)]
pub struct Surroundings {
    /// The use cases.
    pub app: App,
    /// What AWS says of our usage.
    pub sources: Sources,
    /// The functions' queues.
    pub queues: Queues,
}

/// Why a command has nothing to work with.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Settings are missing or wrong.
    #[error(transparent)]
    Settings(#[from] InvalidSettings),
    /// The local stack does not answer.
    #[error("the local stack does not answer on port {port}: start it with `cargo run`")]
    Local {
        /// The fake AWS's port.
        port: u16,
        /// What happened.
        #[source]
        source: io::Error,
    },
}

/// The use cases over AWS, with the settings of the environment.
///
/// # Errors
/// [`StartError::Settings`]
pub fn aws() -> Result<Surroundings, StartError> {
    let clock = SystemClock::default();
    over(&settings::variable, Signing::FromEnvironment, clock)
}

/// The use cases over the local stack, with its settings and by its clock.
///
/// # Errors
/// [`StartError`]
pub fn local(port: u16) -> Result<Surroundings, StartError> {
    let clock = SystemClock::default();
    clock.told(now(port).map_err(|source| StartError::Local { port, source })?);
    let url = format!("http://127.0.0.1:{port}");
    let variable = |name: &str| match name {
        "AWS_ENDPOINT_URL" => Some(url.clone()),
        name => local_setting(name),
    };
    over(&variable, Signing::None, clock)
}

/// The settings of the stack that `cargo run` serves.
pub(crate) fn local_setting(name: &str) -> Option<String> {
    let setting = match name {
        "AWS_REGION" => "us-east-1",
        "SUBSCRIPTIONS_TABLE" => "Subscriptions",
        "USAGE_TABLE" => "Usage",
        "SELLER_ACCOUNT" => "111122223333",
        "PRODUCT_CODES" => "8k2m4n6p7q9r1s3t5v7w9x0yz",
        "DATA_FEEDS_BUCKET" => "seller-data-feeds",
        "PRODUCT_IDS" => "prod-fakeprotect7xq4",
        "CATALOG" => return local_catalog(),
        _ => return None,
    };
    Some(setting.to_owned())
}

fn local_catalog() -> Option<String> {
    let catalog = Catalog::workload_security().with_contracts_by_name();
    serde_json::to_string(&catalog.ok()?).ok()
}

fn over(
    variable: &dyn Fn(&str) -> Option<String>,
    signing: Signing,
    clock: SystemClock,
) -> Result<Surroundings, StartError> {
    let mut reader = Reader::new(variable);
    let (settings, data_feeds) = (reader.settings(), reader.data_feeds());
    let (mut settings, data_feeds) = reader.finish(settings.zip(data_feeds))?;
    settings.aws.signing = signing;
    let https = Https::to_aws(settings.aws.endpoint_url.as_deref());
    let clients = Clients::dating(&clock, &https, &settings.aws);
    let sources = clients.sources(&settings.aws, data_feeds);
    let app = App {
        store: Store::new(clients.dynamodb.clone(), settings.tables),
        marketplace: clients.marketplace(),
        clock: Arc::new(clock),
        settings: settings.app,
    };
    let queues = match settings.aws.signing {
        Signing::FromEnvironment => {
            let config = runtime::aws::shared(https.client(), &settings.aws);
            Queues::Sqs(aws_sdk_sqs::Client::new(&config))
        }
        Signing::None => Queues::Local,
    };
    Ok(Surroundings {
        app,
        sources,
        queues,
    })
}

/// What time it is for the local stack.
fn now(port: u16) -> io::Result<Timestamp> {
    #[derive(Deserialize)]
    struct State {
        now: Timestamp,
    }
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"GET /_fake/state HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let state: State = serde_json::from_str(body)?;
    Ok(state.now)
}

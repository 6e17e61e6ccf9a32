//! The local stack with an account that has been lived in for five weeks.

use anyhow::Context as _;
use app::App;
use axum::Router;
use fake_aws::{FakeAws, OfferKind};
use jiff::Timestamp;
use local::product::{ACME_PRODUCTION, ACME_STAGING};
use local::{Config, Local, USAGE_API_KEY};
use store::{Store, Tables};
use tokio::runtime::{Builder, Runtime};

use super::browser::Browser;
use super::{Kind, Page};
use crate::capacity::Counting;
use crate::print::{line, seconds};
use crate::stopwatch::Stopwatch;
use crate::world::clients;

/// When the first license is linked.
const LINKED: &str = "2026-10-25T10:15:00Z";

/// For how long nothing can be sent, over the end of October: what was used
/// then is billed in November.
const STOPPED: [&str; 2] = ["2026-10-31T20:00:00Z", "2026-11-01T08:00:00Z"];

/// When another AWS account begins to pay.
const PAYER_CHANGED: &str = "2026-11-12T10:40:00Z";

/// When the pages are asked for: a month of 30 days is nearly full.
const LOOKED_AT: &str = "2026-11-30T20:15:00Z";

/// Who looks: a member of the account with full access.
const WHO: (&str, &str) = ("alice@example.com", "alice-local");

/// The stack, on threads of its own, and what is known to a person's browser.
pub(crate) struct LivedIn {
    stack: Local,
    threads: Runtime,
    /// The same pages over the same tables, what they ask of DynamoDB being counted.
    pub(crate) counted: Router,
    pub(crate) counting: Counting,
    cookies: String,
    stylesheet: String,
}

impl LivedIn {
    /// Starts the stack and lives in it.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let mut watch = Stopwatch::started();
        let threads = Builder::new_multi_thread().enable_all().build()?;
        let start: Timestamp = LINKED.parse()?;
        let config = Config {
            start: Some(start),
            ..Config::default()
        };
        let stack = threads.spawn(Local::start(config)).await??;
        let address = address(&stack)?;
        subscribe(&stack, &address, "111122223333").await?;
        line("five weeks pass; the alarms are of the outage that is played over a month's end");
        for (instant, stopped) in STOPPED.into_iter().zip([true, false]) {
            advance(&threads, &stack.fake, instant).await?;
            for product in &stack.app.settings.subscriptions.products {
                stack.app.switch_sending(product, stopped).await?;
            }
        }
        advance(&threads, &stack.fake, PAYER_CHANGED).await?;
        subscribe(&stack, &address, "444455556666").await?;
        advance(&threads, &stack.fake, LOOKED_AT).await?;
        // A third license, whose registration has come as far as the choice of an account.
        let mut browser = arrive(&stack, &address, "777788889999").await?;
        let stylesheet = browser.stylesheet().await?;
        let counting = Counting::new(stack.fake.in_process());
        let counted = stack.pages_over(counted(&stack.app, &counting))?;
        line(&format!(
            "five weeks lived in {}; not part of the figures",
            seconds(watch.stop().wall)
        ));
        Ok(Self {
            stack,
            threads,
            counted,
            counting,
            cookies: browser.cookies(),
            stylesheet,
        })
    }

    /// Where the pages are, such as `127.0.0.1:8080`.
    pub(crate) fn address(&self) -> anyhow::Result<String> {
        address(&self.stack)
    }

    /// Ends the stack.
    pub(crate) fn stop(self) {
        self.threads.shutdown_background();
    }

    /// Every page and file of the account and of the registration.
    pub(crate) fn pages(&self) -> Vec<Page> {
        let account = format!("/accounts/{ACME_PRODUCTION}");
        let of = |name, kind, rest: &str| Page {
            name,
            kind,
            path: format!("{account}{rest}"),
            identity: Some(("cookie", self.cookies.clone())),
            status: 200,
        };
        let at = |name, path: String| Page {
            path,
            ..of(name, Kind::Page, "")
        };
        let to_anybody = |name, path: &str| Page {
            identity: None,
            ..at(name, path.to_owned())
        };
        let key = format!("Bearer {USAGE_API_KEY}");
        let access = format!("/api{account}/access");
        vec![
            to_anybody("front page", "/"),
            to_anybody("fulfillment page, by hand", "/register"),
            at("fulfillment page, from AWS", "/register".to_owned()),
            at("choose an account", "/register/accounts".to_owned()),
            at(
                "confirm",
                format!("/register/confirm?account={ACME_STAGING}"),
            ),
            at(
                "set up",
                format!("/register/done?account={ACME_PRODUCTION}"),
            ),
            at("accounts", "/accounts".to_owned()),
            of("account", Kind::Page, ""),
            of("unlink", Kind::Page, "/unlink"),
            of("usage, running month", Kind::Month, "/usage"),
            of(
                "usage, a day by hour",
                Kind::Month,
                "/usage?month=2026-11&day=12",
            ),
            of(
                "usage, the month before",
                Kind::Month,
                "/usage?month=2026-10",
            ),
            of(
                "usage, a month without any",
                Kind::Month,
                "/usage?month=2026-02",
            ),
            of("not cloud", Kind::Page, "/not-cloud"),
            of("not-cloud.csv", Kind::File, "/not-cloud.csv"),
            of(
                "usage.csv by hour",
                Kind::File,
                "/usage.csv?month=2026-11&by=hour",
            ),
            of(
                "usage.csv by day",
                Kind::File,
                "/usage.csv?month=2026-11&by=day",
            ),
            of(
                "focus-1.2.csv by hour",
                Kind::File,
                "/focus-1.2.csv?month=2026-11&by=hour",
            ),
            of(
                "focus-1.2.csv by day",
                Kind::File,
                "/focus-1.2.csv?month=2026-11&by=day",
            ),
            to_anybody("help", "/help"),
            to_anybody("stylesheet", &self.stylesheet),
            Page {
                status: 404,
                ..at(
                    "somebody else’s account",
                    "/accounts/umbrella/usage".to_owned(),
                )
            },
            Page {
                identity: Some(("authorization", key)),
                ..at("API: access", access)
            },
        ]
    }
}

fn address(stack: &Local) -> anyhow::Result<String> {
    let port = stack.seller_url.rsplit(':').next().context("a port")?;
    Ok(format!("127.0.0.1:{port}"))
}

/// A buyer subscribes, and a person comes from AWS and signs in.
async fn arrive(stack: &Local, address: &str, buyer: &str) -> anyhow::Result<Browser> {
    let bought = stack
        .fake
        .create_agreement(OfferKind::Public, buyer)
        .await?;
    let mut browser = Browser::new(address);
    browser.bring_token(&bought.registration_token).await?;
    browser.sign_in(WHO.0, WHO.1).await?;
    Ok(browser)
}

/// The same, and links the license to the account.
async fn subscribe(stack: &Local, address: &str, buyer: &str) -> anyhow::Result<()> {
    let mut browser = arrive(stack, address, buyer).await?;
    browser.link(ACME_PRODUCTION).await
}

/// Moves the clock, on the stack's threads: its connections stay there.
async fn advance(threads: &Runtime, fake: &FakeAws, instant: &str) -> anyhow::Result<()> {
    let instant: Timestamp = instant.parse()?;
    let fake = fake.clone();
    let moved = threads.spawn(async move { fake.advance_to(instant).await.map(drop) });
    Ok(moved.await??)
}

/// The use cases over clients that count.
fn counted(app: &App, counting: &Counting) -> App {
    let clients = clients(counting);
    let tables = Tables {
        subscriptions: "Subscriptions".to_owned(),
        usage: "Usage".to_owned(),
    };
    App {
        store: Store::new(clients.dynamodb.clone(), tables),
        marketplace: clients.marketplace(),
        ..app.clone()
    }
}

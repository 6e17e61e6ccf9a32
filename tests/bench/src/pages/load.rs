//! A steady rate of requests, and how long each took.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};

use super::browser::{Http, http, to};
use super::{Load, Page};

/// How often a page is asked for before it counts: connections are open then.
const BEFORE: u32 = 20;

/// How long the answers took, ascending.
pub(crate) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(crate) fn of(mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        Self(latencies)
    }

    /// Half of them took no longer.
    pub(crate) fn p50(&self) -> Duration {
        self.of_hundred(50)
    }

    /// 99 of 100 took no longer.
    pub(crate) fn p99(&self) -> Duration {
        self.of_hundred(99)
    }

    /// The slowest.
    pub(crate) fn most(&self) -> Duration {
        self.of_hundred(100)
    }

    fn of_hundred(&self, percent: usize) -> Duration {
        let place = (self.0.len() * percent).div_ceil(100).saturating_sub(1);
        self.0.get(place).copied().unwrap_or_default()
    }
}

/// How often a page is asked for, with what does not count.
pub(crate) fn asked(load: Load) -> u32 {
    BEFORE + load.requests
}

/// Asks for a page again and again. A request goes out when it is due, even if
/// those before it are not answered, and its time counts from then on.
///
/// # Errors
/// An answer that is missing or has another status than the page's.
pub(crate) async fn apply(address: &str, page: &Page, load: Load) -> anyhow::Result<Latencies> {
    let client = http();
    let mut ticks = interval(Duration::from_secs(1) / load.rate);
    let mut under_way = JoinSet::new();
    for n in 0..asked(load) {
        let due = ticks.tick().await;
        let asked = ask(client.clone(), request(address, page)?, page.status, due);
        under_way.spawn(async move { (n >= BEFORE, asked.await) });
    }
    let mut latencies = Vec::new();
    while let Some(answered) = under_way.join_next().await {
        let (counts, latency) = answered?;
        let latency = latency?;
        latencies.extend(counts.then_some(latency));
    }
    Ok(Latencies::of(latencies))
}

fn request(address: &str, page: &Page) -> anyhow::Result<Request<Full<Bytes>>> {
    let mut request = to(address, Method::GET, &page.path);
    if let Some((name, value)) = &page.identity {
        request = request.header(*name, value);
    }
    Ok(request.body(Full::default())?)
}

/// Asks once; how long it took from the instant at which it was due.
///
/// # Errors
/// An answer that is missing or has another status.
pub(crate) async fn ask(
    client: Http,
    request: Request<Full<Bytes>>,
    status: u16,
    due: Instant,
) -> anyhow::Result<Duration> {
    let path = request.uri().path().to_owned();
    let answer = client.request(request).await?;
    let found = answer.status().as_u16();
    answer.into_body().collect().await?;
    let latency = due.elapsed();
    anyhow::ensure!(found == status, "{path} answered {found}");
    Ok(latency)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_time_within_which_so_many_were_answered() {
        let of = |count: u64| Latencies((1..=count).map(Duration::from_millis).collect());
        let ms = |latency: Duration| latency.as_millis();
        assert_eq!((ms(of(500).p50()), ms(of(500).p99())), (250, 495));
        assert_eq!((ms(of(3).p50()), ms(of(3).p99())), (2, 3));
        assert_eq!((ms(of(1).p50()), ms(of(1).p99())), (1, 1));
    }
}

//! How the account's pages look: at a phone's width and at a desktop's, in
//! light and in dark, with pictures under `tests/artifacts` to look at.

use serde_json::json;

use super::registration::link;
use super::webdriver::{Driver, Viewport, Window};
use super::{stack, stack_at, stop_sending, subscribe, until};
use crate::logs::Stack;

const ACCOUNT: &str = "/accounts/acme-production";

/// Some days of usage over a month's end, part of which missed its month.
async fn busy_stack() -> Stack {
    let stack = stack_at("2026-11-26T14:05:00Z").await;
    let bought = subscribe(&stack, "111122223333").await;
    until(&stack, "2026-11-27T09:10:00Z").await;
    let token = stack.fake.new_token(&bought.license_arn).expect("a token");
    link(&stack, &token, "acme-production").await.is(200);
    until(&stack, "2026-11-30T21:40:00Z").await;
    stop_sending(&stack, true).await;
    until(&stack, "2026-12-01T05:51:00Z").await;
    stop_sending(&stack, false).await;
    until(&stack, "2026-12-01T12:30:00Z").await;
    stack
}

impl Window<'_> {
    /// Has pages drawn as for somebody who prefers light or dark.
    async fn prefer(&self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.chromium(
            "Emulation.setEmulatedMedia",
            &json!({ "features": features }),
        )
        .await;
    }

    /// What this expression is on the page.
    pub(super) async fn value(&self, expression: &str) -> serde_json::Value {
        self.run(&format!("return {expression}")).await
    }

    /// No table has to be scrolled sideways to be read.
    pub(super) async fn tables_fit(&self) {
        let scrolled = "[...document.querySelectorAll('.scroll')]
            .filter(frame => frame.scrollWidth > frame.clientWidth)
            .map(frame => frame.querySelector('table').innerText.slice(0, 80))";
        assert_eq!(
            self.value(scrolled).await,
            json!([]),
            "{}",
            self.url().await
        );
    }

    /// Every bar of the page's charts is to be seen, and no label lies on another
    /// or on a bar.
    async fn charts_can_be_read(&self) {
        let bars = "[...document.querySelectorAll('svg.chart rect')].map(bar => bar.getBoundingClientRect())";
        let seen =
            format!("{bars}.length > 4 && {bars}.every(bar => bar.width > 1 && bar.height > 0)");
        assert_eq!(self.value(&seen).await, true, "bars");
        let overlapping = "[...document.querySelectorAll('.plotted')].flatMap(chart => {
            const labels = [...chart.querySelectorAll('text')];
            const boxes = labels.map(label => [label.textContent, label.getBoundingClientRect()]);
            const bars = [...chart.querySelectorAll('rect')];
            const others = bars.map(bar => ['a bar', bar.getBoundingClientRect()]);
            return boxes.flatMap(([a, r], n) => boxes.slice(n + 1).concat(others)
                .filter(([, s]) => r.left < s.right && s.left < r.right && r.top < s.bottom && s.top < r.bottom)
                .map(([b]) => a + ' on ' + b));
        })";
        assert_eq!(self.value(overlapping).await, json!([]), "labels");
    }
}

async fn all_pages(viewport: Viewport, name: &str) {
    let stack = busy_stack().await;
    let driver = Driver::start();
    let window = driver.window(viewport).await;
    window.open(&format!("{}{ACCOUNT}", stack.seller_url)).await;
    window.sign_in().await;
    window.sees("h2", "Who paid, and when").await;
    let mut papers = Vec::new();
    for scheme in ["light", "dark"] {
        window.prefer(scheme).await;
        for (page, path, heading) in [
            ("subscription", ACCOUNT.to_owned(), "Subscription"),
            (
                "usage",
                format!("{ACCOUNT}/usage?month=2026-11&day=27"),
                "Carried over the month’s end",
            ),
            (
                "usage-next",
                format!("{ACCOUNT}/usage?month=2026-12"),
                "Carried over the month’s end",
            ),
            (
                "not-cloud",
                format!("{ACCOUNT}/not-cloud"),
                "Which computers",
            ),
            ("help", "/help".to_owned(), "Can we have custom pricing?"),
        ] {
            window.open(&format!("{}{path}", stack.seller_url)).await;
            window.sees("h2", heading).await;
            window.fits().await;
            window.is_accessible().await;
            window.tables_fit().await;
            window.picture(&format!("{name}-{scheme}-{page}")).await;
            if page.starts_with("usage") {
                window.charts_can_be_read().await;
            }
        }
        let paper = "getComputedStyle(document.body).backgroundColor";
        papers.push(window.value(paper).await);
    }
    assert_ne!(papers[0], papers[1], "dark is as light");
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_accounts_pages_can_be_read_on_a_phone_in_light_and_dark() {
    all_pages(Viewport::Phone, "phone").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_accounts_pages_can_be_read_at_a_desk_in_light_and_dark() {
    all_pages(Viewport::Desktop, "desktop").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn axe_finds_a_picture_without_words() {
    let stack = stack().await;
    let driver = Driver::start();
    let window = driver.window(Viewport::Desktop).await;
    window.open(&format!("{}/help", stack.seller_url)).await;
    assert_eq!(window.barriers().await, json!([]));
    let put = "const picture = document.createElement('img');
        picture.src = '/static/none.png';
        document.querySelector('main').append(picture)";
    window.run(put).await;
    assert_eq!(
        window.barriers().await,
        json!(["image-alt at img[src$=\"none.png\"]"])
    );
    window.close().await;
}

//! The events and answers of a contract's life in any order, through the store.
//! What may differ by the order is as in the tests of `domain::license`: when things
//! were learned, versions, and within a hand-over the instant of the link's change.

use domain::account::Standing;
use domain::catalog::Catalog;
use domain::ids::{AccountId, Dimension};
use domain::license::{Asks, pricing_at};
use domain::money::Usd;
use fake_aws::{
    Amendment, NewAgreement, Notice, OfferKind, Renewal, RenewalIntent, RenewedLicense,
};
use jiff::Timestamp;

use super::*;

/// A contract that is linked, amended, warned of, renewed with another license, and
/// replaced with the same one; the events of all that were held up.
struct Life {
    world: World,
    account: AccountId,
    events: Vec<Value>,
}

impl Life {
    async fn lived() -> Self {
        let mut world = World::new().await;
        let catalog = Catalog::workload_security().with_contracts_by_name();
        world.app.settings.rules.catalog = std::sync::Arc::new(catalog.unwrap());
        let offer = OfferKind::Consumption;
        let bought = world.aws.create_agreement(offer, BUYER).await.unwrap();
        world.deliver().await;
        let account = world.account("north", &["ada"]).await;
        let session = world.begin(&bought.registration_token).await;
        world.link(&session, "ada", &account).await;
        let life = Self {
            world,
            account,
            events: Vec::new(),
        };
        life.ask().await;
        life.happens(&bought).await
    }

    async fn happens(mut self, bought: &NewAgreement) -> Self {
        let aws = &self.world.aws;
        let hours = SignedDuration::from_hours;
        aws.advance_by(hours(5)).await.unwrap();
        let amendment = Amendment {
            hours: Some(2_500),
            ..Amendment::default()
        };
        let amended = aws.amend_agreement(&bought.agreement_id, amendment);
        amended.await.unwrap();
        let warned = aws.notice(&bought.agreement_id, Notice::AdvisoryIssued);
        warned.await.unwrap();
        aws.advance_by(hours(5)).await.unwrap();
        let renewal = |license, intent, offer| Renewal {
            license,
            intent,
            offer: Some(offer),
            starts_at: None,
        };
        let another = renewal(
            RenewedLicense::New,
            RenewalIntent::Renew,
            OfferKind::PrivateYearly,
        );
        let renewed = aws.renew_agreement(&bought.agreement_id, another);
        let renewed = renewed.await.unwrap();
        aws.advance_by(hours(5)).await.unwrap();
        let same = renewal(
            RenewedLicense::Same,
            RenewalIntent::Replace,
            OfferKind::PrivateMonthly,
        );
        let replaced = aws.renew_agreement(&renewed.agreement_id, same);
        replaced.await.unwrap();
        aws.advance_by(hours(1)).await.unwrap();
        self.events = self.world.take_events();
        self
    }

    /// Does what is due until nothing is.
    async fn ask(&self) {
        for _minute in 0..4 {
            self.world.advance(SignedDuration::from_mins(1)).await;
            let run = self.world.app.expire_due(Timestamp::MAX).await.unwrap();
            assert_eq!(run.failed, 0);
        }
    }

    async fn outcome(&self) -> Outcome {
        let store = &self.world.app.store;
        let account = store.account(&self.account).await.unwrap().unwrap();
        let links = store.links_of_account(&self.account, Timestamp::MIN, Timestamp::MAX);
        let mut links = links.await.unwrap();
        links.sort_by_key(|link| link.from);
        for pair in links.windows(2) {
            assert_eq!(pair[0].until, Some(pair[1].from), "{links:?}");
        }
        let mut licenses = Vec::new();
        let mut included = Vec::new();
        for id in store.every_license().await.unwrap() {
            let license = store.license(&id).await.unwrap().unwrap();
            let periods = self.world.app.included(&id).await.unwrap();
            let periods = periods.into_iter().filter(|period| period.granted > 0);
            included.extend(
                periods.map(|of| (id.clone(), of.dimension, of.from, of.until, of.granted)),
            );
            licenses.push(apart_from_learning(license, self.world.now()));
        }
        let ids: Vec<LicenseId> = licenses
            .iter()
            .map(|(license, _)| license.id.clone())
            .collect();
        self.world
            .check(std::slice::from_ref(&self.account), &ids)
            .await;
        Outcome {
            licenses,
            links: links
                .into_iter()
                .map(|link| (link.license, link.from))
                .collect(),
            standing: account.standing_at(self.world.now()),
            included,
        }
    }
}

#[derive(Debug, PartialEq)]
struct Outcome {
    licenses: Vec<(License, Option<Usd>)>,
    links: Vec<(LicenseId, Timestamp)>,
    standing: Standing,
    included: Vec<(LicenseId, Dimension, Timestamp, Timestamp, u64)>,
}

/// A license without when things were learned, and at which rate it is billed now.
fn apart_from_learning(mut license: License, now: Timestamp) -> (License, Option<Usd>) {
    let large = Dimension::parse("large").unwrap();
    let rate = pricing_at(&license.pricing, now).and_then(|pricing| pricing.rate(&large, now));
    license.version = 0;
    license.asks = Asks::default();
    license.due_at = None;
    // How often rates were asked for, and when, depends on how often something was news.
    license.pricing.clear();
    if let Some(told) = &mut license.entitlements {
        told.asked_at = Timestamp::UNIX_EPOCH;
    }
    if let LicenseStatus::Ended { end, .. } = &mut license.status {
        end.learned_at = Timestamp::UNIX_EPOCH;
    }
    if let Some(succession) = &mut license.succession {
        succession.learned_at = Timestamp::UNIX_EPOCH;
    }
    (license, rate)
}

/// Numbers that repeat from run to run.
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }

    /// The events in any order, some of them twice.
    fn order(&mut self, events: &[Value]) -> Vec<Value> {
        let mut order = events.to_vec();
        for _ in 0..3 {
            order.push(events[self.below(events.len())].clone());
        }
        for last in (1..order.len()).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }
}

#[tokio::test]
async fn any_order_of_the_events_of_a_contracts_life_ends_in_the_same_state() {
    let expected = Life::lived().await;
    for event in &expected.events {
        expected.world.record(event).await;
    }
    expected.ask().await;
    let expected = expected.outcome().await;
    assert_eq!(expected.standing, Standing::Subscribed);
    assert_eq!(expected.links.len(), 2);
    assert!(!expected.included.is_empty());
    for seed in 0..10 {
        let life = Life::lived().await;
        let order = Draws(seed).order(&life.events);
        for event in &order {
            life.world.record(event).await;
        }
        life.ask().await;
        let told: Vec<_> = order.iter().map(|event| &event["detail-type"]).collect();
        assert_eq!(life.outcome().await, expected, "seed {seed}: {told:?}");
    }
}

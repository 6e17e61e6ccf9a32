//! The computers of an account that are billed at the Data Center rate, and
//! what a cloud connector would save.

use std::collections::BTreeSet;

use domain::catalog::Catalog;
use domain::hour::Hour;
use domain::ids::AccountId;
use domain::money::Usd;
use domain::tiers::Tier;
use domain::usage::{NotCloudComputer, NotCloudReason, UsageReport};
use store::StoreError;

use crate::App;
use crate::chain::Chain;
use crate::prices::list_price;

/// How far back the latest hour is looked for.
const HOURS_BACK: i32 = 24;

/// Computers reported outside the clouds for an hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotCloud {
    /// The hour.
    pub hour: Hour,
    /// The computers, by agent, each with what a connector would save.
    pub computers: Vec<(NotCloudComputer, Option<Saving>)>,
    /// How many more there are, whose names are not kept.
    pub more: u32,
}

/// What a computer-hour would cost less under a cloud connector: a span, as
/// wide as its size is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Saving {
    /// At the least.
    pub least: Usd,
    /// At the most.
    pub most: Usd,
}

impl App {
    /// What was reported outside the clouds for the latest hour of the last 24
    /// for which anything was; `None` when nothing was.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or an item is unreadable.
    pub async fn not_cloud(&self, account: &AccountId) -> Result<Option<NotCloud>, StoreError> {
        let since = Hour::of(self.clock.now()).plus(-HOURS_BACK);
        let listings = self.store.latest_not_cloud(account, since).await?;
        let Some(hour) = listings.first().map(|listing| listing.hour) else {
            return Ok(None);
        };
        let more = listings.iter().map(|listing| listing.more);
        let more = more.fold(0, u32::saturating_add);
        let listed = listings.into_iter().flat_map(|listing| listing.computers);
        let computers: BTreeSet<NotCloudComputer> = listed.collect();
        let catalog = &self.settings.rules.catalog;
        let with_saving = computers.into_iter().map(|computer| {
            let saving = saving(&computer, catalog);
            (computer, saving)
        });
        Ok(Some(NotCloud {
            hour,
            computers: with_saving.collect(),
            more,
        }))
    }

    /// Keeps the names of a report's computers outside the clouds. They bill
    /// nothing and come again with the next hour, so a failure is only logged:
    /// the report itself is recorded.
    pub(crate) async fn list_not_cloud(&self, report: &UsageReport) {
        let Some(listing) = report.not_cloud() else {
            return;
        };
        if let Err(error) = self.store.put_not_cloud(&listing).await {
            tracing::warn!(
                account.id = %report.account,
                usage.hour = %report.hour,
                error = %Chain(&error),
                "The list of computers outside the clouds was not kept; the next report brings it again"
            );
        }
    }
}

/// What a connector would save; `None` for a computer in vCenter, which stays
/// at the Data Center rate under whatever connector.
fn saving(computer: &NotCloudComputer, catalog: &Catalog) -> Option<Saving> {
    match computer.why {
        NotCloudReason::Vcenter => return None,
        NotCloudReason::NoConnector | NotCloudReason::SizeUnknown => {}
    }
    let price = |tier| list_price(catalog, &catalog.rate(tier).dimension).unwrap_or_default();
    let less = |tier| price(Tier::DataCenter).less(price(tier));
    let tiers = match computer.under_connector {
        Some(tier) => vec![tier],
        None => vec![Tier::Medium, Tier::Large, Tier::ExtraLarge],
    };
    let savings = tiers.into_iter().map(less);
    Some(Saving {
        least: savings.clone().min()?,
        most: savings.max()?,
    })
}

#[cfg(test)]
mod tests {
    use domain::ids::AgentId;
    use jiff::SignedDuration;
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::World;

    fn computer(why: NotCloudReason, under_connector: Option<Tier>) -> NotCloudComputer {
        NotCloudComputer {
            agent: AgentId::parse("a").unwrap(),
            instance: None,
            why,
            under_connector,
        }
    }

    #[test]
    fn a_connector_saves_the_difference_to_the_sizes_own_rate_and_nothing_in_vcenter() {
        let catalog = Catalog::workload_security();
        let of = |why, tier| saving(&computer(why, tier), &catalog);
        let span = |least, most| {
            let (least, most) = (Usd::from_micros(least), Usd::from_micros(most));
            Some(Saving { least, most })
        };
        let large = Some(Tier::Large);
        assert_eq!(of(NotCloudReason::NoConnector, large), span(28_000, 28_000));
        assert_eq!(of(NotCloudReason::SizeUnknown, None), span(13_000, 49_000));
        assert_eq!(of(NotCloudReason::Vcenter, large), None);
    }

    async fn report(world: &World, account: &AccountId, id: &str, computers: Value) {
        let hour = Hour::of(world.now());
        let report = json!({"account": account, "hour": hour, "report_id": id,
                            "computers": computers});
        let report = serde_json::from_value(report).unwrap();
        world.app.record_usage(&report).await.unwrap();
    }

    fn agents(seen: &NotCloud) -> Vec<&str> {
        let computers = seen.computers.iter();
        computers.map(|(c, _)| c.agent.as_str()).collect()
    }

    #[tokio::test]
    async fn the_latest_hours_computers_are_listed_from_all_its_reports_for_a_day() {
        let world = World::new().await;
        let account = world.account("acme", &["ann"]).await;
        let other = world.account("other", &["ann"]).await;
        report(&world, &account, "r1", json!([{"agent_id": "old"}])).await;
        world.advance(SignedDuration::from_hours(1)).await;
        let hour = Hour::of(world.now());
        report(&world, &account, "r1", json!([{"agent_id": "b"}])).await;
        let twice = json!([{"agent_id": "b"}, {"agent_id": "a"}]);
        report(&world, &account, "r2", twice).await;

        let seen = world.app.not_cloud(&account).await.unwrap().unwrap();
        assert_eq!((seen.hour, seen.more), (hour, 0));
        assert_eq!(agents(&seen), ["a", "b"]);
        assert_eq!(world.app.not_cloud(&other).await.unwrap(), None);

        world.advance(SignedDuration::from_hours(24)).await;
        assert!(world.app.not_cloud(&account).await.unwrap().is_some());
        world.advance(SignedDuration::from_hours(1)).await;
        assert_eq!(world.app.not_cloud(&account).await.unwrap(), None);
    }
}

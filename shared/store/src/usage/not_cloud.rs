//! Which computers the product reported outside the clouds, by name: for the
//! customer to look at. Nothing is billed by it.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::hour::{Hour, after};
use domain::ids::{AccountId, ReportId};
use domain::usage::NotCloudListing;
use jiff::{SignedDuration, Timestamp};

use super::keys::Key;
use super::mapping::{FORMAT, Item, known, number, text};
use super::table::Replaces;
use crate::{Store, StoreError};

/// How long a listing is kept.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(72);

/// How many listings of the latest hour are read at the most.
const MOST_READ: i32 = 8;

impl Store {
    /// Stores what a report lists, over what the same report listed before.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer.
    pub async fn put_not_cloud(&self, listing: &NotCloudListing) -> Result<(), StoreError> {
        let key = Key {
            pk: partition(&listing.account),
            sk: format!("{}#{}", listing.hour, listing.report),
        };
        let computers = serde_json::to_string(&listing.computers)
            .map_err(|error| StoreError::corrupt(key.to_string(), error))?;
        let expires_at = after(listing.hour.start(), KEPT_FOR).as_second();
        let mut item: Item = key.attributes();
        item.extend([
            ("format".to_owned(), number(FORMAT)),
            ("computers".to_owned(), text(computers)),
            ("more".to_owned(), number(listing.more)),
            ("expires_at".to_owned(), number(expires_at)),
        ]);
        self.usage_put(item, Replaces::Anything).await.map(drop)
    }

    /// What the reports of the latest hour with any list, from `since` on: up
    /// to 8 of them.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or an item is unreadable.
    pub async fn latest_not_cloud(
        &self,
        account: &AccountId,
        since: Hour,
    ) -> Result<Vec<NotCloudListing>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.tables.usage)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk >= :since")
            .expression_attribute_values(":pk", text(partition(account)))
            .expression_attribute_values(":since", text(since.to_string()))
            .scan_index_forward(false)
            .limit(MOST_READ);
        let mut listings = Vec::new();
        for item in query.send().await?.items.unwrap_or_default() {
            listings.push(listing_of(account, &item)?);
        }
        let latest = listings.first().map(|listing| listing.hour);
        listings.retain(|listing| Some(listing.hour) == latest);
        Ok(listings)
    }
}

fn partition(account: &AccountId) -> String {
    format!("not-cloud#{account}")
}

fn listing_of(account: &AccountId, item: &Item) -> Result<NotCloudListing, StoreError> {
    let key = known(item)?;
    let corrupt = |reason: &dyn ToString| StoreError::corrupt(key.to_string(), reason.to_string());
    let (hour, report) = key.sk.split_once('#').unwrap_or_default();
    let hour = hour
        .parse::<Timestamp>()
        .ok()
        .and_then(|at| Hour::starting_at(at).ok());
    let Some(AttributeValue::S(computers)) = item.get("computers") else {
        return Err(corrupt(&"no computers"));
    };
    let more = item.get("more").and_then(|more| more.as_n().ok());
    Ok(NotCloudListing {
        account: account.clone(),
        hour: hour.ok_or_else(|| corrupt(&"no hour"))?,
        report: ReportId::parse(report).map_err(|error| corrupt(&error))?,
        computers: serde_json::from_str(computers).map_err(|error| corrupt(&error))?,
        more: more
            .and_then(|more| more.parse().ok())
            .ok_or_else(|| corrupt(&"it does not say how many more there are"))?,
    })
}

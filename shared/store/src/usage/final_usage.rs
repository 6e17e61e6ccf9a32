//! The licenses whose final usage is looked after every minute.

use domain::ids::LicenseId;
use jiff::Timestamp;

use super::keys;
use super::mapping::{Item, key_of, whole_seconds};
use super::reports::text;
use crate::{Store, StoreError};

impl Store {
    /// Has an ended license's final usage looked after from now on. Repeating
    /// it changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer.
    pub async fn begin_final_usage(
        &self,
        license: &LicenseId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.client
            .put_item()
            .table_name(&self.tables.usage)
            .item("pk", text(keys::license(license)))
            .item("sk", text(keys::FINAL_USAGE))
            .item("license", text(license.as_str()))
            .item("work_shard", text(keys::final_usage_work()))
            .item("work_due", text(whole_seconds(now).to_string()))
            .send()
            .await?;
        Ok(())
    }

    /// The final usage of a license is over.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer.
    pub async fn end_final_usage(&self, license: &LicenseId) -> Result<(), StoreError> {
        self.client
            .delete_item()
            .table_name(&self.tables.usage)
            .key("pk", text(keys::license(license)))
            .key("sk", text(keys::FINAL_USAGE))
            .send()
            .await?;
        Ok(())
    }

    /// The licenses whose final usage is looked after, as far as the index knows.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or an entry is unreadable.
    pub async fn final_usage(&self) -> Result<Vec<LicenseId>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.tables.usage)
            .index_name("work")
            .key_condition_expression("work_shard = :shard")
            .expression_attribute_values(":shard", text(keys::final_usage_work()));
        self.query_all(query)
            .await?
            .iter()
            .map(license_of)
            .collect()
    }
}

fn license_of(item: &Item) -> Result<LicenseId, StoreError> {
    item.get("pk")
        .and_then(|value| value.as_s().ok())
        .and_then(|pk| LicenseId::parse(pk.strip_prefix("license#")?).ok())
        .ok_or_else(|| StoreError::corrupt(key_of(item), "no license"))
}

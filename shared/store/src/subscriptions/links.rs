//! The history of links, by account and by license.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::ids::{AccountId, LicenseId};
use domain::linking::Link;
use jiff::Timestamp;

use super::{keys, mapping};
use crate::{Store, StoreError};

impl Store {
    /// The account's links that have an instant in common with `[from, until)`,
    /// by their beginning.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn links_of_account(
        &self,
        account: &AccountId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Link>, StoreError> {
        self.links(keys::account(account), from, until).await
    }

    /// The license's links that have an instant in common with `[from, until)`,
    /// by their beginning.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn links_of_license(
        &self,
        license: &LicenseId,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Link>, StoreError> {
        self.links(keys::license(license), from, until).await
    }

    async fn links(
        &self,
        pk: String,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<Link>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.tables.subscriptions)
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", AttributeValue::S(pk))
            .expression_attribute_values(":first", AttributeValue::S(keys::LINK.to_owned()))
            .expression_attribute_values(":last", AttributeValue::S(keys::links_before(until)))
            .consistent_read(true);
        let mut links = Vec::new();
        for item in self.query_all(query).await? {
            let link: Link = mapping::body(item)?;
            if link.overlaps(from, until) {
                links.push(link);
            }
        }
        Ok(links)
    }
}

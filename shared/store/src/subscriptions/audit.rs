//! The audit of an account.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::audit::AuditEntry;
use domain::ids::AccountId;

use super::{keys, mapping};
use crate::{Store, StoreError};

impl Store {
    /// The latest audit entries of an account, the latest first, at most `limit`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn audit_of_account(
        &self,
        account: &AccountId,
        limit: u16,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let page = self
            .client
            .query()
            .table_name(&self.tables.subscriptions)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", AttributeValue::S(keys::account(account)))
            .expression_attribute_values(":prefix", AttributeValue::S(keys::AUDIT.to_owned()))
            .scan_index_forward(false)
            .limit(i32::from(limit))
            .consistent_read(true)
            .send()
            .await?;
        let items = page.items.unwrap_or_default();
        items.into_iter().map(mapping::body).collect()
    }
}

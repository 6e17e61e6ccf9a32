//! Accounts.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use domain::account::Account;
use domain::ids::AccountId;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::keys;
use super::mapping::{self, Row};
use crate::{Store, StoreError};

impl Store {
    /// An account, as it is now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn account(&self, id: &AccountId) -> Result<Option<Account>, StoreError> {
        let item = self
            .subscription_item(keys::account(id), keys::ACCOUNT)
            .await?;
        item.map(mapping::account).transpose()
    }

    /// One item of the table, read strongly consistently.
    pub(super) async fn subscription_item(
        &self,
        pk: String,
        sk: impl Into<String>,
    ) -> Result<Option<mapping::Item>, StoreError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.tables.subscriptions)
            .key("pk", AttributeValue::S(pk))
            .key("sk", AttributeValue::S(sk.into()))
            .consistent_read(true)
            .send()
            .await?;
        Ok(output.item)
    }

    /// Takes an item away: of any number of calls, one gets it.
    pub(super) async fn take_subscription_item<T: DeserializeOwned>(
        &self,
        pk: String,
        sk: &str,
    ) -> Result<Option<T>, StoreError> {
        let deleted = self
            .to_write_subscriptions()
            .await?
            .delete_item()
            .table_name(&self.tables.subscriptions)
            .key("pk", AttributeValue::S(pk))
            .key("sk", AttributeValue::S(sk.to_owned()))
            .return_values(ReturnValue::AllOld)
            .send()
            .await?;
        let item = deleted.attributes.filter(|item| !item.is_empty());
        item.map(mapping::body).transpose()
    }

    /// Puts an item, whatever was under its key.
    pub(super) async fn replace_subscription_item<T: Serialize>(
        &self,
        row: &Row<T>,
    ) -> Result<(), StoreError> {
        self.to_write_subscriptions()
            .await?
            .put_item()
            .table_name(&self.tables.subscriptions)
            .set_item(Some(mapping::item(row)?))
            .send()
            .await?;
        Ok(())
    }

    /// Puts an item, unless there is one under its key; whether there was none.
    ///
    /// When the SDK tries again after a lost answer, its own first attempt may
    /// be what is there: for an item whose key nobody else can have, either
    /// answer means that it is stored.
    pub(super) async fn create_subscription_item<T: Serialize>(
        &self,
        row: &Row<T>,
    ) -> Result<bool, StoreError> {
        let put = self
            .to_write_subscriptions()
            .await?
            .put_item()
            .table_name(&self.tables.subscriptions)
            .set_item(Some(mapping::item(row)?))
            .condition_expression("attribute_not_exists(pk)")
            .send()
            .await;
        match put {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(PutItemError::is_conditional_check_failed_exception) =>
            {
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Every item of a partition whose sort key begins so, in its order, read
    /// strongly consistently and to the end.
    pub(super) async fn subscription_items(
        &self,
        pk: String,
        sk_prefix: &str,
    ) -> Result<Vec<mapping::Item>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.tables.subscriptions)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", AttributeValue::S(pk))
            .expression_attribute_values(":prefix", AttributeValue::S(sk_prefix.to_owned()))
            .consistent_read(true);
        self.query_all(query).await
    }
}

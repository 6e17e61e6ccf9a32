//! Licenses, and the facts that they follow from.

use domain::ids::{AgreementId, AwsAccountId, LicenseId};
use domain::license::License;
use domain::marketplace_event::Fact;

use super::keys;
use super::mapping::{self, Row};
use crate::{Store, StoreError};

impl Store {
    /// A license, as it is now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn license(&self, id: &LicenseId) -> Result<Option<License>, StoreError> {
        let item = self
            .subscription_item(keys::license(id), keys::LICENSE)
            .await?;
        item.map(mapping::license).transpose()
    }

    /// The licenses that an AWS account bought, ascending.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn licenses_of_buyer(
        &self,
        buyer: &AwsAccountId,
    ) -> Result<Vec<LicenseId>, StoreError> {
        let items = self
            .subscription_items(keys::buyer(buyer), keys::BOUGHT)
            .await?;
        items.into_iter().map(mapping::body).collect()
    }

    /// Keeps a fact, unless it is kept already. One that names an agreement is
    /// kept under it, else under its license, else under its day.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_fact(&self, fact: &Fact) -> Result<(), StoreError> {
        let pk = match (fact.agreement(), fact.license_id()) {
            (Some(agreement), _) => keys::agreement(agreement),
            (None, Some(license)) => keys::license(license),
            (None, None) => keys::unjoined(fact.at()),
        };
        let row = Row::new(pk, keys::fact(&fact.key()), fact);
        self.create_subscription_item(&row).await?;
        Ok(())
    }

    /// Every fact that names the agreement.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn facts_of_agreement(&self, id: &AgreementId) -> Result<Vec<Fact>, StoreError> {
        self.facts(keys::agreement(id)).await
    }

    /// Every fact that names the license and no agreement.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn facts_of_license(&self, id: &LicenseId) -> Result<Vec<Fact>, StoreError> {
        self.facts(keys::license(id)).await
    }

    /// Every fact of that day that names neither an agreement nor a license.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn unjoined_facts(&self, day: jiff::Timestamp) -> Result<Vec<Fact>, StoreError> {
        self.facts(keys::unjoined(day)).await
    }

    async fn facts(&self, pk: String) -> Result<Vec<Fact>, StoreError> {
        let items = self.subscription_items(pk, keys::FACT).await?;
        items.into_iter().map(mapping::body).collect()
    }
}

//! Licenses, and the facts that they follow from.

use domain::fact::Fact;
use domain::ids::{AgreementId, AwsAccountId, CustomerIdentifier, LicenseId, ProductCode};
use domain::license::License;

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

    /// Every license that AWS told of, ascending. Reads them all: for a daily
    /// check, never for a request.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn every_license(&self) -> Result<Vec<LicenseId>, StoreError> {
        let mut licenses: Vec<LicenseId> = Vec::new();
        for partition in keys::licenses() {
            let items = self.subscription_items(partition, keys::BOUGHT).await?;
            for item in items {
                licenses.push(mapping::body(item)?);
            }
        }
        licenses.sort();
        Ok(licenses)
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
    /// kept under it, and under the one that it follows, else under its license;
    /// one that names a buyer as an older listing's messages do under that too;
    /// one that names nothing, and each such message, under its day.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_fact(&self, fact: &Fact) -> Result<(), StoreError> {
        let agreements = [fact.agreement(), fact.follows()];
        let mut places: Vec<String> = agreements
            .into_iter()
            .flatten()
            .map(keys::agreement)
            .collect();
        if fact.agreement().is_none() {
            places.extend(fact.license_ids().map(keys::license));
        }
        places.extend(fact.customer().map(keys::customer));
        if places.is_empty() || fact.notification().is_some() {
            places.push(keys::unjoined(fact.at()));
        }
        for pk in places {
            let row = Row::new(pk, keys::fact(&fact.key()), fact);
            self.create_subscription_item(&row).await?;
        }
        Ok(())
    }

    /// Every fact that names the buyer of a product as an older listing's messages do.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn facts_of_customer(
        &self,
        customer: (&ProductCode, &CustomerIdentifier),
    ) -> Result<Vec<Fact>, StoreError> {
        self.facts(keys::customer(customer)).await
    }

    /// Every fact that names the agreement, also as the one that another follows.
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

    /// Every fact of that day that names neither an agreement nor a license: the messages
    /// of older listings are among them, also where a token told of their buyer.
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

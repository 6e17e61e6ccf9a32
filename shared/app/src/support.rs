//! What support looks up: who pays for an account, and who did at any instant;
//! which account a license, an agreement or an AWS account pays for.

pub mod orders;
mod told;

use std::collections::BTreeSet;

use domain::account::Account;
use domain::audit::AuditEntry;
use domain::ids::{AccountId, AgreementId, AwsAccountId, LicenseId};
use domain::license::{License, agreement_at, licenses_of};
use domain::linking::Link;
use domain::member::Member;
use domain::outbound::OutboundEvent;
use jiff::Timestamp;
use store::StoreError;

use crate::App;
use crate::accounts::AUDIT_SHOWN;
use crate::usage_month::Held;

pub use told::{Subject, ToldFact, WithoutEffect};

/// All that is known of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountFile {
    /// The account.
    pub account: Account,
    /// Its members.
    pub members: Vec<Member>,
    /// Every link that it ever had, the earliest first, with its license.
    pub links: Vec<(Link, Option<License>)>,
    /// Its latest audit entries, the latest first.
    pub audit: Vec<AuditEntry>,
    /// The instant at which all this holds.
    pub as_of: Timestamp,
}

/// All that is known of a license.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LicenseFile {
    /// The license.
    pub license: License,
    /// Every link that it ever had, the earliest first.
    pub links: Vec<Link>,
    /// That AWS takes no usage of it.
    pub held: Option<Held>,
    /// The instant at which all this holds.
    pub as_of: Timestamp,
}

/// Who paid for an account at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paid {
    /// The link.
    pub link: Link,
    /// Its license.
    pub license: Option<License>,
    /// The agreement that the license was under then.
    pub agreement: Option<AgreementId>,
}

impl AccountFile {
    /// The link by which the account was paid for at an instant, and its license.
    fn link_at(&self, at: Timestamp) -> Option<&(Link, Option<License>)> {
        self.links
            .iter()
            .find(|(link, _)| link.from <= at && link.until.is_none_or(|until| at < until))
    }
}

impl App {
    /// All that is known of an account; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn account_file(
        &self,
        account: &AccountId,
    ) -> Result<Option<AccountFile>, StoreError> {
        let as_of = self.clock.now();
        let Some(account) = self.store.account(account).await? else {
            return Ok(None);
        };
        let mut links = Vec::new();
        let every = self
            .store
            .links_of_account(&account.id, Timestamp::MIN, Timestamp::MAX);
        for link in every.await? {
            let license = self.store.license(&link.license).await?;
            links.push((link, license));
        }
        Ok(Some(AccountFile {
            audit: self
                .store
                .audit_of_account(&account.id, AUDIT_SHOWN)
                .await?,
            members: self.store.members_of(&account.id).await?,
            account,
            links,
            as_of,
        }))
    }

    /// Who paid for an account at an instant; `None` when no AWS account did.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn paid_at(
        &self,
        file: &AccountFile,
        at: Timestamp,
    ) -> Result<Option<Paid>, StoreError> {
        let Some((link, license)) = file.link_at(at) else {
            return Ok(None);
        };
        let facts = self.facts_about(&link.license, license.as_ref(), None);
        Ok(Some(Paid {
            agreement: agreement_at(&link.license, &facts.await?, at),
            link: link.clone(),
            license: license.clone(),
        }))
    }

    /// All that is known of a license; `None` when AWS told of none.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn license_file(
        &self,
        license: &LicenseId,
    ) -> Result<Option<LicenseFile>, StoreError> {
        let Some(license) = self.store.license(license).await? else {
            return Ok(None);
        };
        let links = self
            .store
            .links_of_license(&license.id, Timestamp::MIN, Timestamp::MAX);
        Ok(Some(LicenseFile {
            links: links.await?,
            held: self.hold_on(&license).await?,
            as_of: self.clock.now(),
            license,
        }))
    }

    /// What the outside was told of an account and of its licenses within the last
    /// eight days, each by its version ascending; `None` when there is no such account.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn events_of(
        &self,
        account: &AccountId,
    ) -> Result<Option<Vec<OutboundEvent>>, StoreError> {
        if self.store.account(account).await?.is_none() {
            return Ok(None);
        }
        let links = self
            .store
            .links_of_account(account, Timestamp::MIN, Timestamp::MAX)
            .await?;
        let mut events = self.store.outbox_of_account(account).await?;
        let licenses: BTreeSet<LicenseId> = links.into_iter().map(|link| link.license).collect();
        for license in &licenses {
            events.extend(self.store.outbox_of_license(license).await?);
        }
        Ok(Some(events))
    }

    /// The licenses that an AWS account bought, ascending.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn licenses_of_buyer(
        &self,
        buyer: &AwsAccountId,
    ) -> Result<BTreeSet<LicenseId>, StoreError> {
        let licenses = self.store.licenses_of_buyer(buyer).await?;
        Ok(licenses.into_iter().collect())
    }

    /// The licenses that AWS named with an agreement, ascending.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn licenses_of_agreement(
        &self,
        agreement: &AgreementId,
    ) -> Result<BTreeSet<LicenseId>, StoreError> {
        let facts = self.store.facts_of_agreement(agreement).await?;
        Ok(licenses_of(&facts))
    }
}

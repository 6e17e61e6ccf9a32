//! SearchAgreements and DescribeAgreement: what agreements there are, and how
//! they stand.

use std::collections::BTreeSet;

use aws_sdk_marketplaceagreement::operation::describe_agreement::DescribeAgreementOutput;
use aws_sdk_marketplaceagreement::types as sdk;
use aws_sdk_marketplaceagreement::types::{AgreementStatus, EndTimeBehaviorType};
use domain::ids::{AgreementId, AwsAccountId, LicenseArn, OfferId, ProductId};
use domain::marketplace_event::EndedStatus;
use jiff::Timestamp;

use crate::Marketplace;
use crate::convert;
use crate::read_error::ReadError;

/// Agreements in one answer (the API's default).
const PAGE_SIZE: i32 = 50;

/// The most pages of one chain of renewals.
const MAX_PAGES_OF_CHAIN: usize = 8;

/// An agreement as AWS shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundAgreement {
    /// The agreement.
    pub agreement: AgreementId,
    /// The first agreement of its chain of renewals and replacements.
    pub initial: Option<AgreementId>,
    /// The acceptor: the buyer's AWS account.
    pub buyer: AwsAccountId,
    /// What it is about, by AWS's ids of products.
    pub products: BTreeSet<ProductId>,
    /// The offer.
    pub offer: Option<OfferId>,
    /// How it ended; `None` while it goes on.
    pub ended: Option<EndedStatus>,
    /// When it starts.
    pub starts_at: Option<Timestamp>,
    /// When it ends or ended, if it has an end.
    pub ends_at: Option<Timestamp>,
    /// Whether it renews at its end.
    pub auto_renewal: Option<bool>,
    /// The licenses that it grants.
    pub licenses: BTreeSet<LicenseArn>,
    /// When it was changed last.
    pub changed_at: Option<Timestamp>,
}

/// A page of agreements.
#[derive(Debug, Clone, Default)]
pub struct AgreementPage {
    /// The agreements.
    pub agreements: Vec<FoundAgreement>,
    /// Agreements that lack what identifies them, as what is missing.
    pub incomplete: Vec<&'static str>,
    /// What the next page is asked for by; a page may be empty and have one.
    pub next: Option<String>,
}

impl Marketplace {
    /// A page of the seller's agreements, of all or of those that were changed
    /// after an instant, from the first one or from where `next` of the page
    /// before leads.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn search_agreements(
        &self,
        changed_after: Option<Timestamp>,
        next: Option<String>,
    ) -> Result<AgreementPage, ReadError> {
        let changed = changed_after.map(|at| filter("AfterLastUpdateTime", &at.to_string()));
        self.page(changed, next).await
    }

    /// How an agreement stands, first, and then what AWS lists of the chain of
    /// renewals and replacements that it is in, by when they start, as far as it
    /// can be read.
    ///
    /// # Errors
    /// See [`ReadError`]. A part of the chain is never returned.
    pub async fn chain_of_agreement(
        &self,
        agreement: &AgreementId,
    ) -> Result<Vec<FoundAgreement>, ReadError> {
        let output = self
            .agreement
            .describe_agreement()
            .agreement_id(agreement.as_str())
            .send()
            .await
            .map_err(|error| convert::failure(&error))?;
        let mut own = described(agreement, &output).map_err(ReadError::Incomplete)?;
        let initial = own.initial.clone().unwrap_or_else(|| agreement.clone());
        let filter = filter("InitialAgreementId", initial.as_str());
        let mut others = Vec::new();
        let mut next = None;
        for _ in 0..MAX_PAGES_OF_CHAIN {
            let page = self.page(Some(filter.clone()), next).await?;
            for found in page.agreements {
                if found.agreement == *agreement {
                    own.licenses.extend(found.licenses);
                } else {
                    others.push(found);
                }
            }
            next = page.next;
            if next.is_none() {
                // A chain is told from its beginning: each goes on in the one before's place.
                others.sort_by_key(|found| found.starts_at);
                others.insert(0, own);
                return Ok(others);
            }
        }
        Err(ReadError::TooManyPages(MAX_PAGES_OF_CHAIN))
    }

    async fn page(
        &self,
        filter: Option<sdk::Filter>,
        next: Option<String>,
    ) -> Result<AgreementPage, ReadError> {
        let filters = [
            self::filter("PartyType", "Proposer"),
            self::filter("AgreementType", "PurchaseAgreement"),
        ];
        let output = self
            .agreement
            .search_agreements()
            .catalog("AWSMarketplace")
            .set_filters(Some(filters.into_iter().chain(filter).collect()))
            .max_results(PAGE_SIZE)
            .set_next_token(next)
            .send()
            .await
            .map_err(|error| convert::failure(&error))?;
        let mut page = AgreementPage {
            next: convert::next_page(output.next_token()),
            ..AgreementPage::default()
        };
        for summary in output.agreement_view_summaries() {
            match found(summary) {
                Ok(found) => page.agreements.push(found),
                Err(missing) => page.incomplete.push(missing),
            }
        }
        Ok(page)
    }
}

fn filter(name: &str, value: &str) -> sdk::Filter {
    sdk::Filter::builder().name(name).values(value).build()
}

fn described(
    agreement: &AgreementId,
    output: &DescribeAgreementOutput,
) -> Result<FoundAgreement, &'static str> {
    let proposal = output.proposal_summary();
    Ok(FoundAgreement {
        agreement: agreement.clone(),
        initial: output
            .initial_agreement_id()
            .and_then(|id| AgreementId::parse(id).ok()),
        buyer: output
            .acceptor()
            .and_then(|acceptor| AwsAccountId::parse(acceptor.account_id()?).ok())
            .ok_or("acceptor.accountId")?,
        products: products(proposal),
        offer: proposal
            .and_then(|proposal| proposal.offer_id())
            .and_then(|id| OfferId::parse(id).ok()),
        ended: output.status().map(ended).ok_or("status")?,
        starts_at: output.start_time().and_then(convert::timestamp),
        ends_at: output.end_time().and_then(convert::timestamp),
        auto_renewal: output
            .end_time_behavior()
            .map(|behavior| *behavior.r#type() == EndTimeBehaviorType::Renew),
        licenses: BTreeSet::new(),
        changed_at: None,
    })
}

fn products(proposal: Option<&sdk::ProposalSummary>) -> BTreeSet<ProductId> {
    let resources = proposal.map(|proposal| proposal.resources());
    let ids = resources.unwrap_or_default().iter();
    ids.filter_map(|resource| ProductId::parse(resource.id()?).ok())
        .collect()
}

fn found(summary: &sdk::AgreementViewSummary) -> Result<FoundAgreement, &'static str> {
    let proposal = summary.proposal_summary();
    let offer = proposal.and_then(|proposal| proposal.offer_id());
    let licenses = summary
        .entitlements()
        .iter()
        .filter_map(|entitlement| entitlement.license_arn());
    Ok(FoundAgreement {
        agreement: summary
            .agreement_id()
            .and_then(|id| AgreementId::parse(id).ok())
            .ok_or("agreementId")?,
        initial: summary
            .initial_agreement_id()
            .and_then(|id| AgreementId::parse(id).ok()),
        buyer: summary
            .acceptor()
            .and_then(|acceptor| AwsAccountId::parse(acceptor.account_id()?).ok())
            .ok_or("acceptor.accountId")?,
        products: products(proposal),
        offer: offer.and_then(|id| OfferId::parse(id).ok()),
        ended: summary.status().map(ended).ok_or("status")?,
        starts_at: summary.start_time().and_then(convert::timestamp),
        ends_at: summary.end_time().and_then(convert::timestamp),
        auto_renewal: summary
            .end_time_behavior_type()
            .map(|behavior| *behavior == EndTimeBehaviorType::Renew),
        licenses: licenses
            .map(|arn| LicenseArn::parse(arn).map_err(|_| "licenseArn"))
            .collect::<Result<_, _>>()?,
        changed_at: summary.last_update_time().and_then(convert::timestamp),
    })
}

/// How an agreement of that status ended; `None` while it goes on. Of an archived
/// one AWS says only that it ended; the other statuses are of a revision that is
/// not the one in force, and say nothing of the agreement's end.
fn ended(status: &AgreementStatus) -> Option<EndedStatus> {
    match status {
        AgreementStatus::Active => None,
        AgreementStatus::Cancelled => Some(EndedStatus::Cancelled),
        AgreementStatus::Expired | AgreementStatus::Archived => Some(EndedStatus::Expired),
        AgreementStatus::Terminated => Some(EndedStatus::Terminated),
        AgreementStatus::Renewed => Some(EndedStatus::Renewed),
        AgreementStatus::Replaced => Some(EndedStatus::Replaced),
        other @ (AgreementStatus::RolledBack | AgreementStatus::Superseded | _) => {
            Some(EndedStatus::Unrecognized(other.as_str().to_owned()))
        }
    }
}

#[cfg(test)]
mod tests;

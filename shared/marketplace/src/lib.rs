//! The AWS Marketplace clients: one call per file, SDK types <-> domain types.
//!
//! Invariants:
//!
//! - What leaves here identifies a buyer by license ARN and AWS account id. No
//!   request holds a product code beside a license ARN ("will result in
//!   duplicate billing", Metering API model), nor a customer identifier.
//! - AWS's open enums are translated once, here, each with an `Unrecognized`
//!   variant; no SDK type leaves this crate.
//! - A call that did not end in an answer is told apart from one that was
//!   refused: after the first, anything may have happened at AWS.
//! - Nothing here retries a metering call. Whether a record may be sent again is
//!   the ledger's decision, and each attempt is counted before it is made, so
//!   the client handed in has the SDK's own retries switched off.
//! - Registration tokens, AWS account ids and bodies are neither logged nor part
//!   of an error.

mod agreement_terms;
mod agreements;
mod batch_meter_usage;
mod convert;
mod data_feeds;
mod get_entitlements;
mod invoices;
mod lazy;
mod read_error;
mod resolve_customer;
#[cfg(test)]
mod testing;

use aws_sdk_marketplaceagreement::Client as AgreementClient;
use aws_sdk_marketplaceentitlement::Client as EntitlementClient;
use aws_sdk_marketplacemetering::Client as MeteringClient;

pub use agreements::{AgreementPage, FoundAgreement};
pub use data_feeds::{DataFeeds, FeedError, UsageFeed};
pub use get_entitlements::{Entitlement, EntitlementValue};
pub use invoices::Invoices;
pub use lazy::Lazy;
pub use read_error::ReadError;
pub use resolve_customer::{ResolveError, ResolvedCustomer};

/// The AWS Marketplace APIs that a seller calls. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Marketplace {
    metering: Lazy<MeteringClient>,
    entitlement: Lazy<EntitlementClient>,
    agreement: Lazy<AgreementClient>,
}

/// One of the APIs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// Metering, and the resolving of registration tokens.
    Metering,
    /// Entitlements.
    Entitlement,
    /// Agreements.
    Agreement,
}

impl Marketplace {
    /// The APIs behind these clients. Does no I/O.
    ///
    /// The metering client must have the SDK's retries disabled.
    pub fn new(
        metering: impl Into<Lazy<MeteringClient>>,
        entitlement: impl Into<Lazy<EntitlementClient>>,
        agreement: impl Into<Lazy<AgreementClient>>,
    ) -> Self {
        Self {
            metering: metering.into(),
            entitlement: entitlement.into(),
            agreement: agreement.into(),
        }
    }

    /// Builds the clients of these APIs now, so that no call has to wait for it.
    pub fn build(&self, apis: &[Api]) {
        for api in apis {
            match api {
                Api::Metering => self.metering.build(),
                Api::Entitlement => self.entitlement.build(),
                Api::Agreement => self.agreement.build(),
            }
        }
    }
}

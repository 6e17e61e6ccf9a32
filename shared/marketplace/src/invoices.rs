//! ListAgreementInvoiceLineItems: what AWS has invoiced of an agreement.
//!
//! For sellers. The amounts are by invoice (`groupBy` takes `INVOICE_ID` alone),
//! not by dimension, and before tax. ListAgreementCharges, which has charges,
//! is for buyers ("acceptors") by its model, and is not called.

use aws_sdk_marketplaceagreement::Client as AgreementClient;
use aws_sdk_marketplaceagreement::types as sdk;
use aws_sdk_marketplaceagreement::types::{InvoiceBillingPeriod, InvoiceType, LineItemGroupBy};
use domain::ids::AgreementId;
use domain::metering::NoAnswer;
use domain::money::Usd;
use domain::reconciliation::amounts::{InvoiceKind, InvoiceLine};
use jiff::civil::Date;

use crate::convert::{self, Failure};

/// Invoices in one answer: the most that AWS gives (Agreement API model).
const PAGE_SIZE: i32 = 50;

/// The most pages that are followed: 1,000 invoices of an agreement and month
/// are far beyond any that there is.
const MAX_PAGES: usize = 20;

/// AWS's invoices. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Invoices {
    agreement: AgreementClient,
}

/// Why invoices were not read. None of these says that there are none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvoiceError {
    /// Too many calls.
    #[error("AWS Marketplace asks to slow down")]
    Throttled,
    /// No answer, or none that is understood.
    #[error("AWS Marketplace did not answer: {0}")]
    Unavailable(NoAnswer),
    /// The request was refused, by its code.
    #[error("AWS Marketplace refused the request: {0}")]
    Refused(String),
    /// The pages did not end within the bound.
    #[error("AWS Marketplace's list did not end within {0} pages")]
    TooManyPages(usize),
    /// An invoice lacks what identifies it; this names it.
    #[error("an invoice has no usable {0}")]
    Incomplete(&'static str),
}

impl Invoices {
    /// The invoices behind this client. Does no I/O.
    pub fn new(agreement: AgreementClient) -> Self {
        Self { agreement }
    }

    /// Every invoice and credit memo of an agreement for the month in which a
    /// day lies: all pages, an empty one in between included.
    ///
    /// # Errors
    /// See [`InvoiceError`]. A part of the list is never returned.
    pub async fn of_month(
        &self,
        agreement: &AgreementId,
        month: Date,
    ) -> Result<Vec<InvoiceLine>, InvoiceError> {
        let period = InvoiceBillingPeriod::builder()
            .year(month.year().into())
            .month(month.month().into())
            .build();
        let period = period.map_err(|_| InvoiceError::Refused("RequestNotBuilt".to_owned()))?;
        let (mut lines, mut next_token) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let page = self
                .agreement
                .list_agreement_invoice_line_items()
                .agreement_id(agreement.as_str())
                .group_by(LineItemGroupBy::InvoiceId)
                .invoice_billing_period(period.clone())
                .max_results(PAGE_SIZE)
                .set_next_token(next_token.take())
                .send()
                .await
                .map_err(|error| failed(convert::failure(&error)))?;
            for summary in page.agreement_invoice_line_item_group_summaries() {
                lines.extend(line(summary, agreement, &period)?);
            }
            next_token = page
                .next_token()
                .filter(|token| !token.is_empty())
                .map(ToOwned::to_owned);
            if next_token.is_none() {
                return Ok(lines);
            }
        }
        Err(InvoiceError::TooManyPages(MAX_PAGES))
    }
}

fn failed(failure: Failure) -> InvoiceError {
    match failure {
        Failure::Refused { status, code } if convert::is_throttling(status, code.as_deref()) => {
            InvoiceError::Throttled
        }
        Failure::Refused { status, code } => {
            InvoiceError::Refused(code.unwrap_or_else(|| format!("HTTP status {status}")))
        }
        Failure::NoAnswer(why) => InvoiceError::Unavailable(why),
        Failure::NotSent => InvoiceError::Refused("RequestNotBuilt".to_owned()),
    }
}

/// The line, unless AWS names another agreement or month for it than was asked for.
fn line(
    summary: &sdk::AgreementInvoiceLineItemGroupSummary,
    agreement: &AgreementId,
    period: &InvoiceBillingPeriod,
) -> Result<Option<InvoiceLine>, InvoiceError> {
    let of_other = summary
        .agreement_id()
        .is_some_and(|of| of != agreement.as_str())
        || summary
            .invoice_billing_period()
            .is_some_and(|of| of != period);
    if of_other {
        return Ok(None);
    }
    let amounts = summary.pricing_currency_amount();
    Ok(Some(InvoiceLine {
        agreement: agreement.clone(),
        invoice: summary
            .invoice_id()
            .filter(|id| !id.is_empty())
            .ok_or(InvoiceError::Incomplete("invoiceId"))?
            .to_owned(),
        kind: match summary.invoice_type() {
            Some(InvoiceType::Invoice) => InvoiceKind::Invoice,
            Some(InvoiceType::CreditMemo) => InvoiceKind::CreditMemo,
            Some(other) => InvoiceKind::Unrecognized(other.as_str().to_owned()),
            None => InvoiceKind::Unrecognized(String::new()),
        },
        amount: amounts.and_then(|amounts| amount(amounts.amount()?)),
        max_adjustment: amounts.and_then(|amounts| amount(amounts.max_adjustment_amount()?)),
        currency: amounts
            .and_then(|amounts| amounts.currency_code())
            .map(ToOwned::to_owned),
    }))
}

/// An amount; a memo's may be written as a negative one.
fn amount(text: &str) -> Option<Usd> {
    Usd::parse(text.strip_prefix('-').unwrap_or(text))
}

#[cfg(test)]
mod tests;

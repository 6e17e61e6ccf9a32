//! ListAgreementInvoiceLineItems: what AWS has invoiced of an agreement.
//!
//! For sellers. The amounts are by invoice (`groupBy` takes `INVOICE_ID` alone),
//! not by dimension, and before tax. ListAgreementCharges, which has charges,
//! is for buyers ("acceptors") by its model, and is not called.

use aws_sdk_marketplaceagreement::Client as AgreementClient;
use aws_sdk_marketplaceagreement::types as sdk;
use aws_sdk_marketplaceagreement::types::{InvoiceBillingPeriod, InvoiceType, LineItemGroupBy};
use domain::ids::AgreementId;
use domain::money::Usd;
use domain::reconciliation::amounts::{InvoiceKind, InvoiceLine};
use jiff::civil::Date;

use crate::convert;
use crate::read_error::ReadError;

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

impl Invoices {
    /// The invoices behind this client. Does no I/O.
    pub fn new(agreement: AgreementClient) -> Self {
        Self { agreement }
    }

    /// Every invoice and credit memo of an agreement for the month in which a
    /// day lies: all pages, an empty one in between included.
    ///
    /// # Errors
    /// See [`ReadError`]. A part of the list is never returned.
    pub async fn of_month(
        &self,
        agreement: &AgreementId,
        month: Date,
    ) -> Result<Vec<InvoiceLine>, ReadError> {
        let period = InvoiceBillingPeriod::builder()
            .year(month.year().into())
            .month(month.month().into())
            .build();
        let period = period.map_err(|_| ReadError::not_built())?;
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
                .map_err(|error| convert::failure(&error))?;
            for summary in page.agreement_invoice_line_item_group_summaries() {
                lines.extend(line(summary, agreement, &period)?);
            }
            next_token = convert::next_page(page.next_token());
            if next_token.is_none() {
                return Ok(lines);
            }
        }
        Err(ReadError::TooManyPages(MAX_PAGES))
    }
}

/// The line, unless AWS names another agreement or month for it than was asked for.
fn line(
    summary: &sdk::AgreementInvoiceLineItemGroupSummary,
    agreement: &AgreementId,
    period: &InvoiceBillingPeriod,
) -> Result<Option<InvoiceLine>, ReadError> {
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
            .ok_or(ReadError::Incomplete("invoiceId"))?
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

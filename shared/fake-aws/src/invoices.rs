//! The agreement API's invoices: `ListAgreementInvoiceLineItems`, for sellers,
//! the amounts of an agreement by invoice.
//!
//! The accepted usage of a month is on one invoice, issued on the 2nd of the next,
//! at the offer's price as it was known then. Each instalment is on an invoice of
//! its own, issued when it falls due. All of it may be given back. Credit memos are
//! not issued.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::Inner;
use crate::data_feeds::day_of;
use crate::faults::CallFault;
use crate::lock;
use crate::offers::{MicroUsd, cents};
use crate::state::{Agreement, AgreementStatus, Marketplace};
use crate::wire::{AwsError, Wire, epoch_seconds};

const LARGEST_PAGE: usize = 50;
const TOKEN_PREFIX: &str = "page-from-";

/// The day of the next month on which a month's invoices are issued.
const ISSUED_ON: i8 = 2;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListRequest {
    #[serde(default)]
    agreement_id: String,
    #[serde(default)]
    group_by: String,
    invoice_id: Option<String>,
    invoice_type: Option<String>,
    invoice_billing_period: Option<BillingPeriod>,
    before_issued_time: Option<Value>,
    after_issued_time: Option<Value>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
struct BillingPeriod {
    month: i8,
    year: i16,
}

/// What an invoice is for: two of one instant are two invoices.
#[derive(Clone, Copy)]
enum InvoiceFor {
    Usage,
    Instalment,
}

impl InvoiceFor {
    const fn name(self) -> &'static str {
        match self {
            InvoiceFor::Usage => "usage",
            InvoiceFor::Instalment => "instalment",
        }
    }
}

/// An invoice of an agreement, for its usage of a month or for an instalment.
struct Invoice {
    id: String,
    month: Date,
    issued_at: Timestamp,
    cents: u64,
}

fn invalid(message: impl Into<String>) -> AwsError {
    AwsError::refused("ValidationException", message)
}

impl Inner {
    /// `ListAgreementInvoiceLineItems`: by page, oldest first.
    pub(crate) fn list_agreement_invoice_line_items(
        &self,
        request: Value,
        now: Timestamp,
        fault: Option<CallFault>,
    ) -> Result<Wire, AwsError> {
        let request: ListRequest = serde_path_to_error::deserialize(request)
            .map_err(|error| invalid(format!("{}: {}", error.path(), error.inner())))?;
        if request.group_by != "INVOICE_ID" {
            return Err(invalid("groupBy must be INVOICE_ID."));
        }
        let size = request.max_results.unwrap_or(LARGEST_PAGE);
        if !(1..=LARGEST_PAGE).contains(&size) {
            return Err(invalid("maxResults must be 1 to 50."));
        }
        let from: usize = match &request.next_token {
            None => 0,
            Some(token) => token
                .strip_prefix(TOKEN_PREFIX)
                .and_then(|from| from.parse().ok())
                .ok_or_else(|| invalid("nextToken is invalid."))?,
        };
        let (before, after) = (
            instant(request.before_issued_time.as_ref())?,
            instant(request.after_issued_time.as_ref())?,
        );
        let kept = lock(&self.kept);
        let agreement = kept.state.agreement(&request.agreement_id).ok_or_else(|| {
            AwsError::refused("ResourceNotFoundException", "The agreement does not exist.")
        })?;
        let mut invoices = self.invoices(&kept.state, agreement, now);
        invoices.retain(|invoice| {
            let period = request.invoice_billing_period.as_ref();
            request
                .invoice_id
                .as_ref()
                .is_none_or(|id| *id == invoice.id)
                && request
                    .invoice_type
                    .as_ref()
                    .is_none_or(|kind| kind == "INVOICE")
                && period.is_none_or(|of| {
                    (of.year, of.month) == (invoice.month.year(), invoice.month.month())
                })
                && before.is_none_or(|before| invoice.issued_at < before)
                && after.is_none_or(|after| invoice.issued_at > after)
        });
        let (size, next) = match fault {
            Some(CallFault::EmptyPage) => (0, Some(from)),
            Some(_) | None => (size, (from + size < invoices.len()).then_some(from + size)),
        };
        let page = invoices.iter().skip(from).take(size);
        let summaries = page.map(|invoice| summary(agreement, invoice)).collect();
        let mut answer = vec![(
            "agreementInvoiceLineItemGroupSummaries",
            Wire::List(summaries),
        )];
        if let Some(next) = next {
            answer.push(("nextToken", Wire::text(format!("{TOKEN_PREFIX}{next}"))));
        }
        Ok(Wire::Struct(answer))
    }

    /// The invoices of an agreement that were issued by now, oldest first.
    fn invoices(&self, state: &Marketplace, of: &Agreement, now: Timestamp) -> Vec<Invoice> {
        let mut invoices = self.invoices_of_usage(state, of, now);
        invoices.extend(instalments(of, now));
        invoices.retain(|invoice| invoice.cents > 0);
        invoices.sort_by_key(|invoice| invoice.issued_at);
        invoices
    }

    fn invoices_of_usage(
        &self,
        state: &Marketplace,
        of: &Agreement,
        now: Timestamp,
    ) -> Vec<Invoice> {
        let mut invoices = Vec::new();
        let mut month = day_of(of.accepted_at).first_of_month();
        loop {
            let Ok(next) = month.last_of_month().tomorrow() else {
                return invoices;
            };
            let issued = Date::new(next.year(), next.month(), ISSUED_ON).map(start_of);
            let Some(issued_at) = issued.ok().filter(|issued| *issued <= now) else {
                return invoices;
            };
            let amount = self.usage_amount(state, &of.agreement_id, (month, next), issued_at);
            let kind = InvoiceFor::Usage;
            invoices.push(Invoice::new(of, kind, month, issued_at, amount));
            month = next;
        }
    }
}

impl Invoice {
    fn new(
        of: &Agreement,
        kind: InvoiceFor,
        month: Date,
        issued_at: Timestamp,
        amount: MicroUsd,
    ) -> Invoice {
        let id = format!("{}/{}/{issued_at}", of.agreement_id, kind.name());
        let id = Sha256::digest(id.as_bytes());
        Invoice {
            id: format!("inv-{id:x}").chars().take(20).collect(),
            month,
            issued_at,
            cents: cents(amount),
        }
    }
}

/// The invoices for the instalments of an agreement that fell due while it went on.
fn instalments(of: &Agreement, now: Timestamp) -> impl Iterator<Item = Invoice> {
    let due = of.instalments_until(now).filter(|(at, _)| match of.status {
        AgreementStatus::Scheduled | AgreementStatus::Active => true,
        AgreementStatus::Ended { at: ended_at, .. } => *at < ended_at,
    });
    due.map(|(at, amount)| {
        let month = day_of(at).first_of_month();
        Invoice::new(of, InvoiceFor::Instalment, month, at, amount)
    })
}

fn summary(agreement: &Agreement, invoice: &Invoice) -> Wire {
    let amount = format!("{}.{:02}", invoice.cents / 100, invoice.cents % 100);
    let (year, month) = (invoice.month.year(), invoice.month.month());
    Wire::Struct(vec![
        ("agreementId", Wire::text(&agreement.agreement_id)),
        ("invoiceId", Wire::text(&invoice.id)),
        (
            "pricingCurrencyAmount",
            Wire::Struct(vec![
                ("amount", Wire::text(&amount)),
                ("maxAdjustmentAmount", Wire::text(&amount)),
                ("currencyCode", Wire::text("USD")),
            ]),
        ),
        (
            "invoiceBillingPeriod",
            Wire::Struct(vec![
                ("month", Wire::Integer(month.into())),
                ("year", Wire::Integer(year.into())),
            ]),
        ),
        ("issuedTime", Wire::Time(invoice.issued_at)),
        ("invoiceType", Wire::text("INVOICE")),
        (
            "invoicingEntity",
            Wire::Struct(vec![("legalName", Wire::text("Amazon Web Services, Inc."))]),
        ),
    ])
}

/// The first instant of a UTC day.
fn start_of(day: Date) -> Timestamp {
    Offset::UTC
        .to_timestamp(day.at(0, 0, 0, 0))
        .unwrap_or(Timestamp::MAX)
}

fn instant(value: Option<&Value>) -> Result<Option<Timestamp>, AwsError> {
    let Some(value) = value.filter(|value| !value.is_null()) else {
        return Ok(None);
    };
    let read = epoch_seconds(value).ok_or_else(|| invalid("an issued time is no instant."))?;
    Ok(Some(read))
}

use domain::metering::NoAnswer;

use super::*;
use crate::testing::{Answer, Aws, json};

/// CBOR, as AWS answers this client: a map of text keys to prepared values.
fn map(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = vec![0xa0 | u8::try_from(entries.len()).unwrap()];
    for (key, value) in entries {
        bytes.extend(text(key));
        bytes.extend(value);
    }
    bytes
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = vec![0x78, u8::try_from(text.len()).unwrap()];
    bytes.extend(text.as_bytes());
    bytes
}

fn invoice(agreement: &str, month: u8, kind: &str, amount: &str) -> Vec<u8> {
    let amounts = map(&[
        ("amount", text(amount)),
        ("maxAdjustmentAmount", text("1.50")),
        ("currencyCode", text("USD")),
    ]);
    // Whole numbers up to 23 are a byte; 2026 is two after 0x19.
    let period = map(&[("month", vec![month]), ("year", vec![0x19, 0x07, 0xea])]);
    map(&[
        ("agreementId", text(agreement)),
        ("invoiceId", text("i-1")),
        ("pricingCurrencyAmount", amounts),
        ("invoiceBillingPeriod", period),
        ("invoiceType", text(kind)),
    ])
}

fn page(invoices: &[Vec<u8>], next: Option<&str>) -> Answer {
    let mut list = vec![0x80 | u8::try_from(invoices.len()).unwrap()];
    list.extend(invoices.concat());
    let mut entries = vec![("agreementInvoiceLineItemGroupSummaries", list)];
    if let Some(token) = next {
        entries.push(("nextToken", text(token)));
    }
    Answer::Http(200, map(&entries))
}

async fn ask(aws: &Aws) -> Result<Vec<InvoiceLine>, ReadError> {
    let agreement = AgreementId::parse("agmt-1").unwrap();
    let month = "2026-11-01".parse().unwrap();
    aws.invoices().of_month(&agreement, month).await
}

#[tokio::test]
async fn pages_are_followed_to_the_end_through_an_empty_one() {
    let aws = Aws::answering([
        page(&[invoice("agmt-1", 11, "INVOICE", "12.34")], Some("a")),
        page(&[], Some("b")),
        page(&[invoice("agmt-1", 11, "CREDIT_MEMO", "-2.00")], None),
    ]);
    let lines = ask(&aws).await.unwrap();
    let found: Vec<_> = lines.iter().map(|line| (&line.kind, line.amount)).collect();
    let dollars = Usd::from_micros;
    assert_eq!(
        found,
        [
            (&InvoiceKind::Invoice, Some(dollars(12_340_000))),
            (&InvoiceKind::CreditMemo, Some(dollars(2_000_000)))
        ]
    );
    assert_eq!(lines[0].max_adjustment, Some(dollars(1_500_000)));
    assert!(lines[0].is_in_dollars());
    let body = String::from_utf8_lossy(&aws.sent()[0].body).into_owned();
    for part in [
        "agreementId",
        "agmt-1",
        "groupBy",
        "INVOICE_ID",
        "invoiceBillingPeriod",
    ] {
        assert!(body.contains(part), "{part}");
    }
}

#[tokio::test]
async fn what_is_of_another_agreement_or_month_is_left_out() {
    let aws = Aws::answering([page(
        &[
            invoice("agmt-2", 11, "INVOICE", "1"),
            invoice("agmt-1", 10, "INVOICE", "1"),
        ],
        None,
    )]);
    assert_eq!(ask(&aws).await, Ok(Vec::new()));
}

#[tokio::test]
async fn a_kind_and_an_amount_that_are_not_known_are_kept_as_such() {
    let aws = Aws::answering([page(&[invoice("agmt-1", 11, "DEBIT", "1,000")], None)]);
    let lines = ask(&aws).await.unwrap();
    assert_eq!(lines[0].kind, InvoiceKind::Unrecognized("DEBIT".to_owned()));
    assert_eq!(lines[0].amount, None);
}

#[tokio::test]
async fn a_list_without_end_or_with_a_failure_gives_no_part_of_it() {
    let endless = Aws::answering((0..MAX_PAGES).map(|_| page(&[], Some("more"))));
    assert_eq!(ask(&endless).await, Err(ReadError::TooManyPages(MAX_PAGES)));
    let breaks = Aws::answering([
        page(&[invoice("agmt-1", 11, "INVOICE", "1")], Some("a")),
        Answer::Broken,
    ]);
    let error = ReadError::Unavailable(NoAnswer::Connection);
    assert_eq!(ask(&breaks).await, Err(error));
}

#[tokio::test]
async fn refusals_and_silence_are_told_apart() {
    let refused = |code: &str| Answer::Http(400, map(&[("__type", text(code))]));
    for (answer, error) in [
        (refused("ThrottlingException"), ReadError::Throttled),
        (refused("ResourceNotFoundException"), ReadError::Unknown),
        (
            json(503, "no"),
            ReadError::Unavailable(NoAnswer::ServerError(503)),
        ),
    ] {
        assert_eq!(ask(&Aws::answering([answer])).await, Err(error));
    }
}

//! ListAgreementInvoiceLineItems, through AWS's own client and in JSON.

use aws_sdk_marketplaceagreement::error::ProvideErrorMetadata as _;
use aws_sdk_marketplaceagreement::types::{
    AgreementInvoiceLineItemGroupSummary, InvoiceBillingPeriod, InvoiceType, LineItemGroupBy,
};
use fake_aws::{FakeAws, Fault, FaultKind, NewAgreement, OfferKind, UsageCorrection};
use serde_json::json;

use crate::support::{agreement_client, at, aws, fake, kind, meter, serve, subscribe, usage};

/// 1,000 units of 22 November.
async fn used(fake: &FakeAws, offer: OfferKind) -> NewAgreement {
    let made = subscribe(fake, offer).await;
    fake.advance_to(at("2026-11-22T11:30:00Z")).await.unwrap();
    let hour = "2026-11-22T10:00:00Z";
    let record = usage(&made.license_arn, "large", hour, 1_000);
    assert_eq!(meter(fake, &[record]).await.0, 200);
    made
}

async fn invoices(
    client: &aws_sdk_marketplaceagreement::Client,
    agreement: &str,
) -> Vec<AgreementInvoiceLineItemGroupSummary> {
    let listed = client
        .list_agreement_invoice_line_items()
        .agreement_id(agreement)
        .group_by(LineItemGroupBy::InvoiceId)
        .send()
        .await;
    let listed = listed.unwrap();
    listed
        .agreement_invoice_line_item_group_summaries()
        .to_vec()
}

#[tokio::test]
async fn a_month_is_invoiced_on_the_second_of_the_next() {
    let fake = fake().await;
    let made = used(&fake, OfferKind::Public).await;
    let client = agreement_client(&serve(&fake).await);
    fake.advance_to(at("2026-12-01T23:59:59Z")).await.unwrap();
    assert_eq!(invoices(&client, &made.agreement_id).await, []);
    fake.advance_to(at("2026-12-02T00:00:00Z")).await.unwrap();
    let found = invoices(&client, &made.agreement_id).await;
    let [invoice] = found.as_slice() else {
        panic!("{found:?}");
    };
    let amounts = invoice.pricing_currency_amount().unwrap();
    assert_eq!(amounts.amount(), Some("32.00"));
    assert_eq!(amounts.max_adjustment_amount(), Some("32.00"));
    assert_eq!(amounts.currency_code(), Some("USD"));
    assert_eq!(invoice.invoice_type(), Some(&InvoiceType::Invoice));
    let period = InvoiceBillingPeriod::builder().month(11).year(2026).build();
    assert_eq!(invoice.invoice_billing_period(), Some(&period.unwrap()));
    let issued = invoice.issued_time().unwrap().secs();
    assert_eq!(issued, at("2026-12-02T00:00:00Z").as_second());
}

#[tokio::test]
async fn instalments_and_wrong_figures_are_on_the_invoice() {
    let fake = fake().await;
    let made = used(&fake, OfferKind::PrivateMonthly).await;
    fake.advance_to(at("2026-11-24T00:00:00Z")).await.unwrap();
    fake.correct_usage(UsageCorrection {
        usage_date: "2026-11-22".parse().unwrap(),
        agreement_id: made.agreement_id.clone(),
        dimension: "large".to_owned(),
        quantity: 100,
    })
    .unwrap();
    fake.advance_to(at("2027-01-02T00:00:00Z")).await.unwrap();
    let client = agreement_client(&serve(&fake).await);
    let amounts: Vec<String> = invoices(&client, &made.agreement_id)
        .await
        .iter()
        .map(|invoice| {
            invoice
                .pricing_currency_amount()
                .unwrap()
                .amount()
                .unwrap()
                .to_owned()
        })
        .collect();
    // 850 a month, and 100 units at 85 percent of 0.032.
    assert_eq!(amounts, ["852.72", "850.00"]);
}

#[tokio::test]
async fn filters_pages_and_refusals_are_as_the_model_has_them() {
    let fake = fake().await;
    let made = used(&fake, OfferKind::PrivateMonthly).await;
    fake.advance_to(at("2027-02-02T00:00:00Z")).await.unwrap();
    let call = async |more: serde_json::Value| {
        let mut body = json!({"agreementId": made.agreement_id, "groupBy": "INVOICE_ID"});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let target = "AWSMPCommerceService_v20200301.ListAgreementInvoiceLineItems";
        aws(&fake, target, &body).await
    };
    let count = async |more| {
        let (_, answer) = call(more).await;
        answer["agreementInvoiceLineItemGroupSummaries"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(count(json!({})).await, 3);
    assert_eq!(
        count(json!({"invoiceBillingPeriod": {"month": 12, "year": 2026}})).await,
        1
    );
    assert_eq!(count(json!({"invoiceType": "CREDIT_MEMO"})).await, 0);
    let new_year = at("2027-01-01T00:00:00Z").as_second();
    assert_eq!(count(json!({"beforeIssuedTime": new_year})).await, 1);
    assert_eq!(count(json!({"afterIssuedTime": new_year})).await, 2);
    let (_, first) = call(json!({"maxResults": 2})).await;
    assert_eq!(count(json!({"nextToken": first["nextToken"]})).await, 1);
    fake.inject_fault(Fault::new(
        "ListAgreementInvoiceLineItems",
        FaultKind::EmptyPage,
        1,
    ))
    .unwrap();
    let (_, empty) = call(json!({})).await;
    assert_eq!(empty["agreementInvoiceLineItemGroupSummaries"], json!([]));
    assert_eq!(count(json!({"nextToken": empty["nextToken"]})).await, 3);
    for (more, error) in [
        (json!({"groupBy": "DIMENSION"}), "ValidationException"),
        (json!({"maxResults": 51}), "ValidationException"),
        (json!({"nextToken": "x"}), "ValidationException"),
        (
            json!({"agreementId": "agmt-no"}),
            "ResourceNotFoundException",
        ),
    ] {
        let (status, answer) = call(more).await;
        assert_eq!((status, kind(&answer)), (400, error));
    }
    let client = agreement_client(&serve(&fake).await);
    let throttle = Fault::new("ListAgreementInvoiceLineItems", FaultKind::Throttle, 1);
    fake.inject_fault(throttle).unwrap();
    let refused = client
        .list_agreement_invoice_line_items()
        .agreement_id(&made.agreement_id)
        .group_by(LineItemGroupBy::InvoiceId)
        .send()
        .await;
    assert_eq!(refused.unwrap_err().code(), Some("ThrottlingException"));
}

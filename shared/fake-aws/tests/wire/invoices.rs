//! ListAgreementInvoiceLineItems, through AWS's own client and in JSON.

use aws_sdk_marketplaceagreement::error::ProvideErrorMetadata as _;
use aws_sdk_marketplaceagreement::types::{
    AgreementInvoiceLineItemGroupSummary, InvoiceBillingPeriod, InvoiceType, LineItemGroupBy,
};
use fake_aws::{FakeAws, Fault, FaultKind, NewAgreement, OfferKind, UsageCorrection};
use serde_json::json;

use crate::support::{
    agreement_client, at, aws, control, fake, kind, meter, serve, subscribe, usage,
};

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
async fn each_instalment_has_an_invoice_and_wrong_figures_are_on_that_of_the_usage() {
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
    assert_eq!(amounts, ["850.00", "2.72", "850.00"]);
}

#[tokio::test]
async fn instalments_of_years_fall_due_on_the_dates_that_were_agreed_on() {
    let fake = fake().await;
    let made = subscribe(&fake, OfferKind::PrivateMultiYear).await;
    let agreed = [
        "2026-11-22T10:00:00Z",
        "2026-12-15T00:00:00Z",
        "2027-01-20T00:00:00Z",
    ];
    let amend = async |payments: &[&str]| {
        let path = format!("/_fake/agreements/{}/amend", made.agreement_id);
        control(&fake, &path, &json!({"payments": payments})).await
    };
    for wrong in [
        &agreed[..2],
        &[agreed[0], agreed[2], agreed[1]],
        &[agreed[0], agreed[1], "2029-11-22T10:00:00Z"],
        &["2026-11-21T00:00:00Z", agreed[1], agreed[2]],
        &[agreed[0], agreed[1], "soon"],
    ] {
        let (status, answer) = amend(wrong).await;
        let field = &answer["field"];
        assert_eq!((status, field), (400, &json!("payments")), "{answer}");
    }
    assert_eq!(amend(&agreed).await.0, 200);
    let client = agreement_client(&serve(&fake).await);
    fake.advance_to(at("2027-01-19T00:00:00Z")).await.unwrap();
    fake.cancel_agreement(&made.agreement_id).await.unwrap();
    fake.advance_to(at("2027-03-02T00:00:00Z")).await.unwrap();
    let issued: Vec<i64> = invoices(&client, &made.agreement_id)
        .await
        .iter()
        .map(|invoice| invoice.issued_time().unwrap().secs())
        .collect();
    // What had not fallen due when it ended never does.
    assert_eq!(
        issued,
        [agreed[0], agreed[1]].map(|due| at(due).as_second())
    );
}

#[tokio::test]
async fn an_instalment_that_falls_due_when_usage_is_invoiced_has_an_invoice_of_its_own() {
    let fake = fake().await;
    let made = used(&fake, OfferKind::PrivateYearly).await;
    let path = format!("/_fake/agreements/{}/amend", made.agreement_id);
    let due = json!({"payments": ["2026-12-02T00:00:00Z"]});
    assert_eq!(control(&fake, &path, &due).await.0, 200);
    fake.advance_to(at("2026-12-03T00:00:00Z")).await.unwrap();
    let client = agreement_client(&serve(&fake).await);
    let found = invoices(&client, &made.agreement_id).await;
    let issued = |invoice: &AgreementInvoiceLineItemGroupSummary| {
        let (id, at) = (invoice.invoice_id(), invoice.issued_time().unwrap());
        (id.unwrap().to_owned(), at.secs())
    };
    let [(first, one), (second, other)] = [issued(&found[0]), issued(&found[1])];
    assert_eq!(one, other);
    assert_ne!(first, second);
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
    // Three instalments, and the usage of November.
    assert_eq!(count(json!({})).await, 4);
    let period = |month| json!({"invoiceBillingPeriod": {"month": month, "year": 2026}});
    assert_eq!(count(period(11)).await, 2);
    assert_eq!(count(period(12)).await, 1);
    assert_eq!(count(json!({"invoiceType": "CREDIT_MEMO"})).await, 0);
    let new_year = at("2027-01-01T00:00:00Z").as_second();
    assert_eq!(count(json!({"beforeIssuedTime": new_year})).await, 3);
    assert_eq!(count(json!({"afterIssuedTime": new_year})).await, 1);
    let (_, first) = call(json!({"maxResults": 3})).await;
    assert_eq!(count(json!({"nextToken": first["nextToken"]})).await, 1);
    fake.inject_fault(Fault::new(
        "ListAgreementInvoiceLineItems",
        FaultKind::EmptyPage,
        1,
    ))
    .unwrap();
    let (_, empty) = call(json!({})).await;
    assert_eq!(empty["agreementInvoiceLineItemGroupSummaries"], json!([]));
    assert_eq!(count(json!({"nextToken": empty["nextToken"]})).await, 4);
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

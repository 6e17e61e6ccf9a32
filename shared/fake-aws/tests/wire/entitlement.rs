//! `GetEntitlements` in both protocols.

use aws_sdk_marketplaceentitlement::types::{Entitlement, GetEntitlementFilterName};
use fake_aws::{Config, Fault, FaultKind, OfferKind};
use serde_json::json;

use crate::support::{
    BUYER, OTHER_BUYER, at, aws, entitlement_client, fake, kind, request, serve, subscribe,
};

const GET: &str = "AWSMPEntitlementService.GetEntitlements";

fn code() -> String {
    Config::default().product_code
}

#[tokio::test]
async fn the_rust_sdk_reads_entitlements_in_cbor_page_by_page() {
    let fake = fake().await;
    let made = subscribe(&fake, OfferKind::PrivateYearly).await;
    let other = fake
        .create_agreement(OfferKind::Consumption, OTHER_BUYER)
        .await
        .unwrap();
    subscribe(&fake, OfferKind::Public).await;
    let client = entitlement_client(&serve(&fake).await);
    let mut found: Vec<Entitlement> = Vec::new();
    let mut token = None;
    for _ in 0..3 {
        let get = client
            .get_entitlements()
            .product_code(code())
            .max_results(3);
        let page = get.set_next_token(token).send().await.unwrap();
        found.extend_from_slice(page.entitlements());
        token = page.next_token().map(str::to_owned);
    }
    assert_eq!(token, None);
    assert_eq!(found.len(), 8);
    let first = &found[0];
    assert_eq!(first.dimension(), Some("medium_hours"));
    assert_eq!(first.license_arn(), Some(made.license_arn.as_str()));
    assert_eq!(first.customer_aws_account_id(), Some(BUYER));
    assert_eq!(first.value().unwrap().integer_value(), Some(87_600));
    let year_later = at("2027-11-22T10:00:00Z").as_second();
    assert_eq!(first.expiration_date().unwrap().secs(), year_later);

    let filter = vec![other.license_arn.clone()];
    let get = client.get_entitlements().product_code(code());
    let page = get
        .filter(GetEntitlementFilterName::LicenseArn, filter)
        .send()
        .await
        .unwrap();
    assert_eq!(page.entitlements().len(), 4);

    let refused = client
        .get_entitlements()
        .product_code("another")
        .send()
        .await
        .unwrap_err();
    let refused = refused.into_service_error();
    assert!(refused.is_invalid_parameter_exception(), "{refused:?}");
}

#[tokio::test]
async fn cbor_errors_reach_the_sdk_by_name() {
    let fake = fake().await;
    let client = entitlement_client(&serve(&fake).await);
    for (kind, throttled) in [
        (FaultKind::Throttle, true),
        (FaultKind::InternalError, false),
    ] {
        fake.inject_fault(Fault::new("GetEntitlements", kind, 1))
            .unwrap();
        let get = client.get_entitlements().product_code(code());
        let error = get.send().await.unwrap_err().into_service_error();
        assert_eq!(error.is_throttling_exception(), throttled, "{error:?}");
        assert_eq!(
            error.is_internal_service_error_exception(),
            !throttled,
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn json_clients_get_the_same_entitlements_with_seconds_as_numbers() {
    let fake = fake().await;
    let made = subscribe(&fake, OfferKind::PrivateMonthly).await;
    let body = json!({"ProductCode": code(), "Filter": {
        "CUSTOMER_AWS_ACCOUNT_ID": [BUYER, OTHER_BUYER], "DIMENSION": ["large_hours"],
    }});
    let (status, answer) = aws(&fake, GET, &body).await;
    assert_eq!(status, 200);
    assert_eq!(
        answer,
        json!({"Entitlements": [{
            "ProductCode": code(),
            "Dimension": "large_hours",
            "CustomerAWSAccountId": BUYER,
            "LicenseArn": made.license_arn,
            "Value": {"IntegerValue": 87_600},
            "ExpirationDate": at("2027-11-22T10:00:00Z").as_second(),
        }]})
    );
}

#[tokio::test]
async fn an_empty_page_may_carry_a_token_to_go_on_with() {
    let fake = fake().await;
    subscribe(&fake, OfferKind::Consumption).await;
    fake.inject_fault(Fault::new("GetEntitlements", FaultKind::EmptyPage, 1))
        .unwrap();
    let (_, empty) = aws(&fake, GET, &json!({"ProductCode": code()})).await;
    assert_eq!(empty["Entitlements"], json!([]));
    let next = json!({"ProductCode": code(), "NextToken": empty["NextToken"]});
    let (_, page) = aws(&fake, GET, &next).await;
    assert_eq!(page["Entitlements"].as_array().unwrap().len(), 4);
    assert_eq!(page.get("NextToken"), None);
}

#[tokio::test]
async fn an_answer_may_lag_behind_the_purchase() {
    let fake = fake().await;
    subscribe(&fake, OfferKind::Consumption).await;
    fake.inject_fault(Fault::new("GetEntitlements", FaultKind::Lag, 1))
        .unwrap();
    let body = json!({"ProductCode": code()});
    let (_, lagging) = aws(&fake, GET, &body).await;
    assert_eq!(lagging, json!({"Entitlements": []}));
    let (_, answer) = aws(&fake, GET, &body).await;
    assert_eq!(answer["Entitlements"].as_array().unwrap().len(), 4);
}

#[tokio::test]
async fn entitlements_end_with_the_agreement() {
    let fake = fake().await;
    let made = subscribe(&fake, OfferKind::Consumption).await;
    fake.cancel_agreement(&made.agreement_id).await.unwrap();
    let (_, answer) = aws(&fake, GET, &json!({"ProductCode": code()})).await;
    assert_eq!(answer, json!({"Entitlements": []}));
}

#[tokio::test]
async fn requests_that_make_no_sense_are_invalid_parameters() {
    let fake = fake().await;
    let both = json!({"CUSTOMER_IDENTIFIER": ["a"], "CUSTOMER_AWS_ACCOUNT_ID": [BUYER]});
    for body in [
        json!({}),
        json!({"ProductCode": code(), "MaxResults": 26}),
        json!({"ProductCode": code(), "MaxResults": 0}),
        json!({"ProductCode": code(), "NextToken": "nonsense"}),
        json!({"ProductCode": code(), "Filter": {"COLOR": ["red"]}}),
        json!({"ProductCode": code(), "Filter": {"DIMENSION": []}}),
        json!({"ProductCode": code(), "Filter": both}),
    ] {
        let (status, answer) = aws(&fake, GET, &body).await;
        assert_eq!(
            (status, kind(&answer)),
            (400, "InvalidParameterException"),
            "{body}"
        );
    }
}

#[tokio::test]
async fn a_cbor_request_without_its_protocol_header_is_refused() {
    let fake = fake().await;
    let path = "/service/AWSMPEntitlementService/operation/GetEntitlements";
    let (status, content_type, _) = request(&fake, "POST", path, &[], vec![0xa0]).await;
    assert_eq!((status, content_type.as_str()), (400, "application/cbor"));
}

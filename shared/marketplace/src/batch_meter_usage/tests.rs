use domain::ids::{AwsAccountId, CloudAccountId, Dimension, LicenseArn};
use domain::metering::{Allocation, NoAnswer};
use domain::quantity::Quantity;

use super::*;
use crate::testing::{Answer, Aws, json};

const ARN: &str =
    "arn:aws:license-manager::123456789012:license:l-0123456789abcdef0123456789abcdef";

fn quantity(units: u32) -> Quantity {
    Quantity::new(units).unwrap()
}

fn record(dimension: &str, units: u32) -> UsageRecord {
    UsageRecord {
        buyer: AwsAccountId::parse("111122223333").unwrap(),
        license: LicenseArn::parse(ARN).unwrap(),
        dimension: Dimension::parse(dimension).unwrap(),
        timestamp: "2026-11-22T10:00:00Z".parse().unwrap(),
        quantity: quantity(units),
        allocations: Vec::new(),
    }
}

fn allocated(dimension: &str, shares: &[(Option<&str>, u32)]) -> UsageRecord {
    UsageRecord {
        quantity: quantity(shares.iter().map(|(_, units)| units).sum()),
        allocations: shares
            .iter()
            .map(|(account, units)| Allocation {
                cloud_account: account.map(|id| CloudAccountId::parse(id).unwrap()),
                quantity: quantity(*units),
            })
            .collect(),
        ..record(dimension, 0)
    }
}

/// The failure of a call that AWS answers so.
async fn failure_of(answer: Answer) -> CallFailure {
    Aws::answering([answer])
        .marketplace()
        .batch_meter_usage(&[record("medium", 1)])
        .await
        .unwrap_err()
}

fn refused_with(code: &str) -> Answer {
    json(400, &format!(r#"{{"__type":"{code}","message":"no"}}"#))
}

#[tokio::test]
async fn a_call_sends_license_and_account_and_neither_product_code_nor_customer_identifier() {
    let aws = Aws::answering([json(200, r#"{"Results":[],"UnprocessedRecords":[]}"#)]);
    aws.marketplace()
        .batch_meter_usage(&[
            allocated("medium", &[(Some("111122223333"), 2), (None, 1)]),
            record("datacenter", 0),
        ])
        .await
        .unwrap();
    let [sent] = aws.sent().try_into().unwrap();
    assert_eq!(sent.path, "/");
    assert_eq!(
        sent.target.as_deref(),
        Some("AWSMPMeteringService.BatchMeterUsage")
    );
    assert_eq!(sent.content_length, Some(sent.body.len().to_string()));
    insta::assert_json_snapshot!(sent.json(), @r#"
    {
      "UsageRecords": [
        {
          "CustomerAWSAccountId": "111122223333",
          "Dimension": "medium",
          "LicenseArn": "arn:aws:license-manager::123456789012:license:l-0123456789abcdef0123456789abcdef",
          "Quantity": 3,
          "Timestamp": 1795341600,
          "UsageAllocations": [
            {
              "AllocatedUsageQuantity": 2,
              "Tags": [
                {
                  "Key": "cloudAccountID",
                  "Value": "111122223333"
                }
              ]
            },
            {
              "AllocatedUsageQuantity": 1
            }
          ]
        },
        {
          "CustomerAWSAccountId": "111122223333",
          "Dimension": "datacenter",
          "LicenseArn": "arn:aws:license-manager::123456789012:license:l-0123456789abcdef0123456789abcdef",
          "Quantity": 0,
          "Timestamp": 1795341600
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn verdicts_are_matched_by_what_aws_echoes_in_any_order() {
    let aws = Aws::answering([json(
        200,
        &format!(
            r#"{{"Results":[
                {{"UsageRecord":{{"Timestamp":1795341600,"Dimension":"xlarge","LicenseArn":"{ARN}","Quantity":3}},"Status":"CustomerNotSubscribed"}},
                {{"UsageRecord":{{"Timestamp":1.7953416E9,"Dimension":"large","LicenseArn":"{ARN}","Quantity":2}},"MeteringRecordId":"id-2","Status":"DuplicateRecord"}},
                {{"UsageRecord":{{"Timestamp":1795341600,"Dimension":"medium","CustomerIdentifier":"","CustomerAWSAccountId":"111122223333","LicenseArn":"{ARN}","Quantity":1}},"MeteringRecordId":"id-1","Status":"Success"}},
                {{"UsageRecord":{{"Timestamp":1795341600,"Dimension":"other","LicenseArn":"{ARN}"}},"Status":"OnHoliday"}}],
              "UnprocessedRecords":[{{"Timestamp":1795341600,"Dimension":"datacenter","LicenseArn":"{ARN}","Quantity":4}}]}}"#
        ),
    )]);
    let answer = aws
        .marketplace()
        .batch_meter_usage(&[record("medium", 1)])
        .await
        .unwrap();
    let verdict = |dimension: &str| {
        let key = record(dimension, 0).key();
        let found = answer.verdicts.iter().find(|(echoed, _)| *echoed == key);
        found.map(|(_, verdict)| verdict.clone())
    };
    assert_eq!(
        verdict("medium"),
        Some(Verdict::Success {
            metering_record_id: Some("id-1".to_owned())
        })
    );
    assert_eq!(verdict("large"), Some(Verdict::DuplicateRecord));
    assert_eq!(verdict("xlarge"), Some(Verdict::CustomerNotSubscribed));
    assert_eq!(verdict("datacenter"), Some(Verdict::Unprocessed));
    assert_eq!(
        verdict("other"),
        Some(Verdict::Unrecognized("OnHoliday".to_owned()))
    );
    assert_eq!(verdict("unmentioned"), None);
}

#[tokio::test]
async fn an_echo_that_names_no_license_counts_as_not_answered() {
    let aws = Aws::answering([json(
        200,
        r#"{"Results":[{"UsageRecord":{"Timestamp":1795341600,"Dimension":"medium"},"Status":"Success"},{"Status":"Success"}]}"#,
    )]);
    let answer = aws
        .marketplace()
        .batch_meter_usage(&[record("medium", 1)])
        .await
        .unwrap();
    assert_eq!(answer, CallAnswer::default());
}

#[tokio::test]
async fn each_refusal_of_a_whole_call_has_its_name() {
    for (code, refusal) in [
        (
            "TimestampOutOfBoundsException",
            Refusal::TimestampOutOfBounds,
        ),
        (
            "InvalidUsageDimensionException",
            Refusal::InvalidUsageDimension,
        ),
        ("InvalidLicenseException", Refusal::InvalidLicense),
        ("InvalidTagException", Refusal::InvalidTag),
        (
            "InvalidUsageAllocationsException",
            Refusal::InvalidUsageAllocations,
        ),
        (
            "InvalidCustomerIdentifierException",
            Refusal::InvalidCustomerIdentifier,
        ),
        ("InvalidProductCodeException", Refusal::InvalidProductCode),
        ("ThrottlingException", Refusal::Throttled),
        ("DisabledApiException", Refusal::DisabledApi),
        ("AccessDeniedException", Refusal::AccessDenied),
        ("UnrecognizedClientException", Refusal::AccessDenied),
        ("ExpiredTokenException", Refusal::AccessDenied),
        (
            "com.amazonaws.marketplacemetering#InvalidTagException",
            Refusal::InvalidTag,
        ),
        (
            "TeapotException",
            Refusal::Unrecognized("TeapotException".to_owned()),
        ),
    ] {
        assert_eq!(
            failure_of(refused_with(code)).await,
            CallFailure::Refused(refusal),
            "{code}"
        );
    }
}

#[tokio::test]
async fn a_refusal_without_a_name_is_told_by_its_status() {
    for (status, refusal) in [
        (403, Refusal::AccessDenied),
        (429, Refusal::Throttled),
        (413, Refusal::Unrecognized("HTTP status 413".to_owned())),
    ] {
        assert_eq!(
            failure_of(json(status, "<html>no</html>")).await,
            CallFailure::Refused(refusal),
            "{status}"
        );
    }
}

#[tokio::test]
async fn an_internal_error_under_any_name_or_status_is_no_answer() {
    for (status, body) in [
        (
            500,
            r#"{"__type":"InternalServiceErrorException","message":"no"}"#,
        ),
        (
            400,
            r#"{"__type":"InternalServiceErrorException","message":"no"}"#,
        ),
        (503, r#"{"__type":"ThrottlingException","message":"no"}"#),
        (502, "<html>bad gateway</html>"),
    ] {
        assert_eq!(
            failure_of(json(status, body)).await,
            CallFailure::NoAnswer(NoAnswer::ServerError(status)),
            "{status} {body}"
        );
    }
}

#[tokio::test]
async fn a_broken_connection_a_time_out_and_gibberish_are_no_answer() {
    for (answer, why) in [
        (Answer::Broken, NoAnswer::Connection),
        (Answer::Late, NoAnswer::TimedOut),
        (json(200, "{\"Results\":[{"), NoAnswer::NotUnderstood),
        (json(200, "<html>hello</html>"), NoAnswer::NotUnderstood),
        (json(302, ""), NoAnswer::NotUnderstood),
    ] {
        assert_eq!(failure_of(answer).await, CallFailure::NoAnswer(why));
    }
}

#[tokio::test]
async fn a_failed_call_is_never_repeated_by_the_sdk() {
    let aws = Aws::answering([json(500, "{}"), json(200, "{}")]);
    let _ = aws
        .marketplace()
        .batch_meter_usage(&[record("medium", 1)])
        .await;
    assert_eq!(aws.sent().len(), 1);
}

#[test]
fn a_filled_customer_identifier_or_a_product_code_is_not_sent() {
    let request = |body: &'static str| HttpRequest::new(SdkBody::from(body));
    assert!(
        without_empty_customer_identifiers(request(
            r#"{"UsageRecords":[{"CustomerIdentifier":"abc"}]}"#
        ))
        .is_err()
    );
    let beside_the_license = r#"{"ProductCode":"abc","UsageRecords":[{}]}"#;
    assert!(without_empty_customer_identifiers(request(beside_the_license)).is_err());
    assert!(without_empty_customer_identifiers(request("[]")).is_err());
    let request = without_empty_customer_identifiers(request(
        r#"{"UsageRecords":[{"CustomerIdentifier":""},{}]}"#,
    ));
    assert_eq!(
        request.unwrap().body().bytes(),
        Some(br#"{"UsageRecords":[{},{}]}"#.as_slice())
    );
}

//! `ResolveCustomer` and `BatchMeterUsage`.

use aws_sdk_marketplacemetering::error::ProvideErrorMetadata as _;
use aws_sdk_marketplacemetering::primitives::DateTime;
use aws_sdk_marketplacemetering::types::{
    Tag, UsageAllocation, UsageRecord, UsageRecordResultStatus,
};
use fake_aws::{
    BeforeActivation, Config, FakeAws, Fault, FaultKind, FinalHour, IdenticalRetry, OfferKind,
    Outcome, RateLimit, Readings,
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{
    BUYER, OTHER_BUYER, at, aws, config, fake, kind, meter, metering_client, serve, subscribe,
    usage,
};

const RESOLVE: &str = "AWSMPMeteringService.ResolveCustomer";
const METER: &str = "AWSMPMeteringService.BatchMeterUsage";

async fn with(readings: Readings) -> FakeAws {
    let config = Config {
        readings,
        ..config()
    };
    FakeAws::start(config).await.unwrap()
}

async fn hours_later(fake: &FakeAws, hours: i64) {
    fake.advance_by(SignedDuration::from_hours(hours))
        .await
        .unwrap();
}

/// The only result's status and metering record id.
fn only(answer: &Value) -> (&str, Option<&str>) {
    let results = answer["Results"].as_array().unwrap();
    assert_eq!(results.len(), 1, "{answer}");
    let status = results[0]["Status"].as_str().unwrap();
    (status, results[0]["MeteringRecordId"].as_str())
}

#[tokio::test]
async fn the_rust_sdk_resolves_meters_and_is_told_the_reason_of_a_refusal() {
    let fake = fake().await;
    let made = subscribe(&fake, OfferKind::Public).await;
    let client = metering_client(&serve(&fake).await);
    let resolved = client
        .resolve_customer()
        .registration_token(&made.registration_token)
        .send()
        .await
        .unwrap();
    assert_eq!(resolved.customer_aws_account_id(), Some(BUYER));
    assert_eq!(resolved.license_arn(), Some(made.license_arn.as_str()));
    assert_eq!(resolved.customer_identifier(), None);
    let metadata = resolved.metadata().unwrap();
    assert_eq!(metadata.agreement_id(), Some(made.agreement_id.as_str()));

    let tag = Tag::builder()
        .key("cloudAccountID")
        .value("999988887777")
        .build()
        .unwrap();
    let allocation = UsageAllocation::builder()
        .allocated_usage_quantity(5)
        .tags(tag)
        .build();
    let record = UsageRecord::builder()
        .timestamp(DateTime::from_secs(at("2026-11-22T10:00:00Z").as_second()))
        .dimension("large")
        .customer_aws_account_id(BUYER)
        .license_arn(&made.license_arn)
        .quantity(5)
        .usage_allocations(allocation.unwrap())
        .build()
        .unwrap();
    let sent = client
        .batch_meter_usage()
        .usage_records(record.clone())
        .send()
        .await
        .unwrap();
    let result = &sent.results()[0];
    assert_eq!(result.status(), Some(&UsageRecordResultStatus::Success));
    assert_eq!(
        result.usage_record().unwrap().usage_allocations(),
        record.usage_allocations()
    );
    assert!(sent.unprocessed_records().is_empty());
    let accepted = fake.accepted_records();
    assert_eq!(accepted[0].quantity, 5);
    assert_eq!(
        accepted[0].allocations[0].tags["cloudAccountID"],
        "999988887777"
    );
    assert_eq!(
        result.metering_record_id(),
        Some(accepted[0].metering_record_id.as_str())
    );

    let refused = client
        .batch_meter_usage()
        .usage_records(record)
        .product_code("abc")
        .send();
    let error = refused.await.unwrap_err().into_service_error();
    assert!(error.is_invalid_product_code_exception(), "{error:?}");
    assert_eq!(
        fake.calls().last().unwrap().access_key.as_deref(),
        Some("AKIDEXAMPLE")
    );
}

#[tokio::test]
async fn a_token_resolves_the_same_again_until_four_hours_have_passed() {
    let fake = fake().await;
    let made = subscribe(&fake, OfferKind::Public).await;
    let body = json!({"RegistrationToken": made.registration_token});
    let first = aws(&fake, RESOLVE, &body).await;
    let almost = SignedDuration::from_secs(4 * 3_600 - 1);
    fake.advance_by(almost).await.unwrap();
    assert_eq!(aws(&fake, RESOLVE, &body).await, first);
    fake.advance_by(SignedDuration::from_secs(1)).await.unwrap();
    let (status, answer) = aws(&fake, RESOLVE, &body).await;
    assert_eq!((status, kind(&answer)), (400, "ExpiredTokenException"));
    for token in ["", "nonsense"] {
        let (_, answer) = aws(&fake, RESOLVE, &json!({"RegistrationToken": token})).await;
        assert_eq!(kind(&answer), "InvalidTokenException");
    }
}

#[tokio::test]
async fn the_first_write_of_an_hour_wins() {
    let fake = fake().await;
    let license = subscribe(&fake, OfferKind::Public).await.license_arn;
    hours_later(&fake, 1).await;
    let record = usage(&license, "medium", "2026-11-22T10:00:00Z", 3);
    let (status, first) = meter(&fake, std::slice::from_ref(&record)).await;
    assert_eq!((status, only(&first).0), (200, "Success"));
    let (_, again) = meter(&fake, std::slice::from_ref(&record)).await;
    assert_eq!(only(&again), only(&first));

    let mut other_split = record.clone();
    other_split["UsageAllocations"] = json!([{"AllocatedUsageQuantity": 3}]);
    for other in [
        usage(&license, "medium", "2026-11-22T10:00:00Z", 4),
        usage(&license, "medium", "2026-11-22T10:30:00Z", 3),
        other_split,
    ] {
        let (_, answer) = meter(&fake, &[other]).await;
        assert_eq!(only(&answer), ("DuplicateRecord", None));
    }
    let next_hour = usage(&license, "medium", "2026-11-22T11:00:00Z", 4);
    assert_eq!(only(&meter(&fake, &[next_hour]).await.1).0, "Success");
    let quantities: Vec<u64> = fake.accepted_records().iter().map(|r| r.quantity).collect();
    assert_eq!(quantities, [3, 4]);
}

#[tokio::test]
async fn an_identical_retry_is_a_duplicate_under_the_other_reading() {
    let fake = with(Readings {
        identical_retry: IdenticalRetry::DuplicateRecord,
        ..Readings::default()
    })
    .await;
    let license = subscribe(&fake, OfferKind::Public).await.license_arn;
    let record = usage(&license, "medium", "2026-11-22T10:00:00Z", 3);
    let (_, answer) = meter(&fake, std::slice::from_ref(&record)).await;
    assert_eq!(only(&answer).0, "Success");
    assert_eq!(only(&meter(&fake, &[record]).await.1).0, "DuplicateRecord");
}

#[tokio::test]
async fn results_echo_their_records_and_do_not_keep_the_order() {
    let fake = fake().await;
    let license = subscribe(&fake, OfferKind::Public).await.license_arn;
    hours_later(&fake, 8).await;
    let records: Vec<Value> = (10..18)
        .map(|hour| {
            usage(
                &license,
                "medium",
                &format!("2026-11-22T{hour}:00:00Z"),
                hour,
            )
        })
        .collect();
    let (_, answer) = meter(&fake, &records).await;
    let echoed: Vec<Value> = answer["Results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| result["UsageRecord"].clone())
        .collect();
    assert_ne!(echoed, records, "whoever matches by position must fail");
    for record in &records {
        assert!(echoed.contains(record));
    }
    assert_eq!(answer["UnprocessedRecords"], json!([]));
}

#[tokio::test]
async fn one_bad_record_refuses_the_whole_call_and_nothing_is_accepted() {
    let fake = fake().await;
    let license = subscribe(&fake, OfferKind::Public).await.license_arn;
    hours_later(&fake, 30).await;
    let good = usage(&license, "medium", "2026-11-23T12:00:00Z", 1);
    let base = || usage(&license, "large", "2026-11-23T13:00:00Z", 1);
    let with = |member: &str, value: Value| {
        let mut record = base();
        record[member] = value;
        record
    };
    for (bad, name) in [
        (
            with("Dimension", json!("gold")),
            "InvalidUsageDimensionException",
        ),
        (
            with("LicenseArn", json!("license:l-unknown")),
            "InvalidLicenseException",
        ),
        (
            with("CustomerAWSAccountId", json!(OTHER_BUYER)),
            "InvalidLicenseException",
        ),
        (
            with("CustomerIdentifier", json!("abc")),
            "InvalidCustomerIdentifierException",
        ),
        (
            usage(&license, "large", "2026-11-22T15:59:59Z", 1),
            "TimestampOutOfBoundsException",
        ),
        (
            usage(&license, "large", "2026-11-23T16:00:01Z", 1),
            "TimestampOutOfBoundsException",
        ),
        (
            with("UsageAllocations", json!([{"AllocatedUsageQuantity": 9}])),
            "InvalidUsageAllocationsException",
        ),
    ] {
        let (status, answer) = meter(&fake, &[good.clone(), bad]).await;
        assert_eq!((status, kind(&answer)), (400, name), "{answer}");
    }
    assert_eq!(fake.accepted_records(), []);
}

#[tokio::test]
async fn a_call_of_26_records_or_of_more_than_a_megabyte_is_refused() {
    let fake = fake().await;
    let license = subscribe(&fake, OfferKind::Public).await.license_arn;
    let record = usage(&license, "medium", "2026-11-22T10:00:00Z", 1);
    let (_, answer) = meter(&fake, &vec![record.clone(); 26]).await;
    assert_eq!(kind(&answer), "ValidationException");
    let mut large = record;
    large["Padding"] = json!("x".repeat(1 << 20));
    let (_, answer) = meter(&fake, &[large]).await;
    assert_eq!(kind(&answer), "ValidationException");
    let (status, answer) = meter(&fake, &[]).await;
    assert_eq!((status, answer["Results"].clone()), (200, json!([])));
}

#[tokio::test]
async fn usage_before_the_activation_is_refused_unless_the_reading_accepts_it() {
    for (reading, status) in [
        (BeforeActivation::RefuseCall, 400),
        (BeforeActivation::Accept, 200),
    ] {
        let fake = with(Readings {
            before_activation: reading,
            ..Readings::default()
        })
        .await;
        fake.advance_by(SignedDuration::from_mins(20))
            .await
            .unwrap();
        let license = subscribe(&fake, OfferKind::Public).await.license_arn;
        let floored = usage(&license, "medium", "2026-11-22T10:00:00Z", 1);
        let (answered, answer) = meter(&fake, &[floored]).await;
        assert_eq!(answered, status, "{answer}");
        let clamped = usage(&license, "large", "2026-11-22T10:20:00Z", 1);
        assert_eq!(only(&meter(&fake, &[clamped]).await.1).0, "Success");
    }
}

#[tokio::test]
async fn a_cancelled_license_takes_usage_for_one_final_hour() {
    let fake = fake().await;
    let made = subscribe(&fake, OfferKind::Public).await;
    hours_later(&fake, 2).await;
    fake.cancel_agreement(&made.agreement_id).await.unwrap();
    fake.advance_by(SignedDuration::from_secs(3_599))
        .await
        .unwrap();
    let final_usage = usage(&made.license_arn, "medium", "2026-11-22T11:00:00Z", 1);
    assert_eq!(
        only(&meter(&fake, std::slice::from_ref(&final_usage)).await.1).0,
        "Success"
    );
    let after_end = usage(&made.license_arn, "medium", "2026-11-22T12:30:00Z", 1);
    assert_eq!(
        kind(&meter(&fake, &[after_end]).await.1),
        "InvalidLicenseException"
    );
    fake.advance_by(SignedDuration::from_secs(1)).await.unwrap();
    let too_late = usage(&made.license_arn, "medium", "2026-11-22T12:00:00Z", 1);
    assert_eq!(
        only(&meter(&fake, &[too_late]).await.1).0,
        "CustomerNotSubscribed"
    );
    let repeated = meter(&fake, &[final_usage]).await.1;
    assert_eq!(
        only(&repeated).0,
        "Success",
        "an accepted record stays accepted"
    );
}

#[tokio::test]
async fn under_the_older_reading_deprovisioning_closes_the_final_hour() {
    let fake = with(Readings {
        deprovision_lag: SignedDuration::from_mins(30),
        final_hour: FinalHour::UntilDeprovisioned,
        ..Readings::default()
    })
    .await;
    let made = subscribe(&fake, OfferKind::Public).await;
    fake.cancel_agreement(&made.agreement_id).await.unwrap();
    fake.advance_by(SignedDuration::from_mins(29))
        .await
        .unwrap();
    let record = |dimension| usage(&made.license_arn, dimension, "2026-11-22T10:00:00Z", 1);
    assert_eq!(
        only(&meter(&fake, &[record("medium")]).await.1).0,
        "Success"
    );
    fake.advance_by(SignedDuration::from_mins(1)).await.unwrap();
    assert_eq!(
        only(&meter(&fake, &[record("large")]).await.1).0,
        "CustomerNotSubscribed"
    );
}

#[tokio::test]
async fn a_suspended_buyer_is_not_subscribed_until_restored() {
    let fake = fake().await;
    let license = subscribe(&fake, OfferKind::Public).await.license_arn;
    let record = usage(&license, "medium", "2026-11-22T10:00:00Z", 1);
    fake.suspend_buyer(BUYER).await.unwrap();
    assert_eq!(
        only(&meter(&fake, std::slice::from_ref(&record)).await.1).0,
        "CustomerNotSubscribed"
    );
    fake.restore_buyer(BUYER).await.unwrap();
    assert_eq!(only(&meter(&fake, &[record]).await.1).0, "Success");
}

#[tokio::test]
async fn faults_throttle_fail_lose_the_answer_and_leave_records_unprocessed() {
    let fake = fake().await;
    let license = subscribe(&fake, OfferKind::Public).await.license_arn;
    let record = |dimension| usage(&license, dimension, "2026-11-22T10:00:00Z", 1);
    let inject = |kind| {
        fake.inject_fault(Fault::new("BatchMeterUsage", kind, 1))
            .unwrap()
    };

    inject(FaultKind::Throttle);
    let (status, answer) = meter(&fake, &[record("medium")]).await;
    assert_eq!((status, kind(&answer)), (400, "ThrottlingException"));
    inject(FaultKind::InternalError);
    let (status, answer) = meter(&fake, &[record("medium")]).await;
    assert_eq!(
        (status, kind(&answer)),
        (500, "InternalServiceErrorException")
    );
    assert_eq!(fake.accepted_records(), []);

    inject(FaultKind::LostAnswer);
    let (status, answer) = meter(&fake, &[record("medium")]).await;
    assert_eq!((status, answer), (500, Value::Null));
    assert_eq!(
        fake.accepted_records().len(),
        1,
        "it was done, only the answer was lost"
    );
    assert_eq!(fake.calls().last().unwrap().outcome, Outcome::AnswerLost);

    let mut some = Fault::new("BatchMeterUsage", FaultKind::Unprocessed, 1);
    some.records = Some(1);
    fake.inject_fault(some).unwrap();
    let (status, answer) = meter(&fake, &[record("large"), record("xlarge")]).await;
    assert_eq!(status, 200);
    assert_eq!(only(&answer).0, "Success");
    assert_eq!(answer["UnprocessedRecords"], json!([record("xlarge")]));
    assert_eq!(fake.accepted_records().len(), 2);
}

#[tokio::test]
async fn the_sdk_sees_a_lost_answer_as_an_error_without_a_code() {
    let fake = fake().await;
    let made = subscribe(&fake, OfferKind::Public).await;
    fake.inject_fault(Fault::new("ResolveCustomer", FaultKind::LostAnswer, 1))
        .unwrap();
    let client = metering_client(&serve(&fake).await);
    let resolve = client
        .resolve_customer()
        .registration_token(&made.registration_token);
    let error = resolve.send().await.unwrap_err();
    assert_eq!(error.code(), None);
}

#[tokio::test]
async fn eleven_calls_in_a_second_are_throttled_when_the_limit_is_on() {
    let fake = with(Readings {
        rate_limit: RateLimit::Always,
        ..Readings::default()
    })
    .await;
    let license = subscribe(&fake, OfferKind::Public).await.license_arn;
    let record = usage(&license, "medium", "2026-11-22T10:00:00Z", 1);
    for _ in 0..10 {
        assert_eq!(meter(&fake, std::slice::from_ref(&record)).await.0, 200);
    }
    let (status, answer) = meter(&fake, std::slice::from_ref(&record)).await;
    assert_eq!((status, kind(&answer)), (400, "ThrottlingException"));
    fake.advance_by(SignedDuration::from_secs(1)).await.unwrap();
    assert_eq!(meter(&fake, &[record]).await.0, 200);
}

#[tokio::test]
async fn mistyped_bodies_name_the_member() {
    let fake = fake().await;
    let body = json!({"UsageRecords": [{"Timestamp": 1, "Dimension": 7}]});
    let (_, answer) = aws(&fake, METER, &body).await;
    assert_eq!(kind(&answer), "SerializationException");
    assert!(
        answer["message"]
            .as_str()
            .unwrap()
            .contains("UsageRecords[0].Dimension"),
        "{answer}"
    );
    let (_, answer) = aws(&fake, METER, &json!({})).await;
    assert_eq!(kind(&answer), "ValidationException");
    let (_, answer) = aws(&fake, "AWSMPMeteringService.MeterUsage", &json!({})).await;
    assert_eq!(kind(&answer), "UnknownOperationException");
}

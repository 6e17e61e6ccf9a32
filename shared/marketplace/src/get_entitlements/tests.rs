use domain::metering::NoAnswer;

use super::*;
use crate::testing::{Answer, Aws, json, list, map, text};

const ARN: &str =
    "arn:aws:license-manager::123456789012:license:l-0123456789abcdef0123456789abcdef";

fn entitlement(dimension: &str, arn: &str, value: (&str, Vec<u8>)) -> Vec<u8> {
    map(&[
        ("Dimension", text(dimension)),
        ("LicenseArn", text(arn)),
        ("Value", map(&[value])),
        // Tag 1, an unsigned 32-bit number: seconds since 1970.
        ("ExpirationDate", vec![0xc1, 0x1a, 0x6b, 0x02, 0xb8, 0x20]),
    ])
}

fn page(entitlements: &[Vec<u8>], next: Option<&str>) -> Answer {
    let mut entries = vec![("Entitlements", list(entitlements))];
    if let Some(token) = next {
        entries.push(("NextToken", text(token)));
    }
    Answer::Http(200, map(&entries))
}

async fn ask(aws: &Aws) -> Result<Vec<Entitlement>, ReadError> {
    aws.marketplace()
        .get_entitlements(
            &ProductCode::parse("prodcode").unwrap(),
            &LicenseArn::parse(ARN).unwrap(),
        )
        .await
}

#[tokio::test]
async fn pages_are_followed_to_the_end_through_an_empty_one() {
    let aws = Aws::answering([
        page(
            &[entitlement(
                "medium",
                ARN,
                ("IntegerValue", vec![0x18, 100]),
            )],
            Some("a"),
        ),
        page(&[], Some("b")),
        page(
            &[entitlement("support", ARN, ("BooleanValue", vec![0xf5]))],
            None,
        ),
    ]);
    let entitlements = ask(&aws).await.unwrap();
    let found: Vec<_> = entitlements
        .iter()
        .map(|e| (e.dimension.as_str(), e.value.clone()))
        .collect();
    assert_eq!(
        found,
        [
            ("medium", EntitlementValue::Units(100)),
            ("support", EntitlementValue::Enabled(true)),
        ]
    );
    assert_eq!(
        entitlements[0].expires_at,
        Some(Timestamp::from_second(0x6b02_b820).unwrap())
    );
    assert_eq!(aws.sent().len(), 3);
    assert_eq!(
        aws.sent()[0].path,
        "/service/AWSMPEntitlementService/operation/GetEntitlements"
    );
}

#[tokio::test]
async fn the_license_is_what_is_asked_for() {
    let aws = Aws::answering([page(&[], None)]);
    ask(&aws).await.unwrap();
    let body = String::from_utf8_lossy(&aws.sent()[0].body).into_owned();
    for part in ["ProductCode", "prodcode", "LICENSE_ARN", ARN, "MaxResults"] {
        assert!(body.contains(part), "{part}");
    }
    assert!(!body.contains("CUSTOMER"));
}

#[tokio::test]
async fn an_entitlement_of_another_license_is_left_out() {
    let other = ARN.replace("l-0", "l-f");
    let aws = Aws::answering([page(
        &[
            entitlement("medium", &other, ("IntegerValue", vec![1])),
            // Without the prefix it is still the same license.
            entitlement("large", &ARN[4..], ("IntegerValue", vec![2])),
        ],
        None,
    )]);
    let entitlements = ask(&aws).await.unwrap();
    assert_eq!(entitlements.len(), 1);
    assert_eq!(entitlements[0].dimension.as_str(), "large");
}

#[tokio::test]
async fn every_form_of_a_value_is_read() {
    let double = |number: f64| [vec![0xfb], number.to_be_bytes().to_vec()].concat();
    for (value, expected) in [
        (("IntegerValue", vec![7]), EntitlementValue::Units(7)),
        (("IntegerValue", vec![0x20]), EntitlementValue::Unrecognized),
        (("DoubleValue", double(8.0)), EntitlementValue::Units(8)),
        (
            ("DoubleValue", double(2.5)),
            EntitlementValue::Decimal("2.5".to_owned()),
        ),
        (
            ("StringValue", text("gold")),
            EntitlementValue::Text("gold".to_owned()),
        ),
        (("Novelty", text("gold")), EntitlementValue::Unrecognized),
    ] {
        let aws = Aws::answering([page(&[entitlement("medium", ARN, value)], None)]);
        assert_eq!(ask(&aws).await.unwrap()[0].value, expected);
    }
}

#[tokio::test]
async fn a_list_without_end_is_given_up_and_no_part_of_it_returned() {
    let aws = Aws::answering((0..MAX_PAGES).map(|_| page(&[], Some("more"))));
    assert_eq!(ask(&aws).await, Err(ReadError::TooManyPages(MAX_PAGES)));
}

#[tokio::test]
async fn a_failure_on_a_later_page_gives_no_part_of_the_list() {
    let aws = Aws::answering([
        page(
            &[entitlement("medium", ARN, ("IntegerValue", vec![1]))],
            Some("a"),
        ),
        Answer::Broken,
    ]);
    assert_eq!(
        ask(&aws).await,
        Err(ReadError::Unavailable(NoAnswer::Connection))
    );
}

#[tokio::test]
async fn refusals_and_silence_are_told_apart() {
    let refused = |code: &str| Answer::Http(400, map(&[("__type", text(code))]));
    for (answer, error) in [
        (refused("ThrottlingException"), ReadError::Throttled),
        (
            refused("InvalidParameterException"),
            ReadError::Refused("InvalidParameterException".to_owned()),
        ),
        (
            json(503, "no"),
            ReadError::Unavailable(NoAnswer::ServerError(503)),
        ),
    ] {
        assert_eq!(ask(&Aws::answering([answer])).await, Err(error));
    }
}

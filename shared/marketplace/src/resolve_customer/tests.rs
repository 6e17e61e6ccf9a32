use super::*;
use crate::testing::{Answer, Aws, json};

const ARN: &str =
    "arn:aws:license-manager::123456789012:license:l-0123456789abcdef0123456789abcdef";

async fn resolve(answer: Answer) -> Result<ResolvedCustomer, ResolveError> {
    Aws::answering([answer])
        .marketplace()
        .resolve_customer(&SecretString::from("token-value"))
        .await
}

#[tokio::test]
async fn the_token_is_all_that_is_sent() {
    let aws = Aws::answering([json(200, "{}")]);
    let _ = aws
        .marketplace()
        .resolve_customer(&SecretString::from("token-value"))
        .await;
    let [sent] = aws.sent().try_into().unwrap();
    assert_eq!(
        sent.target.as_deref(),
        Some("AWSMPMeteringService.ResolveCustomer")
    );
    insta::assert_json_snapshot!(sent.json(), @r#"
    {
      "RegistrationToken": "token-value"
    }
    "#);
}

#[tokio::test]
async fn a_buyer_is_known_by_license_and_account() {
    let body = format!(
        r#"{{"CustomerIdentifier":"","ProductCode":"prodcode","CustomerAWSAccountId":"111122223333","LicenseArn":"{ARN}","Metadata":{{"AgreementId":"agmt-1"}}}}"#
    );
    assert_eq!(
        resolve(json(200, &body)).await,
        Ok(ResolvedCustomer {
            license: LicenseArn::parse(ARN).unwrap(),
            buyer: AwsAccountId::parse("111122223333").unwrap(),
            product: Some(ProductCode::parse("prodcode").unwrap()),
            agreement: Some(AgreementId::parse("agmt-1").unwrap()),
            customer_identifier: None,
        })
    );
}

#[tokio::test]
async fn an_answer_without_license_or_account_names_what_is_missing() {
    for (body, missing) in [
        (
            r#"{"CustomerAWSAccountId":"111122223333"}"#.to_owned(),
            "LicenseArn",
        ),
        (
            format!(r#"{{"LicenseArn":"{ARN}"}}"#),
            "CustomerAWSAccountId",
        ),
        (
            format!(r#"{{"LicenseArn":"{ARN}","CustomerAWSAccountId":"12"}}"#),
            "CustomerAWSAccountId",
        ),
    ] {
        assert_eq!(
            resolve(json(200, &body)).await,
            Err(ResolveError::Incomplete(missing))
        );
    }
}

#[tokio::test]
async fn each_failure_is_what_the_buyer_can_do_about_it() {
    let refused = |code: &str| json(400, &format!(r#"{{"__type":"{code}","message":"no"}}"#));
    for (answer, error) in [
        (refused("InvalidTokenException"), ResolveError::InvalidToken),
        (refused("ValidationException"), ResolveError::InvalidToken),
        (refused("ExpiredTokenException"), ResolveError::ExpiredToken),
        (refused("ThrottlingException"), ResolveError::Throttled),
        (
            refused("DisabledApiException"),
            ResolveError::NotAllowed("DisabledApiException".to_owned()),
        ),
        (
            refused("AccessDeniedException"),
            ResolveError::NotAllowed("AccessDeniedException".to_owned()),
        ),
        (
            json(500, r#"{"__type":"InternalServiceErrorException"}"#),
            ResolveError::Unavailable(NoAnswer::ServerError(500)),
        ),
        (Answer::Late, ResolveError::Unavailable(NoAnswer::TimedOut)),
        (
            json(200, "not json"),
            ResolveError::Unavailable(NoAnswer::NotUnderstood),
        ),
    ] {
        let found = resolve(answer).await.unwrap_err();
        assert!(!found.to_string().contains("token-value"));
        assert_eq!(found, error);
    }
}

//! Secrets Manager.

use fake_aws::{Config, FakeAws};
use serde_json::json;

use crate::support::{aws, config, fake};

const TARGET: &str = "secretsmanager.GetSecretValue";

#[tokio::test]
async fn a_secret_is_given_by_its_name_and_by_its_arn() {
    let fake = FakeAws::start(Config {
        secret: "of-the-client".to_owned(),
        ..config()
    });
    let fake = fake.await.unwrap();
    let (status, by_name) = aws(&fake, TARGET, &json!({"SecretId": "sign-in"})).await;
    assert_eq!((status, &by_name["Name"]), (200, &json!("sign-in")));
    assert_eq!(by_name["SecretString"], "of-the-client");
    let (status, by_arn) = aws(&fake, TARGET, &json!({"SecretId": by_name["ARN"]})).await;
    assert_eq!((status, by_arn), (200, by_name));
    let calls = fake.calls();
    assert!(calls.iter().all(|call| call.operation == "GetSecretValue"));
    assert_eq!(calls.len(), 2);
}

#[tokio::test]
async fn a_call_that_names_no_secret_is_refused() {
    let fake = fake().await;
    for body in [json!({}), json!({"SecretId": ""}), json!({"SecretId": 7})] {
        let (status, error) = aws(&fake, TARGET, &body).await;
        assert_eq!(
            (status, &error["__type"]),
            (400, &json!("ValidationException")),
            "{body}"
        );
    }
}

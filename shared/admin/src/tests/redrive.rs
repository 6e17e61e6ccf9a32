//! Dead letters, before an SQS that answers what it is given.

use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use runtime::settings::{AwsSettings, Signing};
use serde_json::{Value, json};

use super::World;
use crate::redrive::Queues;
use crate::{Consent, Refused};

const QUEUE: &str = "arn:aws:sqs:us-east-1:111122223333:usage-reports-dead-letters";

/// SQS with one queue of so many messages, and what it was asked.
#[derive(Debug, Clone)]
struct Sqs {
    messages: u64,
    /// Whether the queue is one of dead letters.
    of_dead_letters: bool,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

impl HttpConnector for Sqs {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap();
        let operation = target.rsplit('.').next().unwrap().to_owned();
        let body = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let (status, answer) = match operation.as_str() {
            "GetQueueUrl" => (200, json!({"QueueUrl": "https://sqs/queue"})),
            "GetQueueAttributes" => {
                let count = self.messages.to_string();
                (
                    200,
                    json!({"Attributes": {"ApproximateNumberOfMessages": count}}),
                )
            }
            "StartMessageMoveTask" if self.of_dead_letters => (200, json!({"TaskHandle": "t"})),
            _ => (
                400,
                json!({
                    "__type": "com.amazonaws.sqs#InvalidParameterValue",
                    "message": "Source queue must be configured as a Dead Letter Queue.",
                }),
            ),
        };
        self.asked.lock().unwrap().push((operation, body));
        HttpConnectorFuture::ready(Ok(HttpResponse::new(
            status.try_into().unwrap(),
            SdkBody::from(answer.to_string()),
        )))
    }
}

impl Sqs {
    fn of(messages: u64) -> Self {
        Self {
            messages,
            of_dead_letters: true,
            asked: Arc::default(),
        }
    }

    async fn world(&self) -> World {
        let settings = AwsSettings {
            region: "us-east-1".to_owned(),
            endpoint_url: None,
            signing: Signing::None,
        };
        let connector = SharedHttpConnector::new(self.clone());
        let http = http_client_fn(move |_, _| connector.clone());
        let config = runtime::aws::shared(http, &settings);
        let config = aws_sdk_sqs::config::Builder::from(&config).allow_no_auth();
        let mut world = World::new().await;
        world.queues = Queues::Sqs(aws_sdk_sqs::Client::from_conf(config.build()));
        world
    }

    /// What was moved, by the queue's ARN.
    fn moved(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        let moves = asked
            .iter()
            .filter(|(operation, _)| operation == "StartMessageMoveTask");
        moves
            .map(|(_, body)| body["SourceArn"].as_str().unwrap().to_owned())
            .collect()
    }
}

#[tokio::test]
async fn dead_letters_are_moved_back_once_somebody_agreed() {
    let sqs = Sqs::of(7);
    let world = sqs.world().await;
    let command = format!("redrive {QUEUE}");
    let declined = world.asked(&command, Consent::Declined).await;
    assert!(matches!(declined, Err(Refused::Declined)));
    let unasked = world.asked(&command, Consent::NobodyToAsk).await;
    assert!(matches!(unasked, Err(Refused::NobodyToAsk)));
    let planned = world.said(&format!("{command} --dry-run")).await;
    assert!(
        planned.contains("usage-reports-dead-letters, about 7") && planned.contains("nothing was"),
        "{planned}"
    );
    assert!(sqs.moved().is_empty());
    let done = world.said(&format!("{command} --yes")).await;
    assert!(done.starts_with("Done"), "{done}");
    assert_eq!(sqs.moved(), [QUEUE]);
}

#[tokio::test]
async fn what_cannot_be_moved_back_is_said() {
    let empty = Sqs::of(0);
    let world = empty.world().await;
    let said = world.said(&format!("redrive {QUEUE} --yes")).await;
    assert!(said.starts_with("Already so"), "{said}");
    assert!(empty.moved().is_empty());

    let other = Sqs {
        of_dead_letters: false,
        ..Sqs::of(3)
    };
    let refused = other
        .world()
        .await
        .refused(&format!("redrive {QUEUE}"))
        .await;
    assert!(
        refused.contains("must be configured as a Dead Letter Queue"),
        "{refused}"
    );

    let refused = World::new()
        .await
        .refused(&format!("redrive {QUEUE}"))
        .await;
    assert!(
        refused.contains("the local stack keeps no dead letters"),
        "{refused}"
    );
    for not_a_queue in ["usage-reports", "arn:aws:sns:us-east-1:111122223333:topic"] {
        let error = super::usage_error(&format!("redrive {not_a_queue}"));
        assert!(error.contains("must be a queue's ARN"), "{error}");
    }
}

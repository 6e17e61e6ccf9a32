//! Dead letters: messages that a function failed on for hours.

use std::fmt;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::QueueAttributeName;

use crate::refused::Refused;

/// The queues.
#[derive(Debug, Clone)]
pub enum Queues {
    /// AWS's.
    Sqs(Client),
    /// The local stack's, which deliver what failed until it is taken.
    Local,
}

/// The ARN of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueArn {
    arn: String,
    account: String,
    name: String,
}

impl QueueArn {
    /// An ARN such as `arn:aws:sqs:us-east-1:111122223333:name`.
    ///
    /// # Errors
    /// What it should be.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let parts: Vec<&str> = text.split(':').collect();
        match parts.as_slice() {
            ["arn", partition, "sqs", region, account, name]
                if partition.starts_with("aws")
                    && !region.is_empty()
                    && account.len() == 12
                    && account.bytes().all(|byte| byte.is_ascii_digit())
                    && !name.is_empty() =>
            {
                Ok(Self {
                    arn: text.to_owned(),
                    account: (*account).to_owned(),
                    name: (*name).to_owned(),
                })
            }
            _ => Err("must be a queue's ARN, such as arn:aws:sqs:us-east-1:111122223333:name"),
        }
    }
}

impl fmt::Display for QueueArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Queues {
    /// About how many messages a queue holds, as SQS counts them.
    pub(crate) async fn waiting(&self, queue: &QueueArn) -> Result<u64, Refused> {
        let client = self.client()?;
        let url = client
            .get_queue_url()
            .queue_name(&queue.name)
            .queue_owner_aws_account_id(&queue.account);
        let url = url.send().await.map_err(|error| refused(queue, &error))?;
        let attributes = client
            .get_queue_attributes()
            .set_queue_url(url.queue_url)
            .attribute_names(QueueAttributeName::ApproximateNumberOfMessages);
        let attributes = attributes.send().await;
        let attributes = attributes
            .map_err(|error| refused(queue, &error))?
            .attributes;
        let messages = attributes.unwrap_or_default();
        let messages = messages.get(&QueueAttributeName::ApproximateNumberOfMessages);
        messages
            .and_then(|count| count.parse().ok())
            .ok_or_else(|| Refused::Queue {
                queue: queue.to_string(),
                reason: "it does not say how many messages it holds".to_owned(),
            })
    }

    /// Starts to move a dead-letter queue's messages back to where they came from.
    pub(crate) async fn redrive(&self, queue: &QueueArn) -> Result<(), Refused> {
        let moving = self.client()?.start_message_move_task();
        let moving = moving.source_arn(&queue.arn).send().await;
        moving.map_err(|error| refused(queue, &error))?;
        Ok(())
    }

    const fn client(&self) -> Result<&Client, Refused> {
        match self {
            Self::Sqs(client) => Ok(client),
            Self::Local => Err(Refused::NoDeadLetters),
        }
    }
}

fn refused<E>(queue: &QueueArn, error: &SdkError<E>) -> Refused
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let said = error.as_service_error().map(|said| {
        let code = said.code().unwrap_or("an error without a code");
        format!("{code}: {}", said.message().unwrap_or("no message"))
    });
    Refused::Queue {
        queue: queue.to_string(),
        reason: said.unwrap_or_else(|| error.to_string()),
    }
}

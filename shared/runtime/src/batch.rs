//! SQS batches: each record on its own, and the failed ones named.

use std::collections::HashMap;
use std::error::Error;
use std::str::FromStr;

use aws_lambda_events::event::sqs::SqsEvent;
use jiff::Timestamp;
use serde_json::{Value, json};
use tracing::Span;

use crate::payload::{self, Unreadable};

/// A message of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// SQS's id of the message.
    pub id: String,
    /// What was sent.
    pub body: String,
    /// When it was put into the queue; `None` when SQS does not say.
    pub sent_at: Option<Timestamp>,
    /// How often the message was given out, this time included; 1 when SQS does not say.
    pub receive_count: u32,
}

impl Message {
    /// What is logged in it is known by SQS's id of the message.
    pub fn span(&self) -> Span {
        tracing::error_span!("message", sqs.message_id = %self.id)
    }
}

/// Whether a payload is an SQS batch.
pub fn is_batch(payload: &Value) -> bool {
    payload["Records"][0]["eventSource"] == "aws:sqs"
}

/// The messages of an SQS batch, in its order.
///
/// # Errors
/// [`Unreadable`] when it is not a batch, or holds a record without an id: it
/// could not be named as failed, so the whole batch is to come again.
pub fn messages(payload: Value) -> Result<Vec<Message>, Unreadable> {
    if !is_batch(&payload) {
        return Err(Unreadable::new(
            "Records",
            "expected messages of an SQS queue",
        ));
    }
    let event: SqsEvent = payload::from_value(payload)?;
    event
        .records
        .into_iter()
        .enumerate()
        .map(|(n, record)| {
            let id = record
                .message_id
                .ok_or_else(|| Unreadable::new(format!("Records[{n}].messageId"), "is missing"))?;
            Ok(Message {
                id,
                // A message without a body is read as an empty one and fails alone.
                body: record.body.unwrap_or_default(),
                sent_at: number(&record.attributes, "SentTimestamp")
                    .and_then(|ms| Timestamp::from_millisecond(ms).ok()),
                receive_count: number(&record.attributes, "ApproximateReceiveCount").unwrap_or(1),
            })
        })
        .collect()
}

fn number<T: FromStr>(attributes: &HashMap<String, String>, name: &str) -> Option<T> {
    attributes.get(name)?.parse().ok()
}

/// The records of a batch that are to come again.
#[derive(Debug, Default)]
pub struct Failures {
    ids: Vec<String>,
}

impl Failures {
    /// A record failed: it is logged, and SQS will give it out again.
    pub fn record(&mut self, message: &Message, error: &(dyn Error + 'static)) {
        tracing::error!(
            sqs.message_id = %message.id,
            sqs.receive_count = message.receive_count,
            error = %app::Chain(error),
            "A message was not processed; it goes back to its queue"
        );
        self.ids.push(message.id.clone());
    }

    /// A record was not begun: there was no time left for it.
    pub fn postpone(&mut self, message: &Message) {
        self.ids.push(message.id.clone());
    }

    /// How many failed.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether none failed.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The answer to SQS, `{"batchItemFailures":[{"itemIdentifier":…}]}`.
    pub fn into_answer(self) -> Value {
        let failures: Vec<Value> = self
            .ids
            .into_iter()
            .map(|id| json!({ "itemIdentifier": id }))
            .collect();
        json!({ "batchItemFailures": failures })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_failed_messages_are_named_as_sqs_wants_it() {
        let batch = messages(json!({"Records":[
            {"eventSource":"aws:sqs","messageId":"1","body":"a","attributes":{"ApproximateReceiveCount":"3"}},
            {"eventSource":"aws:sqs","messageId":"2"},
        ]}))
        .unwrap();
        assert_eq!(batch[0].receive_count, 3);
        assert_eq!((batch[1].body.as_str(), batch[1].receive_count), ("", 1));
        let mut failures = Failures::default();
        failures.record(&batch[1], &Unreadable::new("body", "is missing"));
        assert_eq!(
            failures.into_answer(),
            json!({"batchItemFailures":[{"itemIdentifier":"2"}]})
        );
    }

    #[test]
    fn what_is_not_a_batch_is_refused_by_its_field() {
        for (payload, field) in [
            (json!({}), "Records"),
            (json!({"Records":[{"eventSource":"aws:sns"}]}), "Records"),
            (
                json!({"Records":[{"eventSource":"aws:sqs"}]}),
                "Records[0].messageId",
            ),
            (
                json!({"Records":[{"eventSource":"aws:sqs","messageId":"1","body":2}]}),
                "Records[0].body",
            ),
        ] {
            assert_eq!(messages(payload).unwrap_err().field, field);
        }
    }
}

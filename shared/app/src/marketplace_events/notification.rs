//! A message of an older listing's SNS topics into a [`Notification`], raw or in
//! SNS's envelope.
//!
//! Who may put messages into the queue is the queue policy's to say: they are
//! not signed in a way that is looked at here.

use domain::ids::{CustomerIdentifier, EventId, OfferId, ProductCode};
use domain::marketplace_event::{Notification, NotifiedAction};
use jiff::Timestamp;
use serde::Deserialize;

use super::parse::{MalformedEvent, bounded, id, malformed, path_of, timestamp};

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(rename = "MessageId")]
    message_id: String,
    #[serde(rename = "Message")]
    message: String,
    #[serde(rename = "Timestamp")]
    timestamp: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Body {
    action: String,
    customer_identifier: String,
    product_code: String,
    offer_identifier: Option<String>,
}

/// Parses a message if it is an older listing's; `None` when it is none. One that
/// comes without SNS's envelope has the queue's own id and instant.
///
/// # Errors
/// [`MalformedEvent`] names the first field that breaks a rule.
pub fn parse_notification(
    text: &str,
    queued: (&str, Timestamp),
) -> Option<Result<Notification, MalformedEvent>> {
    if let Ok(envelope) = serde_json::from_str::<Envelope>(text) {
        return (envelope.kind == "Notification").then(|| enveloped(&envelope));
    }
    let body: serde_json::Value = serde_json::from_str(text).ok()?;
    body.get("customer-identifier")?;
    let (message_id, sent_at) = queued;
    Some(notification(body, message_id, sent_at))
}

fn enveloped(envelope: &Envelope) -> Result<Notification, MalformedEvent> {
    let body = serde_json::from_str(&envelope.message);
    let body = body.map_err(|_| malformed("Message", "must be a JSON object"))?;
    let at = timestamp("Timestamp", &envelope.timestamp)?;
    notification(body, &envelope.message_id, at)
}

fn notification(
    body: serde_json::Value,
    message_id: &str,
    at: Timestamp,
) -> Result<Notification, MalformedEvent> {
    let body: Body = serde_path_to_error::deserialize(body)
        .map_err(|error| malformed(&path_of(&error), "must be of the shape that AWS documents"))?;
    let offer = body.offer_identifier.filter(|offer| !offer.is_empty());
    Ok(Notification {
        id: id("MessageId", message_id, EventId::parse)?,
        at,
        customer: id(
            "customer-identifier",
            &body.customer_identifier,
            CustomerIdentifier::parse,
        )?,
        product: id("product-code", &body.product_code, ProductCode::parse)?,
        offer: offer
            .map(|offer| id("offer-identifier", &offer, OfferId::parse))
            .transpose()?,
        action: action(&body.action),
    })
}

fn action(text: &str) -> NotifiedAction {
    match text {
        "subscribe-success" => NotifiedAction::SubscribeSuccess,
        "subscribe-fail" => NotifiedAction::SubscribeFail,
        "unsubscribe-pending" => NotifiedAction::UnsubscribePending,
        "unsubscribe-success" => NotifiedAction::UnsubscribeSuccess,
        "entitlement-updated" => NotifiedAction::EntitlementUpdated,
        other => NotifiedAction::Unrecognized(bounded(other)),
    }
}

#[cfg(test)]
mod tests;

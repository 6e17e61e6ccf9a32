//! SNS: what is told of the purchases of a listing that is older than 2026-06-01.
//!
//! Its messages name the buyer by a customer identifier, and neither license,
//! agreement nor AWS account; only a registration token leads from one to the
//! other. Such listings may have events beside them, or not yet: both are played,
//! by purchase. Shapes: AWS Marketplace seller guide, "Amazon SNS notifications
//! for SaaS products".

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::Inner;
use crate::control::ControlError;
use crate::events::{Family, whole_seconds};
use crate::ids::hex;
use crate::state::{Agreement, AgreementStatus, Ending, Intent};

/// The account of AWS's topics.
const TOPICS_OWNER: &str = "287250355862";

/// By what a seller is told of a purchase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToldBy {
    /// Events of EventBridge: listings since 2026-06-01.
    #[default]
    EventBridge,
    /// Messages of SNS alone: an older listing.
    Sns,
    /// Both: an older listing that has events as well.
    Both,
}

impl ToldBy {
    /// Every way.
    pub(crate) const ALL: [ToldBy; 3] = [ToldBy::EventBridge, ToldBy::Sns, ToldBy::Both];

    /// Its name in the control API.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            ToldBy::EventBridge => "event_bridge",
            ToldBy::Sns => "sns",
            ToldBy::Both => "both",
        }
    }

    /// The one of that name, or an error that lists them.
    pub(crate) fn named(name: &str) -> Result<ToldBy, ControlError> {
        let known = ToldBy::ALL.into_iter().find(|told| told.name() == name);
        known.ok_or_else(|| {
            let names = ToldBy::ALL.map(ToldBy::name).join(", ");
            ControlError::field("told_by", format!("must be one of {names}"))
        })
    }

    /// Whether there are events.
    pub(crate) const fn has_events(self) -> bool {
        match self {
            ToldBy::EventBridge | ToldBy::Both => true,
            ToldBy::Sns => false,
        }
    }

    /// Whether the listing is an older one.
    pub(crate) const fn is_older_listing(self) -> bool {
        match self {
            ToldBy::Sns | ToldBy::Both => true,
            ToldBy::EventBridge => false,
        }
    }
}

/// What a message tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    SubscribeSuccess,
    UnsubscribePending,
    UnsubscribeSuccess,
    EntitlementUpdated,
}

impl Action {
    const ALL: [Action; 4] = [
        Action::SubscribeSuccess,
        Action::UnsubscribePending,
        Action::UnsubscribeSuccess,
        Action::EntitlementUpdated,
    ];

    const fn aws(self) -> &'static str {
        match self {
            Action::SubscribeSuccess => "subscribe-success",
            Action::UnsubscribePending => "unsubscribe-pending",
            Action::UnsubscribeSuccess => "unsubscribe-success",
            Action::EntitlementUpdated => "entitlement-updated",
        }
    }

    /// The topic's name without the product's code.
    const fn topic(self) -> &'static str {
        match self {
            Action::SubscribeSuccess | Action::UnsubscribePending | Action::UnsubscribeSuccess => {
                "aws-mp-subscription-notification"
            }
            Action::EntitlementUpdated => "aws-mp-entitlement-notification",
        }
    }

    /// The actions that tell what the event of `family` tells.
    fn of(family: Family, agreement: &Agreement) -> Vec<Action> {
        match family {
            Family::LicenseUpdated => {
                let is_amended = agreement.updated_at != agreement.accepted_at;
                let is_new = agreement.intent == Intent::New && !is_amended;
                let has_contract = agreement.terms.terms.contract.is_some();
                let subscribed = is_new.then_some(Action::SubscribeSuccess);
                let entitled = has_contract.then_some(Action::EntitlementUpdated);
                subscribed.into_iter().chain(entitled).collect()
            }
            Family::AgreementEnded if ends_subscription(agreement) => {
                vec![Action::UnsubscribePending]
            }
            Family::LicenseDeprovisioned if ends_subscription(agreement) => {
                vec![Action::UnsubscribeSuccess]
            }
            Family::AgreementCreated
            | Family::AgreementAmended
            | Family::AgreementEnded
            | Family::LicenseDeprovisioned => Vec::new(),
        }
    }
}

/// Whether nothing goes on in an ended agreement's place.
const fn ends_subscription(agreement: &Agreement) -> bool {
    match agreement.status {
        AgreementStatus::Ended { how, .. } => match how {
            Ending::Cancelled | Ending::Expired | Ending::Terminated => true,
            Ending::Renewed | Ending::Replaced => false,
        },
        AgreementStatus::Scheduled | AgreementStatus::Active => false,
    }
}

/// What the messages are called where a fault names them.
pub(crate) fn kinds() -> impl Iterator<Item = &'static str> {
    Action::ALL.into_iter().map(Action::aws)
}

/// What an event or a message is called where a fault names it.
pub(crate) fn kind(told: &Value) -> String {
    let message = || {
        let message = told["Message"].as_str()?;
        let message: Value = serde_json::from_str(message).ok()?;
        message["action"].as_str().map(ToOwned::to_owned)
    };
    let detail_type = told["detail-type"].as_str().map(ToOwned::to_owned);
    detail_type.or_else(message).unwrap_or_default()
}

impl Inner {
    /// By what an older listing's messages and `ResolveCustomer` name a buyer: the
    /// same for all of their purchases of the product.
    pub(crate) fn customer_identifier(&self, buyer_account: &str) -> String {
        let of = format!("{}/{buyer_account}", self.config.product_code);
        format!("cust{:.11}", hex(&Sha256::digest(of)))
    }

    /// What the seller is told by at `at`: the event of `family` about `agreement`,
    /// SNS messages, or both.
    pub(crate) fn told(&self, family: Family, agreement: &Agreement, at: Timestamp) -> Vec<Value> {
        let mut told = Vec::new();
        if agreement.told_by.has_events() {
            told.push(self.event(family, agreement, at));
        }
        if agreement.told_by.is_older_listing() {
            let actions = Action::of(family, agreement).into_iter();
            told.extend(actions.map(|action| self.message(action, agreement, at)));
        }
        told
    }

    /// A message in SNS's envelope.
    fn message(&self, action: Action, agreement: &Agreement, at: Timestamp) -> Value {
        let product_code = &self.config.product_code;
        let mut message = json!({
            "action": action.aws(),
            "customer-identifier": self.customer_identifier(&agreement.buyer_account),
            "product-code": product_code,
        });
        if action != Action::EntitlementUpdated {
            let is_trial = agreement.terms.terms.free_days > 0;
            message["offer-identifier"] = json!(self.offer(agreement.offer).offer_id);
            message["isFreeTrialTermPresent"] = json!(is_trial.to_string());
        }
        json!({
            "Type": "Notification",
            "MessageId": self.ids.uuid(),
            "TopicArn": format!("arn:aws:sns:us-east-1:{TOPICS_OWNER}:{}-{product_code}", action.topic()),
            "Message": message.to_string(),
            "Timestamp": whole_seconds(at).to_string(),
        })
    }
}

//! What AWS says of the agreement that pays, told to people.

use domain::license::Notices;
use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};

use crate::layout::{day, time};

/// How long a buyer has to answer a request to cancel: then it is approved
/// (AWS Marketplace seller guide, "Events for cancellations").
const ANSWERED_WITHIN: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Notes for the top of a page; nothing where there is nothing to know.
pub(crate) fn notes(notices: &Notices, on_hold_since: Option<Timestamp>) -> Markup {
    html! {
        @if let Some(since) = on_hold_since {
            div.note.bad role="status" data-notice="hold" {
                strong { "AWS takes no usage of this subscription at the moment" }
                p { "Since " (time(since)) " AWS answers that the AWS account that pays is not subscribed, as it does of a suspended account. Protection goes on and nothing is lost: usage is sent again as soon as AWS takes it. Have whoever looks after that AWS account see to it with AWS." }
            }
        }
        @if let Some(since) = notices.advisory_since {
            div.note.warn role="status" data-notice="advisory" {
                strong { "AWS reports a problem with the AWS account that pays" }
                p { "Since " (time(since)) " AWS Marketplace has an advisory on the agreement, such as for an overdue payment. Have whoever looks after that AWS account see to it in the AWS Billing console: AWS may otherwise suspend the account." }
            }
        }
        @if let Some(at) = notices.cancellation_requested_at {
            div.note.warn role="status" data-notice="cancellation" {
                strong { "A cancellation of the agreement waits for an answer" }
                p {
                    "It was asked for on " (time(at)) ". The AWS account that pays can approve or reject it in AWS Marketplace, under Manage subscriptions"
                    @if let Ok(until) = at.checked_add(ANSWERED_WITHIN) { " until " (time(until)) "; without an answer it is approved" }
                    "."
                }
            }
        }
        @if let Some(end) = notices.ending.and_then(|ending| ending.ends_at) {
            div.note role="status" data-notice="ending" {
                strong { "The agreement ends on " (day(end)) }
                p { (renewal(notices)) }
            }
        }
    }
}

/// Whether the agreement goes on after its end.
pub(crate) fn renewal(notices: &Notices) -> &'static str {
    match (notices.renewal_certain_since, notices.auto_renewal) {
        (Some(_), _) => {
            "It renews by itself, and that can no longer be turned off: nothing is to be done."
        }
        (None, Some(true)) => {
            "It renews by itself, unless that is turned off in AWS Marketplace, under Manage subscriptions."
        }
        (None, Some(false)) => {
            "It does not renew by itself. Renew it in AWS Marketplace, or accept a new offer, so that everything goes on."
        }
        (None, None) => "AWS Marketplace shows, under Manage subscriptions, whether it renews.",
    }
}

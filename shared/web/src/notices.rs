//! What AWS says of the agreement that pays, told to people.

use app::usage_month::Held;
use domain::license::Notices;
use jiff::Timestamp;
use maud::{Markup, html};

use crate::layout::{day, grouped, time};

/// Notes for the top of a page; nothing where there is nothing to know.
/// `goes_on_from` is from when another agreement, bought already, takes this one's place.
pub(crate) fn notes(
    notices: &Notices,
    held: Option<&Held>,
    goes_on_from: Option<Timestamp>,
    now: Timestamp,
) -> Markup {
    html! {
        @if let Some(held) = held { (hold(held)) }
        @if let Some(since) = notices.advisory_since {
            div.note.warn role="status" data-notice="advisory" {
                strong { "AWS reports a problem with the AWS account that pays" }
                p { "Since " (time(since)) " AWS Marketplace has an advisory on the agreement, such as for an overdue payment. Have whoever looks after that AWS account see to it in the AWS Billing console: AWS may otherwise suspend the account." }
            }
        }
        @if let Some((at, until)) = notices.cancellation_open(now) {
            div.note.warn role="status" data-notice="cancellation" {
                strong { "A cancellation of the agreement waits for an answer" }
                p { "It was asked for on " (time(at)) ". The AWS account that pays can approve or reject it in AWS Marketplace, under Manage subscriptions until " (time(until)) "; without an answer it is approved." }
            }
        }
        @if let Some(end) = notices.ending.and_then(|ending| ending.ends_at) {
            div.note role="status" data-notice="ending" {
                strong { "The agreement ends on " (day(end)) }
                p { (renewal(notices, goes_on_from)) }
            }
        }
    }
}

/// That AWS takes no usage, until when that loses nothing, and what it lost.
fn hold(held: &Held) -> Markup {
    html! {
        div.note.bad role="status" data-notice="hold" {
            strong { "AWS takes no usage of this subscription at the moment" }
            p { "Since " (time(held.since)) " AWS answers that the AWS account that pays is not subscribed, as it does of a suspended account. Protection goes on. Have whoever looks after that AWS account see to it with AWS: usage is sent again as soon as AWS takes it." }
            @if held.lost > 0 {
                p { strong { (grouped(held.lost)) @if held.lost == 1 { " computer-hour" } @else { " computer-hours" } } " had to be sent to AWS before now and can be no more: they will not be charged." }
            }
            @match held.safe_until {
                Some(until) if held.lost > 0 => p { "Of what waits now, nothing is lost if AWS takes it again before " (time(until)) "." },
                Some(until) => p { "Nothing is lost if AWS takes usage again before " (time(until)) "." },
                None => p { "No usage waits at the moment." },
            }
        }
    }
}

/// Whether the agreement goes on after its end.
pub(crate) fn renewal(notices: &Notices, goes_on_from: Option<Timestamp>) -> Markup {
    html! {
        @match goes_on_from {
            Some(from) => { "It goes on from " (time(from)) " under the next agreement, which is bought already: nothing is to be done." }
            None => (by_itself(notices)),
        }
    }
}

/// Whether the agreement renews by itself.
const fn by_itself(notices: &Notices) -> &'static str {
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

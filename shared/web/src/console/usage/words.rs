//! Metering statuses and reasons in the words of the pages and the exports.

use app::usage_month::MeteringStatus;
use domain::ledger::account_hour::{Unbillable, WriteOff};
use maud::{Markup, html};

/// Why computer-hours are not charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::console) enum Reason {
    /// No license paid.
    Unlicensed(Unbillable),
    /// A license paid, and AWS does not charge it after all.
    Uncharged(MeteringStatus),
}

pub(in crate::console) fn status_text(status: MeteringStatus) -> &'static str {
    match status {
        MeteringStatus::Open => "open",
        MeteringStatus::Held => "held",
        MeteringStatus::AwaitsCover => "waits for AWS",
        MeteringStatus::Sent => "sent",
        MeteringStatus::Accepted => "accepted by AWS",
        MeteringStatus::Refused => "refused by AWS",
        MeteringStatus::Conflict => "in clarification with AWS",
        MeteringStatus::Unknown => "AWS’s answer is being found out",
        MeteringStatus::Included => "prepaid",
        MeteringStatus::NotAccepted | MeteringStatus::WrittenOff(_) => "written off",
    }
}

/// What a status means, for whoever reads it the first time.
pub(super) fn status_meaning(status: MeteringStatus) -> &'static str {
    match status {
        MeteringStatus::Open => "not sent to AWS yet",
        MeteringStatus::Held => "waits until AWS takes usage of the paying AWS account again",
        MeteringStatus::AwaitsCover => {
            "not sent until AWS says what the contract covers, for 24 hours at most"
        }
        MeteringStatus::Sent => "sent, and AWS has not answered yet",
        MeteringStatus::Accepted => "will be on AWS’s invoice",
        MeteringStatus::Refused => "will not be on AWS’s invoice",
        MeteringStatus::Conflict => "AWS has other usage for the same hour",
        MeteringStatus::Unknown => "may be on AWS’s invoice; it is never sent twice",
        MeteringStatus::Included => "covered by the contract, so not metered",
        MeteringStatus::NotAccepted | MeteringStatus::WrittenOff(_) => "will never be charged",
    }
}

pub(super) fn status_badge(status: MeteringStatus) -> Markup {
    let colour = match status {
        MeteringStatus::Open => "",
        MeteringStatus::Sent => "info",
        MeteringStatus::Accepted | MeteringStatus::Included => "good",
        MeteringStatus::Held
        | MeteringStatus::AwaitsCover
        | MeteringStatus::Conflict
        | MeteringStatus::Unknown => "warn",
        MeteringStatus::Refused | MeteringStatus::NotAccepted | MeteringStatus::WrittenOff(_) => {
            "bad"
        }
    };
    html! { span class={ "badge " (colour) } { (status_text(status)) } }
}

pub(in crate::console) fn reason_text(reason: Reason) -> &'static str {
    match reason {
        Reason::Unlicensed(Unbillable::Trial) => "The account was in its trial",
        Reason::Unlicensed(Unbillable::Annual) => "Covered by the annual subscription",
        Reason::Unlicensed(Unbillable::Grace) => "The account was in its 48 hours of grace",
        Reason::Unlicensed(Unbillable::Expired) => domain::account::EXPIRED_LABEL,
        Reason::Unlicensed(Unbillable::Suspended) => "The account was deleted",
        Reason::Unlicensed(Unbillable::AgentOffline) => {
            "Outside any cloud connector, and its agent was offline for the whole hour"
        }
        Reason::Uncharged(status) => match status {
            MeteringStatus::WrittenOff(WriteOff::LicenseEnded) => {
                "The subscription had ended in AWS"
            }
            MeteringStatus::WrittenOff(WriteOff::TooLate) => {
                "AWS takes no usage so long after its hour"
            }
            MeteringStatus::WrittenOff(WriteOff::Restored) => {
                "It may have been charged before, so it is not charged again"
            }
            MeteringStatus::Refused => "AWS refused it until its deadline",
            MeteringStatus::NotAccepted => "AWS had not accepted it, and takes it no more",
            MeteringStatus::Included => "Covered by the prepaid part of the contract",
            MeteringStatus::Open
            | MeteringStatus::Held
            | MeteringStatus::AwaitsCover
            | MeteringStatus::Sent
            | MeteringStatus::Accepted
            | MeteringStatus::Conflict
            | MeteringStatus::Unknown => "Not charged by AWS",
        },
    }
}

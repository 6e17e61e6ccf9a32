//! Looking up who pays for what.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use app::support::{AccountFile, LicenseFile, Paid, Subject};
use app::{App, StepError};
use domain::audit::Actor;
use domain::ids::{AccountId, AgreementId, AwsAccountId, LicenseId};
use domain::license::{License, LicenseStatus};
use domain::linking::{Link, UnlinkCause};
use jiff::Timestamp;
use serde_json::json;
use store::TableFault;

use crate::refused::Refused;

pub(crate) async fn account(
    app: &App,
    id: &AccountId,
    at: Option<Timestamp>,
) -> Result<String, Refused> {
    let file = app.account_file(id).await.map_err(StepError::from)?;
    let file = file.ok_or_else(|| Refused::NoAccount(id.clone()))?;
    let mut text = account_text(&file);
    if let Some(at) = at {
        let then = app.paid_at(&file, at).await.map_err(StepError::from)?;
        let payer = then.map_or_else(|| "nobody through AWS Marketplace".to_owned(), paid_then);
        let _ = write!(text, "\nAt {at}: {payer}");
    }
    Ok(text)
}

/// That the tables are whole.
pub(crate) async fn tables(app: &App) -> Result<String, Refused> {
    let faults = app.store.table_faults().await.map_err(StepError::from)?;
    if faults.is_empty() {
        return Ok(
            "The tables have the keys, indexes, stream and time to live that are needed."
                .to_owned(),
        );
    }
    Err(refused(&faults))
}

/// That nothing in the way of a change is wrong with the tables.
pub(crate) async fn usable_tables(app: &App) -> Result<(), Refused> {
    let mut in_the_way = app.store.table_faults().await.map_err(StepError::from)?;
    in_the_way.retain(TableFault::is_in_the_way);
    if in_the_way.is_empty() {
        return Ok(());
    }
    Err(refused(&in_the_way))
}

fn refused(faults: &[TableFault]) -> Refused {
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    Refused::Tables(faults.join("; "))
}

/// A line for each event, as its consumers get it.
pub(crate) async fn events(app: &App, id: &AccountId) -> Result<String, Refused> {
    let events = app.events_of(id).await.map_err(StepError::from)?;
    let events = events.ok_or_else(|| Refused::NoAccount(id.clone()))?;
    let lines = events.iter().map(|event| {
        let detail = json!(event);
        json!({ "detail-type": event.name(), "detail": detail }).to_string()
    });
    Ok(lines.collect::<Vec<String>>().join("\n"))
}

/// A line for each thing that AWS told, the earliest first.
pub(crate) async fn told(app: &App, of: &Subject) -> Result<String, Refused> {
    let told = app.told_of(of).await.map_err(StepError::from)?;
    if told.is_empty() {
        return match of {
            Subject::Agreement(agreement) => Err(Refused::NothingTold(agreement.to_string())),
            Subject::License(license) => Err(Refused::NothingTold(license.to_string())),
            Subject::Day(_) => Ok("AWS told nothing on that day that names no license.".to_owned()),
        };
    }
    let lines = told.iter().map(|told| {
        let passed_over = told
            .without_effect
            .as_ref()
            .map(|why| format!("; changes nothing: {why}"));
        let details = match told.details.join(", ") {
            none if none.is_empty() => none,
            details => format!(": {details}"),
        };
        format!(
            "{} {}{}{details} (learned {}){}",
            told.at,
            told.what,
            told.about
                .as_ref()
                .map(|about| format!(" of {about}"))
                .unwrap_or_default(),
            told.learned_at,
            passed_over.unwrap_or_default(),
        )
    });
    Ok(lines.collect::<Vec<String>>().join("\n"))
}

pub(crate) async fn license(app: &App, id: &LicenseId) -> Result<String, Refused> {
    let file = app.license_file(id).await.map_err(StepError::from)?;
    let file = file.ok_or_else(|| Refused::NoLicense(id.clone()))?;
    Ok(license_text(&file))
}

pub(crate) async fn agreement(app: &App, id: &AgreementId) -> Result<String, Refused> {
    let licenses = app.licenses_of_agreement(id).await;
    let text = licenses_text(app, licenses.map_err(StepError::from)?).await?;
    text.ok_or_else(|| Refused::NoAgreement(id.clone()))
}

pub(crate) async fn aws_account(app: &App, id: &AwsAccountId) -> Result<String, Refused> {
    let licenses = app.licenses_of_buyer(id).await;
    let text = licenses_text(app, licenses.map_err(StepError::from)?).await?;
    text.ok_or_else(|| Refused::NoBuyer(id.clone()))
}

/// All that is known of licenses; `None` when nothing is.
async fn licenses_text(
    app: &App,
    licenses: BTreeSet<LicenseId>,
) -> Result<Option<String>, Refused> {
    let mut texts = Vec::new();
    for license in licenses {
        let file = app.license_file(&license).await.map_err(StepError::from)?;
        texts.extend(file.as_ref().map(license_text));
    }
    Ok((!texts.is_empty()).then(|| texts.join("\n\n")))
}

fn account_text(file: &AccountFile) -> String {
    let account = &file.account;
    let state = account.state_at(file.as_of);
    let until = state
        .ends_at()
        .map_or_else(String::new, |until| format!(" until {until}"));
    let mut text = format!(
        "{} ({}), opened {}: {}{until}",
        account.name,
        account.id,
        account.opened_at,
        state.standing().label(),
    );
    for member in &file.members {
        let _ = write!(text, "\nmember {}, {}", member.user, member.role.as_str());
    }
    for (link, license) in &file.links {
        let _ = write!(text, "\n{}: {}", span(link), paid(link, license.as_ref()));
    }
    if file.links.is_empty() {
        text.push_str("\nNo license was ever linked to it.");
    }
    text
}

/// Under the agreement of that time, not today's.
fn paid_then(paid: Paid) -> String {
    let license = paid.license.map(|license| License {
        agreement: paid.agreement,
        ..license
    });
    self::paid(&paid.link, license.as_ref())
}

fn license_text(file: &LicenseFile) -> String {
    let license = &file.license;
    let status = match &license.status {
        LicenseStatus::Pending => "not active yet".to_owned(),
        LicenseStatus::Active { since } => format!("active since {since}"),
        LicenseStatus::Ended { end, .. } if license.notices.ended_by == Some(end.ended_at) => {
            format!("ended by {} (AWS does not tell exactly when)", end.ended_at)
        }
        LicenseStatus::Ended { end, .. } => format!("ended {}", end.ended_at),
    };
    let mut text = format!("{}, {status}: {}", license.arn, buyer(license));
    for link in &file.links {
        let _ = write!(
            text,
            "\n{}: paid for account {}{}",
            span(link),
            link.account,
            by(link)
        );
    }
    if license.linked.is_none() {
        text.push_str("\nIt is linked to no account now.");
    }
    text
}

fn paid(link: &Link, license: Option<&License>) -> String {
    let payer = license.map_or_else(|| "an unknown buyer".to_owned(), buyer);
    format!("{payer}, by license {}{}", link.license, by(link))
}

fn buyer(license: &License) -> String {
    let agreement = license.agreement.as_ref().map_or_else(
        || "an agreement not told yet".to_owned(),
        |id| format!("agreement {id}"),
    );
    format!("AWS account {} under {agreement}", license.buyer)
}

fn span(link: &Link) -> String {
    let until = link
        .until
        .map_or_else(|| "now".to_owned(), |until| until.to_string());
    format!("from {} until {until}", link.from)
}

/// Who linked it, and how the link ended.
fn by(link: &Link) -> String {
    let mut text = format!(", linked by {}", actor(&link.linked_by));
    if let Some(end) = &link.unlinked {
        let cause = match end.cause {
            UnlinkCause::Relinked => "linked to another account",
            UnlinkCause::PayerChanged => "another license was linked",
            UnlinkCause::Unlinked => "unlinked",
            UnlinkCause::AgreementEnded => "the agreement ended",
            UnlinkCause::AgreementUnanswered => {
                "AWS did not say for 24 hours under which agreement it goes on"
            }
            UnlinkCause::Succeeded => "another license goes on in its place",
            UnlinkCause::AccountDeleted => "the account was deleted",
        };
        let _ = write!(text, "; {cause}, by {}", actor(&end.by));
    }
    text
}

fn actor(actor: &Actor) -> String {
    match actor {
        Actor::User { email } => email.to_string(),
        Actor::Support {
            email,
            grounds,
            approved_by,
        } => {
            let (ticket, reason) = (grounds.ticket.as_str(), grounds.reason.as_str());
            let mut text = format!("{email} of support (ticket {ticket}: {reason})");
            if let Some(second) = approved_by {
                let _ = write!(text, ", approved by {second}");
            }
            text
        }
        Actor::Aws { event } => format!("AWS (event {event})"),
        Actor::Asked => "AWS, when it was asked".to_owned(),
        Actor::Unanswered => "AWS's silence of 24 hours on how it goes on".to_owned(),
        Actor::Buyer => "the buyer".to_owned(),
        Actor::Product => "the product".to_owned(),
        Actor::Clock => "the clock".to_owned(),
    }
}

//! The commands that change something: what they will do, and doing it.

use std::fmt::Write as _;

use app::catching_up::{CatchingUp, Found, Scope, in_words};
use app::{App, Done, OperationError, RecordName, StepError};
use domain::hour::{Hour, before};
use domain::ids::{AccountId, Dimension, LicenseId, ProductCode, UserEmail};
use domain::ledger::controls::{Controls, Forgotten};
use domain::ledger::record::{CloseReason, Finding, Record, RecordState};
use jiff::{SignedDuration, Timestamp};
use store::REPORTS_KEPT_FOR;

use crate::refused::Refused;
use crate::words;

/// How far back point-in-time recovery reaches (DynamoDB's documentation).
const RECOVERABLE_FOR: SignedDuration = SignedDuration::from_hours(35 * 24);

/// A change that an operator asks for.
pub(crate) enum Change {
    /// A product's sending stops, or goes on.
    Switch { product: ProductCode, stopped: bool },
    /// The table was restored.
    Restored { from: Timestamp, until: Timestamp },
    /// An unknown outcome was found out.
    Resolve {
        record: RecordName,
        finding: Finding,
    },
    /// A record is given up.
    GiveUp { record: RecordName },
    /// What AWS lists and no event told is learned.
    CatchUp,
    /// An e-mail address may belong to another user of the issuer.
    Unpin { email: UserEmail },
    /// An account's hour is posted again.
    Post { account: AccountId, hour: Hour },
    /// A hold ends.
    EndHold { license: LicenseId },
    /// A contract covers a period.
    Include {
        license: LicenseId,
        dimension: Dimension,
        period: (Timestamp, Timestamp),
        computer_hours: u64,
    },
}

/// What a change will do.
pub(crate) enum Plan {
    /// Nothing: it is so.
    Already(String),
    /// This.
    Will(String),
}

impl Change {
    /// What the change will do, as things are now.
    pub(crate) async fn plan(&self, app: &App) -> Result<Plan, Refused> {
        match self {
            Self::Switch { product, stopped } => plan_switch(app, product, *stopped).await,
            Self::Restored { from, until } => {
                plan_restored(app, forgotten(app, *from, *until)?).await
            }
            Self::Resolve { record, finding } => plan_resolve(app, record, finding).await,
            Self::GiveUp { record } => plan_give_up(app, record).await,
            Self::CatchUp => plan_catch_up(app).await,
            Self::Unpin { email } => plan_unpin(app, email).await,
            Self::Post { account, hour } => plan_post(app, account, *hour).await,
            Self::EndHold { license } => plan_end_hold(app, license).await,
            Self::Include {
                license,
                dimension,
                period,
                computer_hours,
            } => plan_include(app, license, dimension, *period, *computer_hours).await,
        }
    }

    /// Does it: one call into the use cases, each of which decides again.
    pub(crate) async fn carry_out(&self, app: &App) -> Result<String, Refused> {
        match self {
            Self::Switch { product, stopped } => {
                let done = app.switch_sending(product, *stopped).await?;
                Ok(said(done, &switched(product, *stopped)))
            }
            Self::Restored { from, until } => {
                let forgotten = forgotten(app, *from, *until)?;
                let done = app.restored(forgotten).await?;
                let from = first(forgotten, |hour| only(forgotten).usage_in_doubt(hour));
                let text = format!(
                    "the ledger knows of the restore. From the next run of the submission on, `admin unknown` \
                     lists the records that it closes, and `admin written-off --from {from} --until {}` \
                     the usage that is in none",
                    forgotten.until
                );
                Ok(said(done, &text))
            }
            Self::Resolve { record, finding } => {
                let resolved = app.resolve(record, finding).await?;
                Ok(said(Done::Changed, &is_now(&resolved)))
            }
            Self::GiveUp { record } => {
                let closed = app.give_up(record).await?;
                Ok(said(Done::Changed, &is_now(&closed)))
            }
            Self::CatchUp => {
                let run = caught_up(app, Found::Learned).await?;
                Ok(said(Done::Changed, &listed(&run)))
            }
            Self::Unpin { email } => {
                let unpinned = app.unpin(email).await.map_err(StepError::from);
                let unpinned = unpinned.map_err(OperationError::Store)?;
                let done = if unpinned {
                    Done::Changed
                } else {
                    Done::Already
                };
                Ok(said(done, &unpinned_text(email)))
            }
            Self::Post { account, hour } => {
                app.post_again(account, *hour).await?;
                let text = format!("{account}'s hour {hour} is posted again by the next run");
                Ok(said(Done::Changed, &text))
            }
            Self::EndHold { license } => {
                let done = app.end_hold(license).await;
                let done = done.map_err(OperationError::Store)?;
                Ok(said(done, &format!("{license} is not on hold")))
            }
            Self::Include {
                license,
                dimension,
                period,
                computer_hours,
            } => {
                let granting = app.grant_included(license, dimension, *period, *computer_hours);
                let text = covers(license, dimension, *period, *computer_hours);
                let granted = granting.await.map_err(OperationError::from)?;
                Ok(said(granted, &text))
            }
        }
    }
}

fn said(done: Done, text: &str) -> String {
    match done {
        Done::Changed => format!("Done: {text}"),
        Done::Already => format!("Already so: {text}"),
    }
}

fn is_now(record: &Record) -> String {
    format!(
        "{} is {}",
        words::named(record),
        words::state(&record.state)
    )
}

fn switched(product: &ProductCode, stopped: bool) -> String {
    if stopped {
        format!("the sending of {product} is stopped; posting goes on")
    } else {
        format!("the sending of {product} goes on")
    }
}

async fn plan_switch(app: &App, product: &ProductCode, stopped: bool) -> Result<Plan, Refused> {
    let sold = &app.settings.subscriptions.products;
    if !sold.contains(product) {
        let sold: Vec<&str> = sold.iter().map(ProductCode::as_str).collect();
        return Err(Refused::NotSold {
            product: product.clone(),
            sold: sold.join(", "),
        });
    }
    let controls = app.controls().await?;
    Ok(if controls.stopped.contains(product) == stopped {
        Plan::Already(switched(product, stopped))
    } else if stopped {
        Plan::Will(format!(
            "Stops the sending of {product}: no slot is frozen and no record sent, from the next call on. \
             Posting goes on; what stays open is carried 10 minutes before its deadline, \
             what is frozen closes at its deadline."
        ))
    } else {
        Plan::Will(format!(
            "Lets the sending of {product} go on: whatever is due is frozen and sent within 15 minutes \
             (`admin dry-run` lists it)."
        ))
    })
}

async fn plan_catch_up(app: &App) -> Result<Plan, Refused> {
    let run = caught_up(app, Found::Told).await?;
    Ok(if run.repaired.is_empty() {
        Plan::Already(listed(&run))
    } else {
        Plan::Will(format!(
            "Learns what AWS says of these agreements and no event told. {}",
            listed(&run)
        ))
    })
}

/// All agreements, however long that takes: whoever waits can stop it.
async fn caught_up(app: &App, found: Found) -> Result<CatchingUp, Refused> {
    let run = app.catch_up(Scope::All, found, Timestamp::MAX).await;
    run.map_err(|error| Refused::NotListed(Box::new(error)))
}

fn listed(run: &CatchingUp) -> String {
    let otherwise = match run.repaired.len() {
        0 => "as events told".to_owned(),
        n => format!("{n} of them otherwise than events told"),
    };
    let failed = match run.failed + run.unreadable {
        0 => String::new(),
        n => format!("; {n} could not be looked at, the log says why"),
    };
    let agreements = match run.listed {
        1 => "1 agreement".to_owned(),
        n => format!("{n} agreements"),
    };
    let mut text = format!("AWS lists {agreements} of these products, {otherwise}{failed}");
    for (agreement, differences) in &run.repaired {
        let _ = write!(text, "\n- {agreement}: {}", in_words(differences));
    }
    text
}

/// The interval, which lies in the past: an hour to come was not sent.
fn forgotten(app: &App, from: Timestamp, until: Timestamp) -> Result<Forgotten, Refused> {
    let now = app.clock.now();
    if until > now {
        return Err(Refused::Instants("--until must not lie ahead"));
    }
    if from < before(now, RECOVERABLE_FOR) {
        return Err(Refused::Instants(
            "--from must be of the last 35 days, to which DynamoDB restores a table",
        ));
    }
    Forgotten::new(from, until).map_err(|_| Refused::Instants("--until must be after --from"))
}

async fn plan_restored(app: &App, forgotten: Forgotten) -> Result<Plan, Refused> {
    let controls = app.controls().await?;
    if controls.forgotten.contains(&forgotten) {
        return Ok(Plan::Already(format!(
            "the ledger knows of the restore to {} and what ran until {}",
            forgotten.from, forgotten.until
        )));
    }
    let mut products = app.settings.subscriptions.products.iter();
    if let Some(product) = products.find(|product| !controls.stopped.contains(*product)) {
        return Err(Refused::NotStopped(product.clone()));
    }
    let only = only(forgotten);
    let usage = first(forgotten, |hour| only.usage_in_doubt(hour));
    let text = format!(
        "The table was restored to {}; what worked on the lost one may have sent until {}. For ever:\n\
         - Every slot up to {} that is not settled in this table closes as unknown, \
         whether it is frozen, open or not there: it may have been sent. None is sent again.\n\
         - Usage of the hours from {usage} on up to {} that is posted from now on closes as unknown too, \
         and is never carried into a later slot: it may have been billed.",
        forgotten.from, forgotten.until, forgotten.until, forgotten.until
    );
    Ok(Plan::Will(text))
}

/// What an operator decided, were it this alone.
fn only(forgotten: Forgotten) -> Controls {
    Controls {
        forgotten: vec![forgotten],
        ..Controls::default()
    }
}

/// The first of the hours before a restored point that are in doubt.
fn first(forgotten: Forgotten, in_doubt: impl Fn(Hour) -> bool) -> Hour {
    let mut hour = Hour::of(forgotten.from);
    while in_doubt(hour.previous()) {
        hour = hour.previous();
    }
    hour
}

async fn read(app: &App, name: &RecordName) -> Result<Record, Refused> {
    app.record(name).await?.ok_or(Refused::NoRecord)
}

async fn plan_resolve(app: &App, name: &RecordName, finding: &Finding) -> Result<Plan, Refused> {
    let record = read(app, name).await?;
    if let RecordState::Closed {
        reason: CloseReason::Unknown,
        ..
    } = record.state
    {
        let becomes = match finding {
            Finding::Accepted {
                metering_record_id: Some(id),
            } => format!("billed, as AWS's metering record {id}"),
            Finding::Accepted {
                metering_record_id: None,
            } => "billed".to_owned(),
            Finding::NotAccepted => "not accepted, and is written off".to_owned(),
        };
        return Ok(Plan::Will(format!(
            "{} was of unknown outcome; it counts as {becomes}. It is never sent again, and this is final.",
            words::named(&record)
        )));
    }
    if agrees(&record.state, finding) {
        Ok(Plan::Already(is_now(&record)))
    } else {
        Err(Refused::State(is_now(&record)))
    }
}

/// Whether a record is what the finding would make of it.
fn agrees(state: &RecordState, finding: &Finding) -> bool {
    match (state, finding) {
        (
            RecordState::Billed {
                metering_record_id: known,
                ..
            },
            Finding::Accepted { metering_record_id },
        ) => metering_record_id.is_none() || metering_record_id == known,
        (
            RecordState::Closed {
                reason: CloseReason::WrittenOff,
                ..
            },
            Finding::NotAccepted,
        ) => true,
        (
            RecordState::Frozen { .. } | RecordState::Billed { .. } | RecordState::Closed { .. },
            Finding::Accepted { .. } | Finding::NotAccepted,
        ) => false,
    }
}

async fn plan_give_up(app: &App, name: &RecordName) -> Result<Plan, Refused> {
    let record = read(app, name).await?;
    Ok(match &record.state {
        RecordState::Frozen { .. } => Plan::Will(format!(
            "Closes {} as {}, after {} attempts. It is never sent again.",
            words::named(&record),
            if record.unanswered == 0 {
                "refused".to_owned()
            } else {
                format!(
                    "of unknown outcome, for {} have no answer",
                    record.unanswered
                )
            },
            record.attempts
        )),
        RecordState::Closed { .. } => Plan::Already(is_now(&record)),
        RecordState::Billed { .. } => return Err(Refused::State(is_now(&record))),
    })
}

async fn plan_post(app: &App, account: &AccountId, hour: Hour) -> Result<Plan, Refused> {
    let now = app.clock.now();
    if hour.end() > now {
        return Err(Refused::Instants("HOUR must be over"));
    }
    if hour.start() < before(now, REPORTS_KEPT_FOR) {
        return Err(Refused::Instants(
            "HOUR must be of the last 35 days, for which reports are kept",
        ));
    }
    if app
        .store
        .account(account)
        .await
        .map_err(StepError::from)?
        .is_none()
    {
        return Err(Refused::NoAccount(account.clone()));
    }
    Ok(Plan::Will(format!(
        "Has all reports of {account}'s hour {hour} posted again within a minute. \
         What is posted already stays as it is."
    )))
}

async fn plan_unpin(app: &App, email: &UserEmail) -> Result<Plan, Refused> {
    Ok(if app.is_pinned(email).await.map_err(StepError::from)? {
        Plan::Will(format!(
            "Whoever signs in next as {email} has its memberships: do this only for a person whom the issuer \
                 had to make anew, and who showed that the address is theirs. Sessions of before end within 12 hours."
        ))
    } else {
        Plan::Already(unpinned_text(email))
    })
}

fn unpinned_text(email: &UserEmail) -> String {
    format!("{email} belongs to whoever signs in with it next")
}

async fn plan_end_hold(app: &App, license: &LicenseId) -> Result<Plan, Refused> {
    Ok(match app.hold(license).await? {
        None if app.license(license).await?.is_none() => {
            return Err(Refused::NoLicense(license.clone()));
        }
        None => Plan::Already(format!("{license} is not on hold")),
        Some(hold) => Plan::Will(format!(
            "Ends the hold of {license} since {}: its usage is frozen and sent again within 15 minutes. \
             The hold begins again if AWS still does not know the buyer as subscribed.",
            hold.since
        )),
    })
}

fn covers(
    license: &LicenseId,
    dimension: &Dimension,
    (from, until): (Timestamp, Timestamp),
    computer_hours: u64,
) -> String {
    format!(
        "the contract of {license} covers {computer_hours} computer-hours of {dimension} from {from} until {until}"
    )
}

async fn plan_include(
    app: &App,
    license: &LicenseId,
    dimension: &Dimension,
    (from, until): (Timestamp, Timestamp),
    computer_hours: u64,
) -> Result<Plan, Refused> {
    if from >= until {
        return Err(Refused::Instants("--until must be after --from"));
    }
    let catalog = &app.settings.rules.catalog;
    if catalog.rate_of(dimension).is_none() {
        let metered = catalog.rates().iter().map(|rate| rate.dimension.as_str());
        return Err(Refused::NotMetered {
            dimension: dimension.clone(),
            metered: metered.collect::<Vec<_>>().join(", "),
        });
    }
    if !catalog.has_contracts() {
        return Err(Refused::NoContracts);
    }
    let known = app.license(license).await?;
    let known = known.ok_or_else(|| Refused::NoLicense(license.clone()))?;
    let answered = known.entitlements.as_ref();
    if known.agreement_ends_at.is_none() && answered.is_some_and(|one| one.grants.is_empty()) {
        return Err(Refused::NoContract(license.clone()));
    }
    let periods = app.included(license).await?;
    let mut periods = periods.iter().filter(|p| p.dimension == *dimension);
    let other = periods
        .clone()
        .find(|p| p.from != from && p.from < until && from < p.until);
    if let Some(other) = other {
        return Err(Refused::Overlaps(format!(
            "the period from {} until {}",
            other.from, other.until
        )));
    }
    let text = covers(license, dimension, (from, until), computer_hours);
    Ok(match periods.find(|p| p.from == from) {
        Some(known) if known.until == until && known.granted == computer_hours => {
            Plan::Already(format!("{text}; {} are left", known.left()))
        }
        Some(known) => Plan::Will(format!(
            "From the next freeze on {text}. Until now it was {} until {}; the {} that are used stay used.",
            known.granted, known.until, known.used
        )),
        None => Plan::Will(format!(
            "From the next freeze on {text}: they are used up before anything of it is metered."
        )),
    })
}

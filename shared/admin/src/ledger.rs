//! Looking into the ledger: an account's hour, and whether all of it adds up.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use app::month::Month;
use app::usage_month::{MeteringStatus, UsageHour};
use app::{App, Conservation, Scope, StepError};
use domain::hour::Hour;
use domain::ids::AccountId;
use domain::ledger::account_hour::{Unbillable, WriteOff};
use jiff::{SignedDuration, Timestamp};

use crate::refused::Refused;
use crate::words;
use crate::{Answer, Ended};

/// The longest interval that is checked at once: each account's slots are read for all
/// of it, and a mistyped year would be read for hours.
const MOST_HOURS: i32 = 72;

/// What an account's hour was billed as, and the records that it went into.
pub(crate) async fn hour(app: &App, account: &AccountId, hour: Hour) -> Result<String, Refused> {
    let known = app.store.account(account).await.map_err(StepError::from)?;
    if known.is_none() {
        return Err(Refused::NoAccount(account.clone()));
    }
    let month = app.usage_month(account, Month::of(hour.start())).await;
    let mut hours = month.map_err(StepError::from)?.hours.into_iter();
    let Some(usage) = hours.find(|usage| usage.hour == hour) else {
        return Ok(format!(
            "Nothing of {account} is posted in the hour {hour}: it was not reported, or has not \
             closed, 10 minutes after its end."
        ));
    };
    let mut text = format!("{account} in the hour {hour}:");
    for line in of_hour(&usage) {
        let _ = write!(text, "\n{line}");
    }
    let names = usage.lines.iter().map(|line| {
        let slot = line.billed_in.unwrap_or(hour);
        (line.license.clone(), slot, line.dimension.clone())
    });
    for name in names.collect::<BTreeSet<_>>() {
        if let Some(record) = app.record(&name).await? {
            let (named, state) = (words::named(&record), words::state(&record.state));
            let _ = write!(text, "\nrecord {named}  {state}");
        }
    }
    Ok(text)
}

fn of_hour(usage: &UsageHour) -> Vec<String> {
    let lines = usage.lines.iter().map(|line| {
        let cloud_account = line.cloud_account.as_ref().map(ToString::to_string);
        let slot = line
            .billed_in
            .map(|slot| format!(", in the slot of {slot}"));
        format!(
            "{}  {}  cloud account {}  computer-hours {}  {}{}",
            line.license,
            line.dimension,
            cloud_account.as_deref().unwrap_or("-"),
            line.count,
            status(line.status),
            slot.unwrap_or_default()
        )
    });
    let unbillable = usage.unbillable.iter();
    let unbillable = unbillable.map(|(reason, count)| {
        format!(
            "not billed  computer-hours {count}  {}",
            not_billed(*reason)
        )
    });
    lines.chain(unbillable).collect()
}

fn status(status: MeteringStatus) -> &'static str {
    match status {
        MeteringStatus::Open => "not sent yet",
        MeteringStatus::Held => "waiting: the license is on hold",
        MeteringStatus::AwaitsCover => "waiting: AWS has not said what the contract covers",
        MeteringStatus::Sent => "frozen, without AWS's last word",
        MeteringStatus::Accepted => "accepted by AWS",
        MeteringStatus::Refused => "refused by AWS",
        MeteringStatus::Conflict => "in conflict with another record that AWS holds",
        MeteringStatus::Unknown => "of unknown outcome",
        MeteringStatus::NotAccepted => "not accepted and written off",
        MeteringStatus::Included => "covered by the contract",
        MeteringStatus::WrittenOff(WriteOff::LicenseEnded) => "written off: the license had ended",
        MeteringStatus::WrittenOff(WriteOff::TooLate) => "written off: too late",
        MeteringStatus::WrittenOff(WriteOff::Restored) => "written off: in a restored interval",
    }
}

fn not_billed(reason: Unbillable) -> &'static str {
    match reason {
        Unbillable::Trial => "in the trial",
        Unbillable::Annual => "under an annual subscription",
        Unbillable::Grace => "in the 48 hours of grace",
        Unbillable::Expired => "after trial or subscription expired",
        Unbillable::Suspended => "while the account was suspended",
        Unbillable::AgentOffline => "the agent was offline for the whole hour",
    }
}

/// Whether everything that was reported of the hours that an interval touches is
/// billed, waiting or closed for a reason; by default those of the last day.
pub(crate) async fn conservation(
    app: &App,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
) -> Result<Answer, Refused> {
    let until = until.unwrap_or_else(|| app.clock.now());
    let day_before = until.saturating_add(SignedDuration::from_hours(-24));
    let from = from.unwrap_or(day_before.unwrap_or(Timestamp::MIN));
    if from >= until {
        return Err(Refused::Instants("--until must be after --from"));
    }
    let first = Hour::of(from);
    let hours: Vec<Hour> = (0..=MOST_HOURS)
        .map(|n| first.plus(n))
        .take_while(|hour| hour.start() < until)
        .collect();
    if hours.len() > usize::try_from(MOST_HOURS).unwrap_or(usize::MAX) {
        return Err(Refused::Instants(
            "--from and --until must be at most 72 hours apart",
        ));
    }
    let scope = Scope::every_account(&hours);
    let found = app.check_conservation(&scope, Timestamp::MAX).await?;
    let ended = if !found.differences.is_empty() {
        Ended::Differs
    } else if found.unchecked > 0 {
        Ended::NotCompared
    } else {
        Ended::Done
    };
    let text = of_check(&found, first, hours.last().copied().unwrap_or(first));
    Ok(Answer { text, ended })
}

fn of_check(found: &Conservation, first: Hour, last: Hour) -> String {
    let (sums, written_off, closed) = (found.sums, found.sums.written_off, found.sums.closed);
    let mut text = format!(
        "The hours {first} to {last} that have closed, accounts with usage: {}\n\
         computers reported {}, computer-hours to be paid for {}, of those given back {}, not billed {}\n\
         open {}, frozen {}, billed {}, covered by contracts {}\n\
         written off {}, closed as refused {}, in conflict {}, unknown {}",
        found.accounts,
        sums.reported,
        sums.lines,
        sums.released,
        sums.unbillable,
        sums.open,
        sums.frozen,
        sums.billed,
        sums.included,
        written_off.license_ended
            + written_off.too_late
            + written_off.restored
            + written_off.not_accepted,
        closed.refused,
        closed.conflict,
        closed.unknown,
    );
    if found.unchecked > 0 {
        let _ = write!(
            text,
            "\nNot checked, for too many differ: {} accounts",
            found.unchecked
        );
    }
    if found.differences.is_empty() {
        text.push_str("\nIt adds up.");
        return text;
    }
    let _ = write!(text, "\nDifferences: {}", found.differences.count());
    for difference in &found.differences {
        let _ = write!(text, "\n- {difference}");
    }
    let more = found.differences.count() - found.differences.iter().count();
    if more > 0 {
        let _ = write!(text, "\n- and {more} more");
    }
    text
}

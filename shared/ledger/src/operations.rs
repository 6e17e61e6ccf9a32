//! What an operator decides: the stop switch, a restored table, unknown
//! outcomes, poison, holds, what a contract covers; and the dry run.

use domain::hour::Hour;
use domain::ids::{AccountId, Dimension, LicenseId, ProductCode};
use domain::ledger::controls::{Controls, Forgotten};
use domain::ledger::hold::Hold;
use domain::ledger::included::Included;
use domain::ledger::record::{Finding, NotUnknown, Record, RecordState};
use domain::ledger::slot::{FreezeTerms, SlotState, freeze};
use domain::quantity::QuantityTooLarge;
use domain::usage::Part;
use jiff::Timestamp;

use crate::notice::Notice;
use crate::posting::terms;
use crate::rules::Rules;
use crate::step::{Listed, Marker, RecordName, Slot, StepError, Written};
use crate::steps::Steps;

/// How often a decision that lost to another is made again.
const MAX_TRIES: usize = 8;

/// Why an operator's decision was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// The store failed; the decision may have been stored.
    #[error("the store failed")]
    Store(#[from] StepError),
    /// There is no such record.
    #[error("there is no such record")]
    NoRecord,
    /// There is no such account.
    #[error("there is no such account")]
    NoAccount,
    /// The record is in another state than the decision needs.
    #[error(transparent)]
    NotUnknown(#[from] NotUnknown),
    /// The record is not waiting to be sent.
    #[error("the record is not waiting to be sent")]
    NotFrozen,
    /// A slot holds more than AWS takes in one record.
    #[error("the slot {0} of {1} holds more than AWS takes in one record")]
    TooLarge(Hour, LicenseId, #[source] QuantityTooLarge),
    /// Others changed the same item again and again.
    #[error("lost to other changes {MAX_TRIES} times")]
    Contended,
}

/// Why it could not be stored what a contract covers.
#[derive(Debug, thiserror::Error)]
pub enum GrantError {
    /// The store failed; it may have been stored.
    #[error("the store failed")]
    Store(#[from] StepError),
    /// Others changed the same period again and again.
    #[error("lost to other changes {MAX_TRIES} times")]
    Contended,
}

impl From<GrantError> for OperationError {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::Store(error) => Self::Store(error),
            GrantError::Contended => Self::Contended,
        }
    }
}

/// What a decision changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It is so from now on.
    Changed,
    /// It was so before.
    Already,
}

/// Stops freezing and sending of a product's usage, or lets it go on. Posting
/// goes on in any case.
///
/// # Errors
/// [`OperationError`]
pub async fn switch_sending(
    steps: &Steps,
    product: &ProductCode,
    stopped: bool,
) -> Result<Done, OperationError> {
    change_controls(steps, |controls| controls.switched(product, stopped)).await
}

/// Tells the ledger that its table was restored to an earlier point: what was
/// not terminal then, and every hour since, closes as unknown and is never sent.
///
/// # Errors
/// [`OperationError`]
pub async fn restored(steps: &Steps, forgotten: Forgotten) -> Result<Done, OperationError> {
    change_controls(steps, |controls| controls.forgetting(forgotten)).await
}

async fn change_controls(
    steps: &Steps,
    decide: impl Fn(&Controls) -> Option<Controls>,
) -> Result<Done, OperationError> {
    for _ in 0..MAX_TRIES {
        let Some(next) = decide(&steps.controls().await?) else {
            return Ok(Done::Already);
        };
        if steps.put_controls(next).await? == Written::Committed {
            return Ok(Done::Changed);
        }
    }
    Err(OperationError::Contended)
}

/// The records whose outcome is unknown.
///
/// # Errors
/// [`StepError`]
pub async fn unknown(steps: &Steps) -> Result<Listed<Record>, StepError> {
    let named = steps.unknown_records().await?;
    let mut records = Listed {
        items: Vec::new(),
        unreadable: named.unreadable,
    };
    for (license, slot, dimension) in named.items {
        records.add(steps.record(license, slot, dimension).await)?;
    }
    Ok(records)
}

/// Resolves an unknown outcome by what CloudTrail, AWS's reports or an operator
/// found out. The record is never sent again.
///
/// # Errors
/// [`OperationError`]
pub async fn resolve(
    steps: &Steps,
    name: &RecordName,
    finding: &Finding,
) -> Result<Record, OperationError> {
    change_record(
        steps,
        name,
        |record| Ok(record.found(finding, steps.now())?),
    )
    .await
}

/// Gives up a record that AWS refuses: it is closed as refused, or as unknown
/// when an attempt of it has no answer.
///
/// # Errors
/// [`OperationError`]
pub async fn give_up(steps: &Steps, name: &RecordName) -> Result<Record, OperationError> {
    change_record(steps, name, |record| match record.state {
        RecordState::Frozen { .. } => Ok(record.given_up(steps.now()).record),
        RecordState::Billed { .. } | RecordState::Closed { .. } => Err(OperationError::NotFrozen),
    })
    .await
}

async fn change_record(
    steps: &Steps,
    (license, slot, dimension): &RecordName,
    decide: impl Fn(&Record) -> Result<Record, OperationError>,
) -> Result<Record, OperationError> {
    for _ in 0..MAX_TRIES {
        let record = steps
            .record(license.clone(), *slot, dimension.clone())
            .await?
            .ok_or(OperationError::NoRecord)?;
        let next = decide(&record)?;
        let replaced = steps.replace_record(next.clone(), steps.nonce());
        if replaced.await? == Written::Committed {
            return Ok(next);
        }
    }
    Err(OperationError::Contended)
}

/// Has an account's hour posted again by the next run: for a report that was
/// stored by a delivery that ended before it made sure of that, and never came
/// again. Repeating it, or doing it without need, changes nothing.
///
/// # Errors
/// [`OperationError`]
pub async fn post_again(
    steps: &Steps,
    account: &AccountId,
    hour: Hour,
) -> Result<(), OperationError> {
    let stored = steps.account(account.clone()).await?;
    let stored = stored.ok_or(OperationError::NoAccount)?;
    for part in Part::all(stored.parts.count_at(hour)) {
        let marker = Marker::fresh(steps, account.clone(), part, hour);
        steps.put_marker(marker).await?;
    }
    Ok(())
}

/// Ends a license's hold: its frozen records and slots are sent again.
///
/// # Errors
/// [`StepError`]
pub async fn end_hold(steps: &Steps, license: &LicenseId) -> Result<Done, StepError> {
    Ok(match steps.end_hold(license.clone()).await? {
        Written::Committed => {
            steps.tell(Notice::HoldEnded {
                license: license.clone(),
            });
            Done::Changed
        }
        Written::Lost => Done::Already,
    })
}

/// The licenses on hold, and since when.
///
/// # Errors
/// [`StepError`]
pub async fn held(steps: &Steps) -> Result<Listed<Hold>, StepError> {
    let named = steps.holds().await?;
    let mut holds = Listed {
        items: Vec::new(),
        unreadable: named.unreadable,
    };
    for license in named.items {
        holds.add(steps.hold(license).await)?;
    }
    Ok(holds)
}

/// Stores what a contract with consumption covers of a metered dimension in a
/// period. An amendment is another grant for the same period; what was used of
/// it stays used.
///
/// # Errors
/// [`GrantError`]
pub async fn grant_included(
    steps: &Steps,
    license: &LicenseId,
    dimension: &Dimension,
    (from, until): (Timestamp, Timestamp),
    computer_hours: u64,
) -> Result<Done, GrantError> {
    for _ in 0..MAX_TRIES {
        let periods = steps.included(license.clone()).await?;
        let known = periods
            .into_iter()
            .find(|period| period.dimension == *dimension && period.from == from);
        let period = known
            .unwrap_or_else(|| Included::new(license.clone(), dimension.clone(), from, until, 0));
        let Some(next) = period.regranted(until, computer_hours) else {
            return Ok(Done::Already);
        };
        if steps.put_included(next).await? == Written::Committed {
            return Ok(Done::Changed);
        }
    }
    Err(GrantError::Contended)
}

/// What would be sent now, were nothing stopped and every due slot frozen: of
/// the first 2,000 entries of the work list. Freezes nothing and sends nothing.
/// Each slot is shown as if it were the next to use up its contract.
///
/// # Errors
/// [`OperationError`]
pub async fn dry_run(steps: &Steps, rules: &Rules) -> Result<Vec<Record>, OperationError> {
    let now = steps.now();
    let controls = steps.controls().await?;
    let due = steps.due_work(now).await?;
    let mut records = Vec::new();
    for (license, slot, dimension) in due.records {
        let record = steps.record(license, slot, dimension).await?;
        let frozen = |r: &Record| matches!(r.state, RecordState::Frozen { .. });
        records.extend(record.filter(|r| frozen(r) && !controls.slot_in_doubt(r.slot)));
    }
    for (license, hour) in due.slots {
        let Some(terms) = terms(steps, &license).await? else {
            continue;
        };
        if rules.awaits_cover(&terms, hour, now) {
            continue;
        }
        let slot = steps.slot(license.clone(), hour).await?;
        let open = |slot: &Slot| slot.head.state == SlotState::Open;
        let Some(slot) = slot.filter(|slot| open(slot) && !controls.slot_in_doubt(hour)) else {
            continue;
        };
        let included = if rules.catalog.has_contracts() {
            steps.included(license.clone()).await?
        } else {
            Vec::new()
        };
        let freeze_terms = FreezeTerms {
            license: &terms,
            limit: rules.allocations,
            included: &included,
            zero: None,
        };
        let frozen = freeze(hour, &slot.entries, &freeze_terms, now)
            .map_err(|error| OperationError::TooLarge(hour, license, error))?;
        records.extend(frozen.records);
    }
    Ok(records)
}

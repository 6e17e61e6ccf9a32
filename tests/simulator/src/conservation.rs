//! Running the ledger's own check of conservation over a world's tables.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use domain::hour::{Hour, after};
use jiff::SignedDuration;
use ledger::conservation::{Conservation, Scope, check};
use ledger::{Answer, Clock, Step, StepError, Steps};

use crate::tables::Tables;
use crate::world::World;

/// How long a check may take. Time stands still meanwhile.
const INVOCATION: SignedDuration = SignedDuration::from_mins(10);

/// Checks these hours of a world that stands still.
///
/// # Errors
/// [`StepError`] never: these tables always answer.
pub fn of(world: &World, hours: &[Hour]) -> Result<Conservation, StepError> {
    with_answers(world, hours, |_, answer| Ok(answer))
}

/// The same, each step's answer being what `answer` makes of the true one:
/// tables in which something is falsified, or that cannot be read.
///
/// # Errors
/// [`StepError`] as `answer` fails a step.
pub fn with_answers(
    world: &World,
    hours: &[Hour],
    answer: impl FnMut(&Step, Answer) -> Result<Answer, StepError>,
) -> Result<Conservation, StepError> {
    within(world, &Scope::every_account(hours), answer)
}

/// The same of any scope.
///
/// # Errors
/// [`StepError`] as `answer` fails a step.
pub fn within(
    world: &World,
    scope: &Scope,
    mut answer: impl FnMut(&Step, Answer) -> Result<Answer, StepError>,
) -> Result<Conservation, StepError> {
    let mut tables: Tables = world.tables.clone();
    let steps = Steps::new(Arc::clone(&world.clock) as Arc<dyn Clock>);
    let deadline = after(world.now(), INVOCATION);
    let mut check = pin!(check(&steps, &world.rules, scope, deadline));
    loop {
        if let Poll::Ready(found) = check.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return found;
        }
        let mut asked = Vec::new();
        steps.take(&mut asked);
        for (ticket, step) in asked {
            let answered = if let Step::Wait { .. } = *step {
                Answer::Wait(())
            } else {
                let refused = || StepError::Refused(format!("{step:?} of a check"));
                tables.perform((*step).clone()).ok_or_else(refused)?
            };
            steps.answer(ticket, answer(&step, answered));
        }
    }
}

#[cfg(test)]
mod tests;

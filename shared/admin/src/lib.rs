//! The operator's command line: the decisions that no schedule takes.
//!
//! Invariants:
//!
//! - A command parses, makes one call into `app` and says what came of it
//!   ([`run`]); what may be done is decided there. Only [`redrive`] calls AWS itself.
//! - Nothing is changed that was not said before and agreed to ([`Consent`]), nor
//!   in tables that lack something, such as an index.
//! - Every command may be given again: it then says that it is so already.
//! - AWS account ids and ARNs are shown in full: an operator looks them up in
//!   AWS. Tokens are never read here.

pub mod arguments;
pub mod redrive;
pub mod surroundings;

mod change;
mod ledger;
mod look;
mod reconcile;
mod refused;
mod words;

use app::App;
use arguments::{Arguments, Command, ConsentFlags, HoldCommand};
use change::Change;
use jiff::SignedDuration;
use redrive::{QueueArn, Queues};
use surroundings::Surroundings;

pub use refused::Refused;

/// Whether the operator agrees to a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// They said yes.
    Given,
    /// They said something else.
    Declined,
    /// There is no terminal to ask at.
    NobodyToAsk,
}

/// What came of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What it says.
    pub text: String,
    /// What a script may act on.
    pub ended: Ended,
}

/// How a command ended that was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It is done; of a comparison: nothing differs but what AWS may still take late,
    /// and all was compared.
    Done,
    /// AWS has less, or more, than what was billed, or the ledger does not add up.
    Differs,
    /// Nothing differs of what was compared, and something was not.
    NotCompared,
}

/// The longest interval of which written-off usage is listed: each hour takes 16 queries.
const MOST_WRITTEN_OFF: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Does what the command says; the text that tells what came of it.
///
/// `ask` shows what will be done and asks whether it shall.
///
/// # Errors
/// [`Refused`] says what is in the way and what to do next.
pub async fn run(
    Surroundings {
        app,
        sources,
        queues,
    }: &Surroundings,
    arguments: &Arguments,
    ask: impl FnOnce(&str) -> Consent,
) -> Result<Answer, Refused> {
    let change = match arguments.command.clone() {
        Command::Check => return done(look::tables(app).await?),
        Command::Unknown => return done(words::unknown(&app.unknown().await?)),
        Command::Hold(HoldCommand::List) => return done(words::held(&app.held().await?)),
        Command::WrittenOff { from, until } => {
            if from >= until {
                return Err(Refused::Instants("--until must be after --from"));
            }
            if until.duration_since(from) > MOST_WRITTEN_OFF {
                return Err(Refused::Instants(
                    "--from and --until must be at most 31 days apart",
                ));
            }
            let usage = app.written_off((from, until)).await?;
            return done(words::written_off(&usage));
        }
        Command::DryRun => {
            let records = app.dry_run().await?;
            let (controls, held) = (app.controls().await?, app.held().await?);
            return done(words::to_be_sent(&records, &controls, &held.items));
        }
        Command::Reconcile {
            day, kept: true, ..
        } => return reconcile::kept(app, day).await,
        Command::Reconcile {
            day, adjustments, ..
        } => {
            let may_write = !arguments.consent.dry_run;
            let file = adjustments.as_deref().map(|file| (file, may_write));
            return Box::pin(reconcile::reconcile(app, sources, day, file)).await;
        }
        Command::Account { account, at } => return done(look::account(app, &account, at).await?),
        Command::License { license } => return done(look::license(app, &license).await?),
        Command::Agreement { agreement } => return done(look::agreement(app, &agreement).await?),
        Command::AwsAccount { aws_account } => {
            return done(look::aws_account(app, &aws_account).await?);
        }
        Command::Events { account } => return done(look::events(app, &account).await?),
        Command::Told { of } => return done(look::told(app, &of).await?),
        Command::Hour { account, hour } => {
            return done(Box::pin(ledger::hour(app, &account, hour)).await?);
        }
        Command::Conservation { from, until } => {
            return Box::pin(ledger::conservation(app, from, until)).await;
        }
        Command::Redrive { queue } => {
            return done(Box::pin(redriven(queues, &queue, arguments.consent, ask)).await?);
        }
        Command::CatchUp => Change::CatchUp,
        Command::Stop { product } => Change::Switch {
            product,
            stopped: true,
        },
        Command::Go { product } => Change::Switch {
            product,
            stopped: false,
        },
        Command::Restored { from, until } => Change::Restored { from, until },
        Command::Resolve { record, found } => Change::Resolve {
            record: (record.license, record.slot, record.dimension),
            finding: found.finding(),
        },
        Command::GiveUp { record } => Change::GiveUp {
            record: (record.license, record.slot, record.dimension),
        },
        Command::Unpin { email } => Change::Unpin { email },
        Command::Post { account, hour } => Change::Post { account, hour },
        Command::Hold(HoldCommand::End { license }) => Change::EndHold { license },
        Command::Include {
            license,
            dimension,
            from,
            until,
            computer_hours,
        } => Change::Include {
            license,
            dimension,
            period: (from, until),
            computer_hours,
        },
    };
    look::usable_tables(app).await?;
    done(Box::pin(changed(app, &change, arguments.consent, ask)).await?)
}

const fn done(text: String) -> Result<Answer, Refused> {
    let ended = Ended::Done;
    Ok(Answer { text, ended })
}

async fn changed(
    app: &App,
    change: &Change,
    flags: ConsentFlags,
    ask: impl FnOnce(&str) -> Consent,
) -> Result<String, Refused> {
    let plan = match change.plan(app).await? {
        change::Plan::Already(text) => return Ok(format!("Already so: {text}")),
        change::Plan::Will(text) => text,
    };
    match agreed(&plan, flags, ask)? {
        Agreed::Yes => change.carry_out(app).await,
        Agreed::OnlyPlanned(text) => Ok(text),
    }
}

async fn redriven(
    queues: &Queues,
    queue: &QueueArn,
    flags: ConsentFlags,
    ask: impl FnOnce(&str) -> Consent,
) -> Result<String, Refused> {
    let waiting = queues.waiting(queue).await?;
    if waiting == 0 {
        return Ok(format!("Already so: {queue} holds no message."));
    }
    let plan = format!(
        "Moves the messages of {queue}, about {waiting}, back to the queue that they came from, where they are \
         delivered again. What made them fail should be mended: the function's log has it."
    );
    if let Agreed::OnlyPlanned(text) = agreed(&plan, flags, ask)? {
        return Ok(text);
    }
    queues.redrive(queue).await?;
    Ok(format!(
        "Done: the messages of {queue}, about {waiting}, are being moved back."
    ))
}

/// Whether a plan is to be carried out.
enum Agreed {
    /// The operator said so.
    Yes,
    /// This is a dry run, which says this.
    OnlyPlanned(String),
}

/// What the flags say of a plan, or else the operator.
fn agreed(
    plan: &str,
    flags: ConsentFlags,
    ask: impl FnOnce(&str) -> Consent,
) -> Result<Agreed, Refused> {
    if flags.dry_run {
        let text = format!("{plan}\n--dry-run: nothing was changed.");
        return Ok(Agreed::OnlyPlanned(text));
    }
    let consent = if flags.yes { Consent::Given } else { ask(plan) };
    match consent {
        Consent::Given => Ok(Agreed::Yes),
        Consent::Declined => Err(Refused::Declined),
        Consent::NobodyToAsk => Err(Refused::NobodyToAsk),
    }
}

#[cfg(test)]
mod tests;

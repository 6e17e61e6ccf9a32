//! The submitter against AWS's limit of ten calls a second, in simulated time:
//! an hour in which there is always more to send than one worker may.
//!
//! The procedure is the ledger's own, over tables in memory. Every step of the
//! store and every call to AWS takes its time on a clock that jumps from event
//! to event; steps that are under way together overlap. A run is started every
//! minute unless one is under way, and ends as the function's must.

mod aws;
mod backlog;
mod events;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use anyhow::Context as _;
use clap::Args;
use domain::catalog::Catalog;
use domain::hour::{after, before};
use jiff::{SignedDuration, Timestamp};
use ledger::submission::{SubmissionRun, submit_due};
use ledger::{Answer, Clock, Rules, Step, StepError, Steps};

use self::aws::Aws;
use self::backlog::Backlog;
use self::events::{Event, Events};
use crate::memory;
use crate::print::{line, seconds, thousands, verdict};
use crate::stopwatch::Stopwatch;
use crate::world::TEMPLATE;

/// Design, section 8: AWS's limit for an hour, and what of it is to be reached.
const LIMIT_RECORDS: u64 = 900_000;
const TARGET_PERCENT_OF_LIMIT: u64 = 98;

/// What is measured.
const MEASURED: SignedDuration = SignedDuration::from_hours(1);

/// How many entries of the work list the store reads at once, one page after another.
const WORK_PAGE: usize = 100;

/// How long things take.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Latencies {
    /// Milliseconds that a step of the store takes
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(i64).range(0..=10_000))]
    step_ms: i64,
    /// Milliseconds that a call to AWS takes
    #[arg(long, default_value_t = 150, value_parser = clap::value_parser!(i64).range(0..=20_000))]
    call_ms: i64,
}

/// Drives the hour and prints what was sent in it.
pub(crate) fn run(latencies: Latencies) -> anyhow::Result<()> {
    let time_out = function_time_out()?;
    let mut watch = Stopwatch::started();
    let mut drive = Drive::new(latencies, time_out)?;
    drive.run()?;
    let took = watch.stop();
    drive.aws.check()?;
    let records = drive.aws.accepted();
    line(&format!(
        "{} calls of at most 25 records, {} records, in {} runs of at most {} s; {} slots posted",
        thousands(drive.aws.calls()),
        thousands(records),
        drive.runs,
        time_out.as_secs(),
        thousands(drive.backlog.posted()),
    ));
    line(&format!(
        "no call held over 25 records, no second over 10 calls, no record was sent twice; \
         {} of real time, peak memory {}",
        seconds(took.wall),
        memory::peak()
    ));
    let hundredths = records * 10_000 / LIMIT_RECORDS;
    line(&format!(
        "submitter: {} records in one simulated hour, {}.{:02}% of AWS's limit (target >= {TARGET_PERCENT_OF_LIMIT}%: {})",
        thousands(records),
        hundredths / 100,
        hundredths % 100,
        verdict(hundredths >= TARGET_PERCENT_OF_LIMIT * 100)
    ));
    Ok(())
}

/// The time limit of the function, as the template sets it.
fn function_time_out() -> anyhow::Result<SignedDuration> {
    let (_, function) = TEMPLATE
        .split_once("  UsageSubmissionFunction:\n")
        .context("the template has no UsageSubmissionFunction")?;
    let (_, value) = function
        .split_once("      Timeout: ")
        .context("the function has no time limit")?;
    let digits = value.lines().next().unwrap_or_default();
    Ok(SignedDuration::from_secs(digits.trim().parse()?))
}

/// A run that is under way.
struct Run {
    steps: Steps,
    procedure: Pin<Box<dyn Future<Output = Result<SubmissionRun, StepError>>>>,
}

struct Drive {
    latencies: Latencies,
    time_out: SignedDuration,
    rules: Rules,
    start: Timestamp,
    events: Events,
    backlog: Backlog,
    aws: Aws,
    run: Option<Run>,
    runs: u32,
}

impl Drive {
    fn new(latencies: Latencies, time_out: SignedDuration) -> anyhow::Result<Self> {
        let backlog = Backlog::new()?;
        let start = backlog.due();
        Ok(Self {
            latencies,
            time_out,
            rules: Rules::new(Arc::new(Catalog::workload_security())),
            start,
            events: Events::from(start),
            backlog,
            aws: Aws::default(),
            run: None,
            runs: 0,
        })
    }

    /// From event to event, for an hour.
    fn run(&mut self) -> anyhow::Result<()> {
        let end = after(self.start, MEASURED);
        self.events.at(self.start, Event::Minute);
        while let Some(event) = self.events.next_before(end) {
            match event {
                Event::Minute => {
                    let now = self.events.clock.now();
                    self.events
                        .at(after(now, SignedDuration::from_mins(1)), Event::Minute);
                    self.backlog.top_up()?;
                    if self.run.is_none() {
                        self.begin();
                    }
                }
                Event::Performs(ticket, step) => {
                    let answer = self.backlog.perform(*step);
                    self.answer(ticket, answer);
                }
                Event::Answers(ticket, answer) => self.answer(ticket, Ok(*answer)),
            }
            self.go_on()?;
        }
        Ok(())
    }

    /// Starts a run, which must stop as the function's does.
    fn begin(&mut self) {
        let clock = Arc::clone(&self.events.clock);
        let steps = Steps::new(clock);
        let limit = after(steps.now(), self.time_out);
        let deadline = before(limit, runtime::invocation::MARGIN);
        let (of_run, rules) = (steps.clone(), self.rules.clone());
        let procedure = Box::pin(async move { submit_due(&of_run, &rules, deadline).await });
        self.run = Some(Run { steps, procedure });
        self.runs += 1;
    }

    fn answer(&self, ticket: ledger::Ticket, answer: Result<Answer, StepError>) {
        if let Some(run) = &self.run {
            run.steps.answer(ticket, answer);
        }
    }

    /// Lets the run go on with the answers that it has.
    fn go_on(&mut self) -> anyhow::Result<()> {
        let Some(run) = &mut self.run else {
            return Ok(());
        };
        let polled = run
            .procedure
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()));
        let told = run.steps.take_notices();
        anyhow::ensure!(told.is_empty(), "nothing goes wrong here: {told:?}");
        let mut asked = Vec::new();
        run.steps.take(&mut asked);
        for (ticket, step) in asked {
            self.asked(ticket, step);
        }
        if let Poll::Ready(ended) = polled {
            let ended = ended?;
            anyhow::ensure!(
                ended.failed == 0 && !ended.stopped,
                "a run that did not go well: {ended:?}"
            );
            self.run = None;
        }
        Ok(())
    }

    /// A call reaches AWS at once and is answered later; a step of the store is
    /// made when its time is over.
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "all other steps are the store's, and take as long as each other"
    )]
    fn asked(&mut self, ticket: ledger::Ticket, step: Box<Step>) {
        let now = self.events.clock.now();
        let milliseconds = SignedDuration::from_millis;
        match *step {
            Step::Send { records } => {
                let answer = Answer::Send(self.aws.take(&records, now));
                let at = after(now, milliseconds(self.latencies.call_ms));
                self.events.at(at, Event::Answers(ticket, Box::new(answer)));
            }
            Step::Wait { until } => {
                let answer = Event::Answers(ticket, Box::new(Answer::Wait(())));
                self.events.at(until.max(now), answer);
            }
            step => {
                let pages = match step {
                    Step::ReadDueWork { .. } => self.backlog.due_entries().div_ceil(WORK_PAGE),
                    _ => 1,
                };
                let pages = i64::try_from(pages.max(1)).unwrap_or(i64::MAX);
                let takes = milliseconds(self.latencies.step_ms.saturating_mul(pages));
                self.events
                    .at(after(now, takes), Event::Performs(ticket, Box::new(step)));
            }
        }
    }
}

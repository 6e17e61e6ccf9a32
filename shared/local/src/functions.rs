//! The functions, invoked as AWS invokes them: with the events that queues and
//! schedules deliver.

use app::App;
use axum::Router;
use domain::hour::after;
use jiff::{SignedDuration, Timestamp};
use runtime::metrics::Metrics;
use serde_json::{Value, json};

use crate::apart::Apps;
use crate::processes::Processes;
use crate::product::Requests;

/// How long an invocation may take, by the fake's clock.
const INVOCATION: SignedDuration = SignedDuration::from_secs(50);

/// Every function, ready to be invoked. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Functions {
    apps: Apps,
    intake: Router,
    requests: Requests,
    /// Where they run, if not in this process.
    processes: Option<Processes>,
}

impl Functions {
    pub(crate) fn new(
        apps: Apps,
        intake: Router,
        requests: Requests,
        processes: Option<Processes>,
    ) -> Self {
        Self {
            apps,
            intake,
            requests,
            processes,
        }
    }

    /// Delivers one of EventBridge's events through the queue.
    ///
    /// # Errors
    /// Why the message goes back to its queue.
    pub(crate) async fn marketplace_event(&self, event: Value) -> Result<(), String> {
        let payload = batch("marketplace-events", &event);
        if let Some(processes) = &self.processes {
            deliver(processes, "marketplace-events", &payload).await?;
            self.answer_requests().await;
            return Ok(());
        }
        let answer =
            marketplace_events::handle(self.app("marketplace-events"), payload, self.deadline())
                .await
                .map_err(|error| error.to_string())?;
        self.answer_requests().await;
        accepted(&answer)
    }

    /// Delivers one of the product's usage reports through the queue.
    ///
    /// # Errors
    /// Why the message goes back to its queue.
    pub(crate) async fn usage_report(&self, report: &Value) -> Result<(), String> {
        let payload = batch("usage-intake", report);
        if let Some(processes) = &self.processes {
            return deliver(processes, "usage-intake", &payload).await;
        }
        let answer = usage_intake::handle(
            self.app("usage-intake"),
            &self.intake,
            payload,
            self.deadline(),
        )
        .await
        .map_err(|error| error.to_string())?;
        accepted(&answer)
    }

    /// Runs a scheduled function. What it learned from AWS may have the product
    /// asked for usage.
    pub(crate) async fn scheduled(&self, schedule: Scheduled, now: Timestamp) -> Ran {
        let ran = self.run(schedule, now).await;
        if ran.learned {
            self.answer_requests().await;
        }
        ran
    }

    async fn run(&self, schedule: Scheduled, now: Timestamp) -> Ran {
        let event = json!({
            "version": "0",
            "id": format!("{:032x}", self.app(schedule.function()).clock.random()),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "time": now,
            "detail": {},
        });
        let (deadline, metrics) = (self.deadline(), &Metrics::Nowhere);
        let (app, sources) = self.apps.of(schedule.function());
        if let Some(processes) = &self.processes {
            let answer = processes.invoke(schedule.function(), &event).await;
            return ran(schedule, answer, now);
        }
        let answer = match schedule {
            Scheduled::UsagePosting => usage_posting::handle(app, metrics, &event, deadline)
                .await
                .map_err(|error| error.to_string()),
            Scheduled::UsageSubmission => usage_submission::handle(app, metrics, &event, deadline)
                .await
                .map_err(|error| error.to_string()),
            Scheduled::LedgerCheck => ledger_check::handle(app, metrics, &event, deadline)
                .await
                .map_err(|error| error.to_string()),
            Scheduled::Reconciliation => {
                reconciliation::handle(app, sources, metrics, &event, deadline)
                    .await
                    .map_err(|error| error.to_string())
            }
            Scheduled::CatchingUp => catching_up::handle(app, metrics, &event, deadline)
                .await
                .map_err(|error| error.to_string()),
            Scheduled::GraceExpiry => grace_expiry::handle(app, metrics, &event, deadline)
                .await
                .map_err(|error| error.to_string()),
        };
        ran(schedule, answer, now)
    }

    /// Has the product answer what it is newly asked for; what it reads counts as
    /// no function's call.
    async fn answer_requests(&self) {
        self.requests.answer(self.apps.shared(), self).await;
    }

    fn app(&self, function: &str) -> &App {
        &self.apps.of(function).0
    }

    fn deadline(&self) -> Timestamp {
        after(self.app("usage-intake").clock.now(), INVOCATION)
    }
}

/// What came of a scheduled function's run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ran {
    /// When it has something to do next.
    pub(crate) next: Option<Timestamp>,
    /// Whether it learned from AWS what others may have to do something about.
    pub(crate) learned: bool,
}

/// The functions that schedules run, in the order in which they run at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheduled {
    UsagePosting,
    UsageSubmission,
    CatchingUp,
    GraceExpiry,
    LedgerCheck,
    Reconciliation,
}

impl Scheduled {
    /// The function's crate.
    fn function(self) -> &'static str {
        match self {
            Self::UsagePosting => "usage-posting",
            Self::UsageSubmission => "usage-submission",
            Self::CatchingUp => "catching-up",
            Self::GraceExpiry => "grace-expiry",
            Self::LedgerCheck => "ledger-check",
            Self::Reconciliation => "reconciliation",
        }
    }
}

fn ran(schedule: Scheduled, answer: Result<Value, String>, now: Timestamp) -> Ran {
    match answer {
        Ok(answer) => Ran {
            next: answer["next"].as_str().and_then(|next| next.parse().ok()),
            learned: ["repaired", "looked_at"]
                .iter()
                .any(|count| answer[count].as_u64() > Some(0)),
        },
        Err(error) => {
            tracing::error!(function = ?schedule, error, "a scheduled function failed");
            Ran {
                next: Some(after(now, SignedDuration::from_mins(1))),
                learned: false,
            }
        }
    }
}

/// Delivers a batch to a function that is a process, as often as is wanted.
async fn deliver(processes: &Processes, function: &str, batch: &Value) -> Result<(), String> {
    for _ in 0..processes.deliveries() {
        accepted(&processes.invoke(function, batch).await?)?;
    }
    Ok(())
}

/// A batch of one message, as SQS delivers it.
fn batch(queue: &str, body: &Value) -> Value {
    json!({"Records": [{
        "messageId": "00000000-0000-4000-8000-000000000001",
        "receiptHandle": "local",
        "body": body.to_string(),
        "attributes": {},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": format!("arn:aws:sqs:us-east-1:111122223333:{queue}"),
        "awsRegion": "us-east-1",
    }]})
}

fn accepted(answer: &Value) -> Result<(), String> {
    match answer["batchItemFailures"].as_array() {
        Some(failures) if failures.is_empty() => Ok(()),
        Some(_) | None => Err("the message went back to its queue".to_owned()),
    }
}

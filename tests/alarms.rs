//! What needs a person reaches one: each name that the log's field `alarm` has in
//! the code has an alarm in `template.yaml`, each alarm's metric is one that is
//! published, and whatever is not processed is alarmed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use app::expiry::ExpiryRun;
use app::reconciliation::Reconciled;
use app::{Conservation, PostingRun, SubmissionRun};
use domain::hour::Hour;
use jiff::Timestamp;
use runtime::metrics::{Metric, NAMESPACE};
use serde_json::Value;

use crate::project;
use crate::template::{crate_of, functions, resources, template};

/// The sources of a directory that are no tests, by their paths.
fn sources(path: &Path, found: &mut BTreeMap<String, String>) {
    for entry in project::entries(path) {
        let name = project::name(&entry);
        if entry.is_dir() && name != "tests" {
            sources(&entry, found);
        } else if name.ends_with(".rs") && name != "tests.rs" && name != "testing.rs" {
            let text = project::read(&entry);
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            found.insert(entry.display().to_string(), text.to_owned());
        }
    }
}

/// The texts in quotes of a source.
fn quoted(source: &str) -> impl Iterator<Item = &str> {
    source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split('"').skip(1).step_by(2))
}

/// Whether a text is written as a name of an alarm is: `TwoWords` or more.
fn is_name(text: &str) -> bool {
    let upper = text.chars().filter(char::is_ascii_uppercase).count();
    text.chars().all(|c| c.is_ascii_alphabetic())
        && text.starts_with(|c: char| c.is_ascii_uppercase())
        && upper > 1
        && upper < text.len()
}

/// The names that the field `alarm` has: every such text of a source that logs it.
fn names_in_code() -> BTreeSet<String> {
    let mut found = BTreeMap::new();
    for directory in [
        "functions",
        "shared/app/src",
        "shared/runtime/src",
        "shared/web/src",
    ] {
        sources(&project::root().join(directory), &mut found);
    }
    let logging = found.values().filter(|source| {
        source.contains("alarm = \"") || source.contains("alarm,\n") || source.contains("alarm = ")
    });
    logging
        .flat_map(|source| quoted(source).filter(|text| is_name(text)))
        .map(ToOwned::to_owned)
        .collect()
}

/// The alarms, by their ids.
fn alarms(template: &Value) -> Vec<(&str, &Value)> {
    resources(template, "AWS::CloudWatch::Alarm")
        .into_iter()
        .map(|(id, alarm)| (id, &alarm["Properties"]))
        .collect()
}

/// The metrics that an alarm watches: its own, or those of its expression.
fn watched(alarm: &Value) -> Vec<&Value> {
    match alarm["Metrics"].as_array() {
        Some(metrics) => metrics
            .iter()
            .map(|one| &one["MetricStat"]["Metric"])
            .filter(|metric| metric.is_object())
            .collect(),
        None => vec![alarm],
    }
}

#[test]
fn each_name_that_the_code_logs_an_alarm_under_has_one_and_no_other_has() {
    let template = template();
    let of_log = alarms(&template)
        .into_iter()
        .filter(|(_, alarm)| alarm["Namespace"] == "${AWS::StackName}/alarms")
        .map(|(id, alarm)| {
            let dimension = &alarm["Dimensions"][0];
            assert_eq!(
                (&dimension["Name"], &alarm["MetricName"]),
                (&"alarm".into(), &"records".into())
            );
            let name = dimension["Value"].as_str().unwrap();
            assert_eq!(id, format!("{name}Alarm"));
            name.to_owned()
        });
    let alarmed: BTreeSet<String> = of_log.collect();
    let logged = names_in_code();
    assert!(logged.len() > 30, "the names were found: {logged:?}");
    let unheard: Vec<_> = logged.difference(&alarmed).collect();
    let never: Vec<_> = alarmed.difference(&logged).collect();
    assert!(
        unheard.is_empty() && never.is_empty(),
        "{unheard:?} {never:?}"
    );
}

#[test]
fn the_alarms_of_every_functions_log_are_counted() {
    let template = template();
    let filters: BTreeMap<&str, &Value> = resources(&template, "AWS::Logs::MetricFilter")
        .into_iter()
        .map(|(_, filter)| &filter["Properties"])
        .map(|filter| (filter["LogGroupName"].as_str().unwrap(), filter))
        .collect();
    for (id, function) in functions(&template) {
        let log = function["Properties"]["LoggingConfig"]["LogGroup"]
            .as_str()
            .unwrap();
        let filter = filters.get(log).unwrap_or_else(|| panic!("{id}: {log}"));
        assert_eq!(filter["FilterPattern"], r#"{ $.alarm = "*" }"#, "{id}");
        let counted = &filter["MetricTransformations"][0];
        assert_eq!(
            counted["MetricNamespace"], "${AWS::StackName}/alarms",
            "{id}"
        );
        assert_eq!(counted["MetricName"], "records", "{id}");
        assert_eq!(counted["Dimensions"][0]["Key"], "alarm", "{id}");
        assert_eq!(counted["Dimensions"][0]["Value"], "$.alarm", "{id}");
    }
}

/// What a function publishes.
fn published(function: &str) -> Vec<Metric> {
    let hour = Hour::from_number(498_706);
    let posted = PostingRun {
        account_hours: 0,
        failed: 0,
        posted: hour,
        next: hour.end(),
    };
    match function {
        "ledger-check" => ledger_check::figures(&Conservation::default(), 0).into(),
        "reconciliation" => reconciliation::figures(&Reconciled::default(), None).into(),
        "usage-submission" => usage_submission::figures(&SubmissionRun::default(), 0).into(),
        "usage-posting" => usage_posting::figures(&posted).into(),
        "grace-expiry" => grace_expiry::figures(&ExpiryRun::default(), Timestamp::MAX).into(),
        "catching-up" => catching_up::figures(0, 0, 0).into(),
        other => panic!("{other} publishes no metrics"),
    }
}

/// Every metric that any function publishes, by the function.
pub(crate) fn all_published() -> BTreeMap<&'static str, Vec<Metric>> {
    [
        "catching-up",
        "grace-expiry",
        "ledger-check",
        "reconciliation",
        "usage-posting",
        "usage-submission",
    ]
    .map(|function| (function, published(function)))
    .into()
}

fn publishes(template: &Value, function_id: &str, metric: &str) -> bool {
    let function = crate_of(&template["Resources"][function_id]);
    published(function).iter().any(|known| known.name == metric)
}

#[test]
fn an_alarm_watches_what_its_function_publishes() {
    let template = template();
    let mut found = 0;
    for (id, alarm) in alarms(&template) {
        let ours = watched(alarm).into_iter();
        for metric in ours.filter(|metric| metric["Namespace"] == NAMESPACE) {
            let name = metric["MetricName"].as_str().unwrap();
            let function = metric["Dimensions"][0]["Value"].as_str().unwrap();
            assert!(publishes(&template, function, name), "{id}: {name}");
            found += 1;
        }
    }
    assert!(found > 10, "{found}");
}

/// A metric that is watched, in words.
fn measured(metric: &Value, statistic: &Value, period: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("nothing").to_owned();
    format!(
        "{} of {} {} of {} in {period} s",
        text(statistic),
        text(&metric["Namespace"]),
        text(&metric["MetricName"]),
        text(&metric["Dimensions"][0]["Value"])
    )
}

/// What an alarm watches and when it rings, in words.
fn in_words(alarm: &Value) -> String {
    let watched = match alarm["Metrics"].as_array() {
        Some(metrics) => metrics
            .iter()
            .map(|one| {
                let (id, of) = (one["Id"].as_str().unwrap(), &one["MetricStat"]);
                let what = match one["Expression"].as_str() {
                    Some(expression) => expression.to_owned(),
                    None => measured(&of["Metric"], &of["Stat"], &of["Period"]),
                };
                // CloudWatch compares what is returned, which must be one.
                let returned = one["ReturnData"].as_bool().unwrap();
                format!("{}{id}: {what}", if returned { "returned " } else { "" })
            })
            .collect::<Vec<_>>()
            .join("; "),
        None => measured(alarm, &alarm["Statistic"], &alarm["Period"]),
    };
    let comparison = match alarm["ComparisonOperator"].as_str().unwrap_or_default() {
        "GreaterThanThreshold" => ">",
        "LessThanThreshold" => "<",
        other => other,
    };
    let (threshold, periods) = (&alarm["Threshold"], &alarm["EvaluationPeriods"]);
    let needed = alarm.get("DatapointsToAlarm").unwrap_or(periods);
    let missing = &alarm["TreatMissingData"];
    format!("{watched} {comparison} {threshold}, {needed} of {periods}, without data {missing}")
}

/// What must reach a person.
const MUST_RING: [(&str, &str); 8] = [
    (
        "UnsettledUsage",
        "Maximum of MarketplaceLedger oldest_unsettled_seconds of LedgerCheckFunction in 3600 s \
         > 10800, 1 of 1, without data \"notBreaching\"",
    ),
    (
        "Conservation",
        "Maximum of MarketplaceLedger differences of LedgerCheckFunction in 3600 s \
         > 0, 1 of 1, without data \"notBreaching\"",
    ),
    (
        "CallsFailing",
        "returned failing: IF(failed > 0 AND accepted == 0, 1, 0); \
         failed: Sum of MarketplaceLedger calls_failed of UsageSubmissionFunction in 900 s; \
         accepted: Sum of MarketplaceLedger records_accepted of UsageSubmissionFunction in 900 s \
         > 0, 2 of 3, without data \"notBreaching\"",
    ),
    (
        "SwitchedOff",
        "Minimum of MarketplaceLedger products_switched_off of UsageSubmissionFunction in 900 s \
         > 0, 4 of 4, without data \"notBreaching\"",
    ),
    (
        "DueTimersLate",
        "Minimum of MarketplaceLedger due_lag_seconds of GraceExpiryFunction in 300 s \
         > 900, 2 of 2, without data \"notBreaching\"",
    ),
    (
        "SubmitterNotRun",
        "SampleCount of MarketplaceLedger submission_runs of UsageSubmissionFunction in 300 s \
         < 1, 2 of 2, without data \"breaching\"",
    ),
    (
        "OutboxPipe",
        "returned failing: FILL(failed, 0) + FILL(partly, 0) + FILL(throttled, 0) + FILL(timeout, 0); \
         failed: Sum of AWS/EventBridge/Pipes ExecutionFailed of OutboxPipe in 300 s; \
         partly: Sum of AWS/EventBridge/Pipes ExecutionPartiallyFailed of OutboxPipe in 300 s; \
         throttled: Sum of AWS/EventBridge/Pipes ExecutionThrottled of OutboxPipe in 300 s; \
         timeout: Sum of AWS/EventBridge/Pipes ExecutionTimeout of OutboxPipe in 300 s \
         > 0, 3 of 3, without data \"notBreaching\"",
    ),
    (
        "ApiErrors",
        "Sum of AWS/ApiGateway 5xx of Api in 300 s > 5, 1 of 1, without data \"notBreaching\"",
    ),
];

/// The queues of what nobody could process.
const DEAD_LETTERS: [&str; 4] = [
    "MarketplaceEventsDeadLetters",
    "OutboxDeadLetters",
    "ScheduleDeadLetters",
    "UsageReportsDeadLetters",
];

/// What must reach a person as soon as it is logged.
const LOGGED: [&str; 4] = [
    "RecordConflict",
    "RecordUnknown",
    "ReportsStopped",
    "WrittenOff",
];

#[test]
fn what_must_reach_a_person_rings_when_it_should() {
    let template = template();
    let once = "> 0, 1 of 1, without data \"notBreaching\"";
    let waiting = "Maximum of AWS/SQS ApproximateNumberOfMessagesVisible of";
    let dead = DEAD_LETTERS.map(|id| (id, format!("{waiting} {id}.QueueName in 300 s {once}")));
    let records = "Sum of ${AWS::StackName}/alarms records of";
    let logged = LOGGED.map(|id| (id, format!("{records} {id} in 300 s {once}")));
    let others = MUST_RING.map(|(id, words)| (id, words.to_owned()));
    for (id, words) in dead.into_iter().chain(logged).chain(others) {
        let alarm = &template["Resources"][format!("{id}Alarm")];
        assert_eq!(alarm["Type"], "AWS::CloudWatch::Alarm", "{id}");
        assert_eq!(alarm["Condition"], Value::Null, "{id}");
        assert_eq!(in_words(&alarm["Properties"]), words, "{id}");
    }
    let queues = resources(&template, "AWS::SQS::Queue").into_iter();
    let dead: BTreeSet<&str> = queues
        .map(|(id, _)| id)
        .filter(|id| id.ends_with("DeadLetters"))
        .collect();
    assert_eq!(dead, BTreeSet::from(DEAD_LETTERS));
}

#[test]
fn the_dashboard_shows_what_the_functions_publish() {
    let template = template();
    let (_, dashboard) = resources(&template, "AWS::CloudWatch::Dashboard")[0];
    let body = dashboard["Properties"]["DashboardBody"].as_str().unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    let mut shown = 0;
    for widget in body["widgets"].as_array().unwrap() {
        for metric in widget["properties"]["metrics"].as_array().unwrap() {
            if metric[0] != NAMESPACE {
                continue;
            }
            let function = metric[3].as_str().unwrap();
            let function = function.trim_start_matches("${").trim_end_matches('}');
            let name = metric[1].as_str().unwrap();
            assert!(publishes(&template, function, name), "{function}: {name}");
            shown += 1;
        }
    }
    assert!(shown > 20, "{shown}");
}

#[test]
fn every_alarm_tells_somebody_what_it_means_and_what_to_do() {
    let template = template();
    for (id, alarm) in alarms(&template) {
        assert_eq!(alarm["AlarmActions"][0], "AlarmTopic", "{id}");
        assert_eq!(alarm["ActionsEnabled"], Value::Null, "{id}");
        let text = alarm["AlarmDescription"].as_str().unwrap();
        // CloudWatch takes 1,024 characters; a sentence of each is the least.
        assert!((40..=1_024).contains(&text.len()), "{id}: {text}");
    }
    let mails = &template["Resources"]["AlarmMails"]["Properties"];
    assert_eq!(
        (&mails["Protocol"], &mails["Endpoint"]),
        (&"email".into(), &"AlarmEmail".into())
    );
}

#[test]
fn every_dead_letter_and_every_failing_function_is_alarmed() {
    let template = template();
    let watches = |namespace: &str, value: &str| {
        alarms(&template).iter().any(|(_, alarm)| {
            alarm["Namespace"] == namespace && alarm["Dimensions"][0]["Value"] == value
        })
    };
    for (id, _) in resources(&template, "AWS::SQS::Queue") {
        assert!(watches("AWS/SQS", &format!("{id}.QueueName")), "{id}");
    }
    for (id, _) in functions(&template) {
        assert!(watches("AWS/Lambda", id), "{id}");
    }
}

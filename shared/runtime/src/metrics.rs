//! Metrics, as CloudWatch takes them out of a function's log: one JSON object a
//! line, in its embedded metric format (CloudWatch user guide, "Specification:
//! Embedded metric format"). No call is made for them.
//!
//! All are in the namespace [`NAMESPACE`], with the dimension `function`: the
//! function's name, so that two deployments in one account do not mix.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// The namespace of every metric.
pub const NAMESPACE: &str = "MarketplaceLedger";

/// Where metrics go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Metrics {
    /// To CloudWatch, by the log of this function.
    CloudWatch {
        /// The function's name.
        function: String,
    },
    /// Nowhere: there is no CloudWatch.
    Nowhere,
}

/// One figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// What it counts.
    pub unit: Unit,
    /// How many.
    pub value: u64,
}

/// What a metric counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Seconds.
    Seconds,
}

impl Metric {
    /// So many things.
    pub fn count(name: &'static str, value: usize) -> Self {
        Self {
            name,
            unit: Unit::Count,
            value: value.try_into().unwrap_or(u64::MAX),
        }
    }

    /// So many seconds.
    pub const fn seconds(name: &'static str, value: u64) -> Self {
        Self {
            name,
            unit: Unit::Seconds,
            value,
        }
    }
}

impl Metrics {
    /// Publishes figures, at most 100 (CloudWatch), as they were at an instant.
    #[expect(
        clippy::print_stdout,
        reason = "a line of the log that is not a log record"
    )]
    pub fn publish(&self, metrics: &[Metric], at: Timestamp) {
        match self {
            Self::CloudWatch { function } => println!("{}", line(function, metrics, at)),
            Self::Nowhere => {}
        }
    }
}

fn line(function: &str, metrics: &[Metric], at: Timestamp) -> Value {
    let named: Vec<Value> = metrics
        .iter()
        .map(|metric| json!({"Name": metric.name, "Unit": unit(metric.unit)}))
        .collect();
    let mut line: Map<String, Value> = metrics
        .iter()
        .map(|metric| (metric.name.to_owned(), metric.value.into()))
        .collect();
    line.insert("function".to_owned(), function.into());
    line.insert(
        "_aws".to_owned(),
        json!({
            "Timestamp": at.as_millisecond(),
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [["function"]],
                "Metrics": named,
            }],
        }),
    );
    Value::Object(line)
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Count => "Count",
        Unit::Seconds => "Seconds",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_one_line_in_cloudwatchs_embedded_metric_format() {
        let metrics = [
            Metric::count("differences", 3),
            Metric::seconds("cursor_lag_seconds", 0),
        ];
        let line = line("check", &metrics, "2026-11-22T10:30:00Z".parse().unwrap());
        let expected = json!({
            "_aws": {
                "Timestamp": 1_795_343_400_000_u64,
                "CloudWatchMetrics": [{
                    "Namespace": "MarketplaceLedger",
                    "Dimensions": [["function"]],
                    "Metrics": [
                        {"Name": "differences", "Unit": "Count"},
                        {"Name": "cursor_lag_seconds", "Unit": "Seconds"},
                    ],
                }],
            },
            "function": "check",
            "differences": 3,
            "cursor_lag_seconds": 0,
        });
        assert_eq!(line, expected);
        assert!(!line.to_string().contains('\n'));
    }
}

//! What was asked of AWS Marketplace's APIs and of Secrets Manager, for tests
//! to look at.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use crate::lock;

/// One call of an API other than DynamoDB's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Call {
    /// When, on the fake's clock.
    pub at: Timestamp,
    /// The operation, e.g. `BatchMeterUsage`.
    pub operation: &'static str,
    /// The request's body as JSON, whatever the protocol; in the control
    /// API's state without registration tokens.
    pub request: Arc<Value>,
    /// What came of it.
    pub outcome: Outcome,
    /// Access key id of the caller, when the call was signed.
    pub access_key: Option<String>,
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Answered with HTTP 200.
    Answered,
    /// Refused with an AWS error of this name.
    Refused(&'static str),
    /// Carried out, but the answer was lost.
    AnswerLost,
}

/// The latest calls, and how many there were.
#[derive(Debug)]
pub(crate) struct CallLog {
    kept: usize,
    calls: Mutex<(VecDeque<Call>, BTreeMap<&'static str, u64>)>,
}

impl CallLog {
    /// Keeps the latest `kept` calls.
    pub(crate) fn new(kept: usize) -> CallLog {
        CallLog {
            kept,
            calls: Mutex::default(),
        }
    }

    /// Adds one.
    pub(crate) fn add(&self, call: Call) {
        let mut guard = lock(&self.calls);
        let (calls, counts) = &mut *guard;
        *counts.entry(call.operation).or_default() += 1;
        while calls.len() >= self.kept.max(1) {
            calls.pop_front();
        }
        calls.push_back(call);
    }

    /// The latest, oldest first.
    pub(crate) fn latest(&self) -> Vec<Call> {
        lock(&self.calls).0.iter().cloned().collect()
    }

    /// How many there were of each operation since the start.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        lock(&self.calls).1.clone()
    }
}

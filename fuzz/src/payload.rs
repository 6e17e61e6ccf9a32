//! What Lambda hands to a function that answers no HTTP: a batch of messages, or
//! a schedule's event.

use runtime::batch::{self, Failures};
use runtime::schedule;
use serde_json::Value;

/// Reads a payload.
pub fn read(bytes: &[u8]) {
    let Ok(payload) = serde_json::from_slice::<Value>(bytes) else {
        return;
    };
    let _ = schedule::from_payload(&payload);
    match batch::messages(payload) {
        Err(unreadable) => assert!(!unreadable.to_string().contains('\n'), "{unreadable}"),
        Ok(messages) => {
            let mut failures = Failures::default();
            messages
                .iter()
                .for_each(|message| failures.postpone(message));
            let answer = failures.into_answer();
            let failed = answer["batchItemFailures"].as_array().unwrap();
            assert_eq!(failed.len(), messages.len());
        }
    }
}

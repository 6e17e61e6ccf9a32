//! A message of an older listing's SNS topic, in SNS's envelope or without.

use app::marketplace_events::parse_notification;

/// Reads the body of a message.
pub fn read(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let queued = ("message", "2026-11-22T10:00:00Z".parse().unwrap());
    if let Some(Err(malformed)) = parse_notification(text, queued) {
        assert!(!malformed.to_string().contains('\n'), "{malformed}");
    }
}

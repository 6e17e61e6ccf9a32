//! An event of AWS Marketplace, from EventBridge.

use app::marketplace_events::parse_event;

/// Reads the body of a message.
pub fn read(bytes: &[u8]) {
    if let Err(malformed) = parse_event(bytes) {
        assert!(!malformed.to_string().contains('\n'), "{malformed}");
    }
}

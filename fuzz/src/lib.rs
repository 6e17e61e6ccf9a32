//! What others send, drawn by chance: each module reads the bytes as the system
//! does, and holds what was read to what the system takes for granted of it. A
//! panic, an endless loop or too much memory is a finding.
//!
//! Nothing here reaches a network: AWS is an HTTP client that answers what it is
//! given, and the issuer listens on loopback.

pub mod data_feed;
pub mod event;
pub mod ids;
pub mod issuer;
pub mod notification;
pub mod packed;
pub mod payload;
pub mod report;
pub mod request;
pub mod settings;

mod surroundings;

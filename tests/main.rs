//! The tests of the whole system, in one binary.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, also in its helpers"
)]

mod alarms;
mod binaries;
mod browser;
mod built;
mod chaos;
mod data_dir;
mod emulator;
mod events;
mod kill;
mod layers;
mod linking;
mod logs;
mod outbox;
mod project;
mod readme;
mod reads;
mod reconciliation;
mod roles;
mod stories;
mod template;
mod tour;
mod trail;
mod wire;

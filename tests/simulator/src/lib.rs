//! A simulator of the ledger: schedules of recorders, posters and submitters,
//! interleaved at every step, crashing between any two, against AWS's and the
//! store's faults; and what must hold after each.
//!
//! It runs the project's own procedures (`ledger`) and rules (`domain`); what
//! performs their steps is a table in memory and a fake of AWS, both of its own.
//! Deterministic: a seed gives a schedule, a schedule gives a world, bit for bit.

pub mod aws;
pub mod cast;
pub mod check;
pub mod conservation;
#[cfg(test)]
mod crowd;
pub mod draw;
pub mod gate;
pub mod run;
pub mod schedule;
pub mod shrink;
pub mod tables;
mod truth;
pub mod watch;
pub mod words;
pub mod world;

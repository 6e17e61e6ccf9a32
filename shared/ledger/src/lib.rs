//! The ledger's procedures: recording, posting, submitting, resolving and
//! checking, as sequences of steps. No I/O: a procedure asks for its steps one
//! by one ([`steps::Steps`]), and whoever drives it performs them. The order of
//! effects is here, and only here; what a step does to a table is `store`'s.
//!
//! So the same code runs on AWS, and in a simulator that interleaves any number
//! of recorders, posters and submitters at every step, crashes them between any
//! two, and loses and repeats answers.
//!
//! # Why a report and the posting of its hour may race in any way
//!
//! A recorder stores the report, *then* reads the shard's cursor, and puts a
//! late marker if the hour is sealed. A poster raises `sealed`, *then* lists
//! the hour's reports. Whatever the interleaving, either the list comes after
//! the report was stored and holds it, or the list came before, so `sealed`
//! was raised before, so the recorder, who reads the cursor after storing,
//! sees the hour sealed and puts the marker. A crash between storing and
//! reading leaves the report unacknowledged: its redelivery finds it stored
//! and goes on to read the cursor.
//!
//! A report may take several items: one for each part of the account, and as
//! many chunks of a part as it needs. It is stored when its last item is, and
//! only then does its recorder read the cursors; the first item is the same
//! whatever the report holds, so that its id is taken before anything else of
//! it is there. A list that holds only some chunks of a part began before the
//! last was stored, so the hour was sealed before the recorder reads the
//! cursor, and the marker comes. Until then the poster leaves such a report out
//! as though it were not there: a posting names reports, and its replay would
//! take for billed what was stored of one after it was named.
//!
//! A marker is deleted only if its nonce is
//! the one that was there before the hour was posted: a report stored in
//! between put a new one.
//!
//! # Why nothing is sent twice
//!
//! An entry is put into a slot only while the slot is open, in the transaction
//! that stores the account-hour which it is the total of; a slot is frozen only
//! on the version that its records were made from. So what is frozen is what
//! was posted, and what is posted later goes elsewhere. A frozen record never
//! changes in what is sent, and AWS takes the first of a license, dimension and
//! hour. A record that may have been accepted is never put into another hour:
//! it is sent again as it is, or its outcome is unknown.
//!
//! One that AWS surely refused may be: when a license ended before it was used,
//! and that is learned late, its account-hours are posted anew to the license
//! linked since. Their lines stay in the slots that AWS refused, and count no
//! more; a posting says which license it released, so that a replay forgets
//! what the postings before it billed to that one. A slot that was refused, or
//! never sent, is closed for good, so that the account-hour's own version is
//! all that this is conditioned on.

pub mod clock;
pub mod conservation;
pub mod notice;
pub mod operations;
pub mod posting;
pub mod recording;
pub mod rules;
pub mod silence;
pub mod step;
pub mod steps;
pub mod submission;
pub mod written_off;

pub use clock::Clock;
pub use notice::Notice;
pub use rules::{Rules, ZeroRecords};
pub use step::{Answer, Step, StepError, Written};
pub use steps::{Steps, Ticket, drive};

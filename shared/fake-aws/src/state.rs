//! AWS Marketplace's own state: agreements, licenses, tokens, accepted usage,
//! and events on their way.
//!
//! It is the fold of a list of [`Change`]s and nothing else changes it, so
//! that keeping the list (see `journal.rs`) keeps the state.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

mod agreement;
mod license;

pub use self::agreement::{Agreement, AgreementStatus, Ending, Intent};
pub use self::license::{License, LicenseState};

use crate::data_feeds::{ByHand, UsageCorrection};
use crate::notices::{CANCELLATION_ANSWERED_WITHIN, endings};

/// A usage record that was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedRecord {
    /// The license that pays.
    pub license_arn: Arc<str>,
    /// The buyer's AWS account.
    pub customer_aws_account_id: Arc<str>,
    /// API name of the dimension.
    pub dimension: Arc<str>,
    /// The hour the record counts for: its timestamp, floored.
    pub hour: Timestamp,
    /// The timestamp that was sent.
    pub timestamp: Timestamp,
    /// Units.
    pub quantity: u64,
    /// How the quantity is split by tags; empty when it was not.
    pub allocations: Vec<Allocation>,
    /// AWS's id of the record.
    pub metering_record_id: String,
    /// When it was accepted, on the fake's clock.
    pub accepted_at: Timestamp,
}

/// One bucket of a record's quantity.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Allocation {
    /// The bucket's tags; empty for the untagged bucket.
    pub tags: BTreeMap<String, String>,
    /// Units.
    pub quantity: u64,
}

/// An event that has not reached every target yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct QueuedEvent {
    /// When it is (next) delivered.
    pub(crate) due: Timestamp,
    /// When it was first due; deliveries stop a day later.
    pub(crate) since: Timestamp,
    /// Failed deliveries.
    pub(crate) attempts: u32,
    /// The whole EventBridge event, or SNS message in its envelope.
    pub(crate) event: Value,
    /// Being delivered at this moment.
    #[serde(skip)]
    pub(crate) in_flight: bool,
}

/// One step of the state's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub(crate) enum Change {
    /// A buyer accepted an offer.
    AgreementAccepted { agreement: Box<Agreement> },
    /// An agreement that was accepted for later began.
    AgreementStarted { agreement_id: String },
    /// An agreement goes on under other terms.
    AgreementAmended { agreement: Box<Agreement> },
    /// An agreement ended, and its license with it, unless another agreement
    /// grants that.
    AgreementEnded {
        agreement_id: String,
        at: Timestamp,
        how: Ending,
        deprovisioned_at: Option<Timestamp>,
    },
    /// AWS said that an agreement ends in so many days.
    EndingTold { agreement_id: String, days: u16 },
    /// The seller asked to cancel an agreement.
    CancellationAsked { agreement_id: String, at: Timestamp },
    /// The buyer rejected that, or the seller withdrew it.
    CancellationSettled { agreement_id: String },
    /// A registration token was made.
    TokenMinted {
        token: String,
        license_arn: String,
        at: Timestamp,
    },
    /// Usage was accepted.
    UsageAccepted { records: Vec<AcceptedRecord> },
    /// Events were emitted.
    EventsQueued { events: Vec<QueuedEvent> },
    /// An event reached its targets, was given up, or waited without a target
    /// until there were too many.
    EventSettled { sequence: u64 },
    /// A delivery failed and is tried again.
    EventPostponed { sequence: u64, due: Timestamp },
    /// A buyer's AWS account was suspended.
    BuyerSuspended { buyer_account: String },
    /// A buyer's AWS account is in good standing again.
    BuyerRestored { buyer_account: String },
    /// AWS's figure of a day was made wrong.
    UsageCorrected {
        at: Timestamp,
        correction: UsageCorrection,
    },
    /// A file of the data feeds was replaced, or taken away.
    FeedFileReplaced { path: String, text: Option<String> },
    /// The clock was moved.
    ClockMoved { now: Timestamp, offset_ms: i64 },
}

/// A registration token.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    /// Index of its license.
    pub(crate) license: usize,
    /// When it was made.
    pub(crate) minted_at: Timestamp,
}

/// Key of an hour's record beside its license: dimension, and the hour in
/// seconds since the epoch.
type Slot = (Arc<str>, i64);

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Marketplace {
    agreements: Vec<Agreement>,
    agreement_index: HashMap<String, usize>,
    licenses: Vec<License>,
    license_index: HashMap<String, usize>,
    tokens: HashMap<String, Token>,
    latest_token: HashMap<usize, String>,
    records: Vec<AcceptedRecord>,
    slots: Vec<HashMap<Slot, usize>>,
    events: BTreeMap<u64, QueuedEvent>,
    next_event: u64,
    suspended: BTreeSet<String>,
    /// Which agreement renews or replaces which, unless it ended before it began.
    successors: HashMap<String, String>,
    starts: BTreeSet<(Timestamp, usize)>,
    expiries: BTreeSet<(Timestamp, usize)>,
    /// When it is said of which agreement that it ends, and in how many days.
    endings: BTreeSet<(Timestamp, usize, u16)>,
    /// When a request to cancel which agreement counts as approved.
    cancellations: BTreeSet<(Timestamp, usize)>,
    feeds: ByHand,
    clock: Option<(Timestamp, SignedDuration)>,
}

impl Marketplace {
    /// Takes one step.
    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::AgreementAccepted { agreement } => self.accept(*agreement),
            Change::AgreementStarted { agreement_id } => self.start(&agreement_id),
            Change::AgreementAmended { agreement } => self.amend(*agreement),
            Change::AgreementEnded {
                agreement_id,
                at,
                how,
                deprovisioned_at,
            } => self.end(&agreement_id, at, how, deprovisioned_at),
            Change::EndingTold { agreement_id, days } => {
                if let Some(number) = self.agreement_index.get(&agreement_id).copied() {
                    let later = |told: &(_, usize, u16)| told.1 != number || told.2 < days;
                    self.endings.retain(later);
                }
            }
            Change::CancellationAsked { agreement_id, at } => {
                self.expect_approval(&agreement_id, at);
            }
            Change::CancellationSettled { agreement_id } => {
                if let Some(number) = self.agreement_index.get(&agreement_id).copied() {
                    self.cancellations.retain(|asked| asked.1 != number);
                }
            }
            Change::TokenMinted {
                token,
                license_arn,
                at,
            } => {
                if let Some(license) = self.license_number(&license_arn) {
                    self.latest_token.insert(license, token.clone());
                    self.tokens.insert(
                        token,
                        Token {
                            license,
                            minted_at: at,
                        },
                    );
                }
            }
            Change::UsageAccepted { records } => {
                for record in records {
                    self.meter(record);
                }
            }
            Change::EventsQueued { events } => {
                for event in events {
                    self.events.insert(self.next_event, event);
                    self.next_event += 1;
                }
            }
            Change::EventSettled { sequence } => {
                self.events.remove(&sequence);
            }
            Change::EventPostponed { sequence, due } => {
                if let Some(event) = self.events.get_mut(&sequence) {
                    event.due = due;
                    event.attempts += 1;
                }
            }
            Change::BuyerSuspended { buyer_account } => {
                self.suspended.insert(buyer_account);
            }
            Change::BuyerRestored { buyer_account } => {
                self.suspended.remove(&buyer_account);
            }
            Change::UsageCorrected { at, correction } => self.feeds.correct(at, correction),
            Change::FeedFileReplaced { path, text } => self.feeds.replace(path, text),
            Change::ClockMoved { now, offset_ms } => {
                self.clock = Some((now, SignedDuration::from_millis(offset_ms)));
            }
        }
    }

    fn accept(&mut self, agreement: Agreement) {
        let number = self.agreements.len();
        let scheduled = agreement.status == AgreementStatus::Scheduled;
        if scheduled {
            self.starts.insert((agreement.starts_at, number));
        }
        if let Some(previous) = &agreement.previous_agreement_id {
            let successor = agreement.agreement_id.clone();
            self.successors.insert(previous.clone(), successor);
        }
        match self.license_number(&agreement.license_arn) {
            Some(_) if scheduled => {}
            Some(license) => self.grant(license, &agreement.agreement_id),
            None => {
                let key = license_key(&agreement.license_arn).to_owned();
                self.license_index.insert(key, self.licenses.len());
                self.licenses.push(License {
                    license_arn: agreement.license_arn.clone(),
                    agreement_id: agreement.agreement_id.clone(),
                    buyer_account: agreement.buyer_account.clone(),
                    activated_at: agreement.starts_at,
                    state: if scheduled {
                        LicenseState::Scheduled
                    } else {
                        LicenseState::Active
                    },
                });
                self.slots.push(HashMap::new());
            }
        }
        self.expect_end(number, &agreement);
        self.agreement_index
            .insert(agreement.agreement_id.clone(), number);
        self.agreements.push(agreement);
    }

    fn start(&mut self, id: &str) {
        let Some(number) = self.agreement_index.get(id).copied() else {
            return;
        };
        let Some(agreement) = self.agreements.get_mut(number) else {
            return;
        };
        agreement.status = AgreementStatus::Active;
        self.starts.remove(&(agreement.starts_at, number));
        let license_arn = agreement.license_arn.clone();
        if let Some(license) = self.license_number(&license_arn) {
            self.grant(license, id);
        }
    }

    /// The license is of this agreement from now on.
    fn grant(&mut self, license: usize, agreement_id: &str) {
        if let Some(license) = self.licenses.get_mut(license) {
            agreement_id.clone_into(&mut license.agreement_id);
            license.state = LicenseState::Active;
        }
    }

    fn amend(&mut self, amended: Agreement) {
        let Some(number) = self.agreement_index.get(&amended.agreement_id).copied() else {
            return;
        };
        self.forget_end(number);
        self.expect_end(number, &amended);
        if let Some(agreement) = self.agreements.get_mut(number) {
            *agreement = amended;
        }
    }

    fn end(&mut self, id: &str, at: Timestamp, how: Ending, deprovisioned_at: Option<Timestamp>) {
        let Some(number) = self.agreement_index.get(id).copied() else {
            return;
        };
        self.forget_end(number);
        self.cancellations.retain(|asked| asked.1 != number);
        let Some(agreement) = self.agreements.get_mut(number) else {
            return;
        };
        if self.starts.remove(&(agreement.starts_at, number))
            && let Some(previous) = &agreement.previous_agreement_id
        {
            self.successors.remove(previous);
        }
        agreement.status = AgreementStatus::Ended { at, how };
        agreement.updated_at = at;
        let license = self.license_index.get(license_key(&agreement.license_arn));
        let license = license.and_then(|index| self.licenses.get_mut(*index));
        if let (Some(license), Some(deprovisioned_at)) = (license, deprovisioned_at) {
            license.state = LicenseState::Ended {
                ended_at: at,
                deprovisioned_at,
            };
        }
    }

    /// A request to cancel an agreement waits for its buyer; one that waits goes on.
    fn expect_approval(&mut self, id: &str, asked_at: Timestamp) {
        let Some(number) = self.agreement_index.get(id).copied() else {
            return;
        };
        let waits = self.cancellations.iter().any(|asked| asked.1 == number);
        if let (false, Ok(at)) = (waits, asked_at.checked_add(CANCELLATION_ANSWERED_WITHIN)) {
            self.cancellations.insert((at, number));
        }
    }

    /// What falls due because the agreement of that number ends.
    fn expect_end(&mut self, number: usize, agreement: &Agreement) {
        if let Some(ends_at) = agreement.ends_at {
            self.expiries.insert((ends_at, number));
        }
        for (at, days) in endings(agreement) {
            self.endings.insert((at, number, days));
        }
    }

    fn forget_end(&mut self, number: usize) {
        let agreement = self.agreements.get(number);
        if let Some(ends_at) = agreement.and_then(|agreement| agreement.ends_at) {
            self.expiries.remove(&(ends_at, number));
        }
        self.endings.retain(|told| told.1 != number);
    }

    fn meter(&mut self, record: AcceptedRecord) {
        let number = self.records.len();
        let slot = (Arc::clone(&record.dimension), record.hour.as_second());
        if let Some(slots) = self
            .license_number(&record.license_arn)
            .and_then(|license| self.slots.get_mut(license))
        {
            slots.insert(slot, number);
        }
        self.records.push(record);
    }

    /// Every agreement, oldest first.
    pub(crate) fn agreements(&self) -> &[Agreement] {
        &self.agreements
    }

    /// The agreement of that id.
    pub(crate) fn agreement(&self, id: &str) -> Option<&Agreement> {
        self.agreements.get(*self.agreement_index.get(id)?)
    }

    /// Every license, oldest first.
    pub(crate) fn licenses(&self) -> &[License] {
        &self.licenses
    }

    /// The license of that ARN, with or without its `arn:` prefix, and its
    /// number.
    pub(crate) fn license(&self, arn: &str) -> Option<(usize, &License)> {
        let number = self.license_number(arn)?;
        Some((number, self.licenses.get(number)?))
    }

    fn license_number(&self, arn: &str) -> Option<usize> {
        self.license_index.get(license_key(arn)).copied()
    }

    /// A registration token and the license it stands for.
    pub(crate) fn token(&self, token: &str) -> Option<(&Token, &License)> {
        let token = self.tokens.get(token)?;
        Some((token, self.licenses.get(token.license)?))
    }

    /// The newest token of a license.
    pub(crate) fn latest_token(&self, license_arn: &str) -> Option<(&str, &Token)> {
        let number = self.license_number(license_arn)?;
        let token = self.latest_token.get(&number)?;
        Some((token, self.tokens.get(token)?))
    }

    /// Every accepted record, oldest first.
    pub(crate) fn records(&self) -> &[AcceptedRecord] {
        &self.records
    }

    /// The record accepted for a license's dimension and hour.
    pub(crate) fn record_in(
        &self,
        license: usize,
        dimension: &Arc<str>,
        hour: Timestamp,
    ) -> Option<&AcceptedRecord> {
        let slot = (Arc::clone(dimension), hour.as_second());
        self.records.get(*self.slots.get(license)?.get(&slot)?)
    }

    /// Whether a buyer's AWS account is suspended.
    pub(crate) fn is_suspended(&self, buyer_account: &str) -> bool {
        self.suspended.contains(buyer_account)
    }

    /// Suspended AWS accounts.
    pub(crate) fn suspended(&self) -> &BTreeSet<String> {
        &self.suspended
    }

    /// The agreement that renews or replaces the one of that id.
    pub(crate) fn successor(&self, id: &str) -> Option<&Agreement> {
        self.agreement(self.successors.get(id)?)
    }

    /// The earliest start still to come, and its agreement.
    pub(crate) fn next_start(&self) -> Option<(Timestamp, &Agreement)> {
        let (at, number) = self.starts.first()?;
        Some((*at, self.agreements.get(*number)?))
    }

    /// The earliest end of a term still to come, and its agreement.
    pub(crate) fn next_expiry(&self) -> Option<(Timestamp, &Agreement)> {
        let (at, number) = self.expiries.first()?;
        Some((*at, self.agreements.get(*number)?))
    }

    /// When AWS next says that an agreement ends, of which, and in how many days.
    pub(crate) fn next_ending(&self) -> Option<(Timestamp, &Agreement, u16)> {
        let (at, number, days) = self.endings.first()?;
        Some((*at, self.agreements.get(*number)?, *days))
    }

    /// When the next request to cancel counts as approved, and of which agreement.
    pub(crate) fn next_approval(&self) -> Option<(Timestamp, &Agreement)> {
        let (at, number) = self.cancellations.first()?;
        Some((*at, self.agreements.get(*number)?))
    }

    /// Whether a request to cancel an agreement waits for its buyer.
    pub(crate) fn is_cancellation_asked(&self, id: &str) -> bool {
        let number = self.agreement_index.get(id);
        number.is_some_and(|number| self.cancellations.iter().any(|asked| asked.1 == *number))
    }

    /// Whether an AWS account ever bought anything.
    pub(crate) fn is_buyer(&self, account: &str) -> bool {
        let mut agreements = self.agreements.iter();
        agreements.any(|agreement| agreement.buyer_account == account)
    }

    /// The event to deliver next that is not being delivered already.
    pub(crate) fn next_event(&self) -> Option<(u64, Timestamp)> {
        let waiting = self.events.iter().filter(|(_, event)| !event.in_flight);
        let due = waiting
            .map(|(sequence, event)| (event.due, *sequence))
            .min();
        due.map(|(due, sequence)| (sequence, due))
    }

    /// The first event due by `now`, of those from `first` on.
    pub(crate) fn next_event_from(&self, first: u64, now: Timestamp) -> Option<u64> {
        self.events
            .range(first..)
            .filter(|(_, event)| !event.in_flight && event.due <= now)
            .map(|(sequence, event)| (event.due, *sequence))
            .min()
            .map(|(_, sequence)| sequence)
    }

    /// How many events wait for delivery.
    pub(crate) fn events_waiting(&self) -> usize {
        self.events.len()
    }

    /// The events that wait for delivery, in the order they were queued.
    pub(crate) fn oldest_events(&self) -> impl Iterator<Item = u64> {
        self.events.keys().copied()
    }

    /// The sequence number the next queued event will get.
    pub(crate) fn next_event_sequence(&self) -> u64 {
        self.next_event
    }

    /// An event that waits for delivery.
    pub(crate) fn event_mut(&mut self, sequence: u64) -> Option<&mut QueuedEvent> {
        self.events.get_mut(&sequence)
    }

    /// What was done to the data feeds by hand.
    pub(crate) fn feeds(&self) -> &ByHand {
        &self.feeds
    }

    /// Where the clock was last left, and how far ahead of the machine's.
    pub(crate) fn clock(&self) -> Option<(Timestamp, SignedDuration)> {
        self.clock
    }
}

/// The part of a license ARN that names the license: `l-…`.
fn license_key(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

//! The procedures on the embedded DynamoDB through the real SDK.

mod calls;
mod carrying;
mod contracts;
mod days;
mod holds;
mod large;
mod months;
mod operations;
mod silence;
mod sizes;
mod tables;
mod unreadable;
mod waiting;
mod zeros;

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::hour::Hour;
use domain::ids::{AccountId, LicenseId};
use fake_aws::NewAgreement;
use jiff::{SignedDuration, Timestamp};
use ledger::step::Slot;
use ledger::{Notice, drive, posting, submission};
use serde_json::{Value, json};

use crate::SubmissionRun;
use crate::month::Month;
use crate::testing::{World, dynamodb_of, license_of};
use crate::usage_month::{MeteringStatus, UsageLine};

/// A subscription, and the account that its license is linked to.
struct Customer {
    agreement: NewAgreement,
    license: LicenseId,
    account: AccountId,
}

/// A world with one customer, 3 computers of whom are in the slot of an hour that is over.
async fn posted() -> (World, Customer, Hour) {
    let world = World::new().await;
    let customer = world.customer(0).await;
    world.app.start_cursors().await.unwrap();
    let hour = Hour::of(world.now());
    world.report(&customer.account, hour, "r", 3).await;
    world.post_after(hour).await;
    (world, customer, hour)
}

impl World {
    /// A buyer subscribes and links the license to an account.
    async fn customer(&self, number: u64) -> Customer {
        let agreement = self.subscribe(&buyer(number)).await;
        self.deliver().await;
        let session = self.begin(&agreement.registration_token).await;
        let account = self.account(&format!("account-{number}"), &["ann"]).await;
        self.link(&session, "ann", &account).await;
        Customer {
            license: license_of(&agreement),
            agreement,
            account,
        }
    }

    /// The buyer cancels, and we learn of it.
    async fn cancel(&self, customer: &Customer) {
        let agreement = &customer.agreement.agreement_id;
        self.aws.cancel_agreement(agreement).await.unwrap();
        self.deliver().await;
    }

    /// The product reports computers of the Large tier.
    async fn report(&self, account: &AccountId, hour: Hour, id: &str, computers: usize) {
        let computers: Vec<Value> = (0..computers)
            .map(|n| {
                json!({"agent_id": format!("{id}-{n}"), "connector": {"kind": "aws"},
                       "size": {"instance_type": "m5.large"}})
            })
            .collect();
        let report = json!({"account": account, "hour": hour, "report_id": id,
                            "computers": computers});
        let report = serde_json::from_value(report).unwrap();
        self.app.record_usage(&report).await.unwrap();
    }

    async fn advance_to(&self, instant: Timestamp) {
        self.aws.advance_to(instant).await.unwrap();
    }

    /// Moves to 11 minutes after an hour's end and posts it.
    async fn post_after(&self, hour: Hour) {
        self.advance_to(hour.end() + SignedDuration::from_mins(11))
            .await;
        self.app.post_due(Timestamp::MAX).await.unwrap();
    }

    async fn submit(&self) -> SubmissionRun {
        self.app.submit_due(Timestamp::MAX).await.unwrap()
    }

    /// Posts and submits, and what was told meanwhile.
    async fn told(&self) -> (SubmissionRun, Vec<Notice>) {
        let mut told = Vec::new();
        let (app, rules) = (&self.app, &self.app.settings.rules);
        let steps = app.steps();
        let posting = posting::post_due(&steps, rules, Timestamp::MAX);
        drive(&steps, posting, |s| app.perform(s), |n| told.push(n))
            .await
            .unwrap();
        let submission = submission::submit_due(&steps, rules, Timestamp::MAX);
        let run = drive(&steps, submission, |s| app.perform(s), |n| told.push(n)).await;
        (run.unwrap(), told)
    }

    async fn slot(&self, license: &LicenseId, hour: Hour) -> Slot {
        let slot = self.app.store.slot(license, hour).await.unwrap();
        slot.unwrap_or_else(|| panic!("no slot {hour}"))
    }

    /// The lines of an account's hour, as a customer sees them.
    async fn lines(&self, account: &AccountId, hour: Hour) -> Vec<UsageLine> {
        let month = Month::of(hour.start());
        let usage = self.app.usage_month(account, month).await.unwrap();
        let hours = usage.hours.into_iter().filter(|usage| usage.hour == hour);
        hours.flat_map(|usage| usage.lines).collect()
    }

    /// The metering status of an account's hour, which has one line.
    async fn status(&self, account: &AccountId, hour: Hour) -> MeteringStatus {
        let lines = self.lines(account, hour).await;
        assert_eq!(lines.len(), 1, "{lines:?}");
        lines[0].status
    }

    /// Nothing between reports and AWS's verdicts is lost or doubled.
    async fn assert_conserved(&self) {
        assert_eq!(self.differences().await, Vec::<String>::new());
    }

    /// What AWS accepted of a license, by hour.
    fn accepted(&self, license: &LicenseId) -> BTreeMap<Hour, u64> {
        let mut accepted = BTreeMap::new();
        for record in self.aws.accepted_records() {
            if record.license_arn.ends_with(license.as_str()) {
                *accepted.entry(Hour::of(record.timestamp)).or_default() += record.quantity;
            }
        }
        accepted
    }

    /// Every item of the ledger's table, by its key.
    async fn ledger_items(&self) -> BTreeMap<(String, String), Item> {
        let client = dynamodb_of(self);
        let scan = client.scan().table_name("Usage").consistent_read(true);
        let text = |item: &Item, name: &str| item[name].as_s().unwrap().clone();
        let (mut found, mut start) = (BTreeMap::new(), None);
        loop {
            let page = scan.clone().set_exclusive_start_key(start.take());
            let page = page.send().await.unwrap();
            for item in page.items.unwrap_or_default() {
                found.insert((text(&item, "pk"), text(&item, "sk")), item);
            }
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return found;
            }
        }
    }
}

type Item = HashMap<String, AttributeValue>;

fn buyer(number: u64) -> String {
    format!("{:012}", 100 + number)
}

fn minutes(count: i64) -> SignedDuration {
    SignedDuration::from_mins(count)
}

//! One decision, one transaction.

use aws_sdk_dynamodb::types::{AttributeValue, ConditionCheck, Delete, Put, TransactWriteItem};
use domain::audit::{AuditEntry, AuditSubject};
use domain::change::{Change, MemberChange};
use domain::hour::after;
use domain::license::License;
use domain::linking::Link;
use domain::member::Member;
use domain::outbound::OutboundEvent;
use domain::sign_in::SecretHash;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::mapping::{Row, account_row, item, license_row, support_request_row};
use super::{keys, mapping};
use crate::{Store, StoreError};

/// How long a sent outbound event is kept for people to look at.
const OUTBOX_KEPT_FOR: SignedDuration = SignedDuration::from_hours(8 * 24);

/// The most actions of one transaction (DynamoDB).
const MAX_ACTIONS: usize = 100;

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a change that lost was not made"]
pub enum CommitOutcome {
    /// All of it is stored.
    Committed,
    /// None of it is: something that it was decided on has changed meanwhile,
    /// or is being changed. Load and decide again, or tell the person.
    Lost,
}

/// What must hold of the item that an action replaces.
enum Condition {
    Absent,
    Present,
    Version(u64),
}

impl Store {
    /// Commits a change: all of it, if every snapshot in it still has the
    /// version that it was decided on, else nothing.
    ///
    /// # Errors
    /// [`StoreError`]; after [`StoreError::Unavailable`] it may be committed or not.
    pub async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        let actions = self.actions(change)?;
        if actions.len() > MAX_ACTIONS {
            return Err(StoreError::Refused(format!(
                "a change of {} actions; a transaction takes {MAX_ACTIONS}",
                actions.len()
            )));
        }
        let sent = self
            .to_write_subscriptions()
            .await?
            .transact_write_items()
            .set_transact_items(Some(actions))
            .send()
            .await;
        let Err(error) = sent else {
            return Ok(CommitOutcome::Committed);
        };
        match error.as_service_error() {
            Some(refused) if refused.is_transaction_canceled_exception() && lost(refused) => {
                Ok(CommitOutcome::Lost)
            }
            Some(_) | None => Err(error.into()),
        }
    }

    fn actions(&self, change: &Change) -> Result<Vec<TransactWriteItem>, StoreError> {
        let mut actions = Vec::new();
        for account in &change.accounts {
            let condition = snapshot(account.version);
            actions.push(self.put(&account_row(account), Some(condition))?);
        }
        for license in &change.licenses {
            let condition = snapshot(license.version);
            actions.push(self.put(&license_row(license), Some(condition))?);
            actions.push(self.put_bought(license)?);
            if license.version == 0 {
                actions.push(self.put_among_all(license)?);
            }
        }
        for link in &change.opened {
            actions.extend(self.put_link(link, || Condition::Absent)?);
        }
        for link in &change.closed {
            actions.extend(self.put_link(link, || Condition::Present)?);
        }
        for member in &change.requires {
            actions.push(self.require_member(member)?);
        }
        for member in &change.members {
            actions.extend(self.member_actions(change, member)?);
        }
        for request in &change.requests {
            let condition = snapshot(request.version);
            actions.push(self.put(&support_request_row(request), Some(condition))?);
        }
        for (place, entry) in change.audit.iter().enumerate() {
            actions.push(self.put_audit(change, place, entry)?);
        }
        let at = change.audit.iter().map(|entry| entry.at).max();
        for (index, event) in change.outbound.iter().enumerate() {
            actions.push(self.put_outbox(event, index, at)?);
        }
        Ok(actions)
    }

    fn put<T: Serialize>(
        &self,
        row: &Row<T>,
        condition: Option<Condition>,
    ) -> Result<TransactWriteItem, StoreError> {
        let mut put = Put::builder()
            .table_name(&self.tables.subscriptions)
            .set_item(Some(item(row)?));
        put = match condition {
            None => put,
            Some(Condition::Absent) => put.condition_expression("attribute_not_exists(pk)"),
            Some(Condition::Present) => put.condition_expression("attribute_exists(pk)"),
            Some(Condition::Version(version)) => put
                .condition_expression("#version = :version")
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(":version", AttributeValue::N(version.to_string())),
        };
        Ok(TransactWriteItem::builder()
            .put(put.build().map_err(not_built)?)
            .build())
    }

    /// So that an AWS account's licenses are found.
    fn put_bought(&self, license: &License) -> Result<TransactWriteItem, StoreError> {
        let (buyer, bought) = (keys::buyer(&license.buyer), keys::bought(&license.id));
        self.put(&Row::new(buyer, bought, &license.id), None)
    }

    /// So that every license is found without knowing its buyer.
    fn put_among_all(&self, license: &License) -> Result<TransactWriteItem, StoreError> {
        let (all, id) = (keys::licenses_with(&license.id), keys::bought(&license.id));
        self.put(&Row::new(all, id, &license.id), None)
    }

    /// A link is kept under its account and under its license, so that both
    /// directions are queries.
    fn put_link(
        &self,
        link: &Link,
        condition: impl Fn() -> Condition,
    ) -> Result<[TransactWriteItem; 2], StoreError> {
        let account = keys::account(&link.account);
        let license = keys::license(&link.license);
        Ok([
            self.put(
                &Row::new(account, keys::link_by_account(link), link),
                Some(condition()),
            )?,
            self.put(
                &Row::new(license, keys::link_by_license(link), link),
                Some(condition()),
            )?,
        ])
    }

    /// The membership that was the authority for the change still holds.
    fn require_member(&self, member: &Member) -> Result<TransactWriteItem, StoreError> {
        let check = ConditionCheck::builder()
            .table_name(&self.tables.subscriptions)
            .key("pk", AttributeValue::S(keys::account(&member.account)))
            .key(
                "sk",
                AttributeValue::S(keys::member_by_account(&member.user)),
            )
            .condition_expression("#body.#role = :role")
            .expression_attribute_names("#body", "body")
            .expression_attribute_names("#role", "role")
            .expression_attribute_values(
                ":role",
                AttributeValue::S(member.role.as_str().to_owned()),
            )
            .build()
            .map_err(not_built)?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }

    fn member_actions(
        &self,
        change: &Change,
        member: &MemberChange,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        match member {
            MemberChange::Set(member) => {
                let by_account = keys::member_by_account(&member.user);
                let by_user = keys::member_by_user(&member.account);
                let mut actions = vec![
                    self.put(
                        &Row::new(keys::account(&member.account), by_account, member),
                        None,
                    )?,
                    self.put(&Row::new(keys::user(&member.user), by_user, member), None)?,
                ];
                if change.accounts.iter().all(|one| one.id != member.account) {
                    actions.push(self.require_account(&keys::account(&member.account))?);
                }
                Ok(actions)
            }
            MemberChange::Removed { account, user } => Ok(vec![
                self.delete(keys::account(account), keys::member_by_account(user))?,
                self.delete(keys::user(user), keys::member_by_user(account))?,
            ]),
        }
    }

    fn require_account(&self, pk: &str) -> Result<TransactWriteItem, StoreError> {
        let check = ConditionCheck::builder()
            .table_name(&self.tables.subscriptions)
            .key("pk", AttributeValue::S(pk.to_owned()))
            .key("sk", AttributeValue::S(keys::ACCOUNT.to_owned()))
            .condition_expression("attribute_exists(pk)")
            .build()
            .map_err(not_built)?;
        Ok(TransactWriteItem::builder().condition_check(check).build())
    }

    fn delete(&self, pk: String, sk: String) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.tables.subscriptions)
            .key("pk", AttributeValue::S(pk))
            .key("sk", AttributeValue::S(sk))
            .build()
            .map_err(not_built)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }

    /// Put without a condition: the key holds a digest of the content, so what
    /// might be there is the same.
    fn put_audit(
        &self,
        change: &Change,
        place: usize,
        entry: &AuditEntry,
    ) -> Result<TransactWriteItem, StoreError> {
        let (pk, version) = match &entry.subject {
            AuditSubject::Account(id) => (
                keys::account(id),
                change
                    .accounts
                    .iter()
                    .find(|a| a.id == *id)
                    .map(|a| a.version),
            ),
            AuditSubject::License(id) => (
                keys::license(id),
                change
                    .licenses
                    .iter()
                    .find(|l| l.id == *id)
                    .map(|l| l.version),
            ),
        };
        let content = serde_json::to_string(entry)
            .map_err(|error| StoreError::corrupt(format!("{pk} | audit"), error))?;
        let digest = SecretHash::of(&content);
        let version = version.map_or(0, |version| version.saturating_add(1));
        let sk = keys::audit(entry.at, version, place, &digest.as_str()[..16]);
        self.put(&Row::new(pk, sk, entry), None)
    }

    fn put_outbox(
        &self,
        event: &OutboundEvent,
        index: usize,
        at: Option<Timestamp>,
    ) -> Result<TransactWriteItem, StoreError> {
        let (pk, version) = owner(event);
        let outgoing = mapping::outgoing(event, &pk)?;
        let row = Row::new(pk, keys::outbox(version, index), outgoing);
        let row = match at {
            Some(at) => row.cleaned_after(after(at, OUTBOX_KEPT_FOR)),
            None => row,
        };
        self.put(&row, Some(Condition::Absent))
    }
}

/// Whose event it is, and the version from which on it holds.
fn owner(event: &OutboundEvent) -> (String, u64) {
    match event {
        OutboundEvent::AccountAccessChanged {
            account, version, ..
        }
        | OutboundEvent::GraceStarted {
            account, version, ..
        }
        | OutboundEvent::TrialEnding {
            account, version, ..
        }
        | OutboundEvent::GraceEnding {
            account, version, ..
        }
        | OutboundEvent::GraceRepeated {
            account, version, ..
        }
        | OutboundEvent::PayerChanged {
            account, version, ..
        }
        | OutboundEvent::ChangedBySupport {
            account, version, ..
        } => (keys::account(account), *version),
        OutboundEvent::LicenseUnlinked {
            license, version, ..
        }
        | OutboundEvent::AgreementNoticed {
            license, version, ..
        }
        | OutboundEvent::UsageRequested {
            license, version, ..
        } => (keys::license(license), *version),
    }
}

fn snapshot(version: u64) -> Condition {
    match version {
        0 => Condition::Absent,
        version => Condition::Version(version),
    }
}

/// Whether a transaction was cancelled because somebody else won, and for
/// nothing else.
fn lost(
    error: &aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError,
) -> bool {
    use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError as Error;
    let Error::TransactionCanceledException(cancelled) = error else {
        return false;
    };
    let mut somebody_won = false;
    for reason in cancelled.cancellation_reasons() {
        match reason.code() {
            None | Some("None") => {}
            Some("ConditionalCheckFailed" | "TransactionConflict") => somebody_won = true,
            Some(_) => return false,
        }
    }
    somebody_won
}

fn not_built(error: aws_sdk_dynamodb::error::BuildError) -> StoreError {
    StoreError::Refused(error.to_string())
}

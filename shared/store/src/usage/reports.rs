//! Usage reports: immutable, one item for each part they touch.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use domain::hour::{Hour, after};
use domain::ids::{AccountId, ReportId};
use domain::usage::report::Fingerprint;
use domain::usage::{Observation, Part, Shard, packed};
use jiff::SignedDuration;

use super::keys;
use super::mapping::{Item, key_of};
use crate::{Store, StoreError};

/// How long a report is kept: well beyond the 48 h in which it may come again.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(35 * 24);

/// The answer to storing one part of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum PutReport {
    /// It was not there before.
    Stored,
    /// The same report is there.
    AlreadyStored,
    /// Another report is there under the same id.
    Conflict,
}

/// One part of a stored report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredReport {
    /// The account.
    pub account: AccountId,
    /// The part.
    pub part: Part,
    /// The report's id.
    pub id: ReportId,
    /// What it saw.
    pub observations: Vec<Observation>,
}

/// One part of an account in one hour that has reports.
pub type AccountPart = (AccountId, Part);

impl Store {
    /// Stores one part of a report, if nothing is stored under its id.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or the stored item is unreadable.
    pub async fn put_report(
        &self,
        account: &AccountId,
        hour: Hour,
        part: Part,
        id: &ReportId,
        fingerprint: Fingerprint,
        observations: &[Observation],
    ) -> Result<PutReport, StoreError> {
        let expires_at = after(hour.start(), KEPT_FOR).as_second();
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.usage)
            .item("pk", text(keys::reports(Shard::of(account, part), hour)))
            .item("sk", text(keys::report(account, part, id)))
            .item("account", text(account.as_str()))
            .item("part", AttributeValue::N(part.0.to_string()))
            .item("report", text(id.as_str()))
            .item("fingerprint", blob(fingerprint.0.to_vec()))
            .item("computers", blob(packed::pack(observations)))
            .item("expires_at", AttributeValue::N(expires_at.to_string()))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match put {
            Ok(_) => return Ok(PutReport::Stored),
            Err(error) => error,
        };
        let Some(PutItemError::ConditionalCheckFailedException(failed)) = error.as_service_error()
        else {
            return Err(error.into());
        };
        let stored = failed.item();
        match stored.and_then(|item| item.get("fingerprint")) {
            Some(AttributeValue::B(stored)) if stored.as_ref() == fingerprint.0 => {
                Ok(PutReport::AlreadyStored)
            }
            Some(_) => Ok(PutReport::Conflict),
            None => Err(StoreError::corrupt(
                keys::report(account, part, id),
                "a stored report without a fingerprint",
            )),
        }
    }

    /// Which parts of which accounts have reports in a shard's hour, each once.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or an item is unreadable.
    pub async fn reported_parts(
        &self,
        shard: Shard,
        hour: Hour,
    ) -> Result<Vec<AccountPart>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.tables.usage)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(keys::reports(shard, hour)))
            .projection_expression("pk, sk, account, #part")
            .expression_attribute_names("#part", "part");
        let mut parts: Vec<AccountPart> = Vec::new();
        for item in self.query_all(query).await? {
            let part = (account_of(&item)?, part_of(&item)?);
            if parts.last() != Some(&part) {
                parts.push(part);
            }
        }
        parts.sort_unstable();
        parts.dedup();
        Ok(parts)
    }

    /// All reports of one part of an account in an hour.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when one cannot be unpacked; [`StoreError`] when DynamoDB does not answer.
    pub async fn reports(
        &self,
        account: &AccountId,
        part: Part,
        hour: Hour,
    ) -> Result<Vec<StoredReport>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.tables.usage)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND begins_with(sk, :part)")
            .expression_attribute_values(":pk", text(keys::reports(Shard::of(account, part), hour)))
            .expression_attribute_values(":part", text(keys::reports_of_part(account, part)));
        self.query_all(query).await?.iter().map(report_of).collect()
    }
}

fn report_of(item: &Item) -> Result<StoredReport, StoreError> {
    let corrupt = |reason: &str| StoreError::corrupt(key_of(item), reason);
    let id = item
        .get("report")
        .and_then(|value| value.as_s().ok())
        .ok_or_else(|| corrupt("no report id"))?;
    let Some(AttributeValue::B(computers)) = item.get("computers") else {
        return Err(corrupt("no computers"));
    };
    Ok(StoredReport {
        account: account_of(item)?,
        part: part_of(item)?,
        id: ReportId::parse(id).map_err(|error| corrupt(&error.to_string()))?,
        observations: packed::unpack(computers.as_ref())
            .map_err(|error| corrupt(&error.to_string()))?,
    })
}

fn account_of(item: &Item) -> Result<AccountId, StoreError> {
    item.get("account")
        .and_then(|value| value.as_s().ok())
        .and_then(|id| AccountId::parse(id).ok())
        .ok_or_else(|| StoreError::corrupt(key_of(item), "no account"))
}

fn part_of(item: &Item) -> Result<Part, StoreError> {
    item.get("part")
        .and_then(|value| value.as_n().ok())
        .and_then(|number| number.parse().ok())
        .map(Part)
        .ok_or_else(|| StoreError::corrupt(key_of(item), "no part"))
}

pub(super) fn text(value: impl Into<String>) -> AttributeValue {
    AttributeValue::S(value.into())
}

fn blob(bytes: Vec<u8>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

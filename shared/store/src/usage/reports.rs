//! Usage reports: immutable, one item for each part they touch.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use domain::hour::{Hour, after};
use domain::ids::AccountId;
use domain::usage::{Part, Shard, packed};
use jiff::SignedDuration;
use ledger::step::{AccountPart, PutReport, ReadReports, ReportPart, StoredReport};

use super::keys::{self, Key};
use super::mapping::{FORMAT, Item, known, number};
use super::table::Sorted;
use crate::{Store, StoreError};

/// How long a report is kept: well beyond the 48 h in which it may come again.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(35 * 24);

impl Store {
    /// Stores one part of a report, if nothing is stored under its id.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or the stored item is unreadable.
    pub async fn put_report(&self, report: &ReportPart) -> Result<PutReport, StoreError> {
        let key = keys::report(&report.account, report.part, report.hour, &report.id);
        let expires_at = after(report.hour.start(), KEPT_FOR).as_second();
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.usage)
            .set_item(Some(key.attributes()))
            .item("format", number(FORMAT))
            .item("fingerprint", blob(report.fingerprint.0.to_vec()))
            .item("computers", blob(packed::pack(&report.observations)))
            .item("expires_at", number(expires_at))
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
            Some(AttributeValue::B(stored)) if stored.as_ref() == report.fingerprint.0 => {
                Ok(PutReport::AlreadyStored)
            }
            Some(_) => Ok(PutReport::Conflict),
            None => Err(StoreError::corrupt(
                key.to_string(),
                "a stored report without a fingerprint",
            )),
        }
    }

    /// Which parts of which accounts have reports in a shard's hour, each once,
    /// ascending. The keys say it: a report that cannot be read is listed too.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or a key is no report's.
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
            .expression_attribute_values(":pk", AttributeValue::S(keys::reports(shard, hour)))
            .projection_expression("pk, sk");
        let mut parts: Vec<AccountPart> = Vec::new();
        for item in self.query_all(query).await? {
            let key = Key::of(&item);
            let (account, part, _) = keys::named_report(&key.sk)
                .ok_or_else(|| StoreError::corrupt(key.to_string(), "no report's key"))?;
            if parts.last() != Some(&(account.clone(), part)) {
                parts.push((account, part));
            }
        }
        parts.sort_unstable();
        parts.dedup();
        Ok(parts)
    }

    /// All reports of one part of an account in an hour, and what of them
    /// cannot be read.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer.
    pub async fn reports(
        &self,
        account: &AccountId,
        part: Part,
        hour: Hour,
    ) -> Result<ReadReports, StoreError> {
        let pk = keys::reports(Shard::of(account, part), hour);
        let of_part = Sorted::BeginningWith(keys::reports_of_part(account, part));
        let mut read = ReadReports::default();
        for item in self.usage_items(pk, of_part).await? {
            match report_of(&item) {
                Ok(report) => read.reports.push(report),
                Err(StoreError::Corrupt(unreadable)) => read.unreadable.push(unreadable),
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }
}

fn report_of(item: &Item) -> Result<StoredReport, StoreError> {
    let key = known(item)?;
    let corrupt = |reason: &dyn ToString| StoreError::corrupt(key.to_string(), reason.to_string());
    let (_, _, id) = keys::named_report(&key.sk).ok_or_else(|| corrupt(&"no report's key"))?;
    let Some(AttributeValue::B(computers)) = item.get("computers") else {
        return Err(corrupt(&"no computers"));
    };
    Ok(StoredReport {
        id,
        observations: packed::unpack(computers.as_ref()).map_err(|error| corrupt(&error))?,
    })
}

fn blob(bytes: Vec<u8>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

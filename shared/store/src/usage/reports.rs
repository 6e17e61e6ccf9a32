//! Usage reports: immutable, an item for each chunk of each part they touch.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use domain::hour::{Hour, after};
use domain::ids::AccountId;
use domain::usage::{Part, Shard, packed};
use jiff::SignedDuration;
use ledger::step::{AccountPart, Chunk, Listed, PutReport, ReadReports, ReportPart, StoredReport};

use super::keys::{self, Key};
use super::mapping::{FORMAT, Item, bytes, known, number};
use super::table::{Sorted, list};
use crate::{Store, StoreError};

/// How long a report is kept: well beyond the 48 h in which it may come again.
pub const REPORTS_KEPT_FOR: SignedDuration = SignedDuration::from_hours(35 * 24);

impl Store {
    /// Stores a chunk of one part of a report, if nothing is stored as this
    /// chunk of its id.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or the stored item is unreadable.
    pub async fn put_report(&self, report: &ReportPart) -> Result<PutReport, StoreError> {
        let (part, chunk) = (report.part, report.chunk);
        let key = keys::report(&report.account, part, report.hour, &report.id, chunk.number);
        let expires_at = after(report.hour.start(), REPORTS_KEPT_FOR).as_second();
        let put = self
            .to_write_usage()
            .await?
            .put_item()
            .table_name(&self.tables.usage)
            .set_item(Some(key.attributes()))
            .item("format", number(FORMAT))
            .item("chunks", number(chunk.of))
            .item("fingerprint", bytes(report.fingerprint.0))
            .item("computers", bytes(packed::pack(&report.observations)))
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
    /// [`StoreError`] when DynamoDB does not answer.
    pub async fn reported_parts(
        &self,
        shard: Shard,
        hour: Hour,
    ) -> Result<Listed<AccountPart>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.tables.usage)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(keys::reports(shard, hour)))
            .projection_expression("pk, sk");
        let items = self.query_all(query).await?;
        let mut parts = list(items.iter().map(|item| {
            let key = Key::of(item);
            let named = keys::named_report(&key.sk);
            named
                .map(|(account, part, ..)| (account, part))
                .ok_or_else(|| StoreError::corrupt(key.to_string(), "no report's key"))
        }))?;
        parts.items.sort_unstable();
        parts.items.dedup();
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
    let (_, _, id, number) =
        keys::named_report(&key.sk).ok_or_else(|| corrupt(&"no report's key"))?;
    let chunks = item.get("chunks").and_then(|of| of.as_n().ok());
    let of = chunks.and_then(|of| of.parse().ok());
    let Some(AttributeValue::B(computers)) = item.get("computers") else {
        return Err(corrupt(&"no computers"));
    };
    Ok(StoredReport {
        id,
        chunk: Chunk {
            number,
            of: of.ok_or_else(|| corrupt(&"it does not say how many chunks there are"))?,
        },
        observations: packed::unpack(computers.as_ref()).map_err(|error| corrupt(&error))?,
    })
}

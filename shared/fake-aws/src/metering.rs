//! The metering API: `ResolveCustomer` and `BatchMeterUsage`.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::Inner;
use crate::config::{BeforeActivation, IdenticalRetry};
use crate::faults::CallFault;
use crate::lock;
use crate::state::{AcceptedRecord, Change, LicenseState, Marketplace};
use crate::usage_record::UsageRecord;
use crate::wire::{AwsError, Wire};

const MOST_RECORDS: usize = 25;
const LARGEST_BODY: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ResolveCustomer {
    #[serde(default)]
    registration_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BatchMeterUsage {
    usage_records: Option<Vec<Value>>,
    #[serde(default)]
    product_code: Option<String>,
}

/// What becomes of one record.
enum Verdict {
    Accepted(AcceptedRecord),
    Repeated(String),
    Duplicate,
    NotSubscribed,
}

impl Inner {
    /// `ResolveCustomer`: the buyer, license and agreement behind a token.
    pub(crate) fn resolve_customer(&self, request: Value) -> Result<Wire, AwsError> {
        let request: ResolveCustomer = read(request)?;
        let now = self.clock.now();
        let kept = lock(&self.kept);
        let Some((token, license)) = kept.state.token(&request.registration_token) else {
            return Err(AwsError::refused(
                "InvalidTokenException",
                "Registration token is invalid.",
            ));
        };
        if now.duration_since(token.minted_at) >= self.config.readings.token_lifetime {
            return Err(AwsError::refused(
                "ExpiredTokenException",
                "The submitted registration token has expired.",
            ));
        }
        let mut answer = vec![
            ("ProductCode", Wire::text(&self.config.product_code)),
            ("CustomerAWSAccountId", Wire::text(&license.buyer_account)),
            ("LicenseArn", Wire::text(&license.license_arn)),
            (
                "Metadata",
                Wire::Struct(vec![("AgreementId", Wire::text(&license.agreement_id))]),
            ),
        ];
        let agreement = kept.state.agreement(&license.agreement_id);
        if agreement.is_some_and(|agreement| agreement.told_by.is_older_listing()) {
            let customer = self.customer_identifier(&license.buyer_account);
            answer.push(("CustomerIdentifier", Wire::text(&customer)));
        }
        Ok(Wire::Struct(answer))
    }

    /// `BatchMeterUsage`: either the whole call is refused, or every record
    /// gets its own status.
    pub(crate) fn batch_meter_usage(
        &self,
        request: Value,
        body_length: usize,
        fault: Option<CallFault>,
    ) -> Result<Wire, AwsError> {
        if body_length > LARGEST_BODY {
            return Err(AwsError::refused(
                "ValidationException",
                "The request is larger than 1 MB.",
            ));
        }
        let request: BatchMeterUsage = read(request)?;
        let records = request.usage_records.ok_or_else(|| {
            AwsError::refused("ValidationException", "Value null at 'usageRecords' failed to satisfy constraint: Member must not be null")
        })?;
        if records.len() > MOST_RECORDS {
            return Err(AwsError::refused(
                "ValidationException",
                "1 validation error detected: Value at 'usageRecords' failed to satisfy constraint: \
                 Member must have length less than or equal to 25",
            ));
        }
        let now = self.clock.now();
        let usage = self.check_usage(&records, request.product_code.as_deref(), now)?;
        let unprocessed = match fault {
            Some(CallFault::Unprocessed(count)) => count.unwrap_or(records.len()),
            _ => 0,
        };
        let processed = records.len().saturating_sub(unprocessed);
        self.settle_usage(&records, &usage, processed, now)
    }

    /// Every check that refuses the whole call, record by record.
    fn check_usage(
        &self,
        records: &[Value],
        product_code: Option<&str>,
        now: Timestamp,
    ) -> Result<Vec<UsageRecord>, AwsError> {
        let usage = records
            .iter()
            .enumerate()
            .map(|(index, record)| UsageRecord::read(index, record))
            .collect::<Result<Vec<UsageRecord>, AwsError>>()?;
        if product_code.is_some_and(|code| !code.is_empty()) {
            return Err(AwsError::refused(
                "InvalidProductCodeException",
                "ProductCode must not be sent for a product that is metered by LicenseArn.",
            ));
        }
        let kept = lock(&self.kept);
        for record in &usage {
            record.check_time(now)?;
            self.dimension(&record.dimension).ok_or_else(|| {
                AwsError::refused(
                    "InvalidUsageDimensionException",
                    format!(
                        "The dimension {:?} is not one of the product's.",
                        record.dimension
                    ),
                )
            })?;
            self.check_license(&kept.state, record)?;
        }
        Ok(usage)
    }

    fn check_license(&self, state: &Marketplace, record: &UsageRecord) -> Result<(), AwsError> {
        let refuse = |reason: &str| {
            let message = format!("The license {:?} {reason}.", record.license_arn);
            Err(AwsError::refused("InvalidLicenseException", message))
        };
        let Some((_, license)) = state.license(&record.license_arn) else {
            return refuse("is not known");
        };
        if license.buyer_account != record.customer_aws_account_id {
            return refuse("does not belong to this customer");
        }
        let early = record.timestamp < license.activated_at;
        if early && self.config.readings.before_activation == BeforeActivation::RefuseCall {
            return refuse("was not active yet at the record's timestamp");
        }
        match license.state {
            LicenseState::Ended { ended_at, .. } if record.timestamp > ended_at => {
                refuse("was not active any more at the record's timestamp")
            }
            LicenseState::Ended { .. } | LicenseState::Active | LicenseState::Scheduled => Ok(()),
        }
    }

    fn settle_usage(
        &self,
        records: &[Value],
        usage: &[UsageRecord],
        processed: usize,
        now: Timestamp,
    ) -> Result<Wire, AwsError> {
        let mut results = Vec::new();
        let mut accepted: Vec<AcceptedRecord> = Vec::new();
        let mut kept = lock(&self.kept);
        for (sent, record) in records.iter().zip(usage).take(processed) {
            let (status, id) = match self.judge(&kept.state, &accepted, record, now) {
                Verdict::Accepted(record) => {
                    let id = record.metering_record_id.clone();
                    accepted.push(record);
                    ("Success", Some(id))
                }
                Verdict::Repeated(id) => ("Success", Some(id)),
                Verdict::Duplicate => ("DuplicateRecord", None),
                Verdict::NotSubscribed => ("CustomerNotSubscribed", None),
            };
            let mut result = json!({"UsageRecord": sent, "Status": status});
            if let Some(id) = id {
                result["MeteringRecordId"] = json!(id);
            }
            results.push(result);
        }
        if !accepted.is_empty() {
            let commit = kept.commit(vec![Change::UsageAccepted { records: accepted }]);
            commit.map_err(|_| AwsError::internal("InternalServiceErrorException"))?;
        }
        drop(kept);
        // AWS does not document the order: nobody may rely on one.
        results.sort_by_cached_key(|result| Sha256::digest(result["UsageRecord"].to_string()));
        let unprocessed = records.iter().skip(processed).cloned().collect();
        Ok(Wire::Struct(vec![
            ("Results", Wire::Json(Value::Array(results))),
            ("UnprocessedRecords", Wire::Json(Value::Array(unprocessed))),
        ]))
    }

    /// One record's status. `accepted` are those of the same call before it.
    fn judge(
        &self,
        state: &Marketplace,
        accepted: &[AcceptedRecord],
        record: &UsageRecord,
        now: Timestamp,
    ) -> Verdict {
        let (Some((number, license)), Some(dimension)) = (
            state.license(&record.license_arn),
            self.dimension(&record.dimension),
        ) else {
            return Verdict::NotSubscribed;
        };
        let hour = record.hour();
        let earlier = accepted.iter().find(|other| {
            *other.license_arn == *license.license_arn
                && other.dimension == dimension
                && other.hour == hour
        });
        if let Some(earlier) = earlier.or_else(|| state.record_in(number, &dimension, hour)) {
            let identical = earlier.timestamp == record.timestamp
                && earlier.quantity == record.quantity
                && earlier.allocations == record.allocations;
            return match self.config.readings.identical_retry {
                IdenticalRetry::Success if identical => {
                    Verdict::Repeated(earlier.metering_record_id.clone())
                }
                IdenticalRetry::Success | IdenticalRetry::DuplicateRecord => Verdict::Duplicate,
            };
        }
        let subscribed = license.accepts_usage(now, self.config.readings.final_hour)
            && !state.is_suspended(&license.buyer_account);
        if !subscribed {
            return Verdict::NotSubscribed;
        }
        Verdict::Accepted(AcceptedRecord {
            license_arn: license.license_arn.as_str().into(),
            customer_aws_account_id: license.buyer_account.as_str().into(),
            dimension,
            hour,
            timestamp: record.timestamp,
            quantity: record.quantity,
            allocations: record.allocations.clone(),
            metering_record_id: self.ids.uuid(),
            accepted_at: now,
        })
    }

    /// The product's dimension of that name.
    fn dimension(&self, name: &str) -> Option<Arc<str>> {
        self.dimensions
            .iter()
            .find(|dimension| ***dimension == *name)
            .cloned()
    }
}

fn read<T: serde::de::DeserializeOwned>(request: Value) -> Result<T, AwsError> {
    serde_path_to_error::deserialize(request).map_err(|error| {
        AwsError::refused(
            "SerializationException",
            format!("{}: {}", error.path(), error.inner()),
        )
    })
}

//! BatchMeterUsage: send frozen records, and read AWS's verdict on each.

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use domain::metering::{CallAnswer, CallFailure, Refusal, UsageRecord, Verdict};

use crate::Marketplace;
use crate::convert::{self, Failure};

impl Marketplace {
    /// Sends these records in one call, as they are.
    ///
    /// At most [`domain::metering::MAX_RECORDS_PER_CALL`] records of one product,
    /// under 1 MB together (Metering API model). The answer holds a verdict for
    /// each record that AWS echoed, to be matched by its key; a record that it
    /// did not echo was not answered.
    ///
    /// # Errors
    /// [`CallFailure::Refused`] when AWS answered 4xx: no record was accepted.
    /// [`CallFailure::NoAnswer`] when anything may have happened to any of them.
    pub async fn batch_meter_usage(
        &self,
        records: &[UsageRecord],
    ) -> Result<CallAnswer, CallFailure> {
        let records = records
            .iter()
            .map(convert::usage_record)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| not_sent())?;
        let output = self
            .metering
            .batch_meter_usage()
            .set_usage_records(Some(records))
            .customize()
            .map_request(without_empty_customer_identifiers)
            .send()
            .await
            .map_err(|error| match convert::failure(&error) {
                Failure::Refused { status, code } => {
                    CallFailure::Refused(convert::refusal(status, code))
                }
                Failure::NoAnswer(why) => CallFailure::NoAnswer(why),
                Failure::NotSent => not_sent(),
            })?;

        let results = output.results().iter().map(|result| {
            let key = result.usage_record().and_then(convert::record_key)?;
            Some((key, convert::verdict(result)))
        });
        let unprocessed = output
            .unprocessed_records()
            .iter()
            .map(|record| Some((convert::record_key(record)?, Verdict::Unprocessed)));
        let mut verdicts = Vec::new();
        let mut unmatched = 0_usize;
        for verdict in results.chain(unprocessed) {
            match verdict {
                Some(verdict) => verdicts.push(verdict),
                None => unmatched = unmatched.saturating_add(1),
            }
        }
        if unmatched > 0 {
            tracing::warn!(
                metering.unmatched = unmatched,
                "AWS Marketplace answered for records that name no license of ours; \
                 they count as not answered"
            );
        }
        Ok(CallAnswer { verdicts })
    }
}

fn not_sent() -> CallFailure {
    CallFailure::Refused(Refusal::Unrecognized("RequestNotBuilt".to_owned()))
}

/// A body that is not the one the SDK was asked to write.
#[derive(Debug, thiserror::Error)]
#[error("the request's body is not a list of usage records")]
struct UnexpectedBody;

/// Takes the empty `CustomerIdentifier` out of every record, and refuses a request
/// that would identify the buyer or the product besides the license.
///
/// The SDK's model still requires the member, so it writes `""`; the API's says
/// that it is not populated for products listed since 2026-06-01, and whether
/// AWS overlooks an empty one is not known. Runs before the request is signed.
/// An unexpected body is not sent: better no call than one with two identities.
fn without_empty_customer_identifiers(
    mut request: HttpRequest,
) -> Result<HttpRequest, UnexpectedBody> {
    let bytes = request.body().bytes().ok_or(UnexpectedBody)?;
    let mut body: serde_json::Value = serde_json::from_slice(bytes).map_err(|_| UnexpectedBody)?;
    // Beside a license it "will result in duplicate billing" (the API's model).
    if body.get("ProductCode").is_some() {
        return Err(UnexpectedBody);
    }
    let records = body
        .get_mut("UsageRecords")
        .and_then(serde_json::Value::as_array_mut)
        .ok_or(UnexpectedBody)?;
    for record in records {
        let record = record.as_object_mut().ok_or(UnexpectedBody)?;
        match record.remove("CustomerIdentifier") {
            None => {}
            Some(value) if value.as_str() == Some("") => {}
            Some(_) => return Err(UnexpectedBody),
        }
    }
    let bytes = serde_json::to_vec(&body).map_err(|_| UnexpectedBody)?;
    request
        .headers_mut()
        .insert("content-length", bytes.len().to_string());
    *request.body_mut() = SdkBody::from(bytes);
    Ok(request)
}

#[cfg(test)]
mod tests;

//! One usage record as it is sent to `BatchMeterUsage`, and the checks that
//! refuse the whole call for its sake.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Span, Timestamp, tz::TimeZone};
use serde::Deserialize;
use serde_json::Value;

use crate::state::Allocation;
use crate::wire::{AwsError, epoch_seconds};

const LARGEST_QUANTITY: u64 = 2_147_483_647;
const LONGEST_DIMENSION: usize = 255;
const MOST_ALLOCATIONS: usize = 2_500;
const MOST_TAGS: usize = 5;
const LONGEST_TAG_KEY: usize = 100;
const LONGEST_TAG_VALUE: usize = 256;

/// How old usage may be when it is sent.
const OLDEST: SignedDuration = SignedDuration::from_hours(24);

/// How long after midnight UTC of the first the month before stays open.
const MONTH_STAYS_OPEN_HOURS: i64 = 6;

/// A record's members as they come; absent and empty text mean the same.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Sent {
    timestamp: Option<Value>,
    #[serde(default)]
    dimension: String,
    #[serde(default)]
    customer_identifier: Option<String>,
    #[serde(default, rename = "CustomerAWSAccountId")]
    customer_aws_account_id: Option<String>,
    #[serde(default)]
    license_arn: Option<String>,
    #[serde(default)]
    quantity: Option<i64>,
    #[serde(default)]
    quantity_as_decimal: Option<String>,
    #[serde(default)]
    usage_allocations: Option<Vec<SentAllocation>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SentAllocation {
    #[serde(default)]
    allocated_usage_quantity: Option<i64>,
    #[serde(default)]
    allocated_usage_quantity_as_decimal: Option<String>,
    #[serde(default)]
    tags: Option<Vec<SentTag>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SentTag {
    #[serde(default)]
    key: String,
    #[serde(default)]
    value: String,
}

/// A record whose own members are sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UsageRecord {
    /// What was sent.
    pub(crate) timestamp: Timestamp,
    /// API name.
    pub(crate) dimension: String,
    /// The buyer's AWS account.
    pub(crate) customer_aws_account_id: String,
    /// With or without its `arn:` prefix.
    pub(crate) license_arn: String,
    /// Units.
    pub(crate) quantity: u64,
    /// Sorted, so that two records with the same buckets are equal.
    pub(crate) allocations: Vec<Allocation>,
}

impl UsageRecord {
    /// Reads record number `index` of a call.
    pub(crate) fn read(index: usize, record: &Value) -> Result<UsageRecord, AwsError> {
        let sent: Sent = serde_path_to_error::deserialize(record).map_err(|error| {
            let message = format!("UsageRecords[{index}].{}: {}", error.path(), error.inner());
            AwsError::refused("SerializationException", message)
        })?;
        let timestamp = sent.timestamp.as_ref().and_then(epoch_seconds);
        let timestamp = timestamp
            .ok_or_else(|| invalid(index, "Timestamp", "seconds since the epoch are needed"))?;
        if sent.dimension.is_empty() || sent.dimension.chars().count() > LONGEST_DIMENSION {
            return Err(invalid(
                index,
                "Dimension",
                "1 to 255 characters are needed",
            ));
        }
        let decimal = sent.quantity_as_decimal.as_deref();
        let quantity = quantity(sent.quantity, decimal)
            .map_err(|reason| invalid(index, "Quantity", &reason))?;
        let account = sent.customer_aws_account_id.unwrap_or_default();
        if sent.customer_identifier.is_some_and(|id| !id.is_empty()) {
            return Err(AwsError::refused(
                "InvalidCustomerIdentifierException",
                "CustomerIdentifier is not supported for this product; identify the buyer by \
                 CustomerAWSAccountId and LicenseArn.",
            ));
        }
        if account.is_empty() || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(invalid(index, "CustomerAWSAccountId", "digits are needed"));
        }
        let allocations = match sent.usage_allocations {
            None => Vec::new(),
            Some(sent) => allocations(sent, quantity, decimal.is_some())?,
        };
        Ok(UsageRecord {
            timestamp,
            dimension: sent.dimension,
            customer_aws_account_id: account,
            license_arn: sent.license_arn.unwrap_or_default(),
            quantity,
            allocations,
        })
    }

    /// The hour the record counts for.
    pub(crate) fn hour(&self) -> Timestamp {
        hour_of(self.timestamp)
    }

    /// Refuses a timestamp of the future, older than a day, or of a month
    /// that is closed.
    pub(crate) fn check_time(&self, now: Timestamp) -> Result<(), AwsError> {
        let out = |reason: &str| {
            let message = format!("The timestamp {} {reason}.", self.timestamp);
            Err(AwsError::refused("TimestampOutOfBoundsException", message))
        };
        if self.timestamp > now {
            return out("lies in the future");
        }
        if now.duration_since(self.timestamp) > OLDEST {
            return out("is more than 24 hours old");
        }
        let month = month_of(now);
        let closes = month.checked_add(Span::new().hours(MONTH_STAYS_OPEN_HOURS));
        if self.timestamp < month && closes.is_ok_and(|closes| now >= closes) {
            return out("lies in the previous month, which closed at 06:00 UTC on the 1st");
        }
        Ok(())
    }
}

/// `at`, floored to its hour.
pub(crate) fn hour_of(at: Timestamp) -> Timestamp {
    let second = at.as_second();
    Timestamp::from_second(second - second.rem_euclid(3_600)).unwrap_or(at)
}

/// The first instant of the month that `at` lies in, UTC.
pub(crate) fn month_of(at: Timestamp) -> Timestamp {
    let first = at.to_zoned_datetime(TimeZone::UTC).date().first_of_month();
    first
        .to_zoned_datetime(TimeZone::UTC)
        .map_or(at, |midnight| midnight.timestamp())
}

fn invalid(index: usize, member: &str, reason: &str) -> AwsError {
    let message = format!(
        "Value at 'usageRecords.{}.member.{member}' failed to satisfy constraint: {reason}",
        index + 1
    );
    AwsError::refused("ValidationException", message)
}

/// Whole units from either way of writing them; absent means none.
fn quantity(whole: Option<i64>, decimal: Option<&str>) -> Result<u64, String> {
    let units = match (whole, decimal) {
        (Some(_), Some(_)) => {
            return Err("Quantity and QuantityAsDecimal exclude each other".to_owned());
        }
        (Some(whole), None) => u64::try_from(whole).ok(),
        (None, Some(decimal)) => whole_units(decimal)?,
        (None, None) => Some(0),
    };
    units
        .filter(|units| *units <= LARGEST_QUANTITY)
        .ok_or_else(|| format!("0 to {LARGEST_QUANTITY} is needed"))
}

/// `17`, `17.0` and `17.00` are 17; fractions are not carried by this fake.
fn whole_units(decimal: &str) -> Result<Option<u64>, String> {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, "0"));
    if fraction.bytes().any(|digit| digit != b'0') || fraction.is_empty() {
        return Err("this fake carries whole numbers only".to_owned());
    }
    let canonical = whole == "0" || !whole.starts_with(['0', '+']);
    Ok(whole.parse().ok().filter(|_| canonical))
}

fn allocations(
    sent: Vec<SentAllocation>,
    quantity: u64,
    as_decimal: bool,
) -> Result<Vec<Allocation>, AwsError> {
    let refuse = |message: &str| AwsError::refused("InvalidUsageAllocationsException", message);
    if sent.is_empty() || sent.len() > MOST_ALLOCATIONS {
        return Err(refuse(
            "1 to 2500 allocations are needed where any are sent.",
        ));
    }
    let mut keys = BTreeSet::new();
    let mut buckets = BTreeMap::new();
    let mut sum = 0_u64;
    for allocation in sent {
        let decimal = allocation.allocated_usage_quantity_as_decimal.as_deref();
        if decimal.is_some() != as_decimal
            && (decimal.is_some() || allocation.allocated_usage_quantity.is_some())
        {
            return Err(refuse(
                "The allocations do not use the same type of quantity as the record.",
            ));
        }
        let units = self::quantity(allocation.allocated_usage_quantity, decimal)
            .map_err(|reason| refuse(&format!("An allocated quantity is invalid: {reason}.")))?;
        let tags = tags(allocation.tags)?;
        keys.extend(tags.keys().cloned());
        // At most 2,500 quantities of 31 bits: no overflow.
        sum += units;
        if buckets.insert(tags, units).is_some() {
            return Err(refuse("Two allocations have the same set of tags."));
        }
    }
    if keys.len() > MOST_TAGS {
        return Err(AwsError::refused(
            "InvalidTagException",
            "More than 5 distinct tag keys are used.",
        ));
    }
    if sum != quantity {
        let message = format!(
            "The allocated quantities add up to {sum}, the record's quantity is {quantity}."
        );
        return Err(refuse(&message));
    }
    let sorted = buckets.into_iter();
    Ok(sorted
        .map(|(tags, quantity)| Allocation { tags, quantity })
        .collect())
}

fn tags(sent: Option<Vec<SentTag>>) -> Result<BTreeMap<String, String>, AwsError> {
    let refuse = |message: String| AwsError::refused("InvalidTagException", message);
    let Some(sent) = sent else {
        return Ok(BTreeMap::new());
    };
    if sent.is_empty() || sent.len() > MOST_TAGS {
        return Err(refuse(
            "1 to 5 tags are needed where any are sent.".to_owned(),
        ));
    }
    let mut tags = BTreeMap::new();
    for tag in sent {
        let fits = |text: &str, longest| {
            !text.is_empty()
                && text.chars().count() <= longest
                && text.chars().all(is_tag_character)
        };
        if !fits(&tag.key, LONGEST_TAG_KEY) {
            return Err(refuse(format!("The tag key {:?} is invalid.", tag.key)));
        }
        if !fits(&tag.value, LONGEST_TAG_VALUE) {
            return Err(refuse(format!(
                "The value of the tag {:?} is invalid.",
                tag.key
            )));
        }
        if tags.insert(tag.key.clone(), tag.value).is_some() {
            return Err(refuse(format!(
                "The tag key {:?} is used twice in one allocation.",
                tag.key
            )));
        }
    }
    Ok(tags)
}

fn is_tag_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || r"+ -=._:\/@".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn record(more: &Value) -> Value {
        let mut record = json!({
            "Timestamp": at("2026-11-22T10:00:00Z").as_second(),
            "Dimension": "medium",
            "CustomerAWSAccountId": "444455556666",
            "LicenseArn": "arn:aws:license-manager::294406891311:license:l-1",
            "Quantity": 3,
        });
        for (key, value) in more.as_object().unwrap() {
            record[key] = value.clone();
        }
        record
    }

    fn refused(more: &Value) -> &'static str {
        UsageRecord::read(0, &record(more)).unwrap_err().name
    }

    #[test]
    fn an_absent_or_empty_customer_identifier_is_accepted_and_a_filled_one_refused() {
        assert!(UsageRecord::read(0, &record(&json!({}))).is_ok());
        assert!(UsageRecord::read(0, &record(&json!({"CustomerIdentifier": ""}))).is_ok());
        let filled = json!({"CustomerIdentifier": "ifAPi5AcF3"});
        assert_eq!(refused(&filled), "InvalidCustomerIdentifierException");
    }

    #[test]
    fn quantities_are_whole_and_bounded_however_they_are_written() {
        let units = |more: &Value| UsageRecord::read(0, &record(more)).unwrap().quantity;
        assert_eq!(units(&json!({"Quantity": null})), 0);
        assert_eq!(
            units(&json!({"Quantity": 2_147_483_647_i64})),
            2_147_483_647
        );
        assert_eq!(
            units(&json!({"Quantity": null, "QuantityAsDecimal": "17.00"})),
            17
        );
        for quantity in [json!(-1), json!(2_147_483_648_i64)] {
            assert_eq!(
                refused(&json!({"Quantity": quantity})),
                "ValidationException"
            );
        }
        assert_eq!(refused(&json!({"Quantity": 1.5})), "SerializationException");
        for decimal in ["17.5", "017", "1.", "", "-1"] {
            let more = json!({"Quantity": null, "QuantityAsDecimal": decimal});
            assert_eq!(refused(&more), "ValidationException", "{decimal}");
        }
        assert_eq!(
            refused(&json!({"QuantityAsDecimal": "3"})),
            "ValidationException"
        );
    }

    #[test]
    fn allocations_add_up_are_unique_and_are_compared_without_order() {
        let tagged = |account: &str, units: u32| json!({"AllocatedUsageQuantity": units, "Tags": [{"Key": "cloudAccountID", "Value": account}]});
        let untagged = json!({"AllocatedUsageQuantity": 1});
        let one = record(&json!({"UsageAllocations": [tagged("a", 2), untagged]}));
        let other = record(&json!({"UsageAllocations": [untagged, tagged("a", 2)]}));
        assert_eq!(UsageRecord::read(0, &one), UsageRecord::read(0, &other));

        let with = |allocations: Value| refused(&json!({"UsageAllocations": allocations}));
        assert_eq!(
            with(json!([tagged("a", 2)])),
            "InvalidUsageAllocationsException"
        );
        assert_eq!(with(json!([])), "InvalidUsageAllocationsException");
        assert_eq!(
            with(json!([tagged("a", 1), tagged("a", 2)])),
            "InvalidUsageAllocationsException"
        );
        let many: Vec<Value> = (0..2_501).map(|n| tagged(&n.to_string(), 0)).collect();
        assert_eq!(with(json!(many)), "InvalidUsageAllocationsException");
    }

    #[test]
    fn tags_outside_the_limits_refuse_the_call() {
        let with = |tags: Value| {
            refused(&json!({"UsageAllocations": [{"AllocatedUsageQuantity": 3, "Tags": tags}]}))
        };
        let tag = |key: &str, value: &str| json!({"Key": key, "Value": value});
        assert_eq!(with(json!([])), "InvalidTagException");
        assert_eq!(with(json!([tag("", "v")])), "InvalidTagException");
        assert_eq!(with(json!([tag("k", "")])), "InvalidTagException");
        assert_eq!(
            with(json!([tag(&"k".repeat(101), "v")])),
            "InvalidTagException"
        );
        assert_eq!(
            with(json!([tag("k", &"v".repeat(257))])),
            "InvalidTagException"
        );
        assert_eq!(with(json!([tag("k", "ümlaut")])), "InvalidTagException");
        assert_eq!(
            with(json!([tag("k", "a"), tag("k", "b")])),
            "InvalidTagException"
        );
        let six: Vec<Value> = (0..6).map(|n| tag(&format!("k{n}"), "v")).collect();
        assert_eq!(with(json!(six)), "InvalidTagException");
        let two_sets: Vec<Value> = (0..6)
            .map(|n| json!({"AllocatedUsageQuantity": n % 2, "Tags": [tag(&format!("k{n}"), "v")]}))
            .collect();
        assert_eq!(
            refused(&json!({"UsageAllocations": two_sets})),
            "InvalidTagException"
        );
    }

    #[test]
    fn usage_is_accepted_for_a_day_and_not_from_the_future() {
        let usage = UsageRecord::read(0, &record(&json!({}))).unwrap();
        for (now, fine) in [
            ("2026-11-22T10:00:00Z", true),
            ("2026-11-22T09:59:59Z", false),
            ("2026-11-23T10:00:00Z", true),
            ("2026-11-23T10:00:01Z", false),
        ] {
            assert_eq!(usage.check_time(at(now)).is_ok(), fine, "{now}");
        }
    }

    #[test]
    fn a_month_closes_at_six_on_the_first() {
        let last = at("2026-11-30T23:00:00Z").as_second();
        let usage = UsageRecord::read(0, &record(&json!({"Timestamp": last}))).unwrap();
        assert!(usage.check_time(at("2026-12-01T05:59:59Z")).is_ok());
        let refused = usage.check_time(at("2026-12-01T06:00:00Z")).unwrap_err();
        assert_eq!(refused.name, "TimestampOutOfBoundsException");
    }
}

//! The items of the `Subscriptions` table, as rows.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::account::Account;
use domain::hour::after;
use domain::license::License;
use domain::outbound::OutboundEvent;
use domain::support::SupportRequest;
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::keys;
use crate::StoreError;

pub(super) type Item = HashMap<String, AttributeValue>;

/// The form of the items that this version writes, and the newest that it reads.
const FORMAT: u32 = 1;

/// How long a request of support's is kept: what it led to is in the audit.
const REQUESTS_KEPT_FOR: SignedDuration = SignedDuration::from_hours(400 * 24);

/// An item: its keys, what the table itself needs, and its content.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Row<T> {
    pub pk: String,
    pub sk: String,
    format: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_shard: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    pub body: T,
}

impl<T> Row<T> {
    pub(super) fn new(pk: String, sk: impl Into<String>, body: T) -> Self {
        Self {
            pk,
            sk: sk.into(),
            format: FORMAT,
            version: None,
            due_shard: None,
            due_at: None,
            expires_at: None,
            body,
        }
    }

    /// DynamoDB may delete it from then on.
    pub(super) fn cleaned_after(mut self, at: Timestamp) -> Self {
        self.expires_at = Some(at.as_second());
        self
    }
}

pub(super) fn account_row(account: &Account) -> Row<&Account> {
    let mut row = Row::new(keys::account(&account.id), keys::ACCOUNT, account);
    row.version = Some(account.version.saturating_add(1));
    if let Some(due_at) = account.due_at() {
        row.due_shard = Some(super::due::shard_of(account.id.as_str()).to_string());
        row.due_at = Some(keys::instant(due_at));
    }
    row
}

pub(super) fn license_row(license: &License) -> Row<&License> {
    let mut row = Row::new(keys::license(&license.id), keys::LICENSE, license);
    row.version = Some(license.version.saturating_add(1));
    if let Some(due_at) = license.due_at {
        row.due_shard = Some(super::due::shard_of(license.id.as_str()).to_string());
        row.due_at = Some(keys::instant(due_at));
    }
    row
}

pub(super) fn support_request_row(request: &SupportRequest) -> Row<&SupportRequest> {
    let pk = keys::support_requests(request.id.day());
    let mut row = Row::new(pk, keys::support_request(&request.id), request);
    row.version = Some(request.version.saturating_add(1));
    row.cleaned_after(after(request.at, REQUESTS_KEPT_FOR))
}

/// An event as it goes out. What takes it from the table's stream to the bus reads
/// no DynamoDB maps: it passes both texts on as they are.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Outgoing {
    detail_type: String,
    detail: String,
}

/// # Errors
/// [`StoreError::Corrupt`] when the event cannot be written as JSON.
pub(super) fn outgoing(event: &OutboundEvent, pk: &str) -> Result<Outgoing, StoreError> {
    let detail = serde_json::to_string(event)
        .map_err(|error| StoreError::corrupt(format!("{pk} | outbox"), error))?;
    Ok(Outgoing {
        detail_type: event.name().to_owned(),
        detail,
    })
}

pub(super) fn outbound(item: Item) -> Result<OutboundEvent, StoreError> {
    let key = key_of(&item);
    let outgoing: Outgoing = body(item)?;
    serde_json::from_str(&outgoing.detail).map_err(|error| StoreError::corrupt(key, error))
}

pub(super) fn account(item: Item) -> Result<Account, StoreError> {
    let row: Row<Account> = read(item)?;
    Ok(Account {
        version: row.version.unwrap_or_default(),
        ..row.body
    })
}

pub(super) fn license(item: Item) -> Result<License, StoreError> {
    let row: Row<License> = read(item)?;
    Ok(License {
        version: row.version.unwrap_or_default(),
        ..row.body
    })
}

pub(super) fn support_request(item: Item) -> Result<SupportRequest, StoreError> {
    let row: Row<SupportRequest> = read(item)?;
    Ok(SupportRequest {
        version: row.version.unwrap_or_default(),
        ..row.body
    })
}

/// The content of an item.
pub(super) fn body<T: DeserializeOwned>(item: Item) -> Result<T, StoreError> {
    read(item).map(|row: Row<T>| row.body)
}

fn read<T: DeserializeOwned>(item: Item) -> Result<Row<T>, StoreError> {
    let key = key_of(&item);
    let newer = match item.get("format") {
        Some(AttributeValue::N(format)) => format.parse::<u32>().is_ok_and(|n| n > FORMAT),
        Some(_) | None => false,
    };
    if newer {
        return Err(StoreError::corrupt(key, "a newer version wrote it"));
    }
    serde_dynamo::from_item(item).map_err(|error| StoreError::corrupt(key, error))
}

pub(super) fn item<T: Serialize>(row: &Row<T>) -> Result<Item, StoreError> {
    serde_dynamo::to_item(row)
        .map_err(|error| StoreError::corrupt(format!("{} | {}", row.pk, row.sk), error))
}

fn key_of(item: &Item) -> String {
    let part = |name| match item.get(name) {
        Some(AttributeValue::S(text)) => text.as_str(),
        Some(_) | None => "?",
    };
    format!("{} | {}", part("pk"), part("sk"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const LICENSE: &str = "l-0123456789abcdef0123456789abcdef";

    /// What is stored of a snapshot is read again, and written again the same:
    /// items outlive the program that wrote them.
    fn survives<T: Serialize + DeserializeOwned>(body: Value) -> T {
        let row = Row::new("pk".to_owned(), "sk", &body);
        let read: T = super::body(item(&row).unwrap()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), body);
        read
    }

    fn account_in(state: Value) -> Value {
        json!({
            "id": "north", "name": "North", "opened_at": "2026-11-22T10:00:00Z",
            "state": state,
            "transitions": [
                {"at": "2026-11-22T10:00:00Z", "standing": "trial", "until": "2026-12-22T10:00:00Z"},
                {"at": "2026-11-22T11:00:00.5Z", "standing": "subscribed", "until": null},
            ],
            "grace_generation": 1, "grace_starts": ["2026-11-22T12:00:00Z"],
            "parts": [{"hour": "2026-11-22T13:00:00Z", "count": 4}],
        })
    }

    #[test]
    fn every_state_of_an_account_is_stored_in_this_form() {
        let link = json!({
            "license": LICENSE, "account": "north", "number": 3, "from": "2026-11-22T11:00:00Z",
            "until": null, "linked_by": {"user": {"email": "ada@example.com"}}, "unlinked": null,
        });
        for state in [
            json!({"trial": {"ends_at": "2026-12-22T10:00:00Z"}}),
            json!({"subscribed": {"marketplace": {"link": link, "buyer": "999988887777"}}}),
            json!({"subscribed": {"annual": {"since": "2026-11-22T10:00:00Z", "ends_at": null}}}),
            json!({"grace": {
                "started_at": "2026-11-22T12:00:00Z", "ends_at": "2026-11-24T12:00:00Z",
                "generation": 1, "license": LICENSE, "buyer": "999988887777",
            }}),
            json!({"expired": {"since": "2026-11-24T12:00:00Z", "cause": "grace_ended"}}),
            json!({"expired": {
                "since": "2026-11-24T12:00:00Z", "cause": {"agreement_ended": {"license": LICENSE}},
            }}),
            json!({"suspended": {
                "since": "2026-11-22T10:00:00Z", "restorable_until": "2026-12-22T10:00:00Z",
                "restores_to": {"trial": {"ends_at": "2026-12-22T10:00:00Z"}},
            }}),
            json!({"purged": {"since": "2026-12-22T10:00:00Z"}}),
        ] {
            let account: Account = survives(account_in(state));
            let stored = super::account(item(&account_row(&account)).unwrap()).unwrap();
            assert_eq!(stored.version, 1, "the version is raised by every commit");
            assert_eq!(
                Account {
                    version: 0,
                    ..stored
                },
                account
            );
        }
    }

    #[test]
    fn a_license_is_stored_in_this_form() {
        let license: License = survives(json!({
            "id": LICENSE, "arn": format!("arn:aws:license-manager::111122223333:license:{LICENSE}"),
            "product": "product", "buyer": "999988887777", "agreement": "agmt-1",
            "agreements": ["agmt-1"], "offer": null,
            "agreement_since": "2026-11-22T10:00:00Z", "agreement_ends_at": null,
            "succession": {
                "license": "l-0123456789abcdef0123456789abcdee", "at": "2026-11-22T12:00:00Z",
                "learned_at": "2026-11-22T12:00:05Z",
            },
            "pricing": [{
                "from": "2026-11-22T10:00:00Z", "free_until": null,
                "terms": {
                    "agreement": "agmt-1", "currency": "USD", "rates": {"medium": 11_000},
                    "prepaid": {"micros": 9_600_000_000_u64, "payments": 1},
                    "recurring": {"micros": 850_000_000, "period": "month"}, "free_days": null,
                    "auto_renewal": null, "asked_at": "2026-11-22T10:01:00Z",
                },
            }],
            "entitlements": {
                "license": format!("arn:aws:license-manager::111122223333:license:{LICENSE}"),
                "grants": [{
                    "dimension": "medium_hours", "units": 1_000,
                    "expires_at": "2027-11-22T10:00:00Z",
                }],
                "asked_at": "2026-11-22T10:01:00Z",
            },
            "asks": {
                "agreement": {
                    "since": "2027-11-22T10:00:00Z", "next": "2027-11-22T10:00:00Z",
                    "gives_up_at": "2027-11-23T10:00:00Z",
                },
                "terms": null, "entitlements": "2026-11-23T10:01:00Z",
                "unknown_cover": {
                    "since": "2027-11-22T10:00:00Z", "of_usage_from": "2027-11-22T10:00:00Z",
                },
            },
            "due_at": "2026-11-23T10:01:00Z",
            "status": {"ended": {"active_since": "2026-11-22T10:00:00Z", "end": {
                "ended_at": "2026-11-22T12:00:00Z", "last_event_at": "2026-11-22T12:00:31Z",
                "learned_at": "2026-11-22T12:00:02Z",
            }}},
            "notices": {
                "advisory_since": "2026-11-22T11:00:00Z", "renewal_certain_since": null,
                "ending": {"ends_at": "2026-12-22T10:00:00Z", "days": 30, "auto_renewal": false},
                "cancellation_requested_at": null, "auto_renewal": false, "ended_by": null,
            },
            "linked": null, "former": {"account": "north", "until": "2026-11-22T12:00:00Z"},
            "linked_late": {
                "account": "north", "from": "2026-11-22T10:00:00Z",
                "follows": "l-0123456789abcdef0123456789abcdee",
                "made_at": "2026-11-22T12:00:00Z",
            },
        }));
        let stored = super::license(item(&license_row(&license)).unwrap()).unwrap();
        assert_eq!(
            License {
                version: 0,
                ..stored
            },
            license
        );
    }

    #[test]
    fn an_account_is_in_the_index_only_while_the_clock_will_change_it() {
        let due = |state| {
            let account: Account = survives(account_in(state));
            account_row(&account).due_at
        };
        // A week before its end it is reminded of that.
        assert_eq!(
            due(json!({"trial": {"ends_at": "2026-12-22T10:00:00Z"}})).as_deref(),
            Some("2026-12-15T10:00:00.000000000Z")
        );
        let expired = json!({"expired": {"since": "2026-11-24T12:00:00Z", "cause": "trial_ended"}});
        assert_eq!(due(expired), None);
    }

    #[test]
    fn an_item_of_a_newer_format_is_corrupt_and_named_by_its_key() {
        let mut item = item(&Row::new("account#a".to_owned(), "account", 7_u32)).unwrap();
        assert_eq!(body::<u32>(item.clone()).unwrap(), 7);
        item.insert("format".to_owned(), AttributeValue::N("2".to_owned()));
        let error = body::<u32>(item).unwrap_err();
        assert!(error.to_string().contains("account#a | account"), "{error}");
    }
}

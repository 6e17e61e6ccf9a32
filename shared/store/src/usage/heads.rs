//! The heads of slots: what may happen to a slot, and its version, on which
//! everything that happens to it is decided.

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use domain::hour::{Hour, after};
use domain::ids::LicenseId;
use domain::ledger::deadline::CLOSED_AFTER;
use domain::ledger::slot::{SlotHead, SlotState};
use domain::mutant;
use jiff::Timestamp;
use ledger::Written;

use super::keys::{self, WorkKind};
use super::mapping::{FORMAT, HeadRow, listed, number, read, text, work_due, write};
use super::table::{Replaces, not_built};
use crate::{Store, StoreError};

impl Store {
    /// The head of a slot; `None` when nothing was ever put into it.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer or the item is unreadable.
    pub async fn slot_head(
        &self,
        license: &LicenseId,
        hour: Hour,
    ) -> Result<Option<SlotHead>, StoreError> {
        let item = self.usage_item(&keys::head(license, hour)).await?;
        item.map(|item| read::<HeadRow>(item).map(Into::into))
            .transpose()
    }

    /// Opens an empty slot that is looked at from `due` on, if there is none.
    ///
    /// # Errors
    /// [`StoreError`] when DynamoDB does not answer; the slot may then be open.
    pub async fn open_slot(
        &self,
        license: &LicenseId,
        hour: Hour,
        due: Timestamp,
    ) -> Result<Written, StoreError> {
        let head = SlotHead {
            license: license.clone(),
            hour,
            version: 1,
            state: SlotState::Open,
        };
        let mut item = write(&keys::head(license, hour), HeadRow::from(&head))?;
        listed(&mut item, WorkKind::Slot, license, due);
        self.usage_put(item, Replaces::Nothing).await
    }

    /// Raises the version of a slot into which an entry is set: only if it is
    /// open, or nothing was ever put into it.
    pub(super) fn raise_open_head(
        &self,
        license: &LicenseId,
        hour: Hour,
    ) -> Result<TransactWriteItem, StoreError> {
        let due = after(hour.end(), CLOSED_AFTER);
        let update = Update::builder()
            .table_name(&self.tables.usage)
            .set_key(Some(keys::head(license, hour).attributes()))
            .update_expression(
                "SET #version = if_not_exists(#version, :zero) + :one, #state = :open, \
                 #license = :license, #hour = :hour, #format = :format, \
                 work_shard = :shard, work_due = :due",
            )
            .condition_expression(if mutant!(PostedWithoutSlotOpen) {
                "attribute_not_exists(pk) OR #state.#is = :is_open OR #state.#is <> :is_open"
            } else {
                "attribute_not_exists(pk) OR #state.#is = :is_open"
            })
            .expression_attribute_names("#version", "version")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#is", "is")
            .expression_attribute_names("#license", "license")
            .expression_attribute_names("#hour", "hour")
            .expression_attribute_names("#format", "format")
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":open", state_value(&SlotState::Open)?)
            .expression_attribute_values(":is_open", text("open"))
            .expression_attribute_values(":license", text(license.as_str()))
            .expression_attribute_values(":hour", text(hour.to_string()))
            .expression_attribute_values(":format", number(FORMAT))
            .expression_attribute_values(":shard", text(WorkKind::Slot.partition_of(license)))
            .expression_attribute_values(":due", work_due(due))
            .build()
            .map_err(not_built)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }

    /// Changes the state of a slot that is as it was read, and raises its
    /// version. What takes no more usage leaves the work list, unless it still
    /// has entries to be carried.
    pub(super) fn change_head(
        &self,
        head: &SlotHead,
        was: Was,
        then: &SlotState,
    ) -> Result<TransactWriteItem, StoreError> {
        let change = match then {
            SlotState::Open | SlotState::Carrying { .. } => "SET #state = :then, #version = :next",
            SlotState::Frozen { .. } | SlotState::Carried { .. } | SlotState::Closed { .. } => {
                "SET #state = :then, #version = :next REMOVE work_shard, work_due"
            }
        };
        let update = Update::builder()
            .table_name(&self.tables.usage)
            .set_key(Some(keys::head(&head.license, head.hour).attributes()))
            .update_expression(change)
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#is", "is")
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":open", text("open"))
            .expression_attribute_values(":then", state_value(then)?)
            .expression_attribute_values(":version", number(head.version))
            .expression_attribute_values(":next", number(head.version + 1));
        let unversioned = match was {
            Was::Open => mutant!(FreezeWithoutVersion),
            Was::OpenOrCarrying => mutant!(CarryWithoutVersion),
        };
        let version = if unversioned {
            "(#version = :version OR #version <> :version)"
        } else {
            "#version = :version"
        };
        let update = match was {
            Was::Open => update.condition_expression(format!("{version} AND #state.#is = :open")),
            Was::OpenOrCarrying => update
                .condition_expression(format!("{version} AND #state.#is IN (:open, :carrying)"))
                .expression_attribute_values(":carrying", text("carrying")),
        };
        let update = update.build().map_err(not_built)?;
        Ok(TransactWriteItem::builder().update(update).build())
    }
}

/// What a slot must be for a change of its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Was {
    Open,
    OpenOrCarrying,
}

fn state_value(state: &SlotState) -> Result<AttributeValue, StoreError> {
    serde_dynamo::to_attribute_value(state).map_err(|error| StoreError::Refused(error.to_string()))
}

//! Days and months that were compared with what AWS says, and comparisons under way.

use domain::hour::after;
use domain::reconciliation::kept::{ReconciledAmounts, ReconciledDay};
use domain::reconciliation::run::{LicenseSide, Run, RunOf};
use jiff::SignedDuration;
use jiff::civil::Date;

use super::keys;
use super::mapping::{self, Row};
use crate::{Store, StoreError};

/// How long a comparison is kept: longer than the 13 months that pages show.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(450 * 24);

/// How long what a run read of our side is kept: it is done with in a day or two.
const PARTS_KEPT_FOR: SignedDuration = SignedDuration::from_hours(14 * 24);

impl Store {
    /// Keeps what a look at a day found, in place of what an earlier one did.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_reconciled_day(&self, day: &ReconciledDay) -> Result<(), StoreError> {
        let row = Row::new(keys::reconciliation(day.day), keys::RECONCILIATION, day)
            .cleaned_after(after(day.at, KEPT_FOR));
        self.replace_subscription_item(&row).await
    }

    /// What the last look at a day found.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reconciled_day(&self, day: Date) -> Result<Option<ReconciledDay>, StoreError> {
        let pk = keys::reconciliation(day);
        let item = self.subscription_item(pk, keys::RECONCILIATION).await?;
        item.map(mapping::body).transpose()
    }

    /// Keeps what a look at a month's amounts found, in place of what an earlier one did.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_reconciled_amounts(
        &self,
        amounts: &ReconciledAmounts,
    ) -> Result<(), StoreError> {
        let pk = keys::reconciled_month(amounts.month);
        let row =
            Row::new(pk, keys::RECONCILIATION, amounts).cleaned_after(after(amounts.at, KEPT_FOR));
        self.replace_subscription_item(&row).await
    }

    /// What the last look at the amounts of a day's month found.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reconciled_amounts(
        &self,
        month: Date,
    ) -> Result<Option<ReconciledAmounts>, StoreError> {
        let pk = keys::reconciled_month(month);
        let item = self.subscription_item(pk, keys::RECONCILIATION).await?;
        item.map(mapping::body).transpose()
    }

    /// How far the last run came.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn reconciliation_run(&self, of: RunOf) -> Result<Option<Run>, StoreError> {
        let pk = keys::reconciliation_run(of);
        let item = self.subscription_item(pk, keys::RUN).await?;
        item.map(mapping::body).transpose()
    }

    /// A run came so far.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_reconciliation_run(&self, of: RunOf, run: &Run) -> Result<(), StoreError> {
        let row = Row::new(keys::reconciliation_run(of), keys::RUN, run);
        self.replace_subscription_item(&row).await
    }

    /// Keeps the next part of our side, for a run that is then to be put with one
    /// part more: until it is, the part does not count.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn put_reconciliation_part(
        &self,
        of: RunOf,
        run: &Run,
        sides: &[LicenseSide],
    ) -> Result<(), StoreError> {
        let pk = keys::reconciliation_parts(of, run.begun_at);
        let row = Row::new(pk, keys::part(run.parts), sides)
            .cleaned_after(after(run.begun_at, PARTS_KEPT_FOR));
        self.replace_subscription_item(&row).await
    }

    /// Our side, as far as a run has read it.
    ///
    /// # Errors
    /// [`StoreError`]; a part that is no longer there is [`StoreError::Corrupt`].
    pub async fn reconciliation_parts(
        &self,
        of: RunOf,
        run: &Run,
    ) -> Result<Vec<LicenseSide>, StoreError> {
        if run.parts == 0 {
            return Ok(Vec::new());
        }
        let pk = keys::reconciliation_parts(of, run.begun_at);
        let mut items = self.subscription_items(pk.clone(), keys::PART).await?;
        let parts = usize::try_from(run.parts).unwrap_or(usize::MAX);
        if items.len() < parts {
            return Err(StoreError::corrupt(pk, "a part is not there"));
        }
        items.truncate(parts);
        let mut sides = Vec::new();
        for item in items {
            let part: Vec<LicenseSide> = mapping::body(item)?;
            sides.extend(part);
        }
        Ok(sides)
    }
}

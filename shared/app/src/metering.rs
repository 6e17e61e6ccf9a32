//! The ledger's procedures, their steps performed on DynamoDB and AWS
//! Marketplace. In which order they come is the crate `ledger`'s, and is the
//! same in the simulator.

use std::sync::Arc;

use domain::change::Change;
use domain::hour::Hour;
use domain::ids::{AccountId, Dimension, LicenseId, ProductCode};
use domain::ledger::controls::{Controls, Forgotten};
use domain::ledger::hold::Hold;
use domain::ledger::included::Included;
use domain::ledger::record::{Finding, Record};
use domain::license::License;
use domain::usage::UsageReport;
use jiff::Timestamp;
use ledger::conservation::{self, Conservation, Scope};
use ledger::operations::{self, Done, GrantError, OperationError};
use ledger::posting::{self, PostingRun};
use ledger::recording::{self, RecordError, Recorded};
use ledger::silence;
use ledger::step::{Listed, RecordName};
use ledger::submission::{self, SubmissionRun};
use ledger::written_off::{self, WrittenOffUsage};
use ledger::{Answer, Step, StepError, Steps, drive};
use store::Unanswered;

use crate::marketplace_events::DeriveError;
use crate::trail::Traced;
use crate::{App, notices, trail};

impl App {
    /// Records a usage report: stores it, then makes sure that it will be
    /// posted. What is acknowledged is never lost. Then its computers outside
    /// the clouds are listed for the customer.
    ///
    /// # Errors
    /// [`RecordError`] says what is wrong with the report, or that it must be sent again.
    pub async fn record_usage(&self, report: &UsageReport) -> Result<Recorded, RecordError> {
        let steps = self.steps();
        let recording = recording::record_usage(&steps, &self.settings.rules, report);
        let recorded = self.run(&steps, recording).await?;
        trail::recorded(report, recorded);
        self.list_not_cloud(report).await;
        Ok(recorded)
    }

    /// Closes and posts every hour that is due. Begins nothing after
    /// `deadline`; the next run goes on.
    ///
    /// # Errors
    /// [`StepError`] when a cursor or an hour's reports cannot be read or
    /// raised. An account-hour that fails is not an error of the run.
    pub async fn post_due(&self, deadline: Timestamp) -> Result<PostingRun, StepError> {
        let steps = self.steps();
        let posting = posting::post_due(&steps, &self.settings.rules, deadline);
        self.run(&steps, posting).await
    }

    /// Freezes, sends and settles what is due until nothing is, a call fails,
    /// or `deadline` comes.
    ///
    /// # Errors
    /// [`StepError`] when the work list cannot be read. A record or slot that
    /// fails by itself does not hold up the others.
    pub async fn submit_due(&self, deadline: Timestamp) -> Result<SubmissionRun, StepError> {
        let steps = self.steps();
        let submission = submission::submit_due(&steps, &self.settings.rules, deadline);
        self.run(&steps, submission).await
    }

    /// Checks that the usage in scope, wherever it went, is conserved, and that
    /// nothing lags. Every difference is logged as an
    /// alarm. Begins no account after `deadline`.
    ///
    /// # Errors
    /// [`StepError`] when the store does not answer. An item that cannot be
    /// read is a difference.
    pub async fn check_conservation(
        &self,
        scope: &Scope,
        deadline: Timestamp,
    ) -> Result<Conservation, StepError> {
        let steps = self.steps();
        let check = conservation::check(&steps, &self.settings.rules, scope, deadline);
        let found = self.run(&steps, check).await?;
        found.differences.iter().for_each(crate::conservation::log);
        Ok(found)
    }

    /// The accounts whose metering may be broken: they were reported, pay by
    /// their usage, and are not reported any more, not even as unused.
    ///
    /// # Errors
    /// [`StepError`] when the store does not answer.
    pub async fn silent_accounts(&self) -> Result<Vec<AccountId>, StepError> {
        let steps = self.steps();
        self.run(&steps, silence::silent(&steps)).await
    }

    /// Starts the ledger's cursors at the running hour instead of 48 h before:
    /// for tables that were made just now, in which no report can be.
    ///
    /// # Errors
    /// [`StepError`] when a cursor cannot be written.
    pub async fn start_cursors(&self) -> Result<(), StepError> {
        let steps = self.steps();
        self.run(&steps, posting::start_cursors(&steps)).await
    }

    /// Has the final usage of a license looked after, if it ended and AWS
    /// still takes usage.
    pub(crate) async fn begin_final_usage(&self, license: &LicenseId) -> Result<(), StepError> {
        let steps = self.steps();
        let beginning = posting::begin_final_usage(&steps, license);
        self.run(&steps, beginning).await
    }

    /// Has the hours posted again of which a license's link tells only now that
    /// it was there. After a crash the license is still due for that.
    ///
    /// # Errors
    /// [`DeriveError`]: the next run tries again.
    pub(crate) async fn post_linked_late(&self, license: License) -> Result<(), DeriveError> {
        let Some(late) = &license.linked_late else {
            return Ok(());
        };
        let steps = self.steps();
        let posting = posting::post_linked_late(&steps, &self.settings.rules, late);
        self.run(&steps, posting).await?;
        let change = Change {
            licenses: vec![License {
                linked_late: None,
                ..license
            }],
            ..Change::default()
        };
        // Lost when the license has changed: it is still due, and posted once more.
        let _alone = self.store.commit(&change).await?;
        Ok(())
    }

    /// Has a license that was linked just now reported also for the hours in
    /// which it is not used, if the seller chose so.
    pub(crate) async fn begin_zeros(&self, license: &LicenseId) -> Result<(), StepError> {
        let steps = self.steps();
        let beginning = submission::begin_zeros(&steps, &self.settings.rules, license);
        self.run(&steps, beginning).await
    }

    /// Stops freezing and sending of a product's usage, or lets it go on.
    /// Posting goes on in any case.
    ///
    /// # Errors
    /// [`OperationError`]
    pub async fn switch_sending(
        &self,
        product: &ProductCode,
        stopped: bool,
    ) -> Result<Done, OperationError> {
        let steps = self.steps();
        let switching = operations::switch_sending(&steps, product, stopped);
        self.run(&steps, switching).await
    }

    /// Tells the ledger that its table was restored to an earlier point: what
    /// may have been sent since is never sent again.
    ///
    /// # Errors
    /// [`OperationError`]
    pub async fn restored(&self, forgotten: Forgotten) -> Result<Done, OperationError> {
        let steps = self.steps();
        self.run(&steps, operations::restored(&steps, forgotten))
            .await
    }

    /// The records whose outcome is unknown.
    ///
    /// # Errors
    /// [`StepError`]
    pub async fn unknown(&self) -> Result<Listed<Record>, StepError> {
        let steps = self.steps();
        self.run(&steps, operations::unknown(&steps)).await
    }

    /// What was written off of the hours that an interval touches.
    ///
    /// # Errors
    /// [`StepError`]
    pub async fn written_off(
        &self,
        interval: (Timestamp, Timestamp),
    ) -> Result<Listed<WrittenOffUsage>, StepError> {
        let steps = self.steps();
        let listing = written_off::written_off(&steps, &self.settings.rules, interval);
        self.run(&steps, listing).await
    }

    /// Resolves an unknown outcome by what was found out.
    ///
    /// # Errors
    /// [`OperationError`]
    pub async fn resolve(
        &self,
        record: &RecordName,
        finding: &Finding,
    ) -> Result<Record, OperationError> {
        let steps = self.steps();
        let resolving = operations::resolve(&steps, record, finding);
        self.run(&steps, resolving).await
    }

    /// Gives up a record that AWS refuses.
    ///
    /// # Errors
    /// [`OperationError`]
    pub async fn give_up(&self, record: &RecordName) -> Result<Record, OperationError> {
        let steps = self.steps();
        self.run(&steps, operations::give_up(&steps, record)).await
    }

    /// Has an account's hour posted again by the next run of posting.
    ///
    /// # Errors
    /// [`OperationError`]
    pub async fn post_again(&self, account: &AccountId, hour: Hour) -> Result<(), OperationError> {
        let steps = self.steps();
        self.run(&steps, operations::post_again(&steps, account, hour))
            .await
    }

    /// Ends a license's hold.
    ///
    /// # Errors
    /// [`StepError`]
    pub async fn end_hold(&self, license: &LicenseId) -> Result<Done, StepError> {
        let steps = self.steps();
        self.run(&steps, operations::end_hold(&steps, license))
            .await
    }

    /// The licenses on hold, and since when.
    ///
    /// # Errors
    /// [`StepError`]
    pub async fn held(&self) -> Result<Listed<Hold>, StepError> {
        let steps = self.steps();
        self.run(&steps, operations::held(&steps)).await
    }

    /// What an operator decided for the whole ledger.
    ///
    /// # Errors
    /// [`StepError`]
    pub async fn controls(&self) -> Result<Controls, StepError> {
        let steps = self.steps();
        self.run(&steps, steps.controls()).await
    }

    /// One record of a slot.
    ///
    /// # Errors
    /// [`StepError`]
    pub async fn record(
        &self,
        (license, slot, dimension): &RecordName,
    ) -> Result<Option<Record>, StepError> {
        let steps = self.steps();
        let reading = steps.record(license.clone(), *slot, dimension.clone());
        self.run(&steps, reading).await
    }

    /// A license's hold.
    ///
    /// # Errors
    /// [`StepError`]
    pub async fn hold(&self, license: &LicenseId) -> Result<Option<Hold>, StepError> {
        let steps = self.steps();
        self.run(&steps, steps.hold(license.clone())).await
    }

    /// A license, as AWS's events describe it.
    ///
    /// # Errors
    /// [`StepError`]
    pub async fn license(&self, license: &LicenseId) -> Result<Option<Arc<License>>, StepError> {
        let steps = self.steps();
        self.run(&steps, steps.license(license.clone())).await
    }

    /// What a license's contract covers, every period.
    ///
    /// # Errors
    /// [`StepError`]
    pub async fn included(&self, license: &LicenseId) -> Result<Vec<Included>, StepError> {
        let steps = self.steps();
        self.run(&steps, steps.included(license.clone())).await
    }

    /// Stores what a contract with consumption covers of a metered dimension in a period.
    ///
    /// # Errors
    /// [`GrantError`]
    pub async fn grant_included(
        &self,
        license: &LicenseId,
        dimension: &Dimension,
        period: (Timestamp, Timestamp),
        computer_hours: u64,
    ) -> Result<Done, GrantError> {
        let steps = self.steps();
        let granting =
            operations::grant_included(&steps, license, dimension, period, computer_hours);
        self.run(&steps, granting).await
    }

    /// What would be sent now. Freezes nothing and sends nothing.
    ///
    /// # Errors
    /// [`OperationError`]
    pub async fn dry_run(&self) -> Result<Vec<Record>, OperationError> {
        let steps = self.steps();
        let dry_run = operations::dry_run(&steps, &self.settings.rules);
        self.run(&steps, dry_run).await
    }

    /// The last slot that may hold usage of an hour.
    pub(crate) fn last_slot(&self, hour: Hour) -> Hour {
        hour.plus(self.settings.rules.carry.hours)
    }

    fn steps(&self) -> Steps {
        Steps::new(Arc::clone(&self.clock))
    }

    async fn run<T>(&self, steps: &Steps, procedure: impl Future<Output = T>) -> T {
        drive(steps, procedure, |step| self.traced(step), notices::log).await
    }

    async fn traced(&self, step: Step) -> Result<Answer, StepError> {
        let traced = Traced::of(&step);
        let answer = self.perform(step).await?;
        if let Some(traced) = traced {
            traced.done(&answer);
        }
        Ok(answer)
    }

    async fn perform(&self, step: Step) -> Result<Answer, StepError> {
        match self.store.perform(step, self.clock.now()).await {
            Ok(answer) => Ok(answer),
            Err(Unanswered::Failed(error)) => Err(error),
            Err(Unanswered::Send(records)) => {
                let answer = self.marketplace.batch_meter_usage(&records).await;
                Ok(Answer::Send(answer))
            }
            Err(Unanswered::Wait(until)) => {
                self.clock.wait(until).await;
                Ok(Answer::Wait(()))
            }
        }
    }
}

#[cfg(test)]
mod tests;

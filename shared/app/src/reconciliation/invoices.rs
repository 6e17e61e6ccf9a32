//! Asking AWS for the invoices of many agreements, which the time of a run may not
//! suffice for: each run begins where the one before stopped, so that all have their
//! turn.

use std::collections::{BTreeMap, BTreeSet};

use domain::ids::AgreementId;
use domain::reconciliation::amounts::InvoiceLine;
use jiff::Timestamp;
use jiff::civil::Date;
use marketplace::ReadError;

use super::Sources;
use crate::App;
use crate::pace::Pace;

/// What AWS answered about the invoices of a month.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// By agreement: its lines, or why they are not known.
    pub(super) answers: BTreeMap<AgreementId, Result<Vec<InvoiceLine>, String>>,
    /// The agreements that were not asked about: the time did not suffice.
    pub(super) unasked: BTreeSet<AgreementId>,
    /// The last that was.
    pub(super) last: Option<AgreementId>,
}

impl App {
    /// AWS's invoices of a month, by agreement, as far as the time suffices; the
    /// agreements, ascending, have their turn from the one after `after` on.
    pub(super) async fn invoices_of(
        &self,
        sources: &Sources,
        agreements: &[&AgreementId],
        after: Option<&AgreementId>,
        month: Date,
        deadline: Timestamp,
    ) -> Asked {
        let mut asked = Asked::default();
        let mut pace = Pace::FOUR_A_SECOND;
        for agreement in in_turn(agreements, after) {
            let answer = self
                .invoices(sources, agreement, month, &mut pace, deadline)
                .await;
            let answer = match answer {
                Some(answer) => {
                    asked.last = Some(agreement.clone());
                    answer.map_err(|error| error.to_string())
                }
                None => {
                    asked.unasked.insert(agreement.clone());
                    Err("AWS was not asked: the time did not suffice".to_owned())
                }
            };
            asked.answers.insert(agreement.clone(), answer);
        }
        asked
    }

    /// AWS's invoices of an agreement; `None` when the time did not suffice.
    async fn invoices(
        &self,
        sources: &Sources,
        agreement: &AgreementId,
        month: Date,
        pace: &mut Pace,
        deadline: Timestamp,
    ) -> Option<Result<Vec<InvoiceLine>, ReadError>> {
        loop {
            pace.turn(&*self.clock).await;
            if self.clock.now() >= deadline {
                return None;
            }
            let answer = sources.invoices.of_month(agreement, month).await;
            if let Some(settled) = pace.settled(answer, self.clock.now()) {
                return Some(settled);
            }
        }
    }
}

/// All of them, first those after an agreement.
fn in_turn<'a>(
    agreements: &[&'a AgreementId],
    after: Option<&AgreementId>,
) -> impl Iterator<Item = &'a AgreementId> {
    let first = agreements.partition_point(|of| after.is_some_and(|after| *of <= after));
    let (before, next) = agreements
        .split_at_checked(first)
        .unwrap_or((agreements, &[]));
    [next, before].concat().into_iter()
}

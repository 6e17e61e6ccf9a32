//! AWS Marketplace's events: parsed, kept as facts, and the licenses that they
//! speak of derived again.
//!
//! A second delivery goes all the way too: the first may have crashed between
//! keeping the fact and deriving the license.

mod notification;
mod parse;

use std::collections::BTreeSet;
use std::fmt;

use domain::audit::Actor;
use domain::change::Decision;
use domain::fact::{Disregarded, Fact, Told};
use domain::ids::{AgreementId, LicenseId};
use domain::license::{
    Derived, LONGEST_CHAIN, License, Situation, agreements_of, decide_license, derive, licenses_of,
};
use domain::marketplace_event::{EventKind, MarketplaceEvent, Notification, NotifiedAction};
use jiff::Timestamp;
use ledger::StepError;
use store::StoreError;
use store::subscriptions::CommitOutcome;

use crate::{App, GrantError, trail};

pub use notification::parse_notification;
pub use parse::{MalformedEvent, parse_event};

/// How often a decision that lost is made again before the caller is told.
pub(crate) const ATTEMPTS: usize = 8;

/// What an event did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventOutcome {
    /// It was kept, and what follows from it holds: for these licenses.
    Regarded {
        /// The licenses that were derived again; none when no license is known
        /// yet of the event's agreement.
        licenses: BTreeSet<LicenseId>,
    },
    /// It was kept, and changes nothing.
    Disregarded(Disregarded),
    /// Its detail-type is unknown: kept, and to be looked at by a person.
    Unrecognized,
}

/// Why a fact was not turned into the state of its licenses. Nothing is lost
/// when it is delivered again.
#[derive(Debug, thiserror::Error)]
pub enum DeriveError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The ledger could not be told.
    #[error("the ledger could not be told")]
    Ledger(#[from] StepError),
    /// Other changes of the license or its account won, again and again.
    #[error("other changes of the license won each time")]
    Contended,
}

/// Has a person look at what AWS tells and this program was not taught: an end may
/// be among it.
fn tell_unrecognized(id: &dyn fmt::Display, kind: &str) -> EventOutcome {
    tracing::error!(
        alarm = "EventUnrecognized",
        event.id = %id,
        event.detail_type = ?kind,
        "kept an event of AWS Marketplace of an unknown kind"
    );
    EventOutcome::Unrecognized
}

impl From<GrantError> for DeriveError {
    fn from(error: GrantError) -> Self {
        match error {
            GrantError::Store(error) => Self::Ledger(error),
            GrantError::Contended => Self::Contended,
        }
    }
}

impl App {
    /// Keeps an event and derives the licenses that it speaks of.
    ///
    /// # Errors
    /// [`DeriveError`]: deliver it again.
    pub async fn record_marketplace_event(
        &self,
        event: MarketplaceEvent,
    ) -> Result<EventOutcome, DeriveError> {
        let now = self.clock.now();
        let unrecognized = (event.kind == EventKind::Unrecognized)
            .then(|| (event.id.clone(), event.detail_type.clone()));
        let resolved = event.kind == EventKind::AdvisoryResolved;
        let fact = event.into_fact(&self.settings.subscriptions, now);
        if let Some(reason) = fact.disregarded {
            self.store.put_fact(&fact).await?;
            return Ok(match (reason, unrecognized) {
                // A new family of events may name what it is about in another way.
                (Disregarded::WithoutIds, Some((id, detail_type))) => {
                    tell_unrecognized(&id, &detail_type)
                }
                (reason, _) => EventOutcome::Disregarded(reason),
            });
        }
        let licenses = self.learn(fact, now).await?;
        if resolved {
            for license in &licenses {
                let _was_on_hold = self.end_hold(license).await?;
            }
        }
        Ok(match unrecognized {
            Some((id, detail_type)) => tell_unrecognized(&id, &detail_type),
            None => EventOutcome::Regarded { licenses },
        })
    }

    /// Keeps a message of an older listing and derives the license that it speaks of.
    ///
    /// # Errors
    /// [`DeriveError`]: deliver it again.
    pub async fn record_notification(
        &self,
        notification: Notification,
    ) -> Result<EventOutcome, DeriveError> {
        let now = self.clock.now();
        let unrecognized = match &notification.action {
            NotifiedAction::Unrecognized(action) => Some((notification.id.clone(), action.clone())),
            NotifiedAction::SubscribeSuccess
            | NotifiedAction::SubscribeFail
            | NotifiedAction::UnsubscribePending
            | NotifiedAction::UnsubscribeSuccess
            | NotifiedAction::EntitlementUpdated => None,
        };
        let fact = notification.into_fact(&self.settings.subscriptions, now);
        if let Some(reason) = fact.disregarded {
            self.store.put_fact(&fact).await?;
            return Ok(EventOutcome::Disregarded(reason));
        }
        let licenses = self.learn(fact, now).await?;
        Ok(match unrecognized {
            Some((id, action)) => tell_unrecognized(&id, &action),
            None => EventOutcome::Regarded { licenses },
        })
    }

    /// Keeps a fact that counts, and derives every license that it may concern.
    pub(crate) async fn learn(
        &self,
        fact: Fact,
        now: Timestamp,
    ) -> Result<BTreeSet<LicenseId>, DeriveError> {
        self.store.put_fact(&fact).await?;
        let mut licenses: BTreeSet<LicenseId> = fact.license_ids().cloned().collect();
        let agreements = [fact.agreement(), fact.follows()];
        let agreements = agreements.into_iter().flatten().cloned();
        let facts = self.facts_of_agreements(agreements.collect()).await?;
        licenses.extend(licenses_of(&facts));
        if let Some(customer) = fact.customer() {
            let facts = self.store.facts_of_customer(customer).await?;
            licenses.extend(licenses_of(&facts));
        }
        let by = teller(&fact);
        for license in &licenses {
            self.bring_up_to_date(license, Some(&fact), &by, now)
                .await?;
        }
        Ok(licenses)
    }

    /// Brings a license to what its facts and the clock say, and what follows
    /// from it in the ledger; `fact` is one that was just learned.
    pub(crate) async fn bring_up_to_date(
        &self,
        license: &LicenseId,
        fact: Option<&Fact>,
        by: &Actor,
        now: Timestamp,
    ) -> Result<(), DeriveError> {
        self.derive_license(license, fact, by, now).await?;
        self.begin_final_usage(license).await?;
        Ok(())
    }

    /// Records what follows for a license from its facts and the clock. The snapshot
    /// is read before the facts: with the facts read first, a decision on older facts
    /// could win over one that knew more. What is covered is granted before it is
    /// recorded as known, for then usage is metered that is not.
    async fn derive_license(
        &self,
        license: &LicenseId,
        fact: Option<&Fact>,
        by: &Actor,
        now: Timestamp,
    ) -> Result<(), DeriveError> {
        for _attempt in 0..ATTEMPTS {
            let known = self.store.license(license).await?;
            let facts = self.facts_about(license, known.as_ref(), fact).await?;
            let Some(derived) = derive(license, &facts) else {
                return Ok(());
            };
            self.grant_entitlements(license, derived.covered()).await?;
            let heir = self.heir(&derived, fact, by, now).await?;
            let former = |known: &License| Some(known.former.as_ref()?.account.clone());
            let account = known.as_ref();
            let account = account.and_then(|known| known.linked.clone().or_else(|| former(known)));
            let account = match account {
                Some(account) => self.store.account(&account).await?,
                None => None,
            };
            let situation = Situation {
                known: known.as_ref(),
                account: account.as_ref(),
                heir: heir.as_ref(),
            };
            match decide_license(license, situation, derived, by, now) {
                Ok(Decision::AlreadyCommitted) => return Ok(()),
                Ok(Decision::Commit(change)) => match self.store.commit(&change).await? {
                    CommitOutcome::Committed => {
                        trail::committed(&change);
                        let mut changed = change.licenses.iter();
                        let after = changed.find(|changed| changed.id == *license);
                        if let (Some(before), Some(after)) = (&known, after) {
                            self.tell_ended_uncovered(before, after, now);
                        }
                        for link in &change.opened {
                            self.linked(&link.license).await?;
                            // One that was linked in another one's place may have ended since.
                            if link.license != *license {
                                Box::pin(self.derive_license(&link.license, fact, by, now)).await?;
                            }
                        }
                        return Ok(());
                    }
                    CommitOutcome::Lost => {}
                },
                Err(domain::linking::Torn) => {}
            }
        }
        Err(DeriveError::Contended)
    }

    /// What follows in the ledger from a link that was opened.
    async fn linked(&self, license: &LicenseId) -> Result<(), DeriveError> {
        self.begin_zeros_of_linked(license).await;
        if let Some(linked) = self.store.license(license).await? {
            self.post_linked_late(linked).await?;
        }
        Ok(())
    }

    /// The license that goes on in a license's place, brought up to date first:
    /// what it is told by was told of the chain, and perhaps not yet of it.
    async fn heir(
        &self,
        derived: &Derived,
        fact: Option<&Fact>,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Option<License>, DeriveError> {
        let Some(heir) = derived.heir() else {
            return Ok(None);
        };
        let known = self.store.license(heir).await?;
        let active_since = known.as_ref().and_then(License::active_since);
        if active_since.is_some_and(|since| since <= now) {
            return Ok(known);
        }
        Box::pin(self.derive_license(heir, fact, by, now)).await?;
        Ok(self.store.license(heir).await?)
    }

    /// Every fact that may say something of a license: what names it, its
    /// agreements, those before and after them, or its buyer; `fact` is one that
    /// was just learned.
    pub(crate) async fn facts_about(
        &self,
        license: &LicenseId,
        known: Option<&License>,
        fact: Option<&Fact>,
    ) -> Result<Vec<Fact>, StoreError> {
        let mut facts = self.store.facts_of_license(license).await?;
        let mut agreements = agreements_of(license, &facts);
        agreements.extend(known.iter().flat_map(|known| known.agreements.clone()));
        agreements.extend(fact.and_then(Fact::agreement).cloned());
        facts.extend(self.facts_of_agreements(agreements).await?);
        let customers: BTreeSet<_> = facts
            .iter()
            .filter(|fact| fact.license_ids().any(|id| id == license))
            .chain(fact)
            .filter_map(Fact::customer)
            .map(|(product, customer)| (product.clone(), customer.clone()))
            .collect();
        for (product, customer) in &customers {
            facts.extend(self.store.facts_of_customer((product, customer)).await?);
        }
        Ok(facts)
    }

    /// Every fact of these agreements and of those before and after them.
    async fn facts_of_agreements(
        &self,
        mut agreements: BTreeSet<AgreementId>,
    ) -> Result<Vec<Fact>, StoreError> {
        let mut read = BTreeSet::new();
        let mut facts = Vec::new();
        while let Some(agreement) = agreements.pop_first() {
            if read.len() >= LONGEST_CHAIN {
                tracing::error!(
                    alarm = "ChainTooLong",
                    agreement.id = %agreement,
                    "a chain of agreements is longer than is followed; a person should look at it"
                );
                break;
            }
            let told = self.store.facts_of_agreement(&agreement).await?;
            read.insert(agreement);
            let named = told
                .iter()
                .flat_map(|fact| [fact.agreement(), fact.follows()]);
            agreements.extend(
                named
                    .flatten()
                    .filter(|named| !read.contains(*named))
                    .cloned(),
            );
            facts.extend(told);
        }
        Ok(facts)
    }
}

/// Who told a fact.
fn teller(fact: &Fact) -> Actor {
    match &fact.told {
        Told::Event(event) => Actor::Aws {
            event: event.id.clone(),
        },
        Told::Notified(told) => Actor::Aws {
            event: told.id.clone(),
        },
        Told::Resolved(_) => Actor::Buyer,
        Told::Described(_) | Told::Terms(_) | Told::Entitled(_) => Actor::Asked,
        Told::Unanswered(_) => Actor::Unanswered,
    }
}

#[cfg(test)]
mod tests;

//! Asking AWS about a license: whether its agreement goes on, at which rates,
//! and to what it is entitled. What it answers is learned like an event; what it
//! does not answer changes nothing, but that a license of which nothing is known
//! for too long counts as ended.

use domain::answers::{DescribedAgreement, Entitlements, Grant, Unanswered};
use domain::audit::Actor;
use domain::fact::{Fact, Told};
use domain::hour::after;
use domain::ids::{AgreementId, LicenseId, ProductCode};
use domain::license::{ANSWER_AWAITED_FOR, License, UnknownCover};
use jiff::{SignedDuration, Timestamp};
use marketplace::{Entitlement, EntitlementValue, FoundAgreement, ReadError};

use crate::catching_up::Found;
use crate::marketplace_events::DeriveError;
use crate::{App, Chain};

/// How long after it failed an unanswered question is asked again at the latest.
const ASKED_AGAIN_WITHIN: SignedDuration = SignedDuration::from_mins(15);

/// How long what a contract covers may be unknown after a change before people are told.
const LAG_TOLD_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// Why AWS's answer was not learned: the next run asks again.
#[derive(Debug, thiserror::Error)]
enum AskError {
    #[error("AWS did not tell")]
    NotTold(#[from] ReadError),
    #[error("AWS's answer was not recorded")]
    NotRecorded(#[from] DeriveError),
}

impl App {
    /// Asks AWS what is to be asked about a license by now, and records what
    /// follows from it and from the clock. A question that fails is asked again
    /// within 15 minutes, and holds up no other.
    ///
    /// # Errors
    /// [`DeriveError`]: the next run tries again.
    pub(crate) async fn ask_about(&self, license: &LicenseId) -> Result<(), DeriveError> {
        let now = self.clock.now();
        let Some(known) = self.store.license(license).await? else {
            return Ok(());
        };
        // What fails here holds up no question.
        let posted_late = self.post_linked_late(known.clone()).await;
        self.bring_up_to_date(license, None, &Actor::Clock, now)
            .await?;
        let is_due = |at: Timestamp| at <= now;
        let mut unanswered_since = None;
        if let (Some(ask), Some(agreement)) = (known.asks.agreement, &known.agreement)
            && is_due(ask.next)
        {
            if let Err(error) = self.ask_of_agreement(&known, agreement, now).await {
                report(license, "how its agreement stands", &error);
                unanswered_since = Some(ask.since);
            }
            self.wait_or_give_up(license, now).await?;
        }
        if let (Some(since), Some(agreement)) = (known.asks.terms, &known.agreement)
            && is_due(since)
            && let Err(error) = self.ask_for_terms(agreement, now).await
        {
            report(license, "the rates of its agreement", &error);
            unanswered_since = unanswered_since.max(Some(since));
        }
        if let Some(since) = known.asks.entitlements
            && is_due(since)
            && let Err(error) = self.ask_for_entitlements(&known, now).await
        {
            report(license, "its entitlements", &error);
            self.tell_cover_unknown(&known, now);
            unanswered_since = unanswered_since.max(Some(since));
        }
        self.put_off(license, unanswered_since, now).await?;
        posted_late
    }

    /// A license of which a question failed is asked about again later, the longer
    /// there is no answer the less often. One whose daily look found nothing new
    /// has its turn again the next day. What an answer has raised anew is asked by
    /// the next run.
    async fn put_off(
        &self,
        license: &LicenseId,
        unanswered_since: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(), DeriveError> {
        let Some(known) = self.store.license(license).await? else {
            return Ok(());
        };
        let until = match unanswered_since {
            Some(since) => {
                let waited = now.duration_since(since);
                after(
                    now,
                    waited.clamp(SignedDuration::from_mins(1), ASKED_AGAIN_WITHIN),
                )
            }
            None if known.has_open_questions(now) => return Ok(()),
            None => known.next_due_after(now),
        };
        if known.due_at.is_some_and(|due| due <= now) {
            self.store.put_off_license(&known, until).await?;
        }
        Ok(())
    }

    /// Learns how an agreement stands, and of the others of its chain what is news.
    async fn ask_of_agreement(
        &self,
        license: &License,
        agreement: &AgreementId,
        now: Timestamp,
    ) -> Result<(), AskError> {
        for found in self.marketplace.chain_of_agreement(agreement).await? {
            let is_it = found.agreement == *agreement;
            let told = described(found, license.product.clone(), now);
            if is_it {
                let told = Told::Described(Box::new(told));
                self.learn(Fact::learned(told, now), now).await?;
            } else {
                self.repair(told, None, Found::Learned).await?;
            }
        }
        Ok(())
    }

    /// A license goes on while AWS does not say whether it does, with an alarm,
    /// but not for ever.
    async fn wait_or_give_up(
        &self,
        license: &LicenseId,
        now: Timestamp,
    ) -> Result<(), DeriveError> {
        let Some(known) = self.store.license(license).await? else {
            return Ok(());
        };
        let (Some(ask), Some(agreement)) = (known.asks.agreement, &known.agreement) else {
            return Ok(());
        };
        let Some(at) = ask.gives_up_at.filter(|_| ask.since <= now) else {
            return Ok(());
        };
        if now < at {
            tracing::error!(
                alarm = "AgreementUnknown",
                license.id = %license,
                agreement.id = %agreement,
                agreement.unknown_since = %ask.since,
                agreement.ends_unless_told_by = %at,
                "it is not known whether an agreement goes on; its license is taken to until AWS says"
            );
            return Ok(());
        }
        tracing::error!(
            alarm = "AgreementGivenUp",
            license.id = %license,
            agreement.id = %agreement,
            agreement.unknown_since = %ask.since,
            "AWS did not say whether an agreement goes on; its license counts as ended"
        );
        let told = Told::Unanswered(Unanswered {
            agreement: agreement.clone(),
            at,
        });
        self.learn(Fact::learned(told, now), now).await?;
        Ok(())
    }

    /// Usage of which AWS does not say what a contract covers waits, with an alarm,
    /// but not for ever: then all of it is metered that is not known to be covered.
    fn tell_cover_unknown(&self, license: &License, now: Timestamp) {
        let Some(UnknownCover { since, .. }) = license.asks.unknown_cover else {
            return;
        };
        if since > now || !self.settings.rules.catalog.has_contracts() {
            return;
        }
        let at = after(since, ANSWER_AWAITED_FOR);
        if now < at {
            tracing::error!(
                alarm = "EntitlementsUnknown",
                license.id = %license.id,
                entitlements.unknown_since = %since,
                entitlements.awaited_until = %at,
                "AWS does not say what a contract covers; the license's usage waits until it does"
            );
        } else {
            tracing::error!(
                alarm = "EntitlementsGivenUp",
                license.id = %license.id,
                entitlements.unknown_since = %since,
                "AWS did not say what a contract covers; usage is metered that is not known to be covered"
            );
        }
    }

    /// A license ended before AWS said what its contract covers: there is no time to
    /// wait for that, and its usage is metered.
    pub(crate) fn tell_ended_uncovered(&self, before: &License, after: &License, now: Timestamp) {
        let (Some(unknown), Some(end)) = (before.asks.unknown_cover, after.end()) else {
            return;
        };
        let of_usage = unknown.since <= now && unknown.of_usage_from < end.ended_at;
        if of_usage && !before.has_ended() && self.settings.rules.catalog.has_contracts() {
            tracing::error!(
                alarm = "EntitlementsGivenUp",
                license.id = %before.id,
                entitlements.unknown_since = %unknown.since,
                "a license ended before AWS said what its contract covers; its usage is metered"
            );
        }
    }

    async fn ask_for_terms(&self, agreement: &AgreementId, now: Timestamp) -> Result<(), AskError> {
        let terms = self.marketplace.agreement_terms(agreement, now).await?;
        let told = Told::Terms(Box::new(terms));
        self.learn(Fact::learned(told, now), now).await?;
        Ok(())
    }

    /// Learns to what a license is entitled, if that is news. A failure says
    /// nothing: what is stored stays.
    async fn ask_for_entitlements(
        &self,
        license: &License,
        now: Timestamp,
    ) -> Result<(), AskError> {
        let answer = self
            .marketplace
            .get_entitlements(&license.product, &license.arn)
            .await?;
        let grants: Vec<Grant> = answer.iter().map(grant).collect();
        let known = license.entitlements.as_ref();
        let unknown = license.asks.unknown_cover;
        let is_news =
            license.entitlements_changed() || unknown.is_some_and(|unknown| unknown.since <= now);
        if known.is_some_and(|known| known.grants == grants) && !is_news {
            return Ok(());
        }
        let told = Told::Entitled(Box::new(Entitlements {
            license: license.arn.clone(),
            grants,
            asked_at: now,
        }));
        self.learn(Fact::learned(told, now), now).await?;
        let told = self.store.license(&license.id).await;
        if let Some(told) = told.map_err(DeriveError::from)?
            && let Some(unknown) = told.asks.unknown_cover
            && after(unknown.since, LAG_TOLD_AFTER) <= now
        {
            self.tell_cover_unknown(&told, now);
        }
        Ok(())
    }

    /// AWS's description of an agreement, if it is of one of our products.
    pub(crate) fn described_if_ours(
        &self,
        found: FoundAgreement,
        asked_at: Timestamp,
    ) -> Option<DescribedAgreement> {
        let ids = &self.settings.subscriptions.product_ids;
        let product: &ProductCode = found.products.iter().find_map(|id| ids.get(id))?;
        Some(described(found, product.clone(), asked_at))
    }
}

fn described(
    found: FoundAgreement,
    product: ProductCode,
    asked_at: Timestamp,
) -> DescribedAgreement {
    DescribedAgreement {
        agreement: found.agreement,
        initial: found.initial,
        buyer: found.buyer,
        product,
        offer: found.offer,
        ended: found.ended,
        starts_at: found.starts_at,
        ends_at: found.ends_at,
        auto_renewal: found.auto_renewal,
        licenses: found.licenses,
        asked_at,
    }
}

fn grant(entitlement: &Entitlement) -> Grant {
    let units = match &entitlement.value {
        EntitlementValue::Units(units) => Some(*units),
        EntitlementValue::Decimal(_)
        | EntitlementValue::Enabled(_)
        | EntitlementValue::Text(_)
        | EntitlementValue::Unrecognized => None,
    };
    Grant {
        dimension: entitlement.dimension.clone(),
        units,
        expires_at: entitlement.expires_at,
    }
}

fn report(license: &LicenseId, what: &str, error: &(dyn std::error::Error + 'static)) {
    tracing::warn!(
        license.id = %license,
        error = %Chain(error),
        "AWS did not tell of a license {what}; what is known stays, and it is asked again"
    );
}

#[cfg(test)]
mod tests;

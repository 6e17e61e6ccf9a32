//! What AWS told, as it was kept: also what changes nothing, and why.

use std::collections::{BTreeMap, BTreeSet};

use domain::answers::{AcceptedTerms, Grant};
use domain::fact::{Disregarded, Fact, Told};
use domain::ids::{AgreementId, CustomerIdentifier, LicenseArn, LicenseId, ProductCode};
use domain::license::{Idle, idle, licenses_of};
use domain::marketplace_event::{
    CancellationRequest, EndedStatus, EventKind, Notification, NotifiedAction,
};
use domain::money::Usd;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use store::StoreError;

use crate::App;

/// Beyond so many facts only the reasons are told that an event has by itself: whether
/// others are newer takes the square of them.
const EXPLAINED_UP_TO: usize = 500;

/// Of what it is asked what AWS told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// Of an agreement, and of those that follow it.
    Agreement(AgreementId),
    /// Of a license and all its agreements.
    License(LicenseId),
    /// On a day (UTC), what names neither, and which buyer's messages are of nobody known.
    Day(Date),
}

impl Subject {
    /// What a text names: a day, a license's id or ARN, or an agreement's id, which
    /// begins with `agmt-`.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(day) = text.parse::<Date>() {
            return Some(Self::Day(day));
        }
        if let Ok(arn) = LicenseArn::parse(text) {
            return Some(Self::License(arn.id().clone()));
        }
        if let Ok(license) = LicenseId::parse(text) {
            return Some(Self::License(license));
        }
        let name = text.strip_prefix("agmt-")?;
        let is_id = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric());
        let agreement = AgreementId::parse(text).ok().filter(|_| is_id)?;
        Some(Self::Agreement(agreement))
    }
}

/// Something that AWS told, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldFact {
    /// When it happened, by AWS's clock; when AWS was asked, for an answer.
    pub at: Timestamp,
    /// When it was learned.
    pub learned_at: Timestamp,
    /// What: an event's detail-type, a message's action, or which answer.
    pub what: String,
    /// Ends, rates, hours and what else of it decides something.
    pub details: Vec<String>,
    /// The agreement, the license or the older listing's buyer that it names.
    pub about: Option<String>,
    /// Why it changes nothing, if it does not.
    pub without_effect: Option<WithoutEffect>,
}

/// Why something that AWS told changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WithoutEffect {
    /// It was not taken for ours, or cannot be joined to anything.
    #[error("{0}")]
    Disregarded(Disregarded),
    /// Something of what happened later says how it stands.
    #[error("it is older than what is known: {what} of {at}")]
    Older {
        /// What, as [`ToldFact::what`].
        what: String,
        /// When that happened.
        at: Timestamp,
    },
    /// The same of the same instant was learned before it.
    #[error("the same was known already")]
    Known,
    /// It is for people to know.
    #[error("it is for people to know")]
    ForPeople,
    /// A message of an older listing, whose buyer may be anybody so far.
    #[error("no registration token has led to this customer's license yet")]
    OfNobodyKnown,
    /// Nobody taught this program what it means.
    #[error("it is not understood")]
    NotUnderstood,
}

impl App {
    /// What AWS told, the earliest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn told_of(&self, subject: &Subject) -> Result<Vec<ToldFact>, StoreError> {
        let mut facts = match subject {
            Subject::Agreement(agreement) => self.of_agreement(agreement).await?,
            Subject::License(license) => {
                let known = self.store.license(license).await?;
                self.facts_about(license, known.as_ref(), None).await?
            }
            Subject::Day(day) => match TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)) {
                Ok(start) => self.of_nobody_known(start).await?,
                Err(_) => Vec::new(),
            },
        };
        facts.sort_by_key(|fact| (fact.at(), place(fact), fact.key()));
        facts.dedup_by_key(|fact| fact.key());
        let around = self.facts_around(&facts).await?;
        let mut told: Vec<ToldFact> = facts.iter().map(|fact| told(fact, &around)).collect();
        if let Subject::Day(_) = subject {
            let messages = facts.iter().zip(&mut told);
            for (_, told) in messages.filter(|(fact, _)| fact.notification().is_some()) {
                told.without_effect
                    .get_or_insert(WithoutEffect::OfNobodyKnown);
            }
        }
        Ok(told)
    }

    /// What names an agreement, and the messages of its buyer, which name only them.
    async fn of_agreement(&self, agreement: &AgreementId) -> Result<Vec<Fact>, StoreError> {
        let mut facts = self.store.facts_of_agreement(agreement).await?;
        let customers = facts.iter().filter_map(Fact::customer);
        let customers: BTreeSet<(ProductCode, CustomerIdentifier)> = customers
            .map(|(product, customer)| (product.clone(), customer.clone()))
            .collect();
        for (product, customer) in &customers {
            let told = self.store.facts_of_customer((product, customer)).await?;
            facts.extend(
                told.into_iter()
                    .filter(|fact| fact.notification().is_some()),
            );
        }
        Ok(facts)
    }

    /// What was told on a day and names neither agreement nor license, without the
    /// messages of buyers whom a registration token has led to a license since.
    async fn of_nobody_known(&self, day: Timestamp) -> Result<Vec<Fact>, StoreError> {
        let mut known = BTreeMap::new();
        let mut facts = Vec::new();
        for fact in self.store.unjoined_facts(day).await? {
            if let Some((product, customer)) = fact.customer() {
                let key = (product.clone(), customer.clone());
                if !known.contains_key(&key) {
                    let told = self.store.facts_of_customer((product, customer)).await?;
                    let resolved = told.iter().any(|fact| fact.license_ids().next().is_some());
                    known.insert(key.clone(), resolved);
                }
                if known.get(&key) == Some(&true) {
                    continue;
                }
            }
            facts.push(fact);
        }
        Ok(facts)
    }

    /// All that may have a say about the licenses that facts name; nothing where that
    /// is more than is looked through for each of them.
    async fn facts_around(&self, facts: &[Fact]) -> Result<Vec<Fact>, StoreError> {
        let mut around = Vec::new();
        for license in licenses_of(facts) {
            let known = self.store.license(&license).await?;
            around.extend(self.facts_about(&license, known.as_ref(), None).await?);
        }
        around.sort_by_key(Fact::key);
        around.dedup_by_key(|fact| fact.key());
        if around.len() > EXPLAINED_UP_TO {
            around.clear();
        }
        Ok(around)
    }
}

/// In which order facts of one instant make sense: events as one follows from the
/// other, and an answer after what it is about.
fn place(fact: &Fact) -> u8 {
    match &fact.told {
        Told::Event(event) => event.kind.place_in_second(),
        Told::Resolved(_) | Told::Notified(_) => 4,
        Told::Described(_) => 7,
        Told::Terms(_) => 8,
        Told::Entitled(_) => 9,
        Told::Unanswered(_) => 10,
    }
}

fn told(fact: &Fact, around: &[Fact]) -> ToldFact {
    let agreement = fact.agreement().map(ToString::to_string);
    let license = || fact.license_ids().next().map(ToString::to_string);
    let customer = || {
        fact.customer()
            .map(|(_, customer)| format!("customer {customer}"))
    };
    ToldFact {
        at: fact.at(),
        learned_at: fact.learned_at,
        what: what(fact),
        details: details(fact),
        about: agreement.or_else(license).or_else(customer),
        without_effect: without_effect(fact, around),
    }
}

fn without_effect(fact: &Fact, around: &[Fact]) -> Option<WithoutEffect> {
    if let Some(why) = fact.disregarded {
        return Some(WithoutEffect::Disregarded(why));
    }
    Some(match idle(fact, around)? {
        Idle::Older { than } => WithoutEffect::Older {
            what: what(than),
            at: than.at(),
        },
        Idle::Known => WithoutEffect::Known,
        Idle::ForPeople => WithoutEffect::ForPeople,
        Idle::NotUnderstood => WithoutEffect::NotUnderstood,
    })
}

fn what(fact: &Fact) -> String {
    match &fact.told {
        Told::Event(event) => event.detail_type.clone(),
        Told::Resolved(_) => "A registration token was redeemed".to_owned(),
        Told::Notified(told) => format!("SNS message: {}", notified(&told.action)),
        Told::Described(told) => match &told.ended {
            None => "Answer: the agreement goes on".to_owned(),
            Some(how) => format!("Answer: the agreement is {}", ended(how)),
        },
        Told::Unanswered(_) => "Not told for 24 hours how it goes on".to_owned(),
        Told::Terms(_) => "Answer: the agreement's terms".to_owned(),
        Told::Entitled(told) => match told.grants.len() {
            1 => "Answer: 1 entitlement".to_owned(),
            count => format!("Answer: {count} entitlements"),
        },
    }
}

/// What of a fact decides something, a thing each.
fn details(fact: &Fact) -> Vec<String> {
    match &fact.told {
        Told::Event(event) => of_event(&event.kind),
        Told::Described(told) => {
            let begins = told.starts_at.map(|at| format!("begins {at}"));
            let renews = told.auto_renewal.map(renews);
            let details = [begins, Some(ends(told.ends_at)), renews];
            details.into_iter().flatten().collect()
        }
        Told::Unanswered(told) => vec![format!("waited for until {}", told.at)],
        Told::Terms(told) => of_terms(told),
        Told::Entitled(told) => told.grants.iter().map(of_grant).collect(),
        Told::Notified(told) => of_message(told),
        Told::Resolved(_) => Vec::new(),
    }
}

fn of_message(told: &Notification) -> Vec<String> {
    let offer = told.offer.iter();
    offer.map(|offer| format!("offer {offer}")).collect()
}

fn of_event(kind: &EventKind) -> Vec<String> {
    match kind {
        EventKind::AgreementCreated(terms) | EventKind::AgreementAmended(terms) => {
            let begins = terms.starts_at.map(|at| format!("begins {at}"));
            let previous = terms.previous.as_ref();
            let previous = previous.map(|id| format!("in the place of {id}"));
            let renews = terms.auto_renewal.map(renews);
            let details = [begins, Some(ends(terms.ends_at)), previous, renews];
            details.into_iter().flatten().collect()
        }
        EventKind::AgreementEnded { status } => vec![ended(status).to_owned()],
        EventKind::AgreementEnding(ending) => {
            let renews = ending.auto_renewal.map(renews);
            [Some(ends(ending.ends_at)), renews]
                .into_iter()
                .flatten()
                .collect()
        }
        EventKind::CancellationRequest(request) => vec![asked_to_cancel(*request).to_owned()],
        EventKind::LicenseUpdated
        | EventKind::LicenseDeprovisioned
        | EventKind::AdvisoryIssued
        | EventKind::AdvisoryResolved
        | EventKind::RenewalTermsFinalized
        | EventKind::RenewalUpcoming
        | EventKind::BillingAdjustment
        | EventKind::Unrecognized => Vec::new(),
    }
}

fn of_terms(terms: &AcceptedTerms) -> Vec<String> {
    let amount = |micros| format!("{} {}", Usd::from_micros(micros), terms.currency);
    let rates = terms.rates.iter();
    let rates = rates.map(|(dimension, micros)| format!("{dimension} {}", amount(*micros)));
    let prepaid = terms.prepaid.map(|prepaid| {
        let (total, payments) = (amount(prepaid.micros), prepaid.payments);
        match payments {
            1 => format!("{total} prepaid"),
            _ => format!("{total} prepaid in {payments} payments"),
        }
    });
    let free = terms.free_days.map(|days| format!("{days} days free"));
    let renews = terms.auto_renewal.map(renews);
    rates.chain(prepaid).chain(free).chain(renews).collect()
}

fn of_grant(grant: &Grant) -> String {
    let units = grant.units;
    let units = units.map_or_else(|| "no number".to_owned(), |units| units.to_string());
    let until = grant.expires_at.map(|at| format!(" until {at}"));
    format!("{}: {units}{}", grant.dimension, until.unwrap_or_default())
}

/// How an agreement ended.
fn ended(how: &EndedStatus) -> &str {
    match how {
        EndedStatus::Cancelled => "cancelled by the buyer",
        EndedStatus::Expired => "expired",
        EndedStatus::Terminated => "terminated",
        EndedStatus::Renewed => "renewed by another",
        EndedStatus::Replaced => "replaced by another",
        EndedStatus::Unrecognized(status) => status,
    }
}

/// How a request to cancel stands.
const fn asked_to_cancel(request: CancellationRequest) -> &'static str {
    match request {
        CancellationRequest::Pending => "waits for the buyer",
        CancellationRequest::Approved => "approved",
        CancellationRequest::Rejected => "rejected by the buyer",
        CancellationRequest::Withdrawn => "withdrawn by the seller",
        CancellationRequest::Invalid => "not possible",
    }
}

/// An action as AWS writes it.
fn notified(action: &NotifiedAction) -> &str {
    match action {
        NotifiedAction::SubscribeSuccess => "subscribe-success",
        NotifiedAction::SubscribeFail => "subscribe-fail",
        NotifiedAction::UnsubscribePending => "unsubscribe-pending",
        NotifiedAction::UnsubscribeSuccess => "unsubscribe-success",
        NotifiedAction::EntitlementUpdated => "entitlement-updated",
        NotifiedAction::Unrecognized(action) => action,
    }
}

fn ends(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "without an end".to_owned(), |at| format!("ends {at}"))
}

fn renews(by_itself: bool) -> String {
    let renews = if by_itself {
        "renews"
    } else {
        "does not renew"
    };
    format!("{renews} by itself")
}

#[cfg(test)]
mod tests;

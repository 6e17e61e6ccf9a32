//! What AWS told, as it was kept: also what changes nothing, and why.

use domain::fact::{Disregarded, Fact, Told};
use domain::ids::{AgreementId, LicenseArn, LicenseId};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use store::StoreError;

use crate::App;

/// Of what it is asked what AWS told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// Of an agreement, and of those that follow it.
    Agreement(AgreementId),
    /// Of a license and all its agreements.
    License(LicenseId),
    /// On a day (UTC), what names neither.
    Day(Date),
}

impl Subject {
    /// What a text names: a day, a license's id or ARN, else an agreement's id.
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
        AgreementId::parse(text).ok().map(Self::Agreement)
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
    /// The agreement or the license that it names.
    pub about: Option<String>,
    /// Why it changes nothing, if it does not.
    pub disregarded: Option<Disregarded>,
}

impl App {
    /// What AWS told, the earliest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn told_of(&self, subject: &Subject) -> Result<Vec<ToldFact>, StoreError> {
        let mut facts = match subject {
            Subject::Agreement(agreement) => self.store.facts_of_agreement(agreement).await?,
            Subject::License(license) => {
                let known = self.store.license(license).await?;
                self.facts_about(license, known.as_ref(), None).await?
            }
            Subject::Day(day) => match TimeZone::UTC.to_timestamp(day.at(0, 0, 0, 0)) {
                Ok(start) => self.store.unjoined_facts(start).await?,
                Err(_) => Vec::new(),
            },
        };
        facts.sort_by_key(|fact| (fact.at(), fact.key()));
        facts.dedup_by_key(|fact| fact.key());
        Ok(facts.iter().map(told).collect())
    }
}

fn told(fact: &Fact) -> ToldFact {
    let what = match &fact.told {
        Told::Event(event) => event.detail_type.clone(),
        Told::Resolved(_) => "A registration token was redeemed".to_owned(),
        Told::Notified(told) => format!("SNS message: {:?}", told.action),
        Told::Described(told) => match &told.ended {
            None => "Answer: the agreement goes on".to_owned(),
            Some(how) => format!("Answer: the agreement is {how:?}"),
        },
        Told::Unanswered(_) => "No answer for 24 hours".to_owned(),
        Told::Terms(_) => "Answer: the agreement's terms".to_owned(),
        Told::Entitled(told) => format!("Answer: {} entitlements", told.grants.len()),
    };
    let agreement = fact.agreement().map(ToString::to_string);
    let license = || fact.license_ids().next().map(ToString::to_string);
    ToldFact {
        at: fact.at(),
        learned_at: fact.learned_at,
        what,
        about: agreement.or_else(license),
        disregarded: fact.disregarded,
    }
}

#[cfg(test)]
mod tests;

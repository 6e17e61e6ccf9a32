//! What AWS told, by events, by messages and by its answers, kept for ever.
//!
//! Facts are never edited and never removed; the state of a license follows
//! from the set of them ([`crate::license::derive`]).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::answers::{AcceptedTerms, DescribedAgreement, Entitlements, Unanswered};
use crate::ids::{AgreementId, CustomerIdentifier, LicenseArn, LicenseId, ProductCode};
use crate::marketplace_event::{AgreementTerms, MarketplaceEvent, Notification, ResolvedLicense};

/// Something AWS told us, kept for ever under its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// When we learned it first.
    pub learned_at: Timestamp,
    /// What AWS told.
    pub told: Told,
    /// Why it changes nothing, if it does not.
    pub disregarded: Option<Disregarded>,
}

/// How AWS told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// By an event.
    Event(Box<MarketplaceEvent>),
    /// By redeeming a registration token, at this instant.
    Resolved(ResolvedLicense),
    /// By a message of an older listing.
    Notified(Box<Notification>),
    /// By describing an agreement that it was asked about.
    Described(Box<DescribedAgreement>),
    /// By no answer about an agreement for too long.
    Unanswered(Unanswered),
    /// By the terms of an agreement that it was asked about.
    Terms(Box<AcceptedTerms>),
    /// By the entitlements of a license that it was asked about.
    Entitled(Box<Entitlements>),
}

/// Why an event is kept but changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Disregarded {
    /// It is of a version of events that came after this program.
    #[error("the event is of an unknown version")]
    UnknownVersion,
    /// It came to another AWS account.
    #[error("the event is another seller's")]
    AnotherSeller,
    /// It is about another product.
    #[error("the event is about another product")]
    AnotherProduct,
    /// It names no agreement, or as a license event no license or product.
    #[error("the event names no agreement, license or product")]
    WithoutIds,
}

impl Fact {
    /// What a token resolved to, or AWS answered, learned now.
    pub fn learned(told: Told, now: Timestamp) -> Self {
        Self {
            learned_at: now,
            told,
            disregarded: None,
        }
    }

    /// The key under which it is kept: the event's id, or one made of what it
    /// is about, so that what is told again is the same fact.
    pub fn key(&self) -> String {
        match &self.told {
            Told::Event(event) => event.id.as_str().to_owned(),
            Told::Resolved(resolved) => {
                let agreement = resolved.agreement.as_ref().map_or("", AgreementId::as_str);
                format!("resolved:{}:{agreement}", resolved.license.id())
            }
            Told::Notified(notification) => notification.id.as_str().to_owned(),
            Told::Described(told) => format!("described:{}:{}", told.agreement, told.asked_at),
            Told::Unanswered(told) => format!("unanswered:{}:{}", told.agreement, told.at),
            Told::Terms(told) => format!("terms:{}:{}", told.agreement, told.asked_at),
            Told::Entitled(told) => format!("entitled:{}:{}", told.license.id(), told.asked_at),
        }
    }

    /// When it happened.
    pub fn at(&self) -> Timestamp {
        match &self.told {
            Told::Event(event) => event.at,
            Told::Resolved(_) => self.learned_at,
            Told::Notified(notification) => notification.at,
            Told::Described(told) => told.asked_at,
            Told::Unanswered(told) => told.at,
            Told::Terms(told) => told.asked_at,
            Told::Entitled(told) => told.asked_at,
        }
    }

    /// What an event tells.
    pub fn event(&self) -> Option<&MarketplaceEvent> {
        if let Told::Event(event) = &self.told {
            Some(event)
        } else {
            None
        }
    }

    /// What a message of an older listing tells.
    pub fn notification(&self) -> Option<&Notification> {
        if let Told::Notified(told) = &self.told {
            Some(told)
        } else {
            None
        }
    }

    /// AWS's description of an agreement.
    pub fn described(&self) -> Option<&DescribedAgreement> {
        if let Told::Described(told) = &self.told {
            Some(told)
        } else {
            None
        }
    }

    /// That AWS did not answer about an agreement.
    pub const fn unanswered(&self) -> Option<&Unanswered> {
        if let Told::Unanswered(told) = &self.told {
            Some(told)
        } else {
            None
        }
    }

    /// The terms of an agreement.
    pub fn accepted_terms(&self) -> Option<&AcceptedTerms> {
        if let Told::Terms(told) = &self.told {
            Some(told)
        } else {
            None
        }
    }

    /// The entitlements of a license.
    pub fn entitlements(&self) -> Option<&Entitlements> {
        if let Told::Entitled(told) = &self.told {
            Some(told)
        } else {
            None
        }
    }

    /// What a created or amended agreement says of itself.
    pub fn agreement_terms(&self) -> Option<&AgreementTerms> {
        self.event().and_then(|event| event.kind.terms())
    }

    /// The agreement that it is about.
    pub fn agreement(&self) -> Option<&AgreementId> {
        match &self.told {
            Told::Event(event) => event.agreement.as_ref(),
            Told::Resolved(resolved) => resolved.agreement.as_ref(),
            Told::Described(told) => Some(&told.agreement),
            Told::Unanswered(told) => Some(&told.agreement),
            Told::Terms(told) => Some(&told.agreement),
            Told::Notified(_) | Told::Entitled(_) => None,
        }
    }

    /// The agreement that the one it is about follows: the one before it, or the
    /// first of their chain.
    pub fn follows(&self) -> Option<&AgreementId> {
        let previous = self
            .agreement_terms()
            .and_then(|terms| terms.previous.as_ref());
        let initial = || self.described().and_then(|told| told.initial.as_ref());
        let followed = previous.or_else(initial);
        followed.filter(|followed| self.agreement() != Some(followed))
    }

    /// The buyer that an older listing's messages name so, and of which product.
    pub fn customer(&self) -> Option<(&ProductCode, &CustomerIdentifier)> {
        match &self.told {
            Told::Resolved(resolved) => Some((&resolved.product, resolved.customer.as_ref()?)),
            Told::Notified(told) => Some((&told.product, &told.customer)),
            Told::Event(_)
            | Told::Described(_)
            | Told::Unanswered(_)
            | Told::Terms(_)
            | Told::Entitled(_) => None,
        }
    }

    /// The licenses that it names.
    pub fn licenses(&self) -> impl Iterator<Item = &LicenseArn> {
        let (one, many) = match &self.told {
            Told::Event(event) => (event.license.as_ref(), None),
            Told::Resolved(resolved) => (Some(&resolved.license), None),
            Told::Described(told) => (None, Some(&told.licenses)),
            Told::Entitled(told) => (Some(&told.license), None),
            Told::Notified(_) | Told::Unanswered(_) | Told::Terms(_) => (None, None),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// The ids of the licenses that it names.
    pub fn license_ids(&self) -> impl Iterator<Item = &LicenseId> {
        self.licenses().map(LicenseArn::id)
    }
}

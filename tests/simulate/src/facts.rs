//! What AWS tells of a renewal, in every order, as far as it has come.

use domain::fact::{Fact, Told};
use domain::hour::{Hour, after};
use domain::ids::{AgreementId, AwsAccountId, EventId};
use domain::license::derive;
use domain::marketplace_event::{AgreementTerms, EndedStatus, EventKind, Intent, MarketplaceEvent};
use jiff::SignedDuration;
use simulator::cast;
use simulator::check::Violation;

/// What telling a renewal came to.
pub(crate) struct Renewals {
    /// Orders of the facts.
    pub(crate) orders: usize,
    /// What does not hold in the last of them.
    pub(crate) violation: Option<Violation>,
}

/// Tells a license's renewal in every order, up to the first in which the
/// license ends: once it is active it must stay so, whatever of its renewal is
/// yet to come.
pub(crate) fn renewals() -> Renewals {
    let facts = renewal();
    let mut found = Renewals {
        orders: 0,
        violation: None,
    };
    let mut orders: Vec<Vec<&Fact>> = vec![Vec::new()];
    while let Some(told) = orders.pop() {
        found.orders += usize::from(told.len() == facts.len());
        found.violation = ends_too_early(&told);
        if found.violation.is_some() {
            break;
        }
        let left = facts.iter().filter(|fact| !told.contains(fact));
        orders.extend(left.map(|fact| told.iter().copied().chain([fact]).collect()));
    }
    found
}

fn ends_too_early(told: &[&Fact]) -> Option<Violation> {
    let facts: Vec<Fact> = told.iter().copied().cloned().collect();
    let derived = derive(&cast::license(0), &facts)?;
    derived.has_ended().then(|| Violation {
        check: "renewed",
        what: format!(
            "the license ended after {} facts of its renewal",
            told.len()
        ),
    })
}

/// An agreement that is renewed by another one.
fn renewal() -> Vec<Fact> {
    let created = |intent| {
        EventKind::AgreementCreated(AgreementTerms {
            intent,
            starts_at: None,
            ends_at: None,
            previous: None,
            auto_renewal: None,
        })
    };
    let renewed = EventKind::AgreementEnded {
        status: EndedStatus::Renewed,
    };
    vec![
        fact(1, 0, created(Intent::New)),
        fact(1, 1, EventKind::LicenseUpdated),
        fact(1, 2, renewed),
        fact(2, 3, created(Intent::Renew)),
        fact(2, 4, EventKind::LicenseUpdated),
    ]
}

#[expect(clippy::expect_used, reason = "the ids are well formed")]
fn fact(agreement: u8, second: i64, kind: EventKind) -> Fact {
    let start = Hour::from_number(493_906).start();
    let at = after(start, SignedDuration::from_secs(second));
    let is_licenses = kind == EventKind::LicenseUpdated;
    Fact {
        learned_at: at,
        disregarded: None,
        told: Told::Event(Box::new(MarketplaceEvent {
            id: EventId::parse(format!("event-{second}")).expect("an id"),
            at,
            version: "0".to_owned(),
            seller: AwsAccountId::parse("123456789012").expect("an id"),
            detail_type: String::new(),
            agreement: AgreementId::parse(format!("agmt-{agreement}")).ok(),
            buyer: AwsAccountId::parse("000000001000").ok(),
            offer: None,
            product: is_licenses.then(|| cast::product(0)),
            license: is_licenses.then(|| cast::arn(0)),
            kind,
        })),
    }
}

//! A renewal or a replacement that was bought before it begins: what people are told
//! of an agreement that ends. What it does to a license is decided by
//! [`crate::license::derive`].

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::fact::Fact;
use crate::ids::AgreementId;
use crate::marketplace_event::EventKind;

/// An agreement that will go on in another one's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoughtAhead {
    /// From when on, ahead.
    pub from: Timestamp,
    /// The agreement that goes on then.
    pub agreement: AgreementId,
}

/// The agreements of which it was told that they follow another one.
pub fn followers(agreement: &AgreementId, facts: &[Fact]) -> BTreeSet<AgreementId> {
    let counting = facts.iter().filter(|fact| fact.disregarded.is_none());
    let following = counting.filter(|fact| fact.follows() == Some(agreement));
    following
        .filter_map(|fact| fact.agreement().cloned())
        .collect()
}

/// What was bought to go on in an agreement's place and begins after `now`, by when the
/// agreement ends, by the facts of the agreement and of its [`followers`].
/// One that was ended before is none.
pub fn bought_ahead(
    agreement: &AgreementId,
    facts: &[Fact],
    (now, ends_at): (Timestamp, Timestamp),
) -> Option<BoughtAhead> {
    let counting = || facts.iter().filter(|fact| fact.disregarded.is_none());
    let has_ended = |of: &AgreementId| {
        let mut of_it = counting().filter(|fact| fact.agreement() == Some(of));
        of_it.any(ends)
    };
    let following = counting().filter(|fact| fact.follows() == Some(agreement));
    let ahead = following.filter_map(|fact| {
        let terms = fact.agreement_terms().and_then(|terms| terms.starts_at);
        let described = || fact.described().and_then(|told| told.starts_at);
        let from = terms
            .or_else(described)
            .filter(|from| now < *from && *from <= ends_at)?;
        let agreement = fact.agreement()?.clone();
        (!has_ended(&agreement)).then_some((from, agreement))
    });
    let (from, agreement) = ahead.min()?;
    Some(BoughtAhead { from, agreement })
}

/// Whether a fact tells that its agreement ended.
fn ends(fact: &Fact) -> bool {
    let answer = fact.described().is_some_and(|told| told.ended.is_some());
    answer
        || fact
            .event()
            .is_some_and(|event| matches!(event.kind, EventKind::AgreementEnded { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::DescribedAgreement;
    use crate::fact::Told;
    use crate::ids::{AwsAccountId, EventId, ProductCode};
    use crate::marketplace_event::{AgreementTerms, EndedStatus, Intent, MarketplaceEvent};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn id(name: &str) -> AgreementId {
        AgreementId::parse(format!("agmt-{name}")).unwrap()
    }

    fn event(agreement: &str, kind: EventKind) -> Fact {
        let event = MarketplaceEvent {
            id: EventId::parse(format!("{agreement}-{}", kind.place_in_second())).unwrap(),
            at: NOW,
            version: "0".to_owned(),
            seller: AwsAccountId::parse("111122223333").unwrap(),
            detail_type: "Purchase Agreement".to_owned(),
            agreement: Some(id(agreement)),
            buyer: None,
            offer: None,
            product: None,
            license: None,
            kind,
        };
        Fact::learned(Told::Event(Box::new(event)), NOW)
    }

    fn renewal(agreement: &str, of: &str, starts_at: Timestamp) -> Fact {
        let terms = AgreementTerms {
            intent: Intent::Renew,
            starts_at: Some(starts_at),
            ends_at: None,
            previous: Some(id(of)),
            auto_renewal: None,
        };
        event(agreement, EventKind::AgreementCreated(terms))
    }

    #[test]
    fn the_renewal_that_begins_next_goes_on() {
        let facts = [renewal("c", "a", at(200)), renewal("b", "a", at(100))];
        let found = bought_ahead(&id("a"), &facts, (NOW, at(100))).unwrap();
        assert_eq!((found.from, found.agreement), (at(100), id("b")));
        assert_eq!(followers(&id("a"), &facts), [id("b"), id("c")].into());
    }

    #[test]
    fn what_was_cancelled_before_it_began_or_has_begun_is_not_bought_ahead() {
        let cancelled = EventKind::AgreementEnded {
            status: EndedStatus::Cancelled,
        };
        let facts = [renewal("b", "a", at(100)), event("b", cancelled)];
        assert_eq!(bought_ahead(&id("a"), &facts, (NOW, Timestamp::MAX)), None);
        assert_eq!(
            bought_ahead(&id("a"), &facts[..1], (at(100), Timestamp::MAX)),
            None
        );
        assert_eq!(
            bought_ahead(&id("x"), &facts[..1], (NOW, Timestamp::MAX)),
            None
        );
    }

    #[test]
    fn what_begins_only_after_a_gap_does_not_go_on() {
        let facts = [renewal("b", "a", at(100))];
        assert_eq!(bought_ahead(&id("a"), &facts, (NOW, at(99))), None);
    }

    #[test]
    fn an_answer_of_aws_tells_of_it_as_well() {
        let described = DescribedAgreement {
            agreement: id("b"),
            initial: Some(id("a")),
            buyer: AwsAccountId::parse("444455556666").unwrap(),
            product: ProductCode::parse("product").unwrap(),
            offer: None,
            ended: None,
            starts_at: Some(at(100)),
            ends_at: None,
            auto_renewal: None,
            licenses: BTreeSet::new(),
            asked_at: NOW,
        };
        let facts = [Fact::learned(Told::Described(Box::new(described)), NOW)];
        let found = bought_ahead(&id("a"), &facts, (NOW, Timestamp::MAX)).unwrap();
        assert_eq!(found.agreement, id("b"));
    }
}

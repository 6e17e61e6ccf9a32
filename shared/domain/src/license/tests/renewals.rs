//! Renewals, replacements, ends that pass, and what AWS answers about them.

use std::collections::BTreeSet;

use super::*;
use crate::account::{Account, AccountName, AccountState, ExpiryCause, Payer};
use crate::answers::{AcceptedTerms, DescribedAgreement, Grant, Unanswered};
use crate::change::Change;
use crate::hour::before;
use crate::ids::Dimension;
use crate::linking::UnlinkCause;
use crate::marketplace_event::CancellationRequest;

fn buyer() -> AwsAccountId {
    AwsAccountId::parse("999988887777").unwrap()
}

/// An agreement that follows another, created at a second.
pub(super) fn renewed(of: u8, previous: u8, at: i64) -> Fact {
    created_by(of, at, terms(Intent::Renew, Some(previous)))
}

fn terms(intent: Intent, previous: Option<u8>) -> AgreementTerms {
    AgreementTerms {
        intent,
        starts_at: None,
        ends_at: None,
        previous: previous.map(agreement),
        auto_renewal: None,
    }
}

/// What AWS answers at a second about an agreement that grants a license.
pub(super) fn described(
    of: u8,
    grants: u8,
    at: i64,
    ended: Option<EndedStatus>,
) -> DescribedAgreement {
    DescribedAgreement {
        agreement: agreement(of),
        initial: Some(agreement(1)),
        buyer: buyer(),
        product: ProductCode::parse("product").unwrap(),
        offer: None,
        ended,
        starts_at: Some(seconds(0)),
        ends_at: None,
        auto_renewal: None,
        licenses: BTreeSet::from([arn(grants)]),
        asked_at: seconds(at),
    }
}

pub(super) fn answer(told: DescribedAgreement) -> Fact {
    let at = told.asked_at;
    Fact::learned(Told::Described(Box::new(told)), at)
}

/// What an agreement says of itself at a second: created, or amended.
fn created_by(of: u8, at: i64, terms: AgreementTerms) -> Fact {
    let kind = if terms.intent == Intent::Amend {
        EventKind::AgreementAmended(terms)
    } else {
        EventKind::AgreementCreated(terms)
    };
    said(of, at, kind)
}

pub(super) fn updated_of(n: u8, of: u8, at: i64) -> Fact {
    fact(event(of, at, Some(n), EventKind::LicenseUpdated))
}

fn deprovisioned_of(n: u8, of: u8, at: i64) -> Fact {
    let told = event(of, at, Some(n), EventKind::LicenseDeprovisioned);
    fact(MarketplaceEvent {
        id: EventId::parse(format!("deprovisioned-{of}-{at}")).unwrap(),
        ..told
    })
}

/// No answer about an agreement until a second.
pub(super) fn unanswered(of: u8, until: i64) -> Fact {
    let told = Unanswered {
        agreement: agreement(of),
        at: seconds(until),
    };
    Fact::learned(Told::Unanswered(told), seconds(until))
}

fn derived(n: u8, facts: &[Fact]) -> Derived {
    derive(&license(n), facts).unwrap()
}

/// An account that was opened long ago and whose trial is over.
pub(super) fn account() -> Account {
    let opened = crate::account::decide_open(
        None,
        &AccountId::parse("north").unwrap(),
        &AccountName::parse("North").unwrap(),
        None,
        &Actor::Product,
        before(seconds(0), SignedDuration::from_hours(24)),
        &policy(),
    );
    let Decision::Commit(change) = opened.unwrap() else {
        panic!("it was opened before");
    };
    stored(change.accounts.into_iter().next().unwrap())
}

pub(super) fn stored(account: Account) -> Account {
    Account {
        version: account.version + 1,
        ..account
    }
}

/// A license and its account as decided on, stored.
struct World {
    account: Account,
    licenses: Vec<License>,
    told: Vec<OutboundEvent>,
    closed: Vec<UnlinkCause>,
}

impl World {
    /// An account to which license 0 is linked from second 70 on.
    fn linked() -> Self {
        let mut world = Self {
            account: account(),
            licenses: Vec::new(),
            told: Vec::new(),
            closed: Vec::new(),
        };
        world.learn(0, &first(), 65);
        let mut change = Change::default();
        let license = world.licenses[0].clone();
        crate::linking::open_link(
            &mut change,
            &world.account,
            &license,
            &Actor::Buyer,
            seconds(70),
        );
        world.store(change);
        world
    }

    fn license(&self, n: u8) -> Option<&License> {
        self.licenses.iter().find(|known| known.id == license(n))
    }

    /// Derives a license from all facts and stores what is decided at a second.
    fn learn(&mut self, n: u8, facts: &[Fact], now: i64) {
        let Some(derived) = derive(&license(n), facts) else {
            return;
        };
        let known = self.license(n);
        let of_it = known.is_some_and(|known| known.linked.is_some() || known.former.is_some());
        let heir = derived
            .heir()
            .and_then(|heir| self.licenses.iter().find(|one| one.id == *heir));
        let situation = Situation {
            known,
            account: of_it.then_some(&self.account),
            heir,
        };
        let decision = decide_license(&license(n), situation, derived, &Actor::Clock, seconds(now));
        if let Decision::Commit(change) = decision.unwrap() {
            self.store(change);
        }
    }

    fn store(&mut self, change: Change) {
        for license in change.licenses {
            self.licenses.retain(|known| known.id != license.id);
            self.licenses.push(License {
                version: license.version + 1,
                ..license
            });
        }
        if let Some(account) = change.accounts.into_iter().next() {
            self.account = stored(account);
        }
        self.closed.extend(
            change
                .closed
                .iter()
                .filter_map(|link| Some(link.unlinked.as_ref()?.cause)),
        );
        self.told.extend(change.outbound);
    }

    fn paying(&self) -> Option<(&LicenseId, Timestamp)> {
        match &self.account.state {
            AccountState::Subscribed(Payer::Marketplace { link, .. }) => {
                Some((&link.license, link.from))
            }
            AccountState::Subscribed(Payer::Annual { .. })
            | AccountState::Trial { .. }
            | AccountState::Grace { .. }
            | AccountState::Expired { .. }
            | AccountState::Suspended { .. }
            | AccountState::Purged { .. } => None,
        }
    }
}

/// A purchase of license 0 by agreement 1.
fn first() -> Vec<Fact> {
    vec![
        created_by(1, 0, terms(Intent::New, None)),
        updated_of(0, 1, 62),
    ]
}

#[test]
fn a_renewal_with_the_same_license_changes_nothing_but_the_agreement() {
    let mut world = World::linked();
    let facts = [
        first(),
        vec![
            ended(1, 500, EndedStatus::Renewed),
            renewed(2, 1, 500),
            updated_of(0, 2, 560),
        ],
    ]
    .concat();
    world.learn(0, &facts, 600);
    assert_eq!(world.paying(), Some((&license(0), seconds(70))));
    let known = world.license(0).unwrap();
    assert_eq!(known.agreement, Some(agreement(2)));
    // Hours of before the renewal are still to be sent with their own time.
    assert_eq!(known.status, LicenseStatus::Active { since: seconds(62) });
    assert_eq!(known.asks.agreement, None);
    // The end of the renewed agreement is the license's end.
    let facts = [&facts[..], &[ended(2, 900, EndedStatus::Cancelled)]].concat();
    world.learn(0, &facts, 901);
    assert_eq!(world.paying(), None);
}

/// A renewal with another license, told in whatever order, a fact at a time.
fn renewal_with_another_license() -> Vec<Fact> {
    vec![
        ended(1, 500, EndedStatus::Renewed),
        deprovisioned_of(0, 1, 500),
        renewed(2, 1, 500),
        updated_of(1, 2, 500),
    ]
}

/// The old license is gone and the new one not active yet, or not known at all.
#[test]
fn a_renewed_license_that_is_deprovisioned_pays_until_its_successor_is_known() {
    for known in [1, 2] {
        let mut world = World::linked();
        let told = &renewal_with_another_license()[..known + 1];
        let facts = [&first()[..], told].concat();
        for license in [1, 0] {
            world.learn(license, &facts, 560);
        }
        assert_eq!(
            world.paying().map(|(license, _)| license),
            Some(&license(0))
        );
        assert!(world.license(0).unwrap().asks.agreement.is_some());
        let facts = [&first()[..], &renewal_with_another_license()].concat();
        for license in [1, 0] {
            world.learn(license, &facts, 9_000);
        }
        assert_eq!(world.paying(), Some((&license(1), seconds(500))));
    }
}

#[test]
fn a_renewal_with_another_license_moves_the_link_without_a_gap_in_every_order() {
    for order in permutations(&renewal_with_another_license()) {
        let mut world = World::linked();
        let mut facts = first();
        for (n, fact) in (0..).zip(order) {
            facts.push(fact);
            for license in [1, 0] {
                world.learn(license, &facts, 560 + n);
            }
        }
        assert_eq!(
            world.paying(),
            Some((&license(1), seconds(500))),
            "{facts:?}"
        );
        assert_eq!(world.license(0).unwrap().linked, None);
        assert_eq!(
            world.license(1).unwrap().linked,
            Some(world.account.id.clone())
        );
        let moved = world.closed.ends_with(&[UnlinkCause::Succeeded]);
        let ended_first = world.closed == [UnlinkCause::AgreementEnded];
        assert!(moved || ended_first, "{:?}", world.closed);
        // The product is asked for the last hours of the license that ended; again,
        // if it seemed to have ended before it was known to be renewed.
        let asked = |event: &&OutboundEvent| matches!(event, OutboundEvent::UsageRequested { .. });
        let times = world.told.iter().filter(asked).count();
        assert_eq!(times, world.closed.len());
        // Nothing more is left to be decided.
        let before = world.license(0).cloned();
        world.learn(0, &facts, 600);
        assert_eq!(world.license(0), before.as_ref());
    }
}

#[test]
fn a_replacement_that_starts_later_takes_over_at_its_start() {
    let mut world = World::linked();
    let later = AgreementTerms {
        starts_at: Some(seconds(9_000)),
        ..terms(Intent::Replace, Some(1))
    };
    let facts = [
        first(),
        vec![created_by(2, 500, later), updated_of(1, 2, 501)],
    ]
    .concat();
    for license in [1, 0] {
        world.learn(license, &facts, 600);
    }
    assert_eq!(world.paying(), Some((&license(0), seconds(70))));
    // Once its questions are answered it is looked at again when the other one begins.
    let next = world.license(0).unwrap().next_due_after(seconds(600));
    assert_eq!(next, seconds(9_000));
    world.learn(0, &facts, 9_000);
    assert_eq!(world.paying(), Some((&license(1), seconds(9_000))));
}

#[test]
fn a_successor_that_somebody_linked_elsewhere_is_left_alone() {
    let mut world = World::linked();
    let facts = [first(), renewal_with_another_license()].concat();
    world.learn(1, &facts, 560);
    let elsewhere = AccountId::parse("south").unwrap();
    let heir = world
        .licenses
        .iter_mut()
        .find(|known| known.id == license(1))
        .unwrap();
    heir.linked = Some(elsewhere.clone());
    world.learn(0, &facts, 561);
    assert_eq!(world.license(1).unwrap().linked, Some(elsewhere));
    let AccountState::Expired { cause, .. } = &world.account.state else {
        panic!("{:?}", world.account.state);
    };
    assert_eq!(
        *cause,
        ExpiryCause::AgreementEnded {
            license: license(0)
        }
    );
}

#[test]
fn a_purchase_after_a_cancellation_is_not_linked_by_itself() {
    let mut world = World::linked();
    let facts = [
        first(),
        vec![
            ended(1, 500, EndedStatus::Cancelled),
            created_by(2, 600, terms(Intent::New, None)),
            updated_of(0, 2, 660),
        ],
    ]
    .concat();
    world.learn(0, &facts[..3], 501);
    world.learn(0, &facts, 661);
    assert!(world.license(0).unwrap().is_active(seconds(661)));
    assert_eq!(world.paying(), None);
    // But where it was linked last is known.
    let former = world.license(0).unwrap().former.clone().unwrap();
    assert_eq!(former.account, world.account.id);
}

#[test]
fn an_agreement_of_which_no_event_told_is_asked_about() {
    let mut facts = vec![
        resolved_to(0, Some(1), Some("CUST1"), 0),
        notified(1, NotifiedAction::SubscribeSuccess),
    ];
    let asked = |facts: &[Fact]| derive(&license(0), facts).unwrap().asks.agreement;
    let ask = asked(&facts).unwrap();
    assert_eq!((ask.next, ask.gives_up_at), (seconds(120), None));
    facts.push(answer(described(1, 0, 130, None)));
    assert_eq!(asked(&facts), None);
}

#[test]
fn an_end_that_passes_ends_nothing_and_has_aws_asked() {
    let ending = AgreementTerms {
        ends_at: Some(seconds(1_000)),
        ..terms(Intent::New, None)
    };
    let facts = vec![created_by(1, 0, ending), updated_of(0, 1, 62)];
    let asked = derived(0, &facts).asks.agreement.unwrap();
    assert_eq!((asked.since, asked.next), (seconds(1_000), seconds(1_000)));
    assert_eq!(asked.gives_up_at, Some(seconds(1_000 + 86_400)));
    assert!(matches!(
        derived(0, &facts).status,
        LicenseStatus::Active { .. }
    ));

    // AWS says that it goes on: asked again in an hour, and never given up.
    let goes_on = DescribedAgreement {
        ends_at: Some(seconds(1_000)),
        ..described(1, 0, 1_100, None)
    };
    let confirmed = [&facts[..], &[answer(goes_on)]].concat();
    let asked = derived(0, &confirmed).asks.agreement.unwrap();
    assert_eq!(
        (asked.next, asked.gives_up_at),
        (seconds(1_100 + 3_600), None)
    );

    // AWS says that it ended, when it ended.
    let over = DescribedAgreement {
        ends_at: Some(seconds(1_000)),
        ..described(1, 0, 1_100, Some(EndedStatus::Expired))
    };
    let over = [&facts[..], &[answer(over)]].concat();
    let LicenseStatus::Ended { end, .. } = derived(0, &over).status else {
        panic!("it goes on");
    };
    assert_eq!(
        (end.ended_at, end.learned_at),
        (seconds(1_000), seconds(1_100))
    );

    // AWS says that it ends later: nothing is asked until then.
    let extended = DescribedAgreement {
        ends_at: Some(seconds(50_000)),
        ..described(1, 0, 1_100, None)
    };
    let extended = [&facts[..], &[answer(extended)]].concat();
    let asked = derived(0, &extended).asks.agreement.unwrap();
    assert_eq!(asked.next, seconds(50_000));
}

#[test]
fn a_license_of_which_aws_says_nothing_for_a_day_ends_and_comes_back_when_aws_says_so() {
    let mut world = World::linked();
    let mut facts = [first(), vec![ended(1, 500, EndedStatus::Replaced)]].concat();
    world.learn(0, &facts, 501);
    let ask = world.license(0).unwrap().asks.agreement.unwrap();
    assert_eq!(ask.since, seconds(500));
    assert!(world.paying().is_some());
    let at = ask.gives_up_at.unwrap();
    facts.push(unanswered(1, 500 + 86_400));
    world.learn(0, &facts, 500 + 86_400);
    assert_eq!(world.paying(), None);

    // The successor becomes known after all: the account goes on with it, from
    // when the old license was given up.
    facts.push(renewed(2, 1, 500));
    facts.push(updated_of(1, 2, 560));
    for license in [1, 0] {
        world.learn(license, &facts, 500 + 90_000);
    }
    assert_eq!(world.paying(), Some((&license(1), at)));
}

#[test]
fn an_answer_that_the_agreement_goes_on_takes_back_that_there_was_none() {
    let mut world = World::linked();
    let ending = AgreementTerms {
        ends_at: Some(seconds(1_000)),
        ..terms(Intent::New, None)
    };
    let mut facts = vec![created_by(1, 0, ending), updated_of(0, 1, 62)];
    let at = seconds(1_000 + 86_400);
    facts.push(unanswered(1, 1_000 + 86_400));
    world.learn(0, &facts, 87_400);
    assert_eq!(world.paying(), None);
    let unanswered = ExpiryCause::AgreementUnanswered {
        license: license(0),
    };
    let AccountState::Expired { cause, .. } = &world.account.state else {
        panic!("{:?}", world.account.state);
    };
    assert_eq!(*cause, unanswered);
    assert_eq!(world.closed, [UnlinkCause::AgreementUnanswered]);
    facts.push(answer(described(1, 0, 90_000, None)));
    world.learn(0, &facts, 90_000);
    let (paying, from) = world.paying().expect("it is linked again");
    assert_eq!((paying, from), (&license(0), at));
}

#[test]
fn an_answer_that_the_agreement_ended_says_why_the_account_expired() {
    let mut world = World::linked();
    let ending = AgreementTerms {
        ends_at: Some(seconds(1_000)),
        ..terms(Intent::New, None)
    };
    let mut facts = vec![created_by(1, 0, ending), updated_of(0, 1, 62)];
    facts.push(unanswered(1, 1_000 + 86_400));
    world.learn(0, &facts, 87_400);
    let AccountState::Expired { since, .. } = world.account.state else {
        panic!("{:?}", world.account.state);
    };
    let told = described(1, 0, 90_000, Some(EndedStatus::Expired));
    let without = derived(0, &facts);
    facts.push(answer(told));
    assert!(!without.differences(&derived(0, &facts)).is_empty());
    world.learn(0, &facts, 90_000);
    let cause = ExpiryCause::AgreementEnded {
        license: license(0),
    };
    assert_eq!(world.account.state, AccountState::Expired { since, cause });
}

#[test]
fn what_no_event_told_is_right_by_aws_answers() {
    // A purchase, whose events were all lost.
    let facts = vec![answer(described(1, 0, 500, None))];
    assert_eq!(
        derived(0, &facts).status,
        LicenseStatus::Active { since: seconds(0) }
    );
    // Its renewal with another license, the chain being all that is known.
    let later = DescribedAgreement {
        starts_at: Some(seconds(600)),
        ..described(2, 1, 700, None)
    };
    let renewed = DescribedAgreement {
        ends_at: Some(seconds(600)),
        ..described(1, 0, 700, Some(EndedStatus::Renewed))
    };
    let facts = [&facts[..], &[answer(renewed), answer(later)]].concat();
    let succession = derived(0, &facts).succession.unwrap();
    assert_eq!(
        (succession.license, succession.at),
        (license(1), seconds(600))
    );
    // And its end.
    let cancelled = described(2, 1, 900, Some(EndedStatus::Cancelled));
    let facts = [&facts[..], &[answer(cancelled)]].concat();
    assert!(matches!(
        derived(1, &facts).status,
        LicenseStatus::Ended { .. }
    ));
}

#[test]
fn an_end_that_only_an_answer_tells_of_is_told_by_then_unless_it_says_when() {
    let ended = described(1, 0, 900, Some(EndedStatus::Cancelled));
    let of = |told: DescribedAgreement| {
        let facts = [&first()[..], &[answer(told)]].concat();
        derived(0, &facts)
    };
    let untold = of(ended.clone());
    assert_eq!(untold.notices.ended_by, Some(seconds(900)));
    let told = of(DescribedAgreement {
        ends_at: Some(seconds(800)),
        ..ended
    });
    assert_eq!(told.notices.ended_by, None);
}

#[test]
fn whether_it_renews_by_itself_is_known_from_what_was_agreed_on() {
    let told = AcceptedTerms {
        agreement: agreement(1),
        currency: "USD".to_owned(),
        rates: BTreeMap::new(),
        prepaid: None,
        recurring: None,
        free_days: None,
        auto_renewal: Some(true),
        asked_at: seconds(100),
    };
    let mut facts = first();
    assert_eq!(derived(0, &facts).notices.auto_renewal, None);
    facts.push(Fact::learned(Told::Terms(Box::new(told)), seconds(100)));
    assert_eq!(derived(0, &facts).notices.auto_renewal, Some(true));
}

#[test]
fn rates_and_entitlements_are_asked_for_when_something_was_told_and_not_again() {
    let mut facts = first();
    assert_eq!(derived(0, &facts).asks.terms, Some(seconds(0)));
    assert_eq!(derived(0, &facts).asks.entitlements, Some(seconds(62)));
    let told = AcceptedTerms {
        agreement: agreement(1),
        currency: "USD".to_owned(),
        rates: [(Dimension::parse("medium").unwrap(), 9_000)].into(),
        prepaid: None,
        recurring: None,
        free_days: None,
        auto_renewal: None,
        asked_at: seconds(100),
    };
    facts.push(Fact::learned(
        Told::Terms(Box::new(told.clone())),
        seconds(100),
    ));
    let entitled = Entitlements {
        license: arn(0),
        grants: vec![Grant {
            dimension: Dimension::parse("medium_hours").unwrap(),
            units: Some(1_000),
            expires_at: Some(seconds(5_000)),
        }],
        asked_at: seconds(100),
    };
    facts.push(Fact::learned(
        Told::Entitled(Box::new(entitled)),
        seconds(100),
    ));
    let known = derived(0, &facts);
    assert_eq!(known.asks.terms, None);
    assert_eq!(known.asks.entitlements, Some(seconds(5_000)));
    assert_eq!(known.pricing.len(), 1);

    // An amendment before the agreement begins is in force from its start.
    let mut later = facts.clone();
    let begins = AgreementTerms {
        starts_at: Some(seconds(300)),
        ..terms(Intent::New, None)
    };
    later.push(created_by(1, 80, begins));
    later.push(created_by(1, 90, terms(Intent::Amend, None)));
    let pricing = derived(0, &later).pricing;
    assert_eq!(pricing.first().unwrap().from, seconds(300));

    // An amendment: both are asked for again, and the rates have two times.
    facts.push(created_by(1, 200, terms(Intent::Amend, None)));
    facts.push(updated_of(0, 1, 201));
    let known = derived(0, &facts);
    assert_eq!(
        (known.asks.terms, known.asks.entitlements),
        (Some(seconds(200)), Some(seconds(201)))
    );
}

#[test]
fn answers_that_settle_nothing_keep_a_license_for_24_hours_and_not_longer() {
    let mut facts = first();
    facts.push(ended(1, 500, EndedStatus::Replaced));
    for hour in 1..24 {
        let at = 500 + hour * 3_600;
        facts.push(answer(described(1, 0, at, Some(EndedStatus::Replaced))));
    }
    let ask = derived(0, &facts).asks.agreement.unwrap();
    let at = seconds(500 + 86_400);
    assert_eq!(ask.gives_up_at, Some(at));
    assert!(ask.next <= at, "it is looked at when it is given up");
    facts.push(unanswered(1, 500 + 86_400));
    let LicenseStatus::Ended { end, .. } = derived(0, &facts).status else {
        panic!("it goes on");
    };
    assert_eq!(end.ended_at, at);
}

#[test]
fn a_license_that_aws_confirmed_is_not_ended_by_silence_after_that() {
    let ending = AgreementTerms {
        ends_at: Some(seconds(1_000)),
        ..terms(Intent::New, None)
    };
    let mut facts = vec![created_by(1, 0, ending), updated_of(0, 1, 62)];
    let confirmed = DescribedAgreement {
        ends_at: Some(seconds(1_000)),
        ..described(1, 0, 80_000, None)
    };
    facts.push(answer(confirmed));
    assert_eq!(derived(0, &facts).asks.agreement.unwrap().gives_up_at, None);
    facts.push(unanswered(1, 1_000 + 86_400));
    let status = derived(0, &facts).status;
    assert!(matches!(status, LicenseStatus::Active { .. }), "{status:?}");
}

#[test]
fn a_renewal_that_was_cancelled_before_it_began_hides_no_later_one() {
    let later = |of, at| {
        let terms = AgreementTerms {
            starts_at: Some(seconds(at)),
            ..terms(Intent::Renew, Some(1))
        };
        created_by(of, at - 400, terms)
    };
    let facts = [
        first(),
        vec![
            ended(1, 500, EndedStatus::Renewed),
            later(2, 900),
            updated_of(1, 2, 501),
            ended(2, 600, EndedStatus::Cancelled),
            later(3, 950),
            updated_of(2, 3, 551),
        ],
    ]
    .concat();
    assert_eq!(derived(0, &facts).heir(), Some(&license(2)));
}

#[test]
fn a_gap_between_two_agreements_of_a_license_is_no_time_in_which_it_was_active() {
    let december = AgreementTerms {
        starts_at: Some(seconds(9_000)),
        ..terms(Intent::Renew, Some(1))
    };
    let facts = [
        first(),
        vec![
            ended(1, 500, EndedStatus::Cancelled),
            created_by(2, 400, december),
            updated_of(0, 2, 401),
        ],
    ]
    .concat();
    let status = derived(0, &facts).status;
    assert_eq!(
        status,
        LicenseStatus::Active {
            since: seconds(9_000)
        }
    );
}

#[test]
fn whoever_subscribes_again_to_an_older_listing_links_again_themselves() {
    use NotifiedAction::{SubscribeSuccess, UnsubscribeSuccess};
    let mut world = World::linked();
    let mut facts = first();
    facts.push(resolved_to(0, Some(1), Some("CUST1"), 65));
    facts.push(notified(500, UnsubscribeSuccess));
    world.learn(0, &facts, 501);
    assert_eq!(world.paying(), None);
    facts.push(notified(900, SubscribeSuccess));
    world.learn(0, &facts, 901);
    assert!(world.license(0).unwrap().is_active(seconds(901)));
    assert_eq!(world.paying(), None);
}

#[test]
fn of_events_of_one_second_the_one_that_follows_from_the_other_counts_whatever_their_ids() {
    let named = |id: &str, kind| {
        fact(MarketplaceEvent {
            id: EventId::parse(id).unwrap(),
            ..event(1, 0, None, kind)
        })
    };
    let ending = |at: i64| AgreementTerms {
        ends_at: Some(seconds(at)),
        ..terms(Intent::New, None)
    };
    for (first, second) in [("a", "b"), ("b", "a")] {
        let facts = [
            named(first, EventKind::AgreementCreated(ending(500))),
            named(second, EventKind::AgreementAmended(ending(900))),
            named("c", EventKind::AdvisoryIssued),
            updated_of(0, 1, 1),
            deprovisioned_of(0, 1, 1_000),
        ];
        assert_eq!(derived(0, &facts).agreement_ends_at, Some(seconds(900)));
    }
    let rejected = EventKind::CancellationRequest(CancellationRequest::Rejected);
    for (first, second) in [("a", "b"), ("b", "a")] {
        let facts = [
            created_by(1, 0, terms(Intent::New, None)),
            updated_of(0, 1, 1),
            named(
                first,
                EventKind::CancellationRequest(CancellationRequest::Pending),
            ),
            named(second, rejected.clone()),
        ];
        let notices = derived(0, &facts).notices;
        assert_eq!(notices.cancellation_requested_at, None);
    }
}

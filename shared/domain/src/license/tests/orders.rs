//! Whatever the order in which facts come, and however often: the same state.
//!
//! The facts are of a history of purchases as AWS has them, any of them lost. They
//! are learned one by one as the use cases do: kept by what they name, every
//! license derived that they may concern, its account and what its contract covers
//! with it. By the order may differ, and nothing else does:
//!
//! - when something was learned: [`LicenseEnd::learned_at`],
//!   [`Succession::learned_at`], and what follows from these alone: what AWS is to
//!   be asked and when ([`License::asks`], [`License::due_at`]), and that a link was
//!   made late ([`License::linked_late`]);
//! - how many changes were committed, and so [`License::version`] and the number of a
//!   link, by whom and for which reason a link was changed, and what was told of
//!   it: of a license whose end was learned before its renewal the product was asked for
//!   its last usage;
//! - where AWS tells one end by two events, or one hand-over by the end of a license and
//!   the start of the one that goes on in its place, at which instant between
//!   the two the link changes. There is no gap, and no overlap.

use std::collections::BTreeSet;

use prop::sample::{Index, subsequence};

use super::renewals::{account, answer, described, stored};
use super::*;
use crate::account::{Account, AccountState, ExpiryCause, Standing};
use crate::answers::{AcceptedTerms, DescribedAgreement, Grant};
use crate::catalog::{Catalog, ContractDimension};
use crate::change::Change;
use crate::ids::Dimension;
use crate::ledger::included::Included;
use crate::linking::Link;

/// When an agreement begins, counted from 1: seconds.
fn begins(agreement: u8) -> i64 {
    20_000 * (i64::from(agreement) - 1)
}

/// When all facts are known and nothing more is due.
const AFTER_ALL: i64 = 200_000;

/// How an agreement came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    Renewal,
    Replacement,
    /// The one before was cancelled, and this is another purchase.
    Purchase,
}

/// An agreement after the first one, and what was told of it.
#[derive(Debug, Clone)]
struct Next {
    origin: Origin,
    another_license: bool,
    /// How long before its start it was made.
    lead: i64,
    start_is_told: bool,
}

/// What else is told of an agreement.
#[derive(Debug, Clone, Default)]
struct Said {
    amended: bool,
    advisory: bool,
    resolved: bool,
    ending: bool,
    /// Whether AWS is asked while it runs, and after it ended.
    described: (bool, bool),
    terms: (bool, bool),
    entitled: (bool, bool),
}

#[derive(Debug, Clone)]
struct History {
    next: Vec<Next>,
    said: Vec<Said>,
    cancelled: bool,
}

fn any_history() -> impl Strategy<Value = History> {
    let origin = prop_oneof![
        Just(Origin::Renewal),
        Just(Origin::Replacement),
        Just(Origin::Purchase)
    ];
    let lead = prop_oneof![Just(0), Just(900)];
    let next = (origin, any::<bool>(), lead, any::<bool>()).prop_map(
        |(origin, another_license, lead, start_is_told)| Next {
            origin,
            another_license,
            lead,
            start_is_told,
        },
    );
    let both = || (any::<bool>(), any::<bool>());
    let said = (both(), both(), both(), both(), both()).prop_map(
        |((amended, ending), (advisory, resolved), described, terms, entitled)| Said {
            amended,
            advisory,
            resolved,
            ending,
            described,
            terms,
            entitled,
        },
    );
    let next = prop::collection::vec(next, 0..=3);
    let said = prop::collection::vec(said, 4);
    (next, said, any::<bool>()).prop_map(|(mut next, said, cancelled)| {
        // Another purchase has another license. One with the same license comes last and
        // begins at once: learned after what followed, an end cannot be mended any more.
        if let Some((last, before)) = next.split_last_mut() {
            for next in before {
                next.another_license |= next.origin == Origin::Purchase;
            }
            if last.origin == Origin::Purchase && !last.another_license {
                last.lead = 0;
            }
        }
        History {
            next,
            said,
            cancelled,
        }
    })
}

impl History {
    fn agreements(&self) -> u8 {
        u8::try_from(self.next.len()).unwrap() + 1
    }

    /// How an agreement came about, but the first one.
    fn next(&self, agreement: u8) -> Option<&Next> {
        self.next.get(usize::from(agreement).checked_sub(2)?)
    }

    fn license_of(&self, agreement: u8) -> u8 {
        let before = (1..=agreement).filter_map(|of| self.next(of));
        let others = before.filter(|next| next.another_license).count();
        u8::try_from(others).unwrap()
    }

    /// The first agreement of the chain that an agreement is in.
    fn initial(&self, agreement: u8) -> u8 {
        let bought = |of: &u8| {
            self.next(*of)
                .is_none_or(|next| next.origin == Origin::Purchase)
        };
        (1..=agreement).rev().find(bought).unwrap()
    }

    /// When and how an agreement ends.
    fn end(&self, agreement: u8) -> Option<(i64, EndedStatus)> {
        let ends = begins(agreement + 1);
        match self.next(agreement + 1).map(|next| next.origin) {
            Some(Origin::Renewal) => Some((ends, EndedStatus::Renewed)),
            Some(Origin::Replacement) => Some((ends, EndedStatus::Replaced)),
            Some(Origin::Purchase) => Some((ends - 300, EndedStatus::Cancelled)),
            None => self
                .cancelled
                .then_some((ends - 300, EndedStatus::Terminated)),
        }
    }

    /// Between which instants it is AWS's events alone that say what was first.
    fn hand_overs(&self) -> Vec<(Timestamp, Timestamp)> {
        let ends = (1..=self.agreements()).filter_map(|of| self.end(of));
        ends.map(|(at, _)| (seconds(at), seconds(at + 60)))
            .collect()
    }

    /// All that AWS tells after the first purchase, by when it was: events one by
    /// one, and answers of which some are of a whole chain.
    fn told(&self) -> Vec<Vec<Fact>> {
        let mut told = Vec::new();
        for of in 1..=self.agreements() {
            let events = [self.beginning(of), self.meanwhile(of), self.ending(of)];
            told.extend(events.into_iter().flatten().map(|fact| vec![fact]));
            let (running, over) = self.said[usize::from(of) - 1].described;
            told.extend(running.then(|| self.chain_at(of, begins(of) + 800)));
            told.extend(over.then(|| self.chain_at(of, begins(of) + 20_300)));
        }
        told.sort_by_key(|facts| facts[0].at());
        told
    }

    fn beginning(&self, of: u8) -> Vec<Fact> {
        let Some(next) = self.next(of) else {
            return Vec::new();
        };
        let intent = match next.origin {
            Origin::Renewal => Intent::Renew,
            Origin::Replacement => Intent::Replace,
            Origin::Purchase => Intent::New,
        };
        let terms = AgreementTerms {
            starts_at: (next.lead > 0 || next.start_is_told).then(|| seconds(begins(of))),
            previous: (next.origin != Origin::Purchase).then(|| agreement(of - 1)),
            ..terms_of(intent)
        };
        let created = EventKind::AgreementCreated(terms);
        let at = begins(of) - next.lead;
        let license = Some(self.license_of(of));
        vec![
            told("created", of, at, None, created),
            told("updated", of, at + 60, license, EventKind::LicenseUpdated),
        ]
    }

    fn meanwhile(&self, of: u8) -> Vec<Fact> {
        let said = &self.said[usize::from(of) - 1];
        let at = |offset| begins(of) + offset;
        let ending = AgreementEnding {
            ends_at: Some(seconds(at(20_000))),
            days: Some(30),
            auto_renewal: Some(true),
        };
        let amended = EventKind::AgreementAmended(terms_of(Intent::Amend));
        let events = [
            (said.amended, "amended", 400, amended),
            (said.advisory, "advisory", 500, EventKind::AdvisoryIssued),
            (said.resolved, "resolved", 700, EventKind::AdvisoryResolved),
            (
                said.ending,
                "ending",
                600,
                EventKind::AgreementEnding(ending),
            ),
        ];
        let events = events.into_iter().filter(|(is_told, ..)| *is_told);
        let mut facts: Vec<Fact> = events
            .map(|(_, name, offset, kind)| told(name, of, at(offset), None, kind))
            .collect();
        let (before, after) = said.terms;
        facts.extend(before.then(|| terms_at(of, at(200), 10)));
        let rate = if said.amended { 9 } else { 10 };
        facts.extend(after.then(|| terms_at(of, at(900), rate)));
        let (before, after) = said.entitled;
        let entitled = |offset, units| entitled_at(self.license_of(of), of, at(offset), units);
        facts.extend(before.then(|| entitled(210, 1_000)));
        facts.extend(after.then(|| entitled(910, 1_500)));
        facts
    }

    fn ending(&self, of: u8) -> Vec<Fact> {
        let Some((at, status)) = self.end(of) else {
            return Vec::new();
        };
        let license = self.license_of(of);
        let goes_on = status.has_successor() && self.license_of(of + 1) == license;
        let ended = told("ended", of, at, None, EventKind::AgreementEnded { status });
        let kind = EventKind::LicenseDeprovisioned;
        let deprovisioned = told("deprovisioned", of, at + 31, Some(license), kind);
        [Some(ended), (!goes_on).then_some(deprovisioned)]
            .into_iter()
            .flatten()
            .collect()
    }

    /// What AWS answers at a second about a chain of agreements, in the order in
    /// which they began.
    fn chain_at(&self, of: u8, at: i64) -> Vec<Fact> {
        let initial = self.initial(of);
        let chain = (initial..=self.agreements()).filter(|of| self.initial(*of) == initial);
        let made = chain.filter(|of| {
            let lead = self.next(*of).map_or(0, |next| next.lead);
            begins(*of) - lead <= at
        });
        made.map(|of| self.described_at(of, at)).collect()
    }

    /// What AWS answers about an agreement at a second.
    fn described_at(&self, of: u8, at: i64) -> Fact {
        let end = self.end(of).filter(|(ends, _)| *ends <= at);
        let ends_at = end.as_ref().map(|(ends, _)| seconds(*ends));
        answer(DescribedAgreement {
            initial: Some(agreement(self.initial(of))),
            starts_at: Some(seconds(begins(of))),
            ends_at,
            ..described(of, self.license_of(of), at, end.map(|(_, status)| status))
        })
    }
}

fn terms_of(intent: Intent) -> AgreementTerms {
    AgreementTerms {
        intent,
        starts_at: None,
        ends_at: None,
        previous: None,
        auto_renewal: None,
    }
}

/// An event of an agreement, named by what it tells.
fn told(name: &str, of: u8, at: i64, license: Option<u8>, kind: EventKind) -> Fact {
    fact(MarketplaceEvent {
        id: EventId::parse(format!("{name}-{of}-{at}")).unwrap(),
        ..event(of, at, license, kind)
    })
}

fn terms_at(of: u8, at: i64, rate: u64) -> Fact {
    let terms = AcceptedTerms {
        agreement: agreement(of),
        currency: "USD".to_owned(),
        rates: [(Dimension::parse("medium").unwrap(), rate)].into(),
        prepaid: None,
        recurring: None,
        free_days: None,
        auto_renewal: None,
        asked_at: seconds(at),
    };
    Fact::learned(Told::Terms(Box::new(terms)), seconds(at))
}

fn entitled_at(license: u8, of: u8, at: i64, units: u32) -> Fact {
    let grant = Grant {
        dimension: Dimension::parse("medium_hours").unwrap(),
        units: Some(units),
        expires_at: Some(seconds(begins(of) + 300_000)),
    };
    let entitled = Entitlements {
        license: arn(license),
        grants: vec![grant],
        asked_at: seconds(at),
    };
    Fact::learned(Told::Entitled(Box::new(entitled)), seconds(at))
}

fn catalog() -> Catalog {
    let catalog = Catalog::workload_security();
    let contract = ContractDimension {
        contract: Dimension::parse("medium_hours").unwrap(),
        metered: Dimension::parse("medium").unwrap(),
    };
    catalog.with_contracts(vec![contract]).unwrap()
}

/// What is kept: a fact once, under all that it names.
#[derive(Debug, Clone, Default)]
struct Kept(BTreeMap<String, BTreeMap<String, Fact>>);

impl Kept {
    fn put(&mut self, fact: &Fact) {
        let agreements = [fact.agreement(), fact.follows()].into_iter().flatten();
        let mut places: Vec<String> = agreements.map(ToString::to_string).collect();
        if places.is_empty() {
            places.extend(fact.license_ids().map(ToString::to_string));
        }
        for place in places {
            let facts = self.0.entry(place).or_default();
            facts.entry(fact.key()).or_insert_with(|| fact.clone());
        }
    }

    fn of(&self, place: &str) -> Vec<Fact> {
        let facts = self.0.get(place).into_iter().flat_map(BTreeMap::values);
        facts.cloned().collect()
    }

    fn of_agreements(&self, mut agreements: BTreeSet<AgreementId>) -> Vec<Fact> {
        let (mut read, mut facts) = (BTreeSet::new(), Vec::new());
        while let Some(agreement) = agreements.pop_first() {
            let told = self.of(agreement.as_str());
            read.insert(agreement);
            let named = told
                .iter()
                .flat_map(|fact| [fact.agreement(), fact.follows()]);
            agreements.extend(named.flatten().filter(|of| !read.contains(*of)).cloned());
            facts.extend(told);
        }
        facts
    }

    fn about(
        &self,
        license: &LicenseId,
        known: Option<&License>,
        fact: Option<&Fact>,
    ) -> Vec<Fact> {
        let mut facts = self.of(license.as_str());
        let mut agreements = agreements_of(license, &facts);
        agreements.extend(known.iter().flat_map(|known| known.agreements.clone()));
        agreements.extend(fact.and_then(Fact::agreement).cloned());
        facts.extend(self.of_agreements(agreements));
        facts
    }
}

/// Facts as they are learned, and what follows from them.
#[derive(Debug, Clone)]
struct Learner {
    kept: Kept,
    account: Account,
    licenses: BTreeMap<LicenseId, License>,
    links: Vec<Link>,
    included: BTreeMap<LicenseId, Vec<Included>>,
    /// For which licenses the product was asked for its last usage.
    asked_for_usage: BTreeSet<LicenseId>,
}

impl Learner {
    /// An account to which license 0 of agreement 1 is linked from second 70 on.
    fn linked() -> Self {
        let mut learner = Self {
            kept: Kept::default(),
            account: account(),
            licenses: BTreeMap::new(),
            links: Vec::new(),
            included: BTreeMap::new(),
            asked_for_usage: BTreeSet::new(),
        };
        let created = EventKind::AgreementCreated(terms_of(Intent::New));
        learner.learn(&told("created", 1, 0, None, created), 1);
        let updated = told("updated", 1, 62, Some(0), EventKind::LicenseUpdated);
        learner.learn(&updated, 63);
        let mut change = Change::default();
        let license = &learner.licenses[&license(0)];
        let (account, by) = (&learner.account, &Actor::Buyer);
        crate::linking::open_link(&mut change, account, license, by, seconds(70));
        learner.store(change);
        learner
    }

    fn learn_all(&mut self, facts: &[Fact], now: i64) {
        for fact in facts {
            self.learn(fact, now);
        }
    }

    fn learn(&mut self, fact: &Fact, now: i64) {
        let learned_at = seconds(now);
        let fact = &Fact {
            learned_at,
            ..fact.clone()
        };
        self.kept.put(fact);
        let mut licenses: BTreeSet<LicenseId> = fact.license_ids().cloned().collect();
        let agreements = [fact.agreement(), fact.follows()].into_iter().flatten();
        let facts = self.kept.of_agreements(agreements.cloned().collect());
        licenses.extend(licenses_of(&facts));
        for license in &licenses {
            self.bring_up_to_date(license, Some(fact), now);
        }
        self.check();
    }

    /// Does what is due by a second, until nothing changes any more.
    fn clock(&mut self, now: i64) {
        let is_due = |license: &&License| license.due_at.is_some_and(|due| due <= seconds(now));
        for _ in 0..8 {
            let due = self.licenses.values().filter(is_due);
            let due: Vec<LicenseId> = due.map(|license| license.id.clone()).collect();
            let mut is_news = false;
            for license in due {
                is_news |= self.bring_up_to_date(&license, None, now);
            }
            if !is_news {
                return;
            }
        }
        panic!("{:?} change for ever", self.licenses);
    }

    fn bring_up_to_date(&mut self, license: &LicenseId, fact: Option<&Fact>, now: i64) -> bool {
        let Some((is_news, derived)) = self.derive(license, fact, now) else {
            return false;
        };
        let periods = self.included.entry(license.clone()).or_default();
        for granted in grants(derived.covered(), &catalog(), periods) {
            let (dimension, from) = (granted.dimension, granted.from);
            let known = periods
                .iter_mut()
                .find(|period| period.dimension == dimension && period.from == from);
            match known {
                Some(known) => {
                    (known.until, known.granted) = (granted.until, granted.computer_hours);
                }
                None => periods.push(Included::new(
                    license.clone(),
                    dimension,
                    from,
                    granted.until,
                    granted.computer_hours,
                )),
            }
        }
        is_news
    }

    fn derive(&mut self, id: &LicenseId, fact: Option<&Fact>, now: i64) -> Option<(bool, Derived)> {
        let known = self.licenses.get(id).cloned();
        let facts = self.kept.about(id, known.as_ref(), fact);
        let derived = derive(id, &facts)?;
        let has_begun = |known: &License| {
            let active_since = known.active_since();
            active_since.is_some_and(|since| since <= seconds(now))
        };
        if let Some(heir) = derived.heir()
            && !self.licenses.get(heir).is_some_and(has_begun)
        {
            self.derive(heir, fact, now);
        }
        let of_it = known
            .as_ref()
            .is_some_and(|known| known.linked.is_some() || known.former.is_some());
        let situation = Situation {
            known: known.as_ref(),
            account: of_it.then_some(&self.account),
            heir: derived.heir().and_then(|heir| self.licenses.get(heir)),
        };
        let decided = decide_license(id, situation, derived.clone(), &Actor::Clock, seconds(now));
        let Decision::Commit(change) = decided.unwrap() else {
            return Some((false, derived));
        };
        let opened: Vec<LicenseId> = change
            .opened
            .iter()
            .map(|link| link.license.clone())
            .collect();
        self.store(change);
        for other in opened.iter().filter(|opened| *opened != id) {
            self.derive(other, fact, now);
        }
        Some((true, derived))
    }

    fn store(&mut self, change: Change) {
        for license in change.licenses {
            let version = license.version + 1;
            let license = License { version, ..license };
            self.licenses.insert(license.id.clone(), license);
        }
        if let Some(account) = change.accounts.into_iter().next() {
            self.account = stored(account);
        }
        for closed in change.closed {
            let same =
                |link: &&mut Link| (&link.license, link.number) == (&closed.license, closed.number);
            let open = self.links.iter_mut().find(same).unwrap();
            *open = closed;
        }
        self.links.extend(change.opened);
        let asked = change.outbound.into_iter().filter_map(|event| {
            if let OutboundEvent::UsageRequested { license, .. } = event {
                Some(license)
            } else {
                None
            }
        });
        self.asked_for_usage.extend(asked);
    }

    /// License, account and open link say the same.
    fn check(&self) {
        let open: Vec<_> = self
            .links
            .iter()
            .filter(|link| link.until.is_none())
            .collect();
        let linked = self
            .licenses
            .values()
            .filter(|known| known.linked.is_some());
        let linked: Vec<_> = linked.map(|known| &known.id).collect();
        let paying: Vec<_> = self.account.license().into_iter().collect();
        assert_eq!(
            open.iter().map(|link| &link.license).collect::<Vec<_>>(),
            paying
        );
        assert_eq!(linked, paying);
    }

    /// What the facts lead to, once nothing more is due.
    fn outcome(mut self, history: &History) -> Outcome {
        self.clock(AFTER_ALL);
        let licenses: Vec<LicenseId> = self.licenses.keys().cloned().collect();
        for license in &licenses {
            assert!(
                !self.bring_up_to_date(license, None, AFTER_ALL),
                "{license} was left"
            );
        }
        self.check();
        // Whose end was learned is asked for, also where it turned out to be none.
        let ended = self.licenses.values().filter(|known| known.has_ended());
        let used = ended.filter(|known| known.former.is_some());
        for known in used {
            assert!(self.asked_for_usage.contains(&known.id), "{}", known.id);
        }
        let hand_overs = history.hand_overs();
        let place = |at| Place::of(at, &hand_overs);
        let mut included: Vec<_> = self.included.into_values().flatten().collect();
        included.retain(|period| period.granted > 0);
        included.sort_by_key(|period| (period.license.clone(), period.from));
        let mut probes: Vec<Timestamp> = history.told().iter().map(|facts| facts[0].at()).collect();
        probes.retain(|at| matches!(place(*at), Place::At(_)));
        Outcome {
            links: links(self.links, &place),
            expired: if let AccountState::Expired { since, cause } = &self.account.state {
                Some((place(*since), cause.clone()))
            } else {
                None
            },
            standings: probes
                .into_iter()
                .map(|at| (at, self.account.standing_at(at)))
                .collect(),
            licenses: self
                .licenses
                .into_values()
                .map(|known| apart_from_learning(known, &place))
                .collect(),
            included,
        }
    }
}

/// An instant, or which one of the hand-overs it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    At(Timestamp),
    HandOver(usize),
}

impl Place {
    fn of(at: Timestamp, hand_overs: &[(Timestamp, Timestamp)]) -> Self {
        let within = |(from, to): &(Timestamp, Timestamp)| *from <= at && at <= *to;
        hand_overs
            .iter()
            .position(within)
            .map_or(Self::At(at), Self::HandOver)
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    licenses: Vec<(License, Option<Place>)>,
    links: Vec<(LicenseId, Place, Option<Place>)>,
    /// Since when the account is expired, and why, if it is.
    expired: Option<(Place, ExpiryCause)>,
    standings: Vec<(Timestamp, Standing)>,
    included: Vec<Included>,
}

/// A license without what may differ, and when its last link ended.
fn apart_from_learning(
    mut license: License,
    place: &impl Fn(Timestamp) -> Place,
) -> (License, Option<Place>) {
    let learned_at = Timestamp::UNIX_EPOCH;
    license.version = 0;
    license.asks = Asks::default();
    license.linked_late = None;
    license.due_at = None;
    if let LicenseStatus::Ended { end, .. } = &mut license.status {
        end.learned_at = learned_at;
    }
    if let Some(succession) = &mut license.succession {
        succession.learned_at = learned_at;
    }
    let former = license.former.as_mut();
    let until = former.map(|former| std::mem::replace(&mut former.until, learned_at));
    (license, until.map(place))
}

/// Who was linked from when to when: what touches of one license is one link.
fn links(
    mut links: Vec<Link>,
    place: &impl Fn(Timestamp) -> Place,
) -> Vec<(LicenseId, Place, Option<Place>)> {
    links.retain(|link| link.until != Some(link.from));
    links.sort_by_key(|link| link.from);
    let mut joined: Vec<Link> = Vec::new();
    for link in links {
        match joined.last_mut() {
            Some(last) if last.license == link.license && last.until == Some(link.from) => {
                last.until = link.until;
            }
            Some(last) => {
                let until = last.until.expect("an open link is the last one");
                assert!(until <= link.from, "two at once: {last:?}, {link:?}");
                let is_hand_over = place(until) == place(link.from);
                assert!(
                    !is_hand_over || until == link.from,
                    "a gap: {last:?}, {link:?}"
                );
                joined.push(link);
            }
            None => joined.push(link),
        }
    }
    let placed = |link: Link| (link.license, place(link.from), link.until.map(place));
    joined.into_iter().map(placed).collect()
}

/// A second after the start.
fn second(at: Timestamp) -> i64 {
    at.duration_since(seconds(0)).as_secs()
}

/// Everything is learned when it happens.
fn in_time(history: &History, told: &[Vec<Fact>]) -> Outcome {
    let mut learner = Learner::linked();
    for facts in told {
        let at = second(facts[0].at()).max(71);
        learner.clock(at);
        learner.learn_all(facts, at);
    }
    learner.outcome(history)
}

/// When everything comes that was held up.
fn late(told: &[Vec<Fact>]) -> i64 {
    let last = told.iter().map(|facts| facts[0].at()).max();
    second(last.unwrap()).max(70) + 100
}

/// Learns the rest in every order, something every second.
fn in_every_order(
    learner: &Learner,
    rest: &[Vec<Fact>],
    now: i64,
    order: &mut Vec<String>,
    check: &mut impl FnMut(Learner, &[String]),
) {
    if rest.is_empty() {
        check(learner.clone(), order);
    }
    for (index, facts) in rest.iter().enumerate() {
        let mut next = learner.clone();
        next.learn_all(facts, now);
        let mut left = rest.to_vec();
        left.remove(index);
        order.push(facts[0].key());
        in_every_order(&next, &left, now + 1, order, check);
        order.pop();
    }
}

fn check_every_order(history: &History, told: &[Vec<Fact>], twice: Index) {
    let expected = in_time(history, told);
    let now = late(told);
    let again = twice.get(told);
    let check = &mut |mut learner: Learner, order: &[String]| {
        learner.learn_all(again, now + 100);
        let outcome = learner.outcome(history);
        assert_eq!(outcome, expected, "in the order {order:?}");
    };
    in_every_order(&Learner::linked(), told, now, &mut Vec::new(), check);
}

/// A history, and what of it is told: as much as that, the rest being lost.
fn some_of_it(max: usize) -> impl Strategy<Value = (History, Vec<Vec<Fact>>)> {
    let with_facts =
        any_history().prop_filter("nothing is told", |history| !history.told().is_empty());
    with_facts.prop_flat_map(move |history| {
        let told = history.told();
        let most = told.len().min(max);
        (Just(history), subsequence(told, 1..=most))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_order_and_duplication_of_up_to_6_facts_leads_to_the_same_state(
        (history, told) in some_of_it(6),
        twice in any::<Index>(),
    ) {
        check_every_order(&history, &told, twice);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// All that AWS tells, or much of it; some of it twice.
    #[test]
    fn any_order_and_duplication_of_many_facts_leads_to_the_same_state(
        (history, told, order) in some_of_it(40).prop_flat_map(|(history, told)| {
            let twice = subsequence(told.clone(), 0..=told.len());
            let order = twice.prop_flat_map({
                let told = told.clone();
                move |twice| Just([told.clone(), twice].concat()).prop_shuffle()
            });
            (Just(history), Just(told), order)
        }),
    ) {
        let expected = in_time(&history, &told);
        let mut learner = Learner::linked();
        for (now, facts) in (late(&told)..).zip(&order) {
            learner.learn_all(facts, now);
        }
        let keys: Vec<_> = order.iter().map(|facts| facts[0].key()).collect();
        prop_assert_eq!(learner.outcome(&history), expected, "in the order {:?}", keys);
    }
}

/// Everything was held up, and came in this order.
fn after(facts: &[Fact]) -> Learner {
    let mut learner = Learner::linked();
    for (now, fact) in (100_000..).zip(facts) {
        learner.learn(fact, now);
    }
    learner.clock(AFTER_ALL);
    learner
}

impl Learner {
    /// Which licenses were linked from when to when, in seconds.
    fn linked_over(&self) -> Vec<(&LicenseId, i64, Option<i64>)> {
        let real = self
            .links
            .iter()
            .filter(|link| link.until != Some(link.from));
        real.map(|link| (&link.license, second(link.from), link.until.map(second)))
            .collect()
    }
}

fn renewal(of: u8, at: i64) -> Fact {
    let terms = AgreementTerms {
        previous: Some(agreement(of - 1)),
        ..terms_of(Intent::Renew)
    };
    told("created", of, at, None, EventKind::AgreementCreated(terms))
}

fn active(of: u8, at: i64, n: u8) -> Fact {
    told("updated", of, at, Some(n), EventKind::LicenseUpdated)
}

fn over(of: u8, at: i64, status: EndedStatus) -> Fact {
    told("ended", of, at, None, EventKind::AgreementEnded { status })
}

#[test]
fn a_successor_that_had_ended_when_it_became_known_paid_until_then() {
    let learner = after(&[
        active(2, 500, 1),
        over(2, 900, EndedStatus::Cancelled),
        renewal(2, 500),
    ]);
    let (first, second) = (license(0), license(1));
    let expected = [(&first, 70, Some(500)), (&second, 500, Some(900))];
    assert_eq!(learner.linked_over(), expected);
    assert!(learner.asked_for_usage.contains(&second));
}

#[test]
fn every_license_of_a_chain_is_linked_for_its_own_time_however_late_it_becomes_known() {
    let learner = after(&[
        active(3, 20_000, 2),
        active(2, 500, 1),
        renewal(3, 20_000),
        renewal(2, 500),
    ]);
    let [first, second, third] = [license(0), license(1), license(2)];
    let expected = [
        (&first, 70, Some(500)),
        (&second, 500, Some(20_000)),
        (&third, 20_000, None),
    ];
    assert_eq!(learner.linked_over(), expected);
}

#[test]
fn a_purchase_that_is_known_before_the_cancellation_continues_nothing() {
    let learner = after(&[active(2, 900, 0), over(1, 500, EndedStatus::Cancelled)]);
    let first = license(0);
    assert_eq!(learner.linked_over(), [(&first, 70, Some(500))]);
    assert!(learner.licenses[&first].is_active(seconds(AFTER_ALL)));
}

#[test]
fn seconds_between_a_licenses_end_and_its_successors_start_are_no_gap() {
    let kind = EventKind::LicenseDeprovisioned;
    let deprovisioned = told("deprovisioned", 1, 531, Some(0), kind);
    let begun = [active(2, 560, 1), renewal(2, 500)];
    let (first, second) = (license(0), license(1));
    let learner = after(&[std::slice::from_ref(&deprovisioned), &begun[..]].concat());
    let expected = [(&first, 70, Some(531)), (&second, 531, None)];
    assert_eq!(learner.linked_over(), expected);
    // Known the other way round, the hand-over stays where it was.
    let learner = after(&[&begun[..], &[deprovisioned]].concat());
    let expected = [(&first, 70, Some(560)), (&second, 560, None)];
    assert_eq!(learner.linked_over(), expected);
}

#[test]
fn an_agreement_that_was_cancelled_before_it_began_ends_nothing_later_than_it_did() {
    let later = AgreementTerms {
        starts_at: Some(seconds(9_000)),
        ..terms_of(Intent::New)
    };
    let learner = after(&[
        told("created", 2, 400, None, EventKind::AgreementCreated(later)),
        active(2, 401, 0),
        over(2, 900, EndedStatus::Cancelled),
        over(1, 500, EndedStatus::Cancelled),
    ]);
    assert_eq!(learner.linked_over(), [(&license(0), 70, Some(500))]);
}

#[test]
fn an_amendment_that_becomes_known_late_has_its_rates_from_when_it_was() {
    let kind = EventKind::AgreementAmended(terms_of(Intent::Amend));
    let amended = told("amended", 1, 400, None, kind);
    let learner = after(&[terms_at(1, 200, 10), terms_at(1, 900, 9), amended]);
    let pricing = &learner.licenses[&license(0)].pricing;
    let medium = Dimension::parse("medium").unwrap();
    let rate = |at| {
        pricing_at(pricing, seconds(at))
            .unwrap()
            .rate(&medium, seconds(at))
    };
    assert_eq!(rate(399).unwrap().micros(), 10);
    assert_eq!(rate(400).unwrap().micros(), 9);
}

#[test]
fn what_each_agreement_covers_does_not_depend_on_which_answer_was_learned_first() {
    let answers = [
        entitled_at(0, 1, 300, 1_000),
        entitled_at(0, 2, 21_000, 2_000),
    ];
    let renewed = [renewal(2, 20_000), active(2, 20_000, 0)];
    for answers in permutations(&answers) {
        let learner = after(&[&renewed[..], &answers[..]].concat());
        let mut granted: Vec<_> = learner.included[&license(0)]
            .iter()
            .map(|period| (second(period.from), second(period.until), period.granted))
            .collect();
        granted.sort_unstable();
        assert_eq!(granted, [(62, 20_000, 1_000), (20_000, 320_000, 2_000)]);
    }
}

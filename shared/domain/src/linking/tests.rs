use std::collections::BTreeMap;

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::account::{
    AccountRefusal, ExpiryCause, Standing, decide_activate_annual, decide_end_annual, decide_open,
    decide_restore, decide_suspend,
};
use crate::change::MemberChange;
use crate::expiry::decide_due;
use crate::fact::Fact;
use crate::hour::after;
use crate::ids::{AgreementId, EventId, LicenseArn, ProductCode, UserEmail};
use crate::license::{Situation, decide_license, derive};
use crate::marketplace_event::{EndedStatus, EventKind, MarketplaceEvent};
use crate::policy::RepeatedGrace;
use crate::sign_in::{SignInMethod, Subject};

/// A store in memory that applies changes as the real one does: all or
/// nothing, on the versions that they were decided on.
#[derive(Clone, Default)]
struct World {
    accounts: BTreeMap<AccountId, Account>,
    licenses: BTreeMap<LicenseId, License>,
    facts: BTreeMap<LicenseId, Vec<Fact>>,
    links: BTreeMap<(LicenseId, u64), Link>,
    outbound: Vec<OutboundEvent>,
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn start() -> Timestamp {
    at("2026-11-22T10:00:00Z")
}

fn account_id(n: u8) -> AccountId {
    AccountId::parse(format!("account-{n}")).unwrap()
}

fn license_id(n: u8) -> LicenseId {
    LicenseId::parse(format!("l-{n:032x}")).unwrap()
}

fn buyer(n: u8) -> AwsAccountId {
    AwsAccountId::parse(format!("{n:012}")).unwrap()
}

fn policy() -> SubscriptionPolicy {
    SubscriptionPolicy::new(
        AwsAccountId::parse("111122223333").unwrap(),
        [ProductCode::parse("product").unwrap()],
    )
}

fn user(now: Timestamp) -> SignedIn {
    SignedIn {
        email: UserEmail::parse("ada@example.com").unwrap(),
        subject: Subject::parse("sub-ada").unwrap(),
        method: SignInMethod::Credentials,
        at: now,
        email_verified: true,
        support: false,
    }
}

fn event(n: u8, id: &str, at: Timestamp, kind: EventKind) -> Fact {
    MarketplaceEvent {
        id: EventId::parse(format!("{id}-{n}-{at}")).unwrap(),
        at,
        version: "0".to_owned(),
        seller: policy().seller,
        detail_type: "test".to_owned(),
        agreement: Some(AgreementId::parse(format!("agmt-{n}")).unwrap()),
        buyer: Some(buyer(n)),
        offer: None,
        product: Some(ProductCode::parse("product").unwrap()),
        license: Some(
            LicenseArn::parse(format!(
                "arn:aws:license-manager::111122223333:license:{}",
                license_id(n)
            ))
            .unwrap(),
        ),
        kind,
    }
    .into_fact(&policy(), at)
}

impl World {
    /// Accounts 0 to 2 in trial and active licenses 0 to 2.
    fn new() -> Self {
        let mut world = Self::default();
        for n in 0..3 {
            let name = AccountName::parse(format!("Account {n}")).unwrap();
            let opened = decide_open(
                None,
                &account_id(n),
                &name,
                Some(&user(start()).email),
                &Actor::Product,
                start(),
                &policy(),
            );
            world.commit(opened.unwrap());
            world.tell(
                event(n, "updated", start(), EventKind::LicenseUpdated),
                n,
                start(),
            );
        }
        world
    }

    fn commit(&mut self, decision: Decision<Change>) -> bool {
        let Decision::Commit(change) = decision else {
            return false;
        };
        for account in change.accounts {
            let known = self.accounts.get(&account.id).map_or(0, |a| a.version);
            assert_eq!(known, account.version, "decided on the account's version");
            let version = known + 1;
            self.accounts
                .insert(account.id.clone(), Account { version, ..account });
        }
        for license in change.licenses {
            let known = self.licenses.get(&license.id).map_or(0, |l| l.version);
            assert_eq!(known, license.version, "decided on the license's version");
            let version = known + 1;
            self.licenses
                .insert(license.id.clone(), License { version, ..license });
        }
        for link in change.opened {
            let key = (link.license.clone(), link.number);
            assert!(self.links.insert(key, link).is_none(), "a link opens once");
        }
        for link in change.closed {
            let key = (link.license.clone(), link.number);
            let open = self.links.insert(key, link).expect("a link was open");
            assert_eq!(open.until, None, "a link closes once");
        }
        for member in change.members {
            assert!(matches!(member, MemberChange::Set(_)));
        }
        self.outbound.extend(change.outbound);
        true
    }

    fn tell(&mut self, fact: Fact, n: u8, now: Timestamp) {
        self.facts.entry(license_id(n)).or_default().push(fact);
        let id = license_id(n);
        let known = self.licenses.get(&id);
        let account = known
            .and_then(|known| known.linked.as_ref())
            .and_then(|id| self.accounts.get(id));
        let derived = derive(&id, &self.facts[&id]).unwrap();
        let situation = Situation {
            known,
            account,
            heir: None,
        };
        let decision = decide_license(&id, situation, derived, &Actor::Clock, now);
        self.commit(decision.unwrap());
    }

    fn account(&self, n: u8) -> &Account {
        &self.accounts[&account_id(n)]
    }

    fn license(&self, n: u8) -> &License {
        &self.licenses[&license_id(n)]
    }

    fn situation(&self, account: u8, license: u8) -> LinkSituation<'_> {
        let (account, license) = (self.account(account), self.license(license));
        let holder = license.linked.as_ref().filter(|id| **id != account.id);
        let present = account.license().filter(|id| **id != license.id);
        LinkSituation::new(
            account,
            license,
            holder.map(|id| &self.accounts[id]),
            present.map(|id| &self.licenses[id]),
        )
        .unwrap()
    }

    fn assess(&self, account: u8, license: u8, now: Timestamp) -> Result<Consequence, LinkRefusal> {
        let user = user(now);
        assess_link(
            &self.situation(account, license),
            &full(&user),
            now,
            &policy(),
        )
    }

    fn link_by(
        &mut self,
        account: u8,
        license: u8,
        now: Timestamp,
        policy: &SubscriptionPolicy,
    ) -> Result<bool, LinkRefusal> {
        let user = user(now);
        let decision = decide_link(&self.situation(account, license), &full(&user), now, policy)?;
        Ok(self.commit(decision))
    }

    fn link(&mut self, account: u8, license: u8, now: Timestamp) -> Result<bool, LinkRefusal> {
        self.link_by(account, license, now, &policy())
    }

    fn unlink(&mut self, account: u8, now: Timestamp) -> Result<bool, LinkRefusal> {
        let user = user(now);
        let snapshot = self.account(account);
        let license = snapshot.license().ok_or(LinkRefusal::NothingLinked)?;
        let license = &self.licenses[license];
        let decision = decide_unlink(snapshot, license, &full(&user), now, &policy())?;
        Ok(self.commit(decision))
    }

    fn standing(&self, account: u8, now: Timestamp) -> Standing {
        self.account(account).state_at(now).standing()
    }

    /// What must hold in every committed state.
    fn check(&self) {
        for license in self.licenses.values() {
            if let Some(account) = &license.linked {
                assert_eq!(self.accounts[account].license(), Some(&license.id));
            }
            assert!(!(license.has_ended() && license.linked.is_some()));
        }
        for account in self.accounts.values() {
            if let Some(license) = account.license() {
                assert_eq!(self.licenses[license].linked.as_ref(), Some(&account.id));
            }
            assert!(account.transitions.is_sorted_by_key(|t| t.at));
        }
        let links: Vec<&Link> = self.links.values().collect();
        for (index, one) in links.iter().enumerate() {
            assert!(one.until.is_none_or(|until| one.from <= until));
            let state = &self.accounts[&one.account].state;
            let paying = if let AccountState::Subscribed(Payer::Marketplace { link, .. }) = state {
                Some(&**link)
            } else {
                None
            };
            assert_eq!(one.until.is_none(), paying == Some(*one));
            for other in &links[index + 1..] {
                if one.license == other.license || one.account == other.account {
                    let until = other.until.unwrap_or(Timestamp::MAX);
                    assert!(
                        other.until == Some(other.from) || !one.overlaps(other.from, until),
                        "{one:?} and {other:?} overlap"
                    );
                }
            }
        }
    }
}

fn full(user: &SignedIn) -> Authority<'_> {
    Authority::Member {
        signed_in: user,
        role: Some(Role::FullAccess),
    }
}

fn hours(n: i64) -> SignedDuration {
    SignedDuration::from_hours(n)
}

#[test]
fn a_first_link_subscribes_at_once() {
    let mut world = World::new();
    assert_eq!(world.assess(0, 0, start()), Ok(Consequence::FirstLink));
    assert_eq!(world.link(0, 0, start()), Ok(true));
    assert_eq!(world.standing(0, start()), Standing::Subscribed);
    assert_eq!(world.license(0).linked, Some(account_id(0)));
}

#[test]
fn linking_again_where_it_is_linked_is_done_already() {
    let mut world = World::new();
    world.link(0, 0, start()).unwrap();
    assert_eq!(world.assess(0, 0, start()), Ok(Consequence::AlreadyLinked));
    assert_eq!(world.link(0, 0, start()), Ok(false));
}

#[test]
fn a_payer_change_never_leaves_subscribed_and_frees_the_old_license() {
    let mut world = World::new();
    world.link(0, 0, start()).unwrap();
    let later = after(start(), hours(1));
    let consequence = world.assess(0, 1, later);
    let expected = PayerChange {
        license: license_id(0),
        from: buyer(0),
        to: buyer(1),
    };
    assert_eq!(consequence, Ok(Consequence::PayerChange(expected)));
    world.link(0, 1, later).unwrap();
    world.check();
    assert_eq!(world.standing(0, later), Standing::Subscribed);
    assert_eq!(world.license(0).linked, None);
    assert_eq!(world.account(0).grace_generation, 0);
    assert!(
        world
            .account(0)
            .transitions
            .iter()
            .all(|t| t.standing != Standing::Grace)
    );
    let payer_changed = |event: &OutboundEvent| matches!(event, OutboundEvent::PayerChanged { .. });
    assert!(world.outbound.iter().any(payer_changed));
    assert_eq!(world.assess(1, 0, later), Ok(Consequence::FirstLink));
}

#[test]
fn the_end_of_a_replaced_license_changes_nothing_on_the_account() {
    let mut world = World::new();
    world.link(0, 0, start()).unwrap();
    world.link(0, 1, after(start(), hours(1))).unwrap();
    let before_end = world.account(0).clone();
    let ended = EventKind::AgreementEnded {
        status: EndedStatus::Cancelled,
    };
    let end = after(start(), hours(2));
    world.tell(event(0, "ended", end, ended), 0, end);
    assert_eq!(*world.account(0), before_end);
    let asks_for_usage = world.outbound.iter().any(|event| {
        matches!(event, OutboundEvent::UsageRequested { license, account, .. }
            if *license == license_id(0) && *account == account_id(0))
    });
    assert!(
        asks_for_usage,
        "the final hour of the old license is still asked for"
    );
}

#[test]
fn a_relink_gives_the_former_account_exactly_48_hours() {
    let mut world = World::new();
    world.link(0, 0, start()).unwrap();
    let moved = after(start(), SignedDuration::from_mins(40));
    let Ok(Consequence::Relink(relink)) = world.assess(1, 0, moved) else {
        panic!("a relink");
    };
    assert_eq!(relink.account, account_id(0));
    assert_eq!(
        relink.verdict,
        GraceVerdict::Granted {
            ends_at: after(moved, hours(48)),
            within_30_days: 1
        }
    );
    world.link(1, 0, moved).unwrap();
    world.check();
    assert_eq!(world.standing(1, moved), Standing::Subscribed);
    let last_second = after(moved, SignedDuration::from_secs(48 * 3600 - 1));
    assert_eq!(world.standing(0, moved), Standing::Grace);
    assert_eq!(world.standing(0, last_second), Standing::Grace);
    assert_eq!(
        world.standing(0, after(moved, hours(48))),
        Standing::Expired
    );
    assert_eq!(Standing::Expired.label(), "Trial or Subscription Expired");
}

#[test]
fn a_relink_to_a_subscribed_account_frees_its_own_license_without_grace() {
    let mut world = World::new();
    world.link(0, 0, start()).unwrap();
    world.link(1, 1, start()).unwrap();
    assert!(matches!(
        world.assess(1, 0, start()),
        Ok(Consequence::RelinkAndPayerChange(..))
    ));
    world.link(1, 0, start()).unwrap();
    world.check();
    assert_eq!(world.standing(0, start()), Standing::Grace);
    assert_eq!(world.standing(1, start()), Standing::Subscribed);
    assert_eq!(world.license(1).linked, None);
    assert_eq!(world.account(1).grace_generation, 0);
}

#[test]
fn a_relink_while_the_former_account_is_in_grace_leaves_its_end_unchanged() {
    let mut world = World::new();
    world.link(0, 0, start()).unwrap();
    world.link(1, 0, after(start(), hours(1))).unwrap();
    let in_grace = world.account(0).clone();
    world.link(2, 0, after(start(), hours(5))).unwrap();
    world.check();
    assert_eq!(*world.account(0), in_grace);
}

#[test]
fn a_license_that_goes_and_comes_back_within_48_hours_leaves_the_other_account_in_grace() {
    let mut world = World::new();
    world.link(0, 0, start()).unwrap();
    world.link(1, 0, after(start(), hours(1))).unwrap();
    let back = after(start(), hours(30));
    world.link(0, 0, back).unwrap();
    world.check();
    assert_eq!(world.standing(0, back), Standing::Subscribed);
    assert_eq!(world.standing(1, back), Standing::Grace);
    assert_eq!(
        world.standing(0, after(back, hours(100))),
        Standing::Subscribed
    );
}

#[test]
fn a_late_timer_for_an_older_grace_is_ignored() {
    let mut world = World::new();
    world.link(0, 0, start()).unwrap();
    world.unlink(0, start()).unwrap();
    let first_end = after(start(), hours(48));
    world.link(0, 0, after(start(), hours(10))).unwrap();
    world.unlink(0, after(start(), hours(20))).unwrap();
    assert_eq!(world.account(0).grace_generation, 2);
    // A reminder of the second one's end is due by then, and nothing else.
    assert!(world.commit(decide_due(world.account(0), first_end)));
    assert!(matches!(
        world.account(0).state,
        AccountState::Grace { generation: 2, .. }
    ));
    let decision = decide_due(world.account(0), first_end);
    assert_eq!(decision, Decision::AlreadyCommitted);
    let second_end = after(start(), hours(68));
    assert!(world.commit(decide_due(world.account(0), after(second_end, hours(7)))));
    let expired = AccountState::Expired {
        since: second_end,
        cause: ExpiryCause::GraceEnded,
    };
    assert_eq!(world.account(0).state, expired);
    let again = decide_due(world.account(0), after(second_end, hours(8)));
    assert_eq!(again, Decision::AlreadyCommitted);
}

#[test]
fn the_third_grace_in_30_days_raises_an_alarm_and_a_fourth_after_them_does_not() {
    let mut world = World::new();
    let repeated = |world: &World| {
        let is = |event: &&OutboundEvent| matches!(event, OutboundEvent::GraceRepeated { .. });
        world.outbound.iter().filter(is).count()
    };
    for n in 0..3 {
        let now = after(start(), hours(n * 24));
        world.link(0, 0, now).unwrap();
        world.unlink(0, now).unwrap();
        assert_eq!(repeated(&world), usize::from(n == 2));
    }
    let later = after(start(), hours(30 * 24 + 12));
    world.link(0, 0, later).unwrap();
    world.unlink(0, later).unwrap();
    assert_eq!(
        repeated(&world),
        2,
        "two of the three are within 30 days still"
    );
    let much_later = after(start(), hours(90 * 24));
    world.link(0, 0, much_later).unwrap();
    world.unlink(0, much_later).unwrap();
    assert_eq!(repeated(&world), 2);
}

#[test]
fn a_setting_refuses_the_third_grace_and_the_confirmation_says_so() {
    let refusing = SubscriptionPolicy {
        repeated_grace: RepeatedGrace::Refused,
        ..policy()
    };
    let mut world = World::new();
    for n in 0..2 {
        let now = after(start(), hours(n));
        world.link(0, 0, now).unwrap();
        world.unlink(0, now).unwrap();
    }
    let now = after(start(), hours(3));
    world.link(0, 0, now).unwrap();
    let user = user(now);
    let consequence = assess_link(&world.situation(1, 0), &full(&user), now, &refusing);
    let Ok(Consequence::Relink(relink)) = consequence else {
        panic!("a relink");
    };
    assert_eq!(relink.verdict, GraceVerdict::Refused { within_30_days: 3 });
    world.link_by(1, 0, now, &refusing).unwrap();
    world.check();
    let expired = AccountState::Expired {
        since: now,
        cause: ExpiryCause::GraceRefused,
    };
    assert_eq!(world.account(0).state, expired);
}

#[test]
fn marketplace_and_annual_exclude_each_other() {
    let mut world = World::new();
    let ends_at = Some(after(start(), hours(24)));
    let annual = decide_activate_annual(world.account(0), ends_at, &Actor::Product, start());
    world.commit(annual.unwrap());
    let refusal = LinkRefusal::AnnualSubscription { ends_at };
    assert_eq!(world.link(0, 0, start()), Err(refusal.clone()));
    world.link(1, 0, start()).unwrap();
    let before = world.account(1).clone();
    assert_eq!(
        world.link(0, 0, start()),
        Err(refusal),
        "the holder stays untouched"
    );
    assert_eq!(*world.account(1), before);
    assert_eq!(
        decide_activate_annual(world.account(1), None, &Actor::Product, start()),
        Err(AccountRefusal::SubscribedThroughMarketplace {
            license: license_id(0)
        })
    );
    let end = after(start(), hours(24));
    assert_eq!(world.standing(0, end), Standing::Expired);
    assert_eq!(
        world.link(0, 0, end),
        Ok(true),
        "after its end it may be linked"
    );
}

#[test]
fn what_a_sign_in_or_a_role_forbids_is_refused() {
    let world = World::new();
    let now = start();
    let assess = |signed_in: &SignedIn, role: Option<Role>| {
        let authority = Authority::Member { signed_in, role };
        assess_link(&world.situation(0, 0), &authority, now, &policy())
    };
    let saml = SignedIn {
        method: SignInMethod::Federated {
            provider: "corporate".to_owned(),
        },
        ..user(now)
    };
    assert_eq!(
        assess(&saml, Some(Role::FullAccess)),
        Err(LinkRefusal::SignIn(SignInRefusal::CredentialsRequired {
            provider: "corporate".to_owned()
        }))
    );
    let reads = assess(&user(now), Some(Role::ReadOnly));
    assert_eq!(reads, Err(LinkRefusal::NotFullAccess));
    assert_eq!(assess(&user(now), None), Err(LinkRefusal::NotAMember));
    let reader = user(now);
    let authority = Authority::Member {
        signed_in: &reader,
        role: Some(Role::ReadOnly),
    };
    assert_eq!(
        assess_unlink(world.account(0), &authority, now, &policy()),
        Err(LinkRefusal::NotFullAccess)
    );
}

#[test]
fn a_license_that_is_pending_or_ended_is_not_linked() {
    let mut world = World::new();
    let ahead = after(start(), hours(24));
    world.facts.remove(&license_id(2));
    world.licenses.remove(&license_id(2));
    world.tell(
        event(2, "updated", ahead, EventKind::LicenseUpdated),
        2,
        start(),
    );
    assert_eq!(world.link(0, 2, start()), Err(LinkRefusal::LicensePending));
    assert_eq!(world.link(0, 2, ahead), Ok(true));
    let end = after(start(), hours(1));
    world.tell(
        event(0, "gone", end, EventKind::LicenseDeprovisioned),
        0,
        end,
    );
    assert_eq!(
        world.link(1, 0, end),
        Err(LinkRefusal::LicenseEnded { ended_at: end })
    );
}

#[test]
fn an_agreement_that_ends_expires_the_account_from_the_end_on_without_grace() {
    let mut world = World::new();
    world.link(0, 0, start()).unwrap();
    let ended = EventKind::AgreementEnded {
        status: EndedStatus::Expired,
    };
    let end = after(start(), hours(5));
    world.tell(event(0, "ended", end, ended), 0, after(end, hours(2)));
    world.check();
    let expired = AccountState::Expired {
        since: end,
        cause: ExpiryCause::AgreementEnded {
            license: license_id(0),
        },
    };
    assert_eq!(world.account(0).state, expired);
    let link = world.links.values().next().unwrap();
    assert_eq!(link.until, Some(end));
    assert_eq!(
        world.account(0).standing_at(after(start(), hours(4))),
        Standing::Subscribed
    );
    assert_eq!(world.account(0).standing_at(end), Standing::Expired);
}

#[test]
fn a_deleted_account_loses_its_license_and_is_restored_expired() {
    let mut world = World::new();
    world.link(0, 0, start()).unwrap();
    let license = world.license(0).clone();
    let suspended = decide_suspend(world.account(0), Some(&license), &Actor::Product, start());
    world.commit(suspended.unwrap());
    world.check();
    assert_eq!(world.license(0).linked, None);
    assert_eq!(world.standing(0, start()), Standing::Suspended);
    assert!(matches!(
        world.link(0, 0, start()),
        Err(LinkRefusal::AccountDeleted { .. })
    ));
    let day_30 = after(start(), hours(30 * 24));
    let gone = decide_restore(world.account(0), &Actor::Product, day_30);
    assert_eq!(gone, Err(AccountRefusal::NotRestorable));
    let restored = decide_restore(world.account(0), &Actor::Product, after(start(), hours(1)));
    world.commit(restored.unwrap());
    assert_eq!(
        world.standing(0, after(start(), hours(1))),
        Standing::Expired
    );
    assert_eq!(world.link(0, 0, after(start(), hours(1))), Ok(true));
}

#[test]
fn an_account_in_trial_comes_back_into_what_is_left_of_its_trial() {
    let mut world = World::new();
    let suspended = decide_suspend(world.account(0), None, &Actor::Product, start());
    world.commit(suspended.unwrap());
    let restored = decide_restore(world.account(0), &Actor::Product, after(start(), hours(1)));
    world.commit(restored.unwrap());
    assert_eq!(world.standing(0, after(start(), hours(2))), Standing::Trial);
    let trial_end = after(start(), hours(30 * 24));
    assert_eq!(world.standing(0, trial_end), Standing::Expired);
}

#[test]
fn linking_after_the_trial_lapsed_unrecorded_audits_the_lapse_and_keeps_its_instant() {
    let mut world = World::new();
    let trial_end = after(start(), hours(30 * 24));
    let now = after(trial_end, hours(3));
    world.link(0, 0, now).unwrap();
    let account = world.account(0);
    assert_eq!(
        account.standing_at(after(trial_end, hours(1))),
        Standing::Expired
    );
    assert_eq!(account.standing_at(now), Standing::Subscribed);
}

#[test]
fn a_basis_changes_with_everything_that_the_consequence_depends_on() {
    let mut world = World::new();
    let basis = |world: &World| world.situation(1, 0).basis(start(), &policy());
    let first = basis(&world);
    world.link(0, 0, start()).unwrap();
    let relink = basis(&world);
    assert_ne!(first, relink);
    world.link(1, 1, start()).unwrap();
    let both = basis(&world);
    assert_ne!(relink, both);
    assert_eq!(both, basis(&world));
    assert_eq!(Basis::parse(both.as_str()), Ok(both.clone()));
    assert!(!both.as_str().contains("account"));
    assert!(Basis::parse("0/1/2").is_err());
}

#[test]
fn snapshots_of_two_states_are_not_decided_on() {
    let mut world = World::new();
    let stale = world.license(0).clone();
    world.link(0, 0, start()).unwrap();
    let torn = LinkSituation::new(world.account(0), &stale, None, None);
    assert_eq!(torn, Err(Torn));
    let holder_missing = LinkSituation::new(world.account(1), world.license(0), None, None);
    assert_eq!(holder_missing, Err(Torn));
}

#[test]
fn a_clock_that_was_set_back_does_not_make_links_overlap() {
    let mut world = World::new();
    world.link(0, 0, after(start(), hours(2))).unwrap();
    world.link(1, 0, start()).unwrap();
    world.link(2, 0, after(start(), hours(1))).unwrap();
    world.check();
}

#[derive(Debug, Clone)]
enum Step {
    Advance(i64),
    Link(u8, u8),
    Unlink(u8),
    End(u8),
    Annual(u8, i64),
    EndAnnual(u8),
    Suspend(u8),
    Restore(u8),
    Expire(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let n = 0..3_u8;
    prop_oneof![
        2 => (-3_i64..2_000).prop_map(Step::Advance),
        5 => (n.clone(), n.clone()).prop_map(|(a, l)| Step::Link(a, l)),
        2 => n.clone().prop_map(Step::Unlink),
        1 => n.clone().prop_map(Step::End),
        1 => (n.clone(), 1..5_000_i64).prop_map(|(a, m)| Step::Annual(a, m)),
        1 => n.clone().prop_map(Step::EndAnnual),
        1 => n.clone().prop_map(Step::Suspend),
        1 => n.clone().prop_map(Step::Restore),
        2 => n.prop_map(Step::Expire),
    ]
}

fn apply(world: &mut World, now: &mut Timestamp, step: &Step) {
    let by = Actor::Product;
    let decision = match *step {
        Step::Advance(minutes) => {
            *now = after(*now, SignedDuration::from_mins(minutes));
            return;
        }
        Step::Link(account, license) => {
            let _refused = world.link(account, license, *now);
            return;
        }
        Step::Unlink(account) => {
            let _refused = world.unlink(account, *now);
            return;
        }
        Step::End(n) => {
            world.tell(
                event(n, "gone", *now, EventKind::LicenseDeprovisioned),
                n,
                *now,
            );
            return;
        }
        Step::Annual(n, minutes) => {
            let ends_at = after(*now, SignedDuration::from_mins(minutes));
            decide_activate_annual(world.account(n), Some(ends_at), &by, *now)
        }
        Step::EndAnnual(n) => decide_end_annual(world.account(n), &by, *now),
        Step::Suspend(n) => {
            let account = world.account(n);
            let license = account.license().map(|id| &world.licenses[id]);
            decide_suspend(account, license, &by, *now)
        }
        Step::Restore(n) => decide_restore(world.account(n), &by, *now),
        Step::Expire(n) => Ok(decide_due(world.account(n), *now)),
    };
    if let Ok(decision) = decision {
        world.commit(decision);
    }
}

proptest! {
    #[test]
    fn license_and_account_are_one_to_one_after_any_steps(
        steps in prop::collection::vec(step(), 1..40),
    ) {
        let mut world = World::new();
        let mut now = start();
        for step in &steps {
            apply(&mut world, &mut now, step);
            world.check();
        }
    }

    /// Recording an expiry changes what is recorded, never what holds.
    #[test]
    fn the_state_at_an_instant_does_not_depend_on_when_expiry_is_recorded(
        steps in prop::collection::vec(step(), 1..40),
        minutes in 0..5_000_i64,
    ) {
        let mut world = World::new();
        let mut now = start();
        for step in &steps {
            apply(&mut world, &mut now, step);
        }
        let later = after(now, SignedDuration::from_mins(minutes));
        for n in 0..3 {
            let before = world.account(n).clone();
            if let Decision::Commit(change) = decide_due(&before, later) {
                prop_assert_eq!(change.accounts[0].state_at(later), before.state_at(later));
                for probe in [now, later] {
                    prop_assert_eq!(change.accounts[0].standing_at(probe), before.standing_at(probe));
                }
            }
        }
    }

    #[test]
    fn grace_lasts_48_hours_to_the_nanosecond(
        second in 0..100_000_i64,
        nanosecond in 0..1_000_000_000_i32,
    ) {
        let now = after(start(), SignedDuration::new(second, nanosecond));
        let mut world = World::new();
        world.link(0, 0, start()).unwrap();
        world.unlink(0, now).unwrap();
        let end = after(now, hours(48));
        let just_before = end.saturating_sub(SignedDuration::from_nanos(1)).unwrap();
        prop_assert_eq!(world.standing(0, just_before), Standing::Grace);
        prop_assert_eq!(world.standing(0, end), Standing::Expired);
    }
}

use domain::account::{Standing, decide_activate_annual, decide_suspend};
use domain::audit::Actor;
use domain::sign_in::SignInMethod;
use jiff::SignedDuration;

use super::*;
use crate::testing::{World, email};

const BUYER: &str = "999988887777";
const OTHER_BUYER: &str = "555566667777";

async fn choice(
    world: &World,
    session: &SessionSecret,
    user: &SignedIn,
    account: &AccountId,
) -> LinkChoice {
    let choices = world.app.link_choices(session, user).await.unwrap();
    let choice = choices.accounts.into_iter().find(|c| c.account == *account);
    choice.unwrap()
}

async fn standing(world: &World, account: &AccountId) -> Standing {
    let account = world.app.store.account(account).await.unwrap().unwrap();
    account.state_at(world.now()).standing()
}

#[tokio::test]
async fn a_buyer_links_their_license_and_sees_it_on_the_subscription_page() {
    let world = World::new().await;
    let north = world.account("north", &["ada"]).await;
    let (license, session) = world.register(BUYER).await;
    let ada = world.user("ada");
    let shown = choice(&world, &session, &ada, &north).await;
    let proposal = shown.outcome.unwrap();
    assert_eq!(proposal.consequence, ShownConsequence::FirstLink);
    let confirm = || {
        world
            .app
            .confirm_link(&session, &ada, &north, &proposal.basis)
    };
    let linked = confirm().await.unwrap();
    assert_eq!(linked.consequence, ShownConsequence::FirstLink);
    assert_eq!(linked.buyer.as_str(), BUYER);
    let again = confirm().await.unwrap();
    assert_eq!(again.consequence, ShownConsequence::AlreadyLinked);

    let view = world.app.subscription(&ada, &north).await.unwrap().unwrap();
    assert_eq!(view.standing, Standing::Subscribed);
    assert_eq!(view.payer.unwrap().buyer, BUYER);
    assert_eq!(view.links.len(), 1);
    assert_eq!(view.links[0].link.license, license);
    assert!(!view.audit.is_empty());
    world.check(&[north], &[license]).await;
}

#[tokio::test]
async fn a_read_only_member_sees_the_payer_masked_and_may_not_link_or_unlink() {
    let world = World::new().await;
    let north = world.account("north", &["ada"]).await;
    let reader = email("reader");
    let by = Actor::Product;
    world
        .app
        .put_member(&north, &reader, Role::ReadOnly, &by)
        .await
        .unwrap();
    let (_, session) = world.register(BUYER).await;
    let shown = choice(&world, &session, &world.user("reader"), &north).await;
    assert_eq!(shown.outcome, Err(LinkRefusal::NotFullAccess));
    world.link(&session, "ada", &north).await;
    let view = world.app.subscription(&world.user("reader"), &north).await;
    let view = view.unwrap().unwrap();
    assert_eq!(view.payer.unwrap().buyer, "••••••••7777");
    assert_eq!(view.links[0].buyer, "••••••••7777");
    let unlinking = world.app.unlinking(&world.user("reader"), &north).await;
    assert_eq!(
        unlinking.unwrap().unwrap().unlink,
        Err(LinkRefusal::NotFullAccess)
    );
    assert!(view.audit.is_empty());
}

#[tokio::test]
async fn an_account_of_others_does_not_exist_for_a_user() {
    let world = World::new().await;
    let north = world.account("north", &["ada"]).await;
    let (_, session) = world.register(BUYER).await;
    let eve = world.user("eve");
    assert_eq!(world.app.subscription(&eve, &north).await.unwrap(), None);
    let choices = world.app.link_choices(&session, &eve).await.unwrap();
    assert_eq!(choices.accounts, []);
    let basis = Basis::parse("0".repeat(64)).unwrap();
    let missing = AccountId::parse("missing").unwrap();
    for account in [&north, &missing] {
        let refused = world
            .app
            .confirm_link(&session, &eve, account, &basis)
            .await;
        let not_a_member = matches!(refused, Err(LinkError::Refused(LinkRefusal::NotAMember)));
        assert!(not_a_member, "{refused:?}");
        let refused = world.app.unlink(&eve, account, &basis).await;
        let not_a_member = matches!(refused, Err(LinkError::Refused(LinkRefusal::NotAMember)));
        assert!(not_a_member, "{refused:?}");
    }
}

#[tokio::test]
async fn a_federated_user_is_refused_also_when_they_confirm_directly() {
    let world = World::new().await;
    let north = world.account("north", &["ada"]).await;
    let (_, session) = world.register(BUYER).await;
    let basis = choice(&world, &session, &world.user("ada"), &north).await;
    let basis = basis.outcome.unwrap().basis;
    let saml = SignedIn {
        method: SignInMethod::Federated {
            provider: "corporate".to_owned(),
        },
        ..world.user("ada")
    };
    let choices = world.app.link_choices(&session, &saml).await.unwrap();
    let required = SignInRefusal::CredentialsRequired {
        provider: "corporate".to_owned(),
    };
    assert_eq!(choices.sign_in, Some(required.clone()));
    let refused = world
        .app
        .confirm_link(&session, &saml, &north, &basis)
        .await;
    match refused {
        Err(LinkError::Refused(LinkRefusal::SignIn(refusal))) => assert_eq!(refusal, required),
        other => panic!("{other:?}"),
    }
    assert_eq!(standing(&world, &north).await, Standing::Trial);
}

#[tokio::test]
async fn a_sign_in_older_than_15_minutes_has_to_be_repeated() {
    let world = World::new().await;
    let north = world.account("north", &["ada"]).await;
    let (_, session) = world.register(BUYER).await;
    let ada = world.user("ada");
    world.advance(SignedDuration::from_secs(15 * 60 + 1)).await;
    let shown = choice(&world, &session, &ada, &north).await;
    assert!(matches!(
        shown.outcome,
        Err(LinkRefusal::SignIn(SignInRefusal::SignInTooOld { .. }))
    ));
    world.link(&session, "ada", &north).await;
}

#[tokio::test]
async fn what_changed_since_it_was_shown_is_a_conflict_and_changes_nothing() {
    let world = World::new().await;
    let north = world.account("north", &["ada"]).await;
    let south = world.account("south", &["ada"]).await;
    let (license, session) = world.register(BUYER).await;
    let ada = world.user("ada");
    let stale = choice(&world, &session, &ada, &south)
        .await
        .outcome
        .unwrap();
    world.link(&session, "ada", &north).await;
    let refused = world
        .app
        .confirm_link(&session, &ada, &south, &stale.basis)
        .await;
    assert!(matches!(refused, Err(LinkError::Conflict)), "{refused:?}");
    assert_eq!(standing(&world, &north).await, Standing::Subscribed);
    let relink = choice(&world, &session, &ada, &south)
        .await
        .outcome
        .unwrap();
    let ShownConsequence::Relink(shown) = &relink.consequence else {
        panic!("{relink:?}");
    };
    assert!(matches!(&shown.holder, ShownAccount::Whole { account, .. } if *account == north));
    world
        .app
        .confirm_link(&session, &ada, &south, &relink.basis)
        .await
        .unwrap();
    assert_eq!(standing(&world, &north).await, Standing::Grace);
    assert_eq!(standing(&world, &south).await, Standing::Subscribed);
    world.check(&[north, south], &[license]).await;
}

#[tokio::test]
async fn who_subscribes_again_is_offered_the_account_that_they_paid_for_last_first() {
    let world = World::new().await;
    let first = world.account("alpha", &["ada"]).await;
    let paid_for = world.account("omega", &["ada"]).await;
    let bought = world.subscribe(BUYER).await;
    world.deliver().await;
    let session = world.begin(&bought.registration_token).await;
    world.link(&session, "ada", &paid_for).await;
    world
        .aws
        .cancel_agreement(&bought.agreement_id)
        .await
        .unwrap();
    world.deliver().await;
    assert_eq!(standing(&world, &paid_for).await, Standing::Expired);

    let offered = async |buyer: &str| {
        let (_, session) = world.register(buyer).await;
        let choices = world.app.link_choices(&session, &world.user("ada")).await;
        choices.unwrap()
    };
    let again = offered(BUYER).await;
    assert_eq!(again.last.as_ref(), Some(&paid_for));
    let order: Vec<_> = again.accounts.iter().map(|one| &one.account).collect();
    assert_eq!(order, [&paid_for, &first]);
    // It is asked for, not done.
    assert_eq!(standing(&world, &paid_for).await, Standing::Expired);
    // Another AWS account's order is that of the names.
    let others = offered("111111111111").await;
    assert_eq!((others.last, &others.accounts[0].account), (None, &first));
}

#[tokio::test]
async fn an_account_that_the_user_is_not_a_member_of_is_named_only_in_part() {
    let world = World::new().await;
    let north = world.account("north", &["ada"]).await;
    let south = world.account("south", &["bob"]).await;
    let (_, session) = world.register(BUYER).await;
    world.link(&session, "ada", &north).await;
    let shown = choice(&world, &session, &world.user("bob"), &south).await;
    let shown = format!("{shown:?}");
    assert!(shown.contains("InPart(\"Na…\")"), "{shown}");
    assert!(!shown.contains("north"), "{shown}");
}

#[tokio::test]
async fn of_two_linkers_of_one_license_one_wins_and_the_other_is_asked_again() {
    let mut won_by_the_first = 0;
    for seed in 0..40 {
        let world = World::seeded(seed).await;
        let north = world.account("north", &["ada"]).await;
        let south = world.account("south", &["bob"]).await;
        let (license, session) = world.register(BUYER).await;
        let (ada, bob) = (world.user("ada"), world.user("bob"));
        let to_north = choice(&world, &session, &ada, &north)
            .await
            .outcome
            .unwrap();
        let to_south = choice(&world, &session, &bob, &south)
            .await
            .outcome
            .unwrap();
        let (one, other) = tokio::join!(
            world
                .app
                .confirm_link(&session, &ada, &north, &to_north.basis),
            world
                .app
                .confirm_link(&session, &bob, &south, &to_south.basis),
        );
        let conflict =
            |result: &Result<Linked, LinkError>| matches!(result, Err(LinkError::Conflict));
        assert!(
            one.is_ok() && conflict(&other) || conflict(&one) && other.is_ok(),
            "seed {seed}: {one:?}, {other:?}"
        );
        won_by_the_first += u32::from(one.is_ok());
        world.check(&[north, south], &[license]).await;
    }
    assert!(
        (1..40).contains(&won_by_the_first),
        "the seeds interleave them"
    );
}

#[tokio::test]
async fn of_two_licenses_linked_to_one_account_at_once_one_wins() {
    for seed in 0..40 {
        let world = World::seeded(seed).await;
        let north = world.account("north", &["ada", "bob"]).await;
        let (l1, first) = world.register(BUYER).await;
        let (l2, second) = world.register(OTHER_BUYER).await;
        let (ada, bob) = (world.user("ada"), world.user("bob"));
        let one = choice(&world, &first, &ada, &north).await.outcome.unwrap();
        let other = choice(&world, &second, &bob, &north).await.outcome.unwrap();
        let (one, other) = tokio::join!(
            world.app.confirm_link(&first, &ada, &north, &one.basis),
            world.app.confirm_link(&second, &bob, &north, &other.basis),
        );
        assert_ne!(
            one.is_ok(),
            other.is_ok(),
            "seed {seed}: {one:?}, {other:?}"
        );
        world.check(&[north], &[l1, l2]).await;
    }
}

#[tokio::test]
async fn three_linkers_an_unlinker_and_an_ending_agreement_at_once_leave_one_to_one() {
    for seed in 0..40 {
        let world = World::seeded(seed).await;
        let mut accounts = Vec::new();
        for name in ["north", "south", "west"] {
            accounts.push(world.account(name, &["ada"]).await);
        }
        let (l1, first) = world.register(BUYER).await;
        let (l2, second) = world.register(OTHER_BUYER).await;
        world.link(&first, "ada", &accounts[0]).await;
        let ada = world.user("ada");
        let relink = choice(&world, &first, &ada, &accounts[1])
            .await
            .outcome
            .unwrap();
        let change = choice(&world, &second, &ada, &accounts[0])
            .await
            .outcome
            .unwrap();
        let third = choice(&world, &first, &ada, &accounts[2])
            .await
            .outcome
            .unwrap();
        let view = world
            .app
            .unlinking(&ada, &accounts[0])
            .await
            .unwrap()
            .unwrap();
        let unlink = view.unlink.unwrap();
        let license = world.app.store.license(&l2).await.unwrap().unwrap();
        let agreement = license.agreement.unwrap();
        world
            .aws
            .cancel_agreement(agreement.as_str())
            .await
            .unwrap();
        let _all = tokio::join!(
            world
                .app
                .confirm_link(&first, &ada, &accounts[1], &relink.basis),
            world
                .app
                .confirm_link(&second, &ada, &accounts[0], &change.basis),
            world
                .app
                .confirm_link(&first, &ada, &accounts[2], &third.basis),
            world.app.unlink(&ada, &accounts[0], &unlink.basis),
            world.deliver(),
        );
        let ended = world.app.store.license(&l2).await.unwrap().unwrap();
        assert!(ended.has_ended() && ended.linked.is_none(), "seed {seed}");
        world.check(&accounts, &[l1, l2]).await;
    }
}

#[tokio::test]
async fn linking_and_activating_an_annual_subscription_at_once_never_give_both() {
    for seed in 0..40 {
        let world = World::seeded(seed).await;
        let north = world.account("north", &["ada"]).await;
        let (license, session) = world.register(BUYER).await;
        let ada = world.user("ada");
        let proposal = choice(&world, &session, &ada, &north)
            .await
            .outcome
            .unwrap();
        let by = Actor::Product;
        let (linked, annual) = tokio::join!(
            world
                .app
                .confirm_link(&session, &ada, &north, &proposal.basis),
            world.app.activate_annual(&north, None, &by),
        );
        assert_ne!(linked.is_ok(), annual.is_ok(), "seed {seed}");
        world.check(&[north], &[license]).await;
    }
}

/// A change that was decided on what is stored now, and is not committed yet.
#[derive(Debug, Clone, Copy)]
enum Decide {
    Link(usize, usize),
    Unlink(usize),
    Annual(usize),
    Suspend(usize),
}

/// An account and a license linked before, and two decisions.
type Case = (Option<(usize, usize)>, Decide, Decide);

async fn decide(
    world: &World,
    accounts: &[AccountId],
    licenses: &[LicenseId],
    what: Decide,
) -> Change {
    let now = world.now();
    let policy = &*world.app.settings.subscriptions;
    let ada = world.user("ada");
    let authority = Authority::Member {
        signed_in: &ada,
        role: Some(Role::FullAccess),
    };
    let by = Actor::Product;
    let decision = match what {
        Decide::Link(account, license) => {
            let loaded = world.app.load(&accounts[account], &licenses[license]).await;
            let loaded = loaded.unwrap();
            decide_link(&loaded.situation().unwrap(), &authority, now, policy).unwrap()
        }
        Decide::Unlink(n) | Decide::Annual(n) | Decide::Suspend(n) => {
            let account = world
                .app
                .store
                .account(&accounts[n])
                .await
                .unwrap()
                .unwrap();
            let license = match account.license() {
                Some(license) => world.app.store.license(license).await.unwrap(),
                None => None,
            };
            match what {
                Decide::Unlink(_) => {
                    decide_unlink(&account, &license.unwrap(), &authority, now, policy).unwrap()
                }
                Decide::Annual(_) => decide_activate_annual(&account, None, &by, now).unwrap(),
                Decide::Suspend(_) | Decide::Link(..) => {
                    decide_suspend(&account, license.as_ref(), &by, now).unwrap()
                }
            }
        }
    };
    match decision {
        Decision::Commit(change) => change,
        Decision::AlreadyCommitted => panic!("{what:?} was committed before"),
    }
}

#[tokio::test]
async fn of_two_decisions_on_the_same_snapshots_only_the_first_is_committed() {
    use Decide::{Annual, Link, Suspend, Unlink};
    let cases: [Case; 8] = [
        (None, Link(0, 0), Link(1, 0)),
        (None, Link(0, 0), Link(0, 1)),
        (None, Link(0, 0), Annual(0)),
        (None, Link(0, 0), Suspend(0)),
        (Some((0, 0)), Link(1, 0), Unlink(0)),
        (Some((0, 0)), Link(0, 1), Link(1, 0)),
        (Some((0, 0)), Link(0, 1), Unlink(0)),
        (Some((0, 0)), Suspend(0), Link(1, 0)),
    ];
    for (linked, one, other) in cases {
        for (first, second) in [(one, other), (other, one)] {
            let world = World::new().await;
            let accounts = [
                world.account("north", &["ada"]).await,
                world.account("south", &["ada"]).await,
            ];
            let (l1, s1) = world.register(BUYER).await;
            let (l2, s2) = world.register(OTHER_BUYER).await;
            let licenses = [l1, l2];
            if let Some((account, license)) = linked {
                let session = [&s1, &s2][license];
                world.link(session, "ada", &accounts[account]).await;
            }
            let winner = decide(&world, &accounts, &licenses, first).await;
            let loser = decide(&world, &accounts, &licenses, second).await;
            let won = world.app.store.commit(&winner).await.unwrap();
            assert_eq!(won, CommitOutcome::Committed, "{first:?}");
            let lost = world.app.store.commit(&loser).await.unwrap();
            assert_eq!(lost, CommitOutcome::Lost, "{first:?}, then {second:?}");
            world.check(&accounts, &licenses).await;
        }
    }
}

#[tokio::test]
async fn a_member_removed_between_decision_and_commit_links_nothing() {
    let world = World::new().await;
    let north = world.account("north", &["ada"]).await;
    let (license, _) = world.register(BUYER).await;
    let loaded = world.app.load(&north, &license).await.unwrap();
    let ada = world.user("ada");
    let authority = Authority::Member {
        signed_in: &ada,
        role: Some(Role::FullAccess),
    };
    let policy = &*world.app.settings.subscriptions;
    let situation = loaded.situation().unwrap();
    let decision = decide_link(&situation, &authority, world.now(), policy);
    let Ok(Decision::Commit(change)) = decision else {
        panic!("{decision:?}");
    };
    let by = Actor::Product;
    world
        .app
        .remove_member(&north, &ada.email, &by)
        .await
        .unwrap();
    let outcome = world.app.store.commit(&change).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Lost);
    assert_eq!(standing(&world, &north).await, Standing::Trial);
}

#[tokio::test]
async fn annual_accounts_are_listed_with_their_end_and_refused() {
    let world = World::new().await;
    let north = world.account("north", &["ada"]).await;
    let south = world.account("south", &["ada"]).await;
    let ends_at = world
        .now()
        .saturating_add(SignedDuration::from_hours(24))
        .ok();
    let by = Actor::Product;
    world
        .app
        .activate_annual(&north, ends_at, &by)
        .await
        .unwrap();
    world.app.suspend_account(&south, &by).await.unwrap();
    let (_, session) = world.register(BUYER).await;
    let choices = world
        .app
        .link_choices(&session, &world.user("ada"))
        .await
        .unwrap();
    let outcomes: Vec<_> = choices.accounts.into_iter().map(|c| c.outcome).collect();
    assert_eq!(
        outcomes[0],
        Err(LinkRefusal::AnnualSubscription { ends_at })
    );
    assert!(matches!(
        outcomes[1],
        Err(LinkRefusal::AccountDeleted { .. })
    ));
}

#[tokio::test]
async fn links_are_found_by_the_instants_that_they_share_with_an_interval() {
    let world = World::new().await;
    let north = world.account("north", &["ada"]).await;
    let south = world.account("south", &["ada"]).await;
    let (license, session) = world.register(BUYER).await;
    let start = world.now();
    world.link(&session, "ada", &north).await;
    world.advance(SignedDuration::from_mins(40)).await;
    let moved = world.now();
    world.link(&session, "ada", &south).await;
    let store = &world.app.store;
    let of_license = |from, until| store.links_of_license(&license, from, until);
    let accounts = |links: Vec<domain::linking::Link>| -> Vec<AccountId> {
        links.into_iter().map(|link| link.account).collect()
    };
    assert_eq!(
        accounts(of_license(start, Timestamp::MAX).await.unwrap()),
        [north.clone(), south.clone()]
    );
    let before_the_move = accounts(of_license(start, moved).await.unwrap());
    assert_eq!(before_the_move.len(), 1);
    assert_eq!(before_the_move[0], north);
    assert_eq!(
        accounts(of_license(moved, Timestamp::MAX).await.unwrap()),
        [south]
    );
    assert!(of_license(Timestamp::MIN, start).await.unwrap().is_empty());
    let of_account = store.links_of_account(&north, start, Timestamp::MAX).await;
    assert_eq!(of_account.unwrap()[0].until, Some(moved));
}

#[tokio::test]
async fn unlinking_is_confirmed_and_starts_grace_and_the_license_stays_linkable() {
    let world = World::new().await;
    let north = world.account("north", &["ada"]).await;
    let (license, session) = world.register(BUYER).await;
    world.link(&session, "ada", &north).await;
    let ada = world.user("ada");
    let view = world.app.unlinking(&ada, &north).await.unwrap().unwrap();
    let proposal = view.unlink.unwrap();
    let stale = Basis::parse("0".repeat(64)).unwrap();
    let refused = world.app.unlink(&ada, &north, &stale).await;
    assert!(matches!(refused, Err(LinkError::Conflict)));
    let unlinked = world
        .app
        .unlink(&ada, &north, &proposal.basis)
        .await
        .unwrap();
    assert_eq!(unlinked.verdict, proposal.verdict);
    assert_eq!(standing(&world, &north).await, Standing::Grace);
    world.link(&session, "ada", &north).await;
    world.check(&[north], &[license]).await;
}

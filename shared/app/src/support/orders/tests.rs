use std::sync::Arc;

use domain::account::Standing;
use domain::audit::{Actor, AuditAction};
use domain::ids::{AccountId, LicenseId, UserEmail};
use domain::linking::UnlinkCause;
use domain::outbound::OutboundEvent;
use domain::support::{Reason, RequestRefusal, RequestState, Ticket};
use futures_util::future::join;
use jiff::SignedDuration;

use super::*;
use crate::testing::{World, email};

const BUYER: &str = "999988887777";

fn grounds() -> Grounds {
    Grounds {
        reason: Reason::parse("The buyer left the company").unwrap(),
        ticket: Ticket::parse("T-42").unwrap(),
    }
}

fn support(world: &World, name: &str) -> SignedIn {
    SignedIn {
        support: true,
        ..world.user(name)
    }
}

/// A world where support takes two people.
async fn of_two() -> World {
    let mut world = World::new().await;
    let policy = SubscriptionPolicy {
        support_approval: SupportApproval::Two,
        ..(*world.app.settings.subscriptions).clone()
    };
    world.app.settings.subscriptions = Arc::new(policy);
    world
}

/// North pays by a license that support is to move to south.
async fn linked(world: &World) -> (AccountId, AccountId, LicenseId) {
    let north = world.account("north", &["ada"]).await;
    let south = world.account("south", &["ben"]).await;
    let (license, session) = world.register(BUYER).await;
    world.link(&session, "ada", &north).await;
    world.advance(SignedDuration::from_mins(10)).await;
    (north, south, license)
}

fn transfer(license: &LicenseId, to: &AccountId) -> SupportOrder {
    SupportOrder::Transfer {
        license: license.clone(),
        to: to.clone(),
    }
}

async fn basis(world: &World, who: &SignedIn, order: &SupportOrder) -> Basis {
    let view = world.app.support_order(who, order).await.unwrap();
    view.outcome.unwrap().basis
}

async fn standing(world: &World, account: &AccountId) -> Standing {
    let account = world.app.store.account(account).await.unwrap().unwrap();
    account.state_at(world.now()).standing()
}

/// What the customers of an account were told of support's doing.
async fn told(world: &World, account: &AccountId) -> Vec<String> {
    let events = world.app.store.outbox_of_account(account).await.unwrap();
    let texts = events.into_iter().filter_map(|event| {
        if let OutboundEvent::ChangedBySupport { text, .. } = event {
            Some(text)
        } else {
            None
        }
    });
    texts.collect()
}

#[tokio::test]
async fn support_moves_a_license_and_both_customers_are_told() {
    let world = World::new().await;
    let (north, south, license) = linked(&world).await;
    let sue = support(&world, "sue");
    let order = transfer(&license, &south);
    let shown = world.app.support_order(&sue, &order).await.unwrap();
    let proposal = shown.outcome.unwrap();
    let OrderConsequence::Link(Consequence::Relink(relink)) = &proposal.consequence else {
        panic!("{proposal:?}");
    };
    assert_eq!(relink.account, north);
    let ordered = world
        .app
        .order_by_support(&sue, &order, &grounds(), &proposal.basis)
        .await;
    assert_eq!(ordered.unwrap(), Ordered::Done);
    assert_eq!(standing(&world, &north).await, Standing::Grace);
    assert_eq!(standing(&world, &south).await, Standing::Subscribed);

    let file = world.app.account_file(&north).await.unwrap().unwrap();
    let by = Actor::Support {
        email: email("sue"),
        grounds: grounds(),
        approved_by: None,
    };
    let end = file.links[0].0.unlinked.clone().unwrap();
    assert_eq!((end.by, end.cause), (by, UnlinkCause::Relinked));
    for account in [&north, &south] {
        let told = told(&world, account).await;
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("T-42"), "{told:?}");
        // Why is the affair of whoever asked.
        assert_eq!(told[0].contains("left the company"), *account == south);
    }
    let again = world
        .app
        .order_by_support(&sue, &order, &grounds(), &proposal.basis)
        .await;
    assert_eq!(again.unwrap(), Ordered::Done);
    world.check(&[north, south], &[license]).await;
}

#[tokio::test]
async fn support_unlinks_a_license_under_the_rules_of_every_sign_in() {
    let world = World::new().await;
    let (north, _, license) = linked(&world).await;
    let order = SupportOrder::Unlink {
        account: north.clone(),
        license: license.clone(),
    };
    let sue = support(&world, "sue");
    let basis = basis(&world, &sue, &order).await;
    let eve = world.user("eve");
    let refused = world
        .app
        .order_by_support(&eve, &order, &grounds(), &basis)
        .await;
    assert!(
        matches!(&refused, Err(OrderError::Refused(LinkRefusal::NotAMember))),
        "{refused:?}"
    );
    let early = SignedIn {
        at: before(world.now(), SignedDuration::from_secs(15 * 60 + 1)),
        ..sue.clone()
    };
    let refused = world
        .app
        .order_by_support(&early, &order, &grounds(), &basis)
        .await;
    assert!(
        matches!(&refused, Err(OrderError::Refused(LinkRefusal::SignIn(_)))),
        "{refused:?}"
    );
    assert_eq!(standing(&world, &north).await, Standing::Subscribed);
    let done = world
        .app
        .order_by_support(&sue, &order, &grounds(), &basis)
        .await;
    assert_eq!(done.unwrap(), Ordered::Done);
    assert_eq!(standing(&world, &north).await, Standing::Grace);
    let twice = world
        .app
        .order_by_support(&sue, &order, &grounds(), &basis)
        .await;
    assert_eq!(twice.unwrap(), Ordered::Done);
    world.check(&[north], &[license]).await;
}

#[tokio::test]
async fn a_payer_that_changed_meanwhile_is_not_unlinked_in_place_of_the_old_one() {
    let world = World::new().await;
    let (north, _, license) = linked(&world).await;
    let order = SupportOrder::Unlink {
        account: north.clone(),
        license: license.clone(),
    };
    let sue = support(&world, "sue");
    let basis = basis(&world, &sue, &order).await;
    let (second, session) = world.register("555566667777").await;
    world.link(&session, "ada", &north).await;
    let late = world
        .app
        .order_by_support(&sue, &order, &grounds(), &basis)
        .await;
    let refused = LinkRefusal::AnotherLicense;
    assert!(matches!(&late, Err(OrderError::Refused(refusal)) if *refusal == refused));
    assert_eq!(standing(&world, &north).await, Standing::Subscribed);
    world.check(&[north], &[license, second]).await;
}

#[tokio::test]
async fn a_request_for_what_is_so_already_is_settled_when_it_is_approved() {
    let world = of_two().await;
    let (north, south, license) = linked(&world).await;
    let (sue, tom) = (support(&world, "sue"), support(&world, "tom"));
    let order = transfer(&license, &south);
    let basis = basis(&world, &sue, &order).await;
    let other = Grounds {
        ticket: Ticket::parse("T-43").unwrap(),
        ..grounds()
    };
    let mut ids = Vec::new();
    for grounds in [grounds(), other] {
        let asked = world.app.order_by_support(&sue, &order, &grounds, &basis);
        let Ordered::Asked(id) = asked.await.unwrap() else {
            panic!("done without a second person");
        };
        ids.push(id);
    }
    for id in &ids {
        world.app.approve(&tom, id, &basis).await.unwrap();
    }
    assert_eq!(world.app.support_requests().await.unwrap(), []);
    assert_eq!(told(&world, &south).await.len(), 1);
    world.check(&[north, south], &[license]).await;
}

#[tokio::test]
async fn what_changed_since_it_was_shown_is_asked_again() {
    let world = World::new().await;
    let (north, south, license) = linked(&world).await;
    let west = world.account("west", &["cleo"]).await;
    let sue = support(&world, "sue");
    let order = transfer(&license, &south);
    let stale = basis(&world, &sue, &order).await;
    let elsewhere = transfer(&license, &west);
    let fresh = basis(&world, &sue, &elsewhere).await;
    world
        .app
        .order_by_support(&sue, &elsewhere, &grounds(), &fresh)
        .await
        .unwrap();
    let late = world
        .app
        .order_by_support(&sue, &order, &grounds(), &stale)
        .await;
    assert!(matches!(late, Err(OrderError::Conflict)), "{late:?}");
    world.check(&[north, south, west], &[license]).await;
}

#[tokio::test]
async fn a_second_person_approves_and_it_is_done_once() {
    let world = of_two().await;
    let (north, south, license) = linked(&world).await;
    let (sue, tom) = (support(&world, "sue"), support(&world, "tom"));
    let order = transfer(&license, &south);
    let basis = basis(&world, &sue, &order).await;
    let grounds = grounds();
    let ask = || world.app.order_by_support(&sue, &order, &grounds, &basis);
    let Ordered::Asked(id) = ask().await.unwrap() else {
        panic!("done without a second person");
    };
    assert_eq!(ask().await.unwrap(), Ordered::Asked(id.clone()));
    assert_eq!(standing(&world, &north).await, Standing::Subscribed);
    assert_eq!(world.app.support_requests().await.unwrap().len(), 1);

    let own = world.app.approve(&sue, &id, &basis).await;
    let refused = LinkRefusal::Request(RequestRefusal::OwnRequest);
    assert!(matches!(&own, Err(OrderError::Refused(refusal)) if *refusal == refused));

    let view = world.app.support_request(&tom, &id).await.unwrap();
    let basis = view.order.outcome.unwrap().basis;
    let uma = support(&world, "uma");
    let (first, second) = join(
        world.app.approve(&tom, &id, &basis),
        world.app.approve(&uma, &id, &basis),
    )
    .await;
    assert!(first.is_ok() || second.is_ok(), "{first:?}, {second:?}");
    assert_eq!(standing(&world, &south).await, Standing::Subscribed);
    assert_eq!(world.app.support_requests().await.unwrap(), []);
    let settled = world.app.support_request(&tom, &id).await.unwrap().request;
    let RequestState::CarriedOut { by, .. } = settled.state else {
        panic!("{settled:?}");
    };
    let file = world.app.account_file(&south).await.unwrap().unwrap();
    let approvers: Vec<UserEmail> = file
        .audit
        .iter()
        .filter(|entry| matches!(entry.action, AuditAction::Linked { .. }))
        .filter_map(|entry| {
            if let Actor::Support { approved_by, .. } = &entry.by {
                approved_by.clone()
            } else {
                None
            }
        })
        .collect();
    assert_eq!(approvers, [by]);
    world.check(&[north, south], &[license]).await;
}

#[tokio::test]
async fn a_request_that_is_declined_or_too_old_does_nothing() {
    let world = of_two().await;
    let (north, south, license) = linked(&world).await;
    let (sue, tom) = (support(&world, "sue"), support(&world, "tom"));
    let order = transfer(&license, &south);
    let basis = basis(&world, &sue, &order).await;
    let asked = world
        .app
        .order_by_support(&sue, &order, &grounds(), &basis)
        .await;
    let Ordered::Asked(id) = asked.unwrap() else {
        panic!("done without a second person");
    };
    world.app.decline(&tom, &id).await.unwrap();
    world.app.decline(&sue, &id).await.unwrap();
    let late = world.app.approve(&tom, &id, &basis).await;
    let is_settled =
        |refused: &LinkRefusal| matches!(refused, LinkRefusal::Request(RequestRefusal::Settled(_)));
    assert!(matches!(&late, Err(OrderError::Refused(refused)) if is_settled(refused)));
    // Declined by mistake: asked for in the same words it waits again.
    let again = world
        .app
        .order_by_support(&sue, &order, &grounds(), &basis)
        .await;
    assert_eq!(again.unwrap(), Ordered::Asked(id.clone()));
    assert_eq!(world.app.support_requests().await.unwrap().len(), 1);

    let other = Grounds {
        ticket: Ticket::parse("T-43").unwrap(),
        ..grounds()
    };
    let asked = world.app.order_by_support(&sue, &order, &other, &basis);
    let Ordered::Asked(id) = asked.await.unwrap() else {
        panic!("done without a second person");
    };
    world.advance(SUPPORT_REQUEST_FOR).await;
    let tom = support(&world, "tom");
    let late = world.app.approve(&tom, &id, &basis).await;
    assert!(
        matches!(
            &late,
            Err(OrderError::Refused(LinkRefusal::Request(
                RequestRefusal::Expired { .. }
            )))
        ),
        "{late:?}"
    );
    assert_eq!(standing(&world, &north).await, Standing::Subscribed);
    world.check(&[north, south], &[license]).await;
}

#[tokio::test]
async fn an_aws_account_is_found_with_all_its_licenses() {
    let world = World::new().await;
    let (first, _) = world.register(BUYER).await;
    let (second, _) = world.register(BUYER).await;
    let (other, _) = world.register("555566667777").await;
    let buyer = AwsAccountId::parse(BUYER).unwrap();
    let found = world.app.licenses_of_buyer(&buyer).await.unwrap();
    assert_eq!(found, [first, second].into());
    assert!(!found.contains(&other));
    let nobody = AwsAccountId::parse("000000000000").unwrap();
    assert!(
        world
            .app
            .licenses_of_buyer(&nobody)
            .await
            .unwrap()
            .is_empty()
    );
}

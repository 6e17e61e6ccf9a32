use domain::account::{AccountState, ExpiryCause, Standing};
use domain::audit::Actor;
use jiff::SignedDuration;

use super::*;
use crate::testing::World;

const BUYER: &str = "999988887777";

fn never() -> Timestamp {
    Timestamp::MAX
}

#[tokio::test]
async fn grace_is_recorded_as_expired_at_48_hours_and_not_a_second_before() {
    let world = World::new().await;
    let account = world.account("north", &["ada"]).await;
    let (_, session) = world.register(BUYER).await;
    world.link(&session, "ada", &account).await;
    let ada = world.user("ada");
    let view = world.app.unlinking(&ada, &account).await.unwrap().unwrap();
    let basis = view.unlink.unwrap().basis;
    world.app.unlink(&ada, &account, &basis).await.unwrap();
    let ends_at = world
        .now()
        .saturating_add(SignedDuration::from_hours(48))
        .unwrap();

    world
        .advance(SignedDuration::from_secs(48 * 3600 - 1))
        .await;
    // Of the two reminders that were missed one is given, and nothing else happens.
    for recorded in [1, 0] {
        let run = world.app.expire_due(never()).await.unwrap();
        assert_eq!(run.recorded, recorded);
        assert!(run.next <= Some(ends_at), "{:?}", run.next);
    }
    let stored = world.app.store.account(&account).await.unwrap().unwrap();
    assert!(matches!(stored.state, AccountState::Grace { .. }));

    world.advance(SignedDuration::from_secs(1)).await;
    let run = world.app.expire_due(never()).await.unwrap();
    assert_eq!(run.recorded, 1);
    let stored = world.app.store.account(&account).await.unwrap().unwrap();
    let expired = AccountState::Expired {
        since: ends_at,
        cause: ExpiryCause::GraceEnded,
    };
    assert_eq!(stored.state, expired);
    assert_eq!(world.app.expire_due(never()).await.unwrap().recorded, 0);
}

#[tokio::test]
async fn what_is_shown_does_not_wait_for_a_late_run() {
    let world = World::new().await;
    let account = world.account("north", &["ada"]).await;
    world.advance(SignedDuration::from_hours(30 * 24)).await;
    let view = world.app.subscription(&world.user("ada"), &account).await;
    let view = view.unwrap().unwrap();
    assert_eq!(view.standing, Standing::Expired);
    assert_eq!(view.standing.label(), "Trial or Subscription Expired");
    world.advance(SignedDuration::from_hours(7)).await;
    assert_eq!(world.app.expire_due(never()).await.unwrap().recorded, 1);
    let later = world.app.subscription(&world.user("ada"), &account).await;
    assert_eq!(later.unwrap().unwrap().since, view.since);
}

#[tokio::test]
async fn every_page_of_the_index_is_read() {
    let world = World::new().await;
    for n in 0..450 {
        world.account(&format!("account-{n}"), &[]).await;
    }
    world.advance(SignedDuration::from_hours(31 * 24)).await;
    let run = world.app.expire_due(never()).await.unwrap();
    assert_eq!((run.recorded, run.stale, run.failed), (450, 0, 0));
    assert_eq!(run.next, None);
}

#[tokio::test]
async fn a_run_stops_at_its_deadline_and_the_next_one_goes_on() {
    let world = World::new().await;
    let account = world.account("north", &[]).await;
    world.advance(SignedDuration::from_hours(31 * 24)).await;
    let run = world.app.expire_due(world.now()).await.unwrap();
    assert_eq!(run.recorded, 0);
    assert!(run.next.is_some_and(|next| next < world.now()));
    let run = world.app.expire_due(never()).await.unwrap();
    assert_eq!(run.recorded, 1);
    let audit = world
        .app
        .store
        .audit_of_account(&account, 10)
        .await
        .unwrap();
    assert_eq!(audit[0].by, Actor::Clock);
}

#[tokio::test]
async fn an_annual_subscription_ends_by_the_clock() {
    let world = World::new().await;
    let account = world.account("north", &[]).await;
    let ends_at = world
        .now()
        .saturating_add(SignedDuration::from_hours(365 * 24))
        .unwrap();
    let by = Actor::Product;
    world
        .app
        .activate_annual(&account, Some(ends_at), &by)
        .await
        .unwrap();
    world.advance(SignedDuration::from_hours(31 * 24)).await;
    let run = world.app.expire_due(never()).await.unwrap();
    assert_eq!(
        (run.recorded, run.next),
        (0, Some(ends_at)),
        "its trial is over, it is not"
    );
    world.advance(SignedDuration::from_hours(365 * 24)).await;
    assert_eq!(world.app.expire_due(never()).await.unwrap().recorded, 1);
}

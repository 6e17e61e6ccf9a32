use super::*;
use crate::testing::{World, email};

#[tokio::test]
async fn opening_an_account_twice_at_once_gives_one() {
    for seed in 0..20 {
        let world = World::seeded(seed).await;
        let id = AccountId::parse("north").unwrap();
        let name = AccountName::parse("North").unwrap();
        let by = Actor::Product;
        let owner = email("ada");
        let (one, other) = tokio::join!(
            world.app.open_account(&id, &name, Some(&owner), &by),
            world.app.open_account(&id, &name, Some(&owner), &by),
        );
        assert_eq!(one.unwrap(), other.unwrap());
        let another = AccountName::parse("South").unwrap();
        let refused = world.app.open_account(&id, &another, None, &by).await;
        assert!(matches!(
            refused,
            Err(AccountError::Refused(AccountRefusal::IdTaken))
        ));
    }
}

#[tokio::test]
async fn a_membership_is_found_from_both_sides_and_gone_from_both() {
    let world = World::new().await;
    let by = Actor::Product;
    let north = world.account("north", &["ada"]).await;
    let south = world.account("south", &["ada", "bob"]).await;
    let ada = email("ada");
    let accounts = world.app.accounts_of(&ada).await.unwrap();
    let ids: Vec<_> = accounts.iter().map(|one| one.account.clone()).collect();
    assert_eq!(ids, [north, south.clone()]);
    world
        .app
        .put_member(&south, &ada, Role::ReadOnly, &by)
        .await
        .unwrap();
    let role = world.app.store.role(&south, &ada).await.unwrap();
    assert_eq!(role, Some(Role::ReadOnly));
    world.app.remove_member(&south, &ada, &by).await.unwrap();
    world.app.remove_member(&south, &ada, &by).await.unwrap();
    assert_eq!(world.app.accounts_of(&ada).await.unwrap().len(), 1);
    let members = world.app.store.members_of(&south).await.unwrap();
    assert_eq!(members.len(), 1);
    assert_eq!(members[0].user, email("bob"));
}

#[tokio::test]
async fn nobody_becomes_a_member_of_an_account_that_is_not_there() {
    let world = World::new().await;
    let missing = AccountId::parse("missing").unwrap();
    let refused = world
        .app
        .put_member(&missing, &email("ada"), Role::FullAccess, &Actor::Product)
        .await;
    assert!(matches!(refused, Err(AccountError::Unknown)));
    assert!(
        world
            .app
            .accounts_of(&email("ada"))
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_user_opens_an_account_of_their_own_and_is_its_first_member() {
    let world = World::new().await;
    let ada = world.user("ada");
    let name = AccountName::parse("My account").unwrap();
    let account = world
        .app
        .open_own_account(&ada, &name, "form-key")
        .await
        .unwrap();
    assert_eq!(account.version, 1);
    let view = world
        .app
        .subscription(&ada, &account.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (view.role, view.standing),
        (Role::FullAccess, Standing::Trial)
    );
    assert_eq!(view.since, world.now());
}

#[tokio::test]
async fn a_deleted_account_gives_its_license_back_and_can_be_restored() {
    let world = World::new().await;
    let by = Actor::Product;
    let north = world.account("north", &["ada"]).await;
    let (license, session) = world.register("999988887777").await;
    world.link(&session, "ada", &north).await;
    world.app.suspend_account(&north, &by).await.unwrap();
    world.app.suspend_account(&north, &by).await.unwrap();
    let (accounts, licenses) = ([north.clone()], [license.clone()]);
    world.check(&accounts, &licenses).await;
    let freed = world.app.store.license(&license).await.unwrap().unwrap();
    assert_eq!(freed.linked, None);
    world.app.restore_account(&north, &by).await.unwrap();
    let accounts = world.app.accounts_of(&email("ada")).await.unwrap();
    assert_eq!(accounts[0].standing, Standing::Expired);
    world.link(&session, "ada", &north).await;
}

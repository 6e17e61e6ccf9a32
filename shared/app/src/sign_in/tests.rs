use domain::sign_in::Subject;
use jiff::SignedDuration;

use super::*;
use crate::testing::World;

fn pending(world: &World) -> PendingSignIn {
    PendingSignIn {
        nonce: "nonce".to_owned(),
        pkce_verifier: "verifier".to_owned(),
        return_to: "/registration".to_owned(),
        expires_at: after(world.now(), domain::policy::PENDING_SIGN_IN_FOR),
    }
}

#[tokio::test]
async fn a_sign_in_under_way_is_taken_once_even_by_two_at_once() {
    for seed in 0..8 {
        let world = World::seeded(seed).await;
        let pending = pending(&world);
        let state = world.app.begin_sign_in(&pending).await.unwrap();
        let (one, other) = tokio::join!(
            world.app.take_sign_in(&state),
            world.app.take_sign_in(&state)
        );
        let taken: Vec<PendingSignIn> = [one, other]
            .into_iter()
            .filter_map(|taken| taken.unwrap())
            .collect();
        assert_eq!(taken, [pending]);
        assert_eq!(world.app.take_sign_in(&state).await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_sign_in_under_way_expires_after_an_hour() {
    let world = World::new().await;
    let state = world.app.begin_sign_in(&pending(&world)).await.unwrap();
    world.advance(SignedDuration::from_hours(1)).await;
    assert_eq!(world.app.take_sign_in(&state).await.unwrap(), None);
}

#[tokio::test]
async fn an_e_mail_address_is_pinned_to_its_first_subject() {
    let world = World::new().await;
    let ada = world.user("ada");
    let session = world.app.complete_sign_in(&ada).await.unwrap();
    assert_eq!(
        world.app.signed_in(&session).await.unwrap(),
        Some(ada.clone())
    );
    assert!(world.app.complete_sign_in(&ada).await.is_ok());
    let other = SignedIn {
        subject: Subject::parse("sub-mallory").unwrap(),
        ..ada
    };
    let refused = world.app.complete_sign_in(&other).await;
    assert!(matches!(refused, Err(SignInError::AnotherUser)));
}

#[tokio::test]
async fn of_two_subjects_at_once_one_gets_the_e_mail_address_for_ever() {
    for seed in 0..8 {
        let world = World::seeded(seed).await;
        let users = ["sub-1", "sub-2"].map(|subject| SignedIn {
            subject: Subject::parse(subject).unwrap(),
            ..world.user("ada")
        });
        let [one, other] = &users;
        let (first, second) = tokio::join!(
            world.app.complete_sign_in(one),
            world.app.complete_sign_in(other)
        );
        let accepted = [first.is_ok(), second.is_ok()];
        assert_eq!(accepted.iter().filter(|accepted| **accepted).count(), 1);
        for (user, accepted) in users.iter().zip(accepted) {
            let again = world.app.complete_sign_in(user).await;
            assert_eq!(again.is_ok(), accepted);
        }
    }
}

#[tokio::test]
async fn a_subject_with_another_e_mail_address_is_another_user_and_the_old_address_stays_theirs() {
    let world = World::new().await;
    let ada = world.user("ada");
    world.app.complete_sign_in(&ada).await.unwrap();
    let renamed = SignedIn {
        email: world.user("lovelace").email,
        ..ada.clone()
    };
    let session = world.app.complete_sign_in(&renamed).await.unwrap();
    let signed_in = world.app.signed_in(&session).await.unwrap();
    assert_eq!(signed_in.map(|user| user.email), Some(renamed.email));
    let successor = SignedIn {
        subject: Subject::parse("sub-successor").unwrap(),
        ..ada.clone()
    };
    let refused = world.app.complete_sign_in(&successor).await;
    assert!(matches!(refused, Err(SignInError::AnotherUser)));
    assert!(world.app.complete_sign_in(&ada).await.is_ok());
}

#[tokio::test]
async fn an_unverified_e_mail_address_signs_nobody_in_and_pins_nothing() {
    let world = World::new().await;
    let unverified = SignedIn {
        email_verified: false,
        subject: Subject::parse("sub-mallory").unwrap(),
        ..world.user("ada")
    };
    let refused = world.app.complete_sign_in(&unverified).await;
    assert!(matches!(refused, Err(SignInError::EmailNotVerified)));
    assert!(world.app.complete_sign_in(&world.user("ada")).await.is_ok());
}

#[tokio::test]
async fn a_sign_in_session_ends_after_12_hours_or_by_signing_out() {
    let world = World::new().await;
    let ada = world.user("ada");
    let lasting = world.app.complete_sign_in(&ada).await.unwrap();
    let ended = world.app.complete_sign_in(&ada).await.unwrap();
    world.app.sign_out(&ended).await.unwrap();
    assert_eq!(world.app.signed_in(&ended).await.unwrap(), None);
    world
        .advance(SignedDuration::from_secs(12 * 3600 - 1))
        .await;
    assert!(world.app.signed_in(&lasting).await.unwrap().is_some());
    world.advance(SignedDuration::from_secs(1)).await;
    assert_eq!(world.app.signed_in(&lasting).await.unwrap(), None);
}

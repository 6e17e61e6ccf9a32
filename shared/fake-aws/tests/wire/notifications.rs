//! SNS: what is told of the purchases of an older listing.

use fake_aws::{FakeAws, OfferKind, Purchase, ToldBy};
use serde_json::{Value, json};

use crate::support::{
    BUYER, DEPROVISIONED, ENDED, Received, UPDATED, aws, control, fake, listen, subscribe,
};

const RESOLVE: &str = "AWSMPMeteringService.ResolveCustomer";

/// The messages' bodies; an event is its detail-type.
fn told(received: &Received) -> Vec<Value> {
    let received = received.lock().unwrap();
    let told = received.iter().map(|told| match told["Type"].as_str() {
        Some("Notification") => serde_json::from_str(told["Message"].as_str().unwrap()).unwrap(),
        _ => told["detail-type"].clone(),
    });
    told.collect()
}

fn actions(received: &Received) -> Vec<String> {
    let told = told(received).into_iter();
    let action = |told: Value| told.get("action").cloned().unwrap_or(told);
    told.map(|told| action(told).as_str().unwrap().to_owned())
        .collect()
}

async fn buy(fake: &FakeAws, offer: OfferKind, told_by: ToldBy) -> fake_aws::NewAgreement {
    let purchase = Purchase {
        offer,
        buyer_account: BUYER.to_owned(),
        starts_at: None,
        auto_renewal: false,
        told_by,
    };
    fake.accept_offer(purchase).await.unwrap()
}

async fn resolved(fake: &FakeAws, token: &str) -> Value {
    let (status, answer) = aws(fake, RESOLVE, &json!({"RegistrationToken": token})).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

#[tokio::test]
async fn messages_tell_of_a_purchase_and_its_end_and_only_a_token_joins_them_to_a_license() {
    let fake = fake().await;
    let received = listen(&fake, 0);
    let made = buy(&fake, OfferKind::FreeTrial, ToldBy::Sns).await;
    fake.cancel_agreement(&made.agreement_id).await.unwrap();
    assert_eq!(
        actions(&received),
        [
            "subscribe-success",
            "unsubscribe-pending",
            "unsubscribe-success"
        ]
    );
    let answer = resolved(&fake, &made.registration_token).await;
    let customer = &answer["CustomerIdentifier"];
    for told in told(&received) {
        assert_eq!(&told["customer-identifier"], customer);
        assert_eq!(told["product-code"], answer["ProductCode"]);
        assert_eq!(told["isFreeTrialTermPresent"], "true");
        let text = told.to_string();
        assert!(!text.contains(BUYER) && !text.contains(&made.license_arn));
    }
    let envelope = received.lock().unwrap()[0].clone();
    assert_eq!(envelope["Timestamp"], "2026-11-22T10:00:00Z");
    let topic = envelope["TopicArn"].as_str().unwrap();
    assert!(topic.contains(":aws-mp-subscription-notification-"));
}

#[tokio::test]
async fn a_contract_of_an_older_listing_also_tells_that_it_entitles_to_something_else() {
    let fake = fake().await;
    let received = listen(&fake, 0);
    let made = buy(&fake, OfferKind::Consumption, ToldBy::Sns).await;
    let path = format!("/_fake/agreements/{}/amend", made.agreement_id);
    fake.advance_by(jiff::SignedDuration::from_secs(60))
        .await
        .unwrap();
    control(&fake, &path, &json!({"hours": 5})).await;
    assert_eq!(
        actions(&received),
        [
            "subscribe-success",
            "entitlement-updated",
            "entitlement-updated"
        ]
    );
}

#[tokio::test]
async fn events_may_stand_beside_the_messages_and_a_new_listing_has_them_alone() {
    let fake = fake().await;
    let received = listen(&fake, 0);
    let both = buy(&fake, OfferKind::Public, ToldBy::Both).await;
    fake.cancel_agreement(&both.agreement_id).await.unwrap();
    let told = actions(&received);
    for kind in [
        UPDATED,
        "subscribe-success",
        ENDED,
        "unsubscribe-pending",
        DEPROVISIONED,
        "unsubscribe-success",
    ] {
        assert!(told.iter().any(|told| told == kind), "{kind} of {told:?}");
    }
    let new = subscribe(&fake, OfferKind::Public).await;
    let answer = resolved(&fake, &new.registration_token).await;
    assert_eq!(answer.get("CustomerIdentifier"), None);
}

#[tokio::test]
async fn a_fault_takes_a_message_by_its_action_and_a_wrong_way_is_named() {
    let fake = fake().await;
    let received = listen(&fake, 0);
    let fault = json!({"operation": "subscribe-success", "fault": "drop_event", "times": 1});
    let (status, answer) = control(&fake, "/_fake/faults", &fault).await;
    assert_eq!(status, 200, "{answer}");
    let body = json!({"offer": "public", "buyer_account": BUYER, "told_by": "sns"});
    let (status, answer) = control(&fake, "/_fake/agreements", &body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(actions(&received), [] as [&str; 0]);
    let body = json!({"offer": "public", "buyer_account": BUYER, "told_by": "post"});
    let (status, answer) = control(&fake, "/_fake/agreements", &body).await;
    assert_eq!((status, &answer["field"]), (400, &json!("told_by")));
}

//! EventBridge: shapes, order, delivery, faults.

use std::sync::Arc;

use fake_aws::{
    AgreementStatus, Config, ControlError, EVENTS, Ending, FakeAws, Fault, FaultKind, Notice,
    OfferKind, Readings,
};
use futures_util::FutureExt as _;
use jiff::SignedDuration;
use serde_json::json;

use crate::support::{
    BUYER, CREATED, DEPROVISIONED, ENDED, ENDING, Received, UPDATED, at, config, control, fake,
    kinds, listen, subscribe,
};

#[tokio::test]
async fn a_purchase_and_its_end_send_the_captured_events_before_the_answer() {
    let fake = fake().await;
    let received = listen(&fake, 0);
    let made = subscribe(&fake, OfferKind::PrivateYearly).await;
    assert_eq!(kinds(&received), [CREATED, UPDATED]);
    fake.advance_by(SignedDuration::from_hours(1))
        .await
        .unwrap();
    fake.cancel_agreement(&made.agreement_id).await.unwrap();
    assert_eq!(kinds(&received), [CREATED, UPDATED, ENDED, DEPROVISIONED]);

    let events = received.lock().unwrap();
    let created = &events[0];
    assert_eq!(created["source"], "aws.agreement-marketplace");
    assert_eq!(created["account"], "111122223333");
    assert_eq!(created["time"], "2026-11-22T10:00:00Z");
    assert_eq!(created["detail"]["acceptor"]["accountId"], BUYER);
    assert_eq!(
        created["detail"]["agreement"],
        json!({
            "id": made.agreement_id, "intent": "NEW", "status": "ACTIVE",
            "acceptanceTime": "2026-11-22T10:00:00Z", "startTime": "2026-11-22T10:00:00Z",
            "endTime": "2027-11-22T10:00:00Z",
        })
    );
    assert_eq!(created["detail"].get("license"), None);
    let updated = &events[1]["detail"];
    assert_eq!(updated["license"]["arn"], made.license_arn);
    assert_eq!(updated["product"]["code"], config().product_code);
    assert_eq!(updated["agreement"]["id"], made.agreement_id);
    let ended = &events[2];
    assert_eq!(ended["time"], "2026-11-22T11:00:00Z");
    assert_eq!(ended["detail"]["agreement"]["status"], "CANCELLED");
    let mut ids: Vec<&str> = events
        .iter()
        .map(|event| event["id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn a_failed_delivery_is_tried_again_as_the_clock_moves() {
    let fake = fake().await;
    let received = listen(&fake, 2);
    subscribe(&fake, OfferKind::Public).await;
    assert_eq!(kinds(&received), [] as [&str; 0]);
    fake.advance_by(SignedDuration::from_secs(10))
        .await
        .unwrap();
    assert_eq!(kinds(&received), [CREATED, UPDATED]);
}

#[tokio::test]
async fn a_target_that_fails_for_a_day_loses_the_event() {
    let fake = fake().await;
    let received = listen(&fake, usize::MAX);
    subscribe(&fake, OfferKind::Public).await;
    fake.advance_by(SignedDuration::from_hours(23))
        .await
        .unwrap();
    assert_eq!(fake.state()["events_waiting"], 2);
    fake.advance_by(SignedDuration::from_hours(2))
        .await
        .unwrap();
    assert_eq!(fake.state()["events_waiting"], 0);
    assert_eq!(kinds(&received), [] as [&str; 0]);
}

#[tokio::test]
async fn events_wait_for_the_first_target_and_a_tick_delivers_them() {
    let fake = fake().await;
    let body = json!({"offer": "public", "buyer_account": BUYER});
    let (status, made) = control(&fake, "/_fake/agreements", &body).await;
    assert_eq!(status, 200, "{made}");
    fake.advance_by(SignedDuration::from_hours(30))
        .await
        .unwrap();
    assert_eq!(fake.state()["events_waiting"], 2);
    let received = listen(&fake, 1);
    assert_eq!(kinds(&received), [] as [&str; 0]);
    fake.tick().await;
    assert_eq!(kinds(&received), [UPDATED], "the other failed, once");
    fake.advance_by(SignedDuration::from_secs(5)).await.unwrap();
    assert_eq!(
        kinds(&received),
        [UPDATED, CREATED],
        "its day has just begun"
    );
    assert_eq!(received.lock().unwrap()[1]["time"], "2026-11-22T10:00:00Z");
    assert_eq!(fake.state()["events_waiting"], 0);
}

#[tokio::test]
async fn events_that_wait_for_a_first_target_survive_a_flowing_clock() {
    let config = Config {
        start: None,
        ..config()
    };
    let fake = FakeAws::start(config).await.unwrap();
    subscribe(&fake, OfferKind::Public).await;
    fake.tick().await;
    assert_eq!(fake.state()["events_waiting"], 2);
    let received = listen(&fake, 0);
    fake.tick().await;
    assert_eq!(kinds(&received), [CREATED, UPDATED]);
    assert_eq!(fake.state()["events_waiting"], 0);
}

#[tokio::test]
async fn without_a_target_the_latest_thousand_events_wait() {
    let fake = fake().await;
    let mut made = Vec::new();
    for _ in 0..501 {
        made.push(subscribe(&fake, OfferKind::Public).await.agreement_id);
    }
    assert_eq!(fake.state()["events_waiting"], 1_000);
    let received = listen(&fake, 0);
    fake.advance_by(SignedDuration::ZERO).await.unwrap();
    let received = received.lock().unwrap();
    let told: Vec<&str> = received
        .iter()
        .filter(|event| event["detail-type"] == CREATED)
        .map(|event| event["detail"]["agreement"]["id"].as_str().unwrap())
        .collect();
    assert_eq!(told, made[1..]);
    assert_eq!(received.len(), 1_000);
}

#[tokio::test]
async fn faults_drop_double_delay_and_reorder_events() {
    let fake = fake().await;
    let received = listen(&fake, 0);
    let inject = |operation: &str, kind| fake.inject_fault(Fault::new(operation, kind, 1)).unwrap();
    let taken = || {
        let kinds = kinds(&received);
        received.lock().unwrap().clear();
        kinds
    };
    inject(CREATED, FaultKind::DropEvent);
    subscribe(&fake, OfferKind::Public).await;
    assert_eq!(taken(), [UPDATED]);

    inject(UPDATED, FaultKind::DuplicateEvent);
    subscribe(&fake, OfferKind::Public).await;
    {
        let events = received.lock().unwrap();
        assert_eq!(events[1], events[2], "the same event, id and all");
    }
    assert_eq!(taken(), [CREATED, UPDATED, UPDATED]);

    inject(EVENTS, FaultKind::ReorderEvents);
    subscribe(&fake, OfferKind::Public).await;
    assert_eq!(taken(), [UPDATED, CREATED]);

    let mut delay = Fault::new(EVENTS, FaultKind::Delay, 1);
    delay.delay_ms = Some(60_000);
    fake.inject_fault(delay).unwrap();
    subscribe(&fake, OfferKind::Public).await;
    assert_eq!(taken(), [UPDATED]);
    fake.advance_by(SignedDuration::from_secs(59))
        .await
        .unwrap();
    assert_eq!(taken(), [] as [&str; 0]);
    fake.advance_by(SignedDuration::from_secs(1)).await.unwrap();
    assert_eq!(taken(), [CREATED]);
}

#[tokio::test]
async fn a_term_that_ends_on_the_way_of_the_clock_ends_the_agreement_at_its_instant() {
    let fake = fake().await;
    let received = listen(&fake, 0);
    subscribe(&fake, OfferKind::Consumption).await;
    fake.advance_to(at("2027-11-22T09:59:59Z")).await.unwrap();
    assert!(!kinds(&received).contains(&ENDED.to_owned()));
    fake.advance_to(at("2028-01-01T00:00:00Z")).await.unwrap();
    let events = received.lock().unwrap();
    let [.., ended, deprovisioned] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(ended["detail-type"], ENDED);
    assert_eq!(ended["time"], "2027-11-22T10:00:00Z");
    assert_eq!(ended["detail"]["agreement"]["status"], "EXPIRED");
    assert_eq!(deprovisioned["detail-type"], DEPROVISIONED);
}

#[tokio::test]
async fn before_a_term_ends_it_is_said_five_times_and_not_after_a_cancellation() {
    let fake = fake().await;
    let received = listen(&fake, 0);
    let made = subscribe(&fake, OfferKind::PrivateYearly).await;
    subscribe(&fake, OfferKind::Public).await;
    fake.advance_to(at("2027-09-01T00:00:00Z")).await.unwrap();
    let told = |received: &Received| -> Vec<(String, u64)> {
        let events = received.lock().unwrap();
        let ending = events.iter().filter(|event| event["detail-type"] == ENDING);
        ending
            .map(|event| {
                let agreement = &event["detail"]["agreement"];
                assert_eq!(agreement["endTime"], "2027-11-22T10:00:00Z");
                let days = agreement["daysBeforeEndTime"].as_u64().unwrap();
                (event["time"].as_str().unwrap().to_owned(), days)
            })
            .collect()
    };
    let told_at = [
        ("2027-05-26T10:00:00Z", 180),
        ("2027-07-25T10:00:00Z", 120),
        ("2027-08-24T10:00:00Z", 90),
    ];
    let told_at = told_at.map(|(at, days)| (at.to_owned(), days));
    assert_eq!(told(&received), told_at);
    fake.cancel_agreement(&made.agreement_id).await.unwrap();
    fake.advance_to(at("2028-01-01T00:00:00Z")).await.unwrap();
    assert_eq!(told(&received), told_at);
}

#[tokio::test]
async fn what_aws_says_of_an_agreement_can_be_played_and_changes_nothing() {
    let fake = fake().await;
    let received = listen(&fake, 0);
    let made = subscribe(&fake, OfferKind::Public).await;
    for (notice, detail_type) in [
        (
            Notice::AdvisoryIssued,
            "Purchase Agreement Advisory Issued - Manufacturer",
        ),
        (
            Notice::CancellationPending,
            "Agreement Cancellation Request Pending Approval - Proposer",
        ),
        (
            Notice::BillingAdjustmentCompleted,
            "Purchase Agreement Billing Adjustment Completed - Proposer",
        ),
    ] {
        fake.notice(&made.agreement_id, notice).await.unwrap();
        let event = received.lock().unwrap().last().cloned().unwrap();
        assert_eq!(event["detail-type"], detail_type);
        assert_eq!(event["detail"]["agreement"]["id"], made.agreement_id);
    }
    assert_eq!(fake.agreements()[0].status, AgreementStatus::Active);
    fake.cancel_agreement(&made.agreement_id).await.unwrap();
    let late = fake
        .notice(&made.agreement_id, Notice::AdvisoryIssued)
        .await;
    assert!(matches!(late, Err(ControlError::Ended { .. })), "{late:?}");
}

const PENDING: &str = "Agreement Cancellation Request Pending Approval - Proposer";
const APPROVED: &str = "Agreement Cancellation Request Approved - Proposer";
const REJECTED: &str = "Agreement Cancellation Request Rejected - Proposer";

#[tokio::test]
async fn a_request_to_cancel_that_nobody_answers_is_approved_after_7_days_and_ends_the_agreement() {
    let fake = fake().await;
    let received = listen(&fake, 0);
    let made = subscribe(&fake, OfferKind::Public).await;
    let pending = fake.notice(&made.agreement_id, Notice::CancellationPending);
    pending.await.unwrap();
    received.lock().unwrap().clear();
    fake.advance_to(at("2026-11-29T09:59:59Z")).await.unwrap();
    assert_eq!(kinds(&received), [] as [&str; 0]);
    fake.advance_to(at("2026-12-09T10:00:00Z")).await.unwrap();
    assert_eq!(kinds(&received), [APPROVED, ENDED, DEPROVISIONED]);
    for event in received.lock().unwrap().iter() {
        assert_eq!(event["time"], "2026-11-29T10:00:00Z");
    }
    let ended = AgreementStatus::Ended {
        at: at("2026-11-29T10:00:00Z"),
        how: Ending::Cancelled,
    };
    assert_eq!(fake.agreements()[0].status, ended);
}

#[tokio::test]
async fn a_request_to_cancel_that_was_answered_is_not_approved_by_itself() {
    let fake = fake().await;
    let received = listen(&fake, 0);
    let rejected = subscribe(&fake, OfferKind::Public).await;
    let approved = subscribe(&fake, OfferKind::Public).await;
    for (made, answer) in [
        (&rejected, Notice::CancellationRejected),
        (&approved, Notice::CancellationApproved),
    ] {
        for notice in [Notice::CancellationPending, answer] {
            fake.notice(&made.agreement_id, notice).await.unwrap();
        }
    }
    let told = [PENDING, REJECTED, PENDING, APPROVED, ENDED, DEPROVISIONED];
    assert_eq!(kinds(&received)[4..], told);
    received.lock().unwrap().clear();
    fake.advance_to(at("2026-12-09T10:00:00Z")).await.unwrap();
    assert_eq!(kinds(&received), [] as [&str; 0]);
    assert_eq!(fake.agreements()[0].status, AgreementStatus::Active);
}

#[tokio::test]
async fn deprovisioning_can_lag_behind_the_end() {
    let mut config = config();
    config.readings = Readings {
        deprovision_lag: SignedDuration::from_secs(31),
        ..Readings::default()
    };
    let fake = FakeAws::start(config).await.unwrap();
    let received = listen(&fake, 0);
    let made = subscribe(&fake, OfferKind::Public).await;
    fake.cancel_agreement(&made.agreement_id).await.unwrap();
    assert_eq!(kinds(&received), [CREATED, UPDATED, ENDED]);
    fake.advance_by(SignedDuration::from_secs(31))
        .await
        .unwrap();
    assert_eq!(kinds(&received), [CREATED, UPDATED, ENDED, DEPROVISIONED]);
    assert_eq!(received.lock().unwrap()[3]["time"], "2026-11-22T10:00:31Z");
}

#[tokio::test]
async fn a_target_may_call_the_fake_back() {
    let fake = fake().await;
    let inner = fake.clone();
    fake.on_event(Arc::new(move |event| {
        let fake = inner.clone();
        async move {
            let first = event["detail-type"] == CREATED && fake.agreements().len() < 3;
            if first {
                let made = fake.create_agreement(OfferKind::Public, BUYER).await;
                made.map_err(|error| error.to_string())?;
            }
            Ok(())
        }
        .boxed()
    }));
    subscribe(&fake, OfferKind::Public).await;
    assert_eq!(fake.agreements().len(), 3);
    assert_eq!(fake.state()["events_waiting"], 0);
}

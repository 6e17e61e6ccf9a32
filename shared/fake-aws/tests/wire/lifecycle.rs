//! The life of an agreement: begun later, renewed, replaced, amended, ended,
//! and its buyer suspended.

use fake_aws::{Agreement, AgreementStatus, Ending, FakeAws, Fault, FaultKind, OfferKind};
use serde_json::{Value, json};

use crate::support::{
    AMENDED, BUYER, CREATED, DEPROVISIONED, ENDED, ENDING, ISSUED, OTHER_BUYER, RESOLVED, Received,
    UPDATED, at, aws, control, fake, kind, kinds, listen, meter, subscribe, usage,
};

const UPCOMING: &str = "Purchase Agreement Renewal Upcoming - Proposer";

async fn bought(fake: &FakeAws, more: &Value) -> Value {
    let mut body = json!({"offer": "private-yearly", "buyer_account": BUYER});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    let (status, made) = control(fake, "/_fake/agreements", &body).await;
    assert_eq!(status, 200, "{made}");
    made
}

async fn play(fake: &FakeAws, made: &Value, what: &str, body: &Value) -> (u16, Value) {
    let id = made["agreement_id"].as_str().unwrap();
    control(fake, &format!("/_fake/agreements/{id}/{what}"), body).await
}

fn agreement(fake: &FakeAws, made: &Value) -> Agreement {
    let id = made["agreement_id"].as_str().unwrap();
    let mut all = fake.agreements().into_iter();
    all.find(|agreement| agreement.agreement_id == id).unwrap()
}

fn license_state(fake: &FakeAws, made: &Value) -> String {
    let state = fake.state();
    let licenses = state["licenses"].as_array().unwrap();
    let mut licenses = licenses.iter();
    let license = licenses.find(|license| license["license_arn"] == made["license_arn"]);
    license.unwrap()["state"].as_str().unwrap().to_owned()
}

fn taken(received: &Received) -> Vec<String> {
    let kinds = kinds(received);
    received.lock().unwrap().clear();
    kinds
}

fn last(received: &Received, kind: &str) -> Value {
    let events = received.lock().unwrap();
    let mut newest = events.iter().rev();
    newest
        .find(|event| event["detail-type"] == kind)
        .cloned()
        .unwrap()
}

async fn metered(fake: &FakeAws, made: &Value, hour: &str) -> (u16, Value) {
    let license = made["license_arn"].as_str().unwrap();
    meter(fake, &[usage(license, "medium", hour, 1)]).await
}

async fn entitlements(fake: &FakeAws) -> Vec<Value> {
    let body = json!({"ProductCode": fake_aws::Config::default().product_code});
    let (_, answer) = aws(fake, "AWSMPEntitlementService.GetEntitlements", &body).await;
    answer["Entitlements"].as_array().unwrap().clone()
}

#[tokio::test]
async fn an_agreement_accepted_for_later_resolves_at_once_and_activates_at_its_start() {
    let fake = fake().await;
    let received = listen(&fake, 0);
    let made = bought(&fake, &json!({"starts_at": "2026-11-23T10:00:00Z"})).await;
    assert_eq!(kinds(&received), [CREATED]);
    let created = &last(&received, CREATED)["detail"]["agreement"];
    assert_eq!(created["acceptanceTime"], "2026-11-22T10:00:00Z");
    assert_eq!(created["startTime"], "2026-11-23T10:00:00Z");
    assert_eq!(created["endTime"], "2027-11-23T10:00:00Z");
    let resolve = json!({"RegistrationToken": made["registration_token"]});
    let (status, resolved) = aws(&fake, "AWSMPMeteringService.ResolveCustomer", &resolve).await;
    assert_eq!(
        (status, &resolved["LicenseArn"]),
        (200, &made["license_arn"])
    );
    assert_eq!(license_state(&fake, &made), "scheduled");
    let (_, early) = metered(&fake, &made, "2026-11-22T10:00:00Z").await;
    assert_eq!(kind(&early), "InvalidLicenseException");
    assert_eq!(entitlements(&fake).await, [] as [Value; 0]);

    fake.advance_to(at("2026-11-23T09:59:59Z")).await.unwrap();
    assert_eq!(kinds(&received), [CREATED]);
    fake.advance_to(at("2026-11-23T11:00:00Z")).await.unwrap();
    assert_eq!(kinds(&received), [CREATED, UPDATED]);
    assert_eq!(last(&received, UPDATED)["time"], "2026-11-23T10:00:00Z");
    assert_eq!(license_state(&fake, &made), "active");
    let (_, answer) = metered(&fake, &made, "2026-11-23T10:00:00Z").await;
    assert_eq!(answer["Results"][0]["Status"], "Success");
    assert_eq!(entitlements(&fake).await.len(), 4);
}

#[tokio::test]
async fn an_agreement_cancelled_before_its_start_never_activates() {
    let fake = fake().await;
    let received = listen(&fake, 0);
    let made = bought(&fake, &json!({"starts_at": "2026-11-23T10:00:00Z"})).await;
    assert_eq!(play(&fake, &made, "cancel", &json!({})).await.0, 200);
    fake.advance_to(at("2026-12-01T00:00:00Z")).await.unwrap();
    assert_eq!(kinds(&received), [CREATED, ENDED, DEPROVISIONED]);
    assert_eq!(license_state(&fake, &made), "ended");
}

#[tokio::test]
async fn a_renewal_with_the_same_license_goes_on_metering_it() {
    let fake = fake().await;
    let received = listen(&fake, 0);
    let old = bought(&fake, &json!({})).await;
    taken(&received);
    let (status, new) = play(&fake, &old, "renew", &json!({"license": "same"})).await;
    assert_eq!(status, 200, "{new}");
    assert_eq!(new["license_arn"], old["license_arn"]);
    let ended = last(&received, ENDED)["detail"]["agreement"].clone();
    assert_eq!(
        ended,
        json!({"id": old["agreement_id"], "status": "RENEWED"})
    );
    let created = last(&received, CREATED)["detail"]["agreement"].clone();
    assert_eq!(created["intent"], "RENEW");
    assert_eq!(created["previousAgreementId"], old["agreement_id"]);
    let updated = &last(&received, UPDATED)["detail"];
    assert_eq!(updated["agreement"]["id"], new["agreement_id"]);
    assert_eq!(updated["license"]["arn"], old["license_arn"]);
    assert_eq!(taken(&received), [CREATED, UPDATED, ENDED]);

    let renewed = agreement(&fake, &new);
    assert_eq!(
        renewed.initial_agreement_id,
        agreement(&fake, &old).agreement_id
    );
    assert_eq!(license_state(&fake, &new), "active");
    let (_, answer) = metered(&fake, &new, "2026-11-22T10:00:00Z").await;
    assert_eq!(answer["Results"][0]["Status"], "Success");
    assert_eq!(entitlements(&fake).await.len(), 4, "one for each dimension");
    assert_eq!(
        play(&fake, &old, "renew", &json!({"license": "same"}))
            .await
            .0,
        409
    );
    play(&fake, &new, "cancel", &json!({})).await;
    assert_eq!(license_state(&fake, &new), "ended");
}

#[tokio::test]
async fn a_replacement_with_a_new_license_deprovisions_the_old_one() {
    let fake = fake().await;
    let received = listen(&fake, 0);
    let old = bought(&fake, &json!({})).await;
    taken(&received);
    let body = json!({"license": "new", "intent": "REPLACE", "offer": "private-monthly"});
    let (_, new) = play(&fake, &old, "renew", &body).await;
    assert_ne!(new["license_arn"], old["license_arn"]);
    let gone = &last(&received, DEPROVISIONED)["detail"];
    assert_eq!(gone["license"]["arn"], old["license_arn"]);
    assert_eq!(gone["agreement"]["id"], old["agreement_id"]);
    assert_eq!(
        last(&received, ENDED)["detail"]["agreement"]["status"],
        "REPLACED"
    );
    assert_eq!(taken(&received), [CREATED, UPDATED, ENDED, DEPROVISIONED]);
    assert_eq!(license_state(&fake, &old), "ended");
    assert_eq!(license_state(&fake, &new), "active");
    assert_eq!(agreement(&fake, &new).offer, OfferKind::PrivateMonthly);
}

#[tokio::test]
async fn a_renewal_for_later_takes_over_at_its_start() {
    let fake = fake().await;
    let received = listen(&fake, 0);
    let old = bought(&fake, &json!({})).await;
    taken(&received);
    let late = json!({"license": "new", "starts_at": "2027-11-22T10:00:01Z"});
    let (status, refused) = play(&fake, &old, "renew", &late).await;
    assert_eq!((status, &refused["field"]), (400, &json!("starts_at")));
    let body = json!({"license": "new", "starts_at": "2026-12-01T00:00:00Z"});
    let (_, new) = play(&fake, &old, "renew", &body).await;
    assert_eq!(taken(&received), [CREATED]);
    assert_eq!(play(&fake, &old, "renew", &body).await.0, 409);
    assert_eq!(play(&fake, &old, "cancel", &json!({})).await.0, 409);
    assert_eq!(play(&fake, &new, "renew", &body).await.0, 409);
    let before = json!({"ends_at": "2026-11-30T00:00:00Z"});
    let (status, refused) = play(&fake, &old, "amend", &before).await;
    assert_eq!((status, &refused["field"]), (400, &json!("ends_at")));
    assert_eq!(license_state(&fake, &old), "active");
    fake.advance_to(at("2026-12-02T00:00:00Z")).await.unwrap();
    assert_eq!(last(&received, ENDED)["time"], "2026-12-01T00:00:00Z");
    assert_eq!(taken(&received), [UPDATED, ENDED, DEPROVISIONED]);
    assert_eq!(license_state(&fake, &old), "ended");
    assert_eq!(license_state(&fake, &new), "active");
}

#[tokio::test]
async fn a_renewal_of_the_same_license_can_be_cancelled_before_it_begins() {
    let fake = fake().await;
    let old = bought(&fake, &json!({})).await;
    let body = json!({"license": "same", "starts_at": "2026-12-01T00:00:00Z"});
    let (_, new) = play(&fake, &old, "renew", &body).await;
    let received = listen(&fake, 0);
    assert_eq!(play(&fake, &new, "cancel", &json!({})).await.0, 200);
    assert_eq!(taken(&received), [ENDED], "the license lives on");
    assert_eq!(license_state(&fake, &old), "active");
    assert_eq!(play(&fake, &old, "renew", &body).await.0, 200);
}

#[tokio::test]
async fn a_renewal_gives_no_second_trial() {
    let fake = fake().await;
    let first = bought(&fake, &json!({"offer": "free-trial"})).await;
    let (_, second) = play(&fake, &first, "renew", &json!({"license": "same"})).await;
    for (made, free) in [(&first, true), (&second, false)] {
        let body = json!({"agreementId": made["agreement_id"]});
        let target = "AWSMPCommerceService_v20200301.DescribeAgreement";
        let (_, described) = aws(&fake, target, &body).await;
        assert_eq!(described.get("freeTrialSummary").is_some(), free);
    }
}

#[tokio::test]
async fn a_term_that_renews_itself_goes_on_year_after_year() {
    let fake = fake().await;
    let received = listen(&fake, 0);
    let made = bought(&fake, &json!({"auto_renewal": true})).await;
    taken(&received);
    fake.advance_to(at("2027-10-24T00:00:00Z")).await.unwrap();
    let ending = &last(&received, ENDING)["detail"];
    assert_eq!(ending["agreement"]["autoRenewalEnabled"], true);
    let upcoming = &last(&received, UPCOMING);
    assert_eq!(upcoming["time"], "2027-10-23T10:00:00Z");
    assert_eq!(upcoming["detail"]["renewalSummary"]["tcv"], "9600.00");
    taken(&received);
    fake.advance_to(at("2027-11-22T10:00:00Z")).await.unwrap();
    let created = last(&received, CREATED)["detail"]["agreement"].clone();
    assert_eq!(created["startTime"], "2027-11-22T10:00:00Z");
    assert_eq!(created["endTime"], "2028-11-22T10:00:00Z");
    assert_eq!(taken(&received), [CREATED, UPDATED, ENDED]);
    fake.advance_to(at("2028-11-22T10:00:00Z")).await.unwrap();
    let chain = fake.agreements();
    assert_eq!(chain.len(), 3);
    let first = &chain[0].agreement_id;
    assert!(
        chain
            .iter()
            .all(|agreement| agreement.initial_agreement_id == *first)
    );
    assert_eq!(
        chain[2].previous_agreement_id.as_ref(),
        Some(&chain[1].agreement_id)
    );
    assert_eq!(license_state(&fake, &made), "active");
}

#[tokio::test]
async fn an_amendment_changes_terms_end_and_entitlements_of_the_same_agreement() {
    let fake = fake().await;
    let received = listen(&fake, 0);
    let made = bought(&fake, &json!({})).await;
    taken(&received);
    let body =
        json!({"offer": "consumption", "ends_at": "2028-01-01T00:00:00Z", "hours": 250_000_u32});
    let (status, answer) = play(&fake, &made, "amend", &body).await;
    assert_eq!(status, 200, "{answer}");
    let amended = last(&received, AMENDED)["detail"].clone();
    assert_eq!(
        amended["agreement"],
        json!({
            "id": made["agreement_id"], "intent": "AMEND", "status": "ACTIVE",
            "acceptanceTime": "2026-11-22T10:00:00Z", "startTime": "2026-11-22T10:00:00Z",
            "endTime": "2028-01-01T00:00:00Z", "autoRenewalEnabled": false,
        })
    );
    assert_eq!(
        amended["renewalSummary"]["lockoutStartTime"],
        "2027-12-02T00:00:00Z"
    );
    assert_eq!(taken(&received), [AMENDED, UPDATED]);
    let found = entitlements(&fake).await;
    assert_eq!(found[0]["Value"], json!({"IntegerValue": 250_000}));
    let end = at("2028-01-01T00:00:00Z").as_second();
    assert_eq!(found[0]["ExpirationDate"], end);
    fake.advance_to(at("2027-12-31T00:00:00Z")).await.unwrap();
    assert_eq!(agreement(&fake, &made).status, AgreementStatus::Active);
    fake.advance_to(at("2028-01-01T00:00:00Z")).await.unwrap();
    let expired = AgreementStatus::Ended {
        at: at("2028-01-01T00:00:00Z"),
        how: Ending::Expired,
    };
    assert_eq!(agreement(&fake, &made).status, expired);
    assert_eq!(entitlements(&fake).await, [] as [Value; 0]);
}

#[tokio::test]
async fn aws_terminates_an_agreement() {
    let fake = fake().await;
    let received = listen(&fake, 0);
    let made = bought(&fake, &json!({"offer": "public"})).await;
    taken(&received);
    let (status, answer) = play(&fake, &made, "terminate", &json!({})).await;
    assert_eq!((status, &answer["status"]), (200, &json!("TERMINATED")));
    let ended = last(&received, ENDED)["detail"]["agreement"].clone();
    assert_eq!(ended["status"], "TERMINATED");
    assert_eq!(taken(&received), [ENDED, DEPROVISIONED]);
    assert_eq!(play(&fake, &made, "terminate", &json!({})).await.0, 409);
}

#[tokio::test]
async fn a_suspension_puts_an_advisory_on_what_goes_on_and_its_end_resolves_them() {
    let fake = fake().await;
    let received = listen(&fake, 0);
    for _ in 0..2 {
        bought(&fake, &json!({})).await;
    }
    let ended = bought(&fake, &json!({})).await;
    play(&fake, &ended, "cancel", &json!({})).await;
    let other = fake.create_agreement(OfferKind::Public, OTHER_BUYER);
    other.await.unwrap();
    taken(&received);
    let path = format!("/_fake/buyers/{BUYER}");
    for _ in 0..2 {
        control(&fake, &format!("{path}/suspend"), &json!({})).await;
    }
    assert_eq!(taken(&received), [ISSUED, ISSUED], "suspended once");
    for _ in 0..2 {
        control(&fake, &format!("{path}/restore"), &json!({})).await;
    }
    assert_eq!(taken(&received), [RESOLVED, RESOLVED]);
}

#[tokio::test]
async fn faults_befall_the_events_of_every_step() {
    let fake = fake().await;
    let received = listen(&fake, 0);
    let made = subscribe(&fake, OfferKind::PrivateYearly).await;
    taken(&received);
    let id = &made.agreement_id;
    fake.inject_fault(Fault::new(AMENDED, FaultKind::DropEvent, 1))
        .unwrap();
    let body = json!({"hours": 5});
    control(&fake, &format!("/_fake/agreements/{id}/amend"), &body).await;
    assert_eq!(taken(&received), [UPDATED]);
    fake.inject_fault(Fault::new("events", FaultKind::ReorderEvents, 1))
        .unwrap();
    let body = json!({"license": "new"});
    control(&fake, &format!("/_fake/agreements/{id}/renew"), &body).await;
    assert_eq!(taken(&received), [DEPROVISIONED, ENDED, UPDATED, CREATED]);
}

#[tokio::test]
async fn what_cannot_be_played_is_refused_by_field_and_changes_nothing() {
    let fake = fake().await;
    let contract = bought(&fake, &json!({})).await;
    let metered = bought(&fake, &json!({"offer": "public"})).await;
    let before = fake.state()["agreements"].clone();
    let buy = |more: Value| {
        let mut body = json!({"offer": "public", "buyer_account": BUYER});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        body
    };
    for (body, field) in [
        (json!({"starts_at": "2026-11-22T09:59:59Z"}), "starts_at"),
        (json!({"starts_at": "tomorrow"}), "starts_at"),
        (json!({"auto_renewal": true}), "auto_renewal"),
        (json!({"auto_renewal": "yes"}), "auto_renewal"),
    ] {
        let (status, answer) = control(&fake, "/_fake/agreements", &buy(body)).await;
        assert_eq!((status, &answer["field"]), (400, &json!(field)), "{answer}");
    }
    for (made, what, body, field) in [
        (&contract, "renew", json!({}), "license"),
        (&contract, "renew", json!({"license": "old"}), "license"),
        (
            &contract,
            "renew",
            json!({"license": "same", "intent": "NEW"}),
            "intent",
        ),
        (
            &contract,
            "renew",
            json!({"license": "same", "offer": "x"}),
            "offer",
        ),
        (&contract, "amend", json!({}), "offer"),
        (&contract, "amend", json!({"hours": -1}), "hours"),
        (
            &contract,
            "amend",
            json!({"hours": 2_147_483_648_u32}),
            "hours",
        ),
        (
            &contract,
            "amend",
            json!({"ends_at": "2026-11-22T10:00:00Z"}),
            "ends_at",
        ),
        (&metered, "amend", json!({"hours": 5}), "hours"),
        (
            &metered,
            "amend",
            json!({"ends_at": "2027-11-22T10:00:00Z"}),
            "ends_at",
        ),
    ] {
        let (status, answer) = play(&fake, made, what, &body).await;
        assert_eq!((status, &answer["field"]), (400, &json!(field)), "{answer}");
    }
    let nobody = json!({"agreement_id": "agmt-none"});
    for (what, body) in [
        ("renew", json!({"license": "same"})),
        ("amend", json!({"hours": 5})),
        ("terminate", json!({})),
    ] {
        assert_eq!(play(&fake, &nobody, what, &body).await.0, 404, "{what}");
    }
    assert_eq!(fake.state()["agreements"], before);
}

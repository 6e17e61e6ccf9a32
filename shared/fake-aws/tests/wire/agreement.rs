//! The agreement API, by the real SDK in CBOR and as plain JSON.

use aws_sdk_marketplaceagreement::Client;
use aws_sdk_marketplaceagreement::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_marketplaceagreement::operation::describe_agreement::DescribeAgreementOutput;
use aws_sdk_marketplaceagreement::types::{
    AcceptedTerm, AgreementStatus, AgreementViewSummary, EndTimeBehaviorReasonCode,
    EndTimeBehaviorType, Filter, Sort, SortOrder,
};
use fake_aws::{
    Amendment, Config, FakeAws, Fault, FaultKind, NewAgreement, OfferKind, Purchase, RateLimit,
    Readings, Renewal, RenewalIntent, RenewedLicense, ToldBy,
};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::support::{
    BUYER, OTHER_BUYER, agreement_client, at, aws, config, fake, kind, serve, subscribe,
};

const DESCRIBE: &str = "AWSMPCommerceService_v20200301.DescribeAgreement";
const SEARCH: &str = "AWSMPCommerceService_v20200301.SearchAgreements";

async fn later(fake: &FakeAws, offer: OfferKind, auto_renewal: bool) -> NewAgreement {
    let purchase = Purchase {
        offer,
        buyer_account: BUYER.to_owned(),
        starts_at: Some(at("2026-12-01T00:00:00Z")),
        auto_renewal,
        told_by: ToldBy::EventBridge,
    };
    fake.accept_offer(purchase).await.unwrap()
}

async fn renewed(fake: &FakeAws, before: &NewAgreement, license: RenewedLicense) -> NewAgreement {
    let renewal = Renewal {
        license,
        intent: RenewalIntent::Renew,
        offer: None,
        starts_at: None,
    };
    let renewed = fake.renew_agreement(&before.agreement_id, renewal);
    renewed.await.unwrap()
}

async fn described(client: &Client, made: &NewAgreement) -> DescribeAgreementOutput {
    let describe = client.describe_agreement();
    let describe = describe.agreement_id(&made.agreement_id);
    describe.send().await.unwrap()
}

fn filter(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

/// Every page of what passes the filters, besides the type that is required.
async fn found(client: &Client, filters: &[(&str, &str)]) -> Vec<AgreementViewSummary> {
    let mut search = client.search_agreements().max_results(2);
    search = search.filters(filter("AgreementType", "PurchaseAgreement"));
    for (name, value) in filters {
        search = search.filters(filter(name, value));
    }
    let mut pages = search.into_paginator().send();
    let mut found = Vec::new();
    while let Some(page) = pages.next().await {
        found.extend_from_slice(page.unwrap().agreement_view_summaries());
    }
    found
}

async fn ids(client: &Client, filters: &[(&str, &str)]) -> Vec<String> {
    let found = found(client, filters).await;
    let ids = found.iter().map(|summary| summary.agreement_id().unwrap());
    ids.map(str::to_owned).collect()
}

async fn terms(client: &Client, made: &NewAgreement) -> Vec<AcceptedTerm> {
    let get = client.get_agreement_terms().max_results(2);
    let mut pages = get.agreement_id(&made.agreement_id).into_paginator().send();
    let mut terms = Vec::new();
    while let Some(page) = pages.next().await {
        terms.extend_from_slice(page.unwrap().accepted_terms());
    }
    terms
}

async fn entitled(client: &Client, made: &NewAgreement) -> (String, Option<String>) {
    let get = client.get_agreement_entitlements();
    let answer = get.agreement_id(&made.agreement_id).send().await.unwrap();
    assert_eq!(answer.agreement_entitlements().len(), 1);
    let entitlement = &answer.agreement_entitlements()[0];
    assert_eq!(entitlement.license_arn(), Some(made.license_arn.as_str()));
    assert_eq!(entitlement.registration_token(), None, "for acceptors only");
    let reason = entitlement.status_reason_code();
    (
        entitlement.status().unwrap().to_string(),
        reason.map(ToString::to_string),
    )
}

#[tokio::test]
async fn the_rust_sdk_reads_an_agreement_with_its_chain_and_its_times() {
    let fake = fake().await;
    let client = agreement_client(&serve(&fake).await);
    let first = subscribe(&fake, OfferKind::PrivateYearly).await;
    let second = renewed(&fake, &first, RenewedLicense::Same).await;
    let read = described(&client, &second).await;
    assert_eq!(read.status(), Some(&AgreementStatus::Active));
    assert_eq!(
        read.initial_agreement_id(),
        Some(first.agreement_id.as_str())
    );
    assert_eq!(read.acceptor().unwrap().account_id(), Some(BUYER));
    let end = at("2027-11-22T10:00:00Z").as_second();
    assert_eq!(read.end_time().unwrap().secs(), end);
    let behavior = read.end_time_behavior().unwrap();
    assert_eq!(behavior.r#type(), &EndTimeBehaviorType::Expire);
    let reason = behavior.reason_code();
    assert_eq!(
        reason,
        Some(&EndTimeBehaviorReasonCode::AcceptorRenewOptedOut)
    );
    let proposal = read.proposal_summary().unwrap();
    assert_eq!(proposal.offer_id(), Some("offer-pvy5r9zt4bg7k"));
    assert_eq!(proposal.resources()[0].r#type(), Some("SaaSProduct"));
    let charges = read.estimated_charges().unwrap();
    assert_eq!(charges.agreement_value(), Some("9600.00"));

    let old = described(&client, &first).await;
    assert_eq!(old.status(), Some(&AgreementStatus::Renewed));
    assert!(old.end_time_behavior().is_none());
    assert_eq!(
        old.end_time().unwrap().secs(),
        at("2026-11-22T10:00:00Z").as_second()
    );
}

#[tokio::test]
async fn pay_as_you_go_has_no_end_and_a_trial_says_when_it_does() {
    let fake = fake().await;
    let client = agreement_client(&serve(&fake).await);
    let trial = subscribe(&fake, OfferKind::FreeTrial).await;
    let read = described(&client, &trial).await;
    assert!(read.end_time().is_none() && read.end_time_behavior().is_none());
    let until = at("2026-12-06T10:00:00Z").as_second();
    let body = json!({"agreementId": trial.agreement_id});
    let (_, raw) = aws(&fake, DESCRIBE, &body).await;
    assert_eq!(raw["freeTrialSummary"], json!({"trialEndTime": until}));
    let body = json!({"filters": [{"name": "AgreementType", "values": ["PurchaseAgreement"]}]});
    let (_, raw) = aws(&fake, SEARCH, &body).await;
    assert_eq!(raw["agreementViewSummaries"][0]["freeTrialEndTime"], until);
    fake.cancel_agreement(&trial.agreement_id).await.unwrap();
    let read = described(&client, &trial).await;
    assert_eq!(read.status(), Some(&AgreementStatus::Cancelled));
    assert!(read.end_time().is_none());
}

#[tokio::test]
async fn an_agreement_accepted_for_later_is_active_with_its_start_ahead() {
    let fake = fake().await;
    let client = agreement_client(&serve(&fake).await);
    let made = later(&fake, OfferKind::PrivateMonthly, true).await;
    let read = described(&client, &made).await;
    assert_eq!(read.status(), Some(&AgreementStatus::Active));
    let seconds = |text| at(text).as_second();
    assert_eq!(
        read.acceptance_time().unwrap().secs(),
        seconds("2026-11-22T10:00:00Z")
    );
    assert_eq!(
        read.start_time().unwrap().secs(),
        seconds("2026-12-01T00:00:00Z")
    );
    let behavior = read.end_time_behavior().unwrap();
    assert_eq!(behavior.r#type(), &EndTimeBehaviorType::Renew);
    assert_eq!(behavior.reason_code(), None);
    let renewal = behavior.renewal_summary().unwrap();
    assert_eq!(renewal.offer_id(), Some("offer-pvm6s1lu8fh3p"));
}

#[tokio::test]
async fn a_search_finds_by_each_of_the_filters() {
    let fake = fake().await;
    let client = agreement_client(&serve(&fake).await);
    let first = subscribe(&fake, OfferKind::PrivateYearly).await;
    let other = fake.create_agreement(OfferKind::Public, OTHER_BUYER);
    let other = other.await.unwrap();
    fake.advance_to(at("2026-11-23T10:00:00Z")).await.unwrap();
    let second = renewed(&fake, &first, RenewedLicense::New).await;
    let ahead = later(&fake, OfferKind::Consumption, true).await;
    let [first_id, second_id] = [&first, &second].map(|made| made.agreement_id.as_str());
    let [other_id, ahead_id] = [&other, &ahead].map(|made| made.agreement_id.as_str());
    let all = [first_id, second_id, ahead_id, other_id];
    assert_eq!(ids(&client, &[]).await, all, "by end, the endless last");
    for (name, value, expected) in [
        ("PartyType", "Proposer", &all[..]),
        ("PartyType", "Acceptor", &[]),
        ("ResourceIdentifier", "prod-fakeprotect7xq4", &all),
        ("ResourceType", "SaaSProduct", &all),
        ("ResourceType", "AmiProduct", &[]),
        ("AcceptorAccountId", OTHER_BUYER, &[other_id]),
        ("OfferId", "offer-cwc2y4na9ej6r", &[ahead_id]),
        ("OfferSetId", "offerset-1", &[]),
        ("IncludesContactOfType", "ACCEPTOR", &[]),
        ("Status", "ACTIVE", &[second_id, ahead_id, other_id]),
        ("Status", "RENEWED", &[first_id]),
        ("InitialAgreementId", first_id, &[first_id, second_id]),
        ("LicenseArn", &second.license_arn, &[second_id]),
        ("EndTimeBehaviorType", "RENEW", &[ahead_id]),
        (
            "EndTimeBehaviorReasonCode",
            "ACCEPTOR_RENEW_OPTED_OUT",
            &[second_id],
        ),
        ("AfterEndTime", "2027-11-23T10:00:00Z", &[ahead_id]),
        ("BeforeEndTime", "2027-11-23T10:00:00Z", &[first_id]),
        ("AfterStartTime", "2026-11-23T10:00:00Z", &[ahead_id]),
        (
            "BeforeStartTime",
            "2026-11-23T10:00:00Z",
            &[first_id, other_id],
        ),
        (
            "AfterLastUpdateTime",
            "2026-11-23T09:00:00Z",
            &[first_id, second_id, ahead_id],
        ),
        ("BeforeLastUpdateTime", "2026-11-23T09:00:00Z", &[other_id]),
    ] {
        assert_eq!(
            ids(&client, &[(name, value)]).await,
            expected,
            "{name} {value}"
        );
    }
    let both = [("Status", "ACTIVE"), ("AcceptorAccountId", BUYER)];
    assert_eq!(ids(&client, &both).await, [second_id, ahead_id]);
}

#[tokio::test]
async fn a_summary_says_when_it_changed_and_which_license_it_grants() {
    let fake = fake().await;
    let client = agreement_client(&serve(&fake).await);
    let made = subscribe(&fake, OfferKind::FreeTrial).await;
    fake.advance_to(at("2026-11-25T00:00:00Z")).await.unwrap();
    let amendment = Amendment {
        offer: Some(OfferKind::PrivateYearly),
        ..Amendment::default()
    };
    let amended = fake.amend_agreement(&made.agreement_id, amendment);
    amended.await.unwrap();
    let found = found(&client, &[]).await;
    let summary = &found[0];
    let updated = summary.last_update_time().unwrap().secs();
    assert_eq!(updated, at("2026-11-25T00:00:00Z").as_second());
    let license = summary.entitlements()[0].license_arn();
    assert_eq!(license, Some(made.license_arn.as_str()));
    let behavior = summary.end_time_behavior_type();
    assert_eq!(behavior, Some(&EndTimeBehaviorType::Expire));
    let end = summary.end_time().unwrap().secs();
    assert_eq!(end, at("2027-11-25T00:00:00Z").as_second());
}

#[tokio::test]
async fn a_search_is_sorted_as_asked() {
    let fake = fake().await;
    let client = agreement_client(&serve(&fake).await);
    let ahead = later(&fake, OfferKind::Consumption, false).await;
    let now = subscribe(&fake, OfferKind::Public).await;
    for (order, expected) in [
        (SortOrder::Ascending, [&now, &ahead]),
        (SortOrder::Descending, [&ahead, &now]),
    ] {
        let sort = Sort::builder().sort_by("StartTime").sort_order(order);
        let search = client.search_agreements().sort(sort.build());
        let search = search.filters(filter("AgreementType", "PurchaseAgreement"));
        let answer = search.send().await.unwrap();
        let summaries = answer.agreement_view_summaries();
        let found: Vec<&str> = summaries.iter().filter_map(|s| s.agreement_id()).collect();
        assert_eq!(found, expected.map(|made| made.agreement_id.as_str()));
    }
}

#[tokio::test]
async fn what_a_search_cannot_be_asked_is_a_validation_error() {
    let fake = fake().await;
    let one = |name: &str, value: Value| json!({"name": name, "values": value});
    let typed = one("AgreementType", json!(["PurchaseAgreement"]));
    for body in [
        json!({}),
        json!({"filters": [one("Status", json!(["ACTIVE"]))]}),
        json!({"filters": [typed, one("Color", json!(["red"]))]}),
        json!({"filters": [typed, one("AgreementId", json!(["agmt-1"]))]}),
        json!({"filters": [typed, one("Status", json!([]))]}),
        json!({"filters": [typed, one("Status", json!(["ACTIVE", "EXPIRED"]))]}),
        json!({"filters": [typed, one("AfterEndTime", json!(["soon"]))]}),
        json!({"filters": vec![typed.clone(); 11]}),
        json!({"filters": [typed], "maxResults": 51}),
        json!({"filters": [typed], "nextToken": "nonsense"}),
        json!({"filters": [typed], "sort": {"sortBy": "Price"}}),
        json!({"filters": [typed], "sort": {"sortOrder": "UP"}}),
        json!({"filters": [typed], "catalog": "Another"}),
    ] {
        let (status, answer) = aws(&fake, SEARCH, &body).await;
        assert_eq!(
            (status, kind(&answer)),
            (400, "ValidationException"),
            "{body}"
        );
    }
}

#[tokio::test]
async fn the_terms_of_pay_as_you_go_are_its_rates() {
    let fake = fake().await;
    let client = agreement_client(&serve(&fake).await);
    let made = subscribe(&fake, OfferKind::FreeTrial).await;
    let terms = terms(&client, &made).await;
    let usage = terms
        .iter()
        .find_map(|term| term.as_usage_based_pricing_term().ok());
    let usage = usage.unwrap();
    assert_eq!(usage.currency_code(), Some("USD"));
    let card: Vec<(&str, &str)> = usage.rate_cards()[0]
        .rate_card()
        .iter()
        .map(|item| (item.dimension_key().unwrap(), item.price().unwrap()))
        .collect();
    assert_eq!(
        card,
        [
            ("medium", "0.011"),
            ("large", "0.032"),
            ("xlarge", "0.047"),
            ("datacenter", "0.06")
        ]
    );
    let trial = terms
        .iter()
        .find_map(|term| term.as_free_trial_pricing_term().ok());
    assert_eq!(trial.unwrap().duration(), Some("P14D"));
    assert!(terms.iter().any(AcceptedTerm::is_legal_term));
    assert!(!terms.iter().any(AcceptedTerm::is_validity_term));
    assert!(!terms.iter().any(AcceptedTerm::is_renewal_term));
}

#[tokio::test]
async fn the_terms_of_a_contract_are_what_is_prepaid_and_what_was_amended() {
    let fake = fake().await;
    let client = agreement_client(&serve(&fake).await);
    let made = later(&fake, OfferKind::PrivateMonthly, true).await;
    let monthly = terms(&client, &made).await;
    let fixed = monthly
        .iter()
        .find_map(|term| term.as_fixed_upfront_pricing_term().ok());
    let fixed = fixed.unwrap();
    assert_eq!(
        (fixed.duration(), fixed.price()),
        (Some("P12M"), Some("0.00"))
    );
    assert_eq!(fixed.grants()[0].max_quantity(), 87_600);
    let schedule = monthly
        .iter()
        .find_map(|term| term.as_payment_schedule_term().ok());
    let schedule = schedule.unwrap().schedule();
    assert_eq!(schedule.len(), 12);
    assert_eq!(schedule[1].charge_amount(), Some("850.00"));
    let charged = schedule[1].charge_date().unwrap().secs();
    assert_eq!(charged, at("2027-01-01T00:00:00Z").as_second());
    let renewal = monthly.iter().find_map(|term| term.as_renewal_term().ok());
    assert!(
        renewal
            .unwrap()
            .configuration()
            .unwrap()
            .enable_auto_renew()
    );
    let validity = monthly.iter().find_map(|term| term.as_validity_term().ok());
    let starts = validity.unwrap().agreement_start_date().unwrap().secs();
    assert_eq!(starts, at("2026-12-01T00:00:00Z").as_second());

    let amendment = Amendment {
        offer: Some(OfferKind::Consumption),
        hours: Some(2_000),
        ends_at: Some(at("2027-06-30T00:00:00Z")),
        payments: None,
    };
    let amended = fake.amend_agreement(&made.agreement_id, amendment);
    amended.await.unwrap();
    let amended = terms(&client, &made).await;
    let upfront = amended
        .iter()
        .find_map(|term| term.as_configurable_upfront_pricing_term().ok());
    let upfront = upfront.unwrap();
    let chosen = upfront.configuration().unwrap();
    assert_eq!(chosen.selector_value(), "P12M");
    assert_eq!(chosen.dimensions()[0].dimension_key(), "medium_hours");
    assert_eq!(chosen.dimensions()[0].dimension_value(), 2_000);
    let validity = amended.iter().find_map(|term| term.as_validity_term().ok());
    let ends = validity.unwrap().agreement_end_date().unwrap().secs();
    assert_eq!(ends, at("2027-06-30T00:00:00Z").as_second());
    assert!(!amended.iter().any(AcceptedTerm::is_payment_schedule_term));
}

#[tokio::test]
async fn an_agreements_license_is_scheduled_provisioned_suspended_and_gone() {
    let fake = fake().await;
    let client = agreement_client(&serve(&fake).await);
    let made = later(&fake, OfferKind::PrivateYearly, false).await;
    let scheduled = ("SCHEDULED".to_owned(), Some("FUTURE_START_DATE".to_owned()));
    assert_eq!(entitled(&client, &made).await, scheduled);
    fake.advance_to(at("2026-12-01T00:00:00Z")).await.unwrap();
    let provisioned = ("PROVISIONED".to_owned(), None);
    assert_eq!(entitled(&client, &made).await, provisioned);
    fake.suspend_buyer(BUYER).await.unwrap();
    let (_, reason) = entitled(&client, &made).await;
    assert_eq!(reason.as_deref(), Some("ACCOUNT_SUSPENDED"));
    fake.restore_buyer(BUYER).await.unwrap();
    assert_eq!(entitled(&client, &made).await, provisioned);
    fake.terminate_agreement(&made.agreement_id).await.unwrap();
    let gone = (
        "DEPROVISIONED".to_owned(),
        Some("AGREEMENT_INACTIVE".to_owned()),
    );
    assert_eq!(entitled(&client, &made).await, gone);
}

#[tokio::test]
async fn an_unknown_agreement_is_not_found_by_any_operation() {
    let fake = fake().await;
    for operation in [
        "DescribeAgreement",
        "GetAgreementTerms",
        "GetAgreementEntitlements",
    ] {
        let target = format!("AWSMPCommerceService_v20200301.{operation}");
        let (_, answer) = aws(&fake, &target, &json!({"agreementId": "agmt-none"})).await;
        assert_eq!(kind(&answer), "ResourceNotFoundException", "{operation}");
    }
}

#[tokio::test]
async fn faults_befall_the_agreement_api() {
    let fake = fake().await;
    let client = agreement_client(&serve(&fake).await);
    let made = subscribe(&fake, OfferKind::Public).await;
    let inject = |operation: &str, kind| fake.inject_fault(Fault::new(operation, kind, 1)).unwrap();
    for (fault, code) in [
        (FaultKind::Throttle, "ThrottlingException"),
        (FaultKind::InternalError, "InternalServerException"),
    ] {
        inject("GetAgreementTerms", fault);
        let get = client
            .get_agreement_terms()
            .agreement_id(&made.agreement_id);
        let refused = get.send().await.unwrap_err();
        assert_eq!(refused.code(), Some(code));
    }
    inject("GetAgreementEntitlements", FaultKind::LostAnswer);
    let get = client.get_agreement_entitlements();
    let lost = get.agreement_id(&made.agreement_id).send().await;
    let lost = lost.unwrap_err();
    assert_eq!(lost.code(), None, "nothing of AWS's own: {lost:?}");
    assert!(matches!(
        lost,
        SdkError::ServiceError(_) | SdkError::ResponseError(_)
    ));

    inject("SearchAgreements", FaultKind::EmptyPage);
    let search = client.search_agreements();
    let search = search.filters(filter("AgreementType", "PurchaseAgreement"));
    let empty = search.clone().send().await.unwrap();
    assert_eq!(empty.agreement_view_summaries(), []);
    let token = empty.next_token().unwrap();
    let rest = search.next_token(token).send().await.unwrap();
    assert_eq!(rest.agreement_view_summaries().len(), 1);
    let refused = Fault::new("DescribeAgreement", FaultKind::EmptyPage, 1);
    fake.inject_fault(refused).unwrap_err();
}

#[tokio::test]
async fn a_sixth_call_of_an_operation_in_a_second_is_throttled_when_the_limit_is_on() {
    let readings = Readings {
        rate_limit: RateLimit::Always,
        ..Readings::default()
    };
    let config = Config {
        readings,
        ..config()
    };
    let fake = FakeAws::start(config).await.unwrap();
    let made = subscribe(&fake, OfferKind::Public).await;
    let filters = json!([{"name": "AgreementType", "values": ["PurchaseAgreement"]}]);
    let search = json!({"filters": filters});
    for _ in 0..5 {
        assert_eq!(aws(&fake, SEARCH, &search).await.0, 200);
    }
    let (status, answer) = aws(&fake, SEARCH, &search).await;
    assert_eq!((status, kind(&answer)), (400, "ThrottlingException"));
    // Each operation has its own limit.
    let described = json!({"agreementId": made.agreement_id});
    assert_eq!(aws(&fake, DESCRIBE, &described).await.0, 200);
    fake.advance_by(SignedDuration::from_secs(1)).await.unwrap();
    assert_eq!(aws(&fake, SEARCH, &search).await.0, 200);
}

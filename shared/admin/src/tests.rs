//! Every command on the embedded DynamoDB, without a terminal.

mod ledger;
mod reconcile;
mod redrive;
mod world;

use std::sync::Arc;

use clap::Parser as _;
use domain::catalog::Catalog;
use domain::hour::Hour;
use domain::ids::{LicenseArn, LicenseId, UserEmail};
use domain::sign_in::Subject;
use fake_aws::{Amendment, Fault, FaultKind, OfferKind};
use jiff::{SignedDuration, Timestamp};
use runtime::settings::Reader;
use serde_json::json;
use store::subscriptions::Pinned;

use crate::arguments::Arguments;
use crate::surroundings::local_setting;
use crate::{Consent, Ended, Refused};
use world::{BUYER, PRODUCT, TEMPLATE, World};

const LICENSE: &str = "l-0123456789abcdef0123456789abcdef";
const HOUR: &str = "2026-11-22T10:00:00Z";

/// What is wrong with a command line.
fn usage_error(line: &str) -> String {
    let words = std::iter::once("admin").chain(line.split(' '));
    let error = Arguments::try_parse_from(words).unwrap_err();
    assert_eq!(error.exit_code(), 2, "{line}");
    error.to_string()
}

#[test]
fn a_wrong_argument_is_named_with_its_rule() {
    for (line, argument, rule) in [
        ("stop a/b".to_owned(), "<PRODUCT>", "product code"),
        ("hold end l-1".to_owned(), "<LICENSE>", "32 hexadecimal"),
        (
            format!("give-up {LICENSE} {HOUR} a/b"),
            "<DIMENSION>",
            "dimension",
        ),
        (
            format!("give-up {LICENSE} 2026-11-22T10:01:00Z large"),
            "<SLOT>",
            "start of a UTC hour",
        ),
        (
            format!("restored --from then --until {HOUR}"),
            "--from",
            "RFC 3339",
        ),
        (
            format!("resolve {LICENSE} {HOUR} large"),
            "--accepted",
            "required",
        ),
        (
            format!("resolve {LICENSE} {HOUR} large --accepted --not-accepted"),
            "--not-accepted",
            "cannot be used",
        ),
        (
            format!("stop {PRODUCT} --yes --dry-run"),
            "--dry-run",
            "cannot be used",
        ),
    ] {
        let error = usage_error(&line);
        assert!(
            error.contains(argument) && error.contains(rule),
            "{line}: {error}"
        );
    }
}

#[test]
fn the_local_stacks_settings_are_whole_and_the_fakes() {
    let mut reader = Reader::new(&local_setting);
    let settings = reader.settings();
    let settings = reader.finish(settings).unwrap();
    // What is covered can be granted, as the stack's functions do.
    assert!(settings.app.rules.catalog.has_contracts());
    let setting = |name| local_setting(name).unwrap();
    let fake = fake_aws::Config::default();
    assert_eq!(setting("SELLER_ACCOUNT"), fake.seller_account);
    assert_eq!(setting("PRODUCT_CODES"), fake.product_code);
    assert_eq!(setting("DATA_FEEDS_BUCKET"), fake_aws::DATA_FEEDS_BUCKET);
}

#[tokio::test]
async fn a_table_without_an_index_is_named_before_anything_is_written() {
    let whole = World::new().await;
    assert!(whole.said("check").await.starts_with("The tables have"));
    let stream = "      StreamSpecification: { StreamViewType: NEW_IMAGE }\n";
    let template = TEMPLATE
        .replace("IndexName: work", "IndexName: jobs")
        .replacen("AttributeName: expires_at", "AttributeName: gone_at", 1)
        .replace(stream, "");
    let world = World::over(&template).await;
    let no_index = "the table Usage has no index work on work_shard";
    let checked = world.refused("check").await;
    for lack in [
        no_index,
        "the table Subscriptions has no time to live by expires_at",
        "the table Subscriptions has no stream of new images",
    ] {
        assert!(checked.contains(lack), "{checked}");
    }
    let refused = world.refused(&format!("stop {PRODUCT}")).await;
    assert!(
        refused.contains(no_index) && !refused.contains("stream"),
        "{refused}"
    );
    assert!(world.app.controls().await.unwrap().stopped.is_empty());
}

#[tokio::test]
async fn nothing_changes_without_a_yes() {
    let world = World::new().await;
    let stop = format!("stop {PRODUCT}");
    let refused = world.asked(&stop, Consent::Declined).await.unwrap_err();
    assert!(matches!(refused, Refused::Declined));
    let refused = world.asked(&stop, Consent::NobodyToAsk).await.unwrap_err();
    assert!(refused.to_string().contains("--yes"), "{refused}");
    let shown = world.said(&format!("{stop} --dry-run")).await;
    assert!(shown.contains("Stops the sending") && shown.contains("nothing was changed"));
    assert!(world.app.controls().await.unwrap().stopped.is_empty());
}

#[tokio::test]
async fn pay_as_you_go_is_not_covered_by_mistake() {
    let mut world = World::new().await;
    let contracts = Catalog::workload_security().with_contracts_by_name();
    world.app.settings.rules.catalog = Arc::new(contracts.unwrap());
    let (license, _) = world.posted().await;
    world.app.expire_due(Timestamp::MAX).await.unwrap();
    let include = format!(
        "include {license} large --from 2026-11-01T00:00:00Z --until 2026-12-01T00:00:00Z --computer-hours 5"
    );
    let refused = world.refused(&include).await;
    assert!(refused.contains("is pay as you go"), "{refused}");
    let license = LicenseId::parse(license.as_str()).unwrap();
    assert!(world.app.included(&license).await.unwrap().is_empty());
}

#[tokio::test]
async fn no_more_than_a_month_of_written_off_usage_is_read() {
    let world = World::new().await;
    let list = "written-off --from 2026-11-01T00:00:00Z --until";
    let refused = world.refused(&format!("{list} 2026-12-02T00:00:01Z")).await;
    assert!(refused.contains("31 days"), "{refused}");
}

#[tokio::test]
async fn a_product_is_stopped_and_goes_on_and_an_unknown_one_is_refused() {
    let world = World::new().await;
    let done = world
        .asked(&format!("stop {PRODUCT}"), Consent::Given)
        .await;
    assert!(done.unwrap().starts_with("Done: "));
    assert!(
        world
            .yes(&format!("stop {PRODUCT}"))
            .await
            .starts_with("Already so: ")
    );
    assert!(
        world
            .yes(&format!("go {PRODUCT}"))
            .await
            .starts_with("Done: ")
    );
    assert!(
        world
            .yes(&format!("go {PRODUCT}"))
            .await
            .starts_with("Already so: ")
    );
    let refused = world.refused("stop another").await;
    assert!(refused.contains(PRODUCT), "{refused}");
}

#[tokio::test]
async fn after_a_lost_confirmation_the_same_command_says_that_it_is_so() {
    let world = World::new().await;
    let lost = Fault::new("PutItem", FaultKind::LostAnswer, 3);
    world.aws.inject_fault(lost).unwrap();
    let refused = world.refused(&format!("stop {PRODUCT}")).await;
    assert!(refused.contains("same command again"), "{refused}");
    world.aws.clear_faults();
    assert!(
        world
            .yes(&format!("stop {PRODUCT}"))
            .await
            .starts_with("Already so: ")
    );
}

#[tokio::test]
async fn what_a_restored_table_forgot_is_listed_as_unknown_and_resolved() {
    let world = World::new().await;
    let (license, hour) = world.sent_without_an_answer().await;
    let from = world.aws.now();
    world.advance(SignedDuration::from_hours(1)).await;
    let until = world.aws.now();
    let restored = format!("restored --from {from} --until {until}");
    let refused = world.refused(&restored).await;
    assert!(refused.contains("is not stopped"), "{refused}");
    world.yes(&format!("stop {PRODUCT}")).await;
    let shown = world.said(&format!("{restored} --dry-run")).await;
    assert!(shown.contains("closes as unknown") && shown.contains("never carried"));
    assert!(world.said("unknown").await.starts_with("No record"));
    assert!(world.yes(&restored).await.starts_with("Done: "));
    assert!(world.yes(&restored).await.starts_with("Already so: "));
    world.yes(&format!("go {PRODUCT}")).await;
    let calls = world.submit().await;
    assert_eq!(calls, 0, "what may have been sent is not sent again");

    let listed = world.said("unknown").await;
    let name = format!("{license}  {hour}  large  quantity 3  attempts 1 (unanswered 1)");
    assert!(listed.contains(&name), "{listed}");
    let record = format!("{license} {hour} large");
    let given_up = world.yes(&format!("give-up {record}")).await;
    assert!(given_up.starts_with("Already so: "), "{given_up}");
    let resolve = format!("resolve {record} --accepted found-1");
    let resolved = world.yes(&resolve).await;
    assert!(
        resolved.contains("billed as metering record found-1"),
        "{resolved}"
    );
    assert!(world.yes(&resolve).await.starts_with("Already so: "));
    let refused = world
        .refused(&format!("resolve {record} --not-accepted"))
        .await;
    assert!(refused.contains("nothing was changed"), "{refused}");
    assert!(world.said("unknown").await.starts_with("No record"));

    // Usage of the interval that is reported again is kept, and never sent.
    world.post(hour.next()).await;
    world.advance(SignedDuration::from_hours(1)).await;
    assert_eq!(world.submit().await, 0);
    assert_eq!(
        world.aws.accepted_records().len(),
        1,
        "the first, whose answer was lost"
    );
    let listed = world
        .said(&format!("written-off --from {from} --until {until}"))
        .await;
    let usage = format!(
        "{}  acme  {license}  large  computer-hours 3  (in a restored interval",
        hour.next()
    );
    assert!(listed.contains(&usage), "{listed}");
    assert!(listed.starts_with("1 x usage written off"), "{listed}");
    // What comes after it is sent as ever.
    world.post(Hour::of(world.aws.now())).await;
    assert_eq!(world.submit().await, 1);
    assert_eq!(world.aws.accepted_records().len(), 2);

    let refused = world
        .refused(&format!("restored --from {until} --until {from}"))
        .await;
    assert!(refused.contains("--until"), "{refused}");
    let ahead = world.aws.now() + SignedDuration::from_hours(1);
    let refused = world
        .refused(&format!("restored --from {from} --until {ahead}"))
        .await;
    assert!(refused.contains("ahead"), "{refused}");
}

#[tokio::test]
async fn a_record_without_an_answer_that_is_given_up_is_unknown_and_written_off() {
    let world = World::new().await;
    let (license, hour) = world.sent_without_an_answer().await;
    let record = format!("{license} {hour} large");
    let refused = world
        .refused(&format!("resolve {record} --not-accepted"))
        .await;
    assert!(refused.contains("waiting to be sent"), "{refused}");
    let given_up = world.yes(&format!("give-up {record}")).await;
    assert!(given_up.contains("of unknown outcome"), "{given_up}");
    let resolved = world.yes(&format!("resolve {record} --not-accepted")).await;
    assert!(resolved.contains("written off"), "{resolved}");
    let again = world.yes(&format!("resolve {record} --not-accepted")).await;
    assert!(again.starts_with("Already so: "), "{again}");
    let none = world
        .refused(&format!("give-up {license} {hour} medium"))
        .await;
    assert!(none.contains("no such record"), "{none}");
}

#[tokio::test]
async fn a_hold_is_listed_and_ended() {
    let world = World::new().await;
    let (license, hour) = world.posted().await;
    assert_eq!(world.said("hold list").await, "No license is on hold.");
    world.aws.suspend_buyer(BUYER).await.unwrap();
    world.submit().await;
    let listed = world.said("hold list").await;
    assert!(listed.contains(license.as_str()), "{listed} {hour}");
    let end = format!("hold end {license}");
    assert!(world.yes(&end).await.starts_with("Done: "));
    assert!(world.yes(&end).await.starts_with("Already so: "));
    let unknown = world.refused(&format!("hold end {LICENSE}")).await;
    assert!(unknown.contains("no license"), "{unknown}");
}

#[tokio::test]
async fn usage_of_an_ended_license_that_came_too_late_is_listed_as_written_off() {
    let world = World::new().await;
    let (license, hour) = world.posted().await;
    let listing = format!("written-off --from {hour} --until {}", hour.end());
    assert!(
        world
            .said(&listing)
            .await
            .starts_with("Nothing was written off")
    );
    world.cancel().await;
    world.submit().await;
    world.advance(SignedDuration::from_hours(3)).await;
    world.report(hour, "late", 2).await;
    world.app.post_due(Timestamp::MAX).await.unwrap();
    let listed = world.said(&listing).await;
    let usage = format!("{hour}  acme  {license}  large  computer-hours 2  (the license had ended");
    assert!(listed.contains(&usage), "{listed}");
    let backwards = world
        .refused(&format!("written-off --from {} --until {hour}", hour.end()))
        .await;
    assert!(backwards.contains("--until"), "{backwards}");
}

#[tokio::test]
async fn a_report_that_was_stored_and_never_marked_is_posted_when_an_operator_says_so() {
    let world = World::new().await;
    let (_, hour) = world.posted().await;
    world.store_and_break_off(hour, "broken-off", 2).await;
    world.app.post_due(Timestamp::MAX).await.unwrap();
    assert_eq!(world.posted_computers(hour).await, 3);
    let post = format!("post acme {hour}");
    assert!(world.yes(&post).await.starts_with("Done: "));
    world.app.post_due(Timestamp::MAX).await.unwrap();
    assert_eq!(world.posted_computers(hour).await, 5);
    let unknown = world.refused(&format!("post nobody {hour}")).await;
    assert!(unknown.contains("no account"), "{unknown}");
    let running = Hour::of(world.aws.now());
    let early = world.refused(&format!("post acme {running}")).await;
    assert!(early.contains("HOUR must be over"), "{early}");
}

#[tokio::test]
async fn a_dry_run_lists_what_would_be_sent_and_freezes_nothing() {
    let world = World::new().await;
    assert_eq!(world.said("dry-run").await, "Nothing would be sent now.");
    let (license, hour) = world.posted().await;
    world.yes(&format!("stop {PRODUCT}")).await;
    let shown = world.said("dry-run").await;
    assert!(
        shown.contains(&format!(
            "{license}  {hour}  large  quantity 3  allocations "
        )),
        "{shown}"
    );
    assert!(shown.contains("0 x record would be sent"), "{shown}");
    assert!(
        shown.contains("1 x record waits") && shown.contains("is stopped"),
        "{shown}"
    );
    let slot = world.app.store.slot(&license, hour).await.unwrap().unwrap();
    assert_eq!(slot.records, []);
}

#[tokio::test]
async fn what_a_contract_covers_is_set_amended_and_not_set_twice() {
    let mut world = World::new().await;
    let (license, _) = world.posted().await;
    let include = |license: &str, dimension: &str, from: &str, hours: u32| {
        format!(
            "include {license} {dimension} --from {from} --until 2026-12-01T00:00:00Z --computer-hours {hours}"
        )
    };
    let november = "2026-11-01T00:00:00Z";
    let grant = include(license.as_str(), "large", november, 2);
    let refused = world.refused(&grant).await;
    assert!(refused.contains("CATALOG"), "{refused}");
    let mut catalog = serde_json::to_value(Catalog::workload_security()).unwrap();
    catalog["contracts"] = json!([{"contract": "large_hours", "metered": "large"}]);
    world.app.settings.rules.catalog = Arc::new(serde_json::from_value(catalog).unwrap());
    assert!(world.yes(&grant).await.starts_with("Done: "));
    assert!(world.yes(&grant).await.contains("Already so: "));
    let amended = world
        .yes(&include(license.as_str(), "large", november, 5))
        .await;
    assert!(amended.contains("covers 5"), "{amended}");
    let overlaps = include(license.as_str(), "large", "2026-11-15T00:00:00Z", 5);
    assert!(world.refused(&overlaps).await.contains("overlaps"));
    let unmetered = include(license.as_str(), "huge", november, 5);
    assert!(world.refused(&unmetered).await.contains("medium, large"));
    let unknown = include(LICENSE, "large", november, 5);
    assert!(world.refused(&unknown).await.contains("no license"));
    let backwards = include(license.as_str(), "large", "2026-12-02T00:00:00Z", 5);
    assert!(world.refused(&backwards).await.contains("--until"));
    let run = world.app.submit_due(Timestamp::MAX).await.unwrap();
    assert_eq!(run.billed, 0, "all 3 are covered: {run:?}");
}

#[tokio::test]
async fn who_pays_for_an_account_and_who_did_is_found_from_every_side() {
    let world = World::new().await;
    let linked_at = world.aws.now();
    let (license, _) = world.posted().await;
    let state = world.aws.state();
    let agreement = state["agreements"][0]["agreement_id"].as_str().unwrap();
    let arn = state["licenses"][0]["license_arn"].as_str().unwrap();
    let earlier = linked_at - SignedDuration::from_secs(1);
    let payer = format!("AWS account {BUYER} under agreement {agreement}, by license {license}");

    let shown = world.said("account acme").await;
    assert!(shown.starts_with("Acme (acme), opened "), "{shown}");
    assert!(shown.contains("member ann@example.com, full_access"));
    let from = format!("from {linked_at} until now: {payer}, linked by ann@example.com");
    assert!(shown.contains(&from), "{shown}");
    let at = world.said(&format!("account acme --at {linked_at}")).await;
    assert!(at.ends_with(&format!(
        "At {linked_at}: {payer}, linked by ann@example.com"
    )));
    let before = world.said(&format!("account acme --at {earlier}")).await;
    assert!(before.ends_with(&format!("At {earlier}: nobody through AWS Marketplace")));

    let paid = "paid for account acme, linked by ann@example.com";
    for line in [
        format!("license {license}"),
        format!("license {arn}"),
        format!("agreement {agreement}"),
        format!("aws-account {BUYER}"),
    ] {
        let shown = world.said(&line).await;
        assert!(
            shown.contains(BUYER) && shown.contains(paid),
            "{line}: {shown}"
        );
    }
    world.cancel().await;
    let told = world.said("events acme").await;
    for name in ["account access changed", "usage requested"] {
        assert!(
            told.contains(&format!("\"detail-type\":\"{name}\"")),
            "{told}"
        );
    }
    let shown = world.said(&format!("license {license}")).await;
    assert!(shown.contains("ended ") && shown.contains("the agreement ended, by AWS"));
    assert!(
        shown.ends_with("It is linked to no account now."),
        "{shown}"
    );

    for (line, what) in [
        ("account nobody".to_owned(), "no account nobody"),
        (format!("license l-{:032x}", 9), "told of no license"),
        ("agreement agmt-none".to_owned(), "of agreement agmt-none"),
        (
            "aws-account 000000000000".to_owned(),
            "of AWS account 000000000000",
        ),
    ] {
        let refused = world.refused(&line).await;
        assert!(refused.contains(what), "{line}: {refused}");
        assert!(!refused.contains("changed"), "{line} only looks: {refused}");
    }
}

#[tokio::test]
async fn an_address_can_be_unpinned_for_a_user_whom_the_issuer_made_anew() {
    let world = World::new().await;
    let ann = UserEmail::parse("ann@example.com").unwrap();
    let subject = |text: &str| Subject::parse(text).unwrap();
    let pin = async |text| {
        let now = world.aws.now();
        world
            .app
            .store
            .pin_user(&ann, &subject(text), now)
            .await
            .unwrap()
    };
    let already = world.said("unpin ann@example.com").await;
    assert!(already.starts_with("Already so"), "{already}");
    assert_eq!(pin("first").await, Pinned::First);
    assert_eq!(pin("anew").await, Pinned::Another);
    let planned = world.said("unpin ann@example.com --dry-run").await;
    assert!(planned.contains("nothing was changed"), "{planned}");
    assert_eq!(pin("anew").await, Pinned::Another);
    let done = world.yes("unpin ann@example.com").await;
    assert!(done.starts_with("Done"), "{done}");
    assert_eq!(pin("anew").await, Pinned::First);
    assert_eq!(pin("first").await, Pinned::Another);
}

#[tokio::test]
async fn catching_up_says_what_it_would_learn_and_learns_it() {
    let world = World::new().await;
    let lost = Fault {
        operation: "events".to_owned(),
        fault: FaultKind::DropEvent,
        times: 10,
        license_arn: None,
        records: None,
        delay_ms: None,
    };
    world.aws.inject_fault(lost).unwrap();
    let bought = world
        .aws
        .create_agreement(OfferKind::Public, BUYER)
        .await
        .unwrap();
    let id = &bought.agreement_id;
    let planned = world.said("catch-up --dry-run").await;
    let differs = format!("- {id}: a license that no event told of");
    assert!(
        planned.contains(&differs) && planned.contains("nothing was changed"),
        "{planned}"
    );
    let done = world.yes("catch-up").await;
    assert!(done.contains(&differs), "{done}");
    let again = world.yes("catch-up").await;
    assert!(
        again.starts_with("Already so") && again.contains("lists 1"),
        "{again}"
    );
    let told = world.said(&format!("told {id}")).await;
    assert!(told.contains("Answer: the agreement goes on"), "{told}");
    let nothing = world.said("told 2020-01-01").await;
    assert_eq!(
        nothing,
        "AWS told nothing on that day that names no license."
    );
    let unknown = world.refused("told agmt-unknown").await;
    assert!(
        unknown.starts_with("AWS told nothing of agmt-unknown"),
        "{unknown}"
    );
}

#[tokio::test]
async fn catching_up_says_of_each_agreement_in_what_it_differs() {
    let world = World::new().await;
    let bought = async |offer| world.aws.create_agreement(offer, BUYER).await.unwrap();
    let amended = bought(OfferKind::PrivateYearly).await.agreement_id;
    let cancelled = bought(OfferKind::Public).await.agreement_id;
    let lost = Fault::new("events", FaultKind::DropEvent, 10);
    world.aws.inject_fault(lost).unwrap();
    let amendment = Amendment {
        ends_at: Some("2027-02-01T00:00:00Z".parse().unwrap()),
        ..Amendment::default()
    };
    world
        .aws
        .amend_agreement(&amended, amendment)
        .await
        .unwrap();
    world.advance(SignedDuration::from_hours(1)).await;
    world.aws.cancel_agreement(&cancelled).await.unwrap();
    for command in ["catch-up --dry-run", "catch-up --yes"] {
        let said = world.said(command).await;
        let line = |id: &str| {
            let mut lines = said.lines();
            let line = lines.find(|line| line.starts_with(&format!("- {id}: ")));
            line.unwrap_or_else(|| panic!("{id} in {said}")).to_owned()
        };
        let ends = "ends 2027-02-01T00:00:00Z instead of 2027-11-22T10:00:00Z";
        assert!(line(&amended).contains(ends), "{said}");
        assert!(
            line(&cancelled).contains("ended instead of active"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn what_aws_told_says_ends_rates_and_hours() {
    let world = World::new().await;
    let bought = world.aws.create_agreement(OfferKind::Consumption, BUYER);
    let bought = bought.await.unwrap();
    // The run that asks for rates and entitlements.
    world.advance(SignedDuration::from_mins(3)).await;
    world.app.expire_due(Timestamp::MAX).await.unwrap();
    let told = world.said(&format!("told {}", bought.agreement_id)).await;
    assert!(told.contains("ends 2027-11-22T10:00:00Z"), "{told}");
    assert!(told.contains("medium 0.0099 USD"), "{told}");
    assert!(told.contains("120 USD prepaid, "), "{told}");
    let license = LicenseArn::parse(bought.license_arn).unwrap();
    let told = world.said(&format!("told {}", license.id())).await;
    assert!(told.contains("medium_hours: 1000"), "{told}");
}

#[test]
fn what_is_no_agreements_id_is_refused() {
    for word in ["nonsense", "acme-production", "agmt-", "agmt-a b"] {
        let words = ["admin", "told", word];
        let error = Arguments::try_parse_from(words).unwrap_err().to_string();
        assert!(error.contains("must be an agreement's id"), "{error}");
    }
}

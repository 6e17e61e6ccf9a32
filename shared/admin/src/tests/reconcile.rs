//! Our usage compared with AWS's, through the real SDK clients and the fake:
//! each class of difference, outages, and odd files.

use app::reconciliation::Came;
use app::reconciliation::Reconciled;
use domain::ids::{AgreementId, LicenseId};
use domain::money::Usd;
use domain::reconciliation::prices::Price;
use domain::reconciliation::run::RunOf;
use domain::reconciliation::{FeedOfDay, Finding, Obstacle, Units, Verdict, Whose, day_of};
use fake_aws::{OfferKind, UsageCorrection};
use jiff::civil::Date;

use std::sync::atomic::Ordering;

use super::*;

const USAGE: &str = "dailyusagefeed_v1/year=2026/month=11/data.csv";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn day() -> Date {
    "2026-11-22".parse().unwrap()
}

impl World {
    /// 3 computers of 22 November, 10:00, billed, and AWS's feed of the day complete.
    async fn billed(&self) -> LicenseId {
        let (license, _) = self.posted().await;
        assert_eq!(self.submit().await, 1);
        self.until("2026-11-26T00:00:00Z").await;
        license
    }

    async fn until(&self, instant: &str) {
        self.aws.advance_to(at(instant)).await.unwrap();
    }

    fn agreement(&self) -> AgreementId {
        let agreements = self.aws.agreements();
        AgreementId::parse(agreements[0].agreement_id.clone()).unwrap()
    }

    /// AWS's figure of the day is another one from now on.
    fn aws_has(&self, quantity: u64) {
        self.aws
            .correct_usage(UsageCorrection {
                usage_date: day(),
                agreement_id: self.agreement().to_string(),
                dimension: "large".to_owned(),
                quantity,
            })
            .unwrap();
    }

    /// The usage file as it is, with a change.
    fn edit(&self, change: impl FnOnce(String) -> String) {
        let text = self.aws.data_feed_file(USAGE).unwrap();
        let text = Some(change(text));
        self.aws.replace_data_feed_file(USAGE, text).unwrap();
    }

    async fn compared(&self) -> Reconciled {
        let days = (day(), day());
        let found = self.app.reconcile(&self.sources, days, Timestamp::MAX);
        found.await.unwrap()
    }

    /// The only finding of the day.
    async fn finding(&self) -> Finding {
        let found = self.compared().await;
        let [finding] = found.findings.as_slice() else {
            panic!("{found:?}");
        };
        finding.clone()
    }

    async fn verdict(&self) -> Verdict {
        self.finding().await.verdict
    }

    async fn obstacle(&self) -> Obstacle {
        match self.verdict().await {
            Verdict::NotComparable { obstacle } => obstacle,
            other @ (Verdict::Equal
            | Verdict::Late { .. }
            | Verdict::Missing { .. }
            | Verdict::Over { .. }) => panic!("{other:?}"),
        }
    }

    /// What the day's feed could not be read for.
    async fn unread(&self) -> String {
        let found = self.compared().await;
        let obstacle = Obstacle::FeedUnread;
        let verdict = Verdict::NotComparable { obstacle };
        assert!(found.findings.iter().all(|of| of.verdict == verdict));
        let FeedOfDay::Unread { reason } = &found.days[&day()] else {
            panic!("{found:?}");
        };
        reason.clone()
    }

    fn break_down(&self, operation: &str, kind: FaultKind, times: u32) {
        self.aws
            .inject_fault(Fault::new(operation, kind, times))
            .unwrap();
    }
}

#[tokio::test]
async fn what_aws_accepted_and_has_is_equal() {
    let world = World::new().await;
    world.billed().await;
    let finding = world.finding().await;
    assert_eq!(finding.verdict, Verdict::Equal);
    assert_eq!(finding.whose, Whose::Agreement(world.agreement()));
    let said = world.said("reconcile 2026-11-22").await;
    assert!(said.starts_with("2026-11-22: 1 equal, 0 late"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(world.ended("reconcile 2026-11-22").await, Ended::Done);
}

#[tokio::test]
async fn what_aws_has_not_delivered_yet_is_not_compared() {
    let world = World::new().await;
    world.posted().await;
    world.submit().await;
    let refused = world.refused("reconcile 2026-11-22").await;
    assert!(refused.contains("must be over"), "{refused}");
    world.aws.replace_data_feed_file(USAGE, None).unwrap();
    world.until("2026-11-23T06:00:00Z").await;
    // The folder that was looked for is named, and those that are there.
    let unread = world.unread().await;
    assert!(
        unread.contains("no file in the folder dailyusagefeed_v1/; it has agreementfeed_v1/"),
        "{unread}"
    );
    let said = world.said("reconcile 2026-11-22").await;
    assert!(
        said.contains("2026-11-22 was not compared: the bucket seller-data-feeds has no file"),
        "{said}"
    );
    // Of AWS's side no figure is shown: nobody knows it.
    assert!(
        said.contains("           3           ?  not compared"),
        "{said}"
    );
    let ended = world.ended("reconcile 2026-11-22").await;
    assert_eq!(ended, Ended::NotCompared);
}

#[tokio::test]
async fn usage_that_aws_took_after_its_day_is_late_and_then_equal() {
    let world = World::new().await;
    world.posted().await;
    // Metering is down over midnight.
    world.until("2026-11-23T05:00:00Z").await;
    assert_eq!(world.submit().await, 1);
    let units = Units::whole(3);
    assert_eq!(world.verdict().await, Verdict::Late { units });
    let said = world.said("reconcile 2026-11-22").await;
    assert!(said.contains("late: AWS has 3 less"), "{said}");
    world.until("2026-11-24T00:00:00Z").await;
    assert_eq!(world.verdict().await, Verdict::Equal);
}

#[tokio::test]
async fn less_than_aws_accepted_is_missing_when_its_feed_is_complete() {
    let world = World::new().await;
    world.billed().await;
    world.aws_has(1);
    let units = Units::whole(2);
    assert_eq!(world.verdict().await, Verdict::Missing { units });
    world.aws_has(0);
    let units = Units::whole(3);
    assert_eq!(world.verdict().await, Verdict::Missing { units });
    let said = world.said("reconcile 2026-11-22").await;
    let agreement = world.agreement();
    assert!(
        said.contains(agreement.as_str()) && said.contains("MISSING"),
        "{said}"
    );
    let ended = world.ended("reconcile 2026-11-22").await;
    assert_eq!(ended, Ended::Differs);
    let ended = world.ended("reconcile 2026-11-22 --kept").await;
    assert_eq!(ended, Ended::NotCompared, "nothing is kept of it");
}

#[tokio::test]
async fn more_than_we_know_of_is_over() {
    let world = World::new().await;
    world.billed().await;
    world.aws_has(5);
    let (units, explained) = (Units::whole(2), Units::default());
    assert_eq!(world.verdict().await, Verdict::Over { units, explained });
    let said = world.said("reconcile 2026-11-22").await;
    // AWS was not asked for the terms: the rate is the feed's.
    assert!(
        said.contains(
            "OVER: AWS has 2 more than we know of; 0.064 USD at 0.032 (rate of AWS's feed)"
        ),
        "{said}"
    );
}

/// A lost answer, of which nothing more is heard until the deadline has passed.
async fn with_an_unknown_outcome() -> World {
    let world = World::new().await;
    world.sent_without_an_answer().await;
    world.break_down("BatchMeterUsage", FaultKind::InternalError, 999);
    world.until("2026-11-23T12:30:00Z").await;
    world.submit().await;
    world.aws.clear_faults();
    world.until("2026-11-26T00:00:00Z").await;
    let unknown = world.app.unknown().await.unwrap();
    assert_eq!(unknown.items.len(), 1);
    world
}

#[tokio::test]
async fn a_lost_answer_explains_what_aws_has_more_and_says_how_to_settle_it() {
    let world = with_an_unknown_outcome().await;
    let finding = world.finding().await;
    assert_eq!(
        (finding.ours, finding.unknown),
        (Units::default(), Units::whole(3))
    );
    assert_eq!(world.obstacle().await, Obstacle::OutcomeUnknown);
    let said = world.said("reconcile 2026-11-22").await;
    assert!(said.contains("it has them all: admin resolve"), "{said}");
    // Beyond what it holds, nothing explains it.
    world.aws_has(7);
    let (units, explained) = (Units::whole(4), Units::whole(3));
    assert_eq!(world.verdict().await, Verdict::Over { units, explained });
    world.aws_has(3);
    let unknown = world.app.unknown().await.unwrap().items.remove(0);
    let name = format!("{} {}", unknown.usage.license.id(), unknown.slot);
    world.yes(&format!("resolve {name} large --accepted")).await;
    assert_eq!(world.verdict().await, Verdict::Equal);
}

#[tokio::test]
async fn a_lost_answer_of_which_aws_has_nothing_is_said_too() {
    let world = with_an_unknown_outcome().await;
    world.aws_has(0);
    assert_eq!(world.obstacle().await, Obstacle::OutcomeUnknown);
    let said = world.said("reconcile 2026-11-22").await;
    assert!(said.contains("it has none of them"), "{said}");
}

#[tokio::test]
async fn a_license_of_which_no_agreement_is_known_is_not_compared() {
    let world = World::new().await;
    world.billed().await;
    world.edit(|text| text.replace(world.agreement().as_str(), ""));
    let obstacles: Vec<Verdict> = world
        .compared()
        .await
        .findings
        .into_iter()
        .map(|finding| finding.verdict)
        .collect();
    let not_comparable = |obstacle| Verdict::NotComparable { obstacle };
    assert_eq!(
        obstacles,
        [
            not_comparable(Obstacle::PerhapsWithoutAgreement),
            not_comparable(Obstacle::RowsWithoutAgreement)
        ]
    );
}

#[tokio::test]
async fn usage_under_an_agreement_that_nobody_knows_is_told_by_its_id() {
    let world = World::new().await;
    world.billed().await;
    let elsewhere = "agmt-99999999999999999999999999";
    world.edit(|text| text.replace(world.agreement().as_str(), elsewhere));
    let unknown = AgreementId::parse(elsewhere).unwrap();
    let findings = world.compared().await.findings;
    let of_unknown = findings
        .iter()
        .find(|finding| finding.whose == Whose::UnknownAgreement(unknown.clone()));
    let obstacle = Obstacle::AgreementUnknown;
    assert_eq!(
        of_unknown.unwrap().verdict,
        Verdict::NotComparable { obstacle }
    );
    let said = world.said("reconcile 2026-11-22").await;
    assert!(said.contains(elsewhere), "{said}");
}

#[tokio::test]
async fn s3_and_the_list_being_down_slow_or_empty_gives_no_wrong_result() {
    let world = World::new().await;
    world.billed().await;
    for operation in ["ListObjectsV2", "GetObject"] {
        for (kind, says) in [
            (FaultKind::Throttle, "slow down"),
            (FaultKind::InternalError, "HTTP status 500"),
            (FaultKind::LostAnswer, "HTTP status 500"),
        ] {
            // The SDK tries three times.
            world.break_down(operation, kind, 3);
            let reason = world.unread().await;
            assert!(reason.contains(says), "{operation}: {reason}");
            world.break_down(operation, kind, 2);
            assert_eq!(world.verdict().await, Verdict::Equal, "{operation}");
        }
    }
    world.break_down("ListObjectsV2", FaultKind::EmptyPage, 2);
    assert_eq!(world.verdict().await, Verdict::Equal);
}

#[tokio::test]
async fn an_odd_file_is_said_and_never_called_equal() {
    let world = World::new().await;
    world.billed().await;
    world.edit(|text| text.replace("usage_quantity", "quantity"));
    let reason = world.unread().await;
    assert!(reason.contains("no column usage_quantity"), "{reason}");
    world.edit(|text| text.replace(",quantity", ",usage_quantity"));
    assert_eq!(world.verdict().await, Verdict::Equal);

    let whole = world.aws.data_feed_file(USAGE).unwrap();
    world.edit(|text| text[..text.len() - 12].to_owned());
    assert!(world.unread().await.contains("cut off"));
    world.edit(|_| whole[..whole.find(",3.00,").unwrap() + 2].to_owned());
    let found = world.compared().await;
    assert_eq!(found.unreadable_rows, 1);
    assert!(matches!(
        found.findings[0].verdict,
        Verdict::NotComparable {
            obstacle: Obstacle::RowUnreadable { line: 2, .. }
        }
    ));
    let said = world.said("reconcile 2026-11-22").await;
    assert!(
        said.contains("line 2: has 14 fields under 20 columns"),
        "{said}"
    );

    let strange = whole
        .replacen("valid_from", "Valid_From,novelty", 1)
        .replacen(
            "\n2026",
            "\n2026-11-23T00:00:00Z,\"a,\"\"b\"\"\nc\",2026",
            1,
        );
    let strange = strange.replacen("novelty,insert_date", "novelty,INSERT_DATE", 1);
    // The row begins with its own valid_from: the first of the two is dropped again.
    let strange = strange.replacen("c\",2026-11-23T00:00:00Z,", "c\",", 1);
    world.edit(|_| strange);
    let found = world.compared().await;
    assert_eq!(found.findings[0].verdict, Verdict::Equal, "{found:?}");
    assert!(found.notes.iter().any(|note| note.ends_with("novelty")));
}

#[tokio::test]
async fn rows_of_another_product_are_passed_over_and_counted() {
    let world = World::new().await;
    world.billed().await;
    world.edit(|text| {
        let row = text.lines().nth(1).unwrap();
        let others = row.replace("prod-fakeprotect7xq4", "prod-other");
        format!("{text}{others}\n")
    });
    let found = world.compared().await;
    assert_eq!(found.other_products, 1);
    assert_eq!(found.findings[0].verdict, Verdict::Equal);
}

#[tokio::test]
async fn a_bucket_that_is_not_there_and_none_at_all_are_told_apart() {
    let mut world = World::new().await;
    world.billed().await;
    world.sources.feeds = None;
    assert_eq!(world.obstacle().await, Obstacle::NotEnrolled);
    let said = world.said("reconcile").await;
    assert!(said.contains("DATA_FEEDS_BUCKET"), "{said}");
}

#[tokio::test]
async fn what_the_time_does_not_suffice_for_is_said_and_nothing_is_called_over() {
    let world = World::new().await;
    world.billed().await;
    let days = (day(), day());
    let found = world.app.reconcile(&world.sources, days, world.aws.now());
    let found = found.await.unwrap();
    assert_eq!(found.unreached, 1);
    assert!(matches!(
        found.findings[0].verdict,
        Verdict::NotComparable { .. }
    ));
}

#[tokio::test]
async fn a_days_result_is_kept_and_another_look_replaces_it() {
    let world = World::new().await;
    world.billed().await;
    let store = &world.app.store;
    for (quantity, missing) in [(2, 1), (3, 0)] {
        world.aws_has(quantity);
        for kept in world.compared().await.kept(world.aws.now()) {
            store.put_reconciled_day(&kept).await.unwrap();
        }
        let kept = store.reconciled_day(day()).await.unwrap().unwrap();
        assert_eq!(kept.counts.missing, missing);
        assert_eq!(kept.findings.len(), missing);
    }
    let before = day_of(at("2026-11-21T00:00:00Z"));
    assert_eq!(store.reconciled_day(before).await.unwrap(), None);
}

#[tokio::test]
async fn a_difference_costs_what_the_buyer_agreed_on_once_aws_told_the_terms() {
    let world = World::new().await;
    world.billed().await;
    world.aws_has(5);
    // AWS's feed says another rate than the terms that the buyer accepted.
    world.edit(|text| text.replace(",0.032000,", ",0.050000,"));
    let feed = Price::Feed(Usd::from_micros(50_000));
    assert_eq!(world.finding().await.price, feed);
    world.app.expire_due(Timestamp::MAX).await.unwrap();
    let finding = world.finding().await;
    assert_eq!(finding.price, Price::Agreed(Usd::from_micros(32_000)));
    assert_eq!(finding.amount(), Some(Usd::from_micros(64_000)));
    let said = world.said("reconcile 2026-11-22").await;
    assert!(said.contains("0.064 USD at 0.032 (agreed rate)"), "{said}");
}

#[tokio::test]
async fn a_run_without_the_time_for_every_license_is_gone_on_with_where_it_stopped() {
    let world = World::new().await;
    world.billed().await;
    for buyer in 0..39 {
        let buyer = format!("3000000000{buyer:02}");
        let made = world.aws.create_agreement(OfferKind::Public, &buyer).await;
        made.unwrap();
    }
    world.until("2026-11-26T02:00:00Z").await;
    let run = async |seconds| {
        let deadline = world.app.clock.now() + SignedDuration::from_secs(seconds);
        let run = world.app.reconcile_due_days(&world.sources, deadline);
        run.await.unwrap()
    };
    let kept = async || world.app.store.reconciled_day(day()).await.unwrap();
    // Every look at the clock finds it a second later: each run has the time for 16.
    world.seconds_a_look.store(1, Ordering::Relaxed);
    for left in [24, 8] {
        assert_eq!(run(4).await, Came::SoFar { left });
        // The day says that it is not complete, and is called nothing.
        let kept = kept().await.unwrap();
        assert_eq!(kept.unseen_licenses, left);
        assert_eq!(kept.counts, domain::reconciliation::kept::Counts::default());
        let said = world.said("reconcile 2026-11-22 --kept").await;
        let says = format!("NOT COMPLETE: {left} licenses were not looked at");
        assert!(said.contains(&says), "{said}");
    }
    let Came::ToItsEnd(found) = run(4).await else {
        panic!("not at its end");
    };
    assert!(found.is_whole());
    let whole = kept().await.unwrap();
    assert_eq!((whole.counts.equal, whole.unseen_licenses), (1, 0));
    // The day's work is done, and the next day's begins from the first license.
    assert_eq!(run(4).await, Came::Nowhere);
    world.until("2026-11-27T02:00:00Z").await;
    assert_eq!(run(4).await, Came::SoFar { left: 24 });
    // What was complete is kept as it was, not replaced by less.
    assert_eq!(kept().await.unwrap(), whole);
}

#[tokio::test]
async fn what_a_run_read_a_day_ago_is_read_again_before_aws_is_said_to_have_more() {
    let world = World::new().await;
    let (license, _) = world.posted().await;
    // The rest of the first run's licenses are for the next one, a day later;
    // meanwhile AWS takes what ours had not sent.
    world.until("2026-11-23T02:00:00Z").await;
    let mut chunks_before = None;
    for buyer in 0..99 {
        let buyer = format!("3000000000{buyer:02}");
        let made = world.aws.create_agreement(OfferKind::Public, &buyer).await;
        made.unwrap();
        // Sixteen are read at once: there is to be one more after ours.
        let all = world.app.store.every_license().await.unwrap();
        let ours = all.iter().position(|of| *of == license).unwrap() / 16;
        if (all.len() - 1) / 16 > ours {
            chunks_before = Some(i64::try_from(ours).unwrap());
            break;
        }
    }
    let chunks_before = chunks_before.unwrap();
    let run = async |seconds| {
        let deadline = world.app.clock.now() + SignedDuration::from_secs(seconds);
        let run = world.app.reconcile_due_days(&world.sources, deadline);
        run.await.unwrap()
    };
    world.seconds_a_look.store(1, Ordering::Relaxed);
    let came = run(4 + chunks_before).await;
    assert!(matches!(came, Came::SoFar { .. }), "{came:?}");
    let stopped = world.app.store.reconciliation_run(RunOf::Days).await;
    assert!(stopped.unwrap().unwrap().after >= Some(license));
    world.seconds_a_look.store(0, Ordering::Relaxed);
    world.submit().await;
    world.until("2026-11-24T02:00:00Z").await;
    let Came::ToItsEnd(found) = run(60).await else {
        panic!("not at its end");
    };
    let verdicts: Vec<&Verdict> = found.findings.iter().map(|of| &of.verdict).collect();
    assert_eq!(verdicts, [&Verdict::Equal]);
}

#[tokio::test]
async fn what_a_run_found_of_a_month_is_shown_later_without_asking_aws() {
    let world = World::new().await;
    world.billed().await;
    world.app.expire_due(Timestamp::MAX).await.unwrap();
    world.aws_has(103);
    let nothing = world.said("reconcile 2026-11-22 --kept").await;
    assert!(
        nothing.contains("2026-11: nothing is kept of its amounts"),
        "{nothing}"
    );
    world.until("2026-12-03T02:00:00Z").await;
    let (app, sources) = (&world.app, &world.sources);
    let days = app.reconcile_due_days(sources, Timestamp::MAX).await;
    assert!(matches!(days.unwrap(), Came::ToItsEnd(_)));
    let month = app.reconcile_due_month(sources, Timestamp::MAX).await;
    assert!(matches!(month.unwrap(), Came::ToItsEnd(_)));
    let asked = || {
        let calls = world.aws.calls();
        let of_aws = [
            "ListObjectsV2",
            "GetObject",
            "ListAgreementInvoiceLineItems",
        ];
        calls
            .iter()
            .filter(|call| of_aws.contains(&call.operation))
            .count()
    };
    let before = asked();
    let said = world.said("reconcile 2026-11-22 --kept").await;
    assert_eq!(asked(), before);
    for says in [
        "2026-11-22: 0 equal, 0 late, 0 missing, 1 over",
        "OVER: AWS has 100 more than we know of; 3.2 USD at 0.032 (agreed rate)",
        "2026-11: 0 of 1 agreements' amounts are as invoiced",
        "billed 0.096 USD (agreed rate)  invoiced 3.3",
        "Proposed: give back 3.2 USD of invoice inv-",
    ] {
        assert!(said.contains(says), "{says}: {said}");
    }
    let without_day = world.said("reconcile --kept").await;
    assert!(
        without_day.contains("2026-11: 0 of 1 agreements"),
        "{without_day}"
    );
}

/// A file of adjustments in a folder of the test's own.
struct File(std::path::PathBuf);

impl File {
    fn new(name: &str) -> Self {
        let file = std::env::temp_dir().join(format!("{name}-{}.json", std::process::id()));
        let _ = std::fs::remove_file(&file);
        Self(file)
    }

    fn read(&self) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(&self.0).unwrap()).unwrap()
    }

    fn remove(&self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn a_month_that_is_invoiced_as_billed_needs_no_adjustment() {
    let world = World::new().await;
    world.billed().await;
    let file = File::new("no-adjustments");
    let command = format!("reconcile 2026-11-22 --adjustments {}", file.0.display());
    let refused = world.refused(&command).await;
    assert!(refused.contains("month of DAY must be over"), "{refused}");
    world.until("2026-12-03T06:00:00Z").await;
    let said = world.said(&command).await;
    assert!(said.contains("2026-11: 1 of 1 agreements"), "{said}");
    assert!(said.contains("No adjustment is proposed"), "{said}");
    assert!(!file.0.exists());
}

#[tokio::test]
async fn what_aws_has_over_is_proposed_to_be_given_back_and_sent_by_nobody() {
    let world = World::new().await;
    world.billed().await;
    world.aws_has(103);
    world.until("2026-12-03T06:00:00Z").await;
    let file = File::new("adjustments");
    let command = format!("reconcile --adjustments {}", file.0.display());
    let said = world.said(&command).await;
    // The invoice is over by the same.
    assert!(
        said.contains("as invoiced") && said.contains("OVER: AWS has invoiced 3.2"),
        "{said}"
    );
    assert!(said.contains("sent to nobody"), "{said}");
    let written = file.read();
    let entry = &written["billingAdjustmentRequestEntries"][0];
    assert_eq!(entry["adjustmentAmount"], "3.2");
    assert_eq!(entry["agreementId"], world.agreement().as_str());
    assert_eq!(entry["adjustmentReasonCode"], "INCORRECT_METERING");
    // What is there may be edited: it stays. The same again is the same request.
    let refused = world.refused(&command).await;
    assert!(refused.contains("could not be written"), "{refused}");
    file.remove();
    world.said(&command).await;
    assert_eq!(file.read(), written);
    let calls = world.aws.calls();
    assert!(
        calls
            .iter()
            .all(|call| !call.operation.contains("Adjustment"))
    );
}

#[tokio::test]
async fn invoices_that_cannot_be_read_leave_the_amounts_uncompared() {
    let world = World::new().await;
    world.billed().await;
    world.aws_has(103);
    world.until("2026-12-03T06:00:00Z").await;
    let file = File::new("unread-invoices");
    let command = format!("reconcile --adjustments {}", file.0.display());
    // A call is repeated four times, each of which the SDK makes three attempts at.
    world.break_down(
        "ListAgreementInvoiceLineItems",
        FaultKind::InternalError,
        15,
    );
    let said = world.said(&command).await;
    assert!(said.contains("2026-11: 0 of 1 agreements"), "{said}");
    assert!(said.contains("its invoices could not be read"), "{said}");
    assert!(!file.0.exists());
    world.break_down("ListAgreementInvoiceLineItems", FaultKind::Throttle, 3);
    assert!(world.said(&command).await.contains("Written to"));
    file.remove();
    world.break_down("ListAgreementInvoiceLineItems", FaultKind::EmptyPage, 1);
    assert!(world.said(&command).await.contains("Written to"));
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_said_before_anything_is_asked() {
    let world = World::new().await;
    world.billed().await;
    world.aws_has(103);
    world.until("2026-12-03T06:00:00Z").await;
    let before = world.aws.calls().len();
    let folder = std::env::temp_dir();
    for file in ["/nowhere/at/all.json", folder.to_str().unwrap()] {
        let command = format!("reconcile --adjustments {file}");
        let refused = world.refused(&command).await;
        assert!(refused.contains("could not be written"), "{refused}");
    }
    assert_eq!(world.aws.calls().len(), before);
}

#[tokio::test]
async fn each_run_asks_for_invoices_from_where_the_one_before_stopped() {
    let world = World::new().await;
    let mut agreements = Vec::new();
    for _ in 0..5 {
        let bought = world.aws.create_agreement(OfferKind::Public, BUYER).await;
        agreements.push(bought.unwrap().agreement_id);
    }
    agreements.sort();
    world.until("2026-11-23T12:00:00Z").await;
    for agreement in &agreements {
        let usage = UsageCorrection {
            usage_date: day(),
            agreement_id: agreement.clone(),
            dimension: "large".to_owned(),
            quantity: 4,
        };
        world.aws.correct_usage(usage).unwrap();
    }
    let mut asked = Vec::new();
    for run in 3..=6 {
        world.seconds_a_look.store(0, Ordering::Relaxed);
        world.until(&format!("2026-12-0{run}T02:00:00Z")).await;
        // Every look at the clock finds it a second later: there is no time for all.
        world.seconds_a_look.store(1, Ordering::Relaxed);
        let deadline = world.app.clock.now() + SignedDuration::from_secs(16);
        let (app, sources) = (&world.app, &world.sources);
        let before = world.aws.calls().len();
        let month = app.reconcile_due_month(sources, deadline).await.unwrap();
        let Came::ToItsEnd(month) = month else {
            panic!("{month:?}");
        };
        let calls = world.aws.calls().split_off(before);
        let invoices = calls
            .iter()
            .filter(|call| call.operation == "ListAgreementInvoiceLineItems");
        let of_run: Vec<String> = invoices
            .map(|call| call.request["agreementId"].as_str().unwrap().to_owned())
            .collect();
        assert!((1..5).contains(&of_run.len()), "{of_run:?}");
        assert_eq!(month.unasked.len(), 5 - of_run.len());
        asked.extend(of_run);
    }
    let in_turn = agreements.iter().cycle().take(asked.len());
    assert_eq!(asked, in_turn.cloned().collect::<Vec<_>>());
    assert!(asked.len() > 5, "all had their turn: {asked:?}");
    // What was found of an agreement that was not asked about today is kept.
    let kept = world.app.store.reconciled_amounts(day()).await;
    assert_eq!(kept.unwrap().unwrap().counts.over, 5);
}

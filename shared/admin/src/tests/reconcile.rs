//! Our usage compared with AWS's, through the real SDK clients and the fake:
//! each class of difference, outages, and odd files.

use app::reconciliation::Reconciled;
use domain::ids::{AgreementId, LicenseId};
use domain::reconciliation::{Finding, Obstacle, Units, Verdict, Whose, day_of};
use fake_aws::UsageCorrection;
use jiff::civil::Date;

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
        let obstacle = self.obstacle().await;
        let Obstacle::FeedUnread { reason } = obstacle else {
            panic!("{obstacle:?}");
        };
        reason
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
    assert!(world.unread().await.contains("no file under"));
    let said = world.said("reconcile 2026-11-22").await;
    assert!(
        said.contains("2026-11-22 was not compared: there is no file"),
        "{said}"
    );
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
}

#[tokio::test]
async fn more_than_we_know_of_is_over() {
    let world = World::new().await;
    world.billed().await;
    world.aws_has(5);
    let (units, explained) = (Units::whole(2), Units::default());
    assert_eq!(world.verdict().await, Verdict::Over { units, explained });
    let said = world.said("reconcile 2026-11-22").await;
    assert!(
        said.contains("OVER: AWS has 2 more than we know of"),
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
    // The same again is the same request.
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
    for kind in [FaultKind::Throttle, FaultKind::InternalError] {
        world.break_down("ListAgreementInvoiceLineItems", kind, 3);
        let said = world.said(&command).await;
        assert!(said.contains("2026-11: 0 of 1 agreements"), "{said}");
        assert!(said.contains("its invoices could not be read"), "{said}");
        assert!(!file.0.exists());
    }
    world.break_down("ListAgreementInvoiceLineItems", FaultKind::EmptyPage, 1);
    assert!(world.said(&command).await.contains("Written to"));
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_said() {
    let world = World::new().await;
    world.billed().await;
    world.aws_has(103);
    world.until("2026-12-03T06:00:00Z").await;
    let refused = world
        .refused("reconcile --adjustments /nowhere/at/all.json")
        .await;
    assert!(refused.contains("could not be written"), "{refused}");
}

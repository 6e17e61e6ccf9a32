//! The local stack compares each day with AWS's data feeds, by itself.

use domain::ids::AgreementId;
use domain::reconciliation::kept::{Counts, ReconciledDay};
use domain::reconciliation::{Units, Verdict, Whose};
use fake_aws::{OfferKind, UsageCorrection};
use jiff::civil::Date;
use local::product::ACME_PRODUCTION;
use local::{Config, Local};

use crate::linking::link;

const DAY: &str = "2026-11-22";

/// A stack with a buyer since the morning of the day.
async fn bought() -> (Local, AgreementId) {
    let stack = Local::start(Config {
        start: Some("2026-11-22T09:00:00Z".parse().unwrap()),
        ..Config::default()
    });
    let stack = stack.await.unwrap();
    let made = stack
        .fake
        .create_agreement(OfferKind::Public, "777788889999")
        .await
        .unwrap();
    let token = &made.registration_token;
    link(&stack.seller_url, token, ACME_PRODUCTION).await;
    (stack, AgreementId::parse(made.agreement_id).unwrap())
}

/// What is kept of the day after the run of two o'clock on another.
async fn kept_after(stack: &Local, run: &str) -> ReconciledDay {
    let after = format!("{run}T02:30:00Z").parse().unwrap();
    stack.fake.advance_to(after).await.unwrap();
    let day: Date = DAY.parse().unwrap();
    let kept = stack.app.store.reconciled_day(day).await.unwrap();
    kept.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_day_is_compared_until_aws_has_all_of_it_and_a_wrong_figure_is_found() {
    let (stack, agreement) = bought().await;
    // The last hours of the day were accepted after midnight, and come with the
    // feed of the day after.
    let first = kept_after(&stack, "2026-11-23").await;
    assert!(first.counts.late > 0, "{first:?}");
    assert_eq!((first.counts.missing, first.counts.over), (0, 0));
    let complete = kept_after(&stack, "2026-11-24").await;
    let Counts { equal, .. } = complete.counts;
    assert!(equal > 0, "{complete:?}");
    let all_equal = Counts {
        equal,
        ..Counts::default()
    };
    assert_eq!(complete.counts, all_equal);

    let large: u64 = stack
        .fake
        .accepted_records()
        .iter()
        .filter(|record| &*record.dimension == "large")
        .filter(|record| record.hour.to_string().starts_with(DAY))
        .map(|record| record.quantity)
        .sum();
    stack
        .fake
        .correct_usage(UsageCorrection {
            usage_date: DAY.parse().unwrap(),
            agreement_id: agreement.to_string(),
            dimension: "large".to_owned(),
            quantity: large + 7,
        })
        .unwrap();
    let wrong = kept_after(&stack, "2026-11-25").await;
    let [finding] = wrong.findings.as_slice() else {
        panic!("{wrong:?}");
    };
    assert_eq!(finding.whose, Whose::Agreement(agreement));
    let (units, explained) = (Units::whole(7), Units::default());
    assert_eq!(finding.verdict, Verdict::Over { units, explained });
    // Nothing was sent for it.
    let asked = stack.fake.calls();
    assert!(
        asked
            .iter()
            .all(|call| !call.operation.contains("Adjustment"))
    );
    stack.stop().await;
}

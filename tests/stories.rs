//! The main job, told as stories: a script of what people and machines do goes
//! in, what they see comes out and is held against a snapshot. After each,
//! conservation: nothing was lost or doubled, and what we call billed is
//! exactly what AWS accepted. Those under `purchases` go on to the last invoice.

mod bills;
mod invoices;
pub(crate) mod person;
mod purchases;
pub(crate) mod script;

use std::collections::BTreeMap;

use app::Scope;
use domain::hour::Hour;
use domain::ids::LicenseId;
use domain::ledger::record::RecordState;
use jiff::Timestamp;
use local::Local;

use script::Story;

/// Quantities by license, timestamp and dimension.
pub(crate) type Quantities = BTreeMap<(String, String, String), u64>;

/// What the check of conservation finds of these hours, besides what only waits.
pub(crate) async fn differences(stack: &Local, from: Hour, until: Hour) -> Vec<String> {
    let hours: Vec<Hour> = (0..until.since(from)).map(|hour| from.plus(hour)).collect();
    let scope = Scope::every_account(&hours);
    let found = stack.app.check_conservation(&scope, Timestamp::MAX).await;
    let found = found.unwrap();
    let differences = found.differences.iter();
    let differences = differences.filter(|difference| !difference.only_waits());
    differences.map(ToString::to_string).collect()
}

/// What our ledger calls billed.
pub(crate) async fn billed(stack: &Local, from: Hour, until: Hour) -> Quantities {
    let mut billed = Quantities::new();
    let licenses = stack
        .fake
        .accepted_records()
        .into_iter()
        .map(|record| record.license_arn);
    let mut licenses: Vec<String> = licenses.map(|arn| arn.to_string()).collect();
    licenses.sort();
    licenses.dedup();
    for arn in licenses {
        let license = LicenseId::parse(arn.rsplit(':').next().unwrap()).unwrap();
        for slot in stack.app.store.slots(&license, from, until).await.unwrap() {
            for record in slot.records {
                if let RecordState::Billed { .. } = record.state {
                    let key = (
                        license.to_string(),
                        record.usage.timestamp.to_string(),
                        record.usage.dimension.to_string(),
                    );
                    billed.insert(key, u64::from(record.usage.quantity.get()));
                }
            }
        }
    }
    billed
}

/// What AWS accepted.
pub(crate) fn accepted(stack: &Local) -> Quantities {
    stack
        .fake
        .accepted_records()
        .into_iter()
        .map(|record| {
            let license = record.license_arn.rsplit(':').next().unwrap().to_owned();
            let key = (
                license,
                record.timestamp.to_string(),
                record.dimension.to_string(),
            );
            (key, record.quantity)
        })
        .collect()
}

/// Plays a story of this folder and holds it against its snapshot.
macro_rules! story {
    ($name:ident, $file:literal) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $name() {
            let told = Story::play(include_str!(concat!("stories/", $file, ".story"))).await;
            insta::assert_snapshot!($file, told);
        }
    };
}

story!(
    a_first_subscription_is_linked_and_metered_by_four_tiers,
    "first-subscription"
);
story!(a_payer_change_never_leaves_subscribed, "payer-change");
story!(
    what_aws_refuses_of_an_old_payer_is_never_the_new_one_s,
    "payer-change-refused"
);
story!(
    a_relinked_account_has_48_hours_of_grace_to_the_second,
    "relink-and-grace"
);
story!(an_expired_token_says_how_to_get_another, "expired-token");
story!(
    single_sign_on_is_refused_and_the_session_kept,
    "saml-refused"
);
story!(
    an_account_on_an_annual_subscription_is_not_linked,
    "annual-refused"
);
story!(a_report_that_comes_twice_counts_once, "duplicate-report");
story!(
    a_report_after_its_hour_was_posted_is_billed_later,
    "late-report"
);
story!(a_lost_answer_is_neither_failure_nor_success, "lost-answer");
story!(twenty_hours_without_aws_lose_nothing, "outage");
story!(an_ended_license_is_metered_to_its_end, "cancellation");
story!(
    an_end_of_which_aws_told_nothing_is_found_in_time_for_its_last_usage,
    "cancellation-lost-events"
);
story!(
    an_older_listing_is_linked_and_billed_whether_the_message_or_the_browser_comes_first,
    "older-listing"
);
story!(
    a_contract_of_an_older_listing_is_used_up_before_anything_is_metered,
    "older-listing-contract"
);
story!(
    pay_as_you_go_is_billed_as_the_page_estimates,
    "purchases/pay-as-you-go"
);
story!(
    a_year_prepaid_covers_its_hours_and_bills_the_rest_at_the_agreed_rate,
    "purchases/private-yearly"
);
story!(
    monthly_instalments_fall_due_beside_the_usage_of_each_month,
    "private-monthly"
);
story!(
    monthly_instalments_are_invoiced_to_the_last_and_the_agreement_ends,
    "purchases/monthly-instalments"
);
story!(
    yearly_instalments_are_invoiced_to_the_last_and_the_agreement_ends,
    "purchases/yearly-instalments"
);
story!(
    a_private_offer_without_a_contract_is_billed_at_its_own_rates,
    "purchases/private-usage"
);
story!(
    a_contract_that_is_not_used_up_is_invoiced_and_nothing_is_metered,
    "purchases/contract"
);
story!(
    a_contract_with_consumption_is_used_up_before_anything_is_metered,
    "purchases/consumption"
);
story!(
    a_free_trial_is_metered_and_costs_nothing_for_14_days,
    "purchases/free-trial"
);
story!(
    a_purchase_for_later_is_linked_and_metered_from_its_start,
    "purchases/future-dated"
);
story!(
    a_renewal_with_a_new_license_goes_on_without_a_gap,
    "renewal"
);
story!(
    a_renewal_of_which_every_event_is_lost_is_found_within_the_hour,
    "renewal-lost-events"
);
story!(
    a_renewal_that_aws_does_not_tell_of_for_hours_loses_no_usage,
    "renewal-during-outage"
);
story!(
    a_renewal_known_a_day_after_its_old_license_ended_is_billed_from_its_start,
    "renewal-after-a-day"
);
story!(
    a_replacement_of_pay_as_you_go_of_which_every_event_is_lost_takes_over_at_its_start,
    "replacement-lost-events"
);
story!(
    a_renewal_early_in_an_hour_of_which_every_event_is_lost_loses_no_usage,
    "renewal-early-in-the-hour"
);
story!(
    a_replacement_takes_over_at_its_start_without_a_gap,
    "replacement"
);
story!(
    an_agreement_that_renews_itself_goes_on_at_its_terms_end,
    "auto-renewal"
);
story!(
    an_agreement_that_does_not_renew_expires_at_its_terms_end,
    "term-end"
);
story!(
    an_agreement_that_aws_terminates_is_metered_to_its_end,
    "termination"
);
story!(
    usage_of_a_suspended_buyer_waits_until_aws_restores_the_account,
    "suspension"
);
story!(
    a_subscription_after_a_cancellation_is_linked_again_and_metered_from_then_on,
    "subscribed-again"
);

//! The functions as `sam build` built them, under AWS's runtime interface emulator:
//! they answer as those that the other tests run, and do the same to AWS.
//!
//! They are a stage of `./test` of their own, after `sam build`: by themselves they are
//! run with `cargo nextest run --ignore-default-filter -E 'test(/^emulator::/)'`.

use crate::binaries::{
    Host, answers_its_payloads, bill_a_report, end_what_fell_due, store_a_license, take_a_token,
};
use crate::built::built_by_sam;
use crate::project;

/// The C library of provided.al2023 is glibc 2.34.
const NEWEST_GLIBC: u32 = 34;

/// The versions 2.N of glibc whose symbols a program needs.
fn needs_of_glibc(program: &[u8]) -> Vec<u32> {
    const MARK: &[u8] = b"GLIBC_2.";
    let marks = program
        .windows(MARK.len())
        .enumerate()
        .filter(|(_, window)| *window == MARK);
    marks
        .filter_map(|(at, _)| {
            let rest = &program[at + MARK.len()..];
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit());
            let version: String = digits.map(|digit| char::from(*digit)).collect();
            version.parse().ok()
        })
        .collect()
}

#[test]
fn no_function_needs_a_newer_c_library_than_lambda_has() {
    for function in project::directories("functions") {
        let program = std::fs::read(built_by_sam(&function)).unwrap();
        let newest = needs_of_glibc(&program).into_iter().max();
        assert!(newest.is_some(), "{function} needs no C library?");
        assert!(newest <= Some(NEWEST_GLIBC), "{function}: 2.{newest:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registration_function_answers_its_payloads() {
    answers_its_payloads(Host::Emulator, "registration").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_function_answers_its_payloads() {
    answers_its_payloads(Host::Emulator, "console").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usage_intake_function_answers_its_payloads() {
    answers_its_payloads(Host::Emulator, "usage-intake").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_marketplace_events_function_answers_its_payloads() {
    answers_its_payloads(Host::Emulator, "marketplace-events").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usage_posting_function_answers_its_payloads() {
    answers_its_payloads(Host::Emulator, "usage-posting").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_usage_submission_function_answers_its_payloads() {
    answers_its_payloads(Host::Emulator, "usage-submission").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grace_expiry_function_answers_its_payloads() {
    answers_its_payloads(Host::Emulator, "grace-expiry").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catching_up_function_answers_its_payloads() {
    answers_its_payloads(Host::Emulator, "catching-up").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_check_function_answers_its_payloads() {
    answers_its_payloads(Host::Emulator, "ledger-check").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reconciliation_function_answers_its_payloads() {
    answers_its_payloads(Host::Emulator, "reconciliation").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_functions_take_a_report_post_it_and_submit_it_to_aws() {
    bill_a_report(Host::Emulator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_marketplace_events_function_stores_a_license() {
    store_a_license(Host::Emulator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registration_function_takes_a_token_of_aws() {
    take_a_token(Host::Emulator).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_grace_expiry_function_ends_what_fell_due() {
    end_what_fell_due(Host::Emulator).await;
}

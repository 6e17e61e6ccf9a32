use domain::metering::NoAnswer;

use super::*;
use crate::testing::{Answer, Aws, list, map, text};

const ARN: &str =
    "arn:aws:license-manager::123456789012:license:l-0123456789abcdef0123456789abcdef";

/// Tag 1, an unsigned 32-bit number: seconds since 1970.
const INSTANT: [u8; 6] = [0xc1, 0x1a, 0x6b, 0x02, 0xb8, 0x20];

fn account(id: &str) -> Vec<u8> {
    map(&[("accountId", text(id))])
}

fn summary(id: &str, status: &str) -> Vec<u8> {
    map(&[
        ("agreementId", text(id)),
        ("initialAgreementId", text("agmt-1")),
        ("acceptor", account("999988887777")),
        ("status", text(status)),
        ("startTime", INSTANT.to_vec()),
        ("entitlements", list(&[map(&[("licenseArn", text(ARN))])])),
        ("proposalSummary", proposal()),
    ])
}

fn proposal() -> Vec<u8> {
    map(&[
        ("offerId", text("offer-1")),
        ("resources", list(&[map(&[("id", text("prod-1"))])])),
    ])
}

fn page(summaries: &[Vec<u8>], next: Option<&str>) -> Answer {
    let mut entries = vec![("agreementViewSummaries", list(summaries))];
    if let Some(token) = next {
        entries.push(("nextToken", text(token)));
    }
    Answer::Http(200, map(&entries))
}

fn described() -> Answer {
    let described = map(&[
        ("agreementId", text("agmt-2")),
        ("initialAgreementId", text("agmt-1")),
        ("acceptor", account("999988887777")),
        ("status", text("ACTIVE")),
        ("startTime", INSTANT.to_vec()),
        ("proposalSummary", proposal()),
    ]);
    Answer::Http(200, described)
}

fn refused(status: u16, code: &str) -> Answer {
    let kind = format!("com.amazonaws.marketplaceagreement#{code}");
    Answer::Http(status, map(&[("__type", text(&kind))]))
}

async fn chain(aws: &Aws) -> Result<Vec<FoundAgreement>, ReadError> {
    let agreement = AgreementId::parse("agmt-2").unwrap();
    aws.marketplace().chain_of_agreement(&agreement).await
}

#[tokio::test]
async fn a_chain_is_read_to_its_end_through_an_empty_page() {
    let aws = Aws::answering([
        described(),
        page(&[summary("agmt-1", "RENEWED")], Some("a")),
        page(&[], Some("b")),
        page(&[summary("agmt-2", "ACTIVE")], None),
    ]);
    let found = chain(&aws).await.unwrap();
    let how = |found: &FoundAgreement| found.ended.clone();
    assert_eq!(
        found.iter().map(how).collect::<Vec<_>>(),
        [None, Some(EndedStatus::Renewed)]
    );
    let [active, _] = &found[..] else {
        panic!("{found:?}");
    };
    assert_eq!(active.licenses, [LicenseArn::parse(ARN).unwrap()].into());
    assert_eq!(
        active.products,
        [ProductId::parse("prod-1").unwrap()].into()
    );
    assert_eq!(active.starts_at.unwrap().as_second(), 0x6b02_b820);
    assert_eq!(active.ends_at, None);
}

#[tokio::test]
async fn what_aws_lists_beside_the_agreement_hides_no_answer_about_it() {
    // On a resale the list is without it; a relative cannot be read.
    let nameless = map(&[("status", text("ACTIVE"))]);
    for relatives in [vec![], vec![nameless], vec![summary("agmt-1", "RENEWED")]] {
        let aws = Aws::answering([described(), page(&relatives, None)]);
        let found = chain(&aws).await.unwrap();
        assert_eq!(found[0].agreement.as_str(), "agmt-2");
        assert_eq!(found[0].ended, None);
    }
    let without_status = map(&[
        ("agreementId", text("agmt-2")),
        ("acceptor", account("999988887777")),
    ]);
    let aws = Aws::answering([Answer::Http(200, without_status)]);
    assert_eq!(chain(&aws).await, Err(ReadError::Incomplete("status")));
}

#[tokio::test]
async fn every_failure_is_told_apart_and_none_says_anything_of_the_agreement() {
    for (answer, error) in [
        (refused(400, "ThrottlingException"), ReadError::Throttled),
        (
            refused(400, "ResourceNotFoundException"),
            ReadError::Unknown,
        ),
        (
            refused(400, "AccessDeniedException"),
            ReadError::Refused("AccessDeniedException".to_owned()),
        ),
        (
            refused(500, "InternalServerException"),
            ReadError::Unavailable(NoAnswer::ServerError(500)),
        ),
        (Answer::Broken, ReadError::Unavailable(NoAnswer::Connection)),
    ] {
        assert_eq!(chain(&Aws::answering([answer])).await, Err(error));
    }
}

#[tokio::test]
async fn a_list_without_an_end_is_given_up() {
    let pages = (0..MAX_PAGES_OF_CHAIN).map(|_| page(&[], Some("again")));
    let aws = Aws::answering([described()].into_iter().chain(pages));
    assert_eq!(
        chain(&aws).await,
        Err(ReadError::TooManyPages(MAX_PAGES_OF_CHAIN))
    );
}

#[tokio::test]
async fn one_agreement_that_cannot_be_read_hides_no_other() {
    let nameless = map(&[("status", text("ACTIVE"))]);
    let aws = Aws::answering([page(&[nameless, summary("agmt-1", "ACTIVE")], Some("n"))]);
    let page = aws
        .marketplace()
        .search_agreements(None, None)
        .await
        .unwrap();
    assert_eq!((page.agreements.len(), page.incomplete.len()), (1, 1));
    assert_eq!(page.next.as_deref(), Some("n"));
}

#[test]
fn an_archived_agreement_ended_and_a_superseded_revision_says_nothing() {
    assert_eq!(
        ended(&AgreementStatus::Archived),
        Some(EndedStatus::Expired)
    );
    let superseded = ended(&AgreementStatus::Superseded).unwrap();
    assert!(!superseded.ends_license() && !superseded.has_successor());
}

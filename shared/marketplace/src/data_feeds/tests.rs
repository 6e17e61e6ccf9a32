use super::*;
use crate::testing::{Answer, Aws, json};
use domain::reconciliation::Units;

const PRODUCT: &str = "code-1";
const DAY: &str = "2026-11-22";
const HEADER: &str = "valid_from,insert_date,update_date,delete_date,usage_feed_id,usage_date,\
    product_id,agreement_id,dimension_key,usage_quantity,pricing_currency,\
    usage_rate_per_unit_in_pricing_currency,charge_item_description";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

/// A list of the files of these keys, each modified at noon of the 23rd.
fn files(keys: &[&str], next: Option<&str>) -> Answer {
    let contents: String = keys
        .iter()
        .map(|key| {
            format!(
                "<Contents><Key>{key}</Key><LastModified>2026-11-23T12:00:00.000Z</LastModified>\
                 </Contents>"
            )
        })
        .collect();
    let next = next.map_or_else(String::new, |token| {
        format!("<NextContinuationToken>{token}</NextContinuationToken>")
    });
    let xml = format!("<ListBucketResult>{next}{contents}</ListBucketResult>");
    Answer::Http(200, xml.into_bytes())
}

fn text(text: impl Into<String>) -> Answer {
    Answer::Http(200, text.into().into_bytes())
}

fn month(feed: &str) -> String {
    format!("{feed}/year=2026/month=11/data.csv")
}

/// What is answered before the usage feed's list: product and agreements.
fn before_usage() -> Vec<Answer> {
    vec![
        files(&[&month("productfeed_v1")], None),
        text(format!(
            "product_id,product_code,title\nprod-1,{PRODUCT},\"One, \"\"the\"\"\nfirst\"\nprod-2,code-2,Two\n"
        )),
        files(&[&month("agreementfeed_v1")], None),
        text("Status,agreement_id\nActive,agmt-1\nActive,agmt-2\n"),
    ]
}

/// A row of 3 units, with a field replaced.
fn row(name: &str, value: &str) -> String {
    let fields = [
        ("valid_from", "2026-11-23T00:00:00Z"),
        ("insert_date", "2026-11-23T00:00:00Z"),
        ("update_date", "2026-11-23 00:00:00.0"),
        ("delete_date", "null"),
        ("usage_feed_id", "id-1"),
        ("usage_date", DAY),
        ("product_id", "prod-1"),
        ("agreement_id", "agmt-1"),
        ("dimension_key", "large"),
        ("usage_quantity", "3.00"),
        ("pricing_currency", "USD"),
        ("usage_rate_per_unit_in_pricing_currency", "0.032000"),
        (
            "charge_item_description",
            "\"per hour, \"\"large\"\"\nhere\"",
        ),
    ];
    let fields = fields.map(|(field, usual)| if field == name { value } else { usual });
    format!("{}\n", fields.join(","))
}

async fn ask(aws: &Aws) -> Result<UsageFeed, FeedError> {
    let products = [ProductCode::parse(PRODUCT).unwrap()].into();
    let days = (day("2026-11-21"), day("2026-11-23"));
    let now = at("2026-11-23T13:00:00Z");
    aws.data_feeds().usage(&products, days, now).await
}

/// The feed of one usage file.
async fn of_file(file: String) -> Result<UsageFeed, FeedError> {
    let mut answers = before_usage();
    answers.push(files(&[&month("dailyusagefeed_v1")], None));
    answers.push(text(file));
    ask(&Aws::answering(answers)).await
}

async fn feed(rows: &[String]) -> UsageFeed {
    of_file(format!("{HEADER}\n{}", rows.concat()))
        .await
        .unwrap()
}

#[tokio::test]
async fn rows_are_read_by_their_columns_through_quotes_and_line_feeds() {
    let feed = feed(&[row("", ""), row("usage_feed_id", "id-2")]).await;
    assert_eq!(feed.unreadable, []);
    let [first, second] = feed.rows.as_slice() else {
        panic!("{feed:?}");
    };
    assert_eq!((&*first.id, &*second.id), ("id-1", "id-2"));
    assert_eq!(first.updated_at, at("2026-11-23T00:00:00Z"));
    assert!(!first.deleted);
    assert_eq!(first.usage.units, Units::whole(3));
    assert_eq!(
        first.usage.rate,
        Some(domain::money::Usd::from_micros(32_000))
    );
    assert_eq!(first.usage.day, day(DAY));
    assert_eq!(feed.agreements.len(), 2);
    assert_eq!(
        feed.days.values().cloned().collect::<Vec<_>>(),
        [
            FeedOfDay::Delivered,
            FeedOfDay::Delivered,
            FeedOfDay::NotDelivered
        ]
    );
}

#[tokio::test]
async fn columns_may_stand_in_any_order_and_unknown_ones_are_told() {
    let file = "\u{feff}novelty,Usage_Quantity,usage_feed_id,valid_from,update_date,delete_date,\
        usage_date,product_id,agreement_id,dimension_key\n\
        x,3,id-1,2026-11-23T00:00:00Z,,,2026-11-22T00:00:00Z,prod-1,null,large\n";
    let feed = of_file(file.to_owned()).await.unwrap();
    let [row] = feed.rows.as_slice() else {
        panic!("{feed:?}");
    };
    assert_eq!(row.usage.agreement, None);
    assert_eq!(row.usage.rate, None);
    let notes: Vec<&String> = feed.notes.iter().collect();
    assert!(
        notes.len() == 1 && notes[0].ends_with("novelty"),
        "{notes:?}"
    );
}

#[tokio::test]
async fn rows_of_other_products_and_days_are_passed_over_and_the_first_are_counted() {
    let feed = feed(&[
        row("product_id", "prod-2"),
        row("usage_date", "2026-11-20"),
        row("", ""),
    ])
    .await;
    assert_eq!((feed.rows.len(), feed.other_products), (1, 1));
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_kept_with_its_line_and_what_is_known_of_it() {
    let known = (true, true, true);
    for (name, value, reason, says) in [
        (
            "usage_quantity",
            "-3",
            "usage_quantity cannot be read",
            known,
        ),
        (
            "usage_quantity",
            "3.001",
            "usage_quantity cannot be read",
            known,
        ),
        ("usage_quantity", "", "usage_quantity is empty", known),
        ("valid_from", "noon", "valid_from cannot be read", known),
        ("usage_feed_id", "null", "usage_feed_id is empty", known),
        (
            "usage_date",
            "22/11",
            "usage_date cannot be read",
            (false, true, true),
        ),
        (
            "usage_date",
            "2999-01-01",
            "usage_date lies ahead, or after its file's month",
            (false, true, true),
        ),
        (
            "agreement_id",
            "a#b",
            "agreement_id cannot be read",
            (true, false, true),
        ),
        (
            "dimension_key",
            "",
            "dimension_key is empty",
            (true, true, false),
        ),
        (
            "insert_date",
            "a,b",
            "has 14 fields under 13 columns",
            (false, false, false),
        ),
    ] {
        let feed = feed(&[row("", ""), row(name, value)]).await;
        let [bad] = feed.unreadable.as_slice() else {
            panic!("{name}: {feed:?}");
        };
        assert_eq!(bad.reason, reason);
        // The first row takes the lines 2 and 3.
        assert_eq!(bad.line, 4, "{name}");
        let of = (
            bad.days.0 == bad.days.1,
            bad.agreement.is_some(),
            bad.dimension.is_some(),
        );
        assert_eq!(of, says, "{name}");
        assert_eq!(feed.rows.len(), 1);
    }
}

#[tokio::test]
async fn a_file_that_is_cut_off_is_no_file() {
    let whole = format!("{HEADER}\n{}", row("", ""));
    // Within quotes.
    let error = unread(of_file(whole[..whole.len() - 5].to_owned()).await);
    assert!(error.contains("cut off within quotes"), "{error}");
    // Within a row before its last field.
    let cut = whole.find("3.00").unwrap() + 1;
    let feed = of_file(whole[..cut].to_owned()).await.unwrap();
    assert_eq!(feed.rows, []);
    let any = (day("2026-10-28"), day("2026-11-30"));
    assert_eq!(feed.unreadable[0].days, any, "it may be about any of them");
    // Before the line feed alone: all that is read of it is there.
    let feed = of_file(whole.trim_end().to_owned()).await.unwrap();
    assert_eq!(feed.rows.len(), 1);
}

#[tokio::test]
async fn a_last_field_that_is_read_and_may_be_cut_off_is_not_taken() {
    let file = "usage_feed_id,valid_from,update_date,delete_date,usage_date,product_id,agreement_id,\
        dimension_key,usage_quantity\n\
        id-1,2026-11-23T00:00:00Z,,,2026-11-22,prod-1,agmt-1,large,12";
    let feed = of_file(file.to_owned()).await.unwrap();
    assert_eq!(feed.unreadable[0].reason, "the file ends in it");
    let feed = of_file(format!("{file}\n")).await.unwrap();
    assert_eq!(feed.rows.len(), 1);
}

#[tokio::test]
async fn a_file_without_a_column_that_is_needed_is_refused_by_its_name() {
    let file = HEADER.replace("usage_quantity", "quantity");
    let error = unread(of_file(format!("{file}\n")).await);
    let of_file_named = month("dailyusagefeed_v1");
    assert_eq!(
        error,
        format!("{of_file_named} has no column usage_quantity")
    );
    let twice = unread(of_file(format!("{HEADER},usage_quantity\n")).await);
    assert!(twice.contains("twice"), "{twice}");
    let empty = unread(of_file(String::new()).await);
    assert!(empty.contains("not even a header"), "{empty}");
}

/// Why no day of a feed was read.
fn unread(feed: Result<UsageFeed, FeedError>) -> String {
    let feed = feed.unwrap();
    assert_eq!(feed.rows, []);
    let reasons: BTreeSet<String> = feed
        .days
        .into_values()
        .map(|state| match state {
            FeedOfDay::Unread { reason } => reason,
            other @ (FeedOfDay::Delivered | FeedOfDay::NotDelivered | FeedOfDay::NotEnrolled) => {
                panic!("{other:?}")
            }
        })
        .collect();
    let [reason] = reasons.into_iter().collect::<Vec<_>>().try_into().unwrap();
    reason
}

#[tokio::test]
async fn a_file_that_is_not_understood_leaves_the_days_unknown_that_it_may_be_about_and_no_others()
{
    let later = "dailyusagefeed_v1/year=2026/month=12/data.csv";
    let now = at("2026-12-05T13:00:00Z");
    for (file, unknown) in [
        ("nonsense\n".to_owned(), true),
        (format!("{HEADER}\n{}", row("usage_date", "soon")), false),
    ] {
        let mut answers = before_usage();
        answers.push(files(&[&month("dailyusagefeed_v1"), later], None));
        answers.push(text(format!("{HEADER}\n{}", row("", ""))));
        answers.push(text(file));
        let aws = Aws::answering(answers);
        let products = [ProductCode::parse(PRODUCT).unwrap()].into();
        let days = (day("2026-11-22"), day("2026-11-30"));
        let feed = aws.data_feeds().usage(&products, days, now).await.unwrap();
        assert_eq!(feed.rows.len(), 1);
        let known = |on: &str| match &feed.days[&day(on)] {
            FeedOfDay::Unread { reason } => {
                assert!(reason.starts_with(later), "{reason}");
                false
            }
            FeedOfDay::Delivered | FeedOfDay::NotDelivered | FeedOfDay::NotEnrolled => true,
        };
        assert!(known("2026-11-22") && known("2026-11-26"));
        assert_eq!(known("2026-11-27"), !unknown);
        assert_eq!(known("2026-11-30"), !unknown);
        if unknown {
            let told = feed.notes.iter().any(|note| note.starts_with(later));
            assert!(told, "{:?}", feed.notes);
        } else {
            let spoilt = (day("2026-11-27"), day("2026-12-31"));
            assert_eq!(feed.unreadable[0].days, spoilt);
        }
    }
    // Of days that no row of it may be about, nothing is said at all.
    let mut answers = before_usage();
    answers.push(files(&[&month("dailyusagefeed_v1"), later], None));
    answers.push(text(format!("{HEADER}\n{}", row("", ""))));
    answers.push(text(format!("{HEADER}\n{}", row("usage_date", "soon"))));
    let aws = Aws::answering(answers);
    let products = [ProductCode::parse(PRODUCT).unwrap()].into();
    let days = (day("2026-11-22"), day("2026-11-22"));
    let feed = aws.data_feeds().usage(&products, days, now).await.unwrap();
    assert_eq!(feed.unreadable, []);
}

#[tokio::test]
async fn lists_are_followed_through_an_empty_page() {
    let key = month("dailyusagefeed_v1");
    let mut answers = before_usage();
    answers.extend([
        files(&[], Some("a")),
        files(&["dailyusagefeed_v1/readme.txt"], Some("b")),
        files(&[&key], None),
        text(format!("{HEADER}\n{}", row("", ""))),
    ]);
    let aws = Aws::answering(answers);
    assert_eq!(ask(&aws).await.unwrap().rows.len(), 1);
    assert_eq!(
        aws.sent().last().unwrap().path,
        format!("/feeds/{}", key.replace('=', "%3D"))
    );
}

#[tokio::test]
async fn a_product_that_the_feed_does_not_name_is_not_mistaken_for_another_one() {
    let mut answers = before_usage();
    answers[1] = text("product_id,product_code,title\nprod-2,code-2,Two\n");
    let error = ask(&Aws::answering(answers)).await.unwrap_err();
    assert!(matches!(error, FeedError::ProductUnknown(_)), "{error:?}");
}

#[tokio::test]
async fn a_months_file_that_is_not_there_leaves_its_days_undelivered() {
    let mut answers = before_usage();
    answers.push(files(
        &["dailyusagefeed_v1/year=2026/month=10/data.csv"],
        None,
    ));
    let feed = ask(&Aws::answering(answers)).await.unwrap();
    let delivered = feed.days.values().any(|of| *of == FeedOfDay::Delivered);
    assert!(!delivered, "{feed:?}");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_named_with_those_that_are() {
    let xml = "<ListBucketResult>\
        <CommonPrefixes><Prefix>marketplace_daily_usage_report/</Prefix></CommonPrefixes>\
        <CommonPrefixes><Prefix>productfeed_v1/</Prefix></CommonPrefixes></ListBucketResult>";
    for (xml, says) in [
        (
            xml,
            "it has marketplace_daily_usage_report/, productfeed_v1/",
        ),
        ("<ListBucketResult/>", "it has no folder at all"),
    ] {
        let mut answers = before_usage();
        answers.push(files(&[], None));
        answers.push(text(xml));
        let error = ask(&Aws::answering(answers)).await.unwrap_err().to_string();
        let named = "the bucket feeds has no file in the folder dailyusagefeed_v1/; ";
        assert!(error.starts_with(&format!("{named}{says}")), "{error}");
    }
}

#[tokio::test]
async fn an_agreement_is_the_same_with_either_prefix_and_the_catalog_is_no_news() {
    let file = format!("{HEADER},catalog\n{}", row("agreement_id", "agmnt-1"));
    let file = file.replace("here\"\n", "here\",AWSMarketplace\n");
    let feed = of_file(file).await.unwrap();
    let [row] = feed.rows.as_slice() else {
        panic!("{feed:?}");
    };
    assert_eq!(row.usage.agreement, AgreementId::parse("agmt-1").ok());
    assert!(feed.notes.is_empty(), "{feed:?}");
}

#[tokio::test]
async fn refusals_and_silence_are_told_apart() {
    let xml = |status, code: &str| {
        json(
            status,
            &format!("<Error><Code>{code}</Code><Message>no</Message></Error>"),
        )
    };
    for (answer, error) in [
        (xml(503, "SlowDown"), FeedError::Throttled),
        (
            xml(500, "InternalError"),
            FeedError::Unavailable(NoAnswer::ServerError(500)),
        ),
        (
            xml(404, "NoSuchBucket"),
            FeedError::Refused("NoSuchBucket".to_owned()),
        ),
        (
            xml(403, "AccessDenied"),
            FeedError::Refused("AccessDenied".to_owned()),
        ),
        (Answer::Late, FeedError::Unavailable(NoAnswer::TimedOut)),
        (Answer::Broken, FeedError::Unavailable(NoAnswer::Connection)),
    ] {
        assert_eq!(ask(&Aws::answering([answer])).await, Err(error));
    }
}

#[test]
fn rows_come_out_the_same_however_the_bytes_arrive() {
    let file = format!(
        "{HEADER}\r\n{}{}",
        row("", ""),
        row("usage_feed_id", "id-2")
    );
    let parse = |size: usize| {
        let (mut rows, mut found) = (CsvRows::default(), Vec::new());
        let mut take = |parsed: csv_rows::Parsed| {
            let rows = parsed.rows();
            found.extend(rows.map(|row| (row.line, row.fields.clone(), row.open_ended)));
        };
        for chunk in file.as_bytes().chunks(size) {
            take(rows.push(chunk).unwrap());
        }
        take(rows.finish().unwrap());
        found
    };
    let whole = parse(file.len());
    assert_eq!(whole.len(), 3);
    for size in [1, 2, 7, 64] {
        let lines = |found: &[(u64, csv::ByteRecord, bool)]| -> Vec<(u64, Vec<Vec<u8>>)> {
            let rows = found.iter();
            rows.map(|(line, fields, _)| (*line, fields.iter().map(<[u8]>::to_vec).collect()))
                .collect()
        };
        assert_eq!(lines(&parse(size)), lines(&whole), "{size}");
    }
}

#[test]
fn beyond_what_is_kept_one_row_stands_for_the_days_of_all_others() {
    let unreadable = |line: u64, day: Date| UnreadableRow {
        file: "data.csv".to_owned(),
        line,
        reason: "usage_quantity is no number".to_owned(),
        days: (day, day),
        agreement: None,
        dimension: None,
    };
    let mut feed = UsageFeed::default();
    for line in 0..1_000 {
        feed.spoilt(unreadable(line, day(DAY)));
    }
    for (line, of) in [
        (1_000, "2026-11-05"),
        (1_001, "2026-11-20"),
        (1_002, "2026-11-03"),
    ] {
        feed.spoilt(unreadable(line, day(of)));
    }
    assert_eq!(feed.unreadable.len(), 1_001);
    let rest = feed.unreadable.pop().unwrap();
    assert_eq!(rest.days, (day("2026-11-03"), day("2026-11-20")));
}

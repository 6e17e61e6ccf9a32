use std::cell::Cell;
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::adjustments::{NotProposed, Proposals, propose};
use super::amounts::{
    AmountFinding, AmountObstacle, AmountVerdict, InvoiceKind, InvoiceLine, Invoices, OfAgreement,
    compare_amounts, take_back_moved,
};
use super::prices::PricedBy;
use super::rows::{AwsUsage, current};
use super::*;

use crate::answers::AcceptedTerms;
use crate::license::Pricing;
use crate::money::Usd;

const AGREEMENT: &str = "agmt-1";

fn agreement(name: &str) -> AgreementId {
    AgreementId::parse(name).unwrap()
}

fn dimension(name: &str) -> Dimension {
    Dimension::parse(name).unwrap()
}

fn license(number: u8) -> LicenseId {
    LicenseId::parse(format!("l-{number:032x}")).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn day() -> Date {
    "2026-11-22".parse().unwrap()
}

/// Long after the day's feed is complete.
fn settled() -> Timestamp {
    at("2026-11-26T00:00:00Z")
}

fn record(units: u64, standing: Standing) -> OurRecord {
    OurRecord {
        license: license(1),
        agreement: Some(agreement(AGREEMENT)),
        dimension: dimension("large"),
        day: day(),
        units,
        standing,
        agreed: None,
    }
}

fn billed(units: u64) -> OurRecord {
    record(units, Standing::Billed { on: day() })
}

/// What a buyer agreed on from an instant on: a rate in millionths, after some free days.
fn agreed(from: &str, microusd: u64, free_days: i64) -> Pricing {
    let from = at(from);
    Pricing {
        from,
        free_until: (free_days > 0)
            .then(|| after(from, SignedDuration::from_hours(24 * free_days))),
        terms: AcceptedTerms {
            agreement: agreement(AGREEMENT),
            currency: "USD".to_owned(),
            rates: [(dimension("large"), microusd)].into(),
            prepaid: None,
            recurring: None,
            free_days: None,
            auto_renewal: None,
            asked_at: from,
        },
    }
}

fn agreed_on(pricing: Vec<Pricing>) -> BTreeMap<AgreementId, Vec<Pricing>> {
    [(agreement(AGREEMENT), pricing)].into()
}

/// The rates that rows name.
fn fed(rows: &[UsageRow]) -> Prices {
    Prices::new(BTreeMap::new(), &current(rows).usage, BTreeMap::new())
}

fn row(id: &str, units: &str) -> UsageRow {
    UsageRow {
        id: id.to_owned(),
        valid_from: at("2026-11-23T00:00:00Z"),
        updated_at: at("2026-11-23T00:00:00Z"),
        deleted: false,
        usage: AwsUsage {
            agreement: Some(agreement(AGREEMENT)),
            dimension: dimension("large"),
            day: day(),
            units: Units::parse(units).unwrap(),
            rate: Some(Usd::from_micros(32_000)),
        },
    }
}

/// AWS's side of the day.
struct Aws {
    rows: Vec<UsageRow>,
    unreadable: Vec<UnreadableRow>,
    feed: FeedOfDay,
    unseen: bool,
}

fn aws(rows: Vec<UsageRow>) -> Aws {
    Aws {
        rows,
        unreadable: Vec::new(),
        feed: FeedOfDay::Delivered,
        unseen: false,
    }
}

impl Aws {
    /// Each agreement is another license's.
    fn findings(&self, ours: &[OurRecord], now: Timestamp) -> Vec<Finding> {
        let mut agreements = Agreements::default();
        agreements.add_license(&license(1), &["agmt-1"].map(agreement).into());
        agreements.add_license(&license(2), &["agmt-2"].map(agreement).into());
        self.findings_of(ours, &agreements, now)
    }

    fn findings_of(
        &self,
        ours: &[OurRecord],
        agreements: &Agreements,
        now: Timestamp,
    ) -> Vec<Finding> {
        let feed = Feed {
            rows: &self.rows,
            unreadable: &self.unreadable,
            days: &[(day(), self.feed.clone())].into(),
            agreements,
        };
        compare(ours, &feed, &fed(&self.rows), self.unseen, now)
    }

    /// The verdict of what is the agreement's.
    fn verdict(&self, ours: &[OurRecord], now: Timestamp) -> Verdict {
        let findings = self.findings(ours, now);
        let of = Whose::Agreement(agreement(AGREEMENT));
        let finding = findings.into_iter().find(|finding| finding.whose == of);
        finding.unwrap().verdict
    }
}

fn obstacle(verdict: Verdict) -> Obstacle {
    match verdict {
        Verdict::NotComparable { obstacle } => obstacle,
        other @ (Verdict::Equal
        | Verdict::Late { .. }
        | Verdict::Missing { .. }
        | Verdict::Over { .. }) => panic!("{other:?}"),
    }
}

#[test]
fn the_same_on_both_sides_is_equal_whatever_rows_it_takes() {
    let aws = aws(vec![row("a", "2"), row("b", "1.00")]);
    assert_eq!(
        aws.verdict(&[billed(1), billed(2)], settled()),
        Verdict::Equal
    );
}

#[test]
fn less_is_late_while_the_feed_may_grow_and_missing_to_the_second_when_it_may_not() {
    let aws = aws(vec![row("a", "2")]);
    let units = Units::whole(1);
    let verdict = |now| aws.verdict(&[billed(3)], at(now));
    assert_eq!(verdict("2026-11-25T23:59:59Z"), Verdict::Late { units });
    assert_eq!(verdict("2026-11-26T00:00:00Z"), Verdict::Missing { units });
}

#[test]
fn what_aws_took_on_a_later_day_is_late_for_as_much_as_that() {
    let late = Standing::Billed {
        on: day().tomorrow().unwrap(),
    };
    let ours = [billed(3), record(2, late)];
    let units = Units::whole;
    assert_eq!(
        aws(vec![row("a", "3")]).verdict(&ours, settled()),
        Verdict::Late { units: units(2) }
    );
    // More is lacking than what came late: that is not explained by it.
    assert_eq!(
        aws(vec![row("a", "2")]).verdict(&ours, settled()),
        Verdict::Missing { units: units(3) }
    );
}

#[test]
fn more_is_over_and_records_of_unknown_outcome_explain_as_much_as_they_hold() {
    let aws = aws(vec![row("a", "7.5")]);
    let over = |units: &str, explained: &str| Verdict::Over {
        units: Units::parse(units).unwrap(),
        explained: Units::parse(explained).unwrap(),
    };
    assert_eq!(aws.verdict(&[billed(3)], settled()), over("4.5", "0"));
    let unknown = |units| record(units, Standing::Unknown);
    assert_eq!(
        aws.verdict(&[billed(3), unknown(4)], settled()),
        over("0.5", "4")
    );
    let verdict = aws.verdict(&[billed(3), unknown(5)], settled());
    assert_eq!(obstacle(verdict), Obstacle::OutcomeUnknown);
}

#[test]
fn a_record_of_unknown_outcome_is_never_called_equal() {
    let ours = [billed(3), record(4, Standing::Unknown)];
    let verdict = aws(vec![row("a", "3")]).verdict(&ours, settled());
    assert_eq!(obstacle(verdict), Obstacle::OutcomeUnknown);
}

#[test]
fn a_record_that_another_one_stands_for_makes_as_much_and_more_incomparable() {
    let ours = [billed(3), record(4, Standing::Conflict)];
    for has in ["9", "3"] {
        let verdict = aws(vec![row("a", has)]).verdict(&ours, settled());
        assert_eq!(obstacle(verdict), Obstacle::Conflict);
    }
}

#[test]
fn a_feed_that_was_not_read_says_nothing_about_what_is_in_it() {
    for (feed, expected) in [
        (FeedOfDay::NotEnrolled, Obstacle::NotEnrolled),
        (FeedOfDay::NotDelivered, Obstacle::FeedNotDelivered),
        (
            FeedOfDay::Unread {
                reason: "no answer".to_owned(),
            },
            Obstacle::FeedUnread,
        ),
    ] {
        let aws = Aws {
            feed,
            ..aws(vec![row("a", "3")])
        };
        assert_eq!(obstacle(aws.verdict(&[billed(3)], settled())), expected);
    }
}

#[test]
fn a_row_that_cannot_be_read_spoils_what_it_may_be_about_and_nothing_else() {
    let bad = |agreement, dimension| UnreadableRow {
        file: "data.csv".to_owned(),
        line: 7,
        reason: "no quantity".to_owned(),
        days: (day(), day()),
        agreement,
        dimension,
    };
    let verdict = |row| {
        let aws = Aws {
            unreadable: vec![row],
            ..aws(vec![self::row("a", "3")])
        };
        aws.verdict(&[billed(3)], settled())
    };
    let of = |name: &str| Some(agreement(name));
    let named = |name: &str| Some(dimension(name));
    for spoils in [
        bad(None, None),
        bad(of(AGREEMENT), None),
        bad(of(AGREEMENT), named("large")),
        bad(None, named("large")),
    ] {
        let obstacle = obstacle(verdict(spoils));
        assert!(matches!(obstacle, Obstacle::RowUnreadable { line: 7, .. }));
    }
    for elsewhere in [
        bad(of("agmt-2"), None),
        bad(None, named("medium")),
        UnreadableRow {
            days: (day().tomorrow().unwrap(), Date::MAX),
            ..bad(None, None)
        },
    ] {
        assert_eq!(verdict(elsewhere), Verdict::Equal);
    }
}

#[test]
fn the_newest_revision_counts_and_one_that_was_taken_back_does_not() {
    let later = |text: &str, row: UsageRow| UsageRow {
        valid_from: at(text),
        updated_at: at(text),
        ..row
    };
    let revised = later("2026-11-24T00:00:00Z", row("a", "5"));
    let taken_back = UsageRow {
        deleted: true,
        updated_at: at("2026-11-25T00:00:00Z"),
        ..revised.clone()
    };
    let counts = |rows: &[UsageRow]| -> Units {
        let usage = current(rows).usage;
        usage.iter().map(|usage| usage.units).sum()
    };
    let first = row("a", "3");
    assert_eq!(counts(&[first.clone(), revised.clone()]), Units::whole(5));
    let all = [first, revised.clone(), taken_back.clone()];
    assert_eq!(counts(&all), Units::whole(3));
    assert_eq!(counts(&[revised, taken_back]), Units::whole(0));
}

#[test]
fn two_rows_of_a_revision_that_disagree_are_not_compared() {
    let aws = aws(vec![row("a", "3"), row("a", "4")]);
    let verdict = aws.verdict(&[billed(3)], settled());
    assert_eq!(obstacle(verdict), Obstacle::RowsDisagree);
}

#[test]
fn what_has_no_agreement_on_either_side_may_be_what_the_other_lacks() {
    let mut nobodys = row("n", "1");
    nobodys.usage.agreement = None;
    let mut strangers = row("n", "1");
    strangers.usage.agreement = Some(agreement("agmt-unheard-of"));
    for stray in [nobodys, strangers] {
        let aws = aws(vec![row("a", "2"), stray]);
        let verdict = aws.verdict(&[billed(3)], settled());
        assert_eq!(obstacle(verdict), Obstacle::PerhapsWithoutAgreement);
        assert_eq!(aws.verdict(&[billed(2)], settled()), Verdict::Equal);
    }
    let homeless = OurRecord {
        agreement: None,
        ..billed(1)
    };
    let aws = aws(vec![row("a", "3")]);
    let findings = aws.findings(&[billed(2), homeless], settled());
    let obstacles: Vec<_> = findings
        .into_iter()
        .map(|finding| (finding.whose, obstacle(finding.verdict)))
        .collect();
    assert_eq!(
        obstacles,
        [
            (
                Whose::Agreement(agreement(AGREEMENT)),
                Obstacle::PerhapsOurs
            ),
            (Whose::License(license(1)), Obstacle::NoAgreement),
        ]
    );
}

#[test]
fn nothing_is_equal_or_over_while_licenses_were_not_looked_at() {
    let aws = Aws {
        unseen: true,
        ..aws(vec![row("a", "3")])
    };
    for ours in [2, 3] {
        let verdict = aws.verdict(&[billed(ours)], settled());
        assert_eq!(obstacle(verdict), Obstacle::LicensesUnseen);
    }
    // What those have would only be more.
    let units = Units::whole(1);
    let verdict = aws.verdict(&[billed(4)], settled());
    assert_eq!(verdict, Verdict::Missing { units });
}

#[test]
fn a_row_without_an_agreement_excuses_no_more_than_it_holds() {
    let mut nobodys = row("n", "1");
    nobodys.usage.agreement = None;
    let verdict = |ours, has| {
        let aws = aws(vec![
            row("a", "2"),
            UsageRow {
                usage: AwsUsage {
                    units: Units::parse(has).unwrap(),
                    ..nobodys.usage.clone()
                },
                ..nobodys.clone()
            },
        ]);
        aws.verdict(&[billed(ours)], settled())
    };
    let units = Units::whole(2);
    assert_eq!(verdict(4, "1"), Verdict::Missing { units });
    assert_eq!(obstacle(verdict(4, "2")), Obstacle::PerhapsWithoutAgreement);
    assert_eq!(verdict(4, "0"), Verdict::Missing { units });
}

#[test]
fn what_may_still_come_is_late_whatever_else_aws_has() {
    let mut nobodys = row("n", "1");
    nobodys.usage.agreement = None;
    let verdict =
        aws(vec![row("a", "2"), nobodys]).verdict(&[billed(3)], at("2026-11-24T02:00:00Z"));
    let units = Units::whole(1);
    assert_eq!(verdict, Verdict::Late { units });
}

#[test]
fn rows_and_records_of_nothing_are_no_findings() {
    let mut nobodys = row("n", "0");
    nobodys.usage.agreement = None;
    let aws = aws(vec![row("a", "0.00"), nobodys]);
    assert_eq!(aws.findings(&[billed(0)], settled()), []);
}

/// An agreement that took the place of another one for the same license.
fn renewed() -> Agreements {
    let mut agreements = Agreements::default();
    agreements.add_license(&license(1), &["agmt-1", "agmt-2"].map(agreement).into());
    agreements
}

#[test]
fn usage_that_aws_puts_on_the_other_side_of_a_renewal_is_neither_missing_nor_over() {
    let under = |name: &str, record: OurRecord| OurRecord {
        agreement: Some(agreement(name)),
        ..record
    };
    let mut of_new = row("b", "6");
    of_new.usage.agreement = Some(agreement("agmt-2"));
    let aws = aws(vec![row("a", "3"), of_new]);
    let ours = [billed(4), under("agmt-2", billed(5))];
    let moved = aws.findings_of(&ours, &renewed(), settled());
    let moved: Vec<Obstacle> = moved.into_iter().map(|of| obstacle(of.verdict)).collect();
    let another = |name| Obstacle::UnderAnother {
        agreement: agreement(name),
    };
    assert_eq!(moved, [another("agmt-2"), another("agmt-1")]);
    // Two licenses' agreements make up for nothing.
    let verdicts: Vec<Verdict> = aws
        .findings(&ours, settled())
        .into_iter()
        .map(|of| of.verdict)
        .collect();
    let (units, explained) = (Units::whole(1), Units::default());
    assert_eq!(
        verdicts,
        [
            Verdict::Missing { units },
            Verdict::Over { units, explained }
        ]
    );
    // Less under both is missing under both.
    let ours = [billed(4), under("agmt-2", billed(7))];
    let both = aws.findings_of(&ours, &renewed(), settled());
    assert!(
        both.iter()
            .all(|of| of.verdict == Verdict::Missing { units })
    );
}

#[test]
fn records_that_are_alike_are_one_and_others_stay_apart() {
    let later = Standing::Billed {
        on: day().tomorrow().unwrap(),
    };
    let dearer = OurRecord {
        agreed: Some(Usd::from_micros(7)),
        ..billed(1)
    };
    let records = [billed(1), record(2, later), billed(3), dearer.clone()];
    let gathered = OurRecord::gathered(records);
    assert_eq!(gathered, [billed(4), dearer, record(2, later)]);
}

#[test]
fn a_day_costs_what_was_agreed_on_for_the_whole_of_it_else_what_the_feed_says() {
    let rows = current(&[row("a", "1")]).usage;
    let price = |pricing: Vec<Pricing>| {
        let prices = Prices::new(agreed_on(pricing), &rows, BTreeMap::new());
        prices.of(&agreement(AGREEMENT), &dimension("large"), day())
    };
    let micros = Usd::from_micros;
    let before = || agreed("2026-11-01T10:00:00Z", 20_000, 0);
    assert_eq!(price(vec![before()]), Price::Agreed(micros(20_000)));
    // The agreement began on the day.
    let on_the_day = agreed("2026-11-22T10:00:00Z", 20_000, 0);
    assert_eq!(price(vec![on_the_day]), Price::Agreed(micros(20_000)));
    // An amendment holds from the next day on, or from the middle of this one.
    let next_day = agreed("2026-11-23T00:00:00Z", 30_000, 0);
    assert_eq!(
        price(vec![before(), next_day]),
        Price::Agreed(micros(20_000))
    );
    let same_day = agreed("2026-11-22T11:00:00Z", 30_000, 0);
    assert_eq!(price(vec![before(), same_day]), Price::Feed(micros(32_000)));
    // A free trial costs nothing, and ends within the day or after it.
    let free = |days| agreed("2026-11-20T10:00:00Z", 20_000, days);
    assert_eq!(price(vec![free(3)]), Price::Agreed(Usd::ZERO));
    assert_eq!(price(vec![free(2)]), Price::Feed(micros(32_000)));
    assert_eq!(price(vec![free(1)]), Price::Agreed(micros(20_000)));
    // Terms that price another dimension, or nobody's.
    assert_eq!(price(Vec::new()), Price::Feed(micros(32_000)));
}

fn invoice(id: &str, amount: &str, room: &str) -> InvoiceLine {
    InvoiceLine {
        agreement: agreement(AGREEMENT),
        invoice: id.to_owned(),
        kind: InvoiceKind::Invoice,
        amount: Usd::parse(amount),
        max_adjustment: Usd::parse(room),
        currency: Some("USD".to_owned()),
    }
}

fn month_end() -> Timestamp {
    at("2026-12-01T00:00:00Z")
}

/// What comes of 100 billed units at 0.032 against invoices.
fn amounts(invoices: Invoices<'_>, now: &str) -> AmountVerdict {
    let prices = fed(&[row("a", "100")]);
    of_records(&[billed(100)], &prices, invoices, now).verdict
}

fn of_records(
    ours: &[OurRecord],
    prices: &Prices,
    invoices: Invoices<'_>,
    now: &str,
) -> AmountFinding {
    let of = OfAgreement {
        agreement: &agreement(AGREEMENT),
        ours,
        fixed_payments: false,
        strays: false,
        unseen: false,
    };
    compare_amounts(&of, prices, invoices, month_end(), at(now))
}

#[test]
fn a_months_amount_is_by_the_agreed_rates_of_each_hour_and_says_so() {
    let by_terms = |microusd, units| OurRecord {
        agreed: Some(Usd::from_micros(microusd)),
        ..billed(units)
    };
    // 50 in the free trial, 30 at the first rate and 20 after an amendment of the same day.
    let ours = [by_terms(0, 50), by_terms(20_000, 30), by_terms(25_000, 20)];
    let lines = [invoice("1", "1.10", "0")];
    let found = of_records(
        &ours,
        &fed(&[row("a", "100")]),
        Invoices::Read(&lines),
        "2026-12-06T00:00:00Z",
    );
    assert_eq!(found.billed_microusd, 1_100_000);
    assert_eq!(found.verdict, AmountVerdict::Equal);
    assert_eq!(found.priced_by, [PricedBy::Terms].into());
    // AWS bills the feed's rate for what was agreed on at another.
    let lines = [invoice("1", "3.20", "0")];
    let found = of_records(
        &[by_terms(20_000, 100)],
        &fed(&[row("a", "100")]),
        Invoices::Read(&lines),
        "2026-12-06T00:00:00Z",
    );
    assert_eq!(
        found.verdict,
        AmountVerdict::Over {
            microusd: 1_200_000
        }
    );
    // What the terms do not price is by the feed, and both are said.
    let ours = [by_terms(20_000, 50), billed(50)];
    let found = of_records(
        &ours,
        &fed(&[row("a", "100")]),
        Invoices::Read(&[]),
        "2026-12-03T00:00:00Z",
    );
    assert_eq!(found.billed_microusd, 2_600_000);
    assert_eq!(found.priced_by, [PricedBy::Terms, PricedBy::Feed].into());
}

#[test]
fn an_amount_is_not_over_while_usage_of_ours_has_no_agreement_nor_equal_while_some_is_unseen() {
    let prices = fed(&[row("a", "100")]);
    let verdict = |amount, strays, unseen| {
        let of = OfAgreement {
            agreement: &agreement(AGREEMENT),
            ours: &[billed(100)],
            fixed_payments: false,
            strays,
            unseen,
        };
        let lines = [invoice("1", amount, "0")];
        let now = at("2026-12-06T00:00:00Z");
        compare_amounts(&of, &prices, Invoices::Read(&lines), month_end(), now).verdict
    };
    let not_comparable = |obstacle| AmountVerdict::NotComparable { obstacle };
    let over = AmountVerdict::Over { microusd: 800_000 };
    assert_eq!(verdict("4.00", false, false), over);
    assert_eq!(
        verdict("4.00", true, false),
        not_comparable(AmountObstacle::PerhapsOurs)
    );
    assert_eq!(verdict("3.20", true, false), AmountVerdict::Equal);
    assert_eq!(
        verdict("3.20", false, true),
        not_comparable(AmountObstacle::LicensesUnseen)
    );
}

#[test]
fn what_is_invoiced_on_the_other_side_of_a_renewal_is_neither_missing_nor_over() {
    let found = |name, verdict| AmountFinding {
        agreement: agreement(name),
        billed_microusd: 0,
        invoiced_microusd: 0,
        credited_microusd: 0,
        priced_by: BTreeSet::new(),
        verdict,
    };
    let (missing, over) = (
        AmountVerdict::Missing { microusd: 7 },
        AmountVerdict::Over { microusd: 7 },
    );
    let mut amounts = [
        found("agmt-1", missing.clone()),
        found("agmt-2", over.clone()),
        found("agmt-3", over.clone()),
    ];
    take_back_moved(&mut amounts, &renewed());
    let under = |name| AmountVerdict::NotComparable {
        obstacle: AmountObstacle::UnderAnother {
            agreement: agreement(name),
        },
    };
    let verdicts = amounts.map(|of| of.verdict);
    assert_eq!(verdicts, [under("agmt-2"), under("agmt-1"), over]);
    let mut amounts = [
        found("agmt-1", missing.clone()),
        found("agmt-2", missing.clone()),
    ];
    take_back_moved(&mut amounts, &renewed());
    assert!(amounts.iter().all(|of| of.verdict == missing));
}

#[test]
fn a_months_amount_is_compared_to_the_cent() {
    let read = |amount: &str| {
        amounts(
            Invoices::Read(&[invoice("1", amount, "0")]),
            "2026-12-03T00:00:00Z",
        )
    };
    assert_eq!(read("3.20"), AmountVerdict::Equal);
    assert_eq!(read("3.21"), AmountVerdict::Equal);
    assert_eq!(read("3.22"), AmountVerdict::Over { microusd: 20_000 });
    // The rest may still be invoiced, until it may not any more.
    assert_eq!(read("3.00"), AmountVerdict::Late);
    let at_last = amounts(
        Invoices::Read(&[invoice("1", "3.00", "0")]),
        "2026-12-06T00:00:00Z",
    );
    assert_eq!(at_last, AmountVerdict::Missing { microusd: 200_000 });
}

#[test]
fn an_invoice_that_may_still_come_is_late_and_one_that_may_not_is_missing() {
    let none = |now| amounts(Invoices::Read(&[]), now);
    assert_eq!(none("2026-12-05T23:59:59Z"), AmountVerdict::Late);
    assert_eq!(
        none("2026-12-06T00:00:00Z"),
        AmountVerdict::Missing {
            microusd: 3_200_000
        }
    );
}

#[test]
fn amounts_that_are_not_understood_are_not_compared() {
    let euros = InvoiceLine {
        currency: Some("EUR".to_owned()),
        ..invoice("i-7", "3.20", "0")
    };
    let odd = InvoiceLine {
        kind: InvoiceKind::Unrecognized("DEBIT_NOTE".to_owned()),
        ..invoice("i-7", "3.20", "0")
    };
    for line in [euros, odd, invoice("i-7", "3,20", "0")] {
        let verdict = amounts(Invoices::Read(&[line]), "2026-12-03T00:00:00Z");
        let obstacle = AmountObstacle::InvoiceNotUnderstood {
            invoice: "i-7".to_owned(),
        };
        assert_eq!(verdict, AmountVerdict::NotComparable { obstacle });
    }
    let unread = amounts(Invoices::Unread("throttled"), "2026-12-03T00:00:00Z");
    let reason = "throttled".to_owned();
    let obstacle = AmountObstacle::InvoicesUnread { reason };
    assert_eq!(unread, AmountVerdict::NotComparable { obstacle });
}

#[test]
fn at_list_price_amounts_are_told_and_not_compared() {
    let list = [(dimension("large"), Usd::from_micros(32_000))].into();
    let prices = Prices::new(BTreeMap::new(), &[], list);
    let lines = [invoice("1", "2.56", "0")];
    let invoices = Invoices::Read(&lines);
    let found = of_records(&[billed(100)], &prices, invoices, "2026-12-03T00:00:00Z");
    assert_eq!(found.priced_by, [PricedBy::List].into());
    let obstacle = AmountObstacle::RatesUnknown;
    assert_eq!(found.verdict, AmountVerdict::NotComparable { obstacle });
    assert_eq!(found.billed_microusd, 3_200_000);
}

/// What is proposed of 100 units over, at 0.032 each.
fn proposed(lines: &[InvoiceLine]) -> Proposals {
    let aws = aws(vec![row("a", "100")]);
    let findings = aws.findings(&[], settled());
    let invoices = [(agreement(AGREEMENT), Invoices::Read(lines))].into();
    propose(&findings, &invoices, &BTreeSet::new())
}

#[test]
fn an_adjustment_is_at_the_agreed_rate_where_one_is_known_and_names_it() {
    let aws = aws(vec![row("a", "100")]);
    let agreements = renewed();
    let feed = Feed {
        rows: &aws.rows,
        unreadable: &[],
        days: &[(day(), FeedOfDay::Delivered)].into(),
        agreements: &agreements,
    };
    let lines = [invoice("i-1", "50", "50")];
    let as_invoiced = Cell::new(false);
    let proposed = |pricing| {
        let usage = current(&aws.rows).usage;
        let prices = Prices::new(agreed_on(pricing), &usage, BTreeMap::new());
        let findings = compare(&[], &feed, &prices, false, settled());
        let invoices = [(agreement(AGREEMENT), Invoices::Read(&lines[..]))].into();
        let equal = as_invoiced.get().then(|| agreement(AGREEMENT));
        propose(&findings, &invoices, &equal.into_iter().collect())
    };
    let entry = |pricing| {
        let entries = proposed(pricing).file.billing_adjustment_request_entries;
        let [entry] = &entries[..] else {
            panic!("{entries:?}");
        };
        (entry.adjustment_amount.clone(), entry.description.clone())
    };
    let (amount, said) = entry(vec![agreed("2026-11-01T00:00:00Z", 20_000, 0)]);
    assert_eq!(amount, "2");
    assert!(said.ends_with("large 100 at 0.02 (agreed rate)"), "{said}");
    let (amount, said) = entry(Vec::new());
    assert_eq!(amount, "3.2");
    assert!(said.ends_with("at 0.032 (rate of AWS's feed)"), "{said}");
    // What costs nothing is not given back.
    let free = proposed(vec![agreed("2026-11-20T00:00:00Z", 20_000, 30)]);
    assert!(free.file.billing_adjustment_request_entries.is_empty());
    let why = NotProposed::NothingDue;
    assert_eq!(free.left, [(agreement(AGREEMENT), why)]);
    // Nor is what AWS has not charged, whatever its feed says.
    as_invoiced.set(true);
    let charged = proposed(Vec::new());
    assert!(charged.file.billing_adjustment_request_entries.is_empty());
    let why = NotProposed::AsInvoiced;
    assert_eq!(charged.left, [(agreement(AGREEMENT), why)]);
}

#[test]
fn an_adjustment_gives_back_what_is_over_and_never_more_than_aws_allows() {
    let whole = proposed(&[invoice("i-1", "50", "50")]);
    let [entry] = whole.file.billing_adjustment_request_entries.as_slice() else {
        panic!("{whole:?}");
    };
    assert_eq!(entry.adjustment_amount, "3.2");
    assert_eq!(entry.original_invoice_id, "i-1");
    assert!(entry.description.contains("2026-11-22 large 100"));
    assert_eq!(whole.left, []);

    let lines = [invoice("i-1", "50", "1"), invoice("i-2", "50", "2")];
    let spread = proposed(&lines);
    let amounts: Vec<(&str, &str)> = spread
        .file
        .billing_adjustment_request_entries
        .iter()
        .map(|entry| (&*entry.original_invoice_id, &*entry.adjustment_amount))
        .collect();
    assert_eq!(amounts, [("i-2", "2"), ("i-1", "1")]);
    let left = Usd::from_micros(200_000);
    assert_eq!(
        spread.left,
        [(agreement(AGREEMENT), NotProposed::NoRoom { left })]
    );
}

#[test]
fn the_file_has_the_form_that_aws_takes() {
    let file = proposed(&[invoice("i-1", "50", "50")]).file;
    let written = serde_json::to_value(&file).unwrap();
    let entry = &written["billingAdjustmentRequestEntries"][0];
    let names: Vec<&str> = entry
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        names,
        [
            "adjustmentAmount",
            "adjustmentReasonCode",
            "agreementId",
            "clientToken",
            "currencyCode",
            "description",
            "originalInvoiceId"
        ]
    );
    let token = entry["clientToken"].as_str().unwrap();
    assert!((1..=64).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_alphanumeric()));
    // The room that AWS leaves may change meanwhile; the request is the same one.
    let again = proposed(&[invoice("i-1", "50", "2")]).file;
    let again = &again.billing_adjustment_request_entries[0];
    assert_eq!(again.client_token, token);
}

#[test]
fn what_cannot_be_given_back_is_said() {
    let why = |lines: &[InvoiceLine]| proposed(lines).left[0].1.clone();
    assert_eq!(why(&[]), NotProposed::NotInvoiced);
    let given = InvoiceLine {
        kind: InvoiceKind::CreditMemo,
        ..invoice("c-1", "3.20", "0")
    };
    assert_eq!(
        why(&[invoice("i-1", "50", "50"), given]),
        NotProposed::GivenBack
    );
}

#[test]
fn what_may_have_been_given_back_already_is_not_proposed() {
    let unreadable = InvoiceLine {
        kind: InvoiceKind::CreditMemo,
        amount: None,
        ..invoice("c-1", "0", "0")
    };
    let left = proposed(&[invoice("i-1", "50", "50"), unreadable]).left;
    assert_eq!(left, [(agreement(AGREEMENT), NotProposed::InvoicesUnread)]);
}

#[test]
fn usage_that_stands_under_another_day_is_not_given_back() {
    let aws = aws(vec![row("a", "100")]);
    let over = aws.findings(&[], settled());
    let [found] = &over[..] else {
        panic!("{over:?}");
    };
    let Verdict::Over { units, .. } = found.verdict else {
        panic!("{found:?}");
    };
    let elsewhere = Finding {
        day: found.day.tomorrow().unwrap(),
        verdict: Verdict::Missing { units },
        ..found.clone()
    };
    let lines = [invoice("i-1", "50", "50")];
    let invoices = [(agreement(AGREEMENT), Invoices::Read(&lines))].into();
    let proposals = propose(&[found.clone(), elsewhere], &invoices, &BTreeSet::new());
    assert!(proposals.file.billing_adjustment_request_entries.is_empty());
}

fn some_record() -> impl Strategy<Value = OurRecord> {
    let standing = prop_oneof![
        (0_i64..6).prop_map(|later| Standing::Billed {
            on: day().saturating_add(jiff::Span::new().days(later)),
        }),
        Just(Standing::Unknown),
        Just(Standing::Conflict),
    ];
    let agreement = prop_oneof![Just(None), Just(Some("agmt-1")), Just(Some("agmt-2"))];
    let dimension = prop_oneof![Just("large"), Just("medium")];
    (standing, agreement, dimension, 0_u64..20).prop_map(|(standing, of, name, units)| OurRecord {
        agreement: of.map(agreement_of),
        dimension: self::dimension(name),
        ..record(units, standing)
    })
}

fn agreement_of(name: &str) -> AgreementId {
    agreement(name)
}

fn some_row() -> impl Strategy<Value = UsageRow> {
    let agreement = prop_oneof![Just(None), Just(Some("agmt-1")), Just(Some("agmt-9"))];
    let dimension = prop_oneof![Just("large"), Just("medium")];
    (
        0_u8..6,
        0_i64..3,
        0_i64..3,
        any::<bool>(),
        agreement,
        dimension,
        0_u64..2_000,
    )
        .prop_map(|(id, revision, update, deleted, of, name, hundredths)| {
            let mut row = row(&format!("r-{id}"), "0");
            row.valid_from += SignedDuration::from_hours(revision);
            row.updated_at += SignedDuration::from_hours(revision + update);
            row.deleted = deleted;
            row.usage.agreement = of.map(agreement_of);
            row.usage.dimension = self::dimension(name);
            row.usage.units = Units(hundredths);
            row
        })
}

proptest! {
    #[test]
    fn the_sums_add_up_and_neither_order_nor_repetition_matters(
        ours in prop::collection::vec(some_record(), 0..12),
        rows in prop::collection::vec(some_row(), 0..16),
        repeated in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        swaps in prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index)>(), 0..8),
        unseen in any::<bool>(),
        days in 0_i64..8,
    ) {
        let now = at("2026-11-23T00:00:00Z") + SignedDuration::from_hours(24 * days);
        let mut other = rows.clone();
        let mut shuffled = ours.clone();
        shuffled.reverse();
        if !rows.is_empty() {
            other.extend(repeated.iter().map(|index| index.get(&rows).clone()));
            for (a, b) in &swaps {
                let (a, b) = (a.index(other.len()), b.index(other.len()));
                other.swap(a, b);
            }
        }
        let side = |rows| Aws { unseen, ..aws(rows) };
        let counted: Units = current(&rows).usage.iter().map(|usage| usage.units).sum();
        let findings = side(rows).findings(&ours, now);
        prop_assert_eq!(&findings, &side(other).findings(&shuffled, now));

        let of = |standing: fn(&Standing) -> bool| -> Units {
            let ours = ours.iter().filter(|record| standing(&record.standing));
            ours.map(|record| Units::whole(record.units)).sum()
        };
        let sum = |of: fn(&Finding) -> Units| -> Units { findings.iter().map(of).sum() };
        prop_assert_eq!(sum(|f| f.ours), of(|s| matches!(s, Standing::Billed { .. })));
        prop_assert_eq!(sum(|f| f.unknown), of(|s| *s == Standing::Unknown));
        prop_assert_eq!(sum(|f| f.aws), counted);
        for finding in &findings {
            let Finding { ours, unknown, aws, .. } = finding;
            match &finding.verdict {
                Verdict::Equal => {
                    prop_assert_eq!(ours, aws);
                    prop_assert!(unknown.is_none() && !unseen);
                }
                Verdict::Late { units } | Verdict::Missing { units } => {
                    prop_assert_eq!(*ours, aws.plus(*units));
                    prop_assert!(!units.is_none());
                }
                Verdict::Over { units, explained } => {
                    prop_assert_eq!(*aws, ours.plus(*units).plus(*explained));
                    prop_assert!(!units.is_none() && explained == unknown && !unseen);
                }
                Verdict::NotComparable { .. } => {}
            }
        }
    }
}

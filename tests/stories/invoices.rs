//! AWS's invoices of a story's purchases, and that nothing which AWS says of them
//! differs from what we know.

use app::month::Month;
use domain::ids::AgreementId;
use domain::money::Usd;
use domain::reconciliation::amounts::{AmountFinding, AmountObstacle, AmountVerdict};
use domain::reconciliation::kept::Counts;
use jiff::{Span, civil::Date};

use super::bills::{cents, dollars};
use super::script::Story;

impl Story {
    /// What AWS has invoiced of a purchase so far, by month.
    pub(super) async fn invoices(&mut self, name: &str) {
        let invoices = self.invoiced(name).await.into_iter();
        let told: Vec<String> = invoices
            .map(|(month, amount)| format!("{month} {}", dollars(amount)))
            .collect();
        self.tell(told.join("\n"));
    }

    /// What AWS has invoiced of purchases is what they prepaid and what the billing
    /// page estimates for the months of their usage; and the stack's own comparisons
    /// with AWS found no difference in these months.
    pub(super) async fn reconcile(&mut self, account: &str, months: &str, names: &[&str]) {
        let (mut invoiced, mut prepaid, mut used) = (0, 0, 0);
        for name in names {
            let invoices = self.invoiced(name).await;
            invoiced += invoices.iter().map(|(_, amount)| amount).sum::<u64>();
            let rows = self.billed(name).await;
            let contract = rows.iter().find(|row| row.starts_with("Contract"));
            let contract = contract.map_or(0, |row| cents(row));
            prepaid += contract;
            let total = rows.iter().find(|row| row.starts_with("Total"));
            used += cents(total.expect("a total")) - contract;
        }
        let usage = self.estimated_of(account, months).await;
        let told = format!(
            "{} invoiced: {} prepaid and {} of usage",
            dollars(invoiced),
            dollars(prepaid),
            dollars(usage)
        );
        assert_eq!(invoiced, prepaid + usage, "{told}\n{}", self.told);
        assert_eq!(used, usage, "nothing is left to be invoiced\n{}", self.told);
        self.tell(told);
        for month in months.split(',') {
            let month = Month::parse(month).expect("a month");
            self.compared_days(month).await;
            self.compared_amounts(month).await;
        }
    }

    /// What the daily comparisons found of a month's days: each is equal.
    async fn compared_days(&mut self, month: Month) {
        let (mut days, mut equal) = (0, 0);
        for number in 0..month.days() {
            let day = first_day(month) + Span::new().days(i64::from(number));
            let Some(kept) = self.stack.app.store.reconciled_day(day).await.unwrap() else {
                continue;
            };
            let counts = Counts {
                equal: kept.counts.equal,
                ..Counts::default()
            };
            assert_eq!(kept.counts, counts, "{kept:?}\n{}", self.told);
            days += 1;
            equal += kept.counts.equal;
        }
        self.tell(format!("{month}: equal figures {equal}, days {days}"));
    }

    /// What the comparison of a month's amounts found: each is equal, or AWS has
    /// invoiced instalments besides.
    async fn compared_amounts(&mut self, month: Month) {
        let kept = self.stack.app.store.reconciled_amounts(first_day(month));
        let kept = kept.await.unwrap().expect("the month was compared");
        self.tell(format!(
            "{month}: amounts as invoiced {}",
            kept.counts.equal
        ));
        for amount in &kept.amounts {
            let told = besides(amount);
            let told = told.unwrap_or_else(|| panic!("{amount:?}\n{}", self.told));
            self.tell(format!("{month}: {told}"));
        }
        assert_eq!(kept.proposed, [], "{}", self.told);
    }

    /// AWS's invoices of a purchase, by month, in cents.
    async fn invoiced(&mut self, name: &str) -> Vec<(Month, u64)> {
        let agreement = AgreementId::parse(self.purchases[name].agreement.as_str()).unwrap();
        let (mut month, last) = (Month::of(self.started), Month::of(self.stack.fake.now()));
        let mut invoiced = Vec::new();
        loop {
            let lines = self.stack.sources.invoices.clone();
            let lines = lines.of_month(&agreement, first_day(month)).await.unwrap();
            let amounts = lines.iter().map(|line| line.amount.expect("an amount"));
            invoiced.extend(amounts.map(|amount| (month, amount.cents())));
            if month == last {
                return invoiced;
            }
            month = month.next();
        }
    }
}

fn first_day(month: Month) -> Date {
    format!("{month}-01").parse().expect("a day")
}

/// What is invoiced besides the usage, of an agreement with instalments.
fn besides(amount: &AmountFinding) -> Option<String> {
    match &amount.verdict {
        AmountVerdict::NotComparable {
            obstacle: AmountObstacle::FixedPayments,
        } => {}
        AmountVerdict::Equal
        | AmountVerdict::Late
        | AmountVerdict::Missing { .. }
        | AmountVerdict::Over { .. }
        | AmountVerdict::NotComparable { .. } => return None,
    }
    let usage = Usd::from_micros(amount.billed_microusd).cents();
    let invoiced = Usd::from_micros(amount.invoiced_microusd).cents();
    Some(format!(
        "{} invoiced besides {} of usage",
        dollars(invoiced - usage),
        dollars(usage)
    ))
}

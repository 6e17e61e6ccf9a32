//! What the pages say of a purchase's prices, and what AWS bills for it.

use super::person::Page;
use super::script::Story;

impl Story {
    /// The buyer's bill so far, as the buyer's page of the fake shows it.
    pub(super) async fn bill(&mut self, name: &str) {
        let rows = self.billed(name).await;
        self.tell(rows.join("\n"));
    }

    /// What the billing page says was agreed on.
    pub(super) async fn rates(&mut self, account: &str) {
        let page = self.look_at(&format!("/accounts/{account}/usage")).await;
        let agreed = page.lines_between(r#"aria-labelledby="agreed""#, "</section>");
        self.tell(agreed.map_or_else(|| "nothing".to_owned(), |lines| lines.join("\n")));
    }

    /// The billing page's estimate of a month, by tier and in all.
    pub(super) async fn estimate(&mut self, account: &str, month: &str) {
        let page = self.usage_page(account, month).await;
        let rows = estimated(&page);
        self.tell(rows.join("\n"));
    }

    /// What AWS bills for the usage of purchases is what the billing page
    /// estimates for months, to the cent.
    pub(super) async fn compare(&mut self, account: &str, months: &str, names: &[&str]) {
        let mut billed = 0;
        for name in names {
            let rows = self.billed(name).await;
            let contract = rows.iter().find(|row| row.starts_with("Contract"));
            let total = rows.iter().find(|row| row.starts_with("Total"));
            billed += cents(total.expect("a total")) - contract.map_or(0, |row| cents(row));
        }
        let estimate = self.estimated_of(account, months).await;
        assert_eq!(billed, estimate, "billed and estimated\n{}", self.told);
        self.tell(format!("usage is billed as estimated: {}", dollars(billed)));
    }

    /// What the billing page estimates for months, in cents.
    pub(super) async fn estimated_of(&mut self, account: &str, months: &str) -> u64 {
        let mut estimate = 0;
        for month in months.split(',') {
            let page = self.usage_page(account, month).await;
            estimate += estimated(&page).last().map_or(0, |row| cents(row));
        }
        estimate
    }

    /// What the account's page says of the subscription for people to know.
    pub(super) async fn notices(&mut self, account: &str) {
        let page = self.look_at(&format!("/accounts/{account}")).await;
        let notes = page.body.split(r#"role="status""#).skip(1);
        let notes: Vec<String> = notes
            .filter_map(|note| Page::lines(note.split("</div>").next()?))
            .map(|lines| lines.join(" "))
            .collect();
        self.tell(if notes.is_empty() {
            "none".to_owned()
        } else {
            notes.join("\n")
        });
    }

    /// Who paid, and when, as the account's page says.
    pub(super) async fn links(&mut self, account: &str) {
        let page = self.look_at(&format!("/accounts/{account}")).await;
        let history = page.lines_between(r#"aria-labelledby="history""#, "</section>");
        self.tell(history.expect("a history").join("\n"));
    }

    pub(super) async fn billed(&mut self, name: &str) -> Vec<String> {
        let page = self.person.get(&self.stack.aws_url).await;
        let article = format!(r#"id="{}""#, self.purchases[name].agreement);
        let (_, article) = page.body.split_once(&article).expect("the subscription");
        let (_, bill) = article.split_once("<tbody>").expect("a bill");
        let bill = bill.split("</table>").next().unwrap();
        Page::lines(&format!(">{bill}")).expect("rows")
    }

    async fn usage_page(&mut self, account: &str, month: &str) -> Page {
        self.look_at(&format!("/accounts/{account}/usage?month={month}"))
            .await
    }
}

/// The rows of the month's total that hold anything; the last is the total.
fn estimated(page: &Page) -> Vec<String> {
    let rows = page.lines_between(r#"id="tiers""#, "</table>");
    let rows = rows.unwrap_or_default().into_iter();
    rows.filter(|row| row.contains('$') && !row.ends_with("$0.00") || row.starts_with("Total"))
        .collect()
}

/// An amount as it is told.
pub(super) fn dollars(cents: u64) -> String {
    format!("${}.{:02}", cents / 100, cents % 100)
}

/// The amount at the end of a row.
pub(super) fn cents(row: &str) -> u64 {
    let (_, amount) = row.rsplit_once('$').expect("an amount");
    amount.replace([',', '.'], "").parse().unwrap()
}

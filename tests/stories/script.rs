//! The language of the stories: one command a line, and what it shows.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use app::month::Month;
use app::support::Subject;
use domain::account::{AccountState, Payer};
use domain::hour::Hour;
use domain::ids::AccountId;
use hyper::Method;
use jiff::{SignedDuration, Timestamp};
use local::product::{Proof, people};
use local::{Config, Observer, USAGE_API_KEY};
use serde_json::{Value, json};

use crate::logs::Stack;

use super::person::{Page, Person, json as call};
use super::purchases::Purchase;

/// A story under way.
pub(crate) struct Story {
    pub(super) stack: Stack,
    pub(super) started: Timestamp,
    pub(super) person: Person,
    page: Option<Page>,
    /// By the story's name for it.
    pub(super) purchases: BTreeMap<String, Purchase>,
    pub(super) told: String,
}

impl Story {
    /// Plays a script; its first line is `clock <instant>`. What was shown,
    /// and that nothing was lost or doubled, is the answer.
    pub(crate) async fn play(script: &str) -> String {
        Self::play_before(script, None).await
    }

    /// The same, before somebody who is told which function calls what of AWS.
    pub(crate) async fn play_before(script: &str, observer: Option<Observer>) -> String {
        let mut lines = script
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        let start = lines.next().and_then(|line| line.strip_prefix("clock "));
        let started: Timestamp = start.expect("`clock` first").parse().unwrap();
        let stack = Stack::start(Config {
            start: Some(started),
            observer,
            ..Config::default()
        })
        .await
        .unwrap();
        let mut story = Self {
            stack,
            started,
            person: Person::default(),
            page: None,
            purchases: BTreeMap::new(),
            told: format!("> clock {started}\n"),
        };
        for line in lines {
            writeln!(story.told, "> {line}").unwrap();
            story.command(line).await;
        }
        story.check_conservation().await;
        let Self { stack, told, .. } = story;
        stack.stop().await;
        told
    }

    async fn command(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["subscribe", name, offer, buyer, with @ ..] => {
                self.subscribe(name, offer, buyer, with).await;
            }
            ["renew", name, other, with @ ..] => self.renew(name, other, with).await,
            ["follow", name, other] => self.follow(name, other),
            ["amend", name, with @ ..] => self.amend(name, with).await,
            ["cancel", name] => self.end(name, "cancel").await,
            ["terminate", name] => self.end(name, "terminate").await,
            ["suspend", buyer] => self.set_standing(buyer, "suspend").await,
            ["restore", buyer] => self.set_standing(buyer, "restore").await,
            ["token", name] => self.token(name).await,
            ["bill", name] => self.bill(name).await,
            ["rates", account] => self.rates(account).await,
            ["estimate", account, month] => self.estimate(account, month).await,
            ["compare", account, months, names @ ..] => self.compare(account, months, names).await,
            ["invoices", name] => self.invoices(name).await,
            ["reconcile", account, months, names @ ..] => {
                self.reconcile(account, months, names).await;
            }
            ["silence"] => self.stack.silence_product(),
            ["notices", account] => self.notices(account).await,
            ["links", account] => self.links(account).await,
            ["register", name] => self.register(name).await,
            ["sign-in", who] => self.sign_in(who).await,
            ["choose"] => self.choose().await,
            ["link", account] => self.link(account, true).await,
            ["ask-to-link", account] => self.link(account, false).await,
            ["unlink", account] => self.unlink(account).await,
            ["account", account] => self.account(account).await,
            ["usage", account] => self.usage(account).await,
            ["report", account, hour, id, count, tier] => {
                self.report(account, hour, id, count, tier).await;
            }
            ["advance", duration] => {
                let duration: SignedDuration = duration.parse().unwrap();
                let now = self.stack.fake.now();
                self.advance_to(now.checked_add(duration).unwrap()).await;
            }
            ["until", instant] => self.advance_to(instant.parse().unwrap()).await,
            ["fault", operation, fault, times, with @ ..] => {
                self.fault(operation, fault, times, with).await;
            }
            ["told", of] => self.told(of).await,
            ["no-faults"] => self.stack.fake.clear_faults(),
            ["metered"] => self.metered(),
            ["calls"] => self.calls(),
            other => panic!("not a command: {other:?}"),
        }
    }

    pub(super) fn tell(&mut self, what: impl AsRef<str>) {
        let mut text = what.as_ref().to_owned();
        for (name, purchase) in &self.purchases {
            text = text.replace(&purchase.license, name);
            text = text.replace(&purchase.agreement, &format!("of {name}"));
        }
        for line in text.lines() {
            writeln!(self.told, "  {line}").unwrap();
        }
    }

    fn show(&mut self, page: Page) {
        let path = page.url.replacen(&self.stack.seller_url, "", 1);
        let path = path.split('?').next().unwrap_or_default().to_owned();
        self.tell(format!("{} {path}: {}", page.status, page.heading()));
        self.page = Some(page);
    }

    async fn register(&mut self, name: &str) {
        let token = self
            .purchases
            .get(name)
            .map_or_else(|| name.to_owned(), |purchase| purchase.token.clone());
        let url = format!("{}/register", self.stack.seller_url);
        let fields = [("x-amzn-marketplace-token", token.as_str())];
        let page = self
            .person
            .post(&url, &fields, "https://aws.amazon.com")
            .await;
        self.show(page);
    }

    /// Signs in from the page that is open, as one of the local people.
    async fn sign_in(&mut self, who: &str) {
        let page = match self.page.take() {
            Some(page) if page.form("/sign-in").is_some() => page,
            _ => {
                self.person
                    .get(&format!("{}/accounts", self.stack.seller_url))
                    .await
            }
        };
        let done = self.signed_in(who, page).await;
        self.show(done);
    }

    /// A page of the seller's as Alice sees it, who signs in where she has to.
    pub(super) async fn look_at(&mut self, path: &str) -> Page {
        let url = format!("{}{path}", self.stack.seller_url);
        let page = self.person.get(&url).await;
        if page.form("/sign-in").is_none() && page.form_with("password", "").is_none() {
            return page;
        }
        self.signed_in("alice", page).await;
        self.person.get(&url).await
    }

    /// What is seen after signing in from a page.
    async fn signed_in(&mut self, who: &str, page: Page) -> Page {
        let someone = people()
            .iter()
            .find(|person| person.email.starts_with(who))
            .expect("one of the local people");
        let login = match page.form("/sign-in") {
            Some(form) => {
                self.person
                    .press(&page, &form, &[("email", someone.email)])
                    .await
            }
            None => page,
        };
        match someone.proof {
            Proof::Password(password) | Proof::PasswordAndCode(password) => {
                let form = login.form_with("password", "").expect("a login form");
                let fields = [("email", someone.email), ("password", password)];
                self.person.press(&login, &form, &fields).await
            }
            Proof::Saml => {
                let form = login
                    .form_with("email", someone.email)
                    .filter(|form| !form.fields.contains_key("password"))
                    .expect("a single sign-on button");
                self.person.press(&login, &form, &[]).await
            }
        }
    }

    async fn choose(&mut self) {
        let page = self
            .person
            .get(&format!("{}/register/accounts", self.stack.seller_url))
            .await;
        let words = page.words();
        self.show(page);
        self.tell(words);
    }

    /// Asks to link an account and, if `confirm`, confirms what the page says.
    async fn link(&mut self, account: &str, confirm: bool) {
        let url = format!(
            "{}/register/confirm?account={account}",
            self.stack.seller_url
        );
        let asked = self.person.get(&url).await;
        let words = asked.words();
        let form = asked.form("/register/confirm");
        self.show(asked.clone());
        self.tell(words);
        if let (true, Some(form)) = (confirm, form) {
            let done = self.person.press(&asked, &form, &[]).await;
            let words = done.words();
            self.show(done);
            self.tell(words);
        }
    }

    async fn unlink(&mut self, account: &str) {
        let url = format!("{}/accounts/{account}/unlink", self.stack.seller_url);
        let asked = self.person.get(&url).await;
        let form = asked.form("/unlink");
        self.show(asked.clone());
        if let Some(form) = form {
            let done = self.person.press(&asked, &form, &[]).await;
            self.show(done);
        }
    }

    async fn account(&mut self, account: &str) {
        let now = self.stack.fake.now();
        let id = AccountId::parse(account).unwrap();
        let stored = self.stack.app.store.account(&id).await.unwrap().unwrap();
        let state = stored.state_at(now);
        let until = state
            .ends_at()
            .map_or_else(String::new, |at| format!(" until {at}"));
        let payer = if let AccountState::Subscribed(Payer::Marketplace { link, buyer }) = &state {
            format!(", {} of AWS account {buyer} pays", link.license)
        } else {
            String::new()
        };
        self.tell(format!("{}{until}{payer}", state.standing().label()));
    }

    /// What support is shown of what AWS told.
    async fn told(&mut self, of: &str) {
        let of = Subject::parse(of).expect("a day, a license or an agreement");
        for told in self.stack.app.told_of(&of).await.unwrap() {
            let about = told.about.unwrap_or_default();
            let why = told.without_effect;
            let why = why.map(|why| why.to_string()).unwrap_or_default();
            self.tell(format!("{} {} of {about} {why}", told.at, told.what));
        }
    }

    async fn usage(&mut self, account: &str) {
        let account = AccountId::parse(account).unwrap();
        let month = Month::of(self.stack.fake.now());
        let usage = self.stack.app.usage_month(&account, month).await.unwrap();
        for hour in usage.hours {
            let mut lines: BTreeMap<String, u32> = BTreeMap::new();
            for line in hour.lines {
                let billed_in = line
                    .billed_in
                    .map_or_else(String::new, |slot| format!(", billed in {slot}"));
                let key = format!(
                    "{} {} {:?}{billed_in}",
                    line.license, line.dimension, line.status
                );
                *lines.entry(key).or_default() += line.count;
            }
            for (reason, count) in hour.unbillable {
                lines.insert(format!("not billable: {reason:?}"), count);
            }
            for (line, count) in lines {
                self.tell(format!("{} {count} x {line}", hour.hour));
            }
        }
    }

    /// Reports `count` computers of a tier, by HTTP as the product would.
    async fn report(&mut self, account: &str, hour: &str, id: &str, count: &str, tier: &str) {
        let (connector, size) = match tier {
            "medium" => (json!({"kind": "aws"}), json!({"instance_type": "t3.micro"})),
            "large" => (json!({"kind": "azure"}), json!({"vcpus": 2})),
            "xlarge" => (json!({"kind": "gcp"}), json!({"vcpus": 4})),
            "datacenter" => (Value::Null, Value::Null),
            other => panic!("not a tier: {other}"),
        };
        let computers: Vec<Value> = (0..count.parse::<u32>().unwrap())
            .map(|n| json!({"agent_id": format!("{id}-{n}"), "connector": connector, "size": size}))
            .collect();
        let report =
            json!({"account": account, "hour": hour, "report_id": id, "computers": computers});
        let url = format!("{}/api/usage-reports", self.stack.seller_url);
        let (status, answer) =
            call(Method::POST, &url, Some(USAGE_API_KEY), &report.to_string()).await;
        let detail = answer["detail"].as_str().unwrap_or_default().to_owned();
        self.tell(format!("{status} {detail}"));
    }

    async fn advance_to(&mut self, instant: Timestamp) {
        self.stack.fake.advance_to(instant).await.unwrap();
        self.tell(format!("now {}", self.stack.fake.now()));
    }

    /// What AWS accepted, by hour and dimension.
    fn metered(&mut self) {
        for record in self.stack.fake.accepted_records() {
            let allocations: Vec<String> = record
                .allocations
                .iter()
                .map(|allocation| {
                    let tag = allocation.tags.values().map(String::as_str).next();
                    format!("{} {}", allocation.quantity, tag.unwrap_or("untagged"))
                })
                .collect();
            self.tell(format!(
                "{} {} {} {} [{}]",
                record.license_arn.rsplit(':').next().unwrap_or_default(),
                record.timestamp,
                record.dimension,
                record.quantity,
                allocations.join(", "),
            ));
        }
    }

    fn calls(&mut self) {
        let calls: Vec<String> = self
            .stack
            .fake
            .calls()
            .into_iter()
            .filter(|call| call.operation == "BatchMeterUsage")
            .map(|call| format!("{} {} {:?}", call.at, call.operation, call.outcome))
            .collect();
        self.tell(calls.join("\n"));
    }

    /// Nothing was lost or doubled, in our tables and against what AWS accepted.
    async fn check_conservation(&mut self) {
        let from = Hour::of(self.started).previous();
        let until = Hour::of(self.stack.fake.now()).plus(2);
        let differences = super::differences(&self.stack, from, until).await;
        assert_eq!(
            differences,
            Vec::<String>::new(),
            "conservation\n{}",
            self.told
        );
        let billed = super::billed(&self.stack, from, until).await;
        let accepted = super::accepted(&self.stack);
        assert_eq!(
            billed, accepted,
            "what is called billed is what AWS accepted\n{}",
            self.told
        );
        self.told.push_str("conserved\n");
    }
}

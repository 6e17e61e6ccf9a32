//! What a story's buyers, its seller and AWS do to purchases, by the fake's
//! control API. `with` are fields of the request's body, `name=value`.

use hyper::Method;
use serde_json::{Map, Value, json};

use super::person::json as call;
use super::script::Story;

/// A purchase of a story.
pub(super) struct Purchase {
    /// The agreement's id.
    pub(super) agreement: String,
    /// The license's id.
    pub(super) license: String,
    /// The registration token made last.
    pub(super) token: String,
}

impl Purchase {
    /// As the fake says that it made it.
    fn made(answer: &Value) -> Self {
        let text = |field: &str| answer[field].as_str().unwrap().to_owned();
        Self {
            agreement: text("agreement_id"),
            license: id_of(&text("license_arn")),
            token: text("registration_token"),
        }
    }
}

impl Story {
    pub(super) async fn subscribe(&mut self, name: &str, offer: &str, buyer: &str, with: &[&str]) {
        let mut body = fields(with);
        body.insert("offer".to_owned(), json!(offer));
        body.insert("buyer_account".to_owned(), json!(buyer));
        let made = self.control("agreements", &Value::Object(body)).await;
        self.purchases
            .insert(name.to_owned(), Purchase::made(&made));
    }

    /// Renews or replaces a purchase by another one.
    pub(super) async fn renew(&mut self, name: &str, other: &str, with: &[&str]) {
        let path = format!("agreements/{}/renew", self.purchases[name].agreement);
        let made = self.control(&path, &Value::Object(fields(with))).await;
        self.purchases
            .insert(other.to_owned(), Purchase::made(&made));
    }

    /// Names the agreement that renewed a purchase by itself.
    pub(super) fn follow(&mut self, name: &str, other: &str) {
        let before = Some(self.purchases[name].agreement.clone());
        let agreements = self.stack.fake.agreements().into_iter();
        let mut after = agreements.filter(|agreement| agreement.previous_agreement_id == before);
        let after = after.next().expect("an agreement that renewed itself");
        let token = self.stack.fake.new_token(&after.license_arn).unwrap();
        let purchase = Purchase {
            agreement: after.agreement_id,
            license: id_of(&after.license_arn),
            token,
        };
        self.purchases.insert(other.to_owned(), purchase);
    }

    pub(super) async fn amend(&mut self, name: &str, with: &[&str]) {
        let path = format!("agreements/{}/amend", self.purchases[name].agreement);
        self.control(&path, &Value::Object(fields(with))).await;
    }

    /// Ends a purchase: `cancel` it as its buyer, or `terminate` it as AWS.
    pub(super) async fn end(&mut self, name: &str, how: &str) {
        let path = format!("agreements/{}/{how}", self.purchases[name].agreement);
        self.control(&path, &json!({})).await;
    }

    /// Has AWS `suspend` or `restore` a buyer's account.
    pub(super) async fn set_standing(&mut self, buyer: &str, what: &str) {
        let path = format!("buyers/{buyer}/{what}");
        self.control(&path, &json!({})).await;
    }

    pub(super) async fn token(&mut self, name: &str) {
        let licenses = self.stack.fake.licenses().into_iter();
        let mut arns = licenses.map(|license| license.license_arn);
        let arn = arns.find(|arn| arn.ends_with(&self.purchases[name].license));
        let body = json!({"license_arn": arn.expect("a license")});
        let answer = self.control("tokens", &body).await;
        let token = answer["registration_token"].as_str().unwrap().to_owned();
        self.purchases.get_mut(name).unwrap().token = token;
    }

    pub(super) async fn fault(&mut self, operation: &str, fault: &str, times: &str, with: &[&str]) {
        let times: u32 = times.parse().unwrap();
        let mut body = fields(with);
        body.insert("operation".to_owned(), json!(operation));
        body.insert("fault".to_owned(), json!(fault));
        body.insert("times".to_owned(), json!(times));
        self.control("faults", &Value::Object(body)).await;
    }

    async fn control(&mut self, path: &str, body: &Value) -> Value {
        let url = format!("{}/_fake/{path}", self.stack.aws_url);
        let (status, answer) = call(Method::POST, &url, None, &body.to_string()).await;
        assert!(status < 300, "{answer}\n{}", self.told);
        answer
    }
}

/// `name=value` as fields of a JSON object: a value that is no number and no
/// truth value is a string.
fn fields(with: &[&str]) -> Map<String, Value> {
    let field = |text: &&str| {
        let (name, value) = text.split_once('=').expect("name=value");
        let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
        (name.to_owned(), value)
    };
    with.iter().map(field).collect()
}

fn id_of(license_arn: &str) -> String {
    license_arn.rsplit(':').next().unwrap().to_owned()
}

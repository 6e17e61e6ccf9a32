//! A browser without a screen: the forms by which a person comes to the pages
//! that are measured.

use std::collections::BTreeMap;

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// A client that keeps its connections.
pub(crate) type Http = Client<HttpConnector, Full<Bytes>>;

/// Another client.
pub(crate) fn http() -> Http {
    Client::builder(TokioExecutor::new()).build_http()
}

/// A request to the stack, by a path or a whole address on it.
pub(crate) fn to(address: &str, method: Method, path: &str) -> http::request::Builder {
    // The pages know themselves by this name; the address spares looking it up.
    let host = address.replace("127.0.0.1", "localhost");
    let path = path.strip_prefix(&format!("http://{host}")).unwrap_or(path);
    Request::builder()
        .method(method)
        .uri(format!("http://{address}{path}"))
        .header("host", host)
}

/// Sends forms and keeps cookies.
pub(crate) struct Browser {
    http: Http,
    address: String,
    cookies: BTreeMap<String, String>,
}

/// An answer, as far as a form needs it.
pub(crate) struct Answer {
    headers: HeaderMap,
    body: String,
}

impl Browser {
    pub(crate) fn new(address: &str) -> Self {
        Self {
            http: http(),
            address: address.to_owned(),
            cookies: BTreeMap::new(),
        }
    }

    /// The cookies as a request carries them.
    pub(crate) fn cookies(&self) -> String {
        let cookies = self.cookies.iter();
        let pairs: Vec<String> = cookies
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }

    /// Brings a token as AWS Marketplace's page does: from another site.
    pub(crate) async fn bring_token(&mut self, token: &str) -> anyhow::Result<()> {
        let form = [("x-amzn-marketplace-token", token)];
        self.post("/register", &form, "cross-site").await.map(drop)
    }

    /// Signs in at the local issuer, as a person with a password.
    pub(crate) async fn sign_in(&mut self, email: &str, password: &str) -> anyhow::Result<()> {
        let begun = self.post("/sign-in", &[("to", "/accounts")], OWN).await?;
        let form = [("email", email), ("password", password)];
        let back = self.post(&begun.location()?, &form, OWN).await?;
        self.get(&back.location()?).await.map(drop)
    }

    /// Links the session's license to an account, confirming what is shown.
    pub(crate) async fn link(&mut self, account: &str) -> anyhow::Result<()> {
        let shown = self
            .get(&format!("/register/confirm?account={account}"))
            .await?;
        let (csrf, basis) = (shown.field("csrf")?, shown.field("basis")?);
        let form = [
            ("csrf", csrf.as_str()),
            ("account", account),
            ("basis", &basis),
        ];
        self.post("/register/confirm", &form, OWN)
            .await?
            .location()
            .map(drop)
    }

    /// Where the pages' stylesheet is.
    pub(crate) async fn stylesheet(&mut self) -> anyhow::Result<String> {
        self.get("/help").await?.after(r#"rel="stylesheet" href=""#)
    }

    async fn get(&mut self, path: &str) -> anyhow::Result<Answer> {
        let request = to(&self.address, Method::GET, path);
        self.send(request, String::new()).await
    }

    async fn post(
        &mut self,
        path: &str,
        form: &[(&str, &str)],
        site: &str,
    ) -> anyhow::Result<Answer> {
        let mut body = form_urlencoded::Serializer::new(String::new());
        let body = body.extend_pairs(form).finish();
        let request = to(&self.address, Method::POST, path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", site);
        self.send(request, body).await
    }

    async fn send(
        &mut self,
        request: http::request::Builder,
        body: String,
    ) -> anyhow::Result<Answer> {
        let request = request.header("cookie", self.cookies());
        let answer = self.http.request(request.body(Full::from(body))?).await?;
        let (parts, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        for cookie in parts.headers.get_all("set-cookie") {
            let pair = cookie.to_str()?.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').context("name=value")?;
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        Ok(Answer {
            headers: parts.headers,
            body: String::from_utf8(body.to_vec())?,
        })
    }
}

/// A form of the site itself.
const OWN: &str = "same-origin";

impl Answer {
    /// Where a redirect leads.
    fn location(&self) -> anyhow::Result<String> {
        let location = self.headers.get("location");
        let location = location.with_context(|| format!("no redirect: {}", self.body))?;
        Ok(location.to_str()?.to_owned())
    }

    /// The value of a hidden field.
    fn field(&self, name: &str) -> anyhow::Result<String> {
        self.after(&format!(r#"name="{name}" value=""#))
    }

    /// What stands after this text, up to the next quotation mark.
    fn after(&self, start: &str) -> anyhow::Result<String> {
        let (_, rest) = self
            .body
            .split_once(start)
            .with_context(|| format!("no {start} in {}", self.body))?;
        Ok(rest.split('"').next().unwrap_or_default().to_owned())
    }
}

//! A browser without a screen: HTTP over loopback, cookies, no redirects
//! unless asked for.

use std::collections::BTreeMap;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{HeaderMap, Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::logs;

/// Sends requests and keeps cookies. `localhost`'s cookies belong to all ports.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    /// Where the pages are, `http://localhost:<port>`.
    origin: String,
    /// By name.
    pub(crate) cookies: BTreeMap<String, String>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Client {
    pub(crate) fn new(origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            cookies: BTreeMap::new(),
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    /// Posts a form as a page of the same site does.
    pub(crate) async fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.post_with(path, form, &[("sec-fetch-site", "same-origin")])
            .await
    }

    pub(crate) async fn post_with(
        &mut self,
        path: &str,
        form: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
        all.extend_from_slice(headers);
        self.send(Method::POST, path, &all, &body).await
    }

    /// One request to a path of the site, or to a whole address on loopback.
    pub(crate) async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let url = if path.starts_with('/') {
            format!("{}{path}", self.origin)
        } else {
            path.to_owned()
        };
        let uri: Uri = url.parse().expect("an address");
        logs::keep_secret_fields(uri.query().unwrap_or_default());
        logs::keep_secret_fields(if body.starts_with('{') { "" } else { body });
        let port = uri.port_u16().expect("a port");
        let stream = TcpStream::connect(("127.0.0.1", port))
            .await
            .expect("something listens");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .expect("a connection");
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        let mut request = Request::builder()
            .method(method)
            .uri(uri.path_and_query().expect("a path").as_str())
            .header("host", uri.authority().expect("a host").as_str());
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .body(Full::new(Bytes::from(body.to_owned())))
            .expect("a request");
        let exchange = async {
            let answer = sender.send_request(request).await.expect("an answer");
            let (parts, body) = answer.into_parts();
            let body = body.collect().await.expect("a body").to_bytes();
            (parts, body)
        };
        tokio::pin!(connection);
        tokio::pin!(exchange);
        let (parts, body) = tokio::select! {
            answer = &mut exchange => answer,
            _ = &mut connection => exchange.await,
        };
        self.keep_cookies(&parts.headers);
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).expect("text"),
        }
    }

    fn keep_cookies(&mut self, headers: &HeaderMap) {
        for cookie in headers.get_all("set-cookie") {
            let text = cookie.to_str().expect("text");
            let (pair, attributes) = text.split_once(';').unwrap_or((text, ""));
            let (name, value) = pair.split_once('=').expect("name=value");
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                logs::keep_secret(value);
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    /// Follows redirects with GET until an answer is none.
    pub(crate) async fn follow(&mut self, mut answer: Answer) -> Answer {
        for _ in 0..10 {
            let Some(target) = answer.location() else {
                return answer;
            };
            answer = self.get(&target).await;
        }
        panic!("too many redirects");
    }

    /// Gets a page, after any redirects.
    pub(crate) async fn open(&mut self, path: &str) -> Answer {
        let answer = self.get(path).await;
        self.follow(answer).await
    }

    /// Brings a token as AWS Marketplace's page does: from another site.
    pub(crate) async fn bring_token(&mut self, token: &str) -> Answer {
        let form = [("x-amzn-marketplace-token", token)];
        let headers = [
            ("origin", "https://aws.amazon.com"),
            ("sec-fetch-site", "cross-site"),
        ];
        self.post_with("/register", &form, &headers).await
    }

    /// Goes to the issuer for a page of ours; where it sends the browser back.
    pub(crate) async fn sign_in_at_issuer(
        &mut self,
        to: &str,
        email: &str,
        password: Option<&str>,
    ) -> String {
        let begun = self.post("/sign-in", &[("to", to)]).await;
        let issuer = begun.location().expect("the issuer's page");
        let mut form = vec![("email", email)];
        form.extend(password.map(|password| ("password", password)));
        let answer = self.post(&issuer, &form).await;
        answer.location().expect("the way back")
    }

    /// Signs in and comes to a page of ours.
    pub(crate) async fn sign_in(
        &mut self,
        to: &str,
        email: &str,
        password: Option<&str>,
    ) -> Answer {
        let back = self.sign_in_at_issuer(to, email, password).await;
        self.open(&back).await
    }

    /// Signs in as the first user, who has full access.
    pub(crate) async fn sign_in_as_alice(&mut self, to: &str) -> Answer {
        self.sign_in(to, "alice@example.com", Some("alice-local"))
            .await
    }
}

impl Answer {
    /// Where a redirect leads.
    pub(crate) fn location(&self) -> Option<String> {
        let location = self.headers.get("location")?;
        Some(location.to_str().expect("text").to_owned())
    }

    /// The value of a hidden field.
    pub(crate) fn field(&self, name: &str) -> String {
        let start = format!(r#"name="{name}" value=""#);
        let (_, rest) = self
            .body
            .split_once(&start)
            .unwrap_or_else(|| panic!("no field {name} in {}", self.body));
        rest.split('"').next().unwrap_or_default().to_owned()
    }

    /// The part of the page about an account in a list.
    pub(crate) fn item(&self, account: &str) -> &str {
        let start = format!(r#"data-account="{account}""#);
        let (_, rest) = self
            .body
            .split_once(&start)
            .unwrap_or_else(|| panic!("no {account} in {}", self.body));
        rest.split("</li>").next().unwrap_or_default()
    }

    /// The page says this.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) {
        assert!(
            self.body.contains(text),
            "{} without {text:?}: {}",
            self.status,
            self.body
        );
    }

    /// The page does not say this.
    #[track_caller]
    pub(crate) fn does_not_say(&self, text: &str) {
        assert!(!self.body.contains(text), "{text:?} in {}", self.body);
    }

    /// The answer has this status.
    #[track_caller]
    pub(crate) fn is(&self, status: u16) {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
    }
}

//! A person with a browser, as far as pages without script need one: cookies,
//! redirects, forms.

use std::collections::BTreeMap;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::header::{CONTENT_TYPE, COOKIE, HOST, HeaderMap, LOCATION, ORIGIN, SET_COOKIE};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::logs;

/// A page that somebody sees.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    /// The HTTP status.
    pub(crate) status: u16,
    /// Where it came from, after redirects.
    pub(crate) url: String,
    /// The body.
    pub(crate) body: String,
}

/// A form of a page, with the values that it would send.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    method: String,
    action: String,
    /// By name: hidden inputs and prefilled fields.
    pub(crate) fields: BTreeMap<String, String>,
}

/// Somebody with a browser.
#[derive(Debug, Default)]
pub(crate) struct Person {
    cookies: BTreeMap<String, String>,
}

impl Person {
    /// Opens a page.
    pub(crate) async fn get(&mut self, url: &str) -> Page {
        self.follow(Method::GET, url, None).await
    }

    /// Posts a form's fields, as a page of `origin` would.
    pub(crate) async fn post(&mut self, url: &str, fields: &[(&str, &str)], origin: &str) -> Page {
        let body = encoded(fields.iter().copied());
        self.follow(Method::POST, url, Some((body, origin.to_owned())))
            .await
    }

    /// Presses the button of a form of the page, with these fields filled in.
    pub(crate) async fn press(
        &mut self,
        page: &Page,
        form: &Form,
        filled: &[(&str, &str)],
    ) -> Page {
        let mut fields = form.fields.clone();
        for (name, value) in filled {
            fields.insert((*name).to_owned(), (*value).to_owned());
        }
        let pairs = fields.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        let url = absolute(&page.url, &form.action);
        if form.method == "get" {
            return self.get(&format!("{url}?{}", encoded(pairs))).await;
        }
        let body = encoded(pairs);
        self.follow(Method::POST, &url, Some((body, origin_of(&page.url))))
            .await
    }

    async fn follow(&mut self, method: Method, url: &str, form: Option<(String, String)>) -> Page {
        let (mut method, mut url, mut form) = (method, url.to_owned(), form);
        for _ in 0..12 {
            let (_, query) = url.split_once('?').unwrap_or_default();
            logs::keep_secret_fields(query);
            logs::keep_secret_fields(form.as_ref().map_or("", |(body, _)| body));
            let mut headers = HeaderMap::new();
            let cookies: Vec<String> = self
                .cookies
                .iter()
                .map(|(k, v)| format!("{k}={v}"))
                .collect();
            if !cookies.is_empty() {
                headers.insert(COOKIE, cookies.join("; ").parse().unwrap());
            }
            let body = form.take().map_or_else(String::new, |(body, origin)| {
                headers.insert(
                    CONTENT_TYPE,
                    "application/x-www-form-urlencoded".parse().unwrap(),
                );
                headers.insert(ORIGIN, origin.parse().unwrap());
                body
            });
            let (status, answered, text) = send(method.clone(), &url, headers, body).await;
            for cookie in answered.get_all(SET_COOKIE) {
                self.keep(cookie.to_str().unwrap());
            }
            match answered.get(LOCATION) {
                Some(location) if (300..400).contains(&status) => {
                    url = absolute(&url, location.to_str().unwrap());
                    method = Method::GET;
                }
                Some(_) | None => {
                    return Page {
                        status,
                        url,
                        body: text,
                    };
                }
            }
        }
        panic!("redirected in circles, last to {url}");
    }

    fn keep(&mut self, cookie: &str) {
        let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
        let (name, value) = pair.split_once('=').unwrap();
        if attributes.contains("Max-Age=0") {
            self.cookies.remove(name);
        } else {
            logs::keep_secret(value);
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}

impl Page {
    /// The heading.
    pub(crate) fn heading(&self) -> String {
        between(&self.body, "<h1", "</h1>")
            .and_then(|text| text.split_once('>'))
            .map(|(_, text)| plain(text))
            .unwrap_or_default()
    }

    /// Its words below the heading, without mark-up.
    pub(crate) fn words(&self) -> String {
        let main = between(&self.body, "<main", "</main>").unwrap_or(&self.body);
        plain(main.split_once("</h1>").map_or(main, |(_, text)| text))
    }

    /// The words between the first of this mark-up and the next of that, each
    /// row of a table and each paragraph on its own line.
    pub(crate) fn lines_between(&self, start: &str, end: &str) -> Option<Vec<String>> {
        Self::lines(between(&self.body, start, end)?)
    }

    /// The same of a piece of mark-up that begins within a tag.
    pub(crate) fn lines(piece: &str) -> Option<Vec<String>> {
        let (_, inside) = piece.split_once('>')?;
        let mut lines = vec![inside.to_owned()];
        for ending in ["</tr>", "</p>", "</h2>", "</h3>"] {
            let split = lines.iter().flat_map(|line| line.split(ending));
            lines = split.map(str::to_owned).collect();
        }
        let words = lines.iter().map(|line| plain(line));
        Some(words.filter(|words| !words.is_empty()).collect())
    }

    /// The form whose action ends with this.
    pub(crate) fn form(&self, action: &str) -> Option<Form> {
        self.forms().find(|form| form.action.ends_with(action))
    }

    /// The last form that holds this field with this value.
    pub(crate) fn form_with(&self, field: &str, value: &str) -> Option<Form> {
        self.forms()
            .rfind(|form| form.fields.get(field).is_some_and(|held| held == value))
    }

    fn forms(&self) -> impl DoubleEndedIterator<Item = Form> {
        let forms: Vec<Form> = self
            .body
            .split("<form")
            .skip(1)
            .filter_map(|rest| rest.split_once("</form>"))
            .map(|(form, _)| form_of(form))
            .collect();
        forms.into_iter()
    }
}

/// Sends JSON and reads the answer.
pub(crate) async fn json(
    method: Method,
    url: &str,
    bearer: Option<&str>,
    body: &str,
) -> (u16, Value) {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, "application/json".parse().unwrap());
    if let Some(key) = bearer {
        headers.insert("authorization", format!("Bearer {key}").parse().unwrap());
    }
    let (status, _, text) = send(method, url, headers, body.to_owned()).await;
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

pub(crate) async fn send(
    method: Method,
    url: &str,
    headers: HeaderMap,
    body: String,
) -> (u16, HeaderMap, String) {
    let uri: Uri = url.parse().unwrap();
    let authority = uri.authority().unwrap();
    let stream = TcpStream::connect(("127.0.0.1", authority.port_u16().unwrap()))
        .await
        .unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    let path = uri.path_and_query().map_or("/", |p| p.as_str());
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, authority.as_str())
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    request.headers_mut().extend(headers);
    let exchange = async {
        let response = sender.send_request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        drop(sender);
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        (parts.status.as_u16(), parts.headers, text)
    };
    let (_closed, answer) = tokio::join!(connection, exchange);
    answer
}

fn form_of(form: &str) -> Form {
    let (tag, inside) = form.split_once('>').unwrap_or((form, ""));
    let fields = inside
        .split("<input")
        .skip(1)
        .filter_map(|input| {
            let input = input.split_once('>').map_or(input, |(tag, _)| tag);
            let name = attribute(input, "name")?;
            Some((name, attribute(input, "value").unwrap_or_default()))
        })
        .collect();
    Form {
        method: attribute(tag, "method").unwrap_or_else(|| "get".to_owned()),
        action: attribute(tag, "action").unwrap_or_default(),
        fields,
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let value = tag.split_once(&format!(" {name}=\""))?.1;
    Some(unescaped(value.split_once('"')?.0))
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let rest = text.split_once(start)?.1;
    rest.split_once(end).map(|(inside, _)| inside)
}

/// Text without mark-up, white space folded.
fn plain(html: &str) -> String {
    let mut text = String::new();
    for (n, piece) in html.split('<').enumerate() {
        let words = if n == 0 {
            piece
        } else {
            text.push(' ');
            piece.split_once('>').map_or("", |(_, words)| words)
        };
        text.push_str(words);
    }
    let folded: Vec<&str> = text.split_whitespace().collect();
    unescaped(&folded.join(" "))
}

fn unescaped(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

fn encoded<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut body = String::new();
    for (name, value) in fields {
        if !body.is_empty() {
            body.push('&');
        }
        for (n, part) in [name, value].into_iter().enumerate() {
            if n == 1 {
                body.push('=');
            }
            for byte in part.bytes() {
                if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
                    body.push(char::from(byte));
                } else {
                    body.push_str(&format!("%{byte:02X}"));
                }
            }
        }
    }
    body
}

fn origin_of(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap();
    let host = rest.split(['/', '?']).next().unwrap();
    format!("{scheme}://{host}")
}

fn absolute(base: &str, location: &str) -> String {
    if location.contains("://") {
        location.to_owned()
    } else if location.is_empty() {
        base.to_owned()
    } else {
        format!("{}{location}", origin_of(base))
    }
}

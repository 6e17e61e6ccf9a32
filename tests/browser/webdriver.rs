//! A headless Chromium, driven through chromedriver by the W3C WebDriver
//! protocol, which is JSON over HTTP: the dozen commands that we need, by hand
//! (the client crates bring a second `http`, `async-trait` or a TLS stack).

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::project;

/// The key under which WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A running chromedriver; it ends with this.
pub(crate) struct Driver {
    child: Child,
    address: String,
}

/// How large the window is, in CSS pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Viewport {
    /// 390 x 844, by device emulation: a headless window is never so narrow.
    Phone,
    /// 1280 x 900.
    Desktop,
}

/// A browser window with cookies of its own.
pub(crate) struct Window<'a> {
    driver: &'a Driver,
    session: String,
}

impl Driver {
    /// Starts chromedriver on a port of its choice. Of two that start at once and
    /// choose the same, one ends: it is started anew.
    pub(crate) fn start() -> Self {
        (0..5)
            .find_map(|_| Self::started())
            .expect("chromedriver says its port")
    }

    fn started() -> Option<Self> {
        let mut child = Command::new("chromedriver")
            .arg("--port=0")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("chromedriver starts (Debian: chromium and chromium-driver)");
        let output = child.stdout.take().expect("its output is piped");
        let mut driver = Self {
            child,
            address: String::new(),
        };
        let port = BufReader::new(output)
            .lines()
            .map_while(Result::ok)
            .find_map(|line| {
                let (_, rest) = line.split_once("started successfully on port ")?;
                rest.trim_end_matches('.').parse::<u16>().ok()
            })?;
        driver.address = format!("127.0.0.1:{port}");
        Some(driver)
    }

    /// Opens a window.
    pub(crate) async fn window(&self, viewport: Viewport) -> Window<'_> {
        let mut options = json!({
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--hide-scrollbars", "--no-proxy-server", "--window-size=1280,900"],
        });
        if let Some(binary) = ["/usr/bin/chromium", "/usr/bin/chromium-browser"]
            .into_iter()
            .find(|path| Path::new(path).exists())
        {
            options["binary"] = json!(binary);
        }
        match viewport {
            Viewport::Phone => {
                options["mobileEmulation"] =
                    json!({ "deviceMetrics": { "width": 390, "height": 844, "pixelRatio": 2.0 } });
            }
            Viewport::Desktop => {}
        }
        let capabilities = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            // Finding an element waits for it, so no test needs to sleep.
            "timeouts": { "implicit": 30_000, "pageLoad": 30_000 },
        } } });
        let answer = self.call("POST", "/session", Some(&capabilities)).await;
        let session = answer["sessionId"].as_str().expect("a session").to_owned();
        Window {
            driver: self,
            session,
        }
    }

    /// One WebDriver command; its `value`.
    async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, value) = self.try_call(method, path, body).await;
        assert!(
            status.is_success(),
            "{method} {path}: {} {}",
            value["error"],
            value["message"]
        );
        value
    }

    async fn try_call(
        &self,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> (hyper::StatusCode, Value) {
        let stream = TcpStream::connect(&self.address)
            .await
            .expect("chromedriver listens");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .expect("a connection");
        let text = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", &self.address)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(text)))
            .expect("a request");
        let exchange = async {
            let answer = sender.send_request(request).await.expect("an answer");
            let status = answer.status();
            let bytes = answer.into_body().collect().await.expect("a body");
            (status, bytes.to_bytes())
        };
        tokio::pin!(connection);
        tokio::pin!(exchange);
        let (status, bytes) = tokio::select! {
            answer = &mut exchange => answer,
            _ = &mut connection => exchange.await,
        };
        let mut answer: Value = serde_json::from_slice(&bytes).expect("chromedriver answers JSON");
        (status, answer["value"].take())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Window<'_> {
    async fn command(&self, method: &str, name: &str, body: Option<&Value>) -> Value {
        let path = format!("/session/{}/{name}", self.session);
        self.driver.call(method, &path, body).await
    }

    /// Opens an address.
    pub(crate) async fn open(&self, url: &str) {
        self.command("POST", "url", Some(&json!({ "url": url })))
            .await;
    }

    /// The address of the page shown.
    pub(crate) async fn url(&self) -> String {
        let url = self.command("GET", "url", None).await;
        url.as_str().unwrap_or_default().to_owned()
    }

    /// The element that a CSS selector names; waits up to 30 s for it.
    async fn element(&self, css: &str) -> String {
        let query = json!({ "using": "css selector", "value": css });
        self.find(&query).await
    }

    async fn find(&self, query: &Value) -> String {
        let path = format!("/session/{}/element", self.session);
        let (status, found) = self.driver.try_call("POST", &path, Some(query)).await;
        if !status.is_success() {
            let text = self.command("GET", "source", None).await;
            let text = text.as_str().unwrap_or_default();
            panic!("no {} on {}: {text}", query["value"], self.url().await);
        }
        found[ELEMENT].as_str().expect("an element").to_owned()
    }

    /// Waits up to 30 s until an element of this kind holds the text: that the
    /// page which it belongs to is there.
    pub(crate) async fn sees(&self, tag: &str, text: &str) {
        let query =
            json!({ "using": "xpath", "value": format!("//{tag}[contains(., \"{text}\")]") });
        self.find(&query).await;
    }

    /// Waits up to 30 s until an element of this kind holds another text: that the
    /// page has given way to one that is whole, on whose cookies the next may rely.
    pub(crate) async fn has_left(&self, tag: &str, text: &str) {
        let query =
            json!({ "using": "xpath", "value": format!("//{tag}[not(contains(., \"{text}\"))]") });
        self.find(&query).await;
    }

    /// Clicks an element; a page that it leads to has begun to load.
    pub(crate) async fn click(&self, css: &str) {
        let element = self.element(css).await;
        self.command(
            "POST",
            &format!("element/{element}/click"),
            Some(&json!({})),
        )
        .await;
    }

    /// Presses the button or link with this text.
    pub(crate) async fn press(&self, text: &str) {
        let this = format!("[contains(normalize-space(.), \"{text}\")]");
        let query = json!({ "using": "xpath", "value": format!("//button{this} | //a{this}") });
        let element = self.find(&query).await;
        let name = format!("element/{element}/click");
        self.command("POST", &name, Some(&json!({}))).await;
    }

    /// Types into a field.
    pub(crate) async fn type_into(&self, css: &str, text: &str) {
        let element = self.element(css).await;
        let name = format!("element/{element}/clear");
        self.command("POST", &name, Some(&json!({}))).await;
        let name = format!("element/{element}/value");
        self.command("POST", &name, Some(&json!({ "text": text })))
            .await;
    }

    /// The visible text of an element.
    pub(crate) async fn text(&self, css: &str) -> String {
        let element = self.element(css).await;
        let text = self
            .command("GET", &format!("element/{element}/text"), None)
            .await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Runs a script and gives what it returns.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.command(
            "POST",
            "execute/sync",
            Some(&json!({ "script": script, "args": [] })),
        )
        .await
    }

    /// A command of Chromium's own protocol.
    pub(crate) async fn chromium(&self, command: &str, params: &Value) -> Value {
        let body = json!({ "cmd": command, "params": params });
        self.command("POST", "goog/cdp/execute", Some(&body)).await
    }

    /// Keeps a picture of the whole page under `tests/artifacts`.
    pub(crate) async fn picture(&self, name: &str) {
        let params = json!({ "format": "png", "captureBeyondViewport": true });
        let answer = self.chromium("Page.captureScreenshot", &params).await;
        let png = STANDARD
            .decode(answer["data"].as_str().expect("a picture"))
            .expect("base64");
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts");
        std::fs::create_dir_all(&folder).expect("the folder of artifacts");
        std::fs::write(folder.join(format!("{name}.png")), png).expect("the picture is written");
    }

    /// The page shows no horizontal scroll bar.
    pub(crate) async fn fits(&self) {
        let over = self
            .run(
                "const page = document.documentElement; return page.scrollWidth - page.clientWidth",
            )
            .await;
        assert!(
            over.as_i64().is_some_and(|over| over <= 0),
            "{} is {over} px too wide",
            self.url().await
        );
    }

    /// What axe finds on the page that is serious.
    pub(crate) async fn barriers(&self) -> Value {
        let axe = std::fs::read_to_string(project::axe()).expect("axe");
        let found = "return axe.run(document, { resultTypes: ['violations'] }).then(result =>
            result.violations
                .filter(found => ['serious', 'critical'].includes(found.impact))
                .map(found => found.id + ' at ' + found.nodes.map(node => node.target).join(', ')))";
        self.run(&format!("{axe}; {found}")).await
    }

    /// axe finds nothing serious on the page.
    pub(crate) async fn is_accessible(&self) {
        let url = self.url().await;
        assert_eq!(self.barriers().await, json!([]), "{url}");
    }

    /// Closes the window.
    pub(crate) async fn close(self) {
        let path = format!("/session/{}", self.session);
        self.driver.call("DELETE", &path, None).await;
    }
}

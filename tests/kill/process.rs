//! The `local` program as a process, and what is asked of it over HTTP.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use runtime::telemetry::OURS;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::built::built;
use crate::data_dir::DataDir;
use crate::{logs, project};

/// The program, and a folder for all that its processes log.
pub(crate) struct Program {
    path: PathBuf,
    log: DataDir,
}

/// A process, killed with this.
pub(crate) struct Process {
    child: Child,
    pub(crate) addresses: Addresses,
}

/// Where a process serves.
#[derive(Debug, Clone, Default)]
pub(crate) struct Addresses {
    pub(crate) seller: String,
    pub(crate) aws: String,
}

impl Program {
    /// For the test of this name.
    pub(crate) fn built(test: &str) -> Self {
        let log = DataDir::new(&format!("{test}-log"));
        std::fs::create_dir_all(&log.0).unwrap();
        let path = built("local");
        Self { path, log }
    }

    /// Its processes logged nothing that no log may hold; how many lines they logged.
    pub(crate) fn check_log(&self) -> usize {
        let log = project::read(self.log());
        let found = logs::found(&log);
        assert!(found.is_empty(), "{found:#?}");
        log.lines().count()
    }

    fn log(&self) -> PathBuf {
        self.log.0.join("local.log")
    }

    /// A process that begins to start.
    pub(crate) fn spawn(&self, data: &Path) -> Process {
        self.run(Command::new(&self.path), data)
    }

    /// The same on a disk that is full once a file of its data has so many bytes:
    /// what would make one longer fails, as it does then.
    pub(crate) async fn start_on_full_disk(&self, data: &Path, longest_file: u64) -> Process {
        // The limit is in blocks of 512 bytes; the signal that comes with it is ignored.
        let limited = format!(
            "trap '' XFSZ; ulimit -f {}; exec \"$0\" \"$@\"",
            longest_file / 512
        );
        let mut command = Command::new("sh");
        command.arg("-c").arg(limited).arg(&self.path);
        self.run(command, data).serving().await
    }

    fn run(&self, mut command: Command, data: &Path) -> Process {
        let log = File::options().create(true).append(true).open(self.log());
        // All of what our crates do, and what others warn of.
        let ours = OURS.iter().map(|name| format!(",{name}=trace"));
        let logged = format!("warn{}", ours.collect::<String>());
        let child = command
            .args(["--log", &logged, "--port", "0", "--aws-port", "0", "--data"])
            .arg(data)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.unwrap())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Process {
            child,
            addresses: Addresses::default(),
        }
    }

    /// A process that serves: it prints where once it does.
    pub(crate) async fn start(&self, data: &Path) -> Process {
        self.spawn(data).serving().await
    }
}

impl Process {
    async fn serving(mut self) -> Self {
        let stdout = self.child.stdout.as_mut().unwrap();
        let mut lines = BufReader::new(stdout).lines();
        let mut url = async |after: &str| {
            let line = lines.next_line().await.unwrap();
            let line = line.unwrap_or_else(|| panic!("local ended before it printed {after:?}"));
            let url = line.strip_prefix(after).map(str::trim);
            url.unwrap_or_else(|| panic!("{after:?} expected: {line}"))
                .to_owned()
        };
        let seller = url("Seller's pages and API").await;
        let aws = url("AWS Marketplace (fake)").await;
        self.addresses = Addresses { seller, aws };
        self
    }

    /// SIGKILL; returns when the process is gone.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

impl Addresses {
    /// A buyer accepts the public offer; the registration token.
    pub(crate) async fn subscribe(&self, buyer: &str) -> String {
        let url = format!("{}/_fake/agreements", self.aws);
        let body = json!({"offer": "public", "buyer_account": buyer});
        let (_, made) = call(Method::POST, &url, body.to_string()).await.unwrap();
        made["registration_token"].as_str().unwrap().to_owned()
    }

    /// Sends a usage report; the status. `None`: cut.
    pub(crate) async fn report(&self, report: &Value) -> Option<u16> {
        let url = format!("{}/api/usage-reports", self.seller);
        let (status, _) = call(Method::POST, &url, report.to_string()).await?;
        Some(status)
    }

    /// Moves the clock on to an instant; where it stands then. `None`: cut.
    pub(crate) async fn set_clock(&self, to: Timestamp) -> Option<Timestamp> {
        let now: Timestamp = self.state().await?["now"].as_str()?.parse().unwrap();
        // The clock also flows by itself.
        if now >= to {
            return Some(now);
        }
        let url = format!("{}/_fake/clock", self.aws);
        let body = json!({"set": to});
        let (status, answer) = call(Method::POST, &url, body.to_string()).await?;
        if let Some(now) = answer["now"].as_str() {
            return Some(now.parse().unwrap());
        }
        // It flowed past meanwhile, or something is wrong.
        let now: Timestamp = self.state().await?["now"].as_str()?.parse().unwrap();
        assert!(now >= to, "{status} {answer}");
        Some(now)
    }

    /// Makes AWS's next answer to a metering call go wrong. `None`: cut.
    pub(crate) async fn fault(&self, fault: &str) -> Option<()> {
        let url = format!("{}/_fake/faults", self.aws);
        let body = json!({"operation": "BatchMeterUsage", "fault": fault});
        let (status, answer) = call(Method::POST, &url, body.to_string()).await?;
        assert_eq!(status, 200, "{answer}");
        Some(())
    }

    /// All that the fake AWS shows. `None`: cut.
    pub(crate) async fn state(&self) -> Option<Value> {
        let url = format!("{}/_fake/state", self.aws);
        let (status, state) = call(Method::GET, &url, String::new()).await?;
        assert_eq!(status, 200, "{state}");
        Some(state)
    }
}

/// Sends JSON; the answer, or `None` when the process was gone before it had
/// answered in full.
async fn call(method: Method, url: &str, body: String) -> Option<(u16, Value)> {
    let uri: Uri = url.parse().unwrap();
    let authority = uri.authority().unwrap();
    let address = ("127.0.0.1", authority.port_u16().unwrap());
    let stream = TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .ok()?;
    let request = Request::builder()
        .method(method)
        .uri(uri.path())
        .header("host", authority.as_str())
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {}", local::USAGE_API_KEY))
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let exchange = async move {
        let response = sender.send_request(request).await.ok()?;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.ok()?.to_bytes();
        Some((
            parts.status.as_u16(),
            serde_json::from_slice(&bytes).unwrap_or_default(),
        ))
    };
    let (_closed, answer) = tokio::join!(connection, exchange);
    answer
}

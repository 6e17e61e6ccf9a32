//! Lambda's part: a function's process with the environment that Lambda and the
//! template give it, and the runtime API that it polls.

use std::net::Ipv4Addr;
use std::path::Path as FilePath;
use std::process::Stdio;
use std::time::Duration;

use axum::Router;
use local::RuntimeApi;
use serde_json::Value;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;

use crate::built::built;

/// How long a binary may take for all of its payloads.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// What is invoked with: a name to tell of it, and JSON.
pub(super) type Payload = (String, String);

/// What a function answered to a payload.
#[derive(Debug)]
pub(super) struct Answer {
    /// The payload's name.
    pub(super) payload: String,
    /// Whether it was an answer, and not an error.
    pub(super) ok: bool,
    pub(super) body: Value,
}

/// What a function made of its payloads.
#[derive(Debug)]
pub(super) struct Invoked {
    /// In the order of the payloads.
    pub(super) answers: Vec<Answer>,
    /// All that it wrote.
    pub(super) log: String,
}

/// What a process writes.
pub(super) struct Log(JoinSet<String>);

impl Log {
    /// Of a process that was just started.
    pub(super) fn of(child: &mut Child) -> Self {
        let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let mut log = JoinSet::new();
        log.spawn(async move {
            let mut text = String::new();
            out.read_to_string(&mut text).await.unwrap();
            text
        });
        log.spawn(async move {
            let mut text = String::new();
            err.read_to_string(&mut text).await.unwrap();
            text
        });
        Self(log)
    }

    /// All of it, once the process has ended.
    pub(super) async fn text(self) -> String {
        self.0.join_all().await.concat()
    }
}

/// Serves a router on a free port; its address.
pub(super) async fn serve(servers: &mut JoinSet<()>, router: Router) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    servers.spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

/// A function's process, with nothing in its environment that it is not given here.
pub(super) fn process(binary: &FilePath, settings: &[(&str, &str)]) -> Command {
    let mut command = Command::new(binary);
    command
        .env_clear()
        .envs([
            ("AWS_LAMBDA_FUNCTION_NAME", "it"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "secret-access-key"),
        ])
        .envs(settings.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Starts a function and invokes it with these payloads, one after another.
pub(super) async fn invoke(
    function: &str,
    settings: &[(&str, &str)],
    payloads: Vec<Payload>,
) -> Invoked {
    let api = RuntimeApi::default();
    let mut servers = JoinSet::new();
    let runtime_api = serve(&mut servers, api.router()).await;
    let mut child = process(&built(function), settings)
        .env("AWS_LAMBDA_RUNTIME_API", runtime_api)
        .spawn()
        .unwrap();
    let log = Log::of(&mut child);
    let mut answers = Vec::new();
    let all = async {
        for (name, payload) in payloads {
            let answer = api.invoke(payload).await;
            let ok = answer.is_ok();
            let (Ok(body) | Err(body)) = answer;
            answers.push(Answer {
                payload: name,
                ok,
                body,
            });
        }
    };
    let ended = async {
        tokio::select! {
            () = all => None,
            status = child.wait() => Some(format!("ended: {status:?}")),
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, ended).await;
    let failed = in_time.unwrap_or_else(|_| Some("did not answer in time".to_owned()));
    child.kill().await.unwrap();
    let log = log.text().await;
    if let Some(failed) = failed {
        panic!("{function} {failed}: {log}");
    }
    Invoked { answers, log }
}

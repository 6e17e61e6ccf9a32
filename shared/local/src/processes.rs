//! The functions as processes of their own, as on AWS: each is a program that polls
//! a runtime API, here on a port of its own. One may be killed at any moment; the
//! next invocation starts it again.

mod gateway;
mod runtime_api;

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::apart::FUNCTIONS;
use crate::stack::{StartError, bind, serve};

pub use runtime_api::{Answer, RuntimeApi};

/// How long an invocation may take before the process is given up, as Lambda does.
const TIME_OUT: Duration = Duration::from_secs(60);

/// How the functions run as processes of their own.
#[derive(Clone)]
pub struct ProcessConfig {
    /// The folder of their programs, which have the names of their crates.
    pub programs: PathBuf,
    /// What stands between a function and AWS.
    pub between: Arc<dyn Fn(&'static str, Router) -> Router + Send + Sync>,
    /// How often each message of a queue is delivered.
    pub deliveries: u32,
    /// The folder of what they log: a file each, `FUNCTION.log`.
    pub logs: PathBuf,
}

impl fmt::Debug for ProcessConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessConfig")
            .field("programs", &self.programs)
            .field("deliveries", &self.deliveries)
            .field("logs", &self.logs)
            .finish_non_exhaustive()
    }
}

/// Every function's process. Cheap to clone.
#[derive(Clone)]
pub struct Processes {
    hosts: Arc<BTreeMap<&'static str, Host>>,
    deliveries: u32,
    killed: Arc<AtomicU32>,
}

impl fmt::Debug for Processes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Processes")
    }
}

/// One function's process, invoked once at a time.
struct Host {
    program: PathBuf,
    log: PathBuf,
    environment: Vec<(&'static str, String)>,
    process: tokio::sync::Mutex<Option<Process>>,
    working: AtomicBool,
    kill: Notify,
    killed: Arc<AtomicU32>,
    stopped: watch::Receiver<bool>,
}

/// A process with its runtime API: one that is left behind by a process that died
/// gives nothing to the next.
struct Process {
    child: Child,
    api: RuntimeApi,
    _server: JoinSet<std::io::Result<()>>,
}

impl Processes {
    /// The functions, none of them started, each calling AWS at an address of its own.
    pub(crate) async fn new(
        config: &ProcessConfig,
        aws: &Router,
        settings: &[(&'static str, String)],
        (servers, stopped): (&mut JoinSet<std::io::Result<()>>, &watch::Receiver<bool>),
    ) -> Result<Self, StartError> {
        let (mut hosts, killed) = (BTreeMap::new(), Arc::<AtomicU32>::default());
        for function in FUNCTIONS {
            let (listener, aws_url) = bind(0, "--aws-port").await?;
            let between = (config.between)(function, aws.clone());
            servers.spawn(serve(listener, between, stopped.clone()));
            let mut environment = settings.to_vec();
            let aws_url = aws_url.replace("localhost", "127.0.0.1");
            environment.push(("AWS_ENDPOINT_URL", aws_url));
            let host = Host {
                program: config.programs.join(function),
                log: config.logs.join(format!("{function}.log")),
                environment,
                process: tokio::sync::Mutex::new(None),
                stopped: stopped.clone(),
                working: AtomicBool::new(false),
                kill: Notify::new(),
                killed: Arc::clone(&killed),
            };
            hosts.insert(function, host);
        }
        Ok(Self {
            hosts: Arc::new(hosts),
            deliveries: config.deliveries.max(1),
            killed,
        })
    }

    /// How often each message of a queue is delivered.
    pub(crate) const fn deliveries(&self) -> u32 {
        self.deliveries
    }

    /// Invokes a function and waits for its answer.
    ///
    /// # Errors
    /// Why there is none: it failed, or its process ended.
    pub(crate) async fn invoke(&self, function: &str, payload: &Value) -> Result<Value, String> {
        let host = self
            .hosts
            .get(function)
            .ok_or("there is no such function")?;
        host.invoke(payload.to_string()).await
    }

    /// The functions that are at work.
    pub fn at_work(&self) -> Vec<&'static str> {
        let working = |host: &Host| host.working.load(Ordering::SeqCst);
        let busy = self.hosts.iter().filter(|(_, host)| working(host));
        busy.map(|(function, _)| *function).collect()
    }

    /// Kills a function's process with SIGKILL, if there is one: at once when it is
    /// idle, else in its invocation, which is then not answered.
    pub async fn kill(&self, function: &str) {
        let Some(host) = self.hosts.get(function) else {
            return;
        };
        match host.process.try_lock() {
            Ok(mut idle) => {
                if let Some(mut process) = idle.take() {
                    host.kill_now(&mut process).await;
                }
            }
            Err(_at_work) => host.kill.notify_one(),
        }
    }

    /// How many processes were killed by [`Processes::kill`].
    pub fn killed(&self) -> u32 {
        self.killed.load(Ordering::SeqCst)
    }

    /// The pages and the API: each request invokes the function that the template
    /// has its path lead to.
    pub(crate) fn pages(&self) -> Router {
        Router::new()
            .fallback(gateway::answer)
            .with_state(self.clone())
    }
}

impl Host {
    #[expect(
        clippy::disallowed_methods,
        reason = "a process that hangs is given up after a time that no moved clock makes pass"
    )]
    async fn invoke(&self, payload: String) -> Result<Value, String> {
        let mut slot = self.process.lock().await;
        let mut process = match slot.take() {
            Some(process) => process,
            None => self.start().await?,
        };
        let _working = Working::begin(&self.working);
        let answer = tokio::select! {
            answer = process.api.invoke(payload) => answer.map_err(|told| told.to_string()),
            status = process.child.wait() => return Err(format!("its process ended: {status:?}")),
            () = self.kill.notified() => {
                self.kill_now(&mut process).await;
                return Err("its process was killed".to_owned());
            }
            // It goes with the process that did not answer.
            () = tokio::time::sleep(TIME_OUT) => return Err("it did not answer in time".to_owned()),
        };
        *slot = Some(process);
        answer
    }

    /// Appends to what the processes before logged.
    fn output(&self) -> Result<Stdio, String> {
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.map_err(|error| format!("{} does not open: {error}", self.log.display()))?;
        Ok(log.into())
    }

    async fn kill_now(&self, process: &mut Process) {
        if process.child.kill().await.is_ok() {
            self.killed.fetch_add(1, Ordering::SeqCst);
        }
    }

    async fn start(&self) -> Result<Process, String> {
        let api = RuntimeApi::default();
        let bound = bind(0, "--port").await;
        let (listener, url) = bound.map_err(|error| error.to_string())?;
        let mut server = JoinSet::new();
        server.spawn(serve(listener, api.router(), self.stopped.clone()));
        let child = Command::new(&self.program)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env(
                "AWS_LAMBDA_RUNTIME_API",
                url.replace("http://localhost", "127.0.0.1"),
            )
            .stdin(Stdio::null())
            .stdout(self.output()?)
            .stderr(self.output()?)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("{} does not start: {error}", self.program.display()))?;
        Ok(Process {
            child,
            api,
            _server: server,
        })
    }
}

/// That a function is at work, for as long as this is there.
struct Working<'a>(&'a AtomicBool);

impl<'a> Working<'a> {
    fn begin(working: &'a AtomicBool) -> Self {
        working.store(true, Ordering::SeqCst);
        Self(working)
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

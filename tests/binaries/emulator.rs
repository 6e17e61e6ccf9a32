//! AWS's runtime interface emulator, which comes with the SAM CLI, around a
//! function as `sam build` built it.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use hyper::Method;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::lambda::{Answer, Invoked, Log, PATIENCE, Payload, process};
use crate::built::built_by_sam;
use crate::project;
use crate::stories::person::json;

/// The emulator for this machine.
fn emulator() -> PathBuf {
    let processor = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        other => other,
    };
    let name = format!("aws-lambda-rie-{processor}");
    let packages = project::entries(&project::root().join("target/tools/sam/lib"));
    packages
        .iter()
        .map(|python| python.join("site-packages/samcli/local/rapid").join(&name))
        .find(|emulator| emulator.exists())
        .expect("the SAM CLI is not installed in target/tools: run ./test once, it installs it")
}

/// Two addresses that nobody listens at.
fn free_addresses() -> [SocketAddr; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}

/// Returns when the emulator listens.
async fn listening(child: &mut Child, address: SocketAddr) {
    let mut again = tokio::time::interval(Duration::from_millis(5));
    let connected = async {
        while TcpStream::connect(address).await.is_err() {
            again.tick().await;
        }
    };
    tokio::select! {
        in_time = tokio::time::timeout(PATIENCE, connected) => in_time.unwrap(),
        status = child.wait() => panic!("the emulator ended: {status:?}"),
    }
}

/// Starts a function and invokes it with these payloads, one after another.
pub(super) async fn invoke(
    function: &str,
    settings: &[(&str, &str)],
    payloads: Vec<Payload>,
) -> Invoked {
    let program = built_by_sam(function);
    let [address, runtime_api] = free_addresses();
    let mut child = process(&emulator(), settings)
        .args(["--log-level", "error"])
        .args(["--runtime-interface-emulator-address", &address.to_string()])
        .args(["--runtime-api-address", &runtime_api.to_string()])
        .arg(program)
        .spawn()
        .unwrap();
    let log = Log::of(&mut child);
    listening(&mut child, address).await;
    let url = format!("http://{address}/2015-03-31/functions/function/invocations");
    let mut answers = Vec::new();
    for (payload, sent) in payloads {
        let (status, body) = json(Method::POST, &url, None, &sent).await;
        // The emulator answers an error of a function as it answers anything else.
        let ok = body["errorType"].is_null();
        if status != 200 {
            end(&mut child).await;
            panic!(
                "{function} {payload}: {status} {body}: {}",
                log.text().await
            );
        }
        answers.push(Answer { payload, ok, body });
    }
    end(&mut child).await;
    let log = log.text().await;
    Invoked { answers, log }
}

/// Asks the emulator to end: it ends the function first.
async fn end(child: &mut Child) {
    let pid = child.id().expect("the emulator still runs").to_string();
    let asked = Command::new("kill").arg(pid).status().await.unwrap();
    assert!(asked.success());
    child.wait().await.unwrap();
}

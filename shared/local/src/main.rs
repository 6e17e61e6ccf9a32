//! `cargo run`: the whole system on one machine.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, ValueEnum};
use domain::policy::SupportApproval;
use local::product::{Person, Proof, people};
use local::{Config, Local};
use tracing_subscriber::EnvFilter;

/// Sell a SaaS through AWS Marketplace, whole on one machine: the seller's
/// pages and API, and a fake AWS with a buyer's page.
#[derive(Debug, Parser)]
#[command(name = "local", version)]
struct Arguments {
    /// Port of the seller's pages and API
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Port of the fake AWS: its APIs, the buyer's page and the control API
    #[arg(long, default_value_t = 8090)]
    aws_port: u16,
    /// Keep all state in this folder over restarts; without it, in memory
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How many people of support it takes to unlink or transfer a license
    #[arg(long, value_enum, default_value_t = Approval::One)]
    support_approval: Approval,
    /// What to log, such as `info` or `app=debug`
    #[arg(long, value_name = "FILTER", default_value = "warn")]
    log: String,
}

/// How many people of support it takes.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Approval {
    /// It is done at once
    One,
    /// A second person approves it
    Two,
}

impl From<Approval> for SupportApproval {
    fn from(approval: Approval) -> Self {
        match approval {
            Approval::One => Self::One,
            Approval::Two => Self::Two,
        }
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&arguments.log)
        .with_context(|| format!("--log: `{}` is not a log filter", arguments.log))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let kept = arguments.data.clone();
    let local = Local::start(Config {
        port: arguments.port,
        aws_port: arguments.aws_port,
        data_dir: arguments.data,
        start: None,
        support_approval: arguments.support_approval.into(),
        observer: None,
        processes: None,
    })
    .await?;
    greet(&local, kept.as_ref());
    tokio::select! {
        () = let_time_flow(&local) => {}
        stop = tokio::signal::ctrl_c() => stop.context("waiting for Ctrl-C")?,
    }
    local.stop().await;
    Ok(())
}

/// Runs what falls due as the clock flows, for ever.
async fn let_time_flow(local: &Local) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        second.tick().await;
        local.fake.tick().await;
    }
}

/// What is in the way, and why, for the person who started it.
#[expect(
    clippy::print_stderr,
    reason = "this is what the person who runs it reads"
)]
fn complain(error: &anyhow::Error) {
    eprintln!("error: {error}");
    for cause in error.chain().skip(1) {
        eprintln!("  because: {cause}");
    }
}

#[expect(
    clippy::print_stdout,
    reason = "this is what the person who runs it reads"
)]
fn greet(local: &Local, kept: Option<&PathBuf>) {
    let Local {
        seller_url,
        aws_url,
        ..
    } = local;
    println!("Seller's pages and API   {seller_url}");
    println!("AWS Marketplace (fake)   {aws_url}");
    match kept {
        Some(dir) => println!("State                    kept in {}", dir.display()),
        None => println!("State                    in memory (--data DIR keeps it)"),
    }
    for person in people() {
        println!(
            "Sign in as               {} ({})",
            person.email,
            how(person)
        );
    }
    println!("No user yet? Mails       {seller_url}/issuer/mailbox");
    println!();
    println!("1. Open {aws_url}, subscribe, and press \"Set up your account\".");
    println!("2. Sign in as alice@example.com, choose an account and confirm the link.");
    println!("3. Move the clock by 1 h on {aws_url} and see the usage at {seller_url}/accounts.");
    println!(
        "The product has computers of Acme Production, Acme Staging and Globex, and reports those;"
    );
    println!("of another account it reports nothing, so nothing is metered of it.");
    println!("Ctrl-C stops.");
}

/// How somebody signs in, and what is special about them.
fn how(person: &Person) -> String {
    let proof = match person.proof {
        Proof::Password(password) => format!("password {password}"),
        Proof::PasswordAndCode(password) => format!("password {password} and a one-time code"),
        Proof::Saml => "SAML single sign-on".to_owned(),
    };
    if person.support {
        format!("{proof}; support")
    } else {
        proof
    }
}

//! `admin`: the operator's command line.

use std::error::Error;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use admin::arguments::Arguments;
use admin::{Consent, surroundings};
use clap::Parser as _;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match done(&Arguments::parse()).await {
        Ok(text) => say(&text),
        Err(error) => complain(&*error),
    }
}

async fn done(arguments: &Arguments) -> Result<String, Box<dyn Error>> {
    let app = if arguments.local {
        surroundings::local(arguments.aws_port)?
    } else {
        surroundings::aws()?
    };
    Ok(admin::run(&app, arguments, ask).await?)
}

/// Asks at the terminal; only the whole word is an agreement.
fn ask(plan: &str) -> Consent {
    if !io::stdin().is_terminal() {
        return Consent::NobodyToAsk;
    }
    let mut answer = String::new();
    let asked = write!(io::stderr(), "{plan}\nType yes to do it: ");
    match asked.and_then(|()| io::stdin().read_line(&mut answer)) {
        Ok(_) if answer.trim() == "yes" => Consent::Given,
        Ok(_) | Err(_) => Consent::Declined,
    }
}

/// What is read by a program that stops reading, such as `head`, is said all the same.
fn say(text: &str) -> ExitCode {
    let _closed = writeln!(io::stdout(), "{text}");
    ExitCode::SUCCESS
}

#[expect(clippy::print_stderr, reason = "this is what the operator reads")]
fn complain(error: &dyn Error) -> ExitCode {
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
    ExitCode::FAILURE
}

//! `admin`: the operator's command line.

use std::error::Error;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use admin::arguments::Arguments;
use admin::{Answer, Consent, Ended, Refused, surroundings};
use clap::Parser as _;

/// The exit code for arguments that cannot be, as `clap`'s.
const WRONG_USAGE: u8 = 2;

/// The exit code of a comparison that found a difference.
const DIFFERS: u8 = 3;

/// The exit code of a comparison that found none, and did not compare everything.
const NOT_COMPARED: u8 = 4;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match done(&Arguments::parse()).await {
        Ok(answer) => say(&answer),
        Err(error) => {
            complain(&*error);
            match error.downcast_ref::<Refused>() {
                Some(Refused::Instants(_)) => ExitCode::from(WRONG_USAGE),
                Some(_) | None => ExitCode::FAILURE,
            }
        }
    }
}

async fn done(arguments: &Arguments) -> Result<Answer, Box<dyn Error>> {
    let surroundings = if arguments.local {
        surroundings::local(arguments.aws_port)?
    } else {
        surroundings::aws()?
    };
    Ok(admin::run(&surroundings, arguments, ask).await?)
}

/// Shows what will be done and asks at the terminal; only the whole word is an agreement.
fn ask(plan: &str) -> Consent {
    let shown = writeln!(io::stderr(), "{plan}");
    if !io::stdin().is_terminal() {
        return Consent::NobodyToAsk;
    }
    let mut answer = String::new();
    let asked = shown.and_then(|()| write!(io::stderr(), "Type yes to do it: "));
    match asked.and_then(|()| io::stdin().read_line(&mut answer)) {
        Ok(_) if answer.trim() == "yes" => Consent::Given,
        Ok(_) | Err(_) => Consent::Declined,
    }
}

/// What is read by a program that stops reading, such as `head`, is said all the same.
fn say(answer: &Answer) -> ExitCode {
    let _closed = writeln!(io::stdout(), "{}", answer.text);
    match answer.ended {
        Ended::Done => ExitCode::SUCCESS,
        Ended::Differs => ExitCode::from(DIFFERS),
        Ended::NotCompared => ExitCode::from(NOT_COMPARED),
    }
}

#[expect(clippy::print_stderr, reason = "this is what the operator reads")]
fn complain(error: &dyn Error) {
    let mut told = error.to_string();
    eprintln!("error: {told}");
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.to_string() != told {
            told = error.to_string();
            eprintln!("  because: {told}");
        }
        cause = error.source();
    }
}

//! The command line, parsed into the domain's types.

use std::path::PathBuf;

use app::support::Subject;
use clap::{Args, Parser, Subcommand};
use domain::hour::Hour;
use domain::ids::{
    AccountId, AgreementId, AwsAccountId, Dimension, InvalidId, LicenseArn, LicenseId, ProductCode,
    UserEmail,
};
use domain::ledger::record::Finding;
use jiff::Timestamp;
use jiff::civil::Date;

use crate::redrive::QueueArn;

/// What an operator looks up and decides.
///
/// Settings come from the same environment variables as the functions'.
/// Exit codes: 0 done, or so already; 1 refused or failed; 2 wrong usage; of a
/// comparison 3 something differs, 4 not everything was compared.
#[derive(Debug, Parser)]
#[command(name = "admin", version)]
pub struct Arguments {
    /// Work on the stack that `cargo run` serves, by its clock
    #[arg(long, global = true)]
    pub local: bool,
    /// The fake AWS's port, with --local
    #[arg(long, global = true, value_name = "PORT", default_value_t = 8090)]
    pub aws_port: u16,
    /// How far a change may go.
    #[command(flatten)]
    pub consent: ConsentFlags,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How far a change may go.
#[derive(Debug, Clone, Copy, Args)]
pub struct ConsentFlags {
    /// Change without asking
    #[arg(long, global = true)]
    pub yes: bool,
    /// Say what would be done and change nothing
    #[arg(long, global = true, conflicts_with = "yes")]
    pub dry_run: bool,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Stop freezing and sending a product's usage; posting goes on
    Stop {
        /// The product's code
        #[arg(value_parser = product)]
        product: ProductCode,
    },
    /// Let the sending of a product's usage go on
    Go {
        /// The product's code
        #[arg(value_parser = product)]
        product: ProductCode,
    },
    /// Tell the ledger that its table was restored to an earlier point
    Restored {
        /// The point to which the table was restored
        #[arg(long, value_name = "INSTANT", value_parser = instant)]
        from: Timestamp,
        /// When the last call was made by what worked on the lost table
        #[arg(long, value_name = "INSTANT", value_parser = instant)]
        until: Timestamp,
    },
    /// Check that the tables have the keys, indexes, stream and time to live that are needed
    Check,
    /// List the records whose outcome is unknown
    Unknown,
    /// List usage that was written off, of the hours that an interval touches
    WrittenOff {
        /// The first instant
        #[arg(long, value_name = "INSTANT", value_parser = instant)]
        from: Timestamp,
        /// The first instant after it
        #[arg(long, value_name = "INSTANT", value_parser = instant)]
        until: Timestamp,
    },
    /// Settle a record whose outcome is unknown; it is never sent again
    Resolve {
        /// Which record.
        #[command(flatten)]
        record: RecordArguments,
        /// What was found out.
        #[command(flatten)]
        found: Found,
    },
    /// Close a record that AWS refuses
    GiveUp {
        /// Which record.
        #[command(flatten)]
        record: RecordArguments,
    },
    /// Show an account: its state, its members, and who paid for it when
    Account {
        /// The account's id
        #[arg(value_parser = account)]
        account: AccountId,
        /// Say also who paid at this instant
        #[arg(long, value_name = "INSTANT", value_parser = instant)]
        at: Option<Timestamp>,
    },
    /// Show a license: who pays by it, and for which accounts it paid when
    License {
        /// The license's id or ARN
        #[arg(value_parser = license)]
        license: LicenseId,
    },
    /// Show the licenses of an agreement
    Agreement {
        /// The agreement's id
        #[arg(value_parser = agreement)]
        agreement: AgreementId,
    },
    /// Show the licenses that an AWS account bought
    AwsAccount {
        /// The AWS account's 12 digits
        #[arg(value_parser = aws_account)]
        aws_account: AwsAccountId,
    },
    /// Show what the outside was told of an account and its licenses within 8 days, as JSON
    Events {
        /// The account's id
        #[arg(value_parser = account)]
        account: AccountId,
    },
    /// Show what AWS told of an agreement or a license, or on a day what names neither, and
    /// the messages of customers whose license is not known
    Told {
        /// The agreement's id, the license's id or ARN, or a day such as 2026-11-22
        #[arg(value_parser = subject)]
        of: Subject,
    },
    /// Learn what AWS's list of agreements says and no event told
    CatchUp,
    /// Let a user whom the issuer made anew have their e-mail address again
    Unpin {
        /// The e-mail address
        #[arg(value_parser = email)]
        email: UserEmail,
    },
    /// Show what became of an account's usage of an hour, and the records that it went into
    Hour {
        /// The account's id
        #[arg(value_parser = account)]
        account: AccountId,
        /// The hour of use, such as 2026-11-22T10:00:00Z
        #[arg(value_parser = hour)]
        hour: Hour,
    },
    /// Check that everything reported of the hours that an interval touches is billed, waiting
    /// or closed for a reason
    ///
    /// What differs is looked at again after two minutes, for runs go on meanwhile.
    Conservation {
        /// The first instant; by default a day before --until
        #[arg(long, value_name = "INSTANT", value_parser = instant)]
        from: Option<Timestamp>,
        /// The first instant after it, at most 72 hours later; by default now
        #[arg(long, value_name = "INSTANT", value_parser = instant)]
        until: Option<Timestamp>,
    },
    /// Have dead letters delivered again
    Redrive {
        /// The ARN of the dead-letter queue
        #[arg(value_parser = QueueArn::parse)]
        queue: QueueArn,
    },
    /// Have an account's hour posted again by the next run
    Post {
        /// The account's id
        #[arg(value_parser = account)]
        account: AccountId,
        /// The hour of use, such as 2026-11-22T10:00:00Z
        #[arg(value_parser = hour)]
        hour: Hour,
    },
    /// Licenses whose buyer AWS does not know as subscribed
    #[command(subcommand)]
    Hold(HoldCommand),
    /// List what would be sent now; freezes nothing and sends nothing
    DryRun,
    /// Compare what was billed with what AWS has; sends nothing
    ///
    /// Without DAY: the last seven days and, from the 3rd of a month until the 9th,
    /// last month's amounts.
    Reconcile {
        /// A UTC day that is over, such as 2026-11-22
        #[arg(value_parser = crate::reconcile::day)]
        day: Option<Date>,
        /// Compare the month of DAY, or the last, and write what AWS may be asked to give back
        #[arg(long, value_name = "FILE")]
        adjustments: Option<PathBuf>,
        /// Show what the daily runs found of DAY and its month, and ask AWS nothing
        #[arg(long, conflicts_with = "adjustments")]
        kept: bool,
    },
    /// Set what a contract with consumption covers in a period
    Include {
        /// The license's id or ARN
        #[arg(value_parser = license)]
        license: LicenseId,
        /// The metered dimension
        #[arg(value_parser = dimension)]
        dimension: Dimension,
        /// The period's first instant
        #[arg(long, value_name = "INSTANT", value_parser = instant)]
        from: Timestamp,
        /// The first instant after the period
        #[arg(long, value_name = "INSTANT", value_parser = instant)]
        until: Timestamp,
        /// How much of the dimension the period covers
        #[arg(long, value_name = "N")]
        computer_hours: u64,
    },
}

/// What to do about holds.
#[derive(Debug, Clone, Subcommand)]
pub enum HoldCommand {
    /// List the licenses on hold
    List,
    /// End a license's hold: its usage is sent again
    End {
        /// The license's id or ARN
        #[arg(value_parser = license)]
        license: LicenseId,
    },
}

/// A record by its license, slot and dimension.
#[derive(Debug, Clone, Args)]
pub struct RecordArguments {
    /// The license's id or ARN
    #[arg(value_parser = license)]
    pub license: LicenseId,
    /// The hour as which it was sent, such as 2026-11-22T10:00:00Z
    #[arg(value_parser = hour)]
    pub slot: Hour,
    /// The metered dimension
    #[arg(value_parser = dimension)]
    pub dimension: Dimension,
}

/// What was found out about a record.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
pub struct Found {
    /// AWS had accepted it, as this metering record if that is known
    #[arg(long, value_name = "METERING_RECORD_ID", num_args = 0..=1, value_parser = metering_record_id)]
    accepted: Option<Option<String>>,
    /// AWS had not accepted it: it is written off
    #[arg(long)]
    not_accepted: bool,
}

impl Found {
    /// The same in the ledger's words.
    pub fn finding(&self) -> Finding {
        match &self.accepted {
            Some(metering_record_id) => Finding::Accepted {
                metering_record_id: metering_record_id.clone(),
            },
            None => Finding::NotAccepted,
        }
    }
}

fn account(text: &str) -> Result<AccountId, InvalidId> {
    AccountId::parse(text)
}

fn subject(text: &str) -> Result<Subject, String> {
    Subject::parse(text).ok_or_else(|| {
        "must be an agreement's id, a license's id or ARN, or a day such as 2026-11-22".to_owned()
    })
}

fn agreement(text: &str) -> Result<AgreementId, InvalidId> {
    AgreementId::parse(text)
}

fn email(text: &str) -> Result<UserEmail, InvalidId> {
    UserEmail::parse(text)
}

fn aws_account(text: &str) -> Result<AwsAccountId, InvalidId> {
    AwsAccountId::parse(text)
}

fn product(text: &str) -> Result<ProductCode, InvalidId> {
    ProductCode::parse(text)
}

fn dimension(text: &str) -> Result<Dimension, InvalidId> {
    Dimension::parse(text)
}

/// An id or an ARN: AWS's pages and events show both.
fn license(text: &str) -> Result<LicenseId, InvalidId> {
    if text.contains(':') {
        LicenseArn::parse(text).map(|arn| arn.id().clone())
    } else {
        LicenseId::parse(text)
    }
}

fn instant(text: &str) -> Result<Timestamp, &'static str> {
    text.parse()
        .map_err(|_| "must be an RFC 3339 instant, such as 2026-11-22T10:30:00Z")
}

fn hour(text: &str) -> Result<Hour, String> {
    Hour::starting_at(instant(text)?).map_err(|error| error.to_string())
}

/// AWS's own ids are UUIDs; what is kept is only shown.
fn metering_record_id(text: &str) -> Result<String, &'static str> {
    let valid = (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    let rule = "must be 1 to 255 visible ASCII characters without spaces";
    valid.then(|| text.to_owned()).ok_or(rule)
}

//! A schedule in words.

use std::fmt;

use crate::aws::Poison;
use crate::cast::Seen;
use crate::run::account_name;
use crate::schedule::{Action, Schedule};

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let setting = &self.setting;
        writeln!(
            f,
            "At {}: license 1 pays for account one, license 3 (another product) for three;",
            setting.start
        )?;
        writeln!(
            f,
            "zeros {}, contracts {}, an identical retry answers {}, {} computers a part, \
             carried for {} hours, {} allocations a record.",
            on(setting.zeros),
            on(setting.contracts),
            if setting.retry_is_duplicate {
                "DuplicateRecord"
            } else {
                "Success"
            },
            setting.computers_per_part,
            setting.carry_hours,
            setting.allocations
        )?;
        for (number, action) in self.actions.iter().enumerate() {
            writeln!(f, "{:4}. {action}", number + 1)?;
        }
        Ok(())
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Advance { minutes } => write!(f, "{minutes} minutes go by"),
            Self::Report {
                account,
                hours_back,
                id,
                seen,
            } => {
                let account = account_name(*account);
                write!(f, "report r{id} of account {account}")?;
                match hours_back {
                    0 => write!(f, " for the running hour")?,
                    n => write!(f, " for {n} hours ago")?,
                }
                write!(f, ":")?;
                seen.iter().try_for_each(|seen| write!(f, " {seen}"))
            }
            Self::Crowd { size } => {
                write!(f, "{size} more accounts report their running hour")
            }
            Self::Post { ahead } => write!(f, "a poster begins{}", Ahead(*ahead)),
            Self::Submit { ahead } => write!(f, "a submitter begins{}", Ahead(*ahead)),
            Self::Go { task, steps, pick } => {
                write!(f, "task {task} makes {steps} steps (choice {pick})")
            }
            Self::StoreFails { task, made: true } => {
                write!(f, "task {task} loses the store's answer to its next step")
            }
            Self::StoreFails { task, made: false } => {
                write!(f, "the store fails task {task} in its next step")
            }
            Self::Crash { task } => write!(f, "task {task} crashes"),
            Self::Finish => f.write_str("all tasks go on to their ends"),
            Self::Minutes { minutes } => {
                write!(
                    f,
                    "for {minutes} minutes a poster and a submitter run each minute"
                )
            }
            Self::Link { license, account } => write!(
                f,
                "license {} is linked to account {}",
                license + 1,
                account_name(*account)
            ),
            Self::Unlink { license } => write!(f, "license {} is unlinked", license + 1),
            Self::End { license } => write!(f, "AWS ends license {}", license + 1),
            Self::Learn { license } => {
                write!(f, "we learn of the end of license {}", license + 1)
            }
            Self::Renew { license, overlaps } => write!(
                f,
                "AWS renews license {} by another one{}",
                license + 1,
                if *overlaps {
                    ", and takes its usage a while longer"
                } else {
                    ""
                }
            ),
            Self::LearnRenewed { license, heir, gap } => write!(
                f,
                "we learn that license {} was renewed by license {}, {gap} minutes later",
                license + 1,
                heir + 1
            ),
            Self::Foreign { license, tier } => write!(
                f,
                "somebody else meters dimension {tier} of license {} for the running hour",
                license + 1
            ),
            Self::CallFails(fault) => write!(f, "AWS's next call: {fault:?}"),
            Self::Outage { minutes } => write!(f, "AWS fails every call for {minutes} minutes"),
            Self::Suspend { license, is } => {
                write!(
                    f,
                    "the buyer of license {} is {}suspended",
                    license + 1,
                    not(*is)
                )
            }
            Self::Missing { tier, is } => {
                write!(f, "AWS does {}know dimension {tier}", not(!*is))
            }
            Self::Unpropagated { license, is } => {
                write!(f, "AWS has {}propagated license {}", not(!*is), license + 1)
            }
            Self::AlwaysFails { license, is } => {
                write!(
                    f,
                    "records of license {} are {}answered with 500",
                    license + 1,
                    not(*is)
                )
            }
            Self::Poison { license, tier, how } => write!(
                f,
                "calls with license {}'s record of dimension {tier} for the running hour are {}",
                license + 1,
                match how {
                    Poison::Refused => "refused",
                    Poison::Failed => "answered with 500",
                }
            ),
            Self::Switch { stopped: true } => f.write_str("sending is stopped"),
            Self::Switch { stopped: false } => f.write_str("sending goes on"),
            Self::Grant { computer_hours } => write!(
                f,
                "a contract covers {computer_hours} computer-hours of medium of license 1"
            ),
            Self::CoverUnknown => f.write_str(
                "what the contract of license 1 covers changes, and AWS does not say to what",
            ),
            Self::CoverKnown { computer_hours } => write!(
                f,
                "AWS says that it covers {computer_hours} computer-hours of medium"
            ),
            Self::NextPeriod { computer_hours } => write!(
                f,
                "the contract of license 1 is renewed: from now on it covers \
                 {computer_hours} computer-hours of medium"
            ),
            Self::BackUp => f.write_str("the ledger's table is backed up"),
            Self::Resend => f.write_str("the product sends every acknowledged report again"),
            Self::Restore => f.write_str("the table is restored from its backup"),
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tier = ["medium", "large", "xlarge", "vcenter"][usize::from(self.tier % 4)];
        let when = ["", " in its first half", " in its last 10 minutes"];
        let known = ["", " by its agent alone", " by another agent"];
        write!(
            f,
            "[{} {tier}{}{}]",
            self.computer,
            when[usize::from(self.when % 3)],
            known[usize::from(self.known_by % 3)]
        )
    }
}

struct Ahead(i16);

impl fmt::Display for Ahead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            ahead => write!(f, ", its clock {ahead} minutes ahead"),
        }
    }
}

fn on(is: bool) -> &'static str {
    if is { "on" } else { "off" }
}

fn not(is: bool) -> &'static str {
    if is { "" } else { "not " }
}

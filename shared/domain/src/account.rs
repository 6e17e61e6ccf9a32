//! Accounts: one subscription each, and what state it is in at an instant.
//!
//! Invariants:
//!
//! - the state at an instant follows from the snapshot and the instant alone,
//!   however late anything records it ([`Account::state_at`]);
//! - an account has at most one payer: a license, or an annual subscription;
//! - [`AccountState::Subscribed`] by a license holds the one open link.

use std::num::NonZeroU16;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::audit::{Actor, AuditAction};
use crate::change::{Change, Decision, MemberChange};
use crate::hour::{Hour, after, before};
use crate::ids::{AccountId, AwsAccountId, LicenseId, UserEmail, text_line};
use crate::license::License;
use crate::linking::{Link, UnlinkCause, close_link};
use crate::member::{Member, Role};
use crate::policy::{
    GRACE, GRACE_REMINDERS, GRACES_COUNTED_FOR, RESTORABLE_FOR, SubscriptionPolicy, TRIAL_REMINDERS,
};

/// The label of an expired account, exactly as the customers were told (FAQ, statement 7).
pub const EXPIRED_LABEL: &str = "Trial or Subscription Expired";

/// How far back [`Account::standing_at`] knows the account's standing.
const TRANSITIONS_KEPT_FOR: SignedDuration = SignedDuration::from_hours(4 * 24);

/// The most transitions an account keeps, however often it changed.
const MAX_TRANSITIONS: usize = 64;

/// The most grace starts an account keeps: more than any rule counts to.
const MAX_GRACE_STARTS: usize = 16;

text_line! {
    /// The name that people know an account by: one line of 1 to 100 characters.
    AccountName, "account name", 100
}

impl AccountName {
    /// The beginning of the name, for somebody who is not a member: `Ac…`.
    pub fn in_part(&self) -> String {
        let shown = self.0.chars().count().min(4) / 2;
        let mut text: String = self.0.chars().take(shown).collect();
        text.push('…');
        text
    }
}

/// A snapshot of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its name.
    pub name: AccountName,
    /// How many changes were committed; 0 when it is not stored yet.
    #[serde(skip)]
    pub version: u64,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// The state that was recorded last. What holds now is [`Account::state_at`].
    pub state: AccountState,
    /// The standings of the last four days, and the one before them, by instant.
    pub transitions: Vec<Transition>,
    /// How many graces the account ever had.
    pub grace_generation: u64,
    /// When the graces of the last 30 days began, refused ones included.
    pub grace_starts: Vec<Timestamp>,
    /// Until when whatever reminder of its state's end came was given, or need not be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminded_until: Option<Timestamp>,
    /// Into how many parts its computers divide.
    pub parts: Parts,
}

/// The state of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountState {
    /// Trying the product.
    Trial {
        /// From this instant on it is expired.
        ends_at: Timestamp,
    },
    /// Somebody pays.
    Subscribed(Payer),
    /// Its license went away less than 48 hours ago.
    Grace {
        /// When the license went away.
        started_at: Timestamp,
        /// From this instant on it is expired.
        ends_at: Timestamp,
        /// Which grace of the account this is, from 1.
        generation: u64,
        /// The license that went away.
        license: LicenseId,
        /// The AWS account that paid.
        buyer: AwsAccountId,
    },
    /// Nobody pays.
    Expired {
        /// Since when.
        since: Timestamp,
        /// Why.
        cause: ExpiryCause,
    },
    /// Deleted, and restorable.
    Suspended {
        /// Since when.
        since: Timestamp,
        /// From this instant on it is gone.
        restorable_until: Timestamp,
        /// What it is restored to.
        restores_to: Restorable,
    },
    /// Deleted for good.
    Purged {
        /// Since when.
        since: Timestamp,
    },
}

/// Who pays for an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Payer {
    /// An AWS account, through AWS Marketplace.
    Marketplace {
        /// The open link to the license that is charged.
        link: Box<Link>,
        /// The AWS account that pays.
        buyer: AwsAccountId,
    },
    /// The customer, by an annual subscription outside AWS.
    Annual {
        /// Since when.
        since: Timestamp,
        /// From this instant on it is expired, if an end is known.
        ends_at: Option<Timestamp>,
    },
}

/// Why an account expired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpiryCause {
    /// The trial ended.
    TrialEnded,
    /// 48 hours of grace ended.
    GraceEnded,
    /// The license went away, and grace was refused as the third in 30 days.
    GraceRefused,
    /// The license's agreement ended in AWS.
    AgreementEnded {
        /// The license.
        license: LicenseId,
    },
    /// AWS did not say for 24 hours whether the license's agreement goes on. When
    /// it says so after all, the license is linked again by itself.
    AgreementUnanswered {
        /// The license.
        license: LicenseId,
    },
    /// The annual subscription ended.
    AnnualEnded,
    /// The account was deleted while a license paid for it, which it lost.
    Deleted,
}

/// What a deleted account is restored to. A license is not kept: it has to be linked again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restorable {
    /// The trial, as far as it has not ended meanwhile.
    Trial {
        /// When it ends.
        ends_at: Timestamp,
    },
    /// The annual subscription, as far as it has not ended meanwhile.
    Annual {
        /// Since when.
        since: Timestamp,
        /// When it ends.
        ends_at: Option<Timestamp>,
    },
    /// Expired.
    Expired {
        /// Since when.
        since: Timestamp,
        /// Why.
        cause: ExpiryCause,
    },
}

/// What an account is entitled to, without the data of its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// In its trial.
    Trial,
    /// Paid for through AWS Marketplace.
    Subscribed,
    /// Paid for by an annual subscription.
    Annual,
    /// In grace.
    Grace,
    /// Expired.
    Expired,
    /// Deleted, restorable or not.
    Suspended,
}

/// What an account may be kept from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Blocked {
    /// Protecting further computers.
    Activations,
    /// Updates of what protects them.
    Updates,
    /// New cloud connectors.
    Connectors,
    /// The protection of computers that are protected.
    Protection,
    /// Signing in to the product.
    SignIn,
    /// The billing page and exports.
    Billing,
}

impl Standing {
    /// Whether new activations, updates and connectors are allowed. Existing
    /// protection, sign-in, the billing page and export go on in any case
    /// except for a deleted account.
    pub const fn allows_new(self) -> bool {
        match self {
            Self::Trial | Self::Subscribed | Self::Annual | Self::Grace => true,
            Self::Expired | Self::Suspended => false,
        }
    }

    /// What an account may not do.
    pub const fn blocked(self) -> &'static [Blocked] {
        use Blocked::{Activations, Billing, Connectors, Protection, SignIn, Updates};
        match self {
            Self::Trial | Self::Subscribed | Self::Annual | Self::Grace => &[],
            Self::Expired => &[Activations, Updates, Connectors],
            Self::Suspended => &[
                Activations,
                Updates,
                Connectors,
                Protection,
                SignIn,
                Billing,
            ],
        }
    }

    /// The label that people see.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Trial => "Trial",
            Self::Subscribed => "Subscribed through AWS Marketplace",
            Self::Annual => "Annual subscription",
            Self::Grace => "Grace period",
            Self::Expired => EXPIRED_LABEL,
            Self::Suspended => "Deleted",
        }
    }
}

/// The standing of an account from an instant on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// From this instant on.
    pub at: Timestamp,
    /// The standing.
    pub standing: Standing,
    /// When the clock alone ends it.
    pub until: Option<Timestamp>,
}

impl AccountState {
    /// What the account is entitled to.
    pub const fn standing(&self) -> Standing {
        match self {
            Self::Trial { .. } => Standing::Trial,
            Self::Subscribed(Payer::Marketplace { .. }) => Standing::Subscribed,
            Self::Subscribed(Payer::Annual { .. }) => Standing::Annual,
            Self::Grace { .. } => Standing::Grace,
            Self::Expired { .. } => Standing::Expired,
            Self::Suspended { .. } | Self::Purged { .. } => Standing::Suspended,
        }
    }

    /// The instant at which the clock alone ends this state.
    pub const fn ends_at(&self) -> Option<Timestamp> {
        match self {
            Self::Trial { ends_at } | Self::Grace { ends_at, .. } => Some(*ends_at),
            Self::Subscribed(Payer::Annual { ends_at, .. }) => *ends_at,
            Self::Suspended {
                restorable_until, ..
            } => Some(*restorable_until),
            Self::Subscribed(Payer::Marketplace { .. })
            | Self::Expired { .. }
            | Self::Purged { .. } => None,
        }
    }

    /// When the customer is reminded that the clock will end the state, ascending.
    fn reminders(&self) -> impl Iterator<Item = Timestamp> {
        let (ends_at, before_end) = match self {
            Self::Trial { ends_at } => (*ends_at, &TRIAL_REMINDERS[..]),
            Self::Grace { ends_at, .. } => (*ends_at, &GRACE_REMINDERS[..]),
            Self::Subscribed(_)
            | Self::Expired { .. }
            | Self::Suspended { .. }
            | Self::Purged { .. } => (Timestamp::MAX, &[][..]),
        };
        before_end
            .iter()
            .map(move |earlier| before(ends_at, *earlier))
    }

    /// Since when the state holds; a trial's beginning is the account's opening.
    pub fn since(&self) -> Option<Timestamp> {
        match self {
            Self::Trial { .. } => None,
            Self::Subscribed(Payer::Marketplace { link, .. }) => Some(link.from),
            Self::Subscribed(Payer::Annual { since, .. })
            | Self::Expired { since, .. }
            | Self::Suspended { since, .. }
            | Self::Purged { since } => Some(*since),
            Self::Grace { started_at, .. } => Some(*started_at),
        }
    }

    /// What the clock alone turned the state into by `now`, and when.
    fn lapsed(&self, now: Timestamp) -> Option<(Timestamp, Self)> {
        let since = self.ends_at().filter(|end| *end <= now)?;
        let expired = |cause| Self::Expired { since, cause };
        let next = match self {
            Self::Trial { .. } => expired(ExpiryCause::TrialEnded),
            Self::Grace { .. } => expired(ExpiryCause::GraceEnded),
            Self::Subscribed(Payer::Annual { .. }) => expired(ExpiryCause::AnnualEnded),
            Self::Suspended { .. } => Self::Purged { since },
            Self::Subscribed(Payer::Marketplace { .. })
            | Self::Expired { .. }
            | Self::Purged { .. } => return None,
        };
        Some((since, next))
    }
}

impl Account {
    /// The state at an instant from which on nothing else was recorded: at 47 h
    /// 59 min 59 s an account is in grace, at 48 h 00 min 00 s it is expired.
    pub fn state_at(&self, now: Timestamp) -> AccountState {
        self.state
            .lapsed(now)
            .map_or_else(|| self.state.clone(), |(_, state)| state)
    }

    /// The standing at an instant of the last four days. Before the account was
    /// opened, or before what is kept, it is the first one known.
    pub fn standing_at(&self, instant: Timestamp) -> Standing {
        let transition = self
            .transitions
            .iter()
            .rev()
            .find(|t| t.at <= instant)
            .or(self.transitions.first());
        match transition {
            None => self.state_at(instant).standing(),
            Some(t) if t.until.is_some_and(|until| until <= instant) => match t.standing {
                Standing::Trial
                | Standing::Subscribed
                | Standing::Annual
                | Standing::Grace
                | Standing::Expired => Standing::Expired,
                Standing::Suspended => Standing::Suspended,
            },
            Some(t) => t.standing,
        }
    }

    /// The license that pays, as recorded.
    pub fn license(&self) -> Option<&LicenseId> {
        self.link().map(|link| &link.license)
    }

    /// The open link to the license that pays, as recorded.
    pub(crate) fn link(&self) -> Option<&Link> {
        match &self.state {
            AccountState::Subscribed(Payer::Marketplace { link, .. }) => Some(link),
            AccountState::Subscribed(Payer::Annual { .. })
            | AccountState::Trial { .. }
            | AccountState::Grace { .. }
            | AccountState::Expired { .. }
            | AccountState::Suspended { .. }
            | AccountState::Purged { .. } => None,
        }
    }

    /// When something about the account falls due: the end of its state, or a
    /// reminder of that.
    pub fn due_at(&self) -> Option<Timestamp> {
        let mut reminders = self.state.reminders();
        let next = reminders.find(|at| self.reminded_until.is_none_or(|until| until < *at));
        next.or(self.state.ends_at())
    }

    /// The account with every reminder given that fell due by `now`; `None` when
    /// there is none.
    pub(crate) fn reminded(&self, now: Timestamp) -> Option<Self> {
        let is_due =
            |at: &Timestamp| *at <= now && self.reminded_until.is_none_or(|until| until < *at);
        self.state.reminders().any(|at| is_due(&at)).then(|| Self {
            reminded_until: Some(now),
            ..self.clone()
        })
    }

    /// `now`, or the instant of the last transition when a clock was set back:
    /// what happens later must not lie before what happened earlier.
    pub(crate) fn not_before(&self, now: Timestamp) -> Timestamp {
        self.transitions.last().map_or(now, |last| last.at.max(now))
    }

    /// The account with what the clock did by `now` recorded, and whether that was anything.
    pub(crate) fn caught_up(&self, now: Timestamp) -> (Self, Option<Timestamp>) {
        let mut account = self.clone();
        let Some((since, state)) = self.state.lapsed(now) else {
            return (account, None);
        };
        account.record(state, since);
        (account, Some(since))
    }

    /// The account in another state from `at` on.
    pub(crate) fn moved(&self, state: AccountState, at: Timestamp) -> Self {
        let (mut account, _) = self.caught_up(at);
        account.record(state, at);
        account
    }

    fn record(&mut self, state: AccountState, at: Timestamp) {
        let at = self.not_before(at);
        self.transitions.push(Transition {
            at,
            standing: state.standing(),
            until: state.ends_at(),
        });
        let kept_from = before(at, TRANSITIONS_KEPT_FOR);
        let older = self
            .transitions
            .iter()
            .filter(|t| t.at <= kept_from)
            .count();
        let excess = self.transitions.len().saturating_sub(MAX_TRANSITIONS);
        self.transitions
            .drain(..older.saturating_sub(1).max(excess));
        self.state = state;
        // Of a state that is entered later than a reminder of its end would come,
        // that one is not given.
        self.reminded_until = Some(at);
    }

    /// The account without its license from `at` on: in grace, or expired when
    /// the policy refuses a third grace in 30 days. `None` when no license paid.
    pub(crate) fn bereft(
        &self,
        at: Timestamp,
        policy: &SubscriptionPolicy,
    ) -> Option<(Self, GraceVerdict)> {
        let AccountState::Subscribed(Payer::Marketplace { link, buyer }) = &self.state else {
            return None;
        };
        let verdict = self.grace_verdict(at, policy);
        let mut counted = self.clone();
        counted.grace_starts.push(at);
        let counted_from = before(at, GRACES_COUNTED_FOR);
        counted.grace_starts.retain(|start| *start > counted_from);
        let excess = counted.grace_starts.len().saturating_sub(MAX_GRACE_STARTS);
        counted.grace_starts.drain(..excess);
        let state = match verdict {
            GraceVerdict::Granted { ends_at, .. } => {
                counted.grace_generation = counted.grace_generation.saturating_add(1);
                AccountState::Grace {
                    started_at: at,
                    ends_at,
                    generation: counted.grace_generation,
                    license: link.license.clone(),
                    buyer: buyer.clone(),
                }
            }
            GraceVerdict::Refused { .. } => AccountState::Expired {
                since: at,
                cause: ExpiryCause::GraceRefused,
            },
        };
        Some((counted.moved(state, at), verdict))
    }

    /// What losing its license at `at` would mean for the account.
    pub fn grace_verdict(&self, at: Timestamp, policy: &SubscriptionPolicy) -> GraceVerdict {
        let counted_from = before(at, GRACES_COUNTED_FOR);
        let within_30_days = 1 + self
            .grace_starts
            .iter()
            .filter(|start| **start > counted_from)
            .count();
        if policy.refuses_grace(within_30_days) {
            GraceVerdict::Refused { within_30_days }
        } else {
            GraceVerdict::Granted {
                ends_at: after(at, GRACE),
                within_30_days,
            }
        }
    }
}

/// What follows for an account when its license goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraceVerdict {
    /// It has grace.
    Granted {
        /// When grace ends: exactly 48 hours after it began.
        ends_at: Timestamp,
        /// How many graces began within 30 days, this one included.
        within_30_days: usize,
    },
    /// It expires at once.
    Refused {
        /// How many graces it would be within 30 days, this one included.
        within_30_days: usize,
    },
}

/// Into how many parts an account's computers divide, by hour. An account too
/// large for one item is divided; each hour keeps the number it began with.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Parts(Vec<PartsFrom>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct PartsFrom {
    hour: Hour,
    count: NonZeroU16,
}

/// The number of parts may change only from an hour at least two hours ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the number of parts may change only from an hour at least 2 hours ahead")]
pub struct PartsTooSoon;

impl Parts {
    /// The number of parts in an hour; one unless it was changed.
    pub fn count_at(&self, hour: Hour) -> NonZeroU16 {
        self.0
            .iter()
            .rev()
            .find(|from| from.hour <= hour)
            .map_or(NonZeroU16::MIN, |from| from.count)
    }

    /// The largest number of parts in the hours from the first up to but
    /// without the second.
    pub fn most_between(&self, from: Hour, until: Hour) -> NonZeroU16 {
        self.0
            .iter()
            .filter(|change| change.hour > from && change.hour < until)
            .map(|change| change.count)
            .fold(self.count_at(from), NonZeroU16::max)
    }

    /// Another number of parts from an hour on.
    ///
    /// # Errors
    /// [`PartsTooSoon`] when the hour begins less than two hours from now.
    pub fn changed(
        &self,
        from: Hour,
        count: NonZeroU16,
        now: Timestamp,
    ) -> Result<Self, PartsTooSoon> {
        if from.start() < after(now, SignedDuration::from_hours(2)) {
            return Err(PartsTooSoon);
        }
        let mut parts = self.clone();
        parts.0.retain(|earlier| earlier.hour < from);
        parts.0.push(PartsFrom { hour: from, count });
        Ok(parts)
    }
}

/// Why an account may not be opened, subscribed by the year, ended, deleted or restored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountRefusal {
    /// The id belongs to an account with another name.
    #[error("an account with this id and another name exists")]
    IdTaken,
    /// A license pays for it (FAQ, statement 2: never both).
    #[error("the account is subscribed through AWS Marketplace")]
    SubscribedThroughMarketplace {
        /// The license.
        license: LicenseId,
    },
    /// An annual subscription with another end is active.
    #[error("the account has an annual subscription with another end")]
    OtherAnnual {
        /// Its end.
        ends_at: Option<Timestamp>,
    },
    /// It has no annual subscription.
    #[error("the account has no annual subscription")]
    NotAnnual,
    /// The end lies in the past.
    #[error("the end of the annual subscription is not in the future")]
    EndsInThePast,
    /// It is deleted.
    #[error("the account is deleted")]
    Deleted,
    /// It is not deleted, or can no longer be restored.
    #[error("the account cannot be restored")]
    NotRestorable,
    /// The snapshots were read while another change was committed: read them again.
    #[error("the snapshots do not belong to one state")]
    Torn,
}

/// Opens an account with a trial, with its first member where there is one.
///
/// # Errors
/// [`AccountRefusal::IdTaken`] when the id belongs to an account with another name.
pub fn decide_open(
    existing: Option<&Account>,
    id: &AccountId,
    name: &AccountName,
    owner: Option<&UserEmail>,
    by: &Actor,
    now: Timestamp,
    policy: &SubscriptionPolicy,
) -> Result<Decision<Change>, AccountRefusal> {
    if let Some(existing) = existing {
        return if existing.name == *name {
            Ok(Decision::AlreadyCommitted)
        } else {
            Err(AccountRefusal::IdTaken)
        };
    }
    let trial_ends_at = after(now, policy.trial);
    let mut account = Account {
        id: id.clone(),
        name: name.clone(),
        version: 0,
        opened_at: now,
        state: AccountState::Trial {
            ends_at: trial_ends_at,
        },
        transitions: Vec::new(),
        grace_generation: 0,
        grace_starts: Vec::new(),
        reminded_until: None,
        parts: Parts::default(),
    };
    account.record(account.state.clone(), now);
    let mut change = Change::default();
    change.audit_account(id, by, now, AuditAction::AccountOpened { trial_ends_at });
    if let Some(user) = owner {
        set_member(&mut change, id, user, Role::FullAccess, by, now);
    }
    change.put_account(account, now);
    Ok(Decision::Commit(change))
}

/// Gives an account another name.
///
/// # Errors
/// [`AccountRefusal::Deleted`] when the account is deleted.
pub fn decide_rename(
    account: &Account,
    name: &AccountName,
    by: &Actor,
    now: Timestamp,
) -> Result<Decision<Change>, AccountRefusal> {
    if account.state_at(now).standing() == Standing::Suspended {
        return Err(AccountRefusal::Deleted);
    }
    if account.name == *name {
        return Ok(Decision::AlreadyCommitted);
    }
    let at = account.not_before(now);
    let action = AuditAction::Renamed {
        from: account.name.clone(),
        to: name.clone(),
    };
    let mut change = Change::default();
    crate::expiry::audit_lapse(&mut change, account, at);
    change.audit_account(&account.id, by, at, action);
    let (mut renamed, _) = account.caught_up(at);
    renamed.name = name.clone();
    change.put_account(renamed, at);
    Ok(Decision::Commit(change))
}

/// Makes a user a member of an account, or gives them another role.
pub fn decide_set_member(
    account: &AccountId,
    existing: Option<&Member>,
    user: &UserEmail,
    role: Role,
    by: &Actor,
    now: Timestamp,
) -> Decision<Change> {
    if existing.is_some_and(|member| member.role == role) {
        return Decision::AlreadyCommitted;
    }
    let mut change = Change::default();
    set_member(&mut change, account, user, role, by, now);
    Decision::Commit(change)
}

/// Ends a user's membership.
pub fn decide_remove_member(
    existing: Option<&Member>,
    by: &Actor,
    now: Timestamp,
) -> Decision<Change> {
    let Some(member) = existing else {
        return Decision::AlreadyCommitted;
    };
    let mut change = Change::default();
    change.members.push(MemberChange::Removed {
        account: member.account.clone(),
        user: member.user.clone(),
    });
    let user = member.user.clone();
    change.audit_account(
        &member.account,
        by,
        now,
        AuditAction::MemberRemoved { user },
    );
    Decision::Commit(change)
}

fn set_member(
    change: &mut Change,
    account: &AccountId,
    user: &UserEmail,
    role: Role,
    by: &Actor,
    now: Timestamp,
) {
    change.members.push(MemberChange::Set(Member {
        account: account.clone(),
        user: user.clone(),
        role,
    }));
    let user = user.clone();
    change.audit_account(account, by, now, AuditAction::MemberSet { user, role });
}

/// Activates an annual subscription, from a trial, grace or expiry only.
///
/// # Errors
/// [`AccountRefusal`] when a license pays, another annual subscription is
/// active, the account is deleted, or the end is not in the future.
pub fn decide_activate_annual(
    account: &Account,
    ends_at: Option<Timestamp>,
    by: &Actor,
    now: Timestamp,
) -> Result<Decision<Change>, AccountRefusal> {
    match account.state_at(now) {
        AccountState::Trial { .. } | AccountState::Grace { .. } | AccountState::Expired { .. } => {}
        AccountState::Subscribed(Payer::Annual { ends_at: known, .. }) if known == ends_at => {
            return Ok(Decision::AlreadyCommitted);
        }
        AccountState::Subscribed(Payer::Annual { ends_at, .. }) => {
            return Err(AccountRefusal::OtherAnnual { ends_at });
        }
        AccountState::Subscribed(Payer::Marketplace { link, .. }) => {
            return Err(AccountRefusal::SubscribedThroughMarketplace {
                license: link.license,
            });
        }
        AccountState::Suspended { .. } | AccountState::Purged { .. } => {
            return Err(AccountRefusal::Deleted);
        }
    }
    if ends_at.is_some_and(|end| end <= now) {
        return Err(AccountRefusal::EndsInThePast);
    }
    let at = account.not_before(now);
    let annual = AccountState::Subscribed(Payer::Annual { since: at, ends_at });
    let action = AuditAction::AnnualActivated { ends_at };
    Ok(Decision::Commit(simple(account, annual, by, at, action)))
}

/// Ends an annual subscription at once.
///
/// # Errors
/// [`AccountRefusal::NotAnnual`] when there never was one that just ended.
pub fn decide_end_annual(
    account: &Account,
    by: &Actor,
    now: Timestamp,
) -> Result<Decision<Change>, AccountRefusal> {
    match account.state_at(now) {
        AccountState::Subscribed(Payer::Annual { .. }) => {}
        AccountState::Expired {
            cause: ExpiryCause::AnnualEnded,
            ..
        } => return Ok(Decision::AlreadyCommitted),
        AccountState::Subscribed(Payer::Marketplace { .. })
        | AccountState::Trial { .. }
        | AccountState::Grace { .. }
        | AccountState::Expired { .. }
        | AccountState::Suspended { .. }
        | AccountState::Purged { .. } => return Err(AccountRefusal::NotAnnual),
    }
    let at = account.not_before(now);
    let cause = ExpiryCause::AnnualEnded;
    let expired = AccountState::Expired {
        since: at,
        cause: cause.clone(),
    };
    let action = AuditAction::Expired { cause };
    Ok(Decision::Commit(simple(account, expired, by, at, action)))
}

/// Deletes an account: metering stops, a license is unlinked. It can be
/// restored for 30 days. `license` is the snapshot of the license that pays.
///
/// # Errors
/// [`AccountRefusal::Deleted`] when the time to restore it ran out, and
/// [`AccountRefusal::Torn`] when another license than the given one pays.
pub fn decide_suspend(
    account: &Account,
    license: Option<&License>,
    by: &Actor,
    now: Timestamp,
) -> Result<Decision<Change>, AccountRefusal> {
    let at = account.not_before(now);
    let restores_to = match account.state_at(now) {
        AccountState::Trial { ends_at } => Restorable::Trial { ends_at },
        AccountState::Subscribed(Payer::Annual { since, ends_at }) => {
            Restorable::Annual { since, ends_at }
        }
        AccountState::Subscribed(Payer::Marketplace { .. }) | AccountState::Grace { .. } => {
            Restorable::Expired {
                since: at,
                cause: ExpiryCause::Deleted,
            }
        }
        AccountState::Expired { since, cause } => Restorable::Expired { since, cause },
        AccountState::Suspended { .. } => return Ok(Decision::AlreadyCommitted),
        AccountState::Purged { .. } => return Err(AccountRefusal::Deleted),
    };
    let restorable_until = after(at, RESTORABLE_FOR);
    let suspended = AccountState::Suspended {
        since: at,
        restorable_until,
        restores_to,
    };
    let action = AuditAction::Suspended { restorable_until };
    let mut change = simple(account, suspended, by, at, action);
    if let AccountState::Subscribed(Payer::Marketplace { link, buyer }) = &account.state {
        let license = license
            .filter(|license| license.id == link.license)
            .ok_or(AccountRefusal::Torn)?;
        let cause = UnlinkCause::AccountDeleted;
        close_link(&mut change, account, link, buyer, license, by, at, cause);
    }
    Ok(Decision::Commit(change))
}

/// Restores a deleted account within 30 days. A license has to be linked again.
///
/// # Errors
/// [`AccountRefusal::NotRestorable`] when the time ran out.
pub fn decide_restore(
    account: &Account,
    by: &Actor,
    now: Timestamp,
) -> Result<Decision<Change>, AccountRefusal> {
    let restores_to = match account.state_at(now) {
        AccountState::Suspended { restores_to, .. } => restores_to,
        AccountState::Purged { .. } => return Err(AccountRefusal::NotRestorable),
        AccountState::Trial { .. }
        | AccountState::Subscribed(_)
        | AccountState::Grace { .. }
        | AccountState::Expired { .. } => return Ok(Decision::AlreadyCommitted),
    };
    let at = account.not_before(now);
    let state = match restores_to {
        Restorable::Trial { ends_at } => AccountState::Trial { ends_at },
        Restorable::Annual { since, ends_at } => {
            AccountState::Subscribed(Payer::Annual { since, ends_at })
        }
        Restorable::Expired { since, cause } => AccountState::Expired { since, cause },
    };
    let state = state.lapsed(at).map_or(state, |(_, lapsed)| lapsed);
    Ok(Decision::Commit(simple(
        account,
        state,
        by,
        at,
        AuditAction::Restored,
    )))
}

/// A change of one account's state, its audit, and its event.
fn simple(
    account: &Account,
    state: AccountState,
    by: &Actor,
    at: Timestamp,
    action: AuditAction,
) -> Change {
    let mut change = Change::default();
    crate::expiry::audit_lapse(&mut change, account, at);
    change.audit_account(&account.id, by, at, action);
    change.put_account(account.moved(state, at), at);
    change
}

#[cfg(test)]
mod tests;

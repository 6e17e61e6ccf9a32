//! In what a license stands otherwise with a fact than without it.

use std::fmt;

use jiff::Timestamp;

use super::{Derived, LicenseStatus};
use crate::ids::{AgreementId, LicenseId};

/// Something in which a license stands otherwise; first as it stands, then as it would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// Nothing was known of it.
    NewlyKnown,
    /// Whether it is active.
    Activity(Activity, Activity),
    /// The agreement that it is under.
    Agreement(Option<AgreementId>, Option<AgreementId>),
    /// When that ends.
    EndsAt(Option<Timestamp>, Option<Timestamp>),
    /// Whether that renews by itself.
    AutoRenewal(Option<bool>, Option<bool>),
    /// Since when it is open whether that goes on.
    OpenSince(Option<Timestamp>, Option<Timestamp>),
    /// The license that goes on in its place.
    Heir(Option<LicenseId>, Option<LicenseId>),
    /// Whether it counts as ended only because AWS did not answer.
    GivenUp(bool, bool),
    /// Which agreements it is or was under, or that they go on in each other's place.
    Agreements,
    /// AWS changed the agreement after the last that was told of it.
    ChangedAt(Timestamp),
}

/// Whether a license is active, whenever it became so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// Not yet.
    Pending,
    /// It is.
    Active,
    /// No more.
    Ended,
}

impl Derived {
    /// In what the license would stand otherwise: active or not, until when and by
    /// whose word, in whose place and with which successor. What AWS is to be asked
    /// does not count, nor from when exactly it is known.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let open = |derived: &Self| derived.asks.agreement.map(|ask| ask.since);
        let heirs = (self.heir().cloned(), other.heir().cloned());
        let agreements = (self.agreement.clone(), other.agreement.clone());
        let renewals = (self.renewal(), other.renewal());
        let activities = (activity(&self.status), activity(&other.status));
        let related = (&self.agreements, &self.chain) != (&other.agreements, &other.chain);
        let found = [
            differ(activities, Difference::Activity),
            differ(agreements, Difference::Agreement),
            differ(
                (self.agreement_ends_at, other.agreement_ends_at),
                Difference::EndsAt,
            ),
            // What nobody said renews by itself does not, as far as anybody acts on it.
            differ(renewals, Difference::AutoRenewal)
                .filter(|_| renewals.0.unwrap_or(false) != renewals.1.unwrap_or(false)),
            differ((open(self), open(other)), Difference::OpenSince),
            differ(heirs, Difference::Heir),
            differ((self.given_up, other.given_up), Difference::GivenUp),
            related.then_some(Difference::Agreements),
        ];
        found.into_iter().flatten().collect()
    }

    /// Whether the agreement renews by itself; what has no end does not.
    fn renewal(&self) -> Option<bool> {
        let ends = self.agreement_ends_at.is_some();
        self.notices.auto_renewal.filter(|_| ends)
    }
}

fn differ<T: PartialEq>(
    (before, after): (T, T),
    difference: impl Fn(T, T) -> Difference,
) -> Option<Difference> {
    (before != after).then(|| difference(before, after))
}

const fn activity(status: &LicenseStatus) -> Activity {
    match status {
        LicenseStatus::Pending => Activity::Pending,
        LicenseStatus::Active { .. } => Activity::Active,
        LicenseStatus::Ended { .. } => Activity::Ended,
    }
}

impl fmt::Display for Activity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "not active yet",
            Self::Active => "active",
            Self::Ended => "ended",
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewlyKnown => f.write_str("a license that no event told of"),
            Self::Activity(before, after) => write!(f, "{after} instead of {before}"),
            Self::Agreement(before, after) => {
                changed(f, "agreement", before.as_ref(), after.as_ref())
            }
            Self::EndsAt(before, after) => changed(f, "ends", before.as_ref(), after.as_ref()),
            Self::AutoRenewal(before, after) => {
                let words = |renews| if renews { "yes" } else { "no" };
                let (before, after) = (before.map(words), after.map(words));
                changed(f, "renews by itself", before, after)
            }
            Self::OpenSince(before, after) => {
                changed(f, "unknown since", before.as_ref(), after.as_ref())
            }
            Self::Heir(before, after) => {
                changed(f, "goes on as license", before.as_ref(), after.as_ref())
            }
            Self::GivenUp(_, true) => f.write_str("given up for want of an answer"),
            Self::GivenUp(_, false) => f.write_str("no longer only given up for want of an answer"),
            Self::Agreements => f.write_str("other agreements before or after it"),
            Self::ChangedAt(at) => write!(f, "changed {at}, after the last that was told of it"),
        }
    }
}

fn changed<T: fmt::Display + ?Sized>(
    f: &mut fmt::Formatter<'_>,
    what: &str,
    before: Option<&T>,
    after: Option<&T>,
) -> fmt::Result {
    let text = |value: Option<&T>| value.map_or_else(|| "none".to_owned(), T::to_string);
    write!(f, "{what} {} instead of {}", text(after), text(before))
}

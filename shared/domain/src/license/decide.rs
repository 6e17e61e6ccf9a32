//! What follows from a license's derived state, for it and for its account.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::{Derived, FormerLink, License, LicenseStatus, LinkedLate, Succession, end_at};
use crate::account::{Account, AccountState, ExpiryCause, Payer};
use crate::audit::{Actor, AuditAction};
use crate::change::{Change, Decision};
use crate::hour::Hour;
use crate::ids::{AgreementId, LicenseId};
use crate::linking::{Torn, UnlinkCause, close_link, open_link};
use crate::outbound::OutboundEvent;

/// How far apart the end of a license and the start of the one that goes on in its
/// place may be that AWS tells of one hand-over: minutes were seen.
const HANDED_OVER_WITHIN: SignedDuration = SignedDuration::from_hours(1);

/// The snapshots that a license's state is decided on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Situation<'a> {
    /// The license, if it is stored.
    pub known: Option<&'a License>,
    /// The account that it is linked to, or was last.
    pub account: Option<&'a Account>,
    /// The license that goes on in its place ([`Derived::heir`]), if it is stored.
    pub heir: Option<&'a License>,
}

/// Brings a license to what the facts say, and its account with it: when the
/// license ended, the account that it paid for expires, unless another license
/// goes on in its place, or the same one again.
///
/// The link ends when the license ended, not when we learned of it: nothing
/// after that instant can be charged to it.
///
/// # Errors
/// [`Torn`] when the snapshots do not belong together: read them again.
pub fn decide_license(
    license: &LicenseId,
    situation: Situation<'_>,
    derived: Derived,
    by: &Actor,
    now: Timestamp,
) -> Result<Decision<Change>, Torn> {
    let known = situation.known;
    let (active, chain) = (derived.active.clone(), derived.chain.clone());
    let given_up = derived.given_up;
    let next = next(license, known, derived, now);
    let newly_ended = next.has_ended() && known.is_none_or(|known| !known.has_ended());
    let mut change = Change::default();
    let renewed = tell(&mut change, known, &next, &chain, by, now);
    if let Some(end) = next.end().filter(|_| newly_ended) {
        request_usage(&mut change, &next, end.ended_at);
    }
    let Some(account) = of_license(situation.account, &next)? else {
        return Ok(committed(change, known, next));
    };
    // Where what the account was linked by broke off for good, or whether it goes on.
    let link = account.link().filter(|_| next.linked.is_some());
    let broke_off = link.and_then(|link| active.broke_off(link.from, &chain));
    let resumes = |former: &FormerLink| active.resumes(former.until, &chain);
    let goes_on = broke_off.is_none() && next.former.as_ref().is_none_or(resumes);
    let heir = situation.heir.filter(|heir| takes_over(&next, heir, now));
    if let Some(heir) = heir.filter(|_| goes_on)
        && let Some(from) = may_go_on(account, &next, now)
    {
        if let Some(end) = next.end().filter(|_| !newly_ended && next.linked.is_some()) {
            request_usage(&mut change, &next, end.ended_at);
        }
        hand_over(&mut change, account, next, heir, (from, now), by);
        return Ok(Decision::Commit(change));
    }
    if goes_on && next.is_active(now) && next.linked.is_none() && is_expired_by(account, license) {
        let at = account.not_before(next.active_since().unwrap_or(now));
        let next = linked_late(next, account, license, (at, now));
        open_link(&mut change, account, &next, by, at);
        return Ok(Decision::Commit(change));
    }
    let given_up = given_up && broke_off.is_none();
    let ended_at = broke_off.or(next.end().map(|end| end.ended_at));
    match ended_at.filter(|_| next.linked.is_some()) {
        Some(ended_at) => {
            // One that ended before it was linked, or is active again.
            if !newly_ended {
                request_usage(&mut change, &next, ended_at);
            }
            expire(&mut change, account, &next, (ended_at, given_up), by, now)?;
            Ok(Decision::Commit(change))
        }
        None if next.has_ended() && !given_up && awaits_answer(account, license) => {
            settle_cause(&mut change, account, license, now);
            change.licenses.push(next);
            Ok(Decision::Commit(change))
        }
        None => {
            if let (Some(_), Some((at, action))) = (&next.linked, renewed) {
                // Its version is raised, so that it is still the account that is paid for.
                change.audit_account(&account.id, by, account.not_before(at), action);
                change.accounts.push(account.clone());
            }
            Ok(committed(change, known, next))
        }
    }
}

/// Tells of a license what is new: in its trail, and to the outside; when and how its
/// agreement was renewed, if it was.
fn tell(
    change: &mut Change,
    known: Option<&License>,
    next: &License,
    chain: &BTreeSet<AgreementId>,
    by: &Actor,
    now: Timestamp,
) -> Option<(Timestamp, AuditAction)> {
    audit_license(change, known, next, by, now);
    let before = known.and_then(|known| known.agreement.clone());
    let renewed = renewed(before.filter(|one| chain.contains(one)), next, now);
    if let Some((at, action)) = &renewed {
        change.audit_license(&next.id, by, *at, action.clone());
    }
    tell_notices(change, known, next, now);
    renewed
}

/// The account, if it is the one that the license is linked to, or was last.
fn of_license<'a>(
    account: Option<&'a Account>,
    license: &License,
) -> Result<Option<&'a Account>, Torn> {
    let former = license.former.as_ref().map(|former| &former.account);
    let of_it = license.linked.as_ref().or(former);
    let account = account.filter(|account| of_it == Some(&account.id));
    let linked_to = account.and_then(|account| account.license());
    if license.linked.is_some() && linked_to != Some(&license.id) {
        return Err(Torn);
    }
    Ok(account)
}

/// The snapshot as the facts and the clock say.
fn next(license: &LicenseId, known: Option<&License>, derived: Derived, now: Timestamp) -> License {
    let due = derived.succession.as_ref().map(|succession| succession.at);
    let status = ended_by(derived.succession.as_ref(), derived.status, now);
    let has_ended = matches!(status, LicenseStatus::Ended { .. });
    let linked_late = known.and_then(|known| known.linked_late.clone());
    let asks = if has_ended {
        super::Asks::default()
    } else {
        derived.asks
    };
    License {
        id: license.clone(),
        arn: derived.arn,
        product: derived.product,
        buyer: derived.buyer,
        agreement: derived.agreement,
        agreements: derived.agreements,
        offer: derived.offer,
        agreement_since: derived.agreement_since,
        agreement_ends_at: derived.agreement_ends_at,
        status,
        succession: derived.succession,
        notices: derived.notices,
        pricing: derived.pricing,
        entitlements: derived.entitlements,
        due_at: asks
            .due_at()
            .into_iter()
            .chain(due.filter(|at| now < *at))
            .chain(linked_late.as_ref().map(|late| late.made_at))
            .min(),
        asks,
        version: known.map_or(0, |known| known.version),
        linked: known.and_then(|known| known.linked.clone()),
        former: known.and_then(|known| known.former.clone()),
        linked_late,
    }
}

/// An active license ends when the one that goes on in its place takes over.
fn ended_by(
    succession: Option<&Succession>,
    status: LicenseStatus,
    now: Timestamp,
) -> LicenseStatus {
    match (status, succession) {
        (LicenseStatus::Active { since }, Some(succession)) if succession.at <= now => {
            LicenseStatus::Ended {
                active_since: Some(since),
                end: end_at(succession.at, succession.learned_at),
            }
        }
        (
            status @ (LicenseStatus::Active { .. }
            | LicenseStatus::Pending
            | LicenseStatus::Ended { .. }),
            _,
        ) => status,
    }
}

/// That the license goes on under another agreement, and since when.
fn renewed(
    before: Option<AgreementId>,
    next: &License,
    now: Timestamp,
) -> Option<(Timestamp, AuditAction)> {
    let (from, to) = (before?, next.agreement.clone()?);
    let goes_on = from != to && !next.has_ended();
    let license = next.id.clone();
    let at = next.agreement_since.unwrap_or(now).min(now);
    goes_on.then_some((at, AuditAction::Renewed { license, from, to }))
}

/// The license's own part, if anything of it changed.
fn committed(mut change: Change, known: Option<&License>, next: License) -> Decision<Change> {
    if known == Some(&next) {
        return Decision::AlreadyCommitted;
    }
    change.licenses.push(next);
    Decision::Commit(change)
}

/// Whether the license that goes on in the place of one that ended may be
/// linked in its place: nobody has decided anything about it yet. It may have
/// ended since: what was used until then is charged to it.
fn takes_over(next: &License, heir: &License, now: Timestamp) -> bool {
    let succession = next.succession.as_ref();
    next.has_ended()
        && succession.is_some_and(|one| one.license == heir.id && one.at <= now)
        && heir.active_since().is_some_and(|since| since <= now)
        && heir.linked.is_none()
        && heir.former.is_none()
}

/// From when on an account may go on with another license: it is linked to the
/// one that ended, or expired because of it.
fn may_go_on(account: &Account, next: &License, now: Timestamp) -> Option<Timestamp> {
    let linked = next.linked.as_ref() == Some(&account.id);
    let at = next.succession.as_ref().map_or(now, |one| one.at.min(now));
    let ended_at = next.end().map_or(at, |end| end.ended_at);
    // Whichever of the two AWS tells first, the account is not without a license.
    let at = if at.duration_since(ended_at) <= HANDED_OVER_WITHIN {
        at.min(ended_at)
    } else {
        at
    };
    (linked || is_expired_by(account, &next.id)).then(|| account.not_before(at))
}

fn is_expired_by(account: &Account, license: &LicenseId) -> bool {
    match &account.state {
        AccountState::Expired { cause, .. } => match cause {
            ExpiryCause::AgreementEnded { license: ended }
            | ExpiryCause::AgreementUnanswered { license: ended } => ended == license,
            ExpiryCause::TrialEnded
            | ExpiryCause::GraceEnded
            | ExpiryCause::GraceRefused
            | ExpiryCause::AnnualEnded
            | ExpiryCause::Deleted => false,
        },
        AccountState::Trial { .. }
        | AccountState::Subscribed(_)
        | AccountState::Grace { .. }
        | AccountState::Suspended { .. }
        | AccountState::Purged { .. } => false,
    }
}

/// Whether an account expired because AWS did not answer about the license's agreement.
fn awaits_answer(account: &Account, license: &LicenseId) -> bool {
    let unanswered = ExpiryCause::AgreementUnanswered {
        license: license.clone(),
    };
    matches!(&account.state, AccountState::Expired { cause, .. } if *cause == unanswered)
}

/// AWS says after all that the agreement ended: nothing is waited for any more.
fn settle_cause(change: &mut Change, account: &Account, license: &LicenseId, now: Timestamp) {
    if let AccountState::Expired { since, .. } = account.state {
        let cause = ExpiryCause::AgreementEnded {
            license: license.clone(),
        };
        let expired = AccountState::Expired { since, cause };
        let at = account.not_before(now);
        change.put_account(account.moved(expired, at), at);
    }
}

/// Links the license that goes on to the account in the place of the one that
/// ended, without a gap.
fn hand_over(
    change: &mut Change,
    account: &Account,
    ended: License,
    heir: &License,
    (at, now): (Timestamp, Timestamp),
    by: &Actor,
) {
    let heir = linked_late(heir.clone(), account, &ended.id, (at, now));
    if let AccountState::Subscribed(Payer::Marketplace { link, buyer }) = &account.state {
        let cause = UnlinkCause::Succeeded;
        close_link(change, account, link, buyer, &ended, by, at, cause);
    } else {
        change.licenses.push(ended);
    }
    // One that has ended itself is looked at next, in whose place another may go on.
    let due_at = heir.due_at.filter(|_| !heir.has_ended());
    let heir = License {
        due_at: due_at.or(heir.has_ended().then_some(now)),
        ..heir
    };
    open_link(change, account, &heir, by, at);
}

/// A license that is about to be linked from an instant on: hours since that were
/// posted without it are to be posted again, and what still is to be.
fn linked_late(
    license: License,
    account: &Account,
    follows: &LicenseId,
    (from, now): (Timestamp, Timestamp),
) -> License {
    if now <= from {
        return license;
    }
    let waiting = license.linked_late.as_ref();
    let waiting = waiting.filter(|late| late.account == account.id);
    let late = LinkedLate {
        account: account.id.clone(),
        from: waiting.map_or(from, |late| late.from.min(from)),
        follows: waiting.map_or_else(|| follows.clone(), |late| late.follows.clone()),
        made_at: now,
    };
    License {
        linked_late: Some(late),
        due_at: Some(license.due_at.map_or(now, |due| due.min(now))),
        ..license
    }
}

/// The product is to report now, for the license's last hours.
fn request_usage(change: &mut Change, license: &License, ended_at: Timestamp) {
    let former = license.former.as_ref().map(|former| &former.account);
    if let Some(account) = license.linked.as_ref().or(former) {
        change.outbound.push(OutboundEvent::UsageRequested {
            license: license.id.clone(),
            version: license.version.saturating_add(1),
            account: account.clone(),
            hours: final_hours(ended_at),
        });
    }
}

/// What AWS newly says of the agreement that goes on, for the outside.
fn tell_notices(change: &mut Change, known: Option<&License>, next: &License, now: Timestamp) {
    if next.has_ended() {
        return;
    }
    // What was said of another agreement is not taken back: that one is over.
    let same = known.filter(|known| known.agreement == next.agreement);
    let before = same.map(|known| known.notices).unwrap_or_default();
    for notice in next.notices.news_since(&before) {
        change.outbound.push(OutboundEvent::AgreementNoticed {
            license: next.id.clone(),
            version: next.version.saturating_add(1),
            account: next.linked.clone(),
            notice,
            at: now,
        });
    }
}

/// The hours whose usage can still be charged when a license ends: those whose
/// reports may not have come yet, the running one last.
fn final_hours(ended_at: Timestamp) -> Vec<Hour> {
    let running = Hour::of(ended_at);
    vec![running.previous(), running]
}

fn audit_license(
    change: &mut Change,
    known: Option<&License>,
    next: &License,
    by: &Actor,
    now: Timestamp,
) {
    if known.is_none() {
        let buyer = next.buyer.clone();
        change.audit_license(&next.id, by, now, AuditAction::LicenseKnown { buyer });
    }
    if known.map(|known| &known.status) == Some(&next.status) {
        return;
    }
    match next.status {
        LicenseStatus::Pending => {}
        LicenseStatus::Active { since } => {
            change.audit_license(&next.id, by, now, AuditAction::LicenseActivated { since });
        }
        LicenseStatus::Ended { end, .. } => {
            let ended_at = end.ended_at;
            change.audit_license(&next.id, by, now, AuditAction::LicenseEnded { ended_at });
        }
    }
}

fn expire(
    change: &mut Change,
    account: &Account,
    license: &License,
    (ended_at, given_up): (Timestamp, bool),
    by: &Actor,
    now: Timestamp,
) -> Result<(), Torn> {
    let AccountState::Subscribed(Payer::Marketplace { link, buyer }) = &account.state else {
        return Err(Torn);
    };
    if link.license != license.id {
        return Err(Torn);
    }
    let at = account.not_before(ended_at.min(now));
    let ended = license.id.clone();
    let (cause, unlinked) = if given_up {
        let cause = ExpiryCause::AgreementUnanswered { license: ended };
        (cause, UnlinkCause::AgreementUnanswered)
    } else {
        let cause = ExpiryCause::AgreementEnded { license: ended };
        (cause, UnlinkCause::AgreementEnded)
    };
    change.audit_account(
        &account.id,
        by,
        at,
        AuditAction::Expired {
            cause: cause.clone(),
        },
    );
    let expired = AccountState::Expired { since: at, cause };
    change.put_account(account.moved(expired, at), at);
    close_link(change, account, link, buyer, license, by, at, unlinked);
    Ok(())
}

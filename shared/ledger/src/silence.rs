//! Accounts whose usage was reported and is not any more.
//!
//! An hour without usage is reported too, by a report without computers. So an
//! account that pays by its usage, whose hours were reported until a moment ago,
//! is either metered or its metering is broken.

use std::collections::BTreeSet;

use domain::account::{AccountState, Payer};
use domain::hour::Hour;
use domain::ids::AccountId;
use domain::usage::Shard;
use futures_util::future::try_join_all;

use crate::step::StepError;
use crate::steps::Steps;

/// How many lists are read at once.
const AT_ONCE: usize = 8;

/// So many hours before the running one: the product had two hours to report it.
const SILENT: i32 = 2;

/// The hour two before that one.
const HEARD: i32 = 4;

/// The accounts with reports of the hour 4 before the running one and none of the
/// hour 2 before it, that AWS Marketplace pays for now. One that stays silent is
/// found by two runs an hour apart, and then no more.
///
/// # Errors
/// [`StepError`] when the store does not answer.
pub async fn silent(steps: &Steps) -> Result<Vec<AccountId>, StepError> {
    let running = Hour::of(steps.now());
    let heard = reported(steps, running.plus(-HEARD)).await?;
    let still = reported(steps, running.plus(-SILENT)).await?;
    let mut silent = Vec::new();
    for account in heard.difference(&still) {
        if pays_by_usage(steps, account).await? {
            silent.push(account.clone());
        }
    }
    Ok(silent)
}

async fn reported(steps: &Steps, hour: Hour) -> Result<BTreeSet<AccountId>, StepError> {
    let shards: Vec<Shard> = Shard::all().collect();
    let mut accounts = BTreeSet::new();
    for some in shards.chunks(AT_ONCE) {
        let lists = some.iter().map(|shard| steps.reported_parts(*shard, hour));
        for list in try_join_all(lists).await? {
            accounts.extend(list.items.into_iter().map(|(account, _)| account));
        }
    }
    Ok(accounts)
}

async fn pays_by_usage(steps: &Steps, account: &AccountId) -> Result<bool, StepError> {
    let now = steps.now();
    let account = steps.account(account.clone()).await?;
    Ok(account.is_some_and(|account| {
        matches!(
            account.state_at(now),
            AccountState::Subscribed(Payer::Marketplace { .. })
        )
    }))
}

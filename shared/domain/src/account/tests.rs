use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn open(now: Timestamp) -> Account {
    let seller = AwsAccountId::parse("111122223333").unwrap();
    let decision = decide_open(
        None,
        &AccountId::parse("a").unwrap(),
        &AccountName::parse("North").unwrap(),
        None,
        &Actor::Product,
        now,
        &SubscriptionPolicy::new(seller, []),
    );
    let Ok(Decision::Commit(mut change)) = decision else {
        panic!("an account opens");
    };
    change.accounts.remove(0)
}

#[test]
fn a_trial_lasts_30_days_and_ends_without_grace() {
    let account = open(at("2026-11-01T12:00:00Z"));
    let standing = |text| account.state_at(at(text)).standing();
    assert_eq!(standing("2026-12-01T11:59:59Z"), Standing::Trial);
    assert_eq!(standing("2026-12-01T12:00:00Z"), Standing::Expired);
    assert_eq!(
        account.state_at(at("2027-01-01T00:00:00Z")),
        AccountState::Expired {
            since: at("2026-12-01T12:00:00Z"),
            cause: ExpiryCause::TrialEnded
        }
    );
}

#[test]
fn opening_the_same_account_again_is_done_already_and_another_name_is_refused() {
    let now = at("2026-11-01T12:00:00Z");
    let account = open(now);
    let again = |name: &str| {
        decide_open(
            Some(&account),
            &account.id,
            &AccountName::parse(name).unwrap(),
            None,
            &Actor::Product,
            now,
            &SubscriptionPolicy::new(AwsAccountId::parse("111122223333").unwrap(), []),
        )
    };
    assert_eq!(again("North"), Ok(Decision::AlreadyCommitted));
    assert_eq!(again("South"), Err(AccountRefusal::IdTaken));
}

#[test]
fn an_annual_subscription_activated_again_with_the_same_end_is_done_already() {
    let now = at("2026-11-01T12:00:00Z");
    let account = open(now);
    let end = Some(at("2027-11-01T12:00:00Z"));
    let Ok(Decision::Commit(change)) = decide_activate_annual(&account, end, &Actor::Product, now)
    else {
        panic!("an annual subscription begins");
    };
    let annual = &change.accounts[0];
    let again = |end| decide_activate_annual(annual, end, &Actor::Product, now);
    assert_eq!(again(end), Ok(Decision::AlreadyCommitted));
    assert_eq!(
        again(None),
        Err(AccountRefusal::OtherAnnual { ends_at: end })
    );
    assert_eq!(
        decide_activate_annual(&account, Some(now), &Actor::Product, now),
        Err(AccountRefusal::EndsInThePast)
    );
    assert_eq!(
        decide_end_annual(&account, &Actor::Product, now),
        Err(AccountRefusal::NotAnnual)
    );
}

#[test]
fn an_account_keeps_few_transitions_however_often_it_changes() {
    let mut account = open(at("2026-11-01T00:00:00Z"));
    for minute in 0..10_000_i64 {
        let now = after(
            at("2026-11-01T00:00:00Z"),
            SignedDuration::from_mins(minute),
        );
        let since = now;
        let cause = ExpiryCause::TrialEnded;
        account = account.moved(AccountState::Expired { since, cause }, now);
        assert!(account.transitions.len() <= MAX_TRANSITIONS);
    }
}

#[test]
fn standings_of_the_last_four_days_are_kept() {
    let opened = at("2026-11-01T00:00:00Z");
    let mut account = open(opened);
    for day in 1..10_i64 {
        let now = after(opened, SignedDuration::from_hours(24 * day));
        let state = if day % 2 == 0 {
            AccountState::Trial {
                ends_at: after(now, SignedDuration::from_hours(240)),
            }
        } else {
            AccountState::Expired {
                since: now,
                cause: ExpiryCause::TrialEnded,
            }
        };
        account = account.moved(state, now);
    }
    let on = |text| account.standing_at(at(text));
    assert_eq!(on("2026-11-10T12:00:00Z"), Standing::Expired);
    assert_eq!(on("2026-11-09T12:00:00Z"), Standing::Trial);
    assert_eq!(on("2026-11-08T12:00:00Z"), Standing::Expired);
    assert_eq!(on("2026-11-07T12:00:00Z"), Standing::Trial);
    assert_eq!(on("2026-11-06T12:00:00Z"), Standing::Expired);
    assert!(account.transitions.len() <= 6, "{:?}", account.transitions);
}

#[test]
fn the_number_of_parts_changes_only_two_hours_ahead_and_each_hour_keeps_its_own() {
    let now = at("2026-11-01T10:15:00Z");
    let hour = |text| Hour::starting_at(at(text)).unwrap();
    let four = NonZeroU16::new(4).unwrap();
    let parts = Parts::default();
    assert_eq!(
        parts.changed(hour("2026-11-01T12:00:00Z"), four, now),
        Err(PartsTooSoon)
    );
    let parts = parts
        .changed(hour("2026-11-01T13:00:00Z"), four, now)
        .unwrap();
    assert_eq!(parts.count_at(hour("2026-11-01T12:00:00Z")).get(), 1);
    assert_eq!(parts.count_at(hour("2026-11-01T13:00:00Z")).get(), 4);
    assert_eq!(parts.count_at(hour("2027-11-01T13:00:00Z")).get(), 4);
}

#[test]
fn a_name_is_shown_only_in_part_to_somebody_who_is_not_a_member() {
    assert_eq!(AccountName::parse("North office").unwrap().in_part(), "No…");
    assert_eq!(AccountName::parse("N").unwrap().in_part(), "…");
    assert!(AccountName::parse("  ").is_err());
    assert!(AccountName::parse("a\u{7}b").is_err());
    assert_eq!(AccountName::parse(" North ").unwrap().as_str(), "North");
}

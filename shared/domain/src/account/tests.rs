use super::*;
use crate::outbound::OutboundEvent;

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

/// What is given at an instant, and the account after it.
fn due(account: &Account, now: &str) -> (Vec<&'static str>, Account) {
    match crate::expiry::decide_due(account, at(now)) {
        Decision::AlreadyCommitted => (Vec::new(), account.clone()),
        Decision::Commit(mut change) => {
            let told = change.outbound.iter().map(OutboundEvent::name).collect();
            (told, change.accounts.remove(0))
        }
    }
}

#[test]
fn a_trial_s_end_is_announced_7_days_and_a_day_before_once_each() {
    let account = open(at("2026-11-01T12:00:00Z"));
    assert_eq!(account.due_at(), Some(at("2026-11-24T12:00:00Z")));
    assert_eq!(due(&account, "2026-11-24T11:59:59Z").0, [""; 0]);
    let (told, account) = due(&account, "2026-11-24T12:00:00Z");
    assert_eq!(told, ["trial ending"]);
    assert_eq!(account.due_at(), Some(at("2026-11-30T12:00:00Z")));
    assert_eq!(due(&account, "2026-11-25T00:00:00Z").0, [""; 0]);
    let (told, account) = due(&account, "2026-11-30T12:00:07Z");
    assert_eq!(told, ["trial ending"]);
    assert_eq!(account.due_at(), Some(at("2026-12-01T12:00:00Z")));
    let (told, account) = due(&account, "2026-12-01T12:00:00Z");
    assert_eq!(told, ["account access changed"]);
    assert_eq!(account.due_at(), None);
}

#[test]
fn of_reminders_that_were_missed_only_the_last_is_given() {
    let account = open(at("2026-11-01T12:00:00Z"));
    let (told, account) = due(&account, "2026-12-01T00:00:00Z");
    assert_eq!(told, ["trial ending"]);
    assert_eq!(account.due_at(), Some(at("2026-12-01T12:00:00Z")));
}

#[test]
fn a_grace_s_end_is_announced_24_and_4_hours_before() {
    let began = at("2026-11-10T12:00:00Z");
    let grace = AccountState::Grace {
        started_at: began,
        ends_at: after(began, crate::policy::GRACE),
        generation: 1,
        license: LicenseId::parse(format!("l-{:032x}", 1)).unwrap(),
        buyer: AwsAccountId::parse("123412341234").unwrap(),
    };
    let mut account = open(at("2026-11-01T12:00:00Z")).moved(grace, began);
    for (now, told) in [
        ("2026-11-11T11:59:59Z", &[][..]),
        ("2026-11-11T12:00:00Z", &["grace ending"]),
        ("2026-11-12T07:59:59Z", &[]),
        ("2026-11-12T08:00:00Z", &["grace ending"]),
        ("2026-11-12T11:59:59Z", &[]),
        ("2026-11-12T12:00:00Z", &["account access changed"]),
    ] {
        let (given, next) = due(&account, now);
        assert_eq!(given, told, "{now}");
        account = next;
    }
}

#[test]
fn an_account_is_renamed_once_and_not_while_it_is_deleted() {
    let now = at("2026-11-01T12:00:00Z");
    let account = open(now);
    let name = AccountName::parse("South").unwrap();
    let rename = |account: &Account| decide_rename(account, &name, &Actor::Product, now);
    let Ok(Decision::Commit(change)) = rename(&account) else {
        panic!("an account is renamed");
    };
    let renamed = &change.accounts[0];
    assert_eq!((&renamed.name, &renamed.state), (&name, &account.state));
    assert_eq!(rename(renamed), Ok(Decision::AlreadyCommitted));
    let Ok(Decision::Commit(change)) = decide_suspend(&account, None, &Actor::Product, now) else {
        panic!("an account is deleted");
    };
    assert_eq!(rename(&change.accounts[0]), Err(AccountRefusal::Deleted));
}

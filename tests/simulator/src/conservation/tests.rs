use domain::ids::Dimension;
use domain::ledger::record::RecordState;
use domain::ledger::slot::SlotState;
use domain::quantity::Quantity;
use jiff::Timestamp;
use ledger::conservation::{AccountHourFault, CursorFault, Difference, EntryFault, SlotFault};
use ledger::step::{Cursor, Slot, Unreadable};

use super::*;
use crate::cast::Seen;
use crate::schedule::{Action, Schedule, Setting, Story, dimension};

/// Account one, whose license 1 pays, runs 2 medium and 1 large in the hour
/// from 10:00.
const HOUR: &str = "2026-11-10T10:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn hour() -> Hour {
    Hour::of(at(HOUR))
}

fn setting() -> Setting {
    Setting::ordinary(at("2026-11-10T10:30:00Z"))
}

fn reported(hours_back: u8, id: u8, tiers: &[u8]) -> Action {
    let seen = (0..).zip(tiers).map(|(computer, tier)| Seen {
        computer,
        tier: *tier,
        when: 0,
        known_by: 0,
    });
    Action::Report {
        account: 0,
        hours_back,
        id,
        seen: seen.collect(),
    }
}

fn minutes(minutes: u16) -> Action {
    Action::Advance { minutes }
}

const RUNS: Action = Action::Minutes { minutes: 2 };

fn played(setting: Setting, actions: Vec<Action>) -> World {
    Schedule { setting, actions }.play().0
}

/// 12:04, all of the hour is billed.
fn settled() -> World {
    let report = reported(0, 1, &[0, 0, 1]);
    let actions = vec![report, Action::Finish, minutes(45), RUNS, minutes(45), RUNS];
    played(setting(), actions)
}

/// 11:17, the hour is posted and sending is stopped.
fn stopped() -> World {
    let actions = vec![
        Action::Switch { stopped: true },
        reported(0, 1, &[0, 0, 1]),
        Action::Finish,
        minutes(45),
        RUNS,
    ];
    played(setting(), actions)
}

/// The day after, the hour's usage was carried into the next and billed there.
fn carried() -> World {
    let mut world = stopped();
    let mut story = Story::default();
    // The license is active since 10:30: until then, a day later, AWS takes the hour.
    world.set_now(at("2026-11-11T10:21:00Z"));
    for action in [RUNS, Action::Switch { stopped: false }, RUNS] {
        world.act(&action, &mut story);
    }
    world
}

fn found(world: &World) -> Conservation {
    of(world, &[hour()]).unwrap()
}

/// What is found with slots that are not as they were written.
fn with_slots(world: &World, falsify: impl Fn(&mut Vec<Slot>)) -> Conservation {
    with_answers(world, &[hour()], |_, mut answer| {
        if let Answer::ReadSlots(slots) = &mut answer {
            falsify(&mut slots.items);
        }
        Ok(answer)
    })
    .unwrap()
}

/// The same of account-hours that were posted.
fn with_account_hours(
    world: &World,
    falsify: impl Fn(&mut domain::ledger::account_hour::AccountHour),
) -> Conservation {
    with_answers(world, &[hour()], |_, mut answer| {
        if let Answer::ReadAccountHour(hour) = &mut answer {
            falsify(hour);
        }
        Ok(answer)
    })
    .unwrap()
}

fn told(found: &Conservation) -> Vec<String> {
    found.differences.iter().map(ToString::to_string).collect()
}

fn account_hour_faults(found: &Conservation) -> Vec<AccountHourFault> {
    let mut faults = Vec::new();
    for difference in &found.differences {
        if let Difference::AccountHour { fault, .. } = difference {
            faults.push(fault.clone());
        }
    }
    faults
}

fn entry_faults(found: &Conservation) -> Vec<(Hour, EntryFault)> {
    let mut faults = Vec::new();
    for difference in &found.differences {
        if let Difference::Entry { slot, fault, .. } = difference {
            faults.push((*slot, fault.clone()));
        }
    }
    faults
}

fn slot_faults(found: &Conservation) -> Vec<(Dimension, Hour, SlotFault)> {
    let mut faults = Vec::new();
    for difference in &found.differences {
        if let Difference::Slot {
            dimension,
            slot,
            fault,
            ..
        } = difference
        {
            faults.push((dimension.clone(), *slot, fault.clone()));
        }
    }
    faults
}

/// The dimensions of the hour whose lines are not what is accounted for.
fn license_faults(found: &Conservation) -> Vec<(Dimension, u64, u64)> {
    let mut faults = Vec::new();
    for difference in &found.differences {
        if let Difference::License {
            dimension,
            hour: of,
            lines,
            accounted,
            ..
        } = difference
        {
            assert_eq!(*of, hour());
            faults.push((dimension.clone(), *lines, *accounted));
        }
    }
    faults
}

#[test]
fn a_settled_hour_has_no_difference_and_all_of_it_is_billed() {
    let found = found(&settled());
    assert_eq!(told(&found), Vec::<String>::new());
    assert_eq!((found.accounts, found.unchecked), (1, 0));
    assert_eq!((found.sums.reported, found.sums.lines), (3, 3));
    assert_eq!((found.sums.billed, found.sums.accounted()), (3, 3));
    assert_eq!((found.cursor_lag_seconds, found.marker_lag_seconds), (0, 0));
    assert_eq!(found.oldest_unsettled_seconds, 0);
}

#[test]
fn a_carried_entry_is_followed_by_the_slot_that_it_first_entered() {
    let world = carried();
    let lies_in: Vec<Hour> = world.tables.entries().map(|(_, slot, _)| slot).collect();
    assert_eq!(lies_in, [hour().next()]);
    let found = found(&world);
    assert_eq!(told(&found), Vec::<String>::new());
    assert_eq!(found.sums.billed, 3);
}

#[test]
fn what_a_contract_includes_is_accounted_for() {
    let setting = Setting {
        contracts: true,
        ..setting()
    };
    let grant = Action::Grant { computer_hours: 1 };
    let report = reported(0, 1, &[0, 0, 1]);
    let world = played(
        setting,
        vec![grant, report, Action::Finish, minutes(45), RUNS],
    );
    let found = found(&world);
    assert_eq!(told(&found), Vec::<String>::new());
    assert_eq!((found.sums.included, found.sums.billed), (1, 2));
}

#[test]
fn usage_that_no_license_pays_for_is_unbillable_and_no_difference() {
    let report = Action::Report {
        account: 1,
        hours_back: 0,
        id: 1,
        seen: vec![Seen {
            computer: 0,
            tier: 0,
            when: 0,
            known_by: 0,
        }],
    };
    let world = played(setting(), vec![report, Action::Finish, minutes(45), RUNS]);
    let found = found(&world);
    assert_eq!(told(&found), Vec::<String>::new());
    assert_eq!((found.sums.reported, found.sums.unbillable), (1, 1));
}

#[test]
fn an_hour_that_has_not_closed_is_left_out() {
    let world = played(setting(), vec![reported(0, 1, &[0]), Action::Finish]);
    assert_eq!(found(&world).accounts, 0);
}

#[test]
fn a_late_report_with_its_marker_is_no_difference_until_the_marker_lags() {
    let mut world = settled();
    let mut story = Story::default();
    world.act(&reported(2, 2, &[0, 0, 1, 2]), &mut story);
    world.act(&Action::Finish, &mut story);
    assert_eq!(told(&found(&world)), Vec::<String>::new());
    world.set_now(after(world.now(), SignedDuration::from_mins(61)));
    let lagging = found(&world);
    assert_eq!(lagging.marker_lag_seconds, 3_660);
    assert!(lagging.differences.iter().any(|difference| matches!(
        difference,
        Difference::MarkerLags { of, lag_seconds: 3_660 } if of.hour == hour()
    )));
}

#[test]
fn a_report_that_is_stored_but_neither_posted_nor_marked_is_a_difference() {
    let mut world = settled();
    let mut story = Story::default();
    let crashed = [
        reported(2, 2, &[0, 0, 1, 2]),
        Action::Go {
            task: 0,
            steps: 2,
            pick: 0,
        },
        Action::Crash { task: 0 },
    ];
    crashed
        .iter()
        .for_each(|action| world.act(action, &mut story));
    assert_eq!(
        account_hour_faults(&found(&world)),
        [AccountHourFault::DoesNotAddUp {
            billed: 3,
            unbilled: 1,
            lines: 3,
            unbillable: 0
        }]
    );
}

#[test]
fn a_changed_entry_is_found_in_its_account_hour_its_slot_and_its_license() {
    let found = with_slots(&settled(), |slots| {
        slots[0].entries[0].amounts[0].count += 1;
    });
    assert_eq!(
        entry_faults(&found),
        [(
            hour(),
            EntryFault::Differs {
                lines: 3,
                entry: 4,
                lies_in: hour()
            }
        )]
    );
    assert_eq!(slot_faults(&found).len(), 1);
    // No more than what the record holds is accounted for.
    assert_eq!(license_faults(&found), []);
}

#[test]
fn an_entry_of_another_cloud_account_is_found_although_the_sums_are_equal() {
    let found = with_slots(&settled(), |slots| {
        slots[0].entries[0].amounts[0].cloud_account = None;
    });
    assert_eq!(
        entry_faults(&found),
        [(
            hour(),
            EntryFault::Differs {
                lines: 3,
                entry: 3,
                lies_in: hour()
            }
        )]
    );
}

#[test]
fn a_changed_record_is_found_in_its_slot_and_its_license() {
    let world = settled();
    let found = with_slots(&world, |slots| {
        let mut records = slots[0].records.iter_mut();
        let medium = records
            .find(|record| record.usage.dimension == dimension(0))
            .unwrap();
        medium.usage.quantity = Quantity::new(1).unwrap();
    });
    let fault = SlotFault::DoesNotAddUp {
        entries: 2,
        included: 0,
        records: 1,
    };
    assert_eq!(slot_faults(&found), [(dimension(0), hour(), fault)]);
    assert_eq!(license_faults(&found), [(dimension(0), 2, 1)]);
    assert_eq!(entry_faults(&found), []);
}

#[test]
fn a_lost_record_is_found_by_dimension() {
    let found = with_slots(&settled(), |slots| {
        slots[0]
            .records
            .retain(|record| record.usage.dimension != dimension(1));
    });
    let fault = SlotFault::DoesNotAddUp {
        entries: 1,
        included: 0,
        records: 0,
    };
    assert_eq!(slot_faults(&found), [(dimension(1), hour(), fault)]);
    assert_eq!(license_faults(&found), [(dimension(1), 1, 0)]);
}

#[test]
fn a_dropped_line_is_found_in_the_account_hour_and_its_entry() {
    let found = with_account_hours(&settled(), |hour| {
        hour.lines.retain(|line| line.dimension != dimension(1));
    });
    assert_eq!(
        account_hour_faults(&found),
        [AccountHourFault::DoesNotAddUp {
            billed: 3,
            unbilled: 0,
            lines: 2,
            unbillable: 0
        }]
    );
    assert_eq!(
        entry_faults(&found),
        [(
            hour(),
            EntryFault::Differs {
                lines: 2,
                entry: 3,
                lies_in: hour()
            }
        )]
    );
    assert_eq!(license_faults(&found), [(dimension(1), 0, 1)]);
}

#[test]
fn a_line_in_another_slot_leaves_an_entry_without_lines_and_one_missing() {
    let world = settled();
    let elsewhere = hour().plus(5);
    let found = with_account_hours(&world, |hour| {
        for line in &mut hour.lines {
            line.target = domain::ledger::account_hour::Target::Slot(elsewhere);
        }
    });
    let lies_in = hour();
    assert_eq!(
        entry_faults(&found),
        [
            (hour(), EntryFault::WithoutLines { entry: 3, lies_in }),
            (elsewhere, EntryFault::Missing { lines: 3 })
        ]
    );
}

#[test]
fn a_missing_posting_is_found_in_the_account_hour() {
    let found = with_account_hours(&settled(), |hour| hour.postings.clear());
    assert_eq!(
        account_hour_faults(&found),
        [AccountHourFault::DoesNotAddUp {
            billed: 0,
            unbilled: 3,
            lines: 3,
            unbillable: 0
        }]
    );
}

#[test]
fn a_missing_account_hour_is_reported_and_not_posted() {
    let found = with_account_hours(&settled(), |hour| {
        let (account, part) = (hour.account.clone(), hour.part);
        *hour = domain::ledger::account_hour::AccountHour::empty(account, part, hour.hour);
    });
    assert_eq!(account_hour_faults(&found), [AccountHourFault::NotPosted]);
}

#[test]
fn a_missing_report_is_found_also_when_no_other_is_left_in_its_hour() {
    let mut world = settled();
    let mut story = Story::default();
    let more = [
        reported(0, 2, &[0]),
        Action::Finish,
        minutes(75),
        RUNS,
        minutes(45),
        RUNS,
    ];
    more.iter().for_each(|action| world.act(action, &mut story));
    let hours = [hour(), hour().plus(2)];
    assert_eq!(told(&of(&world, &hours).unwrap()), Vec::<String>::new());
    let found = with_answers(&world, &hours, |step, mut answer| {
        if let (Step::ListReportedParts { hour: of, .. }, Answer::ListReportedParts(parts)) =
            (step, &mut answer)
            && *of == hour()
        {
            parts.items.clear();
        }
        if let (Step::ListReports { hour: of, .. }, Answer::ListReports(read)) = (step, &mut answer)
            && *of == hour()
        {
            read.reports.clear();
        }
        Ok(answer)
    })
    .unwrap();
    assert!(matches!(
        account_hour_faults(&found).as_slice(),
        [AccountHourFault::ReportMissing(id)] if id.as_str() == "r1"
    ));
}

#[test]
fn a_carried_entry_that_is_lost_is_missing_from_its_account_hour_and_its_license() {
    let found = with_slots(&carried(), |slots| {
        slots.iter_mut().for_each(|slot| slot.entries.clear());
    });
    assert_eq!(
        entry_faults(&found),
        [(hour(), EntryFault::Missing { lines: 3 })]
    );
    assert_eq!(
        license_faults(&found),
        [(dimension(1), 1, 0), (dimension(0), 2, 0)]
    );
}

#[test]
fn a_carried_entry_that_also_stayed_is_in_several_slots() {
    let found = with_slots(&carried(), |slots| {
        slots[0].entries = slots[1].entries.clone();
    });
    let fault = EntryFault::InSeveralSlots { lines: 3, slots: 2 };
    assert_eq!(entry_faults(&found), [(hour(), fault)]);
    let left = slot_faults(&found)
        .into_iter()
        .filter(|(_, slot, fault)| *slot == hour() && matches!(fault, SlotFault::LeftBehind { .. }))
        .count();
    assert_eq!(left, 2);
}

#[test]
fn usage_that_was_billed_in_two_slots_is_more_than_its_lines() {
    let found = with_slots(&carried(), |slots| {
        let mut again = slots[1].clone();
        again.head.hour = hour().plus(2);
        slots.push(again);
    });
    assert_eq!(
        license_faults(&found),
        [(dimension(1), 1, 2), (dimension(0), 2, 4)]
    );
}

#[test]
fn records_of_a_slot_that_was_never_frozen_are_a_difference() {
    let found = with_slots(&settled(), |slots| slots[0].head.state = SlotState::Open);
    let not_frozen = slot_faults(&found)
        .into_iter()
        .filter(|(.., fault)| matches!(fault, SlotFault::NotFrozen { .. }))
        .count();
    assert_eq!(not_frozen, 2);
}

#[test]
fn a_cursor_that_lags_by_more_than_an_hour_is_a_difference_and_so_is_a_missing_one() {
    let world = settled();
    let lagging = |posted: Option<Hour>| {
        with_answers(&world, &[], |_, mut answer| {
            if let Answer::ReadCursors(cursors) = &mut answer {
                let first = cursors.by_shard.values_mut().next().unwrap();
                *first = posted.map(|posted| Cursor {
                    sealed: posted,
                    posted,
                });
            }
            Ok(answer)
        })
        .unwrap()
    };
    // 12:04: the hour from 10:00 has been due since 11:10, that from 9:00 since 10:10.
    let found = lagging(Some(hour().previous()));
    assert_eq!(
        (found.cursor_lag_seconds, found.differences.count()),
        (3_240, 0)
    );
    let posted = hour().previous().previous();
    let found = lagging(Some(posted));
    let named = found.differences.iter().next().unwrap();
    let fault = CursorFault::Lags {
        posted,
        lag_seconds: 6_840,
    };
    assert!(matches!(named, Difference::Cursor { fault: of, .. } if *of == fault));
    let found = lagging(None);
    let named = found.differences.iter().next().unwrap();
    let fault = CursorFault::Missing;
    assert!(matches!(named, Difference::Cursor { fault: of, .. } if *of == fault));
}

#[test]
fn usage_that_waits_for_more_than_three_hours_is_alarmed_and_after_a_day_is_overdue() {
    let world = stopped();
    let both = |fault: SlotFault| {
        vec![
            (dimension(1), hour(), fault.clone()),
            (dimension(0), hour(), fault),
        ]
    };
    for (now, faults) in [
        ("2026-11-10T14:00:00Z", vec![]),
        ("2026-11-10T14:00:01Z", both(SlotFault::Unsettled)),
        ("2026-11-11T11:59:59Z", both(SlotFault::Unsettled)),
        ("2026-11-11T12:00:00Z", both(SlotFault::Overdue)),
    ] {
        world.set_now(at(now));
        let found = with_answers(&world, &[hour()], keeping_up).unwrap();
        assert_eq!(slot_faults(&found), faults, "{now}");
        let waited = at(now).duration_since(hour().end()).as_secs();
        assert_eq!(Ok(found.oldest_unsettled_seconds), waited.try_into());
        assert_eq!(found.sums.open, 3);
    }
}

/// As if posting had gone on.
fn keeping_up(_: &Step, mut answer: Answer) -> Result<Answer, StepError> {
    if let Answer::ReadCursors(cursors) = &mut answer {
        cursors.by_shard.clear();
    }
    Ok(answer)
}

#[test]
fn a_record_that_was_frozen_late_has_its_three_hours_from_then() {
    let world = settled();
    world.set_now(at("2026-11-10T15:00:00Z"));
    let frozen_at = |frozen: &'static str| {
        with_slots(&world, |slots| {
            if let SlotState::Frozen { at: since, .. } = &mut slots[0].head.state {
                *since = at(frozen);
            }
            for record in &mut slots[0].records {
                let due = at(frozen);
                record.state = RecordState::Frozen { due, alone: false };
            }
        })
    };
    let early = frozen_at("2026-11-10T11:59:59Z");
    assert_eq!(slot_faults(&early).len(), 2);
    assert_eq!((early.sums.frozen, early.sums.billed), (3, 0));
    assert_eq!(slot_faults(&frozen_at("2026-11-10T12:00:00Z")), []);
}

#[test]
fn an_item_that_cannot_be_read_is_named_and_the_rest_goes_on() {
    let world = settled();
    let corrupt = |asked: &str| {
        let asked = asked.to_owned();
        with_answers(&world, &[hour()], move |step, answer| {
            if format!("{step:?}").starts_with(&asked) {
                return Err(unreadable(&asked).into());
            }
            Ok(answer)
        })
        .unwrap()
    };
    for asked in ["ReadAccountHour", "ListReports "] {
        let found = corrupt(asked);
        let expected = format!("the stored item {asked} cannot be read: it is of format 9");
        assert_eq!(told(&found), [expected]);
        assert_eq!(found.accounts, 1, "{asked}");
    }
}

#[test]
fn of_lists_what_cannot_be_read_is_named_and_the_rest_goes_on() {
    let found = with_answers(&settled(), &[hour()], |_, mut answer| {
        if let Answer::ListReportedParts(parts) = &mut answer {
            parts.unreadable.push(unreadable("report"));
        } else if let Answer::ReadSlots(slots) = &mut answer {
            slots.unreadable.push(unreadable("slot"));
        }
        Ok(answer)
    })
    .unwrap();
    let expected = |key| format!("the stored item {key} cannot be read: it is of format 9");
    assert_eq!(told(&found), [expected("report"), expected("slot")]);
    assert_eq!(found.accounts, 1);
}

#[test]
fn a_cursor_or_marker_that_cannot_be_read_is_named_and_the_others_are_looked_at() {
    let found = with_answers(&settled(), &[hour()], |_, mut answer| {
        if let Answer::ReadCursors(cursors) = &mut answer {
            cursors.by_shard.pop_first();
            cursors.unreadable.push(unreadable("cursor"));
        } else if let Answer::ReadMarkers(markers) = &mut answer {
            markers.unreadable.push(unreadable("marker"));
        }
        Ok(answer)
    })
    .unwrap();
    let expected = |key| format!("the stored item {key} cannot be read: it is of format 9");
    assert_eq!(told(&found), [expected("cursor"), expected("marker")]);
    assert_eq!((found.accounts, found.sums.billed), (1, 3));
}

fn unreadable(key: &str) -> Unreadable {
    Unreadable {
        key: key.to_owned(),
        reason: "it is of format 9".to_owned(),
    }
}

#[test]
fn a_report_that_cannot_be_read_is_named_and_its_hour_not_compared() {
    let found = with_answers(&settled(), &[hour()], |_, mut answer| {
        if let Answer::ListReports(read) = &mut answer {
            read.reports.clear();
            read.unreadable.push(unreadable("r1"));
        }
        Ok(answer)
    })
    .unwrap();
    assert_eq!(
        told(&found),
        ["the stored item r1 cannot be read: it is of format 9"]
    );
    assert_eq!(found.sums.billed, 3);
}

#[test]
fn what_was_torn_while_it_was_read_is_no_difference_in_the_second_look() {
    let mut looks = 0;
    let found = with_answers(&settled(), &[hour()], |_, mut answer| {
        if let Answer::ReadSlots(slots) = &mut answer {
            looks += 1;
            if looks == 1 {
                slots.items.clear();
            }
        }
        Ok(answer)
    })
    .unwrap();
    assert_eq!(looks, 2);
    assert_eq!(told(&found), Vec::<String>::new());
    assert_eq!((found.accounts, found.sums.billed), (1, 3));
}

#[test]
fn a_store_that_does_not_answer_fails_the_check() {
    let failed = with_answers(&settled(), &[hour()], |step, answer| {
        if let Step::ReadSlots { .. } = step {
            return Err(StepError::Throttled);
        }
        Ok(answer)
    });
    assert_eq!(failed, Err(StepError::Throttled));
}

#[test]
fn at_most_a_hundred_differences_are_named_and_all_are_counted() {
    let world = settled();
    let found = with_slots(&world, |slots| {
        let entry = slots[0].entries[0].clone();
        slots[0].entries = (1..=150)
            .map(|later| {
                let mut entry = entry.clone();
                entry.origin = hour().plus(later);
                entry
            })
            .collect();
    });
    assert_eq!(found.differences.iter().count(), 100);
    assert!(found.differences.count() > 150);
}

#[test]
fn accounts_for_which_the_time_does_not_suffice_are_counted() {
    let world = settled();
    let found = with_answers(&world, &[hour()], |step, answer| {
        if let Step::ListReportedParts { .. } = step {
            world.set_now(after(at("2026-11-10T12:04:00Z"), INVOCATION));
        }
        Ok(answer)
    })
    .unwrap();
    assert_eq!((found.accounts, found.unchecked), (0, 1));
}

#[test]
fn an_hour_is_looked_at_by_five_hourly_runs_the_last_after_it_can_be_carried_no_more() {
    let world = settled();
    let looked_at = (0..200).filter(|hours| {
        let now = after(
            at("2026-11-10T12:30:00Z"),
            SignedDuration::from_hours(*hours),
        );
        world.set_now(now);
        let scope = Scope::of_run(now, world.rules.carry.hours);
        let found = within(&world, &scope, keeping_up).unwrap();
        assert_eq!(told(&found), Vec::<String>::new());
        found.accounts == 1
    });
    let carry = i64::from(world.rules.carry.hours);
    let looked_at: Vec<i64> = looked_at.collect();
    let once_a_day = looked_at[2];
    assert!((24..48).contains(&once_a_day));
    assert_eq!(
        looked_at,
        [0, 2, once_a_day, once_a_day + 24, once_a_day + carry]
    );
}

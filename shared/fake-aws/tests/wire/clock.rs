//! Moving the clock: order, bounds, cost.

use std::sync::{Arc, Mutex};

use fake_aws::{ClockError, Config, EVENTS, FakeAws, Fault, FaultKind, OfferKind, Schedule};
use futures_util::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::support::{at, control, fake, subscribe};

type Runs = Arc<Mutex<Vec<(String, Timestamp)>>>;

/// A schedule that is due at every whole multiple of `seconds`.
fn every(name: &str, seconds: i64, runs: &Runs) -> Schedule {
    let last = Arc::new(Mutex::new(None::<Timestamp>));
    let (seen, runs, label) = (Arc::clone(&last), Arc::clone(runs), name.to_owned());
    Schedule {
        name: name.to_owned(),
        next: Arc::new(move |now| {
            let floor = now.as_second() - now.as_second().rem_euclid(seconds);
            let due = Timestamp::from_second(floor).unwrap();
            let done = last.lock().unwrap().is_some_and(|last| last >= due);
            let next = if done { floor + seconds } else { floor };
            Some(Timestamp::from_second(next).unwrap())
        }),
        run: Arc::new(move |now| {
            *seen.lock().unwrap() = Some(now);
            runs.lock().unwrap().push((label.clone(), now));
            async {}.boxed()
        }),
    }
}

#[tokio::test]
async fn schedules_run_at_their_instants_in_the_order_they_were_added() {
    let fake = fake().await;
    let runs = Runs::default();
    fake.add_schedule(every("b", 1_800, &runs));
    fake.add_schedule(every("a", 3_600, &runs));
    fake.advance_to(at("2026-11-22T11:10:00Z")).await.unwrap();
    let runs: Vec<(String, Timestamp)> = runs.lock().unwrap().clone();
    let expected = [
        ("b", "2026-11-22T10:00:00Z"),
        ("a", "2026-11-22T10:00:00Z"),
        ("b", "2026-11-22T10:30:00Z"),
        ("b", "2026-11-22T11:00:00Z"),
        ("a", "2026-11-22T11:00:00Z"),
    ];
    assert_eq!(
        runs,
        expected.map(|(name, time)| (name.to_owned(), at(time)))
    );
    assert_eq!(fake.now(), at("2026-11-22T11:10:00Z"));
}

#[tokio::test]
async fn what_is_due_exactly_at_the_target_runs() {
    let fake = fake().await;
    let runs = Runs::default();
    fake.advance_by(SignedDuration::from_secs(1)).await.unwrap();
    fake.add_schedule(every("hourly", 3_600, &runs));
    fake.tick().await;
    runs.lock().unwrap().clear();
    fake.advance_to(at("2026-11-22T10:59:59Z")).await.unwrap();
    assert_eq!(*runs.lock().unwrap(), []);
    fake.advance_to(at("2026-11-22T11:00:00Z")).await.unwrap();
    assert_eq!(runs.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn the_clock_refuses_to_move_back() {
    let fake = fake().await;
    let refused = fake
        .advance_to(at("2026-11-22T09:59:59Z"))
        .await
        .unwrap_err();
    assert!(matches!(refused, ClockError::Backwards { .. }), "{refused}");
    fake.advance_to(fake.now()).await.unwrap();
    assert_eq!(fake.now(), at("2026-11-22T10:00:00Z"));
}

#[tokio::test]
async fn a_schedule_that_never_gets_done_is_named() {
    let fake = fake().await;
    fake.add_schedule(Schedule {
        name: "greedy".to_owned(),
        next: Arc::new(Some),
        run: Arc::new(|_| async {}.boxed()),
    });
    let refused = fake
        .advance_by(SignedDuration::from_hours(1))
        .await
        .unwrap_err();
    let ClockError::Stuck {
        schedule,
        at: stuck_at,
        ..
    } = refused
    else {
        panic!("{refused}");
    };
    assert_eq!(
        (schedule.as_str(), stuck_at),
        ("greedy", at("2026-11-22T10:00:00Z"))
    );
    assert_eq!(fake.now(), at("2026-11-22T10:00:00Z"));
}

#[tokio::test]
async fn a_schedule_may_call_the_fake_while_the_clock_moves() {
    let fake = fake().await;
    let (inner, runs) = (fake.clone(), Runs::default());
    let mut schedule = every("buyer", 3_600, &runs);
    schedule.run = Arc::new({
        let run = Arc::clone(&schedule.run);
        move |now| {
            let (fake, run) = (inner.clone(), Arc::clone(&run));
            async move {
                run(now).await;
                subscribe(&fake, OfferKind::Public).await;
            }
            .boxed()
        }
    });
    fake.add_schedule(schedule);
    fake.advance_by(SignedDuration::from_hours(3))
        .await
        .unwrap();
    let since: Vec<Timestamp> = fake.agreements().iter().map(|a| a.accepted_at).collect();
    let hours = ["10", "11", "12", "13"].map(|hour| at(&format!("2026-11-22T{hour}:00:00Z")));
    assert_eq!(since, hours);
}

#[tokio::test]
async fn a_flowing_clock_keeps_what_it_was_advanced() {
    let fake = FakeAws::start(Config::default()).await.unwrap();
    let before = fake.now();
    fake.advance_by(SignedDuration::from_hours(48))
        .await
        .unwrap();
    let later = fake.now();
    assert!(later >= before.checked_add(SignedDuration::from_hours(48)).unwrap());
    assert!(fake.now() >= later);
    assert!(fake.advance_to(before).await.is_err());
}

#[tokio::test]
async fn on_a_clock_that_flows_by_itself_a_tick_runs_what_is_due() {
    let fake = FakeAws::start(Config::default()).await.unwrap();
    let (runs, received) = (Runs::default(), Arc::new(Mutex::new(Vec::new())));
    fake.add_schedule(every("hourly", 3_600, &runs));
    let seen = Arc::clone(&received);
    fake.on_event(Arc::new(move |event| {
        seen.lock().unwrap().push(event["detail-type"].clone());
        async { Ok(()) }.boxed()
    }));
    let mut delay = Fault::new(EVENTS, FaultKind::Delay, 2);
    delay.delay_ms = Some(1);
    fake.inject_fault(delay).unwrap();
    subscribe(&fake, OfferKind::Public).await;
    let due = fake
        .now()
        .checked_add(SignedDuration::from_millis(1))
        .unwrap();
    while fake.now() < due {
        tokio::task::yield_now().await;
    }
    assert_eq!(runs.lock().unwrap().len(), 0);
    assert_eq!(received.lock().unwrap().len(), 0);
    fake.tick().await;
    assert_eq!(runs.lock().unwrap()[0].0, "hourly");
    assert_eq!(
        *received.lock().unwrap(),
        [
            "Purchase Agreement Created - Proposer",
            "License Updated - Manufacturer"
        ]
    );
}

#[tokio::test]
async fn on_a_clock_that_flows_by_itself_a_tick_ends_although_a_schedule_never_gets_done() {
    let fake = FakeAws::start(Config::default()).await.unwrap();
    let runs = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&runs);
    fake.add_schedule(Schedule {
        name: "greedy".to_owned(),
        next: Arc::new(Some),
        run: Arc::new(move |_| {
            *counted.lock().unwrap() += 1;
            async {}.boxed()
        }),
    });
    fake.tick().await;
    assert_eq!(*runs.lock().unwrap(), 10_000);
}

#[tokio::test]
async fn a_move_whose_connection_is_cut_comes_to_its_end_and_the_next_one_waits_for_it() {
    let fake = fake().await;
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let waited_at = Arc::clone(&gate);
    let done = Arc::new(Mutex::new(false));
    let (asked, passed) = (Arc::clone(&done), Arc::clone(&done));
    fake.add_schedule(Schedule {
        name: "slow".to_owned(),
        next: Arc::new(move |_| (!*asked.lock().unwrap()).then(|| at("2026-11-22T11:00:00Z"))),
        run: Arc::new(move |_| {
            let (gate, passed) = (Arc::clone(&waited_at), Arc::clone(&passed));
            async move {
                gate.acquire().await.unwrap().forget();
                *passed.lock().unwrap() = true;
            }
            .boxed()
        }),
    });
    let body = json!({"set": "2026-11-22T12:00:00Z"});
    {
        let mut cut = Box::pin(control(&fake, "/_fake/clock", &body));
        while fake.now() < at("2026-11-22T11:00:00Z") {
            assert!((&mut cut).now_or_never().is_none());
            tokio::task::yield_now().await;
        }
    }
    gate.add_permits(1);
    let body = json!({"advance_seconds": 60});
    let (status, answer) = control(&fake, "/_fake/clock", &body).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["now"], "2026-11-22T12:01:00Z");
}

#[tokio::test]
async fn a_deterministic_fake_repeats_its_ids() {
    let (first, second) = (fake().await, fake().await);
    let made = subscribe(&first, OfferKind::Public).await;
    assert_eq!(made, subscribe(&second, OfferKind::Public).await);
    assert_ne!(made, subscribe(&first, OfferKind::Public).await);
}

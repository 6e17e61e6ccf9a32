use super::*;

fn amended(of: u8, seconds: i64, ends_in_days: i64) -> Fact {
    let ends_at = after(start(), SignedDuration::from_hours(24 * ends_in_days));
    let kind = EventKind::AgreementAmended(AgreementTerms {
        intent: Intent::Amend,
        starts_at: None,
        ends_at: Some(ends_at),
        previous: None,
        auto_renewal: None,
    });
    fact(event(of, seconds, None, kind))
}

/// The same, learned after everything else.
fn late(fact: Fact) -> Fact {
    Fact {
        learned_at: seconds(100_000),
        ..fact
    }
}

/// The first of the facts, why it changes nothing, if so, beside the others.
fn of_first(facts: &[Fact]) -> Option<Idle<'_>> {
    idle(&facts[0], facts)
}

#[test]
fn an_event_that_is_older_than_what_is_known_names_what_is_newer() {
    let newest = amended(1, 400, 90);
    let facts = [
        late(amended(1, 100, 30)),
        created(1, 0, Intent::New),
        updated(1, 1),
        said(1, 300, EventKind::AdvisoryIssued),
        amended(1, 200, 60),
        newest.clone(),
    ];
    assert_eq!(of_first(&facts), Some(Idle::Older { than: &newest }));
    assert_eq!(idle(&newest, &facts), None);
}

#[test]
fn what_comes_late_but_says_something_has_an_effect() {
    let facts = [
        created(1, 0, Intent::New),
        updated(1, 1),
        ended(1, 500, EndedStatus::Cancelled),
        deprovisioned(1, 501),
    ];
    for fact in &facts {
        assert_eq!(idle(fact, &facts), None, "{fact:?}");
    }
}

#[test]
fn an_advisory_that_was_resolved_is_older_than_that_if_it_comes_after_it() {
    let resolved = said(1, 400, EventKind::AdvisoryResolved);
    let facts = [
        late(said(1, 100, EventKind::AdvisoryIssued)),
        created(1, 0, Intent::New),
        updated(1, 1),
        said(1, 200, EventKind::AdvisoryResolved),
        said(1, 300, EventKind::AdvisoryIssued),
        resolved.clone(),
    ];
    assert_eq!(of_first(&facts), Some(Idle::Older { than: &resolved }));
    // Those that came in their order had their effect.
    for fact in &facts[3..] {
        assert_eq!(idle(fact, &facts), None, "{fact:?}");
    }
}

#[test]
fn another_update_of_the_license_had_aws_asked() {
    let facts = [updated(1, 500), created(1, 0, Intent::New), updated(1, 1)];
    assert_eq!(of_first(&facts), None);
}

#[test]
fn an_end_told_once_more_under_another_id_is_known() {
    let mut again = event(1, 500, Some(0), EventKind::LicenseDeprovisioned);
    again.id = EventId::parse("the-other-suffix").unwrap();
    let facts = [
        late(fact(again)),
        updated(1, 1),
        created(1, 0, Intent::New),
        deprovisioned(1, 500),
    ];
    assert_eq!(of_first(&facts), Some(Idle::Known));
    assert_eq!(idle(&facts[3], &facts), None, "it was first");
}

#[test]
fn what_an_answer_says_too_was_told_first_all_the_same() {
    let facts = [
        amended(1, 100, 30),
        updated(1, 1),
        renewals::answer(renewals::described(1, 0, 200, None)),
    ];
    assert_eq!(of_first(&facts), None);
}

#[test]
fn what_waits_for_its_license_is_not_idle() {
    let facts = [created(1, 0, Intent::New)];
    assert_eq!(of_first(&facts), None);
}

#[test]
fn what_is_only_for_people_or_not_understood_says_so() {
    let status = EndedStatus::Unrecognized("ARCHIVED".to_owned());
    for (kind, why) in [
        (EventKind::BillingAdjustment, Idle::ForPeople),
        (EventKind::RenewalTermsFinalized, Idle::ForPeople),
        (EventKind::Unrecognized, Idle::NotUnderstood),
        (EventKind::AgreementEnded { status }, Idle::NotUnderstood),
    ] {
        let facts = [said(1, 50, kind), created(1, 0, Intent::New), updated(1, 1)];
        assert_eq!(of_first(&facts), Some(why));
    }
    let again = NotifiedAction::Unrecognized("resubscribe".to_owned());
    assert_eq!(of_first(&[notified(9, again)]), Some(Idle::NotUnderstood));
    let failed = notified(9, NotifiedAction::SubscribeFail);
    assert_eq!(of_first(&[failed]), Some(Idle::ForPeople));
}

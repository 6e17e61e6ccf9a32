use super::*;
use crate::account::{AccountName, decide_open};
use crate::audit::Actor;
use crate::ids::ProductCode;
use crate::license::License;
use crate::linking::{Authority, LinkSituation, decide_link, decide_unlink};
use crate::policy::SubscriptionPolicy;
use crate::sign_in::{SignInMethod, SignInRefusal, Subject};

const LICENSE: &str = "l-0123456789abcdef0123456789abcdef";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-22T10:00:00Z")
}

fn person(name: &str, support: bool) -> SignedIn {
    SignedIn {
        email: UserEmail::parse(format!("{name}@example.com")).unwrap(),
        subject: Subject::parse(format!("sub-{name}")).unwrap(),
        method: SignInMethod::Credentials,
        at: now(),
        email_verified: true,
        support,
    }
}

fn grounds() -> Grounds {
    Grounds {
        reason: Reason::parse("The buyer left the company").unwrap(),
        ticket: Ticket::parse("T-42").unwrap(),
    }
}

fn policy(support_approval: SupportApproval) -> SubscriptionPolicy {
    SubscriptionPolicy {
        support_approval,
        ..SubscriptionPolicy::new(
            AwsAccountId::parse("111122223333").unwrap(),
            [ProductCode::parse("product").unwrap()],
        )
    }
}

fn account(id: &str) -> Account {
    let id = AccountId::parse(id).unwrap();
    let name = AccountName::parse(format!("Name of {id}")).unwrap();
    let policy = policy(SupportApproval::One);
    let opened = decide_open(None, &id, &name, None, &Actor::Product, now(), &policy);
    let Ok(Decision::Commit(change)) = opened else {
        panic!("{opened:?}");
    };
    let [account] = change.accounts.try_into().unwrap();
    Account {
        version: 1,
        ..account
    }
}

fn license() -> License {
    serde_json::from_value(serde_json::json!({
        "id": LICENSE,
        "arn": format!("arn:aws:license-manager::111122223333:license:{LICENSE}"),
        "product": "product",
        "buyer": "999988887777",
        "agreement": null,
        "agreements": [],
        "offer": null,
        "agreement_since": null, "agreement_ends_at": null, "succession": null,
        "notices": crate::license::Notices::default(), "pricing": [], "entitlements": null,
        "asks": crate::license::Asks::default(), "due_at": null,
        "status": {"active": {"since": "2026-11-22T09:00:00Z"}},
        "linked": null,
        "former": null,
    }))
    .unwrap()
}

/// The license linked to an account by support.
fn linked(
    account: &Account,
    mandate: Mandate<'_>,
    who: &SignedIn,
    approval: SupportApproval,
) -> Result<Change, LinkRefusal> {
    let license = License {
        version: 1,
        ..license()
    };
    let situation = LinkSituation::new(account, &license, None, None).unwrap();
    let authority = Authority::Support {
        signed_in: who,
        mandate,
    };
    match decide_link(&situation, &authority, now(), &policy(approval))? {
        Decision::Commit(change) => Ok(change),
        Decision::AlreadyCommitted => panic!("it was linked before"),
    }
}

fn request(by: &SignedIn, account: &Account) -> SupportRequest {
    let order = SupportOrder::Transfer {
        license: LicenseId::parse(LICENSE).unwrap(),
        to: account.id.clone(),
    };
    let basis = Basis::parse("0".repeat(64)).unwrap();
    SupportRequest {
        version: 1,
        ..SupportRequest::new(order, grounds(), basis, by, now())
    }
}

fn texts(change: &Change) -> Vec<&str> {
    let told = change.outbound.iter().filter_map(|event| {
        if let OutboundEvent::ChangedBySupport { text, .. } = event {
            Some(text.as_str())
        } else {
            None
        }
    });
    told.collect()
}

#[test]
fn support_needs_a_reason_a_ticket_and_its_own_credential_sign_in() {
    let north = account("north");
    let sue = person("sue", true);
    let one = SupportApproval::One;
    let refused = linked(&north, Mandate::NotYet, &sue, one);
    assert_eq!(refused, Err(LinkRefusal::GroundsRequired));
    let grounds = grounds();
    let own = Mandate::Own(&grounds);
    assert_eq!(
        linked(&north, own, &person("eve", false), one),
        Err(LinkRefusal::NotAMember)
    );
    let saml = SignedIn {
        method: SignInMethod::Federated {
            provider: "corporate".to_owned(),
        },
        ..sue.clone()
    };
    assert!(matches!(
        linked(&north, own, &saml, one),
        Err(LinkRefusal::SignIn(
            SignInRefusal::CredentialsRequired { .. }
        ))
    ));
    assert!(linked(&north, own, &sue, one).is_ok());
}

#[test]
fn reasons_and_tickets_are_one_line_of_bounded_length() {
    assert_eq!(Reason::parse("  left  ").unwrap().as_str(), "left");
    assert!(Reason::parse("a".repeat(500)).is_ok());
    assert!(Ticket::parse("a".repeat(64)).is_ok());
    for text in ["", "   ", "a\nb", "a\r\nX-Header: 1", "\u{7f}"] {
        assert!(Reason::parse(text).is_err(), "{text:?}");
        assert!(Ticket::parse(text).is_err(), "{text:?}");
    }
    assert!(Reason::parse("a".repeat(501)).is_err());
    assert!(Ticket::parse("a".repeat(65)).is_err());
}

#[test]
fn where_two_are_needed_one_alone_decides_nothing() {
    let north = account("north");
    let (sue, tom) = (person("sue", true), person("tom", true));
    let two = SupportApproval::Two;
    let grounds = grounds();
    let alone = linked(&north, Mandate::Own(&grounds), &sue, two);
    assert_eq!(alone, Err(LinkRefusal::ApprovalRequired));
    let asked = request(&sue, &north);
    let own = linked(&north, Mandate::Request(&asked), &sue, two);
    assert_eq!(own, Err(RequestRefusal::OwnRequest.into()));

    let change = linked(&north, Mandate::Request(&asked), &tom, two).unwrap();
    let [settled] = &change.requests[..] else {
        panic!("{:?}", change.requests);
    };
    assert_eq!((&settled.id, settled.version), (&asked.id, asked.version));
    let done = RequestState::CarriedOut {
        by: tom.email.clone(),
        at: now(),
    };
    assert_eq!(settled.state, done);
    let by = Actor::Support {
        email: sue.email,
        grounds,
        approved_by: Some(tom.email.clone()),
    };
    assert!(change.audit.iter().any(|entry| entry.by == by));
    let again = linked(&north, Mandate::Request(settled), &tom, two);
    assert_eq!(again, Err(RequestRefusal::Settled(done).into()));
}

#[test]
fn a_request_can_be_approved_for_24_hours() {
    let asked = request(&person("sue", true), &account("north"));
    let tom = person("tom", true).email;
    let last = at("2026-11-23T09:59:59.999999999Z");
    assert_eq!(asked.may_be_approved_by(&tom, last), Ok(()));
    assert!(asked.is_waiting(last));
    let ended = at("2026-11-23T10:00:00Z");
    assert_eq!(
        asked.may_be_approved_by(&tom, ended),
        Err(RequestRefusal::Expired { at: ended })
    );
    assert!(!asked.is_waiting(ended));
}

#[test]
fn a_declined_request_is_not_carried_out() {
    let north = account("north");
    let (sue, tom) = (person("sue", true), person("tom", true));
    let asked = request(&sue, &north);
    let Ok(Decision::Commit(change)) = decide_decline(&asked, &tom, now()) else {
        panic!("nothing to decline");
    };
    let declined = &change.requests[0];
    assert_eq!(
        linked(
            &north,
            Mandate::Request(declined),
            &tom,
            SupportApproval::Two
        ),
        Err(RequestRefusal::Settled(declined.state.clone()).into())
    );
    assert_eq!(
        decide_decline(declined, &sue, now()),
        Ok(Decision::AlreadyCommitted)
    );
    assert!(decide_decline(&asked, &person("eve", false), now()).is_err());
}

#[test]
fn the_customer_is_told_what_was_done_and_why_and_what_follows() {
    let north = account("north");
    let sue = person("sue", true);
    let grounds = grounds();
    let change = linked(&north, Mandate::Own(&grounds), &sue, SupportApproval::One).unwrap();
    assert_eq!(
        texts(&change),
        [
            "As asked for in ticket T-42, the AWS Marketplace subscription of the AWS account \
             ••••••••7777 was linked to \"Name of north\" by our support on 22 November 2026, \
             10:00:00 UTC. From then on it pays for the account. Reason given: The buyer left \
             the company"
        ]
    );
    let [subscribed] = change.accounts.try_into().unwrap();
    let [license] = change.licenses.try_into().unwrap();
    let authority = Authority::Support {
        signed_in: &sue,
        mandate: Mandate::Own(&grounds),
    };
    let one = policy(SupportApproval::One);
    let later = at("2026-11-22T10:05:00Z");
    let unlinked = decide_unlink(&subscribed, &license, &authority, later, &one);
    let Ok(Decision::Commit(change)) = unlinked else {
        panic!("{unlinked:?}");
    };
    assert_eq!(
        texts(&change),
        [
            "As asked for in ticket T-42, the AWS Marketplace subscription of the AWS account \
             ••••••••7777, which paid for \"Name of north\", was unlinked from this account by \
             our support on 22 November 2026, 10:05:00 UTC. The account has 48 hours of grace, \
             until 24 November 2026, 10:05:00 UTC. After that it is \"Trial or Subscription \
             Expired\" until a subscription is linked to it again. Reason given: The buyer left \
             the company"
        ]
    );
}

#[test]
fn the_name_of_a_request_is_read_again_and_nothing_else_is() {
    let asked = request(&person("sue", true), &account("north"));
    let id = SupportRequestId::parse(asked.id.as_str()).unwrap();
    assert_eq!((id.day(), &id), ("2026-11-22", &asked.id));
    for text in [
        "",
        "2026-11-22",
        "2026-11-22.",
        "2026-13-22.0123456789abcdef",
        "2026-11-22#0123456789abcdef",
        "2026-11-22.0123456789abcdeg",
        "2026-11-22.0123456789abcdef0",
    ] {
        assert!(SupportRequestId::parse(text).is_err(), "{text}");
    }
}

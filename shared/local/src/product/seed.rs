//! The users and accounts that the local stack starts with.

use app::App;
use app::accounts::AccountError;
use domain::account::{AccountName, AccountState};
use domain::audit::Actor;
use domain::hour::after;
use domain::ids::{AccountId, InvalidId, UserEmail};
use domain::member::Role;
use jiff::{SignedDuration, Timestamp};
use ring::digest;
use store::StoreError;

use crate::issuer::{Method, User, subject_of};

/// An account with a large fleet, in its trial.
pub const ACME_PRODUCTION: &str = "acme-production";
/// A small account of the same company, in its trial.
pub const ACME_STAGING: &str = "acme-staging";
/// An account with an annual subscription.
pub const GLOBEX: &str = "globex";

/// Somebody who can sign in to the local stack.
#[derive(Debug, Clone, Copy)]
pub struct Person {
    /// E-mail address.
    pub email: &'static str,
    /// Name.
    pub name: &'static str,
    /// How they sign in.
    pub proof: Proof,
    /// Whether they are the seller's support.
    pub support: bool,
}

/// How somebody signs in.
#[derive(Debug, Clone, Copy)]
pub enum Proof {
    /// By a password.
    Password(&'static str),
    /// By a password and a one-time code, which the issuer's page `/authenticator` shows.
    PasswordAndCode(&'static str),
    /// By SAML single sign-on.
    Saml,
}

const ALICE: Person = customer(
    "alice@example.com",
    "Alice Admin",
    Proof::Password("alice-local"),
);
const BOB: Person = customer(
    "bob@example.com",
    "Bob Reader",
    Proof::Password("bob-local"),
);
const SAM: Person = customer("sam@example.com", "Sam Saml", Proof::Saml);
const MIA: Person = customer(
    "mia@example.com",
    "Mia Mfa",
    Proof::PasswordAndCode("mia-local"),
);
const SUE: Person = support(
    "sue@example.com",
    "Sue Support",
    Proof::Password("sue-local"),
);
const TOM: Person = support(
    "tom@example.com",
    "Tom Second",
    Proof::Password("tom-local"),
);

const PEOPLE: [Person; 6] = [ALICE, BOB, SAM, MIA, SUE, TOM];

const fn customer(email: &'static str, name: &'static str, proof: Proof) -> Person {
    Person {
        email,
        name,
        proof,
        support: false,
    }
}

const fn support(email: &'static str, name: &'static str, proof: Proof) -> Person {
    Person {
        email,
        name,
        proof,
        support: true,
    }
}

/// A user of every kind, and two of support, so that one can approve what the
/// other asks for.
pub const fn people() -> &'static [Person] {
    &PEOPLE
}

/// The people as users of the issuer.
pub(crate) fn users() -> Vec<User> {
    PEOPLE
        .iter()
        .map(|person| User {
            email: person.email.to_owned(),
            name: person.name.to_owned(),
            subject: subject_of(person.email),
            email_verified: true,
            method: match person.proof {
                Proof::Password(password) => Method::Password(password.to_owned()),
                Proof::PasswordAndCode(password) => Method::PasswordAndCode {
                    password: password.to_owned(),
                    secret: digest::digest(&digest::SHA256, person.email.as_bytes())
                        .as_ref()
                        .to_vec(),
                },
                Proof::Saml => Method::Saml {
                    provider: "ExampleCorpSaml".to_owned(),
                },
            },
            groups: match person.support {
                true => vec!["support".to_owned()],
                false => Vec::new(),
            },
        })
        .collect()
}

/// Why the accounts could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum SeedError {
    /// A built-in name breaks a rule.
    #[error(transparent)]
    Invalid(#[from] InvalidId),
    /// The store or a rule refused.
    #[error("an account could not be opened")]
    Account(#[from] AccountError),
}

/// Opens the three accounts and makes the people their members. Repeating it
/// makes up for what an earlier start was killed before, and changes nothing
/// that is there.
pub(crate) async fn open_accounts(app: &App, now: Timestamp) -> Result<(), SeedError> {
    let by = Actor::Product;
    let [alice, bob, sam] = [ALICE, BOB, SAM].map(|person| person.email);
    let (full, read) = (Role::FullAccess, Role::ReadOnly);
    for (id, name, members) in [
        (
            ACME_PRODUCTION,
            "Acme Production",
            vec![(alice, full), (sam, full), (bob, read)],
        ),
        (ACME_STAGING, "Acme Staging", vec![(alice, full)]),
        (GLOBEX, "Globex", vec![(alice, full), (bob, full)]),
    ] {
        let id = AccountId::parse(id)?;
        if stored(app.store.account(&id).await)?.is_none() {
            app.open_account(&id, &AccountName::parse(name)?, None, &by)
                .await?;
        }
        for (email, role) in members {
            let email = UserEmail::parse(email)?;
            if stored(app.store.role(&id, &email).await)?.is_none() {
                app.put_member(&id, &email, role, &by).await?;
            }
        }
    }
    let globex = AccountId::parse(GLOBEX)?;
    let in_trial = stored(app.store.account(&globex).await)?
        .is_some_and(|account| matches!(account.state, AccountState::Trial { .. }));
    if in_trial {
        let ends_at = after(now, SignedDuration::from_hours(365 * 24));
        app.activate_annual(&globex, Some(ends_at), &by).await?;
    }
    Ok(())
}

fn stored<T>(read: Result<T, StoreError>) -> Result<T, AccountError> {
    read.map_err(AccountError::from)
}

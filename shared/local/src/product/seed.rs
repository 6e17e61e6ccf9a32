//! The users and accounts that the local stack starts with.

use app::App;
use app::accounts::AccountError;
use domain::account::{AccountName, AccountState};
use domain::audit::Actor;
use domain::hour::after;
use domain::ids::{AccountId, InvalidId, UserEmail};
use domain::member::Role;
use jiff::{SignedDuration, Timestamp};
use store::StoreError;

use crate::issuer::{Method, User};

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
    /// Password; `None` for SAML single sign-on.
    pub password: Option<&'static str>,
}

const PEOPLE: [Person; 3] = [
    Person {
        email: "alice@example.com",
        name: "Alice Admin",
        password: Some("alice-local"),
    },
    Person {
        email: "bob@example.com",
        name: "Bob Reader",
        password: Some("bob-local"),
    },
    Person {
        email: "sam@example.com",
        name: "Sam Saml",
        password: None,
    },
];

/// Two users with credentials, one with SAML single sign-on.
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
            email_verified: true,
            method: match person.password {
                Some(password) => Method::Password(password.to_owned()),
                None => Method::Saml {
                    provider: "ExampleCorpSaml".to_owned(),
                },
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
    let [alice, bob, sam] = PEOPLE.map(|person| person.email);
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

//! Accounts, members, licenses, links, registrations: the `Subscriptions` table.

//! Who may do what with an account.

use serde::{Deserialize, Serialize};

use crate::ids::{AccountId, UserEmail};

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// May link, unlink, and see the payer.
    FullAccess,
    /// Sees state and usage, the payer masked.
    ReadOnly,
}

impl Role {
    /// The role as stored, and as the product's API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FullAccess => "full_access",
            Self::ReadOnly => "read_only",
        }
    }
}

/// A user's membership in an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// The account.
    pub account: AccountId,
    /// The user.
    pub user: UserEmail,
    /// What they may do.
    pub role: Role,
}

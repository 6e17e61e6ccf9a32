//! The numbers and choices of the seller that the rules of subscriptions depend on.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use crate::ids::{AwsAccountId, ProductCode, ProductId};

/// How long a former payer's account goes on: exactly 48 hours (FAQ, statement 7).
pub const GRACE: SignedDuration = SignedDuration::from_hours(48);

/// How long before a trial's end the customer is reminded of it, the earliest first.
pub const TRIAL_REMINDERS: [SignedDuration; 2] = [
    SignedDuration::from_hours(7 * 24),
    SignedDuration::from_hours(24),
];

/// How long before a grace's end the customer is reminded of it, the earliest first.
pub const GRACE_REMINDERS: [SignedDuration; 2] = [
    SignedDuration::from_hours(24),
    SignedDuration::from_hours(4),
];

/// How old a sign-in may be when a license is linked or unlinked.
pub const SIGN_IN_FRESH_FOR: SignedDuration = SignedDuration::from_mins(15);

/// How long a registration session lives, by our clock.
pub const REGISTRATION_FOR: SignedDuration = SignedDuration::from_hours(4);

/// How long a sign-in may be under way at the issuer: long enough for somebody
/// who signs up there and waits for a mail.
pub const PENDING_SIGN_IN_FOR: SignedDuration = SignedDuration::from_hours(1);

/// How long a sign-in session lives.
pub const SIGN_IN_FOR: SignedDuration = SignedDuration::from_hours(12);

/// How long a deleted account can be restored: 30 days.
pub const RESTORABLE_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// How long something that support asks a second person to approve may wait: 24 hours.
pub const SUPPORT_REQUEST_FOR: SignedDuration = SignedDuration::from_hours(24);

/// The window in which graces of one account are counted: 30 days.
pub const GRACES_COUNTED_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// The grace of an account within [`GRACES_COUNTED_FOR`] that is one too many:
/// alternating a license between two accounts would make usage free.
pub const REPEATED_GRACE: usize = 3;

/// What the seller chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionPolicy {
    /// The seller's AWS account: events of another one change nothing.
    pub seller: AwsAccountId,
    /// The products sold here: tokens and events of another one change nothing.
    pub products: BTreeSet<ProductCode>,
    /// By which ids agreements name these products. One that names no id of
    /// these is another product's.
    pub product_ids: BTreeMap<ProductId, ProductCode>,
    /// How long a new account may try the product. 30 days unless set otherwise.
    pub trial: SignedDuration,
    /// What the third grace of an account in 30 days does.
    pub repeated_grace: RepeatedGrace,
    /// How many people of support it takes to unlink or transfer a license.
    pub support_approval: SupportApproval,
}

/// How many people of support it takes to unlink or transfer a license.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SupportApproval {
    /// One: it is done at once.
    #[default]
    One,
    /// Two: a second person approves it first.
    Two,
}

/// What the third grace of an account in 30 days does, beside raising an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RepeatedGrace {
    /// It is granted.
    #[default]
    Granted,
    /// The account expires at once, and the confirmation says so.
    Refused,
}

impl SubscriptionPolicy {
    /// The defaults for a seller and the products sold.
    pub fn new(seller: AwsAccountId, products: impl IntoIterator<Item = ProductCode>) -> Self {
        Self {
            seller,
            products: products.into_iter().collect(),
            product_ids: BTreeMap::new(),
            trial: SignedDuration::from_hours(30 * 24),
            repeated_grace: RepeatedGrace::default(),
            support_approval: SupportApproval::default(),
        }
    }

    /// The same, agreements naming a product of it by this id.
    #[must_use]
    pub fn naming(mut self, product: ProductCode, id: ProductId) -> Self {
        self.product_ids.insert(id, product);
        self
    }
}

impl SubscriptionPolicy {
    /// Whether the grace that would be this many within 30 days is refused.
    pub(crate) fn refuses_grace(&self, within_30_days: usize) -> bool {
        match self.repeated_grace {
            RepeatedGrace::Granted => false,
            RepeatedGrace::Refused => within_30_days >= REPEATED_GRACE,
        }
    }
}

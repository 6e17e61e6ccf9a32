//! Metered quantities.

use serde::{Deserialize, Serialize};

/// A metered quantity: a whole number from 0 to 2,147,483,647, the range of
/// AWS Marketplace's `Quantity` (an Integer shape in the Metering API's model).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(try_from = "u32", into = "u32")]
pub struct Quantity(u32);

/// A quantity, or a sum of quantities, above what AWS accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a quantity is at most 2,147,483,647")]
pub struct QuantityTooLarge;

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest quantity of one usage record.
    pub const MAX: Self = Self(i32::MAX.unsigned_abs());

    /// A quantity in units of its dimension.
    ///
    /// # Errors
    /// [`QuantityTooLarge`] above 2,147,483,647.
    pub const fn new(units: u32) -> Result<Self, QuantityTooLarge> {
        if units <= Self::MAX.0 {
            Ok(Self(units))
        } else {
            Err(QuantityTooLarge)
        }
    }

    /// The units.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The sum.
    ///
    /// # Errors
    /// [`QuantityTooLarge`] when it exceeds 2,147,483,647.
    pub fn sum(quantities: impl IntoIterator<Item = Self>) -> Result<Self, QuantityTooLarge> {
        quantities.into_iter().try_fold(Self::ZERO, |sum, q| {
            sum.0
                .checked_add(q.0)
                .ok_or(QuantityTooLarge)
                .and_then(Self::new)
        })
    }
}

impl TryFrom<u32> for Quantity {
    type Error = QuantityTooLarge;
    fn try_from(units: u32) -> Result<Self, QuantityTooLarge> {
        Self::new(units)
    }
}

impl From<Quantity> for u32 {
    fn from(quantity: Quantity) -> u32 {
        quantity.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_above_what_aws_accepts_is_refused() {
        assert_eq!(
            Quantity::sum([Quantity::MAX, Quantity(1)]),
            Err(QuantityTooLarge)
        );
        assert_eq!(Quantity::sum([Quantity(2), Quantity(3)]), Ok(Quantity(5)));
    }
}

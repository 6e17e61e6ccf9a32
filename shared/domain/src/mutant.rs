//! Faults to be switched on by a test: each is a mistake that a usage ledger
//! can make, and that a check must find (`tests/simulate`).
//!
//! Without the feature `mutants` there is no switch: `mutant!` is `false`
//! where it stands, and no name of a mutant is in the program.

/// Whether a mutant is switched on, by its name.
#[cfg(not(feature = "mutants"))]
#[macro_export]
macro_rules! mutant {
    ($name:ident) => {
        $crate::mutant::none()
    };
}

/// No mutant is on.
#[cfg(not(feature = "mutants"))]
#[must_use]
pub const fn none() -> bool {
    false
}

/// Whether a mutant is switched on, by its name.
#[cfg(feature = "mutants")]
#[macro_export]
macro_rules! mutant {
    ($name:ident) => {
        $crate::mutant::is_on($crate::mutant::Mutant::$name)
    };
}

#[cfg(feature = "mutants")]
mod switch;

#[cfg(feature = "mutants")]
pub use switch::{ALL, Mutant, is_on, switch_on};

//! The `marketplace-events` function.

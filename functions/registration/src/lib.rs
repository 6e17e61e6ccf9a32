//! The `registration` function.

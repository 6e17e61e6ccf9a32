//! The `usage-intake` function.

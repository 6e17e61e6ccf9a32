//! The `grace-expiry` function.

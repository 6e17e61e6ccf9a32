//! The `usage-posting` function.

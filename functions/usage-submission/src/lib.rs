//! The `usage-submission` function.

//! Errors in the log: once, with everything that caused them.

use std::error::Error;
use std::fmt;

/// An error with everything that caused it, on one line.
#[derive(Debug)]
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the outer one")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn an_error_is_logged_with_what_caused_it() {
        let error = Outer(std::io::Error::other("the inner one"));
        assert_eq!(Chain(&error).to_string(), "the outer one: the inner one");
    }
}

//! Clients that are built when they are needed.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

/// A client that is built when it is first called. Cheap to clone.
///
/// Each of the SDK's clients reads a table of AWS's Regions when it is built, 0.8
/// million instructions: half as much as all else that a function does before its
/// first poll.
pub struct Lazy<C>(Arc<LazyLock<C, Build<C>>>);

type Build<C> = Box<dyn FnOnce() -> C + Send>;

impl<C> Lazy<C> {
    /// The client that this builds.
    pub fn new(build: impl FnOnce() -> C + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(build))))
    }

    /// Builds it, if it is not built yet.
    pub fn build(&self) {
        LazyLock::force(&self.0);
    }
}

impl<C: Send + 'static> From<C> for Lazy<C> {
    fn from(built: C) -> Self {
        Self::new(|| built)
    }
}

impl<C> Clone for Lazy<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> Deref for Lazy<C> {
    type Target = C;

    fn deref(&self) -> &C {
        &self.0
    }
}

impl<C> fmt::Debug for Lazy<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lazy").finish_non_exhaustive()
    }
}

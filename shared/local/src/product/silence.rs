//! Whether the product has fallen silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the product reports nothing any more, by itself or when it is asked.
/// Cheap to clone; clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Silence(Arc<AtomicBool>);

impl Silence {
    /// It reports nothing from now on.
    pub(crate) fn fall(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether it has.
    pub(crate) fn has_fallen(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

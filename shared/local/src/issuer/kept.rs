//! What the issuer remembers for a while, each thing under a random name that
//! only its owner is told.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::NoRandomness;
use super::keys::random_text;

/// Things kept at once; beyond it a new one is not found again.
const MAX_KEPT: usize = 1_000;

/// Things that are forgotten after a while.
pub(super) struct Kept<T> {
    lifetime: SignedDuration,
    things: Mutex<HashMap<String, (Timestamp, T)>>,
}

impl<T> Kept<T> {
    /// Nothing yet; what is put here is found for `lifetime`.
    pub(super) fn for_a(lifetime: SignedDuration) -> Self {
        Self {
            lifetime,
            things: Mutex::new(HashMap::new()),
        }
    }

    /// Keeps a thing; the name to find it by.
    pub(super) fn put(&self, thing: T, now: Timestamp) -> Result<String, NoRandomness> {
        let name = random_text()?;
        let mut things = lock(&self.things);
        things.retain(|_, (at, _)| now.duration_since(*at) < self.lifetime);
        if things.len() < MAX_KEPT {
            things.insert(name.clone(), (now, thing));
        }
        Ok(name)
    }

    /// Takes a thing away: a second call finds nothing.
    pub(super) fn take(&self, name: &str, now: Timestamp) -> Option<T> {
        let (at, thing) = lock(&self.things).remove(name)?;
        (now.duration_since(at) < self.lifetime).then_some(thing)
    }

    /// Looks at a thing, or changes it, where it is.
    pub(super) fn with<R>(
        &self,
        name: &str,
        now: Timestamp,
        look: impl FnOnce(&mut T) -> R,
    ) -> Option<R> {
        let mut things = lock(&self.things);
        let (at, thing) = things.get_mut(name)?;
        (now.duration_since(*at) < self.lifetime).then(|| look(thing))
    }
}

/// The lock, also after a panic elsewhere: what it guards is whole at all times.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

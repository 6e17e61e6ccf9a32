//! A folder for a stack that keeps its state.

use std::path::PathBuf;

/// A data directory that goes with the test.
pub(crate) struct DataDir(pub(crate) PathBuf);

impl DataDir {
    /// An empty one, of this name and process.
    pub(crate) fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let path = path.join(format!("{name}-{}", std::process::id()));
        // Of an earlier process with this number, if of any.
        let _left = std::fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        let _left = std::fs::remove_dir_all(&self.0);
    }
}

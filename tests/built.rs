//! The programs that cargo built.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A program of the workspace, as it is written now. Cargo lists beside it
/// what it was built from.
#[track_caller]
pub(crate) fn built(name: &str) -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let target = here.parent().and_then(|deps| deps.parent()).unwrap();
    let program = target.join(name);
    assert!(program.exists(), "{name} is not built: run ./test");
    let list = std::fs::read_to_string(target.join(format!("{name}.d"))).unwrap();
    let (_, sources) = list.trim_end().split_once(": ").unwrap();
    // A space in a path is written with a backslash before it.
    for source in sources.replace("\\ ", "\u{0}").split(' ') {
        let source = PathBuf::from(source.replace('\u{0}', " "));
        let written = modified(&source);
        assert!(
            written.is_some() && written <= modified(&program),
            "{name} was built before {} was changed: run ./test",
            source.display()
        );
    }
    program
}

/// When a file was written; `None` when it is gone.
fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|about| about.modified()).ok()
}

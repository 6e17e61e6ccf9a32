//! Where things are in the project.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The project's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are one level below the root")
        .to_path_buf()
}

/// A file's text.
#[track_caller]
pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The names of the directories in a directory.
pub(crate) fn directories(path: &str) -> BTreeSet<String> {
    entries(&root().join(path))
        .into_iter()
        .filter(|path| path.is_dir())
        .map(|path| name(&path))
        .collect()
}

/// Every Rust source of a crate, as one text.
pub(crate) fn sources(path: &str) -> String {
    let mut text = String::new();
    let mut left = vec![root().join(path)];
    while let Some(next) = left.pop() {
        if next.is_dir() {
            left.extend(entries(&next));
        } else if next.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&read(&next));
        }
    }
    text
}

/// What is in a directory, in the order of names.
pub(crate) fn entries(path: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    found.sort();
    found
}

/// The last part of a path.
pub(crate) fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The script of axe, which looks for what keeps people from using a page.
pub(crate) fn axe() -> PathBuf {
    let path = root().join("target/tools/axe/node_modules/axe-core/axe.min.js");
    assert!(
        path.exists(),
        "axe is not installed in target/tools: run ./test once, it installs what the tests need"
    );
    path
}

/// A program that `./test` installs.
#[track_caller]
pub(crate) fn tool(name: &str) -> PathBuf {
    let path = root().join("target/tools/python/bin").join(name);
    assert!(
        path.exists(),
        "{name} is not installed in target/tools: run ./test once, it installs what the tests need"
    );
    path
}

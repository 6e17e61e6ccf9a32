//! The programs: built for release as `sam build` builds them, and their payloads.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::sizes;

/// A built program.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// Its size.
    pub(super) bytes: u64,
    /// Its size in a zip file.
    pub(super) zipped: u64,
}

/// The project's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The names in a directory, in order.
fn names(directory: &Path) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).context(directory.display().to_string())? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Builds hello and every function; hello is the first.
pub(super) fn build() -> anyhow::Result<Vec<Program>> {
    let functions = root().join("functions");
    let mut all = vec!["hello".to_owned()];
    for name in names(&functions)? {
        if functions.join(&name).is_dir() {
            all.push(name);
        }
    }
    // cargo-lambda names the target: what it built is not built again.
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(root())
        .args(["build", "--locked", "--release", "--target", "host-tuple"]);
    for name in &all {
        cargo.args(["--bin", name]);
    }
    ensure!(cargo.status()?.success(), "the functions are not built");
    let built = root()
        .join("target")
        .join(format!("{}-unknown-linux-gnu", std::env::consts::ARCH))
        .join("release");
    all.into_iter()
        .map(|name| {
            let path = built.join(&name);
            let (bytes, zipped) = sizes(&path).context(path.display().to_string())?;
            Ok(Program {
                name,
                path,
                bytes,
                zipped,
            })
        })
        .collect()
}

/// A function's payloads.
pub(super) fn events(function: &str) -> anyhow::Result<Vec<String>> {
    if function == "hello" {
        return Ok(Vec::new());
    }
    let directory = root().join("events").join(function);
    names(&directory)?
        .iter()
        .map(|name| Ok(std::fs::read_to_string(directory.join(name))?))
        .collect()
}

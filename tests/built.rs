//! The programs that cargo built.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::project;
use crate::template::{crate_of, functions, template};

/// A program of the workspace, as it is written now.
#[track_caller]
pub(crate) fn built(name: &str) -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let target = here.parent().and_then(|deps| deps.parent()).unwrap();
    let program = target.join(name);
    assert_newest(&program, &target.join(name));
    program
}

/// A function's program as `./test` has SAM build it, as it is written now.
#[track_caller]
pub(crate) fn built_by_sam(function: &str) -> PathBuf {
    let template = template();
    let functions = functions(&template);
    let (id, _) = functions
        .iter()
        .find(|(_, resource)| crate_of(resource) == function)
        .unwrap();
    let target = project::root().join("target");
    let program = target.join("sam/build").join(id).join("bootstrap");
    let cargo_s = format!("{}-unknown-linux-gnu/release", std::env::consts::ARCH);
    assert_newest(&program, &target.join(cargo_s).join(function));
    program
}

/// That a program was built from the sources as they are: cargo lists them beside
/// what it built.
#[track_caller]
fn assert_newest(program: &Path, by_cargo: &Path) {
    let name = by_cargo.file_name().unwrap_or_default().display();
    assert!(program.exists(), "{name} is not built: run ./test");
    let list = std::fs::read_to_string(by_cargo.with_extension("d")).unwrap();
    let (_, sources) = list.trim_end().split_once(": ").unwrap();
    // A space in a path is written with a backslash before it.
    for source in sources.replace("\\ ", "\u{0}").split(' ') {
        let source = PathBuf::from(source.replace('\u{0}', " "));
        let written = modified(&source);
        assert!(
            written.is_some() && written <= modified(program),
            "{name} was built before {} was changed: run ./test",
            source.display()
        );
    }
}

/// When a file was written; `None` when it is gone.
fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|about| about.modified()).ok()
}

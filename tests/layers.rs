//! The direction of dependencies: each crate may see what is listed for it, and
//! nothing else of ours.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DepKindInfo, DependencyKind, Metadata, MetadataCommand, Package, PackageId};

use crate::project;

/// What a crate may see of ours.
fn allowed(package: &str) -> Option<&'static [&'static str]> {
    // domain <- ledger <- store; store, marketplace <- app <- web; app <- runtime;
    // app, web, runtime <- functions/*; functions/*, fake-aws <- local <- tests.
    const FUNCTION: &[&str] = &["app", "domain", "runtime", "store", "web"];
    Some(match package {
        // What the functions are measured by is nothing of ours.
        "domain" | "fake-aws" | "hello" => &[],
        "ledger" | "marketplace" => &["domain"],
        "store" => &["domain", "ledger"],
        "app" => &["domain", "ledger", "marketplace", "store"],
        "web" => &["app", "domain", "store"],
        "runtime" => &["app", "domain", "marketplace", "store"],
        "catching-up" | "console" | "grace-expiry" | "ledger-check" | "marketplace-events"
        | "reconciliation" | "registration" | "usage-intake" | "usage-posting"
        | "usage-submission" => FUNCTION,
        "local" => &[
            "app",
            "catching-up",
            "console",
            "domain",
            "fake-aws",
            "grace-expiry",
            "ledger-check",
            "marketplace-events",
            "reconciliation",
            "registration",
            "runtime",
            "store",
            "usage-intake",
            "usage-posting",
            "usage-submission",
            "web",
        ],
        // The operator's command line: the use cases from a terminal.
        "admin" => &["app", "domain", "runtime", "store"],
        // Measured as it runs: the use cases over the real clients and the fake.
        "bench" => &[
            "app",
            "domain",
            "fake-aws",
            "ledger",
            "local",
            "runtime",
            "simulator",
            "store",
        ],
        // The procedures and rules alone: what performs their steps is its own.
        "simulator" => &["domain", "ledger"],
        "simulate" => &[
            "domain",
            "fake-aws",
            "ledger",
            "runtime",
            "simulator",
            "store",
        ],
        "system-tests" => &[],
        _ => return None,
    })
}

#[test]
fn no_crate_sees_more_than_its_layer_allows() {
    let metadata = MetadataCommand::new()
        .manifest_path(project::root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .unwrap();
    let ours: BTreeSet<&str> = metadata
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut problems = Vec::new();
    let mut in_tests: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for package in &metadata.packages {
        let name = package.name.as_str();
        let Some(allowed) = allowed(name) else {
            problems.push(format!("{name} has no place in the layers: give it one"));
            continue;
        };
        for dependency in &package.dependencies {
            let seen = dependency.name.as_str();
            // A name of ours may also be somebody else's: `console` is.
            if !ours.contains(seen) || dependency.path.is_none() {
                continue;
            }
            if dependency.kind == DependencyKind::Development {
                in_tests.entry(name).or_default().push(seen);
            } else if !allowed.contains(&seen) {
                problems.push(format!("{name} must not see {seen}"));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    for (name, seen) in in_tests {
        println!("in its tests {name} sees {}", seen.join(", "));
        // A crate's own tests may play against the fake, and against nothing above it.
        assert!(
            name == "system-tests" || seen.iter().all(|seen| *seen == "fake-aws"),
            "in its tests {name} may see fake-aws only"
        );
    }
}

/// The packages that a function's program is made of, as `name version`.
fn parts(metadata: &Metadata, function: &str) -> BTreeSet<(String, String)> {
    let package = |id: &PackageId| metadata.packages.iter().find(|one| one.id == *id).unwrap();
    let resolved = &metadata.resolve.as_ref().unwrap().nodes;
    let ours = |one: &&Package| one.name.as_str() == function && one.source.is_none();
    let root = metadata.packages.iter().find(ours);
    let mut left = vec![&root.unwrap().id];
    let mut found = BTreeSet::new();
    while let Some(id) = left.pop() {
        let part = package(id);
        if !found.insert((part.name.to_string(), part.version.to_string())) {
            continue;
        }
        let node = resolved.iter().find(|node| node.id == *id).unwrap();
        let built_in =
            |kinds: &[DepKindInfo]| kinds.iter().any(|one| one.kind == DependencyKind::Normal);
        left.extend(
            node.deps
                .iter()
                .filter(|one| built_in(&one.dep_kinds))
                .map(|one| &one.pkg),
        );
    }
    found
}

#[test]
fn a_function_holds_one_http_and_one_tls_stack() {
    const ONE: [&str; 6] = [
        "http",
        "http-body",
        "hyper",
        "ring",
        "rustls",
        "rustls-webpki",
    ];
    const OTHERS: [&str; 9] = [
        "aws-lc-rs",
        "boring",
        "curl",
        "native-tls",
        "openssl",
        "reqwest",
        "s2n-tls",
        "ureq",
        "webpki-roots",
    ];
    let metadata = MetadataCommand::new()
        .manifest_path(project::root().join("Cargo.toml"))
        .other_options(
            [
                "--locked",
                "--offline",
                "--filter-platform",
                "x86_64-unknown-linux-gnu",
            ]
            .map(ToOwned::to_owned),
        )
        .exec()
        .unwrap();
    for function in project::directories("functions") {
        let parts = parts(&metadata, &function);
        let versions = |name: &str| parts.iter().filter(|(part, _)| part == name).count();
        for name in ONE {
            assert_eq!(versions(name), 1, "{function}: {name}");
        }
        for name in OTHERS {
            assert_eq!(versions(name), 0, "{function}: {name}");
        }
    }
}

#[test]
fn every_crate_that_runs_in_a_function_or_serves_logs_below_warn() {
    let logging = project::read("shared/runtime/src/telemetry.rs");
    let crates = ["functions", "shared"].map(project::directories);
    // The command line says what it has to say, and logs nothing.
    for name in crates.iter().flatten().filter(|name| *name != "admin") {
        let target = format!("\"{}\"", name.replace('-', "_"));
        assert!(logging.contains(&target), "{target}");
    }
}

#[test]
fn every_function_is_a_crate_of_its_directorys_name() {
    for name in project::directories("functions") {
        let manifest = project::read(format!("functions/{name}/Cargo.toml"));
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
        for file in ["lib.rs", "main.rs"] {
            let path = project::root().join(format!("functions/{name}/src/{file}"));
            assert!(path.exists(), "{}", path.display());
        }
    }
}

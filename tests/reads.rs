//! Every read of a base table is strongly consistent. The embedded DynamoDB
//! cannot show the difference, so the sources are held to it; the requests
//! themselves are where the use cases are tested.

use crate::project;

/// What begins a read, in the SDK's words.
const READS: [&str; 4] = [
    ".get_item()",
    ".query()",
    "KeysAndAttributes::builder()",
    ".transact_get_items()",
];

/// The reads of a source, each to the end of its statement.
fn reads(sources: &str) -> Vec<&str> {
    READS
        .iter()
        .flat_map(|beginning| sources.split(beginning).skip(1))
        .map(|rest| rest.split(';').next().unwrap_or_default())
        .collect()
}

/// Whether a read is neither consistent nor of an index.
fn is_stale(read: &&str) -> bool {
    !read.contains(".consistent_read(true)") && !read.contains(".index_name(")
}

#[test]
fn no_read_of_a_base_table_is_eventually_consistent() {
    let sources = project::sources("shared/store/src");
    assert!(!sources.contains(".scan()"), "no Scan in a request path");
    let reads = reads(&sources);
    assert!(reads.len() >= 8, "the reads were found: {reads:#?}");
    let stale: Vec<&str> = reads.into_iter().filter(is_stale).collect();
    assert!(stale.is_empty(), "{stale:#?}");
}

#[test]
fn an_eventually_consistent_read_is_found() {
    let sources = "client.query().index_name(\"work\").send();
        client.get_item().key(\"pk\", pk).send();
        client.query().consistent_read(true).send();
        KeysAndAttributes::builder().consistent_read(false).build();";
    let stale: Vec<&str> = reads(sources).into_iter().filter(is_stale).collect();
    assert_eq!(stale.len(), 2, "{stale:#?}");
}

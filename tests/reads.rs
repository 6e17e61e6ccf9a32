//! Every read of a base table is strongly consistent. The embedded DynamoDB
//! cannot show the difference, so the sources are held to it.

use crate::project;

/// What begins a read, in the SDK's words.
const READS: [&str; 4] = [
    ".get_item()",
    ".query()",
    "KeysAndAttributes::builder()",
    ".transact_get_items()",
];

#[test]
fn no_read_of_a_base_table_is_eventually_consistent() {
    let sources = project::sources("shared/store/src");
    assert!(!sources.contains(".scan()"), "no Scan in a request path");
    let mut reads = 0;
    for beginning in READS {
        for read in sources.split(beginning).skip(1) {
            let statement = read.split(';').next().unwrap_or_default();
            reads += 1;
            assert!(
                statement.contains(".consistent_read(true)") || statement.contains(".index_name("),
                "a read that is neither consistent nor of an index: {beginning}{statement}"
            );
        }
    }
    assert!(reads > 10, "the reads were found");
}

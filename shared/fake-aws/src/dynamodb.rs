//! DynamoDB: dispatches each operation onto the embedded database.
//!
//! A request is parsed once, straight into the database's own request type,
//! and answered inline: a call takes microseconds, less than handing it to
//! another thread would.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::template::Table;

/// Why the tables were not created.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The database's file cannot be opened.
    #[error("the database file {path:?} cannot be opened: {reason}")]
    Open {
        /// The file.
        path: String,
        /// What the database said.
        reason: String,
    },
    /// A table's definition was refused.
    #[error("table {table}: {reason}")]
    Refused {
        /// The table's name.
        table: String,
        /// What the database said.
        reason: String,
    },
    /// The data directory holds this table with other keys or indexes.
    #[error(
        "table {table} was made by another version of the template ({part} differs); \
         start with an empty data directory"
    )]
    Differs {
        /// The table's name.
        table: String,
        /// Which part of the definition differs.
        part: &'static str,
    },
}

macro_rules! operations {
    ($($operation:ident => $method:ident),* $(,)?) => {
        /// A DynamoDB or DynamoDB Streams operation that is served.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Operation { $($operation),* }

        /// Every operation, in the order of their discriminants.
        const OPERATIONS: &[Operation] = &[$(Operation::$operation),*];

        impl Operation {
            /// The operation of that name, as it stands in `X-Amz-Target`.
            pub(crate) fn named(name: &str) -> Option<Operation> {
                match name {
                    $(stringify!($operation) => Some(Operation::$operation),)*
                    _ => None,
                }
            }

            /// Its name.
            pub(crate) fn name(self) -> &'static str {
                match self { $(Operation::$operation => stringify!($operation)),* }
            }
        }

        fn run(database: &Database, operation: Operation, body: &[u8]) -> Result<Vec<u8>, DynoxideError> {
            match operation {
                $(Operation::$operation => answer(body, |request| database.$method(request)),)*
            }
        }
    };
}

operations! {
    BatchGetItem => batch_get_item,
    BatchWriteItem => batch_write_item,
    CreateTable => create_table,
    DeleteItem => delete_item,
    DeleteTable => delete_table,
    DescribeStream => describe_stream,
    DescribeTable => describe_table,
    DescribeTimeToLive => describe_time_to_live,
    GetItem => get_item,
    GetRecords => get_records,
    GetShardIterator => get_shard_iterator,
    ListStreams => list_streams,
    ListTables => list_tables,
    ListTagsOfResource => list_tags_of_resource,
    PutItem => put_item,
    Query => query,
    Scan => scan,
    TagResource => tag_resource,
    TransactGetItems => transact_get_items,
    TransactWriteItems => transact_write_items,
    UntagResource => untag_resource,
    UpdateItem => update_item,
    UpdateTable => update_table,
    UpdateTimeToLive => update_time_to_live,
}

/// The embedded database and how often each operation was called.
pub(crate) struct DynamoDb {
    database: Database,
    calls: Vec<AtomicU64>,
}

/// An answer: HTTP status and JSON body.
pub(crate) type Answer = (u16, Vec<u8>);

impl DynamoDb {
    /// Opens the database (a file, or memory) and creates the tables that are
    /// not there yet.
    pub(crate) fn open(file: Option<&Path>, tables: &[Table]) -> Result<DynamoDb, TableError> {
        let database = match file {
            None => Database::memory().map_err(|error| unopened(Path::new(""), error))?,
            Some(file) => {
                if !file.exists() {
                    make(file, tables)?;
                }
                connect(file)?
            }
        };
        for table in tables {
            create(&database, table)?;
        }
        Ok(DynamoDb {
            database,
            calls: OPERATIONS.iter().map(|_| AtomicU64::new(0)).collect(),
        })
    }

    /// Serves one request.
    pub(crate) fn call(&self, operation: Operation, body: &[u8]) -> Answer {
        if let Some(count) = self.calls.get(operation as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        match run(&self.database, operation, body) {
            Ok(body) => (200, body),
            Err(error) => (error.status_code(), error.to_json().into_bytes()),
        }
    }

    /// How often each operation was called; those never called are absent.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, u64> {
        OPERATIONS
            .iter()
            .zip(&self.calls)
            .map(|(operation, count)| (operation.name(), count.load(Ordering::Relaxed)))
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}

/// Body of the error that DynamoDB's clients know by `kind`.
pub(crate) fn error(kind: &str, message: &str) -> Vec<u8> {
    let kind = format!("com.amazonaws.dynamodb.v20120810#{kind}");
    json!({"__type": kind, "message": message})
        .to_string()
        .into_bytes()
}

fn answer<Q: DeserializeOwned, A: Serialize>(
    body: &[u8],
    call: impl FnOnce(Q) -> Result<A, DynoxideError>,
) -> Result<Vec<u8>, DynoxideError> {
    let request = serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
    let answered = call(request).map_err(settled)?;
    serde_json::to_vec(&answered)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// The database marks, in the text of a parse error, which class of error
/// DynamoDB answers with; unmarked, a missing or unknown value is a
/// validation error, any other mismatch of types a serialization error.
fn unreadable(error: &serde_json::Error) -> DynoxideError {
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text);
    for marker in ["VALIDATION_REQUEST:", "VALIDATION_AS_READ:", "VALIDATION:"] {
        if let Some(message) = text.strip_prefix(marker) {
            return DynoxideError::ValidationException(message.to_owned());
        }
    }
    if let Some(message) = text.strip_prefix("SERIALIZATION:") {
        return DynoxideError::SerializationException(message.to_owned());
    }
    let validation = [
        "missing field",
        "unknown variant",
        "invalid type: null",
        "Supplied AttributeValue",
    ];
    if validation.iter().any(|part| text.contains(part)) {
        return DynoxideError::ValidationException(text.to_owned());
    }
    DynoxideError::SerializationException(text.to_owned())
}

/// A tag of the database's own that no client may see.
fn settled(error: DynoxideError) -> DynoxideError {
    if let DynoxideError::EnvelopedValidation(message) = error {
        return DynoxideError::ValidationException(message);
    }
    error
}

/// Makes the database's file with every table, or leaves no file of that name.
///
/// The database writes a table's definition before the table: a process that
/// is killed in between leaves a table that is known and cannot be used. So
/// the tables are made under another name.
fn make(file: &Path, tables: &[Table]) -> Result<(), TableError> {
    let new = file.with_extension("new");
    for left in [&new, file] {
        for path in parts(left) {
            remove(&path)?;
        }
    }
    let database = connect(&new)?;
    for table in tables {
        create(&database, table)?;
    }
    // Closed, it is one file: what is renamed must need no log beside it.
    drop(database);
    let [_, log, _] = parts(&new);
    if log.exists() {
        return Err(unopened(&new, "its log was not written back"));
    }
    std::fs::rename(&new, file).map_err(|error| unopened(file, error))
}

fn connect(file: &Path) -> Result<Database, TableError> {
    Database::new(&file.to_string_lossy()).map_err(|error| unopened(file, error))
}

/// A database's file, its log, and the index of the log.
fn parts(file: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|suffix| {
        let mut path = OsString::from(file);
        path.push(suffix);
        PathBuf::from(path)
    })
}

fn remove(file: &Path) -> Result<(), TableError> {
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(unopened(file, error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn unopened(file: &Path, reason: impl ToString) -> TableError {
    TableError::Open {
        path: file.display().to_string(),
        reason: reason.to_string(),
    }
}

fn create(database: &Database, table: &Table) -> Result<(), TableError> {
    let refused = |reason: String| TableError::Refused {
        table: table.name.clone(),
        reason,
    };
    let existing = database
        .get_table_metadata(&table.name)
        .map_err(|error| refused(error.to_string()))?;
    if let Some(existing) = existing {
        let differs = |part| TableError::Differs {
            table: table.name.clone(),
            part,
        };
        if stored(Some(&existing.key_schema)) != table.create.get("KeySchema").cloned() {
            return Err(differs("KeySchema"));
        }
        let indexes = index_names(stored(existing.gsi_definitions.as_deref()).as_ref());
        if indexes != index_names(table.create.get("GlobalSecondaryIndexes")) {
            return Err(differs("GlobalSecondaryIndexes"));
        }
        return Ok(());
    }
    let request = serde_json::from_value(table.create.clone())
        .map_err(|error| refused(unreadable(&error).to_string()))?;
    let created = database.create_table(request);
    created.map_err(|error| refused(error.to_string()))?;
    if let Some(attribute) = &table.time_to_live {
        let request = json!({
            "TableName": table.name,
            "TimeToLiveSpecification": {"AttributeName": attribute, "Enabled": true},
        });
        let request =
            serde_json::from_value(request).map_err(|error| refused(error.to_string()))?;
        let updated = database.update_time_to_live(request);
        updated.map_err(|error| refused(error.to_string()))?;
    }
    Ok(())
}

fn stored(definition: Option<&str>) -> Option<Value> {
    definition.and_then(|text| serde_json::from_str(text).ok())
}

/// Names and keys of a table's indexes, in the order of their names.
fn index_names(indexes: Option<&Value>) -> BTreeMap<String, Value> {
    let indexes = indexes.and_then(Value::as_array);
    indexes
        .into_iter()
        .flatten()
        .filter_map(|index| {
            let name = index.get("IndexName")?.as_str()?.to_owned();
            Some((name, index.get("KeySchema")?.clone()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table {
            name: "things".to_owned(),
            create: json!({
                "TableName": "things",
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "BillingMode": "PAY_PER_REQUEST",
            }),
            time_to_live: Some("expires_at".to_owned()),
        }
    }

    fn call(db: &DynamoDb, operation: &str, body: &Value) -> (u16, Value) {
        let operation = Operation::named(operation).unwrap();
        let (status, body) = db.call(operation, body.to_string().as_bytes());
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn every_operation_knows_its_name() {
        for operation in OPERATIONS {
            assert_eq!(Operation::named(operation.name()), Some(*operation));
        }
        assert_eq!(Operation::named("Nonsense"), None);
    }

    #[test]
    fn a_put_is_read_back_and_both_are_counted() {
        let db = DynamoDb::open(None, &[table()]).unwrap();
        let put = json!({"TableName": "things", "Item": {"id": {"S": "a"}, "n": {"N": "7"}}});
        assert_eq!(call(&db, "PutItem", &put), (200, json!({})));
        let get = json!({"TableName": "things", "Key": {"id": {"S": "a"}}});
        let (_, got) = call(&db, "GetItem", &get);
        assert_eq!(got["Item"]["n"]["N"], "7");
        assert_eq!(
            db.counts(),
            BTreeMap::from([("GetItem", 1), ("PutItem", 1)])
        );
    }

    #[test]
    fn errors_carry_the_class_that_clients_know() {
        let db = DynamoDb::open(None, &[table()]).unwrap();
        let missing = json!({"TableName": "nowhere", "Key": {"id": {"S": "a"}}});
        let (status, body) = call(&db, "GetItem", &missing);
        assert_eq!(status, 400);
        let kind = body["__type"].as_str().unwrap();
        assert!(kind.ends_with("#ResourceNotFoundException"), "{kind}");
        let (status, body) = call(&db, "GetItem", &json!({"TableName": 7}));
        assert_eq!(status, 400);
        let kind = body["__type"].as_str().unwrap();
        assert!(kind.ends_with("#SerializationException"), "{kind}");
        let (_, body) = call(&db, "GetItem", &json!({"TableName": "things"}));
        let kind = body["__type"].as_str().unwrap();
        assert!(kind.ends_with("#ValidationException"), "{kind}");
    }
}

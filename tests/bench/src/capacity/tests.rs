//! The embedded database's units, held against AWS's published rules
//! (Developer Guide: "DynamoDB read and write operations", "Item sizes and
//! formats", "Transactions: how it works", "Global secondary indexes"):
//!
//! - a write costs a unit for each KB begun of the larger of the item before and after;
//! - a strongly consistent read a unit for each 4 KB begun, an eventually
//!   consistent one half of that, also when nothing is found;
//! - a query reads the sum of its items, rounded once, whatever it returns of them;
//! - a transaction costs each of its writes twice, and an index's not;
//! - an index costs a unit for each KB begun of its entry when one is put or
//!   removed, both when its key changes, and nothing when it stays as it is;
//! - an item's size is that of its attributes' names and values: text in UTF-8;
//!   a number one byte for two digits, and one; a list or map three bytes, and
//!   one for each element.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, Put, TransactWriteItem, Update};

use super::{Consumed, take_token};
use crate::million::{START, Scale, live_an_hour};
use crate::world::{World, clients};

const TABLE: &str = "Usage";

type Item = HashMap<String, AttributeValue>;

/// A table, and what the latest call consumed.
struct Table {
    world: World,
    client: Client,
}

impl Table {
    async fn new() -> Self {
        let world = World::new(START.parse().unwrap()).await.unwrap();
        let client = clients(&world.counting).dynamodb;
        world.counting.take();
        Self { world, client }
    }

    async fn put(&self, item: Item) -> (u64, u64) {
        let put = self
            .client
            .put_item()
            .table_name(TABLE)
            .set_item(Some(item));
        put.send().await.unwrap();
        self.writes()
    }

    async fn put_in_transaction(&self, item: Item) -> (u64, u64) {
        let put = Put::builder()
            .table_name(TABLE)
            .set_item(Some(item))
            .build();
        let action = TransactWriteItem::builder().put(put.unwrap()).build();
        let call = self.client.transact_write_items().transact_items(action);
        call.send().await.unwrap();
        self.writes()
    }

    async fn update(&self, sk: &str, expression: &str, value: Option<&str>) -> (u64, u64) {
        let update = Update::builder()
            .table_name(TABLE)
            .key("pk", text("p"))
            .key("sk", text(sk))
            .update_expression(expression)
            .set_expression_attribute_values(
                value.map(|value| HashMap::from([(":v".to_owned(), text(value))])),
            )
            .build();
        let action = TransactWriteItem::builder().update(update.unwrap()).build();
        let call = self.client.transact_write_items().transact_items(action);
        call.send().await.unwrap();
        self.writes()
    }

    /// Half units of a read.
    async fn get(&self, sk: &str, consistent: bool) -> u64 {
        let get = self.client.get_item().table_name(TABLE);
        let get = get.key("pk", text("p")).key("sk", text(sk));
        get.consistent_read(consistent).send().await.unwrap();
        self.consumed().read_halves
    }

    async fn query(&self, pk: &str, projection: Option<&str>) -> u64 {
        let query = self.client.query().table_name(TABLE).consistent_read(true);
        query
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(pk))
            .set_projection_expression(projection.map(str::to_owned))
            .send()
            .await
            .unwrap();
        self.consumed().read_halves
    }

    fn consumed(&self) -> Consumed {
        self.world.counting.take().total()
    }

    /// Units of the table, and of its index.
    fn writes(&self) -> (u64, u64) {
        let consumed = self.consumed();
        (
            consumed.writes - consumed.index_writes,
            consumed.index_writes,
        )
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

/// An item of so many bytes: `pk`, `sk`, and `x` with the rest.
fn item(sk: &str, bytes: usize) -> Item {
    let others = "pk".len() + "p".len() + "sk".len() + sk.len() + "x".len();
    HashMap::from([
        ("pk".to_owned(), text("p")),
        ("sk".to_owned(), text(sk)),
        ("x".to_owned(), text(&"x".repeat(bytes - others))),
    ])
}

/// The same with an entry in the index.
fn due(mut item: Item) -> Item {
    item.insert("work_shard".to_owned(), text("slot#0"));
    item.insert("work_due".to_owned(), text("2026-11-22T11:10:00Z"));
    item
}

#[tokio::test]
async fn a_write_costs_a_unit_for_each_kilobyte_begun_before_or_after() {
    let table = Table::new().await;
    assert_eq!(table.put(item("a", 1024)).await, (1, 0));
    assert_eq!(table.put(item("a", 1025)).await, (2, 0));
    assert_eq!(
        table.put(item("a", 100)).await,
        (2, 0),
        "the item before was larger"
    );
    assert_eq!(table.put_in_transaction(item("b", 1024)).await, (2, 0));
    assert_eq!(table.put_in_transaction(item("b", 1025)).await, (4, 0));
    assert_eq!(table.update("b", "REMOVE x", None).await, (4, 0));
}

#[tokio::test]
async fn a_read_costs_a_unit_for_each_four_kilobytes_begun_also_of_nothing() {
    let table = Table::new().await;
    table.put(item("a", 4096)).await;
    table.put(item("b", 4097)).await;
    assert_eq!(table.get("a", true).await, 2);
    assert_eq!(table.get("b", true).await, 4);
    assert_eq!(table.get("b", false).await, 2);
    assert_eq!(table.get("missing", true).await, 2);
    assert_eq!(table.get("missing", false).await, 1);
}

#[tokio::test]
async fn a_query_is_rounded_once_and_a_batch_item_by_item() {
    let table = Table::new().await;
    for sk in ["a", "b", "c"] {
        table.put(item(sk, 1500)).await;
    }
    assert_eq!(table.query("p", None).await, 4, "4,500 bytes");
    assert_eq!(
        table.query("p", Some("pk")).await,
        4,
        "whatever is returned"
    );
    assert_eq!(table.query("nothing", None).await, 2);
    let keys = ["a", "b", "missing"]
        .map(|sk| HashMap::from([("pk".to_owned(), text("p")), ("sk".to_owned(), text(sk))]));
    let keys = KeysAndAttributes::builder().set_keys(Some(keys.to_vec()));
    let keys = keys.consistent_read(true).build().unwrap();
    let batch = table.client.batch_get_item().request_items(TABLE, keys);
    batch.send().await.unwrap();
    assert_eq!(table.consumed().read_halves, 6);
}

#[tokio::test]
async fn an_index_costs_by_what_changes_in_it_and_nothing_twice() {
    let table = Table::new().await;
    assert_eq!(table.put(due(item("a", 100))).await, (1, 1));
    assert_eq!(table.put_in_transaction(due(item("b", 100))).await, (2, 1));
    let set_other = table.update("b", "SET x = :v", Some("y")).await;
    assert_eq!(set_other, (2, 0), "the entry stays as it is");
    let moved = table.update("b", "SET work_due = :v", Some("later")).await;
    assert_eq!(moved, (2, 2), "one entry removed, one put");
    let done = table.update("b", "REMOVE work_shard, work_due", None).await;
    assert_eq!(done, (2, 1));
}

#[tokio::test]
async fn a_refused_call_is_counted_and_its_units_are_not_known() {
    let table = Table::new().await;
    let put = table.client.put_item().table_name(TABLE);
    let put = put.set_item(Some(item("a", 100)));
    let put = put.condition_expression("attribute_exists(pk)");
    assert!(put.send().await.is_err());
    let consumed = table.consumed();
    assert_eq!(
        (consumed.calls, consumed.refused, consumed.writes),
        (1, 1, 0)
    );
}

#[test]
fn a_transactions_token_is_taken_out_and_nothing_else() {
    for (body, without) in [
        (
            r#"{"TransactItems":[],"ClientRequestToken":"0-1"}"#,
            r#"{"TransactItems":[]}"#,
        ),
        (
            r#"{"TransactItems":[],"ClientRequestToken":"0-1","X":1}"#,
            r#"{"TransactItems":[],"X":1}"#,
        ),
        (r#"{"TableName":"Usage"}"#, r#"{"TableName":"Usage"}"#),
    ] {
        let mut body = body.as_bytes().to_vec();
        take_token(&mut body);
        assert_eq!(body, without.as_bytes());
    }
}

/// Bytes of a value.
#[expect(clippy::wildcard_enum_match_arm, reason = "the SDK's enum is open")]
fn size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => number.trim_end_matches('0').len().div_ceil(2) + 1,
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::L(list) => 3 + list.iter().map(|value| 1 + size(value)).sum::<usize>(),
        AttributeValue::M(map) => 3 + map.len() + item_size(map),
        AttributeValue::Bool(_) | AttributeValue::Null(_) => 1,
        other => panic!("the ledger stores no {other:?}"),
    }
}

fn item_size(item: &Item) -> usize {
    item.iter()
        .map(|(name, value)| name.len() + size(value))
        .sum()
}

/// What an item stands for, by its keys.
fn kind(item: &Item) -> String {
    let part = |name: &str| item[name].as_s().unwrap().clone();
    let (pk, sk) = (part("pk"), part("sk"));
    let of_slot = sk.split('#').nth(1).unwrap_or_default().to_owned();
    format!("{} {of_slot}", pk.split('#').next().unwrap_or_default())
}

#[tokio::test]
async fn every_kind_of_the_ledgers_items_costs_what_its_bytes_say() {
    let table = Table::new().await;
    let scale = Scale {
        computers: 3_000,
        accounts: 2,
        tiers: 2,
    };
    live_an_hour(&table.world, scale).await.unwrap();
    let scan = table.client.scan().table_name(TABLE).consistent_read(true);
    let items = scan.send().await.unwrap().items.unwrap();
    table.consumed();
    let mut kinds: Vec<String> = items.iter().map(kind).collect();
    kinds.sort();
    kinds.dedup();
    assert!(kinds.len() >= 5, "{kinds:?}");
    for mut item in items {
        let name = kind(&item);
        let indexed = u64::from(item.contains_key("work_shard"));
        // Filled up to whole kilobytes, so that each byte of it is looked at.
        let kilobytes = (item_size(&item) + 2).div_ceil(1024);
        let rest = kilobytes * 1024 - item_size(&item) - "z".len();
        for (rest, units) in [(rest, kilobytes), (rest + 1, kilobytes + 1)] {
            // Under another key of the same length nothing was there before.
            item.insert(
                "pk".to_owned(),
                text(&format!("{rest:0>len$}", len = pk_len(&item))),
            );
            item.insert("z".to_owned(), text(&"z".repeat(rest)));
            let units = u64::try_from(units).unwrap();
            let consumed = table.put_in_transaction(item.clone()).await;
            assert_eq!(consumed, (2 * units, indexed), "{name}");
        }
    }
}

fn pk_len(item: &Item) -> usize {
    item["pk"].as_s().unwrap().len()
}

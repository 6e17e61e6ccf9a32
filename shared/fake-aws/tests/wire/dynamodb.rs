//! DynamoDB through the real SDK.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, Put, PutRequest, ReturnConsumedCapacity, ReturnValue,
    ReturnValuesOnConditionCheckFailure, TransactWriteItem, WriteRequest,
};
use fake_aws::{Fault, FaultKind};

use crate::support::{dynamodb_client, fake, serve};

const TABLE: &str = "Things";

fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn n(number: i64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

fn key(pk: &str, sk: &str) -> HashMap<String, AttributeValue> {
    HashMap::from([("pk".to_owned(), s(pk)), ("sk".to_owned(), s(sk))])
}

fn item(pk: &str, sk: &str, due: i64) -> HashMap<String, AttributeValue> {
    let mut item = key(pk, sk);
    item.insert("lane".to_owned(), s("s1"));
    item.insert("due".to_owned(), n(due));
    item
}

async fn put(client: &Client, pk: &str, sk: &str, due: i64) {
    let item = Some(item(pk, sk, due));
    client
        .put_item()
        .table_name(TABLE)
        .set_item(item)
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn a_conditional_put_is_refused_the_second_time_and_names_the_old_item() {
    let fake = fake().await;
    let client = dynamodb_client(&serve(&fake).await);
    let put = || {
        client
            .put_item()
            .table_name(TABLE)
            .set_item(Some(item("a", "1", 5)))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
    };
    let first = put().await.unwrap();
    assert!(
        first
            .consumed_capacity()
            .unwrap()
            .capacity_units()
            .is_some()
    );
    let error = put().await.unwrap_err().into_service_error();
    let aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(
        failed,
    ) = error
    else {
        panic!("{error:?}");
    };
    assert_eq!(failed.item().unwrap()["due"], n(5));
}

#[tokio::test]
async fn an_update_returns_what_it_made_and_a_get_reads_it() {
    let fake = fake().await;
    let client = dynamodb_client(&serve(&fake).await);
    put(&client, "a", "1", 5).await;
    let updated = client
        .update_item()
        .table_name(TABLE)
        .set_key(Some(key("a", "1")))
        .update_expression("SET due = due + :one")
        .expression_attribute_values(":one", n(1))
        .return_values(ReturnValue::AllNew)
        .send()
        .await
        .unwrap();
    assert_eq!(updated.attributes().unwrap()["due"], n(6));
    let got = client
        .get_item()
        .table_name(TABLE)
        .set_key(Some(key("a", "1")))
        .consistent_read(true)
        .return_consumed_capacity(ReturnConsumedCapacity::Total)
        .send()
        .await
        .unwrap();
    assert_eq!(got.item().unwrap()["due"], n(6));
    assert_eq!(got.consumed_capacity().unwrap().capacity_units(), Some(1.0));
}

#[tokio::test]
async fn an_index_is_queried_in_order_and_by_page() {
    let fake = fake().await;
    let client = dynamodb_client(&serve(&fake).await);
    for due in [30, 10, 20] {
        put(&client, "a", &due.to_string(), due).await;
    }
    let mut due = Vec::new();
    let mut start = None;
    loop {
        let page = client
            .query()
            .table_name(TABLE)
            .index_name("by-due")
            .key_condition_expression("lane = :s AND due <= :t")
            .expression_attribute_values(":s", s("s1"))
            .expression_attribute_values(":t", n(20))
            .limit(1)
            .set_exclusive_start_key(start)
            .send()
            .await
            .unwrap();
        due.extend(page.items().iter().map(|item| item["due"].clone()));
        start = page.last_evaluated_key().cloned();
        if start.is_none() {
            break;
        }
    }
    assert_eq!(due, [n(10), n(20)]);
}

#[tokio::test]
async fn a_transaction_with_a_failed_condition_gives_a_reason_for_each_item() {
    let fake = fake().await;
    let client = dynamodb_client(&serve(&fake).await);
    put(&client, "a", "1", 5).await;
    let absent = |sk: &str| {
        let put = Put::builder()
            .table_name(TABLE)
            .set_item(Some(item("a", sk, 9)))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .unwrap();
        TransactWriteItem::builder().put(put).build()
    };
    let write = client
        .transact_write_items()
        .transact_items(absent("2"))
        .transact_items(absent("1"));
    let error = write.send().await.unwrap_err().into_service_error();
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else {
        panic!("{error:?}");
    };
    let reasons = cancelled.cancellation_reasons();
    let codes: Vec<_> = reasons
        .iter()
        .map(|reason| reason.code().unwrap())
        .collect();
    assert_eq!(codes, ["None", "ConditionalCheckFailed"]);
    assert_eq!(reasons[1].item().unwrap()["due"], n(5));
    let untouched = client
        .get_item()
        .table_name(TABLE)
        .set_key(Some(key("a", "2")));
    assert_eq!(untouched.send().await.unwrap().item(), None);
    client
        .transact_write_items()
        .transact_items(absent("2"))
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn batches_are_written_and_read() {
    let fake = fake().await;
    let client = dynamodb_client(&serve(&fake).await);
    let writes = (0..25).map(|number| {
        let put = PutRequest::builder().set_item(Some(item("a", &number.to_string(), number)));
        WriteRequest::builder()
            .put_request(put.build().unwrap())
            .build()
    });
    let written = client
        .batch_write_item()
        .request_items(TABLE, writes.collect());
    let written = written.send().await.unwrap();
    assert!(written.unprocessed_items().unwrap().is_empty());
    let keys = (0..25)
        .map(|number| key("a", &number.to_string()))
        .collect();
    let keys = KeysAndAttributes::builder()
        .set_keys(Some(keys))
        .consistent_read(true)
        .build();
    let read = client
        .batch_get_item()
        .request_items(TABLE, keys.unwrap())
        .send()
        .await
        .unwrap();
    assert_eq!(read.responses().unwrap()[TABLE].len(), 25);
    assert_eq!(fake.dynamodb_calls()["BatchGetItem"], 1);
}

#[tokio::test]
async fn faults_reach_dynamodb_and_a_lost_answer_was_carried_out() {
    let fake = fake().await;
    let client = dynamodb_client(&serve(&fake).await);
    let put = || {
        client
            .put_item()
            .table_name(TABLE)
            .set_item(Some(item("a", "1", 5)))
            .send()
    };
    let get = || {
        client
            .get_item()
            .table_name(TABLE)
            .set_key(Some(key("a", "1")))
            .send()
    };
    let inject = |kind| fake.inject_fault(Fault::new("PutItem", kind, 1)).unwrap();
    inject(FaultKind::Throttle);
    let throttled = put().await.unwrap_err();
    assert_eq!(throttled.code(), Some("ThrottlingException"));
    inject(FaultKind::InternalError);
    let failed = put().await.unwrap_err().into_service_error();
    assert!(failed.is_internal_server_error(), "{failed:?}");
    assert_eq!(get().await.unwrap().item(), None);
    inject(FaultKind::LostAnswer);
    assert_eq!(put().await.unwrap_err().code(), None);
    assert_eq!(get().await.unwrap().item().unwrap()["due"], n(5));
}

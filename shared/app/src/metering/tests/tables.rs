//! Tables that are not as this program needs them.

use domain::account::AccountName;
use domain::audit::Actor;
use domain::hour::Hour;
use domain::ids::AccountId;
use serde_json::json;

use crate::Chain;
use crate::testing::{TEMPLATE, World, dynamodb_of};

/// A world whose table has another index instead of this one.
async fn without_index(name: &str) -> World {
    let named = format!("IndexName: {name}\n");
    assert!(TEMPLATE.contains(&named));
    World::over(&TEMPLATE.replace(&named, "IndexName: other\n")).await
}

/// Reports a computer; why it was refused, if it was.
async fn reported(world: &World, account: &AccountId) -> Option<String> {
    let report = serde_json::from_value(json!({
        "account": account, "hour": Hour::of(world.now()), "report_id": "r",
        "computers": [{"agent_id": "a", "connector": {"kind": "aws"},
                       "size": {"instance_type": "m5.large"}}],
    }));
    let recorded = world.app.record_usage(&report.unwrap()).await;
    recorded.err().map(|error| Chain(&error).to_string())
}

#[tokio::test]
async fn no_usage_is_taken_that_would_never_be_found_again() {
    let world = without_index("work").await;
    let account = world.account("account-1", &["ann"]).await;
    let refused = reported(&world, &account).await.unwrap();
    let no_index = "the table Usage has no index work on work_shard and work_due";
    assert!(refused.contains(no_index), "{refused}");
    let begun = world.app.start_cursors().await.unwrap_err();
    assert!(begun.to_string().contains(no_index), "{begun}");
    assert!(world.ledger_items().await.is_empty());
}

#[tokio::test]
async fn no_account_is_opened_where_what_is_due_would_never_be_found() {
    let world = without_index("due").await;
    let id = AccountId::parse("account-1").unwrap();
    let name = AccountName::parse("One").unwrap();
    let opened = world.app.open_account(&id, &name, None, &Actor::Product);
    let refused = Chain(&opened.await.unwrap_err()).to_string();
    let no_index = "the table Subscriptions has no index due on due_shard and due_at";
    assert!(refused.contains(no_index), "{refused}");
    let all = dynamodb_of(&world).scan().table_name("Subscriptions");
    let all = all.consistent_read(true);
    assert_eq!(all.send().await.unwrap().count, 0);
}

#[tokio::test]
async fn nothing_is_written_to_a_table_of_which_dynamodb_does_not_say_what_it_has() {
    let world = World::new().await;
    let account = world.account("account-1", &["ann"]).await;
    world.silent.lock().unwrap().insert("DescribeTable");
    let refused = reported(&world, &account).await.unwrap();
    assert!(refused.contains("did not answer"), "{refused}");
    assert!(world.ledger_items().await.is_empty());
    // It is asked again, and once is enough.
    world.silent.lock().unwrap().clear();
    assert_eq!(reported(&world, &account).await, None);
    world.silent.lock().unwrap().insert("DescribeTable");
    assert_eq!(reported(&world, &account).await, None);
    assert!(!world.ledger_items().await.is_empty());
}

//! An account's hour, and whether the ledger adds up.

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use jiff::SignedDuration;
use runtime::aws::Clients;
use runtime::settings::{AwsSettings, Signing};

use super::World;
use crate::Ended;

#[tokio::test]
async fn an_hour_is_followed_from_its_usage_to_aws_s_record() {
    let world = World::new().await;
    let unknown = world.refused("hour nobody 2026-11-22T10:00:00Z").await;
    assert!(unknown.contains("no account nobody"), "{unknown}");
    let (license, hour) = world.posted().await;
    let shown = world.said(&format!("hour acme {hour}")).await;
    let line = format!("{license}  large  cloud account -  computer-hours 3  not sent yet");
    assert!(shown.contains(&line), "{shown}");
    assert!(!shown.contains("record"), "{shown}");
    // Frozen 45 minutes after the hour's end, and sent.
    world.advance(SignedDuration::from_hours(1)).await;
    world.submit().await;
    let shown = world.said(&format!("hour acme {hour}")).await;
    assert!(
        shown.contains("computer-hours 3  accepted by AWS"),
        "{shown}"
    );
    let record = format!("record {license}  {hour}  large  quantity 3  billed as metering record");
    assert!(shown.contains(&record), "{shown}");
    let later = hour.plus(5);
    let nothing = world.said(&format!("hour acme {later}")).await;
    assert!(nothing.contains("Nothing of acme is posted"), "{nothing}");
}

#[tokio::test]
async fn the_ledger_adds_up_until_something_is_gone_from_it() {
    let world = World::new().await;
    let (_license, hour) = world.posted().await;
    world.advance(SignedDuration::from_hours(1)).await;
    world.submit().await;
    let check = format!("conservation --from {hour} --until {}", hour.plus(1));
    let sound = world.said(&check).await;
    assert!(
        sound.contains("computers reported 3, computer-hours to be paid for 3"),
        "{sound}"
    );
    assert!(sound.ends_with("It adds up."), "{sound}");
    assert_eq!(world.ended("conservation").await, Ended::Done);

    lose_the_record(&world).await;
    let torn = world.said(&check).await;
    assert!(
        torn.contains("the lines of acme hold 3, of which 0 are accounted for")
            && torn.contains("the entries hold 3; 0 are included and 0 in records"),
        "{torn}"
    );
    assert_eq!(world.ended(&check).await, Ended::Differs);
}

#[tokio::test]
async fn an_interval_that_is_none_or_too_long_is_refused() {
    let world = World::new().await;
    for (interval, why) in [
        (
            "--from 2026-11-22T10:00:00Z --until 2026-11-22T10:00:00Z",
            "after --from",
        ),
        (
            "--from 2026-11-20T00:00:00Z --until 2026-11-23T00:00:01Z",
            "72 hours",
        ),
    ] {
        let refused = world.refused(&format!("conservation {interval}")).await;
        assert!(refused.contains(why), "{refused}");
    }
    let longest = "--from 2026-11-20T00:00:00Z --until 2026-11-23T00:00:00Z";
    world.said(&format!("conservation {longest}")).await;
}

/// The table forgets the one record in it.
async fn lose_the_record(world: &World) {
    let settings = AwsSettings {
        region: "us-east-1".to_owned(),
        endpoint_url: None,
        signing: Signing::None,
    };
    let http = SharedHttpClient::new(world.aws.in_process());
    let dynamodb = Clients::over(http, &settings).dynamodb;
    let all = dynamodb.scan().table_name("Usage").consistent_read(true);
    let mut items = all.send().await.unwrap().items.unwrap().into_iter();
    let is_record = |item: &std::collections::HashMap<String, _>| {
        item.contains_key("fingerprint") && !item.contains_key("computers")
    };
    let record = items.find(is_record).unwrap();
    let deletion = dynamodb.delete_item().table_name("Usage");
    let deletion = deletion.key("pk", record["pk"].clone());
    deletion
        .key("sk", record["sk"].clone())
        .send()
        .await
        .unwrap();
}

//! The largest item of each kind that the ledger stores: under 100 KB, however
//! long the ids are.

use std::sync::Arc;

use domain::catalog::Catalog;
use domain::ids::{CloudAccountId, Dimension, InstanceId, LicenseArn, ProductCode, ReportId};
use domain::ledger::account_hour::{
    AccountHour, MOST_NAMED_BYTES, MOST_NEW_REPORTS, Reports, Target, Unbillable,
};
use domain::ledger::attribution::LinkedSpan;
use domain::ledger::slot::{
    AllocationLimit, Amount, FreezeTerms, LicenseTerms, SlotEntry, SlotHead, SlotState, freeze,
};
use domain::tiers::{ConnectorKind, Tier};
use domain::usage::{ComputerKey, Observation, Part, Protected, Span};
use ledger::Written;
use ledger::step::{Freeze, SlotPosting};

use super::*;

/// The design's bound, in bytes.
const MOST_BYTES: usize = 100_000;

/// A kind of item, the size of its largest, and that one's key.
type Largest = BTreeMap<&'static str, (usize, String)>;

/// An item's size by DynamoDB's rules.
fn size(item: &Item) -> usize {
    let attributes = item.iter().map(|(name, value)| name.len() + size_of(value));
    attributes.sum()
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the SDK's own enum, of which the ledger stores some kinds"
)]
fn size_of(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(digits) => digits.len().div_ceil(2) + 1,
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::Bool(_) | AttributeValue::Null(_) => 1,
        AttributeValue::L(list) => 3 + list.iter().map(|value| size_of(value) + 1).sum::<usize>(),
        AttributeValue::M(map) => 3 + size(map) + map.len(),
        other => panic!("the ledger stores no {other:?}"),
    }
}

/// What an item is, by its key.
fn kind((pk, sk): &(String, String)) -> &'static str {
    let (of, _) = pk.split_once('#').unwrap_or((pk, ""));
    match of {
        "report" => "report",
        "account" => "account-hour",
        "postings" => "piece of postings",
        "days" => "day",
        "marker" => "marker",
        "shard" => "cursor",
        "license" if sk.contains("#entry#") => "entry",
        "license" if sk.contains("#record#") => "record",
        "license" if sk.ends_with("#head") => "head",
        _ => panic!("an item of no known kind: {pk} | {sk}"),
    }
}

async fn largest(world: &World) -> Largest {
    let mut largest = Largest::new();
    for (key, item) in world.ledger_items().await {
        let of_kind = largest.entry(kind(&key)).or_default();
        if size(&item) > of_kind.0 {
            *of_kind = (size(&item), format!("{} | {}", key.0, key.1));
        }
    }
    largest
}

fn license(n: u8) -> LicenseId {
    LicenseId::parse(format!("l-{n:032x}")).unwrap()
}

/// The longest account id.
fn account() -> AccountId {
    AccountId::parse("a".repeat(64)).unwrap()
}

fn longest(number: usize) -> CloudAccountId {
    CloudAccountId::parse(format!("{number:0128}")).unwrap()
}

fn dimension(tier: usize) -> Dimension {
    Dimension::parse(format!("{tier:d>255}")).unwrap()
}

/// A catalog whose dimensions' names are as long as they may be.
fn catalog() -> Arc<Catalog> {
    let tiers = ["medium", "large", "extra_large", "data_center"];
    let rates: Vec<Value> = (0..)
        .zip(tiers)
        .map(|(n, tier)| {
            json!({"tier": tier, "label": tier, "dimension": dimension(n), "list_price_microusd": n})
        })
        .collect();
    let catalog = json!({"version": 1, "service": "Service", "rates": rates});
    Arc::new(serde_json::from_value(catalog).unwrap())
}

/// A computer in a cloud account of its own, protected in one half of the hour,
/// of which each is another license's.
fn computer(number: usize) -> Observation {
    let half = u16::try_from(number / 4 % 2).unwrap() * 1_800;
    let instance = InstanceId::parse(format!("i-{number}")).unwrap();
    Observation {
        key: ComputerKey::of_instance(Some(ConnectorKind::Aws), &instance),
        agent: None,
        tier: Tier::ALL[number % 4],
        vcenter: false,
        cloud_account: Some(longest(number)),
        protected: Protected::Spans(vec![Span {
            from: half,
            until: half + 1_800,
        }]),
    }
}

fn report(number: usize) -> ReportId {
    ReportId::parse(format!("{number:0>64}")).unwrap()
}

/// An account-hour that is posted again and again.
struct Posted<'a> {
    world: &'a World,
    hour: AccountHour,
    reports: Reports,
}

impl Posted<'_> {
    /// Reports come and are posted into a slot of each license; what is not
    /// stored is an error.
    async fn post(&mut self, reports: Reports, slot: Hour) {
        self.reports.extend(reports);
        let links = [1, 2].map(|n| LinkedSpan {
            license: license(n),
            from: u16::from(n - 1) * 1_800,
            until: u16::from(n) * 1_800,
        });
        let standings = vec![(0, Unbillable::Trial)];
        let plan = self
            .hour
            .plan(&self.reports, &links, &standings, &catalog());
        let targets = [1, 2].map(|n| (license(n), Target::Slot(slot))).into();
        let after = self.hour.posted(plan.unwrap().unwrap(), &targets);
        let slots: Vec<SlotPosting> = [1, 2]
            .map(|n| SlotPosting {
                license: license(n),
                slot,
                entry: after.entry(&license(n), slot),
            })
            .into();
        let store = &self.world.app.store;
        let written = store.post(&after, &slots, Timestamp::MAX).await.unwrap();
        assert_eq!(written, Written::Committed);
        let (account, part) = (&after.account, after.part);
        let stored = store.account_hour(account, part, after.hour).await.unwrap();
        assert!(stored == after, "it is read as it was written");
        self.hour = after;
    }
}

fn posted_in(world: &World, part: Part, hour: Hour) -> Posted<'_> {
    Posted {
        world,
        hour: AccountHour::empty(account(), part, hour),
        reports: Reports::new(),
    }
}

#[tokio::test]
async fn account_hours_and_entries_stay_small_however_many_cloud_accounts_and_reports_come() {
    let world = World::new().await;
    let hour = Hour::of(world.now());
    let mut posted = posted_in(&world, Part(63), hour);
    let one_each =
        |of: std::ops::Range<usize>| of.map(|n| (report(n), vec![computer(n)])).collect();
    posted.post(one_each(0..3_000), hour).await;
    // Late usage, each time into another slot: no cloud account has room.
    for later in 1..=48 {
        let of = 3_000 + later * 200..3_200 + later * 200;
        let later = i32::try_from(later).unwrap();
        posted.post(one_each(of), hour.plus(later)).await;
    }
    // And all of it named: each tier of one license in one slot.
    let mut named = posted_in(&world, Part(62), hour.plus(60));
    let first_half = |n: usize| (n / 4).is_multiple_of(2);
    let computers = (0..800).filter(|n| first_half(*n)).map(computer).collect();
    named
        .post([(report(0), computers)].into(), hour.plus(60))
        .await;
    assert!(named.hour.named_bytes() > MOST_NAMED_BYTES - 131);

    let largest = largest(&world).await;
    println!("{largest:#?}");
    for kind in ["account-hour", "piece of postings", "entry", "head"] {
        assert!(largest.contains_key(kind), "{kind}");
    }
    for (kind, (bytes, key)) in &largest {
        assert!(*bytes < MOST_BYTES, "{kind}: {bytes} bytes, {key}");
    }
    assert!(
        largest["entry"].0 > MOST_NAMED_BYTES,
        "an entry of all names"
    );
    // 49 entries are carried at once, deleted in one place and put in another.
    assert!(largest["entry"].0 * 49 * 2 < 4 << 20);
}

#[tokio::test]
async fn as_many_new_reports_as_one_posting_adds_fit_into_its_transaction() {
    let world = World::new().await;
    let hour = Hour::of(world.now());
    let mut posted = posted_in(&world, Part(0), hour);
    let reports = (0..MOST_NEW_REPORTS).map(|n| (report(n), vec![computer(n)]));
    posted.post(reports.collect(), hour).await;
    assert_eq!(posted.hour.postings[0].reports.len(), MOST_NEW_REPORTS);
    let more = [(report(MOST_NEW_REPORTS), vec![computer(MOST_NEW_REPORTS)])];
    posted.post(more.into(), hour).await;
    let largest = largest(&world).await;
    println!("{largest:#?}");
    for (kind, (bytes, key)) in &largest {
        assert!(*bytes < MOST_BYTES, "{kind}: {bytes} bytes, {key}");
    }
}

#[tokio::test]
async fn an_account_hour_is_read_as_it_was_although_pieces_were_added_since() {
    let world = World::new().await;
    let hour = Hour::of(world.now());
    let mut posted = posted_in(&world, Part(0), hour);
    let reports = |of: std::ops::Range<usize>| of.map(|n| (report(n), vec![computer(n)])).collect();
    posted.post(reports(0..300), hour).await;
    let earlier = posted.hour.clone();
    let pk = format!("account#{}#0", account());
    let mut items = world.ledger_items().await;
    let item = items.remove(&(pk, hour.to_string())).unwrap();
    posted.post(reports(300..600), hour).await;
    // As a poster sees it that read the account-hour before, and its pieces now.
    let client = dynamodb_of(&world);
    let put = client.put_item().table_name("Usage").set_item(Some(item));
    put.send().await.unwrap();
    let store = &world.app.store;
    let read = store.account_hour(&account(), Part(0), hour).await;
    assert!(read.unwrap() == earlier);
}

#[tokio::test]
async fn a_record_of_as_many_allocations_as_aws_takes_stays_small() {
    let world = World::new().await;
    let hour = Hour::of(world.now());
    let of = license(1);
    let entries: Vec<SlotEntry> = (0..4)
        .map(|part| SlotEntry {
            account: account(),
            part: Part(part),
            hour,
            origin: hour,
            amounts: (0..4)
                .flat_map(|tier| {
                    (0..2_500).map(move |n| Amount {
                        dimension: dimension(tier),
                        cloud_account: Some(longest(n)),
                        count: u32::try_from(n).unwrap() * 100,
                    })
                })
                .collect(),
        })
        .collect();
    let terms = LicenseTerms {
        product: ProductCode::parse("p".repeat(255)).unwrap(),
        arn: LicenseArn::parse(format!(
            "arn:aws:license-manager::123456789012:license:{of}"
        ))
        .unwrap(),
        buyer: buyer(0).try_into().unwrap(),
        active_since: hour.start(),
        end: None,
        unknown_cover: None,
    };
    let freeze_terms = FreezeTerms {
        license: &terms,
        limit: AllocationLimit::new(2_500).unwrap(),
        included: &[],
        zero: None,
    };
    let frozen = freeze(hour, &entries, &freeze_terms, world.now()).unwrap();
    assert_eq!(frozen.records.len(), 4);
    let store = &world.app.store;
    let opened = store.open_slot(&of, hour, world.now()).await.unwrap();
    assert_eq!(opened, Written::Committed);
    let freeze = Freeze {
        head: SlotHead {
            license: of.clone(),
            hour,
            version: 1,
            state: SlotState::Open,
        },
        records: frozen.records.clone(),
        included: frozen.included,
        taken: frozen.taken,
        at: world.now(),
    };
    assert_eq!(store.freeze(&freeze).await.unwrap(), Written::Committed);
    let stored = world.slot(&of, hour).await;
    assert!(
        stored.records == frozen.records,
        "they are read as they were written"
    );
    assert!(stored.records.iter().all(|record| record.is_intact()));
    let largest = largest(&world).await;
    println!("{largest:#?}");
    let (bytes, _) = largest["record"];
    assert!((90_000..MOST_BYTES).contains(&bytes), "{bytes}");
}

#[tokio::test]
async fn the_items_of_the_largest_report_stay_small() {
    let world = World::new().await;
    let customer = world.customer(0).await;
    world.app.start_cursors().await.unwrap();
    let hour = Hour::of(world.now());
    world.advance_to(hour.end() + minutes(11)).await;
    world.app.post_due(Timestamp::MAX).await.unwrap();
    let at = |second| hour.start() + SignedDuration::from_secs(second);
    let intervals: Vec<_> = (0..60).map(|n| (at(n * 60), at(n * 60 + 59))).collect();
    let computers: Vec<Value> = (0..1_000)
        .map(|n| {
            json!({"agent_id": format!("a-{n}"), "instance_id": format!("i-{n}"),
                   "connector": {"kind": "gcp", "cloud_account_id": longest(n)},
                   "size": {"vcpus": 8}, "protected": intervals})
        })
        .collect();
    let report = json!({"account": customer.account, "hour": hour, "report_id": report(0),
                        "computers": computers});
    let report = serde_json::from_value(report).unwrap();
    world.app.record_usage(&report).await.unwrap();
    let largest = largest(&world).await;
    println!("{largest:#?}");
    for kind in ["report", "marker", "cursor"] {
        assert!(largest.contains_key(kind), "{kind}");
    }
    for (kind, (bytes, key)) in &largest {
        assert!(*bytes < MOST_BYTES, "{kind}: {bytes} bytes, {key}");
    }
    assert!(largest["report"].0 > 97_000, "a chunk that is full");
}

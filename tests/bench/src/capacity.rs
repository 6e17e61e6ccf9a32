//! What DynamoDB would bill: counted from the answers themselves.
//!
//! [`Counting`] stands between the SDK's clients and the fake. It asks every
//! DynamoDB call for its consumed capacity, and counts the calls of every API
//! by operation. The embedded database's units are held against AWS's published
//! rules by `capacity/tests.rs`.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use fake_aws::InProcess;
use serde::Deserialize;
use serde_json::Number;

use crate::stopwatch::{Stopwatch, Time};

/// DynamoDB's service, as it stands in `X-Amz-Target`.
const DYNAMODB: &str = "DynamoDB_20120810";

/// Price of a write request unit on demand, in 10⁻¹⁰ dollars: $0.625 a million.
const WRITE_UNIT_PRICE: u64 = 6_250;

/// Price of a read request unit on demand, in 10⁻¹⁰ dollars: $0.125 a million.
const READ_UNIT_PRICE: u64 = 1_250;

/// Calls of one operation, and the units that they consumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Consumed {
    /// Calls made.
    pub(crate) calls: u64,
    /// Calls answered with an error: what DynamoDB bills for them it does not say.
    pub(crate) refused: u64,
    /// Read units, in halves: an eventually consistent read may cost half a unit.
    pub(crate) read_halves: u64,
    /// Write units, those of indexes included.
    pub(crate) writes: u64,
    /// Write units of indexes.
    pub(crate) index_writes: u64,
}

impl AddAssign for Consumed {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.refused += other.refused;
        self.read_halves += other.read_halves;
        self.writes += other.writes;
        self.index_writes += other.index_writes;
    }
}

/// What was consumed, by operation.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bill {
    operations: BTreeMap<String, Consumed>,
    /// What the embedded AWS took to answer. It never waits, so that nothing
    /// else runs meanwhile.
    pub(crate) in_aws: Time,
}

impl Bill {
    /// DynamoDB's operations, by name.
    pub(crate) fn dynamodb(&self) -> impl Iterator<Item = (&str, &Consumed)> {
        self.operations.iter().filter_map(|(target, consumed)| {
            let (service, operation) = target.rsplit_once('.')?;
            (service == DYNAMODB).then_some((operation, consumed))
        })
    }

    /// All of DynamoDB's operations together.
    pub(crate) fn total(&self) -> Consumed {
        let mut total = Consumed::default();
        for (_, consumed) in self.dynamodb() {
            total += *consumed;
        }
        total
    }

    /// How often an operation of AWS Marketplace was called.
    pub(crate) fn calls_of(&self, operation: &str) -> u64 {
        self.operations
            .iter()
            .filter(|(target, _)| target.rsplit(['.', '/']).next() == Some(operation))
            .map(|(_, consumed)| consumed.calls)
            .sum()
    }

    /// Adds what another bill holds.
    pub(crate) fn add(&mut self, other: &Self) {
        for (target, consumed) in &other.operations {
            *self.operations.entry(target.clone()).or_default() += *consumed;
        }
        self.in_aws += other.in_aws;
    }
}

impl Consumed {
    /// Its price on demand, in 10⁻¹⁰ dollars.
    pub(crate) fn price(&self) -> u64 {
        self.writes * WRITE_UNIT_PRICE + self.read_halves * READ_UNIT_PRICE / 2
    }
}

/// An HTTP client and connector that counts what passes.
#[derive(Debug, Clone)]
pub(crate) struct Counting {
    fake: InProcess,
    bill: Arc<Mutex<Bill>>,
}

impl Counting {
    pub(crate) fn new(fake: InProcess) -> Self {
        Self {
            fake,
            bill: Arc::default(),
        }
    }

    /// What was consumed since the last time this was asked.
    pub(crate) fn take(&self) -> Bill {
        std::mem::take(&mut *self.bill.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn count(&self, target: String, consumed: Consumed, in_aws: Time) {
        let mut bill = self.bill.lock().unwrap_or_else(PoisonError::into_inner);
        bill.in_aws += in_aws;
        *bill.operations.entry(target).or_default() += consumed;
    }

    async fn pass(&self, mut request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let target = target_of(&request);
        // That a table is what it should be is asked once, costs nothing and is told
        // without what it consumed.
        if target.ends_with(".DescribeTable") {
            return self.fake.call(request).await;
        }
        let is_dynamodb = target.starts_with(DYNAMODB);
        if is_dynamodb {
            ask_for_capacity(&mut request);
        }
        let mut watch = Stopwatch::started();
        let response = self.fake.call(request).await?;
        let in_aws = watch.stop();
        let mut consumed = if is_dynamodb {
            consumed(&target, &response)
                .map_err(|error| ConnectorError::other(error.into_boxed_dyn_error(), None))?
        } else {
            Consumed::default()
        };
        consumed.calls = 1;
        consumed.refused = u64::from(!response.status().is_success());
        self.count(target, consumed, in_aws);
        Ok(response)
    }
}

impl HttpConnector for Counting {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let counting = self.clone();
        HttpConnectorFuture::new(async move { counting.pass(request).await })
    }
}

impl HttpClient for Counting {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// Service and operation: of the JSON protocols in a header, of CBOR in the path.
fn target_of(request: &HttpRequest) -> String {
    let target = request.headers().get("x-amz-target");
    target.unwrap_or_else(|| request.uri()).to_owned()
}

/// Adds `ReturnConsumedCapacity` at the front of the body, which is never empty
/// for an operation that the store calls, and takes the token out of it.
fn ask_for_capacity(request: &mut HttpRequest) {
    let body = request.body().bytes().unwrap_or_default();
    let Some(members) = body.strip_prefix(b"{") else {
        return;
    };
    let mut asking = br#"{"ReturnConsumedCapacity":"INDEXES","#.to_vec();
    asking.extend_from_slice(members);
    take_token(&mut asking);
    let length = asking.len().to_string();
    *request.body_mut() = SdkBody::from(asking);
    request.headers_mut().insert("content-length", length);
}

/// Takes out the token that the SDK gives every transaction for repetitions of
/// the request, of which there are none here: the embedded database looks at
/// all tokens of the last 10 minutes in every transaction, which would be most
/// of the time that is measured.
fn take_token(body: &mut Vec<u8>) {
    const TOKEN: &[u8] = br#","ClientRequestToken":""#;
    let found = body.windows(TOKEN.len()).rposition(|part| part == TOKEN);
    let Some(begin) = found else {
        return;
    };
    let value = begin + TOKEN.len();
    let length = body.iter().skip(value).position(|byte| *byte == b'"');
    if let Some(length) = length {
        body.drain(begin..=value + length);
    }
}

/// One table's part of an answer. AWS's API reference, `ConsumedCapacity`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TableCapacity {
    capacity_units: Number,
    #[serde(default)]
    global_secondary_indexes: BTreeMap<String, IndexCapacity>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IndexCapacity {
    capacity_units: Number,
}

/// An answer, as far as it tells what it cost.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    consumed_capacity: OneOrMore,
}

/// Operations on several tables answer a list.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(TableCapacity),
    More(Vec<TableCapacity>),
}

/// The units that an answer says were consumed; none for a refusal.
fn consumed(target: &str, response: &HttpResponse) -> anyhow::Result<Consumed> {
    let mut consumed = Consumed::default();
    if !response.status().is_success() {
        return Ok(consumed);
    }
    let body = response.body().bytes().unwrap_or_default();
    let answer: Answer = serde_json::from_slice(body)
        .with_context(|| format!("{target} does not tell what it consumed"))?;
    let tables = match answer.consumed_capacity {
        OneOrMore::One(table) => vec![table],
        OneOrMore::More(tables) => tables,
    };
    let reads = ["GetItem", "Query"]
        .iter()
        .any(|read| target.ends_with(read));
    for table in tables {
        let units = halves(&table.capacity_units)?;
        if reads {
            consumed.read_halves += units;
            continue;
        }
        consumed.writes += units / 2;
        for index in table.global_secondary_indexes.values() {
            consumed.index_writes += halves(&index.capacity_units)? / 2;
        }
    }
    Ok(consumed)
}

/// Units in halves: reads come in halves of a unit, writes in whole ones.
fn halves(units: &Number) -> anyhow::Result<u64> {
    let text = units.to_string();
    let (whole, part) = text.split_once('.').unwrap_or((&text, "0"));
    let half = match part {
        "0" => 0,
        "5" => 1,
        _ => anyhow::bail!("{text} units are not a whole number of halves"),
    };
    Ok(whole.parse::<u64>()? * 2 + half)
}

#[cfg(test)]
mod tests;

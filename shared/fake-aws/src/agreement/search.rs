//! `SearchAgreements`: the filters that the API's model lists, its three
//! orders, and pages.
//!
//! An agreement without an end time passes no filter of end times and comes
//! last in their order.

use std::cmp::Reverse;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::{AGREEMENT_TYPE, RESOURCE_TYPE, end_time, invalid, page, paged, read};
use crate::Inner;
use crate::faults::CallFault;
use crate::lock;
use crate::state::{Agreement, Marketplace};
use crate::wire::{AwsError, Wire};

const CATALOG: &str = "AWSMarketplace";

const MOST_FILTERS: usize = 10;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SearchAgreements {
    catalog: Option<String>,
    filters: Option<Vec<SentFilter>>,
    sort: Option<SentSort>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
struct SentFilter {
    #[serde(default)]
    name: String,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SentSort {
    sort_by: Option<String>,
    sort_order: Option<String>,
}

/// What an agreement must have to be found.
enum Filter {
    /// A value of its own.
    Is(Property, String),
    /// An instant before this one.
    Before(Instant, Timestamp),
    /// An instant after this one.
    After(Instant, Timestamp),
}

/// A value that is compared with the filter's.
#[derive(Clone, Copy)]
enum Property {
    AgreementType,
    PartyType,
    ResourceIdentifier,
    ResourceType,
    AcceptorAccountId,
    OfferId,
    Status,
    EndTimeBehaviorType,
    EndTimeBehaviorReasonCode,
    InitialAgreementId,
    LicenseArn,
    /// Of what no agreement here has: an offer set, contacts.
    Nothing,
}

/// An instant of an agreement.
#[derive(Clone, Copy)]
enum Instant {
    Start,
    End,
    LastUpdate,
}

const FILTERS: [(&str, Property); 13] = [
    ("ResourceIdentifier", Property::ResourceIdentifier),
    ("ResourceType", Property::ResourceType),
    ("PartyType", Property::PartyType),
    ("AcceptorAccountId", Property::AcceptorAccountId),
    ("OfferId", Property::OfferId),
    ("Status", Property::Status),
    ("AgreementType", Property::AgreementType),
    ("OfferSetId", Property::Nothing),
    ("EndTimeBehaviorType", Property::EndTimeBehaviorType),
    (
        "EndTimeBehaviorReasonCode",
        Property::EndTimeBehaviorReasonCode,
    ),
    ("InitialAgreementId", Property::InitialAgreementId),
    ("LicenseArn", Property::LicenseArn),
    ("IncludesContactOfType", Property::Nothing),
];

const INSTANTS: [(&str, Instant); 3] = [
    ("EndTime", Instant::End),
    ("StartTime", Instant::Start),
    ("LastUpdateTime", Instant::LastUpdate),
];

impl Filter {
    fn read(sent: SentFilter) -> Result<Filter, AwsError> {
        let Ok([value]) = <[String; 1]>::try_from(sent.values) else {
            return Err(invalid(format!(
                "The filter {:?} needs one value.",
                sent.name
            )));
        };
        let known = FILTERS.iter().find(|(name, _)| *name == sent.name);
        if let Some((_, property)) = known {
            return Ok(Filter::Is(*property, value));
        }
        let before = sent.name.strip_prefix("Before").and_then(instant);
        let after = sent.name.strip_prefix("After").and_then(instant);
        if before.or(after).is_none() {
            return Err(unknown(&sent.name));
        }
        let at = value.parse().map_err(|_| {
            let name = &sent.name;
            invalid(format!(
                "The filter {name} needs an instant, not {value:?}."
            ))
        })?;
        match (before, after) {
            (Some(instant), _) => Ok(Filter::Before(instant, at)),
            (_, Some(instant)) => Ok(Filter::After(instant, at)),
            (None, None) => Err(unknown(&sent.name)),
        }
    }
}

fn instant(name: &str) -> Option<Instant> {
    let known = INSTANTS.iter().find(|(known, _)| *known == name);
    known.map(|(_, instant)| *instant)
}

fn unknown(name: &str) -> AwsError {
    let known = FILTERS.iter().map(|(known, _)| (*known).to_owned());
    let instants = INSTANTS
        .iter()
        .flat_map(|(known, _)| [format!("Before{known}"), format!("After{known}")]);
    let known: Vec<String> = known.chain(instants).collect();
    invalid(format!(
        "The filter {name:?} is not one of {}.",
        known.join(", ")
    ))
}

impl Instant {
    fn of(self, agreement: &Agreement) -> Option<Timestamp> {
        match self {
            Instant::Start => Some(agreement.starts_at),
            Instant::End => end_time(agreement),
            Instant::LastUpdate => Some(agreement.updated_at),
        }
    }
}

fn filters(sent: Option<Vec<SentFilter>>) -> Result<Vec<Filter>, AwsError> {
    let sent = sent.unwrap_or_default();
    if sent.len() > MOST_FILTERS {
        return Err(invalid(format!(
            "At most {MOST_FILTERS} filters are taken."
        )));
    }
    let filters: Vec<Filter> = sent
        .into_iter()
        .map(Filter::read)
        .collect::<Result<_, _>>()?;
    let typed = |filter: &Filter| matches!(filter, Filter::Is(Property::AgreementType, _));
    if !filters.iter().any(typed) {
        return Err(invalid("The filter AgreementType is required."));
    }
    Ok(filters)
}

/// By which instant, and whether the latest comes first.
fn order(sent: Option<SentSort>) -> Result<(Instant, bool), AwsError> {
    let (by, order) = sent.map_or((None, None), |sort| (sort.sort_by, sort.sort_order));
    let by = match by {
        None => Instant::End,
        Some(by) => instant(&by)
            .ok_or_else(|| invalid("sortBy must be EndTime, StartTime or LastUpdateTime."))?,
    };
    match order.as_deref() {
        None | Some("ASCENDING") => Ok((by, false)),
        Some("DESCENDING") => Ok((by, true)),
        Some(_) => Err(invalid("sortOrder must be ASCENDING or DESCENDING.")),
    }
}

impl Inner {
    /// `SearchAgreements`.
    pub(crate) fn search_agreements(
        &self,
        request: Value,
        fault: Option<CallFault>,
    ) -> Result<Wire, AwsError> {
        let request: SearchAgreements = read(request)?;
        if request.catalog.is_some_and(|catalog| catalog != CATALOG) {
            return Err(invalid(format!("catalog must be {CATALOG}.")));
        }
        let filters = filters(request.filters)?;
        let (by, latest_first) = order(request.sort)?;
        let page = page(request.max_results, request.next_token.as_deref())?;
        let kept = lock(&self.kept);
        let all = kept.state.agreements().iter();
        let mut found: Vec<&Agreement> = all
            .filter(|agreement| {
                let mut filters = filters.iter();
                filters.all(|filter| self.passes(&kept.state, filter, agreement))
            })
            .collect();
        found.sort_by_key(|agreement| by.of(agreement).unwrap_or(Timestamp::MAX));
        if latest_first {
            found.sort_by_key(|agreement| Reverse(by.of(agreement)));
        }
        let (found, next) = page.cut(found, fault);
        let summaries = found
            .into_iter()
            .map(|agreement| self.summary(&kept.state, agreement));
        Ok(paged("agreementViewSummaries", (summaries.collect(), next)))
    }

    fn passes(&self, state: &Marketplace, filter: &Filter, agreement: &Agreement) -> bool {
        match filter {
            Filter::Is(property, value) => self.has(state, *property, value, agreement),
            Filter::Before(instant, at) => instant.of(agreement).is_some_and(|of| of < *at),
            Filter::After(instant, at) => instant.of(agreement).is_some_and(|of| of > *at),
        }
    }

    fn has(
        &self,
        state: &Marketplace,
        property: Property,
        value: &str,
        agreement: &Agreement,
    ) -> bool {
        let behavior = || self.end_behavior(state, agreement);
        match property {
            Property::AgreementType => value == AGREEMENT_TYPE,
            Property::PartyType => value == "Proposer",
            Property::ResourceIdentifier => value == self.config.product_id,
            Property::ResourceType => value == RESOURCE_TYPE,
            Property::AcceptorAccountId => value == agreement.buyer_account,
            Property::OfferId => value == self.offer(agreement.offer).offer_id,
            Property::Status => value == agreement.status.aws(),
            Property::EndTimeBehaviorType => behavior().is_some_and(|end| end.kind == value),
            Property::EndTimeBehaviorReasonCode => {
                behavior().is_some_and(|end| end.reason == Some(value))
            }
            Property::InitialAgreementId => value == agreement.initial_agreement_id,
            Property::LicenseArn => value == agreement.license_arn,
            Property::Nothing => false,
        }
    }

    fn summary(&self, state: &Marketplace, agreement: &Agreement) -> Wire {
        let mut members = self.agreement_members(agreement);
        members.push(("lastUpdateTime", Wire::Time(agreement.updated_at)));
        let license = Wire::Struct(vec![("licenseArn", Wire::text(&agreement.license_arn))]);
        members.push(("entitlements", Wire::List(vec![license])));
        if let Some(end) = self.end_behavior(state, agreement) {
            members.push(("endTimeBehaviorType", Wire::text(end.kind)));
            let reason = end.reason;
            members.extend(reason.map(|code| ("endTimeBehaviorReasonCode", Wire::text(code))));
        }
        let trial = agreement.terms.free_until();
        members.extend(trial.map(|until| ("freeTrialEndTime", Wire::Time(until))));
        Wire::Struct(members)
    }
}

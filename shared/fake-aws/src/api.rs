//! The one endpoint of every AWS API: finds the service and operation of a
//! request, lets the faults have their way with it, and answers.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::Value;

use crate::FakeAws;
use crate::calls::{Call, Outcome};
use crate::dynamodb;
use crate::faults::CallFault;
use crate::wire::{Answer, AwsError, Protocol, Wire};

const JSON_1_0: &str = "application/x-amz-json-1.0";
const JSON_1_1: &str = "application/x-amz-json-1.1";

/// An operation of AWS Marketplace or of Secrets Manager.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    ResolveCustomer,
    BatchMeterUsage,
    GetEntitlements,
    DescribeAgreement,
    SearchAgreements,
    GetAgreementTerms,
    GetAgreementEntitlements,
    ListAgreementInvoiceLineItems,
    GetSecretValue,
}

impl Operation {
    /// The operation that a service (the target's prefix, or the service in
    /// an RPCv2 path) knows by that name.
    fn of(service: &str, name: &str) -> Option<Operation> {
        Some(match (service, name) {
            ("AWSMPMeteringService", "ResolveCustomer") => Operation::ResolveCustomer,
            ("AWSMPMeteringService", "BatchMeterUsage") => Operation::BatchMeterUsage,
            ("AWSMPEntitlementService", "GetEntitlements") => Operation::GetEntitlements,
            ("AWSMPCommerceService_v20200301", "DescribeAgreement") => Operation::DescribeAgreement,
            ("AWSMPCommerceService_v20200301", "SearchAgreements") => Operation::SearchAgreements,
            ("AWSMPCommerceService_v20200301", "ListAgreementInvoiceLineItems") => {
                Operation::ListAgreementInvoiceLineItems
            }
            ("AWSMPCommerceService_v20200301", "GetAgreementTerms") => Operation::GetAgreementTerms,
            ("AWSMPCommerceService_v20200301", "GetAgreementEntitlements") => {
                Operation::GetAgreementEntitlements
            }
            ("secretsmanager", "GetSecretValue") => Operation::GetSecretValue,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Operation::ResolveCustomer => "ResolveCustomer",
            Operation::BatchMeterUsage => "BatchMeterUsage",
            Operation::GetEntitlements => "GetEntitlements",
            Operation::DescribeAgreement => "DescribeAgreement",
            Operation::SearchAgreements => "SearchAgreements",
            Operation::GetAgreementTerms => "GetAgreementTerms",
            Operation::GetAgreementEntitlements => "GetAgreementEntitlements",
            Operation::ListAgreementInvoiceLineItems => "ListAgreementInvoiceLineItems",
            Operation::GetSecretValue => "GetSecretValue",
        }
    }

    /// Namespace of its service's shapes, which CBOR errors carry.
    fn namespace(self) -> &'static str {
        match self {
            Operation::ResolveCustomer | Operation::BatchMeterUsage => {
                "com.amazonaws.marketplacemetering"
            }
            Operation::GetEntitlements => "com.amazonaws.marketplaceentitlementservice",
            Operation::DescribeAgreement
            | Operation::SearchAgreements
            | Operation::ListAgreementInvoiceLineItems
            | Operation::GetAgreementTerms
            | Operation::GetAgreementEntitlements => "com.amazonaws.marketplaceagreement",
            Operation::GetSecretValue => "com.amazonaws.secretsmanager",
        }
    }

    /// What its service calls a failure of its own.
    fn internal_error(self) -> &'static str {
        match self {
            Operation::ResolveCustomer
            | Operation::BatchMeterUsage
            | Operation::GetEntitlements => "InternalServiceErrorException",
            Operation::DescribeAgreement
            | Operation::SearchAgreements
            | Operation::ListAgreementInvoiceLineItems
            | Operation::GetAgreementTerms
            | Operation::GetAgreementEntitlements => "InternalServerException",
            Operation::GetSecretValue => "InternalServiceError",
        }
    }
}

/// `POST /`: every API in AWS JSON, told apart by `X-Amz-Target`.
pub(crate) async fn json(State(fake): State<FakeAws>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok());
    let Some((service, name)) = target.and_then(|target| target.rsplit_once('.')) else {
        return unknown(
            &fake,
            Protocol::Json(JSON_1_1),
            "The request has no X-Amz-Target header.",
        );
    };
    if matches!(service, "DynamoDB_20120810" | "DynamoDBStreams_20120810") {
        return match dynamodb::Operation::named(name) {
            Some(operation) => dynamodb(&fake, operation, &body).await,
            None => unknown(&fake, Protocol::Json(JSON_1_0), name),
        };
    }
    let protocol = Protocol::Json(if service == "AWSMPCommerceService_v20200301" {
        JSON_1_0
    } else {
        JSON_1_1
    });
    match Operation::of(service, name) {
        Some(operation) => called(&fake, operation, protocol, &headers, &body).await,
        None => unknown(&fake, protocol, target.unwrap_or_default()),
    }
}

/// `POST /service/{service}/operation/{operation}`: Smithy RPCv2 CBOR.
pub(crate) async fn cbor(
    State(fake): State<FakeAws>,
    Path((service, name)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let protocol = headers.get("smithy-protocol");
    if protocol.is_none_or(|protocol| protocol != "rpc-v2-cbor") {
        return unknown(
            &fake,
            Protocol::Cbor,
            "The header smithy-protocol: rpc-v2-cbor is missing.",
        );
    }
    match Operation::of(&service, &name) {
        Some(operation) => called(&fake, operation, Protocol::Cbor, &headers, &body).await,
        None => unknown(&fake, Protocol::Cbor, &format!("{service}.{name}")),
    }
}

fn unknown(fake: &FakeAws, protocol: Protocol, what: &str) -> Response {
    let error = AwsError::refused(
        "UnknownOperationException",
        format!("This fake of AWS does not serve it: {what}"),
    );
    respond(fake, protocol.error(&error, "com.amazon.coral.service"))
}

async fn dynamodb(fake: &FakeAws, operation: dynamodb::Operation, body: &[u8]) -> Response {
    let mut lost = false;
    match fake.inner.faults.take_for_call(operation.name(), body) {
        None => {}
        Some(CallFault::Throttle) => {
            let body = dynamodb::error("ThrottlingException", "Rate exceeded");
            return respond(fake, json_answer(400, body));
        }
        Some(CallFault::InternalError) => {
            let body = dynamodb::error("InternalServerError", "Internal server error");
            return respond(fake, json_answer(500, body));
        }
        Some(CallFault::LostAnswer) => lost = true,
        Some(CallFault::Delay(by)) => delay(by).await,
        Some(CallFault::Unprocessed(_) | CallFault::EmptyPage | CallFault::Lag) => {}
    }
    let (status, answer) = fake.inner.dynamodb.call(operation, body);
    if lost {
        return nothing(fake);
    }
    respond(fake, json_answer(status, answer))
}

/// Keeps a caller waiting in real time, as a fault wants it.
#[expect(clippy::disallowed_methods, reason = "a fault delays an answer")]
pub(crate) async fn delay(by: Duration) {
    tokio::time::sleep(by).await;
}

fn json_answer(status: u16, body: Vec<u8>) -> Answer {
    let mut headers = HeaderMap::with_capacity(2);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON_1_0));
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, headers, body)
}

async fn called(
    fake: &FakeAws,
    operation: Operation,
    protocol: Protocol,
    headers: &HeaderMap,
    body: &[u8],
) -> Response {
    let fault = fake.inner.faults.take_for_call(operation.name(), body);
    if let Some(CallFault::Delay(by)) = fault {
        delay(by).await;
    }
    let (request, result) = match protocol.read(body) {
        Ok(request) => {
            let result = serve(fake, operation, request.clone(), body.len(), fault);
            (request, result)
        }
        Err(error) => (Value::Null, Err(error)),
    };
    let outcome = match &result {
        Ok(_) if fault == Some(CallFault::LostAnswer) => Outcome::AnswerLost,
        Ok(_) => Outcome::Answered,
        Err(error) => Outcome::Refused(error.name),
    };
    fake.inner.calls.add(Call {
        at: fake.now(),
        operation: operation.name(),
        request: Arc::new(request),
        outcome,
        access_key: access_key(headers),
    });
    match result {
        _ if fault == Some(CallFault::LostAnswer) => nothing(fake),
        Ok(answer) => respond(fake, protocol.ok(answer)),
        Err(error) => respond(fake, protocol.error(&error, operation.namespace())),
    }
}

fn serve(
    fake: &FakeAws,
    operation: Operation,
    request: Value,
    body_length: usize,
    fault: Option<CallFault>,
) -> Result<Wire, AwsError> {
    let too_many = || {
        let message = "The calls to the API are throttled.";
        AwsError::refused("ThrottlingException", message)
    };
    if fake.inner.is_too_many(operation.name(), fake.now()) {
        return Err(too_many());
    }
    match fault {
        Some(CallFault::Throttle) => return Err(too_many()),
        Some(CallFault::InternalError) => {
            return Err(AwsError::internal(operation.internal_error()));
        }
        Some(
            CallFault::LostAnswer
            | CallFault::Unprocessed(_)
            | CallFault::Delay(_)
            | CallFault::EmptyPage
            | CallFault::Lag,
        )
        | None => {}
    }
    let inner = &fake.inner;
    match operation {
        Operation::ResolveCustomer => inner.resolve_customer(request),
        Operation::BatchMeterUsage => inner.batch_meter_usage(request, body_length, fault),
        Operation::GetEntitlements => inner.get_entitlements(request, fault),
        Operation::DescribeAgreement => inner.describe_agreement(request),
        Operation::SearchAgreements => inner.search_agreements(request, fault),
        Operation::GetAgreementTerms => inner.get_agreement_terms(request, fault),
        Operation::GetAgreementEntitlements => inner.get_agreement_entitlements(request, fault),
        Operation::ListAgreementInvoiceLineItems => {
            inner.list_agreement_invoice_line_items(request, fake.now(), fault)
        }
        Operation::GetSecretValue => inner.get_secret_value(request),
    }
}

/// Who signed: `Credential=<access key id>/…` of the Authorization header.
fn access_key(headers: &HeaderMap) -> Option<String> {
    let authorization = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (_, credential) = authorization.split_once("Credential=")?;
    Some(credential.split('/').next()?.to_owned())
}

/// What a client sees of an answer that was lost: not AWS's answer.
fn nothing(fake: &FakeAws) -> Response {
    respond(
        fake,
        (
            StatusCode::INTERNAL_SERVER_ERROR,
            HeaderMap::new(),
            Vec::new(),
        ),
    )
}

fn respond(fake: &FakeAws, (status, mut headers, body): Answer) -> Response {
    let id = fake.inner.request_id();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert("x-amzn-requestid", id);
    }
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

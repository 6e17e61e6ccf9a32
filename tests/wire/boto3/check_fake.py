"""Shows that AWS's own Python client is served by the fake.

Usage: check_fake.py http://127.0.0.1:8090

Talks to a running fake through boto3 and through plain HTTP, prints a line
for everything it checked, and exits 1 at the first difference. It makes two
agreements for each run and one table of its own, and moves the clock by two
hours, so the fake should be one that was started for it.
"""

import datetime
import json
import sys
import urllib.error
import urllib.request

import boto3
import botocore
from botocore.config import Config
from botocore.exceptions import ClientError

BUYER = "444455556666"
TABLE = "boto3-check"


def check(what, found, expected):
    if found != expected:
        print(f"DIFFERENT {what}\n  found    {found!r}\n  expected {expected!r}")
        sys.exit(1)
    print(f"ok        {what}")


def error_code(call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "no error"


def post(endpoint, path, body, headers=None):
    request = urllib.request.Request(
        endpoint + path, json.dumps(body).encode(), headers or {}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def get_state(endpoint):
    with urllib.request.urlopen(endpoint + "/_fake/state", timeout=10) as response:
        return json.load(response)


def client(endpoint, service):
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="AKIDBOTO3",
        aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}),
    )


def check_metering(endpoint, made):
    metering = client(endpoint, "meteringmarketplace")
    resolved = metering.resolve_customer(RegistrationToken=made["registration_token"])
    resolved.pop("ResponseMetadata")
    check(
        "meteringmarketplace resolve_customer",
        resolved,
        {
            "ProductCode": get_state(endpoint)["product_code"],
            "CustomerAWSAccountId": BUYER,
            "LicenseArn": made["license_arn"],
            "Metadata": {"AgreementId": made["agreement_id"]},
        },
    )
    check(
        "meteringmarketplace resolve_customer, unknown token",
        error_code(metering.resolve_customer, RegistrationToken="nonsense"),
        "InvalidTokenException",
    )

    # The first whole hour after the agreement began.
    post(endpoint, "/_fake/clock", {"advance_seconds": 2 * 3600})
    now = datetime.datetime.fromisoformat(get_state(endpoint)["now"].replace("Z", "+00:00"))
    hour = now.replace(minute=0, second=0, microsecond=0)
    record = {
        "Timestamp": hour,
        "Dimension": "large",
        "CustomerAWSAccountId": BUYER,
        "LicenseArn": made["license_arn"],
        "Quantity": 7,
        "UsageAllocations": [
            {"AllocatedUsageQuantity": 5, "Tags": [{"Key": "cloudAccountID", "Value": "999988887777"}]},
            {"AllocatedUsageQuantity": 2},
        ],
    }
    first = metering.batch_meter_usage(UsageRecords=[record])
    result = first["Results"][0]
    check("meteringmarketplace batch_meter_usage", result["Status"], "Success")
    echoed = result["UsageRecord"]
    check("the result echoes the timestamp", echoed["Timestamp"].timestamp(), hour.timestamp())
    check("the result echoes the allocations", echoed["UsageAllocations"], record["UsageAllocations"])
    check("nothing is unprocessed", first["UnprocessedRecords"], [])
    again = metering.batch_meter_usage(UsageRecords=[record])["Results"][0]
    check("an identical retry is the same record", again["MeteringRecordId"], result["MeteringRecordId"])
    other = metering.batch_meter_usage(UsageRecords=[record | {"Quantity": 8, "UsageAllocations": [
        {"AllocatedUsageQuantity": 8},
    ]}])
    check("another quantity is a duplicate", other["Results"][0]["Status"], "DuplicateRecord")
    decimal = {key: value for key, value in record.items() if key not in ("Quantity", "UsageAllocations")}
    decimal = decimal | {"Dimension": "medium", "QuantityAsDecimal": "3.00"}
    whole = metering.batch_meter_usage(UsageRecords=[decimal])["Results"][0]
    check("a decimal of a whole value is accepted", whole["Status"], "Success")
    for what, change, code in [
        ("unknown dimension", {"Dimension": "gold"}, "InvalidUsageDimensionException"),
        ("future timestamp", {"Timestamp": hour + datetime.timedelta(hours=2)}, "TimestampOutOfBoundsException"),
        ("allocations that do not add up", {"Quantity": 9}, "InvalidUsageAllocationsException"),
        ("another buyer's license", {"CustomerAWSAccountId": "777788889999"}, "InvalidLicenseException"),
    ]:
        found = error_code(metering.batch_meter_usage, UsageRecords=[record | change])
        check(f"whole call refused: {what}", found, code)
    code = error_code(metering.batch_meter_usage, UsageRecords=[record], ProductCode="abc")
    check("whole call refused: ProductCode beside LicenseArn", code, "InvalidProductCodeException")
    accepted = [r for r in get_state(endpoint)["metering_records"] if r["license_arn"] == made["license_arn"]]
    check("what was accepted", [(r["dimension"], r["quantity"]) for r in accepted], [("large", 7), ("medium", 3)])


def check_entitlement(endpoint, made):
    product_code = get_state(endpoint)["product_code"]
    entitlement = client(endpoint, "marketplace-entitlement")
    found, token = [], {}
    while True:
        page = entitlement.get_entitlements(
            ProductCode=product_code, Filter={"LICENSE_ARN": [made["license_arn"]]}, MaxResults=3, **token
        )
        found += page["Entitlements"]
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    protocol = entitlement.meta.service_model.resolved_protocol
    check(f"marketplace-entitlement get_entitlements ({protocol})", len(found), 4)
    check("an entitlement's value", found[0]["Value"], {"IntegerValue": 1000})
    is_date = isinstance(found[0]["ExpirationDate"], datetime.datetime)
    check("its expiration is a date", is_date, True)
    check(
        "marketplace-entitlement get_entitlements, another product",
        error_code(entitlement.get_entitlements, ProductCode="another"),
        "InvalidParameterException",
    )
    as_json = post(
        endpoint,
        "/",
        {"ProductCode": product_code, "Filter": {"LICENSE_ARN": [made["license_arn"]]}},
        {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AWSMPEntitlementService.GetEntitlements"},
    )
    check("the same in AWS JSON 1.1", [e["Dimension"] for e in as_json["Entitlements"]], [e["Dimension"] for e in found])
    seconds = as_json["Entitlements"][0]["ExpirationDate"]
    check("the same instant in both", seconds, found[0]["ExpirationDate"].timestamp())


def check_agreement(endpoint, made):
    agreement = client(endpoint, "marketplace-agreement")
    described = agreement.describe_agreement(agreementId=made["agreement_id"])
    check("marketplace-agreement describe_agreement", described["status"], "ACTIVE")
    check("its buyer", described["acceptor"], {"accountId": BUYER})
    code = error_code(agreement.describe_agreement, agreementId="agmt-none")
    check("an unknown agreement", code, "ResourceNotFoundException")
    check("its chain begins with it", described["initialAgreementId"], made["agreement_id"])
    check("its end", described["endTime"].timestamp(), end_of(endpoint, made).timestamp())
    check("and what becomes of it then", described["endTimeBehavior"]["type"], "EXPIRE")
    check_search(agreement, endpoint, made)
    check_terms(agreement, made)


def check_search(agreement, endpoint, made):
    filters = {"AgreementType": "PurchaseAgreement", "PartyType": "Proposer"}
    body = {"license": "new", "intent": "REPLACE"}
    renewed = post(endpoint, f"/_fake/agreements/{made['agreement_id']}/renew", body)
    for what, more, expected in [
        ("by license", {"LicenseArn": made["license_arn"]}, [made["agreement_id"]]),
        ("by status", {"Status": "REPLACED"}, [made["agreement_id"]]),
        (
            "by chain, page by page",
            {"InitialAgreementId": made["agreement_id"]},
            [made["agreement_id"], renewed["agreement_id"]],
        ),
        ("by end", {"AfterEndTime": "9000-01-01T00:00:00Z"}, []),
    ]:
        pages = agreement.get_paginator("search_agreements").paginate(
            catalog="AWSMarketplace",
            filters=[{"name": name, "values": [value]} for name, value in (filters | more).items()],
            PaginationConfig={"PageSize": 1},
        )
        found = [summary for page in pages for summary in page["agreementViewSummaries"]]
        ids = [summary["agreementId"] for summary in found]
        check(f"marketplace-agreement search_agreements {what}", ids, expected)
    code = error_code(agreement.search_agreements, filters=[{"name": "Color", "values": ["red"]}])
    check("an unknown filter", code, "ValidationException")
    for one, status, reason in [
        (made, "DEPROVISIONED", "AGREEMENT_INACTIVE"),
        (renewed, "PROVISIONED", None),
    ]:
        pages = agreement.get_paginator("get_agreement_entitlements").paginate(agreementId=one["agreement_id"])
        found = [entitlement for page in pages for entitlement in page["agreementEntitlements"]]
        told = [(e["licenseArn"], e["status"], e.get("statusReasonCode")) for e in found]
        check("marketplace-agreement get_agreement_entitlements", told, [(one["license_arn"], status, reason)])


def check_terms(agreement, made):
    pages = agreement.get_paginator("get_agreement_terms").paginate(
        agreementId=made["agreement_id"], PaginationConfig={"PageSize": 2}
    )
    terms = {}
    for page in pages:
        for term in page["acceptedTerms"]:
            terms |= term
    check(
        "marketplace-agreement get_agreement_terms",
        sorted(terms),
        ["configurableUpfrontPricingTerm", "legalTerm", "renewalTerm", "usageBasedPricingTerm", "validityTerm"],
    )
    rates = {item["dimensionKey"]: item["price"] for item in terms["usageBasedPricingTerm"]["rateCards"][0]["rateCard"]}
    check("its rate of a large computer", rates["large"], "0.0288")
    chosen = terms["configurableUpfrontPricingTerm"]["configuration"]
    check("what the buyer chose", chosen["dimensions"][0], {"dimensionKey": "medium_hours", "dimensionValue": 1000})
    check("that it does not renew itself", terms["renewalTerm"]["configuration"], {"enableAutoRenew": False})


def end_of(endpoint, made):
    agreements = get_state(endpoint)["agreements"]
    ends_at = next(a["ends_at"] for a in agreements if a["agreement_id"] == made["agreement_id"])
    return datetime.datetime.fromisoformat(ends_at.replace("Z", "+00:00"))


def check_dynamodb(endpoint):
    dynamodb = client(endpoint, "dynamodb")
    if TABLE in dynamodb.list_tables()["TableNames"]:
        dynamodb.delete_table(TableName=TABLE)
    dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "kind", "AttributeType": "S"},
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by-kind",
                "KeySchema": [{"AttributeName": "kind", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    item = {"pk": {"S": "a"}, "kind": {"S": "k"}, "n": {"N": "7"}}
    absent = {"ConditionExpression": "attribute_not_exists(pk)"}
    dynamodb.put_item(TableName=TABLE, Item=item, **absent)
    got = dynamodb.get_item(TableName=TABLE, Key={"pk": {"S": "a"}}, ConsistentRead=True)
    check("dynamodb put_item, get_item", got["Item"], item)
    code = error_code(dynamodb.put_item, TableName=TABLE, Item=item, **absent)
    check("dynamodb failed condition", code, "ConditionalCheckFailedException")
    queried = dynamodb.query(
        TableName=TABLE,
        IndexName="by-kind",
        KeyConditionExpression="kind = :k",
        ExpressionAttributeValues={":k": {"S": "k"}},
    )
    check("dynamodb query of an index", queried["Items"], [item])
    try:
        dynamodb.transact_write_items(
            TransactItems=[
                {"Put": {"TableName": TABLE, "Item": {"pk": {"S": "b"}}}},
                {"Put": {"TableName": TABLE, "Item": item, **absent}},
            ]
        )
        reasons = "no error"
    except dynamodb.exceptions.TransactionCanceledException as error:
        reasons = [reason["Code"] for reason in error.response["CancellationReasons"]]
    check("dynamodb cancelled transaction", reasons, ["None", "ConditionalCheckFailed"])
    b = dynamodb.get_item(TableName=TABLE, Key={"pk": {"S": "b"}})
    check("and nothing of it was written", "Item" in b, False)
    dynamodb.delete_table(TableName=TABLE)


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    endpoint = sys.argv[1].rstrip("/")
    print(f"boto3 {boto3.__version__}, botocore {botocore.__version__}, fake at {endpoint}")
    made = post(endpoint, "/_fake/agreements", {"offer": "consumption", "buyer_account": BUYER})
    check_dynamodb(endpoint)
    check_metering(endpoint, made)
    check_entitlement(endpoint, made)
    check_agreement(endpoint, made)
    print("boto3 is served")


if __name__ == "__main__":
    main()

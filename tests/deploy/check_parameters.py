"""Which parameters of template.yaml are refused: by their own rules, as CloudFormation
checks them, or by the section Rules, before anything is made."""

import re
import sys

from cfnlint.decode import cfn_yaml

TEMPLATE = cfn_yaml.load("template.yaml")
PARAMETERS = TEMPLATE["Parameters"]

# What is asked for besides the defaults, with a Cognito user pool.
GOOD = {
    "ProductCodes": "abc123,def456",
    "ProductIds": "prod-1,prod-2",
    "PublicUrl": "https://marketplace.example.com",
    "AlarmEmail": "ops@example.com",
    "SignInDomain": "acme-sign-in",
    "ProductName": "Workload Security",
    "SupportEmail": "help@example.com",
}
OWN_ISSUER = {
    "SignInDomain": "none",
    "SignInIssuer": "https://issuer.example.com",
    "SignInClientId": "client",
    "SignInClientSecretArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:issuer-AbCdEf",
    "SignInCredentialMethods": "pwd,mfa",
}
TABLE_ARN = "arn:aws:dynamodb:us-east-1:123456789012:table/Subscriptions-restored"
STREAM_ARN = f"{TABLE_ARN}/stream/2026-11-29T02:07:33.123"
CERTIFICATE = "arn:aws:acm:us-east-1:123456789012:certificate/6f1c2d3e"


def problem(name, value):
    """What CloudFormation finds wrong with a parameter by itself."""
    parameter = PARAMETERS[name]
    text = str(value)
    if "AllowedValues" in parameter and text not in [str(one) for one in parameter["AllowedValues"]]:
        return f"{name} is not one of AllowedValues"
    if "AllowedPattern" in parameter and not re.fullmatch(parameter["AllowedPattern"], text):
        return f"{name} does not match AllowedPattern"
    if len(text) < int(parameter.get("MinLength", 0)):
        return f"{name} is too short"
    if len(text) > int(parameter.get("MaxLength", 4096)):
        return f"{name} is too long"
    return None


def evaluate(expression, values):
    """A condition of the section Rules."""
    if isinstance(expression, dict):
        (function, argument), = expression.items()
        if function == "Ref":
            return str(values[argument])
        if function == "Fn::Equals":
            left, right = (evaluate(one, values) for one in argument)
            return left == right
        if function == "Fn::Not":
            return not evaluate(argument[0], values)
        raise ValueError(f"{function}: what does it mean in a rule?")
    return str(expression)


def refusals(given, region="us-east-1"):
    """Why a stack with these parameters is not made."""
    values = {name: parameter.get("Default") for name, parameter in PARAMETERS.items()}
    values.update(GOOD)
    values.update(given)
    found = [f"{name} is missing" for name, value in values.items() if value is None]
    found += [told for name, value in values.items() if value is not None and (told := problem(name, value))]
    if found:
        return found
    values["AWS::Region"] = region
    for name, rule in TEMPLATE["Rules"].items():
        if evaluate(rule.get("RuleCondition", {"Fn::Equals": ["", ""]}), values):
            found += [
                f"{name}: {one['AssertDescription']}"
                for one in rule["Assertions"]
                if not evaluate(one["Assert"], values)
            ]
    return found


TAKEN = [
    {},
    OWN_ISSUER,
    {"CertificateArn": CERTIFICATE},
    {"CertificateArn": CERTIFICATE, "WebFirewall": "on"},
    {"TableKeyArn": "arn:aws:kms:us-east-1:123456789012:key/0123abcd-0123-4567-89ab-0123456789ab"},
    {"DataFeedsBucket": "seller-feeds", "AuditRetentionDays": 3653, "LogRetentionDays": 30},
    {"SubscriptionTopicArn": "arn:aws:sns:us-east-1:287250355862:aws-mp-subscription-notification-abc"},
    {"EntitlementTopicArn": "arn:aws:sns:us-east-1:287250355862:aws-mp-entitlement-notification-abc"},
    {"RestoredSubscriptionsStreamArn": STREAM_ARN},
    {"RestoredUsageTable": "Usage-restored"},
    OWN_ISSUER | {"SignInSupportGroup": "helpers", "SignInCredentialMethods": "pwd"},
    {"Catalog": '{"version": 1, "service": "Workload Security", "rates": []}'},
    {"TrialDays": 0, "CarryHours": 48, "CarryRoomMinutes": 15, "AllocationsPerRecord": 1, "CallsAtOnce": 1},
    {"TrialDays": 365, "CarryHours": 720, "CarryRoomMinutes": 360, "AllocationsPerRecord": 2500, "CallsAtOnce": 10},
    {"RepeatedGrace": "refused", "ZeroRecords": "sent"},
]

# What is given, and a word of each reason.
REFUSED = [
    ({"ProductCodes": "a b"}, "ProductCodes"),
    ({"ProductIds": ""}, "ProductIds"),
    ({"PublicUrl": "http://marketplace.example.com"}, "PublicUrl"),
    ({"PublicUrl": "https://marketplace.example.com/"}, "PublicUrl"),
    ({"PublicUrl": "https://localhost"}, "PublicUrl"),
    ({"CertificateArn": "arn:aws:acm:eu-west-1:123456789012:certificate/1"}, "CertificateArn"),
    ({"WebFirewall": "yes"}, "WebFirewall"),
    ({"WebFirewall": "on"}, "Firewall: WebFirewall needs CertificateArn"),
    ({"AlarmEmail": "nobody"}, "AlarmEmail"),
    ({"AlarmEmail": None}, "AlarmEmail is missing"),
    ({"TableKeyArn": "alias/tables"}, "TableKeyArn"),
    ({"TableKeyArn": "arn:aws:kms:us-east-1:123456789012:alias/tables"}, "TableKeyArn"),
    ({"RestoredSubscriptionsStreamArn": ""}, "RestoredSubscriptionsStreamArn"),
    ({"RestoredSubscriptionsStreamArn": TABLE_ARN}, "RestoredSubscriptionsStreamArn"),
    ({"RestoredSubscriptionsStreamArn": f"{TABLE_ARN}/stream/none"}, "RestoredSubscriptionsStreamArn"),
    ({"RestoredSubscriptionsStreamArn": "latest"}, "RestoredSubscriptionsStreamArn"),
    ({"RestoredUsageTable": "arn:aws:dynamodb:us-east-1:123456789012:table/Usage"}, "RestoredUsageTable"),
    ({"SignInDomain": "Acme"}, "SignInDomain"),
    ({"SignInDomain": "none"}, "CognitoPages"),
    ({"SignInSupportGroup": "helpers"}, "CognitoPages: Without SignInIssuer SignInSupportGroup is support"),
    ({"SignInIssuer": "issuer.example.com"}, "SignInIssuer"),
    (OWN_ISSUER | {"SignInClientId": ""}, "OwnIssuer: SignInIssuer needs SignInClientId"),
    (
        OWN_ISSUER | {"SignInClientSecretArn": PARAMETERS["SignInClientSecretArn"]["Default"]},
        "OwnIssuer: SignInIssuer needs SignInClientSecretArn",
    ),
    (
        OWN_ISSUER | {"SignInClientSecretArn": OWN_ISSUER["SignInClientSecretArn"].replace("us-east-1", "eu-west-1")},
        "SignInClientSecretArn",
    ),
    (OWN_ISSUER | {"SignInCredentialMethods": ""}, "OwnIssuer: SignInIssuer needs SignInCredentialMethods"),
    (OWN_ISSUER | {"SignInCredentialMethods": ","}, "SignInCredentialMethods"),
    (OWN_ISSUER | {"SignInCredentialMethods": "pwd,,mfa"}, "SignInCredentialMethods"),
    ({"SignInGroupsClaim": ""}, "SignInGroupsClaim"),
    ({"SupportApproval": "three"}, "SupportApproval"),
    ({"SubscriptionTopicArn": "arn:aws:sns:us-east-1:123456789012:another"}, "SubscriptionTopicArn"),
    (
        {"SubscriptionTopicArn": "arn:aws:sns:eu-west-1:123456789012:aws-mp-subscription-notification-abc"},
        "SubscriptionTopicArn",
    ),
    (
        {"EntitlementTopicArn": "arn:aws:sns:eu-west-1:123456789012:aws-mp-entitlement-notification-abc"},
        "EntitlementTopicArn",
    ),
    ({"Catalog": "catalog.json"}, "Catalog"),
    ({"Catalog": "{" + " " * 2500 + "}"}, "Catalog"),
    ({"TrialDays": 366}, "TrialDays"),
    ({"TrialDays": "a month"}, "TrialDays"),
    ({"RepeatedGrace": "sometimes"}, "RepeatedGrace"),
    ({"ZeroRecords": "on"}, "ZeroRecords"),
    ({"CarryHours": 47}, "CarryHours"),
    ({"CarryHours": 721}, "CarryHours"),
    ({"CarryRoomMinutes": 14}, "CarryRoomMinutes"),
    ({"CarryRoomMinutes": 361}, "CarryRoomMinutes"),
    ({"AllocationsPerRecord": 0}, "AllocationsPerRecord"),
    ({"AllocationsPerRecord": 2501}, "AllocationsPerRecord"),
    ({"CallsAtOnce": 0}, "CallsAtOnce"),
    ({"CallsAtOnce": 11}, "CallsAtOnce"),
    ({"ProductName": ""}, "ProductName"),
    ({"ProductName": "  "}, "ProductName"),
    ({"ProductName": "x" * 101}, "ProductName"),
    ({"SupportEmail": "help"}, "SupportEmail"),
    ({"DataFeedsBucket": "s3://feeds"}, "DataFeedsBucket"),
    ({"LogLevel": "trace"}, "LogLevel"),
    ({"LogRetentionDays": 1}, "LogRetentionDays"),
    ({"AuditRetentionDays": 180}, "AuditRetentionDays"),
    ({"Architecture": "riscv"}, "Architecture"),
]


def main():
    for given in TAKEN:
        assert refusals(given) == [], (given, refusals(given))
    for given, reason in REFUSED:
        found = refusals(given)
        assert len(found) == 1 and reason in found[0], (given, reason, found)
    found = refusals({}, region="eu-west-1")
    assert len(found) == 1 and "us-east-1" in found[0], found
    ruled = {name for given, reason in REFUSED for name in TEMPLATE["Rules"] if reason.startswith(name)}
    assert ruled | {"Region"} == set(TEMPLATE["Rules"]), ruled
    unruled = [
        name
        for name, parameter in PARAMETERS.items()
        if not {"AllowedValues", "AllowedPattern", "MinLength"} & set(parameter)
    ]
    assert set(unruled) <= {"SignInClientId"}, unruled
    print(f"{len(TAKEN)} sets of parameters taken and {len(REFUSED) + 1} refused, as they should be")


sys.exit(main())

"""The product's API against its own document, on a local stack.

    check_api.py SELLER_URL HOUR

Plays an account's life by the API. The document must be valid OpenAPI, and the
example of every event as the document says; every
request and answer must be as it says; and every operation, with every success
that it documents, must have been met.
"""

import json
import sys
import urllib.error
import urllib.request

from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import validate

SELLER, HOUR = sys.argv[1], sys.argv[2]
KEY = {"Authorization": "Bearer local-usage-key"}


def fetch(method, path, body=None, headers=KEY):
    data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
    request = urllib.request.Request(SELLER + path, data=data, method=method, headers=headers)
    if data is not None:
        request.add_header("Content-Type", "application/json")
    try:
        answer = urllib.request.urlopen(request)
    except urllib.error.HTTPError as error:
        answer = error
    text = answer.read()
    return answer.status, answer.headers, json.loads(text) if text else None


DOCUMENT = fetch("GET", "/api/openapi.json", headers={})[2]
validate(DOCUMENT)
SEEN = {("get", "/api/openapi.json", "200")}


def fits(schema, value):
    whole = {**schema, "components": DOCUMENT["components"]}
    Draft202012Validator(whole, format_checker=FormatChecker()).validate(value)


def check_events():
    for name, event in DOCUMENT["webhooks"].items():
        content = event["post"]["requestBody"]["content"]["application/json"]
        fits(content["schema"], content["example"])
        for schema in content["schema"].get("oneOf", [content["schema"]]):
            assert sorted(schema["required"]) == sorted(schema["properties"]), name


def template(path):
    for known in DOCUMENT["paths"]:
        parts, wanted = path.split("/"), known.split("/")
        if len(parts) == len(wanted) and all(w.startswith("{") or p == w for p, w in zip(parts, wanted)):
            return known
    raise SystemExit(f"{path} is not in the document")


def call(method, path, expected, body=None, headers=KEY):
    known = template(path)
    operation = DOCUMENT["paths"][known][method.lower()]
    if expected < 300 and body is not None:
        fits(operation["requestBody"]["content"]["application/json"]["schema"], body)
    status, told, answer = fetch(method, path, body, headers)
    assert status == expected, (method, path, status, answer)
    documented = operation["responses"][str(status)]
    if "content" in documented:
        (kind, content), = documented["content"].items()
        assert told["content-type"] == kind, told["content-type"]
        fits(content["schema"], answer)
    else:
        assert answer is None
    if status < 300 and answer is not None:
        assert told["api-version"] == "1"
    SEEN.add((method.lower(), known, str(status)))
    return answer


def main():
    check_events()
    it = "/api/accounts/initech"
    call("GET", f"{it}/access", 404)
    opened = call("PUT", it, 201, {"name": "Initech", "owner": "ann@example.com"})
    assert (opened["state"], opened["allowed"], opened["blocked"]) == ("trial", True, [])
    assert call("PUT", it, 200, {"name": "Initech"})["version"] == opened["version"]
    call("PUT", it, 409, {"name": "Another"})
    renamed = call("PATCH", it, 200, {"name": "Initech Ltd"})
    assert renamed["name"] == "Initech Ltd" and renamed["version"] > opened["version"]
    assert call("PATCH", it, 200, {"name": "Initech Ltd"})["version"] == renamed["version"]

    call("PUT", f"{it}/members/bob@example.com", 200, {"role": "read_only"})
    call("PUT", f"{it}/members/bob@example.com", 200, {"role": "full_access"})
    for _again in range(2):
        call("DELETE", f"{it}/members/bob@example.com", 204)

    report = {"account": "initech", "hour": HOUR, "report_id": "r", "computers": [{"agent_id": "a"}]}
    call("POST", "/api/usage-reports", 201, report)
    call("POST", "/api/usage-reports", 200, report)
    call("POST", "/api/usage-reports", 409, {**report, "computers": [{"agent_id": "b"}]})

    call("PUT", f"{it}/annual-subscription", 422, {"ends_at": "2020-01-01T00:00:00Z"})
    annual = call("PUT", f"{it}/annual-subscription", 200, {"ends_at": "2090-01-01T00:00:00Z"})
    assert (annual["state"], annual["billed_by"]) == ("annual", "annual_subscription")
    call("PUT", f"{it}/annual-subscription", 409, {})
    ended = call("DELETE", f"{it}/annual-subscription", 200)
    assert ended["label"] == "Trial or Subscription Expired"
    assert (ended["allowed"], ended["blocked"]) == (False, ["activations", "updates", "connectors"])
    call("DELETE", f"{it}/annual-subscription", 200)

    for _again in range(2):
        deleted = call("DELETE", it, 200)
        assert deleted["state"] == "suspended" and "sign_in" in deleted["blocked"]
    call("PATCH", it, 409, {"name": "Initech"})
    for _again in range(2):
        assert call("POST", f"{it}/restore", 200)["state"] == "expired"
    assert call("GET", it, 200) | {"as_of": ""} == call("GET", f"{it}/access", 200) | {"as_of": ""}

    call("PUT", it, 401, {"name": "x"}, headers={})
    call("GET", it, 400, headers={**KEY, "api-version": "2"})
    call("PUT", it, 400, b"{")
    call("PUT", it, 413, {"name": "x" * 20_000})
    for path, body, field in [
        (it, {"name": ""}, "name"),
        (it, {"name": "x", "more": 1}, "more"),
        (it, {"name": "x", "owner": "nobody"}, "owner"),
        (f"{it}/members/bob@example.com", {"role": "admin"}, "role"),
        (f"{it}/members/bob", {"role": "read_only"}, "email"),
        (f"/api/accounts/{'x' * 300}", {"name": "x"}, "account"),
        (f"{it}/annual-subscription", {"ends_at": "tomorrow"}, "ends_at"),
    ]:
        assert call("PUT", path, 422, body)["field"] == field, (path, body)

    for path, operations in DOCUMENT["paths"].items():
        for method, operation in operations.items():
            if method != "parameters":
                for status in operation["responses"]:
                    missed = status < "300" and (method, path, status) not in SEEN
                    assert not missed, f"{method} {path} was never answered with {status}"
    print("the API is as its document says")


main()

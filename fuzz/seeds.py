"""Makes seeds for a fuzz target of the example events: seeds.py TARGET DIR."""

import base64
import json
import pathlib
import sys

EVENTS = pathlib.Path(__file__).resolve().parent.parent / "events"


def bodies(folder):
    """What the messages and requests of a function's payloads hold."""
    for path in sorted((EVENTS / folder).glob("*.json")):
        payload = json.loads(path.read_text())
        for record in payload.get("Records", []):
            yield record.get("body") or ""
        if "body" in payload:
            body = payload["body"] or ""
            if payload.get("isBase64Encoded"):
                body = base64.b64decode(body).decode("utf-8", "replace")
            yield body


def payloads():
    """The payloads, and whether each is a request of API Gateway."""
    for path in sorted(EVENTS.glob("*/*.json")):
        text = path.read_text()
        yield "requestContext" in json.loads(text), text


def short_texts(value):
    """The short texts of a JSON value, however deep."""
    if isinstance(value, str) and len(value) < 200:
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from short_texts(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from short_texts(item)


def seeds(target):
    match target:
        case "report":
            return bodies("usage-intake")
        case "event" | "notification":
            return bodies("marketplace-events")
        case "payload":
            return (text for request, text in payloads() if not request)
        case "request":
            return (text for request, text in payloads() if request)
        case "ids":
            return {text for _, payload in payloads() for text in short_texts(json.loads(payload))}
        case _:
            return []


if __name__ == "__main__":
    target, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    for number, seed in enumerate(seeds(target)):
        (folder / f"event-{number}").write_text(seed)

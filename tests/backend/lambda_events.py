"""Lambda events as AWS's documentation prints them, cut to what tells them apart."""

from __future__ import annotations

import base64
from typing import Any


def http_event(
    method: str = "POST",
    path: str = "/chat",
    body: str | bytes | None = None,
    *,
    stage: str = "$default",
) -> dict[str, Any]:
    """An HTTP API's event in payload format 2.0; bytes are sent as base64."""
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{method} {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"Content-Type": "application/json", "host": "api.example.com"},
        "requestContext": {
            "accountId": "123456789012",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
            },
            "requestId": "JKJaXmPLvHcESHA=",
            "stage": stage,
        },
        "isBase64Encoded": isinstance(body, bytes),
    }
    if body is not None:
        event["body"] = base64.b64encode(body).decode() if isinstance(body, bytes) else body
    return event


PAYLOAD_1_0: dict[str, Any] = {
    "version": "1.0",
    "httpMethod": "POST",
    "path": "/chat",
    "requestContext": {"httpMethod": "POST", "stage": "prod"},
    "body": "{}",
}
SQS: dict[str, Any] = {
    "Records": [
        {"messageId": "one", "body": "first", "eventSource": "aws:sqs"},
        {"messageId": "two", "body": "second", "eventSource": "aws:sqs"},
    ]
}
S3: dict[str, Any] = {
    "Records": [
        {
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": "uploads"}, "object": {"key": "a.png"}},
        }
    ]
}
EVENTBRIDGE: dict[str, Any] = {
    "version": "0",
    "source": "aws.events",
    "detail-type": "Scheduled Event",
    "detail": {},
    "resources": [],
}

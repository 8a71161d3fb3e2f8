"""Requests as one writes them for curl, and the events that they become."""

from __future__ import annotations

import json
from typing import Any

import pytest
from local_aws.asked import asked, event_for, told
from local_aws.errors import RequestError
from local_aws.front.reply import Reply


def event(path: str, **words: Any) -> Any:
    return json.loads(event_for(asked(path, **words)))


def test_a_path_alone_is_a_get() -> None:
    made = event("/chat/health?full=1&full=2")

    assert made["version"] == "2.0"
    assert made["routeKey"] == "GET /chat/health"
    assert made["rawPath"] == made["requestContext"]["http"]["path"] == "/chat/health"
    assert made["queryStringParameters"] == {"full": "1,2"}
    assert "body" not in made
    assert "content-type" not in made["headers"]


def test_a_body_makes_it_a_post_of_json_whatever_is_in_it() -> None:
    made = event("/chat", body='{"messages": [')

    assert made["routeKey"] == "POST /chat"
    assert made["headers"]["content-type"] == "application/json"
    assert (made["body"], made["isBase64Encoded"]) == ('{"messages": [', False)


def test_methods_and_headers_that_are_given_count() -> None:
    made = event("/a", method="put", body="é", headers=["Content-Type: text/plain", "X-Key:1:2"])

    assert made["requestContext"]["http"]["method"] == "PUT"
    assert made["headers"]["content-type"] == "text/plain"
    assert made["headers"]["content-length"] == "2"
    assert made["headers"]["x-key"] == "1:2"


def test_a_path_may_be_percent_encoded_or_not() -> None:
    assert event("/a b/ü")["rawPath"] == event("/a%20b/%C3%BC")["rawPath"] == "/a b/ü"


@pytest.mark.parametrize(
    ("path", "header"), [("chat", ""), ("", ""), ("/a", "no colon"), ("/", ":")]
)
def test_what_is_no_request_is_refused_by_name(path: str, header: str) -> None:
    with pytest.raises(RequestError, match=r"does not begin with /|is not of the form"):
        asked(path, headers=[header] if header else [])


def test_replies_are_told_as_curl_does_and_bytes_by_their_number() -> None:
    text = Reply(status=201, headers=(("a", "b"), ("a", "c")), body="é".encode())
    image = Reply(status=299, headers=(), body=b"\x89PNG")

    assert told(text) == "201 Created\na: b\na: c\n\né"
    assert told(image) == "299\n\n(4 bytes that are no text)"

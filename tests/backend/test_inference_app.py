"""The application as any server runs it, and the function as Lambda calls it."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from backend.lambda_events import http_event
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from inference import app as application
from inference.model import CARD_FILE, MODEL_FILE, TRAINED, load_model
from inference.requests import MAX_URLS
from inference.threads import limit_threads
from inference.url import MAX_URL_CHARACTERS, parse_url
from lambda_shared.invocation import FakeContext

from backend import lambda_events

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

GOOD = "https://www.google.com/"
BAD = "https://myetherwallet-login.com/"


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(application.app, raise_server_exceptions=False) as client:
        yield client


def ask(inference: ModuleType, event: object) -> dict[str, Any]:
    """The reply, with its body read; and it can be sent."""
    reply: dict[str, Any] = inference.handler(event, FakeContext(aws_request_id="r-1"))
    assert json.dumps(reply, ensure_ascii=False).encode()
    assert reply["headers"]["content-type"] == "application/json"
    return {**reply, "body": json.loads(reply["body"])}


@pytest.mark.parametrize("path", ["/inference", "/inference/"])
def test_a_url_is_judged_at_both_paths_without_a_redirect(path: str, client: TestClient) -> None:
    response = client.post(path, json={"url": BAD}, follow_redirects=False)
    model = load_model()
    assert response.status_code == 200
    assert response.json() == {
        "model": {"version": model.version, "threshold": model.threshold},
        "results": [{"url": BAD, "probability": 0.9999, "verdict": "phishing"}],
    }


@pytest.mark.parametrize("path", ["/inference", "/inference/"])
def test_the_function_answers_as_the_application_does(
    path: str, client: TestClient, inference: ModuleType
) -> None:
    body = {"urls": [GOOD, BAD]}
    reply = ask(inference, http_event(path=path, body=json.dumps(body)))
    assert reply["statusCode"] == 200
    assert reply["body"] == client.post(path, json=body).json()


def test_a_base64_body_is_the_same_request(inference: ModuleType) -> None:
    text = json.dumps({"url": GOOD})
    plain = ask(inference, http_event(path="/inference", body=text))
    assert ask(inference, http_event(path="/inference", body=text.encode())) == plain


def test_a_stage_with_a_name_is_no_part_of_the_path(inference: ModuleType) -> None:
    event = http_event(path="/prod/inference", body=json.dumps({"url": GOOD}), stage="prod")
    assert ask(inference, event)["statusCode"] == 200


def test_urls_are_judged_in_their_order_each_as_if_alone(client: TestClient) -> None:
    urls = [f"https://host-{number}.example/" for number in range(MAX_URLS - 2)] + [GOOD, BAD]
    results = client.post("/inference", json={"urls": urls}).json()["results"]
    assert [result["url"] for result in results] == urls
    for result in results[-3:]:
        (alone,) = client.post("/inference", json={"url": result["url"]}).json()["results"]
        assert alone == result


def test_the_verdict_is_the_threshold_of_the_card(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shown,) = client.post("/inference", json={"url": GOOD}).json()["results"]
    assert shown["verdict"] == "not_phishing"
    trained = load_model()
    (score,) = trained.score([parse_url(GOOD)])
    strict = type(trained)(
        version="strict", threshold=score, card=trained.card, pipeline=trained.pipeline
    )
    monkeypatch.setattr(application, "model", lambda: strict)
    (shown,) = client.post("/inference", json={"url": GOOD}).json()["results"]
    assert shown["verdict"] == "phishing"


REFUSED = [
    (None, "body"),
    ("", "body"),
    ("{", "body"),
    ("[]", "body"),
    ("3", "body"),
    (b"\xff", "body"),
    ("[" * 100_000, "body"),
    ("{}", "url"),
    (json.dumps({"url": GOOD, "urls": [GOOD]}), "url"),
    ('{"url": null}', "url"),
    ('{"url": null, "urls": null}', "url"),
    ('{"url": 3}', "url"),
    ('{"url": ""}', "url"),
    ('{"url": ["https://a.example/"]}', "url"),
    ('{"url": "ftp://example.com/"}', "url"),
    ('{"url": "example.com"}', "url"),
    ('{"url": "https://{rule}/"}', "url"),
    ('{"url": "https://a.example/\\ud800"}', "url"),
    (json.dumps({"url": "https://a.example/" + "x" * MAX_URL_CHARACTERS}), "url"),
    ('{"urls": []}', "urls"),
    ('{"urls": "https://a.example/"}', "urls"),
    (json.dumps({"urls": [GOOD] * (MAX_URLS + 1)}), "urls"),
    (json.dumps({"urls": [GOOD, 3]}), "urls[1]"),
    (json.dumps({"urls": [GOOD, GOOD, "http://"]}), "urls[2]"),
    (json.dumps({"url": GOOD, "link": GOOD}), "link"),
]


@pytest.mark.parametrize(("body", "field"), REFUSED)
def test_wrong_input_is_422_and_names_the_field(
    body: str | bytes | None, field: str, client: TestClient, inference: ModuleType
) -> None:
    reply = ask(inference, http_event(path="/inference", body=body))
    assert reply["statusCode"] == 422
    error = reply["body"]["error"]
    assert (error["code"], error["field"]) == ("invalid_request", field)
    assert error["message"].startswith(f"{field} ")
    assert error["message"].endswith(".")
    response = client.post("/inference", content=body, headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["error"]) == (422, error)


def test_a_form_is_refused_with_the_content_type_that_is_wanted(client: TestClient) -> None:
    response = client.post("/inference", data={"url": GOOD})
    assert response.status_code == 422
    assert "content-type: application/json" in response.json()["error"]["message"]


@pytest.mark.parametrize(
    ("event", "status", "code"),
    [
        (http_event("GET", "/inference"), 405, "method_not_allowed"),
        (http_event("POST", "/inference/health"), 405, "method_not_allowed"),
        (http_event("GET", "/"), 404, "not_found"),
        (http_event("GET", "/inference/health/"), 404, "not_found"),
        (
            http_event(path="/inference", body="%") | {"isBase64Encoded": True},
            400,
            "invalid_request",
        ),
        (lambda_events.PAYLOAD_1_0, 400, "unsupported_event"),
        (lambda_events.S3, 400, "unsupported_event"),
        (lambda_events.EVENTBRIDGE, 400, "unsupported_event"),
        ({}, 400, "unsupported_event"),
    ],
)
def test_what_is_no_request_for_a_judgement_is_refused_as_every_function_does(
    event: object, status: int, code: str, inference: ModuleType
) -> None:
    reply = ask(inference, event)
    assert (reply["statusCode"], reply["body"]["error"]["code"]) == (status, code)
    assert reply["body"]["request_id"] == "r-1"


def test_a_405_says_what_is_allowed(client: TestClient) -> None:
    assert client.get("/inference").headers["allow"] == "POST"


def test_the_messages_of_a_queue_are_handed_back(inference: ModuleType) -> None:
    reply = inference.handler(lambda_events.SQS, FakeContext())
    assert reply["batchItemFailures"] == [{"itemIdentifier": "one"}, {"itemIdentifier": "two"}]


def test_an_event_without_address_or_headers_is_answered(inference: ModuleType) -> None:
    event = http_event("GET", "/inference/health") | {"headers": None}
    del event["requestContext"]["http"]["sourceIp"]
    assert ask(inference, event)["statusCode"] == 200


def test_health_tells_the_versions(inference: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    import sklearn  # noqa: PLC0415 — to compare with

    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_VERSION", "7")
    assert ask(inference, http_event("GET", "/inference/health"))["body"] == {
        "status": "ok",
        "function_version": "7",
        "python": ".".join(map(str, sys.version_info[:3])),
        "scikit_learn": sklearn.__version__,
        "model": load_model().version,
        "lock": None,
    }


def test_the_model_card_is_answered_as_it_is(client: TestClient) -> None:
    committed = json.loads((TRAINED / CARD_FILE).read_text(encoding="utf-8"))
    assert client.get("/inference/model").json() == committed


def test_every_request_is_one_line_in_the_log_that_holds_no_url(
    inference: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    secret = "https://files.example/?key=s3cr3t"
    ask(inference, http_event(path="/inference", body=json.dumps({"url": secret})))
    ask(inference, http_event(path="/inference", body=json.dumps({"urls": [secret, "s3cr3t"]})))
    lines = [(record.getMessage(), record.__dict__["status"]) for record in caplog.records]
    assert lines == [
        ("Answered", 200),
        ("Refused: urls[1] must begin with http:// or https://.", 422),
    ]
    assert "s3cr3t" not in repr([vars(record) for record in caplog.records])


def test_the_requests_id_is_lambdas_and_elsewhere_a_new_one(
    client: TestClient, inference: ModuleType
) -> None:
    assert ask(inference, http_event("GET", "/"))["body"]["request_id"] == "r-1"
    one, other = (client.get("/").json()["request_id"] for _ in range(2))
    assert len(one) == 36
    assert one != other


def test_a_failure_is_500_without_its_internals_and_with_a_traceback_in_the_log(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("a broken model")

    monkeypatch.setattr(application, "model", fail)
    response = client.post("/inference", json={"url": GOOD})
    assert response.status_code == 500
    assert set(response.json()["error"]) == {"code", "message"}
    assert "a broken model" not in response.text
    assert "a broken model" in str(caplog.records[-1].exc_info)


@given(
    body=st.text() | st.binary() | st.from_type(dict[str, list[str]]).map(json.dumps),
    method=st.sampled_from(["POST", "GET", "PUT"]),
    path=st.sampled_from(["/inference", "/inference/", "/inference/model", "/"]),
)
def test_no_request_leads_to_a_500(
    inference: ModuleType, body: str | bytes, method: str, path: str
) -> None:
    assert ask(inference, http_event(method, path, body))["statusCode"] in {200, 404, 405, 422}


@given(host=st.text(min_size=1), path=st.text())
def test_no_url_leads_to_a_500(client: TestClient, host: str, path: str) -> None:
    text = json.dumps({"urls": [f"https://{host}/{path}", f"https://a.example/{path}"]})
    assert client.post(
        "/inference", content=text, headers={"content-type": "application/json"}
    ).status_code in {200, 422}


def test_uvicorn_serves_the_same_application(client: TestClient, project: Path) -> None:
    server = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "inference.app:app", "--port", "0"],
        cwd=project / "backend/inference",
        env=os.environ | {"PYTHONPATH": str(project / "backend/shared/src")},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stderr is not None
        said = iter(server.stderr)  # which ends when the server does
        url = next(found[1] for line in said if (found := re.search(r"(http://127\S+)", line)))
        body = {"urls": [GOOD, BAD]}
        served = httpx.post(f"{url}/inference/", json=body, timeout=30, trust_env=False)
        assert served.json() == client.post("/inference", json=body).json()
    finally:
        server.terminate()
        server.communicate(timeout=30)


def test_openapi_describes_a_request(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    assert sorted(described["paths"]) == ["/inference", "/inference/health", "/inference/model"]
    url = described["components"]["schemas"]["InferenceRequest"]["properties"]["url"]
    assert MAX_URL_CHARACTERS in [each.get("maxLength") for each in url["anyOf"]]


@pytest.mark.parametrize(
    ("memory_mb", "threads"),
    [("128", "1"), ("1024", "1"), ("1769", "1"), ("3538", "2"), ("10240", "6")],
)
def test_there_are_as_many_threads_as_vcpus(memory_mb: str, threads: str) -> None:
    environ = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": memory_mb}
    limit_threads(environ)
    assert (environ["OPENBLAS_NUM_THREADS"], environ["OMP_NUM_THREADS"]) == (threads, threads)


def test_what_somebody_has_set_stays_and_elsewhere_nothing_is_set() -> None:
    environ = {"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024", "OMP_NUM_THREADS": "3"}
    limit_threads(environ)
    assert environ["OMP_NUM_THREADS"] == "3"
    elsewhere: dict[str, str] = {}
    limit_threads(elsewhere)
    assert elsewhere == {}


_START = """
import sys
import index
from threadpoolctl import threadpool_info
assert {pool["num_threads"] for pool in threadpool_info()} == {1}, threadpool_info()
import gc
assert gc.isenabled() and gc.get_freeze_count() > 10_000
assert index.model.cache_info().currsize == 1  # loaded before the first request
assert "anyio._backends._asyncio" not in sys.modules
"""


def start(folder: Path, code: str, project: Path) -> subprocess.CompletedProcess[str]:
    """A new process that begins as the function does."""
    environ = {
        **os.environ,
        "PYTHONPATH": f"{folder}:{project / 'backend/shared/src'}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1024",
        "PYTHONWARNINGS": "error",
    }
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        environ.pop(name, None)
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_what_is_slow_is_done_while_the_function_starts(project: Path) -> None:
    started = start(project / "backend/inference", _START, project)
    assert started.returncode == 0, started.stderr


def test_a_function_with_a_changed_model_does_not_start(project: Path, tmp_path: Path) -> None:
    import shutil  # noqa: PLC0415

    folder = shutil.copytree(project / "backend/inference", tmp_path / "inference")
    with (folder / "inference/trained" / MODEL_FILE).open("ab") as file:
        file.write(b"\0")
    started = start(folder, "import index", project)
    assert started.returncode == 1
    assert "is not the file that its card describes" in started.stderr

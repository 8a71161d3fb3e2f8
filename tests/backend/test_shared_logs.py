from __future__ import annotations

import io
import json
import logging

import pytest
from lambda_shared.logs import JsonFormatter, configure_logs, log_with_request_id


class RuntimeHandler(logging.Handler):
    """A handler as awslambdaric installs: it writes what the formatter gives, and no line end."""

    def __init__(self) -> None:
        super().__init__()
        self.written = ""

    def emit(self, record: logging.LogRecord) -> None:
        record.aws_request_id = "from the runtime's filter"
        self.written += self.format(record)


@pytest.fixture
def runtime_handler() -> RuntimeHandler:
    return RuntimeHandler()


@pytest.fixture
def root(runtime_handler: RuntimeHandler) -> logging.Logger:
    logger = logging.Logger("root")  # noqa: LOG001 — not the real one
    logger.addHandler(runtime_handler)
    return logger


def test_a_line_has_the_names_of_lambdas_own_json_format(
    root: logging.Logger, runtime_handler: RuntimeHandler
) -> None:
    configure_logs({}, root=root)
    with log_with_request_id("r-1"):
        root.info("Hello %s", "you", extra={"status": 200})
    line = json.loads(runtime_handler.written)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "INFO",
        "message": "Hello you",
        "logger": "root",
        "requestId": "r-1",
        "status": 200,
    }


def test_the_runtimes_handler_stays_the_only_one_and_writes_each_line_once(
    root: logging.Logger, runtime_handler: RuntimeHandler
) -> None:
    configure_logs({}, root=root)
    configure_logs({}, root=root)
    root.info("first")
    root.info("second")
    assert root.handlers == [runtime_handler]
    lines = [json.loads(line)["message"] for line in runtime_handler.written.splitlines()]
    assert lines == ["first", "second"]


def test_without_a_handler_lines_go_to_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.Logger("root")  # noqa: LOG001 — not the real one
    configure_logs({}, root=root)
    root.info("first")
    root.info("second")
    out = capsys.readouterr().out
    assert [json.loads(line)["message"] for line in out.splitlines()] == ["first", "second"]


def test_outside_of_a_request_there_is_no_request_id(
    root: logging.Logger, runtime_handler: RuntimeHandler
) -> None:
    configure_logs({}, root=root)
    with log_with_request_id("r-1"):
        pass
    root.info("later")
    assert "requestId" not in json.loads(runtime_handler.written)


def test_log_level_says_what_is_logged(
    root: logging.Logger, runtime_handler: RuntimeHandler
) -> None:
    configure_logs({"LOG_LEVEL": "warning"}, root=root)
    root.info("quiet")
    root.warning("loud")
    assert [json.loads(line)["message"] for line in runtime_handler.written.splitlines()] == [
        "loud"
    ]


@pytest.mark.parametrize("environ", [{}, {"LOG_LEVEL": ""}])
def test_without_log_level_it_is_info(environ: dict[str, str], root: logging.Logger) -> None:
    configure_logs(environ, root=root)
    assert root.level == logging.INFO


@pytest.mark.parametrize("wrong", ["verbose", "NOTSET", "10", "WARN "])
def test_a_wrong_log_level_is_warned_of_and_info_is_taken(
    wrong: str, root: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    configure_logs({"LOG_LEVEL": wrong}, root=root)
    assert root.level == logging.INFO
    assert "LOG_LEVEL" in caplog.text
    assert repr(wrong) in caplog.text


def test_an_exception_is_logged_with_its_traceback_on_one_line(
    root: logging.Logger, runtime_handler: RuntimeHandler
) -> None:
    configure_logs({}, root=root)
    error = ValueError("wrong\nin two lines")
    try:
        raise error
    except ValueError:
        root.exception("It failed")
    (text,) = runtime_handler.written.splitlines()
    line = json.loads(text)
    assert line["errorType"] == "ValueError"
    assert line["errorMessage"] == "wrong\nin two lines"
    assert line["stackTrace"][0] == "Traceback (most recent call last):"


def test_whatever_is_logged_can_be_written_as_a_line() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.Logger("any")  # noqa: LOG001 — of this test only
    logger.addHandler(handler)
    logger.warning("\ud83c \n é", extra={"what": object(), "why": {1, 2}})
    stream.flush()
    assert stream.buffer.getvalue().count(b"\n") == 1

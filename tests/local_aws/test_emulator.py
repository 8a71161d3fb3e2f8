from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import local_aws
import pytest
from lambda_build.interpreters import find_interpreter
from local_aws import emulator as emulator_module
from local_aws import package_process
from local_aws.emulator import PAYLOAD_LIMIT, Emulator
from local_aws.errors import EmulatorError, PayloadTooLargeError
from local_aws.package_process import invoke_zip

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import MakeZip, StartEmulator

ECHO = "def handler(event, context): return event"
SLEEP = "import time\ndef handler(event, context): time.sleep(event)"


def members(payload: Any) -> dict[str, Any]:
    assert isinstance(payload, dict)
    return payload


# What an invocation comes to


@pytest.mark.parametrize(
    "event", [{"a": [1, 2.5, None, True]}, "text", 7, None, "ünïcödé 🐍 \u2028"]
)
def test_a_function_s_value_is_the_payload(start_emulator: StartEmulator, event: object) -> None:
    result = start_emulator(ECHO).invoke(_json(event))
    assert result.value() == event
    assert result.function_error == ""


def test_no_event_is_an_empty_object(start_emulator: StartEmulator) -> None:
    assert start_emulator(ECHO).invoke(b"").value() == {}


def test_an_exception_is_a_function_error(start_emulator: StartEmulator) -> None:
    emulator = start_emulator("def handler(event, context): raise ValueError('wröng')")
    result = emulator.invoke(b"{}")
    error = members(result.value())
    assert result.function_error == "Unhandled"
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "wröng")
    assert error["requestId"] == result.request_id
    assert 'index.py", line 1, in handler' in error["stackTrace"][0]
    assert not emulator.closed


def test_a_value_that_cannot_be_json_is_a_function_error(start_emulator: StartEmulator) -> None:
    result = start_emulator("def handler(event, context): return object()").invoke(b"{}")
    assert result.function_error == "Unhandled"
    assert members(result.value())["errorType"] == "Runtime.MarshalError"


@pytest.mark.parametrize(
    "value",
    [
        {"errorMessage": "no such user", "errorType": "NotFound"},
        {"errorMessage": "x", "errorType": "y", "requestId": "z", "stackTrace": []},
        "Task timed out after 2.00 seconds",
    ],
)
def test_a_value_that_looks_like_an_error_is_none(
    start_emulator: StartEmulator, value: object
) -> None:
    result = start_emulator(ECHO).invoke(_json(value))
    assert result.function_error == ""
    assert result.value() == value


@pytest.mark.parametrize(
    ("end", "said"),
    [("sys.exit(3)", "exit status 3"), ("os.kill(os.getpid(), 9)", "signal: killed")],
)
def test_a_crash_is_a_function_error_and_ends_the_environment(
    start_emulator: StartEmulator, end: str, said: str
) -> None:
    emulator = start_emulator(f"import os, sys\ndef handler(event, context): print('on'); {end}")
    result = emulator.invoke(b"{}")
    assert result.function_error == "Unhandled"
    assert result.value() == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {result.request_id} Error: Runtime exited with error: {said}",
    }
    assert emulator.closed
    assert "on\n" in result.log
    assert "Status: error\tError Type: Runtime.ExitError" in result.log


def test_a_time_out_is_a_function_error_and_ends_the_environment(
    start_emulator: StartEmulator,
) -> None:
    emulator = start_emulator(SLEEP, timeout_s=1)
    began = time.monotonic()
    result = emulator.invoke(b"30")
    assert time.monotonic() - began < 25  # and not the 30 that it sleeps
    assert result.function_error == "Unhandled"
    message = f"RequestId: {result.request_id} Error: Task timed out after 1.00 seconds"
    assert result.value() == {"errorType": "Sandbox.Timedout", "errorMessage": message}
    assert emulator.closed
    assert "Task timed out after 1.00 seconds\nEND" in result.log
    assert "Duration: 1000.00 ms" in result.log
    assert result.log.endswith("Status: timeout\n")


def test_an_emulator_that_is_killed_at_work_is_a_function_error(
    start_emulator: StartEmulator,
) -> None:
    emulator = start_emulator(SLEEP, timeout_s=20)
    killer = threading.Timer(0.3, emulator._sandbox.process.kill)
    killer.start()
    result = emulator.invoke(b"30")
    killer.join()
    assert members(result.value())["errorType"] == "Sandbox.Failure"
    assert emulator.closed


def test_a_missing_dependency_fails_though_the_machine_has_it(
    start_emulator: StartEmulator,
) -> None:
    result = start_emulator("import boto3\ndef handler(event, context): pass").invoke(b"{}")
    assert result.function_error == "Unhandled"
    error = members(result.value())
    assert error["errorType"] == "Runtime.ImportModuleError"
    assert error["errorMessage"] == "Unable to import module 'index': No module named 'boto3'"


def test_a_missing_handler_is_a_function_error(start_emulator: StartEmulator) -> None:
    result = start_emulator(ECHO, handler="index.main").invoke(b"{}")
    assert members(result.value())["errorType"] == "Runtime.HandlerNotFound"


def test_an_event_may_be_as_large_as_lambda_allows_and_no_larger(
    start_emulator: StartEmulator,
) -> None:
    emulator = start_emulator("def handler(event, context): return len(event)")
    text = b'"' + b"x" * (PAYLOAD_LIMIT - 2) + b'"'
    assert emulator.invoke(text).value() == PAYLOAD_LIMIT - 2
    with pytest.raises(PayloadTooLargeError, match="smaller than 6291456 bytes"):
        emulator.invoke(text + b" ")


def test_a_payload_larger_than_lambda_returns_is_a_function_error(
    start_emulator: StartEmulator,
) -> None:
    result = start_emulator("def handler(event, context): return 'x' * event").invoke(b"6291600")
    assert result.function_error == "Unhandled"
    assert members(result.value())["errorType"] == "Function.ResponseSizeTooLarge"


# What the function sees


@pytest.mark.parametrize(
    "version", [f"3.{minor}" for minor in range(11, 15) if find_interpreter(f"3.{minor}")]
)
def test_a_function_runs_in_the_python_of_its_runtime(
    start_emulator: StartEmulator, version: str
) -> None:
    result = start_emulator(
        "import sys\ndef handler(event, context): return '%d.%d' % sys.version_info[:2]",
        runtime=f"python{version}",
    ).invoke(b"{}")
    assert result.value() == version


def test_the_environment_is_kept_between_invocations(start_emulator: StartEmulator) -> None:
    emulator = start_emulator(
        "import os\nseen = []\ndef handler(event, context):\n"
        "    seen.append(event); return [os.getpid(), seen]"
    )
    first, second = emulator.invoke(b"1").value(), emulator.invoke(b"2").value()
    assert isinstance(first, list)
    assert second == [first[0], [1, 2]]


def test_the_context_tells_what_was_configured(start_emulator: StartEmulator) -> None:
    emulator = start_emulator(
        "def handler(event, context):\n"
        "    return [context.aws_request_id, context.function_name, context.function_version,\n"
        "        context.memory_limit_in_mb, context.log_group_name, context.log_stream_name,\n"
        "        context.client_context.custom, context.get_remaining_time_in_millis()]",
        name="chat",
        version="7",
        memory_mb=512,
        timeout_s=20,
        log_group="/logs/of/chat",
    )
    custom = "eyJjdXN0b20iOiB7ImEiOiAxfX0="  # {"custom": {"a": 1}}
    value = emulator.invoke(b"{}", request_id="my-request", client_context=custom).value()
    assert isinstance(value, list)
    *told, left_ms = value
    stream = emulator.log_stream
    assert told == ["my-request", "chat", "7", "512", "/logs/of/chat", stream, {"a": 1}]
    assert "[7]" in stream
    assert 10_000 < left_ms <= 20_000


def test_variables_are_lambda_s_and_the_function_s_and_not_this_machine_s(
    start_emulator: StartEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET_OF_THE_MACHINE", "x")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", "intranet.test")
    result = start_emulator(
        "import os\ndef handler(event, context): return dict(os.environ)",
        region="eu-central-1",
        variables={"COLOUR": "grün", "AWS_REGION": "reserved", "TZ": "Europe/Berlin"},
        environment={"AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
    ).invoke(b"{}")
    seen = members(result.value())
    assert (
        seen.items()
        >= {
            "COLOUR": "grün",
            "AWS_REGION": "eu-central-1",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
            "AWS_EXECUTION_ENV": "AWS_Lambda_python3.11",
            "TZ": "Europe/Berlin",
            "_HANDLER": "index.handler",
            "HTTPS_PROXY": "http://proxy.test:3128",
            "NO_PROXY": "intranet.test,127.0.0.1,localhost",
        }.items()
    )
    assert "A_SECRET_OF_THE_MACHINE" not in seen
    assert Path(seen["LAMBDA_TASK_ROOT"], "index.py").is_file()


def test_modules_are_looked_for_in_the_code_then_the_layers_then_the_runtime(
    start_emulator: StartEmulator, make_zip: MakeZip
) -> None:
    site = "python/lib/python3.11/site-packages"
    layers = (
        make_zip(
            {
                f"{site}/index.py": "",  # the code has one
                f"{site}/first.py": "where = 'site-packages'",
                "python/first.py": "where = 'python'",
                "python/second.py": "where = 'layer 1'",
            }
        ),
        make_zip({"python/second.py": "where = 'layer 2'"}),
    )
    result = start_emulator(
        "import first, second, sys\n"
        "def handler(event, context): return [first.where, second.where, sys.path]",
        layers=layers,
    ).invoke(b"{}")
    value = result.value()
    assert isinstance(value, list)
    first, second, path = value
    assert (first, second) == ("site-packages", "layer 2")
    task, site_packages, python, *_, runtime = path
    assert [Path(task).name, Path(python).name] == ["task", "python"]
    assert site_packages == f"{python}/lib/python3.11/site-packages"
    assert Path(runtime, "awslambdaric").is_dir()


def test_the_package_stays_as_it_was_unpacked(
    start_emulator: StartEmulator, make_zip: MakeZip, tmp_path: Path
) -> None:
    emulator = start_emulator(
        "import extra\n" + ECHO, layers=(make_zip({"python/extra.py": "x = 1"}),)
    )
    emulator.invoke(b"{}")
    assert list(tmp_path.rglob("*.pyc")) == []


def test_temporary_files_are_gone_with_the_environment(start_emulator: StartEmulator) -> None:
    emulator = start_emulator(
        "import tempfile\ndef handler(event, context): return tempfile.mkdtemp()"
    )
    folder = emulator.invoke(b"{}").value()
    assert isinstance(folder, str)
    assert Path(folder).is_dir()
    emulator.close()
    assert not Path(folder).exists()


# Its log


def test_the_log_has_what_was_printed_between_lambda_s_lines(start_emulator: StartEmulator) -> None:
    lines: list[str] = []
    emulator = start_emulator(
        "import logging, sys\nlogging.getLogger().setLevel('INFO')\n"
        "def handler(event, context):\n"
        "    print('öut'); print('err', file=sys.stderr); logging.info('a record')\n"
        "    print('no newline', end='')",
        version="3",
        memory_mb=256,
        log=lines.append,
    )
    result = emulator.invoke(b"{}", request_id="one")
    start, out, err, record, last, end, report = result.log.splitlines()
    assert start == "START RequestId: one Version: 3"
    assert (out, err, last) == ("öut", "err", "no newline")
    assert record.startswith("[INFO]\t")
    assert record.endswith("\tone\ta record")
    assert end == "END RequestId: one"
    assert report.startswith("REPORT RequestId: one\tDuration: ")
    assert report.endswith(" ms\tMemory Size: 256 MB")
    assert lines == result.log.splitlines()


def test_lines_that_are_read_after_the_answer_belong_to_the_invocation() -> None:
    with subprocess.Popen(
        ["sh", "-c", "sleep 0.2; echo late; echo END RequestId: one"], stdout=subprocess.PIPE
    ) as process:
        output = emulator_module._Output(process, lambda _line: None)
        output.begin("one", "1")
        log = output.end(["the end"])
        output.join()
    assert log.splitlines() == ["START RequestId: one Version: 1", "late", "the end"]


def test_each_invocation_has_its_own_log(start_emulator: StartEmulator) -> None:
    emulator = start_emulator("def handler(event, context): print('said', event)")
    logs = [emulator.invoke(str(number).encode()).log for number in range(5)]
    assert ["said" in log and log.count("START") for log in logs] == [1] * 5
    assert [f"said {number}\n" in log for number, log in enumerate(logs)] == [True] * 5


def test_an_exception_s_trace_is_in_the_log_line_by_line(start_emulator: StartEmulator) -> None:
    result = start_emulator("def handler(event, context): 1 / 0").invoke(b"{}")
    error, trace, place, *_ = result.log.splitlines()[1:]
    assert error == "[ERROR] ZeroDivisionError: division by zero"
    assert trace == "Traceback (most recent call last):"
    assert place.endswith('index.py", line 1, in handler')


def test_a_json_log_format_reaches_the_function(start_emulator: StartEmulator) -> None:
    emulator = start_emulator(
        "import logging\ndef handler(event, context):\n"
        "    logging.debug('quiet'); logging.info('heard')",
        log_format="JSON",
        log_level="INFO",
    )
    log = emulator.invoke(b"{}").log
    assert '"message": "heard"' in log
    assert "quiet" not in log


# Its processes


def test_ending_it_leaves_no_process(start_emulator: StartEmulator) -> None:
    emulator = start_emulator(
        "import subprocess\ndef handler(event, context):\n"
        "    subprocess.Popen(['sleep', '60'], process_group=0)"
    )
    emulator.invoke(b"{}")
    session = emulator._sandbox.process.pid
    assert len(package_process._session(session)) == 3  # the emulator, the runtime, sleep
    emulator.close()
    assert package_process._session(session) == []
    emulator.close()


def test_ending_it_at_work_leaves_no_process(start_emulator: StartEmulator) -> None:
    emulator = start_emulator(SLEEP, timeout_s=30)
    errors: list[str] = []
    at_work = threading.Thread(target=lambda: errors.append(emulator.invoke(b"30").function_error))
    at_work.start()
    _wait_until(lambda: len(package_process._session(emulator._sandbox.process.pid)) == 2)
    emulator.close()
    at_work.join(60)
    assert errors == ["Unhandled"]
    assert package_process._session(emulator._sandbox.process.pid) == []


def test_it_survives_the_thread_that_made_it(start_emulator: StartEmulator) -> None:
    made: list[Emulator] = []
    maker = threading.Thread(target=lambda: made.append(start_emulator(ECHO)))
    maker.start()
    maker.join()
    assert made[0].invoke(b"1").value() == 1
    assert made[0].invoke(b"2").value() == 2


def test_killing_the_program_leaves_no_process(make_zip: MakeZip, tmp_path: Path) -> None:
    archive = tmp_path / "function.zip"
    archive.write_bytes(
        make_zip(
            {
                "index.py": "import time\ndef handler(event, context):\n  print('up')\n"
                "  time.sleep(60)"
            }
        )
    )
    program = (
        "import sys; from pathlib import Path; from local_aws.package_process import invoke_zip\n"
        "invoke_zip(Path(sys.argv[1]), 'index.handler', {}, timeout_s=60,\n"
        "    log=lambda line: print(line, flush=True))"
    )
    scripts = Path(local_aws.__file__).parent.parent
    with subprocess.Popen(
        [sys.executable, "-c", program, archive],
        env={**os.environ, "PYTHONPATH": str(scripts), "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout
        assert any(line == "up\n" for line in parent.stdout)
        (emulator,) = _children(parent.pid)
        assert len(package_process._session(emulator)) == 2
        parent.send_signal(signal.SIGKILL)
        parent.wait(60)
    _wait_until(lambda: not package_process._session(emulator))


def test_a_port_that_another_program_takes_meanwhile_is_given_up_for_another(
    start_emulator: StartEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose = emulator_module._free_ports
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        choices = iter([(port, choose()[0]), (choose()[0], port)])
        monkeypatch.setattr(emulator_module, "_free_ports", lambda: next(choices, None) or choose())
        assert start_emulator(ECHO).invoke(b"1").value() == 1


def test_an_emulator_that_finds_no_port_says_so(
    start_emulator: StartEmulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = (taken.getsockname()[1], emulator_module._free_ports()[0])
        monkeypatch.setattr(emulator_module, "_free_ports", lambda: ports)
        with pytest.raises(EmulatorError, match=r"did not start: .*address already in use"):
            start_emulator(ECHO)
    assert list(tmp_path.glob("environment-*")) == []


# An archive in a file


def test_an_archive_runs_with_nothing_of_aws_around_it(make_zip: MakeZip, tmp_path: Path) -> None:
    code, layer = tmp_path / "function.zip", tmp_path / "layer.zip"
    code.write_bytes(
        make_zip(
            {
                "app/main.py": "import helper\ndef run(event, context):\n"
                "    return helper.greet(event['name'])"
            }
        )
    )
    layer.write_bytes(make_zip({"python/helper.py": "def greet(name): return f'hello {name}'"}))
    result = invoke_zip(code, "app.main.run", {"name": "Zoë"}, layers=[layer])
    assert (result.value(), result.function_error) == ("hello Zoë", "")


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]


def _wait_until(condition: Callable[[], bool], limit_s: float = 60) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)

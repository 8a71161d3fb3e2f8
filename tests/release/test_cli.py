from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lambda_release import errors
from lambda_release.cli import main
from lambda_release.functions import chosen, functions_of, read_outputs

if TYPE_CHECKING:
    from local_aws.emulator import Result
    from moto.awslambda.models import LambdaFunction

    from .conftest import World

README = Path(__file__).parents[2] / "scripts/lambda_release/README.md"


def told(world: World, **more: Any) -> dict[str, Any]:
    """What `terraform output -json` tells of the world's functions."""
    return {
        "functions": {
            "sensitive": False,
            "value": {
                function.key: {
                    "function_name": function.name,
                    "alias_name": "live",
                    "check": {"route": f"GET /{function.key}/health"},
                    "alarms": list(function.alarms),
                }
                for function in world.functions
            },
        },
        **more,
    }


def run(world: World, tmp_path: Path, *arguments: str) -> int:
    file = tmp_path / "outputs.json"
    file.write_text(json.dumps(told(world)))
    command, *more = arguments
    return main([command, "--outputs", str(file), *more], aws=world.aws, clock=world.clock)


def test_a_release_says_each_step_with_its_time_and_its_result_on_stdout(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    function = world.add("chat")
    assert run(world, tmp_path, "release", "--watch-s", "60", "--interval-s", "30") == 0
    out, error = capsys.readouterr()
    assert out == "chat: version 2 is live\n"
    lines = error.splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d  ", line) for line in lines)
    assert lines[0].startswith("12:00:30  chat: version 2 answers: ")
    assert lines[-1] == "12:01:30  chat: version 2 gets all requests"
    assert world.serves(function) == ("2", {})


def test_the_check_is_a_payload_2_0_event_for_the_route(world: World, tmp_path: Path) -> None:
    world.add("chat")
    events = []
    answer = world.run

    def record(version: LambdaFunction, event: bytes) -> Result:
        events.append(json.loads(event))
        return answer(version, event)

    world.run = record  # type: ignore[method-assign]
    assert run(world, tmp_path, "release") == 0
    assert len(events) == 2
    assert events[0]["version"] == "2.0"
    assert events[0]["requestContext"]["http"]["method"] == "GET"
    assert events[0]["rawPath"] == "/chat/health"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_takes_the_version_back_and_is_said(
    world: World,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    code: int,
) -> None:
    function = world.add("chat")
    world.clock.at_sleep = lambda _now: os.kill(os.getpid(), number)
    assert run(world, tmp_path, "release") == code
    assert world.serves(function) == ("1", {})
    assert capsys.readouterr().err.endswith("error: interrupted; what was begun is taken back\n")
    assert signal.getsignal(number) is not signal.SIG_IGN


def test_an_alarm_ends_it_with_a_code_of_its_own(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    function = world.add("chat")
    world.clock.at_sleep = lambda _now: world.ring(function.alarms[0])
    assert run(world, tmp_path, "release") == 7
    assert f"{function.alarms[0]} rang" in capsys.readouterr().err


def test_a_rollback_names_its_function_by_key_or_by_name(world: World, tmp_path: Path) -> None:
    function = world.add("chat", versions=3)
    world.move(function, "3")
    assert run(world, tmp_path, "rollback", function.name, "--version", "2") == 0
    assert world.serves(function) == ("2", {})
    assert run(world, tmp_path, "rollback", "chat") == 0
    assert world.serves(function) == ("1", {})


def test_pin_writes_where_it_is_told(world: World, tmp_path: Path) -> None:
    world.add("chat")
    file = tmp_path / "pinned.tfvars.json"
    assert run(world, tmp_path, "pin", "--output", str(file)) == 0
    assert json.loads(file.read_text())["release"]["chat"]["version"] == "1"


def test_a_function_that_nobody_knows_is_refused(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world.add("chat")
    assert run(world, tmp_path, "release", "chatt") == 2
    assert "there is no function chatt; those that were applied are: chat" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("outputs", [{}, {"functions": {"value": {}}}, {"x": {"value": "y"}}])
def test_what_was_not_applied_or_not_to_its_end_is_not_released_and_can_be_applied_again(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str], outputs: dict[str, Any]
) -> None:
    file, pinned = tmp_path / "outputs.json", tmp_path / "pinned.json"
    file.write_text(json.dumps(outputs))

    for command in (["release"], ["rollback", "chat"]):
        assert main([*command, "--outputs", str(file)], aws=world.aws) == 3
        assert "tells of no functions" in capsys.readouterr().err

    assert main(["pin", "--outputs", str(file), "--output", str(pinned)], aws=world.aws) == 0
    assert "nothing is pinned" in capsys.readouterr().err
    assert json.loads(pinned.read_text()) == {"release": {}}


def test_a_command_to_run_next_names_the_environment_that_this_one_runs_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = world.add("chat")
    monkeypatch.delenv("ENVIRONMENT", raising=False)
    assert function.make("rollback") == "make rollback FUNCTION=chat"
    monkeypatch.setenv("ENVIRONMENT", "staging")
    assert (
        function.make("release", "2") == "make release FUNCTION=chat VERSION=2 ENVIRONMENT=staging"
    )


def test_a_version_is_of_one_function(world: World, tmp_path: Path) -> None:
    world.add("chat")
    assert run(world, tmp_path, "release", "--version", "2") == 2


@pytest.mark.parametrize("wrong", ["0", "1.5", "$LATEST"])
def test_what_is_no_version_is_refused(wrong: str) -> None:
    with pytest.raises(SystemExit):
        main(["rollback", "chat", "--version", wrong])


def test_an_output_of_another_shape_is_refused() -> None:
    with pytest.raises(errors.OutputsError, match="alias_name"):
        functions_of({"functions": {"chat": {"function_name": "chat"}}})


def test_a_check_may_be_an_event() -> None:
    event: dict[str, Any] = {"Records": []}
    one = {"function_name": "f", "alias_name": "live", "alarms": [], "check": {"event": event}}
    (function,) = functions_of({"functions": {"events": one}})
    assert function.check == event
    (without,) = functions_of({"functions": {"events": {**one, "check": None}}})
    assert without.check is None
    assert chosen([function], ["f", "events"]) == [function]


def test_a_check_that_is_no_route_is_refused() -> None:
    one = {"function_name": "f", "alias_name": "live", "alarms": [], "check": {"route": "/health"}}
    with pytest.raises(errors.OutputsError, match="'/health'"):
        functions_of({"functions": {"chat": one}})


def test_a_file_that_is_none_of_terraforms_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "outputs.json"
    file.write_text('{"functions": {}}')
    with pytest.raises(errors.OutputsError, match="terraform output -json"):
        read_outputs(tmp_path, file)
    with pytest.raises(errors.OutputsError, match="cannot be read"):
        read_outputs(tmp_path, tmp_path / "missing.json")


def test_where_terraform_fails_what_it_said_is_told(tmp_path: Path) -> None:
    with pytest.raises(errors.OutputsError, match=r"terraform -chdir=.* output -json"):
        read_outputs(tmp_path / "missing", None)


def test_every_error_has_an_exit_code_of_its_own_which_help_names(
    capsys: pytest.CaptureFixture[str],
) -> None:
    codes = {each.exit_code for each in errors.LambdaReleaseError.__subclasses__()}
    assert codes == set(range(2, 10))
    with pytest.raises(SystemExit):
        main(["--help"])
    help_text = capsys.readouterr().out
    for code in codes:
        assert re.search(rf"\b{code} [a-zA-Z]", help_text), code


def test_the_readme_lists_every_call_to_aws() -> None:
    calls = set(re.findall(r"self\.(?:functions|metrics)\.(\w+)\(", _source("aws.py")))
    calls = calls - {"get_paginator"} | set(
        re.findall(r'get_paginator\("(\w+)"\)', _source("aws.py"))
    )
    named = {
        re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()
        for name in re.findall(r"`(?:lambda|cloudwatch):(\w+)`", README.read_text(encoding="utf-8"))
    }
    assert {"invoke_function" if call == "invoke" else call for call in calls} == named


def _source(name: str) -> str:
    return (README.parent / name).read_text(encoding="utf-8")

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from lambda_release.errors import (
    AlarmRingsError,
    AwsError,
    CheckFailedError,
    ConflictError,
    NotFoundError,
    TakenBackError,
)
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.models import DEFAULT_ACCOUNT_ID

from .conftest import KilledError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from botocore.awsrequest import AWSRequest
    from local_aws.emulator import Result
    from moto.awslambda.models import LambdaFunction

    from .conftest import World


def two(world: World) -> World:
    """A ZIP function and an image function, each with a version to release."""
    world.add("chat")
    world.add("inference", image=True)
    return world


def test_a_good_version_gets_a_tenth_and_then_everything(world: World) -> None:
    function = world.add("chat")
    seen = []
    world.clock.at_sleep = lambda _now: seen.append(world.serves(function))

    results = world.release()

    assert seen == [("1", {"2": 0.1})] * 3
    assert world.serves(function) == ("2", {})
    assert results == ["chat: version 2 is live"]
    assert world.alias(function).before == "1"


def test_an_image_function_is_released_as_a_zip_function_is(world: World) -> None:
    two(world)
    seen = []
    world.clock.at_sleep = lambda _now: seen.append([world.serves(f) for f in world.functions])
    world.release()
    assert seen[0] == [("1", {"2": 0.1}), ("1", {"2": 0.1})]
    assert [world.serves(function) for function in world.functions] == [("2", {}), ("2", {})]


def test_functions_are_watched_once_for_all(world: World) -> None:
    two(world)
    started = world.clock.now()
    world.release()
    assert (world.clock.now() - started).total_seconds() == 60


def test_where_the_newest_version_is_live_there_is_nothing_to_do(world: World) -> None:
    function = world.add("chat", versions=1)
    (result,) = world.release()
    assert "version 1 is live" in result
    assert "UpdateAlias" not in world.wire.calls
    assert world.serves(function) == ("1", {})


def test_a_version_that_answers_with_an_error_is_not_released(world: World) -> None:
    chat, inference = two(world).functions
    world.answers[inference.name, "2"] = {"statusCode": 503, "body": "no model"}

    with pytest.raises(CheckFailedError, match=r"(?s)version 2 of inference.*503: no model"):
        world.release()

    assert "UpdateAlias" not in world.wire.calls, "nothing may move before all are checked"
    assert world.serves(chat) == world.serves(inference) == ("1", {})


def test_a_version_that_raises_is_not_released(world: World) -> None:
    function = world.add("chat")
    world.answers[function.name, "2"] = "No module named 'boto3'"
    with pytest.raises(CheckFailedError, match="No module named 'boto3'"):
        world.release()
    assert world.serves(function) == ("1", {})


def test_another_version_that_answers_in_its_place_is_no_pass(world: World) -> None:
    function = world.add("chat")
    answer = world.run

    def of_another(version: LambdaFunction, event: bytes) -> Result:
        return replace(answer(version, event), version="1")

    world.run = of_another  # type: ignore[method-assign]
    with pytest.raises(CheckFailedError, match="version 1 answered in its place"):
        world.release()
    assert world.serves(function) == ("1", {})


def test_a_function_that_is_no_http_function_is_checked_by_its_own_event(world: World) -> None:
    function = world.add("chat")
    world.answers[function.name, "2"] = {"batchItemFailures": []}
    world.release()
    assert world.serves(function) == ("2", {})


def test_an_alarm_at_a_tenth_takes_all_versions_back(world: World) -> None:
    chat, inference = two(world).functions

    def ring(_now: object) -> None:
        assert world.serves(chat) == ("1", {"2": 0.1})
        world.ring(chat.alarms[0])

    world.clock.at_sleep = ring

    with pytest.raises(TakenBackError, match=r"chat: .*alarm-0 rang: 1 datapoint was 3"):
        world.release()

    assert world.serves(chat) == world.serves(inference) == ("1", {})
    bad, why = world.alias(chat).taken_back or ("", "")
    assert bad == "2"
    assert chat.alarms[0] in why
    assert world.alias(inference).taken_back is None, "it is not its fault"


def test_a_failure_of_the_new_version_takes_it_back_although_no_alarm_rings(world: World) -> None:
    function = world.add("chat")

    def fail(_now: object) -> None:
        world.count(function, "2", "Invocations", 12)
        world.count(function, "2", "Errors", 1)

    world.clock.at_sleep = fail
    with pytest.raises(TakenBackError, match="version 2 failed 1 of 12 requests"):
        world.release()
    assert world.serves(function) == ("1", {})


def test_failures_of_the_old_version_are_not_the_new_ones(world: World) -> None:
    function = world.add("chat")
    world.clock.at_sleep = lambda _now: world.count(function, "1", "Errors", 5)
    world.release()
    assert world.serves(function) == ("2", {})


def test_a_version_that_was_taken_back_is_not_released_again_unless_told_to(world: World) -> None:
    function = world.add("chat")
    world.clock.at_sleep = lambda _now: world.ring(function.alarms[0])
    with pytest.raises(TakenBackError):
        world.release()
    world.ring(function.alarms[0], state="OK")
    world.clock.at_sleep = lambda _now: None

    (result,) = world.release()
    assert "Version 2 was taken back, the alarm" in result
    assert world.serves(function) == ("1", {})

    world.release(version="2")
    assert world.serves(function) == ("2", {})


def test_the_next_version_after_one_that_was_taken_back_is_released(world: World) -> None:
    function = world.add("chat")
    world.clock.at_sleep = lambda _now: world.ring(function.alarms[0])
    with pytest.raises(TakenBackError):
        world.release()
    world.ring(function.alarms[0], state="OK")
    world.clock.at_sleep = lambda _now: None
    world.publish(function)
    world.release()
    assert world.serves(function) == ("3", {})
    assert world.alias(function).before == "1"


def test_while_an_alarm_rings_nothing_is_begun(world: World) -> None:
    function = world.add("chat")
    world.ring(function.alarms[0])
    with pytest.raises(AlarmRingsError, match="make rollback FUNCTION=chat VERSION=2"):
        world.release()
    assert "UpdateAlias" not in world.wire.calls


def test_an_alarm_that_is_not_there_is_named(world: World) -> None:
    function = world.add("chat")
    world.aws.metrics.delete_alarms(AlarmNames=[function.alarms[0]])
    with pytest.raises(NotFoundError, match=function.alarms[0]):
        world.release()
    assert world.serves(function) == ("1", {})


def test_a_composite_alarm_is_watched_too(world: World) -> None:
    function = world.add("chat", alarms=2)
    # moto has no PutCompositeAlarm, but describes an alarm with a rule as a composite one.
    backend = cloudwatch_backends[DEFAULT_ACCOUNT_ID]["us-east-1"]
    backend.alarms[function.alarms[1]].rule = f"ALARM({function.alarms[0]})"
    assert world.aws.metrics.describe_alarms(AlarmTypes=["CompositeAlarm"])["CompositeAlarms"]
    world.clock.at_sleep = lambda _now: world.ring(function.alarms[1])
    with pytest.raises(TakenBackError, match=function.alarms[1]):
        world.release()
    assert world.serves(function) == ("1", {})


def test_a_release_that_was_left_at_a_tenth_is_gone_on_with(world: World) -> None:
    function = world.add("chat")
    world.move(function, "1", v2=0.1)
    world.release()
    assert world.serves(function) == ("2", {})
    assert world.wire.calls.count("UpdateAlias") == 2, "ours after theirs: it keeps its share"


def test_an_alarm_that_rang_while_nobody_watched_takes_the_version_back(world: World) -> None:
    chat, inference = two(world).functions
    world.move(chat, "1", v2=0.1)
    world.ring(chat.alarms[0])
    with pytest.raises(TakenBackError):
        world.release()
    assert world.serves(chat) == world.serves(inference) == ("1", {})


def test_errors_while_nobody_watched_take_the_version_back(world: World) -> None:
    function = world.add("chat")
    world.move(function, "1", v2=0.1)
    world.count(function, "2", "Errors", 1)
    world.clock.sleep(3600)
    with pytest.raises(TakenBackError, match="failed 1 of"):
        world.release()
    assert world.serves(function) == ("1", {})


def test_errors_of_an_earlier_attempt_are_not_counted_again(world: World) -> None:
    function = world.add("chat")
    world.count(function, "2", "Errors", 1)
    world.clock.sleep(3600)
    with (
        world.wire.ends(KilledError(), at=8, when="before", for_good=True),
        pytest.raises(KilledError),
    ):
        world.release()
    assert world.serves(function) == ("1", {"2": 0.1})

    world.release()
    assert world.serves(function) == ("2", {})


def test_a_version_at_a_tenth_that_fails_its_check_is_taken_back(world: World) -> None:
    function = world.add("chat")
    world.move(function, "1", v2=0.1)
    world.answers[function.name, "2"] = {"statusCode": 500, "body": ""}
    with pytest.raises(CheckFailedError):
        world.release()
    assert world.serves(function) == ("1", {})


def test_a_share_of_a_version_that_is_not_the_newest_any_more_is_ended_first(world: World) -> None:
    function = world.add("chat", versions=3)
    world.move(function, "1", v2=0.1)
    seen: list[Any] = []
    world.clock.at_sleep = lambda _now: seen.append(world.serves(function))

    world.release()

    assert seen[0] == ("1", {"3": 0.1})
    assert world.serves(function) == ("3", {})


def test_a_superseded_version_loses_its_share_also_if_the_newest_is_bad(world: World) -> None:
    function = world.add("chat", versions=3)
    world.move(function, "1", v2=0.1)
    world.answers[function.name, "3"] = "broken"
    with pytest.raises(CheckFailedError):
        world.release()
    assert world.serves(function) == ("1", {})


def test_who_moves_the_alias_meanwhile_is_not_overwritten(world: World) -> None:
    chat, inference = two(world).functions
    world.clock.at_sleep = lambda _now: world.move(chat, "1", v2=0.5)

    with pytest.raises(ConflictError, match=f"{chat.name} was moved by somebody else"):
        world.release()

    assert world.serves(chat) == ("1", {"2": 0.5}), "left as they set it"
    assert world.serves(inference) == ("1", {}), "taken back"


def test_of_two_releases_at_once_the_slower_one_is_told(world: World) -> None:
    function = world.add("chat")
    others: list[object] = []

    def start_another(_now: object) -> None:
        world.clock.at_sleep = lambda _now: None
        others.extend(world.release())
        world.clock.sleep(5)

    world.clock.at_sleep = start_another
    with pytest.raises(ConflictError):
        world.release()
    assert others == ["chat: version 2 is live"]
    assert world.serves(function) == ("2", {})


def test_a_function_that_is_not_there_is_named(world: World) -> None:
    function = world.add("chat")
    world.aws.functions.delete_function(FunctionName=function.name)
    with pytest.raises(NotFoundError, match=f"{function.name} is not in AWS"):
        world.release()


def test_a_function_without_a_published_version_is_named(world: World) -> None:
    function = world.add("chat", versions=0)
    world.aws.functions.create_alias(
        FunctionName=function.name, Name="live", FunctionVersion="$LATEST"
    )
    with pytest.raises(NotFoundError, match="no published version"):
        world.release()


def test_a_version_that_is_not_there_is_named(world: World) -> None:
    function = world.add("chat")
    with pytest.raises(NotFoundError, match=f"version 9 of {function.name}"):
        world.release(version="9")
    assert world.serves(function) == ("1", {})


def calls_of_a_release(make_world: Callable[[], World]) -> list[str]:
    world = two(make_world())
    world.wire.calls.clear()
    world.release()
    return list(world.wire.calls)


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_at_any_call_and_started_again_it_ends_with_the_new_versions(
    make_world: Callable[[], World], when: str
) -> None:
    for at, call in enumerate(calls_of_a_release(make_world), start=1):
        world = two(make_world())
        with (
            world.wire.ends(KilledError(), at=at, when=when, for_good=True),
            pytest.raises(KilledError),
        ):
            world.release()
        for function in world.functions:
            left = world.serves(function)
            assert left in (("1", {}), ("1", {"2": 0.1}), ("2", {})), (at, call, left)

        world.release()

        assert [world.serves(function) for function in world.functions] == [("2", {})] * 2, call


@pytest.mark.parametrize("when", ["before", "after"])
def test_interrupted_at_any_call_it_leaves_the_old_versions_and_may_be_started_again(
    make_world: Callable[[], World], when: str
) -> None:
    for at, call in enumerate(calls_of_a_release(make_world), start=1):
        world = two(make_world())
        with (
            world.wire.ends(KeyboardInterrupt(), at=at, when=when, for_good=False),
            pytest.raises(KeyboardInterrupt),
        ):
            world.release()
        left = [world.serves(function) for function in world.functions]
        assert left == [("1", {})] * 2, (at, call)

        world.release()

        assert [world.serves(function) for function in world.functions] == [("2", {})] * 2, call


def answer_429(_request: AWSRequest, **_more: object) -> Any:
    from botocore.awsrequest import AWSResponse  # noqa: PLC0415

    class Body:
        def stream(self, **_more: object) -> Any:
            yield b'{"message": "Rate exceeded"}'

    headers: Any = {"x-amzn-ErrorType": "TooManyRequestsException"}
    return AWSResponse("https://lambda", 429, headers, Body())


class Throttle:
    """Has AWS throttle a call, so many attempts of it."""

    def __init__(self) -> None:
        self.call, self.left = "", 0

    def answer(self, request: AWSRequest, **_more: object) -> Any:
        if self.left <= 0 or self.world.wire.calls[-1] != self.call:
            return None
        self.left -= 1
        return answer_429(request)

    world: World


@pytest.fixture
def throttle(world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Throttle]:
    """A throttle that is off."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _seconds: None)
    made = Throttle()
    made.world = world
    clients: Any = (world.aws.functions, world.aws.metrics)
    for client in clients:
        client.meta.events.register_first("before-send", made.answer)
    yield made
    for client in clients:
        client.meta.events.unregister("before-send", made.answer)


@pytest.mark.parametrize("call", ["GetAlias", "UpdateAlias", "Invoke", "GetMetricData"])
def test_a_throttled_call_is_tried_again(world: World, throttle: Throttle, call: str) -> None:
    function = world.add("chat")
    throttle.call, throttle.left = call, 3
    world.release()
    assert throttle.left == 0
    assert world.serves(function) == ("2", {})


def test_where_alarms_cannot_be_seen_any_more_the_version_is_taken_back(
    world: World, throttle: Throttle
) -> None:
    function = world.add("chat")

    def begin(_now: object) -> None:
        throttle.call, throttle.left = "DescribeAlarms", 100

    world.clock.at_sleep = begin
    with pytest.raises(AwsError, match="alarms"):
        world.release()
    assert world.serves(function) == ("1", {})
    assert world.alias(function).taken_back is None, "it is not the version's fault"


def test_what_cannot_be_taken_back_is_said_and_gone_on_with_later(world: World) -> None:
    function = world.add("chat")

    def away(_number: int, _call: str) -> None:
        from botocore.exceptions import EndpointConnectionError  # noqa: PLC0415

        raise EndpointConnectionError(endpoint_url="https://aws")

    world.clock.at_sleep = lambda _now: setattr(world.wire, "before", away)
    with pytest.raises(AwsError, match=r"(?s)chat could not be taken back.*make rollback"):
        world.release()
    world.wire.reset()
    world.clock.at_sleep = lambda _now: None
    assert world.serves(function) == ("1", {"2": 0.1})

    world.release()
    assert world.serves(function) == ("2", {})


def test_an_answer_that_was_lost_is_no_conflict(world: World) -> None:
    function = world.add("chat")
    original = world.aws.functions.update_alias
    lost: list[object] = []

    def lose_the_first_answer(**arguments: Any) -> Any:
        answer = original(**arguments)
        if not lost:
            lost.append(answer)
            return original(**arguments)  # as botocore repeats it
        return answer

    world.aws.functions.update_alias = lose_the_first_answer  # type: ignore[method-assign]
    try:
        world.release()
    finally:
        world.aws.functions.update_alias = original  # type: ignore[method-assign]
    assert lost
    assert world.serves(function) == ("2", {})


def test_a_version_that_is_not_ready_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = world.add("chat")
    states = iter([("Inactive", ""), ("Pending", ""), ("Active", "")])
    monkeypatch.setattr(world.aws, "state", lambda _function, _version: next(states))
    world.release()
    assert any("is Inactive; waiting" in line for line in world.said)
    assert world.serves(function) == ("2", {})


def test_a_version_that_cannot_start_is_not_released(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = world.add("chat")
    told = ("Failed", "The image cannot be pulled.")
    monkeypatch.setattr(world.aws, "state", lambda _function, _version: told)
    with pytest.raises(CheckFailedError, match="is Failed after 0 s: The image cannot be pulled"):
        world.release()
    assert world.serves(function) == ("1", {})

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from local_aws.errors import EmulatorError, TooManyRequestsError
from local_aws.pool import Pool

if TYPE_CHECKING:
    from local_aws.emulator import Result


class FakeEnvironment:
    log_stream = "stream"

    def __init__(self) -> None:
        self.closed = False

    def invoke(self, event: bytes, *, request_id: str = "", client_context: str = "") -> Result:
        raise NotImplementedError

    def close(self) -> None:
        self.closed = True


class Started(list[FakeEnvironment]):
    def __call__(self) -> FakeEnvironment:
        self.append(FakeEnvironment())
        return self[-1]


def test_an_environment_is_started_when_it_is_first_needed() -> None:
    started = Started()
    pool = Pool(started, size=2)
    assert started == []
    with pool.environment() as environment:
        assert [environment] == started


def test_an_idle_environment_is_used_again() -> None:
    pool = Pool(Started(), size=2)
    with pool.environment() as first:
        pass
    with pool.environment() as second:
        assert second is first


def test_two_at_once_have_one_each() -> None:
    pool = Pool(Started(), size=2)
    with pool.environment() as first, pool.environment() as second:
        assert first is not second


def test_one_more_than_there_may_be_waits_until_one_is_free() -> None:
    pool = Pool(Started(), size=1)
    got = []

    def use() -> None:
        with pool.environment() as environment:
            got.append(environment)

    waiting = threading.Thread(target=use)
    with pool.environment() as first:
        waiting.start()
        assert got == []
    waiting.join(60)
    assert got == [first]


def test_one_that_waits_too_long_is_refused() -> None:
    pool = Pool(Started(), size=1, wait_s=0.01)
    with (
        pool.environment(),
        pytest.raises(TooManyRequestsError, match="all 1 environments"),
        pool.environment(),
    ):
        pass


def test_one_that_has_ended_is_replaced() -> None:
    started = Started()
    pool = Pool(started, size=1)
    with pool.environment() as first:
        pass
    first.close()
    with pool.environment() as second:
        assert second is not first
    assert len(started) == 2


def test_one_that_ended_at_work_leaves_its_place_to_another() -> None:
    pool = Pool(Started(), size=1)
    with pool.environment() as first:
        first.close()
    with pool.environment() as second:
        assert second is not first


def test_a_start_that_fails_leaves_its_place_free() -> None:
    def fail() -> FakeEnvironment:
        raise EmulatorError("no")

    pool = Pool(fail, size=1, wait_s=0)
    for _ in range(2):
        with pytest.raises(EmulatorError), pool.environment():
            pass


def test_an_environment_that_was_idle_for_long_is_ended() -> None:
    pool = Pool(Started(), size=1)
    with pool.environment() as environment:
        pass
    pool.end_idle(3600)
    assert not environment.closed
    pool.end_idle(0)
    assert environment.closed


def test_draining_ends_idle_ones_at_once_and_busy_ones_after_their_work() -> None:
    started = Started()
    pool = Pool(started, size=2)
    with ExitStack() as at_work:
        at_work.enter_context(pool.environment())
        with pool.environment():
            pass
        pool.drain()
        assert [each.closed for each in started] == [False, True]
    assert [each.closed for each in started] == [True, True]


def test_closing_ends_those_at_work_and_refuses_those_that_wait() -> None:
    started = Started()
    pool = Pool(started, size=1)
    refused = []

    def wait() -> None:
        try:
            with pool.environment():
                pass
        except TooManyRequestsError as error:
            refused.append(error)

    with pool.environment() as environment:
        waiting = threading.Thread(target=wait)
        waiting.start()
        pool.close()
        assert environment.closed
        waiting.join(60)
    assert len(refused) == 1
    assert len(started) == 1


def test_closing_while_one_starts_leaves_none() -> None:
    started = Started()

    def start() -> FakeEnvironment:
        pool.close()
        return started()

    pool = Pool(start, size=1)
    with pool.environment() as environment:
        assert environment.closed
    assert len(started) == 1

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from lambda_release.alias import Alias
from lambda_release.errors import ConflictError, NotFoundError, UsageError
from lambda_release.rollback import roll_back

from .conftest import KilledError

if TYPE_CHECKING:
    from lambda_release.functions import Function

    from .conftest import World


def back(world: World, function: Function, version: str | None = None) -> str:
    return roll_back(function, world.aws, world.clock, world.said.append, version=version)


def test_it_goes_back_to_the_version_that_the_release_replaced(world: World) -> None:
    function = world.add("chat", versions=3)
    world.release()  # from 1 to 3; 2 was never live

    assert back(world, function) == f"{function.name}: version 1 is live"
    assert world.serves(function) == ("1", {})


def test_what_was_rolled_back_is_not_released_again_by_itself(world: World) -> None:
    function = world.add("chat")
    world.release()
    back(world, function)
    (result,) = world.release()
    assert "Version 2 was taken back, rolled back by hand." in result
    assert world.serves(function) == ("1", {})


@pytest.mark.parametrize(
    ("versions", "serves"),
    [
        (["2", "1"], "1"),  # twice back
        (["1", "2"], "2"),  # too far back, and up again
        (["1", "3", "2"], "2"),  # what was taken back is insisted on, and is bad again
    ],
)
def test_what_was_rolled_back_is_not_released_again_however_often_the_alias_moves(
    world: World, versions: list[str], serves: str
) -> None:
    function = world.add("chat", versions=3)
    world.release()
    for version in versions:
        back(world, function, version)

    (result,) = world.release()

    assert "Version 3 was taken back, rolled back by hand." in result
    assert world.serves(function) == (serves, {})


def test_what_was_rolled_back_is_remembered_when_a_lower_version_is_released(world: World) -> None:
    function = world.add("chat", versions=3)
    world.release()
    back(world, function, "1")
    killed = world.wire.ends(KilledError(), at=8, when="before", for_good=True)
    with killed, pytest.raises(KilledError):
        world.release(version="2")
    assert world.serves(function) == ("1", {"2": 0.1})

    world.release()  # goes on with 2, not with 3
    assert world.serves(function) == ("2", {})
    (result,) = world.release()
    assert "Version 3 was taken back, rolled back by hand." in result
    assert world.alias(function).before == "1"


def test_what_was_rolled_back_and_insisted_on_is_forgotten(world: World) -> None:
    function = world.add("chat")
    world.release()
    back(world, function)
    world.release(version="2")
    assert world.serves(function) == ("2", {})
    assert world.alias(function).taken_back is None


def test_a_higher_version_than_was_rolled_back_is_released(world: World) -> None:
    function = world.add("chat")
    world.release()
    back(world, function)
    world.publish(function)
    world.release()
    assert world.serves(function) == ("3", {})


@pytest.mark.parametrize("share", [{}, {"v3": 0.1}])
def test_a_higher_version_that_is_left_for_a_released_one_stays_so(
    world: World, share: dict[str, float]
) -> None:
    function = world.add("chat", versions=3)
    world.move(function, "1" if share else "3", **share)
    world.release(version="2")
    (result,) = world.release()
    assert "Version 3 was taken back, 2 was released in its place." in result
    assert world.serves(function) == ("2", {})


def test_all_versions_that_are_left_are_taken_back(world: World) -> None:
    function = world.add("chat", versions=3)
    world.move(function, "2", v3=0.1)
    back(world, function, "1")
    assert (world.alias(function).taken_back or ("",))[0] == "3"


def test_a_long_reason_is_cut_and_the_version_is_remembered() -> None:
    alias = Alias(version="7", weights={}, description="")
    moved = alias.then("7", "Version 7 since now.", bad={"8": "x" * 300})
    assert len(moved.description) == 256
    assert (moved.taken_back or ("",))[0] == "8"


def test_at_a_tenth_the_share_is_taken_back(world: World) -> None:
    function = world.add("chat")
    world.move(function, "1", v2=0.1)
    back(world, function)
    assert world.serves(function) == ("1", {})
    assert (world.alias(function).taken_back or ("",))[0] == "2"


def test_where_nothing_is_remembered_it_goes_to_the_next_lower_version(world: World) -> None:
    function = world.add("chat", versions=3)
    world.move(function, "3")
    back(world, function)
    assert world.serves(function) == ("2", {})


def test_a_version_may_be_named_also_a_higher_one(world: World) -> None:
    function = world.add("chat", versions=3)
    back(world, function, "3")
    assert world.serves(function) == ("3", {})
    assert world.alias(function).before == "1"


def test_a_version_that_is_live_stays(world: World) -> None:
    function = world.add("chat")
    assert back(world, function, "1") == f"{function.name}: version 1 is live already"


def test_an_image_that_lambda_has_put_away_is_brought_back_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = world.add("inference", image=True)
    world.move(function, "2")
    states = iter([("Inactive", ""), ("Pending", ""), ("Active", "")])
    monkeypatch.setattr(world.aws, "state", lambda _function, _version: next(states))
    back(world, function)
    assert next(states, None) is None
    assert world.serves(function) == ("1", {})


def test_where_there_is_none_before_it_is_said(world: World) -> None:
    function = world.add("chat", versions=1)
    with pytest.raises(NotFoundError, match="no version before 1"):
        back(world, function)


def test_a_version_that_was_never_published_is_refused(world: World) -> None:
    function = world.add("chat")
    with pytest.raises(UsageError, match="no version 7; it has 1, 2"):
        back(world, function, "7")
    assert world.serves(function) == ("1", {})


def test_who_moves_the_alias_meanwhile_is_not_overwritten(world: World) -> None:
    function = world.add("chat")
    world.move(function, "2")

    def move(_number: int, call: str) -> None:
        if call == "UpdateAlias":
            world.wire.reset()
            world.move(function, "2", v1=0.5)

    world.wire.before = move
    with pytest.raises(ConflictError):
        back(world, function)
    assert world.serves(function) == ("2", {"1": 0.5})

"""Ctrl-C, as the command line hears it."""

from __future__ import annotations

import signal

import pytest
from local_aws import interrupts
from local_aws.interrupts import held, interruptible


@pytest.fixture(autouse=True)
def never_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """No signal came lately."""
    monkeypatch.setattr(interrupts._State, "last", -interrupts._PATIENCE_S)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_each_signal_that_ends_programs_interrupts(number: signal.Signals) -> None:
    before = signal.getsignal(number)

    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(number)

    assert signal.getsignal(number) is before


def interrupted_twice(cleaned: list[bool]) -> None:
    with interruptible():
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.raise_signal(signal.SIGINT)
            cleaned.append(True)


def test_an_impatient_second_one_does_not_cut_the_cleaning_up_short() -> None:
    cleaned: list[bool] = []

    with pytest.raises(KeyboardInterrupt):
        interrupted_twice(cleaned)

    assert cleaned == [True]


def test_a_second_one_after_a_while_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "_PATIENCE_S", 0.0)
    cleaned: list[bool] = []

    with pytest.raises(KeyboardInterrupt):
        interrupted_twice(cleaned)

    assert cleaned == []


def test_while_a_program_is_started_it_is_held_back_and_not_lost() -> None:
    done = []

    def work() -> None:
        with interruptible():
            with held():
                signal.raise_signal(signal.SIGINT)
                done.append("started")
            done.append("went on")

    with pytest.raises(KeyboardInterrupt):
        work()

    assert done == ["started"]


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible():
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)

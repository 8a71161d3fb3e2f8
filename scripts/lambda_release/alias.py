"""An alias as AWS holds it: which versions it serves, and what its description remembers.

The alias is all the state that a release has. Which version is served and which one has a share
says how far it is; the description, which is written by the same call, says since when and what was
there before. A description that somebody else wrote is no error: then nothing is remembered.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHARES = re.compile(r"Version (?P<version>\d+) gets a share since (?P<since>\S+)\.")
_SERVES = re.compile(r"Version (?P<version>\d+) since \S+, before it (?P<before>\d+)\.")
_TOOK_BACK = re.compile(r"Version (?P<version>\d+) since \S+: took back (?P<bad>\d+), (?P<why>.*)")
_LIMIT = 256  # characters: Lambda API reference, "UpdateAlias"


@dataclass(frozen=True, kw_only=True, slots=True)
class Alias:
    """What an alias serves: `version`, but for the shares (0 to 1) of the versions in `weights`."""

    version: str
    weights: Mapping[str, float]
    description: str
    revision: str = ""

    def share(self, version: str) -> float:
        """Return which share of the requests a version gets."""
        if version == self.version:
            return 1 - sum(self.weights.values())
        return self.weights.get(version, 0)

    @property
    def since(self) -> datetime | None:
        """Return since when a version has had its share, if that is known."""
        if found := _SHARES.fullmatch(self.description):
            try:
                return datetime.fromisoformat(found["since"])
            except ValueError:
                return None
        return None

    @property
    def before(self) -> str | None:
        """Return the version that was served before this one, if that is known."""
        found = _SERVES.fullmatch(self.description)
        return found["before"] if found and found["version"] == self.version else None

    @property
    def taken_back(self) -> tuple[str, str] | None:
        """Return the version that this one replaced because it was bad, and why, if one was."""
        found = _TOOK_BACK.match(self.description)
        return (found["bad"], found["why"]) if found and found["version"] == self.version else None

    def __str__(self) -> str:
        """Return `version 4, 10 % version 5`."""
        shares = [f"{percent(weight)} version {other}" for other, weight in self.weights.items()]
        return ", ".join([f"version {self.version}", *shares])


def percent(share: float) -> str:
    """Return a share as people read it: `10 %`."""
    return f"{share * 100:g} %"


def shares(version: str, now: datetime) -> str:
    """Return the description of an alias that gives a version a share of the requests."""
    return f"Version {version} gets a share since {_time(now)}."


def serves(version: str, before: str, now: datetime) -> str:
    """Return the description of an alias that serves a version in place of the one before."""
    return f"Version {version} since {_time(now)}, before it {before}."


def took_back(version: str, bad: str, why: str, now: datetime) -> str:
    """Return the description of an alias that serves a version again because another was bad."""
    return f"Version {version} since {_time(now)}: took back {bad}, {why}"[:_LIMIT]


def gave_up(version: str, other: str, why: str, now: datetime) -> str:
    """Return the description of an alias whose move to another, blameless version was ended."""
    return f"Version {version} since {_time(now)}: did not go on to {other}, {why}"[:_LIMIT]


def _time(now: datetime) -> str:
    return now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

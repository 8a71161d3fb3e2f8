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
_TAKEN_BACK = re.compile(r" Taken back: (?P<bad>\d+), (?P<why>.*)", re.DOTALL)
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
        if found := _SHARES.match(self.description):
            try:
                return datetime.fromisoformat(found["since"])
            except ValueError:
                return None
        return None

    @property
    def before(self) -> str | None:
        """Return the version that was served before this one, if that is known."""
        found = _SERVES.match(self.description)
        return found["before"] if found and found["version"] == self.version else None

    @property
    def taken_back(self) -> tuple[str, str] | None:
        """Return the highest version above this one that was taken back, and why, if one was."""
        found = _TAKEN_BACK.search(self.description)
        above = found and int(found["bad"]) > int(self.version)
        return (found["bad"], found["why"]) if found and above else None

    def then(
        self,
        version: str,
        says: str,
        *,
        weights: Mapping[str, float] | None = None,
        bad: Mapping[str, str] | None = None,
    ) -> Alias:
        """Return what it serves next, and says; it goes on to remember what was taken back.

        `bad` are versions that are taken back now, with why. Of all that were, the highest one
        above `version` is remembered: a release takes the newest version, and leaves that one.
        """
        known = dict([self.taken_back] if self.taken_back else []) | dict(bad or {})
        above = [each for each in known if int(each) > int(version)]
        if above:
            highest = max(above, key=int)
            says = f"{says} Taken back: {highest}, {known[highest]}"[:_LIMIT]
        return Alias(version=version, weights=weights or {}, description=says)

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


def stays(version: str, now: datetime) -> str:
    """Return the description of an alias that serves a version again."""
    return f"Version {version} since {_time(now)}."


def gave_up(version: str, other: str, why: str, now: datetime) -> str:
    """Return the description of an alias whose move to another, blameless version was ended."""
    return f"Version {version} since {_time(now)}: did not go on to {other}, {why}"


def _time(now: datetime) -> str:
    return now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

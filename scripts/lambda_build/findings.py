"""What a check finds wrong with a package: a value, which a build refuses and `verify` lists."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from lambda_build.errors import LambdaBuildError

if TYPE_CHECKING:
    from collections.abc import Iterable

_SHOWN = 5


class Severity(StrEnum):
    """Whether the function would fail, or do worse than it could."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is wrong with a package."""

    code: str  # for programs, and never renamed: `wrong-machine`
    severity: Severity = Severity.ERROR
    thing: str  # a path in the package, a distribution, or the ZIP's name
    cause: str  # whole sentences, which name the thing
    next_step: str = ""
    error: type[LambdaBuildError] = LambdaBuildError  # what a build refuses it with

    @property
    def text(self) -> str:
        """The cause and the next step, for a person."""
        return f"{self.cause}\n{self.next_step}" if self.next_step else self.cause


def found_by(error: LambdaBuildError, code: str, thing: str) -> Finding:
    """Return the finding that a refusal is: its first line the cause, the others what to do."""
    cause, _, next_step = str(error).partition("\n")
    return Finding(code=code, thing=thing, cause=cause, next_step=next_step, error=type(error))


def refuse(findings: Iterable[Finding]) -> list[str]:
    """Raise the first error among findings, as its own class; else return the warnings' texts."""
    found = list(findings)
    errors = [finding for finding in found if finding.severity is Severity.ERROR]
    if not errors:
        return [finding.text for finding in found]
    first, *others = errors
    alike = [finding.thing for finding in others if finding.code == first.code]
    more = f" and {len(alike) - _SHOWN} more" if len(alike) > _SHOWN else ""
    likewise = f"\nSo is it with: {', '.join(alike[:_SHOWN])}{more}." if alike else ""
    raise first.error(first.text + likewise)

"""What a check finds wrong with a package: a value, which a build refuses and `verify` lists."""

from __future__ import annotations

from dataclasses import dataclass, replace
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
    others: tuple[str, ...] = ()  # of which the same is to be said
    cause: str  # whole sentences, which name the thing
    next_step: str = ""
    error: type[LambdaBuildError] = LambdaBuildError  # what a build refuses it with

    @property
    def text(self) -> str:
        """The cause and the next step, for a person."""
        likewise = f"So it is with {_listed(self.others)}." if self.others else ""
        return "\n".join(filter(None, (self.cause, likewise, self.next_step)))


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
    first, *rest = errors
    alike = tuple(finding.thing for finding in rest if finding.code == first.code)
    raise first.error(replace(first, others=(*first.others, *alike)).text)


def shown(name: str) -> str:
    """Return a name that somebody else chose, fit for a terminal."""
    return name if name.isprintable() else repr(name)


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(shown(name) for name in names[:_SHOWN]) + more

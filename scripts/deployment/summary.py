"""What a plan changes, as Markdown: for a job's summary, and for a comment of a pull request.

Addresses and names only, never values: who may read a summary may not read the state.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from deployment.plan import Change, Plan

_ACTIONS = {"create": "added", "update": "changed", "replace": "replaced", "delete": "destroyed"}
_MEGABYTE = 1024 * 1024


def summarise(plan: Plan, project: Path, title: str) -> str:
    """Return a plan's changes and packages."""
    return "\n".join([f"## {title}", "", *_changes(plan), "", *_packages(plan, project), ""])


def _changes(plan: Plan) -> Iterator[str]:
    if not plan.changes:
        yield "No changes."
        return
    numbers = Counter(change.action for change in plan.changes)
    yield ", ".join(
        f"**{numbers[action]}** {done}" for action, done in _ACTIONS.items() if numbers[action]
    )
    yield ""
    yield "| | resource | what |"
    yield "| --- | --- | --- |"
    for action in reversed(_ACTIONS):  # what is destroyed is to be seen first
        for change in plan.changes:
            if change.action == action:
                yield _row(change)


def _row(change: Change) -> str:
    names = ", ".join(_code(name) for name in change.arguments)
    return f"| {change.action} | {_code(change.address)} | {names} |"


def _packages(plan: Plan, project: Path) -> Iterator[str]:
    packages = [path for path in plan.files if path.suffix == ".zip"]
    if not packages:
        return
    yield "| package | MB |"
    yield "| --- | ---: |"
    for path in packages:
        yield f"| {_code(str(path))} | {(project / path).stat().st_size / _MEGABYTE:.1f} |"


def _code(text: str) -> str:
    """Return a text as code in a table's cell, whatever it holds."""
    safe = text.replace("`", "'").replace("|", "\\|").replace("\n", " ")
    return f"`{safe}`"

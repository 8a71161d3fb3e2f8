"""What `verify` and `diff` found, as lines for a person and as JSON for a program."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from lambda_build.checks.findings import Severity, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lambda_build.checks.findings import Finding
    from lambda_build.inspection.diff import Difference, FileChange
    from lambda_build.inspection.verify import Report

_SHOWN = 20


def report_lines(report: Report, paint: Callable[[str, Severity], str]) -> Iterator[str]:
    """Yield what was verified and found, a code at a time, and a line that sums it up."""
    yield (
        f"{shown(str(report.file))}: {_mb(report.zipped_bytes)} "
        f"({_mb(report.unzipped_bytes)} unzipped), {_count(report.files, 'file')}, "
        f"{_count(len(report.distributions), 'package')}"
    )
    yield f"  target: {report.target} ({report.target_from})"
    if report.handler:
        yield f"  handler: {shown(report.handler)} ({report.handler_from})"
    else:
        yield "  handler: not checked; name it with --handler MODULE.FUNCTION"
    for (severity, code), findings in groupby(
        report.findings, key=lambda found: (found.severity, found.code)
    ):
        yield ""
        yield paint(f"{severity} {code}", severity)
        found = list(findings)
        for finding in found[:_SHOWN]:
            yield from (f"  {line}" for line in finding.text.splitlines())
        if len(found) > _SHOWN:
            yield f"  and {len(found) - _SHOWN} more, which --json lists"
    yield ""
    yield summary(report)


def summary(report: Report) -> str:
    """Return what a report amounts to, in one line."""
    if not report.findings:
        return f"nothing is wrong with {shown(str(report.file))}"
    return (
        f"{shown(str(report.file))}: {_count(report.errors, 'error')}, "
        f"{_count(report.warnings, 'warning')}"
    )


def report_json(report: Report) -> dict[str, object]:
    """Return a report as JSON's types."""
    return {
        "file": str(report.file),
        "runtime": report.target.runtime,
        "architecture": report.target.architecture,
        "target_from": report.target_from,
        "handler": report.handler,
        "packages": {found.name: found.version for found in report.distributions},
        "files": report.files,
        "zipped_bytes": report.zipped_bytes,
        "unzipped_bytes": report.unzipped_bytes,
        "errors": report.errors,
        "warnings": report.warnings,
        "findings": [_finding_json(finding) for finding in report.findings],
    }


def difference_lines(difference: Difference) -> Iterator[str]:
    """Yield what differs: packages, then files, then bytecode and sizes."""
    if difference.is_same:
        yield _sameness(difference)
        return
    for package in difference.packages:
        if package.before is None:
            yield f"+ {package.name} {package.after}"
        elif package.after is None:
            yield f"- {package.name} {package.before}"
        else:
            yield f"~ {package.name} {package.before} → {package.after}"
    for owner, changes in groupby(difference.files, key=lambda change: change.owner):
        rows = [_row(change) for change in changes]
        yield f"{shown(owner)}: {_count(len(rows), 'file')}"
        yield from rows[:_SHOWN]
        if len(rows) > _SHOWN:
            yield f"    and {len(rows) - _SHOWN} more, which --json lists"
    if difference.bytecode:
        kinds = ", ".join(f"{count} {kind}" for kind, count in difference.bytecode.items())
        yield f"bytecode: {kinds}"
    before, after = difference.unzipped_bytes
    yield f"unzipped: {_mb(before)} → {_mb(after)} ({after - before:+,} bytes)"


def difference_json(difference: Difference) -> dict[str, object]:
    """Return a difference as JSON's types."""
    return {
        "same_bytes": difference.same_bytes,
        "same_content": difference.is_same,
        "other_bytes_because": list(difference.reasons),
        "packages": [
            {"name": package.name, "before": package.before, "after": package.after}
            for package in difference.packages
        ],
        "files": [
            {"path": change.path, "change": change.kind, "of": change.owner, "what": change.what}
            for change in difference.files
        ],
        "bytecode": dict(difference.bytecode),
        "unzipped_bytes": list(difference.unzipped_bytes),
    }


def _sameness(difference: Difference) -> str:
    if difference.same_bytes:
        return "the same content, byte for byte"
    return f"the same content, other bytes: {', '.join(difference.reasons)}"


def _row(change: FileChange) -> str:
    what = f"  ({change.what})" if change.what else ""
    return f"    {change.kind} {shown(change.path)}{what}"


def _finding_json(finding: Finding) -> dict[str, object]:
    return {
        "code": finding.code,
        "severity": finding.severity,
        "thing": finding.thing,
        "others": list(finding.others),
        "cause": finding.cause,
        "next_step": finding.next_step,
    }


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f} MB"

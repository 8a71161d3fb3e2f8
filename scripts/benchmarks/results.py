"""What was measured, as values and as JSON: tables and plots are made from it."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from benchmarks.measure import Time

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """A ZIP's size."""

    zipped_bytes: int
    unzipped_bytes: int
    files: int


@dataclass(kw_only=True, slots=True)
class ToolResults:
    """What one tool took for one workload, by scenario; filled while it is measured."""

    has_bytecode: bool
    times: dict[str, list[Time]] = field(default_factory=dict)
    peak_bytes: dict[str, int] = field(default_factory=dict)
    size: Size | None = None
    failed: str = ""  # why it did not go on

    def median_s(self, scenario: str) -> float | None:
        """Return the median of the seconds by the clock; None when it was not measured."""
        walls = self.walls_s(scenario)
        return statistics.median(walls) if walls else None

    def median_cpu_s(self, scenario: str) -> float | None:
        """Return the median of the processors' seconds; None when it was not measured."""
        times = self.times.get(scenario, [])
        return statistics.median(time.cpu_s for time in times) if times else None

    def walls_s(self, scenario: str) -> list[float]:
        """Return the seconds by the clock of each repetition, sorted."""
        return sorted(time.wall_s for time in self.times.get(scenario, []))


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkloadResults:
    """What every tool took for one workload."""

    name: str
    started: str  # UTC, ISO 8601
    load: Sequence[float]  # the load average before and after
    repetitions: int
    requirements: Sequence[str]
    tools: Mapping[str, ToolResults]
    # lambda-build's files without bytecode: compressed by zlib at level 6, and by `--smallest`
    zlib_bytes: int
    smallest: ToolResults

    def best_peer(self, scenario: str, peers: Sequence[str]) -> tuple[str, float] | None:
        """Return the fastest of some tools with its median; None when none was measured."""
        medians = [
            (median, name)
            for name in peers
            if name in self.tools and (median := self.tools[name].median_s(scenario)) is not None
        ]
        return (min(medians)[1], min(medians)[0]) if medians else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """What was measured on one machine, workload by workload."""

    machine: Mapping[str, str]
    versions: Mapping[str, str]
    workloads: Sequence[WorkloadResults]

    def having(self, workload: WorkloadResults) -> Results:
        """Return the results with a workload, in the place of what was measured of it before."""
        others = [each for each in self.workloads if each.name != workload.name]
        return replace(
            self, workloads=sorted([*others, workload], key=lambda workload: workload.name)
        )


def write_results(results: Results, file: Path) -> None:
    """Write results as JSON."""
    file.write_text(f"{json.dumps(asdict(results), indent=1)}\n", "utf-8")


def read_results(file: Path) -> Results:
    """Return the results in a file that `write_results` wrote; KeyError for another version's."""
    said: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return Results(
        machine=said["machine"],
        versions=said["versions"],
        workloads=[_workload(each) for each in said["workloads"]],
    )


def _workload(said: dict[str, Any]) -> WorkloadResults:
    tools = {name: _tool(each) for name, each in said["tools"].items()}
    return WorkloadResults(**{**said, "tools": tools, "smallest": _tool(said["smallest"])})


def _tool(said: dict[str, Any]) -> ToolResults:
    times = {name: [Time(**each) for each in rows] for name, rows in said["times"].items()}
    size = said["size"] and Size(**said["size"])
    return ToolResults(**{**said, "times": times, "size": size})

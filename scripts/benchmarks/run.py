"""Measuring: every tool builds every workload in every scenario, again and again, in turns."""

from __future__ import annotations

import os
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from benchmarks.machine import load_average
from benchmarks.measure import RunError, peak_memory, timed
from benchmarks.results import Size, ToolResults, WorkloadResults
from benchmarks.tools import OURS_WITHOUT_BYTECODE, Place, Tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from benchmarks.workloads import Workload

# The file whose line is changed: every workload has it at its top.
_CHANGED_FILE = "index.py"

# What would let something of this machine, or of who runs this, into a measurement: other places
# to find packages in, and settings of Python and of environments.
_NOT_PASSED_ON = ("PIP_FIND_LINKS", "VIRTUAL_ENV", "PYTHON", "LAMBDA_BUILD_")


class Scenario(StrEnum):
    """What a build finds; they are run in this order, each after the one before."""

    CLEAN = "clean cache"
    WARM = "warm cache"
    NO_OP = "no-op"
    CHANGED = "one changed line"


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is measured, and where."""

    tools: Sequence[Tool]
    smallest: Tool  # built once, for its size
    workloads: Sequence[Workload]
    repetitions: int
    limit_s: float
    work: Path  # an empty folder
    say: Callable[[str], None]


def measure(plan: Plan) -> Iterator[WorkloadResults]:
    """Yield what all of it took, as soon as a workload is done."""
    for workload in plan.workloads:
        yield _Measured(plan=plan, workload=workload).results()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Measured:
    plan: Plan
    workload: Workload

    def results(self) -> WorkloadResults:
        started, load = datetime.now(UTC), load_average()
        tools = list(self.plan.tools)
        results = {tool.name: ToolResults(has_bytecode=tool.has_bytecode) for tool in tools}
        zlib_bytes = 0
        # One more than asked for: in the last one memory is looked at, and time is not taken.
        for repetition in range(self.plan.repetitions + 1):
            last = repetition == self.plan.repetitions
            places = {tool.name: self._fresh(tool) for tool in tools}
            for scenario in Scenario:
                for tool in tools:
                    if not results[tool.name].failed:
                        self._build(tool, places[tool.name], scenario, results, timing=not last)
            if last:
                for tool in tools:
                    if not results[tool.name].failed:
                        results[tool.name].size = _size(places[tool.name].archive)
                        if tool.name == OURS_WITHOUT_BYTECODE:
                            zlib_bytes = _zlib_bytes(places[tool.name].archive)
            # Who goes first changes: nobody always follows the one that left the disk busy.
            tools.append(tools.pop(0))
        smallest = self._smallest()
        for place in self.plan.work.iterdir():
            shutil.rmtree(place)
        return WorkloadResults(
            name=self.workload.name,
            started=started.isoformat(timespec="minutes"),
            load=(load, load_average()),
            repetitions=self.plan.repetitions,
            requirements=self.workload.asked_for,
            tools=results,
            zlib_bytes=zlib_bytes,
            smallest=smallest,
        )

    def _smallest(self) -> ToolResults:
        tool = self.plan.smallest
        place = self._fresh(tool)
        result = ToolResults(has_bytecode=tool.has_bytecode)
        self._build(tool, place, Scenario.CLEAN, {tool.name: result}, timing=True)
        if not result.failed:
            result.size = _size(place.archive)
        return result

    def _fresh(self, tool: Tool) -> Place:
        """Return a place with the source, empty caches and no output."""
        place = Place(root=self.plan.work / tool.name.replace(" ", "_"))
        shutil.rmtree(place.root, ignore_errors=True)
        shutil.copytree(
            self.workload.folder, place.source, ignore=shutil.ignore_patterns("__pycache__")
        )
        place.output.mkdir()
        place.caches.mkdir()
        tool.prepare(place, self.workload)
        return place

    def _build(
        self,
        tool: Tool,
        place: Place,
        scenario: Scenario,
        results: Mapping[str, ToolResults],
        *,
        timing: bool,
    ) -> None:
        if scenario is Scenario.WARM:
            shutil.rmtree(place.output)
            place.output.mkdir()
        if scenario is Scenario.CHANGED:
            with (place.source / _CHANGED_FILE).open("a", encoding="utf-8") as file:
                file.write("\n# One changed line.\n")
        os.sync()  # what the run before left to write is not this one's
        commands = tool.commands(place, self.workload)
        environment = _environment(tool.environment(place))
        result = results[tool.name]
        try:
            if timing:
                took = timed(commands, environment, limit_s=self.plan.limit_s)
                result.times.setdefault(scenario, []).append(took)
                said = f"{took.wall_s:.2f} s"
            else:
                held = peak_memory(commands, environment, limit_s=self.plan.limit_s)
                result.peak_bytes[scenario] = held
                said = f"{held / 1e6:.0f} MB of memory"
            _check(place)
        except RunError as error:
            result.failed = str(error)
            said = f"failed: {error}"
        self.plan.say(f"{self.workload.name}: {scenario}: {tool.name}: {said}")


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)
    }
    return {**kept, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "NO_COLOR": "1", **own}


def _check(place: Place) -> None:
    """Raise RunError unless the ZIP holds the source as it is now."""
    try:
        with zipfile.ZipFile(place.archive) as archive:
            found = archive.read(_CHANGED_FILE)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise RunError(f"{place.archive} is no package: {error}") from error
    if found != (place.source / _CHANGED_FILE).read_bytes():
        raise RunError(f"{place.archive} holds an old {_CHANGED_FILE}")


def _size(file: Path) -> Size:
    with zipfile.ZipFile(file) as archive:
        files = [info for info in archive.infolist() if not info.is_dir()]
    return Size(
        zipped_bytes=file.stat().st_size,
        unzipped_bytes=sum(info.file_size for info in files),
        files=len(files),
    )


def _zlib_bytes(file: Path) -> int:
    """Return the size that a ZIP would have if zlib compressed every member at level 6."""
    total = file.stat().st_size
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            compressor = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
            total -= info.compress_size
            total += len(compressor.compress(archive.read(info))) + len(compressor.flush())
    return total

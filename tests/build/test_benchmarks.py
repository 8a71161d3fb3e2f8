"""The benchmark compares like with like, and says by itself which goals are met."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest
from benchmarks import cli
from benchmarks.measure import Command, RunError, Time, peak_memory, timed
from benchmarks.report import table
from benchmarks.results import (
    Results,
    Size,
    ToolResults,
    WorkloadResults,
    read_results,
    write_results,
)
from benchmarks.run import Plan, Scenario, measure
from benchmarks.tools import OURS, OURS_SMALLEST, OURS_WITHOUT_BYTECODE, LambdaBuild, Place, UvZip
from benchmarks.workloads import Workload, workloads
from build.tiny import write_tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def took(*seconds: float, has_bytecode: bool = False, size: int = 1000) -> ToolResults:
    """The results of a tool that took as long, in each repetition, in each scenario."""
    return ToolResults(
        has_bytecode=has_bytecode,
        times={each: [Time(wall_s=wall, cpu_s=2 * wall) for wall in seconds] for each in Scenario},
        peak_bytes=dict.fromkeys(Scenario, 20_000_000),
        size=Size(zipped_bytes=size, unzipped_bytes=3000, files=3),
    )


@pytest.fixture
def workload() -> WorkloadResults:
    """Made-up results in which every goal is met."""
    return WorkloadResults(
        name="fastapi",
        started="2026-11-21T17:30+00:00",
        load=(0.1, 0.9),
        repetitions=3,
        requirements=("fastapi",),
        tools={
            OURS_WITHOUT_BYTECODE: took(0.3, 0.1, 0.1),
            "uv + zip": took(2.0, 1.0, 1.5, size=1100),
            "sam build": took(9.0, size=1200),
            OURS: took(0.14, has_bytecode=True, size=1500),
        },
        zlib_bytes=995,
        smallest=took(5.0, size=900),
    )


def results_of(*workloads: WorkloadResults) -> Results:
    return Results(
        machine={"processor": "fast"}, versions={"uv + zip": "uv 1"}, workloads=list(workloads)
    )


def goal_rows(page: str) -> dict[str, tuple[str, str]]:
    """What was measured of each goal, and whether it is met."""
    lines = page.partition("## Goals")[2].partition("\n## ")[0].splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    return {row[0]: (row[2], row[3] if len(row) > 3 else "") for row in rows[2:]}


def test_ratios_are_of_medians_to_the_best_of_the_peers_that_a_goal_names(
    workload: WorkloadResults,
) -> None:
    page = table(results_of(workload))
    rows = goal_rows(page)
    assert "7 of 7 are met.\n" in page  # clean, warm, changed, two no-ops, size, smallest
    assert {met for _, met in rows.values()} == {"yes"}
    measured, _ = rows["warm cache: 5 times faster than uv + zip"]
    assert measured == "15.0 times (0.10 s; uv + zip: 1.50 s)"
    assert rows["size at most 1 % over zlib -6"][0] == "+0.50%"
    assert rows["`--smallest` smaller than every peer"][0] == "-18.18% (uv + zip)"
    assert "**15.0 times** as fast (uv + zip)" in page
    assert "1.50 (1.00 to 2.00); 3.00" in page
    assert "load average 0.1 before and 0.9 after" in page


def test_each_goal_that_is_missed_is_named_with_what_was_measured(
    workload: WorkloadResults,
) -> None:
    slow = {**workload.tools, OURS_WITHOUT_BYTECODE: took(1.6, size=1100)}
    page = table(results_of(replace(workload, tools=slow, smallest=took(5.0, size=1100))))
    rows = goal_rows(page)
    assert {name for name, (_, met) in rows.items() if met == "yes"} == {
        f"no-op at most 0.15 s ({OURS})"
    }
    assert "1 of 7 are met. Missed:" in page
    missed = "- one changed line: 10 times faster than uv + zip and sam, fastapi: 0.9 times "
    assert f"{missed}(1.60 s; uv + zip: 1.50 s)" in page


def test_a_tool_that_failed_is_named_and_judges_nothing(workload: WorkloadResults) -> None:
    failed = ToolResults(has_bytecode=False, failed="uv: exit code 2\nand much more")
    tools = {**workload.tools, "uv + zip": failed}
    page = table(results_of(replace(workload, tools=tools)))
    rows = goal_rows(page)
    assert rows["clean cache: no slower than uv + zip"] == ("-", "")
    # The other one that this goal names is there.
    assert "sam build: 9.00 s" in rows["one changed line: 10 times faster than uv + zip and sam"][0]
    assert "uv + zip failed: `uv: exit code 2`" in page


def test_results_are_read_as_they_were_written_and_a_part_replaces_its_own(
    tmp_path: Path, workload: WorkloadResults
) -> None:
    results = results_of(workload)
    write_results(results, tmp_path / "build.json")
    assert read_results(tmp_path / "build.json") == replace(
        results, workloads=[replace(workload, load=[0.1, 0.9], requirements=["fastapi"])]
    )
    other = replace(workload, name="boto3")
    both = results.having(other)
    assert [each.name for each in both.workloads] == ["boto3", "fastapi"]
    again = replace(other, repetitions=9)
    assert [each.repetitions for each in both.having(again).workloads] == [9, 3]


# Measuring


def program(code: str, folder: Path) -> Command:
    return Command(arguments=[sys.executable, "-c", code], folder=folder)


def test_seconds_are_of_all_commands_with_their_children(tmp_path: Path) -> None:
    spins = "import time\nwhile time.process_time() < 0.1: pass"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {spins!r}])"
    time = timed([program(spins, tmp_path), program(child, tmp_path)], os.environ, limit_s=60)
    assert time.cpu_s >= 0.2
    assert time.wall_s > 0


def test_memory_is_of_all_processes_at_once(tmp_path: Path) -> None:
    child = "import time; held = b'1' * 50_000_000; time.sleep(1)"
    both = (
        f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {child!r}]); {child}"
    )
    assert (
        peak_memory([program(f"{both}; p.wait()", tmp_path)], os.environ, limit_s=60) > 90_000_000
    )


def test_a_command_that_fails_or_hangs_is_an_error_that_says_so(tmp_path: Path) -> None:
    fails = program("print('why'); raise SystemExit(3)", tmp_path)
    with pytest.raises(RunError, match=r"exit code 3\nwhy"):
        timed([fails], os.environ, limit_s=60)
    with pytest.raises(RunError, match="took more than 0 s"):
        timed([program("import time; time.sleep(60)", tmp_path)], os.environ, limit_s=0.2)


@dataclass(kw_only=True)
class FakeTool:
    """A tool that zips the source; it can leave out what was changed, or fail."""

    name: str
    code: str = "z.write('source/index.py', 'index.py')"
    version: str = "1"
    has_bytecode: bool = False
    found: list[tuple[bool, bool]] = field(default_factory=list)

    def prepare(self, place: Place, workload: Workload) -> None:
        pass

    def commands(self, place: Place, workload: Workload) -> Sequence[Command]:  # noqa: ARG002 - as Tool has it
        self.found.append((any(place.caches.iterdir()), any(place.output.iterdir())))
        code = f"import zipfile; z = zipfile.ZipFile('output/function.zip', 'w'); {self.code}"
        return [program(f"{code}; z.close(); open('caches/kept', 'w')", place.root)]

    def environment(self, place: Place) -> Mapping[str, str]:  # noqa: ARG002 - as above
        return {}


@pytest.fixture
def tiny(tmp_path: Path) -> Workload:
    write_tree(tmp_path / "tiny", {"index.py": "handler = print\n", "requirements.txt": "# none\n"})
    return Workload(folder=tmp_path / "tiny")


def planned(tmp_path: Path, tiny: Workload, *tools: FakeTool) -> Plan:
    work = tmp_path / "work"
    work.mkdir()
    return Plan(
        tools=[FakeTool(name=OURS_WITHOUT_BYTECODE), *tools],
        smallest=FakeTool(name=OURS_SMALLEST),
        workloads=[tiny],
        repetitions=2,
        limit_s=60,
        work=work,
        say=lambda _: None,
    )


def test_each_scenario_finds_what_its_name_says(tmp_path: Path, tiny: Workload) -> None:
    tool = FakeTool(name="peer")
    [measured] = measure(planned(tmp_path, tiny, tool))
    # (a cache, an output): clean, warm, no-op, changed; two repetitions, and one for memory.
    assert tool.found == [(False, False), (True, False), (True, True), (True, True)] * 3
    times = measured.tools["peer"].times
    assert {scenario: len(runs) for scenario, runs in times.items()} == dict.fromkeys(Scenario, 2)
    assert min(measured.tools["peer"].peak_bytes.values()) > 0
    assert measured.zlib_bytes > 0
    assert measured.smallest.size is not None
    assert "one changed line" in json.dumps(measured.tools["peer"].peak_bytes)
    assert (tiny.folder / "index.py").read_text() == "handler = print\n"  # a copy was changed


@pytest.mark.parametrize(
    ("code", "said"),
    [("z.writestr('index.py', 'old')", "holds an old index.py"), ("1 / 0", "ZeroDivisionError")],
)
def test_a_tool_that_fails_or_builds_something_else_goes_no_further(
    tmp_path: Path, tiny: Workload, code: str, said: str
) -> None:
    tool = FakeTool(name="peer", code=code)
    [measured] = measure(planned(tmp_path, tiny, tool))
    assert said in measured.tools["peer"].failed
    assert len(tool.found) == 1
    assert not measured.tools[OURS_WITHOUT_BYTECODE].failed


def test_peers_take_the_very_versions_that_are_locked(tmp_path: Path) -> None:
    assert [each.name for each in workloads()] == ["boto3", "fastapi", "scikit_learn"]
    [boto3, *_] = workloads()
    assert "boto3==" in boto3.pinned
    assert "--hash" not in boto3.pinned
    assert boto3.asked_for == ("boto3",)
    [install, *_] = UvZip().commands(Place(root=tmp_path), boto3)
    assert boto3.lock in install.arguments
    [ours] = LambdaBuild(is_smallest=True).commands(Place(root=tmp_path), boto3)
    assert ours.arguments[-1] == "--smallest"


def test_the_page_is_made_again_from_what_was_measured(
    tmp_path: Path, workload: WorkloadResults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "_plot", lambda *_: None)  # it installs matplotlib
    write_results(results_of(workload), tmp_path / "build.json")
    arguments = ["--table-only", "--output", os.fspath(tmp_path), "--cache", os.fspath(tmp_path)]
    assert cli.main(arguments) == 0
    assert (tmp_path / "build.md").read_text() == table(results_of(workload))
    failed = replace(workload, smallest=ToolResults(has_bytecode=False, failed="no"))
    write_results(results_of(failed), tmp_path / "build.json")
    assert cli.main(arguments) == 1

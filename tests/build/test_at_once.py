"""Many builds of one function at once give one artefact; builds that are killed leave no harm."""

from __future__ import annotations

import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from build.tiny import HANDLER, found_in, make_function, make_wheel, project_tree
from lambda_build.build import package
from lambda_build.cache import Cache, sha256_of
from lambda_build.locking import lock_function

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_build.function import Function

SCRIPTS = Path(__file__).parents[2] / "scripts"
BUILDS_AT_ONCE, KILLED = 20, 100

# A process that has imported everything, and becomes a build for each line that it reads: what is
# killed then is a build, and not a Python that is starting. It says how each one ended.
FORKS = """\
import json, os, signal, sys, time
import httpx, certifi, pathspec, packaging.requirements
from lambda_build import assemble, archive, build, cli
from lambda_build.checks import libraries, imports

# Until a build has set its own, a signal ends it in the system's way.
signal.signal(signal.SIGINT, signal.SIG_DFL)
for line in sys.stdin:
    asked = json.loads(line)
    builds = []
    for _ in range(asked["builds"]):
        child = os.fork()
        if not child:
            os.setpgid(0, 0)
            os.dup2(2, 1)
            try:
                cli.main(asked["arguments"])
            except SystemExit as end:
                os._exit(end.code or 0)
            finally:
                os._exit(70)
        os.setpgid(child, child)
        builds.append(child)
    if asked["signal"]:
        time.sleep(asked["after_s"])
        for child in builds:
            os.killpg(child, asked["signal"])
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in builds]
    print(json.dumps(codes), flush=True)
"""


class Forks:
    """Builds of one function, each in a process of its own that need not start Python first."""

    def __init__(self, function: Function, output: Path, running: subprocess.Popen[str]) -> None:
        source = os.fspath(function.source)
        self._arguments = ["package", "--source", source, "--handler", "index.handler"]
        self._arguments += ["--output", os.fspath(output)]
        self._running = running

    def build(self, builds: int = 1, *, number: int = 0, after_s: float = 0) -> list[int]:
        """Run builds at once and return how each ended; `number` is a signal to send them."""
        asked = {"arguments": self._arguments, "builds": builds, "signal": number}
        assert self._running.stdin
        assert self._running.stdout
        self._running.stdin.write(json.dumps({**asked, "after_s": after_s}) + "\n")
        self._running.stdin.flush()
        codes: list[int] = json.loads(self._running.stdout.readline())
        return codes


@pytest.fixture
def function(tmp_path: Path, wheels: Path) -> Function:
    make_wheel(wheels, "one", requires=["two"])
    make_wheel(wheels, "two")
    project_tree(tmp_path / "lib")  # so that what builds it is killed as well
    made = make_function(tmp_path / "src", found_in("../wheels", "one", "../lib"))
    lock_function(made)
    return made


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out" / "x.zip"


@pytest.fixture
def forks(tmp_path: Path, function: Function, output: Path) -> Iterator[Forks]:
    said = (tmp_path / "said").open("w")
    running = subprocess.Popen(
        [sys.executable, "-c", FORKS],
        env={**os.environ, "PYTHONPATH": os.fspath(SCRIPTS)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=said,
        text=True,
    )
    with said, running:
        yield Forks(function, output, running)


@pytest.fixture
def good(tmp_path: Path, function: Function) -> str:
    alone = package(function, tmp_path / "alone.zip", Cache(root=tmp_path / "other"))
    return sha256_of(alone.path)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("warm", [False, True], ids=["cold", "warm"])
def test_twenty_builds_at_once_give_one_artefact_and_no_error(
    tmp_path: Path, function: Function, output: Path, forks: Forks, good: str, *, warm: bool
) -> None:
    if warm:
        forks.build()
        (function.source / "index.py").write_text(f"{HANDLER}# more\n")
        good = sha256_of(package(function, tmp_path / "alone.zip", Cache.default()).path)
    assert forks.build(BUILDS_AT_ONCE) == [0] * BUILDS_AT_ONCE, (tmp_path / "said").read_text()
    assert sha256_of(output) == good
    assert names(output.parent) == ["x.manifest.json", "x.zip"]
    said = (tmp_path / "said").read_text().splitlines()[-BUILDS_AT_ONCE:]
    assert sum("built" in line for line in said) == 1
    assert sum("unchanged" in line for line in said) == BUILDS_AT_ONCE - 1


def test_a_hundred_builds_killed_at_random_moments_are_each_followed_by_a_right_one(
    tmp_path: Path, output: Path, forks: Forks, good: str, cache: Cache
) -> None:
    # `SEED_OF_THE_TESTS=… pytest …` repeats a run, as far as moments can be repeated.
    seed = int(os.environ.get("SEED_OF_THE_TESTS", "0")) or random.randrange(1, 1 << 32)  # noqa: S311
    chance = random.Random(seed)  # noqa: S311 - moments, no secrets
    took: dict[bool, float] = {}
    for cold in (True, True, False, False):  # twice: something else may have taken the machine
        if cold:
            shutil.rmtree(cache.root, ignore_errors=True)
        begun = time.monotonic()
        assert forks.build() == [0]
        took[cold] = min(time.monotonic() - begun, took.get(cold, math.inf))
        output.unlink()
    ends: Counter[int] = Counter()
    for number in range(KILLED):
        cold = number % 4 == 0
        if cold:
            shutil.rmtree(cache.root)
        kind = chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
        after_s = chance.uniform(0, took[cold])
        [code] = forks.build(number=kind, after_s=after_s)
        where = f"build {number} of seed {seed}, {kind.name} after {after_s:.3f} s"
        # Killed; told to end, and ended in order; or told before the build had begun.
        assert code in {0, -kind, 128 + kind}, f"{where}: {(tmp_path / 'said').read_text()[-2000:]}"
        ends[code] += 1
        if code == 128 + kind and output.parent.exists():
            # The file of a lock may be left, of which the system freed the lock itself.
            left = [name for name in names(output.parent) if name.endswith(".aside")]
            assert left == [], where
        if output.exists():
            assert sha256_of(output) == good, where
        assert forks.build() == [0], f"{where}: {(tmp_path / 'said').read_text()[-2000:]}"
        assert sha256_of(output) == good, where
        assert names(output.parent) == ["x.manifest.json", "x.zip"], where
        if number % 3:
            output.unlink()
    # Of half of all the moments; how many come after a build's end depends on the machine.
    assert ends[-signal.SIGKILL] > KILLED / 20
    assert ends[128 + signal.SIGTERM] + ends[128 + signal.SIGINT] > KILLED / 50
    assert "Traceback" not in (tmp_path / "said").read_text()

"""Large sources: memory stays bounded, and tens of thousands of files are no matter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from build.tiny import HANDLER, make_function, members_of, tree_of
from lambda_build.build import package, stage_package

if TYPE_CHECKING:
    from lambda_build.cache import Cache

SCRIPTS = Path(__file__).parents[2] / "scripts"

# Builds the folder that it is given both ways, and says how much memory that took at most: by
# VmHWM, because getrusage's ru_maxrss also counts what the parent had when it started this.
MEASURED = """\
import json, sys
from pathlib import Path
from lambda_build.build import package, stage_package
from lambda_build.cache import Cache
from lambda_build.function import folder_function

folder, output = map(Path, sys.argv[1:])
function = folder_function(folder, requirements=None, has_requirements=False, runtime=None,
                           architecture=None, handler="index.handler")

def peak():
    [line] = [line for line in open("/proc/self/status") if line.startswith("VmHWM:")]
    return int(line.split()[1]) << 10

sizes = []
for build in (lambda: package(function, output / "x.zip", Cache.default()),
              lambda: stage_package(function, output, Cache.default())):
    size = build().unzipped_bytes
    sizes.append([size, peak()])
print(json.dumps(sizes))
"""


@pytest.mark.parametrize("files", [1, 12])
def test_a_tree_of_240_mb_is_built_in_less_than_300_mb_of_memory(
    tmp_path: Path, files: int
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "index.py").write_text(HANDLER)
    piece = os.urandom(1_000_000)
    for number in range(files):
        with (tmp_path / "src" / f"{number}").open("wb") as file:
            for _ in range(240 // files):
                file.write(piece)
    said = subprocess.run(
        [sys.executable, "-c", MEASURED, tmp_path / "src", tmp_path / "out"],
        env={**os.environ, "PYTHONPATH": os.fspath(SCRIPTS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    for size, memory in json.loads(said.stdout):
        assert size > 240_000_000
        assert memory < 300_000_000


def test_a_source_of_50000_files_is_packaged_and_staged_alike(tmp_path: Path, cache: Cache) -> None:
    files: dict[str, str | bytes] = {f"{n // 500}/{n}.txt": f"{n}" for n in range(50_000)}
    function = make_function(tmp_path / "src", None, files={**files, "index.py": HANDLER})
    archive = package(function, tmp_path / "x.zip", cache)
    staged = stage_package(function, tmp_path / "out", cache)
    assert archive.files == 50_003
    assert members_of(archive.path) == tree_of(staged.path)

"""What is in the package that runs: what the build wrote down, and what is really there."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class InstalledPackage:
    """A library that `import` finds: its version, and whether it came in the function's package.

    When it did not, it is the runtime's own, or a layer's, and AWS may change it on any day.
    """

    version: str
    vendored: bool


def read_lock_digest(root: Path) -> str | None:
    """The digest of the lock that the package at `root` was built from.

    None if it was built without a lock, or runs from source: the build writes the file.
    """
    try:
        text = (root / "lambda_build.json").read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    lock = json.loads(text)["lock"]
    return None if lock is None else str(lock)


def find_package(name: str, *, root: Path) -> InstalledPackage | None:
    """The library that `import` would take, found without importing it; None if there is none.

    Its version is that of the metadata beside it, not of the first metadata on sys.path, which
    can belong to another copy.
    """
    # 20 ms, a third of what importing a whole function costs, and few requests ask for it.
    from importlib import metadata  # noqa: PLC0415

    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent.parent
    for distribution in metadata.distributions(name=name, path=[str(folder)]):
        return InstalledPackage(
            version=distribution.version, vendored=folder.resolve() == root.resolve()
        )
    return None

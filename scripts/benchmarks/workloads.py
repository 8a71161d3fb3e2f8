"""The functions that are built: small ones, with the dependencies that real ones have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lambda_build.lock import read_lock

_FOLDER = Path(__file__).resolve().parents[2] / "tests" / "build" / "workloads"
_LOCK = "requirements.python3.11-x86_64.lock"


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """A function's folder with a lock for python3.11 on x86_64."""

    folder: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @property
    def lock(self) -> Path:
        """The lock: pinned versions with hashes, in pip's format, which peers take as it is."""
        return self.folder / _LOCK

    @property
    def pinned(self) -> str:
        """The text of a requirements.txt with the locked versions, without hashes."""
        pins = read_lock(self.lock).pins
        return "".join(f"{pin.name}=={pin.version}\n" for pin in pins)

    @property
    def asked_for(self) -> tuple[str, ...]:
        """The requirements as their author wrote them."""
        lines = (self.folder / "requirements.txt").read_text("utf-8").splitlines()
        return tuple(line for line in lines if line and not line.startswith("#"))


def workloads() -> list[Workload]:
    """Return every workload, sorted by name."""
    return [Workload(folder=lock.parent) for lock in sorted(_FOLDER.glob(f"*/{_LOCK}"))]

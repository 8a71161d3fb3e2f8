"""How AWS would answer: trust documents, policies and boundaries evaluated without an account.

By @cloud-copilot/iam-simulate, which knows AWS's actions, their resources and their context, and so
refuses to answer for an action or a condition that does not exist.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ALLOWED = "Allowed"
DENIED = "ImplicitlyDenied"
FORBIDDEN = "ExplicitlyDenied"

_SOURCE = Path(__file__).parent / "iam_simulator"
_LIMIT_S = 900

Policies = dict[str, dict[str, Any]]


class NoSimulatorError(Exception):
    """Node's package manager is not on this machine."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """What a role's trust document is asked about: somebody's token, and its claims."""

    principal: str
    resource: str
    trust: dict[str, Any]
    context: dict[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What policies are asked about: an action on a resource, by whoever has them."""

    action: str
    resource: str
    policies: Policies
    boundaries: Policies | None = None
    principal: str = "arn:aws:iam::123456789012:role/asking"
    context: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Simulator:
    """The simulator, installed in `folder`."""

    folder: Path

    def answers(self, requests: Sequence[Token | Request]) -> list[str]:
        """Return AWS's answers, in order: ALLOWED, DENIED or FORBIDDEN."""
        done = subprocess.run(
            ["node", self.folder / "simulate.mjs"],
            input=json.dumps([asdict(request) for request in requests]),
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        answers: list[str] = json.loads(done.stdout)
        return answers


def install_simulator(tools: Path) -> Simulator:
    """Return the simulator, installed under `tools` from its lock unless it is there."""
    if shutil.which("npm") is None:
        raise NoSimulatorError("npm is not on this machine")
    files = {name: _SOURCE / name for name in (".npmrc", "package.json", "package-lock.json")}
    folder = tools / "iam_simulator"
    if not _holds(folder, files):
        tools.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=tools) as aside:
            for name, file in files.items():
                shutil.copyfile(file, Path(aside, name))
            subprocess.run(
                ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"],
                cwd=aside,
                check=True,
                timeout=_LIMIT_S,
            )
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(aside, folder)
    shutil.copyfile(_SOURCE / "simulate.mjs", folder / "simulate.mjs")
    return Simulator(folder=folder)


def _holds(folder: Path, files: Mapping[str, Path]) -> bool:
    return (folder / "node_modules").is_dir() and all(
        (folder / name).is_file() and (folder / name).read_bytes() == file.read_bytes()
        for name, file in files.items()
    )

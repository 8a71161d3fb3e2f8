"""Where a function's code came from, as git tells it: for an image's labels, and nothing else."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

from lambda_build.errors import ToolError
from lambda_build.process import run

if TYPE_CHECKING:
    from pathlib import Path

_LIMIT_S = 30
_SCP = re.compile(r"(?:\w+@)?(?P<host>[\w.-]+):(?P<path>[^/].*)")


def origin_labels(folder: Path) -> dict[str, str]:
    """Return the source and revision labels of the OCI image specification; {} without git.

    Also where git does not answer soon: a label is no reason to build no image.

    A revision with changes that are not committed ends in `-dirty`. No credentials of the
    repository's address are told.
    """
    if shutil.which("git") is None:
        return {}
    revision = _git(folder, "describe", "--always", "--abbrev=40", "--dirty", "--exclude=*")
    if not revision:
        return {}
    labels = {"org.opencontainers.image.revision": revision}
    source = _git(folder, "config", "--get", "remote.origin.url")
    scp = _SCP.fullmatch(source)
    if scp:
        source = f"https://{scp['host']}/{scp['path']}"
    if source.startswith(("https://", "http://", "ssh://", "git://")):  # no path of this machine
        source = re.sub(r"(?<=://)[^/]+@", "", source).removesuffix(".git")
        labels["org.opencontainers.image.source"] = source
    return labels


def _git(folder: Path, *arguments: str) -> str:
    try:
        result = run(["git", "-C", folder, *arguments], timeout_s=_LIMIT_S)
    except ToolError:
        return ""
    return result.stdout.strip() if result.returncode == 0 else ""

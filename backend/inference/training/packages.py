"""The lists that the committed model is trained from: npm packages, fetched when training.

They are lists of hosts, so each becomes `https://HOST/`.
"""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import tarfile
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from training.data import Data, DataError, Source, clean

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_TIMEOUT_S: Final = 300
# Hosts that third-party-web has seen, by how often: further down they are seen once.
_MOST_SEEN: Final = 20_000

Labelled = tuple[str, bool, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """A package at a version that never changes, and how its lists are read."""

    name: str
    version: str
    read: Callable[[Callable[[str], str]], Iterator[Labelled]]


def fetch_packages(folder: Path) -> Data:
    """The labelled hosts of all packages, which npm puts into the folder.

    Raises:
        DataError: npm is missing or fails, or a package is not what it was.
    """
    sources: list[Source] = []
    labelled: list[Labelled] = []
    for package in PACKAGES:
        archive = _pack(package, folder)
        try:
            with tarfile.open(archive) as opened:
                licence = json.loads(_member(opened, "package.json")).get("license", "")
                before = len(labelled)
                labelled += package.read(partial(_member, opened))
        except (tarfile.TarError, KeyError, ValueError) as error:
            raise DataError(
                f"npm's {package.name}@{package.version} is not read: {error!r}"
            ) from error
        if len(labelled) == before:
            raise DataError(f"npm's {package.name}@{package.version} has no hosts")
        sources.append(
            Source(
                name=f"npm: {package.name}",
                version=package.version,
                licence=licence,
                fetched=datetime.now(tz=UTC).date().isoformat(),
                sha256=hashlib.sha256(archive.read_bytes()).hexdigest(),
                size_bytes=archive.stat().st_size,
            )
        )
    samples, dropped = clean(labelled)
    return Data(sources=tuple(sources), samples=samples, dropped=dropped, has_paths=False)


def _phishing_and_lookalikes(read: Callable[[str], str]) -> Iterator[Labelled]:
    lists = json.loads(read("src/config.json"))
    for host in lists["blacklist"]:
        yield _url(host), True, "eth-phishing-detect, reported"
    # Honest names that the package's own comparison of letters had taken for imitations.
    for host in lists["whitelist"]:
        yield _url(host), False, "eth-phishing-detect, cleared"


def _most_linked(read: Callable[[str], str]) -> Iterator[Labelled]:
    for row in json.loads(read("top-sites.json")):
        yield _url(row["rootDomain"]), False, "top-sites"


def _brands(read: Callable[[str], str]) -> Iterator[Labelled]:
    for icon in json.loads(read("data/simple-icons.json")):
        for page in (icon.get("source"), icon.get("guidelines")):
            if page and (host := urlsplit(page).hostname):
                yield _url(host), False, "simple-icons"


def _third_parties(read: Callable[[str], str]) -> Iterator[Labelled]:
    for host, entity, category in list(csv.reader(read("dist/domain-map.csv").splitlines()))[
        :_MOST_SEEN
    ]:
        # Those whose owner nobody knows may be anybody's.
        if entity and category != "unknown":
            yield _url(host), False, "third-party-web"


PACKAGES: Final = (
    Package(name="eth-phishing-detect", version="1.2.0", read=_phishing_and_lookalikes),
    Package(name="top-sites", version="1.1.222", read=_most_linked),
    Package(name="simple-icons", version="16.37.0", read=_brands),
    Package(name="third-party-web", version="0.30.0", read=_third_parties),
)


def _url(host: str) -> str:
    return f"https://{host.strip().lower()}/"


def _pack(package: Package, folder: Path) -> Path:
    # `npm pack` checks what it fetches against the registry's hash, and runs no script of it.
    said = _npm(
        "pack", f"{package.name}@{package.version}", "--json", "--pack-destination", str(folder)
    )
    return folder / str(json.loads(said)[0]["filename"])


def _npm(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["npm", *arguments], check=True, capture_output=True, text=True, timeout=_TIMEOUT_S
        )
    except FileNotFoundError as error:
        raise DataError(
            "npm, which fetches the data, is not on this machine. Install Node.js, or train from "
            "a file of your own:\n    make train CSV=FILE"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise DataError(f"npm {arguments[0]} took more than {_TIMEOUT_S} s") from error
    except subprocess.CalledProcessError as error:
        raise DataError(f"npm {' '.join(arguments)} failed:\n{error.stderr}") from error
    return done.stdout


def _member(archive: tarfile.TarFile, path: str) -> str:
    member = archive.extractfile(f"package/{path}")
    if member is None:
        raise KeyError(path)
    return member.read().decode()

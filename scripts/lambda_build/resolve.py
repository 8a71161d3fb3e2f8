"""From requirements to a lock: uv resolves for the target, and one wheel a package is chosen."""

from __future__ import annotations

import re
import tomllib
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from packaging.markers import Marker
from packaging.utils import canonicalize_name, parse_sdist_filename, parse_wheel_filename
from packaging.version import Version

from lambda_build.cache import temporary_folder
from lambda_build.errors import (
    FetchError,
    HashMismatchError,
    LambdaBuildError,
    RequirementsError,
    ResolutionError,
    WheelError,
)
from lambda_build.function import DOCKER_WAYS
from lambda_build.indexes import read_indexes
from lambda_build.lock import Lock, Pin, Resolution
from lambda_build.project_builds import readable_projects
from lambda_build.uv import uv
from lambda_build.wheel import rank

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from lambda_build.requirements import Package, Requirements
    from lambda_build.target import Target

# uv's hint, once for each package that it names.
_WHEELS_REQUIRED = re.compile(r"Wheels are required for `([^`]+)`")
_SEARCHED = re.compile(r"Searching for a compatible version of ([\w.-]+)")
_SELECTED = re.compile(r"Selecting: ([\w.-]+)")
_PINNED = re.compile(r"[A-Za-z0-9._-]+==")

_COPIES = re.compile(r"[^\s`'\"]*/lambda-build-[^/\s]+/")


@dataclass(frozen=True, kw_only=True, slots=True)
class _File:
    """A wheel that an index offers."""

    filename: str
    location: str
    sha256: str


def resolve(
    requirements: Requirements,
    target: Target,
    *,
    preferred: Sequence[Pin] = (),
    compiled: bool = False,
) -> Resolution:
    """Return the newest wheels that answer the requirements on the target.

    Where a version in `preferred` still answers, it stays. A package that has no wheel at all, in
    any version and for any platform, is its source distribution; where native code is `compiled`,
    one that has none for the target. Raises ResolutionError with the resolver's reason, FetchError
    when no index answers, WheelError when no wheel fits.
    """
    with readable_projects(requirements, target) as readable:
        found = _resolve_wheels(readable, target, preferred, compiled=compiled)
    return replace(found, lock=replace(found.lock, requirements_digest=requirements.digest))


def _resolve_wheels(
    requirements: Requirements, target: Target, preferred: Sequence[Pin], *, compiled: bool
) -> Resolution:
    sources: frozenset[str] = frozenset()
    wheels_for = target if compiled else None
    while True:
        passed_over: set[str] = set()
        try:
            resolution = _resolve(requirements, target, preferred, sources, passed_over)
        except WheelError as error:
            without = _without_wheels(str(error))
            more = _source_only(without - sources, requirements, wheels_for)
            if not more:
                newest = "".join(_newest(name, requirements, target) for name in sorted(without))
                # Where no version has a wheel.
                ways = (
                    "" if newest or compiled else f"\nor have it compiled in Docker:\n{DOCKER_WAYS}"
                )
                raise WheelError(f"{error}{newest or ways}") from error
        else:
            # Else an old version may have been chosen, only because it needs no such package.
            more = _source_only(passed_over - sources, requirements, wheels_for)
            if not more:
                return resolution
        sources |= more


def newer_elsewhere(
    lock: Lock, requirements: Requirements, target: Target, *, held: Sequence[Pin] = ()
) -> dict[str, str]:
    """Return, by name, the newer versions that would be locked if other systems' wheels counted.

    `held` are pins that stayed for their own sake. Asks the index a second time.
    """
    with temporary_folder() as folder:
        constraints = folder / "held.txt"
        constraints.write_text("".join(f"{pin.name}=={pin.version}\n" for pin in held), "utf-8")
        sources = frozenset(pin.name for pin in lock.pins if not pin.is_wheel)
        with (
            readable_projects(requirements, target) as readable,
            _arguments(readable) as arguments,
        ):
            arguments += ["--constraint", constraints]
            packages = _pylock(arguments, requirements, target, sources, any_platform=True)
    newest: dict[str, Version] = {}
    for package in packages:
        marker, version = package.get("marker"), package.get("version")
        if version and (not marker or Marker(marker).evaluate(target.markers)):
            name = str(package["name"])
            newest[name] = max(Version(version), newest.get(name, Version(version)))
    return {
        pin.name: str(newest[pin.name])
        for pin in lock.pins
        if pin.name in newest and newest[pin.name] > Version(pin.version)
    }


def _source_only(
    names: Iterable[str], requirements: Requirements, target: Target | None
) -> set[str]:
    """Return the packages of which no version has any wheel; with a target, none for that."""
    return {name for name in names if _is_source_only(name, requirements, target)}


def _is_source_only(name: str, requirements: Requirements, target: Target | None) -> bool:
    anywhere = ("--universal",)
    there = target and ("--python-platform", target.uv_platform, "--python-version", target.python)
    with temporary_folder() as folder:
        wanted = folder / "requirements.txt"
        wanted.write_text(f"{requirements.options_text()}{name}\n", "utf-8")
        # Yanked versions and pre-releases count as well: they are looked at when there is no other.
        result = uv(
            *("pip", "compile", "--quiet", "--only-binary", ":all:", "--no-deps"),
            *("--prerelease", "allow", *(there or anywhere), wanted),
            cwd=requirements.file.parent,
            environment=read_indexes(requirements).environment,
        )
    return bool(result.returncode) and name in _without_wheels(result.stderr)


def _newest(name: str, requirements: Requirements, target: Target) -> str:
    """Return, as lines to add to a refusal, the newest version of a package that has a wheel."""
    with temporary_folder() as folder:
        wanted = folder / "requirements.txt"
        wanted.write_text(f"{requirements.options_text()}{name}\n", "utf-8")
        try:
            output = _compile([wanted, "--no-deps"], requirements, target)
        except LambdaBuildError:
            return ""
    found = re.search(rf"^{re.escape(name)}==(\S+)", output, re.MULTILINE)
    return f"\nThe newest that has a wheel for {target}:\n    {name}=={found[1]}" if found else ""


def _searched_in_vain(log: str) -> set[str]:
    """Return the packages that uv's log has searched for, and never selected a version of."""
    searched = {str(canonicalize_name(name)) for name in _SEARCHED.findall(log)}
    return searched - {str(canonicalize_name(name)) for name in _SELECTED.findall(log)}


def _without_wheels(stderr: str) -> frozenset[str]:
    """Return the packages of which uv says that no wheel can be used."""
    return frozenset(str(canonicalize_name(name)) for name in _WHEELS_REQUIRED.findall(stderr))


def _copy_name(requirements: Requirements) -> str:
    """Return a name for a copy, in the format of a requirements file, that uv's words may show."""
    name = requirements.file.name
    return name if not name.endswith((".toml", ".lock")) else "requirements.txt"


@contextmanager
def _arguments(requirements: Requirements) -> Iterator[list[str | Path]]:
    """Give uv's arguments that ask for these requirements."""
    with temporary_folder() as folder:
        wanted = folder / _copy_name(requirements)
        wanted.write_text(requirements.text(), "utf-8")
        constraints = folder / "constraints.txt"
        constraints.write_text(requirements.constraints_text(), "utf-8")
        prereleases = ["--prerelease", "allow"] if requirements.prereleases else []
        yield [wanted, "--constraint", constraints, *prereleases]


def _resolve(
    requirements: Requirements,
    target: Target,
    preferred: Sequence[Pin],
    sources: frozenset[str],
    passed_over: set[str],
) -> Resolution:
    with (
        _arguments(requirements) as arguments,
        temporary_folder() as folder,
    ):
        if preferred:
            # Versions that an output file already holds are preferred by uv.
            pins = folder / "pins.txt"
            pins.write_text("".join(f"{pin.name}=={pin.version}\n" for pin in preferred), "utf-8")
            preferring = [*arguments, "--output-file", pins]
            _compile(preferring, requirements, target, sources, passed_over=passed_over)
            # Less the path requirements in it, which have no version to hold to.
            held = [line for line in pins.read_text("utf-8").splitlines() if _PINNED.match(line)]
            pins.write_text("".join(f"{line}\n" for line in held), "utf-8")
            arguments += ["--constraint", pins]
        packages = _pylock(arguments, requirements, target, sources, passed_over=passed_over)
    return choose(packages, requirements, target)


def choose(
    packages: Sequence[Mapping[str, Any]],
    requirements: Requirements,
    target: Target,
    *,
    compiled: bool = False,
) -> Resolution:
    """Return one file for each package of a pylock (PEP 751): the wheel that fits best.

    Where none does, the source distribution, if native code is `compiled` or there are no wheels.
    Raises WheelError when nothing fits, HashMismatchError when it is not what is required.
    """
    hashed = _hashed(requirements, target)
    chosen = dict(_chosen(packages, requirements, target, hashed, compiled=compiled))
    _check_hashes(chosen, requirements, hashed)
    indexes = read_indexes(requirements)
    return Resolution(
        lock=Lock(
            target=str(target),
            glibc=target.glibc,
            requirements_name=requirements.file.name,
            requirements_digest=requirements.digest,
            pins=tuple(pin for pin, _ in sorted(chosen.values(), key=lambda pair: pair[0].name)),
        ),
        locations={pin.sha256: indexes.authorised(location) for pin, location in chosen.values()},
    )


def locate(pins: Sequence[Pin], requirements: Requirements, target: Target) -> dict[str, str]:
    """Return where locked wheels are to be had: an address or a path for each hash.

    Nothing is resolved: the index is asked for these versions and no others. Raises
    HashMismatchError when it offers the version and not the file with the hash.
    """
    direct = {
        str(canonicalize_name(package.requirement.name)): package.url
        for package in requirements.packages
        if package.url
    }
    indexes = read_indexes(requirements)
    locations = {
        pin.sha256: indexes.authorised(direct[pin.name]) for pin in pins if pin.name in direct
    }
    asked = [pin for pin in pins if pin.name not in direct]
    if not asked:
        return locations
    with temporary_folder() as folder:
        pinned = folder / _copy_name(requirements)
        pins_text = "".join(f"{pin.name}=={pin.version}\n" for pin in asked)
        pinned.write_text(requirements.options_text() + pins_text, "utf-8")
        sources = frozenset(pin.name for pin in asked if not pin.is_wheel)
        packages = _pylock([pinned, "--no-deps"], requirements, target, sources)
    offered = {
        str(package["name"]): [*_files(package, requirements), *_sources(package, requirements)]
        for package in packages
    }
    for pin in asked:
        file = next((f for f in offered.get(pin.name, []) if f.sha256 == pin.sha256), None)
        if file is None:
            raise HashMismatchError(_not_offered(pin, offered.get(pin.name, [])))
        locations[pin.sha256] = indexes.authorised(file.location)
    return locations


def _pylock(
    arguments: Sequence[str | Path],
    requirements: Requirements,
    target: Target,
    sources: frozenset[str],
    *,
    any_platform: bool = False,
    passed_over: set[str] | None = None,
) -> list[dict[str, Any]]:
    output = _compile(
        [*arguments, "--format", "pylock.toml"],
        *(requirements, target, sources),
        any_platform=any_platform,
        passed_over=passed_over,
    )
    packages: list[dict[str, Any]] = tomllib.loads(output).get("packages", [])
    return packages


def _compile(
    arguments: Sequence[str | Path],
    requirements: Requirements,
    target: Target,
    sources: frozenset[str] = frozenset(),
    *,
    any_platform: bool = False,
    passed_over: set[str] | None = None,
) -> str:
    """Return what uv chooses; the packages of which it found no version go into `passed_over`."""
    words = [
        # Only what is named is ever built; of the others not even metadata is.
        *("--no-header", "--only-binary", ":all:"),
        *(word for name in sorted(sources) for word in ("--no-binary", name)),
        *(["--universal"] if any_platform else ["--python-platform", target.uv_platform]),
        *("--python-version", target.python),
        *arguments,
    ]
    folder, environment = requirements.file.parent, read_indexes(requirements).environment
    if passed_over is not None:
        result = uv("pip", "compile", "--verbose", *words, cwd=folder, environment=environment)
        if not result.returncode:
            passed_over |= _searched_in_vain(result.stderr)
            return result.stdout
        # What uv says at length is not for people, and may hold credentials.
    result = uv("pip", "compile", "--quiet", *words, cwd=folder, environment=environment)
    if result.returncode:
        raise _refusal(result.stderr, requirements, target)
    return result.stdout


def _refusal(stderr: str, requirements: Requirements, target: Target) -> LambdaBuildError:
    """Return the error that uv's words mean, with uv's words in it."""
    # The file that uv read is a copy, which is gone when this is read.
    said = _COPIES.sub("", stderr.strip().removeprefix("error: "))
    where = f"{requirements.file}, for {target}"
    if "valid authentication credentials" in said or "403 Forbidden" in said:
        unset = requirements.unset_variables
        step = (
            f"The file names ${{{'} and ${'.join(unset)}}}, which the environment does not set."
            if unset
            else "Check those in the index's address, in ~/.netrc or in uv's settings."
        )
        return FetchError(f"{where}: the package index wants other credentials.\n{said}\n{step}")
    if "no usable wheels" in said or "no wheels with a matching" in said:
        return WheelError(
            f"{where}: {said}\n\n"
            "Only wheels are packaged, because a package built here might not run on Lambda.\n"
            "Choose a version that has a wheel for the target, or build a wheel where the target\n"
            "runs and name it in the requirements:\n"
            "    ./wheels/NAME-VERSION-…-manylinux….whl"
        )
    if "network was disabled" in said:
        return FetchError(f"{where}: the network is switched off for uv (UV_OFFLINE).\n{said}")
    if "No solution found" in said:
        unknown = "not found in the package registry" in said or "no versions of" in said
        return ResolutionError(
            f"{where}: {said}\n"
            + (
                "Check how it is spelled, and whether the index has it: a private one is named by "
                "--extra-index-url."
                if unknown
                else "Change a version that one of these lines asks for, or remove it."
            )
        )
    if "Failed to fetch" in said or "error sending request" in said:
        step = (
            "Its certificate is not trusted here. Where a proxy or a company signs it, name their "
            "certificates:\n    export SSL_CERT_FILE=/path/to/certificates.pem"
            if "invalid peer certificate" in said
            else "Check the network, the proxy (HTTPS_PROXY) and the index (UV_DEFAULT_INDEX), "
            "then run the command again."
        )
        return FetchError(f"{where}: the package index did not answer.\n{said}\n{step}")
    return RequirementsError(f"{where}: {said}")


def _chosen(
    packages: Sequence[Mapping[str, Any]],
    requirements: Requirements,
    target: Target,
    hashed: Mapping[str, Sequence[Package]],
    *,
    compiled: bool,
) -> Iterator[tuple[str, tuple[Pin, str]]]:
    own = {project.path for project in requirements.projects}
    for package in packages:
        if (local := _local_path(package, requirements)) is not None:
            if local not in own:
                raise RequirementsError(
                    f"{package['name']} is a path requirement of a path requirement ({local}).\n"
                    f"Name it in {requirements.file} as well, so that its files are staged."
                )
            continue
        name = str(package["name"])
        # Where several wheels fit, one whose hash the requirements name is taken.
        wanted = [package.sha256s for package in hashed.get(name, ())]
        ranked = sorted(
            (
                ((any(file.sha256 not in x for x in wanted), place, file.filename), file)
                for file in _files(package, requirements)
                if (place := rank(file.filename, target)) is not None
            ),
            key=lambda pair: pair[0],
        )
        if not ranked and (compiled or not package.get("wheels")):
            ranked = [((True, 0, file.filename), file) for file in _sources(package, requirements)]
        if not ranked:
            source = any(_sources(package, requirements))
            ways = f" Or have it compiled in Docker:\n{DOCKER_WAYS}" if source else ""
            raise WheelError(
                f"{name} {package.get('version', '')} has no wheel for {target} (glibc "
                f"{target.glibc}).\nChoose a version that has one.{ways}"
            )
        file = ranked[0][1]
        version = _version(file.filename)
        pin = Pin(name=name, version=version, sha256=file.sha256, filename=file.filename)
        yield name, (pin, file.location)


def _local_path(package: Mapping[str, Any], requirements: Requirements) -> Path | None:
    """Return the path of a package that is a folder or a file here, named by a requirement."""
    location = package.get("directory") or package.get("archive") or {}
    path = location.get("path")
    return None if path is None else (requirements.file.parent / path).resolve()


def _files(package: Mapping[str, Any], requirements: Requirements) -> Iterator[_File]:
    """Yield the wheels of a package in a pylock (PEP 751)."""
    archive = package.get("archive")
    for wheel in [archive] if archive else package.get("wheels", []):
        location = wheel.get("url") or str((requirements.file.parent / wheel["path"]).resolve())
        filename = wheel.get("name") or unquote(urlsplit(location).path).rpartition("/")[2]
        sha256 = wheel.get("hashes", {}).get("sha256")
        if not filename.endswith(".whl"):
            raise WheelError(
                f"{filename} is a source distribution; only wheels are packaged.\n"
                "Choose a version that has a wheel."
            )
        if sha256 is not None:
            yield _File(filename=filename, location=location, sha256=sha256)


def _sources(package: Mapping[str, Any], requirements: Requirements) -> Iterator[_File]:
    """Yield the source distribution of a package in a pylock."""
    told = package.get("sdist")
    if not told:
        return
    location = told.get("url") or str((requirements.file.parent / told["path"]).resolve())
    filename = told.get("name") or unquote(urlsplit(location).path).rpartition("/")[2]
    sha256 = told.get("hashes", {}).get("sha256")
    if sha256 is not None and filename.endswith((".tar.gz", ".zip")):
        yield _File(filename=filename, location=location, sha256=sha256)


def _version(filename: str) -> str:
    if filename.endswith(".whl"):
        return str(parse_wheel_filename(filename)[1])
    return str(parse_sdist_filename(filename)[1])


def _hashed(requirements: Requirements, target: Target) -> dict[str, list[Package]]:
    """Return, by name, the requirements and constraints with hashes whose markers hold there."""
    hashed: dict[str, list[Package]] = {}
    for package in (*requirements.packages, *requirements.constraints):
        marker = package.requirement.marker
        if package.sha256s and (marker is None or marker.evaluate(target.markers)):
            hashed.setdefault(str(canonicalize_name(package.requirement.name)), []).append(package)
    return hashed


def _check_hashes(
    chosen: Mapping[str, tuple[Pin, str]],
    requirements: Requirements,
    hashed: Mapping[str, Sequence[Package]],
) -> None:
    for name, (pin, _) in chosen.items():
        for package in hashed.get(name, ()):
            if pin.sha256 not in package.sha256s:
                raise HashMismatchError(
                    f"{package.line}\n"
                    f"The wheel for this target, {pin.filename}, has another hash:\n"
                    f"    sha256:{pin.sha256}\n"
                    "Add that hash if the wheel is to be trusted."
                )
    if requirements.requires_hashes and (without := sorted(chosen.keys() - hashed.keys())):
        pin = chosen[without[0]][0]
        raise HashMismatchError(
            f"{requirements.file} says --require-hashes, and {' and '.join(without)} "
            f"{'has' if len(without) == 1 else 'have'} none.\n"
            "Add each with its hash, if it is to be trusted, or leave the hashes to the lock and "
            f"remove the option:\n    {pin.name}=={pin.version} --hash=sha256:{pin.sha256}"
        )


def _not_offered(pin: Pin, files: Sequence[_File]) -> str:
    same_name = [file for file in files if file.filename == pin.filename]
    if same_name:
        return (
            f"{pin.filename} is not the file that was locked: the index offers\n"
            f"    sha256:{same_name[0].sha256}\n"
            "and the lock says\n"
            f"    sha256:{pin.sha256}\n"
            "Somebody may have replaced it. If it is to be trusted, make the lock again:\n"
            "    make lock"
        )
    return (
        f"{pin.filename} is not to be had any more: the index offers no file of {pin.name} "
        f"{pin.version} with the locked hash\n    sha256:{pin.sha256}\n"
        "If it was withdrawn, lock another version:\n    make lock"
    )

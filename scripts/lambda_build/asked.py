"""What a function asks for, whichever kind of file says so, as the same values.

    requirements.txt    pip's format          ─► Requirements, which this build locks
    pyproject.toml      [project]             ─► Requirements, which this build locks
    uv.lock             by uv, exported       ─┐
    pylock.toml         by anybody (PEP 751)  ─┴► Requirements, and a lock that answers them

A lock that is given has every file's hash, so nothing is resolved: of each package the one wheel
that fits the target best is taken.
"""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING, Any

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name

from lambda_build.errors import LockError, RequirementsError
from lambda_build.lock import Resolution, disagreements
from lambda_build.requirements import Requirements, read_lines, read_requirements

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from lambda_build.target import Target

_PROJECT = "pyproject.toml"
_UV_LOCK = "uv.lock"
_PYLOCK = re.compile(r"pylock(?:\.[^.]+)?\.toml")  # PEP 751, "File Name"
_PYLOCK_NAME = "pylock.toml"
_OTHERS = (_UV_LOCK, _PYLOCK_NAME, _PROJECT)  # locks first: they say more
# As pip names a part of a project: `.[extra]`, `--group pyproject.toml:group`.
_PART = re.compile(r"(?:pyproject\.toml|uv\.lock)(?:\[(?P<extras>[^]]+)\]|:(?P<group>.+))")


def read_asked(
    file: Path, target: Target, *, compiled: bool = False
) -> tuple[Requirements, Resolution | None]:
    """Return what a file asks for, and the lock that answers it when the file is one.

    Where native code is `compiled`, what a lock has no wheel of for the target is its source.
    Raises RequirementsError when it is missing or not understood, LockError when a lock does not
    answer the pyproject.toml beside it any more, or is not for the target.
    """
    if not file.is_file():
        raise RequirementsError(_missing(file))
    if file.name == _PROJECT:
        return _read_project(file, target), None
    if file.name == _UV_LOCK or _PYLOCK.fullmatch(file.name):
        return _read_lock(file, target, compiled=compiled)
    return read_requirements(file), None


def _missing(file: Path) -> str:
    if part := _PART.fullmatch(file.name):
        return _part_of_project(file, part)
    said = f"{file} does not exist.\n"
    others = [file.with_name(name) for name in _OTHERS if file.with_name(name).is_file()]
    if others:
        names = " or ".join(other.name for other in others)
        return (
            f"{said}{names} is beside it; to build from that, name it:\n"
            f'    requirements = "{others[0].name}"  in Terraform,  '
            f'"requirements": "{others[0].name}"  in function.json,\n'
            f"    --requirements {others[0]}  on the command line"
        )
    return (
        f"{said}Make it (it may be empty), or say that the function has no requirements:\n"
        '    requirements = ""  in Terraform,  --no-requirements  on the command line'
    )


def _part_of_project(file: Path, part: re.Match[str]) -> str:
    """Return why extras and groups are not had like that, and how they are."""
    kind, names = ("extra", part["extras"]) if part["extras"] else ("group", part["group"])
    chosen = [word for name in names.split(",") for word in (f"--{kind}", name.strip())]
    words = ["uv", "export", "--quiet", "--project", os.fspath(file.parent), "--no-emit-project"]
    words += [
        "--no-default-groups",
        *chosen,
        "--output-file",
        os.fspath(file.parent / _PYLOCK_NAME),
    ]
    return (
        f"{file}: {kind}s are not asked for by a file's name.\n"
        f"Let uv write down what they come to, and name that, {_PYLOCK_NAME}:\n"
        f"    {shlex.join(words)}"
    )


def _read_project(file: Path, target: Target) -> Requirements:
    """Return what [project] in a pyproject.toml asks for; not its extras or groups."""
    table = _toml(file)
    project = table.get("project")
    if not isinstance(project, dict):
        raise RequirementsError(f"{file} has no [project], so it asks for nothing")
    if "dependencies" in project.get("dynamic", []):
        raise RequirementsError(
            f"{file}: its dependencies are dynamic, so only its build backend knows them.\n"
            "Name the file that the backend reads, or the project itself in a requirements.txt:\n"
            "    ."
        )
    _check_python(file, project.get("requires-python"), target)
    uv_table = table.get("tool", {}).get("uv", {})
    if "override-dependencies" in uv_table:
        raise RequirementsError(
            f"{file}: [tool.uv] override-dependencies are uv's own.\n"
            f"Make uv's lock, and name that instead:\n    uv lock --project {file.parent}"
        )
    sources: dict[str, Any] = {
        canonicalize_name(name): at for name, at in uv_table.get("sources", {}).items()
    }
    lines = [_sourced(text, sources, file) for text in _texts(project, "dependencies", file)]
    return read_lines(file, lines, constraints=_texts(uv_table, "constraint-dependencies", file))


def _sourced(text: str, sources: Mapping[str, Any], file: Path) -> str:
    """Return a dependency as a requirements file says it: a path of [tool.uv.sources] in it."""
    wanted = _requirement(text, file)
    source = sources.get(canonicalize_name(wanted.name))
    if source is None:
        return text
    if not isinstance(source, dict) or not isinstance(source.get("path"), str):
        raise RequirementsError(
            f"{file}: {wanted.name} has a source in [tool.uv.sources] that is no path; only uv "
            "resolves such.\n"
            f"Make uv's lock, and name that instead:\n    uv lock --project {file.parent}"
        )
    extras = f"[{','.join(sorted(wanted.extras))}]" if wanted.extras else ""
    path = source["path"] if source["path"].startswith("/") else f"./{source['path']}"
    marker = f" ; {wanted.marker}" if wanted.marker else ""
    return f"{wanted.name}{extras} @ {path}{marker}"


def _read_lock(file: Path, target: Target, *, compiled: bool) -> tuple[Requirements, Resolution]:
    pylock = _exported(file) if file.name == _UV_LOCK else _toml(file)
    packages = list(_for_target(pylock, file, target))
    for package in packages:
        if "vcs" in package:
            raise RequirementsError(
                f"{file}: {package['name']} is a repository, and only wheels and folders are "
                "packaged.\nCheck it out, and lock its folder."
            )
    here = list(_here(packages))
    roots = _roots(file, packages)
    requirements = read_lines(file, [*here, *roots])
    from lambda_build.resolve import choose  # noqa: PLC0415 - as below

    resolution = choose(packages, requirements, target, compiled=compiled)
    reasons = "; ".join(disagreements(resolution.lock, requirements, target))
    if reasons:
        project = file.with_name(_PROJECT)
        raise LockError(f"{file} does not answer {project}: {reasons}.\n{_lock_again(file)}")
    return requirements, resolution


def _here(packages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the packages that are folders and wheels on this machine, as path requirements."""
    for package in packages:
        at = package.get("directory") or package.get("archive") or {}
        if "path" in at:
            path = at["path"] if at["path"].startswith("/") else f"./{at['path']}"
            sha256 = at.get("hashes", {}).get("sha256")
            yield f"{package['name']} @ {path}{f' --hash=sha256:{sha256}' if sha256 else ''}"


def _roots(file: Path, packages: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return what was asked for: by the project beside a lock, else what no other package needs."""
    project = _toml(file.with_name(_PROJECT)) if file.with_name(_PROJECT).is_file() else {}
    if "dependencies" in project.get("project", {}):
        sources = project.get("tool", {}).get("uv", {}).get("sources", {})
        elsewhere = {canonicalize_name(name) for name in sources}
        texts = _texts(project["project"], "dependencies", file)
        return [
            text
            for text in texts
            if canonicalize_name(_requirement(text, file).name) not in elsewhere
        ]
    needed = {one.get("name") for package in packages for one in package.get("dependencies", [])}
    return [
        f"{package['name']}=={package['version']}"
        for package in packages
        if "version" in package and package["name"] not in needed and not [*_here([package])]
    ]


def _exported(file: Path) -> dict[str, Any]:
    """Return uv's lock as a pylock (PEP 751), after uv has checked that it is up to date."""
    if not file.with_name(_PROJECT).is_file():
        raise RequirementsError(f"{file} is uv's lock of a {_PROJECT} beside it, which is missing")
    import tomllib  # noqa: PLC0415 - most functions ask in a requirements.txt, and it is slow

    from lambda_build.uv import uv  # noqa: PLC0415 - as above

    quiet = {"UV_PYTHON_DOWNLOADS": "never"}
    for network in (["--offline"], []):  # only where the project's own metadata has to be built
        checked = uv(*("lock", "--check", "--quiet", *network), cwd=file.parent, environment=quiet)
        if not checked.returncode:
            break
    else:
        said = checked.stderr.strip()
        stale = "needs to be updated" in said or "No solution found" in said
        fault = "does not answer {0} any more" if stale else "cannot be compared with {0}"
        project = file.with_name(_PROJECT)
        raise LockError(f"{file} {fault.format(project)}:\n{said}\n{_lock_again(file)}")
    exported = uv(
        *("export", "--quiet", "--frozen", "--no-emit-project", "--no-default-groups"),
        *("--no-header", "--format", "pylock.toml"),
        cwd=file.parent,
        environment=quiet,
    )
    if exported.returncode:
        raise LockError(f"{file} cannot be read by uv:\n{exported.stderr.strip()}")
    return tomllib.loads(exported.stdout)


def _for_target(
    pylock: Mapping[str, Any], file: Path, target: Target
) -> Iterator[Mapping[str, Any]]:
    """Yield the packages of a pylock that are installed on the target."""
    if not str(pylock.get("lock-version", "")).startswith("1."):
        raise LockError(f"{file} has no lock-version that is known (1.x): see PEP 751")
    _check_python(file, pylock.get("requires-python"), target)
    environments = pylock.get("environments", [])
    if environments and not any(
        _holds(marker, file, target, frozenset()) for marker in environments
    ):
        raise LockError(
            f"{file} is not for {target}: it is for {'; '.join(environments)}.\n{_lock_again(file)}"
        )
    groups = frozenset(pylock.get("default-groups", []))
    names = set()
    for package in pylock.get("packages", []):
        if not _holds(package.get("marker"), file, target, groups):
            continue
        if package["name"] in names:
            raise LockError(f"{file} has {package['name']} twice for {target}")
        names.add(package["name"])
        _check_python(file, package.get("requires-python"), target, package["name"])
        _check_hashed(package, file)
        yield package


def _check_hashed(package: Mapping[str, Any], file: Path) -> None:
    told = [*package.get("wheels", []), *filter(None, [package.get("archive")])]
    if told and not all("sha256" in one.get("hashes", {}) for one in told):
        raise LockError(
            f"{file} has files of {package['name']} without a sha256, by which files are "
            f"verified.\n{_lock_again(file)}"
        )


def _holds(marker: str | None, file: Path, target: Target, groups: frozenset[str]) -> bool:
    # No extra is installed, and no group that is not a default.
    environment: dict[str, str | frozenset[str]] = {**target.markers}
    environment |= {"extras": frozenset(), "dependency_groups": groups}
    try:
        return marker is None or Marker(marker).evaluate(environment, context="lock_file")
    except InvalidMarker as error:
        raise LockError(f"{file}: {marker} is no marker: {error}") from error


def _check_python(file: Path, specifier: object, target: Target, name: str = "") -> None:
    try:
        wanted = SpecifierSet(str(specifier or ""))
    except InvalidSpecifier as error:
        raise RequirementsError(f"{file}: requires-python is not understood: {error}") from error
    # Lambda's patch releases go on, so the newest counts.
    if not any(wanted.contains(f"{target.python}.{patch}") for patch in (0, 99)):
        raise RequirementsError(
            f"{file}: {name or 'it'} is for Python {specifier}, and the function is for "
            f"{target}.\nChange requires-python, or the function's runtime."
        )


def _lock_again(file: Path) -> str:
    if file.name == _UV_LOCK:
        return f"Make it again, and commit it:\n    uv lock --project {file.parent}"
    return "Make it again with the tool that made it, and commit it."


def _requirement(text: str, file: Path) -> Requirement:
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise RequirementsError(f"{file}: {text}\nis not a requirement: {error}") from error


def _texts(table: Mapping[str, Any], key: str, file: Path) -> Sequence[str]:
    texts = table.get(key, [])
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise RequirementsError(f"{file}: {key} is a list of texts")
    return texts


def _toml(file: Path) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415 - as above

    try:
        return tomllib.loads(file.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise RequirementsError(f"{os.fspath(file)} cannot be read: {error}") from error

"""Packages that are not packaged, because Lambda has them: of its runtime, or of a layer.

They are resolved and locked like the others, so what is packaged fits them; they stay out of the
package, and so does what nobody else needs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from lambda_build.errors import UsageError, WheelError
from lambda_build.target import Runtime

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lambda_build.target import Target
    from lambda_build.wheel import Wheel

# When the list below was last compared with its sources: AWS, "Working with .zip file archives for
# Python Lambda functions" (the SDK and its dependencies), and awslambdaric's own metadata. AWS
# publishes no versions: they depend on the runtime and the Region, and change without notice.
LISTED_ON = "2026-11-21"

LAYER = "layer:"

# What newer versions answer as well, mostly.
_WITHOUT_END = {">", ">=", "!="}

_EXTRA = re.compile(r"^Provides-Extra:[ \t]*(\S+)", re.MULTILINE)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Held:
    """A package that a runtime holds."""

    modules: tuple[str, ...]
    needs: tuple[str, ...] = ()


_HELD = {
    "awslambdaric": _Held(modules=("awslambdaric",), needs=("simplejson", "snapshot-restore-py")),
    "boto3": _Held(modules=("boto3",), needs=("botocore", "jmespath", "s3transfer")),
    "botocore": _Held(modules=("botocore",), needs=("jmespath", "python-dateutil", "urllib3")),
    "jmespath": _Held(modules=("jmespath",)),
    "python-dateutil": _Held(modules=("dateutil",), needs=("six",)),
    "s3transfer": _Held(modules=("s3transfer",), needs=("botocore",)),
    "simplejson": _Held(modules=("simplejson",)),
    "six": _Held(modules=("six",)),
    "snapshot-restore-py": _Held(modules=("snapshot_restore_py",)),
    "urllib3": _Held(modules=("urllib3",)),
}

# What each runtime holds. The four are alike today; a runtime that is not gets a row of its own.
RUNTIME_PACKAGES: Mapping[Runtime, frozenset[str]] = {
    runtime: frozenset(_HELD) for runtime in Runtime
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Division:
    """Which wheels are packaged, and which are left to Lambda."""

    packaged: tuple[Wheel, ...]
    left_out: tuple[Wheel, ...]
    modules: frozenset[str]  # the top-level modules that Lambda has
    warnings: tuple[str, ...]


def read_provided(names: Iterable[str], target: Target, where: str) -> tuple[str, ...]:
    """Return the normalised names of provided packages, sorted.

    UsageError when the runtime holds no such package; `layer:NAME` is one that a layer brings,
    which nobody can look up.
    """
    held = _held(target)
    read = set()
    for name in names:
        if target.base is not None and name.startswith(LAYER):
            raise UsageError(f"{where} declares {name!r} as provided, and images have no layers")
        if name.startswith(LAYER) and len(name) > len(LAYER):
            read.add(LAYER + str(canonicalize_name(name.removeprefix(LAYER))))
            continue
        if canonicalize_name(name) not in held:
            raise UsageError(
                f"{where} declares {name!r} as provided, and {target.system} does not hold it. "
                f"It holds (as of {LISTED_ON}): {', '.join(sorted(held)) or 'nothing'}.\n"
                "Add it to the requirements; or, where a layer brings it, name it so:\n"
                f'    "{LAYER}{name}"'
                if target.base is None
                else f"{where} declares {name!r} as provided, and nothing tells that the base "
                f"image {target.system} holds it.\nAdd it to the requirements."
            )
        read.add(str(canonicalize_name(name)))
    return tuple(sorted(read))


def runtime_modules(target: Target) -> frozenset[str]:
    """Return the top-level modules of everything that the runtime holds."""
    return frozenset(_modules_of(_held(target)))


def _held(target: Target) -> frozenset[str]:
    """Return what the runtime holds; so does AWS's image of it, and no other image."""
    has_runtime = target.base is None or target.base.is_runtime
    return RUNTIME_PACKAGES[target.runtime] if has_runtime else frozenset()


def module_package(module: str) -> str | None:
    """Return the package of the runtime that a top-level module belongs to, if any."""
    return next((name for name, held in _HELD.items() if module in held.modules), None)


def divide(
    wheels: Sequence[Wheel],
    provided: Sequence[str],
    roots: Sequence[Requirement],
    target: Target,
) -> Division:
    """Return which wheels are packaged when Lambda has those in `provided`.

    `roots` are what the function asks for, its path requirements among them.
    """
    names = frozenset(name.removeprefix(LAYER) for name in provided)
    if not names:
        return Division(packaged=tuple(wheels), left_out=(), modules=frozenset(), warnings=())
    needs = _Needs({wheel.name: wheel for wheel in wheels}, target)
    kept = needs.closure(roots, without=names)
    dropped = needs.closure([Requirement(name) for name in sorted(names)]) - kept
    packaged = tuple(wheel for wheel in wheels if wheel.name not in dropped)
    left_out = tuple(wheel for wheel in wheels if wheel.name in dropped)
    runtime = {name for name in provided if not name.startswith(LAYER)}
    modules = {module for wheel in left_out for module in _tops(wheel)}
    return Division(
        packaged=packaged,
        left_out=left_out,
        modules=frozenset(modules | _modules_of(runtime) | _guessed(provided, left_out)),
        warnings=(*_other_versions(roots, runtime, target), *_mixed(packaged, runtime)),
    )


class _Needs:
    """What the packages at hand require of each other, extras and markers considered."""

    def __init__(self, wheels: Mapping[str, Wheel], target: Target) -> None:
        self._wheels = wheels
        self._markers = target.markers
        self._read: dict[str, tuple[Requirement, ...]] = {}

    def closure(
        self, roots: Iterable[Requirement], without: frozenset[str] = frozenset()
    ) -> set[str]:
        """Return the names of everything that is needed, no further than `without`."""
        waiting = [root for root in roots if _applies(root, self._markers)]
        seen: set[tuple[str, str]] = set()
        while waiting:
            wanted = waiting.pop()
            name = str(canonicalize_name(wanted.name))
            if name in without:
                continue
            for extra in ("", *wanted.extras):
                if (name, extra) not in seen:
                    seen.add((name, extra))
                    needs = self._requires(name)
                    waiting += [one for one in needs if _applies(one, self._markers, extra)]
        return {name for name, _ in seen}

    def _requires(self, name: str) -> tuple[Requirement, ...]:
        if name not in self._read:
            wheel = self._wheels.get(name)
            self._read[name] = () if wheel is None else _requires_dist(wheel)
        return self._read[name]


def unknown_extras(
    wheels: Iterable[Wheel], roots: Iterable[Requirement], target: Target
) -> Iterator[str]:
    """Yield, in words, each extra that a requirement asks for and its package does not have."""
    by_name = {wheel.name: wheel for wheel in wheels}
    for root in roots:
        wheel = by_name.get(str(canonicalize_name(root.name)))
        if not root.extras or wheel is None or not _applies(root, target.markers):
            continue
        known = {canonicalize_name(name): name for name in _EXTRA.findall(_metadata(wheel))}
        for extra in sorted(root.extras):
            if canonicalize_name(extra) not in known:
                has = ", ".join(sorted(known.values())) or "none"
                yield (
                    f"{wheel.name} {wheel.version} has no extra {extra!r}, so asking for it brings "
                    f"nothing. It has: {has}."
                )


def _requires_dist(wheel: Wheel) -> tuple[Requirement, ...]:
    from email.parser import HeaderParser  # noqa: PLC0415 - slow to import, and rarely needed

    headers = HeaderParser().parsestr(_metadata(wheel))
    try:
        return tuple(Requirement(row) for row in headers.get_all("Requires-Dist", []))
    except InvalidRequirement as error:
        raise WheelError(f"{wheel.filename} has METADATA that cannot be read: {error}") from error


def _metadata(wheel: Wheel) -> str:
    import zipfile  # noqa: PLC0415 - slow to import, and rarely needed: so is this

    from lambda_build.wheel import BROKEN  # noqa: PLC0415

    try:
        member = next(
            member
            for member in wheel.members
            if member.path.endswith(".dist-info/METADATA") and member.path.count("/") == 1
        )
        with zipfile.ZipFile(wheel.file) as archive:
            return archive.read(member.info).decode(errors="replace")
    except StopIteration:
        raise WheelError(f"{wheel.filename} has no METADATA") from None
    except BROKEN as error:
        raise WheelError(f"{wheel.filename} has METADATA that cannot be read: {error}") from error


def _tops(wheel: Wheel) -> Iterator[str]:
    for member in wheel.members:
        top = member.path.partition("/")[0].partition(".")[0]
        if top.isidentifier():
            yield top


def _with_needs(names: Iterable[str]) -> set[str]:
    waiting, found = list(names), set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(_HELD[name].needs)
    return found


def _modules_of(names: Iterable[str]) -> set[str]:
    return {module for name in _with_needs(names) for module in _HELD[name].modules}


def _guessed(provided: Iterable[str], left_out: Iterable[Wheel]) -> set[str]:
    """Return the modules of what layers bring, where no wheel at hand shows them."""
    shown = {wheel.name for wheel in left_out}
    names = {name.removeprefix(LAYER) for name in provided if name.startswith(LAYER)}
    # A package's modules are called as it is, mostly.
    return {name.replace("-", "_") for name in names - shown} | {
        module for name in names & set(_HELD) for module in _HELD[name].modules
    }


def _other_versions(
    roots: Iterable[Requirement], runtime: set[str], target: Target
) -> Iterator[str]:
    """Yield what is asked for in versions up to one, and is of whichever the runtime holds."""
    for root in roots:
        name = str(canonicalize_name(root.name))
        is_bounded = any(one.operator not in _WITHOUT_END for one in root.specifier)
        if name in runtime and is_bounded and _applies(root, target.markers):
            yield (
                f"the function asks for {name}{root.specifier} and gets the runtime's, of a "
                f"version that changes without notice. Package {name}, or ask for it without a "
                "highest version."
            )


def _applies(requirement: Requirement, markers: Mapping[str, str], extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({**markers, "extra": extra})


def _mixed(packaged: Iterable[Wheel], runtime: set[str]) -> Iterator[str]:
    """Yield what is half the runtime's and half the package's, and was never tried together."""
    own = {wheel.name: wheel for wheel in packaged if wheel.name in _HELD}
    for name in sorted(runtime):
        both = sorted(_with_needs([name]) & own.keys())
        if both:
            said = ", ".join(f"{one} {own[one].version}" for one in both)
            yield (
                f"{name} is the runtime's, and will use the package's {said}; AWS tests its own "
                f"only. Package {name} as well, or declare these as provided."
            )
    for name in sorted(own.keys() - runtime):
        both = sorted((_with_needs([name]) - {name}) & runtime)
        if both:
            yield (
                f"{name} {own[name].version} is packaged, and will use the runtime's "
                f"{', '.join(both)}, of a version that changes. Provide all of them, or none."
            )

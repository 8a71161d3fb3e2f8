"""Making a function's lock, and saying which versions are not the newest for the target's sake."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from lambda_build.asked import read_asked
from lambda_build.cache import written_aside
from lambda_build.errors import LambdaBuildError, LockError, SourceError
from lambda_build.lock import Lock, lock_path, read_lock
from lambda_build.resolve import newer_elsewhere, resolve

if TYPE_CHECKING:
    from pathlib import Path

    from lambda_build.function import Function

_log = logging.getLogger(__name__)


def lock_function(function: Function, *, upgrade: bool = False) -> tuple[Path, Lock, Lock | None]:
    """Resolve a function's requirements and write their lock.

    Returns where the lock stands, the lock, and the one before it. Locked versions that still
    answer stay, unless `upgrade`.
    """
    if function.requirements is None:
        raise SourceError(f"{function.name} has no requirements, so there is nothing to lock")
    compiled = function.build_in_docker
    requirements, given = read_asked(function.requirements, function.target, compiled=compiled)
    if given is not None:  # it is a lock already, which other tools write
        return function.requirements, given.lock, given.lock
    path = lock_path(function.requirements, function.target)
    old = None
    with suppress(LockError):  # none yet, or one that is damaged: it is what is being mended
        old = read_lock(path)
    preferred = old.pins if old is not None and not upgrade else ()
    lock = resolve(requirements, function.target, preferred=preferred, compiled=compiled).lock
    if old != lock:
        with written_aside(path) as aside:
            aside.write_text(lock.text, "utf-8")
    return path, lock, old


def built_later(lock: Lock, *, in_docker: bool = False) -> tuple[str, ...]:
    """Return, in words, which locked packages have no wheel and are built when they are packaged.

    Whether they are native is known only then: reading that from here would take a download each.
    """
    native = (
        "in Docker if it has native code"
        if in_docker
        else "and refused if it has native code, unless Docker compiles it (--build-in-docker)"
    )
    return tuple(
        f"{pin.name} {pin.version} has no wheel: it is built when it is packaged, {native}"
        for pin in lock.pins
        if not pin.is_wheel
    )


def fallen_back(
    function: Function, lock: Lock, old: Lock | None, *, upgrade: bool = False
) -> tuple[str, ...]:
    """Return, in words, which newly locked versions are not the newest, for the target's sake.

    It is only worth knowing: where the index does not answer again, nothing is said.
    """
    if function.requirements is None or (lock == old and not upgrade):
        return ()
    held = [] if old is None or upgrade else [pin for pin in lock.pins if pin in old.pins]
    try:
        requirements, given = read_asked(function.requirements, function.target)
        if given is not None:
            return ()
        newer = newer_elsewhere(lock, requirements, function.target, held=held)
    except LambdaBuildError as error:
        _log.info("newer versions are not known: %s", error)
        return ()
    target = f"{function.target} (glibc {function.target.glibc})"
    return tuple(
        f"{pin.name} {pin.version} is the newest that runs on {target}; elsewhere it would be "
        f"{newer[pin.name]}"
        for pin in lock.pins
        if pin.name in newer
    )

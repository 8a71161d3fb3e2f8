"""What Docker builds a function's image from, and the digest of all that decides the image.

    Dockerfile           the function's own, else default.Dockerfile
    dependencies/        wheels, installed, with bytecode: the layer that changes seldom
    source/              the function's source and path requirements, and lambda_build.json
    requirements.lock    for a Dockerfile that installs by itself
    aws-lambda-rie       AWS's emulator, where the Dockerfile mentions it

The context is the layout of a package, divided in two: a changed line of source touches nothing in
`dependencies/`, so Docker takes that layer from its cache.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from lambda_build.build import is_current
from lambda_build.cache import locked
from lambda_build.errors import SourceError, UsageError
from lambda_build.folders import folder_path, kept_folder, write_folder
from lambda_build.images import emulator, trim
from lambda_build.images.base import default_base
from lambda_build.inputs import Inputs, read_inputs
from lambda_build.layout import InFile, InMemory, Layout, Member, lay_out
from lambda_build.manifest import file_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lambda_build.cache import Cache
    from lambda_build.function import Function

_log = logging.getLogger(__name__)

# Raised when the same inputs would give another image: it is part of every digest.
_FORMAT = 1

_DEFAULT_DOCKERFILE = Path(__file__).with_name("default.Dockerfile")
_DEFAULT_COMMAND = 'CMD ["index.handler"]'

# Docker refuses to copy a folder that is not there, and a function may have no dependencies.
_DEPENDENCIES, _SOURCE = _LAYERS = ("dependencies", "source")

_COMPILED = re.compile(r"(?P<folder>.*/)?__pycache__/(?P<module>[^/]+)\.cpython-\d+\.pyc")


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageInputs:
    """Everything that decides what an image holds.

    `digest` stands for it, a base64 SHA-256, equal on every machine. Labels, which say where the
    code came from, are not in it, nor is the patch release of Python that compiled the bytecode.
    """

    inputs: Inputs
    dockerfile: str
    base_image: str  # the reference that Docker is given
    warnings: tuple[str, ...]
    digest: str

    @property
    def function(self) -> Function:
        """The function that the image is of."""
        return self.inputs.function

    @property
    def tag(self) -> str:
        """The digest as an image's tag: 64 characters."""
        return base64.b64decode(self.digest).hex()

    @property
    def handler(self) -> str:
        """The function that Lambda calls."""
        return self.inputs.function.handler or ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """A folder that Docker builds from."""

    folder: Path
    built: bool  # False: it was there already
    warnings: tuple[str, ...]


def read_image_inputs(
    function: Function, base_image: str, identity: str, cache: Cache, output_dir: Path
) -> ImageInputs:
    """Read everything that decides what the image of a function holds.

    `base_image` is what Docker is to build on, `identity` what stands for its content: a digest.
    `output_dir`, which the build writes to, is no source.
    """
    if function.handler is None:
        raise UsageError(f"{function.name} has no handler, and an image has to start one")
    outputs = [_parent(function, output_dir), _lock_file(function, output_dir)]
    if not function.source.resolve().is_relative_to(output_dir.resolve()):
        outputs.append(output_dir)
    inputs = read_inputs(function, cache, outputs=outputs)
    dockerfile = _dockerfile(function)
    named = {
        "format": _FORMAT,
        "package": inputs.digest,
        "trim": trim.FORMAT,
        "dockerfile": dockerfile,
        "base": identity,
        "emulator": emulator.LOCK.read_text("utf-8") if _has_emulator(dockerfile) else None,
    }
    hashed = hashlib.sha256(json.dumps(named, sort_keys=True).encode())
    return ImageInputs(
        inputs=inputs,
        dockerfile=dockerfile,
        base_image=base_image,
        warnings=inputs.warnings,
        digest=base64.b64encode(hashed.digest()).decode(),
    )


def stage_context(image: ImageInputs, cache: Cache, output_dir: Path) -> Context:
    """Return the folder that Docker builds an image from; one that is there is kept."""
    parent = _parent(image.function, output_dir)
    with locked(_lock_file(image.function, output_dir)):
        kept = kept_folder(parent, image.digest)
        if kept is not None and is_current(kept, image.inputs):
            return Context(
                folder=folder_path(parent, image.digest),
                built=False,
                warnings=(*image.warnings, *kept["warnings"]),
            )
        layout, facts = _laid_out(image, cache)
        _log.info("%s: writing %s", image.function.name, parent)
        folder = write_folder(parent, image.digest, layout, facts, folders=_LAYERS)
    return Context(folder=folder, built=True, warnings=(*image.warnings, *facts["warnings"]))


def _laid_out(image: ImageInputs, cache: Cache) -> tuple[Layout, dict[str, Any]]:
    # What fetches, checks and compiles is most of a no-op's time to import.
    from lambda_build.assemble import assemble  # noqa: PLC0415

    package, facts = assemble(image.inputs, cache)
    lock = image.inputs.lock.text if image.inputs.lock else ""
    members = [
        *_divided(package.members, image.inputs),
        _text("Dockerfile", image.dockerfile),
        _text("requirements.lock", lock),
    ]
    if _has_emulator(image.dockerfile):
        members.append(_emulator(image, cache))
    layout = lay_out(members)
    return layout, {
        **facts,
        "digest": image.digest,
        "unzipped_bytes": layout.size,
        "files": file_rows(layout),
    }


def _divided(members: Sequence[Member], inputs: Inputs) -> Iterable[Member]:
    """Yield the members of a package, each in the folder of its layer."""
    locked_names = {str(canonicalize_name(pin.name)) for pin in _pins(inputs)}
    origins = {member.path: member.origin for member in members}
    for member in members:
        match = _COMPILED.fullmatch(member.path)
        module = f"{match['folder'] or ''}{match['module']}.py" if match else member.path
        origin = origins.get(module, member.origin)
        is_locked = origin.partition(" ")[0] in locked_names
        yield replace(member, path=f"{_DEPENDENCIES if is_locked else _SOURCE}/{member.path}")


def _pins(inputs: Inputs) -> Iterable[Any]:
    return inputs.lock.pins if inputs.lock else ()


def _dockerfile(function: Function) -> str:
    """Return a function's own Dockerfile, else the default one for its handler."""
    file = function.source / "Dockerfile"
    try:
        return file.read_text("utf-8")
    except FileNotFoundError:
        base = function.target.base
        if base and base.is_amazon_linux and not base.is_runtime:
            raise UsageError(no_runtime(function, base.reference)) from None
        default = _DEFAULT_DOCKERFILE.read_text("utf-8")
        return default.replace(_DEFAULT_COMMAND, f"CMD {json.dumps([function.handler])}")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{file} cannot be read: {error}") from error


def has_dockerfile(function: Function) -> bool:
    """Return whether a function is built by a Dockerfile of its own."""
    return (function.source / "Dockerfile").exists()


def no_runtime(function: Function, base_image: str) -> str:
    """Return what is wrong with a base image on which the default Dockerfile starts nothing."""
    return (
        f"{function.name} has no Dockerfile, and nothing in its base image {base_image} starts a "
        f"function.\nWrite {function.source / 'Dockerfile'}, or build on AWS's own image, "
        f'in function.json:\n    "base_image": "{default_base(function.target.runtime)}"'
    )


def mentions(dockerfile: str, word: str) -> bool:
    """Return whether a Dockerfile has a word anywhere but in a comment."""
    return any(
        word in line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")
    )


def _has_emulator(dockerfile: str) -> bool:
    return mentions(dockerfile, emulator.NAME)


def _emulator(image: ImageInputs, cache: Cache) -> Member:
    program = emulator.provide_emulator(image.function.target.architecture, cache)
    return Member(
        path=emulator.NAME,
        executable=True,
        size=program.stat().st_size,
        sha256=hashlib.sha256(program.read_bytes()).hexdigest(),
        origin="aws-sam-cli",
        content=InFile(file=program),
    )


def _text(path: str, text: str) -> Member:
    data = text.encode()
    return Member(
        path=path,
        executable=False,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        origin="lambda-build",
        content=InMemory(data=data),
    )


def _parent(function: Function, output_dir: Path) -> Path:
    return output_dir / "images" / function.name


def _lock_file(function: Function, output_dir: Path) -> Path:
    return output_dir / f".{function.name}_image.lock"

"""Building a function's image with Docker, and pushing it to its registry.

    function ─► inputs (with the base's digest) ─► context ─► docker build ─► check ─► docker push

An image is tagged with the digest of its inputs, so an image that is there is never built again.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambda_build.cache import temporary_folder
from lambda_build.docker import (
    LONGEST_S,
    MACHINES,
    bring_image,
    docker,
    inspect_image,
    last_lines,
    missing_emulation,
    network_options,
    platform_options,
)
from lambda_build.errors import (
    DockerError,
    ImageError,
    LambdaBuildError,
    PlanError,
    RegistryError,
    SizeError,
)
from lambda_build.images.context import (
    ImageInputs,
    has_dockerfile,
    mentions,
    no_runtime,
    read_image_inputs,
    stage_context,
)
from lambda_build.images.reference import Reference
from lambda_build.images.registry import Login, image_digest
from lambda_build.images.revision import origin_labels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lambda_build.cache import Cache
    from lambda_build.function import Function
    from lambda_build.target import Target

_log = logging.getLogger(__name__)

# AWS, "Lambda quotas": container image code package size, uncompressed, all layers.
_LARGEST_BYTES = 10 * 1024**3

# What Docker and registries say; each is looked for in lower case.
# "http 403" and not the number alone, which ports and digests have as well.
_DENIED = (
    *("unauthorized", "denied", "no basic auth credentials", "authentication required"),
    *("forbidden", "http 403"),
)
_IMMUTABLE = ("immutable", "already exists")
_UNREACHABLE = (
    *("connection refused", "no such host", "i/o timeout", "timeout", "eof", "connection reset"),
    *("network is unreachable", "server misbehaving", "certificate", "tls:", "no route to host"),
)
_NO_REPOSITORY = ("name unknown", "name_unknown", "repository does not exist", "does not exist")


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """An image in the local engine."""

    name: str
    tag: str
    size: int  # bytes, all layers
    built: bool  # False: it was there already
    warnings: tuple[str, ...]

    @property
    def reference(self) -> str:
        """What Docker calls it."""
        return f"{self.name}:{self.tag}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Pushed:
    """An image in a registry."""

    reference: str  # by digest
    was_there: bool
    warnings: tuple[str, ...]
    promoted: bool = False  # it came from another repository, and nothing was built


def build_image(function: Function, output_dir: Path, cache: Cache) -> Image:
    """Build the image of a function into the local engine, tagged with its inputs' digest.

    The base image is the one that the engine has by that name, else the registry's.
    """
    base, identity = _local_base(function.target)
    image = read_image_inputs(function, base, identity, cache, output_dir)
    reference = f"{image_name(function)}:{image.tag}"
    found = inspect_image(reference)
    context = None
    if found is None:
        context = stage_context(image, cache, output_dir)
        found = _built(image, context.folder, reference)
    else:
        _check(found, image)  # who built it may have been killed before
    return Image(
        name=image_name(function),
        tag=image.tag,
        size=found["Size"],
        built=context is not None,
        warnings=context.warnings if context else image.warnings,
    )


def push_image(
    function: Function,
    base_image: str,
    repository: str,
    tag: str,
    login: Login | None,
    cache: Cache,
    output_dir: Path,
) -> Pushed:
    """Build the image that was planned, and push it, unless its repository has it already.

    Raises PlanError when the inputs are not those of the plan.
    """
    base = Reference.parse(base_image)
    image = read_image_inputs(
        function, base_image, base.digest or _made_here(base), cache, output_dir
    )
    if image.tag != tag:
        raise PlanError(
            f"{function.name}: what the image is made of has changed since the plan: it was "
            f"{tag[:12]}, and is {image.tag[:12]}.\nPlan again, on the files that are to be "
            "deployed:\n    terraform plan"
        )
    wanted = Reference.parse(f"{repository}:{tag}")
    there = image_digest(wanted, login)
    warnings: tuple[str, ...] = ()
    if there is None:
        context = stage_context(image, cache, output_dir)
        warnings = context.warnings
        _built(image, context.folder, str(wanted))
        _log.info("%s: pushing %s", function.name, wanted)
        there = push(wanted, login)
        return Pushed(reference=f"{repository}@{there}", was_there=False, warnings=warnings)
    return Pushed(reference=f"{repository}@{there}", was_there=True, warnings=warnings)


def resolved_base(target: Target) -> tuple[str, str, tuple[str, ...]]:
    """Return the base image of a target, what stands for its content, and what is to be said of it.

    Its content is told by its digest: the reference's own; without one its registry is asked, and a
    warning says what to write. Where that cannot tell, it is what Docker has here by that name: one
    that was pulled earlier, or was made here and has no digest of a registry's, but an id.
    Raises RegistryError.
    """
    reference = _base(target)
    if reference.digest:
        return str(reference), reference.digest, ()
    try:
        digest = _registrys_digest(reference)
    except RegistryError as error:
        with suppress(DockerError):
            if found := _engines_base(reference):
                reason = str(error).partition("\n")[0]
                warning = f"the base image {reference} is taken as it is on this machine: {reason}"
                return *found, (warning,)
        raise
    pinned = reference.pinned(digest)
    warning = (
        f"the base image {reference} is not pinned, so another day may plan another image. "
        f'Write in function.json:\n    "base_image": "{pinned}"'
    )
    return pinned, digest, (warning,)


def image_name(function: Function) -> str:
    """Return what the image of a function is called in the local engine."""
    return function.name.lower()


def _base(target: Target) -> Reference:
    if target.base is None:
        raise TypeError(target)
    return Reference.parse(target.base.reference)


def _local_base(target: Target) -> tuple[str, str]:
    """Return the base image to build on here, and what stands for its content."""
    reference = _base(target)
    if reference.digest:
        return str(reference), reference.digest
    found = inspect_image(str(reference))
    if found is not None and found["Architecture"] == MACHINES[target.architecture]:
        return str(reference), _identity(found, reference)
    base, identity, _ = resolved_base(target)
    return base, identity


def _registrys_digest(reference: Reference) -> str:
    digest = image_digest(reference)
    if digest is None:
        raise RegistryError(
            f"the base image {reference} does not exist: {reference.registry} has no such tag.\n"
            "Mend base_image in function.json, or in Terraform."
        )
    return digest


def _engines_base(reference: Reference) -> tuple[str, str] | None:
    """Return the image that the engine has by a name, by its digest where it is a registry's."""
    found = inspect_image(str(reference))
    if found is None:
        return None
    identity = _identity(found, reference)
    pulled = identity != found["Id"]
    return (reference.pinned(identity) if pulled else str(reference)), identity


def _made_here(reference: Reference) -> str:
    """Return the id of a base image that is on this machine only."""
    found = inspect_image(str(reference))
    if found is None:
        raise RegistryError(
            f"the base image {reference} was planned as it is on the planning machine, and this "
            "machine's Docker has none.\nPush it to a registry, and plan with that one's name."
        )
    return _identity(found, reference)


def _identity(found: Mapping[str, Any], reference: Reference) -> str:
    """Return what stands for an image's content: its digest in its own registry, else its id."""
    digests = [Reference.parse(name) for name in found.get("RepoDigests") or ()]
    own = [
        each.digest
        for each in digests
        if (each.registry, each.repository) == (reference.registry, reference.repository)
    ]
    return min(own, default=str(found["Id"]))


def _built(image: ImageInputs, context: Path, reference: str) -> dict[str, Any]:
    """Build an image from its context, and return what the engine says of it when it will do."""
    target = image.function.target
    if mentions(image.dockerfile, "BASE_IMAGE"):  # so a registry's failure is told from a build's
        bring_image(image.base_image, target.architecture, "the base image")
    _log.info("%s: building %s", image.function.name, reference)
    labels = origin_labels(image.function.source)
    platform = platform_options(target.architecture)
    result = docker(
        *("build", "--tag", reference, *platform, *network_options()),
        *("--build-arg", f"BASE_IMAGE={image.base_image}"),
        *("--build-arg", f"HANDLER={image.handler}"),
        *(word for name in sorted(labels) for word in ("--label", f"{name}={labels[name]}")),
        context,
        # Lambda takes a manifest of one image, and no index with attestations beside it.
        environment={"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"},
        timeout_s=LONGEST_S,
    )
    if result.returncode:
        said = result.stdout + result.stderr
        if platform and (why := missing_emulation(said, target.architecture)):
            raise DockerError(f"the image of {image.function.name} cannot be built: {why}")
        raise ImageError(
            f"docker cannot build the image of {image.function.name}; it ended with:\n"
            f"{last_lines(said)}\n"
            f"Mend {_dockerfile_name(image)}; to try it by itself:\n"
            f"    docker build --build-arg BASE_IMAGE={image.base_image} "
            f"--build-arg HANDLER={image.handler} {context}"
        )
    found = inspect_image(reference)
    if found is None:
        raise ImageError(f"docker built {reference}, and its engine does not have it")
    try:
        _check(found, image)
    except LambdaBuildError:
        docker("image", "rm", "--no-prune", reference)  # nobody may take it for what its tag says
        raise
    return found


def _check(found: Mapping[str, Any], image: ImageInputs) -> None:
    """Raise ImageError when Lambda cannot start an image, SizeError when it is too large."""
    target = image.function.target
    if found["Os"] != "linux" or found["Architecture"] != MACHINES[target.architecture]:
        raise ImageError(
            f"the image is for {found['Os']}/{found['Architecture']}, and the function runs on "
            f"linux/{MACHINES[target.architecture]} ({target.architecture}).\n"
            "Name a base image of that machine, or change the function's architecture."
        )
    if not has_dockerfile(image.function) and not found["Config"].get("Entrypoint"):
        raise ImageError(no_runtime(image.function, image.base_image))
    if found["Size"] > _LARGEST_BYTES:
        raise SizeError(
            f"the image is {found['Size'] / 1e9:.1f} GB, and Lambda takes "
            f"{_LARGEST_BYTES / 1e9:.1f} GB (10 GiB).\nWhat its base and its packages take:\n"
            f"    docker history {image.base_image}"
        )


def push(reference: Reference, login: Login | None) -> str:
    """Push an image that the engine has, and return its digest in the registry."""
    with logged_in(reference.registry, login) as environment:
        result = docker("push", str(reference), environment=environment, timeout_s=LONGEST_S)
    if result.returncode:
        # The reason alone: the progress says "Layer already exists", and has ids of any digits.
        said = result.stderr if result.stderr.strip() else result.stdout
        there = None
        if any(word in _reason(reference, said) for word in _IMMUTABLE):
            # Somebody else pushed the same inputs meanwhile: that is the image that is wanted.
            there = image_digest(reference, login)
        if there is None:
            raise RegistryError(_why_not_pushed(reference, said))
        return there
    digest = image_digest(reference, login)
    if digest is None:
        raise RegistryError(
            f"{reference} was pushed, and its registry does not have it.\nApply again."
        )
    return digest


@contextmanager
def logged_in(registry: str, login: Login | None) -> Iterator[dict[str, str]]:
    """Yield the environment in which Docker is logged in at a registry."""
    if login is None:
        yield {}
        return
    with temporary_folder() as folder:
        _write_settings(folder, registry, login)
        yield {"DOCKER_CONFIG": os.fspath(folder)}


def _write_settings(folder: Path, registry: str, login: Login) -> None:
    """Write settings of Docker's with a login for one registry, beside the user's own.

    `docker login` would leave the password in the user's settings. Where they name another engine
    (a context), that one is meant here as well.
    """
    own = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    settings: dict[str, Any] = {}
    with suppress(OSError, ValueError):
        settings = json.loads((own / "config.json").read_text("utf-8"))
    for key in ("auths", "credsStore", "credHelpers"):
        settings.pop(key, None)
    secret = base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
    settings["auths"] = {registry: {"auth": secret}}
    file = os.open(folder / "config.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as opened:
        json.dump(settings, opened)
    for name in ("contexts", "cli-plugins"):
        if (own / name).is_dir():
            (folder / name).symlink_to((own / name).resolve())


def _reason(reference: Reference, said: str) -> str:
    """Return what Docker said, in small letters, without names that may have any word in them."""
    names = "|".join(re.escape(name) for name in (reference.registry, reference.repository))
    return re.sub(rf"(?<![\w-])(?:{names})(?![\w-])", "", said).lower()


def _why_not_pushed(reference: Reference, said: str) -> str:
    told = _reason(reference, said)
    head = f"{reference} cannot be pushed:\n{last_lines(said, 3)}\n"
    if any(word in told for word in _IMMUTABLE):
        return (
            f"{head}The repository's tags are immutable, and this one was taken and removed again "
            "meanwhile.\nApply again."
        )
    if any(word in told for word in _DENIED):
        return (
            f"{head}The registry refuses the login, or does not let it push "
            "(ecr:InitiateLayerUpload, ecr:UploadLayerPart, ecr:CompleteLayerUpload, "
            "ecr:PutImage). Tokens of Amazon ECR last twelve hours: plan and apply again."
        )
    if any(word in told for word in _NO_REPOSITORY):
        return f"{head}There is no such repository. Plan and apply again, so that it is made."
    if any(word in told for word in _UNREACHABLE):
        return (
            f"{head}{reference.registry} does not answer. Check the network and Docker's proxy, "
            "then apply again: layers that are there already are not sent again."
        )
    return f"{head}Apply again: layers that are there already are not sent again."


def _dockerfile_name(image: ImageInputs) -> str:
    if has_dockerfile(image.function):
        return os.fspath(image.function.source / "Dockerfile")
    return "its base image or its requirements"

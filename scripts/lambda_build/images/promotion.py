"""Promoting an image: from the environment where it was built to the next, as it is.

    another repository @ digest ─► pull ─► push under the planned tag ─► the same digest

The tag is the digest of what the image is made of, so the plan of the next environment says which
image it wants, and whether the one that was built before is that.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from lambda_build.docker import LONGEST_S, docker, last_lines
from lambda_build.errors import ImageError, PlanError, RegistryError, UsageError
from lambda_build.images.image import Pushed, logged_in, push
from lambda_build.images.reference import Reference
from lambda_build.images.registry import image_digest

if TYPE_CHECKING:
    from lambda_build.images.registry import Login

_log = logging.getLogger(__name__)


def read_promoted(text: str, name: str, where: str) -> Reference | None:
    """Return the image of a function among those that are promoted; None when it is not.

    `text` is a JSON object of references by digest, by name, or empty. Raises UsageError.
    """
    try:
        images = json.loads(text or "{}")
        image = images.get(name)
    except (ValueError, AttributeError) as error:
        raise UsageError(f"{where} is no JSON object of images by function: {error}") from error
    if image is None:
        return None
    reference = Reference.parse(str(image))
    if not reference.digest:
        raise UsageError(f"{where} has {image} for {name}, and an image is promoted by its digest")
    return reference


def promote_image(source: Reference, repository: str, tag: str, login: Login | None) -> Pushed:
    """Bring an image into another repository, unless that has it already.

    Raises PlanError when it is not the image that was planned, and ImageError when another one has
    the tag there, or Docker makes another one of it.
    """
    home = f"{source.registry}/{source.repository}"  # a tag of its own is not asked for
    tagged = image_digest(Reference.parse(f"{home}:{tag}"), login)
    if tagged != source.digest:
        raise PlanError(
            f"{source} cannot be promoted: it is not made of what was planned, which is tagged "
            f"{tag[:12]} and is {tagged or 'not there'}.\n"
            "Deploy to the environment before, then plan again. Where the base image has no digest "
            "in function.json, it may have moved meanwhile: pin it."
        )
    wanted = Reference.parse(f"{repository}:{tag}")
    there = image_digest(wanted, login)
    was_there = there is not None
    if there is None:
        _log.info("promoting %s to %s", source, wanted)
        _pull(source, wanted, login)
        there = push(wanted, login)
    if there != source.digest:
        raise ImageError(
            f"{wanted} is {there}, and {source} was to be promoted.\n"
            "Remove it, then apply again:\n"
            f"    aws ecr batch-delete-image --repository-name {wanted.repository} "
            f"--image-ids imageTag={tag}"
        )
    return Pushed(
        reference=f"{repository}@{there}", was_there=was_there, warnings=(), promoted=True
    )


def _pull(source: Reference, wanted: Reference, login: Login | None) -> None:
    with logged_in(source.registry, login) as environment:
        result = docker(
            "pull", "--quiet", str(source), environment=environment, timeout_s=LONGEST_S
        )
    if result.returncode:
        raise RegistryError(
            f"{source} cannot be pulled:\n{last_lines(result.stderr)}\n"
            "Who deploys must be allowed to (ecr:BatchGetImage, ecr:GetDownloadUrlForLayer)."
        )
    result = docker("tag", str(source), str(wanted))
    if result.returncode:
        raise ImageError(f"docker cannot tag {source}:\n{last_lines(result.stderr)}")

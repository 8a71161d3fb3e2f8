"""Images in Terraform: what is planned, and what is pushed at apply."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lambda_build.cache import Cache
from lambda_build.errors import UsageError
from lambda_build.function import Function, image_target
from lambda_build.images.context import read_image_inputs, stage_context
from lambda_build.images.image import Pushed, push_image, resolved_base
from lambda_build.images.promotion import promote_image, read_promoted
from lambda_build.images.registry import Login
from lambda_build.provided import read_provided
from lambda_build.terraform import check_name, read_names, read_query, read_switch

if TYPE_CHECKING:
    from collections.abc import Mapping

_QUERY = {
    *("name", "source", "requirements", "runtime", "architecture", "handler", "base_image"),
    "output_dir",
}
_OPTIONAL = {"provided", "build_in_docker"}
_PUSH = {"tag", "repository_url"}

VARIABLE = "LAMBDA_BUILD_IMAGE"
PROMOTED = "LAMBDA_BUILD_PROMOTED_IMAGES"
_USER = "LAMBDA_BUILD_REGISTRY_USER"
_PASSWORD = "LAMBDA_BUILD_REGISTRY_PASSWORD"  # noqa: S105 - the name of a variable


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    function: Function
    output_dir: Path


def plan_image(query_text: str) -> dict[str, str]:
    """Return what the module needs to know of an image: its inputs' digest, as a tag as well.

    Docker builds no image, and is needed for `build_in_docker` only: what is staged and checked
    here is what Docker will build from, so that what cannot run is refused by the plan.
    """
    asked = _asked(read_query(query_text, _QUERY, _OPTIONAL), "the query")
    cache = Cache.default()
    base, identity, warnings = resolved_base(asked.function.target)
    image = read_image_inputs(asked.function, base, identity, cache, asked.output_dir)
    context = stage_context(image, cache, asked.output_dir)
    name = asked.function.name
    return {
        "digest": image.digest,
        "tag": image.tag,
        "base_image": base,
        "lock": image.inputs.lock.digest if image.inputs.lock else "",
        "warnings": "\n".join([*(f"{name}: {said}" for said in warnings), *context.warnings]),
    }


def push_planned(environment: Mapping[str, str] = os.environ) -> Pushed:
    """Build and push the image that was planned, unless its repository has it.

    Nothing is built where LAMBDA_BUILD_PROMOTED_IMAGES has the function's image, which another
    environment's repository holds: that one is promoted.
    """
    text = environment.get(VARIABLE)
    if text is None:
        raise UsageError(f"{VARIABLE} is not set; this command is for Terraform")
    told = read_query(text, _QUERY | _PUSH, _OPTIONAL)
    password = environment.get(_PASSWORD, "")
    login = Login(user=environment.get(_USER, ""), password=password) if password else None
    if promoted := read_promoted(environment.get(PROMOTED, ""), told["name"], PROMOTED):
        return promote_image(promoted, told["repository_url"], told["tag"], login)
    asked = _asked(told, VARIABLE)
    return push_image(
        asked.function,
        told["base_image"],
        told["repository_url"],
        told["tag"],
        login,
        Cache.default(),
        asked.output_dir,
    )


def _asked(query: Mapping[str, str], where: str) -> _Asked:
    check_name(query["name"])
    source = Path(query["source"])
    requirements = query["requirements"]
    target = image_target(
        source, query["runtime"], query["architecture"], base_image=query["base_image"]
    )
    function = Function(
        name=query["name"],
        source=source,
        requirements=source / requirements if requirements else None,
        target=target,
        handler=query["handler"],
        provided=read_provided(read_names(query.get("provided", "[]")), target, where),
        build_in_docker=read_switch(query, "build_in_docker"),
    )
    return _Asked(function=function, output_dir=Path(query["output_dir"]))

"""A saved plan, as `terraform show -json` tells it: the files it reads, and what it changes."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from deployment.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

# The root module, and what `terraform plan -out` wrote there.
ROOT = PurePosixPath("terraform")
PLAN = ROOT / "tfplan"
# Terraform refuses a plan that was made with other providers.
PROVIDERS_LOCK = ROOT / ".terraform.lock.hcl"

# Arguments that name a file, which the provider reads at apply.
_FILE_ARGUMENTS = {
    "aws_lambda_function": "filename",
    "aws_lambda_layer_version": "filename",
    "aws_s3_object": "source",
}
_NOTHING = (["no-op"], ["read"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What a plan does to a resource: `create`, `update`, `delete` or `replace`.

    `arguments` are the names of what an update changes. Their values stay in the plan: some are
    secrets.
    """

    address: str
    action: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A plan: the files that an apply of it reads, relative to the project, and its changes.

    `moves` are the addresses of aliases that are pinned and would be moved all the same.
    """

    files: tuple[PurePosixPath, ...]
    changes: tuple[Change, ...]
    moves: tuple[str, ...]


def read_plan(text: str) -> Plan:
    """Return the plan that `terraform show -json` wrote; raises InputError."""
    try:
        told = json.loads(text)
        resources = list(_resources(told["planned_values"]["root_module"]))
        changes = told.get("resource_changes", [])
        pinned = _pinned(told)
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            "this is not a plan in JSON. Make it with:\n"
            "    terraform -chdir=terraform show -json tfplan"
        ) from error
    packages = {_in_project(path) for resource in resources if (path := _file(resource))}
    return Plan(
        files=tuple(sorted({PLAN, PROVIDERS_LOCK, *packages})),
        changes=tuple(
            _change(told) for told in changes if told["change"]["actions"] not in _NOTHING
        ),
        moves=tuple(told["address"] for told in changes if _moves(told, pinned)),
    )


def _pinned(told: dict[str, Any]) -> set[str]:
    """Return the names of the functions whose aliases the variable `release` names.

    Its keys are those of the output `functions`, as it was when they were pinned: in the state.
    """
    release = told.get("variables", {}).get("release", {}).get("value") or {}
    outputs = told.get("prior_state", {}).get("values", {}).get("outputs", {})
    functions = outputs.get("functions", {}).get("value") or {}
    return {functions[key]["function_name"] for key in release if key in functions}


def _moves(told: dict[str, Any], pinned: set[str]) -> bool:
    change = told["change"]
    return (
        told.get("type") == "aws_lambda_alias"
        and change["actions"] == ["update"]
        and change["before"]["function_name"] in pinned
    )


def _resources(module: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from module.get("resources", [])
    for child in module.get("child_modules", []):
        yield from _resources(child)


def _file(resource: dict[str, Any]) -> str | None:
    argument = _FILE_ARGUMENTS.get(resource["type"]) if resource["mode"] == "managed" else None
    return resource["values"].get(argument) if argument else None


def _in_project(path: str) -> PurePosixPath:
    """Return a path of the root module relative to the project."""
    found = PurePosixPath(os.path.normpath(ROOT / path))
    if found.is_absolute() or ".." in found.parts:
        raise InputError(
            f"the plan reads {path}, which is not in the project, so it would not be there on the "
            "machine that applies.\nGive the module a path in the project, relative to the root."
        )
    return found


def _change(told: dict[str, Any]) -> Change:
    change = told["change"]
    actions = change["actions"]
    action = actions[0] if len(actions) == 1 else "replace"
    before, after = change.get("before") or {}, change.get("after") or {}
    unknown = change.get("after_unknown") or {}
    names = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    names |= {name for name, value in unknown.items() if value is True}
    return Change(
        address=told["address"],
        action=action,
        arguments=tuple(sorted(names)) if action in {"update", "replace"} else (),
    )

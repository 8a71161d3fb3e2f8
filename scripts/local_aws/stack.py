"""The stack of terraform/ in a root module of its own, whose state is on this machine.

Beside terraform/, not in it: the lock file ties a root to one set of providers, and the state of
the local AWS must never meet that of the real one. The root is made of links, so it is the very
stack, and everything lies in one git-ignored folder:

    .local_aws/terraform/*.tf, modules   links into terraform/
    .local_aws/terraform/…               the backend's override, state, lock and providers
    .local_aws/backend                   a link: the stack finds the sources at ../backend
    .local_aws/lambda_packages           what its builds write
"""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local_aws.terraform import Terraform

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from local_aws.providers import Providers

_OVERRIDE = "local_backend_override.tf"
_BACKEND = """\
# Made by local-aws, which makes it anew whenever it starts.
terraform {
  backend "local" {}
}
"""
_LOCK = ".terraform.lock.hcl"
_IMAGE_VARIABLE = re.compile(r'^variable "(?P<function>\w+)_image_uri"', re.MULTILINE)
_PROVIDERS_NOTE = "providers.txt"


@dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """The stack, applied to the AWS that `environment` points at.

    `project` holds terraform/ and backend/; `work_dir` is the folder for everything that is made.
    """

    project: Path
    work_dir: Path
    environment: Mapping[str, str]
    providers: Providers
    say: Callable[[str], None] = field(default=lambda _line: None)

    @property
    def root(self) -> Path:
        """Return the folder of the root module."""
        return self.work_dir / "terraform"

    def prepare(self) -> None:
        """Make the root anew, without any state: the mock AWS that it described is gone."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.forget()
        for link in self._links():
            link.unlink()
        for source in self._sources():
            _link(self.root / source.name, source)
        _link(self.work_dir / "backend", self.project / "backend")
        (self.root / _OVERRIDE).write_text(_BACKEND, encoding="utf-8")
        self._keep_or_drop_providers()

    def init(self) -> None:
        """Install providers and modules."""
        self._terraform().init()

    def apply(self) -> None:
        """Build the packages and make everything that the stack wants."""
        self._terraform().apply()

    def has_changes(self) -> bool:
        """Return whether another plan would change anything."""
        return self._terraform().has_changes()

    def destroy(self) -> None:
        """Remove everything from the AWS; builds nothing."""
        self._terraform().destroy()

    def outputs(self) -> dict[str, Any]:
        """Return the stack's outputs."""
        return self._terraform().outputs()

    def forget(self) -> None:
        """Throw the state away, with its backups, its lock and saved plans."""
        for pattern in ("*.tfstate*", ".*.tfstate*", "*.tfplan"):
            for path in self.root.glob(pattern):
                path.unlink()

    def _terraform(self) -> Terraform:
        return Terraform(
            directory=self.root,
            environment={**self.environment, **self.providers.environment},
            say=self.say,
        )

    def _sources(self) -> Iterator[Path]:
        source = self.project / "terraform"
        yield from sorted(source.glob("*.tf"))
        if (source / "modules").is_dir():
            yield source / "modules"

    def _links(self) -> list[Path]:
        return [path for path in self.root.iterdir() if path.is_symlink()]

    def _keep_or_drop_providers(self) -> None:
        """Keep what `init` installed, unless it came from elsewhere: its lock would be refused."""
        note, used = self.work_dir / _PROVIDERS_NOTE, str(self.providers)
        if not note.is_file() or note.read_text(encoding="utf-8") != used:
            shutil.rmtree(self.root / ".terraform", ignore_errors=True)
            (self.root / _LOCK).unlink(missing_ok=True)
            note.write_text(used, encoding="utf-8")
        lock = self.project / "terraform" / _LOCK
        if lock.is_file() and not self.providers.environment:
            # The registry's providers, in the very versions that the project deploys with.
            shutil.copyfile(lock, self.root / _LOCK)


def _link(path: Path, target: Path) -> None:
    if path.is_symlink():
        path.unlink()
    # Relative, so that the project's folder may be moved.
    path.symlink_to(os.path.relpath(target.resolve(), path.parent.resolve()))


def image_functions(project: Path) -> list[str]:
    """Return the functions of the stack that are images, by NAME_image_uri; sorted.

    One that its function.json carries otherwise is none.
    """
    sources = [file.read_text(encoding="utf-8") for file in (project / "terraform").glob("*.tf")]
    found = {each["function"] for source in sources for each in _IMAGE_VARIABLE.finditer(source)}
    return sorted(name for name in found if _is_image(project / "backend" / name))


def _is_image(folder: Path) -> bool:
    file = folder / "function.json"
    if not file.is_file():
        return True
    described = json.loads(file.read_text(encoding="utf-8"))
    return bool(described.get("dependencies") == "image")


def image_placeholders(functions: Iterable[str]) -> dict[str, str]:
    """Return variables by which Terraform builds no image, where none could be built or pushed."""
    nothing = f"@sha256:{'0' * 64}"
    return {
        f"TF_VAR_{name}_image_uri": f"needs-docker.invalid/{name}{nothing}" for name in functions
    }

"""Where Terraform takes its providers from: the registry, a mirror, or the project's stand-ins.

With a registry at hand Terraform takes the real ones, and nothing here interferes. Where there is
none, a mirror directory serves (`registry.terraform.io/hashicorp/aws/5.100.0/linux_amd64/…`, what
`terraform providers mirror` writes, packed or unpacked), and where it lacks hashicorp/archive or
hashicorp/external, `stand_in_providers.py` does.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shlex
import shutil
import sys
import threading
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

REGISTRY = "registry.terraform.io"
MIRROR_VARIABLE = "TERRAFORM_PROVIDER_MIRROR"

# What the stack and its modules require. A mirror without aws is of no use: nothing stands in.
_REQUIRED = ("archive", "aws", "external")
_STAND_INS = {"archive": "2.7.1", "external": "2.3.5"}
_REGISTRY_PATIENCE_S = 3.0


class ProvidersNotFoundError(Exception):
    """No registry answers and no mirror is found; the message says what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Providers:
    """Where the providers come from.

    `environment` is to be added to Terraform's, and empty when the registry is used. `used` maps
    a provider's name to where it comes from, in words for a person.
    """

    environment: Mapping[str, str]
    used: Mapping[str, str]

    def __str__(self) -> str:
        """Return one line a provider."""
        return "\n".join(f"hashicorp/{name}: {where}" for name, where in sorted(self.used.items()))


def find_providers(
    work_dir: Path,
    *,
    environ: Mapping[str, str] = os.environ,
    registry_answers: Callable[[], bool] | None = None,
    places: Iterable[Path] | None = None,
) -> Providers:
    """Return where Terraform gets its providers, having made ready under `work_dir` what it needs.

    First the mirror that TERRAFORM_PROVIDER_MIRROR names, then the registry if it answers, then
    the first of `places` that is a mirror (Terraform's own directories, then what lies in /opt and
    /usr/local). Raises ProvidersNotFoundError.
    """
    if named := environ.get(MIRROR_VARIABLE):
        return _from_mirror(_checked(Path(named)), work_dir)
    if (registry_answers or _registry_answers)():
        return Providers(
            environment={}, used=dict.fromkeys(_REQUIRED, f"the Terraform registry, {REGISTRY}")
        )
    for place in _places(environ) if places is None else places:
        if _holds(place, "aws"):
            return _from_mirror(place, work_dir)
    raise ProvidersNotFoundError(
        f"no Terraform providers: {REGISTRY} does not answer, and no mirror of it is on this "
        "machine.\nOn a machine that reaches the registry, make one and bring it here:\n"
        "    terraform -chdir=terraform providers mirror DIRECTORY\n"
        f"then name it:\n    export {MIRROR_VARIABLE}=DIRECTORY"
    )


@cache
def _registry_answers() -> bool:
    # In a thread of its own: the time limit of urlopen does not cover the look-up of the name.
    answers: list[bool] = []

    def ask() -> None:
        url = f"https://{REGISTRY}/.well-known/terraform.json"
        with (
            contextlib.suppress(OSError),
            urllib.request.urlopen(url, timeout=_REGISTRY_PATIENCE_S) as answer,
        ):
            answers.append(answer.status == 200)  # noqa: PLR2004 - HTTP's OK

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(_REGISTRY_PATIENCE_S)
    return answers == [True]


def _places(environ: Mapping[str, str]) -> Iterator[Path]:
    """Yield where a mirror may lie: Terraform's implied ones first, then where people unpack."""
    home = Path(environ.get("HOME", "/"))
    if cached := environ.get("TF_PLUGIN_CACHE_DIR"):
        yield Path(cached)
    yield home / ".terraform.d" / "plugins"
    if sys.platform == "darwin":
        for root in (home, Path("/")):
            yield root / "Library" / "Application Support" / "io.terraform" / "plugins"
    else:
        data_dirs = environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
        data_home = environ.get("XDG_DATA_HOME") or str(home / ".local" / "share")
        for folder in (data_home, *data_dirs.split(":")):
            yield Path(folder, "terraform", "plugins")
    for root in (Path("/opt"), Path("/usr/local")):
        for depth in ("*", "*/*"):
            yield from sorted(found.parent for found in root.glob(f"{depth}/{REGISTRY}"))


def _checked(mirror: Path) -> Path:
    if not (mirror / REGISTRY).is_dir():
        raise ProvidersNotFoundError(
            f"{MIRROR_VARIABLE} names {mirror}, which holds no directory {REGISTRY}.\n"
            "Make a mirror there on a machine that reaches the registry:\n"
            f"    terraform -chdir=terraform providers mirror {shlex.quote(str(mirror))}"
        )
    if not _holds(mirror, "aws"):
        raise ProvidersNotFoundError(
            f"{MIRROR_VARIABLE} names {mirror}, which holds no hashicorp/aws for {_platform()}.\n"
            "Add it on a machine that reaches the registry:\n"
            f"    terraform -chdir=terraform providers mirror -platform={_platform()} "
            f"{shlex.quote(str(mirror))}"
        )
    return mirror


def _platform() -> str:
    """Return Terraform's name for this machine, e.g. `linux_amd64`."""
    machine = platform.machine().lower()
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    return f"{sys.platform}_{machine}"


def _packages(mirror: Path) -> list[Path]:
    """Return the provider packages of a mirror for this machine, relative to it.

    Unpacked ones are folders NAME/VERSION/PLATFORM, packed ones files NAME/…_PLATFORM.zip.
    """
    names = f"{REGISTRY}/*/*"
    found = [*mirror.glob(f"{names}/*/{_platform()}"), *mirror.glob(f"{names}/*_{_platform()}.zip")]
    return sorted(path.relative_to(mirror) for path in found)


def _holds(mirror: Path, name: str) -> bool:
    return any(package.parts[1:3] == ("hashicorp", name) for package in _packages(mirror))


def _from_mirror(mirror: Path, work_dir: Path) -> Providers:
    mirror = mirror.resolve()
    lacking = [name for name in _REQUIRED if not _holds(mirror, name)]
    if lacking and find_spec("tf") is None:
        raise ProvidersNotFoundError(
            f"{mirror} lacks hashicorp/{', hashicorp/'.join(lacking)}, and the project's "
            "stand-ins need the Python package tf:\n    make setup"
        )
    combined = work_dir.resolve() / "terraform-providers"
    _combine(mirror, combined, lacking)
    configuration = combined / "terraform.tfrc"
    _write(configuration, _cli_configuration(combined))
    return Providers(
        environment={"TF_CLI_CONFIG_FILE": str(configuration), "CHECKPOINT_DISABLE": "1"},
        used={
            name: "the project's stand-in, not HashiCorp's"
            if name in lacking
            else f"mirror {mirror}"
            for name in _REQUIRED
        },
    )


def _cli_configuration(mirror: Path) -> str:
    # Without a `direct` block Terraform asks no registry.
    return f"""\
provider_installation {{
  filesystem_mirror {{
    path = "{mirror}"
  }}
}}
"""


def _combine(mirror: Path, combined: Path, lacking: Sequence[str]) -> None:
    """Make `combined` hold the mirror's packages and the stand-ins, and nothing else.

    Only the packages themselves are links: Terraform does not look through a link above them. It
    is changed in place, because a root that is in use holds links into it.
    """
    packages = _packages(mirror)
    stand_ins = {
        Path(REGISTRY, "hashicorp", name, _STAND_INS[name], _platform()): name for name in lacking
    }
    for package in _packages(combined):
        here = combined / package
        if package not in (packages if here.is_symlink() else stand_ins):
            _remove(here)
    for package in packages:
        _link(combined / package, mirror / package)
    for package, name in stand_ins.items():
        executable = f"terraform-provider-{name}_v{_STAND_INS[name]}_x5"
        _write(combined / package / executable, _stand_in(name), mode=0o755)


def _stand_in(name: str) -> str:
    # Isolated (-I), so that no PYTHONPATH of the user reaches it.
    program = Path(__file__).with_name("stand_in_providers.py").resolve()
    command = shlex.join([sys.executable, "-I", str(program), name])
    return f"#!/bin/sh\n# Stands in for hashicorp/{name}.\nexec {command}\n"


def _link(path: Path, target: Path) -> None:
    if path.is_symlink() and path.readlink() == target:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.symlink_to(target)
    aside.replace(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _write(path: Path, text: str, *, mode: int = 0o644) -> None:
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(text, encoding="utf-8")
    aside.chmod(mode)
    aside.replace(path)

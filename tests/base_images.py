"""The images that functions are built on: AWS's, else stand-ins of the same layout.

Where AWS's registry cannot be reached, the stand-ins are made of Debian bookworm by debootstrap.
That takes a minute, so they are kept in the user's cache, by what they are made of.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import socket
import subprocess
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import local_aws
from docker_engine import NoDockerError, require, run
from lambda_build.images import emulator
from local_aws.runtime import machine_architecture, provide_runtime

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker_engine import Engine

_AMAZON_LINUX = "public.ecr.aws/amazonlinux/amazonlinux:2023"
_LAMBDA_PYTHON = "public.ecr.aws/lambda/python:3.11"
_STAND_INS = ("lambda-test/amazonlinux:stand-in", "lambda-test/python:3.11")
_KEPT_S = 14 * 24 * 3600
_DEBOOTSTRAP = {"debootstrap": "debootstrap", "apt-get": "apt"}


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseImages:
    """The images that functions are built on, in the engine, under the names to build with."""

    amazon_linux: str
    lambda_python: str
    description: str


def provide_base_images(on: Engine) -> BaseImages:
    """Return AWS's images where its registry can be reached, else stand-ins; in the engine.

    Raises NoDockerError.
    """
    if _pulled(on):
        return BaseImages(
            amazon_linux=_AMAZON_LINUX, lambda_python=_LAMBDA_PYTHON, description="AWS's own images"
        )
    amazon_linux, lambda_python = _STAND_INS
    on.docker("load", "--quiet", "--input", _stand_ins(on))
    return BaseImages(
        amazon_linux=amazon_linux,
        lambda_python=lambda_python,
        description="stand-ins for AWS's images, made of Debian bookworm",
    )


def _pulled(on: Engine) -> bool:
    try:
        # First, because docker waits much longer for a host that does not answer.
        socket.create_connection((_AMAZON_LINUX.partition("/")[0], 443), timeout=5).close()
        for name in (_AMAZON_LINUX, _LAMBDA_PYTHON):
            on.docker("pull", "--quiet", name)
    except (OSError, RuntimeError, subprocess.TimeoutExpired):
        return False
    return True


_PACKAGES = ("ca-certificates", "libgomp1", "libpython3.11-stdlib", "python3.11", "python3")

# AWS's layout, less what no test of ours looks at (the C compiler's runtime, dnf, boto3, pip).
_LAMBDA_DOCKERFILE = f"""\
FROM {_STAND_INS[0]}
ENV LANG=en_US.UTF-8 TZ=:/etc/localtime \\
    PATH=/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin \\
    LD_LIBRARY_PATH=/var/lang/lib:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib \\
    LAMBDA_TASK_ROOT=/var/task \\
    LAMBDA_RUNTIME_DIR=/var/runtime
WORKDIR /var/task
COPY lang /var/lang
COPY aws-lambda-rie /usr/local/bin/aws-lambda-rie
COPY lambda-entrypoint.sh /lambda-entrypoint.sh
COPY runtime /var/runtime
ENTRYPOINT ["/lambda-entrypoint.sh"]
"""
_ENTRYPOINT = """\
#!/bin/sh
if [ $# -ne 1 ]; then
  echo "entrypoint requires the handler name to be the first argument" 1>&2
  exit 142
fi
export _HANDLER="$1"
RUNTIME_ENTRYPOINT=/var/runtime/bootstrap
if [ -z "${AWS_LAMBDA_RUNTIME_API}" ]; then
  exec /usr/local/bin/aws-lambda-rie $RUNTIME_ENTRYPOINT
else
  exec $RUNTIME_ENTRYPOINT
fi
"""
# The order of AWS's runtime: the function, the layers, the runtime.
_BOOTSTRAP = """\
#!/bin/sh
layers=/opt/python/lib/python3.11/site-packages:/opt/python
export PYTHONPATH="${PYTHONPATH:+$PYTHONPATH:}/var/task:$layers:/var/runtime"
exec /var/lang/bin/python3.11 -P -m awslambdaric "$_HANDLER"
"""


def _stand_ins(on: Engine) -> Path:
    """Return the archive of both images for `docker load`; made once, for whoever comes next."""
    certificates = _host_certificates()
    made_of = [
        *(machine_architecture().encode(), Path(__file__).read_bytes(), certificates),
        *(file.read_bytes() for file in sorted(_runtime_locks())),
    ]
    key = hashlib.sha256(b"\0".join(made_of)).hexdigest()[:16]
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    archive = home / "lambda-build" / "test-images" / f"base-images-{key}.tar"
    if archive.exists():
        return archive
    archive.parent.mkdir(parents=True, exist_ok=True)
    with (archive.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not archive.exists():
            for old in archive.parent.glob("base-images-*.tar"):
                if time.time() - old.stat().st_mtime > _KEPT_S:
                    old.unlink()
            aside = archive.with_suffix(".making")
            _make_stand_ins(on, aside, certificates)
            aside.rename(archive)
    return archive


def _runtime_locks() -> list[Path]:
    return [emulator.LOCK, *Path(str(local_aws.__file__)).parent.glob("*.lock")]


def _make_stand_ins(on: Engine, archive: Path, certificates: bytes) -> None:
    require(_DEBOOTSTRAP, "AWS's images cannot be reached, and none can be made in their place")
    with TemporaryDirectory(prefix="base-images-") as name:
        folder = Path(name)
        tree = folder / "debian"
        run(
            [
                *("debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}"),
                *("bookworm", tree, _debian_mirror()),
            ]
        )
        # A build in it reaches the network as the machine does, whatever stands between them.
        (tree / "etc/ssl/certs/ca-certificates.crt").write_bytes(certificates)
        (tree / "etc/pip.conf").write_text("[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n")
        for needless in ("var/cache/apt/archives", "var/lib/apt/lists", "usr/share/doc"):
            shutil.rmtree(tree / needless, ignore_errors=True)
        with tarfile.open(folder / "debian.tar", "w") as packed:
            packed.add(tree, arcname=".")
        shutil.rmtree(tree)
        on.docker("import", "--change", 'CMD ["/bin/bash"]', folder / "debian.tar", _STAND_INS[0])
        _lambda_context(folder / "lambda")
        on.docker("build", "--quiet", "--network=host", "-t", _STAND_INS[1], folder / "lambda")
        on.docker("save", "--output", archive, *_STAND_INS)


def _lambda_context(folder: Path) -> None:
    runtime = provide_runtime("python3.11", machine_architecture())
    packages = runtime.python.parent.parent / "lib" / "python3.11" / "site-packages"
    ignored = shutil.ignore_patterns("__pycache__", ".lock")
    shutil.copytree(packages, folder / "runtime", ignore=ignored)
    shutil.copy(runtime.emulator, folder / "aws-lambda-rie")
    python = folder / "lang" / "bin"
    python.mkdir(parents=True)
    for name in ("python", "python3", "python3.11"):
        (python / name).symlink_to("/usr/bin/python3.11")
    files: Mapping[str, str] = {
        "Dockerfile": _LAMBDA_DOCKERFILE,
        "lambda-entrypoint.sh": _ENTRYPOINT,
        "runtime/bootstrap": _BOOTSTRAP,
    }
    for path, content in files.items():
        (folder / path).write_text(content)
        (folder / path).chmod(0o755)


def _debian_mirror() -> str:
    """Return where this machine's own apt takes Debian from."""
    words = ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"]
    sites = run([*words, "Label: Debian"], timeout_s=60).split()
    if not sites:
        raise NoDockerError(
            "AWS's images cannot be reached, and none can be made in their place: this machine's "
            "apt names no mirror of Debian (try apt-get update)"
        )
    return sites[0]


def _host_certificates() -> bytes:
    named = os.environ.get("SSL_CERT_FILE")
    files = [Path(named)] if named else []
    files.append(Path("/etc/ssl/certs/ca-certificates.crt"))
    return next((file.read_bytes() for file in files if file.is_file()), b"")

"""An image with a compiler, for tests that compile in a container: the runtime's, with more in it.

Installing takes the better part of a minute, so it is kept in the user's cache, by what it is of.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from base_images import BaseImages
    from docker_engine import Engine

# In stand-ins tcc, because gcc is twenty times as large.
_DOCKERFILE = """\
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN if command -v apt-get; then \\
      apt-get -qq update \\
      && apt-get -qq install --no-install-recommends tcc libc6-dev python3-pip \\
      && rm -rf /var/lib/apt/lists/*; \\
    else yum install -y gcc && yum clean all; fi
"""


def provide_compiler_image(on: Engine, images: BaseImages) -> str:
    """Return the name of an image of the runtime with a C compiler and pip, in the engine."""
    base = on.docker("image", "inspect", "--format", "{{.Id}}", images.lambda_python).strip()
    key = hashlib.sha256(f"{base}\0{_DOCKERFILE}".encode()).hexdigest()[:16]
    name = f"lambda-test/compiler:{key}"
    if on.docker("image", "ls", "--quiet", name).strip():
        return name
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    kept = home / "lambda-build" / "test-images" / f"compiler-{key}.tar"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".compiler-", dir=kept.parent) as folder:
            Path(folder, "Dockerfile").write_text(_DOCKERFILE)
            base_argument = ("--build-arg", f"BASE_IMAGE={images.lambda_python}")
            # An engine without a bridge has the machine's network only.
            on.docker("build", "--quiet", "--network=host", *base_argument, "-t", name, folder)
            on.docker("save", "--output", Path(folder, "image.tar"), name)
            for old in kept.parent.glob("compiler-*.tar"):
                old.unlink(missing_ok=True)
            Path(folder, "image.tar").rename(kept)
        return name
    on.docker("load", "--quiet", "--input", kept)
    return name

"""A container registry on this machine: the data plane of ECR, of which moto is the rest."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import shutil
import threading
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

from local_aws.errors import RegistryError
from local_aws.spawn import spawn

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path
    from types import TracebackType

    from local_aws.docker import Docker

_PROGRAM = "docker-registry"
_IMAGE = "registry:2"
_START_S = 60  # the image may have to be pulled
_END_S = 5
_ANSWER_S = 30
_LISTENING = re.compile(rb'msg="listening on 127\.0\.0\.1:(?P<port>\d+)"')

_MEDIA_TYPES = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
    """What an image consists of, as its registry holds it; the digest is of these very bytes."""

    digest: str
    media_type: str
    content: bytes = field(repr=False)


class Registry:
    """A registry at `address`, empty at first, from `__enter__` to `__exit__`.

    It is Debian's docker-registry where that is installed, else the registry's own image.
    """

    def __init__(self, work_dir: Path, docker: Docker | None = None) -> None:
        """Take `work_dir`/registry for what it holds; `docker` is for where the program is not."""
        self._folder = work_dir / "registry"
        self._docker = docker
        self._name = f"local-aws-registry-{uuid.uuid4().hex}"
        self._port = 0

    def __enter__(self) -> Self:
        """Raises RegistryError when it does not start."""
        shutil.rmtree(self._folder, ignore_errors=True)  # of one that was killed
        self._folder.mkdir(parents=True)
        said = self.log
        self._process = self._started(said)
        ready = threading.Event()
        reading = threading.Thread(
            target=self._read, args=(ready,), name="registry-output", daemon=True
        )
        reading.start()
        if not ready.wait(_START_S) or not self._port:
            text = said.read_text(encoding="utf-8", errors="replace").strip()
            self._end()
            raise RegistryError(
                f"the registry does not start: {text[-1000:] or 'it said nothing'}\n"
                f"Install it (apt-get install {_PROGRAM}), or bring its image, then try again:\n"
                f"    docker pull {_IMAGE}"
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    @property
    def address(self) -> str:
        """Return `127.0.0.1:PORT`, which image names begin with."""
        return f"127.0.0.1:{self._port}"

    @property
    def log(self) -> Path:
        """Return the file with what it says: a line or two for each request."""
        return self._folder / "registry.log"

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        """Return what a tag or a digest names, if it is there."""
        status, media_type, content = self._ask("GET", repository, f"manifests/{reference}")
        if status == http.HTTPStatus.NOT_FOUND:
            return None
        self._expect(status, f"{repository}:{reference}", content)
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        return Manifest(digest=digest, media_type=media_type, content=content)

    def tags(self, repository: str) -> list[str]:
        """Return the tags of a repository, sorted; none if nothing has been pushed to it."""
        status, _, content = self._ask("GET", repository, "tags/list")
        if status == http.HTTPStatus.NOT_FOUND:
            return []
        self._expect(status, repository, content)
        answer: dict[str, Any] = json.loads(content)
        return sorted(answer["tags"] or [])

    def delete(self, repository: str, digest: str) -> None:
        """Delete an image with all its tags, if it is there."""
        status, _, content = self._ask("DELETE", repository, f"manifests/{digest}")
        if status != http.HTTPStatus.NOT_FOUND:
            self._expect(status, f"{repository}@{digest}", content)

    def _started(self, said: Path) -> subprocess.Popen[bytes]:
        settings = {
            "REGISTRY_HTTP_ADDR": "127.0.0.1:0",
            "REGISTRY_STORAGE_DELETE_ENABLED": "true",
            "OTEL_TRACES_EXPORTER": "none",
        }
        if program := shutil.which(_PROGRAM):
            # Its own configuration file may ask for passwords, or listen to the whole network.
            configuration = self._folder / "configuration.yml"
            configuration.write_text("version: 0.1\nstorage:\n  filesystem: {}\n", encoding="utf-8")
            data = str(self._folder / "data")
            return spawn(
                [program, "serve", configuration],
                environment={**settings, "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": data},
                stderr=said,
                merged=True,
            )
        if self._docker is None:
            raise RegistryError(f"{_PROGRAM} is not on PATH: apt-get install {_PROGRAM}")
        options = [f"--env={name}={value}" for name, value in settings.items()]
        return self._docker.start(self._name, [*options, _IMAGE], stderr=said, merged=True)

    def _read(self, ready: threading.Event) -> None:
        """Wait for the port in its output, and keep reading, or it would wait for a reader."""
        output = self._process.stdout
        if output is not None:
            with output, self.log.open("ab") as log:
                for line in output:
                    log.write(line)
                    log.flush()
                    if found := _LISTENING.search(line):
                        self._port = int(found["port"])
                        ready.set()
        ready.set()

    def _end(self) -> None:
        if self._docker is not None and not shutil.which(_PROGRAM):
            self._docker.end(self._name)
        self._process.kill()
        self._process.wait(_END_S)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _ask(self, method: str, repository: str, path: str) -> tuple[int, str, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=_ANSWER_S)
        try:
            connection.request(
                method,
                f"/v2/{quote(repository)}/{quote(path, safe='/:')}",
                headers={"Accept": ", ".join(_MEDIA_TYPES)},
            )
            answer = connection.getresponse()
            return answer.status, answer.headers.get_content_type(), answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise RegistryError(
                f"the registry at {self.address} does not answer ({error}): stop the local AWS "
                "and start it again"
            ) from error
        finally:
            connection.close()

    def _expect(self, status: int, what: str, content: bytes) -> None:
        if status >= http.HTTPStatus.BAD_REQUEST:
            text = content[:200].decode(errors="replace")
            raise RegistryError(
                f"the registry at {self.address} answers {status} to {what}: {text}"
            )

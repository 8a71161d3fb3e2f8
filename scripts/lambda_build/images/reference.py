"""References to images: registry, repository, tag and digest, by Docker's rules."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lambda_build.errors import UsageError

_DOCKER_HUB = "docker.io"

# distribution/reference (CNCF): its grammar, less what no registry has.
_REFERENCE = re.compile(
    r"(?:(?P<registry>(?:[\w-]+\.)+[\w-]+(?::\d+)?|[\w-]+:\d+|localhost)/)?"
    r"(?P<repository>[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*)*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """An image by name; `tag` is "" where only a digest is given."""

    registry: str
    repository: str
    tag: str
    digest: str
    text: str  # as it was written

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Return what a reference names; UsageError when it is none."""
        match = _REFERENCE.fullmatch(text)
        if match is None:
            raise UsageError(
                f"{text!r} names no image; one is named like\n"
                "    public.ecr.aws/amazonlinux/amazonlinux:2023"
            )
        registry = match["registry"] or _DOCKER_HUB
        repository = match["repository"]
        if registry == _DOCKER_HUB and "/" not in repository:
            repository = f"library/{repository}"
        digest = match["digest"] or ""
        return cls(
            registry=registry,
            repository=repository,
            tag=match["tag"] or ("" if digest else "latest"),
            digest=digest,
            text=text,
        )

    def __str__(self) -> str:
        return self.text

    @property
    def host(self) -> str:
        """Where the registry's API is."""
        return "registry-1.docker.io" if self.registry == _DOCKER_HUB else self.registry

    @property
    def is_local(self) -> bool:
        """Whether the registry is on this machine, where Docker speaks plain HTTP as well."""
        return self.registry.partition(":")[0] in {"localhost", "127.0.0.1"}

    def pinned(self, digest: str) -> str:
        """Return the reference with a digest, by which it means one image for ever."""
        return f"{self.text.partition('@')[0]}@{digest}"

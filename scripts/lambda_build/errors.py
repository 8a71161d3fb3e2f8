"""The errors of the build, each with the exit code that it ends the program with.

LambdaBuildError                1  the root; never raised itself
├── UsageError                  2  the command line or function.json is wrong
├── RequirementsError           3  requirements.txt is missing, unreadable or not understood
├── LockError                   4  the lock does not answer the requirements, or is damaged
├── ResolutionError             5  no set of versions satisfies the requirements
├── FetchError                  6  a wheel cannot be had: network, index, or credentials
├── HashMismatchError           7  a wheel is not the one that was locked
├── WheelError                  8  a wheel is broken, or is none for the target
├── SourceError                 9  the source has what cannot be packaged
├── HandlerError               10  the handler is not in the package
├── ConflictError              11  two origins write one path with different content
├── SizeError                  12  the package is larger than Lambda allows
├── OutputError                13  the result cannot be written
├── ToolError                  14  a program that the build needs is missing or failed
├── ImportsError               15  an import of the source would fail on Lambda
├── VerificationError          16  an archive that somebody made would not work on Lambda
├── DockerError                17  Docker is needed, and missing, silent or failed
├── ImageError                 18  an image cannot be built, or is none for the target
├── RegistryError              19  a registry does not answer, or refuses
└── PlanError                  20  what is to be deployed is not what was planned
"""

from __future__ import annotations

import re

# What stands before the host in an address, to its last `@`; `${NAME}` is no secret, and worth
# reading.
_CREDENTIALS = re.compile(r"(?<=://)(?!\$\{\w+\}@|[^\s/@:]*:\$\{\w+\}@)[^\s/]+(?=@)")


def redacted(text: str) -> str:
    """Return a text without the credentials in its addresses."""
    return _CREDENTIALS.sub("****", text)


class LambdaBuildError(Exception):
    """A refusal that a person can act on: what, why, and the command to run next.

    Lines that hold a command start with spaces: Terraform wraps every other line at 78
    columns, and a wrapped command cannot be pasted.
    """

    exit_code = 1

    def __str__(self) -> str:
        """Return what to tell a person: whatever it quotes, no index's credentials."""
        return redacted(super().__str__())


class UsageError(LambdaBuildError):
    """The command line or function.json asks for something that does not exist."""

    exit_code = 2


class RequirementsError(LambdaBuildError):
    """A requirements file is missing, unreadable or not understood."""

    exit_code = 3


class LockError(LambdaBuildError):
    """The lock does not answer the requirements any more, or is damaged."""

    exit_code = 4


class ResolutionError(LambdaBuildError):
    """No set of versions satisfies the requirements on the target."""

    exit_code = 5


class FetchError(LambdaBuildError):
    """A wheel cannot be had: the network, the index or the credentials."""

    exit_code = 6


class HashMismatchError(LambdaBuildError):
    """A wheel is not the one that was locked."""

    exit_code = 7


class WheelError(LambdaBuildError):
    """A wheel is broken, or none of a package's files runs on the target."""

    exit_code = 8


class SourceError(LambdaBuildError):
    """The source holds something that cannot be packaged."""

    exit_code = 9


class HandlerError(LambdaBuildError):
    """The handler is not in the package."""

    exit_code = 10


class ConflictError(LambdaBuildError):
    """Two origins write one path with different content."""

    exit_code = 11


class SizeError(LambdaBuildError):
    """The package is larger than Lambda allows."""

    exit_code = 12


class OutputError(LambdaBuildError):
    """The result cannot be written."""

    exit_code = 13


class ToolError(LambdaBuildError):
    """A program that the build needs is missing or failed."""

    exit_code = 14


class ImportsError(LambdaBuildError):
    """An import of the source would fail on Lambda."""

    exit_code = 15


class VerificationError(LambdaBuildError):
    """An archive that somebody made would not work on Lambda, or cannot be read."""

    exit_code = 16


class DockerError(LambdaBuildError):
    """Docker is needed, and it is missing, does not answer or failed."""

    exit_code = 17


class ImageError(LambdaBuildError):
    """An image cannot be built from its Dockerfile, or would not run on Lambda."""

    exit_code = 18


class RegistryError(LambdaBuildError):
    """A registry does not answer, does not have an image, or refuses one."""

    exit_code = 19


class PlanError(LambdaBuildError):
    """What is to be deployed is not what was planned: its inputs have changed."""

    exit_code = 20

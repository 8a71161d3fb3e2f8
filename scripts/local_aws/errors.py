"""The errors of the local AWS.

LocalAwsError                    the root; never raised itself
├── RuntimeUnavailableError      this machine cannot run a function of that kind
├── PackageError                 a function's archive cannot be unpacked
├── EmulatorError                the emulator does not start
├── DockerUnavailableError       no Docker engine answers
├── ImageError                   a function's container image cannot be had
├── RegistryError                the container registry does not start, or does not answer
├── PayloadTooLargeError         an event is larger than Lambda accepts
├── TooManyRequestsError         every environment that a function may have is busy
├── PortTakenError               another program listens on a port that was asked for
├── RequestError                 a request that was asked for is none
├── AlreadyRunningError          a local AWS of this folder runs
├── CredentialsError             a real Bedrock endpoint is named, and there are no credentials
└── TerraformError               Terraform is missing, or failed
"""

from __future__ import annotations


class LocalAwsError(Exception):
    """A refusal that a person can act on: what, why, and what to do next."""


class RuntimeUnavailableError(LocalAwsError):
    """This machine cannot run a function of that kind."""


class PackageError(LocalAwsError):
    """A function's archive cannot be unpacked."""


class EmulatorError(LocalAwsError):
    """The emulator does not start."""


class DockerUnavailableError(LocalAwsError):
    """No Docker engine answers."""


class ImageError(LocalAwsError):
    """A function's container image cannot be had."""


class RegistryError(LocalAwsError):
    """The container registry does not start, or does not answer."""


class PayloadTooLargeError(LocalAwsError):
    """An event is larger than Lambda accepts."""


class TooManyRequestsError(LocalAwsError):
    """Every environment that a function may have is busy."""


class PortTakenError(LocalAwsError):
    """Another program listens on a port that was asked for."""


class RequestError(LocalAwsError):
    """A request that was asked for is none."""


class AlreadyRunningError(LocalAwsError):
    """A local AWS of this folder runs."""


class CredentialsError(LocalAwsError):
    """A real Bedrock endpoint is named, and there are no credentials to use it with."""


class TerraformError(LocalAwsError):
    """Terraform is missing, or failed; the message holds what it said."""

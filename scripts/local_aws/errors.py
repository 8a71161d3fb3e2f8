"""The errors of the local AWS.

LocalAwsError                    the root; never raised itself
├── RuntimeUnavailableError      this machine cannot run a function of that kind
├── PackageError                 a function's archive cannot be unpacked
├── EmulatorError                the emulator does not start
├── PayloadTooLargeError         an event is larger than Lambda accepts
└── TooManyRequestsError         every environment that a function may have is busy
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


class PayloadTooLargeError(LocalAwsError):
    """An event is larger than Lambda accepts."""


class TooManyRequestsError(LocalAwsError):
    """Every environment that a function may have is busy."""

"""The errors of a release, each with the exit code that it ends the program with.

LambdaReleaseError       1  the root; never raised itself
├── UsageError           2  the command line asks for what does not exist
├── OutputsError         3  what Terraform tells of its functions is missing, or not understood
├── NotFoundError        4  a function, its alias, a version or an alarm is not in AWS
├── CheckFailedError     5  a version does not pass its check, and is not released
├── AlarmRingsError      6  an alarm rings already; nothing is released
├── TakenBackError       7  a version failed while it had a share of the requests, which it lost
├── ConflictError        8  somebody else moved the alias meanwhile
└── AwsError             9  AWS refuses, or does not answer
"""

from __future__ import annotations


class LambdaReleaseError(Exception):
    """A refusal that a person can act on: what, why, and the command to run next."""

    exit_code = 1


class UsageError(LambdaReleaseError):
    """The command line asks for what does not exist."""

    exit_code = 2


class OutputsError(LambdaReleaseError):
    """What Terraform tells of its functions is missing, or not understood."""

    exit_code = 3


class NotFoundError(LambdaReleaseError):
    """A function, its alias, a version or an alarm is not in AWS."""

    exit_code = 4


class CheckFailedError(LambdaReleaseError):
    """A version does not pass its check, and is not released."""

    exit_code = 5


class AlarmRingsError(LambdaReleaseError):
    """An alarm rings already; nothing is released."""

    exit_code = 6


class TakenBackError(LambdaReleaseError):
    """A version failed while it had a share of the requests, which it lost."""

    exit_code = 7


class ConflictError(LambdaReleaseError):
    """Somebody else moved the alias meanwhile."""

    exit_code = 8


class AwsError(LambdaReleaseError):
    """AWS refuses, or does not answer."""

    exit_code = 9

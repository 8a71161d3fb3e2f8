"""The errors of a deployment, each with the exit code that it ends the program with.

DeploymentError       1  the root; never raised itself
├── InputError        2  what Terraform or the caller said cannot be read
├── BundleError       3  a bundle is not the one that was planned
├── AnswerError       4  the API does not answer with a version that its alias serves
└── AliasMovesError   5  a plan would move an alias that is pinned
"""

from __future__ import annotations


class DeploymentError(Exception):
    """A refusal that a person can act on: what, why, and what to do next."""

    exit_code = 1


class InputError(DeploymentError):
    """What Terraform or the caller said cannot be read."""

    exit_code = 2


class BundleError(DeploymentError):
    """A bundle is not the one that was planned."""

    exit_code = 3


class AnswerError(DeploymentError):
    """The API does not answer with a version that its alias serves."""

    exit_code = 4


class AliasMovesError(DeploymentError):
    """A plan would move an alias that is pinned."""

    exit_code = 5

"""Answers with what it was asked."""

from __future__ import annotations


def handler(event: object, context: object) -> object:
    """Answer."""
    return event

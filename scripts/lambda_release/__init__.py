"""Moves the alias that callers get from one version of a function to another, step by step."""

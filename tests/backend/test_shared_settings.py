from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass

import pytest
from lambda_shared.settings import SettingsError, read_settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Example:
    table_name: str
    batch_size: int = 10


def test_settings_are_read_from_the_variables_of_their_names() -> None:
    environ = {"TABLE_NAME": "orders", "BATCH_SIZE": "3", "PATH": "/bin"}
    assert read_settings(Example, environ) == Example(table_name="orders", batch_size=3)


def test_a_default_stands_in_for_a_missing_variable() -> None:
    assert read_settings(Example, {"TABLE_NAME": "orders"}).batch_size == 10


def test_an_empty_variable_counts_as_missing() -> None:
    assert read_settings(Example, {"TABLE_NAME": "orders", "BATCH_SIZE": ""}).batch_size == 10


def test_every_missing_and_every_wrong_variable_is_named() -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(Example, {"BATCH_SIZE": "many"})
    assert "TABLE_NAME is not set" in str(caught.value)
    assert "BATCH_SIZE is wrong" in str(caught.value)


def test_settings_cannot_be_changed() -> None:
    settings = read_settings(Example, {"TABLE_NAME": "orders"})
    with pytest.raises(FrozenInstanceError):
        settings.table_name = "others"  # type: ignore[misc]

"""The committed model, and what is refused in its place."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import sklearn
from inference import model as model_module
from inference.model import (
    CARD_FILE,
    MODEL_FILE,
    TRAINED,
    ModelAnswersError,
    ModelError,
    ModelFileError,
    ModelVersionError,
    load_model,
    restore_pipeline,
    save_pipeline,
)
from inference.url import parse_url

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the committed model, to break."""
    return shutil.copytree(TRAINED, tmp_path / "trained")


def edit_card(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
    edit(card)
    (folder / CARD_FILE).write_text(json.dumps(card), encoding="utf-8")


def test_the_committed_card_describes_the_committed_model() -> None:
    data = (TRAINED / MODEL_FILE).read_bytes()
    card = json.loads((TRAINED / CARD_FILE).read_text(encoding="utf-8"))
    assert card["model"]["sha256"] == hashlib.sha256(data).hexdigest()
    assert card["model"]["size_bytes"] == len(data) < 4_000_000
    assert card["version"] == card["model"]["sha256"][:12]


def test_the_committed_model_is_as_good_as_a_model_that_is_worth_a_card() -> None:
    held_out = load_model().card["held_out"]
    assert held_out["auc"] > 0.95
    assert held_out["precision"] > 0.95
    assert held_out["recall"] > 0.7


def test_the_card_tells_where_each_list_comes_from_and_what_the_model_cannot_do() -> None:
    card = load_model().card
    for source in card["data"]["sources"]:
        assert all(source[name] for name in ("name", "version", "licence", "fetched", "sha256"))
        assert source["size_bytes"] > 0
    assert len(card["limits"]) > 3


def test_popular_names_come_before_those_that_look_like_phishing() -> None:
    popular = ["https://www.google.com/", "https://www.bbc.co.uk/news", "https://github.com/login"]
    phishing = [
        "https://paypal-secure-login.com/",
        "https://uniswap-airdrop.org/claim",
        "http://wallet-metamask-verify.top/",
    ]
    model = load_model()
    scores = model.score([parse_url(text) for text in popular + phishing])
    assert max(scores[:3]) < 0.3
    assert max(scores[:3]) < min(scores[3:])
    assert min(scores[3:]) > 0.8


def test_a_saved_model_comes_back_the_same() -> None:
    data = (TRAINED / MODEL_FILE).read_bytes()
    assert save_pipeline(restore_pipeline(data)) == data


def test_a_changed_model_is_refused_before_it_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = bytearray((folder / MODEL_FILE).read_bytes())
    data[-100] ^= 1
    (folder / MODEL_FILE).write_bytes(data)
    monkeypatch.setattr(model_module, "restore_pipeline", pytest.fail)
    with pytest.raises(
        ModelFileError, match=r"SHA-256 is [0-9a-f]{64}, the card says.*\n.*make train"
    ):
        load_model(folder)


@pytest.mark.parametrize("file", [CARD_FILE, MODEL_FILE])
def test_a_missing_file_is_named(file: str, folder: Path) -> None:
    (folder / file).unlink()
    with pytest.raises(ModelFileError, match=f"{file} is missing"):
        load_model(folder)


def test_a_model_of_another_scikit_learn_is_refused(folder: Path) -> None:
    edit_card(folder, lambda card: card["model"].update(scikit_learn="1.2.3"))
    with pytest.raises(ModelVersionError, match=f"1.2.3, and {sklearn.__version__} is installed"):
        load_model(folder)


def test_a_model_that_answers_otherwise_than_its_card_is_refused(folder: Path) -> None:
    edit_card(folder, lambda card: card["examples"].update({"https://www.google.com/": 0.5}))
    with pytest.raises(ModelAnswersError, match=r"gives https://www\.google\.com/ the probability"):
        load_model(folder)


def numbers(**arrays: Any) -> bytes:
    data = io.BytesIO()
    np.savez(data, **arrays)
    return data.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a model",
        (TRAINED / MODEL_FILE).read_bytes()[:-9],
        numbers(coefficients=np.zeros(3)),
        numbers(coefficients=np.zeros(3), intercept=np.zeros(1)),
        numbers(coefficients=np.array([print], dtype=object), intercept=np.zeros(1)),
    ],
    ids=["empty", "text", "cut off", "a part", "other features", "a pickle"],
)
def test_a_file_of_anything_else_is_refused_and_never_run(data: bytes) -> None:
    with pytest.raises(ModelFileError, match="make train"):
        restore_pipeline(data)


def test_every_refusal_is_a_model_error() -> None:
    kinds = (ModelFileError, ModelVersionError, ModelAnswersError)
    assert all(issubclass(kind, ModelError) for kind in kinds)

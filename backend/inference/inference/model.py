"""The trained model: read from its file, checked against its card, and ready to judge.

ModelError               the root; never raised itself
├── ModelFileError       a file is missing, or is not what the card says
├── ModelVersionError    it was trained with another scikit-learn
└── ModelAnswersError    it does not give the probabilities that its card has as examples

The file holds plain numbers (NumPy's .npz, read without pickle), so reading it runs no code.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import sklearn

from inference.features import HOST_FEATURES, PATH_FEATURES, SHAPE, build_pipeline
from inference.url import parse_url

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sklearn.pipeline import Pipeline

    from inference.url import Url

CARD_FILE: Final = "model_card.json"
MODEL_FILE: Final = "model.npz"
TRAINED: Final = Path(__file__).with_name("trained")
# The card has six digits, and another machine's arithmetic may differ in the last bits.
_TOLERANCE: Final = 1e-4
_TRAIN: Final = "Put both files back as they were committed, or train a new model:\n    make train"


class ModelError(Exception):
    """There is no model that can be trusted, so nothing can be answered."""


class ModelFileError(ModelError):
    """The model's file or its card is missing, or is not what the card says."""


class ModelVersionError(ModelError):
    """The model was trained with another scikit-learn than the one that is here."""


class ModelAnswersError(ModelError):
    """The model does not answer as its card says, so it and the code do not belong together."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PhishingModel:
    """A model that judges URLs; `card` is its model card, as in the file."""

    version: str
    threshold: float
    card: Mapping[str, Any]
    pipeline: Pipeline

    def score(self, urls: Sequence[Url]) -> list[float]:
        """How likely each URL is to be phishing, from 0 to 1."""
        return [float(each) for each in self.pipeline.predict_proba(urls)[:, 1]]


def load_model(folder: Path = TRAINED) -> PhishingModel:
    """The model in the folder, checked; it has answered once, so the first request is not slow.

    Raises:
        ModelError: It cannot be trusted; says which check failed and what to do.
    """
    card = json.loads(_read(folder / CARD_FILE))
    said = card["model"]
    _check_version(said["scikit_learn"])
    data = _read(folder / MODEL_FILE)
    found = hashlib.sha256(data).hexdigest()
    if found != said["sha256"]:
        raise ModelFileError(
            f"{folder / MODEL_FILE} is not the file that its card describes: its SHA-256 is "
            f"{found}, the card says {said['sha256']}. {_TRAIN}"
        )
    model = PhishingModel(
        version=card["version"],
        threshold=card["threshold"],
        card=card,
        pipeline=restore_pipeline(data),
    )
    _check_examples(model)
    return model


def save_pipeline(pipeline: Pipeline) -> bytes:
    """A fitted pipeline's numbers as a file; the same numbers give the same bytes."""
    classifier = pipeline["classifier"]
    data = io.BytesIO()
    np.savez(
        data,
        coefficients=classifier.coef_[0].astype(np.float32),
        intercept=classifier.intercept_.astype(np.float64),
    )
    return data.getvalue()


def restore_pipeline(data: bytes) -> Pipeline:
    """The fitted pipeline that `save_pipeline` made the bytes from.

    Raises:
        ModelFileError: They hold no such numbers.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as numbers:
            coefficients, intercept = numbers["coefficients"], numbers["intercept"]
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ModelFileError(f"The model's file cannot be read: {error}. {_TRAIN}") from error
    wanted = HOST_FEATURES + PATH_FEATURES + len(SHAPE)
    if coefficients.shape != (wanted,) or intercept.shape != (1,):
        raise ModelFileError(
            f"The model's file has {coefficients.size:,} numbers for {wanted:,} features. {_TRAIN}"
        )
    pipeline = build_pipeline()
    # Everything else in the pipeline is stateless: this is all that fitting would have set.
    classifier = pipeline["classifier"]
    classifier.classes_ = np.array([0, 1])
    classifier.coef_ = coefficients.astype(np.float64)[np.newaxis, :]
    classifier.intercept_ = intercept
    classifier.n_features_in_ = wanted
    return pipeline


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError as error:
        raise ModelFileError(f"{file} is missing. {_TRAIN}") from error


def _check_version(trained_with: str) -> None:
    if trained_with != sklearn.__version__:
        raise ModelVersionError(
            f"The model was trained with scikit-learn {trained_with}, and {sklearn.__version__} is "
            f"installed. Require scikit-learn=={trained_with} in requirements.txt, or train a new "
            "model:\n    make train"
        )


def _check_examples(model: PhishingModel) -> None:
    examples: Mapping[str, float] = model.card["examples"]
    scores = model.score([parse_url(text) for text in examples])
    for (text, expected), score in zip(examples.items(), scores, strict=True):
        if abs(score - expected) > _TOLERANCE:
            raise ModelAnswersError(
                f"The model gives {text} the probability {score:.6f}, and its card says "
                f"{expected:.6f}: the features are not those that it was trained with. {_TRAIN}"
            )

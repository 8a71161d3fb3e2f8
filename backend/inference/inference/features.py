"""What the model looks at: the character n-grams of a URL's host and path, and their shape.

Nothing here is fitted to data, so all that a model has to keep is one number a feature. In
return, a change here asks for `make train`: old numbers would stand for other features.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import FunctionTransformer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from inference.url import Url

# A power of two each. Twice as many for hosts moved the held-out AUC by 0.0004.
HOST_FEATURES: Final = 2**15
PATH_FEATURES: Final = 2**12


def build_pipeline(*, inverse_regularization: float = 10.0) -> Pipeline:
    """A new pipeline from URLs (`Url`) to probabilities, not fitted.

    liblinear brings its own arithmetic, so a fit does not follow the machine's BLAS.
    """
    features = FeatureUnion(
        [
            ("host", _ngrams(_host_text, n_features=HOST_FEATURES, longest=5)),
            ("path", _ngrams(_path_text, n_features=PATH_FEATURES, longest=4)),
            ("shape", FunctionTransformer(measure_shapes)),
        ]
    )
    classifier = LogisticRegression(
        C=inverse_regularization, solver="liblinear", class_weight="balanced", random_state=0
    )
    return Pipeline([("features", features), ("classifier", classifier)])


def measure_shapes(urls: Sequence[Url]) -> NDArray[np.float64]:
    """A row for each URL, a column for each of SHAPE's names; all from 0 to 1."""
    return np.array([_shape(url) for url in urls], dtype=np.float64).reshape(-1, len(SHAPE))


SHAPE: Final = (
    "host length",
    "host labels",
    "host's longest label",
    "host hyphens",
    "host digits",
    "host in Unicode",
    "host is an address",
    "port",
    "user",
    "not encrypted",
    "path length",
    "path depth",
    "path digits",
    "path escapes",
    "query parameters",
)


def _shape(url: Url) -> tuple[float, ...]:
    host = _bare(url.host)
    labels = host.split(".")
    path, _, query = url.tail.partition("?")
    return (
        _part(len(host), 64),
        _part(len(labels), 8),
        _part(max(map(len, labels)), 32),
        _part(host.count("-"), 6),
        _share_of_digits(host),
        float("xn--" in host),
        float(url.is_address),
        float(url.has_port),
        float(url.has_user),
        float(url.scheme == "http"),
        _part(len(url.tail) - 1, 128),
        _part(path.strip("/").count("/"), 8),
        _share_of_digits(url.tail),
        _part(url.tail.count("%"), 16),
        _part(query.count("="), 8),
    )


def _part(value: int, most: int) -> float:
    return min(value / most, 1.0)


def _share_of_digits(text: str) -> float:
    return sum(character.isdigit() for character in text) / len(text)


def _ngrams(text_of: object, *, n_features: int, longest: int) -> HashingVectorizer:
    return HashingVectorizer(
        preprocessor=text_of,
        analyzer="char",
        ngram_range=(2, longest),
        n_features=n_features,
        alternate_sign=False,
    )


def _host_text(url: Url) -> str:
    # Where a name begins and ends tells more than what is inside: "paypal." or ".paypal.evil".
    return f"^{_bare(url.host)}$"


def _path_text(url: Url) -> str:
    # "/" alone has no n-gram: a URL without a path has no path features at all.
    return url.tail if url.tail == "/" else f"{url.tail.lower()}$"


def _bare(host: str) -> str:
    # Lists of popular sites keep "www." and lists of phishing drop it: it would tell only which
    # list a host is from.
    return host.removeprefix("www.")

"""From labelled URLs to a model, what it is worth on domains it has not seen, and its card."""

from __future__ import annotations

import hashlib
import platform
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import scipy
import sklearn
from inference.features import HOST_FEATURES, PATH_FEATURES, SHAPE, build_pipeline
from inference.model import MODEL_FILE, restore_pipeline, save_pipeline
from inference.url import parse_url
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict

from training.data import HELD_OUT_SHARE, MAX_HOSTS_OF_A_DOMAIN, deal_paths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from training.data import Data, Sample

# A warning on a good site costs trust: at most this share of the benign URLs that the threshold
# is chosen on is taken for phishing.
MAX_FALSE_ALARMS: Final = 0.02
_FOLDS: Final = 4
# What a reader knows, and the function compares itself with when it starts.
_EXAMPLES: Final = (
    "https://www.google.com/",
    "https://en.wikipedia.org/wiki/Phishing",
    "https://docs.python.org/3/library/urllib.parse.html",
    "https://myetherwallet-login.com/",
    "https://secure-wallet-verify.top/account/verify?id=48213",
    "http://xn--blockchn-p0a.info/login",
    "http://203.0.113.7:8080/signin",
)

_LIMITS: Final = (
    (
        "It reads text. It does not fetch the page, and knows nothing of the domain's age, owner, "
        "certificate or content."
    ),
    (
        "A probability is meant for a world in which half of all URLs are phishing. In most "
        "traffic far fewer are, so more of the warnings are wrong than the precision here says."
    ),
    (
        "Campaigns register many similar names. Names of one campaign may be on both sides of the "
        "split, so a new campaign is found less often than the recall here says."
    ),
    "Whoever knows the model can choose a name that it takes for a good one.",
)
_LIMITS_OF_THE_LISTS: Final = (
    (
        "The phishing it knows was aimed at users of cryptocurrencies: other phishing is found "
        "less often, and honest sites about cryptocurrencies are suspected more often."
    ),
    (
        "The honest sites it knows are popular ones, most with English names: a small site of "
        "which nobody has heard is suspected more often."
    ),
    (
        "It learned nothing from paths, and can say nothing about a bad page on a good host: for "
        "that, train it from full URLs (make train CSV=FILE)."
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Trained:
    """A model's file and its card."""

    data: bytes
    card: dict[str, Any]


def train(data: Data) -> Trained:
    """The model of the data, and its card; the same data gives the same of both.

    What is measured is what the file holds, with its rounded numbers; nothing that is held out
    has a part in fitting or in choosing the threshold.

    Raises:
        DataError: There is too little data.
    """
    data.check()
    spread = data.samples if data.has_paths else deal_paths(data.samples)
    learned = [sample for sample in spread if not sample.held_out]
    held_out = [sample for sample in spread if sample.held_out]
    threshold = _choose_threshold(learned)
    fitted = build_pipeline().fit([each.url for each in learned], _labels(learned))
    file = save_pipeline(fitted)
    digest = hashlib.sha256(file).hexdigest()
    pipeline = restore_pipeline(file)
    scores = pipeline.predict_proba([each.url for each in held_out])[:, 1]
    examples = pipeline.predict_proba([parse_url(text) for text in _EXAMPLES])[:, 1]
    return Trained(
        data=file,
        card={
            "name": "phishing URLs",
            "version": digest[:12],
            "description": "How likely a URL is to be phishing, judged by its text alone: logistic "
            "regression over character n-grams of host and path, and their shape.",
            "threshold": threshold,
            "model": {
                "file": MODEL_FILE,
                "sha256": digest,
                "size_bytes": len(file),
                "features": {"host": HOST_FEATURES, "path": PATH_FEATURES, "shape": list(SHAPE)},
                "scikit_learn": sklearn.__version__,
                "numpy": np.__version__,
                "scipy": scipy.__version__,
                "python": platform.python_version(),
            },
            "data": {
                "sources": [asdict(source) for source in data.sources],
                "urls": _count(data.samples),
                "dropped": dict(data.dropped),
                "paths": "as in the data"
                if data.has_paths
                else "The lists hold hosts only. Each URL is taken as https://HOST/ and once more "
                "with a path and a scheme that are dealt to both classes alike.",
            },
            "split": {
                "by": "registrable domain, by its hash: no domain is on both sides",
                "held_out_share_of_domains": HELD_OUT_SHARE,
                "urls_of_a_domain_at_most": MAX_HOSTS_OF_A_DOMAIN,
                "training": _count(learned),
                "held_out": _count(held_out),
            },
            "held_out": _measure(held_out, scores, threshold),
            "examples": {
                text: round(float(score), 6)
                for text, score in zip(_EXAMPLES, examples, strict=True)
            },
            "limits": _limits(data),
        },
    )


def _choose_threshold(learned: Sequence[Sample]) -> float:
    """The lowest threshold that keeps MAX_FALSE_ALARMS, on folds of the training part."""
    domains = [sample.domain for sample in learned]
    labels = _labels(learned)
    folds = GroupKFold(n_splits=min(_FOLDS, len(set(domains))))
    scores = cross_val_predict(
        build_pipeline(),
        [sample.url for sample in learned],
        labels,
        groups=domains,
        cv=folds,
        method="predict_proba",
    )[:, 1]
    lowest = float(np.quantile(scores[labels == 0], 1 - MAX_FALSE_ALARMS))
    # Rounded up, to two digits that people can quote, and never to a certainty that nothing has.
    return min(float(np.ceil(lowest * 100) / 100), 0.99)


def _measure(
    samples: Sequence[Sample], scores: NDArray[np.float64], threshold: float
) -> dict[str, Any]:
    labels = _labels(samples)
    flagged = scores >= threshold
    right = int((flagged & (labels == 1)).sum())
    lists = sorted({sample.listed_by for sample in samples})
    listed = np.array([sample.listed_by for sample in samples])
    return {
        "auc": _rounded(roc_auc_score(labels, scores)),
        "precision": _rounded(right / max(int(flagged.sum()), 1)),
        "recall": _rounded(right / int((labels == 1).sum())),
        "false_alarms": _rounded(float(flagged[labels == 0].mean())),
        "share_called_phishing_by_list": {
            name: _rounded(float(flagged[listed == name].mean())) for name in lists
        },
    }


def _limits(data: Data) -> list[str]:
    return list(_LIMITS if data.has_paths else _LIMITS + _LIMITS_OF_THE_LISTS)


def _labels(samples: Sequence[Sample]) -> NDArray[np.int_]:
    return np.array([int(sample.phishing) for sample in samples])


def _count(samples: Sequence[Sample]) -> dict[str, Any]:
    return {
        "phishing": sum(sample.phishing for sample in samples),
        "benign": sum(not sample.phishing for sample in samples),
        "domains": len({sample.domain for sample in samples}),
        "by_list": dict(sorted(Counter(sample.listed_by for sample in samples).items())),
    }


def _rounded(value: float) -> float:
    return round(float(value), 4)

"""Labelled URLs, cleaned, and split so that no domain is on both sides."""

from __future__ import annotations

import csv
import hashlib
import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from inference.url import Url, UrlError, parse_url
from publicsuffixlist import PublicSuffixList

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

# A free host for everybody's pages would otherwise be most of what is learned of its class.
MAX_HOSTS_OF_A_DOMAIN: Final = 10
HELD_OUT_SHARE: Final = 0.2
# Only what registries sell: whoever rents a name below blogspot.com counts as blogspot.com.
_SUFFIXES: Final = PublicSuffixList(only_icann=True)
_PATHS: Final = (
    "/index.html",
    "/login",
    "/en/about",
    "/account/verify?id=48213",
    "/search?q=news&page=2",
    "/blog/2024/05/a-new-start",
    "/wp-content/uploads/logo.png",
    "/docs/v2/getting-started.html#install",
    "/products/1029384756",
    "/signin?continue=%2Fhome&lang=en",
)


class DataError(Exception):
    """The data cannot be trained from; says what is wrong with it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where labelled URLs come from, as the model card tells it."""

    name: str
    version: str
    licence: str
    fetched: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """A URL, whether it is phishing, and the list that says so."""

    url: Url
    phishing: bool
    listed_by: str

    @property
    def domain(self) -> str:
        """The registrable domain, by which samples are kept together."""
        if self.url.is_address:
            return self.url.host
        return _SUFFIXES.privatesuffix(self.url.host) or self.url.host

    @property
    def held_out(self) -> bool:
        """Whether it is kept for measuring: by its domain's hash, so a domain never moves."""
        digest = hashlib.sha256(self.domain.encode()).digest()
        return int.from_bytes(digest[:4]) < HELD_OUT_SHARE * 2**32


@dataclass(frozen=True, kw_only=True, slots=True)
class Data:
    """All samples, and where they come from; `dropped` counts what was left out, and why."""

    sources: tuple[Source, ...]
    samples: tuple[Sample, ...]
    dropped: Mapping[str, int] = field(default_factory=dict)
    has_paths: bool

    def check(self) -> None:
        """Raise DataError when there is too little of either class to train and to measure."""
        for phishing in (True, False):
            for held_out in (True, False):
                if not any(
                    each.phishing is phishing and each.held_out is held_out for each in self.samples
                ):
                    raise DataError(
                        f"there is no {'phishing' if phishing else 'benign'} URL in the "
                        f"{'held-out' if held_out else 'training'} part of the data: more URLs, "
                        "of more domains, are needed"
                    )


def clean(labelled: Iterable[tuple[str, bool, str]]) -> tuple[tuple[Sample, ...], dict[str, int]]:
    """Samples of (text, phishing, list), and how many were dropped for which reason.

    A URL that is listed twice is taken once. One that is listed as both counts as phishing:
    lists of popular sites do not look at what is inside.
    """
    dropped: Counter[str] = Counter()
    kept: dict[str, Sample] = {}
    for text, phishing, listed_by in labelled:
        try:
            url = parse_url(text)
        except UrlError:
            dropped["not a URL"] += 1
            continue
        key = url.host.removeprefix("www.") + url.tail
        before = kept.get(key)
        if before is not None:
            dropped["listed as both" if before.phishing is not phishing else "listed twice"] += 1
        if before is None or (phishing and not before.phishing):
            kept[key] = Sample(url=url, phishing=phishing, listed_by=listed_by)
    samples = []
    of_domain: Counter[tuple[str, bool]] = Counter()
    for _, sample in sorted(kept.items()):
        of_domain[sample.domain, sample.phishing] += 1
        if of_domain[sample.domain, sample.phishing] > MAX_HOSTS_OF_A_DOMAIN:
            dropped[f"more than {MAX_HOSTS_OF_A_DOMAIN} of a domain"] += 1
        else:
            samples.append(sample)
    return tuple(samples), dict(sorted(dropped.items()))


def deal_paths(samples: Iterable[Sample]) -> list[Sample]:
    """Each sample as it is, and once more with a path and perhaps without encryption.

    For lists of bare domains: both classes are dealt from one pack, so that a path in itself
    says nothing. Otherwise whatever has a path would look like nothing the model has seen.
    """
    dealt = []
    for sample in samples:
        dealer = random.Random(sample.url.host)  # noqa: S311 — the same deal on every run
        scheme = dealer.choice(("http", "https"))
        with_path = parse_url(f"{scheme}://{sample.url.host}{dealer.choice(_PATHS)}")
        dealt += [
            sample,
            Sample(url=with_path, phishing=sample.phishing, listed_by=sample.listed_by),
        ]
    return dealt


def read_csv(file: Path, *, licence: str) -> Data:
    """The URLs of a CSV file with the columns `url` and `label` (phishing or benign, 1 or 0).

    Raises:
        DataError: The file is not like that.
    """
    labels = {"phishing": True, "1": True, "benign": False, "0": False}
    try:
        content = file.read_bytes()
        rows = list(csv.DictReader(content.decode("utf-8-sig").splitlines()))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read: {error}") from error
    labelled = []
    for number, row in enumerate(rows, start=2):
        label = (row.get("label") or "").strip().lower()
        if not row.get("url") or label not in labels:
            raise DataError(
                f"{file}, line {number}: the columns url and label are needed, and label is "
                "phishing or benign (or 1 or 0)"
            )
        labelled.append((row["url"].strip(), labels[label], file.name))
    samples, dropped = clean(labelled)
    source = Source(
        name=file.name,
        version="",
        licence=licence,
        fetched=datetime.now(tz=UTC).date().isoformat(),
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
    )
    return Data(sources=(source,), samples=samples, dropped=dropped, has_paths=True)

"""What the model is shown of a URL."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inference.features import HOST_FEATURES, PATH_FEATURES, SHAPE, build_pipeline, measure_shapes
from inference.url import Url, UrlError, parse_url


def shape(text: str) -> dict[str, float]:
    (row,) = measure_shapes([parse_url(text)])
    return dict(zip(SHAPE, row, strict=True))


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("host length", "https://abcdefgh.example/", 16 / 64),
        ("host labels", "https://a.b.c.example/", 4 / 8),
        ("host's longest label", "https://a.example/", 7 / 32),
        ("host hyphens", "https://a-b-c.example/", 2 / 6),
        ("host digits", "https://a1b2.example/", 2 / 12),
        ("host in Unicode", "https://bücher.example/", 1),
        ("host is an address", "https://203.0.113.7/", 1),
        ("port", "https://a.example:8443/", 1),
        ("user", "https://paypal.com@a.example/", 1),
        ("not encrypted", "http://a.example/", 1),
        ("path length", "https://a.example/123456", 6 / 128),
        ("path depth", "https://a.example/a/b/c", 2 / 8),
        ("path digits", "https://a.example/12ab", 2 / 5),
        ("path escapes", "https://a.example/%2F%2F", 2 / 16),
        ("query parameters", "https://a.example/?a=b&c=d", 2 / 8),
    ],
)
def test_each_part_of_the_shape_is_a_share(name: str, text: str, value: float) -> None:
    assert shape(text)[name] == pytest.approx(value)


def test_a_plain_url_has_none_of_the_marks() -> None:
    assert {name for name, value in shape("https://a.example/").items() if value == 0} == {
        *("host hyphens", "host digits", "host in Unicode", "host is an address", "port", "user"),
        *("not encrypted", "path length", "path depth", "path digits", "path escapes"),
        "query parameters",
    }


def test_www_is_not_looked_at_as_it_would_only_tell_which_list_a_host_is_from() -> None:
    features = build_pipeline()["features"]
    with_www, without = (
        features.transform([parse_url(text)])
        for text in ("https://www.shop.example/a", "https://shop.example/a")
    )
    assert (with_www != without).nnz == 0


def test_only_the_path_tells_two_urls_of_a_host_apart() -> None:
    features = build_pipeline()["features"]
    one, other = (
        features.transform([parse_url(f"https://shop.example/{path}")]) for path in ("", "login")
    )
    different = (one != other).tocoo().col
    assert different.size > 0
    assert different.min() >= HOST_FEATURES


def test_every_url_has_the_same_number_of_features() -> None:
    urls = [parse_url("https://a.example/"), parse_url("http://b.example/c?d=e")]
    rows = build_pipeline()["features"].transform(urls)
    assert rows.shape == (2, HOST_FEATURES + PATH_FEATURES + len(SHAPE))


def _url(text: str) -> Url | None:
    try:
        return parse_url(text)
    except UrlError:
        return None


@given(
    url=st.builds(
        "https://{}/{}".format, st.from_regex(r"[a-z0-9-.]{1,80}", fullmatch=True), st.text()
    )
    .map(_url)
    .filter(lambda url: url is not None)
)
def test_a_shape_is_from_0_to_1(url: Url) -> None:
    (row,) = measure_shapes([url])
    assert (row >= 0).all()
    assert (row <= 1).all()

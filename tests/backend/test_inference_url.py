"""What is read from a URL's text, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inference.url import MAX_URL_CHARACTERS, UrlError, parse_url


def test_a_url_is_read_into_its_parts() -> None:
    url = parse_url("HTTPS://user@Shop.Example.com:8443/a/b?c=d#e")
    assert (url.scheme, url.host, url.tail) == ("https", "shop.example.com", "/a/b?c=d#e")
    assert (url.has_user, url.has_port, url.is_address) == (True, True, False)


def test_a_url_without_a_path_has_the_shortest_one() -> None:
    assert parse_url("https://example.com").tail == "/"
    assert parse_url("https://example.com?q=1").tail == "/?q=1"


def test_a_host_in_unicode_is_read_as_it_is_registered() -> None:
    assert parse_url("https://bücher.example/").host == "xn--bcher-kva.example"


@pytest.mark.parametrize("host", ["203.0.113.7", "[2001:db8::1]"])
def test_an_address_is_known_as_one(host: str) -> None:
    assert parse_url(f"http://{host}/").is_address


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (3, "must be text"),
        (None, "must be text"),
        ("", "must not be empty"),
        ("https://a.example/" + "x" * MAX_URL_CHARACTERS, "at most 2,048"),
        ("ftp://example.com/", "must begin with http:// or https://"),
        ("javascript:alert(1)", "must begin with http:// or https://"),
        ("example.com/login", "must begin with http:// or https://"),
        ("https:///path", "has no host"),
        ("https://", "has no host"),
        ("https://exa mple.com/", "holds a space"),
        (" https://example.com/", "holds a space"),
        ("https://example.com\\@evil.example/", "backslash"),
        ("https://example.com:99999/", "a host or a port"),
        ("https://[::1/", "a host or a port"),
        ("https://a..example/", "no domain name"),
        ("https://ex%61mple.com/", "no domain name"),
        ("https://" + "a" * 64 + ".example/", "no domain name"),
        ("https://" + "a.b" * 100 + "/", "253 is the longest"),
        ("https://example.com/\ud800", "surrogate"),
    ],
)
def test_what_no_browser_opens_is_refused(text: object, rule: str) -> None:
    with pytest.raises(UrlError, match=rule):
        parse_url(text)


@given(text=st.text() | st.builds("https://{}/{}".format, st.text(), st.text()))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        url = parse_url(text)
    except UrlError:
        return
    assert url.text == text
    assert url.host.isascii()
    assert url.tail.startswith("/")

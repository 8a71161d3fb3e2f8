"""A URL as text: read into its parts, and never fetched."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, NoReturn
from urllib.parse import SplitResult, urlsplit

MAX_URL_CHARACTERS: Final = 2_048
_SCHEMES: Final = ("http", "https")
_HOST: Final = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
# What urlsplit drops or takes into a host without a word, and no URL holds (RFC 3986).
_NOT_IN_URLS: Final = re.compile(r"[\x00-\x20\x7f\\]")
_LONGEST_HOST: Final = 253  # RFC 1035, as text
_LONGEST_LABEL: Final = 63


class UrlError(ValueError):
    """The text is no URL that can be judged; says which rule it breaks, without repeating it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Url:
    """A URL's text and its parts, as the features read them."""

    text: str
    scheme: str
    host: str
    """In lower case, names in Unicode as `xn--…`."""
    tail: str
    """Path, query and fragment; "/" at least."""
    has_user: bool
    has_port: bool
    is_address: bool


def parse_url(text: object) -> Url:
    """The URL that the text is.

    Raises:
        UrlError: It is none, or none that a web browser opens.
    """
    if not isinstance(text, str):
        _refuse("must be text")
    if not text:
        _refuse("must not be empty")
    if len(text) > MAX_URL_CHARACTERS:
        _refuse(f"has {len(text):,} characters; at most {MAX_URL_CHARACTERS:,} are taken")
    if _NOT_IN_URLS.search(text):
        _refuse("holds a space, a control character or a backslash, which no URL does")
    parts = _split(text)
    if parts.scheme not in _SCHEMES:
        _refuse("must begin with http:// or https://")
    host, is_address = _host(parts)
    tail = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Url(
        text=text,
        scheme=parts.scheme,
        host=host,
        tail=tail + (f"#{parts.fragment}" if parts.fragment else ""),
        has_user="@" in parts.netloc,
        has_port=parts.port is not None,
        is_address=is_address,
    )


def _split(text: str) -> SplitResult:
    try:
        text.encode()
        parts = urlsplit(text)
        _ = parts.port  # which is read, and may be refused, only when it is asked for
    except UnicodeEncodeError:
        _refuse("holds half of a surrogate pair, which is no character")
    except ValueError:
        _refuse("has a host or a port that cannot be read")
    return parts


def _host(parts: SplitResult) -> tuple[str, bool]:
    host = (parts.hostname or "").rstrip(".")
    if not host:
        _refuse("has no host")
    try:
        return str(ipaddress.ip_address(host)), True
    except ValueError:
        pass
    if not host.isascii():
        try:
            host = host.encode("idna").decode().lower()
        except UnicodeError:
            _refuse("has a host that is no domain name")
    labels = host.split(".")
    if not _HOST.fullmatch(host) or not all(0 < len(label) <= _LONGEST_LABEL for label in labels):
        _refuse("has a host that is no domain name")
    if len(host) > _LONGEST_HOST:
        _refuse(f"has a host of {len(host):,} characters; {_LONGEST_HOST} is the longest")
    return host, False


def _refuse(rule: str) -> NoReturn:
    raise UrlError(rule)

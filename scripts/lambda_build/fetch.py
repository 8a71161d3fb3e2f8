"""From a lock to wheels: each is in the cache under its hash, or is fetched and verified once."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from lambda_build.cache import has_sha256, keep_facts, kept_facts, sha256_of, written_aside
from lambda_build.errors import FetchError, HashMismatchError, OutputError, WheelError
from lambda_build.process import at_once
from lambda_build.wheel import (
    Wheel,
    rank,
    read_wheel,
    verify_wheel,
    wheel_facts,
    wheel_of_facts,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping, Sequence

    import httpx

    from lambda_build.cache import Cache
    from lambda_build.indexes import Connection
    from lambda_build.lock import Pin
    from lambda_build.target import Target

_ATTEMPTS = 3
_AT_ONCE = 8
_TIMEOUT_S = 30


def fetch(
    pins: Sequence[Pin],
    target: Target,
    cache: Cache,
    locate: Callable[[Sequence[Pin]], Mapping[str, str]],
    build: Callable[[Pin, Path], Wheel],
) -> tuple[Wheel, ...]:
    """Return the locked wheels, verified; `locate` is asked only for those not in the cache.

    `build` makes the wheel of a source distribution.

    Raises FetchError when one cannot be had, HashMismatchError when one is not what was locked,
    WheelError when one is broken or does not run on the target.
    """
    for pin in pins:
        if pin.is_wheel and rank(pin.filename, target) is None:
            raise WheelError(
                f"{pin.filename} does not run on {target} (glibc {target.glibc}).\n"
                "Make the lock again:\n    make lock"
            )
    wheels = {pin: wheel for pin in pins if (wheel := _kept(pin, cache)) is not None}
    missing = [
        pin for pin in pins if pin not in wheels and not has_sha256(_place(pin, cache), pin.sha256)
    ]
    if missing:
        cache.sweep()
        locations = locate(missing)
        with http_client() as client:
            at_once(
                lambda pin: _bring(pin, locations[pin.sha256], cache, client),
                missing,
                most=_AT_ONCE,
            )
    return tuple(
        wheels.get(pin) or (_read(pin, cache) if pin.is_wheel else build(pin, _place(pin, cache)))
        for pin in pins
    )


def _place(pin: Pin, cache: Cache) -> Path:
    return cache.wheel(pin.sha256) if pin.is_wheel else cache.source_distribution(pin.sha256)


def _kept(pin: Pin, cache: Cache) -> Wheel | None:
    """Return a wheel that was read before, and is as it was; None for any other."""
    if not pin.is_wheel:
        return None
    file = _place(pin, cache)
    facts = kept_facts(cache.members(pin.sha256), file, pin.sha256)
    return None if facts is None else wheel_of_facts(facts, file, pin.filename, pin.sha256)


def _read(pin: Pin, cache: Cache) -> Wheel:
    file = _place(pin, cache)
    wheel = read_wheel(file, pin.filename, pin.sha256)
    with suppress(OutputError):  # a cache that is read only costs time
        keep_facts(cache.members(pin.sha256), file, pin.sha256, wheel_facts(wheel))
    return wheel


def http_client() -> httpx.Client:
    """Return what asks servers, with the certificates and the proxy that uv would use."""
    # Slow to import, and needed on a cold cache only.
    import httpx  # noqa: PLC0415

    from lambda_build.indexes import read_connection  # noqa: PLC0415

    connection = read_connection()
    return httpx.Client(
        follow_redirects=True,
        verify=_tls(connection),
        proxy=connection.proxy,
        mounts={
            f"all://{host}": httpx.HTTPTransport(verify=False) for host in connection.trusted_hosts
        },
        timeout=_TIMEOUT_S,
        limits=httpx.Limits(max_connections=_AT_ONCE),
        headers={"Accept-Encoding": "identity"},
    )


def _tls(connection: Connection) -> ssl.SSLContext:
    """Return which certificates are trusted and shown: those that uv trusts and shows."""
    import ssl  # noqa: PLC0415 - as above

    import certifi  # noqa: PLC0415 - as above

    ca_file = connection.ca_file
    if ca_file is None and connection.ca_folder is None:
        ca_file = certifi.where()
    try:
        context = ssl.create_default_context(cafile=ca_file, capath=connection.ca_folder)
        if connection.client_certificate:
            context.load_cert_chain(connection.client_certificate)
    except OSError as error:
        raise FetchError(
            f"the certificates in {ca_file or connection.ca_folder} cannot be read: "
            f"{error.strerror or error}\nThey are named by SSL_CERT_FILE, by REQUESTS_CA_BUNDLE or "
            "by pip's settings."
        ) from error
    return context


def _bring(pin: Pin, location: str, cache: Cache, client: httpx.Client) -> None:
    with written_aside(_place(pin, cache)) as aside:
        scheme = urlsplit(location).scheme
        if scheme in {"http", "https"}:
            _download(location, aside, client)
        else:
            _copy(Path(unquote(urlsplit(location).path) if scheme else location), aside)
        found = sha256_of(aside)
        if found != pin.sha256:
            raise HashMismatchError(
                f"{pin.filename} is not the file that was locked: it has\n    sha256:{found}\n"
                f"and the lock says\n    sha256:{pin.sha256}\n"
                "Somebody may have replaced it, or a proxy answered in its place."
            )
        if pin.is_wheel:
            verify_wheel(read_wheel(aside, pin.filename, pin.sha256))


def _copy(file: Path, aside: Path) -> None:
    try:
        opened = file.open("rb")
    except OSError as error:
        raise FetchError(
            f"{file} cannot be read: {error.strerror}\n"
            "It is where the requirements' --find-links, or a local index, says that a wheel is."
        ) from error
    with opened, aside.open("wb") as output:
        shutil.copyfileobj(opened, output)


def _download(url: str, file: Path, client: httpx.Client) -> None:
    import httpx  # noqa: PLC0415 - slow to import, and needed on a cold cache only

    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with client.stream("GET", url) as answer, file.open("wb") as output:
                answer.raise_for_status()
                for chunk in answer.iter_bytes():
                    output.write(chunk)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            status = getattr(getattr(error, "response", None), "status_code", 500)
            if attempt == _ATTEMPTS or status < 500:  # noqa: PLR2004 - a refusal stays one
                raise FetchError(_cannot_fetch(url, error)) from error
        else:
            return


def _cannot_fetch(url: str, error: Exception) -> str:
    # Credentials may stand in the address; they stay out of messages and logs.
    parts = urlsplit(url)
    shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    answer = getattr(error, "response", None)
    reason = f"{answer.status_code} {answer.reason_phrase}" if answer is not None else str(error)
    reason = reason.replace(url, shown) or type(error).__name__
    return (
        f"{shown} cannot be fetched: {reason}\n"
        "Check the network and the proxy (HTTPS_PROXY), then run the command again: what was "
        "fetched already is kept."
    )

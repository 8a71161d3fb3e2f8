"""Asking a registry which image a reference names, by the OCI distribution specification.

Nothing is pulled or pushed here: Docker does that. A registry on this machine is asked by HTTP, as
Docker asks it, and every other by HTTPS.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lambda_build.errors import RegistryError
from lambda_build.fetch import http_client

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from lambda_build.images.reference import Reference

_MEDIA_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')
_NOT_FOUND, _UNAUTHORISED, _FORBIDDEN = 404, 401, 403
_OK = 200
_ATTEMPTS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """Who asks: of Amazon ECR the user is AWS and the password a token of twelve hours."""

    user: str
    password: str = field(repr=False)


def image_digest(reference: Reference, login: Login | None = None) -> str | None:
    """Return the digest of the image that a reference names; None when there is none.

    Without a login it is asked as anybody may. Raises RegistryError when the registry does not
    answer, or does not let this image be seen.
    """
    path = f"/v2/{reference.repository}/manifests/{reference.digest or reference.tag}"
    url = f"{'http' if reference.is_local else 'https'}://{reference.host}{path}"
    with _client(reference) as client:
        answer = _asked(client, "HEAD", url, login, reference)
        digest = answer.headers.get("Docker-Content-Digest", "")
        if answer.status_code == _OK and not _DIGEST.fullmatch(digest):
            answer = _asked(client, "GET", url, login, reference)
            digest = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
    if answer.status_code == _NOT_FOUND:
        return None
    if answer.status_code in {_UNAUTHORISED, _FORBIDDEN}:
        raise RegistryError(_refused(reference, login))
    if answer.status_code != _OK:
        raise RegistryError(
            _silent(reference, f"it answered {answer.status_code} {answer.reason_phrase}")
        )
    return str(digest)


@contextmanager
def _client(reference: Reference) -> Iterator[httpx.Client]:
    import httpx  # noqa: PLC0415 - slow to import, and a pinned base needs none of it

    if reference.is_local:  # no proxy leads there
        with httpx.Client(trust_env=False, timeout=30) as client:
            yield client
        return
    with http_client() as client:
        yield client


def _asked(
    client: httpx.Client, method: str, url: str, login: Login | None, reference: Reference
) -> httpx.Response:
    """Return a registry's answer, to somebody that it knows where it wants to know."""
    headers = {"Accept": ", ".join(_MEDIA_TYPES)}
    answer = _sent(client, method, url, headers, reference)
    if answer.status_code != _UNAUTHORISED:
        return answer
    authorisation = _authorisation(client, answer, login, reference)
    if authorisation is None:
        return answer
    return _sent(client, method, url, {**headers, "Authorization": authorisation}, reference)


def _sent(
    client: httpx.Client, method: str, url: str, headers: dict[str, str], reference: Reference
) -> httpx.Response:
    import httpx  # noqa: PLC0415 - as above

    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return client.request(method, url, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if attempt == _ATTEMPTS:
                reason = str(error) or type(error).__name__
                raise RegistryError(_silent(reference, reason)) from error
    raise AssertionError


def _authorisation(
    client: httpx.Client, answer: httpx.Response, login: Login | None, reference: Reference
) -> str | None:
    """Return what to show a registry that wants to know who asks; None when there is nothing.

    The distribution specification's "Token Authentication": it says where a token is had.
    """
    import httpx  # noqa: PLC0415 - as above

    challenge = answer.headers.get("WWW-Authenticate", "")
    basic = None if login is None else httpx.BasicAuth(login.user, login.password)
    if challenge.lower().startswith("basic"):
        return None if basic is None else _basic(basic)
    told = dict(_PARAMETER.findall(challenge))
    if not challenge.lower().startswith("bearer") or "realm" not in told:
        return None
    scope = told.get("scope") or f"repository:{reference.repository}:pull"
    asked = {key: told[key] for key in ("service",) if key in told} | {"scope": scope}
    headers = {} if basic is None else {"Authorization": _basic(basic)}
    try:
        token = client.get(told["realm"], params=asked, headers=headers)
        said = token.json() if token.status_code == _OK else {}
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise RegistryError(
            _silent(reference, f"{told['realm']}, where it gives tokens: {error}")
        ) from error
    found = said.get("token") or said.get("access_token")
    return f"Bearer {found}" if found else None


def _basic(login: httpx.BasicAuth) -> str:
    import httpx  # noqa: PLC0415 - as above

    request = next(login.auth_flow(httpx.Request("GET", "http://registry")))
    return request.headers["Authorization"]


def _silent(reference: Reference, reason: str) -> str:
    return (
        f"{reference.registry}, the registry of {reference}, cannot be asked: {reason}\n"
        "Check the network and the proxy (HTTPS_PROXY), then run the command again."
    )


def _refused(reference: Reference, login: Login | None) -> str:
    if login is None:
        return (
            f"{reference.registry} does not let anybody see {reference}.\n"
            "Check the name. Where it needs a login, name the image by its digest, and let Docker "
            f"log in:\n    docker login {reference.registry}"
        )
    return (
        f"{reference.registry} refuses the login of {login.user} for {reference}.\n"
        "It may be older than twelve hours, or may not read this repository "
        "(ecr:BatchGetImage).\nPlan and apply again."
    )

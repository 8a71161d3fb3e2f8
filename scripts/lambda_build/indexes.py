"""Where packages are asked for, and as whom: what uv's and pip's settings say.

uv reads its own settings; pip's are handed to it as uv's variables, where uv's own say nothing.
Wheels are not downloaded by uv, so the credentials that it asks an index with are found again
here, by its rules: an address's own, `UV_INDEX_NAME_USERNAME` and `_PASSWORD`, netrc, keyring.
They are for asking only, and are never written or shown.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from lambda_build.errors import UsageError
from lambda_build.process import run
from lambda_build.requirements import expand_variables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from lambda_build.requirements import Requirements

# Where uv reads addresses from: `URL` or `NAME=URL`, with spaces between; and files, with commas.
_INDEX_VARIABLES = ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL")
_NAME = re.compile(r"[\w.-]+")
_PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY")
_KEYRING_TIMEOUT_S = 60


@dataclass(frozen=True, kw_only=True, slots=True)
class _Address:
    """An index, and the credentials that were given with it."""

    url: str  # without them
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Indexes:
    """The indexes that packages are asked of: for uv as variables, for downloads as addresses."""

    environment: Mapping[str, str] = field(repr=False)
    _addresses: tuple[_Address, ...]
    _asks_keyring: bool
    _told: dict[tuple[str, str], tuple[str, str] | None] = field(default_factory=dict, repr=False)

    def authorised(self, location: str) -> str:
        """Return an address with the credentials that the nearest index on its host has."""
        wanted = urlsplit(location)
        if wanted.scheme not in {"http", "https"} or wanted.username:
            return location
        near = [one for one in self._addresses if _origin(one.url) == _origin(location)]
        near.sort(key=lambda one: _shared(one.url, location), reverse=True)
        for address in [*near, _Address(url=location)]:
            credentials = self._credentials(address, ask=address in near)
            if credentials is not None:
                user, password = (quote(word, safe="") for word in credentials)
                netloc = f"{user}:{password}@{wanted.netloc}"
                return urlunsplit(wanted._replace(netloc=netloc))
        return location

    def _credentials(self, address: _Address, *, ask: bool) -> tuple[str, str] | None:
        if address.password:
            return address.user, address.password
        key = (address.url, address.user)
        if key not in self._told:
            told = _from_netrc(address)
            if told is None and ask and self._asks_keyring:
                told = _from_keyring(address)
            self._told[key] = told or ((address.user, "") if address.user else None)
        return self._told[key]


@dataclass(frozen=True, kw_only=True, slots=True)
class Connection:
    """How servers are met: certificates, the proxy that pip names, hosts that are trusted."""

    ca_file: str | None
    ca_folder: str | None
    client_certificate: str | None
    proxy: str | None = field(repr=False)
    trusted_hosts: tuple[str, ...]


def read_indexes(requirements: Requirements) -> Indexes:
    """Return the indexes that these requirements are asked of, by every setting that there is.

    Raises UsageError for settings that cannot be read.
    """
    tables = list(_uv_tables(requirements.file.parent))
    pip = _pip_settings()
    environment = {**_indexes_of_pip(pip, tables, requirements), **_connection_of_pip(pip)}
    provider = os.environ.get("UV_KEYRING_PROVIDER") or _first(tables, "keyring-provider")
    if provider is None and (provider := pip.get("keyring-provider")) == "subprocess":
        environment["UV_KEYRING_PROVIDER"] = "subprocess"
    return Indexes(
        environment=environment,
        _addresses=tuple(_addresses(requirements, tables, environment)),
        _asks_keyring=provider == "subprocess",
    )


def uv_environment(requirements: Requirements) -> dict[str, str]:
    """Return the variables that let uv build with the indexes that requirements are asked of."""
    return {**read_indexes(requirements).environment, **requirements.index_environment()}


def read_connection() -> Connection:
    """Return how servers are met, as uv meets them: by the environment, then by pip's settings."""
    told = {**os.environ, **_connection_of_pip(_pip_settings())}
    proxied = any(os.environ.get(name) for name in _PROXY_VARIABLES)
    return Connection(
        ca_file=told.get("SSL_CERT_FILE") or None,
        ca_folder=told.get("SSL_CERT_DIR") or None,
        client_certificate=told.get("SSL_CLIENT_CERT") or None,
        proxy=None if proxied else told.get("HTTPS_PROXY"),
        trusted_hosts=tuple(told.get("UV_INSECURE_HOST", "").split()),
    )


def _addresses(
    requirements: Requirements, tables: Iterable[Mapping[str, Any]], environment: Mapping[str, str]
) -> Iterator[_Address]:
    """Yield every address that packages may be had from, the nearest setting's first."""
    for option in requirements.options:
        if option.name in {"--index-url", "--extra-index-url", "--find-links"}:
            yield _address(option.value or "")
    yield from (_address(package.url) for package in requirements.packages if package.url)
    told = {**os.environ, **environment}
    for name in _INDEX_VARIABLES:
        for word in told.get(name, "").split():
            before, equals, url = word.partition("=")
            is_named = bool(equals) and _NAME.fullmatch(before)
            yield _address(url, before) if is_named else _address(word)
    yield from (_address(word) for word in told.get("UV_FIND_LINKS", "").split(","))
    yield from _configured(tables)


def _configured(tables: Iterable[Mapping[str, Any]]) -> Iterator[_Address]:
    for table in tables:
        for index in _listed(table.get("index")):
            if isinstance(index, dict):
                yield _address(str(index.get("url", "")), str(index.get("name", "")))
        for key in ("index-url", "extra-index-url", "find-links"):
            for word in _listed(table.get(key)):
                yield _address(str(word))


def _address(url: str, name: str = "") -> _Address:
    parts = urlsplit(expand_variables(url))
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if name:
        variable = f"UV_INDEX_{re.sub('[^A-Z0-9]', '_', name.upper())}"
        user = os.environ.get(f"{variable}_USERNAME", user)
        password = os.environ.get(f"{variable}_PASSWORD", password)
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2])
    return _Address(url=urlunsplit(plain), user=user, password=password)


def _shared(url: str, other: str) -> int:
    """Return how many of their first characters are the same."""
    pairs = enumerate(zip(url, other, strict=False))
    return next((place for place, (one, two) in pairs if one != two), min(len(url), len(other)))


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.rpartition("@")[2].lower()


def _from_netrc(address: _Address) -> tuple[str, str] | None:
    import netrc  # noqa: PLC0415 - needed on a cold cache only

    file = os.environ.get("NETRC") or str(Path("~/.netrc").expanduser())
    try:
        found = netrc.netrc(file).authenticators(urlsplit(address.url).hostname or "")
    except (OSError, UnicodeDecodeError, netrc.NetrcParseError):
        return None  # uv goes on without one as well
    if found is None or address.user not in {"", found[0]}:
        return None
    return found[0], found[2] or ""


def _from_keyring(address: _Address) -> tuple[str, str] | None:
    """Return what the program `keyring` says of an index, asked in uv's words."""
    if shutil.which("keyring") is None:
        return None
    host = urlsplit(address.url).netloc
    for place in (address.url, host):
        who = [address.user] if address.user else ["--mode", "creds"]
        said = run(["keyring", "get", place, *who], timeout_s=_KEYRING_TIMEOUT_S)
        lines = said.stdout.splitlines()
        if said.returncode == 0 and len(lines) >= len(who):
            return (address.user, lines[0]) if address.user else (lines[0], lines[1])
    return None


def _uv_tables(folder: Path) -> Iterator[Mapping[str, Any]]:
    """Yield uv's configuration, the nearest first, each with its `pip` table after it.

    uv's documentation, "Configuration files": the nearest project's, then the user's, then the
    system's; UV_CONFIG_FILE instead of all.
    """
    for file in _uv_files(folder):
        table = _toml(file)
        if file.name == "pyproject.toml":
            table = table.get("tool", {}).get("uv", {})
        yield table
        if isinstance(table.get("pip"), dict):
            yield table["pip"]


def _uv_files(folder: Path) -> Iterator[Path]:
    if os.environ.get("UV_NO_CONFIG"):
        return
    if named := os.environ.get("UV_CONFIG_FILE"):
        yield Path(named)
        return
    for parent in (folder.resolve(), *folder.resolve().parents):
        project = parent / "pyproject.toml"
        if (parent / "uv.toml").is_file():
            yield parent / "uv.toml"
            break
        if project.is_file() and "uv" in _toml(project).get("tool", {}):
            yield project
            break
    for settings in [*_user_folders(), *_system_folders(), Path("/etc")]:
        if (settings / "uv" / "uv.toml").is_file():
            yield settings / "uv" / "uv.toml"


def _user_folders() -> list[Path]:
    return [Path(os.environ.get("XDG_CONFIG_HOME") or Path("~/.config").expanduser())]


def _system_folders() -> list[Path]:
    return [Path(name) for name in os.environ.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":") if name]


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error


def _first(tables: Iterable[Mapping[str, Any]], key: str) -> str | None:
    return next((str(table[key]) for table in tables if key in table), None)


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _indexes_of_pip(
    pip: Mapping[str, str], tables: Iterable[Mapping[str, Any]], requirements: Requirements
) -> dict[str, str]:
    """Return pip's indexes as uv's variables, less those that something nearer says."""
    said = {option.name for option in requirements.options}
    tables = list(tables)
    indexes = [one for table in tables for one in _listed(table.get("index"))]
    configured = {key for table in tables for key in table}
    configured |= {"default" if one.get("default") else "extra" for one in indexes}
    environment = {}
    if not said & {"--index-url", "--no-index"}:  # pip: a requirements file's come instead
        no_default = not configured & {"index-url", "default", "no-index"}
        if no_default and not _are_set("UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_NO_INDEX"):
            if _is_true(pip.get("no-index", "")):
                environment["UV_NO_INDEX"] = "1"
            elif pip.get("index-url"):
                environment["UV_DEFAULT_INDEX"] = pip["index-url"]
        no_extra = not configured & {"extra-index-url", "extra"}
        if no_extra and not _are_set("UV_INDEX", "UV_EXTRA_INDEX_URL"):
            environment["UV_INDEX"] = " ".join(pip.get("extra-index-url", "").split())
    if "find-links" not in configured and not _are_set("UV_FIND_LINKS"):
        links = [_link(word) for word in pip.get("find-links", "").split()]
        environment["UV_FIND_LINKS"] = ",".join(link for link in links if link)
    return {name: value for name, value in environment.items() if value}


def _link(word: str) -> str | None:
    """Return a `find-links` of pip's, absolute; None for a folder that is gone, as in pip."""
    if "://" in word:
        return word
    path = Path(word).expanduser().absolute()
    return path.as_uri() if path.exists() else None


def _connection_of_pip(pip: Mapping[str, str]) -> dict[str, str]:
    """Return as uv's variables what pip is told of certificates, proxies and trusted hosts."""
    environ = os.environ
    bundle = pip.get("cert") or environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE")
    told = {
        "SSL_CLIENT_CERT": pip.get("client-cert", ""),
        "UV_INSECURE_HOST": " ".join(pip.get("trusted-host", "").split()),
    }
    if bundle and not _are_set("SSL_CERT_FILE"):
        told["SSL_CERT_DIR" if Path(bundle).is_dir() else "SSL_CERT_FILE"] = bundle
    if not _are_set(*_PROXY_VARIABLES):
        told |= {name: pip.get("proxy", "") for name in ("HTTPS_PROXY", "HTTP_PROXY")}
    return {name: value for name, value in told.items() if value and not _are_set(name)}


def _are_set(*names: str) -> bool:
    return any(os.environ.get(name) for name in names)


def _is_true(text: str) -> bool:
    return text.lower() in {"1", "true", "yes", "on", "y", "t"}


def _pip_settings() -> dict[str, str]:
    """Return what pip is told, by its option's long name: files first, then its variables.

    pip's documentation, "Configuration": the last one that speaks counts.
    """
    import configparser  # noqa: PLC0415 - needed on a cold cache only

    settings: dict[str, str] = {}
    for file in _pip_files():
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, "utf-8")
        except (configparser.Error, UnicodeDecodeError) as error:
            # Not its words: they quote the line, and a password may stand there.
            raise UsageError(f"{file} is not understood: {type(error).__name__}") from None
        for section in ("global", "install"):
            if parser.has_section(section):
                settings |= {key.replace("_", "-"): value for key, value in parser.items(section)}
    for name, value in os.environ.items():
        if name.startswith("PIP_") and value:
            settings[name.removeprefix("PIP_").lower().replace("_", "-")] = value
    return settings


def _pip_files() -> Iterator[Path]:
    named = os.environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return
    yield from (folder / "pip" / "pip.conf" for folder in _system_folders())
    yield Path("/etc/pip.conf")
    if not (named and Path(named).exists()):
        yield Path("~/.pip/pip.conf").expanduser()
        if sys.platform == "darwin":
            yield Path("~/Library/Application Support/pip/pip.conf").expanduser()
        yield from (folder / "pip" / "pip.conf" for folder in _user_folders())
    yield Path(os.environ.get("VIRTUAL_ENV") or sys.prefix) / "pip.conf"
    if named:
        yield Path(named).expanduser()

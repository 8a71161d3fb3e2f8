"""Private indexes: every way of giving credentials works, and none leaves a trace."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import logging
import os
import shutil
import ssl
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from build.tiny import BACKEND, Index, make_function, make_wheel, project_tree, write_tree
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from lambda_build import cli, terraform
from lambda_build.build import package
from lambda_build.errors import FetchError, LambdaBuildError, UsageError, redacted
from lambda_build.fetch import http_client
from lambda_build.indexes import read_connection, read_indexes, uv_environment
from lambda_build.locking import lock_function
from lambda_build.requirements import read_requirements

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambda_build.cache import Cache
    from lambda_build.requirements import Requirements

SECRET = "s3cr3t-9f2a"


class Place:
    """Where a way of giving credentials is set up: an index, a function, somebody's settings."""

    def __init__(self, index: Index, folder: Path, secret: str) -> None:
        self.index = index
        self.folder = folder
        self.secret = secret
        self.requirements = "one\n"
        self.environment: dict[str, str] = {}
        self.plain = index.url
        self.known = index.url.replace("://", f"://user:{secret}@")
        self.half = index.url.replace("://", "://user@")

    def write(self, path: str, text: str, *, mode: int = 0o600) -> str:
        file = self.folder / path
        write_tree(self.folder, {path: text})
        file.chmod(mode)
        return os.fspath(file)

    def keyring(self) -> None:
        """Put a program on PATH that answers as keyring's does."""
        program = (
            f"#!{sys.executable}\nimport sys\n"
            "assert sys.argv[1] == 'get' and sys.argv[2].startswith('http'), sys.argv\n"
            "if sys.argv[3:] == ['--mode', 'creds']: print('user')\n"
            "else: assert sys.argv[3:] == ['user'], sys.argv\n"
            f"print({self.secret!r})\n"
        )
        self.write("settings/bin/keyring", program, mode=0o700)
        path = f"{self.folder}/settings/bin{os.pathsep}{os.environ['PATH']}"
        self.environment |= {"PATH": path}


WAYS: dict[str, Callable[[Place], object]] = {}


def way(function: Callable[[Place], object]) -> Callable[[Place], object]:
    WAYS[function.__name__] = function
    return function


@way
def a_variable_in_the_requirements(at: Place) -> None:
    at.requirements = f"--index-url {at.plain.replace('://', '://user:${TOKEN}@')}\none\n"
    at.environment["TOKEN"] = at.secret


@way
def a_variable_in_a_find_links_of_the_requirements(at: Place) -> None:
    link = at.plain.replace("://", "://user:${TOKEN}@") + "one/"
    at.requirements = f"--no-index\n--find-links {link}\none\n"
    at.environment["TOKEN"] = at.secret


@way
def a_variable_in_the_address_of_a_wheel(at: Place) -> None:
    address = at.index.file_url("one-1.0-py3-none-any.whl").replace("://", "://user:${TOKEN}@")
    at.requirements = f"--no-index\n{address}\n"
    at.environment["TOKEN"] = at.secret


@way
def uv_default_index(at: Place) -> None:
    at.environment["UV_DEFAULT_INDEX"] = at.known


@way
def uv_index_url(at: Place) -> None:
    at.environment["UV_INDEX_URL"] = at.known


@way
def uv_index_with_its_names_variables(at: Place) -> None:
    name = {"UV_INDEX_MY_CORP_USERNAME": "user", "UV_INDEX_MY_CORP_PASSWORD": at.secret}
    at.environment |= {"UV_INDEX": f"my-corp={at.plain}", **name}


@way
def uv_toml_beside_the_function(at: Place) -> None:
    at.write("src/uv.toml", f'[[index]]\nname = "corp"\nurl = "{at.known}"\ndefault = true\n')


@way
def uv_toml_of_the_user(at: Place) -> None:
    at.write("settings/uv/uv.toml", f'[pip]\nindex-url = "{at.known}"\n')
    at.environment["XDG_CONFIG_HOME"] = f"{at.folder}/settings"


@way
def uv_config_file(at: Place) -> None:
    file = at.write("settings/my.toml", f'index-url = "{at.known}"\n')
    at.environment["UV_CONFIG_FILE"] = file


@way
def pyproject_toml_beside_the_function(at: Place) -> None:
    table = f'[[tool.uv.index]]\nname = "corp"\nurl = "{at.plain}"\ndefault = true\n'
    at.write("src/pyproject.toml", table)
    name = {"UV_INDEX_CORP_USERNAME": "user", "UV_INDEX_CORP_PASSWORD": at.secret}
    at.environment |= name


@way
def pip_index_url(at: Place) -> None:
    at.environment["PIP_INDEX_URL"] = at.known


@way
def pip_extra_index_url(at: Place) -> None:
    at.environment["PIP_EXTRA_INDEX_URL"] = at.known


@way
def pip_find_links(at: Place) -> None:
    at.environment |= {"PIP_FIND_LINKS": f"{at.known}one/", "PIP_NO_INDEX": "true"}


@way
def pip_config_file(at: Place) -> None:
    file = at.write("settings/pip.conf", f"[global]\nindex-url = {at.known}\n")
    at.environment["PIP_CONFIG_FILE"] = file


@way
def pip_conf_of_the_user(at: Place) -> None:
    at.write("settings/pip/pip.conf", f"[install]\nextra-index-url =\n    {at.known}\n")
    at.environment |= {"XDG_CONFIG_HOME": f"{at.folder}/settings", "PIP_CONFIG_FILE": ""}


@way
def netrc(at: Place) -> None:
    text = f"machine {urlsplit(at.plain).hostname} login user password {at.secret}\n"
    at.environment["NETRC"] = at.write("settings/netrc", text)
    at.environment["UV_DEFAULT_INDEX"] = at.plain


@way
def keyring_for_a_known_user(at: Place) -> None:
    at.keyring()
    at.environment |= {"UV_KEYRING_PROVIDER": "subprocess", "UV_DEFAULT_INDEX": at.half}


@way
def keyring_for_any_user(at: Place) -> None:
    at.keyring()
    at.write(
        "src/uv.toml",
        f'keyring-provider = "subprocess"\n[[index]]\nname = "corp"\nurl = "{at.plain}"\n'
        'authenticate = "always"\ndefault = true\n',
    )


@way
def pips_keyring(at: Place) -> None:
    at.keyring()
    at.environment |= {"PIP_KEYRING_PROVIDER": "subprocess", "PIP_INDEX_URL": at.half}


@way
def a_token_as_the_user(at: Place) -> None:
    at.environment["UV_DEFAULT_INDEX"] = at.plain.replace("://", f"://{at.secret}@")


class Session:
    """Runs commands, and keeps everything that they say: logs of every level, too."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        self.said = ""
        self._capsys, self._caplog, self._monkeypatch = capsys, caplog, monkeypatch
        monkeypatch.setattr("signal.signal", lambda *_: None)
        caplog.set_level(logging.DEBUG)

    def enter(self, at: Place) -> None:
        for name, value in at.environment.items():
            self._monkeypatch.setenv(name, value)
        self._monkeypatch.chdir(at.folder)

    def run(self, *arguments: str) -> int:
        with pytest.raises(SystemExit) as ended:
            cli.main([*arguments, "--verbose"])
        captured = self._capsys.readouterr()
        self.said += f"$ {arguments}\n{captured.out}{captured.err}{self._caplog.text}"
        assert isinstance(ended.value.code, int)
        return ended.value.code


def traces(folder: Path, secret: str) -> list[str]:
    """Return which files, and which members of ZIPs, hold a secret."""
    found = []
    for file in filter(Path.is_file, folder.rglob("*")):
        held = {str(file): file.read_bytes()}
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as archive:
                held |= {f"{file}/{name}": archive.read(name) for name in archive.namelist()}
        found += [name for name, data in held.items() if secret.encode() in data]
    return found


@pytest.fixture
def session(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Session:
    return Session(monkeypatch, capsys, caplog)


PACKAGE = ("package", "--source", "src", "--output", "out/a.zip")
QUERY = {
    "name": "src",
    "source": "src",
    "requirements": "requirements.txt",
    "runtime": "python3.11",
    "architecture": "x86_64",
    "handler": "index.handler",
    "output_dir": "out",
    "archive_above_bytes": "1000000",
}


@pytest.mark.parametrize("name", WAYS)
def test_an_indexs_credentials_work_and_leave_no_trace(
    tmp_path: Path, wheels: Path, index: Index, cache: Cache, session: Session, name: str
) -> None:
    make_wheel(wheels)
    index.credentials = f"{SECRET}:" if name == "a_token_as_the_user" else f"user:{SECRET}"
    at = Place(index, tmp_path, SECRET)
    WAYS[name](at)
    make_function(tmp_path / "src", at.requirements)
    settings = [path for path in (tmp_path / "src").iterdir() if path.suffix == ".toml"]
    session.enter(at)
    # Without a lock the resolution says where wheels are; with it, the index is asked again.
    assert session.run(*PACKAGE) == 0, session.said
    assert session.run("lock", "--source", "src") == 0, session.said
    shutil.rmtree(cache.root)
    (tmp_path / "out/a.zip").unlink()
    assert session.run(*PACKAGE, "--json") == 0, session.said
    session.said += json.dumps(terraform.answer(json.dumps(QUERY)))
    assert "uv pip compile" in session.said
    assert SECRET not in session.said
    places = (tmp_path / "src", tmp_path / "out", cache.root)
    found = {trace for place in places for trace in traces(place, SECRET)}
    assert found <= {os.fspath(path) for path in settings}  # where somebody wrote it
    assert (tmp_path / "out/a.zip").exists()

    index.credentials = "user:another"
    shutil.rmtree(cache.root)
    (tmp_path / "out/a.zip").unlink()
    session.said = ""
    assert session.run(*PACKAGE) == FetchError.exit_code
    assert "401" in session.said
    assert SECRET not in session.said


def requirements(folder: Path, text: str = "") -> Requirements:
    return read_requirements(write_tree(folder, {"requirements.txt": text}) / "requirements.txt")


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("https://x.test/files/a.whl", "https://u:s@x.test/files/a.whl"),
        ("https://x.test:8443/a.whl", "https://x.test:8443/a.whl"),
        ("http://x.test/a.whl", "http://x.test/a.whl"),
        ("https://v.test/a.whl", "https://v.test/a.whl"),
        ("https://y.test/a.whl", "https://n:t@y.test/a.whl"),
        ("https://z.test/a=b.whl", "https://b:2@z.test/a=b.whl"),
        ("https://z.test/team/files/a.whl", "https://b:2@z.test/team/files/a.whl"),
        ("https://own:1@x.test/a.whl", "https://own:1@x.test/a.whl"),
        ("/a/b.whl", "/a/b.whl"),
    ],
)
def test_credentials_go_to_the_host_that_they_were_given_for_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, location: str, expected: str
) -> None:
    monkeypatch.setenv("SECRET", "s")
    told = [
        *("own=https://n:t@y.test/simple", "https://a:1@w.test/x"),
        *("https://z.test/simple?c=d", "https://b:2@z.test/team/simple"),
    ]
    monkeypatch.setenv("UV_INDEX", " ".join(told))
    text = "--index-url https://u:${SECRET}@x.test/simple\n"
    assert read_indexes(requirements(tmp_path, text)).authorised(location) == expected


def test_credentials_are_encoded_as_an_address_wants_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_INDEX", "a=https://x.test/simple")
    monkeypatch.setenv("UV_INDEX_A_USERNAME", "me@corp")
    monkeypatch.setenv("UV_INDEX_A_PASSWORD", "a/b:c%")
    address = read_indexes(requirements(tmp_path)).authorised("https://x.test/a.whl")
    assert address == "https://me%40corp:a%2Fb%3Ac%25@x.test/a.whl"


def test_where_uv_is_told_pip_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip = {
        "PIP_INDEX_URL": "https://pip.test/a",
        "PIP_EXTRA_INDEX_URL": "https://pip.test/b",
        "PIP_FIND_LINKS": f"{tmp_path} {tmp_path}/gone https://pip.test/c",
    }
    for name, value in pip.items():
        monkeypatch.setenv(name, value)
    plain = requirements(tmp_path)
    found = {name: read_indexes(plain).environment[name] for name in ("UV_INDEX", "UV_FIND_LINKS")}
    assert found == {
        "UV_INDEX": "https://pip.test/b",
        "UV_FIND_LINKS": f"{tmp_path.as_uri()},https://pip.test/c",  # pip passes over what is gone
    }
    assert read_indexes(plain).environment["UV_DEFAULT_INDEX"] == "https://pip.test/a"
    own = requirements(tmp_path / "own", "--index-url https://own.test/a\n")
    assert not {"UV_DEFAULT_INDEX", "UV_INDEX"} & read_indexes(own).environment.keys()
    assert uv_environment(own)["UV_DEFAULT_INDEX"] == "https://own.test/a"
    write_tree(tmp_path, {"uv.toml": '[[index]]\nurl = "https://uv.test"\ndefault = true\n'})
    assert "UV_DEFAULT_INDEX" not in read_indexes(plain).environment
    assert "UV_INDEX" in read_indexes(plain).environment
    monkeypatch.setenv("UV_INDEX", "https://uv.test")
    monkeypatch.setenv("UV_FIND_LINKS", "https://uv.test")
    assert not {"UV_INDEX", "UV_FIND_LINKS"} & read_indexes(plain).environment.keys()


def test_pips_nearest_word_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(
        tmp_path,
        {
            "pip/pip.conf": "[global]\ncert = user\nproxy = user\nindex-url = https://user.test\n",
            "venv/pip.conf": "[global]\nproxy = venv\n[install]\nindex_url = https://venv.test\n",
            "named.conf": "[global]\nproxy = http://named.test\n",
        },
    )
    for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "venv"))
    monkeypatch.delenv("PIP_CONFIG_FILE")
    environment = read_indexes(requirements(tmp_path)).environment
    assert environment["UV_DEFAULT_INDEX"] == "https://venv.test"
    assert (environment["HTTPS_PROXY"], environment["SSL_CERT_FILE"]) == ("venv", "user")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "named.conf"))
    assert read_connection().proxy == "http://named.test"
    assert read_connection().ca_file != "user"  # pip reads no user's file then
    monkeypatch.setenv("PIP_CERT", "variable")
    assert read_connection().ca_file == "variable"
    monkeypatch.setenv("HTTPS_PROXY", "http://mine.test")
    assert read_connection().proxy is None  # httpx reads it, and NO_PROXY, by itself


@pytest.mark.parametrize(
    ("variable", "name", "text"),
    [
        ("PIP_CONFIG_FILE", "pip.conf", f"index-url = https://u:{SECRET}@x.test\n"),
        ("UV_CONFIG_FILE", "uv.toml", f'index-url = "https://u:{SECRET}@x.test'),
    ],
)
def test_settings_that_cannot_be_read_are_refused_without_quoting_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, name: str, text: str
) -> None:
    write_tree(tmp_path, {name: text})
    monkeypatch.setenv(variable, str(tmp_path / name))
    with pytest.raises(UsageError, match=name) as refused:
        read_indexes(requirements(tmp_path))
    assert SECRET not in str(refused.value)


def test_the_backend_of_a_path_requirement_comes_from_pips_index(
    tmp_path: Path, wheels: Path, index: Index, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_wheel(wheels, "tiny_backend", files={"tiny_backend.py": BACKEND})
    project_tree(tmp_path / "lib")
    project = tmp_path / "lib/pyproject.toml"
    told = '[build-system]\nrequires = ["tiny-backend"]\nbuild-backend = "tiny_backend"\n'
    project.write_text(project.read_text().partition("[build-system]")[0] + told)
    index.credentials = f"user:{SECRET}"
    monkeypatch.setenv("PIP_INDEX_URL", index.url.replace("://", f"://user:{SECRET}@"))
    function = make_function(tmp_path / "src", "../lib\n")
    lock_function(function)
    assert dict(package(function, tmp_path / "a.zip", cache).packages) == {"proj": "1.0"}


def certificate(
    of: str, key: ec.EllipticCurvePrivateKey, by: ec.EllipticCurvePrivateKey, *, is_ca: bool
) -> bytes:
    """Return a certificate in PEM, valid today, that an authority of this name has signed."""
    subject, issuer = (
        x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]) for name in (of, "tiny CA")
    )
    now, day = dt.datetime.now(dt.UTC), dt.timedelta(days=1)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    number = x509.random_serial_number()
    made = (
        x509.CertificateBuilder(issuer, subject, key.public_key(), number, now - day, now + day)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    )
    return made.sign(by, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def authority(tmp_path: Path, index: Index) -> Path:
    """The certificates of an authority that nobody knows; the index's is signed by it."""
    ca, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    authority, shown, key = (tmp_path / f"{name}.pem" for name in ("ca", "shown", "key"))
    authority.write_bytes(certificate("tiny CA", ca, ca, is_ca=True))
    shown.write_bytes(certificate("tiny", own, ca, is_ca=False))
    plain, pkcs8 = serialization.NoEncryption(), serialization.PrivateFormat.PKCS8
    key.write_bytes(own.private_bytes(serialization.Encoding.PEM, pkcs8, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown, key)
    index.speak_tls(context)
    return authority


@pytest.mark.parametrize(
    "variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "PIP_CERT", "PIP_TRUSTED_HOST", None]
)
def test_a_companys_certificates_are_trusted_by_whom_they_are_named_to(
    tmp_path: Path,
    wheels: Path,
    index: Index,
    authority: Path,
    cache: Cache,
    monkeypatch: pytest.MonkeyPatch,
    variable: str | None,
) -> None:
    make_wheel(wheels)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    function = make_function(tmp_path / "src", f"--index-url {index.url}\none\n")
    if variable is None:
        with pytest.raises(FetchError, match=r"(?i)certificate"):
            package(function, tmp_path / "a.zip", cache)
        return
    host = urlsplit(index.url).netloc
    monkeypatch.setenv(variable, host if variable == "PIP_TRUSTED_HOST" else str(authority))
    assert dict(package(function, tmp_path / "a.zip", cache).packages) == {"one": "1.0"}


def test_certificates_that_cannot_be_read_are_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    with pytest.raises(FetchError, match=r"/nowhere/ca\.pem cannot be read: No such file"):
        http_client()


def test_errors_and_echoed_commands_hold_no_credentials() -> None:
    text = "https://u:p@x.test/a http://t0ken@y.test git@z.test https://u:${TOKEN}@x.test"
    text += " https://u:p@ss@x.test/a git+https://u:p@x.test/a@v1"
    shown = "https://****@x.test/a http://****@y.test git@z.test https://u:${TOKEN}@x.test"
    shown += " https://****@x.test/a git+https://****@x.test/a@v1"
    assert redacted(text) == shown
    assert str(LambdaBuildError(text)) == shown

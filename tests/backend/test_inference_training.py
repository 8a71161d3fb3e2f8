"""Training on small made data, from a file to a model that the function takes."""

from __future__ import annotations

import io
import json
import random
import subprocess
import tarfile
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import sklearn
from inference.model import CARD_FILE, MODEL_FILE, load_model
from inference.url import parse_url
from training.__main__ import main
from training.data import MAX_HOSTS_OF_A_DOMAIN, Data, DataError, Sample, clean, deal_paths
from training.packages import PACKAGES, fetch_packages

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def csv_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled URLs whose classes differ in host and in path."""
    maker = random.Random(5)  # noqa: S311 — the same file on every run
    words = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath", "inlet"]
    rows = ["url,label"]
    for number in range(150):
        one, other = maker.sample(words, 2)
        rows += [
            f"https://{one}{other}{number}.example/about,benign",
            f"http://secure-{one}-login{number}.test/verify/account?id={number},phishing",
        ]
    file = tmp_path_factory.mktemp("data") / "urls.csv"
    file.write_text("\n".join(rows), encoding="utf-8")
    return file


def train(csv_file: Path, output: Path) -> tuple[dict[str, Any], bytes]:
    assert main(["--csv", str(csv_file), "--licence", "ours", "--output", str(output)]) == 0
    card = json.loads((output / CARD_FILE).read_text(encoding="utf-8"))
    return card, (output / MODEL_FILE).read_bytes()


def test_a_csv_becomes_a_model_that_the_function_takes(csv_file: Path, tmp_path: Path) -> None:
    card, _ = train(csv_file, tmp_path)
    model = load_model(tmp_path)
    assert model.version == card["version"]
    honest, phishing = model.score(
        [
            parse_url("https://grovefjord7.example/about"),
            parse_url("http://secure-grove-login7.test/verify/account?id=7"),
        ]
    )
    assert honest < 0.5 < phishing
    assert card["held_out"]["auc"] > 0.99
    (source,) = card["data"]["sources"]
    assert (source["name"], source["licence"]) == ("urls.csv", "ours")
    assert source["size_bytes"] == csv_file.stat().st_size
    assert card["model"]["scikit_learn"] == sklearn.__version__


def test_the_same_data_gives_the_same_model_and_the_same_figures(
    csv_file: Path, tmp_path: Path
) -> None:
    assert train(csv_file, tmp_path / "one") == train(csv_file, tmp_path / "two")


def test_other_data_gives_another_model(csv_file: Path, tmp_path: Path) -> None:
    other = tmp_path / "urls.csv"
    lines = csv_file.read_text(encoding="utf-8").splitlines()
    other.write_text("\n".join(lines[:-40]), encoding="utf-8")
    assert train(csv_file, tmp_path / "one")[1] != train(other, tmp_path / "two")[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        (b"\xff\xfe", "cannot be read"),
        (b"address,label\nhttps://a.example/,benign\n", "line 2: the columns url and label"),
        (b"url,label\nhttps://a.example/,perhaps\n", "line 2: the columns url and label"),
        (b"url,label\n", "no phishing URL"),
        (b"url,label\nhttps://a.example/,benign\n", "no phishing URL"),
    ],
)
def test_data_that_cannot_be_trained_from_is_refused_and_nothing_is_written(
    text: bytes | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "urls.csv"
    if text is not None:
        file.write_bytes(text)
    output = tmp_path / "output"
    assert main(["--csv", str(file), "--output", str(output)]) == 1
    assert said in capsys.readouterr().err
    assert not output.exists()


def samples(*hosts: str, phishing: bool = False) -> tuple[Sample, ...]:
    return clean((f"https://{host}/", phishing, "list") for host in hosts)[0]


def test_a_domain_is_on_one_side_of_the_split_whatever_its_hosts_and_labels() -> None:
    hosts = [f"h{number}.shop{domain}.co.uk" for domain in range(60) for number in range(4)]
    both = samples(*hosts) + samples(*hosts, phishing=True)
    sides: dict[str, set[bool]] = {}
    for sample in both:
        sides.setdefault(sample.domain, set()).add(sample.held_out)
    assert len(sides) == 60
    assert all(len(side) == 1 for side in sides.values())
    held_out = sum(side == {True} for side in sides.values())
    assert 5 <= held_out <= 20


def test_whoever_rents_a_name_below_a_host_counts_as_the_host() -> None:
    (sample,) = samples("metamask-login.blogspot.com")
    assert sample.domain == "blogspot.com"


def test_one_domain_cannot_be_most_of_a_class() -> None:
    kept, dropped = clean(
        (f"https://a{number}.blogspot.com/", True, "list") for number in range(50)
    )
    assert len(kept) == MAX_HOSTS_OF_A_DOMAIN
    assert dropped == {"more than 10 of a domain": 40}


def test_what_is_listed_as_both_is_phishing_and_what_is_listed_twice_is_taken_once() -> None:
    kept, dropped = clean(
        [
            ("https://www.a.example/", False, "popular"),
            ("https://a.example/", True, "reported"),
            ("https://b.example/", False, "popular"),
            ("https://b.example/", False, "brands"),
            ("no URL", False, "popular"),
        ]
    )
    assert [(each.url.host, each.phishing, each.listed_by) for each in kept] == [
        ("a.example", True, "reported"),
        ("b.example", False, "popular"),
    ]
    assert dropped == {"listed as both": 1, "listed twice": 1, "not a URL": 1}


def test_both_classes_are_dealt_the_same_paths() -> None:
    hosts = [f"shop{number}.example" for number in range(200)]
    tails = [
        {sample.url.tail for sample in deal_paths(samples(*hosts, phishing=phishing))}
        for phishing in (True, False)
    ]
    assert tails[0] == tails[1]
    assert len(tails[0]) > 5


def test_a_host_is_dealt_one_path_whatever_else_is_in_the_data() -> None:
    alone = deal_paths(samples("a.example"))
    among = deal_paths(samples("a.example", "b.example"))
    assert [each.url.text for each in alone] == [each.url.text for each in among][:2]


LISTS = {
    "eth-phishing-detect": {
        "src/config.json": json.dumps(
            {"blacklist": ["metamask-login.test", "no host"], "whitelist": ["metamark.example"]}
        )
    },
    "top-sites": {"top-sites.json": json.dumps([{"rootDomain": "www.Popular.example"}])},
    "simple-icons": {
        "data/simple-icons.json": json.dumps(
            [{"title": "Brand", "source": "https://brand.example/press", "guidelines": ""}]
        )
    },
    "third-party-web": {
        "dist/domain-map.csv": "cdn.known.example,known.example,cdn\n"
        "who.example,who.example,unknown"
    },
}


class FakeNpm:
    """npm as training calls it: packs the lists above."""

    def __init__(self, broken: str | None = None) -> None:
        self.broken = broken

    def __call__(self, command: list[str], **_options: Any) -> subprocess.CompletedProcess[str]:
        assert command[:2] == ["npm", "pack"]
        name, _, version = command[2].partition("@")
        assert version
        folder = command[command.index("--pack-destination") + 1]
        files = {"package.json": '{"license": "MIT"}', **LISTS[name]}
        if name == self.broken:
            files = {"package.json": "{}"}
        with tarfile.open(f"{folder}/{name}.tgz", "w:gz") as archive:
            for path, text in files.items():
                member = tarfile.TarInfo(f"package/{path}")
                member.size = len(text.encode())
                archive.addfile(member, io.BytesIO(text.encode()))
        said = json.dumps([{"filename": f"{name}.tgz"}])
        return subprocess.CompletedProcess(command, 0, said, "")


def test_the_lists_are_read_from_their_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.packages.subprocess.run", FakeNpm())
    data = fetch_packages(tmp_path)
    assert {(each.url.text, each.phishing) for each in data.samples} == {
        ("https://metamask-login.test/", True),
        ("https://metamark.example/", False),
        ("https://www.popular.example/", False),
        ("https://brand.example/", False),
        ("https://cdn.known.example/", False),
    }
    assert [(source.name, source.licence) for source in data.sources] == [
        (f"npm: {package.name}", "MIT") for package in PACKAGES
    ]
    assert not data.has_paths


def test_a_package_that_is_not_what_it_was_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.packages.subprocess.run", FakeNpm(broken="top-sites"))
    with pytest.raises(DataError, match=r"top-sites@1\.1\.222 is not read"):
        fetch_packages(tmp_path)


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (FileNotFoundError(), "make train CSV=FILE"),
        (subprocess.TimeoutExpired("npm", 300), "more than 300 s"),
        (subprocess.CalledProcessError(1, "npm", stderr="E404"), "E404"),
    ],
)
def test_npms_failure_is_told(
    failure: Exception, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: Any, **_options: Any) -> None:
        raise failure

    monkeypatch.setattr("training.packages.subprocess.run", fail)
    with pytest.raises(DataError, match=said):
        fetch_packages(tmp_path)


def test_an_empty_class_is_named() -> None:
    with pytest.raises(DataError, match="no phishing URL"):
        Data(sources=(), samples=samples("a.example"), has_paths=False).check()


def test_function_development_and_card_name_one_scikit_learn(project: Path) -> None:
    requirements = (project / "backend/inference/requirements.txt").read_text(encoding="utf-8")
    groups = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
    pin = f"scikit-learn=={load_model().card['model']['scikit_learn']}"
    assert pin in requirements.splitlines()
    assert pin in groups["dependency-groups"]["dev"]

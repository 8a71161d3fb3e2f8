"""A traced request: which hops there are, that their times are measured, and how they are told."""

from __future__ import annotations

import io
import json
import re
import site
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lambda_build.function import read_function
from local_aws.alone import Alone
from local_aws.asked import asked
from local_aws.cli import Console
from local_aws.errors import DockerUnavailableError, PayloadTooLargeError, RequestError
from local_aws.trace import Hop, Trace, trace_request
from local_aws.trace.choice import choose_function, example_of
from local_aws.trace.render import WIDTH, render

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from base_images import BaseImages
    from docker_engine import Engine

    from .conftest import MakeZip

PROJECT = Path(__file__).parents[2]
GUIDE = PROJECT / "docs" / "guides" / "request-flow.md"

# The functions find FastAPI and Mangum, which are not packaged here, in this environment.
PACKAGES = f"import sys; sys.path.append({site.getsitepackages()[0]!r})\n"
FASTAPI = f"""\
{PACKAGES}
import asyncio
from fastapi import FastAPI
from mangum import Mangum

app = FastAPI()

@app.get("/fast")
async def fast():
    return "fast"

@app.get("/slow")
async def slow(seconds: float):
    await asyncio.sleep(seconds)
    return "slow"

handler = Mangum(app, lifespan="off")
"""
PLAIN = """\
import sys

def handler(event, context):
    match event["rawPath"]:
        case "/raise":
            raise ValueError("wrong")
        case "/exit":
            sys.exit(3)
    return {"statusCode": 200, "body": event.get("body", "")}
"""
MODEL = """\
class PhishingModel:
    version, threshold, card = "none", 0.5, {}

    def score(self, urls):
        return [0.0 for _ in urls]

def load_model():
    return PhishingModel()
"""
HEALTH = "def report_health(*_, **__): return {}\n"
OUTSIDE = ["HTTP", "HTTP API", "Emulator"]
RUNTIME = [*OUTSIDE, "Init", "Runtime API"]
HANDLER = [*RUNTIME, "awslambdaric", "index.handler"]


@dataclass(frozen=True, kw_only=True)
class Functions:
    folder: Path
    make_zip: MakeZip

    def zip(self, files: Mapping[str, str]) -> Alone:
        """A function of these files, packaged without a build."""
        python = f"python3.{sys.version_info.minor}"
        self.folder.joinpath("function.json").write_text(
            json.dumps({"handler": "index.handler", "runtime": python})
        )
        archive = self.folder / "function.zip"
        archive.write_bytes(self.make_zip(files))
        return Alone(source=read_function(self.folder), artefact=str(archive))

    def trace(self, source: str, path: str, body: str | None = None) -> Trace:
        return trace_request(self.zip({"index.py": source}), asked(path, body=body))


@pytest.fixture
def functions(tmp_path: Path, make_zip: MakeZip) -> Functions:
    return Functions(folder=tmp_path, make_zip=make_zip)


def names(hop: Hop) -> list[str]:
    return [each.name for each in hop.walk()]


def one(hop: Hop, name: str) -> Hop:
    (found,) = (each for each in hop.walk() if each.name == name)
    return found


def test_a_slow_endpoint_is_slow_in_its_own_hop(functions: Functions) -> None:
    slow = functions.trace(FASTAPI, "/slow?seconds=0.7").hop
    fast = functions.trace(FASTAPI, "/fast").hop

    assert names(slow) == [*HANDLER, "Mangum", "FastAPI", "slow"]
    assert names(fast) == [*HANDLER, "Mangum", "FastAPI", "fast"]
    assert one(slow, "slow").own_ms >= 700
    assert one(fast, "fast").own_ms < 700
    assert '"path": "/slow"' in one(slow, "Mangum").given[0]
    assert '"type": "http.response.start"' in one(slow, "FastAPI").gave[0]
    assert one(slow, "slow").given == ('{"seconds": 0.7}',)
    for hop in slow.walk():  # each contains those inside of it, so what is its own is never less
        assert hop.own_ms >= 0
        assert all(
            hop.began_ms <= inner.began_ms
            and inner.began_ms + inner.took_ms <= hop.began_ms + hop.took_ms
            for inner in hop.inner
        )


def test_each_hop_tells_what_really_passed_there(functions: Functions) -> None:
    trace = functions.trace(PLAIN, "/echo?a=1", '{"b": "ü"}')

    assert trace.failure == ""
    assert names(trace.hop) == HANDLER
    http, api = one(trace.hop, "HTTP"), one(trace.hop, "HTTP API")
    runtime, handler = one(trace.hop, "Runtime API"), one(trace.hop, "index.handler")
    assert http.what == "POST /echo?a=1 HTTP/1.1"
    assert http.gave == ("200 OK, content-type: text/plain;charset=UTF-8", '{"b": "ü"}')
    event = json.loads(api.given[0])
    assert (event["rawQueryString"], event["body"]) == ("a=1", '{"b": "ü"}')
    request_id = re.search(r"START RequestId: (\S+)", trace.log)
    assert request_id
    assert f"Lambda-Runtime-Aws-Request-Id: {request_id[1]}" in runtime.given
    assert runtime.given[-1] == f"and the event, {len(api.given[0].encode()):,} bytes"
    assert runtime.gave[0].endswith("/response → 202")
    assert json.loads(runtime.gave[1]) == json.loads(handler.gave[0])


def test_a_handler_that_raises_is_posted_as_an_error(functions: Functions) -> None:
    trace = functions.trace(PLAIN, "/raise")

    assert "ValueError: wrong" in trace.failure
    assert one(trace.hop, "index.handler").gave == ("raised ValueError('wrong')",)
    assert one(trace.hop, "Runtime API").gave[0].endswith("/error → 202")
    assert one(trace.hop, "HTTP").gave[0].startswith("500 Internal Server Error")


def test_of_a_function_that_ends_there_is_what_was_seen(functions: Functions) -> None:
    trace = functions.trace(PLAIN, "/exit")

    assert trace.failure
    assert names(trace.hop) == RUNTIME
    assert one(trace.hop, "Runtime API").gave == ("nothing was posted",)


def test_a_module_that_cannot_be_imported_is_told_without_an_invocation(
    functions: Functions,
) -> None:
    trace = functions.trace("raise ValueError('no start')\n", "/")

    assert "no start" in trace.failure
    assert names(trace.hop) == OUTSIDE


def test_an_event_that_is_too_large_is_refused_as_lambda_refuses_it(functions: Functions) -> None:
    with pytest.raises(PayloadTooLargeError, match="6291456 bytes"):
        functions.trace(PLAIN, "/", "x" * 6_291_456)


def test_a_container_has_the_same_hops(
    tmp_path: Path, docker_engine: Engine, base_images: BaseImages
) -> None:
    described = {"handler": "index.handler", "dependencies": "image"}
    (tmp_path / "function.json").write_text(json.dumps(described))
    (tmp_path / "index.py").write_text(PLAIN)
    (tmp_path / "Dockerfile").write_text(
        f"FROM {base_images.lambda_python}\nENV PYTHONPATH=/var/task\n"
        'COPY index.py ./\nCMD ["index.handler"]\n'
    )
    image = "traced-function:test"
    docker_engine.docker("build", "--quiet", "--network=host", "-t", image, tmp_path)
    try:
        trace = trace_request(
            Alone(source=read_function(tmp_path), artefact=image), asked("/", body="{}")
        )
    finally:
        docker_engine.docker("image", "rm", image)

    assert (trace.failure, names(trace.hop)) == ("", HANDLER)


def shape(text: str) -> list[str]:
    """The hops' lines without what is measured: indentation, arrow, name."""
    found = re.findall(r"^ *\d+\.\d ( *[→←·] .+?)(?:  .*)?$", text, flags=re.MULTILINE)
    assert found
    return found


def test_the_guide_shows_what_is_printed_for_inference(functions: Functions) -> None:
    files = dict(source_files(PROJECT / "backend" / "inference"))
    files |= dict(source_files(PROJECT / "backend" / "shared" / "src"))
    files["index.py"] = files["index.py"].replace("import asyncio\n", f"{PACKAGES}import asyncio\n")
    # Importing scikit-learn takes ten seconds here, and is no hop.
    files |= {"inference/model.py": MODEL, "inference/health.py": HEALTH}
    example = example_of(read_function(PROJECT / "backend" / "inference"))
    request = asked(example.path, body=example.body)

    trace = trace_request(functions.zip(files), request)

    assert trace.failure == ""
    (told,) = re.findall(
        r"^```text\n(ms since.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL
    )
    assert shape(told) == shape(render(trace.hop))
    assert f"→ HTTP  POST {example.path} HTTP/1.1" in told
    assert max(len(line) for line in told.splitlines()) <= WIDTH


def source_files(folder: Path) -> Iterator[tuple[str, str]]:
    for file in sorted(folder.rglob("*.py")):
        if "training" not in file.parts:
            yield str(file.relative_to(folder)), file.read_text()


LONG = "a word, " * 100
HOP = Hop(
    name="outer",
    what="does " + LONG,
    began_ms=0,
    took_ms=1234.56,
    given=(LONG,),
    gave=("same",),
    inner=(
        Hop(name="start", what="it starts", began_ms=1, took_ms=0.04),
        Hop(
            name="inner", what="works", began_ms=2, took_ms=1000, given=("x" * 150,), gave=("same",)
        ),
    ),
)


def test_a_trace_is_readable_in_a_hundred_columns() -> None:
    lines = render(HOP).splitlines()

    assert all(len(line) <= WIDTH for line in lines)
    assert lines[1].startswith("     0.0 → outer  does a word,")
    assert lines[4].endswith(f" … {len(LONG)} bytes")
    assert lines[5:] == [
        "     1.0   · start  took 0.0 ms: it starts",
        "     2.0   → inner  works",
        "             " + "x" * 87,
        "             " + "x" * 63,
        "  1002.0   ← inner  took 1000.0 ms",
        "             same",
        "  1234.6 ← outer  took 1234.6 ms, 234.5 of them its own",
        "           the same 4 bytes",
    ]


def test_colours_change_nothing_else() -> None:
    coloured = render(HOP, bold=lambda text: f"<{text}>", faint=lambda text: f"[{text}]")

    assert "→ <outer>  does" in coloured
    assert "  [the same 4 bytes]" in coloured
    assert re.sub(r"[<>\[\]]", "", coloured) == render(HOP)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colours_are_for_terminals_that_want_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal, file = Console(Terminal(), Terminal()), Console(io.StringIO(), io.StringIO())

    assert (terminal.bold("a"), terminal.faint("a")) == ("\033[1ma\033[0m", "\033[2ma\033[0m")
    assert file.bold("a") == "a"
    monkeypatch.setenv("NO_COLOR", "1")
    assert terminal.bold("a") == "a"


def test_without_docker_a_zip_function_is_traced_unless_one_was_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    said: list[str] = []

    chosen = choose_function(PROJECT, None, said.append)

    assert chosen.name == "chat"
    assert said[0].startswith("inference is a container image, which is built and run by Docker")
    assert said[0].endswith("So a ZIP function is traced instead: chat")
    assert choose_function(PROJECT, "inference", said.append).name == "inference"
    assert len(said) == 1


def test_without_any_that_can_run_the_reason_is_the_first_ones(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")
    for name in ("inference", "chat"):
        folder = tmp_path / "backend" / name
        folder.mkdir(parents=True)
        (folder / "function.json").write_text('{"dependencies": "image"}')

    with pytest.raises(DockerUnavailableError, match="inference is a container image"):
        choose_function(tmp_path, None, print)


def test_a_function_without_an_example_needs_a_path(functions: Functions) -> None:
    with pytest.raises(RequestError, match=r"make trace-request FUNCTION=\S+ PATH="):
        example_of(functions.zip({}).source)

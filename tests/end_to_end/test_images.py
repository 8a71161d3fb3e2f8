"""The functions in container images: what the images hold, and what they answer."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import httpx
import pytest
from lambda_build.docker import Containers, docker, inspect_image
from lambda_build.function import folder_function, read_function
from local_aws import alone
from local_aws.asked import asked, event_for
from local_aws.front import reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from base_images import BaseImages
    from lambda_build.function import Function
    from local_aws.alone import Alone

URLS = {"urls": ["https://en.wikipedia.org/wiki/Phishing", "https://myetherwallet-login.com/"]}
TOOLS = ("gcc", "g++", "cc", "c++", "clang", "ld", "as", "make", "pip", "pip3", "pip3.11")

# Run in an image, by root: what it should not have, and who could write to the function.
LOOK = f"""\
import importlib.util, json, os, shutil, stat
caches = [os.path.expanduser("~/.cache"), "/home", "/tmp", "/var/tmp",
          "/var/cache/dnf", "/var/cache/yum"]
modes = [os.lstat(os.path.join(at, name))
         for at, _, names in os.walk("/var/task") for name in names]
print(json.dumps({{
    "tools": [name for name in {TOOLS} if shutil.which(name)],
    "pip": importlib.util.find_spec("pip") is not None,
    "cached": [os.path.join(at, name) for top in caches for at, _, names in os.walk(top)
               for name in names],
    "files": len(modes),
    "writable": sum(mode.st_mode & 0o022 != 0 or mode.st_uid == 65534 for mode in modes),
}}))
"""

# Run in an image: what its native modules need, and what that needs, and the loader does not find.
# Libraries in a wheel's own folder are only looked at with who loads them: one that does not say
# where its neighbours are is loaded by a module that does (DT_RPATH is inherited).
LOADED = """\
import json, os, subprocess
files = [os.path.join(at, name) for at, _, names in os.walk("/var/task") for name in names
         if ".so" in name and not at.endswith(".libs")]
said = subprocess.run(["ldd", *files], capture_output=True, text=True).stdout
library, missing = "", []
for line in said.splitlines():
    if not line.startswith("\\t"):
        library = line
    elif "not found" in line:
        missing.append(library + line)
print(json.dumps({"files": len(files), "missing": missing}))
"""

USED = """\
import ctypes, hashlib, json, ssl
import numpy as np, scipy.linalg, scipy.optimize, sklearn
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.utils._openmp_helpers import _openmp_parallelism_enabled

ctypes.CDLL("libgomp.so.1")
line = np.linspace(0, 1, 200)
points = np.stack([line, 1 - line], axis=1)
fitted = HistGradientBoostingClassifier(max_iter=3).fit(points, line > 0.5)
print(json.dumps({
    "openssl": ssl.OPENSSL_VERSION_INFO[0],
    "certificates": ssl.create_default_context().verify_mode == ssl.CERT_REQUIRED,
    "sha256": hashlib.sha256(b"").hexdigest()[:8],
    "solved": scipy.linalg.solve([[2.0, 0], [0, 4]], [2, 4]).tolist(),
    "root": round(scipy.optimize.brentq(lambda x: x * x - 2, 0, 2), 4),
    "openmp": _openmp_parallelism_enabled(),
    "score": fitted.score(points, line > 0.5),
}))
"""

# Run in a container that has no network of its own: posts its stdin to the emulator in there, as
# soon as that listens.
POST = """\
import http.client, sys, time
emulator = http.client.HTTPConnection("127.0.0.1", 8080, timeout=60)
limit = time.monotonic() + 60
while True:
    try:
        emulator.connect()
        break
    except ConnectionRefusedError:
        if time.monotonic() > limit:
            raise
        time.sleep(0.05)
emulator.request("POST", "/2015-03-31/functions/function/invocations", sys.stdin.buffer.read())
print(emulator.getresponse().read().decode())
"""


@dataclass(frozen=True, kw_only=True)
class Container:
    """A container that runs, and in which nothing was replaced."""

    name: str

    def programs(self) -> set[str]:
        return set(self.run("sh", "-c", "cat /proc/[0-9]*/comm").split()) - {"sh", "cat"}

    def post(self, event: bytes) -> str:
        return self.run("python3.11", "-c", POST, stdin=event.decode())

    def run(self, *words: str, stdin: str = "") -> str:
        ended = docker("exec", "--interactive", self.name, *words, stdin=stdin)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def log(self) -> str:
        said = docker("logs", self.name)
        return said.stdout + said.stderr


@contextmanager
def running(image: str, *options: str) -> Iterator[Container]:
    name = f"test-{uuid.uuid4().hex}"
    with Containers("tests") as containers:
        started = docker(*containers.run_words(name), "--detach", *options, image)
        assert started.returncode == 0, started.stderr
        try:
            yield Container(name=name)
        finally:
            containers.end(name)


def python_in(image: str, program: str, *options: str) -> Any:
    """Return what a program prints as JSON in an image."""
    isolated = ("run", "--rm", "--network=none", *options, "--entrypoint=python3.11")
    ended = docker(*isolated, image, "-P", "-c", program)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def described(source: Path, base_image: str) -> Function:
    return folder_function(
        source,
        requirements=None,
        has_requirements=True,
        runtime=None,
        architecture=None,
        handler=None,
        base_image=base_image,
    )


@pytest.fixture(scope="module")
def inference(
    base_images: BaseImages, project: Path, tmp_path_factory: pytest.TempPathFactory
) -> Alone:
    """The image of backend/inference, with its own Dockerfile; it stays in the engine."""
    source = described(project / "backend/inference", base_images.amazon_linux)
    return alone.build(source, tmp_path_factory.mktemp("inference"), print)


def told(payload: str) -> tuple[int, Any]:
    """Return the status and the body of a function's answer, less what no two answers share."""
    answer = reply.from_payload(payload.encode())
    return answer.status, common(answer.body)


def common(body: bytes) -> Any:
    value = json.loads(body)
    return {name: each for name, each in value.items() if name != "request_id"}


@pytest.fixture
def laptop(project: Path) -> Iterator[str]:
    """The URL of the inference application, served by uvicorn."""
    served = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "inference.app:app", "--port", "0"],
        cwd=project / "backend/inference",
        env={**os.environ, "PYTHONPATH": str(project / "backend/shared/src")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    with served:
        assert served.stderr is not None
        said = (re.search(r"running on (http://\S+)", line) for line in served.stderr)
        yield next(found[1] for found in said if found)
        served.terminate()
        served.stderr.read()


def test_inference_answers_from_its_image_as_on_a_laptop(inference: Alone, laptop: str) -> None:
    requests = [
        asked("/inference", body=json.dumps(URLS)),
        asked("/inference/", body=json.dumps({"url": URLS["urls"][1]})),
        asked("/inference", body=json.dumps({"url": "ftp://example.com"})),
        asked("/inference", body="no JSON"),
        asked("/inference/model"),
        asked("/inference/nothing"),
    ]
    with running(inference.artefact, "--network=none") as container:
        answers = [told(container.post(event_for(request))) for request in requests]
        assert "aws-lambda-rie" in container.programs()
    for request, (status, body) in zip(requests, answers, strict=True):
        same = httpx.request(
            request.method,
            f"{laptop}{request.path}",
            content=request.body,
            headers=dict(request.headers) | {"host": "127.0.0.1"},
            timeout=60,
        )
        assert (status, body) == (same.status_code, common(same.content))
    assert [status for status, _ in answers] == [200, 200, 422, 422, 200, 404]
    verdicts = [result["verdict"] for result in answers[0][1]["results"]]
    assert verdicts == ["not_phishing", "phishing"]


def test_the_image_of_inference_holds_no_tools_and_runs_as_nobody(inference: Alone) -> None:
    found = inspect_image(inference.artefact)
    assert found is not None
    print(f"{inference.artefact}: {found['Size'] / 1e6:.1f} MB")
    assert found["Config"]["User"] == "65534:65534"
    labels = found["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == "inference"
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", labels["org.opencontainers.image.revision"])
    seen = python_in(inference.artefact, LOOK, "--user=0")
    assert seen.pop("files") > 1000
    assert seen == {"tools": [], "pip": False, "cached": [], "writable": 0}


def test_no_native_library_in_the_image_misses_another(inference: Alone) -> None:
    seen = python_in(inference.artefact, LOADED)
    assert seen["missing"] == []
    assert seen["files"] > 150


def test_numpy_scipy_and_scikit_learn_work_with_the_image_s_libraries(inference: Alone) -> None:
    assert python_in(inference.artefact, USED) == {
        "openssl": 3,
        "certificates": True,
        "sha256": "e3b0c442",
        "solved": [1.0, 1.0],
        "root": 1.4142,
        "openmp": True,
        "score": 1.0,
    }


def test_a_changed_line_changes_the_last_layer_of_inference_and_nothing_else(
    base_images: BaseImages, project: Path, tmp_path: Path
) -> None:
    # Its Dockerfile around one small module: what is in the layers is of no account here.
    folder = tmp_path / f"layers-{uuid.uuid4().hex[:12]}"
    folder.mkdir()
    for name in ("Dockerfile", "entry.sh", "function.json"):
        shutil.copy(project / "backend/inference" / name, folder)
    (folder / "requirements.txt").write_text("")
    references = []
    for line in ("", "# Changed.\n"):
        (folder / "index.py").write_text(f"def handler(event, context):\n    return event\n{line}")
        function = described(folder, base_images.amazon_linux)
        references.append(alone.build(function, tmp_path, print).artefact)
    images = [inspect_image(reference) for reference in references]
    docker("image", "rm", *references)
    before, after = (image["RootFS"]["Layers"] for image in images if image)
    assert len(before) > 4
    assert before[:-1] == after[:-1]
    assert before[-1] != after[-1]


class RuntimeApi:
    """Lambda's Runtime API, as far as one invocation needs it: "Using the Lambda runtime API"."""

    def __init__(self, event: bytes) -> None:
        api = self
        self.answered = threading.Event()
        self.answer = b""
        events = iter([event])
        closing = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                assert self.path == "/2018-06-01/runtime/invocation/next"
                body = next(events, None)
                if body is None:  # as Lambda, it lets the function wait for work
                    closing.wait(60)
                    self.close_connection = True
                    return
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", "one")
                self.send_header("Lambda-Runtime-Deadline-Ms", "4102444800000")
                self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:::f")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                api.answer = self.rfile.read(int(self.headers["Content-Length"]))
                assert self.path == "/2018-06-01/runtime/invocation/one/response", api.answer
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()
                api.answered.set()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._closing = closing
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def test_on_lambda_the_emulator_never_starts(inference: Alone) -> None:
    event = event_for(asked("/inference", body=json.dumps(URLS)))
    with RuntimeApi(event) as api:
        lambda_s = f"--env=AWS_LAMBDA_RUNTIME_API={api.address}"
        with running(inference.artefact, "--network=host", "--read-only", lambda_s) as container:
            assert api.answered.wait(60), container.log()
            assert container.programs() == {"python3.11"}
            assert "rapid" not in container.log()  # the emulator's name for itself
    status, body = told(api.answer.decode())
    assert (status, len(body["results"])) == (200, 2)


def test_without_an_emulator_an_image_says_that_it_is_on_no_lambda(inference: Alone) -> None:
    hidden = ("--network=none", "--env=PATH=/usr/bin:/bin")
    ended = docker("run", "--rm", *hidden, inference.artefact)
    assert ended.returncode == 1
    assert ended.stderr == (
        "entry.sh: AWS_LAMBDA_RUNTIME_API is not set, and there is no emulator here\n"
    )


def test_another_model_than_the_card_s_answers_nothing(
    inference: Alone, project: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model.npz"
    data = bytearray((project / "backend/inference/inference/trained/model.npz").read_bytes())
    data[-1] ^= 1
    model.write_bytes(data)
    mounted = f"--volume={model}:/var/task/inference/trained/model.npz:ro"
    with running(inference.artefact, "--network=none", mounted) as container:
        said = container.post(event_for(asked("/inference", body=json.dumps(URLS))))
    error = json.loads(said)
    assert error["errorType"] == "ModelFileError"
    assert "model.npz is not the file that its card describes" in error["errorMessage"]
    assert "make train" in error["errorMessage"]


def test_chat_answers_from_an_image_by_one_word_as_from_its_zip(
    base_images: BaseImages, project: Path, tmp_path: Path
) -> None:
    shutil.copytree(project / "backend", tmp_path / "backend")
    folder = tmp_path / "backend" / "chat"
    zipped = read_function(folder)
    file = folder / "function.json"
    text = file.read_text("utf-8")
    assert text.count('"zip"') == 1
    file.write_text(text.replace('"zip"', '"image"'), "utf-8")
    imaged = described(folder, base_images.lambda_python)
    hello = {"messages": [{"role": "user", "content": "Hello"}]}
    requests = [
        asked("/chat", body=json.dumps(hello)),
        asked("/chat", body=json.dumps({"messages": []})),
        asked("/chat/health"),
        asked("/chat/nothing"),
    ]
    answers = []
    for function in (zipped, imaged):
        built = alone.build(function, tmp_path, print)
        assert built.is_image == (function is imaged)
        with alone.started(built) as emulator:
            results = [emulator.invoke(event_for(request)) for request in requests]
        answers.append([told(result.payload.decode()) for result in results])
    for each in answers:  # the base may have another patch release of Python
        assert each[2][1].pop("python").startswith("3.11.")
    assert answers[0] == answers[1]
    assert [status for status, _ in answers[1]] == [200, 400, 200, 404]
    assert "stand-in" in answers[1][0][1]["message"]["content"]

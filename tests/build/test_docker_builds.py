"""Native code that is published as source, or lies in a folder, is compiled in Docker on request.

Docker is a program of the test here, which runs what it is given on this machine: what is sent to a
container and what comes back is seen without one. What only a container shows comes last.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from build.test_source_distributions import make_sdist
from build.tiny import (
    BACKEND,
    bytes_in,
    default_cache,
    found_in,
    make_function,
    make_wheel,
    names_in,
    project_tree,
    until,
)
from build.tiny_elf import ARM64, make_elf
from lambda_build import docker_builds
from lambda_build.build import package
from lambda_build.cache import sha256_of
from lambda_build.cli import main
from lambda_build.docker_builds import VARIABLE, image_for
from lambda_build.errors import (
    DockerError,
    ImageError,
    LambdaBuildError,
    ResolutionError,
    ToolError,
    UsageError,
    WheelError,
)
from lambda_build.function import read_function
from lambda_build.inputs import read_inputs
from lambda_build.interpreters import find_interpreter
from lambda_build.locking import built_later, lock_function
from lambda_build.manifest import read_manifest
from lambda_build.target import Architecture, Runtime, Target
from lambda_build.terraform import answer

if TYPE_CHECKING:
    from pathlib import Path

    from base_images import BaseImages
    from build.tiny import Index
    from docker_engine import Engine
    from lambda_build.cache import Cache
    from lambda_build.function import Function

SETUP = "setup(ext_modules=[])"  # what tells that it is compiled
TAG = "cp311-cp311-linux_x86_64"
_PATIENCE_S = 300  # others may keep the machine busy


def native_backend(elf: bytes = b"", tag: str = TAG) -> str:
    """Return a backend that says that it compiled an extension module."""
    module = "one/_c.cpython-311-x86_64-linux-gnu.so"
    return f"ELF = {elf or make_elf()!r}\n" + BACKEND.replace(
        "    rows = []", f"    members[{module!r}] = ELF\n    rows = []"
    ).replace("py3-none-any", tag)


def native_sdist(wheels: Path, backend: str | None = None, **files: str) -> Path:
    text = native_backend() if backend is None else backend
    return make_sdist(wheels, files={"backend.py": text, "setup.py": SETUP, **files})


def a_function(tmp_path: Path, *requirements: str, **more: Any) -> Function:
    wanted = found_in("../wheels", *(requirements or ("one",)))
    return replace(make_function(tmp_path / "chat", wanted, **more), build_in_docker=True)


@dataclass(frozen=True, kw_only=True)
class FakeDocker:
    """A docker that runs containers' programs on this machine, and what it was asked."""

    folder: Path

    def asks(self) -> list[list[str]]:
        log = self.folder / "asked"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    @property
    def runs(self) -> list[list[str]]:
        return [words for words in self.asks() if words[0] == "run"]

    @property
    def stdin(self) -> str:
        return (self.folder / "stdin").read_text()

    def instead(self, script: str) -> None:
        """From now on, a run is this instead."""
        (self.folder / "instead").write_text(script)

    def has_image_for(self, machine: str) -> None:
        (self.folder / "machine").write_text(machine)


_FAKE = """\
#!{python}
import json, os, pathlib, subprocess, sys
folder = pathlib.Path(__file__).parent
words = sys.argv[1:]
with open(folder / "asked", "a") as log:
    log.write(json.dumps(words) + "\\n")
if words[:2] == ["image", "inspect"]:
    print(json.dumps({{"Architecture": (folder / "machine").read_text()}}))
elif words[0] == "version":
    print("amd64")
elif words[0] == "run":
    if (folder / "instead").exists():
        os.execv("/bin/sh", ["sh", folder / "instead"])
    told = sys.stdin.read()
    (folder / "stdin").write_text(told)
    program = words[words.index("-I") :]
    sys.exit(subprocess.run([{python!r}, *program], input=told, text=True).returncode)
"""


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDocker:
    """A docker whose containers are this machine."""
    folder = tmp_path / "fake"
    folder.mkdir()
    program = folder / "docker"
    program.write_text(_FAKE.format(python=os.fspath(find_interpreter("3.11") or sys.executable)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    found = FakeDocker(folder=folder)
    found.has_image_for("amd64")
    return found


def test_a_native_package_is_compiled_once_for_each_target_and_image(
    tmp_path: Path, wheels: Path, cache: Cache, fake: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    native_sdist(wheels)
    function = a_function(tmp_path)
    _, lock, _ = lock_function(function)
    assert [pin.filename for pin in lock.pins] == ["one-1.0.tar.gz"]
    built = package(function, tmp_path / "a.zip", cache)
    assert dict(built.packages) == {"one": "1.0"}
    assert "one/_c.cpython-311-x86_64-linux-gnu.so" in names_in(built.path)
    manifest = read_manifest(tmp_path / "a.manifest.json")
    assert manifest is not None
    assert [one["name"] for one in manifest["sbom"]["components"]] == ["one"]
    asked = len(fake.asks())
    (tmp_path / "chat" / "index.py").write_text("def handler(event, context): ...\n")
    second = package(function, tmp_path / "b.zip", cache)
    assert second.digest != built.digest
    assert len(fake.asks()) == asked  # docker is not even asked
    monkeypatch.setenv(VARIABLE, "another:image")
    third = package(function, tmp_path / "c.zip", cache)
    assert third.digest != second.digest  # another compiler makes another package
    assert len(fake.runs) == 2
    assert "another:image" in fake.runs[-1]


@pytest.mark.parametrize(
    ("runtime", "architecture", "image"),
    [
        (Runtime.PYTHON3_11, "x86_64", "public.ecr.aws/sam/build-python3.11:latest-x86_64"),
        (Runtime.PYTHON3_13, "arm64", "public.ecr.aws/sam/build-python3.13:latest-arm64"),
    ],
)
def test_the_image_is_that_of_the_target(runtime: Runtime, architecture: str, image: str) -> None:
    assert image_for(Target(runtime=runtime, architecture=Architecture(architecture))) == image


def test_the_container_gets_source_and_wheels_and_nothing_of_this_machine(
    tmp_path: Path, wheels: Path, cache: Cache, fake: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV_INDEX_PRIVATE_PASSWORD", "s3cret")
    native_sdist(wheels)
    requirements = "--extra-index-url https://me:s3cret@index.test/\n" + found_in(
        "../wheels", "one"
    )
    function = replace(make_function(tmp_path / "chat", requirements), build_in_docker=True)
    package(function, tmp_path / "chat.zip", cache)
    (words,) = fake.runs
    assert words[:2] == ["run", "--rm"]
    assert words[words.index("--entrypoint") + 1] == "python3.11"
    assert not {"--env", "-e", "--env-file", "--volume", "-v", "--mount"} & set(words)
    assert "s3cret" not in fake.stdin + " ".join(words)


def test_without_being_asked_a_native_package_is_refused_and_the_flag_is_named(
    tmp_path: Path, wheels: Path, cache: Cache, fake: FakeDocker
) -> None:
    native_sdist(wheels)
    function = replace(a_function(tmp_path), build_in_docker=False)
    with pytest.raises(WheelError, match=r"--build-in-docker .*\"build_in_docker\": true"):
        package(function, tmp_path / "chat.zip", cache)
    assert fake.asks() == []


def test_a_pure_package_needs_no_docker(
    tmp_path: Path, wheels: Path, cache: Cache, fake: FakeDocker
) -> None:
    make_sdist(wheels)
    package(a_function(tmp_path), tmp_path / "chat.zip", cache)
    assert fake.asks() == []


@pytest.mark.parametrize("change", [TAG, "py3-none-any"])
def test_a_package_that_turns_out_native_is_built_again_in_docker(
    tmp_path: Path, wheels: Path, cache: Cache, fake: FakeDocker, change: str
) -> None:
    # Here it becomes one thing, and in the container, where nothing of TINY is set, another.
    backend = native_backend(tag=change)
    make_sdist(wheels, files={"backend.py": backend})
    built = package(a_function(tmp_path), tmp_path / "chat.zip", cache)
    assert "one/_c.cpython-311-x86_64-linux-gnu.so" in names_in(built.path)
    assert len(fake.runs) == 1


def test_where_there_is_no_docker_the_next_step_is_named(
    tmp_path: Path,
    wheels: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    native_sdist(wheels)
    a_function(tmp_path)
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "python3.11").symlink_to(find_interpreter("3.11") or sys.executable)
    monkeypatch.setenv("PATH", str(programs))
    words = ["--source", str(tmp_path / "chat"), "--output", str(tmp_path / "chat.zip")]
    with pytest.raises(SystemExit) as ended:
        main(["package", *words, "--build-in-docker"])
    assert ended.value.code == 17
    said = capsys.readouterr().err
    assert "one 1.0 has native code, which is compiled in Docker:\ndocker is not on this" in said
    assert "\n    docker version" in said
    assert not (tmp_path / "chat.zip").exists()


def test_a_build_that_fails_shows_the_end_of_what_the_compiler_says(
    tmp_path: Path, wheels: Path, cache: Cache, fake: FakeDocker
) -> None:
    said = b"noise\n" * 30 + b"one.c:1: error: no cheese\n"
    native_sdist(wheels, f"import os\nos.write(2, {said!r})\nos._exit(1)\n")
    with pytest.raises(ToolError) as refused:
        package(a_function(tmp_path), tmp_path / "chat.zip", cache)
    told = str(refused.value)
    assert "one 1.0 cannot be built from one-1.0.tar.gz in public.ecr.aws/sam/" in told
    assert "\n    one.c:1: error: no cheese\n" in told
    assert told.count("noise") < 15
    assert f"export {VARIABLE}=" in told


@pytest.mark.parametrize(
    ("script", "error", "said"),
    [
        ("echo 'exec user process caused: exec format error' >&2; exit 1", DockerError, "binfmt"),
        ("echo 'executable file not found in $PATH' >&2; exit 127", DockerError, "no python3.11"),
        ("echo 'something else' >&2; exit 125", DockerError, r"cannot run public(?s:.)*else"),
        ("exit 137", ToolError, "nothing; exit code 137"),
        ("sleep 9", DockerError, "did not end within"),
    ],
)
def test_what_keeps_a_container_from_compiling_is_told(
    tmp_path: Path,
    wheels: Path,
    fake: FakeDocker,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    error: type[LambdaBuildError],
    said: str,
) -> None:
    if "sleep" in script:
        monkeypatch.setattr(docker_builds, "LONGEST_S", 0.3)
    fake.instead(script)
    native_sdist(wheels)
    with pytest.raises(error, match=f"one 1.0 cannot be (?s:.)*{said}"):
        package(a_function(tmp_path), tmp_path / "chat.zip", default_cache())


def test_an_image_for_another_machine_is_refused(
    tmp_path: Path, wheels: Path, cache: Cache, fake: FakeDocker
) -> None:
    native_sdist(wheels)
    function = a_function(tmp_path, architecture=Architecture.ARM64)
    with pytest.raises(ImageError, match=r"latest-arm64 is for linux/amd64, and the function runs"):
        package(function, tmp_path / "chat.zip", cache)
    fake.has_image_for("arm64")
    with pytest.raises(WheelError, match=r"x86_64.whl does not run on python3.11-arm64"):
        package(function, tmp_path / "chat.zip", cache)
    assert fake.runs[-1][-6:-3] == ["--platform", "linux/arm64", image_for(function.target)]


@pytest.mark.parametrize(
    ("backend", "said"),
    [
        (native_backend(make_elf(machine=ARM64)), "library for arm64"),
        (native_backend(make_elf(versions={"libc.so.6": ("GLIBC_2.30",)})), "needs GLIBC_2.30"),
        (native_backend(make_elf(needed=("libpq.so.5",))), "needs libpq.so.5"),
        (native_backend(tag="cp312-cp312-linux_x86_64"), "does not run on python3.11-x86_64"),
        (native_backend().replace("sha256=", "sha256=AAAA"), "is not the file that its RECORD"),
        (native_backend().replace("return filename", "return '../a.whl'"), "No such file"),
    ],
)
def test_what_was_compiled_is_checked_as_every_wheel_is(
    tmp_path: Path, wheels: Path, cache: Cache, fake: FakeDocker, backend: str, said: str
) -> None:
    native_sdist(wheels, backend)
    with pytest.raises(LambdaBuildError, match=said):
        package(a_function(tmp_path), tmp_path / "chat.zip", cache)
    assert len(fake.runs) == 1


def test_a_container_cannot_choose_where_its_wheel_is_written(
    tmp_path: Path, wheels: Path, cache: Cache, fake: FakeDocker
) -> None:
    fake.instead("""cat >/dev/null; echo '{"filename": "../one.whl", "data": ""}'""")
    native_sdist(wheels)
    with pytest.raises(WheelError, match=r"says that its wheel is '\.\./one\.whl'"):
        package(a_function(tmp_path), tmp_path / "chat.zip", cache)


def test_a_backend_that_cannot_be_had_is_named_with_the_package_that_needs_it(
    tmp_path: Path, wheels: Path, cache: Cache, fake: FakeDocker
) -> None:
    system = '[build-system]\nrequires = ["cheese"]\nbuild-backend = "cheese"\n'
    native_sdist(wheels, **{"pyproject.toml": system})
    with pytest.raises(ResolutionError, match=r"one 1\.0 needs cheese to be built"):
        package(a_function(tmp_path), tmp_path / "chat.zip", cache)
    assert fake.runs == []


def test_a_folder_with_native_code_is_compiled_too_and_again_when_it_changes(
    tmp_path: Path, cache: Cache, fake: FakeDocker
) -> None:
    project_tree(tmp_path / "one", "one")
    (tmp_path / "one" / "backend.py").write_text(native_backend())
    (tmp_path / "one" / "setup.py").write_text(SETUP)
    function = replace(make_function(tmp_path / "chat", "../one\n"), build_in_docker=True)
    for _ in range(2):
        built = package(function, tmp_path / "chat.zip", cache)
        assert "one/_c.cpython-311-x86_64-linux-gnu.so" in names_in(built.path)
        (tmp_path / "chat" / "index.py").write_text("def handler(event, context): ...\n")
    assert len(fake.runs) == 1
    (tmp_path / "one" / "one" / "more.py").touch()
    assert "one/more.py" in names_in(package(function, tmp_path / "chat.zip", cache).path)
    assert len(fake.runs) == 2


def test_a_folder_that_was_compiled_here_is_compiled_in_docker_once_that_is_asked_for(
    tmp_path: Path, cache: Cache, fake: FakeDocker
) -> None:
    project_tree(tmp_path / "one", "one")
    (tmp_path / "one" / "backend.py").write_text(native_backend())  # nothing tells beforehand
    function = make_function(tmp_path / "chat", "../one\n")
    first = package(function, tmp_path / "a.zip", cache)
    assert fake.runs == []
    second = package(replace(function, build_in_docker=True), tmp_path / "b.zip", cache)
    assert len(fake.runs) == 1
    assert first.digest != second.digest


def test_a_folder_that_was_compiled_on_a_newer_system_is_refused_and_the_flag_is_named(
    tmp_path: Path, cache: Cache
) -> None:
    project_tree(tmp_path / "one", "one")
    elf = make_elf(versions={"libc.so.6": ("GLIBC_2.38",)})
    (tmp_path / "one" / "backend.py").write_text(native_backend(elf))
    function = make_function(tmp_path / "chat", "../one\n")
    with pytest.raises(
        WheelError, match=r"GLIBC_2\.38(?s:.)*compiled in Docker.*--build-in-docker"
    ):
        package(function, tmp_path / "chat.zip", cache)


def test_a_folder_that_does_not_fit_is_refused_and_the_flag_is_named(
    tmp_path: Path, cache: Cache
) -> None:
    project_tree(tmp_path / "one", "one")
    (tmp_path / "one" / "backend.py").write_text(native_backend())
    function = make_function(tmp_path / "chat", "../one\n", architecture=Architecture.ARM64)
    with pytest.raises(WheelError, match="compiled in Docker:\n    --build-in-docker"):
        package(function, tmp_path / "chat.zip", cache)


def test_a_package_that_has_wheels_for_other_systems_only_is_compiled(
    tmp_path: Path, wheels: Path, cache: Cache, fake: FakeDocker
) -> None:
    make_wheel(wheels, "one", "1.0", tag="cp311-cp311-win_amd64")
    native_sdist(wheels)
    function = a_function(tmp_path)
    with pytest.raises(WheelError, match=r"compiled in Docker:\n    --build-in-docker"):
        lock_function(replace(function, build_in_docker=False))
    _, lock, _ = lock_function(function)
    assert [pin.filename for pin in lock.pins] == ["one-1.0.tar.gz"]
    built = package(function, tmp_path / "chat.zip", cache)
    assert "one/_c.cpython-311-x86_64-linux-gnu.so" in names_in(built.path)
    make_wheel(wheels, "one", "0.9", tag="cp311-cp311-manylinux_2_17_x86_64")
    _, lock, _ = lock_function(function, upgrade=True)
    assert [pin.version for pin in lock.pins] == ["0.9"]  # a wheel is preferred still


def test_a_lock_of_another_tool_says_what_is_compiled(
    tmp_path: Path, wheels: Path, cache: Cache, fake: FakeDocker
) -> None:
    windows = make_wheel(wheels, "one", "1.0", tag="cp311-cp311-win_amd64")
    sdist = native_sdist(wheels)
    rows = [
        f'{{path = "../wheels/{file.name}", hashes = {{sha256 = "{sha256_of(file)}"}}}}'
        for file in (windows, sdist)
    ]
    function = make_function(tmp_path / "chat", None)
    (tmp_path / "chat" / "pylock.toml").write_text(
        'lock-version = "1.0"\n[[packages]]\nname = "one"\nversion = "1.0"\n'
        f"wheels = [{rows[0]}]\nsdist = {rows[1]}\n"
    )
    function = replace(function, requirements=tmp_path / "chat" / "pylock.toml")
    with pytest.raises(
        WheelError, match=r"one 1\.0 has no wheel for python3\.11(?s:.)*--build-in-docker"
    ):
        package(function, tmp_path / "chat.zip", cache)
    function = replace(function, build_in_docker=True)
    assert dict(package(function, tmp_path / "chat.zip", cache).packages) == {"one": "1.0"}
    assert len(fake.runs) == 1


def test_asking_for_docker_where_nothing_is_built_changes_no_digest(
    tmp_path: Path, wheels: Path, cache: Cache
) -> None:
    make_wheel(wheels)
    function = a_function(tmp_path)
    lock_function(function)
    without = replace(function, build_in_docker=False)
    assert read_inputs(function, cache).digest == read_inputs(without, cache).digest


def test_locking_says_what_will_be_compiled(tmp_path: Path, wheels: Path) -> None:
    native_sdist(wheels)
    _, lock, _ = lock_function(a_function(tmp_path))
    assert "refused if it has native code, unless Docker compiles it (--build-in-docker)" in (
        "".join(built_later(lock))
    )
    assert "in Docker if it has native code" in "".join(built_later(lock, in_docker=True))


def test_a_function_says_in_its_json_that_docker_compiles(tmp_path: Path) -> None:
    description = tmp_path / "function.json"
    description.write_text('{"build_in_docker": true}')
    assert read_function(tmp_path).build_in_docker
    description.write_text("{}")
    assert not read_function(tmp_path).build_in_docker
    description.write_text('{"build_in_docker": "yes"}')
    with pytest.raises(UsageError, match="build_in_docker is true or false"):
        read_function(tmp_path)


def test_the_command_line_asks_for_docker_for_functions_of_the_project(
    tmp_path: Path, wheels: Path, fake: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    native_sdist(wheels)
    make_function(tmp_path / "backend" / "chat", found_in("../../wheels", "one"))
    (tmp_path / "backend" / "chat" / "function.json").write_text('{"handler": "index.handler"}')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["package", "chat", "--build-in-docker"])
    assert len(fake.runs) == 1
    assert (tmp_path / "lambda_packages" / "chat.zip").exists()


def test_terraform_asks_for_docker(
    tmp_path: Path, wheels: Path, fake: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    native_sdist(wheels)
    a_function(tmp_path)
    monkeypatch.chdir(tmp_path)
    query = {
        "name": "chat",
        "source": "chat",
        "requirements": "requirements.txt",
        "runtime": "python3.11",
        "architecture": "x86_64",
        "handler": "index.handler",
        "output_dir": "out",
        "archive_above_bytes": "1000000",
    }
    with pytest.raises(WheelError, match="published as source only"):
        answer(json.dumps({**query, "build_in_docker": "false"}))
    told = answer(json.dumps({**query, "build_in_docker": "true"}))
    assert (tmp_path / told["source_dir"] / "one" / "_c.cpython-311-x86_64-linux-gnu.so").exists()
    assert len(fake.runs) == 1
    with pytest.raises(UsageError, match="build_in_docker is 'yes'"):
        answer(json.dumps({**query, "build_in_docker": "yes"}))


# In containers

# Without Python.h, which stand-ins lack: what PyModuleDef and PyMethodDef are, by the C API's
# documentation.
C_SOURCE = """\
extern void *PyLong_FromLong(long);
extern void *PyModule_Create2(void *, int);
static void *answer(void *self, void *none) { return PyLong_FromLong(42); }
static struct { const char *name; void *call; int flags; const char *doc; } methods[] =
    {{"answer", answer, 4, 0}, {0, 0, 0, 0}};
static struct {
    long base[5]; const char *name, *doc; long size; void *methods, *slots, *more[3];
} definition = {{1}, "_c", 0, -1, methods};
void *PyInit__c(void) { return PyModule_Create2(&definition, 1013); }
"""

# Compiles `one/_c.c`; it comes in a wheel, and asks for another one.
COMPILING = (
    BACKEND.replace(
        "    rows = []",
        """\
    import os, platform, subprocess, sysconfig, tiny_tool
    module = "one/_c" + sysconfig.get_config_var("EXT_SUFFIX")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", module, "one/_c.c"], check=True)
    members[module] = pathlib.Path(module).read_bytes()
    members["one/environment.py"] = repr(dict(os.environ)).encode()
    rows = []""",
    ).replace(
        'filename = f"{name}-{version}-py3-none-any.whl"',
        'filename = f"{name}-{version}-cp311-cp311-linux_{platform.machine()}.whl"',
    )
    + """
def get_requires_for_build_wheel(config_settings=None):
    return ["tiny-tool"]
"""
)


@pytest.fixture
def compiler(
    base_images: BaseImages, docker_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> str:
    """The name of an image with a compiler, which is the one to compile in."""
    from compiler_image import provide_compiler_image  # noqa: PLC0415 - as conftest's fixtures

    image = provide_compiler_image(docker_engine, base_images)
    monkeypatch.setenv(VARIABLE, image)
    return image


def compiled_function(tmp_path: Path, index: Index, c_source: str) -> Function:
    """Return a function of a source distribution whose backend a private index has."""
    make_wheel(index.wheels, "tiny_backend", "1.0", files={"tiny_backend.py": COMPILING})
    make_wheel(index.wheels, "tiny_tool", "1.0", files={"tiny_tool.py": ""})
    project = (
        '[project]\nname = "one"\nversion = "1.0"\n'
        '[build-system]\nrequires = ["tiny-backend"]\nbuild-backend = "tiny_backend"\n'
    )
    (tmp_path / "sources").mkdir()
    files = {"pyproject.toml": project, "setup.py": SETUP, "one/_c.c": c_source}
    make_sdist(tmp_path / "sources", files=files)
    index.credentials = "me:s3cret"
    private = index.url.replace("://", f"://{index.credentials}@")
    source = "from one import _c\ndef handler(event, context):\n    return _c.answer()\n"
    function = make_function(
        tmp_path / "chat",
        f"--index-url {private}\n--find-links ../sources\none\n",
        files={"index.py": source},
    )
    return replace(function, build_in_docker=True)


def test_what_a_container_compiled_runs_in_the_runtime_and_saw_nothing_of_this_machine(
    tmp_path: Path,
    index: Index,
    cache: Cache,
    compiler: str,
    base_images: BaseImages,
    docker_engine: Engine,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cret")
    built = package(compiled_function(tmp_path, index, C_SOURCE), tmp_path / "chat.zip", cache)
    environment = bytes_in(built.path, "one/environment.py")
    assert b"PATH" in environment
    assert b"s3cret" not in environment
    assert (cache.root / "projects").stat().st_uid == os.getuid()
    calls = (
        "import io, sys, zipfile; zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read()))"
        ".extractall('/tmp/task'); sys.path.insert(0, '/tmp/task'); import index; "
        "print(index.handler(None, None), index._c.__file__)"
    )
    said = subprocess.run(
        [
            *("docker", "run", "--rm", "--interactive", "--network=host"),
            *("--entrypoint", "python3.11", base_images.lambda_python, "-c", calls),
        ],
        input=built.path.read_bytes(),
        capture_output=True,
        env=docker_engine.environment,
        timeout=_PATIENCE_S,
        check=True,
    ).stdout.decode()
    assert said.startswith("42 /tmp/task/one/_c.cpython-311-")


def test_a_compiler_in_a_container_is_quoted(
    tmp_path: Path, index: Index, cache: Cache, compiler: str
) -> None:
    function = compiled_function(tmp_path, index, "int x = no_cheese;\n")
    with pytest.raises(ToolError, match=rf"in {compiler}; it ended with:(?s:.)*_c\.c:1:.*error.*"):
        package(function, tmp_path / "chat.zip", cache)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_build_that_is_ended_leaves_no_container(
    tmp_path: Path, wheels: Path, compiler: str, docker_engine: Engine, number: signal.Signals
) -> None:
    native_sdist(wheels, "import time\ntime.sleep(60)\n")
    a_function(tmp_path)
    script = "from lambda_build.cli import main; main()"
    words = ["package", "--source", tmp_path / "chat", "--output", tmp_path / "chat.zip"]
    with (tmp_path / "said").open("w") as said:
        build = subprocess.Popen(
            [sys.executable, "-c", script, *map(str, words), "--build-in-docker", "--verbose"],
            stdout=subprocess.DEVNULL,
            stderr=said,
            env=docker_engine.environment,
        )

    def container() -> str:
        named = re.search(r"--name (lambda-build-\w+)", (tmp_path / "said").read_text())
        filters = ("--filter", f"name={named[1]}") if named else ("--filter", "name=no")
        return docker_engine.docker("ps", "--all", "--quiet", *filters).strip()

    until(container, within_s=_PATIENCE_S)
    build.send_signal(number)
    assert build.wait(_PATIENCE_S) == (-number if number == signal.SIGKILL else 128 + number)
    until(lambda: not container(), within_s=_PATIENCE_S)
    assert not (tmp_path / "chat.zip").exists()

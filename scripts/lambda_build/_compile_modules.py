"""Compiles modules with the Python that runs this: a program, not a module of lambda_build.

It runs under the target's Python with nothing but its standard library, reads a plan as JSON
from stdin and writes the bytecode into one ZIP:

    {"output": FILE, "prefix": "/var/task",
     "modules": [{"path", "file", "member" | null, "sha256"}, …]}

It prints {"sha256": {path: hex, …}, "failed": [[path, reason], …], "changed": [path, …]}: what it
wrote, which modules this Python cannot compile, and which are not what their hash says.
"""

import hashlib
import importlib.util
import json
import marshal
import sys
import zipfile
from contextlib import ExitStack

# The oldest time that a ZIP can hold: the same in every build.
_TIME = (1980, 1, 1, 0, 0, 0)

_to_hash_pyc = importlib._bootstrap_external._code_to_hash_pyc  # type: ignore[attr-defined]  # noqa: SLF001


def _compiled(source: bytes, name: str) -> bytes:
    # `unchecked` is said in the file's flags: a package's files never change, and their times mean
    # nothing, so the import system need not look at the source at all (PEP 552).
    code = compile(source, name, "exec", dont_inherit=True, optimize=0)
    # Twice through marshal: whether a reference is flagged depends on who else holds the object.
    code = marshal.loads(marshal.dumps(code))  # noqa: S302 - made a line above
    # As py_compile does it; the last argument is `checked`.
    data: bytearray = _to_hash_pyc(code, importlib.util.source_hash(source), False)  # noqa: FBT003
    return bytes(data)


def _main() -> None:
    plan = json.load(sys.stdin)
    failed = []
    changed = []
    written = {}
    with ExitStack() as stack, zipfile.ZipFile(plan["output"], "w") as output:
        archives: dict[str, zipfile.ZipFile] = {}
        for module in plan["modules"]:
            path, file, member = module["path"], module["file"], module["member"]
            if member is None:
                with open(file, "rb") as opened:  # noqa: PTH123 - pathlib costs 10 ms to import
                    source = opened.read()
            else:
                if file not in archives:
                    archives[file] = stack.enter_context(zipfile.ZipFile(file))
                source = archives[file].read(member)
            if hashlib.sha256(source).hexdigest() != module["sha256"]:
                changed.append(path)
                continue
            try:
                data = _compiled(source, f"{plan['prefix']}/{path}")
            except (SyntaxError, ValueError, RecursionError) as error:
                failed.append([path, str(error)])
                continue
            info = zipfile.ZipInfo(importlib.util.cache_from_source(path, optimization=""), _TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o100644 << 16
            output.writestr(info, data)
            written[info.filename] = hashlib.sha256(data).hexdigest()
    json.dump({"sha256": written, "failed": failed, "changed": changed}, sys.stdout)


if __name__ == "__main__":
    _main()

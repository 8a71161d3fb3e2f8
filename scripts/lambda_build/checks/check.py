"""What cannot run on Lambda is found here, before anything is written.

`check_layout` is the one entry: a build refuses what it finds, and `verify` lists it.
"""

from __future__ import annotations

import ast
import sys
import warnings
from typing import TYPE_CHECKING

from lambda_build.checks.findings import Finding, found_by
from lambda_build.checks.imports import failing_imports
from lambda_build.checks.libraries import check_libraries
from lambda_build.checks.shadows import hidden_modules, path_files
from lambda_build.errors import HandlerError, SizeError
from lambda_build.layout import read_content
from lambda_build.provided import runtime_modules

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from lambda_build.cache import Cache
    from lambda_build.layout import Layout, Member
    from lambda_build.target import Target

# AWS, "Lambda quotas": the deployment package, unzipped, layers included.
LARGEST_UNZIPPED_BYTES = 262_144_000

# What is bound in these stays in these.
_SCOPES = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda),
    *(ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp),
)


def check_layout(
    layout: Layout,
    target: Target,
    handler: str | None,
    cache: Cache | None = None,
    *,
    provided: Collection[str] | None = None,
    projects: Collection[str] = (),
) -> Iterator[Finding]:
    """Yield everything that is wrong with a package: what fails on Lambda, and likely mistakes.

    `layout` is what the function sees: where it has layers, they are in it. Each check is a
    generator of findings; one that raises instead is caught here. What reading files told is kept
    in `cache`. `provided` are the modules that Lambda may bring (by default, all that the runtime
    holds), and `projects` the origins whose code is the function's own as well.
    """
    if provided is None:
        provided = runtime_modules(target)
    if handler is not None:
        try:
            check_handler(layout, handler, target)
        except HandlerError as error:
            yield found_by(error, "handler", handler)
    yield from check_libraries(layout, target, cache, projects=projects)
    yield from failing_imports(
        layout, target, provided=provided, projects=projects, handler=handler, cache=cache
    )
    yield from hidden_modules(layout, target)
    yield from path_files(layout)
    try:
        if target.base is None:  # an image's size is known when its base and system are in it
            check_size(layout)
    except SizeError as error:
        yield found_by(error, "unzipped-size", "the package")


def check_handler(layout: Layout, handler: str, target: Target) -> None:
    """Raise HandlerError unless the handler, `module.function`, is defined in the package."""
    module, dot, function = handler.rpartition(".")
    if not dot or not module or not function.isidentifier():
        raise HandlerError(
            f"{handler!r} is no handler: it is a module and a function, e.g. index.handler"
        )
    path = module.replace(".", "/")
    # In the import system's order: a package hides a module of its name.
    sources = [layout.find(f"{path}/__init__.py"), layout.find(f"{path}.py")]
    member = next((member for member in sources if member is not None), None)
    if member is None:
        native = (f"{path}.cpython-", f"{path}.abi3.", f"{path}.so", f"{path}/__init__.cpython-")
        if any(other.path.startswith(native) for other in layout.members):
            return  # an extension module: what it defines is seen by importing it only
        raise HandlerError(
            f"The handler is {handler}, and the package has no {path}.py.\n"
            f"At its top are: {_at_the_top(layout)}.\n"
            "Name the module that defines the handler, or add the file to the source."
        )
    names = set(_names(member, target))
    # A star import may bring any name, and a module's `__getattr__` (PEP 562) makes any.
    if not {function, "*", "__getattr__"} & names:
        shown = ", ".join(sorted(name for name in names if not name.startswith("_"))) or "nothing"
        raise HandlerError(
            f"The handler is {handler}, and {member.path} does not define {function}.\n"
            f"It defines: {shown}."
        )


def check_size(layout: Layout) -> None:
    """Raise SizeError when the package is larger than Lambda takes, naming the largest parts."""
    if layout.size <= LARGEST_UNZIPPED_BYTES:
        return
    sizes: dict[str, int] = {}
    for member in layout.members:
        part = member.origin
        if part == "source":  # of which nobody sees by itself what is large
            top, below, _ = member.path.partition("/")
            part = f"source: {top}{below}"
        sizes[part] = sizes.get(part, 0) + member.size
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:10]
    rows = "\n".join(f"    {size / 1e6:8.1f} MB  {part}" for part, size in largest)
    over = layout.size - LARGEST_UNZIPPED_BYTES
    raise SizeError(
        f"The package is {layout.size / 1e6:.1f} MB unzipped, {over:,} bytes more than the "
        f"{LARGEST_UNZIPPED_BYTES / 1e6:.1f} MB (250 MiB) that Lambda takes with layers. Its "
        f"largest parts:\n{rows}\n"
        "Drop a dependency, leave files out in .lambdaignore, or deploy the function as a "
        "container image (10 GB)."
    )


def _names(member: Member, target: Target) -> Iterator[str]:
    """Yield the names that a module binds at its top; `*` when any name may be bound."""
    try:
        with warnings.catch_warnings(action="ignore"):  # its author's, not this build's
            tree = ast.parse(read_content(member.content), filename=member.path)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:  # how parsers give up
        if target.python != "{}.{}".format(*sys.version_info[:2]):
            yield "*"  # another Python's syntax; that Python judges it when it compiles it
            return
        reason = str(error) or "it is nested too deeply"
        raise HandlerError(f"{member.path} is not Python: {reason}") from error
    nodes: list[ast.AST] = [tree]  # a list, because a module may nest deeper than Python calls
    while nodes:
        node = nodes.pop()
        yield from _bound(node)
        if not isinstance(node, _SCOPES):
            nodes.extend(ast.iter_child_nodes(node))


def _bound(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in names)
        case ast.Name(id=name, ctx=ast.Store()):
            yield name
        case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name


def _at_the_top(layout: Layout) -> str:
    names = {
        member.path.partition("/")[0] + ("/" if "/" in member.path else "")
        for member in layout.members
        if member.origin == "source"
    }
    return ", ".join(sorted(names)[:10]) or "no files of the source"

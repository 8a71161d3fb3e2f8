"""Reading the imports of a module, with what stands around each: nothing is imported or run.

A branch for another Python, another operating system or a type checker is not taken; a `try` that
catches ImportError is told, and what is only reached when it fails, or when it does not.
"""

from __future__ import annotations

import ast
import json
import operator
import re
import warnings
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

# Raised when something else is read from the same module.
FORMAT = 4

# What catches a failing import (Built-in Exceptions: the exception hierarchy).
_CATCHING = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}

_CHANGES_PATH = re.compile(rb"sys\.path\s*(\.\s*(insert|append|extend)\b|\+?=[^=]|\[)|addsitedir")
_NAMES_MODULES = (b"import_module", b"__import__")

_OPERATORS: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda value, many: value in many,
    ast.NotIn: lambda value, many: value not in many,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Import:
    """A module that a file names, and what stands around it."""

    module: str  # as it is written, less the dots of a relative import
    level: int  # those dots
    names: tuple[str, ...] = ()  # of `from module import names`
    line: int
    is_call: bool = False  # import_module("module")
    guard: int | None = None  # the `try` that catches it when it fails
    fallbacks: tuple[int, ...] = ()  # the `try`s that have to fail before it is reached
    successes: tuple[int, ...] = ()  # the `try`s that have to succeed before it is reached
    needs: str | None = None  # the module that has to be found before it is reached

    def __str__(self) -> str:
        dotted = "." * self.level + self.module
        if self.is_call:
            return f'import_module("{dotted}")'
        return f"from {dotted} import {', '.join(self.names)}" if self.names else f"import {dotted}"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModuleImports:
    """The imports of a file, and whether it changes where modules are looked for."""

    imports: tuple[Import, ...]
    changes_path: bool


def read_imports(source: bytes, python: str) -> ModuleImports:
    """Return the imports of a module, for a Python such as `3.11`; none when it is no Python."""
    changes_path = _CHANGES_PATH.search(source) is not None
    try:
        with warnings.catch_warnings(action="ignore"):  # its author's, not this build's
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ModuleImports(imports=(), changes_path=changes_path)
    reader = _ImportReader(python, calls=any(name in source for name in _NAMES_MODULES))
    imports = sorted(reader.read(tree), key=lambda found: (found.line, found.module))
    return ModuleImports(imports=tuple(imports), changes_path=changes_path)


def to_json(read: ModuleImports) -> str:
    """Return what was read of a module, to be kept."""
    return json.dumps(asdict(read))


def from_json(text: str) -> ModuleImports:
    """Return what was kept; ValueError, KeyError or TypeError when it is something else."""
    told: dict[str, Any] = json.loads(text)
    tuples = ("names", "fallbacks", "successes")
    rows: list[dict[str, Any]] = [
        row | {key: tuple(row[key]) for key in tuples} for row in told["imports"]
    ]
    return ModuleImports(
        imports=tuple(Import(**row) for row in rows), changes_path=told["changes_path"]
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Around:
    """What stands around a statement."""

    guard: int | None = None
    fallbacks: tuple[int, ...] = ()
    successes: tuple[int, ...] = ()
    needs: str | None = None


class _ImportReader:
    """Reads the imports of one module, without recursion: modules may nest deeper than Python."""

    def __init__(self, python: str, *, calls: bool) -> None:
        self._version = (3, int(python.removeprefix("3.")), 99, "final", 0)
        self._calls = calls
        self._waiting: list[tuple[ast.AST, _Around]] = []
        self._tries = 0

    def read(self, tree: ast.Module) -> Iterator[Import]:
        self._add(tree.body, _Around())
        while self._waiting:
            node, around = self._waiting.pop()
            yield from self._imports(node, around)
            self._descend(node, around)

    def _imports(self, node: ast.AST, around: _Around) -> Iterator[Import]:
        surroundings: dict[str, Any] = {
            "guard": around.guard,
            "fallbacks": around.fallbacks,
            "successes": around.successes,
            "needs": around.needs,
        }
        match node:
            case ast.Import(names=aliases):
                for alias in aliases:
                    yield Import(module=alias.name, level=0, line=node.lineno, **surroundings)
            case ast.ImportFrom(module=module, level=level, names=aliases):
                yield Import(
                    module=module or "",
                    level=level,
                    names=tuple(alias.name for alias in aliases),
                    line=node.lineno,
                    **surroundings,
                )
            case ast.Call(func=function, args=[ast.Constant(value=str(name)), *_]) if _last(
                function
            ) in {"import_module", "__import__"}:
                module = name.lstrip(".")
                # What a relative one starts from is only known when it runs.
                if module == name and name:
                    yield Import(
                        module=name, level=0, line=node.lineno, is_call=True, **surroundings
                    )

    def _descend(self, node: ast.AST, around: _Around) -> None:
        match node:
            case ast.If():
                self._branch(node, around)
            case ast.Try() | ast.TryStar():
                self._try(node, around)
            case ast.With(items=items, body=body) if any(_suppresses(item) for item in items):
                self._tries += 1
                self._add(body, replace(around, guard=self._tries))
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                # Its body runs when it is called, and then no `try` around it catches anything.
                self._children(node, replace(around, guard=None))
            case _:
                self._children(node, around)

    def _children(self, node: ast.AST, around: _Around) -> None:
        for child in ast.iter_child_nodes(node):
            # Expressions hold no import statements, and many nodes.
            if self._calls or not isinstance(child, ast.expr):
                self._waiting.append((child, around))

    def _add(self, nodes: Iterable[ast.AST], around: _Around) -> None:
        self._waiting.extend((node, around) for node in nodes)

    def _branch(self, node: ast.If, around: _Around) -> None:
        verdict = self._truth(node.test)
        if verdict is not False:
            self._add(node.body, replace(around, needs=_looked_for(node.test) or around.needs))
        if verdict is not True:
            self._add(node.orelse, around)
        if self._calls:
            self._waiting.append((node.test, around))

    def _try(self, node: ast.Try | ast.TryStar, around: _Around) -> None:
        catching = [handler for handler in node.handlers if _catches(handler.type)]
        # One that ends with `raise` says why the module is needed, and needs it.
        is_guard = bool(catching) and not any(
            isinstance(handler.body[-1], ast.Raise) for handler in catching
        )
        self._tries += 1
        this = self._tries
        self._add(node.body, replace(around, guard=this) if is_guard else around)
        for handler in node.handlers:
            is_fallback = is_guard and handler in catching
            fallbacks = (*around.fallbacks, this) if is_fallback else around.fallbacks
            self._add(handler.body, replace(around, fallbacks=fallbacks))
        successes = (*around.successes, this) if is_guard else around.successes
        self._add(node.orelse, replace(around, successes=successes))
        self._add(node.finalbody, around)

    def _truth(self, test: ast.expr) -> bool | None:  # noqa: PLR0911 - one a form
        """Return what a condition is on the target; None when only running it tells."""
        match test:
            case ast.Constant(value=value):
                return bool(value)
            case ast.Name() | ast.Attribute() if _last(test) in {"TYPE_CHECKING", "MYPY", "PY2"}:
                return False
            case ast.Name() | ast.Attribute() if _last(test) == "PY3":
                return True
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                verdict = self._truth(operand)
                return None if verdict is None else not verdict
            case ast.BoolOp(op=op, values=values):
                verdicts = {self._truth(value) for value in values}
                decisive = isinstance(op, ast.Or)
                if decisive in verdicts:
                    return decisive
                return None if None in verdicts else not decisive
            case ast.Compare(left=left, ops=[op], comparators=[right]):
                return self._compared(left, op, right)
            case ast.Call(
                func=ast.Attribute(value=value, attr="startswith"), args=[ast.Constant(value=text)]
            ) if _dotted(value) == "sys.platform":
                return "linux".startswith(str(text))
        return None

    def _compared(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> bool | None:
        one, other = self._value(left), self._value(right)
        if one is None or other is None or type(op) not in _OPERATORS:
            return None
        try:
            return bool(_OPERATORS[type(op)](one, other))
        except TypeError:
            return None

    def _value(self, node: ast.expr) -> object | None:
        known: dict[str, object] = {
            "sys.version_info": self._version,
            "sys.version_info.major": 3,
            "sys.version_info.minor": self._version[1],
            "sys.platform": "linux",
            "os.name": "posix",
            "__name__": "imported",  # never __main__: Lambda imports the handler's module
        }
        match node:
            case ast.Subscript(value=ast.Attribute() as whole, slice=index) if (
                _dotted(whole) == "sys.version_info"
            ):
                return _sliced(self._version, index)
            case ast.Call(func=function) if _dotted(function) == "platform.system":
                return "Linux"
            case ast.Name() | ast.Attribute():
                return known.get(_dotted(node))
        try:
            value: object = ast.literal_eval(node)
        except (ValueError, TypeError, SyntaxError, RecursionError):
            return None
        return value


def _sliced(version: tuple[object, ...], index: ast.expr) -> object | None:
    try:
        if isinstance(index, ast.Slice):
            ends = (index.lower, index.upper, index.step)
            lower, upper, step = (None if end is None else ast.literal_eval(end) for end in ends)
            return version[lower:upper:step]
        place: object = version[ast.literal_eval(index)]
    except (ValueError, TypeError, IndexError):
        return None
    return place


def _looked_for(test: ast.expr) -> str | None:
    """Return the module in `if find_spec("module"):`, also with `is not None`."""
    match test:
        case ast.Compare(left=left, ops=[ast.IsNot()], comparators=[ast.Constant(value=None)]):
            return _looked_for(left)
        case ast.Call(func=function, args=[ast.Constant(value=str(name))]) if _last(
            function
        ) == "find_spec" and not name.startswith("."):
            return name
    return None


def _catches(kind: ast.expr | None) -> bool:
    if isinstance(kind, ast.Tuple):
        return any(_catches(each) for each in kind.elts)
    return kind is None or _last(kind) in _CATCHING


def _suppresses(item: ast.withitem) -> bool:
    call = item.context_expr
    return (
        isinstance(call, ast.Call)
        and _last(call.func) == "suppress"
        and any(_catches(argument) for argument in call.args)
    )


def _last(node: ast.expr) -> str:
    return _dotted(node).rpartition(".")[2]


def _dotted(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Name(id=name), attr=attribute):
            return f"{name}.{attribute}"
        case ast.Attribute(value=ast.Attribute() as value, attr=attribute):
            return f"{_dotted(value)}.{attribute}"
    return ""

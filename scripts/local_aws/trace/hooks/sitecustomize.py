"""What a traced function's own Python sees of a request: each hop's times, and what it was given.

Python imports a module of this name by itself when it starts, before awslambdaric: so the package
of the function is untouched, in a container too. It runs with the function's Python, so it needs
the standard library only. Classes and functions of awslambdaric, Mangum and FastAPI are wrapped
once they are there; one that is not there is no hop. Nothing is written as text before the reply
has gone out, and times are CLOCK_MONOTONIC's, the same for all processes of a machine.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.util
import os
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_ADDRESS = os.environ["LOCAL_AWS_TRACE"]  # of the recorder, host:port
_RUNTIME_API = "AWS_LAMBDA_RUNTIME_API"

_hops: list[dict[str, Any]] = []
_wrapped: set[str] = set()


class _Hop:
    """Notes when something began and ended, what it got and what it gave, or raised."""

    def __init__(self, name: str, what: str, given: object) -> None:
        self.noted: dict[str, Any] = {"name": name, "what": what, "given": given, "gave": None}
        _hops.append(self.noted)

    def __enter__(self) -> dict[str, Any]:
        self.noted["began_ns"] = time.monotonic_ns()
        return self.noted

    def __exit__(self, kind: object, error: object, traceback: object) -> None:
        self.noted["ended_ns"] = time.monotonic_ns()
        if error is not None:
            self.noted["raised"] = repr(error)


def _tell(path: str, content: object) -> None:
    import json  # noqa: PLC0415 (awslambdaric imports it first, and is timed with it)

    body = json.dumps(content, default=_shown).encode()
    host, _, port = _ADDRESS.partition(":")
    head = f"POST {path} HTTP/1.0\r\nHost: {_ADDRESS}\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(head.encode() + body)
        while connection.recv(4096):  # until it has been taken
            pass


def _shown(value: object) -> object:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if hasattr(value, "model_dump"):  # pydantic's
        return value.model_dump(mode="json")
    return f"<{type(value).__name__}>"


# awslambdaric


def _wrap_runtime_client(module: ModuleType) -> None:
    client = module.BaseLambdaRuntimeClient
    wait = client.wait_next_invocation

    @functools.wraps(wait)
    def wait_next_invocation(self: Any) -> Any:
        if _hops:
            _tell("/trace/hops", list(_hops))
            _hops.clear()
        return wait(self)

    client.wait_next_invocation = wait_next_invocation
    for name in ("post_invocation_result", "post_invocation_error"):
        setattr(client, name, _ends_awslambdaric(getattr(client, name)))


def _ends_awslambdaric(post: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(post)
    def posted(*arguments: Any, **named: Any) -> Any:
        for hop in _hops:  # its part is done: what follows is the Runtime API's
            hop.setdefault("ended_ns", time.monotonic_ns())
        return post(*arguments, **named)

    return posted


def _wrap_bootstrap(module: Any) -> None:
    handle = module.handle_event_request
    get_handler = module._get_handler  # noqa: SLF001 (it has no public name)

    @functools.wraps(handle)
    def handle_event_request(*arguments: Any, **named: Any) -> Any:
        hop = _Hop("awslambdaric", "reads the JSON, makes the context, calls the handler", None)
        hop.__enter__()
        return handle(*arguments, **named)

    @functools.wraps(get_handler)
    def get_wrapped_handler(name: str) -> Any:
        handler = get_handler(name)
        _wrap_what_is_loaded()

        def called(event: Any, context: Any) -> Any:
            _wrap_what_is_loaded()
            with _Hop(name, "(event, context)", None) as hop:
                hop["gave"] = handler(event, context)
            return hop["gave"]

        return called

    module.handle_event_request = handle_event_request
    module._get_handler = get_wrapped_handler  # noqa: SLF001 (as above)


# What the function may be made with


def _wrap_what_is_loaded() -> None:
    for name, wrap in _IN_PACKAGES.items():
        module = sys.modules.get(name)
        if module is not None and name not in _wrapped:
            _wrapped.add(name)
            wrap(module)


def _wrap_mangum(module: ModuleType) -> None:
    adapt = module.Mangum.__call__
    cycle = module.HTTPCycle.__call__
    adapting: list[dict[str, Any]] = []

    @functools.wraps(adapt)
    def adapted(self: Any, event: Any, context: Any) -> Any:
        with _Hop("Mangum", "makes an ASGI scope of the event", None) as hop:
            adapting.append(hop)
            hop["gave"] = adapt(self, event, context)
        return hop["gave"]

    @functools.wraps(cycle)
    def cycled(self: Any, app: Any) -> Any:
        if adapting:
            adapting.pop()["given"] = dict(self.scope)
        return cycle(self, app)

    module.Mangum.__call__ = adapted
    module.HTTPCycle.__call__ = cycled


def _wrap_fastapi(module: ModuleType) -> None:
    call = module.FastAPI.__call__

    @functools.wraps(call)
    async def called(self: Any, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await call(self, scope, receive, send)
            return
        received: list[Any] = []
        sent: list[Any] = []

        async def receive_and_note() -> Any:
            received.append(await receive())
            return received[-1]

        async def send_and_note(message: Any) -> None:
            sent.append(dict(message))
            await send(message)

        with _Hop("FastAPI", "middleware, route, validation", received) as hop:
            hop["gave"] = sent
            await call(self, scope, receive_and_note, send_and_note)

    module.FastAPI.__call__ = called


def _wrap_endpoints(module: ModuleType) -> None:
    run: Callable[..., Awaitable[Any]] | None = getattr(module, "run_endpoint_function", None)
    if run is None:
        return

    @functools.wraps(run)
    async def noted(*, dependant: Any, values: dict[str, Any], **named: Any) -> Any:
        name = getattr(dependant.call, "__name__", "endpoint")
        what = f"({', '.join(values)})"
        with _Hop(name, what, dict(values)) as hop:
            hop["gave"] = await run(dependant=dependant, values=values, **named)
        return hop["gave"]

    module.run_endpoint_function = noted  # type: ignore[attr-defined]


_IN_PACKAGES: dict[str, Callable[[ModuleType], None]] = {
    "mangum.adapter": _wrap_mangum,
    "fastapi.applications": _wrap_fastapi,
    "fastapi.routing": _wrap_endpoints,
}
_IN_THE_RUNTIME: dict[str, Callable[[ModuleType], None]] = {
    "awslambdaric.bootstrap": _wrap_bootstrap,
    "awslambdaric.lambda_runtime_client": _wrap_runtime_client,
}


class _Wrapping(importlib.abc.MetaPathFinder):
    """Wraps what the runtime client is made of, as soon as it has been imported."""

    def find_spec(
        self,
        fullname: str,
        _path: Sequence[str] | None,
        _target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        wrap = _IN_THE_RUNTIME.pop(fullname, None)
        if wrap is None:
            return None
        spec = importlib.util.find_spec(fullname)  # by the other finders, as it is popped
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                wrap(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec


if _RUNTIME_API in os.environ:
    # The recorder stands between: it is told where the emulator's Runtime API is.
    _tell("/trace/start", {"runtime_api": os.environ[_RUNTIME_API], "at_ns": time.monotonic_ns()})
    os.environ[_RUNTIME_API] = _ADDRESS
    sys.meta_path.insert(0, _Wrapping())

"""A WSGI application served on this machine, by threads that end with the process."""

from __future__ import annotations

import errno
import logging
import socket
import threading
from typing import TYPE_CHECKING, Any, Self

from werkzeug.serving import WSGIRequestHandler, make_server

from local_aws.errors import PortTakenError

if TYPE_CHECKING:
    from types import TracebackType

    from _typeshed.wsgi import WSGIApplication, WSGIEnvironment

HOST = "127.0.0.1"
HEADERS = "local_aws.headers"
"""Where the environ holds the request's headers as they came: repeated ones are not joined."""

_log = logging.getLogger(__name__)


class WebServer:
    """Serves a WSGI application at `url` from `__enter__` to `__exit__`.

    The port is bound by `__init__`, so a port that is taken is told before anything else is
    done. `port` 0 takes a free one.
    """

    def __init__(self, application: WSGIApplication, *, what: str, port: int = 0) -> None:
        # werkzeug ends the process when it cannot bind: so it gets a socket that is bound.
        with _bound(port, what) as listener:
            self._server = make_server(
                HOST, 0, application, threaded=True, request_handler=_Handler, fd=listener.fileno()
            )
        # A request under way must not keep Ctrl-C waiting.
        self._server.daemon_threads = True  # type: ignore[attr-defined]
        self._thread = threading.Thread(
            # The time that close() may take; the default is half a second.
            target=self._server.serve_forever,
            args=(0.05,),
            name=what,
            daemon=True,
        )

    @property
    def port(self) -> int:
        """Return the port that it listens on."""
        return int(self._server.socket.getsockname()[1])

    @property
    def url(self) -> str:
        """Return `http://127.0.0.1:PORT`."""
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening; requests under way end with the process."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.socket.close()


class _Handler(WSGIRequestHandler):
    """Says nothing on stderr, names no server software, keeps repeated headers apart."""

    def make_environ(self) -> WSGIEnvironment:
        return {**super().make_environ(), HEADERS: list(self.headers.items())}

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 (werkzeug's name)
        level = logging.ERROR if type == "error" else logging.DEBUG
        _log.log(level, message, *args)

    def version_string(self) -> str:
        return "local-aws"


def _bound(port: int, what: str) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTakenError(
                f"port {port}, wanted for {what}, is taken by another program.\n"
                "End that program, or take another port (0: any free one)."
            ) from error
        raise
    listener.listen(128)
    return listener

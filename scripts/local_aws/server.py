"""AWS on this machine: moto's services at one address, with a Lambda that runs functions."""

from __future__ import annotations

import re
import shutil
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from moto.core.base_backend import BackendDict
from moto.core.model_instances import reset_model_data
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug import Request, Response

from local_aws import moto_gaps
from local_aws.invocation import Invocation, InvocationType, Invoker, Listed
from local_aws.web import WebServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from _typeshed.wsgi import StartResponse, WSGIEnvironment

    from local_aws.containers import Containers
    from local_aws.errors import LocalAwsError

REGION = "us-east-1"
"""Where things are made if nobody names a region: moto's own default."""

_INVOKE = re.compile(r"/2015-03-31/functions/(?P<function>[^/]+)/invocations/?")
_SIGNED_FOR = re.compile(r"Credential=[^/]+/\d+/(?P<region>[\w-]+)/")

_starting = threading.Lock()
_running = 0


class LocalAws:
    """AWS at `endpoint_url` from `__enter__` to `__exit__`; `work_dir` is its own.

    moto's state belongs to the process: a LocalAws that starts while no other runs starts with
    an empty AWS, and several at once see the same one.
    """

    def __init__(
        self,
        work_dir: Path,
        *,
        port: int = 0,
        function_environment: Mapping[str, str] | None = None,
        log: Callable[[str], None] = lambda _line: None,
        containers: Containers | str = "this local AWS was started without them",
        retry_delays_s: Sequence[float] = (1, 2),
    ) -> None:
        """Bind the port (0: a free one), so that one that is taken is told at once.

        `containers` runs and holds container images, or is why nothing does.

        `function_environment` is added to every function's environment, and overrides it. `log`
        gets each line that functions print, with the function's name before it, from several
        threads.
        """
        self._folder = work_dir / "functions"
        self._mock = DomainDispatcherApplication(create_backend_app)
        self._server = WebServer(self._application, what="the local AWS", port=port)
        self._function_environment = function_environment or {}
        self._log = log
        self._containers = containers
        self._retry_delays_s = retry_delays_s
        self._running = ExitStack()

    def __enter__(self) -> Self:
        moto_gaps.apply()
        with ExitStack() as stack:
            stack.callback(_count_out)
            _count_in()
            shutil.rmtree(self._folder, ignore_errors=True)  # of one that was killed
            self._folder.mkdir(parents=True)
            stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
            containers = self._containers
            self._invoker = Invoker(
                self._folder,
                docker=containers if isinstance(containers, str) else containers.docker,
                environment={"AWS_ENDPOINT_URL": self.endpoint_url, **self._function_environment},
                log=self._log,
                retry_delays_s=self._retry_delays_s,
            )
            stack.callback(self._invoker.close)
            stack.enter_context(moto_gaps.functions_run_by(self._invoker.run_for_mock))
            if not isinstance(containers, str):
                stack.enter_context(moto_gaps.images_held_by(containers.registry))
            stack.enter_context(self._server)
            self._running = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._running.close()

    @property
    def endpoint_url(self) -> str:
        """Return `http://127.0.0.1:PORT`, for every service."""
        return self._server.url

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that point Terraform, boto3 and the AWS command line here."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def functions(self) -> list[Listed]:
        """Return the functions that are deployed, and why some cannot run on this machine."""
        return self._invoker.functions()

    def bring_images(self) -> list[LocalAwsError]:
        """Have ready what images need, so that no first invocation waits; return what failed."""
        return self._invoker.bring_images()

    def _application(
        self, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        request = Request(environ)
        found = _INVOKE.fullmatch(request.path)
        if not found or request.method != "POST":
            answer: Iterable[bytes] = self._mock(environ, start_response)
            return answer
        return self._invoke(found["function"], request)(environ, start_response)

    def _invoke(self, function: str, request: Request) -> Response:
        headers = request.headers
        signed_for = _SIGNED_FOR.search(headers.get("Authorization", ""))
        kind = headers.get("X-Amz-Invocation-Type", InvocationType.REQUEST_RESPONSE)
        if kind not in set(InvocationType):
            return Response(f"X-Amz-Invocation-Type: {kind}", status=400)
        answer = self._invoker.answer(
            Invocation(
                function=function,
                qualifier=request.args.get("Qualifier"),
                event=request.get_data(),
                type=InvocationType(kind),
                log_tail=headers.get("X-Amz-Log-Type") == "Tail",
                client_context=headers.get("X-Amz-Client-Context", ""),
                region=signed_for["region"] if signed_for else REGION,
            )
        )
        return Response(answer.body, status=answer.status, headers=answer.headers)


def _count_in() -> None:
    global _running  # noqa: PLW0603  moto's state is the process's, so the count of its users is
    with _starting:
        if _running == 0:
            BackendDict.reset()
            reset_model_data()
        _running += 1


def _count_out() -> None:
    global _running  # noqa: PLW0603  as above
    with _starting:
        _running -= 1

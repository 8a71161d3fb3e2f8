"""What the mock AWS holds of a function: configuration, code, layers, log group."""

from __future__ import annotations

import random
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.models import LambdaFunction, lambda_backends
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.logs.exceptions import ResourceAlreadyExistsException
from moto.logs.models import logs_backends

from local_aws.container import Image
from local_aws.emulator import Function, Result
from local_aws.errors import PackageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_ARN = re.compile(
    r"(?:arn:[\w-]+:lambda:(?P<region>[\w-]+):)?(?:\d{12}:function:)?"
    r"(?P<name>[\w-]+)(?::(?P<qualifier>[\w$-]+))?"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """A function as a caller names it: region, name, and a version's or an alias's name."""

    region: str
    name: str
    qualifier: str | None

    @classmethod
    def parse(cls, text: str, qualifier: str | None, *, region: str) -> Reference | None:
        """Return what a name, `name:qualifier`, a partial ARN or an ARN means; else None.

        None too if it names one qualifier and `qualifier` is another.
        """
        found = _ARN.fullmatch(text)
        if not found or (qualifier and found["qualifier"] not in {None, qualifier}):
            return None
        return cls(
            region=found["region"] or region,
            name=found["name"],
            qualifier=found["qualifier"] or qualifier,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """A layer version, and its ZIP: None if it has been deleted."""

    arn: str
    archive: bytes | None = field(compare=False, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployed:
    """One version of a function; equal to another if the same code runs in the same way."""

    function: Function
    package_type: Literal["Zip", "Image"]
    code_digest: str
    code: bytes = field(compare=False, repr=False)
    layers: tuple[Layer, ...]
    image: Image

    def layer_archives(self) -> list[bytes]:
        """Return the ZIPs of the layers in their order; PackageError if one is gone."""
        archives = []
        for layer in self.layers:
            if layer.archive is None:
                raise PackageError(
                    f"the layer version {layer.arn} has been deleted. Lambda keeps it for the "
                    "functions that use it and the mock does not: publish it again"
                )
            archives.append(layer.archive)
        return archives


def find(reference: Reference) -> LambdaFunction:
    """Return the mock's record of the version; an alias with weights picks one by chance.

    Raises the mock's UnknownFunctionException.
    """
    regions = lambda_backends[DEFAULT_ACCOUNT_ID]
    if reference.region not in regions:
        raise UnknownFunctionException(f"{reference.name} in the region {reference.region!r}")
    backend = regions[reference.region]
    qualifier = reference.qualifier
    draw = random.random()  # noqa: S311  no secret depends on it
    for version, weight in _weights(reference).items():
        draw -= weight
        if draw < 0:
            return backend.get_function(reference.name, version)
    return backend.get_function(reference.name, qualifier)


def _weights(reference: Reference) -> dict[str, float]:
    """Return which share an alias gives other versions than its own; nothing of a version."""
    backend = lambda_backends[DEFAULT_ACCOUNT_ID][reference.region]
    latest = backend.get_function(reference.name)
    aliases = {alias.name: alias for alias in backend.list_aliases(latest.function_name)}
    alias = aliases.get(reference.qualifier or "")
    routing: Any = alias.routing_config if alias else None
    return dict((routing or {}).get("AdditionalVersionWeights") or {})


def describe(version: LambdaFunction) -> Deployed:
    """Return what the emulator needs to know of the mock's record."""
    configuration: dict[str, Any] = version.get_configuration()
    logging = configuration.get("LoggingConfig") or {}
    return Deployed(
        function=Function(
            name=version.function_name,
            version=str(version.version),
            handler=version.handler or "",
            runtime=version.run_time or "",
            architecture=version.architectures[0],
            memory_mb=int(version.memory_size),
            timeout_s=int(version.timeout),
            ephemeral_storage_mb=int(version.ephemeral_storage),
            region=version.region,
            log_group=logging.get("LogGroup") or f"/aws/lambda/{version.function_name}",
            log_format=logging.get("LogFormat", "Text"),
            log_level=logging.get("ApplicationLogLevel", ""),
            variables=dict(version.environment_vars),
        ),
        package_type=version.package_type,
        code_digest=version.code_sha_256,
        code=getattr(version, "code_bytes", b""),  # an image has none
        layers=tuple(_layer(layer["Arn"], version.region) for layer in version.layers),
        image=_image(version),
    )


def _image(version: LambdaFunction) -> Image:
    """Return the function's image; that of an archive has no URI."""
    configuration: Any = version.image_config
    return Image(
        uri=str(version.code.get("ImageUri", "")),
        entry_point=tuple(configuration.entry_point),
        command=tuple(configuration.cmd),
        working_directory=configuration.working_directory or "",
    )


def _layer(arn: str, region: str) -> Layer:
    version = lambda_backends[DEFAULT_ACCOUNT_ID][region].layers_versions_by_arn(arn)
    return Layer(arn=arn, archive=version.code_bytes if version else None)


def reserved_concurrency(region: str, name: str) -> int | None:
    """Return how many invocations of the function may run at once, if that is reserved."""
    # It belongs to the function, so published versions do not carry it.
    reserved = lambda_backends[DEFAULT_ACCOUNT_ID][region].get_function(name).reserved_concurrency
    return None if reserved is None else int(reserved)


def retry_attempts(region: str, name: str) -> int:
    """Return how often Lambda runs an asynchronous event again after the function failed."""
    configured = lambda_backends[DEFAULT_ACCOUNT_ID][region].get_function(name).event_invoke_config
    return int(configured[0].config.get("MaximumRetryAttempts", 2)) if configured else 2


def all_functions() -> list[Deployed]:
    """Return every function of every region, sorted, as `$LATEST` is."""
    functions = [
        describe(function)
        for backend in dict(lambda_backends[DEFAULT_ACCOUNT_ID]).values()
        for function in backend.list_functions()
    ]
    return sorted(functions, key=lambda each: (each.function.region, each.function.name))


def put_logs(function: Function, stream: str, lines: Sequence[str]) -> None:
    """Write lines to the function's log group, if there is one."""
    backend = logs_backends[DEFAULT_ACCOUNT_ID][function.region]
    if function.log_group not in backend.groups:
        return
    with suppress(ResourceAlreadyExistsException):
        backend.create_log_stream(function.log_group, stream)
    now = int(time.time() * 1000)
    events = [{"timestamp": now, "message": line} for line in lines]
    backend.put_log_events(function.log_group, stream, events)


def put_metrics(reference: Reference, result: Result) -> None:
    """Count an invocation where Lambda does: by function, by what was named, by who answered.

    AWS Lambda developer guide, "Types of metrics for Lambda functions"; the last one only while an
    alias has weights.
    """
    name, qualifier = reference.name, reference.qualifier
    by_function = {"FunctionName": name}
    by_resource = by_function | {"Resource": f"{name}:{qualifier}" if qualifier else name}
    counted = [by_function, by_resource]
    with suppress(UnknownFunctionException):  # it may have been deleted meanwhile
        if _weights(reference):
            counted.append(by_resource | {"ExecutedVersion": result.version})
    metrics = {
        "Invocations": (1, "Count"),
        "Errors": (1 if result.function_error else 0, "Count"),
        "Duration": (result.duration_ms, "Milliseconds"),
    }
    cloudwatch_backends[DEFAULT_ACCOUNT_ID][reference.region].put_metric_data(
        "AWS/Lambda",
        [
            {
                "MetricName": metric,
                "Value": value,
                "Unit": unit,
                "Dimensions": [{"Name": key, "Value": each[key]} for key in each],
            }
            for each in counted
            for metric, (value, unit) in metrics.items()
        ],
    )

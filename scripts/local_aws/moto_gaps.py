"""Where moto differs from AWS in what this stack uses, corrected from outside.

Each correction is a function that says what AWS does and what moto does, with the date and the
version of moto in which it was last seen. `apply()` makes them all; importing makes none. A test
for each asserts what AWS does, so that a correction which moto has made superfluous can go and
its test can stay.
"""

from __future__ import annotations

import copy
import json
import threading
import uuid
from collections.abc import Callable, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from moto.awslambda.exceptions import LambdaClientError, PreconditionFailedException
from moto.awslambda.models import EventSourceMapping, ImageConfig, LambdaAlias, LambdaFunction
from moto.awslambda.responses import LambdaResponse
from moto.ecr.models import ECRBackend, Image, Repository
from moto.iam.access_control import IAMPolicy, PermissionResult
from moto.s3.models import FakeBucket

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local_aws.emulator import Result
    from local_aws.registry import Manifest, Registry

Run = Callable[[LambdaFunction, bytes], "Result"]

_lock = threading.Lock()
_applied: list[Callable[[], None]] = []
_runners: list[Run] = []
_registries: list[Registry] = []


def apply() -> None:
    """Make every correction in this process; a second time does nothing."""
    with _lock:
        for correction in CORRECTIONS:
            if correction not in _applied:
                correction()
                _applied.append(correction)


@contextmanager
def functions_run_by(run: Run) -> Iterator[None]:
    """Have the functions that moto itself invokes run by `run`; the last one given wins."""
    _runners.append(run)
    try:
        yield
    finally:
        _runners.remove(run)


@contextmanager
def images_held_by(registry: Registry) -> Iterator[None]:
    """Have that registry as ECR's: what is pushed to it is there; the last one given wins."""
    _registries.append(registry)
    try:
        yield
    finally:
        _registries.remove(registry)


def lambda_configuration() -> None:
    """Return the parts of a function's configuration that moto forgets.

    AWS returns DeadLetterConfig, LoggingConfig (with its defaults) and SnapStart as they were
    set, so Terraform sees no drift. moto drops the first two and answers "None" for SnapStart.
    Seen 2026-11-21 with moto 5.2.5.
    """
    forgotten = ("DeadLetterConfig", "LoggingConfig", "SnapStart")
    initialise = LambdaFunction.__init__
    get = LambdaFunction.get_configuration
    update = LambdaFunction.update_configuration

    def remember(
        self: Any, account_id: str, spec: dict[str, Any], *more: Any, **named: Any
    ) -> None:
        initialise(self, account_id, spec, *more, **named)
        self.remembered = {key: copy.deepcopy(spec[key]) for key in forgotten if spec.get(key)}

    def update_configuration(self: Any, changes: dict[str, Any]) -> dict[str, Any]:
        given = {key: copy.deepcopy(changes[key]) for key in forgotten if key in changes}
        # A new dict: published versions share the old one with the function they came from.
        self.remembered = {**self.remembered, **given}
        return update(self, changes)

    def get_configuration(self: Any, on_create: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002  moto's signature
        configuration = get(self, on_create)
        remembered = self.remembered
        if remembered.get("DeadLetterConfig", {}).get("TargetArn"):
            configuration["DeadLetterConfig"] = remembered["DeadLetterConfig"]
        logging = {"LogFormat": "Text", **remembered.get("LoggingConfig", {})}
        levels = {"ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO"}
        configuration["LoggingConfig"] = {
            "LogGroup": f"/aws/lambda/{self.function_name}",
            **(levels if logging["LogFormat"] == "JSON" else {}),
            **logging,
        }
        if snap_start := remembered.get("SnapStart"):
            published = str(self.version).isdecimal()
            on = snap_start.get("ApplyOn") == "PublishedVersions" and published
            configuration["SnapStart"] = {
                **snap_start,
                "OptimizationStatus": "On" if on else "Off",
            }
        return configuration

    _replace(
        LambdaFunction,
        __init__=remember,
        update_configuration=update_configuration,
        get_configuration=get_configuration,
    )


def event_source_mapping_on_an_alias() -> None:
    """Return an event source mapping's function as it was named.

    AWS returns the alias's ARN when the mapping was made with it; moto resolves it, and returns
    the ARN of the version that the alias meant, which Terraform would replace each time.
    Seen 2026-11-21 with moto 5.2.5.
    """
    get = EventSourceMapping.get_configuration

    def get_configuration(self: Any) -> dict[str, Any]:
        configuration = get(self)
        if str(self.function_name).startswith("arn:"):
            configuration["FunctionArn"] = self.function_name
        return configuration

    _replace(EventSourceMapping, get_configuration=get_configuration)


def invocations_by_the_mock() -> None:
    """Run functions that another of moto's services invokes (SNS, S3 notifications, log filters).

    AWS runs the function; moto starts a container with Docker, or fails. Where no runner has
    been given, it still does. Seen 2026-11-21 with moto 5.2.5.
    """
    by_docker = LambdaFunction.invoke

    def invoke(
        self: LambdaFunction,
        body: str | bytes,
        request_headers: Any,
        response_headers: MutableMapping[str, str],
    ) -> str | bytes:
        if not _runners:
            return by_docker(self, body, request_headers, response_headers)  # type: ignore[arg-type]
        result = _runners[-1](self, body.encode() if isinstance(body, str) else body)
        if result.function_error:
            response_headers["x-amz-function-error"] = result.function_error
        response_headers["x-amz-executed-version"] = result.version
        return result.payload

    _replace(LambdaFunction, invoke=invoke)


def ecr_images() -> None:
    """Answer for the images that were pushed to the registry, and delete them there.

    A repository's URI at AWS is where images are pushed to, and ECR then tells their tags and
    digests. moto's URIs lead to AWS, no image can be pushed to moto, and it makes up the digest of
    one that is put by its API. Where no registry has been given, it still does.
    Seen 2026-11-21 with moto 5.2.5.
    """
    initialise = Repository.__init__

    def with_address(self: Any, *more: Any, **named: Any) -> None:
        initialise(self, *more, **named)
        if _registries:
            self.uri = f"{_registries[-1].address}/{self.name}"

    _replace(Repository, __init__=with_address)
    for name in (
        *("describe_images", "list_images", "batch_get_image"),
        *("batch_delete_image", "delete_repository"),
    ):
        _replace(ECRBackend, **{name: _seeing(getattr(ECRBackend, name))})


def _seeing(method: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of ECR that looks at the registry first, and deletes there what it did."""

    def wrapped(self: Any, repository_name: str, *more: Any, **named: Any) -> Any:
        repository = self.repositories.get(repository_name)
        if repository is None or not _registries:
            return method(self, repository_name, *more, **named)
        registry = _registries[-1]
        _see(repository, registry)
        before = {image.image_digest for image in repository.images}
        answer = method(self, repository_name, *more, **named)
        kept = repository.images if repository_name in self.repositories else []
        for digest in sorted(before - {image.image_digest for image in kept}):
            registry.delete(repository_name, digest)
        return answer

    return wrapped


def _see(repository: Any, registry: Registry) -> None:
    """Make moto's images of a repository those that the registry holds."""
    manifests: dict[str, Manifest] = {}
    tags: dict[str, list[str]] = {}
    for tag in registry.tags(repository.name):
        if manifest := registry.manifest(repository.name, tag):
            manifests[manifest.digest] = manifest
            tags.setdefault(manifest.digest, []).append(tag)
    known = {image.image_digest: image for image in repository.images}
    for digest in known.keys() - manifests.keys():  # a tag may have moved on from it
        if manifest := registry.manifest(repository.name, digest):
            manifests[digest] = manifest
    repository.images = []
    for digest, manifest in manifests.items():
        image = known.get(digest) or Image(
            repository.account_id,
            "",  # its tags are set below
            manifest.content.decode(),
            repository.name,
            manifest.media_type,
            digest,
        )
        image.image_tags = tags.get(digest, [])
        image.image_tag = image.image_tags[-1] if image.image_tags else None
        repository.images.append(image)


def image_configuration() -> None:
    """Return what is set of an image function's ImageConfig, and update it.

    AWS returns no ImageConfigResponse where nothing is set. moto returns empty lists, which
    Terraform would change each time, and ignores updates. Seen 2026-11-21 with moto 5.2.5.
    """
    get = LambdaFunction.get_configuration
    update = LambdaFunction.update_configuration

    def get_configuration(self: Any, on_create: bool = False) -> dict[str, Any]:  # noqa: FBT001, FBT002  moto's signature
        configuration = get(self, on_create)
        if response := configuration.pop("ImageConfigResponse", None):
            given = {key: value for key, value in response["ImageConfig"].items() if value}
            if given:
                configuration["ImageConfigResponse"] = {"ImageConfig": given}
        return configuration

    def update_configuration(self: Any, changes: dict[str, Any]) -> dict[str, Any]:
        if "ImageConfig" in changes:
            self.image_config = ImageConfig(changes["ImageConfig"])
        return update(self, changes)

    _replace(
        LambdaFunction,
        get_configuration=get_configuration,
        update_configuration=update_configuration,
    )


def image_code() -> None:
    """Refuse an image that ECR does not hold, and tell the digest of one that it does.

    AWS refuses an image that is not there, and one for several machines; tells the image's digest
    as CodeSha256 and in ResolvedImageUri; and a published version keeps its image. moto accepts
    any image, tells the hash of its URI, takes the port of the registry for the tag, and changes
    published versions with the function. Where no registry has been given, any image is accepted.
    Seen 2026-11-21 with moto 5.2.5.
    """
    get_code = LambdaFunction.get_code
    set_code = LambdaFunction._set_function_code  # noqa: SLF001  create and update share no other

    def set_function_code(self: Any, code: dict[str, Any]) -> None:
        uri = code.get("ImageUri")
        digest = _image_digest(uri, _registries[-1]) if uri and _registries else None
        if uri and code is not self.code:
            self.code = dict(self.code)  # published versions share it
        set_code(self, code)
        if digest and not code.get("DryRun"):
            self.code_sha_256 = digest.removeprefix("sha256:")

    def get_function_code(self: Any) -> dict[str, Any]:
        answer = get_code(self)
        if uri := answer.get("Code", {}).get("ImageUri"):
            name, _ = _image_name(uri)
            answer["Code"]["ResolvedImageUri"] = f"{name}@sha256:{self.code_sha_256}"
        return answer

    _replace(LambdaFunction, get_code=get_function_code, _set_function_code=set_function_code)


def _image_digest(uri: str, registry: Registry) -> str:
    """Return the digest of the image that Lambda would run; refuses as Lambda does."""
    name, reference = _image_name(uri)
    address, _, repository = name.partition("/")
    found = registry.manifest(repository, reference) if address == registry.address else None
    if found is None:
        why = "does not exist. Provide a valid source image."
    elif "manifests" in json.loads(found.content):
        why = "is not supported: its media type is that of a list of images for several machines."
    else:
        return found.digest
    raise LambdaClientError("InvalidParameterValueException", f"Source image {uri} {why}")


def _image_name(uri: str) -> tuple[str, str]:
    """Return an image's name with its registry, and its digest or tag."""
    name, _, digest = uri.partition("@")
    head, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    return head + slash + last, digest or tag or "latest"


def bucket_policies_that_ask_for_tls() -> None:
    """Take every request for one that came by TLS, as those to AWS's own addresses do.

    AWS refuses by a bucket's policy only where the statement's conditions hold. moto reads no
    conditions there, so that one which denies what is not TLS denies everything. Other conditions
    are still not read. Seen 2026-11-21 with moto 5.2.5.
    """

    def get_permission(self: Any, action: str, resource: str) -> PermissionResult:
        if self.policy is None:
            return PermissionResult.NEUTRAL
        policy = json.loads(self.policy)
        statements = policy["Statement"]
        statements = statements if isinstance(statements, list) else [statements]
        policy["Statement"] = [each for each in statements if not _is_for_plain_http(each)]
        permission: PermissionResult = IAMPolicy(json.dumps(policy)).is_action_permitted(
            action, resource
        )
        return permission

    _replace(FakeBucket, get_permission=get_permission)


def _is_for_plain_http(statement: dict[str, Any]) -> bool:
    conditions = statement.get("Condition", {}).get("Bool", {})
    values = [conditions[key] for key in conditions if key.lower() == "aws:securetransport"]
    return any(str(value).lower() in {"false", "['false']"} for value in values)


def alias_revisions() -> None:
    """Give an alias another RevisionId at each update, and refuse an update for an older one.

    AWS answers 412 to an UpdateAlias whose RevisionId is not the alias's, and without weights
    returns no RoutingConfig. moto keeps one RevisionId for ever, asks for none, and returns empty
    weights as such. Seen 2026-11-21 with moto 5.2.5.
    """
    update = LambdaAlias.update
    to_json = LambdaAlias.to_json
    update_alias = LambdaResponse.update_alias

    def renewed(self: Any, *more: Any, **named: Any) -> None:
        update(self, *more, **named)
        self.revision_id = str(uuid.uuid4())

    def without_empty_weights(self: Any) -> dict[str, Any]:
        told = to_json(self)
        if not (told["RoutingConfig"] or {}).get("AdditionalVersionWeights"):
            del told["RoutingConfig"]
        return told

    def for_revision(self: Any) -> Any:
        *_, function, _, name = unquote(self.path).split("/")
        wanted = json.loads(self.body).get("RevisionId")
        with _lock:  # nobody may come in between
            alias = self.backend.get_alias(name=name, function_name=function)
            if wanted and wanted != alias.revision_id:
                raise PreconditionFailedException(
                    "The RevisionId provided does not match the latest RevisionId for the Lambda "
                    "function or alias. Call the GetFunction or the GetAlias API to retrieve the "
                    "latest RevisionId for your resource."
                )
            return update_alias(self)

    _replace(LambdaAlias, update=renewed, to_json=without_empty_weights)
    _replace(LambdaResponse, update_alias=for_revision)


CORRECTIONS = (
    alias_revisions,
    lambda_configuration,
    event_source_mapping_on_an_alias,
    invocations_by_the_mock,
    ecr_images,
    image_configuration,
    image_code,
    bucket_policies_that_ask_for_tls,
)


def _replace(owner: type, **methods: Callable[..., Any]) -> None:
    for name, method in methods.items():
        setattr(owner, name, method)

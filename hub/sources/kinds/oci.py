"""OCIRepository: a layer of an artifact, pulled from its registry on the hub's loop and unpacked in a process of its own."""

import asyncio
import contextlib
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from hub.model.kinds import Kind
from hub.model.ocirepository import LayerSelector, OciRepository, OciRepositoryStatus
from hub.model.source import ORIGIN_REVISION, ORIGIN_SOURCE, STORAGE_OPERATION_FAILED, Artifact
from hub.model.urls import without_userinfo
from hub.sources import transport
from hub.sources.failure import FailureKind, FetchFailure
from hub.sources.fetch import LAYER_FILE, Failed, Fetched, LayerRequest, Limits, Order, Packed, Unchanged
from hub.sources.kind import (
    ARCHIVE_OPERATION_FAILED,
    AUTHENTICATION_FAILED,
    URL_INVALID,
    Failure,
    Secrets,
    SourceFailed,
)
from hub.sources.news import up_to_date
from hub.sources.oci import docker_config, reference
from hub.sources.oci.docker_config import InvalidDockerConfig, Login
from hub.sources.oci.manifest import InvalidManifest, Manifest
from hub.sources.oci.reference import InvalidReference, InvalidUrl, Pinned, Repository
from hub.sources.oci.registry import Door, Registry
from hub.sources.workers import Workers

READ_OPERATION_FAILED = "ReadOperationFailed"
PULL_FAILED = "OCIArtifactPullFailed"
LAYER_OPERATION_FAILED = "OCIArtifactLayerOperationFailed"


class OciRepositories:
    """The kind OCIRepository, for the reconciler of sources."""

    kind = Kind.OCI_REPOSITORY

    def __init__(self, workers: Workers, secrets: Secrets, limits: Limits | None = None) -> None:
        self._workers = workers
        self._secrets = secrets
        self._limits = limits or Limits()
        # The system's authorities take long to read.
        self._system_tls = ssl.create_default_context()
        self._unverified_tls = transport.unverified_tls()

    def is_as_configured(self, source: OciRepository) -> bool:
        """Tell whether what decides the content, apart from the artifact, is as it was."""
        spec, status = source.spec, source.status
        now, then = (one or LayerSelector() for one in (spec.layer_selector, status.observed_layer_selector))
        is_same_layer = (now.media_type, now.copies) == (then.media_type, then.copies)
        return is_same_layer and spec.ignore == status.observed_ignore

    async def fetch(self, source: OciRepository, folder: Path, *, known: str) -> Fetched | Unchanged:
        """Pull the layer that the reference and the selector stand for. Raises SourceFailed."""
        repository = _repository(source)
        door = await self._door(source, repository)
        timeout_s = source.spec.timeout.total_seconds()
        step = _Step(source)
        try:
            async with asyncio.timeout(timeout_s), Registry(repository, door) as registry:
                pinned = await _resolve(source, registry, step)
                if pinned.revision == known:
                    return Unchanged(revision=known)
                with step.doing(PULL_FAILED, f"failed to pull artifact from '{source.spec.url}'"):
                    manifest = await registry.manifest(pinned.digest)
                await self._pull(source, registry, manifest, folder / LAYER_FILE, step)
        except TimeoutError as problem:
            raise step.failed(f"no result within spec.timeout of {timeout_s:g}s") from problem
        return Fetched(
            revision=pinned.revision,
            name=pinned.digest,
            packed=await self._unpack(source, folder),
            metadata=manifest.annotations,
        )

    def observed(self, source: OciRepository) -> OciRepositoryStatus:
        """Return the status with what decides the content."""
        return msgspec.structs.replace(
            source.status,
            observed_ignore=source.spec.ignore,
            observed_layer_selector=source.spec.layer_selector,
        )

    def stored(self, artifact: Artifact) -> str:
        """Return what the conditions say of an artifact."""
        return f"stored artifact for digest '{artifact.revision}'"

    def news(self, source: OciRepository, artifact: Artifact, fetched: Fetched | None) -> str:
        """Return where the artifact is from for an event, and what it was made of."""
        text = f"stored artifact with revision '{artifact.revision}' from '{source.spec.url}'"
        for words, name in (("origin source", ORIGIN_SOURCE), ("origin revision", ORIGIN_REVISION)):
            if found := artifact.metadata.get(name):
                text += f", {words} '{found}'"
        return text

    def unchanged(self, artifact: Artifact) -> tuple[str, str]:
        """Return what answers a request when the registry has nothing new."""
        return up_to_date(artifact)

    async def _pull(
        self, source: OciRepository, registry: Registry, manifest: Manifest, target: Path, step: "_Step"
    ) -> None:
        try:
            layer = manifest.layer(source.spec.layer_selector)
        except InvalidManifest as problem:
            raise SourceFailed(Failure(reason=LAYER_OPERATION_FAILED, message=str(problem))) from problem
        with step.doing(PULL_FAILED, f"failed to pull artifact from '{source.spec.url}'"):
            await registry.pull(layer, target, most_bytes=self._limits.received_bytes)

    async def _unpack(self, source: OciRepository, folder: Path) -> Packed:
        selector = source.spec.layer_selector or LayerSelector()
        request = LayerRequest(
            timeout_s=source.spec.timeout.total_seconds(),
            ignore=source.spec.ignore,
            copies=selector.copies,
            limits=self._limits,
        )
        answer = await self._workers.serve(Order(request=request, folder=str(folder)))
        if isinstance(answer, Failed):
            verb = "copy" if selector.copies else "extract"
            message = f"failed to {verb} layer contents from artifact: {answer.message}"
            failure = Failure(reason=LAYER_OPERATION_FAILED, message=message)
            if answer.kind is FailureKind.STORAGE:
                failure = Failure(
                    reason=ARCHIVE_OPERATION_FAILED,
                    message=answer.message,
                    condition=STORAGE_OPERATION_FAILED,
                )
            raise SourceFailed(failure)
        assert isinstance(answer, Packed)
        return answer

    async def _door(self, source: OciRepository, repository: Repository) -> Door:
        """Gather what the Secrets give. Raises SourceFailed."""
        try:
            login = docker_config.login_for(repository, await self._logins(source))
        except (InvalidDockerConfig, _Missing) as problem:
            message = f"failed to get credentials: {problem}"
            raise SourceFailed(Failure(reason=AUTHENTICATION_FAILED, message=message)) from problem
        try:
            return Door(
                login=login,
                tls=await self._tls(source),
                insecure=source.spec.insecure,
                proxy=await self._proxy(source),
            )
        except (transport.InvalidTransport, _Missing) as problem:
            message = f"failed to generate transport for '{source.spec.url}': {problem}"
            raise SourceFailed(Failure(reason=AUTHENTICATION_FAILED, message=message)) from problem

    async def _logins(self, source: OciRepository) -> list[dict[str, Login]]:
        namespace, spec = source.metadata.namespace, source.spec
        names = [(spec.secret_ref.name, "")] if spec.secret_ref is not None else []
        if account := spec.service_account_name:
            found = await self._secrets.pull_secrets(namespace, account)
            if found is None:
                where = f"failed to get service account '{namespace}/{account}'"
                raise _Missing(f'{where}: serviceaccounts "{account}" not found')
            names += [(name, account) for name in found]
        logins = []
        for name, account in names:
            data = await self._secrets.secret(namespace, name)
            if data is None:
                what = f"image pull secret '{namespace}/{name}' for service account '{namespace}/{account}'"
                where = what if account else f"secret '{namespace}/{name}'"
                raise _Missing(f'failed to get {where}: secrets "{name}" not found')
            try:
                logins.append(dict(docker_config.logins(data)))
            except InvalidDockerConfig as problem:
                raise InvalidDockerConfig(f"secret '{namespace}/{name}': {problem}") from problem
        return logins

    async def _tls(self, source: OciRepository) -> ssl.SSLContext:
        reference_ = source.spec.cert_secret_ref
        if reference_ is None:
            return self._unverified_tls if source.spec.insecure else self._system_tls
        data, name = await self._named(source, reference_.name)
        return transport.tls(transport.certificates(data, name))

    async def _proxy(self, source: OciRepository) -> transport.Proxy | None:
        if source.spec.proxy_secret_ref is None:
            return None
        data, name = await self._named(source, source.spec.proxy_secret_ref.name)
        found = transport.proxy(data, name)
        if found.is_socks:
            raise transport.InvalidTransport(
                f"secret '{name}': socks5 proxies are not supported by this version of Cartwheel; use one over http or https"
            )
        return found

    async def _named(self, source: OciRepository, name: str) -> tuple[Mapping[str, bytes], str]:
        namespace = source.metadata.namespace
        data = await self._secrets.secret(namespace, name)
        if data is None:
            raise _Missing(f"failed to get secret '{namespace}/{name}': secrets \"{name}\" not found")
        return data, f"{namespace}/{name}"


class _Missing(Exception):
    """A resource that the spec names is not there."""


class _Step:
    """What is being done, so that a failure or the end of the time says of what."""

    def __init__(self, source: OciRepository) -> None:
        self._reason, self._words = PULL_FAILED, f"failed to pull artifact from '{source.spec.url}'"

    @contextlib.contextmanager
    def doing(self, reason: str, words: str) -> Iterator[None]:
        self._reason, self._words = reason, words
        try:
            yield
        except (FetchFailure, InvalidReference) as problem:
            raise self.failed(str(problem)) from problem

    def failed(self, detail: str) -> SourceFailed:
        return SourceFailed(Failure(reason=self._reason, message=f"{self._words}: {detail}"))


def _repository(source: OciRepository) -> Repository:
    url = source.spec.url
    try:
        return reference.repository_of(url)
    except InvalidUrl as problem:
        message = f"URL validation failed for '{without_userinfo(url)}': {problem}"
        raise SourceFailed(Failure(reason=URL_INVALID, message=message, is_final=True)) from problem


async def _resolve(source: OciRepository, registry: Registry, step: _Step) -> Pinned:
    """Return the manifest that the reference stands for now. Raises SourceFailed."""
    ref, url = source.spec.ref, source.spec.url
    with step.doing(READ_OPERATION_FAILED, f"failed to determine the artifact tag for '{url}'"):
        if digest := reference.digest_of(ref):
            return Pinned(digest=digest)
        if ref.semver:
            tag = reference.best_tag(ref, await registry.tags(), source.spec.layer_selector)
        else:
            tag = reference.tag_of(ref)
    with step.doing(PULL_FAILED, "failed to determine artifact digest"):
        return Pinned(digest=await registry.digest_of(tag), tag=tag)

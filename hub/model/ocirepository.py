"""OCIRepository: an artifact of a container registry to fetch, and what was fetched."""

from collections.abc import Mapping
from enum import StrEnum

from hub.model.metadata import LocalRef
from hub.model.source import Source, SourceSpec, SourceStatus
from hub.model.value import Value, read

DEFAULT_TAG = "latest"


class LayerOperation(StrEnum):
    """What becomes of the chosen layer: its files, or its bytes as they are."""

    EXTRACT = "extract"
    COPY = "copy"


class OciRef(Value, frozen=True, kw_only=True):
    """What to pull; the first that is not empty of digest, semver, tag, else the tag `latest`."""

    tag: str = ""
    semver: str = ""
    semver_filter: str = ""
    digest: str = ""


class LayerSelector(Value, frozen=True, kw_only=True):
    """Which layer of the artifact, the first when there is no media type."""

    media_type: str = ""
    operation: LayerOperation | None = None

    @property
    def copies(self) -> bool:
        return self.operation is LayerOperation.COPY


class OciRepositorySpec(SourceSpec, frozen=True, kw_only=True):
    """What the author wants. What is refused before anything is pulled is only in `OciRepository.raw_spec`."""

    url: str
    ref: OciRef = OciRef()
    layer_selector: LayerSelector | None = None
    ignore: str | None = None
    secret_ref: LocalRef | None = None
    service_account_name: str = ""
    cert_secret_ref: LocalRef | None = None
    proxy_secret_ref: LocalRef | None = None
    insecure: bool = False


class OciRepositoryStatus(SourceStatus, frozen=True, kw_only=True):
    """What was pulled, and with which content configuration."""

    observed_ignore: str | None = None
    observed_layer_selector: LayerSelector | None = None


class OciRepository(Source, frozen=True, kw_only=True):
    """One OCIRepository."""

    spec: OciRepositorySpec
    status: OciRepositoryStatus = OciRepositoryStatus()

    @classmethod
    def parse(cls, raw: Mapping[str, object]) -> "OciRepository":
        """Read what the API server returned. Raises MalformedResource."""
        return read(cls, raw)

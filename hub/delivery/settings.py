"""What the work on deliveries is set to."""

from collections.abc import Mapping
from dataclasses import dataclass

from agent.kit.reconcile import Backoff
from hub.model.cluster import ClusterName
from hub.model.durations import Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class SopsSettings:
    """How all deliveries are decrypted. `age_secret`, as `namespace/name`, is for those that name no Secret of their own;
    the endpoints are where the clouds' KMS is, if it is not their own."""

    age_secret: str = ""
    requires_mac: bool = False
    service_timeout_s: float = 10.0
    aws_endpoint: str = ""
    gcp_endpoint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliverySettings:
    """Times in seconds; `scale` is for those that come with resources. `tools` are the versions that a build depends on."""

    management: ClusterName
    backoff: Backoff
    tools: Mapping[str, str]
    dependency_retry_s: float = 30.0
    rename_window_s: float = 300.0
    workers: int = 8
    scale: float = 1.0
    sops: SopsSettings = SopsSettings()

    @property
    def look_again_s(self) -> float:
        """Return after how long what is waited for is looked at though nothing told of it."""
        return self.dependency_retry_s

    def scaled_s(self, duration: Duration) -> float:
        """Return how long a resource's own time is here."""
        return duration.total_seconds() * self.scale
